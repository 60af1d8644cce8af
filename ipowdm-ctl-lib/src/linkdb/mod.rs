//! LinkDB: the resource database behind every virtual operator.
//!
//! [`LinkDb`] is a thin façade over a [`Store`]. Every operation exists twice: as an async method that is a
//! transaction of its own, and as a method ending in `_in` that takes part in a caller's transaction, so that a controller
//! writes its connection record and its outbox messages together with the spectrum.
//!
//! * [`LinkDb::allocate`] takes ports and the same slot on both fibres of every link of the first path that has room, or
//!   nothing at all. It is idempotent by connection id.
//! * [`LinkDb::release`] gives back exactly what the connection owns, checked against the owner records.
//!
//! ```
//! use ipowdm_core::grid::{Grid, SpectrumWindow};
//! use ipowdm_core::ids::{ConnectionId, LinkId, PopId, VopId};
//! use ipowdm_core::units::{Frequency, Length};
//! use ipowdm_ctl_lib::linkdb::{AllocationRequest, Endpoint, LinkDb, Tuning};
//! use ipowdm_ctl_lib::spectrum::VopGrant;
//! use ipowdm_ctl_lib::store::Store;
//! use ipowdm_ctl_lib::topology::{FibreLink, Pop};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let db = LinkDb::new(Store::memory());
//! let (bern, brig) = (PopId::new("bern")?, PopId::new("brig")?);
//! db.add_pop(Pop::new(bern.clone())).await?;
//! db.add_pop(Pop::new(brig.clone())).await?;
//! let link = LinkId::new("bern-brig")?;
//! db.add_link(FibreLink::new(link.clone(), bern.clone(), brig.clone(), Length::from_metres(84_500))).await?;
//! let window = SpectrumWindow { low: Frequency::from_mhz(193_000_000), high: Frequency::from_mhz(194_000_000) };
//! let vop = VopId::new("vOp2")?;
//! db.set_vop_grant(VopGrant::pool(vop.clone(), vec![window])).await?;
//!
//! let id = ConnectionId::new("BERN-BRIG-1")?;
//! let request = AllocationRequest {
//!     tuning: Tuning::Grid(Grid::Ghz75),
//!     ..AllocationRequest::new(id, vop, Endpoint::at(bern), Endpoint::at(brig), 6) // 75 GHz
//! };
//! let grant = db.allocate(request.clone()).await?;
//! assert_eq!(grant.frequency.mhz(), 193_100_000);
//! assert_eq!(db.allocate(request.clone()).await?, grant); // the same request again: the same grant
//! assert_eq!(db.utilisation(&link).await?.used_a_to_b, 12);
//!
//! assert!(db.release(&request.connection_id).await?.is_some());
//! assert!(db.release(&request.connection_id).await?.is_none());
//! assert_eq!(db.utilisation(&link).await?.used_a_to_b, 0);
//! # Ok(()) }
//! ```

mod allocate;
mod defragment;
mod error;
mod hold;
mod inventory;
mod legal;
mod owners;
mod pair;
mod ports;
mod release;
mod request;
mod restore;
mod routing;
#[cfg(test)]
mod tests;
mod together;
mod views;
mod vops;
mod work;

pub use defragment::{
    DefragmentationPlan, DefragmentationRules, LinkFragmentation, Move, MoveKind, MoveOutcome, Moving, Place,
    PlanProgress,
};
pub use error::LinkDbError;
pub use owners::Reservation;
pub use pair::GrantedPair;
pub use request::{
    AllocationRequest, DEFAULT_PATHS, Direction, Endpoint, Grant, Hop, MAX_PATHS, Path, PortChoice, Tuning,
};
pub use restore::{Restoration, RestorationRules, Restored, Unrestorable, Unrestored};
pub use views::{LinkFigures, PortStatus, SpectrumMap, TopologyView};

use crate::paths::{Graph, PathCache, PathTable};
use crate::store::{Prefix, Store, Tx};
use crate::topology::{FibreLink, Pop, TopologyEpoch};
use ipowdm_core::grid::{Band, Raster};
use legal::Tuner;
use std::sync::Arc;
use together::Together;

/// The resource database: a cheap handle, to be cloned freely.
#[derive(Debug, Clone)]
pub struct LinkDb {
    store: Store,
    tuner: Arc<Tuner>,
    together: Together,
    /// The paths of the newest topology seen.
    paths: Arc<PathCache>,
}

impl LinkDb {
    /// LinkDB over the C band of [`Raster::C_BAND`].
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self::with_raster(store, Raster::C_BAND)
    }

    /// LinkDB over the whole of another raster, see [`LinkDb::with_band`].
    #[must_use]
    pub fn with_raster(store: Store, raster: Raster) -> Self {
        Self::with_band(store, raster.into())
    }

    /// LinkDB over another band. The raster of a store must not change while connections exist: each spectrum record names
    /// it, and one of another raster is refused. Holes, edge guards and the rule for centres may: they hold for what is
    /// allocated from then on.
    #[must_use]
    pub fn with_band(store: Store, band: Band) -> Self {
        Self {
            store,
            tuner: Arc::new(Tuner::new(band)),
            together: Together::default(),
            paths: Arc::default(),
        }
    }

    /// The store.
    #[must_use]
    pub const fn store(&self) -> &Store {
        &self.store
    }

    /// The band.
    #[must_use]
    pub fn band(&self) -> &Band {
        self.tuner.band()
    }

    /// What the bits of spectrum records stand for.
    #[must_use]
    pub fn raster(&self) -> Raster {
        self.band().raster()
    }

    /// The path table of the topology as the transaction sees it. The epoch is read in the transaction, so a commit that
    /// used the table fails if the topology has changed.
    fn paths_in(&self, tx: &mut Tx) -> Result<Arc<PathTable>, LinkDbError> {
        let key = TopologyEpoch::key();
        let epoch = tx.get_shared(&key)?.map_or_else(TopologyEpoch::default, |epoch| *epoch);
        // A transaction that has changed the topology itself sees a state that may never be committed.
        let own = tx.has_written(&key);
        if !own && let Some(table) = self.paths.table(epoch) {
            return Ok(table);
        }
        let pops = tx.scan(&Prefix::<Pop>::all())?.into_iter().map(|(_, pop)| pop);
        let links = tx.scan(&Prefix::<FibreLink>::all())?.into_iter().map(|(_, link)| link);
        let graph = Graph::of(pops, links)?;
        if own {
            return Ok(Arc::new(PathTable::new(graph)));
        }
        Ok(self.paths.adopt(epoch, graph))
    }
}
