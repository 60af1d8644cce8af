//! Topic administration.

use super::access::failed;
use super::api::Api;
use super::cluster::{Cluster, topic_name, unavailable, unknown};
use super::leader::Patience;
use super::pool::Traffic;
use super::refusal::{Refusal, refusal};
use crate::bus::{BusError, Created, TopicDescription, TopicSpec, check_topic_name};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, DescribeConfigsRequest, MetadataRequest, MetadataResponse,
};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;
use tokio::time::Instant;

/// `DescribeConfigs`' number for topics.
const TOPIC: i8 = 2;
/// `DescribeConfigs`' number for a setting made on the topic itself.
const SET_ON_TOPIC: i8 = 1;

/// Creates a topic, and waits until it can be used.
pub(super) async fn create(cluster: &Cluster, spec: TopicSpec) -> Result<Created, BusError> {
    const DOING: &str = "creating a topic";
    check_topic_name(&spec.name)?;
    let deadline = cluster.deadline();
    let (partitions, replication) = sizes(&spec)?;
    let configs = spec.configs.iter().map(|(name, value)| {
        CreatableTopicConfig::default()
            .with_name(StrBytes::from_string(name.clone()))
            .with_value(Some(StrBytes::from_string(value.clone())))
    });
    let topic = CreatableTopic::default()
        .with_name(topic_name(&spec.name))
        .with_num_partitions(partitions)
        .with_replication_factor(replication)
        .with_configs(configs.collect());
    let request =
        CreateTopicsRequest::default().with_topics(Vec::from([topic])).with_timeout_ms(left_ms(deadline));
    let mut patience = Patience::until(deadline);
    let created = loop {
        let answer = ask_controller(cluster, &request, deadline, DOING).await?;
        let found = answer.topics.into_iter().find(|topic| *topic.name.0 == *spec.name);
        let found = found.ok_or_else(|| misses_topic(DOING))?;
        let Some(refusal) = refusal(found.error_code) else { break Created::New };
        if refusal == Refusal::Exists {
            break Created::Existing;
        }
        let error = refusal.into_error(DOING, &spec.name, 0, found.error_message.as_deref());
        elsewhere(cluster, refusal, error, &mut patience).await?;
    };
    await_presence(cluster, &spec.name, true, deadline).await;
    Ok(created)
}

/// The numbers of a topic as the protocol has them; 0 would be taken for something else there.
fn sizes(spec: &TopicSpec) -> Result<(i32, i16), BusError> {
    let refused = |reason: String| BusError::Invalid { topic: spec.name.clone(), reason };
    let partitions = i32::try_from(spec.partitions).ok().filter(|count| *count > 0);
    let partitions =
        partitions.ok_or_else(|| refused(format!("{} partitions are not possible", spec.partitions)))?;
    let replication = i16::try_from(spec.replication).ok().filter(|count| *count > 0);
    let replication =
        replication.ok_or_else(|| refused(format!("{} replicas are not possible", spec.replication)))?;
    Ok((partitions, replication))
}

/// Deletes a topic, and waits until it is gone.
pub(super) async fn delete(cluster: &Cluster, name: &str) -> Result<bool, BusError> {
    const DOING: &str = "deleting a topic";
    check_topic_name(name)?;
    let deadline = cluster.deadline();
    let request = DeleteTopicsRequest::default()
        .with_topic_names(Vec::from([topic_name(name)]))
        .with_timeout_ms(left_ms(deadline));
    let mut patience = Patience::until(deadline);
    loop {
        let answer = ask_controller(cluster, &request, deadline, DOING).await?;
        let is_it =
            |topic: &&DeletableTopicResult| topic.name.as_ref().is_some_and(|topic| *topic.0 == *name);
        let found = answer.responses.iter().find(is_it).ok_or_else(|| misses_topic(DOING))?;
        cluster.doubt_topic(name);
        match refusal(found.error_code) {
            None => break,
            Some(Refusal::Missing) => return Ok(false),
            Some(refusal) => {
                let error = refusal.into_error(DOING, name, 0, None);
                elsewhere(cluster, refusal, error, &mut patience).await?;
            }
        }
    }
    await_presence(cluster, name, false, deadline).await;
    Ok(true)
}

async fn ask_controller<A: Api>(
    cluster: &Cluster,
    request: &A,
    deadline: Instant,
    doing: &str,
) -> Result<A::Response, BusError> {
    let answer = match cluster.controller(deadline).await {
        Ok(controller) => cluster.call(&controller, Traffic::Other, request, deadline).await,
        Err(error) => Err(error),
    };
    answer.map_err(|error| {
        // The controller may be another one by now.
        cluster.doubt_controller();
        unavailable(doing, &error)
    })
}

/// Waits before asking another controller where the refusal says that this was the wrong one; else fails.
async fn elsewhere(
    cluster: &Cluster,
    refusal: Refusal,
    error: BusError,
    patience: &mut Patience,
) -> Result<(), BusError> {
    if !matches!(refusal, Refusal::Elsewhere(_)) {
        return Err(error);
    }
    cluster.doubt_controller();
    patience.another(error).await
}

/// Waits until the brokers agree that a topic is there with leaders, or gone: what the controller has decided reaches
/// them a moment later. Not an error where the deadline comes first: the topic was created or deleted.
async fn await_presence(cluster: &Cluster, name: &str, wanted: bool, deadline: Instant) {
    const DOING: &str = "waiting for a topic";
    let mut patience = Patience::until(deadline);
    loop {
        let there = match cluster.topic(name, Some(Instant::now()), deadline, DOING).await {
            Ok(view) => view.leaders.iter().all(Option::is_some),
            Err(BusError::UnknownTopic { .. }) => false,
            // Says nothing either way.
            Err(_) => !wanted,
        };
        if there == wanted {
            break;
        }
        if patience.another(unknown(name, 0)).await.is_err() {
            return;
        }
    }
    let request = &question(name);
    let spread = cluster.at_each(deadline, DOING, |broker, until| async move {
        let answer = cluster.ask(broker.as_ref(), request, until).await;
        let answer = answer.map_err(|error| unavailable(DOING, &error))?;
        Ok(answer.topics.iter().any(|topic| topic.error_code == 0) == wanted)
    });
    // No error either: one of them is behind.
    spread.await.ok();
}

/// The question for one topic, which does not create it.
pub(super) fn question(name: &str) -> MetadataRequest {
    MetadataRequest::default()
        .with_topics(Some(Vec::from([MetadataRequestTopic::default().with_name(Some(topic_name(name)))])))
        .with_allow_auto_topic_creation(false)
}

/// A topic's partitions, replication and settings.
pub(super) async fn describe(cluster: &Cluster, name: &str) -> Result<Option<TopicDescription>, BusError> {
    const DOING: &str = "describing a topic";
    check_topic_name(name)?;
    let deadline = cluster.deadline();
    let view = match cluster.topic(name, Some(Instant::now()), deadline, DOING).await {
        Ok(view) => view,
        Err(BusError::UnknownTopic { .. }) => return Ok(None),
        Err(error) => return Err(error),
    };
    let configs = settings(cluster, name, None, deadline, DOING).await?;
    Ok(configs.map(|configs| TopicDescription {
        name: name.to_string(),
        partitions: view.partitions(),
        replication: view.replication,
        configs,
    }))
}

/// The settings made on a topic, as one broker has them (any with `None`); `None` where the topic is not there.
pub(super) async fn settings(
    cluster: &Cluster,
    name: &str,
    broker: Option<&Arc<str>>,
    deadline: Instant,
    doing: &str,
) -> Result<Option<BTreeMap<String, String>>, BusError> {
    let resource = DescribeConfigsResource::default()
        .with_resource_type(TOPIC)
        .with_resource_name(StrBytes::from_string(name.to_string()))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(Vec::from([resource]));
    let answer = cluster.ask(broker, &request, deadline).await;
    let answer = answer.map_err(|error| failed(doing, &error))?;
    let result = answer.results.into_iter().next().ok_or_else(|| misses_topic(doing))?;
    match refusal(result.error_code) {
        None => {}
        Some(Refusal::Missing) => return Ok(None),
        Some(refusal) => {
            return Err(refusal.into_error(doing, name, 0, result.error_message.as_deref()));
        }
    }
    let set = result.configs.into_iter().filter(|config| config.config_source == SET_ON_TOPIC);
    Ok(Some(set.filter_map(|config| Some((config.name.to_string(), config.value?.to_string()))).collect()))
}

/// The names of all topics but the brokers' own, sorted.
pub(super) async fn list(cluster: &Cluster) -> Result<Vec<String>, BusError> {
    let answer = cluster.metadata(None, cluster.deadline()).await;
    let answer = answer.map_err(|error| unavailable("listing topics", &error))?;
    Ok(names(&answer))
}

fn names(answer: &MetadataResponse) -> Vec<String> {
    let ours = answer.topics.iter().filter(|topic| !topic.is_internal && topic.error_code == 0);
    let mut names: Vec<String> = ours.filter_map(|topic| Some(topic.name.as_ref()?.0.to_string())).collect();
    names.sort_unstable();
    names
}

pub(super) fn left_ms(deadline: Instant) -> i32 {
    let left = deadline.saturating_duration_since(Instant::now());
    i32::try_from(left.as_millis()).unwrap_or(i32::MAX)
}

pub(super) fn misses_topic(doing: &str) -> BusError {
    let reason = "an answer without the topic that was asked for".to_string();
    BusError::Unavailable { doing: doing.to_string(), reason }
}
