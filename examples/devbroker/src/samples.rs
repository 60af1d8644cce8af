//! Batches and requests for tests, made by the codec and not by this crate.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::alter_user_scram_credentials_request::{
    ScramCredentialDeletion, ScramCredentialUpsertion,
};
use kafka_protocol::messages::create_acls_request::AclCreation;
use kafka_protocol::messages::create_partitions_request::{
    CreatePartitionsAssignment, CreatePartitionsTopic,
};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_acls_request::DeleteAclsFilter;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_user_scram_credentials_request::UserName;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic, ForgottenTopic};
use kafka_protocol::messages::incremental_alter_configs_request;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterUserScramCredentialsRequest, ApiVersionsRequest, BrokerId, CreateAclsRequest,
    CreatePartitionsRequest, CreateTopicsRequest, DeleteAclsRequest, DeleteRecordsRequest,
    DeleteTopicsRequest, DescribeAclsRequest, DescribeConfigsRequest, DescribeUserScramCredentialsRequest,
    FetchRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest, IncrementalAlterConfigsRequest,
    InitProducerIdRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, ListOffsetsRequest,
    MetadataRequest, OffsetCommitRequest, OffsetFetchRequest, ProduceRequest, RequestHeader,
    SyncGroupRequest, TopicName, TransactionalId,
};
use kafka_protocol::protocol::{Encodable, StrBytes};
use kafka_protocol::records::{
    Compression, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record, RecordBatchEncoder,
    RecordEncodeOptions, TimestampType,
};

use crate::api::Api;

pub(crate) fn text(value: &str) -> StrBytes {
    StrBytes::from_string(value.to_owned())
}

/// A record without a producer number.
pub(crate) fn record(offset: i64, timestamp: i64, key: Option<&str>, value: &str) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset,
        sequence: NO_SEQUENCE.wrapping_add(i32::try_from(offset).unwrap()),
        timestamp,
        key: key.map(|key| Bytes::from(key.to_owned())),
        value: Some(Bytes::from(value.to_owned())),
        headers: [(text("h"), None)].into_iter().collect(),
    }
}

/// One batch of these records.
pub(crate) fn batch(records: &[Record]) -> Vec<u8> {
    let options = RecordEncodeOptions { version: 2, compression: Compression::None };
    let mut out = BytesMut::new();
    RecordBatchEncoder::encode(&mut out, records, &options).unwrap();
    out.to_vec()
}

/// One batch of `count` records with keys, one second apart from `first_timestamp` on.
pub(crate) fn plain_batch(count: usize, first_timestamp: i64) -> Vec<u8> {
    let records: Vec<Record> = (0..i64::try_from(count).unwrap())
        .map(|n| record(n, first_timestamp + 1000 * n, Some("key"), "value"))
        .collect();
    batch(&records)
}

/// One batch of `count` records that says it is compressed; what it compresses is not for brokers to know.
pub(crate) fn opaque_batch(count: usize, first_timestamp: i64) -> Vec<u8> {
    let records: Vec<Record> = (0..i64::try_from(count).unwrap())
        .map(|n| record(n, first_timestamp + 1000 * n, None, "value"))
        .collect();
    let options = RecordEncodeOptions { version: 2, compression: Compression::Zstd };
    let mut out = BytesMut::new();
    let squeeze = |_: &mut BytesMut, out: &mut BytesMut, _| {
        out.put_slice(b"not zstd");
        Ok(())
    };
    RecordBatchEncoder::encode_with_custom_compression(&mut out, &records, &options, Some(squeeze)).unwrap();
    out.to_vec()
}

/// One batch of an idempotent producer.
pub(crate) fn numbered_batch(producer: i64, epoch: i16, first_sequence: i32, count: usize) -> Vec<u8> {
    let records: Vec<Record> = (0..i64::try_from(count).unwrap())
        .map(|n| Record {
            producer_id: producer,
            producer_epoch: epoch,
            sequence: first_sequence + i32::try_from(n).unwrap(),
            ..record(n, 1000, Some("key"), "value")
        })
        .collect();
    batch(&records)
}

/// A whole frame, without its length prefix.
pub(crate) fn frame(api: Api, version: i16, correlation: i32, body: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    RequestHeader::default()
        .with_request_api_key(api.key())
        .with_request_api_version(version)
        .with_correlation_id(correlation)
        .with_client_id(Some(text("sample")))
        .encode(&mut out, if api.is_flexible(version) { 2 } else { 1 })
        .unwrap();
    out.extend_from_slice(body);
    out.to_vec()
}

/// The body of a request about `name` (a topic, group or config) in which every array has `n` elements.
pub(crate) fn body(api: Api, version: i16, name: &str, n: i32) -> Vec<u8> {
    let mut out = BytesMut::new();
    let topic = || TopicName(text(name));
    let group = || GroupId(text(name));
    let count = usize::try_from(n).unwrap();
    macro_rules! put {
        ($request:expr) => {
            $request.encode(&mut out, version).unwrap()
        };
    }
    match api {
        Api::Produce => {
            let records = Some(Bytes::from(plain_batch(count.max(1), 1000)));
            let row = |index| PartitionProduceData::default().with_index(index).with_records(records.clone());
            let data =
                TopicProduceData::default().with_name(topic()).with_partition_data((0..n).map(row).collect());
            put!(
                ProduceRequest::default()
                    .with_acks(-1)
                    .with_timeout_ms(i32::MAX)
                    .with_topic_data(vec![data; count])
            )
        }
        Api::Fetch => put!(fetch(version, name, n)),
        Api::ListOffsets => {
            let row = |index| ListOffsetsPartition::default().with_partition_index(index).with_timestamp(-1);
            let row =
                ListOffsetsTopic::default().with_name(topic()).with_partitions((0..n).map(row).collect());
            put!(ListOffsetsRequest::default().with_replica_id(BrokerId(-1)).with_topics(vec![row; count]))
        }
        Api::Metadata => {
            let row = MetadataRequestTopic::default().with_name(Some(topic()));
            let asked = MetadataRequest::default().with_topics(Some(vec![row; count]));
            // Encoded only where the version has them.
            put!(
                asked
                    .with_include_cluster_authorized_operations(version >= 8)
                    .with_include_topic_authorized_operations(version >= 8)
            )
        }
        Api::OffsetCommit => {
            let row = |index| {
                OffsetCommitRequestPartition::default()
                    .with_partition_index(index)
                    .with_committed_offset(i64::MAX)
                    .with_committed_metadata(Some(text(name)))
            };
            let rows = (0..n).map(row).collect();
            let row = OffsetCommitRequestTopic::default().with_name(topic()).with_partitions(rows);
            put!(
                OffsetCommitRequest::default()
                    .with_group_id(group())
                    .with_generation_id_or_member_epoch(-1)
                    .with_topics(vec![row; count])
            )
        }
        Api::OffsetFetch => {
            let row = OffsetFetchRequestTopic::default()
                .with_name(topic())
                .with_partition_indexes((0..n).collect());
            put!(OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![row; count])))
        }
        Api::FindCoordinator => put!(FindCoordinatorRequest::default().with_key(text(name))),
        Api::JoinGroup => {
            let row = JoinGroupRequestProtocol::default()
                .with_name(text("range"))
                .with_metadata(Bytes::from(name.to_owned()));
            put!(
                JoinGroupRequest::default()
                    .with_group_id(group())
                    .with_session_timeout_ms(10_000)
                    .with_rebalance_timeout_ms(if version == 0 { -1 } else { 10_000 })
                    .with_protocol_type(text("consumer"))
                    .with_protocols(vec![row; count])
            )
        }
        Api::Heartbeat => put!(HeartbeatRequest::default().with_group_id(group()).with_member_id(text(name))),
        Api::LeaveGroup => {
            put!(LeaveGroupRequest::default().with_group_id(group()).with_member_id(text(name)))
        }
        Api::SyncGroup => {
            let row = SyncGroupRequestAssignment::default()
                .with_member_id(text(name))
                .with_assignment(Bytes::from(name.to_owned()));
            put!(
                SyncGroupRequest::default()
                    .with_group_id(group())
                    .with_member_id(text(name))
                    .with_assignments(vec![row; count])
            )
        }
        Api::ListGroups => {
            let filter = if version < 4 { vec![] } else { vec![text("Stable"); count] };
            put!(ListGroupsRequest::default().with_states_filter(filter))
        }
        Api::ApiVersions => put!(ApiVersionsRequest::default().with_client_software_name(text(name))),
        Api::CreateTopics => put!(create_topics(name, n)),
        Api::DeleteTopics => put!(DeleteTopicsRequest::default().with_topic_names(vec![topic(); count])),
        Api::DeleteRecords => {
            let row = |index| DeleteRecordsPartition::default().with_partition_index(index).with_offset(-1);
            let row =
                DeleteRecordsTopic::default().with_name(topic()).with_partitions((0..n).map(row).collect());
            put!(DeleteRecordsRequest::default().with_topics(vec![row; count]))
        }
        Api::InitProducerId => {
            let id = (n % 2 == 1).then(|| TransactionalId(text(name)));
            put!(InitProducerIdRequest::default().with_transactional_id(id).with_transaction_timeout_ms(n))
        }
        Api::DescribeConfigs => {
            let row = DescribeConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text(name))
                .with_configuration_keys(Some(vec![text("retention.ms"); count]));
            put!(
                DescribeConfigsRequest::default()
                    .with_include_synonyms(true)
                    .with_resources(vec![row; count])
            )
        }
        Api::AlterConfigs => {
            let config =
                AlterableConfig::default().with_name(text("retention.ms")).with_value(Some(text("1000")));
            let row = AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text(name))
                .with_configs(vec![config; count]);
            put!(AlterConfigsRequest::default().with_resources(vec![row; count]))
        }
        Api::CreatePartitions => {
            let assignment = CreatePartitionsAssignment::default().with_broker_ids(vec![BrokerId(1); count]);
            let row = CreatePartitionsTopic::default()
                .with_name(topic())
                .with_count(n)
                .with_assignments((n % 2 == 1).then(|| vec![assignment; count]));
            put!(CreatePartitionsRequest::default().with_topics(vec![row; count]).with_timeout_ms(1000))
        }
        Api::IncrementalAlterConfigs => {
            let config = incremental_alter_configs_request::AlterableConfig::default()
                .with_name(text("retention.ms"))
                .with_value((n % 2 == 1).then(|| text("1000")));
            let row = incremental_alter_configs_request::AlterConfigsResource::default()
                .with_resource_type(2)
                .with_resource_name(text(name))
                .with_configs(vec![config; count]);
            put!(IncrementalAlterConfigsRequest::default().with_resources(vec![row; count]))
        }
        Api::DescribeAcls => {
            put!(DescribeAclsRequest::default().with_resource_name_filter(Some(text(name))))
        }
        Api::CreateAcls => {
            let row = AclCreation::default().with_resource_name(text(name)).with_principal(text("User:u"));
            put!(CreateAclsRequest::default().with_creations(vec![row; count]))
        }
        Api::DeleteAcls => {
            let row = DeleteAclsFilter::default().with_resource_name_filter(Some(text(name)));
            put!(DeleteAclsRequest::default().with_filters(vec![row; count]))
        }
        Api::DescribeUserScramCredentials => {
            let users = vec![UserName::default().with_name(text(name)); count];
            put!(DescribeUserScramCredentialsRequest::default().with_users(Some(users)))
        }
        Api::AlterUserScramCredentials => {
            let deletion = ScramCredentialDeletion::default().with_name(text(name));
            let upsertion = ScramCredentialUpsertion::default()
                .with_name(text(name))
                .with_salt(Bytes::from_static(b"salt"))
                .with_salted_password(Bytes::from_static(b"salted"));
            put!(
                AlterUserScramCredentialsRequest::default()
                    .with_deletions(vec![deletion; count])
                    .with_upsertions(vec![upsertion; count])
            )
        }
    }
    out.to_vec()
}

fn fetch(version: i16, name: &str, n: i32) -> FetchRequest {
    let count = usize::try_from(n).unwrap();
    let row = |index| {
        FetchPartition::default()
            .with_partition(index)
            .with_fetch_offset(0)
            .with_partition_max_bytes(i32::MAX)
    };
    let rows = (0..n).map(row).collect();
    let row = FetchTopic::default().with_topic(TopicName(text(name))).with_partitions(rows);
    let forgotten =
        ForgottenTopic::default().with_topic(TopicName(text(name))).with_partitions((0..n).collect());
    let request = FetchRequest::default()
        .with_replica_id(BrokerId(-1))
        .with_max_wait_ms(n)
        .with_min_bytes(1)
        .with_max_bytes(i32::MAX)
        .with_topics(vec![row; count])
        .with_rack_id(text(name));
    match version {
        0..7 => request,
        _ => request.with_forgotten_topics_data(vec![forgotten; count]),
    }
}

fn create_topics(name: &str, n: i32) -> CreateTopicsRequest {
    let count = usize::try_from(n).unwrap();
    let assignment = |index| {
        CreatableReplicaAssignment::default()
            .with_partition_index(index)
            .with_broker_ids(vec![BrokerId(1); count])
    };
    let config =
        CreatableTopicConfig::default().with_name(text("retention.ms")).with_value(Some(text("1000")));
    let row = CreatableTopic::default()
        .with_name(TopicName(text(name)))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_assignments((0..n).map(assignment).collect())
        .with_configs(vec![config; usize::from(count > 0)]);
    CreateTopicsRequest::default().with_topics(vec![row; count]).with_timeout_ms(1000)
}
