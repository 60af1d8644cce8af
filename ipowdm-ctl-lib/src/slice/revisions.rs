//! Assignments that are on the topic already: whoever writes after them must be newer.
//!
//! Agents take only what is newer than what they have seen. A store that was restored from a backup, or made anew while the
//! broker has kept its log, would number from too low; so the topic is read once before anything is written to it.

use super::SliceManager;
use super::assignment::{assign_in, routers_of};
use super::error::SliceError;
use super::record::{AssignmentRevision, Vop, VopPhase};
use crate::store::Tx;
use core::time::Duration;
use ipowdm_core::bus::FetchRequest;
use ipowdm_core::ids::{AgentId, RouterRef};
use ipowdm_core::msg::Assignment;
use ipowdm_core::topics::ASSIGNMENTS;
use std::collections::{BTreeMap, BTreeSet};

/// Most bytes of one fetch.
const FETCH: u32 = 1 << 20;

/// How long a fetch waits for records that the log's bounds promise.
const WAIT: Duration = Duration::from_millis(500);

impl SliceManager {
    /// Makes the topic of assignments ready to be written to: it is there, and what is on it is known. Done once; later
    /// calls only see that the bus answers.
    pub(super) async fn prepare_assignments(&self) -> Result<(), SliceError> {
        self.make_assignments_topic().await?;
        self.shared.revisions_known.get_or_try_init(|| self.learn_revisions()).await?;
        Ok(())
    }

    async fn learn_revisions(&self) -> Result<(), SliceError> {
        self.mend_assignments_topic().await?;
        let seen = self.revisions_on_the_bus().await?;
        let raised = self.linkdb().store().transact(|tx| raise_in(tx, &seen)).await?;
        if raised > 0 {
            tracing::warn!(
                agents = raised,
                "the bus has newer assignments than the store; they are written anew"
            );
        }
        Ok(())
    }

    /// The highest revision of each agent on the topic.
    async fn revisions_on_the_bus(&self) -> Result<BTreeMap<AgentId, u64>, SliceError> {
        let mut seen = BTreeMap::new();
        let bounds = self.bus().bounds(ASSIGNMENTS, 0).await?;
        let mut offset = bounds.earliest;
        while offset < bounds.next {
            let topic = ASSIGNMENTS.to_owned();
            let request = FetchRequest { topic, partition: 0, offset, max_bytes: FETCH, max_wait: WAIT };
            let records = self.bus().fetch(request).await?.records;
            // A compacted log may end before its bound.
            let Some(last) = records.last() else { break };
            offset = last.offset + 1;
            for value in records.iter().filter_map(|record| record.value.as_ref()) {
                if let Ok(assignment) = Assignment::from_json(value) {
                    let highest = seen.entry(assignment.agent_id).or_default();
                    *highest = assignment.revision.max(*highest);
                }
            }
        }
        Ok(seen)
    }
}

/// Raises the stored revisions to those seen, and writes the assignments of active virtual operators anew where that was
/// needed; answers for how many agents.
fn raise_in(tx: &mut Tx, seen: &BTreeMap<AgentId, u64>) -> Result<usize, SliceError> {
    let mut behind = BTreeSet::new();
    for (agent, revision) in seen {
        let key = AssignmentRevision::key(agent);
        if tx.get(&key)?.unwrap_or_default().0 < *revision {
            tx.put(&key, &AssignmentRevision(*revision))?;
            behind.insert(agent.clone());
        }
    }
    if behind.is_empty() {
        return Ok(0);
    }
    let active = tx.scan(&Vop::all())?.into_iter().map(|(_, vop)| vop);
    let served: BTreeSet<RouterRef> = active
        .filter(|vop| vop.phase == VopPhase::Active)
        .flat_map(|vop| routers_of(&vop.request.ports))
        .filter(|router| behind.contains(&router.default_agent()))
        .collect();
    assign_in(tx, &served)?;
    Ok(behind.len())
}
