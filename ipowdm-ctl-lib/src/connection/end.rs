//! One end of a connection: what it is to be, and what is known of it.

use super::event::{CommandNumber, Order};
use ipowdm_core::grid::{CHANNEL_ROUNDING_MHZ, LASER_TOLERANCE_MHZ};
use ipowdm_core::msg::{DATA_PATH_ACTIVATED, DATA_PATH_DARK, Readback, TelemetryFields};
use ipowdm_core::qot::End;
use ipowdm_core::time::Timestamp;
use ipowdm_core::units::{Frequency, Power};
use serde::{Deserialize, Serialize};

/// A pair of values, one per end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Ends<T> {
    /// Of the end where the connection was asked to start.
    pub source: T,
    /// Of the end where it was asked to end.
    pub destination: T,
}

impl<T> Ends<T> {
    /// Both ends in order.
    pub const BOTH: [End; 2] = [End::Source, End::Destination];

    /// The value of one end.
    pub const fn get(&self, end: End) -> &T {
        match end {
            End::Source => &self.source,
            End::Destination => &self.destination,
        }
    }

    /// The value of one end, to be changed.
    pub const fn get_mut(&mut self, end: End) -> &mut T {
        match end {
            End::Source => &mut self.source,
            End::Destination => &mut self.destination,
        }
    }

    /// Another pair, made end by end.
    pub fn map<U>(&self, mut f: impl FnMut(End, &T) -> U) -> Ends<U> {
        Ends { source: f(End::Source, &self.source), destination: f(End::Destination, &self.destination) }
    }

    /// Whether something holds at both ends.
    pub fn all(&self, mut f: impl FnMut(&T) -> bool) -> bool {
        f(&self.source) && f(&self.destination)
    }

    /// Whether something holds at one end at least.
    pub fn any(&self, mut f: impl FnMut(&T) -> bool) -> bool {
        f(&self.source) || f(&self.destination)
    }
}

/// What one end is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// Laser frequency; the receiver's local oscillator is the same laser.
    pub frequency: Frequency,
    /// Programmed transmit power; `None` where the module does not let the host set it.
    pub tx_power: Option<Power>,
    /// SFF-8024 media interface code of the application.
    pub media_code: u8,
}

/// A register that is not what was wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Mismatch {
    /// The ack carries no read-back at all.
    #[error("nothing was read back")]
    Nothing,
    /// The programmed frequency.
    #[error("frequency: wanted {wanted}, read back {got:?}")]
    Frequency {
        /// What it was to be.
        wanted: Frequency,
        /// What the module is set to.
        got: Option<Frequency>,
    },
    /// The laser is not on its channel.
    #[error("laser frequency: wanted {wanted}, the laser reports {got}")]
    Laser {
        /// What it was to be.
        wanted: Frequency,
        /// What the laser reports.
        got: Frequency,
    },
    /// The programmed power.
    #[error("transmit power: wanted {wanted}, read back {got:?}")]
    TxPower {
        /// What it was to be.
        wanted: Power,
        /// What the module reports.
        got: Option<Power>,
    },
    /// The data path does not carry traffic.
    #[error("the data path is not activated")]
    DataPath,
    /// The transmitter is off.
    #[error("the transmitter is off")]
    Transmitter,
}

impl Wanted {
    /// Whether registers read back after the work are as wanted: programmed frequency to the megahertz, the laser's own
    /// report where there is one within [`LASER_TOLERANCE_MHZ`], power to the hundredth, data path activated, transmitter
    /// not off.
    ///
    /// # Errors
    /// The first [`Mismatch`]. A value that was not read does not match.
    pub fn check(&self, readback: Option<&Readback>) -> Result<(), Mismatch> {
        let readback = readback.ok_or(Mismatch::Nothing)?;
        let got = readback.frequency_mhz;
        if got.is_none_or(|got| got.distance(self.frequency) > CHANNEL_ROUNDING_MHZ) {
            return Err(Mismatch::Frequency { wanted: self.frequency, got });
        }
        if let Some(got) = readback.laser_frequency_mhz
            && got.distance(self.frequency) > LASER_TOLERANCE_MHZ
        {
            return Err(Mismatch::Laser { wanted: self.frequency, got });
        }
        if let Some(wanted) = self.tx_power
            && readback.tx_power_dbm != Some(wanted)
        {
            return Err(Mismatch::TxPower { wanted, got: readback.tx_power_dbm });
        }
        if readback.data_path_state.as_deref() != Some(DATA_PATH_ACTIVATED) {
            return Err(Mismatch::DataPath);
        }
        if readback.tx_enabled == Some(false) {
            return Err(Mismatch::Transmitter);
        }
        Ok(())
    }

    /// Whether what a sample says is as wanted; `None` where it says nothing about it.
    #[must_use]
    pub fn agrees(&self, fields: &TelemetryFields) -> Option<bool> {
        let tuned = fields.frequency_mhz.map(|got| got.distance(self.frequency) <= LASER_TOLERANCE_MHZ);
        let powered = match (self.tx_power, fields.tx_power_configured) {
            (Some(wanted), Some(got)) => Some(wanted == got),
            _ => None,
        };
        let shining = fields.data_path_state.as_deref().map(|state| state == DATA_PATH_ACTIVATED);
        [tuned, powered, shining].into_iter().flatten().reduce(|all, one| all && one)
    }
}

/// What is known about the light that an end sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Light {
    /// Off: never commanded on, refused, acknowledged or observed off.
    #[default]
    Dark,
    /// Commanded on and not answered yet, or failed half way.
    Unknown,
    /// Acknowledged or observed on.
    Lit,
}

impl Light {
    /// What a read-back shows; `None` where it shows neither.
    #[must_use]
    pub fn read_back(readback: &Readback) -> Option<Self> {
        match readback.tx_enabled {
            Some(false) => Some(Self::Dark),
            _ => Self::of_data_path(readback.data_path_state.as_deref()?),
        }
    }

    /// What a sample shows; `None` where it shows neither.
    #[must_use]
    pub fn sampled(fields: &TelemetryFields) -> Option<Self> {
        Self::of_data_path(fields.data_path_state.as_deref()?)
    }

    fn of_data_path(state: &str) -> Option<Self> {
        let dark = DATA_PATH_DARK.contains(&state).then_some(Self::Dark);
        if state == DATA_PATH_ACTIVATED { Some(Self::Lit) } else { dark }
    }
}

/// What is wrong with an end now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Troubles {
    /// The receiver reports loss of signal.
    pub loss_of_signal: bool,
    /// The module is not in its port.
    pub module_absent: bool,
    /// The module is not as wanted, or was changed and not read back since.
    pub unverified: bool,
    /// The agent has been silent for too long. Says nothing about the light.
    pub agent_unknown: bool,
}

impl Troubles {
    /// Whether these make a connection DEGRADED. An agent that is not heard does not: its module shines on.
    #[must_use]
    pub const fn degrade(&self) -> bool {
        self.loss_of_signal || self.module_absent || self.unverified
    }
}

/// What was read from the registers of a module after a command. Absent: not read, or not supported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When the answer came, for display.
    pub at: Timestamp,
    /// Laser frequency reported by the module.
    pub frequency: Option<Frequency>,
    /// Programmed transmit power.
    pub tx_power: Option<Power>,
}

impl Seen {
    pub(super) const fn new(at: Timestamp, readback: &Readback) -> Self {
        Self { at, frequency: readback.frequency_mhz, tx_power: readback.tx_power_dbm }
    }
}

/// A command that was sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Issued {
    pub(super) number: CommandNumber,
    pub(super) order: Order,
    pub(super) awaited: Awaited,
}

/// Whether an answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Awaited {
    /// It is.
    Open,
    /// Not any more, and it may still come.
    GivenUp,
    /// It came.
    Answered,
}

/// What is known of one end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndState {
    /// What it is to be.
    pub wanted: Wanted,
    /// What is known about its light.
    pub light: Light,
    /// What is wrong with it.
    pub troubles: Troubles,
    /// What was read back after the last command that was answered with a read-back, as wanted or not.
    pub seen: Option<Seen>,
    /// The last command that was sent to it.
    pub(super) issued: Option<Issued>,
    /// How often the current order was sent.
    pub(super) attempts: u8,
    /// Module time of the operation under way.
    pub(super) module_ms: u64,
}

impl EndState {
    pub(super) fn new(wanted: Wanted) -> Self {
        let (light, troubles) = (Light::Dark, Troubles::default());
        Self { wanted, light, troubles, seen: None, issued: None, attempts: 0, module_ms: 0 }
    }

    /// The command that is not answered yet.
    #[must_use]
    pub fn pending(&self) -> Option<CommandNumber> {
        self.issued.as_ref().filter(|issued| issued.awaited == Awaited::Open).map(|issued| issued.number)
    }

    /// What the command that is not answered yet tells it.
    #[must_use]
    pub fn pending_order(&self) -> Option<&Order> {
        self.issued.as_ref().filter(|issued| issued.awaited == Awaited::Open).map(|issued| &issued.order)
    }

    /// The number of the last command that was sent to it, and what it told it.
    pub(crate) fn last_order(&self) -> Option<(CommandNumber, &Order, bool)> {
        let issued = self.issued.as_ref()?;
        Some((issued.number, &issued.order, issued.awaited == Awaited::Answered))
    }

    /// The number of the last command that was sent to it.
    #[must_use]
    pub fn last_command(&self) -> Option<CommandNumber> {
        self.issued.as_ref().map(|issued| issued.number)
    }

    pub(super) fn settle(&mut self) {
        if let Some(issued) = &mut self.issued {
            issued.awaited = Awaited::Answered;
        }
    }

    pub(super) fn give_up(&mut self) {
        if let Some(issued) = &mut self.issued
            && issued.awaited == Awaited::Open
        {
            issued.awaited = Awaited::GivenUp;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted() -> Wanted {
        Wanted {
            frequency: Frequency::ANCHOR,
            tx_power: Some(Power::from_hundredths(-200)),
            media_code: 0x46,
        }
    }

    fn readback() -> Readback {
        Readback {
            frequency_mhz: Some(Frequency::ANCHOR),
            tx_power_dbm: Some(Power::from_hundredths(-200)),
            data_path_state: Some("DPActivated".into()),
            tx_enabled: Some(true),
            ..Readback::default()
        }
    }

    #[test]
    fn a_read_back_as_wanted_matches() {
        assert_eq!(wanted().check(Some(&readback())), Ok(()));
        assert_eq!(wanted().check(Some(&Readback { tx_enabled: None, ..readback() })), Ok(()));
    }

    #[test]
    fn a_laser_may_report_what_it_measures_within_the_tolerance() {
        let reports = |mhz| {
            let laser_frequency_mhz = Some(Frequency::from_mhz(mhz));
            wanted().check(Some(&Readback { laser_frequency_mhz, ..readback() }))
        };
        for mhz in [193_099_000, 193_100_000, 193_100_300, 193_101_000] {
            assert_eq!(reports(mhz), Ok(()));
        }
        for mhz in [193_098_999, 193_101_001, 193_102_000] {
            let got = Frequency::from_mhz(mhz);
            assert_eq!(reports(mhz), Err(Mismatch::Laser { wanted: Frequency::ANCHOR, got }));
        }
    }

    #[test]
    fn every_register_that_differs_or_was_not_read_is_a_mismatch() {
        let cases: [(Option<Readback>, Mismatch); 7] = [
            (None, Mismatch::Nothing),
            (
                Some(Readback { frequency_mhz: None, ..readback() }),
                Mismatch::Frequency { wanted: Frequency::ANCHOR, got: None },
            ),
            (
                Some(Readback { frequency_mhz: Some(Frequency::from_mhz(193_100_002)), ..readback() }),
                Mismatch::Frequency {
                    wanted: Frequency::ANCHOR,
                    got: Some(Frequency::from_mhz(193_100_002)),
                },
            ),
            (
                Some(Readback { tx_power_dbm: Some(Power::from_hundredths(-199)), ..readback() }),
                Mismatch::TxPower {
                    wanted: Power::from_hundredths(-200),
                    got: Some(Power::from_hundredths(-199)),
                },
            ),
            (Some(Readback { data_path_state: None, ..readback() }), Mismatch::DataPath),
            (Some(Readback { data_path_state: Some("DPInit".into()), ..readback() }), Mismatch::DataPath),
            (Some(Readback { tx_enabled: Some(false), ..readback() }), Mismatch::Transmitter),
        ];
        for (readback, mismatch) in cases {
            assert_eq!(wanted().check(readback.as_ref()), Err(mismatch));
        }
    }

    #[test]
    fn light_is_what_data_path_and_transmitter_show() {
        let state = |state: Option<&str>| state.map(Into::into);
        for (enabled, path, light) in [
            (None, None, None),
            (Some(true), None, None),
            (Some(false), None, Some(Light::Dark)),
            (Some(false), Some("DPActivated"), Some(Light::Dark)),
            (Some(true), Some("DPActivated"), Some(Light::Lit)),
            (None, Some("DPActivated"), Some(Light::Lit)),
            (Some(true), Some("DPInitialized"), Some(Light::Dark)),
            (None, Some("DPDeactivated"), Some(Light::Dark)),
            (None, Some("DPTxTurnOn"), None),
        ] {
            let readback =
                Readback { tx_enabled: enabled, data_path_state: state(path), ..Readback::default() };
            assert_eq!(Light::read_back(&readback), light, "{readback:?}");
            let fields = TelemetryFields { data_path_state: state(path), ..TelemetryFields::default() };
            if enabled.is_none() {
                assert_eq!(Light::sampled(&fields), light, "{fields:?}");
            }
        }
    }

    #[test]
    fn a_sample_agrees_differs_or_says_nothing() {
        let fields = |mhz: u32, hundredths: i16, state: &str| TelemetryFields {
            frequency_mhz: Some(Frequency::from_mhz(mhz)),
            tx_power_configured: Some(Power::from_hundredths(hundredths)),
            data_path_state: Some(state.into()),
            ..TelemetryFields::default()
        };
        assert_eq!(wanted().agrees(&TelemetryFields::default()), None);
        assert_eq!(wanted().agrees(&fields(193_101_000, -200, "DPActivated")), Some(true));
        assert_eq!(wanted().agrees(&fields(193_101_001, -200, "DPActivated")), Some(false));
        assert_eq!(wanted().agrees(&fields(193_100_000, -150, "DPActivated")), Some(false));
        assert_eq!(wanted().agrees(&fields(193_100_000, -200, "DPDeactivated")), Some(false));
        let only_power = TelemetryFields { frequency_mhz: None, ..fields(0, -200, "DPActivated") };
        assert_eq!(wanted().agrees(&only_power), Some(true));
    }
}
