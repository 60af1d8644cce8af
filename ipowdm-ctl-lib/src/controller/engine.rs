//! The one way in which a connection changes: events and what follows from them, in one transaction.

use super::claims::{self, action_name};
use super::command::{CommandRef, Given, Sender};
use super::error::ControllerError;
use super::event::ControllerEvent;
use super::inner::Inner;
use super::live::end_at;
use super::record::{Command, ConnectionRecord, KEPT_OPERATIONS, OperationRecord, PortOperation, Position};
use super::trace;
use super::views::operation_id;
use crate::connection::{Action, Answer, CommandNumber, Ends, Event, Now, Verdict};
use crate::linkdb::{LinkDb, LinkDbError};
use crate::qot_loop::LoopState;
use crate::spectrum::Incarnation;
use crate::store::{Key, Receipt, StoreError, Tx, Version};
use crate::topology::Port;
use core::time::Duration;
use ipowdm_core::error::Code;
use ipowdm_core::ids::{CommandId, ConnectionId, VopId};
use ipowdm_core::msg::{Claim, CommandAck};
use ipowdm_core::qot::End;
use tracing::Instrument as _;

/// Pauses while the store cannot be reached.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// After this, what could not be stored is tried again.
const LATER_MS: u64 = 30_000;

/// What happens to a connection.
#[derive(Debug, Clone)]
pub(super) enum Input {
    Event(Event),
    /// An ack. Which end it is about is found in the record as the transaction sees it: the memory may be behind.
    Ack(Box<CommandAck>, CommandRef),
    /// The word of an agent of another make, and the command that it is known to be about.
    Claim(Box<Claim>, Option<CommandRef>),
}

/// Events for one connection.
#[derive(Debug, Clone)]
pub(super) struct Job {
    pub(super) id: ConnectionId,
    /// The life that the events are about; `None` for whichever lives.
    pub(super) incarnation: Option<Incarnation>,
    pub(super) inputs: Vec<Input>,
    /// The state of the quality loop, where it is to be stored.
    pub(super) quality: Option<LoopState>,
    /// Whether the loop has just given up, or recovered.
    pub(super) alarmed: Option<bool>,
}

impl Job {
    pub(super) fn new(id: ConnectionId, event: Event) -> Self {
        Self { id, incarnation: None, inputs: vec![Input::Event(event)], quality: None, alarmed: None }
    }
}

impl Input {
    /// The event that this is for a record.
    fn event(&self, record: &ConnectionRecord) -> Option<Event> {
        match self {
            Self::Event(event) => Some(event.clone()),
            Self::Ack(ack, command) => {
                let end = end_at(record, &ack.agent_id, ack.interface.as_ref())?;
                let port = record.ports.get(end);
                if (&port.pop_id, &port.router_id) != (&ack.pop_id, &ack.router_id) {
                    return None;
                }
                // Of this life of the connection; the newest command of the same number only if it is the very same one.
                let of_this_life = command.incarnation == record.incarnation.0.get();
                let newest = record.life.ends().get(end).last_command() == Some(command.number);
                if !of_this_life || newest && command.start != *record.commanded_by.get(end) {
                    return None;
                }
                Some(Event::Answer(Answer {
                    end,
                    number: command.number,
                    outcome: ack.outcome,
                    code: ack.details.code,
                    error: ack.details.error.clone(),
                    readback: ack.details.readback.clone(),
                    module_ms: ack.details.module_ms.unwrap_or(0),
                    claimed: false,
                }))
            }
            Self::Claim(claim, command) => claims::event(record, claim, *command),
        }
    }

    const fn name(&self) -> &'static str {
        match self {
            Self::Event(event) => event.name(),
            Self::Ack(..) | Self::Claim(..) => "answer",
        }
    }
}

/// What is stored together with jobs.
#[derive(Debug, Clone, Default)]
pub(super) struct Beside {
    /// Positions that have been acted on.
    pub(super) positions: Vec<(Key<Position>, Position)>,
    /// The highest epoch that an agent has reported.
    pub(super) reported_epoch: Option<u64>,
    /// Ends of operations on ports.
    pub(super) ports: Vec<PortEnd>,
    /// Of what was asked for, where it is to be done at most once.
    pub(super) receipt: Receipt,
}

/// The end of an operation on a port.
#[derive(Debug, Clone)]
pub(super) struct PortEnd {
    pub(super) key: Key<PortOperation>,
    /// The command it was about; a newer one is left alone.
    pub(super) command_id: CommandId,
    pub(super) result: Result<(), (Code, String)>,
}

/// A command that is stored to be published.
#[derive(Debug, Clone)]
pub(super) struct Commanded {
    pub(super) action: &'static str,
    pub(super) id: Option<CommandId>,
    pub(super) number: CommandNumber,
    pub(super) end: End,
}

/// What a job led to.
#[derive(Debug, Clone)]
pub(super) struct Driven {
    pub(super) record: ConnectionRecord,
    /// Whether the record is gone from the store.
    pub(super) forgotten: bool,
    pub(super) verdicts: Vec<Verdict>,
    pub(super) told: Vec<ControllerEvent>,
    pub(super) commands: Vec<Commanded>,
}

/// Everything that a commit changed.
#[derive(Debug, Clone)]
pub(super) struct Outcome {
    /// In the order of the jobs; `None` where there is no such connection.
    pub(super) driven: Vec<Option<Driven>>,
    pub(super) ports: Vec<PortOperation>,
    pub(super) epoch: u64,
    pub(super) version: Version,
}

/// Reads who commands, and refuses where it is somebody else. An epoch that an agent has seen is outdone.
pub(super) fn epoch_in(
    tx: &mut Tx,
    vop: &VopId,
    generation: u64,
    reported: Option<u64>,
) -> Result<u64, ControllerError> {
    let key = Command::key(vop);
    let command = tx.get(&key)?.unwrap_or_default();
    if command.generation != generation {
        return Err(ControllerError::Superseded { generation });
    }
    match reported {
        Some(reported) if reported > command.epoch => {
            let epoch = reported.saturating_add(1);
            tx.put(&key, &Command { epoch, ..command })?;
            Ok(epoch)
        }
        _ => Ok(command.epoch),
    }
}

/// What events need beside the record.
pub(super) struct Scope<'a> {
    pub(super) linkdb: &'a LinkDb,
    pub(super) vop: &'a VopId,
    pub(super) sender: &'a Sender,
    pub(super) now: Now,
    pub(super) epoch: u64,
}

impl Scope<'_> {
    /// Applies events to a record and stores what follows.
    pub(super) fn apply(
        &self,
        tx: &mut Tx,
        mut record: ConnectionRecord,
        job: &Job,
    ) -> Result<Driven, ControllerError> {
        let mut run = Run { told: Vec::new(), commands: Vec::new(), forgotten: false };
        let mut verdicts = Vec::with_capacity(job.inputs.len());
        for input in &job.inputs {
            let Some(event) = &input.event(&record) else {
                verdicts.push(Verdict::Ignored);
                continue;
            };
            let operation_before = record.life.last_operation();
            let powers = record.life.ends().map(|_, end| end.wanted.tx_power);
            let effect = record.life.on(self.now, event);
            verdicts.push(effect.verdict);
            if effect.verdict != Verdict::Applied {
                continue;
            }
            run.told.extend(self.begun(&mut record, operation_before));
            match event {
                Event::Step { tx_power, attempt } => run.told.push(ControllerEvent::Step {
                    connection_id: record.id.clone(),
                    attempt: *attempt,
                    from: powers,
                    to: *tx_power,
                }),
                Event::Quality(level) => run
                    .told
                    .push(ControllerEvent::Quality { connection_id: record.id.clone(), level: *level }),
                _ => {}
            }
            let reason = reason_of(event);
            for action in &effect.actions {
                self.act(tx, &mut record, action, reason.as_deref(), &mut run)?;
            }
        }
        let changed = verdicts.contains(&Verdict::Applied) || job.quality.is_some() || job.alarmed.is_some();
        if changed && !run.forgotten {
            if let Some(quality) = &job.quality {
                record.quality = Some(Box::new(quality.clone()));
            }
            record.alarmed = job.alarmed.unwrap_or(record.alarmed);
            record.revision += 1;
            tx.put(&ConnectionRecord::key(self.vop, &record.id), &record)?;
        }
        let Run { told, commands, forgotten } = run;
        Ok(Driven { record, forgotten, verdicts, told, commands })
    }

    /// Remembers an operation that has just begun.
    fn begun(&self, record: &mut ConnectionRecord, before: u32) -> Option<ControllerEvent> {
        let (number, kind) = record.life.operation()?;
        if number == before || record.operations.iter().any(|known| known.number == number) {
            return None;
        }
        if record.operations.len() == KEPT_OPERATIONS {
            record.operations.pop_front();
        }
        record.operations.push_back(OperationRecord { number, kind, started_at: self.now.wall, ended: None });
        let (connection_id, operation_id) = (record.id.clone(), operation_id(record, number));
        Some(ControllerEvent::Begun { connection_id, operation_id, kind })
    }

    fn act(
        &self,
        tx: &mut Tx,
        record: &mut ConnectionRecord,
        action: &Action,
        reason: Option<&str>,
        run: &mut Run,
    ) -> Result<(), ControllerError> {
        let connection_id = record.id.clone();
        match action {
            Action::Send { end, number, order, lifetime_ms } => {
                let order = (order, *lifetime_ms);
                let given =
                    Given { epoch: self.epoch, at: self.now.wall, app: self.app_of(tx, record, *end)? };
                let message = self
                    .sender
                    .order(record, *end, given, *number, order, reason)
                    .map_err(|error| ControllerError::Invalid { field: "id", reason: error.to_string() })?;
                tx.publish(&message)?;
                *record.commanded_by.get_mut(*end) = self.sender.start;
                let id = self.sender.command_id(record, *number).ok();
                let action = action_name(order.0);
                run.commands.push(Commanded { action, id, number: *number, end: *end });
            }
            Action::Release => self.release(tx, record)?,
            Action::Moved { from, to, cause } => run.told.push(ControllerEvent::Moved {
                connection_id,
                from: *from,
                to: *to,
                cause: cause.clone(),
                at: self.now.wall,
            }),
            Action::Finished(finished) => {
                let ended = Some((finished.result.clone(), finished.timing));
                match record.operations.iter_mut().find(|known| known.number == finished.number) {
                    Some(known) => known.ended = ended,
                    // Begun and ended by one event.
                    None => {
                        let (number, kind, started_at) = (finished.number, finished.kind, self.now.wall);
                        remember(record, OperationRecord { number, kind, started_at, ended });
                    }
                }
                run.told.push(ControllerEvent::Finished {
                    operation_id: operation_id(record, finished.number),
                    connection_id,
                    kind: finished.kind,
                    failure: finished.result.clone().err(),
                    timing: finished.timing,
                });
            }
            Action::LeftUnconfirmed(end) => {
                run.told.push(ControllerEvent::LeftUnconfirmed { connection_id, end: *end });
            }
            Action::Forget => {
                tx.delete(&ConnectionRecord::key(self.vop, &record.id));
                run.forgotten = true;
                run.told.push(ControllerEvent::Forgotten { connection_id });
            }
            // The deadline is part of the record.
            Action::Schedule(_) => {}
        }
        Ok(())
    }

    /// The number by which the agent of an end knows the application of a connection, where it is one that may ask.
    fn app_of(&self, tx: &mut Tx, record: &ConnectionRecord, end: End) -> Result<Option<u8>, StoreError> {
        if !self.sender.compatibility {
            return Ok(None);
        }
        let port = tx.get(&Port::key(record.ports.get(end)))?;
        let capability = port.and_then(|port| port.capability);
        Ok(capability.and_then(|module| Some(module.application(record.media_code)?.app_sel)))
    }

    fn release(&self, tx: &mut Tx, record: &ConnectionRecord) -> Result<(), ControllerError> {
        let id = grant_id(self.vop, &record.id)?;
        self.linkdb.release_incarnation_in(tx, &id, record.incarnation)?;
        Ok(())
    }
}

fn remember(record: &mut ConnectionRecord, operation: OperationRecord) {
    if record.operations.len() >= KEPT_OPERATIONS {
        record.operations.pop_front();
    }
    record.operations.push_back(operation);
}

struct Run {
    told: Vec<ControllerEvent>,
    commands: Vec<Commanded>,
    forgotten: bool,
}

fn reason_of(event: &Event) -> Option<String> {
    match event {
        Event::Reconfigure { reason, .. } => Some(reason.clone()),
        Event::Step { attempt, .. } => Some(format!("quality of transmission degraded, attempt {attempt}")),
        _ => None,
    }
}

/// The id of a connection in LinkDB, `<vOp>:<connection>`: there, ids of all virtual operators meet, and a tenant may name
/// its connections whatever others do.
pub(super) fn grant_id(vop: &VopId, connection: &ConnectionId) -> Result<ConnectionId, ControllerError> {
    ConnectionId::new(&format!("{vop}:{connection}")).map_err(|_| {
        let longest = ConnectionId::MAX_LEN - vop.as_str().len() - 1;
        let reason = format!("longer than {longest} characters");
        ControllerError::Invalid { field: "connection_id", reason }
    })
}

/// The connection as its tenant knows it, where `id` is one of LinkDB's.
pub(super) fn tenant_id<'a>(vop: &VopId, id: &'a str) -> &'a str {
    id.strip_prefix(vop.as_str()).and_then(|rest| rest.strip_prefix(':')).unwrap_or(id)
}

/// A refusal of LinkDB in the tenant's terms.
pub(super) fn in_tenant_terms(vop: &VopId, error: LinkDbError) -> ControllerError {
    let own = |id: &str| tenant_id(vop, id).to_owned();
    match error {
        LinkDbError::PortOccupied { port, by } => {
            ControllerError::LinkDb(LinkDbError::PortOccupied { port, by: own(&by) })
        }
        other => other.into(),
    }
}

impl Inner {
    /// Applies jobs, and whatever is stored beside them, in one transaction; then brings the memory up to date.
    ///
    /// With `strict`, a refused event aborts everything.
    pub(super) async fn drive(
        &self,
        jobs: &[Job],
        beside: &Beside,
        strict: bool,
    ) -> Result<Outcome, ControllerError> {
        let span = tracing::debug_span!("transaction", vop = %self.vop.id(), jobs = jobs.len());
        self.drive_traced(jobs, beside, strict).instrument(span).await
    }

    async fn drive_traced(
        &self,
        jobs: &[Job],
        beside: &Beside,
        strict: bool,
    ) -> Result<Outcome, ControllerError> {
        let now = self.now();
        let (mut outcome, version) = self
            .commanding(beside.reported_epoch, |tx, epoch| {
                self.drive_in(tx, jobs, beside, (now, epoch), strict)
            })
            .await?;
        outcome.version = version;
        self.settle(&outcome);
        for (job, driven) in jobs.iter().zip(&outcome.driven) {
            trace::taken_in(self.vop.id(), job, driven.as_ref());
            if driven.is_none() {
                self.live().absent(&job.id, version);
            }
        }
        Ok(outcome)
    }

    /// As [`Inner::drive`], for work that nobody asked for and that must not be lost: repeated while the store cannot be
    /// reached. Where something can never be stored, the rest is, and the connection at fault is left for later. `None` where
    /// another controller has taken over.
    pub(super) async fn drive_surely(&self, jobs: &[Job], beside: &Beside) -> Option<Outcome> {
        let refused = match self.drive_persistently(jobs, beside).await {
            Ok(outcome) => return Some(outcome),
            Err(ControllerError::Superseded { .. } | ControllerError::UnknownVop { .. }) => return None,
            Err(error) => error,
        };
        tracing::error!(vop = %self.vop.id(), error = %refused, "cannot be stored together; trying one by one");
        let mut joined = self.drive_persistently(&[], beside).await.ok()?;
        for job in jobs {
            match self.drive_persistently(core::slice::from_ref(job), &Beside::default()).await {
                Ok(outcome) => {
                    joined.driven.extend(outcome.driven);
                    joined.version = outcome.version;
                }
                Err(error) => {
                    tracing::error!(vop = %self.vop.id(), connection = %job.id, %error, "left for later");
                    self.live().postpone(&job.id, self.at().plus(LATER_MS));
                    joined.driven.push(None);
                }
            }
        }
        Some(joined)
    }

    async fn drive_persistently(&self, jobs: &[Job], beside: &Beside) -> Result<Outcome, ControllerError> {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.drive(jobs, beside, false).await {
                Err(ControllerError::Store(error)) if may_pass(&error) => {
                    tracing::warn!(vop = %self.vop.id(), %error, "store; trying again");
                }
                // Until the lease is renewed, or another's.
                Err(ControllerError::NotCommanding { .. }) => {}
                settled => return settled,
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn drive_in(
        &self,
        tx: &mut Tx,
        jobs: &[Job],
        beside: &Beside,
        (now, epoch): (Now, u64),
        strict: bool,
    ) -> Result<Outcome, ControllerError> {
        let vop = self.vop.id();
        if let Some(result) = beside.receipt.found_in(tx)? {
            return Err(ControllerError::DoneBefore { result });
        }
        let scope = Scope { linkdb: &self.linkdb, vop, sender: &self.sender, now, epoch };
        let mut driven: Vec<Option<Driven>> = Vec::with_capacity(jobs.len());
        for job in jobs {
            let record = tx.get(&ConnectionRecord::key(vop, &job.id))?;
            let record =
                record.filter(|record| job.incarnation.is_none_or(|life| life == record.incarnation));
            let Some(record) = record else {
                driven.push(None);
                continue;
            };
            let state = record.life.state();
            let done = scope.apply(tx, record, job)?;
            if strict && let Some(at) = done.verdicts.iter().position(|verdict| *verdict == Verdict::Refused)
            {
                let request = job.inputs.get(at).map_or("this", Input::name);
                return Err(ControllerError::IllegalState { connection: job.id.to_string(), state, request });
            }
            driven.push(Some(done));
        }
        let mut ports = Vec::new();
        for end in &beside.ports {
            let Some(mut operation) = tx.get(&end.key)? else { continue };
            if operation.command_id == end.command_id && operation.ended.is_none() {
                operation.ended = Some(end.result.clone());
                tx.put(&end.key, &operation)?;
            }
            // Also where it has ended already, as after a commit whose outcome was not known: the memory must learn of it.
            ports.push(operation);
        }
        for (key, position) in &beside.positions {
            tx.put(key, position)?;
        }
        if let Some(record) = driven.iter().flatten().map(|done| &done.record).next()
            && let Some(operation) = record.operations.back()
        {
            beside.receipt.write_in(tx, &operation_id(record, operation.number))?;
        }
        Ok(Outcome { driven, ports, epoch, version: Version::default() })
    }

    /// Brings the memory up to date with a commit, and tells of it.
    pub(super) fn settle(&self, outcome: &Outcome) {
        self.epoch_is(outcome.epoch);
        for driven in outcome.driven.iter().flatten() {
            self.stored(driven);
        }
        for operation in &outcome.ports {
            self.port_operation_became(operation.clone());
        }
        self.timers.notify_one();
    }

    fn stored(&self, driven: &Driven) {
        let rule = self.rule_of(&driven.record);
        if driven.forgotten {
            self.live().forgotten(&driven.record);
        } else {
            self.live().stored(driven.record.clone(), rule);
        }
        for command in &driven.commands {
            self.metrics.command(command.action);
            trace::stored(self.vop.id(), &driven.record, command);
        }
        self.correlate(driven);
        for event in &driven.told {
            self.tell(event.clone());
        }
    }

    /// Notes which commands agents may still answer without naming them. Commits may be seen here in another order than they
    /// were made: an answer that is in memory already is not waited for.
    fn correlate(&self, driven: &Driven) {
        if !self.sender.compatibility {
            return;
        }
        let newest = self.live().get(&driven.record.id);
        let mut correlator = self.correlator();
        let record = &driven.record;
        for command in &driven.commands {
            let reference = claims::reference(record, command.end, command.number);
            let place = (&record.id, record.agents.get(command.end));
            correlator.sent(self.at(), place, command.action, reference);
        }
        for record in [Some(record), newest.as_deref()].into_iter().flatten() {
            for end in Ends::<()>::BOTH {
                if let Some((number, _, true)) = record.life.ends().get(end).last_order() {
                    let reference = claims::reference(record, end, number);
                    correlator.answered(&record.id, record.agents.get(end), reference);
                }
            }
        }
    }

    /// A job without the events that would change nothing, judged by what is in memory; `None` where none is left. Spares
    /// transactions that store nothing; not for acks, which the memory may be behind of.
    pub(super) fn worth_storing(&self, mut job: Job) -> Option<Job> {
        let record = self.live().get(&job.id)?;
        let mut life = record.life.clone();
        let now = self.now();
        job.inputs.retain(|input| match input {
            Input::Event(event) => life.on(now, event).verdict == Verdict::Applied,
            Input::Ack(..) | Input::Claim(..) => true,
        });
        (!job.inputs.is_empty()).then_some(job)
    }
}

/// Whether a failure of the store may be over the next time.
const fn may_pass(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::RetryExceeded { .. }
            | StoreError::Deadline { .. }
            | StoreError::Unavailable { .. }
            | StoreError::Indeterminate { .. }
            | StoreError::Stale
    )
}

/// Events about ends, as jobs.
pub(super) fn jobs_for(
    ends: impl IntoIterator<Item = (ConnectionId, End)>,
    event: impl Fn(End) -> Event,
) -> Vec<Job> {
    ends.into_iter().map(|(id, end)| Job::new(id, event(end))).collect()
}
