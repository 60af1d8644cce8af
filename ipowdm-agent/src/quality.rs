//! The agent's own verdict on a received signal, by the rule that controllers have ([`ipowdm_core::qot`]). It is told in the log
//! and in heartbeats; nothing is ever changed because of it: powers are the controller's.

use ipowdm_core::modes::Mode;
use ipowdm_core::qot::{Level, Measured, Receiver, Rule, Thresholds};
use ipowdm_core::time::Millis;

/// How the agent judges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QualityConfig {
    /// Consecutive samples that enter or leave a level.
    pub samples: u8,
    /// Least time between two changes that are told at once, in milliseconds.
    pub cooldown_ms: u64,
    /// Absolute thresholds; what they do not limit, and all without them, is judged by margins to what the mode needs.
    pub absolute: Option<Thresholds>,
}

impl Default for QualityConfig {
    fn default() -> Self {
        Self { samples: Rule::SAMPLES, cooldown_ms: Rule::COOLDOWN_MS, absolute: None }
    }
}

impl QualityConfig {
    fn rule(&self, mode: Option<&Mode>) -> Rule {
        let margins = mode.map(Thresholds::for_mode).unwrap_or_default();
        let thresholds = self.absolute.map_or(margins, |absolute| absolute.or(&margins));
        Rule { samples: self.samples, cooldown_ms: self.cooldown_ms, ..Rule::with_thresholds(thresholds) }
    }
}

/// A change that is worth telling at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The signal became so bad that action is due.
    Degraded(Level),
    /// It no longer is.
    Recovered,
}

/// The judge of one port's receiver.
///
/// ```text
/// well ─`samples` samples at DEGRADED or worse→ degraded ─`samples` better ones→ well
/// ```
/// A change within the cooldown of the one told before is told when the cooldown is over, if it still holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Detector {
    receiver: Receiver,
    /// What was told last, and when.
    told: Option<(bool, Millis)>,
}

impl Detector {
    /// A detector that nothing was seen by.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The level that the signal has.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.receiver.level()
    }

    /// Whether action is due.
    #[must_use]
    pub fn is_degraded(&self) -> bool {
        self.level() >= Level::Degraded
    }

    /// Takes in a sample of a module that works in `mode`; answers a change that is to be told now.
    pub fn observe(
        &mut self,
        config: &QualityConfig,
        mode: Option<&Mode>,
        measured: &Measured,
        now: Millis,
    ) -> Option<Change> {
        self.receiver.observe(&config.rule(mode), measured);
        let degraded = self.is_degraded();
        let (before, at) = self.told.map_or((false, None), |(before, at)| (before, Some(at)));
        let rests = at.is_some_and(|at| now.since(at) < config.cooldown_ms);
        if degraded == before || rests {
            return None;
        }
        self.told = Some((degraded, now));
        Some(if degraded { Change::Degraded(self.level()) } else { Change::Recovered })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipowdm_core::units::Db;

    fn at(osnr_db: i16) -> Measured {
        Measured { osnr: Some(Db::from_hundredths(osnr_db * 100)), ..Measured::default() }
    }

    /// The changes of samples every 3 s, with their times in seconds.
    fn told(config: &QualityConfig, samples: &[i16]) -> Vec<(u64, Change)> {
        let mut detector = Detector::new();
        let sample = |(index, osnr): (usize, &i16)| {
            let seconds = 3 * u64::try_from(index).unwrap();
            let change = detector.observe(config, None, &at(*osnr), Millis(seconds * 1_000));
            change.map(|change| (seconds, change))
        };
        samples.iter().enumerate().filter_map(sample).collect()
    }

    fn reference() -> QualityConfig {
        QualityConfig { absolute: Some(Thresholds::reference()), ..QualityConfig::default() }
    }

    #[test]
    fn an_episode_is_told_when_it_begins_and_when_it_ends() {
        let samples = [22, 17, 17, 22, 17, 17, 17, 17, 17, 17, 22, 22, 22, 22];
        assert_eq!(
            told(&reference(), &samples),
            [(18, Change::Degraded(Level::Degraded)), (39, Change::Recovered)]
        );
        let critical = [14; 3];
        assert_eq!(told(&reference(), &critical), [(6, Change::Degraded(Level::Critical))]);
        assert_eq!(told(&reference(), &[19; 10]), [], "a warning is no episode");
    }

    #[test]
    fn a_signal_that_wavers_is_told_of_once_a_cooldown() {
        let wavering: Vec<i16> = (0..60).map(|index| if index / 3 % 2 == 0 { 17 } else { 22 }).collect();
        let told = told(&reference(), &wavering);
        assert!(told.len() > 2, "{told:?}");
        for pair in told.windows(2) {
            assert!(pair[1].0 - pair[0].0 >= 20, "{told:?}");
            assert_ne!(pair[0].1, pair[1].1, "{told:?}");
        }
    }

    #[test]
    fn margins_follow_the_mode_and_without_mode_or_threshold_nothing_is_judged() {
        let mode = ipowdm_core::modes::by_media_code(0x3E).unwrap();
        let config = QualityConfig::default();
        let needed = mode.required_osnr;
        let mut detector = Detector::new();
        let near = Measured { osnr: Some(needed.plus(Db::from_hundredths(50))), ..Measured::default() };
        let changes: Vec<_> =
            (0..3).filter_map(|n| detector.observe(&config, Some(mode), &near, Millis(n * 3_000))).collect();
        assert_eq!(changes, [Change::Degraded(Level::Degraded)]);
        assert_eq!(told(&config, &[1; 20]), [], "nobody says what is bad");
    }
}
