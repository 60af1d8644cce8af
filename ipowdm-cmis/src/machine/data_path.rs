//! Data path state machine (OIF-CMIS-05.4, data path state machine).

use crate::codes::DataPathState;

/// Inputs of the machine, already combined over the lanes of the data path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathConditions {
    /// DPDeinitS: module not Ready, or LowPwrS, or DPDeinit of any host lane.
    pub deinit: bool,
    /// DPReDeinitS: DPDeinitS, or DPInitPending of any host lane.
    pub re_deinit: bool,
    /// DPDeactivateS: DPReDeinitS, or the output of any media lane disabled or squelched.
    pub deactivate: bool,
    /// The active control set assigns an application to the lanes.
    pub provisioned: bool,
    /// The work of the transient state is done.
    pub done: bool,
}

/// The state that follows, or the same.
///
/// ```text
/// Deactivated ─¬DPDeinitS, provisioned→ Init ─done→ Initialized ─¬DPDeactivateS→ TxTurnOn ─done→ Activated
/// Activated, TxTurnOn ─DPDeactivateS→ TxTurnOff ─done→ Initialized ─DPReDeinitS→ Deinit ─done→ Deactivated
/// Init ─done, DPReDeinitS→ Deinit
/// ```
///
/// A reserved code stays where it is.
#[must_use]
pub const fn next_path_state(state: DataPathState, on: PathConditions) -> DataPathState {
    use DataPathState::{Activated, Deactivated, Deinit, Init, Initialized, TxTurnOff, TxTurnOn};
    match state {
        Deactivated if !on.deinit && on.provisioned => Init,
        Init if on.done && on.re_deinit => Deinit,
        Init if on.done => Initialized,
        Initialized if on.re_deinit => Deinit,
        Initialized if !on.deactivate => TxTurnOn,
        TxTurnOn | Activated if on.deactivate => TxTurnOff,
        TxTurnOn if on.done => Activated,
        TxTurnOff if on.done => Initialized,
        Deinit if on.done => Deactivated,
        same => same,
    }
}

#[cfg(test)]
mod tests {
    use super::DataPathState::{Activated, Deactivated, Deinit, Init, Initialized, TxTurnOff, TxTurnOn};
    use super::*;

    fn conditions(bits: u8) -> PathConditions {
        PathConditions {
            deinit: bits & 1 != 0,
            re_deinit: bits & 2 != 0,
            deactivate: bits & 4 != 0,
            provisioned: bits & 8 != 0,
            done: bits & 16 != 0,
        }
    }

    /// Every state with each of the 32 combinations, as the specification's transition list reads.
    fn expected(state: DataPathState, on: PathConditions) -> DataPathState {
        let transitions: &[(DataPathState, bool, DataPathState)] = &[
            (Deactivated, !on.deinit && on.provisioned, Init),
            (Init, on.done && on.re_deinit, Deinit),
            (Init, on.done && !on.re_deinit, Initialized),
            (Deinit, on.done, Deactivated),
            (Initialized, on.re_deinit, Deinit),
            (Initialized, !on.re_deinit && !on.deactivate, TxTurnOn),
            (TxTurnOn, on.deactivate, TxTurnOff),
            (TxTurnOn, !on.deactivate && on.done, Activated),
            (TxTurnOff, on.done, Initialized),
            (Activated, on.deactivate, TxTurnOff),
        ];
        let mut fired = transitions.iter().filter(|(from, when, _)| *from == state && *when);
        let to = fired.next().map_or(state, |(_, _, to)| *to);
        assert!(fired.next().is_none(), "{state} on {on:?} has two transitions");
        to
    }

    #[test]
    fn every_state_and_condition_goes_where_the_table_says() {
        for state in DataPathState::ALL {
            for bits in 0..32 {
                let on = conditions(bits);
                assert_eq!(next_path_state(*state, on), expected(*state, on), "{state} on {on:?}");
            }
        }
    }

    #[test]
    fn a_reserved_state_stays() {
        for bits in 0..32 {
            let unknown = DataPathState::Unknown(9);
            assert_eq!(next_path_state(unknown, conditions(bits)), unknown);
        }
    }

    #[test]
    fn without_done_only_steady_states_and_turn_on_are_left() {
        for state in [Init, Deinit, TxTurnOff] {
            for bits in 0..16 {
                assert_eq!(next_path_state(state, conditions(bits)), state);
            }
        }
    }

    #[test]
    fn a_full_life_goes_up_and_down() {
        let up = PathConditions { provisioned: true, done: true, ..PathConditions::default() };
        let down = PathConditions { deinit: true, re_deinit: true, deactivate: true, ..up };
        let mut state = Deactivated;
        for wanted in [Init, Initialized, TxTurnOn, Activated, Activated] {
            state = next_path_state(state, up);
            assert_eq!(state, wanted);
        }
        for wanted in [TxTurnOff, Initialized, Deinit, Deactivated, Deactivated] {
            state = next_path_state(state, down);
            assert_eq!(state, wanted);
        }
    }
}
