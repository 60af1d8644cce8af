//! Quotas of users (KIP-546).

use super::access::{ask_controller, failed};
use super::cluster::Cluster;
use super::refusal::refusal;
use crate::bus::BusError;
use crate::bus::quota::Quota;
use core::num::NonZeroU32;
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::describe_client_quotas_request::ComponentData;
use kafka_protocol::messages::describe_client_quotas_response::EntryData as Entry;
use kafka_protocol::messages::{AlterClientQuotasRequest, DescribeClientQuotasRequest};
use kafka_protocol::protocol::StrBytes;
use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;
use tokio::time::Instant;

/// The kind of entity that has a quota here.
const USER: &str = "user";
/// The entity of this name.
const EXACT: i8 = 0;
/// All that have a name.
const ANY: i8 = 2;

const PUBLISH: &str = "producer_byte_rate";
const FETCH: &str = "consumer_byte_rate";
const REQUESTS: &str = "request_percentage";

/// What a quota limits, by the protocol's names.
const fn limits(quota: &Quota) -> [(&'static str, Option<NonZeroU32>); 3] {
    [(PUBLISH, quota.publish_bytes), (FETCH, quota.fetch_bytes), (REQUESTS, quota.request_percent)]
}

/// Sets quotas, and waits until the brokers have heard of them.
pub(super) async fn set(cluster: &Cluster, quotas: BTreeMap<String, Quota>) -> Result<(), BusError> {
    const DOING: &str = "setting quotas";
    if quotas.is_empty() {
        return Ok(());
    }
    let deadline = cluster.deadline();
    let entries = quotas.iter().map(|(user, quota)| {
        let entity = EntityData::default()
            .with_entity_type(StrBytes::from_static_str(USER))
            .with_entity_name(Some(StrBytes::from_string(user.clone())));
        let each = limits(quota).map(|(key, limit)| {
            OpData::default()
                .with_key(StrBytes::from_static_str(key))
                .with_value(limit.map_or(0.0, |limit| f64::from(limit.get())))
                .with_remove(limit.is_none())
        });
        EntryData::default().with_entity(Vec::from([entity])).with_ops(Vec::from(each))
    });
    let request = AlterClientQuotasRequest::default().with_entries(entries.collect());
    ask_controller(cluster, &request, deadline, DOING, |answer| {
        answer.entries.iter().map(|entry| (entry.error_code, entry.error_message.clone())).collect()
    })
    .await?;
    let users: Vec<String> = quotas.keys().cloned().collect();
    let wanted: BTreeMap<String, Quota> = quotas.into_iter().filter(|(_, quota)| !quota.is_none()).collect();
    let (users, wanted) = (&users, &wanted);
    let heard = |broker: Option<Arc<str>>, until| async move {
        Ok(described(cluster, users, broker.as_ref(), until).await? == *wanted)
    };
    cluster.everywhere(deadline, DOING, heard).await
}

pub(super) async fn of(cluster: &Cluster, users: Vec<String>) -> Result<BTreeMap<String, Quota>, BusError> {
    described(cluster, &users, None, cluster.deadline()).await
}

async fn described(
    cluster: &Cluster,
    users: &[String],
    broker: Option<&Arc<str>>,
    deadline: Instant,
) -> Result<BTreeMap<String, Quota>, BusError> {
    const DOING: &str = "asking for quotas";
    let kind = ComponentData::default().with_entity_type(StrBytes::from_static_str(USER));
    let component = match users {
        [] => return Ok(BTreeMap::new()),
        [user] => kind.with_match_type(EXACT).with_match(Some(StrBytes::from_string(user.clone()))),
        _ => kind.with_match_type(ANY).with_match(None),
    };
    // Those of a user together with a client id are not meant.
    let request =
        DescribeClientQuotasRequest::default().with_components(Vec::from([component])).with_strict(true);
    let answer = cluster.ask(broker, &request, deadline).await.map_err(|error| failed(DOING, &error))?;
    if let Some(refusal) = refusal(answer.error_code) {
        return Err(refusal.into_error(DOING, "the cluster", 0, answer.error_message.as_deref()));
    }
    let found = answer.entries.unwrap_or_default();
    let quotas = found.iter().filter_map(|entry| Some((user_of(entry)?, quota_of(entry))));
    Ok(quotas.filter(|(user, quota)| users.contains(user) && !quota.is_none()).collect())
}

fn user_of(entry: &Entry) -> Option<String> {
    let user = entry.entity.iter().find(|entity| &*entity.entity_type == USER)?;
    Some(user.entity_name.as_ref()?.to_string())
}

fn quota_of(entry: &Entry) -> Quota {
    let limit = |key: &str| {
        let value = entry.values.iter().find(|value| &*value.key == key)?.value;
        Some(at_least_one(value))
    };
    Quota { publish_bytes: limit(PUBLISH), fetch_bytes: limit(FETCH), request_percent: limit(REQUESTS) }
}

/// A limit that somebody else may have set to something between two numbers, or beyond them.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a conversion of a float saturates, which is what is meant"
)]
fn at_least_one(value: f64) -> NonZeroU32 {
    NonZeroU32::new(value.ceil() as u32).unwrap_or(NonZeroU32::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_of_others_is_read_as_the_next_whole_number_and_never_as_none() {
        for (value, read) in
            [(0.0, 1), (0.25, 1), (1.0, 1), (1.5, 2), (-3.0, 1), (f64::NAN, 1), (1e300, u32::MAX)]
        {
            assert_eq!(at_least_one(value).get(), read, "{value}");
        }
    }
}
