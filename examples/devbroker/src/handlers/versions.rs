//! ApiVersions and InitProducerId.

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::{
    ApiVersionsRequest, ApiVersionsResponse, InitProducerIdRequest, InitProducerIdResponse, ProducerId,
};

use super::{HangUp, Serve};
use crate::api::Api;
use crate::disk::Event;
use crate::engine::Engine;
use crate::wire::{self, Call, WireError};

fn table(error: i16) -> ApiVersionsResponse {
    let row = |api: &Api| {
        let versions = api.versions();
        ApiVersion::default()
            .with_api_key(api.key())
            .with_min_version(*versions.start())
            .with_max_version(*versions.end())
    };
    ApiVersionsResponse::default().with_error_code(error).with_api_keys(Api::ALL.iter().map(row).collect())
}

/// The answer to `ApiVersions` in a version that is not served: version 0, error 35, and the table to choose from
/// (KIP-511).
pub(crate) fn versions_unknown(correlation: i32) -> Result<Bytes, WireError> {
    wire::encode_as(Api::ApiVersions, 0, correlation, &table(ResponseError::UnsupportedVersion.code()))
}

impl Serve for ApiVersionsRequest {
    type Response = ApiVersionsResponse;

    async fn serve(self, _: &Engine, _: &Call) -> Result<Option<Self::Response>, HangUp> {
        Ok(Some(table(0)))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        Ok(Some(table(error.code())))
    }
}

impl Serve for InitProducerIdRequest {
    type Response = InitProducerIdResponse;

    /// Hands out a fresh id with epoch 0, also to a producer that asks for its next epoch: a fresh id serves an
    /// idempotent producer as well. Transactions are refused.
    async fn serve(self, engine: &Engine, call: &Call) -> Result<Option<Self::Response>, HangUp> {
        if self.transactional_id.is_some() {
            return self.refuse(call, ResponseError::TransactionalIdAuthorizationFailed);
        }
        let id = engine.with(|state| {
            let id = state.next_producer_id;
            state.next_producer_id = id.checked_add(1).unwrap_or(0);
            let next = state.next_producer_id;
            state.topics.note(|| Event::ProducerIds { next });
            id
        })?;
        Ok(Some(InitProducerIdResponse::default().with_producer_id(ProducerId(id)).with_producer_epoch(0)))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let response = InitProducerIdResponse::default()
            .with_error_code(error.code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        Ok(Some(response))
    }
}
