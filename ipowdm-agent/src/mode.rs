//! How an agent shares a switch with the switch's own software.

use core::fmt;
use core::str::FromStr;
use serde::Deserialize;

/// What an agent reads and writes on a switch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Reads the switch's databases; writes nothing.
    Observe,
    /// Reads the switch's databases; configures through the switch's configuration database.
    Configure,
    /// As [`Mode::Observe`], and reads registers of the modules that do not change by being read; writes nothing.
    Supplement,
    /// Owns the modules: reads and writes their registers.
    Own,
}

impl Mode {
    /// Every mode, in the order of what it may change.
    pub const ALL: [Self; 4] = [Self::Observe, Self::Supplement, Self::Configure, Self::Own];

    /// The name in settings.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Configure => "configure",
            Self::Supplement => "supplement",
            Self::Own => "own",
        }
    }

    /// Whether commands may change anything.
    #[must_use]
    pub const fn may_change(self) -> bool {
        matches!(self, Self::Configure | Self::Own)
    }

    /// Whether registers of modules are accessed.
    #[must_use]
    pub const fn accesses_registers(self) -> bool {
        matches!(self, Self::Supplement | Self::Own)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What settings say about the mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ModeChoice {
    /// Whatever the switch was set up for; never one that writes beside the switch's own software.
    #[default]
    Auto,
    /// This one.
    Only(Mode),
}

impl fmt::Display for ModeChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Only(mode) => mode.fmt(f),
        }
    }
}

/// The text names no mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("none of auto, observe, configure, supplement and own")]
pub struct NoMode;

impl FromStr for ModeChoice {
    type Err = NoMode;

    fn from_str(text: &str) -> Result<Self, NoMode> {
        if text == "auto" {
            return Ok(Self::Auto);
        }
        Mode::ALL.into_iter().find(|mode| mode.name() == text).map(Self::Only).ok_or(NoMode)
    }
}

impl<'de> Deserialize<'de> for ModeChoice {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_reads_as_it_is_written_and_nothing_else_does() {
        let all = Mode::ALL.into_iter().map(ModeChoice::Only).chain([ModeChoice::Auto]);
        for choice in all {
            assert_eq!(choice.to_string().parse(), Ok(choice));
        }
        for other in ["", "Auto", "own ", "b"] {
            assert_eq!(other.parse::<ModeChoice>(), Err(NoMode), "{other:?}");
        }
    }

    #[test]
    fn only_configure_and_own_may_change_anything() {
        let may: Vec<Mode> = Mode::ALL.into_iter().filter(|mode| mode.may_change()).collect();
        assert_eq!(may, [Mode::Configure, Mode::Own]);
    }
}
