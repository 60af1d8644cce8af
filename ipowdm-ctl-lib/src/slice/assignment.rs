//! What agents are told they serve, written together with what they serve.

use super::error::SliceError;
use super::record::{AssignmentRevision, Vop, VopPhase};
use crate::store::{OutboxRecord, Tx};
use ipowdm_core::ids::{AgentId, PortRef, RouterRef};
use ipowdm_core::msg::{Assignment, PortGrant, VERSION, VopAssignment};
use ipowdm_core::topics::ASSIGNMENTS;
use std::collections::BTreeSet;

/// Writes the assignments of the agents of these routers anew, as the virtual operators are in this transaction. An agent
/// that serves nobody gets a tombstone.
pub(super) fn assign_in(tx: &mut Tx, routers: &BTreeSet<RouterRef>) -> Result<(), SliceError> {
    let vops: Vec<Vop> = tx.scan(&Vop::all())?.into_iter().map(|(_, vop)| vop).collect();
    for router in routers {
        let agent = router.default_agent();
        let key = AssignmentRevision::key(&agent);
        let revision = AssignmentRevision(tx.get(&key)?.unwrap_or_default().0.saturating_add(1));
        tx.put(&key, &revision)?;
        let active = vops.iter().filter(|vop| vop.phase == VopPhase::Active);
        let served: Vec<VopAssignment> = active.filter_map(|vop| part(vop, router)).collect();
        tx.publish(&message(&agent, router, revision, served))?;
    }
    Ok(())
}

/// The routers of some ports.
pub(super) fn routers_of(ports: &[PortRef]) -> BTreeSet<RouterRef> {
    ports.iter().map(PortRef::router).collect()
}

/// What one virtual operator has at a router; `None` where it has nothing there.
fn part(vop: &Vop, router: &RouterRef) -> Option<VopAssignment> {
    // Agents know ports and no links: LinkDB sees to what is granted on which.
    let spectrum = vop.grant().windows_anywhere();
    let own = vop.request.ports.iter().filter(|port| port.router() == *router);
    let ports: Vec<PortGrant> = own
        .map(|port| PortGrant {
            port_id: port.port_id.clone(),
            spectrum: spectrum.clone(),
            tx_power: vop.request.tx_power,
        })
        .collect();
    (!ports.is_empty()).then(|| VopAssignment {
        vop: vop.id().clone(),
        incarnation: vop.incarnation.clone(),
        ports,
        telemetry_interval_ms: vop.telemetry_interval_ms,
        health_interval_ms: vop.health_interval_ms,
    })
}

fn message(
    agent: &AgentId,
    router: &RouterRef,
    revision: AssignmentRevision,
    vops: Vec<VopAssignment>,
) -> OutboxRecord {
    let key = agent.as_str().as_bytes().to_vec();
    let payload = (!vops.is_empty()).then(|| {
        Assignment {
            v: VERSION,
            agent_id: agent.clone(),
            pop_id: router.pop_id.clone(),
            router_id: router.router_id.clone(),
            revision: revision.0,
            vops,
        }
        .to_json()
    });
    OutboxRecord { topic: ASSIGNMENTS.to_owned(), key, payload }
}
