//! What goes into the machine and what comes out of it.

use super::end::{Ends, Light, Wanted};
use super::state::State;
use super::times::OperationKind;
use ipowdm_core::error::Code;
use ipowdm_core::msg::{Outcome, Readback};
use ipowdm_core::qot::{End, Level};
use ipowdm_core::time::Millis;
use ipowdm_core::units::Power;
use serde::{Deserialize, Serialize};

/// The number of a command within its connection; each command of a connection has another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct CommandNumber(pub u32);

/// What an end is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Order {
    /// Be so, and shine.
    Setup(Wanted),
    /// Change the transmit power.
    Reconfigure(Power),
    /// Go dark.
    Teardown,
}

/// An ack about one end, as the machine needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Which end answers.
    pub end: End,
    /// The command it answers.
    pub number: CommandNumber,
    /// How the command ended.
    pub outcome: Outcome,
    /// The code of what went wrong.
    pub code: Option<Code>,
    /// What went wrong, in words.
    pub error: Option<String>,
    /// Registers read after the work.
    pub readback: Option<Readback>,
    /// The module's part of the time.
    pub module_ms: u64,
    /// Whether it is an agent's word only: of an agent that never reads back, where such are let in. Its success counts, and
    /// never as verified.
    pub claimed: bool,
}

/// What happens to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Asked for: light it.
    Setup,
    /// Asked for: light it once more after it has failed, or the ends that are not as wanted while it is DEGRADED.
    Repair {
        /// What the ends are to be, where spectrum and ports were taken anew; `None` where they are still held.
        anew: Option<Ends<Wanted>>,
    },
    /// Asked for: change transmit powers. At least one end changes.
    Reconfigure {
        /// New powers of the ends that change.
        tx_power: Ends<Option<Power>>,
        /// Why, in words.
        reason: String,
    },
    /// The quality loop's step. As [`Event::Reconfigure`], but ignored where it does not fit.
    Step {
        /// New powers of the ends that change.
        tx_power: Ends<Option<Power>>,
        /// Number of the attempt.
        attempt: u8,
    },
    /// Asked for: take it down.
    Teardown,
    /// Asked for by force: give everything back at once, whatever the ends do.
    Abandon,
    /// An end answered.
    Answer(Answer),
    /// Time may have passed the deadline.
    Tick,
    /// The agent of an end is silent.
    AgentUnknown(End),
    /// It is heard again.
    AgentKnown(End),
    /// The module was taken out.
    ModuleRemoved(End),
    /// A module is in the port again.
    ModulePresent(End),
    /// Another module is in the port.
    ModuleSwapped(End),
    /// The receiver lost the signal.
    LossOfSignal(End),
    /// It has it again.
    SignalBack(End),
    /// A fibre link of the path is down.
    LinkDown,
    /// All of them are up again.
    LinkUp,
    /// An end is not as wanted, and no command of ours did it.
    ForeignChange(End),
    /// An end was seen to be as wanted.
    Conforming(End),
    /// The light of an end was observed, and no command of ours is under way there.
    LightSeen(End, Light),
    /// The quality level changed.
    Quality(Level),
}

impl Event {
    /// Its name, for counters and refusals.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Setup => "setup",
            Self::Repair { .. } => "repair",
            Self::Reconfigure { .. } => "reconfigure",
            Self::Step { .. } => "step",
            Self::Teardown => "teardown",
            Self::Abandon => "abandon",
            Self::Answer(_) => "answer",
            Self::Tick => "tick",
            Self::AgentUnknown(_) => "agent_unknown",
            Self::AgentKnown(_) => "agent_known",
            Self::ModuleRemoved(_) => "module_removed",
            Self::ModulePresent(_) => "module_present",
            Self::ModuleSwapped(_) => "module_swapped",
            Self::LossOfSignal(_) => "loss_of_signal",
            Self::SignalBack(_) => "signal_back",
            Self::LinkDown => "link_down",
            Self::LinkUp => "link_up",
            Self::ForeignChange(_) => "foreign_change",
            Self::Conforming(_) => "conforming",
            Self::LightSeen(..) => "light_seen",
            Self::Quality(_) => "quality",
        }
    }

    /// Whether somebody asks for something, and is to be told where it cannot be done.
    #[must_use]
    pub const fn is_request(&self) -> bool {
        matches!(
            self,
            Self::Setup | Self::Repair { .. } | Self::Reconfigure { .. } | Self::Teardown | Self::Abandon
        )
    }
}

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The stable code.
    pub code: Code,
    /// The end it happened at, if at one.
    pub end: Option<End>,
    /// In words.
    pub text: String,
}

impl core::fmt::Display for Failure {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.end {
            Some(End::Source) => write!(f, "source: {} ({})", self.text, self.code),
            Some(End::Destination) => write!(f, "destination: {} ({})", self.text, self.code),
            None => write!(f, "{} ({})", self.text, self.code),
        }
    }
}

/// Why a state was entered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Somebody asked for it.
    Requested,
    /// Both ends were read back as wanted.
    Verified,
    /// Both ends say that they are as wanted; of one at least nothing was read back.
    Claimed,
    /// The quality loop stepped.
    QualityStep {
        /// Number of the attempt.
        attempt: u8,
    },
    /// The quality level changed.
    Quality(Level),
    /// Something went wrong at an end, or on the path where none is named.
    Trouble(Option<End>),
    /// What was wrong is over.
    Recovered,
    /// The ends are dark.
    Dark,
    /// Given up by force.
    Abandoned,
    /// Something failed.
    Failed(Failure),
}

/// How long an operation took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Timing {
    /// From the request to its end.
    pub total_ms: u64,
    /// The modules' part of it: advertised waits and hold-off windows of the slower end.
    pub module_ms: u64,
}

impl Timing {
    /// Everything that is not module time.
    #[must_use]
    pub const fn control_plane_ms(&self) -> u64 {
        self.total_ms.saturating_sub(self.module_ms)
    }
}

/// An operation that has come to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its number within the connection.
    pub number: u32,
    /// What it was.
    pub kind: OperationKind,
    /// How it ended.
    pub result: Result<(), Failure>,
    /// How long it took.
    pub timing: Timing,
}

/// What is to be done because of an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Tell an end something.
    Send {
        /// Which end.
        end: End,
        /// The number of the command.
        number: CommandNumber,
        /// What it is told.
        order: Order,
        /// Milliseconds after which it must not be started; `None` where it must be done however late.
        lifetime_ms: Option<u64>,
    },
    /// Give spectrum and ports back.
    Release,
    /// Call [`Event::Tick`] at this time; replaces the one asked for before, `None` cancels it.
    Schedule(Option<Millis>),
    /// The state has changed.
    Moved {
        /// From this.
        from: State,
        /// To this.
        to: State,
        /// Because of this.
        cause: Cause,
    },
    /// An operation has ended.
    Finished(Finished),
    /// An end that may still shine could not be reached; its spectrum is free again.
    LeftUnconfirmed(End),
    /// Nothing holds the record any more; it may be deleted.
    Forget,
}

/// Whether an event fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It was taken in.
    Applied,
    /// It says nothing new or nothing that matters here; nothing was changed.
    Ignored,
    /// The state does not allow what was asked for; nothing was changed.
    Refused,
}

/// What an event led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Effect {
    /// Whether it fitted.
    pub verdict: Verdict,
    /// What is to be done, in order.
    pub actions: Vec<Action>,
}
