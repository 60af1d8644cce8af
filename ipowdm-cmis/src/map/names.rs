//! Names of the codes of enumerations.

pub use crate::codes::sff8024::{CONNECTORS, HOST_INTERFACES, IDENTIFIERS, MEDIA_TECHNOLOGIES, Names};

/// Speed of the management interface.
pub const MCI_SPEEDS: Names = &[(0, "400 kHz"), (1, "1 MHz"), (2, "3.4 MHz")];
/// Which reconfigurations a module with stepped configuration does by itself.
pub const AUTO_COMMISSIONING: Names =
    &[(0, "none"), (1, "only regular (ApplyDPInit)"), (2, "only hot (ApplyImmediate)")];
/// Module states.
pub const MODULE_STATES: Names = &[(1, "LowPwr"), (2, "PwrUp"), (3, "Ready"), (4, "PwrDn"), (5, "Fault")];
/// Causes of the fault state.
pub const FAULT_CAUSES: Names = &[
    (0, "none"),
    (1, "TEC runaway"),
    (2, "data memory corrupted"),
    (3, "program memory corrupted"),
    (4, "Tx fault"),
    (5, "Rx fault"),
    (6, "temperature"),
];
/// Results of password commands.
pub const PASSWORD_RESULTS: Names = &[
    (0, "unsupported"),
    (1, "module password accepted"),
    (2, "host password accepted"),
    (3, "not accepted"),
    (8, "validation in progress"),
];
/// Which state machines a module has.
pub const STATE_MACHINES: Names =
    &[(0, "legacy"), (1, "none"), (2, "MSM"), (3, "MSM+DPSM"), (4, "MSM+DPSM+NPSM")];
/// What the module is for.
pub const FUNCTION_TYPES: Names = &[(0, "transmission"), (1, "ELSFP resource")];
/// Media types.
pub const MEDIA_TYPES: Names =
    &[(1, "MMF"), (2, "SMF"), (3, "passive copper"), (4, "active cable"), (5, "BASE-T")];
/// Power classes.
pub const POWER_CLASSES: Names = &[
    (0, "class 1"),
    (1, "class 2"),
    (2, "class 3"),
    (3, "class 4"),
    (4, "class 5"),
    (5, "class 6"),
    (6, "class 7"),
    (7, "class 8"),
];
/// Multipliers of a cable's length.
pub const LENGTH_MULTIPLIERS: Names = &[(0, "0.1"), (1, "1"), (2, "10"), (3, "100")];
/// Multipliers of the reach over single-mode fibre.
pub const REACH_MULTIPLIERS: Names = &[(0, "0.1"), (1, "1"), (2, "10")];
/// Banks.
pub const BANKS: Names = &[(0, "1"), (1, "2"), (2, "4"), (3, "see 01h:174")];
/// Detectors.
pub const DETECTORS: Names = &[(0, "PIN"), (1, "APD")];
/// What a received power is.
pub const POWER_MEASUREMENTS: Names = &[(0, "OMA"), (1, "average")];
/// Multipliers of the laser bias.
pub const BIAS_FACTORS: Names = &[(0, "x1"), (1, "x2"), (2, "x4")];
/// Pages of extended CDB payload.
pub const PAYLOAD_PAGES: Names =
    &[(0, "0"), (1, "1"), (2, "2"), (3, "3"), (4, "4"), (5, "8"), (6, "12"), (7, "16")];
/// What starts a CDB command.
pub const COMMAND_TRIGGERS: Names =
    &[(0, "write of 129 alone or 128-129"), (1, "any write that includes 129")];
/// Advertisements that older modules do not make.
pub const LATE_ADVERTISEMENTS: Names = &[(0, "unknown"), (1, "no"), (2, "yes")];
/// Data path states.
pub const DATA_PATH_STATES: Names = &[
    (1, "Deactivated"),
    (2, "Init"),
    (3, "Deinit"),
    (4, "Activated"),
    (5, "TxTurnOn"),
    (6, "TxTurnOff"),
    (7, "Initialized"),
];
/// Results of configuration commands.
pub const CONFIG_STATUS: Names = &[
    (0x0, "Undefined"),
    (0x1, "Success"),
    (0x2, "Rejected"),
    (0x3, "RejectedInvalidAppSel"),
    (0x4, "RejectedInvalidDataPath"),
    (0x5, "RejectedInvalidSI"),
    (0x6, "RejectedLanesInUse"),
    (0x7, "RejectedPartialDataPath"),
    (0x8, "NoEmulation"),
    (0xC, "InProgress"),
    (0xD, "custom"),
    (0xE, "custom"),
    (0xF, "custom"),
];
/// Grid spacings in GHz.
pub const GRIDS: Names = &[
    (0x0, "3.125"),
    (0x1, "6.25"),
    (0x2, "12.5"),
    (0x3, "25"),
    (0x4, "50"),
    (0x5, "100"),
    (0x6, "33"),
    (0x7, "75"),
    (0x8, "150"),
    (0x9, "300"),
    (0xF, "not available"),
];
/// What page 14h shows.
pub const DIAGNOSTICS_SELECTORS: Names = &[
    (0x01, "BER"),
    (0x02, "host error counters, lanes 1-4"),
    (0x03, "host error counters, lanes 5-8"),
    (0x04, "media error counters, lanes 1-4"),
    (0x05, "media error counters, lanes 5-8"),
    (0x06, "SNR"),
    (0x11, "gated BER"),
    (0x12, "gated host error counters, lanes 1-4"),
    (0x13, "gated host error counters, lanes 5-8"),
    (0x14, "gated media error counters, lanes 1-4"),
    (0x15, "gated media error counters, lanes 5-8"),
];
/// Which power loss of signal is judged by.
pub const LOS_TYPES: Names = &[(0, "total"), (1, "signal"), (2, "both")];
