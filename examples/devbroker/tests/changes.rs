//! Topics that are there get more partitions and other configurations.
#![allow(clippy::unwrap_used, reason = "an expectation that fails is a failed test")]

use common::wire::{Wire, name, numbered_batch, text};
use ipowdm_devbroker::{Broker, Limits, Options};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request as incremental;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    AlterConfigsRequest, CreatePartitionsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    MetadataRequest, ProduceRequest,
};

mod common;

const INVALID_PARTITIONS: i16 = 37;

async fn grow(wire: &mut Wire, topic: &str, count: i32, only_ask: bool) -> i16 {
    let topic =
        CreatePartitionsTopic::default().with_name(name(topic)).with_count(count).with_assignments(None);
    let request = CreatePartitionsRequest::default()
        .with_topics(vec![topic])
        .with_timeout_ms(5_000)
        .with_validate_only(only_ask);
    wire.call(1, &request).await.unwrap().results[0].error_code
}

async fn partitions(wire: &mut Wire, topic: &str) -> usize {
    let topic = MetadataRequestTopic::default().with_name(Some(name(topic)));
    let request = MetadataRequest::default().with_topics(Some(vec![topic]));
    wire.call(4, &request).await.unwrap().topics[0].partitions.len()
}

async fn produce(wire: &mut Wire, topic: &str, partition: i32) -> (i16, i64) {
    let rows = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(numbered_batch(-1, -1, "value")));
    let topic = TopicProduceData::default().with_name(name(topic)).with_partition_data(vec![rows]);
    let request = ProduceRequest::default().with_acks(-1).with_timeout_ms(5_000).with_topic_data(vec![topic]);
    let answer = wire.call(8, &request).await.unwrap();
    let row = &answer.responses[0].partition_responses[0];
    (row.error_code, row.base_offset)
}

#[tokio::test]
async fn a_topic_gets_more_partitions_and_never_fewer() {
    let limits = Limits { partitions: 5, ..Limits::default() };
    let broker = Broker::start(Options::default().limits(limits)).await.unwrap();
    let mut wire = Wire::connect(&broker).await;
    wire.create_topic("t", &[]).await;
    assert_eq!(produce(&mut wire, "t", 0).await, (0, 0));
    assert_eq!((grow(&mut wire, "t", 3, true).await, partitions(&mut wire, "t").await), (0, 1), "only asked");
    assert_eq!((grow(&mut wire, "t", 3, false).await, partitions(&mut wire, "t").await), (0, 3));
    assert_eq!(produce(&mut wire, "t", 2).await, (0, 0), "the new ones are empty");
    assert_eq!(produce(&mut wire, "t", 0).await, (0, 1), "the old one is what it was");
    for count in [3, 2, 0, -1] {
        assert_eq!(grow(&mut wire, "t", count, false).await, INVALID_PARTITIONS, "{count}");
    }
    assert_eq!(grow(&mut wire, "t", 6, false).await, ResponseError::PolicyViolation.code());
    assert_eq!(grow(&mut wire, "u", 6, false).await, ResponseError::UnknownTopicOrPartition.code());
    assert_eq!(partitions(&mut wire, "t").await, 3);
}

async fn setting(wire: &mut Wire, topic: &str, key: &str) -> String {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(topic))
        .with_configuration_keys(Some(vec![text(key)]));
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    let answer = wire.call(1, &request).await.unwrap();
    answer.results[0].configs[0].value.clone().unwrap().to_string()
}

async fn change(wire: &mut Wire, topic: &str, changes: &[(&str, i8, Option<&str>)], only_ask: bool) -> i16 {
    let one = |&(key, operation, value): &(&str, i8, Option<&str>)| {
        incremental::AlterableConfig::default()
            .with_name(text(key))
            .with_config_operation(operation)
            .with_value(value.map(text))
    };
    let resource = incremental::AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text(topic))
        .with_configs(changes.iter().map(one).collect());
    let request =
        IncrementalAlterConfigsRequest::default().with_resources(vec![resource]).with_validate_only(only_ask);
    wire.call(0, &request).await.unwrap().responses[0].error_code
}

#[tokio::test]
async fn single_configurations_change_all_or_none_and_act_at_once() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let mut wire = Wire::connect(&broker).await;
    wire.create_topic("t", &[("retention.ms", "1000")]).await;
    let both = [("retention.ms", 1, None), ("max.message.bytes", 0, Some("10"))];
    assert_eq!(change(&mut wire, "t", &both, true).await, 0);
    assert_eq!(setting(&mut wire, "t", "retention.ms").await, "1000", "only asked");
    assert_eq!(change(&mut wire, "t", &both, false).await, 0);
    assert_eq!(setting(&mut wire, "t", "retention.ms").await, "604800000", "the default again");
    assert_eq!(produce(&mut wire, "t", 0).await.0, ResponseError::MessageTooLarge.code());
    let half_wrong = [("max.message.bytes", 0, Some("1000000")), ("retention.ms", 0, Some("soon"))];
    assert_eq!(change(&mut wire, "t", &half_wrong, false).await, ResponseError::InvalidConfig.code());
    assert_eq!(setting(&mut wire, "t", "max.message.bytes").await, "10");
    assert_eq!(change(&mut wire, "u", &both, false).await, ResponseError::UnknownTopicOrPartition.code());
}

#[tokio::test]
async fn a_whole_configuration_takes_the_place_of_what_was_set() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let mut wire = Wire::connect(&broker).await;
    wire.create_topic("t", &[("retention.ms", "1000")]).await;
    let config = AlterableConfig::default().with_name(text("flush.ms")).with_value(Some(text("7")));
    let resource = |kind| {
        AlterConfigsResource::default()
            .with_resource_type(kind)
            .with_resource_name(text("t"))
            .with_configs(vec![config.clone()])
    };
    let request = AlterConfigsRequest::default().with_resources(vec![resource(2), resource(4)]);
    let codes: Vec<i16> =
        wire.call(1, &request).await.unwrap().responses.iter().map(|row| row.error_code).collect();
    assert_eq!(codes, [0, ResponseError::InvalidRequest.code()], "a broker is not changed");
    assert_eq!(setting(&mut wire, "t", "flush.ms").await, "7");
    assert_eq!(setting(&mut wire, "t", "retention.ms").await, "604800000");
}
