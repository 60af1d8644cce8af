//! What the lab found out, for people and for programs.

use super::fill::{Filled, Ticks};
use serde::Serialize;
use serde_json::{Map, Value};
use std::time::Instant;

/// The outcome of one study case.
#[derive(Debug, Clone, Serialize)]
pub struct Case {
    /// 1, 2 or 3.
    pub case: u8,
    /// Whether everything that the case promises was observed.
    pub passed: bool,
    /// Milliseconds that the control plane needed, module time taken out.
    pub control_plane_ms: f64,
    /// Milliseconds that the modules needed.
    pub module_ms: f64,
    /// What was observed.
    pub evidence: Map<String, Value>,
}

/// The report of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// The cases in order.
    pub cases: Vec<Case>,
    /// The broker's bootstrap address.
    pub broker: String,
    /// What kind of broker it is.
    pub broker_kind: &'static str,
    /// Emulated ports.
    pub ports: usize,
    /// What filling the network came to, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filled: Option<Filled>,
    /// Whether telemetry kept its rate then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ticks: Option<Ticks>,
    /// Resident memory of the process in kilobytes, after the cases; absent where the host does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resident_kb: Option<u64>,
    /// Seconds from start to end of the last case.
    pub seconds: f64,
}

impl Report {
    /// Whether every case passed, and where the network was filled, whether telemetry kept its rate.
    #[must_use]
    pub fn passed(&self) -> bool {
        let kept = |ticks: &Ticks| {
            // At the edges of the window one sample of each port may be on its way.
            let on_the_way = u64::try_from(ticks.ports).unwrap_or(u64::MAX);
            ticks.missed == 0 && ticks.dropped == 0 && ticks.samples.saturating_add(on_the_way) >= ticks.due
        };
        !self.cases.is_empty()
            && self.cases.iter().all(|case| case.passed)
            && self.filled.as_ref().is_none_or(|filled| filled.failures.is_empty())
            && self.ticks.as_ref().is_none_or(kept)
    }
}

/// Collects the evidence of a case while it is played, and tells it.
#[derive(Debug)]
pub struct Narrator {
    case: u8,
    started: Instant,
    failed: bool,
    evidence: Map<String, Value>,
}

impl Narrator {
    /// Begins a case.
    #[must_use]
    pub fn begin(case: u8, title: &str) -> Self {
        println!("\n== Case {case}: {title}");
        Self { case, started: Instant::now(), failed: false, evidence: Map::new() }
    }

    /// Tells something that was done.
    pub fn tell(&self, text: impl AsRef<str>) {
        println!("  {:>7.3} s  {}", self.started.elapsed().as_secs_f64(), text.as_ref());
    }

    /// Tells and records something that was observed.
    pub fn observe(&mut self, key: &str, value: impl Serialize, text: impl AsRef<str>) {
        self.tell(text);
        self.evidence.insert(key.to_owned(), serde_json::to_value(value).unwrap_or(Value::Null));
    }

    /// Records whether a promise held.
    pub fn expect(&mut self, key: &str, held: bool, text: impl AsRef<str>) {
        self.tell(format!("{} {}", if held { "ok  " } else { "FAIL" }, text.as_ref()));
        self.evidence.insert(key.to_owned(), Value::Bool(held));
        self.failed |= !held;
    }

    /// Records that the case cannot go on.
    pub fn fail(&mut self, error: impl std::fmt::Display) {
        self.tell(format!("FAIL {error}"));
        self.evidence.insert("error".to_owned(), Value::String(error.to_string()));
        self.failed = true;
    }

    /// Ends the case.
    #[must_use]
    pub fn end(self, control_plane_ms: f64, module_ms: f64) -> Case {
        let passed = !self.failed;
        println!(
            "  {:>7.3} s  case {} {} (control plane {control_plane_ms:.1} ms, modules {module_ms:.0} ms)",
            self.started.elapsed().as_secs_f64(),
            self.case,
            if passed { "passed" } else { "FAILED" },
        );
        Case { case: self.case, passed, control_plane_ms, module_ms, evidence: self.evidence }
    }
}

/// Resident memory of this process in kilobytes.
#[must_use]
pub fn resident_kb() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?.split_whitespace().next()?.parse().ok()
}
