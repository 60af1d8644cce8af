//! Defragmentation: a plan of moves that can be looked at before it is applied, and applied move by move.
//!
//! The measure is the number of *scattered* steps of a link, the free ones outside its longest free run; a plan only has moves
//! that lessen the sum over the links that they touch. A move keeps ports, width and the life of the connection. Two kinds exist
//! ([`MoveKind`]); which of them modules and routers can do is for the caller to say ([`DefragmentationRules`]).
//!
//! A plan is a proposal: it says what it expects to find, and each move is a transaction that checks it. Applied again, it finds
//! what it has done and does nothing; where something has changed since, it stops and says so.
//!
//! Light is in two places for a while, or anywhere between them. So a move of a signal that is on has two transactions around
//! the work on the modules: [`LinkDb::begin_move_in`] takes the new place, or all that is slid through, beside the old one;
//! [`LinkDb::finish_move_in`] gives the old one up. Nobody else gets either in between.

mod apply;
mod plan;
mod stage;

pub use apply::{MoveOutcome, PlanProgress};

use super::{Grant, LinkDb, LinkDbError, Path};
use crate::spectrum::{Fragmentation, Incarnation};
use ipowdm_core::grid::FlexSlot;
use ipowdm_core::ids::{ConnectionId, LinkId};
use ipowdm_core::units::Frequency;
use serde::{Deserialize, Serialize};

/// How a connection gets from one place to another without an outage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum MoveKind {
    /// The signal slides along its path through free steps next to it; the laser and the receiver follow each other. The
    /// modules must be able to tune with the signal on; an ordinary ZR module is not.
    PushPull,
    /// A second signal is set up at the new place while the first is up, traffic is switched, the first is torn down. Takes
    /// a second pair of ports for the while.
    MakeBeforeBreak,
}

/// What a plan may propose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DefragmentationRules {
    /// Whether signals can slide.
    pub push_pull: bool,
    /// Whether there are ports for a second signal.
    pub make_before_break: bool,
    /// Most moves.
    pub most_moves: usize,
    /// Only connections on these links are moved, to paths on any; empty for all links.
    pub links: Vec<LinkId>,
}

impl Default for DefragmentationRules {
    /// Make-before-break, at most 100 moves, on all links.
    fn default() -> Self {
        Self { push_pull: false, make_before_break: true, most_moves: 100, links: Vec::new() }
    }
}

/// Where a connection is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(schemars::JsonSchema))]
pub struct Place {
    /// Its path.
    pub path: Path,
    /// Its slot.
    pub slot: FlexSlot,
    /// The centre of the slot.
    pub frequency: Frequency,
}

impl Place {
    /// Where the connection of a grant is.
    #[must_use]
    pub fn of(grant: &Grant) -> Self {
        Self { path: grant.path.clone(), slot: grant.slot, frequency: grant.frequency }
    }
}

/// A move that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moving {
    /// How.
    pub kind: MoveKind,
    /// Where to.
    pub to: Place,
}

/// One connection goes from one place to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "http", derive(schemars::JsonSchema))]
pub struct Move {
    /// The connection.
    pub connection_id: ConnectionId,
    /// Which life of it.
    pub incarnation: Incarnation,
    /// How.
    pub kind: MoveKind,
    /// From here.
    pub from: Place,
    /// To here.
    pub to: Place,
    /// By how many steps it lessens the sum of scattered steps of the links of both paths, when its turn comes.
    pub gain: u64,
}

/// How broken up the links that a plan touches are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "http", derive(schemars::JsonSchema))]
pub struct LinkFragmentation {
    /// The link.
    pub link: LinkId,
    /// Its figures.
    pub figures: Fragmentation,
}

/// Moves in the order in which they are to be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(feature = "http", derive(schemars::JsonSchema))]
pub struct DefragmentationPlan {
    /// The moves.
    pub moves: Vec<Move>,
    /// The links that they touch as they are, in order of ids.
    pub before: Vec<LinkFragmentation>,
    /// The same links as they will be.
    pub after: Vec<LinkFragmentation>,
}

impl DefragmentationPlan {
    /// Scattered steps of the touched links together, before and after.
    #[must_use]
    pub fn scattered(&self) -> (u64, u64) {
        let sum =
            |links: &[LinkFragmentation]| links.iter().map(|link| u64::from(link.figures.scattered())).sum();
        (sum(&self.before), sum(&self.after))
    }
}

impl LinkDb {
    /// Proposes moves that make the free spectrum of links less scattered. Reads only.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownLink`], [`LinkDbError::Inconsistent`], [`LinkDbError::Store`]
    pub async fn propose_defragmentation(
        &self,
        rules: &DefragmentationRules,
    ) -> Result<DefragmentationPlan, LinkDbError> {
        self.store.transact(|tx| self.propose_defragmentation_in(tx, rules)).await
    }
}
