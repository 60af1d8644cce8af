//! How a port reaches its module: by its registers, or through other software that drives it.

use super::{Interval, ModuleFacts};
use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::procedure::{ProcError, Progress, SweepReport, Target, TxGoal};
use ipowdm_core::error::Code;
use ipowdm_core::msg::AdminState;
use ipowdm_core::time::Millis;
use ipowdm_core::units::Power;
use std::sync::Arc;

/// Why something did not come to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The stable code.
    pub code: Code,
    /// What went wrong, in words.
    pub words: String,
    /// Whether it was given up because it took too long.
    pub timed_out: bool,
}

impl Failure {
    /// A failure that is not a matter of time.
    #[must_use]
    pub fn new(code: Code, words: impl Into<String>) -> Self {
        Self { code, words: words.into(), timed_out: false }
    }
}

impl From<ProcError> for Failure {
    fn from(error: ProcError) -> Self {
        let timed_out = matches!(error, ProcError::TimedOut { .. });
        Self { code: error.code(), words: error.to_string(), timed_out }
    }
}

/// What is to be changed at a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Bring it to a target.
    Configure(Target),
    /// Set the power of its laser, nothing else.
    Power(Power),
    /// Drive its transmitter.
    Transmitter(TxGoal),
}

/// What was read of a module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The quantities.
    pub report: SweepReport,
    /// The application that is provisioned, where that is said.
    pub app_sel: Option<u8>,
    /// When the module said so.
    pub read_at: Millis,
    /// The module's own statistics, the newest that were read.
    pub interval: Option<Arc<Interval>>,
}

/// Software that drives a module on the agent's behalf. Calls may block for as long as a file or a local socket takes.
pub trait Proxy: Send {
    /// Who is in the port.
    ///
    /// # Errors
    /// [`Failure`] with [`Code::ModuleAbsent`] where nobody is.
    fn identify(&mut self, now: Millis) -> Result<ModuleFacts, Failure>;

    /// What is known of the module. Nothing is changed, no flag is cleared.
    ///
    /// # Errors
    /// [`Failure`], as [`Proxy::identify`].
    fn look(&mut self, now: Millis) -> Result<Seen, Failure>;

    /// Begins a change, in the place of one that has not ended. Nothing is written before it is certain that all of it may
    /// be.
    ///
    /// # Errors
    /// [`Failure`] where the change is refused; nothing is changed then.
    fn begin(&mut self, change: Change, now: Millis) -> Result<(), Failure>;

    /// Goes on with the change that was begun.
    fn advance(&mut self, now: Millis) -> Progress<Result<(), Failure>>;

    /// Writes that may have changed something, ever.
    fn writes(&self) -> u64;
}

/// Switches a port administratively at the host, beside its module's transmitter.
pub trait AdminSwitch: Send {
    /// Brings the port up or down, unless it is so already.
    ///
    /// # Errors
    /// [`Failure`] where that cannot be.
    fn set(&mut self, state: AdminState) -> Result<(), Failure>;

    /// Writes that may have changed something, ever.
    fn writes(&self) -> u64;
}

/// How a port reaches its module.
pub enum Reach<'a> {
    /// By its registers.
    Registers(&'a mut dyn Eeprom),
    /// By its registers, on a host that knows whether the port is up.
    Owned(&'a mut dyn Eeprom, &'a mut dyn AdminSwitch),
    /// Through software that drives it.
    Proxy(&'a mut dyn Proxy),
}

impl Reach<'_> {
    pub(super) fn writes(&self) -> u64 {
        match self {
            Self::Registers(eeprom) => eeprom.counters().writes,
            Self::Owned(eeprom, host) => eeprom.counters().writes.saturating_add(host.writes()),
            Self::Proxy(proxy) => proxy.writes(),
        }
    }
}

impl core::fmt::Debug for Reach<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(match self {
            Self::Registers(_) => "Registers",
            Self::Owned(..) => "Owned",
            Self::Proxy(_) => "Proxy",
        })
    }
}
