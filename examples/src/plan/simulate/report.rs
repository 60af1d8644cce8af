//! What the runs say together.

use super::Workload;
use super::run::{Count, Tally};
use ipowdm_ctl_lib::plane::Fibres;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// The figures of a workload on a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Share of the requests that were blocked.
    pub blocking: f64,
    /// Half width of the 95 % interval of the blocking.
    pub blocking_ci95: f64,
    /// Blocking by size in slots.
    pub per_size: BTreeMap<u16, f64>,
    /// Share of the slots asked for that were blocked.
    pub slot_weighted_blocking: f64,
    /// Requests played in a second on one core, those that filled the network included.
    pub requests_per_s: f64,
    /// Requests counted.
    pub requests: u64,
}

/// Quantiles 0.975 of Student's t for 1 to 30 degrees of freedom.
const STUDENT: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
    2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042,
];

#[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// Half width of the 95 % interval of the mean of independent samples.
fn half_width(samples: &[f64]) -> f64 {
    let Some(freedom) = samples.len().checked_sub(2) else { return 0.0 };
    #[expect(clippy::cast_precision_loss, reason = "at most ten thousand runs")]
    let count = samples.len() as f64;
    let mean = samples.iter().sum::<f64>() / count;
    let variance = samples.iter().map(|sample| (sample - mean).powi(2)).sum::<f64>() / (count - 1.0);
    STUDENT.get(freedom).unwrap_or(&1.96) * (variance / count).sqrt()
}

impl Report {
    pub(super) fn of(workload: &Workload, tallies: &[Tally]) -> Self {
        let mut all = Count::default();
        let mut sizes: BTreeMap<u16, Count> = BTreeMap::new();
        for tally in tallies {
            for (&size, &count) in workload.sizes.iter().zip(&tally.sizes) {
                sizes.entry(size).or_default().add(count);
                all.add(count);
            }
        }
        let blocking = |counts: &[Count]| {
            let mut sum = Count::default();
            counts.iter().for_each(|&count| sum.add(count));
            share(sum.blocked, sum.offered)
        };
        let samples: Vec<f64> = match tallies {
            [one] => one.batches.iter().map(|batch| share(batch.blocked, batch.offered)).collect(),
            many => many.iter().map(|tally| blocking(&tally.sizes)).collect(),
        };
        let slots =
            |of: fn(&Count) -> u64| sizes.iter().map(|(&size, count)| u64::from(size) * of(count)).sum();
        let took: Duration = tallies.iter().map(|tally| tally.took).sum();
        let played: u64 = tallies.iter().map(|tally| tally.played).sum();
        #[expect(clippy::cast_precision_loss, reason = "counts are far below 2⁵³")]
        let requests_per_s = played as f64 / took.as_secs_f64().max(1e-9);
        Self {
            blocking: share(all.blocked, all.offered),
            blocking_ci95: half_width(&samples),
            per_size: sizes
                .iter()
                .map(|(&size, count)| (size, share(count.blocked, count.offered)))
                .collect(),
            slot_weighted_blocking: share(slots(|count| count.blocked), slots(|count| count.offered)),
            requests_per_s,
            requests: all.offered,
        }
    }

    /// One JSON object.
    #[must_use]
    pub fn json(&self) -> String {
        let per_size: serde_json::Map<String, Value> =
            self.per_size.iter().map(|(size, blocking)| (size.to_string(), json!(blocking))).collect();
        json!({
            "blocking": self.blocking,
            "blocking_ci95": self.blocking_ci95,
            "per_size": per_size,
            "slot_weighted_blocking": self.slot_weighted_blocking,
            "requests_per_s": self.requests_per_s.round(),
            "requests": self.requests,
        })
        .to_string()
    }

    /// A table for a person.
    #[must_use]
    pub fn table(&self, topology: &Path, workload: &Workload) -> String {
        let name = topology.file_stem().unwrap_or_default().to_string_lossy();
        let fibres = match workload.fibres {
            Fibres::Shared => "shared",
            Fibres::Directed | Fibres::Paired => "directed",
        };
        let mut lines = vec![
            format!(
                "{name}: {} slots, {fibres} fibres, K = {}, {}, {} E, {} runs",
                workload.slots, workload.k, workload.policy, workload.load, workload.seeds
            ),
            format!("{:<16} {:.4e} ± {:.1e}", "blocking", self.blocking, self.blocking_ci95),
        ];
        for (size, blocking) in &self.per_size {
            lines.push(format!("  {:<14} {blocking:.4e}", format!("{size} slots")));
        }
        lines.push(format!("{:<16} {:.4e}", "by slots", self.slot_weighted_blocking));
        lines.push(format!("{:<16} {}", "requests", self.requests));
        lines.push(format!("{:<16} {:.2} million/s on one core", "speed", self.requests_per_s / 1e6));
        lines.join("\n")
    }
}
