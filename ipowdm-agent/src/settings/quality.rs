//! The thresholds of the agent's own verdict.

use super::{Problem, QualityTable, milliseconds};
use crate::quality::QualityConfig;
use ipowdm_core::qot::{Rule, Thresholds};
use ipowdm_core::units::{Ber, Db};

/// WARNING above and CRITICAL below the given OSNR, as the existing system has them around its 18 dB.
const OSNR_STEPS: (Db, Db) = (Db::from_hundredths(200), Db::from_hundredths(-300));

impl QualityTable {
    /// How signals are judged; `None` where they are not. What is given is checked all the same.
    pub(super) fn resolve(&self, problems: &mut Vec<Problem>) -> Option<QualityConfig> {
        let absolute = self.thresholds(problems);
        if self.samples == Some(0) {
            problems.push(Problem::new("QOT_SAMPLES", "0 samples say nothing", "give 1 to 255"));
        }
        let cooldown = milliseconds("QOT_COOLDOWN_SEC", self.cooldown_sec, problems);
        self.enabled.then(|| QualityConfig {
            samples: self.samples.unwrap_or(Rule::SAMPLES),
            cooldown_ms: cooldown.map_or(Rule::COOLDOWN_MS, u64::from),
            absolute,
        })
    }

    /// Absolute thresholds, the existing system's where one of its two is given, as controllers have them.
    fn thresholds(&self, problems: &mut Vec<Problem>) -> Option<Thresholds> {
        let mut refused = |key: &str, error: &dyn core::fmt::Display, fix: &str| {
            problems.push(Problem::new(key, error.to_string(), fix));
        };
        let osnr = self.osnr_threshold_db.map(Db::from_number).transpose();
        let osnr = osnr.inspect_err(|error| refused("OSNR_THRESHOLD_DB", error, "for example 18")).ok()?;
        let ratio = |factor: f64| self.ber_threshold.map(|ber| Ber::from_number(ber * factor)).transpose();
        let ratios = [ratio(0.1), ratio(1.0), ratio(10.0)];
        let mut ber = [None; 3];
        for (ratio, into) in ratios.into_iter().zip(&mut ber) {
            *into = ratio.inspect_err(|error| refused("BER_THRESHOLD", error, "for example 1e-3")).ok()?;
        }
        if osnr.is_none() && self.ber_threshold.is_none() {
            return None;
        }
        let mut thresholds = Thresholds::reference();
        if let Some(osnr) = osnr {
            thresholds.warning.osnr_below = Some(osnr.plus(OSNR_STEPS.0));
            thresholds.degraded.osnr_below = Some(osnr);
            thresholds.critical.osnr_below = Some(osnr.plus(OSNR_STEPS.1));
        }
        if let [Some(warning), Some(degraded), Some(critical)] = ber {
            thresholds.warning.ber_above = Some(warning);
            thresholds.degraded.ber_above = Some(degraded);
            thresholds.critical.ber_above = Some(critical);
        }
        Some(thresholds)
    }
}
