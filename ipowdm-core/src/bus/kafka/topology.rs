//! What is known of the cluster: brokers, the controller, and who leads the partitions of the topics in use.

use super::connection::WireError;
use kafka_protocol::messages::MetadataResponse;
use kafka_protocol::messages::metadata_response::{MetadataResponsePartition, MetadataResponseTopic};
use std::collections::{BTreeMap, HashMap};
use std::format;
use std::string::{String, ToString};
use std::sync::Arc;
use std::time::Duration;
use std::vec::Vec;
use tokio::time::Instant;

/// How long partition counts and leaders are believed when nothing contradicts them.
const BELIEVED: Duration = Duration::from_secs(60);

/// Who leads the partitions of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TopicView {
    /// The address of each partition's leader; absent while there is none.
    pub(super) leaders: Vec<Option<Arc<str>>>,
    /// Number of replicas of the first partition.
    pub(super) replication: u16,
    /// When this was asked for.
    pub(super) asked: Instant,
}

/// What is known of the cluster.
#[derive(Debug, Default)]
pub(super) struct Topology {
    brokers: BTreeMap<i32, Arc<str>>,
    controller: Option<i32>,
    topics: HashMap<String, Arc<TopicView>>,
    /// Which broker is asked first; moves on with every question.
    turn: usize,
}

impl Topology {
    /// A topic as last seen, if that is recent and not from before `newer_than`.
    pub(super) fn topic(
        &self,
        name: &str,
        newer_than: Option<Instant>,
        now: Instant,
    ) -> Option<Arc<TopicView>> {
        let view = self.topics.get(name)?;
        let recent = now.saturating_duration_since(view.asked) < BELIEVED;
        let newer = newer_than.is_none_or(|instant| view.asked > instant);
        (recent && newer).then(|| Arc::clone(view))
    }

    pub(super) fn keep_topic(&mut self, name: &str, view: &Arc<TopicView>) {
        self.topics.insert(name.to_string(), Arc::clone(view));
    }

    pub(super) fn forget_topic(&mut self, name: &str) {
        self.topics.remove(name);
    }

    /// Number of brokers known.
    pub(super) fn brokers(&self) -> usize {
        self.brokers.len()
    }

    pub(super) fn forget_controller(&mut self) {
        self.controller = None;
    }

    /// The controller's address, if known.
    pub(super) fn controller(&self) -> Option<Arc<str>> {
        self.brokers.get(&self.controller?).cloned()
    }

    /// Brokers in the order to ask them: the known ones in turn, then the bootstrap addresses not among them.
    pub(super) fn candidates(&mut self, bootstrap: &[Arc<str>]) -> Vec<Arc<str>> {
        self.turn = self.turn.wrapping_add(1);
        let mut order: Vec<Arc<str>> = self.brokers.values().cloned().collect();
        if !order.is_empty() {
            let first = self.turn % order.len();
            order.rotate_left(first);
        }
        for address in bootstrap {
            if !order.contains(address) {
                order.push(Arc::clone(address));
            }
        }
        order
    }

    /// Takes over brokers and controller from an answer.
    pub(super) fn absorb(&mut self, answer: &MetadataResponse) {
        self.brokers = answer
            .brokers
            .iter()
            .filter_map(|broker| {
                let port = u16::try_from(broker.port).ok()?;
                Some((broker.node_id.0, Arc::from(address(&broker.host, port))))
            })
            .collect();
        self.controller = (answer.controller_id.0 >= 0).then_some(answer.controller_id.0);
    }

    /// The view of a topic that an answer gives.
    pub(super) fn view(&self, topic: &MetadataResponseTopic, asked: Instant) -> Result<TopicView, WireError> {
        let mut partitions: Vec<&MetadataResponsePartition> = topic.partitions.iter().collect();
        partitions.sort_by_key(|partition| partition.partition_index);
        let numbered =
            (0_i32..).zip(&partitions).all(|(index, partition)| index == partition.partition_index);
        if !numbered || partitions.is_empty() {
            let reason = "partitions that are not numbered from 0".to_string();
            return Err(WireError::Malformed { peer: "the cluster".into(), api: "Metadata", reason });
        }
        let replicas = partitions.first().map_or(0, |partition| partition.replica_nodes.len());
        Ok(TopicView {
            leaders: partitions
                .iter()
                .map(|partition| self.brokers.get(&partition.leader_id.0).cloned())
                .collect(),
            replication: u16::try_from(replicas).unwrap_or(u16::MAX),
            asked,
        })
    }
}

impl TopicView {
    /// Number of partitions.
    pub(super) fn partitions(&self) -> u32 {
        // A frame of a few MB holds far fewer.
        u32::try_from(self.leaders.len()).unwrap_or(u32::MAX)
    }

    /// The leader of a partition: outer `None` where there is no such partition.
    pub(super) fn leader(&self, partition: u32) -> Option<Option<&Arc<str>>> {
        self.leaders.get(usize::try_from(partition).ok()?).map(Option::as_ref)
    }
}

/// `host:port`, with brackets around an IPv6 address.
fn address(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::metadata_response::MetadataResponseBroker;
    use kafka_protocol::protocol::StrBytes;
    use std::vec;

    fn broker(id: i32, host: &'static str, port: i32) -> MetadataResponseBroker {
        MetadataResponseBroker::default()
            .with_node_id(id.into())
            .with_host(StrBytes::from_static_str(host))
            .with_port(port)
    }

    fn topology() -> Topology {
        let mut topology = Topology::default();
        let brokers = vec![broker(1, "a", 9092), broker(2, "::1", 9093), broker(3, "bad", 70_000)];
        topology.absorb(&MetadataResponse::default().with_brokers(brokers).with_controller_id(2.into()));
        topology
    }

    fn topic(partitions: &[(i32, i32)]) -> MetadataResponseTopic {
        let partition = |&(index, leader): &(i32, i32)| {
            MetadataResponsePartition::default()
                .with_partition_index(index)
                .with_leader_id(leader.into())
                .with_replica_nodes(vec![1.into(), 2.into()])
        };
        MetadataResponseTopic::default().with_partitions(partitions.iter().map(partition).collect())
    }

    #[test]
    fn leaders_are_ordered_by_partition_and_an_unknown_leader_is_absent() {
        let view = topology().view(&topic(&[(2, -1), (0, 1), (1, 2)]), Instant::now()).unwrap();
        assert_eq!(view.leaders, [Some("a:9092".into()), Some("[::1]:9093".into()), None]);
        assert_eq!(view.partitions(), 3);
        assert_eq!(view.leader(2), Some(None));
        assert_eq!(view.leader(3), None);
        assert_eq!(view.replication, 2);
    }

    #[test]
    fn partitions_with_gaps_doubles_or_none_are_malformed() {
        for wrong in [&[(1, 1)][..], &[(0, 1), (0, 1)], &[(0, 1), (2, 1)], &[(-1, 1)], &[]] {
            assert!(topology().view(&topic(wrong), Instant::now()).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn brokers_take_turns_and_bootstrap_addresses_come_last() {
        let mut topology = topology();
        assert_eq!(topology.controller(), Some("[::1]:9093".into()));
        let bootstrap = ["a:9092".into(), "b:1".into()];
        let mut firsts: Vec<_> = (0..4).map(|_| topology.candidates(&bootstrap)).collect();
        assert!(firsts.iter().all(|order| order.len() == 3 && &*order[2] == "b:1"));
        firsts.dedup_by_key(|order| order[0].clone());
        assert_eq!(firsts.len(), 4);
    }

    #[tokio::test(start_paused = true)]
    async fn a_view_is_believed_for_a_minute_and_never_against_a_newer_doubt() {
        let mut topology = topology();
        let asked = Instant::now();
        let view = Arc::new(topology.view(&topic(&[(0, 1)]), asked).unwrap());
        topology.keep_topic("t", &view);
        assert!(topology.topic("t", None, asked + Duration::from_secs(59)).is_some());
        assert!(topology.topic("t", None, asked + Duration::from_secs(60)).is_none());
        assert!(topology.topic("t", Some(asked), asked).is_none());
        topology.forget_topic("t");
        assert!(topology.topic("t", None, asked).is_none());
    }
}
