//! What is stored of connections, for those who compare it with something else.

use super::engine::grant_id;
use super::record::{Command, ConnectionRecord};
use crate::connection::{Ends, State, Wanted};
use crate::store::{StoreError, Tx};
use ipowdm_core::ids::{ConnectionId, PortRef, VopId};

/// A connection as its controller has stored it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredConnection {
    pub(crate) vop: VopId,
    pub(crate) id: ConnectionId,
    /// What LinkDB calls it.
    pub(crate) grant_id: ConnectionId,
    /// Grows with every write.
    pub(crate) revision: u64,
    pub(crate) state: State,
    pub(crate) holds_grant: bool,
    pub(crate) ports: Ends<PortRef>,
    pub(crate) wanted: Ends<Wanted>,
}

/// The connections of a virtual operator that are not over.
pub(crate) fn stored_in(tx: &mut Tx, vop: &VopId) -> Result<Vec<StoredConnection>, StoreError> {
    let records = tx.scan(&ConnectionRecord::of(vop))?.into_iter().map(|(_, record)| record);
    let stored = |record: ConnectionRecord| StoredConnection {
        vop: vop.clone(),
        revision: record.revision,
        state: record.life.state(),
        holds_grant: record.life.holds_grant(),
        wanted: record.life.ends().map(|_, end| end.wanted),
        ports: record.ports,
        // An id that LinkDB would not take has no grant there under any name.
        grant_id: grant_id(vop, &record.id).unwrap_or_else(|_| record.id.clone()),
        id: record.id,
    };
    Ok(records.filter(|record| !record.is_over()).map(stored).collect())
}

/// The epoch of the controller that commands.
pub(crate) fn epoch_in(tx: &mut Tx, vop: &VopId) -> Result<u64, StoreError> {
    Ok(tx.get(&Command::key(vop))?.unwrap_or_default().epoch)
}
