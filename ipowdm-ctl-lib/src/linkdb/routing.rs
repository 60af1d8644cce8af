//! Paths that somebody asks for, outside an allocation.

use super::allocate::describe;
use super::{LinkDb, LinkDbError, MAX_PATHS, Path};
use crate::paths::{Avoid, Constraints, Disjointness};
use crate::store::Tx;
use ipowdm_core::ids::PopId;

impl LinkDb {
    /// Paths under constraints, from a transaction of its own, see [`LinkDb::constrained_paths_in`].
    ///
    /// # Errors
    /// As [`LinkDb::constrained_paths_in`].
    pub async fn constrained_paths(
        &self,
        source: &PopId,
        destination: &PopId,
        k: u16,
        constraints: &Constraints,
    ) -> Result<Vec<Path>, LinkDbError> {
        self.store.transact(|tx| self.constrained_paths_in(tx, source, destination, k, constraints)).await
    }

    /// At most `k`, and at most [`MAX_PATHS`], paths that meet the constraints, in the order in which they would be tried.
    ///
    /// # Errors
    /// [`LinkDbError::Path`]
    pub fn constrained_paths_in(
        &self,
        tx: &mut Tx,
        source: &PopId,
        destination: &PopId,
        k: u16,
        constraints: &Constraints,
    ) -> Result<Vec<Path>, LinkDbError> {
        let table = self.paths_in(tx)?;
        let paths = table.constrained(source, destination, usize::from(k.min(MAX_PATHS)), constraints)?;
        paths.iter().map(|path| describe(&table, path)).collect()
    }

    /// Two paths that do not fail together, from a transaction of its own, see [`LinkDb::disjoint_paths_in`].
    ///
    /// # Errors
    /// As [`LinkDb::disjoint_paths_in`].
    pub async fn disjoint_paths(
        &self,
        source: &PopId,
        destination: &PopId,
        disjointness: Disjointness,
        avoid: &Avoid,
    ) -> Result<[Path; 2], LinkDbError> {
        self.store.transact(|tx| self.disjoint_paths_in(tx, source, destination, disjointness, avoid)).await
    }

    /// The two disjoint paths of least total length, the shorter one first.
    ///
    /// # Errors
    /// [`LinkDbError::Path`]
    pub fn disjoint_paths_in(
        &self,
        tx: &mut Tx,
        source: &PopId,
        destination: &PopId,
        disjointness: Disjointness,
        avoid: &Avoid,
    ) -> Result<[Path; 2], LinkDbError> {
        let table = self.paths_in(tx)?;
        let disjointness = match disjointness {
            Disjointness::Srlgs { k } => Disjointness::Srlgs { k: k.min(MAX_PATHS) },
            other => other,
        };
        let pair = table.disjoint_pair(source, destination, disjointness, avoid)?;
        Ok([describe(&table, &pair.first)?, describe(&table, &pair.second)?])
    }
}
