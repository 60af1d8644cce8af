//! Which virtual operators an agent serves, and how that changes.
//!
//! A plain type: records of the assignments topic in, changes out. Within the topic the higher revision wins; a
//! tombstone means that the agent serves nobody. Records are acted on only once the newest of their partition is known:
//! a restart replays the topic from its beginning, and acting on what was true long ago would put lasers out.

use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::ids::{AgentId, Incarnation, PortId, VopId};
use ipowdm_core::msg::{Assignment, DecodeError, PortGrant, VopAssignment};
use ipowdm_core::units::Frequency;
use std::collections::BTreeMap;

/// The incarnation of topics that an agent follows without an assignment record.
pub const STATIC_INCARNATION: &str = "static";

/// A change of what an agent serves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A virtual operator is served from now on.
    Join(VopId),
    /// Its topics have begun another life: positions start anew.
    Rejoin(VopId),
    /// Its ports, grants or intervals are others.
    Update(VopId),
    /// It is served no more.
    Leave(VopId),
}

/// What an agent serves.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Assignments {
    in_force: BTreeMap<VopId, VopAssignment>,
    /// The newest record of each partition, until the partition's end is reached.
    heard: BTreeMap<u32, Option<Assignment>>,
    /// Revision of the last record taken from the topic; `None` before the first and after a tombstone.
    revision: Option<u64>,
    /// Whether what is in force is known to be so, as opposed to nothing being known.
    known: bool,
}

/// What became of a record of the assignments topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Another agent's, or older than one already heard.
    Passed,
    /// Kept until the end of its partition is reached.
    Kept,
    /// Not an assignment.
    Bad(DecodeError),
}

impl Assignments {
    /// Nobody is served.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The fixed service of one virtual operator on given ports, without limits beyond the modules' own.
    #[must_use]
    pub fn fixed(
        vop: VopId,
        incarnation: Incarnation,
        ports: &[PortId],
        telemetry_interval_ms: u32,
        health_interval_ms: u32,
    ) -> Self {
        let everything = SpectrumWindow { low: Frequency::from_mhz(0), high: Frequency::from_mhz(u32::MAX) };
        let ports = ports
            .iter()
            .map(|port_id| PortGrant { port_id: port_id.clone(), spectrum: vec![everything], tx_power: None })
            .collect();
        let assignment =
            VopAssignment { vop: vop.clone(), incarnation, ports, telemetry_interval_ms, health_interval_ms };
        Self { in_force: BTreeMap::from([(vop, assignment)]), known: true, ..Self::default() }
    }

    /// What was in force before a restart. The first record from the topic replaces it, whatever its revision: the
    /// topic is the truth, also after it was restored from a backup.
    #[must_use]
    pub fn remembered(record: &Assignment) -> Self {
        Self { in_force: by_vop(record), known: true, ..Self::default() }
    }

    /// The virtual operators served, with what each may use.
    #[must_use]
    pub const fn in_force(&self) -> &BTreeMap<VopId, VopAssignment> {
        &self.in_force
    }

    /// Whether anything is known. Before the first record nobody is served, and nobody is known not to be.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.known
    }

    /// Whose port it is, and what may be done with it.
    #[must_use]
    pub fn grant(&self, vop: &VopId, port: &PortId) -> Option<&PortGrant> {
        self.in_force.get(vop)?.ports.iter().find(|grant| grant.port_id == *port)
    }

    /// Takes in a record of the assignments topic. `key` and `value` as the record has them.
    pub fn hear(&mut self, me: &AgentId, partition: u32, key: Option<&[u8]>, value: Option<&[u8]>) -> Heard {
        if key != Some(me.as_str().as_bytes()) {
            return Heard::Passed;
        }
        let Some(value) = value else {
            self.heard.insert(partition, None);
            return Heard::Kept;
        };
        let assignment = match Assignment::from_json(value) {
            Ok(assignment) if assignment.agent_id == *me => assignment,
            Ok(_) => return Heard::Passed,
            Err(error) => return Heard::Bad(error),
        };
        let newest = match self.heard.get(&partition) {
            Some(heard) => heard.as_ref().map(|heard| heard.revision),
            None => self.revision,
        };
        if newest.is_some_and(|newest| assignment.revision <= newest) {
            return Heard::Passed;
        }
        self.heard.insert(partition, Some(assignment));
        Heard::Kept
    }

    /// The end of a partition is reached: what was kept of it comes into force. The record, to be remembered (`None`
    /// after a tombstone), and the changes in the order in which to act on them.
    pub fn settle(&mut self, partition: u32) -> Option<(Option<Assignment>, Vec<Change>)> {
        let record = self.heard.remove(&partition)?;
        self.revision = record.as_ref().map(|record| record.revision);
        self.known = true;
        let new = record.as_ref().map(by_vop).unwrap_or_default();
        let changes = differences(&self.in_force, &new);
        self.in_force = new;
        Some((record, changes))
    }
}

fn by_vop(record: &Assignment) -> BTreeMap<VopId, VopAssignment> {
    record.vops.iter().map(|vop| (vop.vop.clone(), vop.clone())).collect()
}

/// Departures first: a port that changes hands goes dark before its new owner is heard.
fn differences(old: &BTreeMap<VopId, VopAssignment>, new: &BTreeMap<VopId, VopAssignment>) -> Vec<Change> {
    let left = old.keys().filter(|vop| !new.contains_key(*vop)).cloned().map(Change::Leave);
    let stayed = new.iter().filter_map(|(vop, now)| {
        Some(match old.get(vop) {
            None => Change::Join(vop.clone()),
            Some(before) if before.incarnation != now.incarnation => Change::Rejoin(vop.clone()),
            Some(before) if before != now => Change::Update(vop.clone()),
            Some(_) => return None,
        })
    });
    left.chain(stayed).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn me() -> AgentId {
        "pop1-router1".parse().unwrap()
    }

    fn vop(name: &str) -> VopId {
        name.parse().unwrap()
    }

    fn served(name: &str, incarnation: &str, port: &str) -> VopAssignment {
        let only = Assignments::fixed(
            vop(name),
            incarnation.parse().unwrap(),
            &[port.parse().unwrap()],
            3_000,
            30_000,
        );
        only.in_force()[&vop(name)].clone()
    }

    fn record(revision: u64, vops: Vec<VopAssignment>) -> Assignment {
        Assignment {
            v: 1,
            agent_id: me(),
            pop_id: "pop1".parse().unwrap(),
            router_id: "router1".parse().unwrap(),
            revision,
            vops,
        }
    }

    fn hear(assignments: &mut Assignments, record: &Assignment) -> Heard {
        assignments.hear(&me(), 0, Some(b"pop1-router1"), Some(&record.to_json()))
    }

    fn take(assignments: &mut Assignments, record: &Assignment) -> Vec<Change> {
        assert_eq!(hear(assignments, record), Heard::Kept);
        assignments.settle(0).unwrap().1
    }

    #[test]
    fn virtual_operators_come_change_and_go() {
        let mut assignments = Assignments::new();
        let changes = take(&mut assignments, &record(1, vec![served("a", "i1", "Ethernet0")]));
        assert_eq!(changes, [Change::Join(vop("a"))]);
        let second = vec![served("a", "i1", "Ethernet8"), served("b", "i1", "Ethernet0")];
        assert_eq!(
            take(&mut assignments, &record(2, second.clone())),
            [Change::Update(vop("a")), Change::Join(vop("b"))]
        );
        assert!(assignments.grant(&vop("b"), &"Ethernet0".parse().unwrap()).is_some());
        assert!(assignments.grant(&vop("a"), &"Ethernet0".parse().unwrap()).is_none());
        assert_eq!(take(&mut assignments, &record(3, second)), []);
        let third = vec![served("b", "i2", "Ethernet0")];
        assert_eq!(
            take(&mut assignments, &record(4, third)),
            [Change::Leave(vop("a")), Change::Rejoin(vop("b"))]
        );
    }

    #[test]
    fn the_higher_revision_wins_and_a_tombstone_serves_nobody() {
        let mut assignments = Assignments::new();
        take(&mut assignments, &record(5, vec![served("a", "i1", "Ethernet0")]));
        assert_eq!(hear(&mut assignments, &record(5, vec![])), Heard::Passed);
        assert_eq!(hear(&mut assignments, &record(4, vec![])), Heard::Passed);
        assert_eq!(assignments.hear(&me(), 0, Some(b"pop1-router1"), None), Heard::Kept);
        assert_eq!(assignments.settle(0), Some((None, vec![Change::Leave(vop("a"))])));
        // The agent's record begins anew.
        let changes = take(&mut assignments, &record(1, vec![served("b", "i1", "Ethernet0")]));
        assert_eq!(changes, [Change::Join(vop("b"))]);
    }

    #[test]
    fn history_is_not_acted_on_only_its_end() {
        let mut assignments = Assignments::remembered(&record(9, vec![served("b", "i1", "Ethernet0")]));
        for revision in 1..=8 {
            let past = record(revision, vec![served("a", "i1", "Ethernet0")]);
            assert_eq!(hear(&mut assignments, &past), Heard::Kept);
        }
        assert_eq!(hear(&mut assignments, &record(9, vec![served("b", "i1", "Ethernet0")])), Heard::Kept);
        assert!(assignments.in_force().contains_key(&vop("b")));
        assert_eq!(assignments.settle(0).unwrap().1, [], "b was never left");
        assert_eq!(assignments.settle(0), None);
    }

    #[test]
    fn a_topic_restored_to_an_earlier_revision_is_believed_after_a_restart() {
        let mut assignments = Assignments::remembered(&record(9, vec![served("a", "i1", "Ethernet0")]));
        assert_eq!(
            take(&mut assignments, &record(2, vec![served("b", "i1", "Ethernet0")])),
            [Change::Leave(vop("a")), Change::Join(vop("b"))]
        );
    }

    #[test]
    fn records_of_others_and_bad_ones_change_nothing() {
        let mut assignments = Assignments::new();
        let mine = record(1, vec![served("a", "i1", "Ethernet0")]);
        assert_eq!(assignments.hear(&me(), 0, Some(b"other"), Some(&mine.to_json())), Heard::Passed);
        assert_eq!(assignments.hear(&me(), 0, None, Some(&mine.to_json())), Heard::Passed);
        let forged = Assignment { agent_id: "other".parse().unwrap(), ..mine };
        assert_eq!(hear(&mut assignments, &forged), Heard::Passed);
        let bad = assignments.hear(&me(), 0, Some(b"pop1-router1"), Some(b"{"));
        assert!(matches!(bad, Heard::Bad(DecodeError::Malformed(_))));
        assert_eq!(assignments.settle(0), None);
    }
}
