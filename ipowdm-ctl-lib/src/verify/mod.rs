//! Compares what the store says with what agents read from their modules.
//!
//! Nothing is changed. All agents of active virtual operators are told to read their modules again
//! ([`Discover`](ipowdm_core::msg::Action::Discover)); what they then report is held against connections, grants, spectrum and
//! ports. The store is read before and after: what changed meanwhile is not judged, so that a network at work has no findings
//! because it works.
//!
//! | it is found that | [`Finding`] |
//! |---|---|
//! | a connection is up in the store and its module is away, dark, at another frequency or power, or serves something else | `Absent`, `Dark`, `Frequency`, `TxPower`, `Serves` |
//! | a port shines or serves a connection that does not own it | `Unowned` |
//! | something is granted that no connection has, a connection has no grant, slots and claims do not follow from grants | `Ungoverned`, `Ungranted`, `Slots`, `StraySlots`, `Claim`, `StrayClaim` |
//! | the index of a virtual operator's connections disagrees with the grants | `Index` |
//! | ports of a virtual operator are assigned otherwise in the inventory, or at their agent | `Assignment`, `Served` |
//! | an agent does not answer | `Silent` |

mod ask;
mod finding;
mod judge;
mod stored;
#[cfg(test)]
mod tests;

pub use finding::Finding;

use crate::linkdb::LinkDb;
use crate::store::StoreError;
use core::time::Duration;
use ipowdm_core::bus::{Bus, BusError};
use stored::Stored;

/// What was looked at, and what was found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// Active virtual operators.
    pub vops: usize,
    /// Connections that are not over.
    pub connections: usize,
    /// Ports of which an agent has told.
    pub ports: usize,
    /// What changed meanwhile and was not judged.
    pub in_motion: usize,
    /// What does not agree.
    pub findings: Vec<Finding>,
}

/// Why nothing could be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The bus failed.
    #[error(transparent)]
    Bus(#[from] BusError),
}

/// Compares the store with what agents read from their modules; waits for their answers for `patience`.
///
/// # Errors
/// [`VerifyError`] where store or bus cannot be used; an agent that does not answer is a finding.
pub async fn verify(linkdb: &LinkDb, bus: &dyn Bus, patience: Duration) -> Result<Report, VerifyError> {
    let before = Stored::read(linkdb).await?;
    let heard = ask::ask(bus, &before, patience).await?;
    let after = Stored::read(linkdb).await?;
    Ok(judge::judge(&before, &after, &heard))
}
