//! What samples lead to: they go to the loops in memory, and what these find in a batch is stored in one transaction.

use super::{Intake, PUBLISHED, Source};
use crate::connection::{Event, Now, State};
use crate::controller::engine::{Beside, Driven, Input, Job};
use crate::controller::event::ControllerEvent;
use crate::controller::inner::Inner;
use crate::controller::live::end_at;
use crate::controller::record::ConnectionRecord;
use crate::qot_loop::{Context, Finding};
use ipowdm_core::ids::{AgentId, ConnectionId, RouterRef};
use ipowdm_core::msg::TelemetrySample;
use ipowdm_core::qot::{End, Request};
use ipowdm_core::time::Millis;
use std::sync::Arc;
use tokio::time::Instant;

/// What the samples of a batch have led to and what is not stored yet: for each connection once.
pub(super) struct Findings {
    /// When the batch came.
    arrived: Instant,
    /// The same by the controller's clocks.
    now: Now,
    /// Whether somebody wants to see samples.
    shown: bool,
    /// The agent, and its place, that was noted as heard last: samples of one come together.
    heard: Option<(AgentId, RouterRef)>,
    found: Vec<Found>,
}

impl Findings {
    /// None yet, of a batch that has just come.
    pub(super) fn of_batch(inner: &Inner) -> Self {
        let shown = inner.feed.shows_samples();
        Self { arrived: Instant::now(), now: inner.now(), shown, heard: None, found: Vec::new() }
    }

    fn concern(&self, id: &ConnectionId) -> bool {
        self.found.iter().any(|found| found.job.id == *id)
    }
}

/// What a sample led to.
struct Found {
    job: Job,
    step: bool,
    told: Option<ControllerEvent>,
}

impl Found {
    fn add(&mut self, inner: &Inner, record: &ConnectionRecord, end: End, finding: Finding) {
        let connection_id = record.id.clone();
        let event = match finding {
            Finding::Level(level) => Event::Quality(level),
            Finding::LossOfSignal => Event::LossOfSignal(end),
            Finding::SignalBack => Event::SignalBack(end),
            Finding::ForeignChange => Event::ForeignChange(end),
            Finding::Conforming => Event::Conforming(end),
            Finding::Light(light) => Event::LightSeen(end, light),
            Finding::Request(request @ Request::Step { attempt, .. }) => {
                let current = record.life.ends().map(|_, end| end.wanted.tx_power);
                let tx_power = inner.config.qot.step(&request, &current, &record.limits);
                self.step = inner.config.qot.enabled;
                if !self.step {
                    return;
                }
                Event::Step { tx_power, attempt }
            }
            Finding::Request(Request::Alarm { attempts }) => {
                self.job.alarmed = Some(true);
                self.told = Some(ControllerEvent::QualityAlarm { connection_id, attempts });
                return;
            }
            Finding::Request(Request::Recovered) => {
                self.job.alarmed = Some(false);
                self.told = Some(ControllerEvent::QualityRecovered { connection_id });
                return;
            }
        };
        self.job.inputs.push(Input::Event(event));
    }
}

impl Intake {
    pub(super) async fn sample(&self, sample: TelemetrySample, source: &Source<'_>, findings: &mut Findings) {
        let inner = &self.inner;
        let Some(sample) = self.placed(sample, source) else {
            inner.metrics.sample(false);
            return;
        };
        let fresh = source.fresh;
        let from = sample.pop_id.clone().zip(sample.router_id.clone());
        let from = from.map(|(pop_id, router_id)| RouterRef { pop_id, router_id });
        let foreign = sample.virtual_operator.as_ref().is_some_and(|vop| vop != inner.vop.id())
            || from.as_ref().is_some_and(|router| !self.routers.contains(router));
        // A sample is judged by what the ones before it have led to.
        if findings.concern(&sample.connection_id) {
            self.act(findings).await;
        }
        let heard = from.filter(|_| !foreign).map(|router| (sample.agent_id.clone(), router));
        let shown = (fresh && findings.shown).then(|| Arc::new(sample.clone()));
        let found = if foreign { None } else { self.judge(sample, findings.now.at, source) };
        inner.metrics.sample(found.is_some());
        if let Some(sample) = shown.filter(|_| found.is_some()) {
            inner.feed.sample(sample);
        }
        if heard.is_some() && heard != findings.heard {
            findings.heard = heard;
            if let Some((agent, router)) = &findings.heard {
                self.heard(agent, router, findings.now).await;
            }
        }
        findings.found.extend(found.flatten());
    }

    /// Stores what samples have led to, in one transaction.
    pub(super) async fn act(&self, findings: &mut Findings) {
        let inner = &self.inner;
        let (arrived, found) = (findings.arrived, core::mem::take(&mut findings.found));
        if found.is_empty() {
            return;
        }
        // Only steps are timed, and only they need the outbox to be watched.
        let watch = found.iter().any(|found| found.step).then(|| inner.linkdb.store().watch_outbox());
        let steps: Vec<bool> = found.iter().map(|found| found.step).collect();
        let (jobs, told): (Vec<_>, Vec<_>) = found.into_iter().map(|found| (found.job, found.told)).unzip();
        let Some(outcome) = inner.drive_surely(&jobs, &Beside::default()).await else { return };
        let commanded =
            |driven: &Option<Driven>| driven.as_ref().is_some_and(|done| !done.commands.is_empty());
        let steps =
            outcome.driven.iter().zip(steps).filter(|(driven, step)| *step && commanded(driven)).count();
        if let Some(watch) = watch.filter(|_| steps > 0) {
            (0..steps).for_each(|_| inner.metrics.step_decided(arrived.elapsed()));
            let inner = Arc::clone(inner);
            tokio::spawn(async move {
                let store = inner.linkdb.store();
                if store.relayed(watch, outcome.version, PUBLISHED).await == Ok(true) {
                    (0..steps).for_each(|_| inner.metrics.step_published(arrived.elapsed()));
                }
            });
        }
        for event in told.into_iter().flatten() {
            if matches!(event, ControllerEvent::QualityAlarm { .. }) {
                inner.metrics.alarm();
            }
            inner.tell(event);
        }
    }

    /// Gives a sample to its connection's loop; `None` where there is no such connection or end, `Some(None)` where nothing
    /// follows.
    fn judge(&self, mut sample: TelemetrySample, now: Millis, source: &Source<'_>) -> Option<Option<Found>> {
        let inner = &self.inner;
        let mut live = inner.live();
        let entry = live.entry_mut(&sample.connection_id)?;
        let record = entry.record();
        let end = end_at(&record, &sample.agent_id, Some(&sample.interface))?;
        let state = record.life.ends().get(end);
        let rule = entry.rule;
        let context = Context {
            rule: &rule,
            wanted: &state.wanted,
            troubles: state.troubles,
            light: state.light,
            level: record.life.level(),
            judged: matches!(record.life.state(), State::Active | State::Degraded),
            fresh: source.fresh,
            max_age_ms: inner.config.qot.max_age_ms,
        };
        let place = u64::try_from(source.record.offset).unwrap_or(0);
        if sample.seq.is_none() {
            // Samples without a key come in any partition, and a place is one of its partition.
            (sample.boot_id, sample.seq) = (Some(source.partition.into()), Some(place));
        }
        let acting = entry.qot.is_acting();
        let findings = entry.qot.observe(now, end, sample, place, &context);
        if entry.qot.is_acting() && !acting {
            inner.metrics.episode();
        }
        if findings.is_empty() {
            return Some(None);
        }
        let mut found = Found {
            job: Job {
                id: record.id.clone(),
                incarnation: Some(record.incarnation),
                inputs: Vec::new(),
                quality: Some(entry.qot.state().clone()),
                alarmed: None,
            },
            step: false,
            told: None,
        };
        for finding in findings {
            found.add(inner, &record, end, finding);
        }
        let worth = !found.job.inputs.is_empty() || found.job.alarmed.is_some();
        Some(worth.then_some(found))
    }
}
