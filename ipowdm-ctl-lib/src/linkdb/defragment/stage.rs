//! Moves of signals that are on: begun before the work on the modules, finished or given up after it.

use super::{Move, MoveKind, MoveOutcome, Moving, Place};
use crate::linkdb::work::Work;
use crate::linkdb::{Grant, LinkDb, LinkDbError, Path};
use crate::spectrum::{Fibres, Occupant, Occupied};
use crate::store::Tx;
use ipowdm_core::ids::ConnectionId;

impl LinkDb {
    /// Begins a move: the connection keeps its place and takes, besides, the new one ([`MoveKind::MakeBeforeBreak`]) or all
    /// that it slides through ([`MoveKind::PushPull`]). Nobody else gets any of it before [`LinkDb::finish_move_in`] or
    /// [`LinkDb::abandon_move_in`]; a release gives all of it back, and a restoration of a link that only the new place uses
    /// gives the move up. What the move needs besides does not count in the operator's quota.
    ///
    /// The same move again is the same answer. Nothing happens where the connection is there already, or where something is
    /// not as the move expects it.
    ///
    /// # Errors
    /// [`LinkDbError::Inconsistent`], [`LinkDbError::Store`]
    pub fn begin_move_in(&self, tx: &mut Tx, step: &Move) -> Result<MoveOutcome, LinkDbError> {
        let mut work = Work::new(self, tx);
        let grant = match work.expected(step)? {
            Ok(grant) => grant,
            Err(outcome) => return Ok(outcome),
        };
        let moving = Moving { kind: step.kind, to: step.to.clone() };
        if let Some(under_way) = &grant.moving {
            let what = format!("another move of connection {} is under way", step.connection_id);
            let same = *under_way == moving;
            return Ok(if same {
                MoveOutcome::Begun(Box::new(grant))
            } else {
                MoveOutcome::Changed { what }
            });
        }
        if let Some(what) = work.hindrance(&grant, &step.to.clone().of_grant(&grant), step.kind)? {
            return Ok(MoveOutcome::Changed { what });
        }
        let begun = Grant { moving: Some(moving), ..grant.clone() };
        work.exchange(&grant, &begun)?;
        work.finish()?;
        Ok(MoveOutcome::Begun(Box::new(begun)))
    }

    /// Ends a move where it was to lead: the connection has the new place and nothing else. `None` where none is under way.
    ///
    /// # Errors
    /// [`LinkDbError::Inconsistent`], [`LinkDbError::Store`]
    pub fn finish_move_in(
        &self,
        tx: &mut Tx,
        connection: &ConnectionId,
    ) -> Result<Option<Grant>, LinkDbError> {
        self.end_move_in(tx, connection, |moving, _| moving.to.clone())
    }

    /// Ends a move where it began: the connection has the place that it had. `None` where none is under way.
    ///
    /// # Errors
    /// [`LinkDbError::Inconsistent`], [`LinkDbError::Store`]
    pub fn abandon_move_in(
        &self,
        tx: &mut Tx,
        connection: &ConnectionId,
    ) -> Result<Option<Grant>, LinkDbError> {
        self.end_move_in(tx, connection, |_, grant| Place::of(grant))
    }

    fn end_move_in(
        &self,
        tx: &mut Tx,
        connection: &ConnectionId,
        place: impl FnOnce(&Moving, &Grant) -> Place,
    ) -> Result<Option<Grant>, LinkDbError> {
        let mut work = Work::new(self, tx);
        let Some(grant) = work.tx.get_shared(&Grant::key(connection))? else { return Ok(None) };
        let Some(moving) = &grant.moving else { return Ok(None) };
        let ended = place(moving, &grant).of_grant(&grant);
        work.exchange(&grant, &ended)?;
        work.finish()?;
        Ok(Some(ended))
    }
}

impl Work<'_> {
    /// Gives back what a connection has of spectrum and takes what it is to have.
    pub(in crate::linkdb) fn exchange(&mut self, old: &Grant, new: &Grant) -> Result<(), LinkDbError> {
        self.give_spectrum_back(old)?;
        self.take_spectrum(new)?;
        self.moved(old, new)
    }

    /// What a connection holds for a move besides its place, and on which path.
    pub(in crate::linkdb) fn held_to_move<'g>(
        &self,
        grant: &'g Grant,
    ) -> Result<Option<(Occupied, &'g Path)>, LinkDbError> {
        let Some(Moving { kind, to }) = &grant.moving else { return Ok(None) };
        let ((old, width), (new, _)) = (self.db.bits_of(grant.slot)?, self.db.bits_of(to.slot)?);
        let (first, count) = match kind {
            MoveKind::MakeBeforeBreak => (new, width),
            // What lies between the signal and the far end of where it goes.
            MoveKind::PushPull if new < old => (new, old - new),
            MoveKind::PushPull => (old + width, new - old),
        };
        let (guard, by) = (grant.request.guard, Occupant::Connection(grant.owner()));
        Ok(Some((Occupied { first, count, guard, fibres: Fibres::Both, by }, &to.path)))
    }
}
