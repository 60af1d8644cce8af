//! The environment names of the existing system, and our own.

use super::problem::Problem;
use super::{Program, Settings};
use crate::http::{CONTROLLER_ADDR, LINKDB_ADDR, SLICE_ADDR};
use core::fmt::Display;
use core::str::FromStr;
use ipowdm_core::topics::{self, Role};
use std::net::{IpAddr, SocketAddr};

/// Names that the existing services read and that have no effect here, with what does their work.
const WITHOUT_EFFECT: &[(&str, &str)] = &[
    ("CONTROLLER_DEPLOY_SCRIPT", "slice.launcher says how controllers are started"),
    ("DEFAULT_SPECTRUM_SLOTS", "a connection takes the slots its mode needs"),
    ("SLOT_WIDTH_GHZ", "slots are those of ITU-T G.694.1; linkdb.centres says where centres may lie"),
];

/// Reads variables; an empty one counts as absent.
struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<String> {
        (self.get)(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty())
    }

    fn refuse(&mut self, name: &str, reason: impl Display, fix: &str) {
        self.problems.push(Problem::new(name, reason.to_string(), fix));
    }

    fn put(&self, name: &str, into: &mut Option<String>) {
        if let Some(text) = self.text(name) {
            *into = Some(text);
        }
    }

    fn parse<T: FromStr<Err: Display>>(&mut self, name: &str, into: &mut Option<T>, fix: &str) {
        let Some(text) = self.text(name) else { return };
        match text.parse() {
            Ok(value) => *into = Some(value),
            Err(error) => self.refuse(name, error, fix),
        }
    }
}

impl Settings {
    /// Puts what the environment says over what the file says; answers what has no effect.
    pub(super) fn overlay(
        &mut self,
        program: Program,
        get: &dyn Fn(&str) -> Option<String>,
        problems: &mut Vec<Problem>,
    ) -> Vec<String> {
        let mut read = Reader { get, problems };
        self.overlay_store(&mut read);
        self.overlay_bus(&mut read);
        self.overlay_addresses(program, &mut read);
        let slice = &mut self.slice;
        read.parse("DEFAULT_TOPIC_PARTITIONS", &mut slice.partitions, WHOLE);
        read.parse("DEFAULT_TOPIC_REPLICATION", &mut slice.replication, WHOLE);
        let controller = &mut self.controller;
        read.parse("VIRTUAL_OPERATOR", &mut controller.virtual_operator, "use letters, digits and dashes");
        read.put("CONTROLLER_ID", &mut controller.id);
        read.parse("COMPATIBILITY_MODE", &mut controller.compatibility, "say true or false");
        let qot = &mut controller.qot;
        read.parse("OSNR_THRESHOLD", &mut qot.osnr_threshold_db, NUMBER);
        read.parse("BER_THRESHOLD", &mut qot.ber_threshold, NUMBER);
        read.parse("ESNR_THRESHOLD", &mut qot.esnr_threshold_db, NUMBER);
        read.parse("Q_MARGIN_THRESHOLD", &mut qot.q_margin_threshold_db, NUMBER);
        read.parse("PERSISTENCY_SAMPLES", &mut qot.samples, WHOLE);
        read.parse("COOLDOWN_SEC", &mut qot.cooldown_sec, NUMBER);
        read.parse("TX_STEP_DB", &mut qot.step_db, NUMBER);
        read.parse("TX_MIN_DBM", &mut qot.tx_min_dbm, NUMBER);
        read.parse("TX_MAX_DBM", &mut qot.tx_max_dbm, NUMBER);
        read.put("ADJUST_MODE", &mut qot.adjust);
        if let Some(level) = read.text("LOG_LEVEL") {
            self.log.level = Some(level);
        }
        self.check_topics(&mut read);
        let noted = WITHOUT_EFFECT.iter().filter(|(name, _)| read.text(name).is_some());
        noted.map(|(name, instead)| format!("{name} has no effect: {instead}")).collect()
    }

    fn overlay_store(&mut self, read: &mut Reader<'_>) {
        if let Some(host) = read.text("LINKDB_HOST") {
            let mut port = None;
            read.parse("LINKDB_PORT", &mut port, "give a port number");
            let port: u16 = port.unwrap_or(6379);
            match redis_at(&host, port, read.text("LINKDB_PASSWORD").as_deref()) {
                Some(location) => self.store.location = Some(location),
                None => read.refuse("LINKDB_HOST", format_args!("{host:?} is no host"), "give a host's name"),
            }
        }
        read.put("REDIS_URL", &mut self.store.location);
        read.put("IPOWDM_STORE", &mut self.store.location);
    }

    fn overlay_bus(&mut self, read: &mut Reader<'_>) {
        let bus = &mut self.bus;
        read.put("KAFKA_BROKER", &mut bus.bootstrap);
        read.put("IPOWDM_KAFKA_CLIENT", &mut bus.client);
        read.put("KAFKA_SECURITY_PROTOCOL", &mut bus.security_protocol);
        read.parse("KAFKA_SSL_CAFILE", &mut bus.ca_file, "give a path");
        read.parse("KAFKA_SSL_CERTFILE", &mut bus.certificate_file, "give a path");
        read.parse("KAFKA_SSL_KEYFILE", &mut bus.key_file, "give a path");
        read.put("KAFKA_SASL_MECHANISM", &mut bus.sasl_mechanism);
        read.put("KAFKA_SASL_USERNAME", &mut bus.sasl_username);
        read.parse("KAFKA_SASL_PASSWORD_FILE", &mut bus.sasl_password_file, "give a path");
        read.put("KAFKA_SASL_PASSWORD", &mut bus.sasl_password);
    }

    /// `API_HOST` and `API_PORT` are those of the program that runs; several services cannot share one port.
    fn overlay_addresses(&mut self, program: Program, read: &mut Reader<'_>) {
        let (mut host, mut port): (Option<IpAddr>, Option<u16>) = (None, None);
        read.parse("API_HOST", &mut host, "give an address such as 127.0.0.1");
        read.parse("API_PORT", &mut port, "give a port number");
        if port.is_some() && program == Program::All {
            let fix = "unset it, and set linkdb.listen, slice.listen and controller.listen in the file";
            read.refuse("API_PORT", "names one port for three services", fix);
        }
        let all = program == Program::All;
        let places = [
            (all || program == Program::Linkdb, &mut self.linkdb.listen, LINKDB_ADDR),
            (all || program == Program::SliceManager, &mut self.slice.listen, SLICE_ADDR),
            (all || program == Program::Controller, &mut self.controller.listen, CONTROLLER_ADDR),
        ];
        for (_, listen, usual) in places.into_iter().filter(|(concerned, ..)| *concerned) {
            if host.is_some() || port.is_some() {
                let before = listen.unwrap_or(usual);
                *listen = Some(SocketAddr::new(host.unwrap_or(before.ip()), port.unwrap_or(before.port())));
            }
        }
    }

    /// Topic names follow from the virtual operator; a name that says otherwise is refused, never used or ignored.
    fn check_topics(&self, read: &mut Reader<'_>) {
        for (variable, role) in [("CONFIG_TOPIC", Role::Config), ("MONITORING_TOPIC", Role::Monitoring)] {
            let Some(name) = read.text(variable) else { continue };
            if let Err(legacy) = topics::refuse_legacy(&name) {
                read.refuse(variable, legacy, "unset the variable: topic names follow from VIRTUAL_OPERATOR");
                continue;
            }
            let fix = "unset it, or make it agree with VIRTUAL_OPERATOR";
            match &self.controller.virtual_operator {
                Some(vop) => {
                    let expected = topics::name(role, vop, None);
                    if expected != name.as_str() {
                        read.refuse(variable, format_args!("{name:?} is not {expected:?}"), fix);
                    }
                }
                None => read.refuse(variable, "is set without VIRTUAL_OPERATOR", fix),
            }
        }
    }
}

/// The location of a Redis server; characters of the password that mean something in one are escaped.
fn redis_at(host: &str, port: u16, password: Option<&str>) -> Option<String> {
    let mut location = url::Url::parse(&format!("redis://{host}:{port}/0")).ok()?;
    location.set_password(password).ok()?;
    Some(location.to_string())
}

const WHOLE: &str = "give a whole number";
const NUMBER: &str = "give a number";
