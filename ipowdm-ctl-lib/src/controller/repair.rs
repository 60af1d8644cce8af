//! Repair: a FAILED connection is set up once more, in its place or in another; one that is DEGRADED, at the ends that are not
//! as wanted.

use super::engine::{Driven, Job, Outcome, Scope};
use super::error::ControllerError;
use super::inner::Inner;
use super::record::ConnectionRecord;
use super::request::ConnectionRequest;
use super::views::operation_id;
use crate::connection::{Ends, Event, Now, State, Verdict, Wanted};
use crate::linkdb::LinkDbError;
use crate::slice::{Vop, VopPhase};
use crate::store::{Receipt, Tx};
use ipowdm_core::ids::ConnectionId;
use ipowdm_core::qot::End;

/// Where a connection that holds nothing any more is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// On the ports and the channel that it had.
    Same,
    /// Wherever its request allows.
    Any,
}

impl Inner {
    /// Sets a FAILED connection up once more, and a DEGRADED one at the ends that are dark or otherwise not as wanted. What it
    /// still holds it keeps. Where it holds nothing, ports and spectrum are taken anew in the same transaction: those that it
    /// had where they are free, others that its request allows otherwise.
    pub(super) async fn repair(
        &self,
        id: &ConnectionId,
        receipt: &Receipt,
    ) -> Result<ConnectionRecord, ControllerError> {
        let done = match self.repair_at(id, Place::Same, receipt).await {
            Err(refusal) if another_place_may_do(&refusal) => {
                tracing::info!(vop = %self.vop.id(), connection = %id, %refusal, "repaired in another place");
                self.repair_at(id, Place::Any, receipt).await
            }
            done => done,
        };
        done.map(|driven| driven.record)
    }

    async fn repair_at(
        &self,
        id: &ConnectionId,
        place: Place,
        receipt: &Receipt,
    ) -> Result<Driven, ControllerError> {
        let now = self.now();
        let work = |tx: &mut Tx, epoch| {
            if let Some(result) = receipt.found_in(tx)? {
                return Err(ControllerError::DoneBefore { result });
            }
            let driven = self.repair_in(tx, id, place, (now, epoch))?;
            if let Some(operation) = driven.record.operations.back() {
                receipt.write_in(tx, &operation_id(&driven.record, operation.number))?;
            }
            Ok((driven, epoch))
        };
        let ((driven, epoch), version) = self.commanding(None, work).await?;
        self.expect_agents(&driven.record);
        self.settle(&Outcome { driven: vec![Some(driven.clone())], ports: Vec::new(), epoch, version });
        Ok(driven)
    }

    fn repair_in(
        &self,
        tx: &mut Tx,
        id: &ConnectionId,
        place: Place,
        (now, epoch): (Now, u64),
    ) -> Result<Driven, ControllerError> {
        let vop = self.vop.id();
        if tx.get(&Vop::key(vop))?.is_none_or(|stored| stored.phase == VopPhase::Deactivating) {
            return Err(ControllerError::UnknownVop { vop: vop.to_string() });
        }
        let stored = tx.get(&ConnectionRecord::key(vop, id))?;
        let mut record =
            stored.ok_or_else(|| ControllerError::UnknownConnection { connection: id.to_string() })?;
        let state = record.life.state();
        let illegal =
            || ControllerError::IllegalState { connection: id.to_string(), state, request: "repair" };
        let anew = match state {
            State::Degraded => None,
            State::Failed if record.life.holds_grant() => None,
            State::Failed => Some(self.take_anew_in(tx, &mut record, place, now)?),
            _ => return Err(illegal()),
        };
        let scope = Scope { linkdb: &self.linkdb, vop, sender: &self.sender, now, epoch };
        let driven = scope.apply(tx, record, &Job::new(id.clone(), Event::Repair { anew }))?;
        if driven.verdicts == [Verdict::Applied] { Ok(driven) } else { Err(illegal()) }
    }

    /// Takes ports and spectrum for a connection that holds none, and answers what its ends are to be. It is another incarnation
    /// from now on: late work for the one that failed changes nothing.
    fn take_anew_in(
        &self,
        tx: &mut Tx,
        record: &mut ConnectionRecord,
        place: Place,
        now: Now,
    ) -> Result<Ends<Wanted>, ControllerError> {
        let request = match place {
            Place::Same => in_its_place(record),
            Place::Any => record.request.clone(),
        };
        let fresh = self.reserve_in(tx, record.id.clone(), &request, now)?;
        let wanted = fresh.life.ends().map(|_, end| end.wanted);
        *record = ConnectionRecord {
            revision: record.revision,
            request: record.request.clone(),
            created_at: record.created_at,
            life: record.life.clone(),
            operations: core::mem::take(&mut record.operations),
            born: Some(record.born()),
            ..fresh
        };
        Ok(wanted)
    }
}

/// The request of a connection, for the ports and the channel that it had.
fn in_its_place(record: &ConnectionRecord) -> ConnectionRequest {
    let mut request = ConnectionRequest { frequency: Some(record.frequency), ..record.request.clone() };
    for (end, wanted) in [(End::Source, &mut request.source), (End::Destination, &mut request.destination)] {
        let port = record.ports.get(end);
        wanted.router = Some(port.router_id.clone());
        wanted.port = Some(port.port_id.clone());
    }
    request
}

/// Whether a connection that cannot be where it was may be elsewhere.
const fn another_place_may_do(refusal: &ControllerError) -> bool {
    match refusal {
        ControllerError::LinkDb(error) => !matches!(error, LinkDbError::Store(_)),
        ControllerError::Unsupported { .. }
        | ControllerError::NoLaunchPower { .. }
        | ControllerError::PowerOutOfRange { .. } => true,
        _ => false,
    }
}
