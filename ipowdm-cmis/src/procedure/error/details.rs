//! What errors name beside their cause: lanes, legal applications, flags.

use crate::codes::ConfigStatus;
use crate::procedure::module_info::Application;
use core::fmt;

/// Lanes of a bank, lane 1 in bit 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneSet(pub u8);

impl fmt::Display for LaneSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("none");
        }
        let mut first = true;
        for lane in (0..8).filter(|lane| self.0 & (1 << lane) != 0) {
            write!(f, "{}{}", if first { "" } else { ", " }, lane + 1)?;
            first = false;
        }
        Ok(())
    }
}

/// The ConfigStatus of the eight lanes of a bank.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LaneStatuses(pub [ConfigStatus; 8]);

impl fmt::Display for LaneStatuses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (lane, status) in self.0.iter().enumerate() {
            if lane > 0 {
                f.write_str(", ")?;
            }
            write!(f, "{} {status}", lane + 1)?;
        }
        Ok(())
    }
}

/// The applications that a module advertises, as far as an error names them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LegalApplications {
    /// Host and media interface code by AppSel code, from 1.
    codes: [(u8, u8); 15],
    len: u8,
}

impl LegalApplications {
    pub(in crate::procedure) fn of(applications: &[Application]) -> Self {
        let mut codes = [(0, 0); 15];
        for (slot, application) in codes.iter_mut().zip(applications) {
            *slot = (application.info.host_code, application.info.media_code);
        }
        Self { codes, len: u8::try_from(applications.len().min(15)).unwrap_or(15) }
    }

    /// How many there are; their AppSel codes are 1 to this.
    #[must_use]
    pub const fn len(&self) -> u8 {
        self.len
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }
}

impl fmt::Display for LegalApplications {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("none");
        }
        for (index, (host, media)) in self.codes.iter().take(usize::from(self.len)).enumerate() {
            if index > 0 {
                f.write_str(", ")?;
            }
            write!(f, "AppSel {} (host {host:02X}h, media {media:02X}h)", index + 1)?;
        }
        Ok(())
    }
}

/// Flags by which a laser refuses a setting, 12h:231.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TuningFlags(pub u8);

impl TuningFlags {
    /// The flags that mean a refusal: bits 5-2.
    pub const REFUSALS: u8 = 0x3C;

    /// Whether the setting was refused.
    #[must_use]
    pub const fn refuses(self) -> bool {
        self.0 & Self::REFUSALS != 0
    }
}

impl fmt::Display for TuningFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const NAMES: [(u8, &str); 6] = [
            (0x20, "target power out of range"),
            (0x10, "fine tuning offset out of range"),
            (0x08, "not accepted, tuning was in progress"),
            (0x04, "invalid channel number"),
            (0x02, "wavelength unlocked"),
            (0x01, "tuning complete"),
        ];
        let mut first = true;
        for (_, name) in NAMES.iter().filter(|(bit, _)| self.0 & bit != 0) {
            f.write_str(if first { "" } else { ", " })?;
            f.write_str(name)?;
            first = false;
        }
        if first { f.write_str("no flag") } else { Ok(()) }
    }
}
