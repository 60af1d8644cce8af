//! Whose description of a port counts; the rule is the [module](super)'s.

use super::{Change, Interface};
use ipowdm_core::ids::{AgentId, PortId, PortRef, RouterRef};
use serde::Serialize;

/// Two descriptions of one port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Conflict {
    /// The port.
    pub port: PortRef,
    /// Whose description counts.
    pub holder: AgentId,
    /// Whose does not; the same agent where it has described the port twice in one message.
    pub claimant: AgentId,
}

/// How an agent that is heard stands towards others at its router.
pub(super) struct Stand {
    pub(super) router: RouterRef,
    pub(super) leader: AgentId,
}

impl Stand {
    /// `None` where the agent leads; else what is to be told: a conflict, once.
    pub(super) fn conflict(
        &self,
        id: &AgentId,
        port_id: &PortId,
        port: &mut Interface,
    ) -> Option<Option<Change>> {
        let conflicting = self.leader != *id;
        let known = core::mem::replace(&mut port.conflicting, conflicting);
        conflicting.then(|| (!known).then(|| self.told(port_id, &self.leader, id)))
    }

    /// An agent has described a port twice in one message.
    pub(super) fn twice(&self, id: &AgentId, port: &PortId) -> Change {
        self.told(port, id, id)
    }

    fn told(&self, port: &PortId, holder: &AgentId, claimant: &AgentId) -> Change {
        let RouterRef { pop_id, router_id } = self.router.clone();
        let port = PortRef { pop_id, router_id, port_id: port.clone() };
        Change::Conflict(Box::new(Conflict { port, holder: holder.clone(), claimant: claimant.clone() }))
    }
}
