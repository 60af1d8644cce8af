//! What agents of other makes say, in compatibility mode: who they are and what of ours it is about.

use super::{Intake, PortEnd, Source};
use crate::connection::Ends;
use crate::controller::claims::Attribution;
use crate::controller::command::{carries, parse};
use crate::controller::engine::{Beside, Input};
use crate::controller::record::{ConnectionRecord, PortOperation};
use crate::registry::Agent;
use ipowdm_core::error::Code;
use ipowdm_core::ids::{AgentId, ConnectionId, RouterRef};
use ipowdm_core::msg::{AckStatus, Claim, DecodeError, Outcome, Reply, Surroundings, TelemetrySample};
use ipowdm_core::qot::End;

/// The agent id that existing agents write into every sample, whoever they are.
const CONSTANT_AGENT: &str = "pop1-router1";

impl Intake {
    /// Reads what an agent of any make says.
    pub(super) fn reply(&self, value: &[u8]) -> Result<Reply, DecodeError> {
        let inner = &self.inner;
        let router_of = |agent: &AgentId| self.router_of(agent);
        let around = Surroundings { vop: inner.vop.id(), router_of: &router_of, now: inner.now().wall };
        Reply::from_json(value, &around)
    }

    fn router_of(&self, agent: &AgentId) -> Option<RouterRef> {
        let registry = self.inner.registry();
        let known = registry.agent(agent).map(|agent| agent.router.clone());
        known.or_else(|| self.routers.iter().find(|router| router.default_agent() == *agent).cloned())
    }

    /// What an agent's word is to a connection of this controller's. What it is to a port goes beside.
    pub(super) async fn claim(
        &self,
        claim: Claim,
        fresh: bool,
        beside: &mut Beside,
    ) -> Option<(ConnectionId, Vec<Input>)> {
        let inner = &self.inner;
        if !self.routers.contains(&claim.router) {
            inner.metrics.ack_ignored();
            return None;
        }
        inner.metrics.ack(match claim.status {
            AckStatus::Success => Outcome::Applied,
            AckStatus::Failed => Outcome::Failed,
        });
        self.heard(&claim.agent_id, &claim.router, inner.now()).await;
        let own = match &claim.command_id {
            Some(_) => self.named(&claim),
            // From before the start: it can only be about a command that the records know.
            None => self.nameless(&claim, fresh),
        };
        if let Some((id, command)) = own {
            return Some((id, vec![Input::Claim(Box::new(claim), command)]));
        }
        match self.port_claim(&claim) {
            Some(end) => beside.ports.push(end),
            None => {
                let (agent, error) = (&claim.agent_id, claim.error.as_deref());
                tracing::debug!(vop = %inner.vop.id(), %agent, error, "answers nothing of ours");
                inner.metrics.ack_ignored();
            }
        }
        None
    }

    /// The connection and command of a claim that names a command of ours.
    fn named(&self, claim: &Claim) -> Option<(ConnectionId, Option<super::CommandRef>)> {
        let (carried, command) = parse(claim.command_id.as_ref()?, self.inner.sender.life)?;
        let id = match &claim.connection_id {
            Some(id) => Some(id.clone()).filter(|id| carries(carried, id)),
            None => ConnectionId::new(carried).ok(),
        }?;
        self.inner.correlator().answered(&id, &claim.agent_id, command);
        Some((id, Some(command)))
    }

    /// The connection and command of a claim that names only the connection.
    fn nameless(&self, claim: &Claim, fresh: bool) -> Option<(ConnectionId, Option<super::CommandRef>)> {
        let id = claim.connection_id.clone()?;
        claim.action.as_ref()?;
        match self.inner.correlator().attribute(self.inner.at(), &id, claim) {
            Attribution::Repeated => None,
            // Written before this controller commanded anything.
            Attribution::Of(command) if !fresh && command.start == self.inner.sender.start => None,
            Attribution::Of(command) => Some((id, Some(command))),
            Attribution::Awaited => Some((id, None)),
        }
    }

    /// The end of an operation on a port, which an ack of another make names by the command only.
    fn port_claim(&self, claim: &Claim) -> Option<PortEnd> {
        let command_id = claim.command_id.clone()?;
        let of_command = |operation: &PortOperation| {
            operation.command_id == command_id && operation.port.router() == claim.router
        };
        let operation = self.inner.port_operations().into_iter().find(of_command)?;
        let result = match claim.status {
            AckStatus::Success => Ok(()),
            AckStatus::Failed => Err((Code::ModuleRejected, claim.error.clone().unwrap_or_default())),
        };
        Some(PortEnd { key: PortOperation::key(self.inner.vop.id(), &operation.port), command_id, result })
    }

    /// What is neither an answer nor a report.
    pub(super) fn note(&self, reply: &Reply) {
        match reply {
            Reply::Note(note) => {
                let (connection, event) = (&note.connection_id, note.event.as_str());
                tracing::debug!(vop = %self.inner.vop.id(), %connection, event, "an agent's note about quality");
                self.inner.metrics.quality_note();
            }
            // An answer on the health topic, where nothing is answered.
            _ => self.inner.metrics.unknown_message(),
        }
    }

    /// A sample that does not say where it was taken, with the agent that must have: by the record's key and the port, and by
    /// the agent id only where that is not the one which all write. `None` where that leaves two ends, or none.
    pub(super) fn placed(&self, sample: TelemetrySample, from: &Source<'_>) -> Option<TelemetrySample> {
        if !self.inner.config.compatibility || sample.v.is_some() || sample.pop_id.is_some() {
            return Some(sample);
        }
        let record = self.inner.live().get(&sample.connection_id)?;
        let key = from.record.key.as_deref().and_then(|key| core::str::from_utf8(key).ok());
        let end = self.end_of(&record, &sample, key)?;
        let at = record.ports.get(end);
        Some(TelemetrySample {
            agent_id: record.agents.get(end).clone(),
            pop_id: Some(at.pop_id.clone()),
            router_id: Some(at.router_id.clone()),
            ..sample
        })
    }

    fn end_of(&self, record: &ConnectionRecord, sample: &TelemetrySample, key: Option<&str>) -> Option<End> {
        let agent = |end: End| record.agents.get(end);
        let at_port = |end: &End| record.ports.get(*end).port_id == sample.interface;
        let named = |name: &str| Ends::<()>::BOTH.into_iter().find(|&end| agent(end).as_str() == name);
        if let Some(end) = key.and_then(named) {
            return Some(end).filter(at_port);
        }
        let only = |mut ends: Vec<End>| ends.pop().filter(|_| ends.is_empty());
        let there: Vec<End> = Ends::<()>::BOTH.into_iter().filter(at_port).collect();
        let foreign = |end: &End| {
            let registry = self.inner.registry();
            registry.agent(agent(*end)).is_none_or(Agent::is_of_another_make)
        };
        let own_name = (sample.agent_id.as_str() != CONSTANT_AGENT).then(|| named(sample.agent_id.as_str()));
        only(there.clone())
            .or_else(|| only(there.into_iter().filter(foreign).collect()))
            .or_else(|| own_name.flatten().filter(at_port))
    }
}
