//! What the databases say of one port, in the words of the modules' own registers.

mod applications;
mod updates;

pub use updates::Updates;

use super::{Connection, Database, Row, SonicError};
use crate::port::ModuleFacts;
use ipowdm_cmis::codes::{DataPathState, ModuleState};
use ipowdm_cmis::procedure::{Reading, SweepReport};
use ipowdm_core::capability::{GridRange, ModuleCapability, PowerRange};
use ipowdm_core::grid::Grid;
use ipowdm_core::ids::PortId;
use ipowdm_core::units::{Ber, Db, Frequency, Power, Temperature, Voltage};

/// Fields of `TRANSCEIVER_VDM_REAL_VALUE` that are read: the table has more than a thousand.
const VDM: [&str; 9] = [
    "osnr1",
    "esnr1",
    "prefec_ber_curr_media_input1",
    "cdlong1",
    "cdshort1",
    "cfo1",
    "rxtotpower1",
    "rxsigpower1",
    "txcurrpower1",
];

/// The rows of one port, read one after the other: they may be of different ages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct View {
    /// `PORT` of CONFIG_DB.
    pub config: Row,
    /// `PORT_TABLE` of STATE_DB: the host's side.
    pub host: Row,
    /// `TRANSCEIVER_INFO`.
    pub info: Row,
    /// `TRANSCEIVER_STATUS_SW`.
    pub manager: Row,
    /// `TRANSCEIVER_STATUS`.
    pub status: Row,
    /// `TRANSCEIVER_STATUS_FLAG`.
    pub status_flags: Row,
    /// `TRANSCEIVER_DOM_SENSOR`.
    pub monitors: Row,
    /// The fields of `TRANSCEIVER_VDM_REAL_VALUE` that are used.
    pub vdm: Row,
    /// `TRANSCEIVER_PM`.
    pub pm: Row,
}

impl View {
    /// Reads the rows of a port.
    ///
    /// # Errors
    /// [`SonicError::Redis`].
    pub fn read(databases: &mut Connection, port: &PortId) -> Result<Self, SonicError> {
        const TABLES: [&str; 7] = [
            "PORT_TABLE",
            "TRANSCEIVER_INFO",
            "TRANSCEIVER_STATUS_SW",
            "TRANSCEIVER_STATUS",
            "TRANSCEIVER_STATUS_FLAG",
            "TRANSCEIVER_DOM_SENSOR",
            "TRANSCEIVER_PM",
        ];
        let key = port.as_str();
        let config = databases.row(Database::Config, "PORT", key)?;
        let mut rows = databases.rows(Database::State, key, &TABLES)?.into_iter();
        let vdm = databases.fields(Database::State, "TRANSCEIVER_VDM_REAL_VALUE", key, &VDM)?;
        let mut next = || rows.next().unwrap_or_default();
        Ok(Self {
            config,
            host: next(),
            info: next(),
            manager: next(),
            status: next(),
            status_flags: next(),
            monitors: next(),
            pm: next(),
            vdm,
        })
    }

    /// Whether the switch sees a module in the port.
    #[must_use]
    pub fn is_present(&self) -> bool {
        !self.info.is_empty()
    }

    /// Where the CMIS manager is with the module. Older images write it to `TRANSCEIVER_STATUS`.
    #[must_use]
    pub fn cmis_state(&self) -> Option<&str> {
        self.manager.text("cmis_state").or_else(|| self.status.text("cmis_state"))
    }

    /// Why the CMIS manager gave up, where it says so.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        self.manager.text("error")
    }

    /// Whether the configuration has the port up.
    #[must_use]
    pub fn is_admin_up(&self) -> bool {
        self.config.text("admin_status") == Some("up")
    }

    /// The states of the data path on host lanes 1 to 8; `None` where the switch does not say.
    #[must_use]
    pub fn lanes(&self) -> Option<[DataPathState; 8]> {
        let lane = |index: usize| self.status.text(&format!("DP{}State", index + 1)).map(data_path_state);
        lane(0)?;
        Some(core::array::from_fn(|index| lane(index).unwrap_or(DataPathState::Deactivated)))
    }

    /// The application that is active on host lane 1.
    #[must_use]
    pub fn app_sel(&self) -> Option<u8> {
        let number = self.info.text("active_apsel_hostlane1")?.parse().ok()?;
        (1..=15).contains(&number).then_some(number)
    }

    /// The frequencies that the module can tune to, in GHz.
    #[must_use]
    pub fn frequency_range(&self) -> Option<(Frequency, Frequency)> {
        let limit = |field| self.info.number(field).and_then(frequency);
        Some((limit("supported_min_laser_freq")?, limit("supported_max_laser_freq")?))
    }

    /// The powers that the module can be set to.
    #[must_use]
    pub fn power_range(&self) -> Option<PowerRange> {
        let limit = |field| Power::from_number(self.info.number(field)?).ok();
        Some(PowerRange { min: limit("supported_min_tx_power")?, max: limit("supported_max_tx_power")? })
    }

    /// The measured power of the transmitter.
    #[must_use]
    pub fn tx_power(&self) -> Option<Power> {
        let measured = self.vdm.number("txcurrpower1").or_else(|| self.monitors.number("tx1power"));
        Power::from_number(measured?).ok()
    }

    /// The module as others plan with it: what the switch's own software can set, on its one grid.
    #[must_use]
    pub fn facts(&self) -> ModuleFacts {
        let text = |field| self.info.text(field).unwrap_or_default().to_string();
        let mut grids = heapless::Vec::new();
        if let Some(range) = self.frequency_range().and_then(grid_range) {
            // A list of one of ten.
            let _ = grids.push(range);
        }
        let applications = applications::advertised(&text("application_advertisement"));
        ModuleFacts {
            vendor: text("manufacturer"),
            part_number: text("model"),
            serial: text("serial"),
            capability: ModuleCapability { grids, tx_power: self.power_range(), applications },
        }
    }

    /// What is known of the module's state and monitors. What the switch does not say is unsupported; what it says is not
    /// known is absent.
    #[must_use]
    pub fn report(&self) -> SweepReport {
        let lit =
            |reading: Reading<Power>| if self.rx_los() == Some(true) { Reading::Absent } else { reading };
        SweepReport {
            module_state: said(&self.status, "module_state", |text| Some(module_state(text))),
            dp_states: self.lanes().map_or(Reading::Unsupported, Reading::Value),
            temperature: number(&self.monitors, "temperature", |t| {
                scaled(t, 256.0).and_then(|raw| i16::try_from(raw).ok()).map(Temperature::from_raw)
            }),
            voltage: number(&self.monitors, "voltage", |v| {
                scaled(v, 10_000.0).and_then(|raw| u16::try_from(raw).ok()).map(Voltage::from_raw)
            }),
            set_frequency: number(&self.monitors, "laser_config_freq", frequency),
            laser_frequency: number(&self.monitors, "laser_curr_freq", frequency),
            laser_unsettled: self.unsettled(),
            tx_power_target: number(&self.monitors, "tx_config_power", power),
            tx_power: first([
                number(&self.vdm, "txcurrpower1", power),
                number(&self.monitors, "tx1power", power),
            ]),
            rx_total_power: lit(first([
                number(&self.vdm, "rxtotpower1", power),
                number(&self.monitors, "rx1power", power),
                number(&self.pm, "rx_tot_power_avg", power),
            ])),
            rx_signal_power: lit(first([
                number(&self.vdm, "rxsigpower1", power),
                number(&self.pm, "rx_sig_power_avg", power),
            ])),
            osnr: first([number(&self.vdm, "osnr1", db), number(&self.pm, "osnr_avg", db)]),
            esnr: first([number(&self.vdm, "esnr1", db), number(&self.pm, "esnr_avg", db)]),
            pre_fec_ber: first([
                number(&self.vdm, "prefec_ber_curr_media_input1", ber),
                number(&self.pm, "prefec_ber_avg", ber),
            ]),
            dispersion: first([
                number(&self.vdm, "cdlong1", whole),
                number(&self.vdm, "cdshort1", whole),
                number(&self.pm, "cd_avg", whole),
            ]),
            frequency_offset: first([
                number(&self.vdm, "cfo1", |mhz| whole(mhz).and_then(|mhz| i16::try_from(mhz).ok())),
                number(&self.pm, "cfo_avg", |mhz| whole(mhz).and_then(|mhz| i16::try_from(mhz).ok())),
            ]),
            rx_los: self.flag("rx1los"),
            rx_los_seen: self.flag("rx1los"),
            tx_failure: self.flag("tx1fault"),
            ..SweepReport::default()
        }
    }

    fn rx_los(&self) -> Option<bool> {
        self.status_flags.truth("rx1los")
    }

    /// A flag as the switch has it: reading it here clears nothing.
    fn flag(&self, field: &str) -> Reading<bool> {
        self.status_flags.truth(field).map_or(Reading::Unsupported, Reading::Value)
    }

    fn unsettled(&self) -> Reading<bool> {
        let tuning = self.status.truth("tuning_in_progress");
        let unlocked = self.status.truth("wavelength_unlock_status");
        match (tuning, unlocked) {
            (None, None) => Reading::Unsupported,
            (tuning, unlocked) => Reading::Value(tuning == Some(true) || unlocked == Some(true)),
        }
    }
}

/// A report whose measurements are too old to be anybody's: they are stale. States and settings are told by events, and
/// stand.
pub(super) fn outdated(report: SweepReport) -> SweepReport {
    SweepReport {
        module_state: report.module_state,
        dp_states: report.dp_states,
        set_frequency: report.set_frequency,
        tx_power_target: report.tx_power_target,
        temperature: aged(report.temperature),
        voltage: aged(report.voltage),
        laser_frequency: aged(report.laser_frequency),
        laser_unsettled: aged(report.laser_unsettled),
        tx_power: aged(report.tx_power),
        rx_total_power: aged(report.rx_total_power),
        rx_signal_power: aged(report.rx_signal_power),
        osnr: aged(report.osnr),
        esnr: aged(report.esnr),
        pre_fec_ber: aged(report.pre_fec_ber),
        dispersion: aged(report.dispersion),
        frequency_offset: aged(report.frequency_offset),
        rx_los: aged(report.rx_los),
        rx_los_seen: aged(report.rx_los_seen),
        tx_failure: aged(report.tx_failure),
        ..SweepReport::default()
    }
}

fn aged<T>(reading: Reading<T>) -> Reading<T> {
    match reading {
        Reading::Value(_) => Reading::Stale,
        other => other,
    }
}

/// Of several sources of one quantity the first that has a value; else what the first says.
fn first<T: Copy, const N: usize>(readings: [Reading<T>; N]) -> Reading<T> {
    let known = readings.into_iter().find(|reading| matches!(reading, Reading::Value(_)));
    known
        .or(readings.into_iter().find(|r| !matches!(r, Reading::Unsupported)))
        .unwrap_or(Reading::Unsupported)
}

fn said<T>(row: &Row, field: &str, read: impl FnOnce(&str) -> Option<T>) -> Reading<T> {
    match row.text(field) {
        Some(text) => read(text).map_or(Reading::Implausible, Reading::Value),
        None if row.has(field) => Reading::Absent,
        None => Reading::Unsupported,
    }
}

fn number<T>(row: &Row, field: &str, read: impl FnOnce(f64) -> Option<T>) -> Reading<T> {
    match row.number(field) {
        Some(value) => read(value).map_or(Reading::Implausible, Reading::Value),
        None if row.has(field) => Reading::Absent,
        None => Reading::Unsupported,
    }
}

/// A number in steps of `1 / steps`, rounded; `None` beyond an `i32`.
fn scaled(value: f64, steps: f64) -> Option<i32> {
    let steps = (value * steps).round();
    #[expect(clippy::cast_possible_truncation, reason = "checked against the limits of the type")]
    (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&steps).then_some(steps as i32)
}

fn whole(value: f64) -> Option<i32> {
    scaled(value, 1.0)
}

fn power(dbm: f64) -> Option<Power> {
    Power::from_number(dbm).ok()
}

fn db(value: f64) -> Option<Db> {
    Db::from_number(value).ok()
}

fn ber(value: f64) -> Option<Ber> {
    Ber::from_number(value).ok()
}

/// A frequency as xcvrd writes it: in GHz, where SONiC's documents have MHz, which no light has in GHz; 0 is none.
fn frequency(value: f64) -> Option<Frequency> {
    let steps = if value < 1e6 { 1_000.0 } else { 1.0 };
    let mhz = scaled(value, steps).and_then(|mhz| u32::try_from(mhz).ok())?;
    (mhz > 0).then_some(Frequency::from_mhz(mhz))
}

/// The channels of the 75 GHz grid between two frequencies.
fn grid_range((low, high): (Frequency, Frequency)) -> Option<GridRange> {
    let grid = Grid::Ghz75;
    // Numbers of that grid are multiples of 3, in steps of 25 GHz from the anchor.
    let step = |f: Frequency| (i64::from(f.mhz()) - i64::from(Frequency::ANCHOR.mhz())).div_euclid(75_000);
    let exact = |f: Frequency, n: i64| i64::from(f.mhz()) == i64::from(Frequency::ANCHOR.mhz()) + n * 75_000;
    let first = if exact(low, step(low)) { step(low) } else { step(low) + 1 };
    let number = |n: i64| i16::try_from(n * 3).ok();
    let range = GridRange { grid, low_channel: number(first)?, high_channel: number(step(high))? };
    (range.low_channel <= range.high_channel).then_some(range)
}

fn module_state(text: &str) -> ModuleState {
    let name = text.strip_prefix("Module").unwrap_or(text);
    let known = ModuleState::ALL.iter().find(|state| state.name() == name);
    known.copied().unwrap_or(ModuleState::Unknown(0))
}

fn data_path_state(text: &str) -> DataPathState {
    let name = text.strip_prefix("DataPath").unwrap_or(text);
    let known = DataPathState::ALL.iter().find(|state| state.name() == name);
    known.copied().unwrap_or(DataPathState::Unknown(0))
}

#[cfg(test)]
pub(super) mod tests;
