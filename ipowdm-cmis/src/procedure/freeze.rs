//! The freeze handshake of VDM (2Fh:144-145): ends the statistics interval and holds its numbers while they are read.

use super::{Op, ProcError, Procedure, Reply, read, write};
use crate::access::TransportError;
use crate::map::{Address, page2f};
use crate::procedure::wait::with_margin;
use crate::time::Millis;
use core::time::Duration;

/// tVDMF: from a freeze or unfreeze request to its done bit (OIF-CMIS-05.4, VDM freeze).
pub const VDM_FREEZE_LIMIT: Duration = Duration::from_millis(10);
/// Pause between polls of a done bit that is late.
const POLL: Duration = Duration::from_millis(5);
/// Pause before the release is written again.
const RELEASE_PAUSE: Duration = Duration::from_millis(50);
/// How often the release is written at most.
const RELEASES: u8 = 4;
/// Polls of one wait at most, should the runner's clock stand still.
const POLLS: u8 = 100;

const REQUEST: u8 = 0x80;
const FREEZE_DONE: u8 = 0x80;
const UNFREEZE_DONE: u8 = 0x40;

/// How a statistics interval ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IntervalEnd {
    /// Nobody asked for it, or the module has no statistics: what was read is of the running interval.
    Running,
    /// The module was frozen, its statistics read, and a new interval begun.
    Frozen,
    /// The module was frozen already, by another host or by one that died: these are the statistics of then.
    FoundFrozen,
    /// The module did not freeze; there are no statistics.
    NotFrozen(FreezeFault),
}

/// Why a module did not freeze.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FreezeFault {
    /// The control register could not be accessed.
    #[error("{0} at 2Fh:144")]
    Transport(TransportError),
    /// FreezeDone was not set in time.
    #[error("FreezeDone (2Fh:145.7) was not set in time")]
    NotDone,
    /// The request was gone again: a reset, or another host.
    #[error("FreezeRequest (2Fh:144.7) was withdrawn")]
    Withdrawn,
}

impl FreezeFault {
    /// The transport error that stands for the fault.
    #[must_use]
    pub const fn transport(self) -> TransportError {
        match self {
            Self::Transport(error) => error,
            Self::NotDone | Self::Withdrawn => TransportError::TimedOut,
        }
    }
}

/// How the release of a freeze ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// No freeze was requested.
    NotNeeded,
    /// UnfreezeDone was seen.
    Confirmed,
    /// The request is withdrawn; UnfreezeDone did not come in time.
    Unconfirmed,
    /// The module keeps the request or does not take the write: it may still be frozen.
    StillFrozen,
}

/// What the handshake wants next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Read 2Fh:144-145.
    Read,
    /// Write 2Fh:144.
    Write(u8),
    /// Wait.
    Sleep(Millis),
    /// The freeze attempt is over; a release has to follow, whatever came of it.
    Attempted(Result<IntervalEnd, FreezeFault>),
    /// The release is over.
    Released(Release),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Idle,
    Control,
    Requesting,
    Settling,
    Polling,
    Releasing,
    Resting,
    ReleaseSettling,
    ReleasePolling,
}

/// One freeze and its release.
///
/// ```text
/// freeze:  Control ──not set──→ Requesting → Settling ⇄ Polling → attempted
///             └─set already────────────────────┘
/// release: Releasing ⇄ Resting;  Releasing → ReleaseSettling ⇄ ReleasePolling → released
/// ```
///
/// The control byte is written as it was read, but for the request: it also holds duty cycle and power saving. Once a
/// request may have reached the module, every path leads through the release.
#[derive(Debug)]
pub(super) struct Handshake {
    stage: Stage,
    /// 2Fh:144 as last read.
    control: u8,
    requested: bool,
    found: bool,
    deadline: Millis,
    polls: u8,
    releases: u8,
}

impl Handshake {
    /// Where control and status are.
    pub(super) const PLACE: (Address, u8) = (Address::page(0x2F, 144), 2);

    pub(super) const fn new() -> Self {
        Self {
            stage: Stage::Idle,
            control: 0,
            requested: false,
            found: false,
            deadline: Millis(0),
            polls: 0,
            releases: 0,
        }
    }

    /// Whether a release is owed.
    pub(super) const fn is_requested(&self) -> bool {
        self.requested
    }

    /// Begins the freeze.
    pub(super) fn freeze(&mut self) -> Next {
        self.stage = Stage::Control;
        Next::Read
    }

    /// Begins the release.
    pub(super) fn release(&mut self) -> Next {
        if !self.requested {
            return Next::Released(Release::NotNeeded);
        }
        self.releases = self.releases.saturating_add(1);
        self.stage = Stage::Releasing;
        Next::Write(self.control & !REQUEST)
    }

    /// Takes the reply to what was wanted last. A reply that does not belong to it counts as a failed access.
    pub(super) fn step(&mut self, now: Millis, reply: Reply<'_>) -> Next {
        match self.stage {
            Stage::Idle => Next::Released(Release::NotNeeded),
            Stage::Control => match registers(reply) {
                Ok((control, status)) => self.take_control(now, control, status),
                Err(error) => Next::Attempted(Err(FreezeFault::Transport(error))),
            },
            Stage::Requesting => match reply {
                Reply::Written => self.settle(now, Stage::Settling),
                other => Next::Attempted(Err(FreezeFault::Transport(failure(other)))),
            },
            Stage::Settling | Stage::ReleaseSettling => {
                self.stage =
                    if self.stage == Stage::Settling { Stage::Polling } else { Stage::ReleasePolling };
                Next::Read
            }
            Stage::Polling => match registers(reply) {
                Ok((control, status)) => self.take_freeze_poll(now, control, status),
                Err(error) => Next::Attempted(Err(FreezeFault::Transport(error))),
            },
            Stage::Releasing => match reply {
                Reply::Written => self.settle(now, Stage::ReleaseSettling),
                _ => self.rest(now),
            },
            Stage::Resting => self.release(),
            Stage::ReleasePolling => self.take_release_poll(now, registers(reply)),
        }
    }

    fn take_control(&mut self, now: Millis, control: u8, status: u8) -> Next {
        self.control = control;
        // From here on the request is, or may come to be, in the module.
        self.requested = true;
        if control & REQUEST == 0 {
            self.stage = Stage::Requesting;
            return Next::Write(control | REQUEST);
        }
        self.found = true;
        if status & FREEZE_DONE != 0 { self.attempted() } else { self.settle(now, Stage::Settling) }
    }

    fn attempted(&self) -> Next {
        Next::Attempted(Ok(if self.found { IntervalEnd::FoundFrozen } else { IntervalEnd::Frozen }))
    }

    /// The first poll comes when a module that keeps the specification is done: it is the only one then.
    fn settle(&mut self, now: Millis, stage: Stage) -> Next {
        self.stage = stage;
        self.polls = 0;
        self.deadline = now.after(with_margin(VDM_FREEZE_LIMIT));
        Next::Sleep(now.after(VDM_FREEZE_LIMIT))
    }

    /// Another poll, or `None` when the time is over.
    fn poll_again(&mut self, now: Millis, stage: Stage) -> Option<Next> {
        self.polls = self.polls.saturating_add(1);
        if now >= self.deadline || self.polls >= POLLS {
            return None;
        }
        self.stage = stage;
        Some(Next::Sleep(now.after(POLL)))
    }

    fn take_freeze_poll(&mut self, now: Millis, control: u8, status: u8) -> Next {
        self.control = control;
        if control & REQUEST == 0 {
            return Next::Attempted(Err(FreezeFault::Withdrawn));
        }
        if status & FREEZE_DONE != 0 {
            return self.attempted();
        }
        self.poll_again(now, Stage::Settling).unwrap_or(Next::Attempted(Err(FreezeFault::NotDone)))
    }

    fn rest(&mut self, now: Millis) -> Next {
        if self.releases >= RELEASES {
            return Next::Released(Release::StillFrozen);
        }
        self.stage = Stage::Resting;
        Next::Sleep(now.after(RELEASE_PAUSE))
    }

    fn take_release_poll(&mut self, now: Millis, registers: Result<(u8, u8), TransportError>) -> Next {
        if let Ok((control, status)) = registers {
            self.control = control;
            if control & REQUEST != 0 {
                return self.rest(now);
            }
            if status & UNFREEZE_DONE != 0 {
                return Next::Released(Release::Confirmed);
            }
        }
        self.poll_again(now, Stage::ReleaseSettling).unwrap_or(Next::Released(Release::Unconfirmed))
    }
}

/// 2Fh:144 and 145.
fn registers(reply: Reply<'_>) -> Result<(u8, u8), TransportError> {
    match reply {
        Reply::Data([control, status]) => Ok((*control, *status)),
        other => Err(failure(other)),
    }
}

/// The error of a reply that is not the wanted one.
fn failure(reply: Reply<'_>) -> TransportError {
    match reply {
        Reply::Failed(error) => error,
        _ => TransportError::TimedOut,
    }
}

impl Next {
    /// The operation for a runner; `None` where a phase is over.
    pub(super) fn op<T>(self) -> Option<Op<T>> {
        let (at, len) = Handshake::PLACE;
        match self {
            Self::Read => Some(read(at, len)),
            Self::Write(control) => Some(write(page2f::FREEZE_REQUEST.address(0), &[control])),
            Self::Sleep(until) => Some(Op::Sleep { until }),
            Self::Attempted(_) | Self::Released(_) => None,
        }
    }
}

/// Withdraws a freeze that somebody left behind: a procedure that was dropped half way, a host that died.
///
/// Writes nothing where no freeze is requested. Ends with how the release went.
#[derive(Debug)]
pub struct Unfreeze {
    handshake: Handshake,
    looking: bool,
}

impl Default for Unfreeze {
    fn default() -> Self {
        Self::new()
    }
}

impl Unfreeze {
    /// A release that has not begun.
    #[must_use]
    pub const fn new() -> Self {
        Self { handshake: Handshake::new(), looking: true }
    }
}

impl Procedure for Unfreeze {
    type Output = Result<Release, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        let (at, len) = Handshake::PLACE;
        if reply == Reply::Start {
            return read(at, len);
        }
        let next = if core::mem::take(&mut self.looking) {
            match registers(reply) {
                Ok((control, _)) if control & REQUEST == 0 => return Op::Done(Ok(Release::NotNeeded)),
                Ok((control, _)) => {
                    self.handshake.control = control;
                    self.handshake.requested = true;
                    self.handshake.release()
                }
                Err(source) => return Op::Done(Err(ProcError::Bus { at, source })),
            }
        } else {
            self.handshake.step(now, reply)
        };
        match next {
            Next::Released(release) => Op::Done(Ok(release)),
            next => next.op().unwrap_or(Op::Done(Err(ProcError::OutOfStep))),
        }
    }
}

#[cfg(test)]
mod tests;
