//! The quality-of-transmission rule: when is a connection degraded, and when is a step due.
//!
//! One rule for controller and agent. Plain machines, no clock and no I/O:
//!
//! - [`Recent`] tells the samples of one end that were seen before.
//! - [`Receiver`] judges the samples of one end: each sample counts once, whatever number of its values is bad; a level
//!   is entered after [`Rule::samples`] consecutive samples at or beyond it and left after as many below it.
//! - [`Episode`] joins the two ends of a connection: one bad end is enough (a healthy far end never masks it).
//!
//! ```text
//!            any end Degraded              attempt due (at once, then every cooldown)
//!   Quiet ───────────────────────▶ Open ───────────────────────▶ step (at most max_attempts)
//!     ▲                              │  ╲ attempts used up and a cooldown over
//!     │      both ends recovered     │   ╲───────────────▶ Exhausted: one alarm
//!     └──────────────────────────────┴─────────────────────────┘
//! ```
//!
//! Times are [`Millis`] of the caller's monotonic clock: a jump of the wall clock changes nothing.

mod recent;

pub use recent::{Recent, SampleId};

use crate::capability::PowerRange;
use crate::modes::Mode;
use crate::time::Millis;
use crate::units::{Ber, Db, Power};
use serde::{Deserialize, Serialize};

/// How good a received signal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Nothing to remark.
    Good,
    /// Closer to the limit than planned.
    Warning,
    /// Action is due.
    Degraded,
    /// About to fail.
    Critical,
}

/// Values beyond which a sample is of some level. Absent: this quantity is not judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// OSNR strictly below this is bad.
    pub osnr_below: Option<Db>,
    /// Electrical SNR strictly below this is bad.
    pub esnr_below: Option<Db>,
    /// Pre-FEC bit error ratio strictly above this is bad.
    pub ber_above: Option<Ber>,
    /// Q margin strictly below this is bad.
    pub q_margin_below: Option<Db>,
}

impl Limits {
    /// Whether any value is beyond its limit; `None` where no value that was measured has one.
    fn crossed(&self, measured: &Measured) -> Option<bool> {
        let below = |value: Option<Db>, limit: Option<Db>| Some(value? < limit?);
        let verdicts = [
            below(measured.osnr, self.osnr_below),
            below(measured.esnr, self.esnr_below),
            measured.ber.zip(self.ber_above).map(|(ber, limit)| ber > limit),
            below(measured.q_margin, self.q_margin_below),
        ];
        verdicts.into_iter().flatten().reduce(|one, other| one || other)
    }
}

/// The limits of the three bad levels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Thresholds {
    /// Limits of [`Level::Warning`].
    pub warning: Limits,
    /// Limits of [`Level::Degraded`].
    pub degraded: Limits,
    /// Limits of [`Level::Critical`].
    pub critical: Limits,
}

impl Thresholds {
    /// The absolute thresholds of the reference system: 20/18/15 dB and 10⁻⁴/10⁻³/10⁻². It knows neither eSNR nor Q margin.
    ///
    /// Apply only where its configuration keys ask for them: they do not fit every mode.
    #[must_use]
    pub const fn reference() -> Self {
        const fn limits(osnr_db: i16, exponent: i8) -> Limits {
            Limits {
                osnr_below: Some(Db::from_hundredths(osnr_db * 100)),
                esnr_below: None,
                ber_above: Ber::new(1, exponent),
                q_margin_below: None,
            }
        }
        Self { warning: limits(20, -4), degraded: limits(18, -3), critical: limits(15, -2) }
    }

    /// Margins to what the mode needs: OSNR 2 / 1 / 0.3 dB above its required OSNR, BER 35 / 60 / 90 % of its FEC limit, and
    /// of eSNR 1.4 / 0.7 / 0.15 dB above the required one and of Q margin 1.3 / 0.7 / 0.15 dB.
    ///
    /// The last two say of a module that reports nothing else what its BER would say: on white noise a BER of 35 / 60 / 90 %
    /// of the limit is 1.43..1.71 / 0.75..0.91 / 0.16..0.20 dB of eSNR and 1.36..1.56 / 0.71..0.82 / 0.15..0.18 dB of Q above
    /// it. The least of each, rounded down to what the registers resolve: they are never stricter than the BER is.
    #[must_use]
    pub fn for_mode(mode: &Mode) -> Self {
        let limits = |osnr: i16, esnr: i16, percent: u32, q: i16| Limits {
            osnr_below: Some(mode.required_osnr.plus(Db::from_hundredths(osnr))),
            esnr_below: Some(mode.required_esnr.plus(Db::from_hundredths(esnr))),
            ber_above: mode.fec_limit.percent(percent),
            q_margin_below: Some(Db::from_hundredths(q)),
        };
        Self {
            warning: limits(200, 140, 35, 130),
            degraded: limits(100, 70, 60, 70),
            critical: limits(30, 15, 90, 15),
        }
    }

    /// These limits, and those of `other` for each quantity that none of these levels limits.
    #[must_use]
    pub fn or(mut self, other: &Self) -> Self {
        fn fill<T: Copy>(own: &mut Thresholds, other: &Thresholds, of: fn(&mut Limits) -> &mut Option<T>) {
            let Thresholds { mut warning, mut degraded, mut critical } = *other;
            let levels = [
                (&mut own.warning, &mut warning),
                (&mut own.degraded, &mut degraded),
                (&mut own.critical, &mut critical),
            ];
            let mut pairs = levels.map(|(own, other)| (of(own), *of(other)));
            if pairs.iter().all(|(own, _)| own.is_none()) {
                pairs.iter_mut().for_each(|(own, other)| **own = *other);
            }
        }
        fill(&mut self, other, |limits| &mut limits.osnr_below);
        fill(&mut self, other, |limits| &mut limits.esnr_below);
        fill(&mut self, other, |limits| &mut limits.ber_above);
        fill(&mut self, other, |limits| &mut limits.q_margin_below);
        self
    }

    /// The level of one sample: the worst that any of its values reaches. `None` for a sample without a judged value: one
    /// that was not measured, or has no limits, counts neither as good nor as bad.
    #[must_use]
    pub fn level(&self, measured: &Measured) -> Option<Level> {
        let levels = [
            (Level::Critical, self.critical),
            (Level::Degraded, self.degraded),
            (Level::Warning, self.warning),
        ];
        let mut judged = None;
        for (level, limits) in levels {
            match limits.crossed(measured) {
                Some(true) => return Some(level),
                Some(false) => judged = Some(Level::Good),
                None => {}
            }
        }
        judged
    }
}

/// The judged values of a sample, each absent where the module does not report it. Resolutions are those of the registers
/// (CMIS and C-CMIS VDM observables 139, 140, 15 and 152), or finer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    /// OSNR in 0.1 nm.
    pub osnr: Option<Db>,
    /// Electrical SNR after the receiver's signal processing.
    pub esnr: Option<Db>,
    /// Pre-FEC bit error ratio.
    pub ber: Option<Ber>,
    /// Q beyond what the FEC needs: negative where the signal is past correction.
    pub q_margin: Option<Db>,
}

/// Which transmitter the loop adjusts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Adjust {
    /// The transmitter opposite the degraded receiver.
    #[default]
    Opposite,
    /// Both transmitters.
    Both,
    /// The source's transmitter.
    Source,
    /// The destination's transmitter.
    Destination,
}

/// The rule of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Limits of the levels.
    pub thresholds: Thresholds,
    /// Consecutive samples that enter or leave a level; at least 1.
    pub samples: u8,
    /// Milliseconds between two steps.
    pub cooldown_ms: u64,
    /// Steps in one episode.
    pub max_attempts: u8,
    /// Transmit power change of one step.
    pub step: Db,
    /// Which transmitter is adjusted.
    pub adjust: Adjust,
}

impl Rule {
    /// Consecutive samples beyond a threshold that count, unless configured.
    pub const SAMPLES: u8 = 3;
    /// Least time between two steps in milliseconds, unless configured.
    pub const COOLDOWN_MS: u64 = 20_000;
    /// Steps before the loop gives up, unless configured.
    pub const MAX_ATTEMPTS: u8 = 3;
    /// Size of a step, unless configured.
    pub const STEP: Db = Db::from_hundredths(100);

    /// The reference's persistence, cooldown, attempts and step with the given thresholds.
    #[must_use]
    pub const fn with_thresholds(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            samples: Self::SAMPLES,
            cooldown_ms: Self::COOLDOWN_MS,
            max_attempts: Self::MAX_ATTEMPTS,
            step: Self::STEP,
            adjust: Adjust::Opposite,
        }
    }
}

/// The judge of one end's samples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receiver {
    level: Level,
    /// Consecutive samples worse than `level`, and the least bad level among them.
    worse: Streak,
    /// Consecutive samples better than `level`, and the worst level among them.
    better: Streak,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Streak {
    count: u8,
    level: Level,
}

impl Default for Receiver {
    fn default() -> Self {
        Self::new()
    }
}

impl Receiver {
    /// A receiver of which nothing is known.
    #[must_use]
    pub const fn new() -> Self {
        let none = Streak { count: 0, level: Level::Good };
        Self { level: Level::Good, worse: none, better: none }
    }

    /// The level entered last.
    #[must_use]
    pub const fn level(&self) -> Level {
        self.level
    }

    /// Counts a sample; answers the level when it has just changed.
    ///
    /// A sample without a judged value changes nothing. Repetitions are the caller's to leave out ([`Recent`]).
    pub fn observe(&mut self, rule: &Rule, measured: &Measured) -> Option<Level> {
        let level = rule.thresholds.level(measured)?;
        let none = Streak { count: 0, level: Level::Good };
        let (worse, better) = (level > self.level, level < self.level);
        self.worse = if worse { self.worse.grown(level, Level::min) } else { none };
        self.better = if better { self.better.grown(level, Level::max) } else { none };
        let needed = rule.samples.max(1);
        let entered = [self.worse, self.better].into_iter().find(|streak| streak.count >= needed)?.level;
        self.level = entered;
        self.worse = none;
        self.better = none;
        Some(entered)
    }
}

impl Streak {
    /// The streak with one more sample; `join` keeps the level that all its samples reach.
    fn grown(self, level: Level, join: fn(Level, Level) -> Level) -> Self {
        let level = if self.count == 0 { level } else { join(self.level, level) };
        Self { count: self.count.saturating_add(1), level }
    }
}

/// One of the two ends of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum End {
    /// Where the connection was asked to start.
    Source,
    /// Where it was asked to end.
    Destination,
}

impl End {
    /// The other end.
    #[must_use]
    pub const fn opposite(self) -> Self {
        match self {
            Self::Source => Self::Destination,
            Self::Destination => Self::Source,
        }
    }
}

/// What the loop asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// A step of transmit power is due.
    Step {
        /// Number of the attempt in this episode, from 1.
        attempt: u8,
        /// Whether the source's transmitter is to be stepped.
        source: bool,
        /// Whether the destination's transmitter is to be stepped.
        destination: bool,
    },
    /// The attempts are used up and a cooldown later it is still degraded. Sent once per episode.
    Alarm {
        /// Attempts made.
        attempts: u8,
    },
    /// Both ends are below [`Level::Degraded`] again.
    Recovered,
}

/// The loop of one connection. It can be stored and taken up again where the clock goes on counting.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Episode {
    source: Receiver,
    destination: Receiver,
    /// The last step, in whatever episode: the cooldown outlives an episode.
    last_step: Option<Millis>,
    open: Option<Open>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Open {
    attempts: u8,
    alarmed: bool,
}

impl Episode {
    /// A loop of which nothing is known yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The judge of one end.
    #[must_use]
    pub const fn receiver(&self, end: End) -> &Receiver {
        match end {
            End::Source => &self.source,
            End::Destination => &self.destination,
        }
    }

    /// The worse of the two ends.
    #[must_use]
    pub fn level(&self) -> Level {
        self.source.level.max(self.destination.level)
    }

    /// Whether an episode is open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Counts a sample received at `end`, then answers what is due at `now`.
    pub fn observe(&mut self, rule: &Rule, now: Millis, end: End, measured: &Measured) -> Option<Request> {
        let receiver = match end {
            End::Source => &mut self.source,
            End::Destination => &mut self.destination,
        };
        receiver.observe(rule, measured);
        self.due(rule, now)
    }

    /// What is due at `now`. Counts as done: a step that is answered here starts its cooldown.
    pub fn due(&mut self, rule: &Rule, now: Millis) -> Option<Request> {
        let bad = |receiver: &Receiver| receiver.level >= Level::Degraded;
        let (source_bad, destination_bad) = (bad(&self.source), bad(&self.destination));
        if !source_bad && !destination_bad {
            return self.open.take().map(|_| Request::Recovered);
        }
        let open = self.open.get_or_insert(Open { attempts: 0, alarmed: false });
        if self.last_step.is_some_and(|last| now.since(last) < rule.cooldown_ms) {
            return None;
        }
        if open.attempts >= rule.max_attempts {
            let first = !open.alarmed;
            open.alarmed = true;
            return first.then_some(Request::Alarm { attempts: open.attempts });
        }
        open.attempts += 1;
        self.last_step = Some(now);
        let (source, destination) = match rule.adjust {
            // The signal a receiver gets is made by the transmitter at the other end.
            Adjust::Opposite => (destination_bad, source_bad),
            Adjust::Both => (true, true),
            Adjust::Source => (true, false),
            Adjust::Destination => (false, true),
        };
        Some(Request::Step { attempt: open.attempts, source, destination })
    }
}

/// The power after a step, held inside `limits`; `None` where the power is already at or beyond the limit.
///
/// Only the loop bends its own step; a power asked for from outside is refused instead.
#[must_use]
pub fn stepped(current: Power, step: Db, limits: &PowerRange) -> Option<Power> {
    let wanted = current.plus(step).clamp(limits.min, limits.max);
    (wanted != current).then_some(wanted)
}

#[cfg(test)]
mod tests;
