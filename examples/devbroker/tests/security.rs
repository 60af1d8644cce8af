//! Calls about access over the wire.
#![allow(clippy::unwrap_used, reason = "an expectation that fails is a failed test")]

mod common;

use common::wire::{Wire, text};
use ipowdm_devbroker::{Broker, Options, ResponseError};
use kafka_protocol::messages::alter_user_scram_credentials_request::ScramCredentialUpsertion;
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::{
    AlterUserScramCredentialsRequest, CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest,
    DescribeUserScramCredentialsRequest,
};

#[tokio::test]
async fn calls_about_access_are_answered_as_without_an_authorizer_and_the_connection_stays() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let mut wire = Wire::connect(&broker).await;
    let disabled = ResponseError::SecurityDisabled.code();
    let described = wire.call(1, &DescribeAclsRequest::default()).await.unwrap();
    assert_eq!(described.error_code, disabled);
    let acl = AclCreation::default().with_resource_name(text("t")).with_principal(text("User:u"));
    let created = wire.call(1, &CreateAclsRequest::default().with_creations(vec![acl])).await.unwrap();
    assert_eq!(created.results[0].error_code, disabled);
    let filter = DeleteAclsFilter::default();
    let deleted = wire.call(1, &DeleteAclsRequest::default().with_filters(vec![filter])).await.unwrap();
    assert_eq!(deleted.filter_results[0].error_code, disabled);
    let users = Some(vec![UserName::default().with_name(text("u"))]);
    let asked = DescribeUserScramCredentialsRequest::default().with_users(users);
    let found = wire.call(0, &asked).await.unwrap();
    assert_eq!((found.error_code, found.results[0].error_code), (0, ResponseError::ResourceNotFound.code()));
    let upsertion = ScramCredentialUpsertion::default().with_name(text("u")).with_mechanism(2);
    let change = AlterUserScramCredentialsRequest::default().with_upsertions(vec![upsertion]);
    let altered = wire.call(0, &change).await.unwrap();
    assert_eq!(altered.results[0].error_code, ResponseError::UnsupportedSaslMechanism.code());
    wire.call(1, &DescribeAclsRequest::default()).await.unwrap();
}
