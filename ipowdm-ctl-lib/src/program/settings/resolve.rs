//! Settings checked and complete.

mod slice;

use super::problem::Problem;
use super::{
    AccessTable, BusTable, ControllerTable, HttpTable, LauncherName, Program, QotTable, Settings, SliceTable,
};
use crate::controller::ControllerConfig;
use crate::http::{Access, CONTROLLER_ADDR, LINKDB_ADDR, Rate, SLICE_ADDR, TokenTable, USUAL_RATE};
use crate::program::LogFormat;
use crate::slice::SliceConfig;
use crate::store::Location;
use core::fmt::Display;
use core::time::Duration;
use ipowdm_core::bus::kafka::{Client, KafkaOptions, Secret, Security, SecurityProblem};
use ipowdm_core::capability::PowerRange;
use ipowdm_core::grid::{Band, Centres};
use ipowdm_core::ids::VopId;
use ipowdm_core::qot::{Adjust, Thresholds};
use ipowdm_core::units::{Ber, Db, Power};
use std::net::SocketAddr;
use std::path::PathBuf;

/// Ports after the first that controllers of one process may take, unless told otherwise.
const CONTROLLER_PORTS: u16 = 64;

/// How the slice manager starts controllers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Launching {
    /// As tasks of its process.
    Task,
    /// As processes that run this program, or else the one that runs now.
    Process(Option<PathBuf>),
    /// Somebody else does.
    External,
}

/// Who is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Closed {
    /// Nobody is kept out.
    Open,
    /// Whoever has a token of this table.
    Tokens(PathBuf),
}

/// Settings checked and complete.
#[derive(Debug, Clone)]
pub(crate) struct Resolved {
    pub(crate) program: Program,
    pub(crate) store: Location,
    /// Of programs that use a bus.
    pub(crate) bus: Option<KafkaOptions>,
    pub(crate) client: Client,
    pub(crate) closed: Closed,
    pub(crate) access: Access,
    pub(crate) allow_remote: bool,
    pub(crate) open_metrics: bool,
    pub(crate) band: Band,
    /// As they were named.
    pub(crate) band_names: (String, String, u32),
    pub(crate) topology: Option<PathBuf>,
    pub(crate) linkdb_listen: SocketAddr,
    pub(crate) slice_listen: SocketAddr,
    pub(crate) slice: SliceConfig,
    pub(crate) launching: Launching,
    pub(crate) controller_listen: SocketAddr,
    pub(crate) controller_ports: u16,
    pub(crate) advertised_host: Option<String>,
    pub(crate) vop: Option<VopId>,
    pub(crate) controller: ControllerConfig,
    /// What is logged.
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    /// What was read and has no effect.
    pub(crate) notices: Vec<String>,
}

/// Collects what is wrong.
struct Checker<'a>(&'a mut Vec<Problem>);

impl Checker<'_> {
    fn refuse(&mut self, key: &str, reason: impl Display, fix: &str) {
        self.0.push(Problem::new(key, reason.to_string(), fix));
    }

    /// Seconds as a duration; `least` to a day.
    fn seconds(&mut self, key: &str, value: Option<f64>, least: f64) -> Option<Duration> {
        let seconds = value?;
        if seconds >= least && seconds <= 86_400.0 {
            return Some(Duration::from_secs_f64(seconds));
        }
        self.refuse(
            key,
            format_args!("{seconds} s"),
            &format!("give at least {least} and at most 86400 seconds"),
        );
        None
    }

    fn milliseconds(&mut self, key: &str, value: Option<f64>, least: f64) -> Option<u32> {
        self.seconds(key, value, least).and_then(|time| u32::try_from(time.as_millis()).ok())
    }

    fn unit<T, E: Display>(
        &mut self,
        key: &str,
        value: Option<f64>,
        convert: impl FnOnce(f64) -> Result<T, E>,
    ) -> Option<T> {
        convert(value?).map_err(|error| self.refuse(key, error, "give another number")).ok()
    }

    fn one_of<T>(&mut self, key: &str, text: &str, names: &[(&str, T)]) -> Option<T>
    where
        T: Copy,
    {
        let found = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, value)| *value);
        if found.is_none() {
            let list: Vec<&str> = names.iter().map(|(name, _)| *name).collect();
            self.refuse(key, format_args!("{text:?} is none of {}", list.join(", ")), "give one of these");
        }
        found
    }
}

impl Settings {
    /// Checks everything and fills in the defaults; `None` where something stands in the way. Adds what is wrong to
    /// `problems`.
    pub(super) fn resolve(
        self,
        program: Program,
        notices: Vec<String>,
        problems: &mut Vec<Problem>,
    ) -> Option<Resolved> {
        let mut check = Checker(problems);
        let Self { store, bus, access, http, linkdb, slice, controller, log } = self;
        let client = client(&mut check, bus.client.as_deref());
        let bus = if program.has_bus() { kafka(&mut check, bus) } else { None };
        let store = location(&mut check, store.location.as_deref());
        let band_names = (
            linkdb.band.unwrap_or_else(|| "c".to_owned()),
            linkdb.centres.unwrap_or_else(|| "flex".to_owned()),
            linkdb.edge_guard_ghz.unwrap_or(0),
        );
        let band = band(&mut check, &band_names);
        // Who looks from outside lets nobody in.
        let closed = if program == Program::Verify {
            Some((Closed::Open, Access::open()))
        } else {
            closed(&mut check, &access)
        };
        let closed = closed.map(|(closed, access)| (closed, limited(&mut check, access, &http)));
        let linkdb_listen = linkdb.listen.unwrap_or(LINKDB_ADDR);
        let slice_listen = slice.listen.unwrap_or(SLICE_ADDR);
        let controller_listen = controller.listen.unwrap_or(CONTROLLER_ADDR);
        let places = [
            ("linkdb.listen", program.has_linkdb(), linkdb_listen),
            ("slice.listen", program.has_slices(), slice_listen),
            ("controller.listen", program.has_controllers(), controller_listen),
        ];
        for (key, used, addr) in places {
            if used && !addr.ip().is_loopback() && !access.allow_remote {
                let reason = format_args!("others can reach {addr} and nothing is encrypted").to_string();
                let fix = "listen on a loopback address, or say --allow-remote (access.allow_remote)";
                check.refuse(key, reason, fix);
            }
        }
        let launching = launching(&mut check, program, &slice, store.as_ref());
        let vop = controller.virtual_operator.clone();
        if program == Program::Controller {
            if vop.is_none() {
                let fix = "name it with --vop or VIRTUAL_OPERATOR";
                check.refuse("controller.virtual_operator", "is missing: whose controller?", fix);
            }
            if store == Some(Location::Memory) {
                let fix = "use redb:PATH or redis://HOST:PORT/DB";
                check.refuse(
                    "store.location",
                    "nobody can activate anything in a store of this process",
                    fix,
                );
            }
        }
        let slice = slice::config(&mut check, &slice);
        let (controller_ports, advertised_host) = (
            controller.ports.unwrap_or(if program == Program::Controller { 0 } else { CONTROLLER_PORTS }),
            controller.advertised_host.clone(),
        );
        let controller = controller_config(&mut check, &controller);
        let log_format = log.format.unwrap_or_default();
        let log = log_filter(&mut check, log.level);
        let allow_remote = access.allow_remote;
        let (closed, access) = closed?;
        Some(Resolved {
            program,
            store: store?,
            bus,
            client: client?,
            closed,
            access,
            allow_remote,
            open_metrics: http.open_metrics,
            band: band?,
            band_names,
            topology: linkdb.topology,
            linkdb_listen,
            slice_listen,
            slice,
            launching: launching?,
            controller_listen,
            controller_ports,
            advertised_host,
            vop,
            controller,
            log,
            log_format,
            notices,
        })
    }
}

fn location(check: &mut Checker<'_>, text: Option<&str>) -> Option<Location> {
    const CHOICES: &str = "memory, redb:PATH or redis://HOST:PORT/DB";
    let Some(text) = text else {
        check.refuse(
            "store.location",
            "is missing",
            &format!("name it with --store, IPOWDM_STORE or REDIS_URL: {CHOICES}"),
        );
        return None;
    };
    text.parse().map_err(|error| check.refuse("store.location", error, &format!("name {CHOICES}"))).ok()
}

fn client(check: &mut Checker<'_>, name: Option<&str>) -> Option<Client> {
    match name.map(str::parse) {
        None => Some(Client::default()),
        Some(Ok(client)) => Some(client),
        Some(Err(error)) => {
            check.refuse("bus.client", error, "name one of these");
            None
        }
    }
}

fn kafka(check: &mut Checker<'_>, table: BusTable) -> Option<KafkaOptions> {
    let mut options = KafkaOptions::new(table.bootstrap.as_deref().unwrap_or("127.0.0.1:9092"));
    let security = Security {
        protocol: table.security_protocol,
        ca_file: table.ca_file,
        certificate_file: table.certificate_file,
        key_file: table.key_file,
        sasl_mechanism: table.sasl_mechanism,
        sasl_username: table.sasl_username,
        sasl_password: table.sasl_password.map(Secret::new),
        sasl_password_file: table.sasl_password_file,
    };
    if let Err(problems) = security.apply(&mut options) {
        for SecurityProblem { key, reason, fix } in problems {
            check.refuse(&format!("bus.{key}"), reason, fix);
        }
        return None;
    }
    let fix = "change the table [bus]";
    options.check().map_err(|error| check.refuse("bus", error, fix)).ok()?;
    Some(options)
}

fn closed(check: &mut Checker<'_>, table: &AccessTable) -> Option<(Closed, Access)> {
    let fix = "say --tokens <FILE> (access.tokens), or --open (access.open) in a laboratory";
    match (&table.tokens, table.open) {
        (Some(_), true) => {
            check.refuse("access.open", "contradicts access.tokens", "say one of the two");
            None
        }
        (None, true) => Some((Closed::Open, Access::open())),
        (None, false) => {
            check.refuse("access.tokens", "nothing says who is let in", fix);
            None
        }
        (Some(path), false) => match TokenTable::read(path) {
            Ok(table) => Some((Closed::Tokens(path.clone()), Access::tokens(table))),
            Err(error) => {
                let reason = format!("{}: {error}", path.display());
                check.refuse("access.tokens", reason, "make a table with `ipowdm-ctl token`");
                None
            }
        },
    }
}

/// Puts the limits around who is let in.
fn limited(check: &mut Checker<'_>, access: Access, table: &HttpTable) -> Access {
    let mut limits = *access.limits();
    for (key, value, into) in [
        ("http.in_flight", table.in_flight, &mut limits.in_flight),
        ("http.waiting", table.waiting, &mut limits.waiting),
        ("http.body_bytes", table.body_bytes, &mut limits.body),
    ] {
        match value {
            // More could not be counted by what keeps the places.
            Some(value) if !(1..=1 << 28).contains(&value) => {
                check.refuse(key, value, "give at least 1 and at most 268435456");
            }
            Some(value) => *into = value,
            None => {}
        }
    }
    limits.request_time = check.seconds("http.request_sec", table.request_sec, 0.1).or(limits.request_time);
    limits.rate = rate(check, table, limits.rate);
    let access = access.with_limits(limits);
    if table.open_metrics { access.with_open_metrics() } else { access }
}

fn rate(check: &mut Checker<'_>, table: &HttpTable, usual: Option<Rate>) -> Option<Rate> {
    let mut rate = usual.unwrap_or(USUAL_RATE);
    if table.rate_burst == Some(0) {
        check.refuse("http.rate_burst", "is 0", "give at least 1");
    }
    rate.burst = table.rate_burst.unwrap_or(rate.burst);
    match table.rate_per_sec {
        None => usual.or(table.rate_burst.map(|_| rate)).map(|_| rate),
        Some(0.0) => None,
        Some(each) if (0.001..=1e6).contains(&each) => {
            Some(Rate { interval: Duration::from_secs_f64(1.0 / each), ..rate })
        }
        Some(each) => {
            let fix = "give at least 0.001 and at most 1000000, or 0 for any number";
            check.refuse("http.rate_per_sec", format_args!("{each} a second"), fix);
            None
        }
    }
}

fn band(check: &mut Checker<'_>, (name, centres, guard): &(String, String, u32)) -> Option<Band> {
    let Some(band) = Band::by_name(name) else {
        check.refuse("linkdb.band", format_args!("{name:?} is no band"), "name one of c, super-c, c+l");
        return None;
    };
    let Some(rule) = Centres::by_name(centres) else {
        let fix = format!("name one of {}", Centres::NAMES.join(", "));
        check.refuse("linkdb.centres", format_args!("{centres:?} is no rule for centres"), &fix);
        return None;
    };
    let guarded = band.with_centres(rule).with_edge_guard(guard.saturating_mul(1_000));
    guarded.map_err(|error| check.refuse("linkdb.edge_guard_ghz", error, "give less")).ok()
}

fn launching(
    check: &mut Checker<'_>,
    program: Program,
    table: &SliceTable,
    store: Option<&Location>,
) -> Option<Launching> {
    let shared = matches!(store, Some(Location::Redis(_)));
    match table.launcher.unwrap_or(LauncherName::Task) {
        LauncherName::Task => Some(Launching::Task),
        LauncherName::Process | LauncherName::External if program.has_slices() && !shared => {
            let fix = "use redis://HOST:PORT/DB, or launcher = \"task\"";
            check.refuse("slice.launcher", "controllers in other processes cannot open this store", fix);
            None
        }
        LauncherName::Process => Some(Launching::Process(table.controller_program.clone())),
        LauncherName::External => Some(Launching::External),
    }
}

fn controller_config(check: &mut Checker<'_>, table: &ControllerTable) -> ControllerConfig {
    let mut config = ControllerConfig::default();
    if let Some(id) = &table.id {
        config.controller_id.clone_from(id);
    }
    config.paths = table.paths.unwrap_or(config.paths);
    let min = check.unit("controller.tx_min_dbm", table.tx_min_dbm, Power::from_number);
    let max = check.unit("controller.tx_max_dbm", table.tx_max_dbm, Power::from_number);
    config.tx_power.min = min.unwrap_or(config.tx_power.min);
    config.tx_power.max = max.unwrap_or(config.tx_power.max);
    if let Some(hold) = check.milliseconds("controller.hold_sec", table.hold_sec, 1.0) {
        config.times.hold_ms = u64::from(hold);
    }
    if let Some(lease) = check.seconds("controller.lease_sec", table.lease_sec, 0.3) {
        config.lease = lease;
    }
    config.compatibility = table.compatibility.unwrap_or(config.compatibility);
    quality(check, &table.qot, &mut config);
    if let Err(reason) = config.check() {
        check.refuse("controller", reason, "change the table [controller]");
    }
    config
}

fn quality(check: &mut Checker<'_>, table: &QotTable, config: &mut ControllerConfig) {
    let limits = config.tx_power;
    let qot = &mut config.qot;
    qot.enabled = table.enabled.unwrap_or(qot.enabled);
    qot.thresholds = thresholds(check, table);
    qot.samples = table.samples.unwrap_or(qot.samples);
    qot.max_attempts = table.max_attempts.unwrap_or(qot.max_attempts);
    if let Some(ms) = check.milliseconds("controller.qot.cooldown_sec", table.cooldown_sec, 0.0) {
        qot.cooldown_ms = u64::from(ms);
    }
    if let Some(step) = check.unit("controller.qot.step_db", table.step_db, Db::from_number) {
        if step <= Db::from_hundredths(0) {
            check.refuse("controller.qot.step_db", format_args!("{step}"), "give more than 0");
        }
        qot.step = step;
    }
    let min = check.unit("controller.qot.tx_min_dbm", table.tx_min_dbm, Power::from_number);
    let max = check.unit("controller.qot.tx_max_dbm", table.tx_max_dbm, Power::from_number);
    if min.is_some() || max.is_some() {
        let range = PowerRange { min: min.unwrap_or(limits.min), max: max.unwrap_or(limits.max) };
        if range.min > range.max {
            let reason = format_args!("{} is above {}", range.min, range.max).to_string();
            check.refuse("controller.qot.tx_min_dbm", reason, "give the least power first");
        }
        qot.tx_power = Some(range);
    }
    if let Some(text) = &table.adjust {
        let names = [
            ("opposite", Adjust::Opposite),
            ("both", Adjust::Both),
            ("source", Adjust::Source),
            ("destination", Adjust::Destination),
            // The existing system's word for one transmitter.
            ("one", Adjust::Opposite),
        ];
        if let Some(adjust) = check.one_of("controller.qot.adjust", text, &names) {
            qot.adjust = adjust;
        }
    }
}

/// Absolute thresholds around what is asked for. OSNR and bit error ratio as far apart as the reference's: warning 2 dB above
/// and critical 3 dB below in OSNR, a decade in bit error ratio; where one of them is asked for, the other is the
/// reference's too. eSNR and Q margin as far apart as the margins to a mode. What is not asked for is judged by its margin.
fn thresholds(check: &mut Checker<'_>, table: &QotTable) -> Option<Thresholds> {
    const BER: &str = "controller.qot.ber_threshold";
    let around = |degraded: Option<Db>, above: i16, below: i16| {
        let by = |hundredths| degraded.map(|limit| limit.plus(Db::from_hundredths(hundredths)));
        degraded.is_some().then(|| [by(above), degraded, by(-below)])
    };
    let mut decibels = |key, value| check.unit(key, value, Db::from_number);
    let osnr = around(decibels("controller.qot.osnr_threshold_db", table.osnr_threshold_db), 200, 300);
    let esnr = around(decibels("controller.qot.esnr_threshold_db", table.esnr_threshold_db), 70, 55);
    let q = around(decibels("controller.qot.q_margin_threshold_db", table.q_margin_threshold_db), 60, 55);
    let scaled = |factor: f64| move |value: f64| Ber::from_number(value * factor);
    let mut ratio = |factor| check.unit(BER, table.ber_threshold, scaled(factor));
    let ber = ratio(1.0).and_then(|degraded| Some([ratio(0.1)?, degraded, ratio(10.0)?].map(Some)));
    let of_reference = osnr.is_some() || ber.is_some();
    if !of_reference && esnr.is_none() && q.is_none() {
        return None;
    }
    let mut thresholds = if of_reference { Thresholds::reference() } else { Thresholds::default() };
    let Thresholds { warning, degraded, critical } = &mut thresholds;
    for (n, limits) in [warning, degraded, critical].into_iter().enumerate() {
        limits.osnr_below = osnr.map_or(limits.osnr_below, |osnr| osnr[n]);
        limits.ber_above = ber.map_or(limits.ber_above, |ber| ber[n]);
        limits.esnr_below = esnr.and_then(|esnr| esnr[n]);
        limits.q_margin_below = q.and_then(|q| q[n]);
    }
    Some(thresholds)
}

fn log_filter(check: &mut Checker<'_>, level: Option<String>) -> String {
    let text = level.unwrap_or_else(|| "info".to_owned());
    // Python's names are upper case and say `warning`.
    let text = if text.eq_ignore_ascii_case("warning") { "warn".to_owned() } else { text };
    if let Err(error) = tracing_subscriber::EnvFilter::try_new(&text) {
        check.refuse("log.level", format_args!("{text:?}: {error}"), "name a level such as info");
    }
    text
}
