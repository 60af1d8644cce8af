//! The environment names of the existing system.

use super::{Problem, Settings};
use core::fmt::Display;
use core::str::FromStr;
use ipowdm_core::bus::kafka::Secret;
use ipowdm_core::topics::{self, Role};

/// Reads variables; an empty one counts as absent.
struct Reader<'a> {
    get: &'a dyn Fn(&str) -> Option<String>,
    problems: &'a mut Vec<Problem>,
}

impl Reader<'_> {
    fn text(&self, name: &str) -> Option<String> {
        (self.get)(name).map(|value| value.trim().to_string()).filter(|value| !value.is_empty())
    }

    fn refuse(&mut self, name: &str, reason: impl Display, fix: &str) {
        self.problems.push(Problem::new(name, reason.to_string(), fix));
    }

    fn parse<T: FromStr<Err: Display>>(&mut self, name: &str, into: &mut Option<T>, fix: &str) {
        let Some(text) = self.text(name) else { return };
        match text.parse() {
            Ok(value) => *into = Some(value),
            Err(error) => self.refuse(name, error, fix),
        }
    }

    fn json<T: serde::de::DeserializeOwned>(&mut self, name: &str, into: &mut T, fix: &str) {
        let Some(text) = self.text(name) else { return };
        match serde_json::from_str(&text) {
            Ok(value) => *into = value,
            Err(error) => self.refuse(name, error, fix),
        }
    }

    fn switch(&mut self, name: &str, into: &mut bool) {
        let Some(text) = self.text(name) else { return };
        match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => *into = true,
            "false" | "0" | "no" | "off" => *into = false,
            _ => self.refuse(name, format_args!("{text:?} is neither true nor false"), "use true or false"),
        }
    }
}

impl Settings {
    /// Puts what the environment says over what the file says.
    pub(super) fn overlay(&mut self, get: &dyn Fn(&str) -> Option<String>, problems: &mut Vec<Problem>) {
        let mut read = Reader { get, problems };
        const ID: &str = "use letters, digits and dashes";
        read.parse("POP_ID", &mut self.agent.pop_id, ID);
        read.parse("ROUTER_ID", &mut self.agent.router_id, ID);
        read.parse("AGENT_ID", &mut self.agent.agent_id, ID);
        read.parse("VIRTUAL_OPERATOR", &mut self.agent.virtual_operator, ID);
        read.parse("REGION", &mut self.agent.region, ID);
        read.parse("JOURNAL_FILE", &mut self.agent.journal, "give a path");
        read.switch("ACCEPT_UNFENCED", &mut self.agent.accept_unfenced);
        read.parse("COMMAND_TIMEOUT_SEC", &mut self.agent.command_timeout_sec, "give seconds");
        read.parse("KAFKA_BROKER", &mut self.bus.bootstrap, "give host:port");
        self.overlay_security(&mut read);
        let list = r#"give a JSON list such as ["Ethernet48","Ethernet56"]"#;
        read.json("ASSIGNED_TRANSCEIVERS", &mut self.modules.ports, list);
        let map = r#"give a JSON object such as {"Ethernet48":7}"#;
        read.json("IFNAME_TO_PORTNUM_JSON", &mut self.modules.numbers, map);
        let modes = "give auto, observe, configure, supplement or own";
        read.parse("MODULES_MODE", &mut self.modules.mode, modes);
        read.parse("SWITCH_ROOT", &mut self.modules.root, "give a path");
        read.switch("MOCK_HARDWARE", &mut self.modules.emulated);
        read.parse("TELEMETRY_INTERVAL_SEC", &mut self.telemetry.interval_sec, "give seconds");
        read.parse("MAX_TELEMETRY_SESSIONS", &mut self.telemetry.max_sessions, "give a whole number");
        let mut debug = false;
        read.switch("DEBUG_MODE", &mut debug);
        if debug {
            self.log.level = Some("debug".to_string());
        }
        if let Some(level) = read.text("LOG_LEVEL") {
            // Python's names are upper case, and there are others.
            let level = level.to_ascii_lowercase();
            self.log.level = Some(match level.as_str() {
                "warning" => "warn".to_string(),
                "critical" | "fatal" => "error".to_string(),
                "notset" => "trace".to_string(),
                _ => level,
            });
        }
        let quality = &mut self.quality;
        read.switch("ENABLE_QOT_MONITORING", &mut quality.enabled);
        read.parse("QOT_SAMPLES", &mut quality.samples, "give 1 to 255");
        read.parse("QOT_COOLDOWN_SEC", &mut quality.cooldown_sec, "give seconds");
        read.parse("OSNR_THRESHOLD_DB", &mut quality.osnr_threshold_db, "give decibels");
        read.parse("BER_THRESHOLD", &mut quality.ber_threshold, "give a ratio such as 1e-3");
        read.parse("LOG_FILE", &mut self.log.file, "give a path");
        read.parse("LOG_MAX_SIZE_MB", &mut self.log.max_size_mb, "give megabytes");
        read.parse("LOG_BACKUP_COUNT", &mut self.log.backup_count, "give a whole number");
        read.parse("LOG_FORMAT", &mut self.log.format, "text or json");
        self.check_topics(&mut read);
    }

    fn overlay_security(&mut self, read: &mut Reader<'_>) {
        let bus = &mut self.bus;
        read.parse("KAFKA_SECURITY_PROTOCOL", &mut bus.security_protocol, "give PLAINTEXT or SASL_SSL");
        read.parse("KAFKA_SSL_CAFILE", &mut bus.ca_file, "give a path");
        read.parse("KAFKA_SSL_CERTFILE", &mut bus.certificate_file, "give a path");
        read.parse("KAFKA_SSL_KEYFILE", &mut bus.key_file, "give a path");
        read.parse("KAFKA_COMPRESSION_TYPE", &mut bus.compression, "give none or lz4");
        read.parse("KAFKA_SASL_MECHANISM", &mut bus.sasl_mechanism, "give SCRAM-SHA-512");
        read.parse("KAFKA_SASL_USERNAME", &mut bus.sasl_username, "name the user");
        read.parse("KAFKA_SASL_PASSWORD_FILE", &mut bus.sasl_password_file, "give a path");
        if let Some(password) = read.text("KAFKA_SASL_PASSWORD") {
            bus.sasl_password = Some(Secret::new(password));
        }
    }

    /// Topic names follow from the virtual operator; a name that says otherwise is refused, never used or ignored.
    fn check_topics(&self, read: &mut Reader<'_>) {
        for (variable, role) in [
            ("CONFIG_TOPIC", Role::Config),
            ("MONITORING_TOPIC", Role::Monitoring),
            ("HEALTH_TOPIC", Role::Health),
        ] {
            let Some(name) = read.text(variable) else { continue };
            if let Err(legacy) = topics::refuse_legacy(&name) {
                read.refuse(variable, legacy, "unset the variable: topic names follow from VIRTUAL_OPERATOR");
                continue;
            }
            let fix = "unset it, or make it agree with VIRTUAL_OPERATOR";
            match &self.agent.virtual_operator {
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
