//! Changes of topics that are there: CreatePartitions, AlterConfigs, IncrementalAlterConfigs.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::alter_configs_request::AlterConfigsResource;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::incremental_alter_configs_request;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as Altered;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, CreatePartitionsRequest, CreatePartitionsResponse,
    IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse, TopicName,
};

use super::configs::TOPIC;
use super::{HangUp, Serve, text};
use crate::config::{Change, ConfigError, TopicConfig};
use crate::engine::{Engine, NODE_ID, State};
use crate::topics::GrowError;
use crate::wire::Call;

/// Why a topic was not changed; it is what it was.
#[derive(Debug, thiserror::Error)]
enum Refused {
    #[error("there is no such topic")]
    Unknown,
    #[error("only topics are changed here; a broker's own configuration is what it was started with")]
    NoTopic,
    #[error("named twice in the request")]
    Twice,
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error(transparent)]
    Grow(#[from] GrowError),
    #[error("assignments must be one for each new partition, on node {NODE_ID}")]
    Assignment,
}

impl Refused {
    fn code(&self) -> ResponseError {
        match self {
            Refused::Unknown | Refused::Grow(GrowError::Unknown) => ResponseError::UnknownTopicOrPartition,
            Refused::NoTopic | Refused::Twice => ResponseError::InvalidRequest,
            Refused::Config(_) => ResponseError::InvalidConfig,
            Refused::Grow(GrowError::Fewer { .. }) => ResponseError::InvalidPartitions,
            Refused::Grow(GrowError::Limit(_)) => ResponseError::PolicyViolation,
            Refused::Assignment => ResponseError::InvalidReplicaAssignment,
        }
    }
}

impl Serve for CreatePartitionsRequest {
    type Response = CreatePartitionsResponse;

    async fn serve(self, engine: &Engine, _: &Call) -> Result<Option<Self::Response>, HangUp> {
        let names: Vec<TopicName> = self.topics.iter().map(|topic| topic.name.clone()).collect();
        let grow = |state: &mut State, topic: &CreatePartitionsTopic| {
            if names.iter().filter(|name| **name == topic.name).count() > 1 {
                return Err(Refused::Twice);
            }
            grow(engine, state, topic, self.validate_only)
        };
        let grown = engine.with(|state| {
            let one =
                |topic: &CreatePartitionsTopic| partitions(topic.name.clone(), grow(state, topic).err());
            self.topics.iter().map(one).collect()
        })?;
        Ok(Some(CreatePartitionsResponse::default().with_results(grown)))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let refused = |topic: CreatePartitionsTopic| {
            let result = CreatePartitionsTopicResult::default().with_name(topic.name);
            result.with_error_code(error.code()).with_error_message(Some(text(error.to_string())))
        };
        let results = self.topics.into_iter().map(refused).collect();
        Ok(Some(CreatePartitionsResponse::default().with_results(results)))
    }
}

fn grow(
    engine: &Engine,
    state: &mut State,
    topic: &CreatePartitionsTopic,
    validate_only: bool,
) -> Result<(), Refused> {
    let count = usize::try_from(topic.count).unwrap_or(0);
    let before = state.topics.get(&topic.name).ok_or(Refused::Unknown)?.partitions();
    if let Some(assignments) = &topic.assignments {
        let here = assignments.iter().all(|assignment| assignment.broker_ids == [NODE_ID]);
        if !here || assignments.len() != count.saturating_sub(before) {
            return Err(Refused::Assignment);
        }
    }
    if validate_only {
        state.topics.may_grow(&topic.name, count, engine.limits())?;
    } else {
        state.topics.grow(&topic.name, count, engine.limits())?;
    }
    Ok(())
}

fn partitions(name: TopicName, refused: Option<Refused>) -> CreatePartitionsTopicResult {
    let result = CreatePartitionsTopicResult::default().with_name(name);
    match refused {
        None => result,
        Some(refused) => {
            result.with_error_code(refused.code().code()).with_error_message(Some(text(refused.to_string())))
        }
    }
}

/// Gives a topic the configuration that `change` makes of what it has.
fn configure(
    state: &mut State,
    (kind, name): (i8, &str),
    validate_only: bool,
    change: impl FnOnce(&TopicConfig) -> Result<TopicConfig, ConfigError>,
) -> Result<(), Refused> {
    if kind != TOPIC {
        return Err(Refused::NoTopic);
    }
    let before = &state.topics.get(name).ok_or(Refused::Unknown)?.config;
    let config = change(before)?;
    if !validate_only {
        state.topics.configure(name, config);
    }
    Ok(())
}

impl Serve for AlterConfigsRequest {
    type Response = AlterConfigsResponse;

    async fn serve(self, engine: &Engine, _: &Call) -> Result<Option<Self::Response>, HangUp> {
        let responses = engine.with(|state| {
            let one = |resource: &AlterConfigsResource| {
                let entries = resource.configs.iter().map(|one| (&*one.name, one.value.as_deref()));
                let place = (resource.resource_type, &*resource.resource_name);
                let done = configure(state, place, self.validate_only, |_| TopicConfig::parse(entries));
                altered(resource, done.err().map(|refused| (refused.code(), refused.to_string())))
            };
            self.resources.iter().map(one).collect()
        })?;
        Ok(Some(AlterConfigsResponse::default().with_responses(responses)))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let refused = |resource| altered(resource, Some((error, error.to_string())));
        let responses = self.resources.iter().map(refused).collect();
        Ok(Some(AlterConfigsResponse::default().with_responses(responses)))
    }
}

fn altered(
    resource: &AlterConfigsResource,
    refused: Option<(ResponseError, String)>,
) -> AlterConfigsResourceResponse {
    let response = AlterConfigsResourceResponse::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone())
        .with_error_message(None);
    match refused {
        None => response,
        Some((error, reason)) => {
            response.with_error_code(error.code()).with_error_message(Some(text(reason)))
        }
    }
}

impl Serve for IncrementalAlterConfigsRequest {
    type Response = IncrementalAlterConfigsResponse;

    async fn serve(self, engine: &Engine, _: &Call) -> Result<Option<Self::Response>, HangUp> {
        let responses = engine.with(|state| {
            let one = |resource: &incremental_alter_configs_request::AlterConfigsResource| {
                let changes = resource.configs.iter().map(|one| {
                    let change = Change::of(one.config_operation, one.value.as_deref());
                    (&*one.name, change)
                });
                let place = (resource.resource_type, &*resource.resource_name);
                let done = configure(state, place, self.validate_only, |config| config.changed(changes));
                incrementally(resource, done.err().map(|refused| (refused.code(), refused.to_string())))
            };
            self.resources.iter().map(one).collect()
        })?;
        Ok(Some(IncrementalAlterConfigsResponse::default().with_responses(responses)))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let refused = |resource| incrementally(resource, Some((error, error.to_string())));
        let responses = self.resources.iter().map(refused).collect();
        Ok(Some(IncrementalAlterConfigsResponse::default().with_responses(responses)))
    }
}

fn incrementally(
    resource: &incremental_alter_configs_request::AlterConfigsResource,
    refused: Option<(ResponseError, String)>,
) -> Altered {
    let response = Altered::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone())
        .with_error_message(None);
    match refused {
        None => response,
        Some((error, reason)) => {
            response.with_error_code(error.code()).with_error_message(Some(text(reason)))
        }
    }
}
