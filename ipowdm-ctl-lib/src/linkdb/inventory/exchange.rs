//! Whole inventories in and out.

use crate::linkdb::{LinkDb, LinkDbError};
use crate::paths::natural_cmp;
use crate::store::Prefix;
use crate::topology::{FibreLink, Network, Pop, Port, Router, Topology};

impl LinkDb {
    /// Adds a whole inventory to what is there, all or nothing, in one transaction. What is said of the network as a whole
    /// replaces what was said before.
    ///
    /// # Errors
    /// As [`LinkDb::add_pop_in`], [`LinkDb::add_link_in`], [`LinkDb::add_router_in`] and [`LinkDb::add_port_in`].
    pub async fn import_topology(&self, topology: &Topology) -> Result<(), LinkDbError> {
        self.store
            .transact(|tx| {
                topology.pops.iter().try_for_each(|pop| self.add_pop_in(tx, pop))?;
                topology.links.iter().try_for_each(|link| self.add_link_in(tx, link))?;
                topology.routers.iter().try_for_each(|router| self.add_router_in(tx, router))?;
                topology.ports.iter().try_for_each(|port| self.add_port_in(tx, port))?;
                Ok(tx.put(&Network::key(), &topology.network)?)
            })
            .await
    }

    /// The whole inventory as of one version, in natural order of ids. Imported elsewhere it makes the same one.
    ///
    /// # Errors
    /// [`LinkDbError::Store`]
    pub async fn export_topology(&self) -> Result<Topology, LinkDbError> {
        let mut snapshot = self.store.snapshot().await?;
        let network = snapshot.get(&Network::key()).await?.unwrap_or_default();
        let mut pops: Vec<Pop> = values(snapshot.scan(&Prefix::all()).await?);
        let mut links: Vec<FibreLink> = values(snapshot.scan(&Prefix::all()).await?);
        let mut routers: Vec<Router> = values(snapshot.scan(&Prefix::all()).await?);
        let mut ports: Vec<Port> = values(snapshot.scan(&Prefix::all()).await?);
        pops.sort_by(|a, b| natural_cmp(a.id.as_str(), b.id.as_str()));
        links.sort_by(|a, b| natural_cmp(a.id.as_str(), b.id.as_str()));
        routers.sort_by(|a, b| natural_cmp(&a.at.to_string(), &b.at.to_string()));
        ports.sort_by(|a, b| natural_cmp(&a.at.to_string(), &b.at.to_string()));
        Ok(Topology { network, pops, links, routers, ports })
    }
}

fn values<K, T>(records: Vec<(K, T)>) -> Vec<T> {
    records.into_iter().map(|(_, record)| record).collect()
}
