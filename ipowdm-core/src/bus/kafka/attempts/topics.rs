//! Attempts at topics.

use super::super::admin;
use super::super::cluster::{Cluster, topic_name};
use super::super::options::Compression;
use super::super::records;
use super::{OnTopic, Verdict, attempt, text};
use crate::bus::{BusError, Outgoing};
use kafka_protocol::messages::alter_partition_reassignments_request::{
    ReassignablePartition, ReassignableTopic,
};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::offset_for_leader_epoch_request::{
    OffsetForLeaderPartition, OffsetForLeaderTopic,
};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteRecordsRequest,
    DeleteTopicsRequest, DescribeConfigsRequest, DescribeProducersRequest, ElectLeadersRequest, FetchRequest,
    IncrementalAlterConfigsRequest, ListOffsetsRequest, OffsetForLeaderEpochRequest, ProduceRequest,
    WriteTxnMarkersRequest,
};
use std::string::ToString;
use std::vec;

/// The protocol's number for topics.
const TOPIC: i8 = 2;
/// Time that a broker may take for what it does with others.
const TIMEOUT_MS: i32 = 10_000;

pub(super) async fn attempt_on(cluster: &Cluster, what: OnTopic, topic: &str) -> Result<Verdict, BusError> {
    match what {
        OnTopic::Describe => {
            attempt(cluster, &admin::question(topic), &[], |answer| {
                answer.topics.iter().map(|topic| topic.error_code).collect()
            })
            .await
        }
        OnTopic::Fetch => fetch(cluster, topic).await,
        OnTopic::Produce => produce(cluster, topic).await,
        OnTopic::ListOffsets => list_offsets(cluster, topic).await,
        OnTopic::EpochEnd => epoch_end(cluster, topic).await,
        OnTopic::DescribeProducers => describe_producers(cluster, topic).await,
        OnTopic::DescribeConfigs => describe_configs(cluster, topic).await,
        OnTopic::Create => create(cluster, topic).await,
        OnTopic::Delete => delete(cluster, topic).await,
        OnTopic::AlterConfigs => alter_configs(cluster, topic).await,
        OnTopic::CreatePartitions => create_partitions(cluster, topic).await,
        OnTopic::DeleteRecords => delete_records(cluster, topic).await,
        OnTopic::WriteMarkers => write_markers(cluster, topic).await,
        OnTopic::ElectLeader => elect_leader(cluster, topic).await,
        OnTopic::Reassign => reassign(cluster, topic).await,
    }
}

async fn fetch(cluster: &Cluster, topic: &str) -> Result<Verdict, BusError> {
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 16);
    let topic = FetchTopic::default().with_topic(topic_name(topic)).with_partitions(vec![partition]);
    let request =
        FetchRequest::default().with_replica_id((-1).into()).with_max_bytes(1 << 16).with_topics(vec![topic]);
    attempt(cluster, &request, &[], |answer| {
        let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|partition| partition.error_code).collect()
    })
    .await
}

async fn produce(cluster: &Cluster, topic: &str) -> Result<Verdict, BusError> {
    let record = Outgoing::new("k", "attempt");
    let batch = records::encode([&record].into_iter(), 0, Compression::None)
        .map_err(|reason| BusError::Invalid { topic: topic.to_string(), reason })?;
    let partition = PartitionProduceData::default().with_records(Some(batch));
    let topic = TopicProduceData::default().with_name(topic_name(topic)).with_partition_data(vec![partition]);
    let request =
        ProduceRequest::default().with_acks(-1).with_timeout_ms(TIMEOUT_MS).with_topic_data(vec![topic]);
    attempt(cluster, &request, &[], |answer| {
        let partitions = answer.responses.iter().flat_map(|topic| &topic.partition_responses);
        partitions.map(|partition| partition.error_code).collect()
    })
    .await
}

async fn list_offsets(cluster: &Cluster, topic: &str) -> Result<Verdict, BusError> {
    let partition = ListOffsetsPartition::default().with_timestamp(-1);
    let topic = ListOffsetsTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
    attempt(cluster, &request, &[], |answer| {
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|partition| partition.error_code).collect()
    })
    .await
}

async fn epoch_end(cluster: &Cluster, topic: &str) -> Result<Verdict, BusError> {
    let partition = OffsetForLeaderPartition::default().with_current_leader_epoch(-1).with_leader_epoch(0);
    let topic =
        OffsetForLeaderTopic::default().with_topic(topic_name(topic)).with_partitions(vec![partition]);
    let request =
        OffsetForLeaderEpochRequest::default().with_replica_id((-1).into()).with_topics(vec![topic]);
    attempt(cluster, &request, &[], |answer| {
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|partition| partition.error_code).collect()
    })
    .await
}

async fn describe_producers(cluster: &Cluster, topic: &str) -> Result<Verdict, BusError> {
    let topic = TopicRequest::default().with_name(topic_name(topic)).with_partition_indexes(vec![0]);
    let request = DescribeProducersRequest::default().with_topics(vec![topic]);
    attempt(cluster, &request, &[], |answer| {
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|partition| partition.error_code).collect()
    })
    .await
}

async fn describe_configs(cluster: &Cluster, topic: &str) -> Result<Verdict, BusError> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(topic))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
    attempt(cluster, &request, &[], |answer| answer.results.iter().map(|result| result.error_code).collect())
        .await
}

async fn create(cluster: &Cluster, topic: &str) -> Result<Verdict, BusError> {
    let topic = CreatableTopic::default()
        .with_name(topic_name(topic))
        .with_num_partitions(1)
        .with_replication_factor(1);
    let request = CreateTopicsRequest::default().with_topics(vec![topic]).with_timeout_ms(TIMEOUT_MS);
    attempt(cluster, &request, &[], |answer| answer.topics.iter().map(|topic| topic.error_code).collect())
        .await
}

async fn delete(cluster: &Cluster, topic: &str) -> Result<Verdict, BusError> {
    let request =
        DeleteTopicsRequest::default().with_topic_names(vec![topic_name(topic)]).with_timeout_ms(TIMEOUT_MS);
    attempt(cluster, &request, &[], |answer| answer.responses.iter().map(|topic| topic.error_code).collect())
        .await
}

async fn alter_configs(cluster: &Cluster, topic: &str) -> Result<Verdict, BusError> {
    let config = AlterableConfig::default().with_name(text("retention.ms")).with_value(Some(text("1")));
    let resource = AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(text(topic))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    attempt(cluster, &request, &[], |answer| {
        answer.responses.iter().map(|result| result.error_code).collect()
    })
    .await
}

async fn create_partitions(cluster: &Cluster, topic: &str) -> Result<Verdict, BusError> {
    let topic =
        CreatePartitionsTopic::default().with_name(topic_name(topic)).with_count(9).with_assignments(None);
    let request = CreatePartitionsRequest::default().with_topics(vec![topic]).with_timeout_ms(TIMEOUT_MS);
    attempt(cluster, &request, &[], |answer| answer.results.iter().map(|result| result.error_code).collect())
        .await
}

async fn delete_records(cluster: &Cluster, topic: &str) -> Result<Verdict, BusError> {
    // Up to the end.
    let partition = DeleteRecordsPartition::default().with_offset(-1);
    let topic = DeleteRecordsTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
    let request = DeleteRecordsRequest::default().with_topics(vec![topic]).with_timeout_ms(TIMEOUT_MS);
    attempt(cluster, &request, &[], |answer| {
        let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.map(|partition| partition.error_code).collect()
    })
    .await
}

async fn write_markers(cluster: &Cluster, topic: &str) -> Result<Verdict, BusError> {
    let topic =
        WritableTxnMarkerTopic::default().with_name(topic_name(topic)).with_partition_indexes(vec![0]);
    let marker = WritableTxnMarker::default().with_producer_id(1.into()).with_topics(vec![topic]);
    let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
    attempt(cluster, &request, &[], |answer| {
        let topics = answer.markers.iter().flat_map(|marker| &marker.topics);
        topics.flat_map(|topic| &topic.partitions).map(|partition| partition.error_code).collect()
    })
    .await
}

async fn elect_leader(cluster: &Cluster, topic: &str) -> Result<Verdict, BusError> {
    let topic = TopicPartitions::default().with_topic(topic_name(topic)).with_partitions(vec![0]);
    let request =
        ElectLeadersRequest::default().with_topic_partitions(Some(vec![topic])).with_timeout_ms(TIMEOUT_MS);
    attempt(cluster, &request, &[], |answer| {
        let partitions = answer.replica_election_results.iter().flat_map(|topic| &topic.partition_result);
        [answer.error_code].into_iter().chain(partitions.map(|partition| partition.error_code)).collect()
    })
    .await
}

async fn reassign(cluster: &Cluster, topic: &str) -> Result<Verdict, BusError> {
    let partition = ReassignablePartition::default().with_replicas(Some(vec![1.into()]));
    let topic = ReassignableTopic::default().with_name(topic_name(topic)).with_partitions(vec![partition]);
    let request =
        AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]).with_timeout_ms(TIMEOUT_MS);
    attempt(cluster, &request, &[], |answer| {
        let partitions = answer.responses.iter().flat_map(|topic| &topic.partitions);
        [answer.error_code].into_iter().chain(partitions.map(|partition| partition.error_code)).collect()
    })
    .await
}
