//! Settings of the serving programs: one TOML file, over it the environment, over that the command line.
//!
//! Everything wrong is reported at once, each with the key, its line in the file and what to do. Nothing is guessed: an unknown
//! key, a legacy topic name or a store that cannot be shared by the processes that would use it ends the start.

mod document;
mod effective;
mod environment;
mod problem;
mod resolve;
#[cfg(test)]
mod tests;

pub(crate) use document::Document;
#[cfg(test)]
use problem::{Problem, SettingsError};
pub(crate) use resolve::{Launching, Resolved};

use crate::program::LogFormat;
use ipowdm_core::ids::VopId;
use serde::Deserialize;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;

/// The program that is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Program {
    Linkdb,
    SliceManager,
    Controller,
    All,
    /// Looks and serves nothing.
    Verify,
}

impl Program {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Linkdb => "linkdb",
            Self::SliceManager => "slice-manager",
            Self::Controller => "controller",
            Self::All => "all",
            Self::Verify => "verify",
        }
    }

    pub(crate) const fn has_linkdb(self) -> bool {
        matches!(self, Self::Linkdb | Self::All)
    }

    pub(crate) const fn has_slices(self) -> bool {
        matches!(self, Self::SliceManager | Self::All)
    }

    pub(crate) const fn has_controllers(self) -> bool {
        matches!(self, Self::SliceManager | Self::Controller | Self::All)
    }

    pub(crate) const fn has_bus(self) -> bool {
        !matches!(self, Self::Linkdb)
    }
}

/// The settings as a file has them; each may be absent.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) store: StoreTable,
    pub(crate) bus: BusTable,
    pub(crate) access: AccessTable,
    pub(crate) http: HttpTable,
    pub(crate) linkdb: LinkdbTable,
    pub(crate) slice: SliceTable,
    pub(crate) controller: ControllerTable,
    pub(crate) log: LogTable,
}

/// `[store]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StoreTable {
    /// `memory`, `redb:PATH` or `redis://…` (`IPOWDM_STORE`, `REDIS_URL`, `LINKDB_HOST`, `LINKDB_PORT`, `LINKDB_PASSWORD`).
    pub(crate) location: Option<String>,
}

/// `[bus]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct BusTable {
    /// `host:port`, several separated by commas (`KAFKA_BROKER`).
    pub(crate) bootstrap: Option<String>,
    /// `own` or `rskafka` (`IPOWDM_KAFKA_CLIENT`).
    pub(crate) client: Option<String>,
    /// `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL` (`KAFKA_SECURITY_PROTOCOL`).
    pub(crate) security_protocol: Option<String>,
    /// Trusted certificates, PEM; without it the system's (`KAFKA_SSL_CAFILE`).
    pub(crate) ca_file: Option<PathBuf>,
    /// This program's certificate and those that lead to a trusted one, PEM (`KAFKA_SSL_CERTFILE`).
    pub(crate) certificate_file: Option<PathBuf>,
    /// Its private key, PEM, not encrypted (`KAFKA_SSL_KEYFILE`).
    pub(crate) key_file: Option<PathBuf>,
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512` (`KAFKA_SASL_MECHANISM`).
    pub(crate) sasl_mechanism: Option<String>,
    /// (`KAFKA_SASL_USERNAME`)
    pub(crate) sasl_username: Option<String>,
    /// A file that holds the password and nothing else (`KAFKA_SASL_PASSWORD_FILE`; `KAFKA_SASL_PASSWORD` holds the password
    /// itself and goes before it).
    pub(crate) sasl_password_file: Option<PathBuf>,
    /// From the environment only.
    #[serde(skip)]
    pub(crate) sasl_password: Option<String>,
}

/// `[access]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AccessTable {
    /// The table of bearer tokens.
    pub(crate) tokens: Option<PathBuf>,
    /// Whoever reaches a service may do everything.
    pub(crate) open: bool,
    /// Listen where other machines can connect.
    pub(crate) allow_remote: bool,
}

/// `[http]`: limits of every service.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HttpTable {
    /// Requests in flight at once.
    pub(crate) in_flight: Option<usize>,
    /// Requests with `?wait=` in flight at once.
    pub(crate) waiting: Option<usize>,
    /// Time for a request; without it 30 s, of the slice manager 180 s.
    pub(crate) request_sec: Option<f64>,
    /// Largest body.
    pub(crate) body_bytes: Option<usize>,
    /// Requests of each caller in the long run; 0 for any number.
    pub(crate) rate_per_sec: Option<f64>,
    /// Requests of each caller at once after a pause.
    pub(crate) rate_burst: Option<u32>,
    /// Figures for whoever reaches a service.
    pub(crate) open_metrics: bool,
}

/// `[linkdb]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LinkdbTable {
    pub(crate) listen: Option<SocketAddr>,
    /// `c`, `super-c` or `c+l`. All programs over one store must say the same.
    pub(crate) band: Option<String>,
    /// `flex`, `12.5`, `12.5-edges`, or the fixed grid `50`, `75` or `100`.
    pub(crate) centres: Option<String>,
    pub(crate) edge_guard_ghz: Option<u32>,
    /// PoPs and links to begin with.
    pub(crate) topology: Option<PathBuf>,
}

/// `[slice]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SliceTable {
    pub(crate) listen: Option<SocketAddr>,
    pub(crate) launcher: Option<LauncherName>,
    /// What launcher `process` runs; the program that runs now unless told otherwise.
    pub(crate) controller_program: Option<PathBuf>,
    /// `DEFAULT_TOPIC_PARTITIONS`
    pub(crate) partitions: Option<u32>,
    /// Of topics of commands; without it `partitions`, as of the next two.
    pub(crate) config_partitions: Option<u32>,
    /// Of topics of acks and telemetry.
    pub(crate) monitoring_partitions: Option<u32>,
    /// Of topics of heartbeats.
    pub(crate) health_partitions: Option<u32>,
    /// `DEFAULT_TOPIC_REPLICATION`
    pub(crate) replication: Option<u16>,
    /// Replicas that must have a record before it is confirmed; without it as the broker has it.
    pub(crate) min_insync_replicas: Option<u16>,
    /// Hours that commands are kept.
    pub(crate) config_retention_hours: Option<u32>,
    /// Hours that acks and telemetry are kept.
    pub(crate) monitoring_retention_hours: Option<u32>,
    /// Hours that heartbeats are kept; without it as long as acks.
    pub(crate) health_retention_hours: Option<u32>,
    pub(crate) telemetry_interval_sec: Option<f64>,
    pub(crate) health_interval_sec: Option<f64>,
    /// How long a forced deactivation waits for connections to go dark.
    pub(crate) drain_sec: Option<f64>,
    pub(crate) limits: LimitsTable,
}

/// `[slice.limits]`: how much users may take of each broker, where brokers know them by a password.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsTable {
    pub(crate) controller: LimitTable,
    pub(crate) agent: LimitTable,
    pub(crate) application: LimitTable,
}

/// A table in `[slice.limits]`; what is absent has no limit.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitTable {
    pub(crate) publish_bytes_per_sec: Option<NonZeroU32>,
    pub(crate) fetch_bytes_per_sec: Option<NonZeroU32>,
    /// Of one thread of a broker.
    pub(crate) request_percent: Option<NonZeroU32>,
}

/// How the slice manager starts controllers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LauncherName {
    /// As tasks of its own process.
    Task,
    /// As processes that it starts and watches.
    Process,
    /// Not at all: `ipowdm-ctl controller` is run by somebody else, once for each virtual operator.
    External,
}

/// `[controller]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ControllerTable {
    /// Where the first controller listens; those of other virtual operators on the ports after it.
    pub(crate) listen: Option<SocketAddr>,
    /// Ports after the first that controllers of one process may take.
    pub(crate) ports: Option<u16>,
    /// As `http://…`: where others reach a controller that listens on an unspecified address.
    pub(crate) advertised_host: Option<String>,
    /// `VIRTUAL_OPERATOR`, of program `controller`.
    pub(crate) virtual_operator: Option<VopId>,
    /// `CONTROLLER_ID`
    pub(crate) id: Option<String>,
    /// Candidate paths of a connection.
    pub(crate) paths: Option<u16>,
    /// What the operator allows, in dBm.
    pub(crate) tx_min_dbm: Option<f64>,
    pub(crate) tx_max_dbm: Option<f64>,
    /// How long a controller that has gone silent is waited for before another instance takes over.
    pub(crate) lease_sec: Option<f64>,
    /// A connection that is created and not set up gives its grant back after this.
    pub(crate) hold_sec: Option<f64>,
    /// Let agents of other makes in (`COMPATIBILITY_MODE`).
    pub(crate) compatibility: Option<bool>,
    pub(crate) qot: QotTable,
}

/// `[controller.qot]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct QotTable {
    pub(crate) enabled: Option<bool>,
    /// Absolute thresholds instead of margins to what a mode needs: DEGRADED below this (`OSNR_THRESHOLD`).
    pub(crate) osnr_threshold_db: Option<f64>,
    /// DEGRADED above this (`BER_THRESHOLD`).
    pub(crate) ber_threshold: Option<f64>,
    /// DEGRADED below this electrical SNR (`ESNR_THRESHOLD`).
    pub(crate) esnr_threshold_db: Option<f64>,
    /// DEGRADED below this Q margin (`Q_MARGIN_THRESHOLD`).
    pub(crate) q_margin_threshold_db: Option<f64>,
    /// `PERSISTENCY_SAMPLES`
    pub(crate) samples: Option<u8>,
    /// `COOLDOWN_SEC`
    pub(crate) cooldown_sec: Option<f64>,
    pub(crate) max_attempts: Option<u8>,
    /// `TX_STEP_DB`
    pub(crate) step_db: Option<f64>,
    /// `TX_MIN_DBM`: the loop's own limits, inside the operator's.
    pub(crate) tx_min_dbm: Option<f64>,
    /// `TX_MAX_DBM`
    pub(crate) tx_max_dbm: Option<f64>,
    /// `opposite`, `both`, `source` or `destination` (`ADJUST_MODE`).
    pub(crate) adjust: Option<String>,
}

/// `[log]`
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LogTable {
    /// `LOG_LEVEL`: a level or a filter such as `ipowdm_ctl_lib=debug`.
    pub(crate) level: Option<String>,
    /// `LOG_FORMAT`: `text` or `json`.
    pub(crate) format: Option<LogFormat>,
}
