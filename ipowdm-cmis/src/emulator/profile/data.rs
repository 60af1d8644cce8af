//! The parts of a profile.

use core::time::Duration;
use ipowdm_core::grid::Grid;
use ipowdm_core::units::{Db, Power};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::string::String;
use std::vec::Vec;

/// A row of the application list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationRow {
    /// SFF-8024 host interface code.
    #[serde(rename = "host")]
    pub host_code: u8,
    /// SFF-8024 media interface code.
    #[serde(rename = "media")]
    pub media_code: u8,
    /// Host lanes of one instance.
    pub host_lanes: u8,
    /// Media lanes of one instance.
    pub media_lanes: u8,
    /// Host lanes on which an instance may begin, lane 1 in bit 0.
    pub host_assignment: u8,
    /// Media lanes on which an instance may begin, lane 1 in bit 0.
    pub media_assignment: u8,
}

/// How long a state really lasts, and the code that advertises its maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dwell {
    /// Real duration.
    #[serde(rename = "ms", deserialize_with = "millis")]
    pub actual: Duration,
    /// Advertised duration code (OIF-CMIS-05.4, 01h:144, 167, 168).
    #[serde(rename = "code")]
    pub advertised: u8,
}

/// What the control registers hold when the power comes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PowerOn {
    /// DPDeinit, 10h:128.
    pub deinit: u8,
    /// OutputDisableTx, 10h:130.
    pub output_disable_tx: u8,
    /// AppSel code in the control sets.
    #[serde(default = "first_application")]
    pub app_sel: u8,
    /// Level of the LPMode pin: high keeps the module in LowPwr until the host clears LowPwrAllowRequestHW.
    pub low_power_pin: bool,
}

const fn first_application() -> u8 {
    1
}

/// A grid with its lowest and highest channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GridChannels {
    /// The grid.
    pub grid: Grid,
    /// Lowest channel.
    pub low: i16,
    /// Highest channel.
    pub high: i16,
}

/// Fine tuning, in MHz (the 0.001 GHz of 04h:190-195).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FineTuning {
    /// Resolution.
    pub resolution_mhz: u16,
    /// Lowest offset.
    pub low_mhz: i16,
    /// Highest offset.
    pub high_mhz: i16,
}

/// A tunable transmitter (04h, 12h).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaserProfile {
    /// Grids.
    pub grids: Vec<GridChannels>,
    /// Fine tuning, where there is one.
    pub fine_tuning: Option<FineTuning>,
    /// Least programmable power.
    #[serde(rename = "min_power_dbm", deserialize_with = "dbm")]
    pub min_power: Power,
    /// Greatest programmable power.
    #[serde(rename = "max_power_dbm", deserialize_with = "dbm")]
    pub max_power: Power,
    /// Whether thresholds of the transmitted power can follow the target (04h:196.6).
    #[serde(default)]
    pub relative_thresholds: bool,
    /// Grid at power-on.
    pub default_grid: Grid,
    /// Channel at power-on.
    pub default_channel: i16,
    /// Target power at power-on.
    #[serde(rename = "default_power_dbm", deserialize_with = "dbm")]
    pub default_power: Power,
    /// Tuning of a laser that is on.
    #[serde(rename = "tuning_ms", deserialize_with = "millis")]
    pub tuning: Duration,
    /// Fine tuning of a laser that is on.
    #[serde(rename = "fine_tuning_ms", deserialize_with = "millis")]
    pub fine_tuning_time: Duration,
    /// Power change of a laser that is on.
    #[serde(rename = "power_change_ms", deserialize_with = "millis")]
    pub power_change: Duration,
    /// OSNR of the transmitter, 0.1 nm.
    #[serde(rename = "osnr_db", deserialize_with = "db")]
    pub osnr: Db,
}

/// A transmitter of fixed wavelengths.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixedTransmitter {
    /// Power of each lane.
    #[serde(rename = "power_dbm", deserialize_with = "dbm")]
    pub power: Power,
    /// Frequency of each lane, in MHz.
    pub frequencies_mhz: Vec<u32>,
}

/// The receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiverProfile {
    /// Power below which there is loss of signal.
    #[serde(rename = "los_dbm", deserialize_with = "dbm")]
    pub los: Power,
    /// Power below which the receiver does not lock.
    #[serde(rename = "sensitivity_dbm", deserialize_with = "dbm")]
    pub sensitivity: Power,
    /// Greatest dispersion that it compensates, in ps/nm.
    #[serde(default = "most_dispersion")]
    pub max_dispersion_ps_nm: u32,
}

const fn most_dispersion() -> u32 {
    20_000
}

/// How long the module does not acknowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HoldOffs {
    /// From power-on or reset to the management interface.
    #[serde(rename = "management_init_ms", deserialize_with = "millis")]
    pub management_init: Duration,
    /// After a write to 126-127.
    #[serde(rename = "page_ms", deserialize_with = "millis")]
    pub page: Duration,
    /// After another write.
    #[serde(rename = "write_ms", deserialize_with = "millis")]
    pub write: Duration,
    /// ConfigInProgress after an apply trigger.
    #[serde(rename = "configuring_ms", deserialize_with = "millis")]
    pub configuring: Duration,
}

/// How long the states last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateDurations {
    /// ModulePwrUp.
    pub power_up: Dwell,
    /// ModulePwrDn.
    pub power_down: Dwell,
    /// DPInit.
    pub dp_init: Dwell,
    /// DPDeinit.
    pub dp_deinit: Dwell,
    /// DPTxTurnOn.
    pub tx_on: Dwell,
    /// DPTxTurnOff.
    pub tx_off: Dwell,
}

/// An instance of VDM.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VdmInstance {
    /// Observable type code.
    pub observable: u8,
    /// Lane or data path from 0, 15 for the module.
    pub lane: u8,
    /// Threshold set of the group; of one that the group does not declare for this encoding, nothing is raised.
    #[serde(default)]
    pub thresholds: u8,
}

/// A threshold set, in the physical unit of the observable; what is absent never raises.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VdmThresholds {
    /// The set's number within its group, 0-13.
    pub set: u8,
    /// Observable whose encoding the values have.
    pub observable: u8,
    /// High alarm, low alarm, high warning, low warning.
    pub values: [f64; 4],
}

/// A VDM group: 64 instances, 16 threshold sets.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VdmGroup {
    /// Instances in order of their index.
    pub instances: Vec<VdmInstance>,
    /// Threshold sets.
    #[serde(default)]
    pub thresholds: Vec<VdmThresholds>,
}

/// Versatile diagnostics monitoring (20h-2Fh), and the intervals of the coherent statistics (34h, 35h, 3Ah).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VdmProfile {
    /// Sub-interval of the statistics (2Fh:129).
    #[serde(rename = "sub_interval_ms", deserialize_with = "millis")]
    pub sub_interval: Duration,
    /// FreezeRequest to FreezeDone, at most tVDMF.
    #[serde(rename = "freeze_ms", deserialize_with = "millis")]
    pub freeze: Duration,
    /// Groups, at most four.
    pub groups: Vec<VdmGroup>,
}

/// A firmware image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FirmwareVersion {
    /// Major.
    pub major: u8,
    /// Minor.
    pub minor: u8,
    /// Build.
    pub build: u16,
    /// At most 32 characters.
    #[serde(default)]
    pub description: String,
}

/// Command data block messaging and firmware.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CdbProfile {
    /// A query.
    #[serde(rename = "query_ms", deserialize_with = "millis")]
    pub query: Duration,
    /// Start of a download, which erases.
    #[serde(rename = "start_ms", deserialize_with = "millis")]
    pub start: Duration,
    /// Abort of a download.
    #[serde(rename = "abort_ms", deserialize_with = "millis")]
    pub abort: Duration,
    /// A block.
    #[serde(rename = "block_ms", deserialize_with = "millis")]
    pub block: Duration,
    /// Completion, which verifies.
    #[serde(rename = "complete_ms", deserialize_with = "millis")]
    pub complete: Duration,
    /// Copy of an image.
    #[serde(rename = "copy_ms", deserialize_with = "millis")]
    pub copy: Duration,
    /// Bytes of the start command that hold the vendor's header of the image.
    pub start_payload: u8,
    /// Most bytes of an image.
    pub image_capacity: u32,
    /// Whether a running image is replaced without dropping light.
    #[serde(default)]
    pub hitless: bool,
    /// Whether firmware commands need the host password.
    #[serde(default)]
    pub password_protected: bool,
    /// The factory's image, which image A holds when the module is new.
    pub image_a: FirmwareVersion,
    /// Image B, if there is one.
    pub image_b: Option<FirmwareVersion>,
}

/// A value of a register: physical, text, or one for each element of an array.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum RegisterValue {
    /// A flag.
    Flag(bool),
    /// A number in the register's unit.
    Number(f64),
    /// Text of a text register, hexadecimal digits of a byte string.
    Text(String),
    /// One number for each element.
    List(Vec<f64>),
}

/// Everything that tells one module type from another.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileData {
    /// Name of the profile.
    pub name: String,
    /// What the serial number begins with, at most 8 characters.
    pub serial_prefix: String,
    /// Registers without behaviour, by page (`lower`, `00` … `45`) and name.
    pub registers: BTreeMap<String, BTreeMap<String, RegisterValue>>,
    /// Applications in order of AppSel code, at most 15.
    pub applications: Vec<ApplicationRow>,
    /// Defaults.
    pub power_on: PowerOn,
    /// Hold-offs.
    pub hold_offs: HoldOffs,
    /// Durations of the states.
    pub durations: StateDurations,
    /// Refuse writes of more than eight bytes.
    #[serde(default = "yes")]
    pub enforce_write_limit: bool,
    /// Tunable laser.
    pub laser: Option<LaserProfile>,
    /// Fixed transmitter.
    pub fixed_transmitter: Option<FixedTransmitter>,
    /// Receiver.
    pub receiver: ReceiverProfile,
    /// VDM.
    pub vdm: Option<VdmProfile>,
    /// CDB.
    pub cdb: Option<CdbProfile>,
}

const fn yes() -> bool {
    true
}

fn millis<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    u32::deserialize(from).map(|millis| Duration::from_millis(u64::from(millis)))
}

fn dbm<'de, D: Deserializer<'de>>(from: D) -> Result<Power, D::Error> {
    Power::from_number(f64::deserialize(from)?).map_err(serde::de::Error::custom)
}

fn db<'de, D: Deserializer<'de>>(from: D) -> Result<Db, D::Error> {
    Db::from_number(f64::deserialize(from)?).map_err(serde::de::Error::custom)
}
