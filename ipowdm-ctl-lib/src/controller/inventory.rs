//! The handle's part about agents, interfaces, network and the controller itself.

use super::clock::StoredClock;
use super::command::{Given, port_command_id, question_id};
use super::error::ControllerError;
use super::handle::ControllerHandle;
use super::record::PortOperation;
use super::views::{
    AgentView, HealthView, InterfaceView, LinkView, NetworkView, OperationView, StatusView, VopStatusView,
    port_operation_view,
};
use crate::linkdb::LinkDbError;
use crate::registry::{Agent, Presence};
use crate::slice::Vop;
use crate::store::Tx;
use crate::topology::{Port, Router};
use core::time::Duration;
use ipowdm_core::bus::{BusError, Outgoing};
use ipowdm_core::ids::{LinkId, PopId, PortRef, RouterRef};
use ipowdm_core::msg::{Action, AdminState, Command, Superset, Target, VERSION};
use ipowdm_core::topics::Role;
use std::collections::BTreeMap;
use tokio::time::timeout;

/// Time for the store and the bus to answer a question about their health.
const PROBE: Duration = Duration::from_secs(2);

/// Time for the bus to confirm a discovery.
const CONFIRM: Duration = Duration::from_secs(5);

impl ControllerHandle {
    // --- agents -------------------------------------------------------------------------------------------------------

    /// All agents that are known, by id.
    #[must_use]
    pub fn agents(&self) -> Vec<AgentView> {
        let agents: Vec<Agent> = self.inner.registry().agents().cloned().collect();
        agents.into_iter().map(|agent| self.agent_view(agent)).collect()
    }

    /// The agent of a router.
    ///
    /// # Errors
    /// [`ControllerError::UnknownAgent`]
    pub fn agent(&self, router: &RouterRef) -> Result<AgentView, ControllerError> {
        let agent = self.inner.registry().at(router).cloned();
        agent
            .map(|agent| self.agent_view(agent))
            .ok_or_else(|| ControllerError::UnknownAgent { router: router.to_string() })
    }

    fn agent_view(&self, agent: Agent) -> AgentView {
        let mut connections: Vec<_> =
            self.inner.live().ends_of_agent(&agent.agent_id).into_iter().map(|(id, _)| id).collect();
        connections.dedup();
        AgentView { agent, connections }
    }

    /// Asks all agents to read their modules again and to report; the answers come in by themselves.
    ///
    /// # Errors
    /// [`ControllerError::Bus`] where the bus does not confirm the question.
    pub async fn discover(&self) -> Result<(), ControllerError> {
        for question in self.inner.discovery() {
            self.broadcast(question.clone()).await?;
        }
        Ok(())
    }

    /// Asks all agents for a heartbeat now.
    ///
    /// # Errors
    /// [`ControllerError::Bus`] where the bus does not confirm the question.
    pub async fn check_agents(&self) -> Result<(), ControllerError> {
        self.broadcast(Action::HealthCheck).await
    }

    async fn broadcast(&self, action: Action) -> Result<(), ControllerError> {
        let unavailable =
            |reason: String| BusError::Unavailable { doing: "asking all agents".to_owned(), reason };
        self.inner.running()?;
        if self.inner.is_superseded() {
            return Err(ControllerError::Superseded { generation: self.inner.generation });
        }
        let record = self.question(action)?;
        let topic = self.inner.vop.topic(Role::Config);
        let confirmation = self
            .inner
            .publisher
            .send_confirmed(&topic, record)
            .map_err(|full| unavailable(full.to_string()))?;
        match timeout(CONFIRM, confirmation).await {
            Ok(Ok(confirmed)) => Ok(confirmed.map(|_| ())?),
            Ok(Err(_)) => Err(unavailable("the publisher has stopped".to_owned()).into()),
            Err(_) => Err(unavailable(format!("not confirmed within {CONFIRM:?}")).into()),
        }
    }

    /// A question to all agents, as a record.
    fn question(&self, action: Action) -> Result<Outgoing, ControllerError> {
        question(&self.inner, Target::All, action)
    }

    // --- interfaces ---------------------------------------------------------------------------------------------------

    /// The virtual operator's ports on a router, in order of their ids.
    ///
    /// # Errors
    /// [`ControllerError::UnknownRouter`] where it has none there.
    pub fn interfaces(&self, router: &RouterRef) -> Result<Vec<InterfaceView>, ControllerError> {
        let mut ports: Vec<&PortRef> =
            self.inner.vop.request.ports.iter().filter(|port| port.router() == *router).collect();
        ports.sort();
        if ports.is_empty() {
            return Err(ControllerError::UnknownRouter { router: router.to_string() });
        }
        let agent = self.inner.registry().at(router).cloned();
        let view = |port: &PortRef| {
            let reported = agent.as_ref().and_then(|agent| agent.interfaces.get(&port.port_id));
            let connection = self.inner.live().ends_of_port(port).into_iter().next().map(|(id, _)| id);
            let operation = self.inner.port_operation(port).map(|known| port_operation_view(&known.borrow()));
            let claimants = self.inner.registry().claimants(port).cloned().collect();
            InterfaceView {
                port: port.clone(),
                reported: reported.map(|reported| (**reported).clone()).unwrap_or_default(),
                connection_id: connection,
                claimants,
                operation,
            }
        };
        Ok(ports.into_iter().map(view).collect())
    }

    /// Switches a port's transmitter on or off. Answers the operation, which ends with the agent's answer or in time.
    ///
    /// # Errors
    /// [`ControllerError::LinkDb`] with `unknown_port`, or `forbidden` for a port of somebody else;
    /// [`ControllerError::PortBusy`] while another such operation is under way there.
    pub async fn control_interface(
        &self,
        port: &PortRef,
        state: AdminState,
    ) -> Result<OperationView, ControllerError> {
        self.inner.running()?;
        let now = self.inner.now();
        let agent = self.inner.registry().at(&port.router()).map(|agent| agent.agent_id.clone());
        let agent = agent.unwrap_or_else(|| port.router().default_agent());
        let times = self.inner.config.times;
        let done = self
            .inner
            .commanding(None, |tx, epoch| {
                if let Some(result) = self.receipt.found_in(tx)? {
                    return Err(ControllerError::DoneBefore { result });
                }
                self.own_port_in(tx, port)?;
                let key = PortOperation::key(self.vop(), port);
                if tx.get(&key)?.is_some_and(|before| before.ended.is_none()) {
                    return Err(ControllerError::PortBusy { port: port.to_string() });
                }
                let (life, start) = (self.inner.sender.life, self.inner.sender.start);
                let command_id = port_command_id(port, life, start, tx.version().get()).map_err(|error| {
                    ControllerError::Invalid { field: "interface", reason: error.to_string() }
                })?;
                let up = state == AdminState::Up;
                let message = self.inner.sender.interface_control(
                    &agent,
                    command_id.clone(),
                    Given::bare(epoch, now.wall),
                    times.control_ms,
                    (port, up),
                );
                tx.publish(&message)?;
                let deadline = now.at.plus(times.control_ms).plus(times.change_module_ms);
                let port = port.clone();
                let (since, started_at) = (tx.version(), now.wall);
                let operation =
                    PortOperation { port, command_id, up, since, started_at, deadline, ended: None };
                tx.put(&key, &operation)?;
                // Its deadline is on this clock, which may not have been stored for long.
                tx.put(&StoredClock::key(self.vop()), &StoredClock(now.at))?;
                self.receipt.write_in(tx, operation.command_id.as_str())?;
                Ok(operation)
            })
            .await;
        let operation = match done {
            Ok((operation, _)) => operation,
            Err(done @ ControllerError::DoneBefore { .. }) => return self.done_before(done),
            Err(error) => return Err(error),
        };
        self.inner.metrics.command("interfaceControl");
        self.inner.port_operation_is(operation.clone());
        self.inner.tell(operation.told());
        self.inner.timers.notify_one();
        Ok(port_operation_view(&operation))
    }

    fn own_port_in(&self, tx: &mut Tx, port: &PortRef) -> Result<(), ControllerError> {
        let known = tx.get(&Port::key(port))?;
        let known = known.ok_or_else(|| LinkDbError::UnknownPort { port: port.to_string() })?;
        if known.vop.as_ref() == Some(self.vop()) {
            return Ok(());
        }
        Err(LinkDbError::ForeignPort { port: port.to_string(), vop: self.vop().to_string() }.into())
    }

    // --- network ------------------------------------------------------------------------------------------------------

    /// The network as the virtual operator may see it.
    ///
    /// # Errors
    /// [`ControllerError::Store`]
    pub async fn network(&self) -> Result<NetworkView, ControllerError> {
        let linkdb = &self.inner.linkdb;
        let raster = linkdb.raster();
        let grant = self.inner.vop.grant();
        let own_bits = |link: &LinkId| {
            let windows = grant.windows_on(link).iter().filter_map(|window| raster.bits_in(*window));
            let windows: Vec<(u16, u16)> = windows.collect();
            let own = |bit: &u16| windows.iter().any(|(first, count)| (*first..first + count).contains(bit));
            (0..raster.bits()).filter(own).collect::<Vec<u16>>()
        };
        let count = |bits: usize| u32::try_from(bits).unwrap_or(u32::MAX);
        let mut links = Vec::new();
        for link in linkdb.links().await? {
            let (own, spectrum) = (own_bits(&link.id), linkdb.spectrum(&link.id).await?.spectrum);
            let taken = |bit: &&u16| !spectrum.a_to_b.is_free(**bit) || !spectrum.b_to_a.is_free(**bit);
            let (total_slots, used_slots) = (count(own.len()), count(own.iter().filter(taken).count()));
            links.push(LinkView { link, total_slots, used_slots });
        }
        Ok(NetworkView { pops: linkdb.pops().await?, links })
    }

    /// Whether there is such a router, whoever has ports on it.
    ///
    /// # Errors
    /// [`ControllerError::Store`]
    pub async fn has_router(&self, at: &RouterRef) -> Result<bool, ControllerError> {
        Ok(self.inner.linkdb.store().get(&Router::key(at)).await?.is_some())
    }

    /// Whether a PoP is known.
    ///
    /// # Errors
    /// [`ControllerError::LinkDb`] with `unknown_pop`, [`ControllerError::Store`].
    pub async fn known_pop(&self, pop: &PopId) -> Result<(), ControllerError> {
        let known = self.inner.linkdb.pops().await?.iter().any(|known| known.id == *pop);
        if known { Ok(()) } else { Err(LinkDbError::UnknownPop { pop: pop.to_string() }.into()) }
    }

    // --- the controller itself ----------------------------------------------------------------------------------------

    /// Whether the controller is well: asks the store and the bus now.
    pub async fn health(&self) -> HealthView {
        let store = async {
            match timeout(PROBE, self.inner.linkdb.store().snapshot()).await {
                Ok(Ok(_)) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {PROBE:?}")),
            }
        };
        let topic = self.inner.vop.topic(Role::Monitoring);
        let bus = async {
            match timeout(PROBE, self.inner.bus.describe_topic(&topic)).await {
                Ok(Ok(Some(_))) => None,
                Ok(Ok(None)) => Some(format!("topic {topic} is not there")),
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => Some(format!("no answer within {PROBE:?}")),
            }
        };
        let (store, bus) = tokio::join!(store, bus);
        let active_connections =
            self.inner.live().records().filter(|record| record.life.state().is_up()).count();
        HealthView {
            controller_id: self.inner.name(),
            store,
            bus: bus.or_else(|| self.inner.outage()),
            superseded: self.inner.is_superseded(),
            active_connections,
        }
    }

    /// Everything at a glance.
    pub async fn status(&self) -> StatusView {
        let health = self.health().await;
        let mut connections = BTreeMap::new();
        let mut quality = (0, 0);
        for record in self.inner.live().records() {
            *connections.entry(record.life.state()).or_default() += 1;
            let bad = record.life.state().is_up() && record.life.level() >= ipowdm_core::qot::Level::Degraded;
            quality.0 += usize::from(bad);
            quality.1 += usize::from(bad && record.alarmed);
        }
        StatusView {
            health,
            bus_address: self.inner.bus.address(),
            epoch: self.inner.epoch(),
            uptime: self.inner.at(),
            connections,
            agents: self.agent_counts(),
            quality,
            metrics: self.metrics(),
        }
    }

    fn agent_counts(&self) -> (usize, usize) {
        let registry = self.inner.registry();
        let online = registry.agents().filter(|agent| agent.presence == Presence::Online).count();
        (registry.agents().len(), online)
    }

    /// The virtual operator as it is stored now, and what its controller sees of it.
    ///
    /// # Errors
    /// [`ControllerError::UnknownVop`], [`ControllerError::Store`]
    pub async fn vop_status(&self) -> Result<VopStatusView, ControllerError> {
        let vop = self.inner.linkdb.store().get(&Vop::key(self.vop())).await?;
        let vop = vop.ok_or_else(|| ControllerError::UnknownVop { vop: self.vop().to_string() })?;
        let records: Vec<_> = self.inner.live().records().collect();
        let holding = records.iter().filter(|record| record.life.holds_grant()).count();
        Ok(VopStatusView { vop, connections: (records.len(), holding), agents: self.agent_counts() })
    }
}

/// A question to agents of the virtual operator, as a record of its config topic.
pub(super) fn question(
    inner: &super::inner::Inner,
    target: Target,
    action: Action,
) -> Result<Outgoing, ControllerError> {
    let key = match &target {
        Target::Agent(agent) => agent.to_string(),
        Target::All | Target::Pop(_) => inner.vop.id().to_string(),
    };
    let name = action.name();
    let id = question_id(name, inner.sender.life, inner.sender.start, inner.next_discovery())
        .map_err(|error| ControllerError::Invalid { field: "command_id", reason: error.to_string() })?;
    let command = Command {
        command_id: Some(id),
        vop: Some(inner.vop.id().clone()),
        target,
        epoch: Some(inner.epoch()),
        lifetime_ms: Some(inner.config.times.control_ms),
        v: VERSION,
        action,
    };
    inner.metrics.command(name);
    let superset = Superset { at: inner.now().wall, app: None };
    Ok(Outgoing::new(key, inner.sender.encode(&command, &superset)))
}
