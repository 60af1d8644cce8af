//! Commands, from the record to the ack.

use super::reports::{self, Answered};
use super::task::{AgentTask, Discovery};
use crate::assignment::STATIC_INCARNATION;
use crate::intake::{Concern, Origin, Ruling, check_grant};
use crate::journal::{Accepted, Answer, Entry};
use crate::port::{Job, JobReport, JobTrace, PortMessage, QUEUE, Work};
use ipowdm_core::bus::Record;
use ipowdm_core::error::Code;
use ipowdm_core::ids::{Incarnation, PortId, VopId};
use ipowdm_core::msg::{AckDetails, Action, COMMAND_TRACE, Command, Outcome};
use ipowdm_core::time::Millis;
use std::collections::BTreeSet;

/// Why a command is answered without work.
struct No {
    outcome: Outcome,
    code: Option<Code>,
    words: String,
}

impl No {
    fn rejected(code: Code, words: impl Into<String>) -> Self {
        Self { outcome: Outcome::Rejected, code: Some(code), words: words.into() }
    }
}

impl AgentTask {
    /// Records of a config topic.
    pub(super) fn on_commands(&mut self, topic: &str, partition: u32, records: &[Record]) {
        let served = self.memberships.values().find(|membership| membership.config == topic);
        // Batches of a topic that was left may still be on their way.
        let Some(vop) = served.map(|membership| membership.vop.clone()) else { return };
        for record in records {
            self.on_command(&vop, topic, partition, record);
        }
    }

    fn on_command(&mut self, vop: &VopId, topic: &str, partition: u32, record: &Record) {
        let now = self.now();
        let Some(assignment) = self.assignments.in_force().get(vop) else { return };
        let position = Entry::Position {
            topic: topic.to_string(),
            incarnation: assignment.incarnation.clone(),
            partition,
            next: record.offset.saturating_add(1),
        };
        let not_before = self.not_before(topic, &assignment.incarnation, (partition, record.offset));
        let origin = Origin { topic, partition, assignment, not_before };
        let interval_ms = assignment.telemetry_interval_ms;
        let judgement = self.intake.judge(record, origin, self.ledger.state(), now);
        let mut entries: Vec<Entry> = bound_at(record, &origin).into_iter().collect();
        if let Some(epoch) = judgement.epoch {
            entries.push(Entry::Epoch { vop: vop.clone(), epoch });
        }
        if let Some((key, digest)) = judgement.content {
            entries.push(Entry::Content { vop: vop.clone(), key, digest });
        }
        let mut orders = Vec::new();
        for ruling in judgement.rulings {
            match ruling {
                Ruling::Accept { concern, stamp_ms, start_by } => match self.no_room(&concern) {
                    Some(no) => entries.push(self.answered(vop, concern, no)),
                    None => {
                        let accepted = self.accepted(vop, concern, stamp_ms);
                        tracing::debug!(
                            target: COMMAND_TRACE,
                            command_id = %accepted.command_id,
                            %vop,
                            port = accepted.port.as_ref().map(display),
                            "command accepted"
                        );
                        entries.push(Entry::Accepted(accepted.clone()));
                        orders.push((accepted, start_by));
                    }
                },
                Ruling::Answer { concern, outcome, code, words } => {
                    entries.push(self.answered(vop, concern, No { outcome, code, words }));
                }
                Ruling::Repeat(number) => {
                    if let Some(answer) = self.ledger.state().answer(number).cloned() {
                        self.ledger.publish(answer);
                    }
                }
                // Its one answer will come.
                Ruling::UnderWay(_) => {}
            }
        }
        if entries.is_empty() {
            self.ledger.note(topic, partition, position);
            return;
        }
        entries.push(position);
        let written = self.ledger.write(entries);
        for (accepted, start_by) in orders {
            if written {
                self.begin(&accepted, start_by, interval_ms, now);
            } else {
                self.give_up(&accepted, No::rejected(Code::StorageFull, "the journal cannot be written"));
            }
        }
    }

    /// The time stamp from which a record counts; `None` where it counts by its place in the log.
    fn not_before(&self, topic: &str, incarnation: &Incarnation, place: (u32, i64)) -> Option<i64> {
        let state = self.ledger.state();
        let by_place = incarnation.as_str() == STATIC_INCARNATION || state.counts(topic, incarnation, place);
        state.first_start().filter(|_| !by_place)
    }

    /// Why no more work is taken on.
    fn no_room(&self, concern: &Concern) -> Option<No> {
        if !self.ledger.is_writable() {
            return Some(No::rejected(Code::StorageFull, "the journal cannot be written"));
        }
        let port = concern.port.as_ref()?;
        let waiting = self.ledger.state().accepted().filter(|a| a.port.as_ref() == Some(port)).count();
        let words = || format!("{QUEUE} commands are waiting for this port");
        (waiting >= QUEUE).then(|| No::rejected(Code::LimitReached, words()))
    }

    fn accepted(&mut self, vop: &VopId, concern: Concern, stamp_ms: i64) -> Accepted {
        Accepted {
            number: self.ledger.number(),
            boot: self.boot,
            vop: vop.clone(),
            key: concern.key,
            command_id: concern.command_id,
            port: concern.port,
            stamp_ms,
            command: concern.command.to_json(),
        }
    }

    /// The entry of a command that is answered without work; its ack goes out after the next sync.
    fn answered(&mut self, vop: &VopId, concern: Concern, no: No) -> Entry {
        let accepted = self.accepted(vop, concern, 0);
        Entry::Answered(self.answer(&accepted, no.outcome, details_of(no)))
    }

    /// Makes the answer to a command and hands it out.
    fn answer(&mut self, accepted: &Accepted, outcome: Outcome, mut details: AckDetails) -> Answer {
        details.epoch = self.ledger.state().epoch(&accepted.vop);
        // Written by ourselves, so it decodes.
        let action = Command::from_json(&accepted.command).map(|command| command.action).ok();
        tracing::debug!(
            target: COMMAND_TRACE,
            command_id = %accepted.command_id,
            vop = %accepted.vop,
            connection = action.as_ref().and_then(Action::connection_id).map(display),
            port = accepted.port.as_ref().map(display),
            ?outcome,
            "command answered"
        );
        let answered = Answered {
            vop: &accepted.vop,
            command_id: &accepted.command_id,
            action: action.as_ref().map_or("unknown", Action::name),
            connection: action.as_ref().and_then(Action::connection_id),
            port: accepted.port.as_ref(),
            boot: accepted.boot,
            number: accepted.number,
        };
        let (record_key, ack) =
            reports::ack(&self.config.identity, &answered, outcome, details, self.timestamp());
        let answer = Answer {
            number: accepted.number,
            vop: accepted.vop.clone(),
            key: accepted.key.clone(),
            port: accepted.port.clone(),
            record_key,
            ack,
        };
        self.ledger.publish(answer.clone());
        answer
    }

    /// Ends a command without work.
    fn give_up(&mut self, accepted: &Accepted, no: No) {
        let answer = self.answer(accepted, no.outcome, details_of(no));
        self.ledger.write(vec![Entry::Answered(answer)]);
    }

    /// Begins an accepted command.
    fn begin(&mut self, accepted: &Accepted, start_by: Option<Millis>, interval_ms: u32, now: Millis) {
        let Ok(command) = Command::from_json(&accepted.command) else {
            return self.give_up(accepted, No::rejected(Code::Internal, "the command cannot be read again"));
        };
        match &accepted.port {
            None => self.begin_at_agent(accepted, &command.action, now),
            Some(port) => match Work::of(&command.action, &accepted.vop, interval_ms) {
                Some(work) => {
                    let give_up = start_by.is_none().then(|| now.plus(self.config.queue_wait_ms));
                    let span = tracing::debug_span!(
                        target: COMMAND_TRACE,
                        "execute",
                        command_id = %accepted.command_id,
                        vop = %accepted.vop,
                        connection = command.action.connection_id().map(display),
                        %port,
                        action = command.action.name(),
                    );
                    let trace = JobTrace(span);
                    let job = Job { number: Some(accepted.number), work, start_by, give_up, trace };
                    self.tell(port, PortMessage::Job(Box::new(job)));
                }
                None => self.give_up(accepted, No::rejected(Code::Internal, "no work for a port")),
            },
        }
    }

    fn begin_at_agent(&mut self, accepted: &Accepted, action: &Action, now: Millis) {
        let vop = accepted.vop.clone();
        match action {
            Action::HealthCheck => self.send_health(&vop),
            Action::GetCapabilities => self.send_capabilities(&vop),
            Action::Dump => self.send_dumps(&vop),
            Action::Discover => return self.begin_discovery(accepted.number, vop, now),
            _ => {
                let no = No::rejected(Code::UnknownAction, "not a command to an agent as a whole");
                return self.give_up(accepted, no);
            }
        }
        self.end_at_agent(accepted.number, Outcome::Applied, "sent".to_string());
    }

    fn end_at_agent(&mut self, number: u64, outcome: Outcome, words: String) {
        let Some(accepted) = self.ledger.state().accepted_at(number).cloned() else { return };
        let details = match outcome {
            Outcome::Applied => AckDetails { result: Some(words), ..AckDetails::default() },
            _ => AckDetails { error: Some(words), code: Some(Code::TimedOut), ..AckDetails::default() },
        };
        let answer = self.answer(&accepted, outcome, details);
        self.ledger.write(vec![Entry::Answered(answer)]);
    }

    /// Has every port of a virtual operator read anew.
    fn begin_discovery(&mut self, number: u64, vop: VopId, now: Millis) {
        let granted = self.assignments.in_force().get(&vop).into_iter().flat_map(|served| &served.ports);
        let waiting: BTreeSet<PortId> =
            granted.map(|grant| grant.port_id.clone()).filter(|port| self.ports.contains_key(port)).collect();
        for port in &waiting {
            self.tell(port, PortMessage::Job(Box::new(Job::own(Work::Refresh))));
        }
        let deadline = now.plus(self.config.queue_wait_ms);
        self.discoveries.insert(number, Discovery { vop, waiting, deadline });
        self.end_discoveries(|discovery| discovery.waiting.is_empty());
    }

    fn end_discoveries(&mut self, is_over: impl Fn(&Discovery) -> bool) {
        let over: Vec<u64> =
            self.discoveries.iter().filter(|(_, d)| is_over(d)).map(|(number, _)| *number).collect();
        for number in over {
            let Some(Discovery { vop, waiting, .. }) = self.discoveries.remove(&number) else { continue };
            self.send_health(&vop);
            self.send_capabilities(&vop);
            if waiting.is_empty() {
                self.end_at_agent(number, Outcome::Applied, "all ports read".to_string());
            } else {
                let names: Vec<&str> = waiting.iter().map(PortId::as_str).collect();
                self.end_at_agent(
                    number,
                    Outcome::TimedOut,
                    format!("not read in time: {}", names.join(", ")),
                );
            }
        }
    }

    pub(super) fn on_discoveries_time(&mut self, now: Millis) {
        self.end_discoveries(|discovery| discovery.deadline <= now);
    }

    /// A port has ended a piece of work.
    pub(super) fn on_report(&mut self, report: JobReport) {
        let JobReport { port, number, refreshed, outcome, details, state } = report;
        let accepted = number.and_then(|number| self.ledger.state().accepted_at(number).cloned());
        let mut entries = Vec::new();
        if self.ledger.state().port(&port) != state {
            entries.push(Entry::Port(port.clone(), state.clone()));
        }
        if let Some(accepted) = accepted {
            entries.push(Entry::Answered(self.answer(&accepted, outcome, details)));
        } else if let Some(error) = details.error {
            tracing::warn!(%port, error, "work of the agent's own has failed");
        }
        self.ledger.write(entries);
        if refreshed {
            for discovery in self.discoveries.values_mut() {
                discovery.waiting.remove(&port);
            }
            self.end_discoveries(|discovery| discovery.waiting.is_empty());
        }
        // A command may have ended after its virtual operator lost the port.
        if let Some(desired) = state.intent.desired()
            && self.is_lost(&desired.vop, &port)
        {
            let work = Work::Release { vop: desired.vop.clone() };
            self.tell(&port, PortMessage::Job(Box::new(Job::own(work))));
        }
    }

    /// Goes on with what a restart interrupted, as far as it is still wanted.
    pub(super) fn resume(&mut self) {
        let now = self.now();
        for number in core::mem::take(&mut self.interrupted) {
            let Some(accepted) = self.ledger.state().accepted_at(number).cloned() else { continue };
            let Ok(command) = Command::from_json(&accepted.command) else {
                self.give_up(&accepted, No::rejected(Code::Internal, "the command cannot be read again"));
                continue;
            };
            match self.still_wanted(&accepted, &command, now) {
                Ok((start_by, interval_ms)) => self.begin(&accepted, start_by, interval_ms, now),
                Err(no) => {
                    self.give_up(&accepted, no);
                    self.undo(&accepted, command.action);
                }
            }
        }
    }

    fn still_wanted(
        &self,
        accepted: &Accepted,
        command: &Command,
        now: Millis,
    ) -> Result<(Option<Millis>, u32), No> {
        let gone = || No::rejected(Code::Forbidden, "interrupted by a restart, and not assigned any more");
        let served = self.assignments.in_force().get(&accepted.vop).ok_or_else(gone)?;
        if let Some(port) = &accepted.port {
            let grant = self.assignments.grant(&accepted.vop, port).ok_or_else(gone)?;
            if let Some(endpoint) = command.action.endpoints().first() {
                check_grant(endpoint, grant)
                    .map_err(|error| No::rejected(error.code(), error.to_string()))?;
            }
        }
        let start_by = match command.lifetime_ms {
            None => None,
            Some(lifetime) => {
                let left = self.intake.clock.remaining(accepted.stamp_ms, lifetime, now);
                let words = "interrupted by a restart, and its lifetime is over".to_string();
                let expired = No { outcome: Outcome::Expired, code: Some(Code::Expired), words };
                Some(now.plus(left.ok_or(expired)?))
            }
        };
        Ok((start_by, served.telemetry_interval_ms))
    }

    /// Takes back what an interrupted command may have begun.
    fn undo(&mut self, accepted: &Accepted, action: Action) {
        let Some(port) = &accepted.port else { return };
        let unlit = self.ledger.state().port(port).intent.desired().is_none();
        let work = match action {
            Action::Setup { connection_id, .. } if unlit => {
                Work::Teardown { vop: accepted.vop.clone(), connection: connection_id }
            }
            _ => Work::Restore,
        };
        self.tell(port, PortMessage::Job(Box::new(Job::own(work))));
    }
}

/// The bound that a record sets which counts for its time stamp: whatever follows in the log was sent later, whatever the
/// broker's clock says of it.
fn bound_at(record: &Record, origin: &Origin<'_>) -> Option<Entry> {
    origin.not_before.filter(|&from| from <= record.timestamp_ms).map(|_| Entry::Bound {
        topic: origin.topic.to_string(),
        incarnation: origin.assignment.incarnation.clone(),
        partition: origin.partition,
        from: record.offset,
    })
}

fn details_of(no: No) -> AckDetails {
    let words = Some(no.words);
    let (result, error) = if no.code.is_none() { (words, None) } else { (None, words) };
    AckDetails { result, error, code: no.code, register_writes: Some(0), ..AckDetails::default() }
}
