//! Consumer groups, configurations and log-append time over the wire: what rskafka does not speak.
#![allow(clippy::unwrap_used, reason = "an expectation that fails is a failed test")]

mod common;

use bytes::Bytes;
use common::wire::{Wire, name, numbered_batch, text};
use ipowdm_devbroker::{Broker, Options, ResponseError};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    BrokerId, DeleteTopicsRequest, DescribeConfigsRequest, FetchRequest, FindCoordinatorRequest, GroupId,
    HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest, OffsetCommitRequest,
    OffsetFetchRequest, ProduceRequest, SyncGroupRequest,
};
use kafka_protocol::records::{RecordBatchDecoder, TimestampType};

fn group() -> GroupId {
    GroupId(text("readers"))
}

fn join(member: &str) -> JoinGroupRequest {
    let protocol =
        JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(Bytes::from_static(b"t"));
    JoinGroupRequest::default()
        .with_group_id(group())
        .with_member_id(text(member))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}

/// Enters the group alone and returns the member id and the generation.
async fn enter(wire: &mut Wire) -> (String, i32) {
    let told = wire.call(4, &join("")).await.unwrap();
    assert_eq!(told.error_code, ResponseError::MemberIdRequired.code());
    let joined = wire.call(4, &join(&told.member_id)).await.unwrap();
    assert_eq!((joined.error_code, &joined.leader), (0, &joined.member_id));
    assert_eq!(joined.members.len(), 1);
    let own = SyncGroupRequestAssignment::default()
        .with_member_id(joined.member_id.clone())
        .with_assignment(Bytes::from_static(b"mine"));
    let sync = SyncGroupRequest::default()
        .with_group_id(group())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_assignments(vec![own]);
    let synced = wire.call(2, &sync).await.unwrap();
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"mine"[..]));
    (joined.member_id.to_string(), joined.generation_id)
}

fn commit(member: &str, generation: i32, topic: &str, offset: i64) -> OffsetCommitRequest {
    let row = OffsetCommitRequestPartition::default()
        .with_partition_index(0)
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("note")));
    let row = OffsetCommitRequestTopic::default().with_name(name(topic)).with_partitions(vec![row]);
    OffsetCommitRequest::default()
        .with_group_id(group())
        .with_member_id(text(member))
        .with_generation_id_or_member_epoch(generation)
        .with_topics(vec![row])
}

async fn committed(wire: &mut Wire, topic: &str) -> i64 {
    let row = OffsetFetchRequestTopic::default().with_name(name(topic)).with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default().with_group_id(group()).with_topics(Some(vec![row]));
    let response = wire.call(7, &request).await.unwrap();
    response.topics[0].partitions[0].committed_offset
}

async fn commit_code(wire: &mut Wire, request: OffsetCommitRequest) -> i16 {
    wire.call(6, &request).await.unwrap().topics[0].partitions[0].error_code
}

#[tokio::test]
async fn a_member_commits_and_its_successor_resumes_also_after_a_crash() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let mut wire = Wire::connect(&broker).await;
    assert_eq!(wire.create_topic("t", &[]).await, 0);
    let find = FindCoordinatorRequest::default().with_key(text("readers"));
    let found = wire.call(3, &find).await.unwrap();
    assert_eq!((found.error_code, found.port), (0, i32::from(broker.addr().port())));

    let (member, generation) = enter(&mut wire).await;
    assert_eq!(committed(&mut wire, "t").await, -1);
    assert_eq!(commit_code(&mut wire, commit(&member, generation, "t", 7)).await, 0);
    let stale = commit_code(&mut wire, commit(&member, generation - 1, "t", 3)).await;
    assert_eq!(stale, ResponseError::IllegalGeneration.code());
    let unknown = commit_code(&mut wire, commit(&member, generation, "unknown", 3)).await;
    assert_eq!(unknown, ResponseError::UnknownTopicOrPartition.code());
    let leave = LeaveGroupRequest::default().with_group_id(group()).with_member_id(text(&member));
    assert_eq!(wire.call(2, &leave).await.unwrap().error_code, 0);

    let log = broker.crash().await;
    let broker = Broker::start(Options::default().with_log(log)).await.unwrap();
    let mut wire = Wire::connect(&broker).await;
    assert_eq!(committed(&mut wire, "t").await, 7);
    let beat = HeartbeatRequest::default().with_group_id(group()).with_member_id(text(&member));
    let beat = wire.call(2, &beat).await.unwrap();
    assert_eq!(beat.error_code, ResponseError::UnknownMemberId.code(), "members are not in the log");
    let (successor, generation) = enter(&mut wire).await;
    assert_ne!(successor, member);
    assert_eq!(commit_code(&mut wire, commit(&successor, generation, "t", 9)).await, 0);
}

#[tokio::test]
async fn a_deleted_topic_is_not_resumed_from_its_old_offset() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let mut wire = Wire::connect(&broker).await;
    wire.create_topic("t", &[]).await;
    assert_eq!(commit_code(&mut wire, commit("", -1, "t", 7)).await, 0);
    assert_eq!(committed(&mut wire, "t").await, 7);
    let delete = DeleteTopicsRequest::default().with_topic_names(vec![name("t")]);
    assert_eq!(wire.call(5, &delete).await.unwrap().responses[0].error_code, 0);
    wire.create_topic("t", &[]).await;
    assert_eq!(committed(&mut wire, "t").await, -1);
}

#[tokio::test]
async fn a_silent_member_is_expelled_after_its_session_timeout() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let mut wire = Wire::connect(&broker).await;
    wire.create_topic("t", &[]).await;
    let request = join("").with_session_timeout_ms(200);
    let joined = wire.call(3, &request).await.unwrap();
    assert_eq!(joined.error_code, 0);
    let groups = |wire: Wire| async {
        let mut wire = wire;
        wire.call(4, &ListGroupsRequest::default()).await.unwrap().groups.len()
    };
    assert_eq!(groups(Wire::connect(&broker).await).await, 1);
    tokio::time::sleep(std::time::Duration::from_millis(400)).await;
    assert_eq!(groups(Wire::connect(&broker).await).await, 0);
    let beat = HeartbeatRequest::default().with_group_id(group()).with_member_id(joined.member_id);
    assert_eq!(wire.call(2, &beat).await.unwrap().error_code, ResponseError::UnknownMemberId.code());
}

#[tokio::test]
async fn log_append_time_is_stamped_answered_and_read_back_under_a_valid_checksum() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let mut wire = Wire::connect(&broker).await;
    assert_eq!(wire.create_topic("t", &[("message.timestamp.type", "LogAppendTime")]).await, 0);
    let hour = 3_600_000;
    let started = common::now().timestamp_millis();
    for skew in [0, hour, -hour] {
        broker.faults().skew_clock_ms(skew);
        let data = PartitionProduceData::default().with_records(Some(numbered_batch(-1, -1, "v")));
        let data = TopicProduceData::default().with_name(name("t")).with_partition_data(vec![data]);
        let request =
            ProduceRequest::default().with_acks(-1).with_timeout_ms(1000).with_topic_data(vec![data]);
        let answer = wire.call(9, &request).await.unwrap();
        let answer = &answer.responses[0].partition_responses[0];
        assert_eq!(answer.error_code, 0);
        assert!((answer.log_append_time_ms - started - skew).abs() < 60_000);

        let partition =
            FetchPartition::default().with_fetch_offset(answer.base_offset).with_partition_max_bytes(1 << 20);
        let topic = FetchTopic::default().with_topic(name("t")).with_partitions(vec![partition]);
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(1000)
            .with_min_bytes(1)
            .with_max_bytes(1 << 20)
            .with_topics(vec![topic]);
        let fetched = wire.call(12, &request).await.unwrap();
        let mut batch = fetched.responses[0].partitions[0].records.clone().unwrap();
        // Maximum timestamp, bytes 35..43 of the batch; the codec has checked the CRC.
        let stamp = i64::from_be_bytes(batch[35..43].try_into().unwrap());
        assert_eq!(stamp, answer.log_append_time_ms);
        let records = RecordBatchDecoder::decode(&mut batch).unwrap().records;
        assert_eq!(records[0].timestamp_type, TimestampType::LogAppend);
    }
}

#[tokio::test]
async fn configs_are_checked_kept_and_described() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let mut wire = Wire::connect(&broker).await;
    let code = |error: ResponseError| error.code();
    assert_eq!(wire.create_topic("t", &[("retention.ms", "60000")]).await, 0);
    assert_eq!(wire.create_topic("t", &[]).await, code(ResponseError::TopicAlreadyExists));
    assert_eq!(wire.create_topic("u", &[("retention.ms", "soon")]).await, code(ResponseError::InvalidConfig));
    assert_eq!(wire.create_topic("u", &[("retention.m", "1")]).await, code(ResponseError::InvalidConfig));

    let about = |kind, name: &str| {
        DescribeConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text(name))
            .with_configuration_keys(None)
    };
    let (topic, broker_itself) = (2, 4);
    let resources =
        vec![about(topic, "t"), about(topic, "u"), about(broker_itself, "1"), about(broker_itself, "2")];
    let request = DescribeConfigsRequest::default().with_resources(resources);
    let results = wire.call(4, &request).await.unwrap().results;
    let codes: Vec<_> = results.iter().map(|result| result.error_code).collect();
    let unknown = code(ResponseError::UnknownTopicOrPartition);
    assert_eq!(codes, [0, unknown, 0, code(ResponseError::InvalidRequest)]);
    let value = |result: usize, wanted: &str| {
        let found = results[result].configs.iter().find(|config| config.name.as_str() == wanted).unwrap();
        (found.value.clone().unwrap().to_string(), found.config_source)
    };
    let (set_on_topic, default, of_broker) = (1, 5, 4);
    assert_eq!(value(0, "retention.ms"), ("60000".to_owned(), set_on_topic));
    assert_eq!(value(0, "cleanup.policy"), ("delete".to_owned(), default));
    assert_eq!(value(2, "auto.create.topics.enable"), ("false".to_owned(), of_broker));
}
