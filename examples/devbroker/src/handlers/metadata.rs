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
        Ok(Some(response(engine, topics)))
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
