//! Access control lists and SCRAM credentials: there are none. The answers are those of an Apache Kafka without an authorizer
//! (`SECURITY_DISABLED`) and without SCRAM.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::delete_acls_response::DeleteAclsFilterResult;
use kafka_protocol::messages::describe_user_scram_credentials_response::DescribeUserScramCredentialsResult;
use kafka_protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, CreateAclsRequest,
    CreateAclsResponse, DeleteAclsRequest, DeleteAclsResponse, DescribeAclsRequest, DescribeAclsResponse,
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse,
};
use kafka_protocol::protocol::StrBytes;

use super::{HangUp, Serve, text};
use crate::engine::Engine;
use crate::wire::Call;

const NO_AUTHORIZER: ResponseError = ResponseError::SecurityDisabled;

fn message(error: ResponseError) -> Option<StrBytes> {
    Some(match error {
        NO_AUTHORIZER => text("No Authorizer is configured."),
        error => text(error.to_string()),
    })
}

impl Serve for DescribeAclsRequest {
    type Response = DescribeAclsResponse;

    async fn serve(self, _: &Engine, call: &Call) -> Result<Option<Self::Response>, HangUp> {
        self.refuse(call, NO_AUTHORIZER)
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let response = DescribeAclsResponse::default().with_error_code(error.code());
        Ok(Some(response.with_error_message(message(error))))
    }
}

impl Serve for CreateAclsRequest {
    type Response = CreateAclsResponse;

    async fn serve(self, _: &Engine, call: &Call) -> Result<Option<Self::Response>, HangUp> {
        self.refuse(call, NO_AUTHORIZER)
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let refused =
            AclCreationResult::default().with_error_code(error.code()).with_error_message(message(error));
        Ok(Some(CreateAclsResponse::default().with_results(vec![refused; self.creations.len()])))
    }
}

impl Serve for DeleteAclsRequest {
    type Response = DeleteAclsResponse;

    async fn serve(self, _: &Engine, call: &Call) -> Result<Option<Self::Response>, HangUp> {
        self.refuse(call, NO_AUTHORIZER)
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let refused = DeleteAclsFilterResult::default()
            .with_error_code(error.code())
            .with_error_message(message(error));
        Ok(Some(DeleteAclsResponse::default().with_filter_results(vec![refused; self.filters.len()])))
    }
}

impl Serve for DescribeUserScramCredentialsRequest {
    type Response = DescribeUserScramCredentialsResponse;

    /// Nobody has any; who is asked for by name is not found.
    async fn serve(self, _: &Engine, _: &Call) -> Result<Option<Self::Response>, HangUp> {
        let missing = ResponseError::ResourceNotFound;
        let result = |user: StrBytes| {
            DescribeUserScramCredentialsResult::default()
                .with_user(user)
                .with_error_code(missing.code())
                .with_error_message(message(missing))
        };
        let named = self.users.unwrap_or_default().into_iter().map(|user| result(user.name));
        let response = DescribeUserScramCredentialsResponse::default().with_error_message(None);
        Ok(Some(response.with_results(named.collect())))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let response = DescribeUserScramCredentialsResponse::default().with_error_code(error.code());
        Ok(Some(response.with_error_message(message(error))))
    }
}

impl Serve for AlterUserScramCredentialsRequest {
    type Response = AlterUserScramCredentialsResponse;

    async fn serve(self, _: &Engine, call: &Call) -> Result<Option<Self::Response>, HangUp> {
        self.refuse(call, ResponseError::UnsupportedSaslMechanism)
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let deleted = self.deletions.into_iter().map(|deletion| deletion.name);
        let users = deleted.chain(self.upsertions.into_iter().map(|upsertion| upsertion.name));
        let refused = |user| {
            AlterUserScramCredentialsResult::default()
                .with_user(user)
                .with_error_code(error.code())
                .with_error_message(message(error))
        };
        Ok(Some(AlterUserScramCredentialsResponse::default().with_results(users.map(refused).collect())))
    }
}
