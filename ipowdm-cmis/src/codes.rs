//! Encodings: states, results and durations as the registers carry them.

mod f16;
mod observable;
pub mod sff8024;

pub use f16::F16;
pub use observable::{Format, Measured, Observable, Statistic};

use core::time::Duration;

macro_rules! coded {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $code:literal, $text:literal;)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $($(#[$vdoc])* $variant,)*
            /// A reserved or custom code, kept as it was read.
            Unknown(u8),
        }

        impl $name {
            /// Every defined value.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The value of a register code.
            #[must_use]
            pub const fn from_code(code: u8) -> Self {
                match code { $($code => Self::$variant,)* other => Self::Unknown(other) }
            }

            /// The register code.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)* Self::Unknown(code) => code }
            }

            /// The name in the specification's words.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $text,)* Self::Unknown(_) => "unknown" }
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                match self {
                    Self::Unknown(code) => write!(f, "unknown ({code:X}h)"),
                    known => f.write_str(known.name()),
                }
            }
        }
    };
}

coded! {
    /// Module state, 00h:3.3-1 (OIF-CMIS-05.4, module state machine).
    ModuleState {
        /// Low power.
        LowPwr = 1, "LowPwr";
        /// Powering up.
        PwrUp = 2, "PwrUp";
        /// High power, data paths may run.
        Ready = 3, "Ready";
        /// Powering down.
        PwrDn = 4, "PwrDn";
        /// Fault; only a reset leaves it.
        Fault = 5, "Fault";
    }
}

coded! {
    /// Data-path state, 11h:128-131 (OIF-CMIS-05.4, data path state machine).
    DataPathState {
        /// Not initialised.
        Deactivated = 1, "Deactivated";
        /// Initialising.
        Init = 2, "Init";
        /// De-initialising.
        Deinit = 3, "Deinit";
        /// Working, transmitter on.
        Activated = 4, "Activated";
        /// Transmitter turning on.
        TxTurnOn = 5, "TxTurnOn";
        /// Transmitter turning off.
        TxTurnOff = 6, "TxTurnOff";
        /// Initialised, transmitter off.
        Initialized = 7, "Initialized";
    }
}

impl DataPathState {
    /// Whether the module leaves this state by itself.
    #[must_use]
    pub const fn is_transient(self) -> bool {
        matches!(self, Self::Init | Self::Deinit | Self::TxTurnOn | Self::TxTurnOff)
    }
}

coded! {
    /// Result of the last configuration command of a lane, 11h:202-205.
    ConfigStatus {
        /// No command since the power came on.
        Undefined = 0x0, "Undefined";
        /// Accepted and copied to the active control set.
        Success = 0x1, "Success";
        /// Rejected without a reason.
        Rejected = 0x2, "Rejected";
        /// Rejected: AppSel not advertised or not on these lanes.
        InvalidAppSel = 0x3, "RejectedInvalidAppSel";
        /// Rejected: lanes do not form a data path.
        InvalidDataPath = 0x4, "RejectedInvalidDataPath";
        /// Rejected: signal integrity settings.
        InvalidSi = 0x5, "RejectedInvalidSI";
        /// Rejected: lanes belong to another data path.
        LanesInUse = 0x6, "RejectedLanesInUse";
        /// Rejected: command names a part of a data path.
        PartialDataPath = 0x7, "RejectedPartialDataPath";
        /// Rejected: no emulation of the requested function (CMIS 5.4).
        NoEmulation = 0x8, "NoEmulation";
        /// Being carried out.
        InProgress = 0xC, "InProgress";
    }
}

/// The longest time that a duration code allows (OIF-CMIS-05.4, 01h:144, 167, 168).
///
/// Code Dh has no upper end and Eh-Fh are reserved; two hours stand for them so that every wait ends.
#[must_use]
pub const fn duration_limit(code: u8) -> Duration {
    Duration::from_millis(match code {
        0 => 1,
        1 => 5,
        2 => 10,
        3 => 50,
        4 => 100,
        5 => 500,
        6 => 1_000,
        7 => 5_000,
        8 => 10_000,
        9 => 60_000,
        10 => 300_000,
        11 => 600_000,
        12 => 3_000_000,
        _ => 7_200_000,
    })
}

/// The least duration code whose limit holds `duration`.
#[must_use]
pub fn duration_code(duration: Duration) -> u8 {
    (0..=12).find(|code| duration <= duration_limit(*code)).unwrap_or(13)
}

/// SFF-8024 media interface codes of a decoded application are named by [`ipowdm_core::modes`]; an unlit entry ends the
/// list with this host interface code.
pub const END_OF_APPLICATIONS: u8 = 0xFF;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_survives_the_round_trip() {
        for code in 0..=u8::MAX {
            assert_eq!(ModuleState::from_code(code).code(), code);
            assert_eq!(DataPathState::from_code(code).code(), code);
            assert_eq!(ConfigStatus::from_code(code).code(), code);
        }
    }

    #[test]
    fn a_duration_code_is_the_upper_end_of_its_band() {
        assert_eq!(duration_limit(9), Duration::from_secs(60));
        assert_eq!(duration_code(Duration::from_secs(12)), 9);
        assert_eq!(duration_code(Duration::from_secs(60)), 9);
        assert_eq!(duration_code(Duration::from_millis(60_001)), 10);
        for code in 0..=12 {
            assert_eq!(duration_code(duration_limit(code)), code);
        }
    }
}
