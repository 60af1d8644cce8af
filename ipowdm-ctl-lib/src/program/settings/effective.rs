//! The settings in force, as a file that could be used for them; secrets are not shown.

use super::resolve::{Closed, Launching, Resolved};
use crate::http::{Limits, Rate};
use crate::program::LogFormat;
use crate::slice::BusLimits;
use core::fmt;
use ipowdm_core::bus::kafka::Client;
use ipowdm_core::qot::Adjust;
use ipowdm_core::topics::Role;
use std::path::Path;

/// A text as TOML has it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn path(path: &Path) -> String {
    quoted(&path.display().to_string())
}

/// Milliseconds as seconds.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1_000, ms % 1_000)
}

impl fmt::Display for Resolved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "# ipowdm-ctl {}", self.program.name())?;
        writeln!(f, "[store]\nlocation = {}", quoted(&self.store.to_string()))?;
        self.show_bus(f)?;
        writeln!(f, "\n[access]")?;
        match &self.closed {
            Closed::Open => writeln!(f, "open = true")?,
            Closed::Tokens(table) => writeln!(f, "tokens = {}", path(table))?,
        }
        writeln!(f, "allow_remote = {}", self.allow_remote)?;
        self.show_http(f)?;
        let (band, centres, guard) = &self.band_names;
        writeln!(f, "\n[linkdb]\nlisten = {}", quoted(&self.linkdb_listen.to_string()))?;
        writeln!(f, "band = {}\ncentres = {}\nedge_guard_ghz = {guard}", quoted(band), quoted(centres))?;
        if let Some(topology) = &self.topology {
            writeln!(f, "topology = {}", path(topology))?;
        }
        self.show_slice(f)?;
        self.show_controller(f)?;
        let format = match self.log_format {
            LogFormat::Text => "text",
            LogFormat::Json => "json",
        };
        writeln!(f, "\n[log]\nlevel = {}\nformat = {}", quoted(&self.log), quoted(format))
    }
}

impl Resolved {
    fn show_bus(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(bus) = &self.bus else { return Ok(()) };
        let client = match self.client {
            Client::Own => "own",
            Client::Rskafka => "rskafka",
        };
        writeln!(
            f,
            "\n[bus]\nbootstrap = {}\nclient = {}",
            quoted(&bus.bootstrap.join(",")),
            quoted(client)
        )?;
        let protocol = match (&bus.tls, &bus.sasl) {
            (None, None) => "PLAINTEXT",
            (Some(_), None) => "SSL",
            (None, Some(_)) => "SASL_PLAINTEXT",
            (Some(_), Some(_)) => "SASL_SSL",
        };
        writeln!(f, "security_protocol = {}", quoted(protocol))?;
        if let Some(tls) = &bus.tls {
            let client = tls.client.as_ref();
            let files = [
                ("ca_file", tls.ca_file.as_ref()),
                ("certificate_file", client.map(|client| &client.certificate_file)),
                ("key_file", client.map(|client| &client.key_file)),
            ];
            for (key, file) in files {
                if let Some(file) = file {
                    writeln!(f, "{key} = {}", quoted(&file.display().to_string()))?;
                }
            }
        }
        if let Some(sasl) = &bus.sasl {
            writeln!(f, "sasl_mechanism = {}", quoted(sasl.mechanism.name()))?;
            writeln!(f, "sasl_username = {}\n# the password is not shown", quoted(&sasl.username))?;
        }
        Ok(())
    }

    fn show_http(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Limits { in_flight, waiting, request_time, rate, body } = self.access.limits();
        writeln!(f, "\n[http]\nin_flight = {in_flight}\nwaiting = {waiting}\nbody_bytes = {body}")?;
        match request_time {
            Some(time) => writeln!(f, "request_sec = {:.3}", time.as_secs_f64())?,
            None => writeln!(f, "# request_sec: 30, of the slice manager 180")?,
        }
        match rate {
            Some(Rate { interval, burst }) => {
                writeln!(f, "rate_per_sec = {:.3}\nrate_burst = {burst}", 1.0 / interval.as_secs_f64())?;
            }
            None => writeln!(f, "rate_per_sec = 0.0")?,
        }
        writeln!(f, "open_metrics = {}", self.open_metrics)
    }

    fn show_slice(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const HOUR_MS: u64 = 3_600_000;
        writeln!(f, "\n[slice]\nlisten = {}", quoted(&self.slice_listen.to_string()))?;
        match &self.launching {
            Launching::Task => writeln!(f, "launcher = \"task\"")?,
            Launching::Process(program) => {
                writeln!(f, "launcher = \"process\"")?;
                if let Some(program) = program {
                    writeln!(f, "controller_program = {}", path(program))?;
                }
            }
            Launching::External => writeln!(f, "launcher = \"external\"")?,
        }
        let topics = Role::ALL.map(|role| self.slice.topic(role));
        let [config, monitoring, health] = topics;
        writeln!(f, "partitions = {}", config.partitions)?;
        for (key, topic) in [("monitoring_partitions", monitoring), ("health_partitions", health)] {
            if topic.partitions != config.partitions {
                writeln!(f, "{key} = {}", topic.partitions)?;
            }
        }
        writeln!(f, "replication = {}", config.replication)?;
        match config.min_in_sync {
            Some(least) => writeln!(f, "min_insync_replicas = {least}")?,
            None => writeln!(f, "# min_insync_replicas: as the broker has it")?,
        }
        for (key, topic) in ["config", "monitoring", "health"].into_iter().zip(topics) {
            writeln!(f, "{key}_retention_hours = {}", topic.retention_ms / HOUR_MS)?;
        }
        writeln!(f, "telemetry_interval_sec = {}", seconds(self.slice.telemetry_interval_ms.into()))?;
        writeln!(f, "health_interval_sec = {}", seconds(self.slice.health_interval_ms.into()))?;
        writeln!(
            f,
            "drain_sec = {}",
            seconds(u64::try_from(self.slice.drain.as_millis()).unwrap_or(u64::MAX))
        )?;
        let BusLimits { controller, agent, application } = &self.slice.limits;
        for (who, quota) in [("controller", controller), ("agent", agent), ("application", application)] {
            if quota.is_none() {
                continue;
            }
            writeln!(f, "\n[slice.limits.{who}]")?;
            for (key, limit) in [
                ("publish_bytes_per_sec", quota.publish_bytes),
                ("fetch_bytes_per_sec", quota.fetch_bytes),
                ("request_percent", quota.request_percent),
            ] {
                if let Some(limit) = limit {
                    writeln!(f, "{key} = {limit}")?;
                }
            }
        }
        Ok(())
    }

    fn show_controller(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let config = &self.controller;
        writeln!(f, "\n[controller]\nlisten = {}", quoted(&self.controller_listen.to_string()))?;
        writeln!(f, "ports = {}", self.controller_ports)?;
        if let Some(host) = &self.advertised_host {
            writeln!(f, "advertised_host = {}", quoted(host))?;
        }
        if let Some(vop) = &self.vop {
            writeln!(f, "virtual_operator = {}", quoted(vop.as_str()))?;
        }
        if !config.controller_id.is_empty() {
            writeln!(f, "id = {}", quoted(&config.controller_id))?;
        }
        writeln!(f, "paths = {}", config.paths)?;
        writeln!(f, "tx_min_dbm = {:?}", config.tx_power.min.value())?;
        writeln!(f, "tx_max_dbm = {:?}", config.tx_power.max.value())?;
        writeln!(f, "hold_sec = {}", seconds(config.times.hold_ms))?;
        writeln!(f, "lease_sec = {}", seconds(u64::try_from(config.lease.as_millis()).unwrap_or(u64::MAX)))?;
        writeln!(f, "compatibility = {}", config.compatibility)?;
        let qot = &config.qot;
        writeln!(f, "\n[controller.qot]\nenabled = {}", qot.enabled)?;
        match &qot.thresholds {
            None => writeln!(f, "# thresholds: margins to what each mode needs")?,
            Some(thresholds) => {
                if let Some(osnr) = thresholds.degraded.osnr_below {
                    writeln!(f, "osnr_threshold_db = {:?}", osnr.value())?;
                }
                if let Some(ber) = thresholds.degraded.ber_above {
                    writeln!(f, "ber_threshold = {:?}", ber.value())?;
                }
                if let Some(esnr) = thresholds.degraded.esnr_below {
                    writeln!(f, "esnr_threshold_db = {:?}", esnr.value())?;
                }
                if let Some(margin) = thresholds.degraded.q_margin_below {
                    writeln!(f, "q_margin_threshold_db = {:?}", margin.value())?;
                }
            }
        }
        writeln!(f, "samples = {}\ncooldown_sec = {}", qot.samples, seconds(qot.cooldown_ms))?;
        writeln!(f, "max_attempts = {}\nstep_db = {:?}", qot.max_attempts, qot.step.value())?;
        if let Some(range) = &qot.tx_power {
            writeln!(f, "tx_min_dbm = {:?}\ntx_max_dbm = {:?}", range.min.value(), range.max.value())?;
        }
        let adjust = match qot.adjust {
            Adjust::Opposite => "opposite",
            Adjust::Both => "both",
            Adjust::Source => "source",
            Adjust::Destination => "destination",
        };
        writeln!(f, "adjust = {}", quoted(adjust))
    }
}
