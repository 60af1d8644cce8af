//! How a job ends: its outcome, what is meant from then on, and what is tried again.

use super::module::PRESENCE_MS;
use super::{PortMachine, Running};
use crate::port::Job;
use crate::port::work::{Refusal, Work};
use ipowdm_core::msg::{AckDetails, Outcome};
use ipowdm_core::time::Millis;

/// First and longest pause before what could not be restored is tried again.
const RESTORE_MS: (u64, u64) = (30_000, 600_000);

impl PortMachine {
    /// How a job ends, and what is meant from now on.
    pub(super) fn conclude(
        &mut self,
        running: &Running,
        refusal: Option<Refusal>,
        writes: u64,
    ) -> (Outcome, AckDetails) {
        let work = &running.job.work;
        let mut details = AckDetails {
            readback: running.readback.clone(),
            register_writes: u32::try_from(writes).ok(),
            module_ms: u64::try_from(running.module_time.as_millis()).ok(),
            ..AckDetails::default()
        };
        let outcome = match (refusal, &running.failure) {
            // What is refused changes nothing.
            (Some(refusal), _) => {
                details.error = Some(refusal.words);
                details.code = Some(refusal.code);
                refusal.outcome
            }
            (None, Some(error)) => {
                details.error = Some(error.words.clone());
                details.code = Some(error.code);
                if writes > 0 || !matches!(work, Work::Setup { .. }) {
                    self.state = work.afterwards(&self.state, false);
                }
                if error.timed_out {
                    Outcome::TimedOut
                } else if writes == 0 && !work.is_meant_regardless() {
                    Outcome::Rejected
                } else {
                    Outcome::Failed
                }
            }
            (None, None) => {
                let after = work.afterwards(&self.state, true);
                let changed = writes > 0 || (!work.needs_module() && after != self.state);
                self.state = after;
                let outcome = if changed { Outcome::Applied } else { Outcome::Unchanged };
                details.result = Some(words(work, outcome, self.is_known()).to_string());
                outcome
            }
        };
        (outcome, details)
    }

    /// When the module has to be looked at again although nobody asks.
    pub(super) fn plan_again(&mut self, work: &Work, error: Option<&str>, writes: u64, now: Millis) {
        let owed = *work == Work::Restore || work.is_meant_regardless() || writes > 0;
        if !self.is_known() {
            self.again = Some((now.plus(PRESENCE_MS), PRESENCE_MS));
        } else if let (Some(error), true) = (error, owed) {
            let last = self.again.filter(|_| *work == Work::Restore).map_or(0, |(_, pause)| pause);
            let pause = (last * 2).clamp(RESTORE_MS.0, RESTORE_MS.1);
            self.again = Some((now.plus(pause), pause));
            self.trouble = Some(format!("not as it is meant to be: {error}"));
        } else if error.is_none() && work.is_whole() {
            self.again = None;
            self.trouble = None;
        }
        let moved = core::mem::take(&mut self.swapped) || !self.is_ready();
        if *work == Work::Refresh && self.is_known() && moved {
            self.queue.push_back(Job::own(Work::Restore));
        }
    }
}

/// What was done, in words.
const fn words(work: &Work, outcome: Outcome, present: bool) -> &'static str {
    if !present && work.needs_module() {
        return "no module in the port; remembered for the next one";
    }
    if matches!(outcome, Outcome::Unchanged) {
        return "already so, nothing was written";
    }
    match work {
        Work::Setup { .. } => "configured",
        Work::Reconfigure { .. } => "reconfigured",
        Work::Teardown { .. } | Work::Release { .. } => "laser off",
        Work::Interface(_) => "transmitter switched",
        Work::StartTelemetry { .. } => "telemetry started",
        Work::StopTelemetry { .. } => "telemetry ended",
        Work::Refresh => "read",
        Work::Restore => "restored",
    }
}
