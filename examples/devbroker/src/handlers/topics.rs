//! CreateTopics and DeleteTopics.

use std::collections::BTreeSet;

use kafka_protocol::ResponseError;
use kafka_protocol::messages::create_topics_request::{CreatableReplicaAssignment, CreatableTopic};
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{
    CreateTopicsRequest, CreateTopicsResponse, DeleteTopicsRequest, DeleteTopicsResponse, TopicName,
};

use super::configs::source;
use super::{HangUp, Serve, text};
use crate::config::{ConfigError, KNOWN, TopicConfig};
use crate::engine::{Engine, NODE_ID, State};
use crate::topics::CreateError;
use crate::wire::Call;

/// Why a topic in a CreateTopics request was not created.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error(transparent)]
    Create(#[from] CreateError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("one node cannot hold {0} replicas")]
    Replicas(i16),
    #[error("replica assignments must name partitions 0, 1, … once each, all on node {NODE_ID}")]
    Assignment,
    #[error("give either replica assignments or numbers, not both")]
    Both,
    #[error("topic named twice in the request")]
    Twice,
}

impl Refused {
    fn code(&self) -> ResponseError {
        match self {
            Refused::Create(error) => error.code(),
            Refused::Config(_) => ResponseError::InvalidConfig,
            Refused::Replicas(_) => ResponseError::InvalidReplicationFactor,
            Refused::Assignment => ResponseError::InvalidReplicaAssignment,
            Refused::Both | Refused::Twice => ResponseError::InvalidRequest,
        }
    }
}

impl Serve for CreateTopicsRequest {
    type Response = CreateTopicsResponse;

    async fn serve(self, engine: &Engine, _: &Call) -> Result<Option<Self::Response>, HangUp> {
        let names: Vec<TopicName> = self.topics.iter().map(|topic| topic.name.clone()).collect();
        let (unique, repeated) = split_repeated(&names);
        let topics = engine.with(|state| {
            let created =
                self.topics.into_iter().filter(|topic| unique.contains(topic.name.as_str())).map(|topic| {
                    match create(engine, state, &topic, self.validate_only) {
                        Ok((partitions, config)) => created(topic.name, partitions, &config),
                        Err(error) => not_created(topic.name, error.code(), error.to_string()),
                    }
                });
            let refused = |name: &&str| {
                let error = Refused::Twice;
                not_created(TopicName(text(*name)), error.code(), error.to_string())
            };
            created.chain(repeated.iter().map(refused)).collect()
        })?;
        Ok(Some(CreateTopicsResponse::default().with_topics(topics)))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let refused = |topic: CreatableTopic| not_created(topic.name, error, error.to_string());
        Ok(Some(CreateTopicsResponse::default().with_topics(self.topics.into_iter().map(refused).collect())))
    }
}

/// The names that occur once and those that occur more often.
fn split_repeated(names: &[TopicName]) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut seen, mut repeated) = (BTreeSet::new(), BTreeSet::new());
    for name in names {
        if !seen.insert(name.as_str()) {
            repeated.insert(name.as_str());
        }
    }
    (seen.difference(&repeated).copied().collect(), repeated)
}

fn create(
    engine: &Engine,
    state: &mut State,
    topic: &CreatableTopic,
    validate_only: bool,
) -> Result<(usize, TopicConfig), Refused> {
    let partitions = partitions(engine, topic)?;
    let entries = topic.configs.iter().map(|config| (&*config.name, config.value.as_deref()));
    let config = TopicConfig::parse(entries)?;
    if validate_only {
        state.topics.may_create(&topic.name, partitions, engine.limits())?;
    } else {
        state.topics.create(&topic.name, partitions, config.clone(), engine.limits())?;
    }
    Ok((partitions, config))
}

/// The number of partitions asked for; -1 asks for the broker's default.
fn partitions(engine: &Engine, topic: &CreatableTopic) -> Result<usize, Refused> {
    if !topic.assignments.is_empty() {
        if (topic.num_partitions, topic.replication_factor) != (-1, -1) {
            return Err(Refused::Both);
        }
        return assigned(&topic.assignments).ok_or(Refused::Assignment);
    }
    if !matches!(topic.replication_factor, -1 | 1) {
        return Err(Refused::Replicas(topic.replication_factor));
    }
    match topic.num_partitions {
        -1 => Ok(usize::from(engine.options.default_partitions)),
        partitions => Ok(usize::try_from(partitions).unwrap_or(0)),
    }
}

fn assigned(assignments: &[CreatableReplicaAssignment]) -> Option<usize> {
    let indexes: BTreeSet<i32> = assignments.iter().map(|assignment| assignment.partition_index).collect();
    let contiguous = indexes.iter().copied().eq((0..).take(assignments.len()));
    let here = assignments.iter().all(|assignment| assignment.broker_ids == [NODE_ID]);
    (contiguous && here).then_some(assignments.len())
}

fn created(name: TopicName, partitions: usize, config: &TopicConfig) -> CreatableTopicResult {
    let row = |known| {
        let (value, set) = config.value(known);
        CreatableTopicConfigs::default()
            .with_name(text(known.name))
            .with_value(Some(text(value)))
            .with_config_source(source(set))
    };
    CreatableTopicResult::default()
        .with_name(name)
        .with_num_partitions(i32::try_from(partitions).unwrap_or(i32::MAX))
        .with_replication_factor(1)
        .with_configs(Some(KNOWN.iter().map(row).collect()))
}

fn not_created(name: TopicName, error: ResponseError, message: String) -> CreatableTopicResult {
    CreatableTopicResult::default()
        .with_name(name)
        .with_error_code(error.code())
        .with_error_message(Some(text(message)))
        .with_num_partitions(-1)
        .with_replication_factor(-1)
        .with_configs(None)
}

impl Serve for DeleteTopicsRequest {
    type Response = DeleteTopicsResponse;

    async fn serve(self, engine: &Engine, _: &Call) -> Result<Option<Self::Response>, HangUp> {
        let responses = engine.with(|state| {
            let delete = |name: TopicName| {
                let deleted = state.topics.delete(&name);
                if deleted {
                    state.coordinator.offsets.forget_topic(&name);
                }
                deletion(name, (!deleted).then_some(ResponseError::UnknownTopicOrPartition))
            };
            self.topic_names.into_iter().map(delete).collect()
        })?;
        Ok(Some(DeleteTopicsResponse::default().with_responses(responses)))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let responses = self.topic_names.into_iter().map(|name| deletion(name, Some(error))).collect();
        Ok(Some(DeleteTopicsResponse::default().with_responses(responses)))
    }
}

fn deletion(name: TopicName, error: Option<ResponseError>) -> DeletableTopicResult {
    DeletableTopicResult::default()
        .with_name(Some(name))
        .with_error_code(error.map_or(0, |error| error.code()))
        .with_error_message(error.map(|error| text(error.to_string())))
}
