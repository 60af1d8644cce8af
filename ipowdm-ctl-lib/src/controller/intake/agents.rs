//! What changes of agents and modules lead to.

use super::LEARNT_TOGETHER;
use crate::connection::Event;
use crate::controller::engine::{Beside, Job, jobs_for};
use crate::controller::event::ControllerEvent;
use crate::controller::inner::Inner;
use crate::controller::inventory::question;
use crate::registry::{Agent, Change, Conflict, Presence};
use ipowdm_core::bus::publisher::Class;
use ipowdm_core::capability::ModuleCapability;
use ipowdm_core::ids::{PortRef, RouterRef};
use ipowdm_core::msg::Target;
use ipowdm_core::topics::Role;
use tokio::time::Instant;

impl Inner {
    /// Asks agents to read their modules and to report. Lost questions are asked again ([`Registry::to_ask`]).
    ///
    /// [`Registry::to_ask`]: crate::registry::Registry::to_ask
    pub(in crate::controller) fn ask_for_discovery(&self, target: Target) {
        for action in self.discovery() {
            if self.tenure.holds(Instant::now())
                && !self.is_superseded()
                && let Ok(record) = question(self, target.clone(), action.clone())
                && let Err(full) =
                    self.publisher.send(&self.vop.topic(Role::Config), record, Class::Droppable)
            {
                tracing::warn!(vop = %self.vop.id(), error = %full, "discovery is not asked for");
            }
        }
    }

    /// Does what follows from changes of the registry.
    pub(in crate::controller) async fn agents_changed(&self, changes: Vec<Change>) {
        let mut jobs = Vec::new();
        let mut learnt = Vec::new();
        let mut reported = None;
        for change in changes {
            match change {
                Change::Presence { agent, to, .. } => {
                    let ends = self.live().ends_of_agent(&agent);
                    match to {
                        Presence::Unknown => jobs.extend(jobs_for(ends, Event::AgentUnknown)),
                        Presence::Online => jobs.extend(jobs_for(ends, Event::AgentKnown)),
                        Presence::Stale => {}
                    }
                    self.tell(ControllerEvent::Agent { agent_id: agent, presence: to });
                }
                Change::Epoch { epoch, .. } if epoch > self.epoch() => reported = reported.max(Some(epoch)),
                Change::ModuleRemoved { router, port } => {
                    let port = port_of(router, port);
                    jobs.extend(jobs_for(self.live().ends_of_port(&port), Event::ModuleRemoved));
                    learnt.push(port);
                }
                Change::ModulePresent { router, port } => {
                    let ends = self.live().ends_of_port(&port_of(router, port));
                    jobs.extend(jobs_for(ends, Event::ModulePresent));
                }
                Change::ModuleSwapped { router, port } => {
                    let ends = self.live().ends_of_port(&port_of(router, port));
                    jobs.extend(jobs_for(ends, Event::ModuleSwapped));
                }
                Change::Capability { router, port } => learnt.push(port_of(router, port)),
                Change::Conflict(conflict) => {
                    let Conflict { port, holder, claimant } = &*conflict;
                    tracing::warn!(vop = %self.vop.id(), %port, %holder, %claimant, "a port is described twice");
                    self.metrics.conflict();
                    self.tell(ControllerEvent::Conflict(conflict));
                }
                Change::Joined(_) | Change::Restarted(_) | Change::Forgotten(_) | Change::Epoch { .. } => {}
            }
        }
        self.learn(&learnt).await;
        let jobs: Vec<Job> = jobs.into_iter().filter_map(|job| self.worth_storing(job)).collect();
        if !jobs.is_empty() || reported.is_some() {
            let beside = Beside { reported_epoch: reported, ..Beside::default() };
            self.drive_surely(&jobs, &beside).await;
        }
    }

    /// Brings LinkDB's knowledge of the modules in ports up to date with the registry's. Ports that are not the virtual
    /// operator's are left alone, whatever an agent says.
    async fn learn(&self, ports: &[PortRef]) {
        let modules: Vec<(&PortRef, Option<ModuleCapability>)> = {
            let registry = self.registry();
            let foreign = |port: &PortRef| {
                self.config.compatibility && registry.at(&port.router()).is_none_or(Agent::is_of_another_make)
            };
            // Agents of other makes may not describe modules at all: then what the inventory says stands.
            let told = |port: &&PortRef| registry.module_in(port).is_some() || !foreign(port);
            let own = ports.iter().filter(|port| registry.has_port(port)).filter(told);
            own.map(|port| (port, registry.module_in(port).cloned())).collect()
        };
        for modules in modules.chunks(LEARNT_TOGETHER) {
            let found: Vec<_> = modules.iter().map(|(port, module)| (*port, module.as_ref())).collect();
            let learnt =
                self.commanding(None, |tx, _| Ok(self.linkdb.set_capabilities_in(tx, &found)?)).await;
            match learnt {
                Ok((unknown, _)) if unknown.is_empty() => {}
                Ok((unknown, _)) => tracing::debug!(?unknown, "ports have modules and are not in LinkDB"),
                Err(error) => {
                    let (first, count) = (found.first().map(|(port, _)| port), found.len());
                    tracing::warn!(?first, count, %error, "capabilities are not stored");
                }
            }
        }
    }
}

fn port_of(router: RouterRef, port_id: ipowdm_core::ids::PortId) -> PortRef {
    PortRef { pop_id: router.pop_id, router_id: router.router_id, port_id }
}
