//! Quality of transmission.

use crate::connection::State;
use crate::controller::{QotEndView, QotView};
use crate::http::dto::iso;
use ipowdm_core::ids::ConnectionId;
use ipowdm_core::msg::TelemetryFields;
use ipowdm_core::qot::{Level, Limits};
use schemars::JsonSchema;
use serde::Serialize;

/// Where a level begins.
#[derive(Debug, Serialize, JsonSchema)]
struct LimitsJson {
    osnr_below_db: Option<f64>,
    esnr_below_db: Option<f64>,
    ber_above: Option<f64>,
    q_margin_below_db: Option<f64>,
}

impl From<Limits> for LimitsJson {
    fn from(limits: Limits) -> Self {
        Self {
            osnr_below_db: limits.osnr_below.map(|osnr| osnr.value()),
            esnr_below_db: limits.esnr_below.map(|esnr| esnr.value()),
            ber_above: limits.ber_above.map(|ber| ber.value()),
            q_margin_below_db: limits.q_margin_below.map(|margin| margin.value()),
        }
    }
}

/// The thresholds that a connection is judged by.
#[derive(Debug, Serialize, JsonSchema)]
struct ThresholdsJson {
    warning: LimitsJson,
    degraded: LimitsJson,
    critical: LimitsJson,
}

/// The last sample of an end: the telemetry's own fields, and how old they are.
#[derive(Debug, Serialize, JsonSchema)]
struct SampleJson {
    measured_at: String,
    age_ms: u64,
    #[serde(flatten)]
    fields: TelemetryFields,
}

/// The quality at one end.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "QualityEnd")]
struct EndJson {
    level: Level,
    /// `stale` where no sample comes although its agent is heard.
    telemetry: &'static str,
    last: Option<SampleJson>,
}

impl From<QotEndView> for EndJson {
    fn from(view: QotEndView) -> Self {
        let last = view.last.map(|(sample, age_ms)| SampleJson {
            measured_at: iso(sample.measured_at),
            age_ms,
            fields: sample.fields,
        });
        Self { level: view.level, telemetry: if view.stale { "stale" } else { "live" }, last }
    }
}

/// The quality of a connection.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct QotJson {
    connection_id: ConnectionId,
    status: State,
    pub(in crate::http) level: Level,
    /// Whether the loop is doing something about a bad level, or has done so in vain.
    acting: bool,
    /// Whether it has given up.
    alarm: bool,
    /// Samples judged; repeated ones and those that were too old are counted apart.
    samples: u64,
    samples_repeated: u64,
    samples_passed_over: u64,
    thresholds: ThresholdsJson,
    source: EndJson,
    destination: EndJson,
}

impl From<QotView> for QotJson {
    fn from(view: QotView) -> Self {
        let thresholds = view.rule.thresholds;
        Self {
            connection_id: view.connection_id,
            status: view.state,
            level: view.level,
            acting: view.acting,
            alarm: view.alarm,
            samples: view.samples.judged,
            samples_repeated: view.samples.repeated,
            samples_passed_over: view.samples.passed_over,
            thresholds: ThresholdsJson {
                warning: thresholds.warning.into(),
                degraded: thresholds.degraded.into(),
                critical: thresholds.critical.into(),
            },
            source: view.ends.source.into(),
            destination: view.ends.destination.into(),
        }
    }
}

/// The quality of all connections.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Qualities")]
pub(in crate::http) struct QualitiesJson {
    pub(in crate::http) total_connections: usize,
    pub(in crate::http) degraded_connections: usize,
    pub(in crate::http) connections: Vec<QotJson>,
    pub(in crate::http) timestamp: String,
}
