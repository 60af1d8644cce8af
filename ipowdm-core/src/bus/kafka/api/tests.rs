use super::super::connection::{DecodeError, decode};
use super::super::shape::{ShapeError, check};
use super::*;
use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::alter_user_scram_credentials_response::AlterUserScramCredentialsResult;
use kafka_protocol::messages::api_versions_response::ApiVersion;
use kafka_protocol::messages::create_acls_response::AclCreationResult;
use kafka_protocol::messages::create_topics_response::CreatableTopicResult;
use kafka_protocol::messages::delete_acls_response::{DeleteAclsFilterResult, DeleteAclsMatchingAcl};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::describe_acls_response::{AclDescription, DescribeAclsResource};
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::describe_user_scram_credentials_response::{
    CredentialInfo, DescribeUserScramCredentialsResult,
};
use kafka_protocol::messages::fetch_response::{AbortedTransaction, FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ApiKey, TopicName};
use kafka_protocol::protocol::StrBytes;
use proptest::prelude::*;
use std::fmt::Debug;
use std::string::ToString;
use std::vec;
use std::vec::Vec;

#[cfg(feature = "administration")]
mod administration;
#[cfg(feature = "attempts")]
mod attempts;

#[cfg(feature = "attempts")]
use kafka_protocol::messages;

#[cfg(feature = "administration")]
use kafka_protocol::messages::{
    AlterClientQuotasRequest, CreatePartitionsRequest, DescribeClientQuotasRequest,
    IncrementalAlterConfigsRequest,
};

const CORRELATION: i32 = 7;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

fn topic() -> TopicName {
    TopicName(text("topic"))
}

fn produce() -> ProduceResponse {
    let partition = PartitionProduceResponse::default().with_index(3).with_base_offset(9);
    let topic = TopicProduceResponse::default()
        .with_name(topic())
        .with_partition_responses(vec![partition.clone(), partition]);
    ProduceResponse::default().with_throttle_time_ms(5).with_responses(vec![topic.clone(), topic])
}

fn fetch() -> FetchResponse {
    let aborted = AbortedTransaction::default().with_first_offset(4);
    let partition = PartitionData::default()
        .with_high_watermark(8)
        .with_aborted_transactions(Some(vec![aborted.clone(), aborted]))
        .with_records(Some(Bytes::from_static(b"records")));
    let bare = PartitionData::default().with_aborted_transactions(None).with_records(None);
    let topic = FetchableTopicResponse::default().with_topic(topic()).with_partitions(vec![partition, bare]);
    FetchResponse::default().with_responses(vec![topic])
}

fn list_offsets() -> ListOffsetsResponse {
    let partition = ListOffsetsPartitionResponse::default().with_offset(12);
    let topic = ListOffsetsTopicResponse::default().with_name(topic()).with_partitions(vec![partition]);
    ListOffsetsResponse::default().with_topics(vec![topic])
}

fn metadata() -> MetadataResponse {
    let broker = MetadataResponseBroker::default().with_host(text("host")).with_rack(Some(text("rack")));
    let bare = MetadataResponseBroker::default().with_host(text("")).with_rack(None);
    let partition = MetadataResponsePartition::default()
        .with_replica_nodes(vec![1.into(), 2.into()])
        .with_isr_nodes(vec![1.into()])
        .with_offline_replicas(vec![2.into()]);
    let topic = MetadataResponseTopic::default()
        .with_name(Some(topic()))
        .with_partitions(vec![partition.clone(), partition]);
    MetadataResponse::default()
        .with_brokers(vec![broker, bare])
        .with_cluster_id(Some(text("cluster")))
        .with_topics(vec![topic])
}

fn api_versions() -> ApiVersionsResponse {
    let api = ApiVersion::default().with_api_key(3).with_max_version(9);
    ApiVersionsResponse::default().with_api_keys(vec![api.clone(), api])
}

fn create_topics() -> CreateTopicsResponse {
    let topic = CreatableTopicResult::default().with_name(topic()).with_error_message(Some(text("no")));
    CreateTopicsResponse::default().with_topics(vec![topic])
}

fn delete_topics() -> DeleteTopicsResponse {
    let topic = DeletableTopicResult::default().with_name(Some(topic())).with_error_code(3);
    DeleteTopicsResponse::default().with_responses(vec![topic])
}

fn describe_configs() -> DescribeConfigsResponse {
    let synonym = DescribeConfigsSynonym::default().with_name(text("other")).with_value(Some(text("1")));
    let config = DescribeConfigsResourceResult::default()
        .with_name(text("retention.ms"))
        .with_value(Some(text("1")))
        .with_config_source(1)
        .with_synonyms(vec![synonym.clone(), synonym]);
    let result = DescribeConfigsResult::default()
        .with_resource_name(text("topic"))
        .with_error_message(None)
        .with_configs(vec![config]);
    DescribeConfigsResponse::default().with_results(vec![result])
}

fn sasl_handshake() -> SaslHandshakeResponse {
    SaslHandshakeResponse::default().with_mechanisms(vec![text("PLAIN"), text("SCRAM-SHA-512")])
}

fn sasl_authenticate() -> SaslAuthenticateResponse {
    let answer = SaslAuthenticateResponse::default().with_error_message(Some(text("no")));
    answer.with_auth_bytes(Bytes::from_static(b"r=x"))
}

fn describe_acls() -> DescribeAclsResponse {
    let acl = AclDescription::default().with_principal(text("User:u")).with_host(text("*"));
    let resource = DescribeAclsResource::default().with_resource_name(text("topic"));
    let resource = resource.with_acls(vec![acl.clone(), acl]);
    DescribeAclsResponse::default().with_resources(vec![resource.clone(), resource])
}

fn create_acls() -> CreateAclsResponse {
    let result = AclCreationResult::default().with_error_code(54).with_error_message(Some(text("no")));
    CreateAclsResponse::default().with_results(vec![result.clone(), result])
}

fn delete_acls() -> DeleteAclsResponse {
    let acl = DeleteAclsMatchingAcl::default().with_resource_name(text("t")).with_principal(text("User:u"));
    let result = DeleteAclsFilterResult::default().with_matching_acls(vec![acl.clone(), acl]);
    DeleteAclsResponse::default().with_filter_results(vec![result.clone(), result])
}

fn describe_scram() -> DescribeUserScramCredentialsResponse {
    let credential = CredentialInfo::default().with_mechanism(2).with_iterations(4096);
    let result = DescribeUserScramCredentialsResult::default().with_user(text("u"));
    let result = result.with_credential_infos(vec![credential.clone(), credential]);
    let answer = DescribeUserScramCredentialsResponse::default().with_error_message(None);
    answer.with_results(vec![result.clone(), result])
}

fn alter_scram() -> AlterUserScramCredentialsResponse {
    let result = AlterUserScramCredentialsResult::default().with_user(text("u"));
    AlterUserScramCredentialsResponse::default().with_results(vec![result.clone(), result])
}

/// A frame's content as a broker sends it.
fn frame<A: Api<Response: Encodable>>(response: &A::Response, version: i16) -> BytesMut {
    let mut frame = BytesMut::new();
    frame.put_i32(CORRELATION);
    if A::FLEXIBLE {
        // No tagged fields in the header.
        frame.put_u8(0);
    }
    response.encode(&mut frame, version).unwrap();
    frame
}

/// Runs a test for every API: its request type and an example of its response.
macro_rules! for_every_api {
    ($test:ident ( $($arguments:expr),* )) => {
        $test::<ProduceRequest>(&produce(), $($arguments),*);
        $test::<FetchRequest>(&fetch(), $($arguments),*);
        $test::<ListOffsetsRequest>(&list_offsets(), $($arguments),*);
        $test::<MetadataRequest>(&metadata(), $($arguments),*);
        $test::<ApiVersionsRequest>(&api_versions(), $($arguments),*);
        $test::<CreateTopicsRequest>(&create_topics(), $($arguments),*);
        $test::<DeleteTopicsRequest>(&delete_topics(), $($arguments),*);
        $test::<DescribeConfigsRequest>(&describe_configs(), $($arguments),*);
        $test::<SaslHandshakeRequest>(&sasl_handshake(), $($arguments),*);
        $test::<SaslAuthenticateRequest>(&sasl_authenticate(), $($arguments),*);
        $test::<DescribeAclsRequest>(&describe_acls(), $($arguments),*);
        $test::<CreateAclsRequest>(&create_acls(), $($arguments),*);
        $test::<DeleteAclsRequest>(&delete_acls(), $($arguments),*);
        $test::<DescribeUserScramCredentialsRequest>(&describe_scram(), $($arguments),*);
        $test::<AlterUserScramCredentialsRequest>(&alter_scram(), $($arguments),*);
        #[cfg(feature = "administration")]
        {
            $test::<CreatePartitionsRequest>(&administration::create_partitions(), $($arguments),*);
            $test::<IncrementalAlterConfigsRequest>(&administration::alter_configs(), $($arguments),*);
            $test::<DescribeClientQuotasRequest>(&administration::describe_quotas(), $($arguments),*);
            $test::<AlterClientQuotasRequest>(&administration::alter_quotas(), $($arguments),*);
        }
        #[cfg(feature = "attempts")]
        {
            $test::<messages::OffsetCommitRequest>(&attempts::offset_commit(), $($arguments),*);
            $test::<messages::OffsetFetchRequest>(&attempts::offset_fetch(), $($arguments),*);
            $test::<messages::FindCoordinatorRequest>(&attempts::find_coordinator(), $($arguments),*);
            $test::<messages::JoinGroupRequest>(&attempts::join_group(), $($arguments),*);
            $test::<messages::HeartbeatRequest>(&attempts::heartbeat(), $($arguments),*);
            $test::<messages::LeaveGroupRequest>(&attempts::leave_group(), $($arguments),*);
            $test::<messages::SyncGroupRequest>(&attempts::sync_group(), $($arguments),*);
            $test::<messages::DescribeGroupsRequest>(&attempts::describe_groups(), $($arguments),*);
            $test::<messages::ListGroupsRequest>(&attempts::list_groups(), $($arguments),*);
            $test::<messages::DeleteRecordsRequest>(&attempts::delete_records(), $($arguments),*);
            $test::<messages::InitProducerIdRequest>(&attempts::init_producer_id(), $($arguments),*);
            $test::<messages::OffsetForLeaderEpochRequest>(&attempts::leader_epoch(), $($arguments),*);
            $test::<messages::WriteTxnMarkersRequest>(&attempts::write_markers(), $($arguments),*);
            $test::<messages::DescribeLogDirsRequest>(&attempts::describe_log_dirs(), $($arguments),*);
            $test::<messages::DeleteGroupsRequest>(&attempts::delete_groups(), $($arguments),*);
            $test::<messages::ElectLeadersRequest>(&attempts::elect_leaders(), $($arguments),*);
            $test::<messages::AlterPartitionReassignmentsRequest>(&attempts::reassign(), $($arguments),*);
            $test::<messages::OffsetDeleteRequest>(&attempts::offset_delete(), $($arguments),*);
            $test::<messages::DescribeProducersRequest>(&attempts::describe_producers(), $($arguments),*);
        }
    };
}

fn layout_is_the_codecs<A: Api<Response: Encodable + PartialEq + Debug>>(example: &A::Response) {
    for version in A::VERSIONS.0..=A::VERSIONS.1 {
        let whole = frame::<A>(example, version);
        let decoded = decode::<A>(whole.clone().freeze(), version, CORRELATION);
        let decoded = decoded.unwrap_or_else(|error| panic!("{} v{version}: {error}", A::NAME));
        // What the codec writes again is the same: nothing was lost or moved.
        assert_eq!(frame::<A>(&decoded, version), whole, "{} v{version}", A::NAME);
        let body = &whole[if A::FLEXIBLE { 5 } else { 4 }..];
        for length in 0..body.len() {
            let cut = check(A::LAYOUT, version, A::FLEXIBLE, &body[..length]);
            assert!(cut.is_err(), "{} v{version} cut at {length}", A::NAME);
        }
        let longer = [body, b"x"].concat();
        assert_eq!(
            check(A::LAYOUT, version, A::FLEXIBLE, &longer),
            Err(ShapeError::Trailing(1)),
            "{}",
            A::NAME
        );
    }
}

#[test]
fn every_layout_is_the_codecs_in_every_version() {
    for_every_api!(layout_is_the_codecs());
}

#[test]
fn an_absurd_compact_count_is_refused_before_anything_is_reserved() {
    // Throttle time, error, no message; then 4 294 967 294 users.
    let body = [0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f];
    let layout = DescribeUserScramCredentialsRequest::LAYOUT;
    assert_eq!(check(layout, 0, true, &body), Err(ShapeError::Truncated));
}

fn key_and_versions_are_the_codecs<A: Api>(_: &A::Response) {
    let codec = ApiKey::try_from(A::KEY).unwrap();
    assert_eq!(std::format!("{codec:?}"), A::NAME);
    for version in A::VERSIONS.0..=A::VERSIONS.1 {
        let range = codec.valid_versions();
        assert!((range.min..=range.max).contains(&version), "{} v{version}", A::NAME);
        // The headers written and read here.
        let headers = (codec.request_header_version(version), codec.response_header_version(version));
        assert_eq!(headers, if A::FLEXIBLE { (2, 1) } else { (1, 0) }, "{} v{version}", A::NAME);
    }
}

#[test]
fn keys_versions_and_headers_are_the_codecs() {
    for_every_api!(key_and_versions_are_the_codecs());
}

#[test]
fn the_answer_to_another_request_is_refused() {
    let whole = frame::<MetadataRequest>(&metadata(), 4).freeze();
    let other = decode::<MetadataRequest>(whole, 4, CORRELATION + 1);
    assert_eq!(other.unwrap_err(), DecodeError::Correlation);
    let short = decode::<MetadataRequest>(Bytes::from_static(&[0, 0, 0]), 4, 0);
    assert_eq!(short.unwrap_err(), DecodeError::Short);
}

#[test]
fn an_absurd_count_is_refused_before_anything_is_reserved() {
    for (count, error) in [(i32::MAX, ShapeError::Truncated), (-2, ShapeError::Negative)] {
        let mut body = vec![0; 4];
        body.extend_from_slice(&count.to_be_bytes());
        assert_eq!(check(MetadataRequest::LAYOUT, 4, false, &body), Err(error));
    }
    let text = frame::<ApiVersionsRequest>(&api_versions(), 0);
    assert_eq!(check(ApiVersionsRequest::LAYOUT, 0, false, &text[4..]), Ok(()));
}

#[test]
fn text_that_is_not_utf_8_is_an_error() {
    let mut whole = frame::<DeleteTopicsRequest>(&delete_topics(), 1);
    let at = whole.windows(5).position(|window| window == b"topic").unwrap();
    whole[at] = 0xff;
    let error = decode::<DeleteTopicsRequest>(whole.freeze(), 1, CORRELATION).unwrap_err();
    assert!(error.to_string().starts_with("a malformed body"), "{error}");
}

fn does_not_panic<A: Api<Response: Encodable>>(example: &A::Response, bytes: &[u8], changes: &[(usize, u8)]) {
    for version in A::VERSIONS.0..=A::VERSIONS.1 {
        let mut random = BytesMut::new();
        random.put_i32(CORRELATION);
        random.put_slice(bytes);
        // Whether it can be read does not matter here.
        let _ = decode::<A>(random.freeze(), version, CORRELATION);
        let mut changed: Vec<u8> = frame::<A>(example, version).to_vec();
        for &(index, byte) in changes {
            let index = 4 + index % (changed.len() - 4);
            changed[index] = byte;
        }
        let _ = decode::<A>(changed.into(), version, CORRELATION);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn no_answer_makes_decoding_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
        changes in proptest::collection::vec((any::<usize>(), prop_oneof![any::<u8>(), Just(0), Just(0xff), Just(0x7f)]), 1..6),
    ) {
        for_every_api!(does_not_panic(&bytes, &changes));
    }
}
