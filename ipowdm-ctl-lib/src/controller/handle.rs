//! The handle: everything that can be asked of a running controller.

use super::create::check_power;
use super::engine::{Beside, Job, grant_id};
use super::error::ControllerError;
use super::event::ControllerEvent;
use super::feed::{Following, Place};
use super::inner::Inner;
use super::metrics::{DeadLetter, MetricsView};
use super::record::ConnectionRecord;
use super::request::{ConnectionRequest, PathRequest, PowerChange, ReconfigureRequest};
use super::start::Tasks;
use super::views::{
    ConnectionView, OperationView, PathView, QotView, connection_view, operation_view, parse_operation_id,
    port_operation_view, qot_view,
};
use crate::connection::{Ends, Event, OperationKind, State};
use crate::slice::Vop;
use crate::store::{Receipt, Store};
use core::time::Duration;
use ipowdm_core::grid::Raster;
use ipowdm_core::ids::{ConnectionId, VopId};
use ipowdm_core::qot::End;
use ipowdm_core::units::Power;
use std::sync::Arc;
use tokio::sync::broadcast;
use tokio::time::{Instant, timeout};
use tracing::Instrument as _;

/// A running controller of one virtual operator. Clones are the same controller; when the last one is dropped it stops,
/// leaving everything stored for the next.
#[derive(Debug, Clone)]
pub struct ControllerHandle {
    pub(super) inner: Arc<Inner>,
    pub(super) tasks: Arc<Tasks>,
    /// Of what is asked for with this handle.
    pub(super) receipt: Receipt,
}

impl ControllerHandle {
    /// The virtual operator.
    #[must_use]
    pub fn vop(&self) -> &VopId {
        self.inner.vop.id()
    }

    /// Which taking of command this is: each is one more than the one before.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.inner.generation
    }

    /// The store that everything is kept in, of all virtual operators.
    #[must_use]
    pub fn store(&self) -> &Store {
        self.inner.linkdb.store()
    }

    /// The same controller, asked for one thing that is to be done at most once: where it has been done, in this life of the
    /// controller or in an earlier one, what it has led to is answered again.
    #[must_use]
    pub fn with_receipt(&self, receipt: Receipt) -> Self {
        Self { receipt, ..self.clone() }
    }

    /// Whether this controller commands now: its lease has not ended, and it was neither stopped nor replaced as far as it knows.
    #[must_use]
    pub fn commands(&self) -> bool {
        let replaced = self.inner.running().is_err() || self.inner.is_superseded();
        !replaced && self.inner.tenure.holds(Instant::now())
    }

    /// The band in which spectrum is counted.
    #[must_use]
    pub fn raster(&self) -> Raster {
        self.inner.linkdb.raster()
    }

    /// Follows what happens from now on. A listener that is too slow loses the oldest events and is told how many.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<ControllerEvent> {
        self.inner.listen()
    }

    /// Follows what happens from now on, or after a place that an earlier following has told; with `samples` also what modules
    /// measure. A follower does not keep the controller running.
    #[must_use]
    pub fn follow(&self, after: Option<Place>, samples: bool) -> Following {
        self.inner.feed.follow(after, samples)
    }

    /// All counters.
    #[must_use]
    pub fn metrics(&self) -> MetricsView {
        self.inner.metrics.view()
    }

    /// The newest records that could not be used.
    #[must_use]
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        self.inner.metrics.dead_letters()
    }

    /// Stores clock and positions, ends all tasks, and gives the lease back. Operations go on when a controller is started again; this one answers
    /// [`ControllerError::Stopped`] to what it is asked to do.
    ///
    /// # Errors
    /// [`ControllerError::Store`] where they could not be stored: the tasks have ended all the same, and the lease ends by
    /// itself.
    pub async fn shutdown(&self) -> Result<(), ControllerError> {
        self.inner.stop();
        let stored = self.tasks.checkpoint(&self.inner).await;
        self.tasks.end();
        let stored = match stored {
            Ok(()) => self.inner.give_back().await,
            Err(error) => Err(error),
        };
        match stored {
            // What there is to be stored is stored by whoever commands now, and the lease is another's.
            Err(ControllerError::Superseded { .. } | ControllerError::UnknownVop { .. }) => Ok(()),
            stored => stored,
        }
    }

    /// Whether [`ControllerHandle::shutdown`] was called, on this handle or another of the same controller.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.inner.running().is_err()
    }

    /// Ready when another controller has taken over. One that has nothing to store notices at its next checkpoint.
    pub async fn superseded(&self) {
        self.inner.until_superseded().await;
    }

    /// Whether this controller still serves its virtual operator.
    ///
    /// # Errors
    /// [`ControllerError::UnknownVop`] where it has been deactivated, [`ControllerError::Stopped`] where this controller was
    /// stopped, [`ControllerError::Store`] where it was and the store cannot tell which.
    pub async fn serving(&self) -> Result<(), ControllerError> {
        let Err(stopped) = self.inner.running() else { return Ok(()) };
        match self.inner.linkdb.store().get(&Vop::key(self.vop())).await? {
            Some(_) => Err(stopped),
            None => Err(ControllerError::UnknownVop { vop: self.vop().to_string() }),
        }
    }

    // --- connections --------------------------------------------------------------------------------------------------

    /// Creates a connection: chooses ports, path and slot and holds them until it is set up, or the hold time is over.
    /// Answers it, and whether it is new: the same request again answers the same connection.
    ///
    /// # Errors
    /// [`ControllerError`] with the codes `same_pop`, `unknown_pop`, `unknown_port`, `forbidden` (a port of somebody else),
    /// `port_occupied`, `no_free_port`, `module_absent` (no module known there), `unsupported` (no such mode),
    /// `power_out_of_range`, `no_path`, `no_spectrum`, `no_common_channel`, `frequency_not_granted`, `frequency_off_grid`, `frequency_out_of_range`,
    /// `already_exists`, `invalid_field`. Nothing is taken then.
    pub async fn create_connection(
        &self,
        request: ConnectionRequest,
    ) -> Result<(ConnectionView, bool), ControllerError> {
        self.inner.running()?;
        let (record, new) = self.inner.create(&request, &self.receipt).await?;
        Ok((self.view(&record)?, new))
    }

    /// All connections, in order of their ids; those in `state` only, where one is given.
    ///
    /// # Errors
    /// Never in practice: stored ids have been checked.
    pub fn connections(&self, state: Option<State>) -> Result<Vec<ConnectionView>, ControllerError> {
        let records: Vec<_> = self.inner.live().records().collect();
        let wanted = records.iter().filter(|record| state.is_none_or(|state| record.life.state() == state));
        wanted.map(|record| self.view(record)).collect()
    }

    /// At most `most` of the wanted connections whose ids come after `after`, in order of their ids; and the id of the last one
    /// that was looked at, where there are more. Not more than `look_at` are looked at.
    ///
    /// # Errors
    /// Never in practice: stored ids have been checked.
    pub fn connections_after(
        &self,
        after: Option<&ConnectionId>,
        (most, look_at): (usize, usize),
        wanted: impl Fn(&ConnectionView) -> bool,
    ) -> Result<(Vec<ConnectionView>, Option<ConnectionId>), ControllerError> {
        let records: Vec<_> =
            self.inner.live().records_after(after).take(look_at.saturating_add(1)).collect();
        let mut views = Vec::new();
        let mut last = None;
        for (looked_at, record) in records.iter().enumerate() {
            if views.len() == most || looked_at == look_at {
                return Ok((views, last));
            }
            last = Some(record.id.clone());
            views.extend(Some(self.view(record)?).filter(|view| wanted(view)));
        }
        Ok((views, None))
    }

    /// One connection.
    ///
    /// # Errors
    /// [`ControllerError::UnknownConnection`]
    pub fn connection(&self, id: &ConnectionId) -> Result<ConnectionView, ControllerError> {
        self.view(&*self.record(id)?)
    }

    /// Lights a connection. Answers the operation, which ends when both ends are read back, or undone.
    ///
    /// # Errors
    /// [`ControllerError::UnknownConnection`], [`ControllerError::IllegalState`] unless it is PENDING.
    pub async fn setup(&self, id: &ConnectionId) -> Result<OperationView, ControllerError> {
        self.request(id, Event::Setup).await
    }

    /// Lights a connection and waits for the end of the operation, at most for `limit`: what is answered then may still be
    /// running.
    ///
    /// # Errors
    /// As [`ControllerHandle::setup`].
    pub async fn setup_and_wait(
        &self,
        id: &ConnectionId,
        limit: Duration,
    ) -> Result<OperationView, ControllerError> {
        let operation = self.setup(id).await?;
        self.wait(operation, limit).await
    }

    /// Sets a FAILED connection up once more. One that still holds spectrum and ports keeps them; one that does not takes those
    /// that it had, where they are free, and others that its request allows otherwise. Answers the operation, which ends when
    /// both ends are read back, or undone: then it is FAILED again.
    ///
    /// Of a DEGRADED connection the ends that are dark or otherwise not as wanted are set up again. The other goes on shining,
    /// also where that fails: then it is DEGRADED as before.
    ///
    /// Where spectrum is taken anew this is another incarnation of the connection; its earlier operations keep their ids.
    ///
    /// # Errors
    /// [`ControllerError::UnknownConnection`], [`ControllerError::IllegalState`] unless it is FAILED, or
    /// DEGRADED with such an end; as
    /// [`ControllerHandle::create_connection`] where nothing is free.
    pub async fn repair(&self, id: &ConnectionId) -> Result<OperationView, ControllerError> {
        self.inner.running()?;
        let repaired = self.inner.repair(id, &self.receipt).await;
        if let Err(done @ ControllerError::DoneBefore { .. }) = repaired {
            return self.done_before(done);
        }
        let record = repaired.inspect_err(|error| self.count_refusal("repair", error))?;
        let operation = record.operations.back().ok_or_else(|| illegal(&record, "repair"))?;
        Ok(operation_view(&record, operation))
    }

    /// Changes transmit powers. A power outside what module, operator and grant allow is refused, never bent.
    ///
    /// # Errors
    /// [`ControllerError::UnknownConnection`], [`ControllerError::IllegalState`] unless it is ACTIVE or DEGRADED,
    /// [`ControllerError::PowerOutOfRange`], [`ControllerError::Unsupported`], [`ControllerError::Invalid`] where nothing is to
    /// change.
    pub async fn reconfigure(
        &self,
        id: &ConnectionId,
        request: &ReconfigureRequest,
    ) -> Result<OperationView, ControllerError> {
        let record = self.record(id)?;
        let changes = Ends { source: request.source, destination: request.destination };
        if !changes.any(Option::is_some) {
            let reason = "nothing is to change".to_owned();
            return Err(ControllerError::Invalid { field: "parameters", reason });
        }
        // The state first: a power is judged against the one that is set.
        if !matches!(record.life.state(), State::Active | State::Degraded) {
            return Err(illegal(&record, "reconfigure"));
        }
        let power = |end: End| new_power(&record, end, *changes.get(end));
        let tx_power = Ends { source: power(End::Source)?, destination: power(End::Destination)? };
        let reason = request.reason.chars().take(256).collect();
        self.request(id, Event::Reconfigure { tx_power, reason }).await
    }

    /// Takes a connection down. Answers the operation, which ends when both ends are dark and everything is given back. A
    /// connection that is being taken down, or is over, answers the operation that did it.
    ///
    /// # Errors
    /// [`ControllerError::UnknownConnection`]
    pub async fn delete(&self, id: &ConnectionId) -> Result<OperationView, ControllerError> {
        match self.request(id, Event::Teardown).await {
            Err(ControllerError::IllegalState { .. }) => {
                let record = self.record(id)?;
                let teardown = record.operations.iter().rev().find(|op| op.kind == OperationKind::Teardown);
                teardown.map(|op| operation_view(&record, op)).ok_or_else(|| illegal(&record, "teardown"))
            }
            answered => answered,
        }
    }

    /// Gives everything of a connection back at once, whatever its ends do: for ends that are gone for good. What they
    /// might still send is not known then, and [`ControllerEvent::LeftUnconfirmed`] says so.
    ///
    /// # Errors
    /// [`ControllerError::UnknownConnection`], [`ControllerError::IllegalState`] where nothing is held any more.
    pub async fn abandon(&self, id: &ConnectionId) -> Result<OperationView, ControllerError> {
        self.request(id, Event::Abandon).await
    }

    /// Takes all connections down and waits until they are over, at most for `limit`; what is left then is abandoned.
    ///
    /// # Errors
    /// [`ControllerError::Store`]
    pub async fn drain(&self, limit: Duration) -> Result<(), ControllerError> {
        let mut operations = Vec::new();
        for id in self.not_over() {
            match self.delete(&id).await {
                Ok(operation) => operations.push(operation),
                Err(ControllerError::UnknownConnection { .. } | ControllerError::IllegalState { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        let all = async {
            for operation in &operations {
                self.until_ended(operation).await;
            }
        };
        // What has not ended by then is abandoned below.
        let _ = timeout(limit, all).await;
        for id in self.not_over() {
            match self.abandon(&id).await {
                Ok(_)
                | Err(ControllerError::UnknownConnection { .. } | ControllerError::IllegalState { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn not_over(&self) -> Vec<ConnectionId> {
        let live = self.inner.live();
        live.records().filter(|record| !record.is_over()).map(|record| record.id.clone()).collect()
    }

    /// The quality of one connection.
    ///
    /// # Errors
    /// [`ControllerError::UnknownConnection`]
    pub fn qot(&self, id: &ConnectionId) -> Result<QotView, ControllerError> {
        let now = self.inner.at();
        let live = self.inner.live();
        live.entry(id).map(|entry| qot_view(entry, now)).ok_or_else(|| unknown(id))
    }

    /// The quality of all connections that are not over.
    #[must_use]
    pub fn qot_all(&self) -> Vec<QotView> {
        let now = self.inner.at();
        let live = self.inner.live();
        let ids: Vec<_> =
            live.records().filter(|record| !record.is_over()).map(|record| record.id.clone()).collect();
        ids.iter().filter_map(|id| live.entry(id)).map(|entry| qot_view(entry, now)).collect()
    }

    // --- operations ---------------------------------------------------------------------------------------------------

    /// An operation by its id.
    ///
    /// # Errors
    /// [`ControllerError::UnknownOperation`] where it is not known, or not any more: the newest eight of a connection and the
    /// newest of a port are remembered.
    pub fn operation(&self, id: &str) -> Result<OperationView, ControllerError> {
        let unknown = || ControllerError::UnknownOperation { operation: id.to_owned() };
        if let Some((connection, incarnation, number)) = parse_operation_id(id) {
            let record = self.inner.live().get(&connection);
            let record = record.filter(|record| record.born().0.get() == incarnation);
            let found = record.and_then(|record| {
                let operation = record.operations.iter().find(|operation| operation.number == number)?;
                Some(operation_view(&record, operation))
            });
            if let Some(found) = found {
                return Ok(found);
            }
        }
        let ports = self.inner.port_operations();
        let port = ports.iter().find(|operation| operation.command_id.as_str() == id);
        port.map(port_operation_view).ok_or_else(unknown)
    }

    /// Waits until an operation has ended, at most for `limit`, and answers how it stands then.
    ///
    /// # Errors
    /// [`ControllerError::UnknownOperation`] where it is not remembered any more.
    pub async fn wait(
        &self,
        operation: OperationView,
        limit: Duration,
    ) -> Result<OperationView, ControllerError> {
        if !operation.has_ended() {
            // What is running when the time is over is answered as it stands.
            let _ = timeout(limit, self.until_ended(&operation)).await;
        }
        self.operation(&operation.id)
    }

    async fn until_ended(&self, operation: &OperationView) {
        if let Some(port) = &operation.port {
            if let Some(mut follow) = self.inner.port_operation(port) {
                // An error says that the controller is gone.
                let _ = follow.wait_for(|now| now.ended.is_some()).await;
            }
            return;
        }
        let Some((connection, _, number)) = parse_operation_id(&operation.id) else { return };
        let follow = self.inner.live().follow(&connection);
        if let Some(mut follow) = follow {
            let ended = |record: &Arc<ConnectionRecord>| {
                let running = |op: &super::record::OperationRecord| op.number == number && op.ended.is_none();
                !record.operations.iter().any(running)
            };
            // An error says that the connection is forgotten or lives anew.
            let _ = follow.wait_for(ended).await;
        }
    }

    // --- paths --------------------------------------------------------------------------------------------------------

    /// The path and the slot that a connection would get now. Nothing is taken.
    ///
    /// # Errors
    /// As [`ControllerHandle::create_connection`].
    pub async fn compute_path(&self, request: PathRequest) -> Result<PathView, ControllerError> {
        let (grant, mode) = self.inner.would_get(&request).await?;
        Ok(PathView { path: grant.path, slot: grant.slot, frequency: grant.frequency, mode })
    }

    // --- inside -------------------------------------------------------------------------------------------------------

    pub(super) fn record(&self, id: &ConnectionId) -> Result<Arc<ConnectionRecord>, ControllerError> {
        self.inner.live().get(id).ok_or_else(|| unknown(id))
    }

    fn view(&self, record: &ConnectionRecord) -> Result<ConnectionView, ControllerError> {
        let grant = grant_id(self.vop(), &record.id)?.to_string();
        Ok(connection_view(record, grant, self.inner.at()))
    }

    /// The operation that a request has led to when it was carried out.
    pub(super) fn done_before(&self, error: ControllerError) -> Result<OperationView, ControllerError> {
        match &error {
            ControllerError::DoneBefore { result } => self.operation(result).map_err(|_| error),
            _ => Err(error),
        }
    }

    fn count_refusal(&self, request: &'static str, error: &ControllerError) {
        if let ControllerError::IllegalState { state, .. } = error {
            self.inner.metrics.refused(request, *state, crate::connection::Verdict::Refused);
        }
    }

    /// Asks something of a connection, and answers the operation that this began.
    async fn request(&self, id: &ConnectionId, event: Event) -> Result<OperationView, ControllerError> {
        self.inner.running()?;
        let request = event.name();
        let span = tracing::info_span!("operation", vop = %self.vop(), connection = %id, kind = request);
        let jobs = [Job::new(id.clone(), event)];
        let beside = Beside { receipt: self.receipt.clone(), ..Beside::default() };
        let outcome = self.inner.drive(&jobs, &beside, true).instrument(span).await;
        if let Err(done @ ControllerError::DoneBefore { .. }) = outcome {
            return self.done_before(done);
        }
        let outcome = outcome.inspect_err(|error| self.count_refusal(request, error))?;
        let driven = outcome.driven.into_iter().flatten().next().ok_or_else(|| unknown(id))?;
        let record = driven.record;
        let operation = record.operations.back().ok_or_else(|| illegal(&record, request))?;
        Ok(operation_view(&record, operation))
    }
}

fn unknown(id: &ConnectionId) -> ControllerError {
    ControllerError::UnknownConnection { connection: id.to_string() }
}

fn illegal(record: &ConnectionRecord, request: &'static str) -> ControllerError {
    let (connection, state) = (record.id.to_string(), record.life.state());
    ControllerError::IllegalState { connection, state, request }
}

/// The power of an end after a change; `None` where it stays.
fn new_power(
    record: &ConnectionRecord,
    end: End,
    change: Option<PowerChange>,
) -> Result<Option<Power>, ControllerError> {
    let power = match change {
        None => return Ok(None),
        Some(PowerChange::To(power)) => power,
        Some(PowerChange::By(step)) => {
            let current = record.life.ends().get(end).wanted.tx_power.ok_or_else(|| {
                let what = format!("no transmit power is set at {}", record.ports.get(end));
                ControllerError::Unsupported { what }
            })?;
            current.plus(step)
        }
    };
    check_power(record, end, power).map(Some)
}
