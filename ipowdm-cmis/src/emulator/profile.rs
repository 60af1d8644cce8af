//! What kind of module is emulated: data only, read from TOML.
//!
//! A profile says what the module advertises and how it really behaves. What has no behaviour of its own is given by the
//! register's name in the map and its physical value (`[registers.01] NominalWavelength = 1552.5`); everything else has
//! a section: applications, durations, laser, receiver, VDM, firmware. The built-in profiles are the files of
//! `profiles/` in this crate, which also are the documentation of the format by example. Names, part numbers and figures
//! in them are inventions.

mod check;
mod data;
mod registers;

pub use data::{
    ApplicationRow, CdbProfile, Dwell, FineTuning, FirmwareVersion, FixedTransmitter, GridChannels, HoldOffs,
    LaserProfile, PowerOn, ProfileData, ReceiverProfile, RegisterValue, StateDurations, VdmGroup,
    VdmInstance, VdmProfile, VdmThresholds,
};
pub(super) use registers::write_registers;

use core::ops::Deref;
use std::path::Path;
use std::string::{String, ToString};
use std::sync::{Arc, LazyLock};

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
