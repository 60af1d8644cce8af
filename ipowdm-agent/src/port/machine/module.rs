//! What a port knows of its module, and how it keeps that current.

use super::PortMachine;
use super::active::{Finished, Identity};
use crate::port::proxy::{Failure, Reach, Seen};
use crate::port::sampling::Due;
use crate::port::work::Work;
use crate::port::{Job, ModuleFacts, PortEvent, PortStatus, Sample, reading};
use ipowdm_cmis::codes::ModuleState;
use ipowdm_cmis::procedure::{Flags, Progress};
use ipowdm_core::error::Code;
use ipowdm_core::time::Millis;
use std::sync::Arc;

/// How often an empty port is looked at.
pub(super) const PRESENCE_MS: u64 = 5_000;

impl PortMachine {
    pub(super) fn absence(&self) -> String {
        self.trouble.clone().unwrap_or_else(|| "no module in the port".to_string())
    }

    pub(super) const fn is_known(&self) -> bool {
        self.facts.is_some()
    }

    pub(super) fn take_module(&mut self, identity: Identity) {
        let (facts, info) = match identity {
            Identity::Registers(info) => (ModuleFacts::of(&info), Some(info)),
            Identity::Proxy(facts) => (*facts, None),
        };
        if self.facts.as_deref() != Some(&facts) {
            self.swapped = self.facts.is_some();
            self.app_sel = None;
            self.facts = Some(Arc::new(facts));
        }
        self.info = info;
        self.commissioned = None;
        self.trouble = None;
        self.unanswered = false;
    }

    pub(super) fn lose_module(&mut self, error: &Failure) {
        self.info = None;
        self.facts = None;
        self.report = None;
        self.interval = None;
        self.app_sel = None;
        self.trouble = Some(error.words.clone());
        self.unanswered = error.code != Code::ModuleAbsent;
    }

    pub(super) fn take_report(&mut self, result: Result<Seen, Failure>) {
        match result {
            Ok(Seen { report, app_sel, read_at, interval }) => {
                self.stale = false;
                self.app_sel = app_sel.or(self.app_sel);
                self.commissioned = self.commissioned.or(report.commissioned.value());
                self.report = Some(report);
                self.read_at = read_at;
                self.interval = interval;
            }
            Err(error) => self.lose_module(&error),
        }
    }

    /// Begins a sweep for what is due, if there is a module to read.
    pub(super) fn begin_sweep(&mut self, now: Millis, reach: &Reach<'_>) {
        let (due, _) = self.sampling.take(now);
        // The flags that clear on read belong to a procedure that is under way.
        let flags = if self.running.is_some() { Flags::Leave } else { Flags::Latch };
        match self.look(flags, reach) {
            Some(look) => self.sweep = Some((look, due)),
            None => self.sampling.miss(due.len()),
        }
    }

    /// Works on a sweep for samples; when it wants to be called again, `None` when there is none (any more).
    pub(super) fn advance_sweep(
        &mut self,
        now: Millis,
        reach: &mut Reach<'_>,
        out: &mut Vec<PortEvent>,
    ) -> Option<Millis> {
        let (sweep, _) = self.sweep.as_mut()?;
        let result = match sweep.advance(now, reach) {
            Progress::Sleep(until) => return Some(until),
            Progress::Done(finished) => finished,
        };
        let (_, due) = self.sweep.take()?;
        let Finished::Sweep(result) = result else {
            self.sampling.miss(due.len());
            return None;
        };
        self.take_report(result.map(|seen| *seen));
        if let Some(report) = self.report {
            for Due { connection, vop, at } in due {
                self.seq += 1;
                out.push(PortEvent::Sample(Box::new(Sample {
                    port: self.port.clone(),
                    connection,
                    vop,
                    seq: self.seq,
                    due: at,
                    read_at: self.read_at,
                    fields: reading::telemetry_fields(&report),
                })));
            }
        } else {
            self.sampling.miss(due.len());
            self.again = Some((now.plus(PRESENCE_MS), PRESENCE_MS));
        }
        self.suspect();
        self.recognise();
        out.push(self.status());
        None
    }

    pub(super) fn is_ready(&self) -> bool {
        self.report.as_ref().is_some_and(|r| r.module_state.value() == Some(ModuleState::Ready))
    }

    /// A module that is to be lit and is not even ready was reset or is another one: look, and restore, once until it
    /// is ready again.
    pub(super) fn suspect(&mut self) {
        if self.is_ready() {
            self.suspected = false;
        } else if self.state.intent.desired().is_some()
            && !self.state.admin_down
            && self.is_known()
            && self.running.is_none()
            && !self.suspected
        {
            self.suspected = true;
            self.queue.push_back(Job::own(Work::Refresh));
        }
    }

    /// A module whose lanes are commissioned otherwise than when it was identified may observe other quantities: identify
    /// it again.
    fn recognise(&mut self) {
        let found = self.report.as_ref().and_then(|report| report.commissioned.value());
        let other = found.is_some() && self.commissioned.is_some() && found != self.commissioned;
        if other && self.running.is_none() && self.queue.is_empty() {
            self.queue.push_back(Job::own(Work::Refresh));
        }
    }

    pub(super) fn status(&self) -> PortEvent {
        PortEvent::Status(Box::new(PortStatus {
            port: self.port.clone(),
            module: self.facts.clone(),
            trouble: self.trouble.clone(),
            unanswered: self.unanswered,
            report: self.report,
            read_at: self.read_at,
            interval: self.interval.clone(),
            app_sel: self.app_sel,
            intent: self.state.intent.clone(),
            admin_down: self.state.admin_down,
            busy: self.running.is_some() || self.stale,
            missed: self.sampling.missed(),
        }))
    }
}
