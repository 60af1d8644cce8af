//! A configuration command under way: what its ConfigStatus means.

use super::{LaneStatuses, ProcError};
use crate::codes::ConfigStatus;
use crate::time::Millis;
use core::time::Duration;

/// Triggers given before the module is taken to ignore them.
pub(super) const MOST_TRIGGERS: u8 = 3;
/// Time after the trigger in which an old ConfigStatus is not believed.
const STATUS_GRACE: Duration = Duration::from_millis(500);
/// Least time allowed to the end of ConfigInProgress: the specification gives no limit of its own.
pub(super) const CONFIG_LIMIT: Duration = Duration::from_secs(10);

/// What a look at ConfigStatus and the active control set says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The module is at it.
    InProgress,
    /// Accepted on every lane, and the active control set shows it.
    Done,
    /// Too early to believe the status.
    Wait,
    /// Refused: the first lane and its status.
    Refused(u8, ConfigStatus),
    /// Neither accepted nor refused: a trigger in a transient state is ignored without a word.
    Ignored,
}

/// A trigger and what it was given for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Application {
    /// Lanes named in the trigger.
    pub(super) mask: u8,
    /// DPConfig bytes wanted on these lanes.
    pub(super) wanted: [u8; 8],
    /// Bits of a DPConfig byte that are compared.
    compared: u8,
    pub(super) attempts: u8,
    triggered: Millis,
    seen_in_progress: bool,
}

impl Application {
    /// ExplicitControl (bit 0) chooses signal integrity settings, not the application.
    pub(super) const fn new() -> Self {
        Self {
            mask: 0,
            wanted: [0; 8],
            compared: 0xFE,
            attempts: 0,
            triggered: Millis(0),
            seen_in_progress: false,
        }
    }

    /// Notes that the trigger is written now.
    pub(super) const fn trigger(&mut self, now: Millis) {
        self.attempts += 1;
        self.triggered = now;
        self.seen_in_progress = false;
    }

    /// Judges a look; `before` is the status from before the first trigger.
    pub(super) fn judge(
        &mut self,
        now: Millis,
        status: &[ConfigStatus; 8],
        active: &[u8; 8],
        before: &[ConfigStatus; 8],
    ) -> Verdict {
        let named = |lane: &usize| self.mask & (1 << lane) != 0;
        if (0..8).filter(named).any(|lane| status[lane] == ConfigStatus::InProgress) {
            self.seen_in_progress = true;
            return Verdict::InProgress;
        }
        let arrived = |lane: usize| (active[lane] ^ self.wanted[lane]) & self.compared == 0;
        if (0..8).filter(named).all(|lane| status[lane] == ConfigStatus::Success && arrived(lane)) {
            return Verdict::Done;
        }
        // An unchanged status may still be that of an earlier command.
        let fresh = self.seen_in_progress || now.elapsed_since(self.triggered) >= STATUS_GRACE;
        let refused = (0..8).filter(named).find(|lane| {
            !matches!(status[*lane], ConfigStatus::Success | ConfigStatus::Undefined)
                && (fresh || status[*lane] != before[*lane])
        });
        match refused {
            Some(lane) => Verdict::Refused(u8::try_from(lane).unwrap_or(7) + 1, status[lane]),
            None if fresh => Verdict::Ignored,
            None => Verdict::Wait,
        }
    }

    /// The error of a refusal.
    pub(super) const fn rejection(lane: u8, status: ConfigStatus, all: [ConfigStatus; 8]) -> ProcError {
        ProcError::Rejected { lane, status, lanes: LaneStatuses(all) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ConfigStatus::{InProgress, Rejected, Success, Undefined};

    fn applied() -> Application {
        let mut apply = Application::new();
        apply.mask = 0x03;
        apply.wanted = [0x10, 0x10, 0, 0, 0, 0, 0, 0];
        apply.trigger(Millis(0));
        apply
    }

    const OLD: [ConfigStatus; 8] = [Undefined; 8];
    const RIGHT: [u8; 8] = [0x11, 0x10, 0, 0, 0, 0, 0, 0];

    fn status(first: ConfigStatus, second: ConfigStatus) -> [ConfigStatus; 8] {
        [first, second, Rejected, Rejected, Rejected, Rejected, Rejected, Rejected]
    }

    #[test]
    fn success_counts_only_with_the_active_set_and_only_on_named_lanes() {
        let mut apply = applied();
        assert_eq!(apply.judge(Millis(1), &status(Success, Success), &RIGHT, &OLD), Verdict::Done);
        assert_eq!(apply.judge(Millis(1), &status(Success, Success), &[0; 8], &OLD), Verdict::Wait);
        assert_eq!(apply.judge(Millis(500), &status(Success, Success), &[0; 8], &OLD), Verdict::Ignored);
    }

    #[test]
    fn an_old_refusal_is_not_believed_before_its_time_and_a_new_one_is() {
        let before = status(Rejected, Undefined);
        let mut apply = applied();
        let same = status(Rejected, Undefined);
        assert_eq!(apply.judge(Millis(1), &same, &[0; 8], &before), Verdict::Wait);
        assert_eq!(apply.judge(Millis(500), &same, &[0; 8], &before), Verdict::Refused(1, Rejected));
        let new = status(Rejected, Rejected);
        assert_eq!(apply.judge(Millis(1), &new, &[0; 8], &before), Verdict::Refused(2, Rejected));
        assert_eq!(
            apply.judge(Millis(1), &status(InProgress, InProgress), &[0; 8], &before),
            Verdict::InProgress
        );
        assert_eq!(apply.judge(Millis(2), &same, &[0; 8], &before), Verdict::Refused(1, Rejected));
    }
}
