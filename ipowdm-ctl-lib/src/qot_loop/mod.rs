//! The quality-of-transmission loop of one connection: telemetry in, findings out.
//!
//! The rule itself is [`ipowdm_core::qot`]; this machine feeds it with the right samples and nothing else:
//!
//! * only while the connection is up and not being changed;
//! * each sample once, by the agent's (life, number) as [`Recent`] compares it: in the order of the log, so that no number in
//!   a sample can keep later ones out;
//! * none that is replayed from the log or was held back by its agent for too long. They are remembered all the same, so
//!   that a repetition of them is not counted either.
//!
//! Beside the rule it watches what a sample says about the module: loss of signal, registers that are not as wanted, light
//! that is not as known. Each must be seen twice in a row: a sample may have been taken before a command and arrive after its
//! answer.
//!
//! And it watches for silence ([`QotLoop::look`]): an end that should be sampled and is not, though its agent is heard, is
//! *stale*. Nothing is concluded about its light or its quality, and nothing is done; it is told and shown.

#[cfg(test)]
mod tests;

use crate::connection::{Ends, Light, Troubles, Wanted};
use ipowdm_core::capability::PowerRange;
use ipowdm_core::modes::Mode;
use ipowdm_core::msg::{TelemetryFields, TelemetrySample};
use ipowdm_core::qot::{Adjust, End, Episode, Level, Recent, Request, Rule, SampleId, Thresholds, stepped};
use ipowdm_core::time::{Millis, Timestamp};
use ipowdm_core::units::{Db, Power};
use serde::{Deserialize, Serialize};

/// Samples in a row that make a finding about the module.
const PERSISTENT: u8 = 2;

/// Telemetry intervals without a sample that make an end stale.
const STALE_INTERVALS: u64 = 5;

/// Least time without a sample that makes an end stale, in milliseconds: short intervals are missed for short reasons.
const LEAST_STALE_MS: u64 = 10_000;

/// How the loop of an operator works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct QotConfig {
    /// Whether the loop acts. Levels are judged all the same.
    pub enabled: bool,
    /// Absolute thresholds instead of margins to what the mode needs. A quantity that they do not limit is judged by its
    /// margin.
    pub thresholds: Option<Thresholds>,
    /// Consecutive samples that enter or leave a level.
    pub samples: u8,
    /// Milliseconds between two steps.
    pub cooldown_ms: u64,
    /// Steps in one episode.
    pub max_attempts: u8,
    /// Transmit power change of one step.
    pub step: Db,
    /// Which transmitter is adjusted.
    pub adjust: Adjust,
    /// Powers the loop may reach, beside what module, operator and grant allow.
    pub tx_power: Option<PowerRange>,
    /// A sample that its agent held back for longer is not judged, in milliseconds.
    pub max_age_ms: u32,
}

impl Default for QotConfig {
    /// Margins to the mode, the rule's own defaults, the opposite transmitter, samples up to 10 s old.
    fn default() -> Self {
        Self {
            enabled: true,
            thresholds: None,
            samples: Rule::SAMPLES,
            cooldown_ms: Rule::COOLDOWN_MS,
            max_attempts: Rule::MAX_ATTEMPTS,
            step: Rule::STEP,
            adjust: Adjust::Opposite,
            tx_power: None,
            max_age_ms: 10_000,
        }
    }
}

impl QotConfig {
    /// The rule for connections of a mode.
    #[must_use]
    pub fn rule(&self, mode: &Mode) -> Rule {
        Rule {
            thresholds: self.thresholds.unwrap_or_default().or(&Thresholds::for_mode(mode)),
            samples: self.samples,
            cooldown_ms: self.cooldown_ms,
            max_attempts: self.max_attempts,
            step: self.step,
            adjust: self.adjust,
        }
    }

    /// What the loop may set where `allowed` is what module, operator and grant allow; `None` where that is nothing.
    #[must_use]
    pub fn limits(&self, allowed: &PowerRange) -> Option<PowerRange> {
        self.tx_power.map_or(Some(*allowed), |own| own.intersection(allowed))
    }

    /// The powers after a step; `None` for an end that is not to be stepped or is at its limit already.
    #[must_use]
    pub fn step(
        &self,
        request: &Request,
        current: &Ends<Option<Power>>,
        allowed: &Ends<Option<PowerRange>>,
    ) -> Ends<Option<Power>> {
        let Request::Step { source, destination, .. } = *request else { return Ends::default() };
        let due = Ends { source, destination };
        due.map(|end, due| {
            let limits = self.limits((*allowed.get(end)).as_ref()?)?;
            let current = (*current.get(end)).filter(|_| *due)?;
            stepped(current, self.step, &limits)
        })
    }
}

/// The last sample of an end.
#[derive(Debug, Clone, PartialEq)]
pub struct LastSample {
    /// When it arrived.
    pub at: Millis,
    /// When it was measured, for display.
    pub measured_at: Timestamp,
    /// The measurements.
    pub fields: TelemetryFields,
}

/// What a sample led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The level of the connection is another.
    Level(Level),
    /// The rule asks for something.
    Request(Request),
    /// The receiver has lost the signal.
    LossOfSignal,
    /// It has it again.
    SignalBack,
    /// The module is not as wanted.
    ForeignChange,
    /// The module is as wanted.
    Conforming,
    /// The module's light is another than was known.
    Light(Light),
}

/// How a sample is to be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Context<'a> {
    /// The rule of the connection's mode.
    pub rule: &'a Rule,
    /// What the end is to be.
    pub wanted: &'a Wanted,
    /// What is known to be wrong with it.
    pub troubles: Troubles,
    /// What is known about its light.
    pub light: Light,
    /// The level that the connection is known to have.
    pub level: Level,
    /// Whether the connection is up and not being changed.
    pub judged: bool,
    /// Whether the sample is newer than the controller's start, not replayed from the log.
    pub fresh: bool,
    /// A sample that its agent held back for longer is not judged.
    pub max_age_ms: u32,
}

/// Samples by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SampleCounts {
    /// Judged.
    pub judged: u64,
    /// Seen before.
    pub repeated: u64,
    /// Replayed, held back for too long, or at a time when nothing is judged.
    pub passed_over: u64,
}

/// What is stored of a loop, so that a restart neither repeats a step within its cooldown nor counts a sample twice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct LoopState {
    /// The rule's state.
    pub episode: Episode,
    /// Per end: the newest samples, which must not be counted any more.
    pub seen: Ends<Recent>,
}

#[derive(Debug, Clone, Default)]
struct Watch {
    last: Option<LastSample>,
    lost: Streak,
    foreign: Streak,
    light: Streak,
    silence: Silence,
}

/// Whether an end is sampled as it should be.
#[derive(Debug, Clone, Copy, Default)]
struct Silence {
    /// When the last sample came, judged or not.
    heard: Option<Millis>,
    /// Since when samples are expected.
    expected: Option<Millis>,
    stale: bool,
}

impl Silence {
    /// What is to be told at `now`: that the end has become stale, or is not any more.
    fn look(&mut self, now: Millis, expected: bool, limit_ms: u64) -> Option<bool> {
        if !expected {
            self.expected = None;
            return None;
        }
        let since = *self.expected.get_or_insert(now);
        let stale = now.since(self.heard.map_or(since, |heard| heard.max(since))) >= limit_ms;
        let known = core::mem::replace(&mut self.stale, stale);
        (known != stale).then_some(stale)
    }
}

/// How often something was seen in a row.
#[derive(Debug, Clone, Copy, Default)]
struct Streak(u8);

impl Streak {
    /// What is to be told, given that `told` is what holds so far: a fact once it was seen several times in a row, its end
    /// at once.
    fn see(&mut self, holds: bool, told: bool) -> Option<bool> {
        self.0 = if holds { self.0.saturating_add(1) } else { 0 };
        match (holds, told) {
            (true, false) if self.0 >= PERSISTENT => Some(true),
            (false, true) => Some(false),
            _ => None,
        }
    }
}

/// The loop of one connection.
#[derive(Debug, Clone, Default)]
pub struct QotLoop {
    state: LoopState,
    ends: Ends<Watch>,
    counts: SampleCounts,
}

impl QotLoop {
    /// A loop that goes on where it was stored.
    #[must_use]
    pub fn resumed(state: LoopState) -> Self {
        Self { state, ..Self::default() }
    }

    /// What is to be stored.
    #[must_use]
    pub const fn state(&self) -> &LoopState {
        &self.state
    }

    /// The worse level of the two ends.
    #[must_use]
    pub fn level(&self) -> Level {
        self.state.episode.level()
    }

    /// The level of one end.
    #[must_use]
    pub const fn level_at(&self, end: End) -> Level {
        self.state.episode.receiver(end).level()
    }

    /// Whether something is being done, or was done in vain, about a bad level.
    #[must_use]
    pub const fn is_acting(&self) -> bool {
        self.state.episode.is_open()
    }

    /// The last sample of an end.
    #[must_use]
    pub const fn last(&self, end: End) -> Option<&LastSample> {
        self.ends.get(end).last.as_ref()
    }

    /// Whether an end is not sampled although it should be.
    #[must_use]
    pub const fn is_stale(&self, end: End) -> bool {
        self.ends.get(end).silence.stale
    }

    /// Looks for silence. `expected` says at which ends samples should come now: the connection is up and not being changed,
    /// and the agent is heard; `interval_ms` is the telemetry interval. Answers the ends that have become stale, and
    /// those that are not any more.
    pub fn look(&mut self, now: Millis, expected: Ends<bool>, interval_ms: u32) -> Vec<(End, bool)> {
        let limit_ms = (u64::from(interval_ms) * STALE_INTERVALS).max(LEAST_STALE_MS);
        let mut told = Vec::new();
        for end in Ends::<()>::BOTH {
            let silence = &mut self.ends.get_mut(end).silence;
            told.extend(silence.look(now, *expected.get(end), limit_ms).map(|stale| (end, stale)));
        }
        told
    }

    /// What became of the samples.
    #[must_use]
    pub const fn counts(&self) -> SampleCounts {
        self.counts
    }

    /// Takes a sample of one end. `fallback` numbers a sample whose agent does not number it: its place in the log.
    pub fn observe(
        &mut self,
        now: Millis,
        end: End,
        sample: TelemetrySample,
        fallback: u64,
        context: &Context<'_>,
    ) -> Vec<Finding> {
        let id = match (sample.boot_id, sample.seq) {
            (Some(boot_id), Some(seq)) => SampleId { boot_id, seq },
            _ => SampleId { boot_id: 0, seq: fallback },
        };
        if !self.state.seen.get_mut(end).is_new(id) {
            self.counts.repeated += 1;
            return Vec::new();
        }
        if context.fresh {
            self.ends.get_mut(end).silence.heard = Some(now);
        }
        if !context.fresh || !context.judged || sample.age_ms.is_some_and(|age| age > context.max_age_ms) {
            self.counts.passed_over += 1;
            return Vec::new();
        }
        self.counts.judged += 1;
        let measured = sample.fields.measured();
        let mut findings = self.watch(now, end, sample, context);
        let request = self.state.episode.observe(context.rule, now, end, &measured);
        let level = self.level();
        if context.level != level {
            findings.push(Finding::Level(level));
        }
        findings.extend(request.map(Finding::Request));
        findings
    }

    fn watch(
        &mut self,
        now: Millis,
        end: End,
        sample: TelemetrySample,
        context: &Context<'_>,
    ) -> Vec<Finding> {
        let fields = &sample.fields;
        let watch = self.ends.get_mut(end);
        let mut findings = Vec::new();
        let sampled = Light::sampled(fields);
        if let Some(lost) = fields.rx_los
            && let Some(lost) = watch.lost.see(lost, context.troubles.loss_of_signal)
        {
            findings.push(if lost { Finding::LossOfSignal } else { Finding::SignalBack });
        }
        if let Some(agrees) = context.wanted.agrees(fields)
            && let Some(foreign) = watch.foreign.see(!agrees, context.troubles.unverified)
        {
            match sampled {
                _ if foreign => findings.push(Finding::ForeignChange),
                // An end is not as wanted while it is taken for dark: both are told at once.
                Some(Light::Lit) if context.light != Light::Lit => {
                    findings.extend([Finding::Light(Light::Lit), Finding::Conforming]);
                }
                _ if context.light == Light::Dark => {}
                _ => findings.push(Finding::Conforming),
            }
        }
        if let Some(light) = sampled
            && watch.light.see(light != context.light, false) == Some(true)
            && !findings.contains(&Finding::Light(light))
        {
            findings.push(Finding::Light(light));
        }
        watch.last = Some(LastSample { at: now, measured_at: sample.timestamp, fields: sample.fields });
        findings
    }
}
