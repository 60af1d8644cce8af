//! Metadata and FindCoordinator.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId, FindCoordinatorRequest, FindCoordinatorResponse, MetadataRequest, MetadataResponse, TopicName,
};

use super::{HangUp, Serve, text};
use crate::batch::EPOCH;
use crate::config::TopicConfig;
use crate::engine::{Engine, NODE_ID, State};
use crate::topics::is_legal_name;
use crate::wire::Call;

const CLUSTER_ID: &str = "ipowdm-devbroker";

/// What a client may do, as bits by the numbers of Kafka's `AclOperation`. A broker that authorises nobody answers, where it is
/// asked, with every operation that the kind of resource has: of a topic Read 3, Write 4, Create 5, Delete 6, Alter 7, Describe 8,
/// DescribeConfigs 10, AlterConfigs 11.
const TOPIC_OPERATIONS: i32 = operations(&[3, 4, 5, 6, 7, 8, 10, 11]);
/// Of the cluster: Create 5, Alter 7, Describe 8, ClusterAction 9, DescribeConfigs 10, AlterConfigs 11, IdempotentWrite 12.
const CLUSTER_OPERATIONS: i32 = operations(&[5, 7, 8, 9, 10, 11, 12]);

const fn operations(numbers: &[u8]) -> i32 {
    let (mut bits, mut next) = (0, 0);
    while next < numbers.len() {
        bits |= 1 << numbers[next];
        next += 1;
    }
    bits
}

impl Serve for MetadataRequest {
    type Response = MetadataResponse;

    async fn serve(self, engine: &Engine, call: &Call) -> Result<Option<Self::Response>, HangUp> {
        // Version 0 has no null array: an empty one asks for all.
        let wanted = match self.topics {
            Some(topics) if call.version == 0 && topics.is_empty() => None,
            topics => topics,
        };
        let may_create = engine.options.auto_create && (call.version < 4 || self.allow_auto_topic_creation);
        let topics = engine.with(|state| match wanted {
            None => state.topics.iter().map(|(name, topic)| describe(name, topic.partitions())).collect(),
            Some(topics) => topics
                .into_iter()
                .map(|topic| {
                    let name = topic.name.unwrap_or_default();
                    match find(engine, state, &name, may_create) {
                        Ok(partitions) => describe(&name, partitions),
                        Err(error) => failed(name, error),
                    }
                })
                .collect(),
        })?;
        let mut response = response(engine, topics);
        if self.include_cluster_authorized_operations {
            response.cluster_authorized_operations = CLUSTER_OPERATIONS;
        }
        if self.include_topic_authorized_operations {
            for topic in response.topics.iter_mut().filter(|topic| topic.error_code == 0) {
                topic.topic_authorized_operations = TOPIC_OPERATIONS;
            }
        }
        Ok(Some(response))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let topics = self.topics.into_iter().flatten();
        let topics = topics.map(|topic| failed(topic.name.unwrap_or_default(), error)).collect();
        // Without the node: a client that is to believe in an error must not find its way around it.
        Ok(Some(MetadataResponse::default().with_controller_id(BrokerId(-1)).with_topics(topics)))
    }
}

fn response(engine: &Engine, topics: Vec<MetadataResponseTopic>) -> MetadataResponse {
    let node = MetadataResponseBroker::default()
        .with_node_id(BrokerId(NODE_ID))
        .with_host(text(engine.endpoint.host.clone()))
        .with_port(i32::from(engine.endpoint.port));
    MetadataResponse::default()
        .with_brokers(vec![node])
        .with_cluster_id(Some(text(CLUSTER_ID)))
        .with_controller_id(BrokerId(NODE_ID))
        .with_topics(topics)
}

/// The number of partitions of a topic, created on the spot if allowed.
fn find(engine: &Engine, state: &mut State, name: &str, may_create: bool) -> Result<usize, ResponseError> {
    if let Some(topic) = state.topics.get(name) {
        return Ok(topic.partitions());
    }
    if !is_legal_name(name) {
        return Err(ResponseError::InvalidTopicException);
    }
    if !may_create {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    let partitions = usize::from(engine.options.default_partitions);
    let created = state.topics.create(name, partitions, TopicConfig::default(), engine.limits());
    created.map(|()| partitions).map_err(|error| error.code())
}

fn describe(name: &str, partitions: usize) -> MetadataResponseTopic {
    let node = || vec![BrokerId(NODE_ID)];
    let row = |index| {
        MetadataResponsePartition::default()
            .with_partition_index(index)
            .with_leader_id(BrokerId(NODE_ID))
            .with_leader_epoch(EPOCH)
            .with_replica_nodes(node())
            .with_isr_nodes(node())
    };
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(text(name))))
        .with_partitions((0..).map(row).take(partitions).collect())
}

fn failed(name: TopicName, error: ResponseError) -> MetadataResponseTopic {
    MetadataResponseTopic::default().with_name(Some(name)).with_error_code(error.code())
}

impl Serve for FindCoordinatorRequest {
    type Response = FindCoordinatorResponse;

    async fn serve(self, engine: &Engine, call: &Call) -> Result<Option<Self::Response>, HangUp> {
        // 0 is a consumer group, 1 a transaction.
        if self.key_type != 0 {
            return self.refuse(call, ResponseError::TransactionalIdAuthorizationFailed);
        }
        if self.key.is_empty() {
            return self.refuse(call, ResponseError::InvalidGroupId);
        }
        let response = FindCoordinatorResponse::default()
            .with_node_id(BrokerId(NODE_ID))
            .with_host(text(engine.endpoint.host.clone()))
            .with_port(i32::from(engine.endpoint.port));
        Ok(Some(response))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let response = FindCoordinatorResponse::default()
            .with_error_code(error.code())
            .with_error_message(Some(text(error.to_string())))
            .with_node_id(BrokerId(-1))
            .with_port(-1);
        Ok(Some(response))
    }
}
