//! What the optics of a module did when: which light left it and what its receivers were tuned to.
//!
//! Receivers look at the past, because the state of a module is computed when somebody looks: the monitors of one end at
//! an instant follow from what the other end emitted at that instant.

use super::receiver::Emission;
use crate::time::Millis;
use ipowdm_core::units::Frequency;
use std::collections::VecDeque;

/// Media lanes of all banks.
pub(crate) const CARRIERS: usize = 8;
/// Changes that are remembered. Between two looks a module changes its light a few times at most.
const REMEMBERED: usize = 32;

/// The optics at an instant, by media lane, banks one after the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct OpticalState {
    /// What leaves the module.
    pub(crate) emissions: [Option<Emission>; CARRIERS],
    /// What the local oscillator is at, while it is on and settled; for direct detection the wavelength of the lane.
    pub(crate) oscillators: [Option<Frequency>; CARRIERS],
    /// Media interface code that the receiver is provisioned for.
    pub(crate) receives: [Option<u8>; CARRIERS],
    /// Lanes whose transmitted signal is looped back to their receiver.
    pub(crate) looped: u8,
}

/// The optical past of a module, bounded.
#[derive(Debug, Clone, Default)]
pub(crate) struct OpticalLog {
    entries: VecDeque<(Millis, OpticalState)>,
}

impl OpticalLog {
    /// Notes the state from `at` on; nothing where it has not changed.
    pub(crate) fn note(&mut self, at: Millis, state: OpticalState) {
        if self.entries.back().is_some_and(|(_, last)| *last == state) {
            return;
        }
        if self.entries.len() == REMEMBERED {
            self.entries.pop_front();
        }
        self.entries.push_back((at, state));
    }

    /// The state at an instant; before the first that is remembered, that one.
    pub(crate) fn at(&self, at: Millis) -> OpticalState {
        let known = self.entries.iter().rev().find(|(since, _)| *since <= at).or(self.entries.front());
        known.map_or_else(OpticalState::default, |(_, state)| *state)
    }

    /// The latest state.
    pub(crate) fn latest(&self) -> OpticalState {
        self.entries.back().map_or_else(OpticalState::default, |(_, state)| *state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(looped: u8) -> OpticalState {
        OpticalState { looped, ..OpticalState::default() }
    }

    #[test]
    fn the_past_is_found_by_time_and_bounded() {
        let mut log = OpticalLog::default();
        assert_eq!(log.at(Millis(5)), OpticalState::default());
        for step in 0..100_u8 {
            log.note(Millis(u64::from(step) * 10), state(step));
            log.note(Millis(u64::from(step) * 10 + 5), state(step));
        }
        assert_eq!(log.at(Millis(995)), state(99));
        assert_eq!(log.at(Millis(989)), state(98));
        assert_eq!(log.at(Millis(0)), state(68), "the oldest that is remembered");
        assert_eq!(log.entries.len(), REMEMBERED);
    }
}
