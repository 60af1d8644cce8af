//! What is seen of a run: commands and acks as they were sent, and a trace of everything.

use core::fmt::Write as _;
use ipowdm_core::ids::{AgentId, CommandId, ConnectionId, PortId, PortRef};
use ipowdm_core::msg::{Action, AgentMessage, Command, CommandAck, Outcome, Target};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use tokio::time::Instant;

/// A command as its controller sent it.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) vop: String,
    pub(crate) action: &'static str,
    pub(crate) epoch: u64,
    pub(crate) ports: Vec<PortRef>,
}

/// An ack as its agent sent it, the first time.
#[derive(Debug, Clone)]
pub(crate) struct Answered {
    pub(crate) vop: String,
    pub(crate) agent: AgentId,
    pub(crate) port: Option<PortId>,
    pub(crate) connection: Option<ConnectionId>,
    pub(crate) command: CommandId,
    pub(crate) action: String,
    pub(crate) outcome: Outcome,
    ack_id: Option<String>,
}

#[derive(Debug, Default)]
struct Seen {
    lines: Option<String>,
    digest: u64,
    steps: u64,
    commands: BTreeMap<CommandId, Sent>,
    answers: Vec<Answered>,
    /// Acks that contradict an earlier one of the same command and port.
    contradictions: Vec<String>,
    /// Ports that heartbeats and capabilities have shown to a virtual operator.
    shown: BTreeSet<(String, PortRef)>,
    /// Steps of the quality loop.
    quality_steps: u64,
}

/// What is seen of a run.
#[derive(Debug)]
pub(crate) struct Tap {
    begun: Instant,
    seen: Mutex<Seen>,
}

impl Tap {
    /// `verbose` keeps every line of the trace; otherwise only its digest.
    pub(crate) fn new(verbose: bool) -> Self {
        let seen = Seen { lines: verbose.then(String::new), ..Seen::default() };
        Self { begun: Instant::now(), seen: Mutex::new(seen) }
    }

    fn with<T>(&self, act: impl FnOnce(&mut Seen) -> T) -> T {
        act(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a line to the trace.
    pub(crate) fn say(&self, what: core::fmt::Arguments<'_>) {
        let at = self.begun.elapsed().as_millis();
        self.with(|seen| {
            let mut line = String::new();
            // Writing to a string does not fail.
            let _ = write!(line, "{at:>7} {what}");
            for byte in line.bytes() {
                // FNV-1a.
                seen.digest = (seen.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
            }
            seen.steps += 1;
            if let Some(lines) = &mut seen.lines {
                lines.push_str(&line);
                lines.push('\n');
            }
        });
    }

    /// Number of lines and their digest.
    pub(crate) fn digest(&self) -> (u64, u64) {
        self.with(|seen| (seen.steps, seen.digest))
    }

    /// The trace, where it was kept.
    pub(crate) fn trace(&self) -> String {
        self.with(|seen| seen.lines.clone().unwrap_or_default())
    }

    /// Takes in what a controller publishes.
    pub(crate) fn command(&self, vop: &str, value: &[u8]) -> Option<String> {
        let command = Command::from_json(value).ok()?;
        let (id, epoch) = (command.command_id.clone()?, command.epoch?);
        let Target::Agent(agent) = &command.target else { return None };
        let action = command.action.name();
        let line = format!("{action} {id} to {agent}, epoch {epoch}");
        let (ports, steps) = about(&command.action);
        self.with(|seen| {
            let vop = vop.to_owned();
            let new = !seen.commands.contains_key(&id);
            seen.quality_steps += u64::from(new && steps);
            seen.commands.entry(id).or_insert(Sent { vop, action, epoch, ports });
        });
        Some(line)
    }

    /// Takes in what an agent publishes.
    pub(crate) fn answer(&self, vop: &str, value: &[u8]) -> Option<String> {
        let message = AgentMessage::from_json(value).ok()?;
        if let AgentMessage::Health(said) = &message {
            let port = |port_id: &PortId| PortRef {
                pop_id: said.pop_id.clone(),
                router_id: said.router_id.clone(),
                port_id: port_id.clone(),
            };
            let shown = said.interfaces.iter().map(|interface| (vop.to_owned(), port(&interface.port_id)));
            self.with(|seen| seen.shown.extend(shown));
        }
        let AgentMessage::Ack(ack) = message else { return None };
        let CommandAck { agent_id, interface, command_id, outcome, .. } = &ack;
        let port = interface.as_ref().map_or("", PortId::as_str);
        let why = ack.details.error.as_deref().unwrap_or("");
        let line = format!("{outcome:?} to {command_id} by {agent_id} {port} {why}");
        self.with(|seen| seen.take(vop, &ack));
        Some(line)
    }

    pub(crate) fn commands(&self) -> BTreeMap<CommandId, Sent> {
        self.with(|seen| seen.commands.clone())
    }

    pub(crate) fn answers(&self) -> Vec<Answered> {
        self.with(|seen| seen.answers.clone())
    }

    /// Ports that were shown to a virtual operator.
    pub(crate) fn shown(&self) -> BTreeSet<(String, PortRef)> {
        self.with(|seen| seen.shown.clone())
    }

    pub(crate) fn quality_steps(&self) -> u64 {
        self.with(|seen| seen.quality_steps)
    }

    pub(crate) fn contradictions(&self) -> Vec<String> {
        self.with(|seen| seen.contradictions.clone())
    }
}

impl Seen {
    fn take(&mut self, vop: &str, ack: &CommandAck) {
        let same = |known: &&Answered| {
            (&known.agent, &known.command, &known.port) == (&ack.agent_id, &ack.command_id, &ack.interface)
        };
        if let Some(known) = self.answers.iter().find(same) {
            if known.outcome != ack.outcome || known.ack_id != ack.ack_id {
                let (first, command) = (known.outcome, &ack.command_id);
                let contradiction = format!("{command}: {first:?}, then {:?}", ack.outcome);
                self.contradictions.push(contradiction);
            }
            return;
        }
        self.answers.push(Answered {
            vop: vop.to_owned(),
            agent: ack.agent_id.clone(),
            port: ack.interface.clone(),
            connection: ack.connection_id.clone(),
            command: ack.command_id.clone(),
            action: ack.action.clone(),
            outcome: ack.outcome,
            ack_id: ack.ack_id.clone(),
        });
    }
}

/// The ports that a command is about, and whether the quality loop has given it.
fn about(action: &Action) -> (Vec<PortRef>, bool) {
    let ports =
        |endpoints: &[ipowdm_core::msg::Endpoint]| endpoints.iter().map(|end| end.port.clone()).collect();
    match action {
        Action::Setup { endpoints, .. } | Action::Teardown { endpoints, .. } => (ports(endpoints), false),
        Action::Reconfigure { endpoints, reason, .. } => {
            let quality = reason.as_ref().is_some_and(|reason| reason.starts_with("quality"));
            (ports(endpoints), quality)
        }
        Action::InterfaceControl { port, .. } => (vec![port.clone()], false),
        _ => (Vec::new(), false),
    }
}
