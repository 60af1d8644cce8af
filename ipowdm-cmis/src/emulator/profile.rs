//! What kind of module is emulated: data only, read from TOML.
//!
//! A profile says what the module advertises and how it really behaves. What has no behaviour of its own is given by the
//! register's name in the map and its physical value (`[registers.01] NominalWavelength = 1552.5`); everything else has
//! a section: applications, durations, laser, receiver, VDM, firmware. The built-in profiles are the files of
//! `profiles/` in this crate, which also are the documentation of the format by example. Names, part numbers and figures
//! in them are inventions.

mod check;
mod registers;

pub(super) use registers::write_registers;

use core::ops::Deref;
use core::time::Duration;
use ipowdm_core::grid::Grid;
use ipowdm_core::units::{Db, Power};
use serde::{Deserialize, Deserializer};
use std::collections::BTreeMap;
use std::path::Path;
use std::string::{String, ToString};
use std::sync::{Arc, LazyLock};
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
    /// Threshold set of the group, 0-15.
    #[serde(default)]
    pub thresholds: u8,
}

/// A threshold set, in the physical unit of the observable; what is absent never raises.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VdmThresholds {
    /// The set's number within its group, 0-15.
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

/// Why a profile cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProfileError {
    /// The file cannot be read.
    #[error("{path}: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// The operating system's words.
        reason: String,
    },
    /// Not TOML, or not of this shape; the words name the line.
    #[error("not a profile: {0}")]
    Syntax(String),
    /// A register that the map does not declare, or not on this page.
    #[error("registers.{page}: the map has no register {name:?} there")]
    UnknownRegister {
        /// The page as written.
        page: String,
        /// The name as written.
        name: String,
    },
    /// A value that the register cannot hold.
    #[error("registers.{page}.{name}: {problem}")]
    BadRegister {
        /// The page as written.
        page: String,
        /// The register.
        name: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A section contradicts itself or another one.
    #[error("{section}: {problem}")]
    Contradiction {
        /// The section.
        section: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BuiltIn {
    Zr400,
    OpenZrPlus,
    Zr800,
    Grey400,
    Copper,
    Dual400,
}

impl BuiltIn {
    const ALL: [Self; 6] =
        [Self::Zr400, Self::OpenZrPlus, Self::Zr800, Self::Grey400, Self::Copper, Self::Dual400];

    fn data(self) -> &'static ProfileData {
        static ALL: LazyLock<[ProfileData; 6]> = LazyLock::new(|| {
            BuiltIn::ALL.map(|built_in| {
                #[expect(
                    clippy::expect_used,
                    reason = "the text is part of the program, and a test reads every one of them"
                )]
                ProfileData::from_toml(built_in.text()).expect("a built-in profile is well-formed")
            })
        });
        let index = Self::ALL.iter().position(|other| *other == self).unwrap_or(0);
        &ALL[index]
    }

    const fn text(self) -> &'static str {
        match self {
            Self::Zr400 => include_str!("../../profiles/400zr.toml"),
            Self::OpenZrPlus => include_str!("../../profiles/openzrp.toml"),
            Self::Zr800 => include_str!("../../profiles/800zr.toml"),
            Self::Grey400 => include_str!("../../profiles/400g-fr4.toml"),
            Self::Copper => include_str!("../../profiles/copper.toml"),
            Self::Dual400 => include_str!("../../profiles/dual400.toml"),
        }
    }
}

#[derive(Debug, Clone)]
enum Source {
    BuiltIn(BuiltIn),
    Own(Arc<ProfileData>),
}

/// A module type: a handle that is cheap to clone, with the fields of [`ProfileData`].
#[derive(Debug, Clone)]
pub struct Profile(Source);

impl Profile {
    /// A plain 400ZR QSFP-DD module: power −15…−8 dBm. Its defaults would light it as soon as it is powered up.
    pub const ZR400: Self = Self(Source::BuiltIn(BuiltIn::Zr400));
    /// An OpenZR+ QSFP-DD module: 400/300/200/100G oFEC and 400ZR, power −15…0 dBm, background CDB.
    pub const OPENZRP: Self = Self(Source::BuiltIn(BuiltIn::OpenZrPlus));
    /// An 800ZR OSFP module with 15 applications, all ten grids and fine tuning.
    pub const ZR800: Self = Self(Source::BuiltIn(BuiltIn::Zr800));
    /// A grey 400G-FR4 module: four wavelengths, no tunable laser, no coherent pages.
    pub const GREY400: Self = Self(Source::BuiltIn(BuiltIn::Grey400));
    /// A passive copper cable with flat memory.
    pub const COPPER: Self = Self(Source::BuiltIn(BuiltIn::Copper));
    /// Two 400G carriers in one OSFP-XD module: 16 host lanes in two banks.
    pub const DUAL400: Self = Self(Source::BuiltIn(BuiltIn::Dual400));

    /// Every built-in profile.
    #[must_use]
    pub fn built_in() -> [Self; 6] {
        BuiltIn::ALL.map(|built_in| Self(Source::BuiltIn(built_in)))
    }

    /// The built-in profile of a name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        Self::built_in().into_iter().find(|profile| profile.name == name)
    }

    /// A profile from TOML text.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn from_toml(text: &str) -> Result<Self, ProfileError> {
        ProfileData::from_toml(text).map(|data| Self(Source::Own(Arc::new(data))))
    }

    /// A profile from a TOML file.
    ///
    /// # Errors
    /// [`ProfileError`].
    pub fn load(path: &Path) -> Result<Self, ProfileError> {
        let text = std::fs::read_to_string(path).map_err(|error| ProfileError::Unreadable {
            path: path.display().to_string(),
            reason: error.to_string(),
        })?;
        Self::from_toml(&text)
    }

    /// This profile with changes.
    ///
    /// # Errors
    /// [`ProfileError`] where the change makes it contradict itself.
    pub fn altered(&self, change: impl FnOnce(&mut ProfileData)) -> Result<Self, ProfileError> {
        let mut data = ProfileData::clone(self);
        change(&mut data);
        data.check()?;
        Ok(Self(Source::Own(Arc::new(data))))
    }
}

impl Deref for Profile {
    type Target = ProfileData;

    fn deref(&self) -> &ProfileData {
        match &self.0 {
            Source::BuiltIn(built_in) => built_in.data(),
            Source::Own(data) => data,
        }
    }
}

impl PartialEq for Profile {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl ProfileData {
    fn from_toml(text: &str) -> Result<Self, ProfileError> {
        let data: Self = toml::from_str(text).map_err(|error| ProfileError::Syntax(error.to_string()))?;
        data.check()?;
        Ok(data)
    }
}
