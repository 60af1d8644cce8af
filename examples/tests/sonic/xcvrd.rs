//! A stand-in for the switch's transceiver daemon: what its CMIS manager and its monitor loop do to the databases when the
//! configuration of a port changes, without registers below. Written from SONiC's documents of that daemon.

use super::switch::Switch;
use ipowdm_agent::sonic::{Connection, Database, Row};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Time of one turn: of a step of the manager, and of a round of the monitors.
const TURN: Duration = Duration::from_millis(20);
/// Frequency and power of a module that nobody has set.
const FACTORY: (u32, f64) = (193_700, -10.0);
/// The states between the check and the end of a commissioning.
const COMMISSIONING: [&str; 5] = ["DP_DEINIT", "AP_CONFIGURED", "DP_INIT", "DP_TXON", "DP_ACTIVATION"];

/// What the module does that it should not.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    /// It rejects every configuration.
    pub(crate) rejects: Arc<AtomicBool>,
}

/// The daemon; it ends with this.
#[derive(Debug)]
pub(crate) struct Xcvrd {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    pub(crate) faults: Faults,
}

impl Xcvrd {
    /// Serves one port of the switch, in which a module is plugged.
    pub(crate) fn start(switch: &Switch, port: &str) -> Self {
        let (stop, faults) = (Arc::<AtomicBool>::default(), Faults::default());
        let mut daemon = Daemon {
            port: port.to_owned(),
            databases: switch.connect(),
            faults: faults.clone(),
            seen: Row::default(),
            state: "READY",
            step: 0,
            frequency: FACTORY.0,
            power: FACTORY.1,
            lit: true,
        };
        let stopped = stop.clone();
        let run = move || {
            while !stopped.load(Ordering::SeqCst) {
                daemon.turn();
                std::thread::sleep(TURN);
            }
        };
        Self { stop, thread: Some(std::thread::spawn(run)), faults }
    }
}

impl Drop for Xcvrd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let ended = self.thread.take().unwrap().join();
        if !std::thread::panicking() {
            ended.unwrap();
        }
    }
}

struct Daemon {
    port: String,
    databases: Connection,
    faults: Faults,
    /// The port's configuration as it was last acted on.
    seen: Row,
    state: &'static str,
    step: usize,
    frequency: u32,
    power: f64,
    lit: bool,
}

impl Daemon {
    fn turn(&mut self) {
        let row = self.databases.row(Database::Config, "PORT", &self.port).unwrap();
        if row != self.seen {
            // Whatever has changed: the manager begins anew with the port.
            self.seen = row;
            self.enter("INSERTED");
        }
        match self.state {
            "READY" | "FAILED" => self.monitor(),
            "INSERTED" => self.insert(),
            "DP_PRE_INIT_CHECK" => self.check(),
            _ => self.commission(),
        }
    }

    fn enter(&mut self, state: &'static str) {
        self.state = state;
        self.set("TRANSCEIVER_STATUS_SW", &[("cmis_state", state), ("status", "1"), ("error", "N/A")]);
    }

    fn set(&mut self, table: &str, fields: &[(&str, &str)]) {
        self.databases.set(Database::State, table, &self.port, fields).unwrap();
    }

    fn insert(&mut self) {
        if self.seen.text("admin_status") == Some("up") {
            self.enter("DP_PRE_INIT_CHECK");
        } else {
            self.lit = false;
            self.enter("READY");
        }
    }

    /// The frequency that is configured: none where it is 0, absent or beside the 75 GHz grid.
    fn wanted(&self) -> Option<u32> {
        let ghz: u32 = self.seen.text("laser_freq")?.parse().ok()?;
        ((191_300..=196_100).contains(&ghz) && ghz.abs_diff(193_100).is_multiple_of(75)).then_some(ghz)
    }

    fn check(&mut self) {
        if let Some(power) = self.seen.number("tx_power").filter(|power| *power != 0.0) {
            self.power = power;
        }
        let retuned = self.wanted().is_some_and(|ghz| ghz != self.frequency);
        if self.lit && !retuned {
            self.enter("READY");
        } else {
            self.step = 0;
            self.lit = false;
            self.enter(COMMISSIONING[0]);
        }
    }

    fn commission(&mut self) {
        self.step += 1;
        match COMMISSIONING.get(self.step) {
            Some(state) => {
                if *state == "DP_INIT" && self.faults.rejects.load(Ordering::SeqCst) {
                    self.enter("FAILED");
                    return;
                }
                if *state == "AP_CONFIGURED" {
                    self.frequency = self.wanted().unwrap_or(self.frequency);
                }
                self.enter(state);
            }
            None => {
                self.lit = true;
                self.enter("READY");
                self.set("TRANSCEIVER_INFO", &[("active_apsel_hostlane1", "1")]);
            }
        }
    }

    fn monitor(&mut self) {
        if self.seen.text("dom_polling") == Some("disabled") {
            return;
        }
        let time = time_of_day();
        let frequency = self.frequency.to_string();
        let power = format!("{:.1}", self.power);
        let measured = if self.lit { format!("{:.2}", self.power + 0.04) } else { "-40.0".into() };
        let monitors = [
            ("temperature", "41.25"),
            ("voltage", "3.301"),
            ("tx1power", measured.as_str()),
            ("rx1power", "-12.3"),
            ("laser_config_freq", frequency.as_str()),
            ("laser_curr_freq", frequency.as_str()),
            ("tx_config_power", power.as_str()),
            ("last_update_time", time.as_str()),
        ];
        self.set("TRANSCEIVER_DOM_SENSOR", &monitors);
        let path = if self.lit { "DataPathActivated" } else { "DataPathDeactivated" };
        let lanes: Vec<String> = (1..=8).map(|lane| format!("DP{lane}State")).collect();
        let mut status = vec![
            ("module_state", "ModuleReady"),
            ("tuning_in_progress", "False"),
            ("wavelength_unlock_status", "False"),
            ("last_update_time", time.as_str()),
        ];
        status.extend(lanes.iter().map(|lane| (lane.as_str(), path)));
        self.set("TRANSCEIVER_STATUS", &status);
        self.set("TRANSCEIVER_STATUS_FLAG", &[("rx1los", "False"), ("tx1fault", "False")]);
        let vdm = [("osnr1", "33.1"), ("esnr1", "17.4"), ("prefec_ber_curr_media_input1", "2.4e-04")];
        self.set("TRANSCEIVER_VDM_REAL_VALUE", &vdm);
    }
}

/// The time as the daemon writes it, such as `Sat Nov 21 18:05:35 2026`, in UTC.
fn time_of_day() -> String {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let (days, second) = (now / 86_400, now % 86_400);
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let (mut year, mut day) = (1970, days);
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let mut lengths = [31, 28 + u64::from(is_leap(year)), 31, 30, 31, 30, 31, 31, 30, 31, 30, 31].into_iter();
    let mut month = 0;
    while let Some(length) = lengths.next().filter(|length| day >= *length) {
        day -= length;
        month += 1;
    }
    let weekday = WEEKDAYS[usize::try_from(days % 7).unwrap()];
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{weekday} {} {:2} {hour:02}:{minute:02}:{second:02} {year}", MONTHS[month], day + 1)
}
