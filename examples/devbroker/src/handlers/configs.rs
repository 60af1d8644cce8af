//! DescribeConfigs.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_configs_response::{
    DescribeConfigsResourceResult, DescribeConfigsResult, DescribeConfigsSynonym,
};
use kafka_protocol::messages::{DescribeConfigsRequest, DescribeConfigsResponse};

use super::{HangUp, Serve, text};
use crate::config::{KNOWN, ValueType};
use crate::engine::{Engine, NODE_ID, State};
use crate::wire::Call;

/// Resource types of the protocol.
pub(super) const TOPIC: i8 = 2;
const BROKER: i8 = 4;

/// Where a value comes from, in the protocol's numbers.
const SET_ON_TOPIC: i8 = 1;
const STATIC_BROKER: i8 = 4;
const DEFAULT: i8 = 5;

/// The source of a topic's value.
pub(super) fn source(set: bool) -> i8 {
    if set { SET_ON_TOPIC } else { DEFAULT }
}

impl Serve for DescribeConfigsRequest {
    type Response = DescribeConfigsResponse;

    async fn serve(self, engine: &Engine, _: &Call) -> Result<Option<Self::Response>, HangUp> {
        let synonyms = self.include_synonyms;
        let describe = |resource| engine.with(|state| describe(engine, state, resource, synonyms));
        let results = self.resources.into_iter().map(describe).collect::<Result<_, _>>()?;
        Ok(Some(DescribeConfigsResponse::default().with_results(results)))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let results = self.resources.into_iter().map(|resource| {
            let answer = result(&resource);
            failed(answer, error)
        });
        Ok(Some(DescribeConfigsResponse::default().with_results(results.collect())))
    }
}

fn result(resource: &DescribeConfigsResource) -> DescribeConfigsResult {
    DescribeConfigsResult::default()
        .with_resource_type(resource.resource_type)
        .with_resource_name(resource.resource_name.clone())
}

fn failed(answer: DescribeConfigsResult, error: ResponseError) -> DescribeConfigsResult {
    answer.with_error_code(error.code()).with_error_message(Some(text(error.to_string())))
}

fn describe(
    engine: &Engine,
    state: &State,
    resource: DescribeConfigsResource,
    synonyms: bool,
) -> DescribeConfigsResult {
    let answer = result(&resource);
    let mut rows = match resource.resource_type {
        TOPIC => match topic(state, &resource.resource_name) {
            Some(rows) => rows,
            None => return failed(answer, ResponseError::UnknownTopicOrPartition),
        },
        BROKER if *resource.resource_name == NODE_ID.to_string() => broker(engine),
        _ => return failed(answer, ResponseError::InvalidRequest),
    };
    if let Some(wanted) = resource.configuration_keys {
        rows.retain(|row| wanted.contains(&row.name));
    }
    if synonyms {
        for row in &mut rows {
            let own = DescribeConfigsSynonym::default()
                .with_name(row.name.clone())
                .with_value(row.value.clone())
                .with_source(row.config_source);
            row.synonyms = vec![own];
        }
    }
    answer.with_configs(rows)
}

fn topic(state: &State, name: &str) -> Option<Vec<DescribeConfigsResourceResult>> {
    let config = &state.topics.get(name)?.config;
    let row = |known| {
        let (value, set) = config.value(known);
        entry(known.name, value, known.value_type, source(set))
    };
    Some(KNOWN.iter().map(row).collect())
}

/// What this broker has in common with Kafka's broker configurations; not to be changed at run time.
fn broker(engine: &Engine) -> Vec<DescribeConfigsResourceResult> {
    let (options, limits) = (&engine.options, engine.limits());
    let rows = [
        ("auto.create.topics.enable", options.auto_create.to_string(), ValueType::Boolean),
        (
            "group.initial.rebalance.delay.ms",
            options.group_join_delay.as_millis().to_string(),
            ValueType::Int,
        ),
        ("log.retention.bytes", limits.partition_bytes.to_string(), ValueType::Long),
        ("max.connections", limits.connections.to_string(), ValueType::Int),
        ("node.id", NODE_ID.to_string(), ValueType::Int),
        ("num.partitions", options.default_partitions.to_string(), ValueType::Int),
        ("socket.request.max.bytes", limits.frame_bytes.to_string(), ValueType::Int),
    ];
    rows.into_iter()
        .map(|(name, value, value_type)| entry(name, &value, value_type, STATIC_BROKER).with_read_only(true))
        .collect()
}

fn entry(
    name: &'static str,
    value: &str,
    value_type: ValueType,
    source: i8,
) -> DescribeConfigsResourceResult {
    DescribeConfigsResourceResult::default()
        .with_name(text(name))
        .with_value(Some(text(value)))
        .with_config_source(source)
        .with_config_type(value_type.number())
}
