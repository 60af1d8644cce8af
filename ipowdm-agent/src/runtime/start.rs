//! How an agent begins: its journal's next life, its ports, whom it serves.

use super::ledger::Ledger;
use super::task::{AgentTask, Control, HOUSEKEEPING_MS};
use super::watch::Watch;
use super::{Agent, BuildError};
use crate::assignment::{Assignments, STATIC_INCARNATION};
use crate::config::{AgentConfig, Service};
use crate::intake::Intake;
use crate::journal::{Entry, Journal, PortState, Recovery};
use crate::port::host::PortHandle;
use crate::port::{Job, PortMachine, PortMessage, SessionBudget, Work};
use crate::schedule::FixedRate;
use ipowdm_core::bus::publisher::Publisher;
use ipowdm_core::bus::reader::{Reader, Start};
use ipowdm_core::ids::{Incarnation, PortId, VopId};
use ipowdm_core::msg::Assignment;
use ipowdm_core::topics;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

/// Events of ports on their way to the agent; a port with more to say waits.
const EVENTS: usize = 256;

impl Agent {
    /// Starts the ports; the future is the agent.
    pub(super) fn prepare(
        self,
        orders: mpsc::Receiver<Control>,
    ) -> Result<impl Future<Output = ()> + Send + 'static, BuildError> {
        let Self { config, bus, modules, mut journal, recovery, clock, wall } = self;
        let boot = journal.state().boot() + 1;
        let blank = journal.state().is_blank();
        journal.append(vec![Entry::Boot(boot)])?;
        let now = clock();
        let assignments = served(&config, &journal);
        let budget = SessionBudget::new(config.max_sessions.unwrap_or(modules.len()));
        let (sender, events) = mpsc::channel(EVENTS);
        let interval = crate::config::TELEMETRY_INTERVAL_MS;
        let mut ports = BTreeMap::new();
        for (port, module) in modules {
            let state = journal.state().port(&port);
            let idle = config.idle_interval_ms;
            let machine = PortMachine::new(port.clone(), state.clone(), budget.clone(), idle, interval, now);
            let mut handle = PortHandle::start(machine, module, clock.clone(), sender.clone(), port.as_str())
                .map_err(BuildError::Thread)?;
            for message in first_messages(&port, &state, &journal, &assignments) {
                handle.tell(message);
            }
            ports.insert(port, handle);
        }
        let names: BTreeSet<PortId> = ports.keys().cloned().collect();
        let mut reader = Reader::new(bus.clone());
        if config.service == Service::Assigned {
            reader.follow(topics::ASSIGNMENTS, |_| Start::Earliest);
        }
        let mut ledger = Ledger::new(journal, config.region.clone());
        ledger.trouble = trouble_of(recovery);
        for answer in ledger.state().unsent().cloned().collect::<Vec<_>>() {
            ledger.publish(answer);
        }
        let intake = Intake::new(config.identity.clone(), names, config.accept_unfenced);
        let publisher = Publisher::start(bus.clone(), config.outgoing);
        let watch = Watch::new(config.quality);
        let interrupted = ledger.state().accepted().map(|accepted| accepted.number).collect();
        let task = AgentTask {
            config,
            bus,
            boot,
            blank,
            started: now,
            clock,
            wall,
            reader,
            publisher,
            intake,
            ledger,
            assignments,
            memberships: BTreeMap::new(),
            ports,
            statuses: BTreeMap::new(),
            watch,
            events,
            orders,
            errands: JoinSet::new(),
            discoveries: BTreeMap::new(),
            interrupted,
            housekeeping: FixedRate::new(now, HOUSEKEEPING_MS),
            bus_out: false,
        };
        Ok(task.run())
    }
}

/// Whom the agent serves as far as it knows before it has read anything.
fn served(config: &AgentConfig, journal: &Journal) -> Assignments {
    match &config.service {
        Service::Fixed { vop, ports, telemetry_interval_ms, health_interval_ms } => {
            // A constant that is a legal incarnation, as the test says.
            let Ok(incarnation) = Incarnation::new(STATIC_INCARNATION) else { return Assignments::new() };
            let (telemetry, health) = (*telemetry_interval_ms, *health_interval_ms);
            Assignments::fixed(vop.clone(), incarnation, ports, telemetry, health)
        }
        Service::Assigned => journal
            .state()
            .assignment()
            .and_then(|json| Assignment::from_json(json).ok())
            .map_or_else(Assignments::new, |record| Assignments::remembered(&record)),
    }
}

/// What a port is told before anything else.
///
/// A port whose command was interrupted is only read: what becomes of it is decided once the age of the command can be
/// told. A port lit for somebody who is known not to have it goes dark. Any other is compared with what is meant.
fn first_messages(
    port: &PortId,
    state: &PortState,
    journal: &Journal,
    assignments: &Assignments,
) -> Vec<PortMessage> {
    let in_force = assignments.in_force();
    let intervals = in_force.iter().filter(|(vop, _)| assignments.grant(vop, port).is_some());
    let mut messages: Vec<PortMessage> = intervals
        .map(|(vop, served)| PortMessage::Interval(vop.clone(), served.telemetry_interval_ms))
        .collect();
    let owners: BTreeSet<&VopId> = state
        .intent
        .desired()
        .map(|desired| &desired.vop)
        .into_iter()
        .chain(state.sessions.iter().map(|(_, vop)| vop))
        .collect();
    let gone =
        owners.into_iter().filter(|vop| assignments.is_known() && assignments.grant(vop, port).is_none());
    let mut work: Vec<Work> = gone.map(|vop| Work::Release { vop: vop.clone() }).collect();
    let interrupted = journal.state().accepted().any(|accepted| accepted.port.as_ref() == Some(port));
    if work.is_empty() {
        work.push(if interrupted { Work::Refresh } else { Work::Restore });
    }
    messages.extend(work.into_iter().map(|work| PortMessage::Job(Box::new(Job::own(work)))));
    messages
}

fn trouble_of(recovery: Recovery) -> Option<String> {
    match recovery {
        Recovery::Clean => None,
        Recovery::TornTail { bytes } => {
            tracing::warn!(bytes, "the journal ended within a write, which was dropped");
            None
        }
        Recovery::Damaged { at, bytes } => {
            Some(format!("the journal was damaged at byte {at}; {bytes} bytes were set aside"))
        }
    }
}
