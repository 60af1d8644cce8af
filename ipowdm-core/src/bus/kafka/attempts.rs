//! What a client may try: single requests as they are, without a question before them, each with what the broker says to it.
//!
//! A bus asks for a topic's leader before it fetches, so that a broker that hides the topic answers that first, and nobody learns
//! whether the fetch itself would have been forbidden. An attempt is sent at once, to one broker after the other where the one asked
//! is not in charge. For tests of who may do what; an attempt that is allowed takes effect.

mod cluster;
mod groups;
mod topics;

use super::KafkaBus;
use super::access::failed;
use super::api::Api;
use super::cluster::Cluster;
use super::leader::Patience;
use super::pool::Traffic;
use crate::bus::BusError;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::ListGroupsRequest;
use kafka_protocol::protocol::StrBytes;
use std::format;
use std::string::{String, ToString};
use std::vec::Vec;

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

/// What can be tried with a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnTopic {
    /// Metadata: partitions and leaders.
    Describe,
    /// Fetch of the first records.
    Fetch,
    /// Produce of one record.
    Produce,
    /// The ends of the log.
    ListOffsets,
    /// The end of an epoch of leaders.
    EpochEnd,
    /// Who produces to it.
    DescribeProducers,
    /// Its settings.
    DescribeConfigs,
    /// Creation.
    Create,
    /// Deletion.
    Delete,
    /// A change of its settings.
    AlterConfigs,
    /// More partitions.
    CreatePartitions,
    /// Deletion of its records.
    DeleteRecords,
    /// Markers of a transaction, which only brokers write.
    WriteMarkers,
    /// An election of its leader.
    ElectLeader,
    /// Its move to other brokers.
    Reassign,
}

impl OnTopic {
    /// All.
    pub const ALL: [Self; 15] = [
        Self::Describe,
        Self::Fetch,
        Self::Produce,
        Self::ListOffsets,
        Self::EpochEnd,
        Self::DescribeProducers,
        Self::DescribeConfigs,
        Self::Create,
        Self::Delete,
        Self::AlterConfigs,
        Self::CreatePartitions,
        Self::DeleteRecords,
        Self::WriteMarkers,
        Self::ElectLeader,
        Self::Reassign,
    ];
}

/// What can be tried with a consumer group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnGroup {
    /// Asking who coordinates it.
    FindCoordinator,
    /// Becoming a member.
    Join,
    /// Asking for, or giving out, assignments.
    Sync,
    /// Staying a member.
    Heartbeat,
    /// Putting a member out.
    Leave,
    /// Its members.
    Describe,
    /// Deletion.
    Delete,
}

impl OnGroup {
    /// All.
    pub const ALL: [Self; 7] = [
        Self::FindCoordinator,
        Self::Join,
        Self::Sync,
        Self::Heartbeat,
        Self::Leave,
        Self::Describe,
        Self::Delete,
    ];
}

/// What can be tried with a consumer group's position in a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnPosition {
    /// Setting it.
    Commit,
    /// Asking for it.
    Fetch,
    /// Deletion.
    Delete,
}

impl OnPosition {
    /// All.
    pub const ALL: [Self; 3] = [Self::Commit, Self::Fetch, Self::Delete];
}

/// What can be tried with the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OnCluster {
    /// A broker's settings.
    DescribeBroker,
    /// A change of one broker's settings.
    AlterBroker,
    /// A change of all brokers' settings.
    AlterAllBrokers,
    /// What lies in which folder of a broker.
    DescribeLogDirs,
    /// An id of an idempotent producer.
    ProducerId,
    /// A producer's place in transactions of this id.
    TransactionalId,
}

impl OnCluster {
    /// All.
    pub const ALL: [Self; 6] = [
        Self::DescribeBroker,
        Self::AlterBroker,
        Self::AlterAllBrokers,
        Self::DescribeLogDirs,
        Self::ProducerId,
        Self::TransactionalId,
    ];
}

/// What a broker says to an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is done, or would be if it were not for something that only those learn who are let in.
    Allowed,
    /// It is forbidden.
    Denied,
    /// Something else is in the way; who may is not known from this.
    Unclear(String),
}

impl<T> From<Result<T, BusError>> for Verdict {
    fn from(outcome: Result<T, BusError>) -> Self {
        match outcome {
            Ok(_) => Self::Allowed,
            Err(BusError::Forbidden(_)) => Self::Denied,
            Err(error) => Self::Unclear(error.to_string()),
        }
    }
}

impl KafkaBus {
    /// Tries something with partition 0 of a topic.
    ///
    /// # Errors
    /// [`BusError::Unavailable`] where no broker answers, [`BusError::Unsupported`] where it does not know the call.
    pub async fn attempt_on_topic(&self, what: OnTopic, topic: &str) -> Result<Verdict, BusError> {
        topics::attempt_on(&self.cluster, what, topic).await
    }

    /// Tries something with a consumer group.
    ///
    /// # Errors
    /// As [`KafkaBus::attempt_on_topic`].
    pub async fn attempt_on_group(&self, what: OnGroup, group: &str) -> Result<Verdict, BusError> {
        groups::attempt_on(&self.cluster, what, group).await
    }

    /// Tries something with a consumer group's position in partition 0 of a topic.
    ///
    /// # Errors
    /// As [`KafkaBus::attempt_on_topic`].
    pub async fn attempt_on_position(
        &self,
        what: OnPosition,
        group: &str,
        topic: &str,
    ) -> Result<Verdict, BusError> {
        groups::attempt_on_position(&self.cluster, what, group, topic).await
    }

    /// Tries something with the cluster; `broker` is a broker's id, and begins the name of what is tried with transactions.
    ///
    /// # Errors
    /// As [`KafkaBus::attempt_on_topic`].
    pub async fn attempt_on_cluster(&self, what: OnCluster, broker: &str) -> Result<Verdict, BusError> {
        cluster::attempt_on(&self.cluster, what, broker).await
    }

    /// The consumer groups that a broker names, sorted.
    ///
    /// # Errors
    /// As [`KafkaBus::attempt_on_topic`].
    pub async fn groups(&self) -> Result<Vec<String>, BusError> {
        let cluster = &*self.cluster;
        let deadline = cluster.deadline();
        let mut names = Vec::new();
        for broker in cluster.brokers(deadline).await? {
            let request = ListGroupsRequest::default();
            let answer = cluster.call(&broker, Traffic::Other, &request, deadline).await;
            let answer = answer.map_err(|error| failed("listing groups", &error))?;
            names.extend(answer.groups.into_iter().map(|group| group.group_id.0.to_string()));
        }
        names.sort_unstable();
        names.dedup();
        Ok(names)
    }
}

/// Sends a request to one broker after the other, again and again, until one is in charge of it. `told` finds the codes in an
/// answer; those of `passed` say something that only those learn who are let in.
async fn attempt<A: Api>(
    cluster: &Cluster,
    request: &A,
    passed: &[ResponseError],
    told: impl Fn(A::Response) -> Vec<i16>,
) -> Result<Verdict, BusError> {
    let deadline = cluster.deadline();
    let mut patience = Patience::until(deadline);
    loop {
        for broker in cluster.brokers(deadline).await? {
            let answer = cluster.call(&broker, Traffic::Other, request, deadline).await;
            let codes = told(answer.map_err(|error| failed(A::NAME, &error))?);
            if let Some(verdict) = judge(&codes, passed) {
                return Ok(verdict);
            }
        }
        let reason = "no broker is in charge".to_string();
        patience.another(BusError::Unavailable { doing: A::NAME.to_string(), reason }).await?;
    }
}

/// What codes mean; `None` where another broker, or the same later, is to be asked.
fn judge(codes: &[i16], passed: &[ResponseError]) -> Option<Verdict> {
    use ResponseError as E;
    let mut errors = codes.iter().filter_map(|code| E::try_from_code(*code));
    let errors: Vec<E> = errors.by_ref().filter(|error| !passed.contains(error)).collect();
    let any = |found: &[E]| errors.iter().any(|error| found.contains(error));
    if any(&[
        E::TopicAuthorizationFailed,
        E::GroupAuthorizationFailed,
        E::ClusterAuthorizationFailed,
        E::TransactionalIdAuthorizationFailed,
    ]) {
        return Some(Verdict::Denied);
    }
    if any(&[
        E::NotLeaderOrFollower,
        E::LeaderNotAvailable,
        E::NotController,
        E::NotCoordinator,
        E::CoordinatorNotAvailable,
        E::CoordinatorLoadInProgress,
    ]) {
        return None;
    }
    Some(match errors.first() {
        // An answer that names nothing says nothing.
        None if codes.is_empty() => Verdict::Unclear("an answer without a code".to_string()),
        None => Verdict::Allowed,
        Some(error) => Verdict::Unclear(format!("{error:?}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_is_denied_if_anything_is_and_allowed_only_if_everything_is() {
        use ResponseError as E;
        let [denied, leader, other] =
            [E::TopicAuthorizationFailed, E::NotLeaderOrFollower, E::InvalidConfig].map(|error| error.code());
        let unclear = Some(Verdict::Unclear("InvalidConfig".to_string()));
        for (codes, verdict) in [
            (&[0, 0][..], Some(Verdict::Allowed)),
            (&[0, denied], Some(Verdict::Denied)),
            (&[leader, denied], Some(Verdict::Denied)),
            (&[0, leader], None),
            (&[0, other], unclear),
            (&[], Some(Verdict::Unclear("an answer without a code".to_string()))),
        ] {
            assert_eq!(judge(codes, &[]), verdict, "{codes:?}");
        }
        assert_eq!(judge(&[other], &[E::InvalidConfig]), Some(Verdict::Allowed));
    }
}
