//! What a port is to be through the switch's configuration, and what of it is refused.

use super::view::View;
use crate::mode::Mode;
use crate::port::Failure;
use ipowdm_core::capability::PowerRange;
use ipowdm_core::error::Code;
use ipowdm_core::grid::{Grid, GridError};
use ipowdm_core::units::{Frequency, Power};

/// Fields of `PORT|<port>` to be set, at one stroke: every change of the row makes xcvrd begin anew with the port.
pub type Fields = Vec<(&'static str, String)>;

/// What a port is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// Lit at a frequency and a power.
    Lit {
        /// The frequency.
        frequency: Frequency,
        /// The power.
        tx_power: Power,
        /// The media interface that the module's application must have.
        media_code: Option<u8>,
    },
    /// At a power, otherwise as it is.
    Power(Power),
    /// Administratively up, otherwise as it is.
    Up,
    /// Administratively down, and so dark.
    Down,
}

/// Why a goal is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The mode changes nothing.
    #[error(
        "the agent changes nothing here in mode {0}: set [modules] mode = \"configure\" (or MODULES_MODE=configure) to \
         let it write the switch's configuration"
    )]
    ReadOnly(Mode),
    /// The switch's configuration does not have the port.
    #[error("the port is not in the switch's configuration")]
    NoPort,
    /// xcvrd takes 0 for `not set`.
    #[error("0 GHz cannot be configured: the switch takes it for no frequency")]
    ZeroFrequency,
    /// xcvrd takes 0 for `not set`.
    #[error("0.0 dBm cannot be configured through the switch: it takes 0 for no power; take 0.1 or -0.1 dBm")]
    ZeroPower,
    /// The configuration has one digit after the point.
    #[error("{0} cannot be configured through the switch: it takes steps of 0.1 dB")]
    PowerStep(Power),
    /// xcvrd tunes on the 75 GHz grid and no other.
    #[error("the switch tunes on the 75 GHz grid alone: {0}")]
    OffGrid(GridError),
    /// The module does not reach the frequency.
    #[error("{frequency} is outside what the module can tune to, {low} to {high}")]
    FrequencyOutOfRange {
        /// The refused frequency.
        frequency: Frequency,
        /// The least.
        low: Frequency,
        /// The greatest.
        high: Frequency,
    },
    /// The module does not reach the power.
    #[error("{power} is outside the module's range, {} to {}", range.min, range.max)]
    PowerOutOfRange {
        /// The refused power.
        power: Power,
        /// What it reaches.
        range: PowerRange,
    },
    /// The switch does not say what the module reaches: it is not coherent, or not read yet.
    #[error(
        "the switch does not say what the module can be set to (no supported_min/max in TRANSCEIVER_INFO)"
    )]
    NoRange,
    /// No application of the module has the media interface.
    #[error("no application of the module has media interface {0:02X}h")]
    NoApplication(u8),
    /// Nothing could be read back.
    #[error(
        "dom_polling is disabled, so that nothing could be read back: config interface transceiver dom PORT enable"
    )]
    NotPolled,
}

impl Refused {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::ReadOnly(_) => Code::Forbidden,
            Self::NoPort => Code::UnknownPort,
            Self::ZeroFrequency | Self::ZeroPower | Self::PowerStep(_) => Code::InvalidField,
            Self::OffGrid(_) => Code::FrequencyOffGrid,
            Self::FrequencyOutOfRange { .. } => Code::FrequencyOutOfRange,
            Self::PowerOutOfRange { .. } => Code::PowerOutOfRange,
            Self::NoRange | Self::NoApplication(_) => Code::Unsupported,
            Self::NotPolled => Code::IllegalState,
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self::new(refused.code(), refused.to_string())
    }
}

impl Goal {
    /// Refuses what the switch would bend, ignore or only log, and what could not be read back.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn check(&self, view: &View) -> Result<(), Refused> {
        if view.config.is_empty() {
            return Err(Refused::NoPort);
        }
        match *self {
            Self::Up | Self::Down => return Ok(()),
            Self::Power(power) => check_power(power, view)?,
            Self::Lit { frequency, tx_power, media_code } => {
                check_frequency(frequency, view)?;
                check_power(tx_power, view)?;
                if let Some(code) = media_code
                    && view.facts().capability.application(code).is_none()
                {
                    return Err(Refused::NoApplication(code));
                }
            }
        }
        if view.config.text("dom_polling") == Some("disabled") { Err(Refused::NotPolled) } else { Ok(()) }
    }

    /// The fields of the configuration that differ from the goal, as they are to be.
    #[must_use]
    pub fn missing(&self, view: &View) -> Fields {
        let mut fields = Fields::new();
        let frequency = match self {
            Self::Lit { frequency, .. } => Some(frequency.mhz() / 1_000),
            Self::Power(_) | Self::Up | Self::Down => None,
        };
        if let Some(ghz) = frequency
            && view.config.number("laser_freq") != Some(f64::from(ghz))
        {
            fields.push(("laser_freq", ghz.to_string()));
        }
        if let Some(power) = self.tx_power()
            && view.config.number("tx_power").and_then(|dbm| Power::from_number(dbm).ok()) != Some(power)
        {
            let tenths = power.hundredths() / 10;
            let sign = if tenths < 0 { "-" } else { "" };
            let tenths = tenths.unsigned_abs();
            fields.push(("tx_power", format!("{sign}{}.{}", tenths / 10, tenths % 10)));
        }
        let up = match self {
            Self::Lit { .. } | Self::Up => Some(true),
            Self::Down => Some(false),
            Self::Power(_) => None,
        };
        if let Some(up) = up
            && view.is_admin_up() != up
        {
            fields.push(("admin_status", if up { "up" } else { "down" }.to_string()));
        }
        fields
    }

    /// The power that it asks for.
    #[must_use]
    pub const fn tx_power(&self) -> Option<Power> {
        match self {
            Self::Lit { tx_power, .. } | Self::Power(tx_power) => Some(*tx_power),
            Self::Up | Self::Down => None,
        }
    }
}

fn check_frequency(frequency: Frequency, view: &View) -> Result<(), Refused> {
    if frequency.mhz() == 0 {
        return Err(Refused::ZeroFrequency);
    }
    let (low, high) = view.frequency_range().ok_or(Refused::NoRange)?;
    if !(low..=high).contains(&frequency) {
        return Err(Refused::FrequencyOutOfRange { frequency, low, high });
    }
    Grid::Ghz75.channel(frequency).map(|_| ()).map_err(Refused::OffGrid)
}

fn check_power(power: Power, view: &View) -> Result<(), Refused> {
    if power.hundredths() == 0 {
        return Err(Refused::ZeroPower);
    }
    if power.hundredths() % 10 != 0 {
        return Err(Refused::PowerStep(power));
    }
    let range = view.power_range().ok_or(Refused::NoRange)?;
    if range.holds(power) { Ok(()) } else { Err(Refused::PowerOutOfRange { power, range }) }
}

#[cfg(test)]
mod tests {
    use super::super::Row;
    use super::super::view::tests::lit;
    use super::*;

    fn goal(mhz: u32, hundredths: i16) -> Goal {
        let frequency = Frequency::from_mhz(mhz);
        Goal::Lit { frequency, tx_power: Power::from_hundredths(hundredths), media_code: None }
    }

    #[test]
    fn what_the_switch_would_bend_is_refused_by_name() {
        let code = |goal: Goal| goal.check(&lit()).map_err(|refused| refused.code());
        assert_eq!(code(goal(193_100_000, -1_000)), Ok(()));
        assert_eq!(goal(193_100_000, 0).check(&lit()), Err(Refused::ZeroPower));
        assert_eq!(Goal::Power(Power::from_hundredths(0)).check(&lit()), Err(Refused::ZeroPower));
        assert_eq!(goal(0, -1_000).check(&lit()), Err(Refused::ZeroFrequency));
        assert_eq!(code(goal(193_200_000, -1_000)), Err(Code::FrequencyOffGrid));
        assert_eq!(code(goal(193_100_500, -1_000)), Err(Code::FrequencyOffGrid));
        assert_eq!(code(goal(191_225_000, -1_000)), Err(Code::FrequencyOutOfRange));
        assert_eq!(code(goal(193_100_000, 110)), Err(Code::PowerOutOfRange));
        assert_eq!(code(goal(193_100_000, -1_005)), Err(Code::InvalidField));
        let other = Goal::Lit {
            frequency: Frequency::ANCHOR,
            tx_power: Power::from_hundredths(-1_000),
            media_code: Some(0x46),
        };
        assert_eq!(other.check(&lit()), Err(Refused::NoApplication(0x46)));
    }

    #[test]
    fn what_could_not_be_read_back_is_not_begun() {
        let mut view = lit();
        view.config = Row::of([("admin_status", "up"), ("dom_polling", "disabled")]);
        assert_eq!(goal(193_100_000, -1_000).check(&view), Err(Refused::NotPolled));
        // Light goes out whether anybody watches or not.
        assert_eq!(Goal::Down.check(&view), Ok(()));
        view.config = Row::default();
        assert_eq!(Goal::Down.check(&view), Err(Refused::NoPort));
        view = lit();
        view.info = Row::of([("serial", "X")]);
        assert_eq!(goal(193_100_000, -1_000).check(&view), Err(Refused::NoRange));
    }

    #[test]
    fn only_what_differs_is_set() {
        let view = lit();
        assert_eq!(goal(193_100_000, -1_000).missing(&view), []);
        assert_eq!(goal(193_175_000, -1_000).missing(&view), [("laser_freq", "193175".to_string())]);
        assert_eq!(
            Goal::Power(Power::from_hundredths(-50)).missing(&view),
            [("tx_power", "-0.5".to_string())]
        );
        assert_eq!(Goal::Down.missing(&view), [("admin_status", "down".to_string())]);
        assert_eq!(Goal::Up.missing(&view), []);
        let mut fresh = lit();
        fresh.config = Row::of([("admin_status", "down"), ("laser_freq", "0")]);
        let all = goal(193_100_000, 70).missing(&fresh);
        assert_eq!(
            all,
            [
                ("laser_freq", "193100".to_string()),
                ("tx_power", "0.7".to_string()),
                ("admin_status", "up".to_string())
            ]
        );
    }
}
