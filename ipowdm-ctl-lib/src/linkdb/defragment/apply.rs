//! Applying a plan: each move checks what it expects to find.

use super::{DefragmentationPlan, Move, MoveKind, Place};
use crate::linkdb::vops::granted_along;
use crate::linkdb::work::Work;
use crate::linkdb::{Grant, LinkDb, LinkDbError};
use crate::spectrum::VopGrant;
use crate::store::Tx;
use crate::topology::FibreLink;
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::slots::{Slots, words};
use std::sync::Arc;

/// What became of one move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveOutcome {
    /// The connection has moved; this is what it has now.
    Moved(Box<Grant>),
    /// The move is under way: the connection owns its place and what it needs to leave it.
    Begun(Box<Grant>),
    /// It is there already.
    AlreadyThere,
    /// What the move expects is no longer so; nothing was done.
    Changed {
        /// What is different.
        what: String,
    },
}

/// How far a plan has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanProgress {
    /// Moves made now.
    pub moved: usize,
    /// Moves that had been made before.
    pub already: usize,
    /// The move at which it stopped, and why; the moves after it were not tried. `None` where the plan is done.
    pub stopped: Option<(usize, String)>,
}

impl LinkDb {
    /// Applies a plan, each move in a transaction of its own; the first that does not find what it expects ends it. Applying
    /// it again goes on where it ended.
    ///
    /// This moves spectrum in the database only, for signals that are off: whoever has modules begins and finishes the moves
    /// one by one ([`LinkDb::begin_move_in`]) and sees to the signals.
    ///
    /// # Errors
    /// [`LinkDbError::Inconsistent`], [`LinkDbError::Store`]; the moves before it were made.
    pub async fn apply_defragmentation(
        &self,
        plan: &DefragmentationPlan,
    ) -> Result<PlanProgress, LinkDbError> {
        let mut progress = PlanProgress { moved: 0, already: 0, stopped: None };
        for (at, step) in plan.moves.iter().enumerate() {
            match self.store.transact(|tx| self.apply_move_in(tx, step)).await? {
                MoveOutcome::Moved(_) | MoveOutcome::Begun(_) => progress.moved += 1,
                // A connection that moves twice is past the first place when the plan is applied again.
                MoveOutcome::AlreadyThere => progress.already += 1,
                MoveOutcome::Changed { .. } if plan.has_passed(self, at).await? => progress.already += 1,
                MoveOutcome::Changed { what } => {
                    progress.stopped = Some((at, what));
                    break;
                }
            }
        }
        Ok(progress)
    }

    /// Makes one move at once: the old place is given up and the new one taken. Nothing happens where the connection is there
    /// already, or where something is not as the move expects it. For a signal that is on, see [`LinkDb::begin_move_in`].
    ///
    /// # Errors
    /// [`LinkDbError::Inconsistent`], [`LinkDbError::Store`]
    pub fn apply_move_in(&self, tx: &mut Tx, step: &Move) -> Result<MoveOutcome, LinkDbError> {
        let mut work = Work::new(self, tx);
        let grant = match work.expected(step)? {
            Ok(grant) => grant,
            Err(outcome) => return Ok(outcome),
        };
        if grant.moving.is_some() {
            let what = format!("a move of connection {} is under way", step.connection_id);
            return Ok(MoveOutcome::Changed { what });
        }
        let to = step.to.clone().of_grant(&grant);
        if let Some(what) = work.hindrance(&grant, &to, step.kind)? {
            return Ok(MoveOutcome::Changed { what });
        }
        work.give_spectrum_back(&grant)?;
        work.take_spectrum(&to)?;
        work.moved(&grant, &to)?;
        work.finish()?;
        Ok(MoveOutcome::Moved(Box::new(to)))
    }
}

impl DefragmentationPlan {
    /// Whether the connection of a move is where a later move of the plan finds or leaves it.
    async fn has_passed(&self, db: &LinkDb, at: usize) -> Result<bool, LinkDbError> {
        let Some(step) = self.moves.get(at) else { return Ok(false) };
        let Some(grant) = db.grant(&step.connection_id).await? else { return Ok(false) };
        let here = Place::of(&grant);
        let later = self.moves[at + 1..].iter().filter(|later| later.connection_id == step.connection_id);
        Ok(grant.incarnation == step.incarnation && later.into_iter().any(|later| later.to == here))
    }
}

impl Place {
    /// A grant with this place instead of its own, and no move under way.
    pub(super) fn of_grant(self, grant: &Grant) -> Grant {
        let Self { path, slot, frequency } = self;
        Grant { path, slot, frequency, moving: None, ..grant.clone() }
    }
}

impl Work<'_> {
    /// The grant that a move finds as it expects it, or what the move comes to.
    pub(super) fn expected(&mut self, step: &Move) -> Result<Result<Grant, MoveOutcome>, LinkDbError> {
        let changed = |what: String| Ok(Err(MoveOutcome::Changed { what }));
        let Some(grant) = self.tx.get_shared(&Grant::key(&step.connection_id))? else {
            return changed(format!("connection {} is gone", step.connection_id));
        };
        if grant.incarnation != step.incarnation {
            return changed(format!("connection {} is another by now", step.connection_id));
        }
        let here = Place::of(&grant);
        if here == step.to {
            return Ok(Err(MoveOutcome::AlreadyThere));
        }
        if here != step.from {
            return changed(format!("connection {} is at {} by now", step.connection_id, here.frequency));
        }
        Ok(Ok(Arc::unwrap_or_clone(grant)))
    }

    /// What is in the way of a move, now.
    pub(super) fn hindrance(
        &mut self,
        from: &Grant,
        to: &Grant,
        kind: MoveKind,
    ) -> Result<Option<String>, LinkDbError> {
        let windows = self.tx.get_shared(&VopGrant::key(&to.request.vop))?;
        let granted = |grant: &VopGrant| granted_along(grant, &to.path, to.frequency, to.slot.width_mhz());
        if !windows.as_deref().is_some_and(granted) {
            return Ok(Some(format!("{} is not granted to {}", to.frequency, to.request.vop)));
        }
        let (first, count) = self.db.bits_of(to.slot)?;
        if !self.db.tuner.usable().are_free(first, count) {
            return Ok(Some(format!("{} is not in the band", to.frequency)));
        }
        for hop in &to.path.hops {
            let link = self.tx.get_shared(&FibreLink::key(&hop.link))?;
            if from.path != to.path && !link.as_ref().is_some_and(|link| link.is_usable()) {
                return Ok(Some(format!("link {} is out of service", hop.link)));
            }
            if !link.is_some_and(|link| link.carries(to.slot)) {
                return Ok(Some(format!("link {} does not carry {}", hop.link, to.frequency)));
            }
        }
        let room = match kind {
            // Both signals are there at once, but a guard band between the two is nobody's loss.
            MoveKind::MakeBeforeBreak => self.has_room_beside(from, to)?,
            MoveKind::PushPull => from.path == to.path && self.can_slide(from, to)?,
        };
        Ok((!room).then(|| format!("what connection {} needs is taken", from.request.connection_id)))
    }

    /// Whether a connection's new place is free while it still has the old one.
    fn has_room_beside(&mut self, from: &Grant, to: &Grant) -> Result<bool, LinkDbError> {
        let ((first, count), (new, _)) = (self.db.bits_of(from.slot)?, self.db.bits_of(to.slot)?);
        let overlap = new < first + count && first < new + count;
        let shared = from.path.hops.iter().any(|hop| to.path.hops.iter().any(|other| other.link == hop.link));
        if overlap && shared {
            return Ok(false);
        }
        self.give_spectrum_back(from)?;
        let room = self.has_room_for(to)?;
        self.take_spectrum(from)?;
        Ok(room)
    }

    /// Whether every step between the two places, both included, is free but for the signal itself.
    fn can_slide(&mut self, from: &Grant, to: &Grant) -> Result<bool, LinkDbError> {
        let ((old, count), (new, _)) = (self.db.bits_of(from.slot)?, self.db.bits_of(to.slot)?);
        let (low, high) = (old.min(new), old.max(new) + count);
        let free = self.free_around(from)?;
        Ok(words::all_set(free.words(), low, high - low))
    }

    /// What is free on the path of a connection, in the bands and in its operator's windows in which it is, when the connection
    /// itself is away: all that a signal can slide through.
    pub(super) fn free_around(&mut self, grant: &Grant) -> Result<Slots, LinkDbError> {
        let raster = self.db.raster();
        let mut free = self.db.tuner.usable().clone();
        let within = |window: Option<SpectrumWindow>| {
            let mut within = Slots::all_occupied(raster.bits());
            if let Some((first, count)) = window.and_then(|window| raster.bits_in(window)) {
                // The bitmap is all occupied, and the window has been cut to the raster.
                let _ = within.release(first, count);
            }
            within
        };
        let windows = self.tx.get_shared(&VopGrant::key(&grant.request.vop))?;
        self.give_spectrum_back(grant)?;
        for hop in &grant.path.hops {
            self.spectrum(&hop.link)?.free_for(grant.request.guard, &mut free);
            let link = self.tx.get_shared(&FibreLink::key(&hop.link))?;
            if let Some(band) = link.and_then(|link| link.band_of(grant.slot)) {
                free.intersect(&within(Some(band)));
            }
            let here = |window: &&SpectrumWindow| window.holds(grant.frequency, grant.slot.width_mhz());
            let windows = windows.as_deref().map_or(&[][..], |windows| windows.windows_on(&hop.link));
            // Of windows that overlap the one that reaches farthest.
            let widest = windows.iter().filter(here).max_by_key(|window| window.high.distance(window.low));
            free.intersect(&within(widest.copied()));
        }
        self.take_spectrum(grant)?;
        Ok(free)
    }
}
