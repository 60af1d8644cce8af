//! What a controller counts and times.

use super::histogram::Histogram;
use crate::connection::{OperationKind, State, Timing, Verdict};
use core::time::Duration;
use ipowdm_core::msg::Outcome;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Measurements of which the newest are kept for percentiles.
const WINDOW: usize = 4_096;

/// Bad records that are kept for people to look at.
const DEAD_LETTERS: usize = 100;

/// A record that could not be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeadLetter {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The offset in it.
    pub offset: i64,
    /// What is wrong with it.
    pub reason: String,
    /// Its beginning, as text.
    pub excerpt: String,
}

/// The newest measurements of something, in the unit that its name says.
#[derive(Debug, Default)]
struct Window {
    count: u64,
    values: VecDeque<u64>,
}

impl Window {
    fn add(&mut self, value: u64) {
        self.count += 1;
        if self.values.len() == WINDOW {
            self.values.pop_front();
        }
        self.values.push_back(value);
    }

    fn distribution(&self) -> Distribution {
        let mut sorted: Vec<u64> = self.values.iter().copied().collect();
        sorted.sort_unstable();
        let at = |per_cent: usize| {
            let index = (sorted.len() * per_cent).div_ceil(100).saturating_sub(1);
            sorted.get(index).copied()
        };
        Distribution { count: self.count, p50: at(50), p99: at(99), max: sorted.last().copied() }
    }
}

/// A distribution over the newest 4 096 measurements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Distribution {
    /// Measurements so far.
    pub count: u64,
    /// Half of the newest are at most this.
    pub p50: Option<u64>,
    /// 99 % of the newest are at most this.
    pub p99: Option<u64>,
    /// The greatest of the newest.
    pub max: Option<u64>,
}

/// How operations have ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct OperationCounts {
    /// Read back as asked for.
    pub succeeded: u64,
    /// Undone, or given up.
    pub failed: u64,
}

/// All counters and distributions as of one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct MetricsView {
    /// Commands by action.
    pub commands: BTreeMap<&'static str, u64>,
    /// Acks by outcome.
    pub acks: BTreeMap<String, u64>,
    /// Acks that answered nothing that was waited for: repeats, late ones, answers to commands of others.
    pub acks_ignored: u64,
    /// Requests and facts that the state did not allow, by event.
    pub refused: BTreeMap<String, u64>,
    /// Telemetry samples received.
    pub samples: u64,
    /// Samples of connections or ports that are not known.
    pub samples_unknown: u64,
    /// How often samples of an end began to be missing although its agent was heard.
    pub telemetry_stale: u64,
    /// Messages of types that are not known here.
    pub unknown_messages: u64,
    /// What agents of other makes said about quality; they change nothing because of it, and nothing follows from it here.
    pub quality_notes: u64,
    /// Records that could not be read.
    pub dead_letters: u64,
    /// Descriptions of a port that differ from what another agent, or the same message, says of it.
    pub conflicts: u64,
    /// Positions that were not in the log any more.
    pub resyncs: u64,
    /// Times that the quality loop began to act on a connection.
    pub episodes: u64,
    /// Times that it came to an end with a quality that is good again.
    pub recoveries: u64,
    /// Steps of the quality loop.
    pub steps: u64,
    /// Alarms of the quality loop.
    pub alarms: u64,
    /// Set-ups that succeeded: the control plane's part in milliseconds.
    pub setup_control_ms: Distribution,
    /// Set-ups that succeeded: the modules' part in milliseconds.
    pub setup_module_ms: Distribution,
    /// Set-ups that failed.
    pub setups_failed: u64,
    /// Operations on connections that have ended, by kind.
    pub operations: BTreeMap<OperationKind, OperationCounts>,
    /// From the sample that asks for a step to the stored command, in microseconds.
    pub step_decided_us: Distribution,
    /// From the sample that asks for a step to the confirmed command on the bus, in microseconds.
    pub step_published_us: Distribution,
}

/// How long things took, over the life of a controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Durations {
    /// Set-ups that succeeded: the control plane's part.
    pub setup_control: Histogram,
    /// Set-ups that succeeded: the modules' part.
    pub setup_module: Histogram,
    /// From the sample that asks for a step to the stored command.
    pub step_decided: Histogram,
    /// From the sample that asks for a step to the confirmed command on the bus.
    pub step_published: Histogram,
}

#[derive(Debug, Default)]
struct Figures {
    view: MetricsView,
    durations: Durations,
    setup_control: Window,
    setup_module: Window,
    step_decided: Window,
    step_published: Window,
    letters: VecDeque<DeadLetter>,
}

/// The counters.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    figures: Mutex<Figures>,
}

/// The name of an outcome, as on the wire.
const fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Applied => "applied",
        Outcome::Unchanged => "unchanged",
        Outcome::Rejected => "rejected",
        Outcome::StaleEpoch => "stale_epoch",
        Outcome::Expired => "expired",
        Outcome::TimedOut => "timed_out",
        Outcome::Failed => "failed",
    }
}

impl Metrics {
    fn lock(&self) -> MutexGuard<'_, Figures> {
        // Counters are whole between any two statements.
        self.figures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn view(&self) -> MetricsView {
        let figures = self.lock();
        MetricsView {
            setup_control_ms: figures.setup_control.distribution(),
            setup_module_ms: figures.setup_module.distribution(),
            step_decided_us: figures.step_decided.distribution(),
            step_published_us: figures.step_published.distribution(),
            ..figures.view.clone()
        }
    }

    pub(super) fn durations(&self) -> Durations {
        self.lock().durations
    }

    pub(super) fn dead_letters(&self) -> Vec<DeadLetter> {
        self.lock().letters.iter().cloned().collect()
    }

    pub(super) fn command(&self, action: &'static str) {
        *self.lock().view.commands.entry(action).or_default() += 1;
    }

    pub(super) fn ack(&self, outcome: Outcome) {
        *self.lock().view.acks.entry(outcome_name(outcome).to_owned()).or_default() += 1;
    }

    pub(super) fn ack_ignored(&self) {
        self.lock().view.acks_ignored += 1;
    }

    pub(super) fn refused(&self, event: &str, state: State, verdict: Verdict) {
        if verdict == Verdict::Refused {
            *self.lock().view.refused.entry(format!("{event} in {state}")).or_default() += 1;
        }
    }

    pub(super) fn sample(&self, known: bool) {
        let mut figures = self.lock();
        figures.view.samples += 1;
        figures.view.samples_unknown += u64::from(!known);
    }

    pub(super) fn telemetry_stale(&self) {
        self.lock().view.telemetry_stale += 1;
    }

    pub(super) fn unknown_message(&self) {
        self.lock().view.unknown_messages += 1;
    }

    pub(super) fn quality_note(&self) {
        self.lock().view.quality_notes += 1;
    }

    pub(super) fn conflict(&self) {
        self.lock().view.conflicts += 1;
    }

    pub(super) fn resync(&self) {
        self.lock().view.resyncs += 1;
    }

    pub(super) fn dead_letter(&self, letter: DeadLetter) {
        let mut figures = self.lock();
        figures.view.dead_letters += 1;
        if figures.letters.len() == DEAD_LETTERS {
            figures.letters.pop_front();
        }
        figures.letters.push_back(letter);
    }

    /// An operation on a connection has ended.
    pub(super) fn finished(&self, kind: OperationKind, succeeded: bool, timing: Timing) {
        let mut figures = self.lock();
        let counts = figures.view.operations.entry(kind).or_default();
        *if succeeded { &mut counts.succeeded } else { &mut counts.failed } += 1;
        match (kind, succeeded) {
            (OperationKind::Setup, true) => {
                figures.setup_control.add(timing.control_plane_ms());
                figures.setup_module.add(timing.module_ms);
                figures.durations.setup_control.add(Duration::from_millis(timing.control_plane_ms()));
                figures.durations.setup_module.add(Duration::from_millis(timing.module_ms));
            }
            (OperationKind::Setup, false) => figures.view.setups_failed += 1,
            _ => {}
        }
    }

    pub(super) fn step_decided(&self, after: Duration) {
        let mut figures = self.lock();
        figures.view.steps += 1;
        figures.step_decided.add(micros(after));
        figures.durations.step_decided.add(after);
    }

    pub(super) fn step_published(&self, after: Duration) {
        let mut figures = self.lock();
        figures.step_published.add(micros(after));
        figures.durations.step_published.add(after);
    }

    /// The loop begins to act on a connection.
    pub(super) fn episode(&self) {
        self.lock().view.episodes += 1;
    }

    pub(super) fn recovery(&self) {
        self.lock().view.recoveries += 1;
    }

    pub(super) fn alarm(&self) {
        self.lock().view.alarms += 1;
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_newest_values() {
        let mut window = Window::default();
        assert_eq!(window.distribution(), Distribution::default());
        (1..=100).for_each(|value| window.add(value));
        let expected = Distribution { count: 100, p50: Some(50), p99: Some(99), max: Some(100) };
        assert_eq!(window.distribution(), expected);
        (0..WINDOW).for_each(|_| window.add(7));
        assert_eq!(window.distribution().p99, Some(7));
        assert_eq!(window.distribution().count, 100 + WINDOW as u64);
    }

    #[test]
    fn dead_letters_are_bounded_and_counted() {
        let metrics = Metrics::default();
        for offset in 0..150 {
            metrics.dead_letter(DeadLetter {
                topic: "t".to_owned(),
                partition: 0,
                offset,
                reason: String::new(),
                excerpt: String::new(),
            });
        }
        assert_eq!(metrics.view().dead_letters, 150);
        let kept: Vec<i64> = metrics.dead_letters().iter().map(|letter| letter.offset).collect();
        assert_eq!(kept, (50..150).collect::<Vec<_>>());
    }
}
