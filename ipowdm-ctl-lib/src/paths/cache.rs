//! The path table of the newest topology that a process has seen.

use super::{Graph, PathTable};
use crate::topology::TopologyEpoch;
use std::sync::{Arc, PoisonError, RwLock};

/// Keeps one table, and makes its successor when the topology has changed.
#[derive(Debug, Default)]
pub struct PathCache {
    newest: RwLock<Option<(TopologyEpoch, Arc<PathTable>)>>,
}

impl PathCache {
    /// The table of the topology of this epoch, where it is the newest.
    #[must_use]
    pub fn table(&self, epoch: TopologyEpoch) -> Option<Arc<PathTable>> {
        let newest = self.newest.read().unwrap_or_else(PoisonError::into_inner);
        newest.as_ref().filter(|(of, _)| *of == epoch).map(|(_, table)| Arc::clone(table))
    }

    /// A table over the graph of a committed topology, kept where no newer one is.
    pub fn adopt(&self, epoch: TopologyEpoch, graph: Graph) -> Arc<PathTable> {
        let mut newest = self.newest.write().unwrap_or_else(PoisonError::into_inner);
        let table = match &*newest {
            // Somebody else was faster, and has taken the old table's paths over.
            Some((of, table)) if *of == epoch => return Arc::clone(table),
            Some((of, _)) if *of > epoch => return Arc::new(PathTable::new(graph)),
            Some((_, table)) => Arc::new(table.successor(graph)),
            None => Arc::new(PathTable::new(graph)),
        };
        *newest = Some((epoch, Arc::clone(&table)));
        table
    }
}
