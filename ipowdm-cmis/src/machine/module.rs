//! Module state machine of a module with paged memory (OIF-CMIS-05.4, module state machine).

use crate::codes::ModuleState;

/// A state of the machine; Reset and MgmtInit are not visible in the registers, whose memory cannot be accessed then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModulePhase {
    /// Held in reset.
    Reset,
    /// Management interface initialising, at most 2 s.
    MgmtInit,
    /// Low power.
    LowPwr,
    /// Powering up.
    PwrUp,
    /// Ready.
    Ready,
    /// Powering down.
    PwrDn,
    /// Fault.
    Fault,
}

impl ModulePhase {
    /// All states.
    pub const ALL: [Self; 7] =
        [Self::Reset, Self::MgmtInit, Self::LowPwr, Self::PwrUp, Self::Ready, Self::PwrDn, Self::Fault];

    /// What the module reports; `None` while its memory cannot be accessed.
    #[must_use]
    pub const fn reported(self) -> Option<ModuleState> {
        match self {
            Self::Reset | Self::MgmtInit => None,
            Self::LowPwr => Some(ModuleState::LowPwr),
            Self::PwrUp => Some(ModuleState::PwrUp),
            Self::Ready => Some(ModuleState::Ready),
            Self::PwrDn => Some(ModuleState::PwrDn),
            Self::Fault => Some(ModuleState::Fault),
        }
    }

    /// Whether the machine leaves this state by itself after a time.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::MgmtInit | Self::PwrUp | Self::PwrDn)
    }
}

/// Inputs of the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModuleConditions {
    /// ResetS: reset pin or SoftwareReset.
    pub reset: bool,
    /// FaultS.
    pub fault: bool,
    /// LowPwrS: LowPwrRequestSW, or LowPwrAllowRequestHW with the LPMode pin.
    pub low_power: bool,
    /// Every data path is Deactivated.
    pub all_deactivated: bool,
    /// The work of the transient state is done.
    pub done: bool,
}

/// The state that follows, or the same.
///
/// ```text
/// any ─ResetS→ Reset ─¬ResetS→ MgmtInit ─done→ LowPwr ⇄ PwrUp / PwrDn ⇄ Ready;  any but Reset ─FaultS→ Fault
/// LowPwr ─¬LowPwrS→ PwrUp ─done→ Ready ─LowPwrExS→ PwrDn ─done→ LowPwr
/// PwrUp ─LowPwrS→ PwrDn;  PwrDn ─¬LowPwrS→ PwrUp
/// ```
/// Priority: reset, fault, others. LowPwrExS = LowPwrS and every data path Deactivated.
#[must_use]
pub const fn next_module_phase(phase: ModulePhase, on: ModuleConditions) -> ModulePhase {
    use ModulePhase::{Fault, LowPwr, MgmtInit, PwrDn, PwrUp, Ready, Reset};
    if on.reset {
        return Reset;
    }
    match phase {
        Reset => MgmtInit,
        Fault => Fault,
        _ if on.fault => Fault,
        MgmtInit if on.done => LowPwr,
        LowPwr if !on.low_power => PwrUp,
        PwrUp if on.low_power => PwrDn,
        PwrUp if on.done => Ready,
        Ready if on.low_power && on.all_deactivated => PwrDn,
        PwrDn if !on.low_power => PwrUp,
        PwrDn if on.done => LowPwr,
        same => same,
    }
}

#[cfg(test)]
mod tests {
    use super::ModulePhase::{Fault, LowPwr, MgmtInit, PwrDn, PwrUp, Ready, Reset};
    use super::*;

    fn conditions(bits: u8) -> ModuleConditions {
        ModuleConditions {
            reset: bits & 1 != 0,
            fault: bits & 2 != 0,
            low_power: bits & 4 != 0,
            all_deactivated: bits & 8 != 0,
            done: bits & 16 != 0,
        }
    }

    /// Next states without reset and fault, by (low_power, all_deactivated, done) counted up from (0, 0, 0) with
    /// low_power the fastest.
    const TABLE: [(ModulePhase, [ModulePhase; 8]); 7] = [
        (Reset, [MgmtInit; 8]),
        (MgmtInit, [MgmtInit, MgmtInit, MgmtInit, MgmtInit, LowPwr, LowPwr, LowPwr, LowPwr]),
        (LowPwr, [PwrUp, LowPwr, PwrUp, LowPwr, PwrUp, LowPwr, PwrUp, LowPwr]),
        (PwrUp, [PwrUp, PwrDn, PwrUp, PwrDn, Ready, PwrDn, Ready, PwrDn]),
        (Ready, [Ready, Ready, Ready, PwrDn, Ready, Ready, Ready, PwrDn]),
        (PwrDn, [PwrUp, PwrDn, PwrUp, PwrDn, PwrUp, LowPwr, PwrUp, LowPwr]),
        (Fault, [Fault; 8]),
    ];

    #[test]
    fn every_state_and_condition_goes_where_the_table_says() {
        for (phase, row) in TABLE {
            for bits in 0..32_u8 {
                let on = conditions(bits);
                let expected = if on.reset {
                    Reset
                } else if on.fault && phase != Reset {
                    Fault
                } else {
                    row[usize::from(bits >> 2)]
                };
                assert_eq!(next_module_phase(phase, on), expected, "{phase:?} on {on:?}");
            }
        }
    }

    #[test]
    fn only_reset_leaves_fault_and_only_hidden_states_report_nothing() {
        for phase in ModulePhase::ALL {
            assert_eq!(phase.reported().is_none(), matches!(phase, Reset | MgmtInit));
            if let Some(state) = phase.reported() {
                assert_eq!(ModuleState::from_code(state.code()), state);
            }
        }
    }
}
