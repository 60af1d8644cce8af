//! Changes of topics that are there.

use super::access::ask_controller;
use super::admin;
use super::cluster::{Cluster, topic_name, unavailable, unknown};
use super::refusal::{Refusal, refusal};
use crate::bus::{BusError, TopicChange, TopicDescription, check_topic_name};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{CreatePartitionsRequest, IncrementalAlterConfigsRequest};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;
use tokio::time::Instant;

const DOING: &str = "changing a topic";

/// The protocol's number for topics.
const TOPIC: i8 = 2;
/// The operation that gives a setting a value.
const SET: i8 = 0;
/// The operation that takes a setting back.
const DELETE: i8 = 1;

/// Changes a topic, and waits until the brokers have heard of it.
pub(super) async fn alter(
    cluster: &Cluster,
    name: &str,
    change: TopicChange,
) -> Result<TopicDescription, BusError> {
    check_topic_name(name)?;
    let deadline = cluster.deadline();
    let there = described(cluster, name).await?;
    let wanted = change.partitions.map_or(there.partitions, |wanted| wanted.max(there.partitions));
    if change.partitions == Some(0) {
        let reason = "0 partitions are not possible".to_string();
        return Err(BusError::Invalid { topic: name.to_string(), reason });
    }
    let grows = wanted > there.partitions;
    let sets = !are_set(&change.configs, &there.configs);
    if !grows && !sets {
        return Ok(there);
    }
    // What is refused must not leave the other half behind.
    if grows {
        grow(cluster, name, wanted, sets, deadline).await?;
    }
    if sets {
        set(cluster, name, &change, deadline).await?;
    }
    if grows && sets {
        grow(cluster, name, wanted, false, deadline).await?;
    }
    cluster.doubt_topic(name);
    let (request, configs) = (&admin::question(name), &change.configs);
    let heard = |broker: Option<Arc<str>>, until| async move {
        let answer = cluster.ask(broker.as_ref(), request, until).await;
        let answer = answer.map_err(|error| unavailable(DOING, &error))?;
        let found = answer.topics.iter().flat_map(|topic| &topic.partitions);
        let usable = found.filter(|partition| partition.error_code == 0).count();
        let settings = admin::settings(cluster, name, broker.as_ref(), until, DOING).await?;
        let settings = settings.ok_or_else(|| unknown(name, 0))?;
        Ok(u32::try_from(usable).is_ok_and(|usable| usable >= wanted) && are_set(configs, &settings))
    };
    cluster.everywhere(deadline, DOING, heard).await?;
    described(cluster, name).await
}

/// Whether settings are as wanted.
fn are_set(wanted: &BTreeMap<String, Option<String>>, there: &BTreeMap<String, String>) -> bool {
    wanted.iter().all(|(key, value)| there.get(key) == value.as_ref())
}

async fn described(cluster: &Cluster, name: &str) -> Result<TopicDescription, BusError> {
    admin::describe(cluster, name).await?.ok_or_else(|| unknown(name, 0))
}

/// Gives a topic partitions; with `only_ask`, finds out whether that would be refused.
async fn grow(
    cluster: &Cluster,
    name: &str,
    partitions: u32,
    only_ask: bool,
    deadline: Instant,
) -> Result<(), BusError> {
    let count = i32::try_from(partitions).map_err(|_| BusError::Invalid {
        topic: name.to_string(),
        reason: format!("{partitions} partitions are not possible"),
    })?;
    let topic =
        CreatePartitionsTopic::default().with_name(topic_name(name)).with_count(count).with_assignments(None);
    let request = CreatePartitionsRequest::default()
        .with_topics(Vec::from([topic]))
        .with_timeout_ms(admin::left_ms(deadline))
        .with_validate_only(only_ask);
    let answer = ask_controller(cluster, &request, deadline, DOING, |answer| {
        answer.results.iter().filter_map(|result| elsewhere(result.error_code)).collect()
    })
    .await?;
    let result = answer.results.into_iter().find(|result| *result.name.0 == *name);
    let result = result.ok_or_else(|| admin::misses_topic(DOING))?;
    match refusal(result.error_code) {
        None => Ok(()),
        Some(refused) => {
            // Somebody else may have given it as many meanwhile.
            let is_enough = matches!(refused, Refusal::Invalid(_))
                && described(cluster, name).await?.partitions >= partitions;
            if is_enough {
                return Ok(());
            }
            Err(refused.into_error(DOING, name, 0, result.error_message.as_deref()))
        }
    }
}

async fn set(cluster: &Cluster, name: &str, change: &TopicChange, deadline: Instant) -> Result<(), BusError> {
    let configs = change.configs.iter().map(|(key, value)| {
        AlterableConfig::default()
            .with_name(StrBytes::from_string(key.clone()))
            .with_config_operation(if value.is_some() { SET } else { DELETE })
            .with_value(value.clone().map(StrBytes::from_string))
    });
    let resource = AlterConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(StrBytes::from_string(name.to_string()))
        .with_configs(configs.collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(Vec::from([resource]));
    let answer = ask_controller(cluster, &request, deadline, DOING, |answer| {
        answer.responses.iter().filter_map(|result| elsewhere(result.error_code)).collect()
    })
    .await?;
    let result = answer.responses.into_iter().next().ok_or_else(|| admin::misses_topic(DOING))?;
    match refusal(result.error_code) {
        None => Ok(()),
        Some(refused) => Err(refused.into_error(DOING, name, 0, result.error_message.as_deref())),
    }
}

/// A code that says that another broker is to be asked; what the others mean is told of the topic.
fn elsewhere(code: i16) -> Option<(i16, Option<StrBytes>)> {
    matches!(refusal(code), Some(Refusal::Elsewhere(_))).then_some((code, None))
}
