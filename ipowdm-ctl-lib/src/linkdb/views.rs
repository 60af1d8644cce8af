//! Reading LinkDB: everything below one version each.

use super::allocate::describe;
use super::ports::in_natural_order;
use super::{Grant, LinkDb, LinkDbError, MAX_PATHS, Path};
use crate::paths::natural_cmp;
use crate::spectrum::{
    Fragmentation, LinkSpectrum, Occupied, Owner, PortClaim, SlotOwner, Utilisation, VopGrant,
};
use crate::store::{Prefix, Snapshot};
use crate::topology::{FibreLink, Pop, Port, Router, UpDown};
use ipowdm_core::ids::{ConnectionId, LinkId, PopId, PortRef, RouterRef, VopId};
use ipowdm_core::slots::Slots;
use serde::Serialize;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// A port and who is on it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PortStatus {
    /// The port.
    pub port: Port,
    /// The connection on it.
    pub occupied_by: Option<Owner>,
}

/// Everything there is, as of one version. Lists are in natural order of ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopologyView {
    /// PoPs.
    pub pops: Vec<Pop>,
    /// Routers.
    pub routers: Vec<Router>,
    /// Ports.
    pub ports: Vec<PortStatus>,
    /// Fibre links.
    pub links: Vec<FibreLink>,
    /// What connections own.
    pub grants: Vec<Grant>,
}

/// The spectrum of one link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SpectrumMap {
    /// The link.
    pub link: LinkId,
    /// What is free on each fibre.
    pub spectrum: LinkSpectrum,
    /// What may carry signals at all: the band, as far as the link's amplifiers carry it.
    pub carried: Slots,
    /// Slots of connections, lowest first.
    pub owners: Vec<SlotOwner>,
    /// What is taken by anything else, lowest first.
    pub reserved: Vec<Occupied>,
}

/// How broken up the free spectrum of a link is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LinkFigures {
    /// The link.
    pub link: LinkId,
    /// By itself.
    pub figures: Fragmentation,
    /// Misalignment: of the steps of the links that share a PoP with it, the share that is free on one of the two and not
    /// on the other, in thousandths. Such a step is of no use to a connection over both.
    pub misaligned_per_mille: u16,
}

/// Steps that are free in one of two bitmaps and not in the other.
fn differing(a: &Slots, b: &Slots) -> u32 {
    a.words().iter().zip(b.words()).map(|(a, b)| (a ^ b).count_ones()).sum()
}

impl LinkDb {
    /// What a connection owns.
    ///
    /// # Errors
    /// [`LinkDbError::Store`]
    pub async fn grant(&self, connection: &ConnectionId) -> Result<Option<Grant>, LinkDbError> {
        Ok(self.store.get_shared(&Grant::key(connection)).await?.map(Arc::unwrap_or_clone))
    }

    /// The windows of a virtual operator.
    ///
    /// # Errors
    /// [`LinkDbError::Store`]
    pub async fn vop_grant(&self, vop: &VopId) -> Result<Option<VopGrant>, LinkDbError> {
        Ok(self.store.get(&VopGrant::key(vop)).await?)
    }

    /// The PoPs.
    ///
    /// # Errors
    /// [`LinkDbError::Store`]
    pub async fn pops(&self) -> Result<Vec<Pop>, LinkDbError> {
        pops(&mut self.store.snapshot().await?).await
    }

    /// The fibre links.
    ///
    /// # Errors
    /// [`LinkDbError::Store`]
    pub async fn links(&self) -> Result<Vec<FibreLink>, LinkDbError> {
        links(&mut self.store.snapshot().await?).await
    }

    /// One port and who is on it.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownPort`], [`LinkDbError::Store`]
    pub async fn port(&self, at: &PortRef) -> Result<PortStatus, LinkDbError> {
        let mut snapshot = self.store.snapshot().await?;
        let port = snapshot.get(&Port::key(at)).await?;
        let port = port.ok_or_else(|| LinkDbError::UnknownPort { port: at.to_string() })?;
        let occupied_by = snapshot.get(&PortClaim::key(at)).await?.map(|claim| claim.owner);
        Ok(PortStatus { port, occupied_by })
    }

    /// The free ports of a virtual operator in each of two PoPs, in the order in which they are chosen.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownPop`], [`LinkDbError::Store`]
    pub async fn free_ports(
        &self,
        vop: &VopId,
        a: &PopId,
        b: &PopId,
    ) -> Result<(Vec<Port>, Vec<Port>), LinkDbError> {
        let mut snapshot = self.store.snapshot().await?;
        let at_a = free_ports(&mut snapshot, vop, a).await?;
        let at_b = free_ports(&mut snapshot, vop, b).await?;
        Ok((at_a, at_b))
    }

    /// Everything there is.
    ///
    /// # Errors
    /// [`LinkDbError::Store`]
    pub async fn topology(&self) -> Result<TopologyView, LinkDbError> {
        let mut snapshot = self.store.snapshot().await?;
        let routers = snapshot.scan(&Prefix::<Router>::all()).await?;
        let mut routers: Vec<Router> = routers.into_iter().map(|(_, router)| router).collect();
        routers.sort_by(|a, b| {
            natural_cmp(a.at.pop_id.as_str(), b.at.pop_id.as_str())
                .then_with(|| natural_cmp(a.at.router_id.as_str(), b.at.router_id.as_str()))
        });
        let grants = snapshot.scan_shared(&Prefix::<Grant>::all()).await?;
        let mut grants: Vec<Grant> =
            grants.into_iter().map(|(_, grant)| Arc::unwrap_or_clone(grant)).collect();
        grants
            .sort_by(|a, b| natural_cmp(a.request.connection_id.as_str(), b.request.connection_id.as_str()));
        Ok(TopologyView {
            pops: pops(&mut snapshot).await?,
            routers,
            ports: ports(&mut snapshot).await?,
            links: links(&mut snapshot).await?,
            grants,
        })
    }

    /// The spectrum of a link and who owns what of it.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownLink`], [`LinkDbError::Store`]
    pub async fn spectrum(&self, link: &LinkId) -> Result<SpectrumMap, LinkDbError> {
        let mut snapshot = self.store.snapshot().await?;
        let (spectrum, carried) = self.spectrum_at(&mut snapshot, link).await?;
        let (mut owners, mut reserved) = (Vec::new(), Vec::new());
        for occupied in spectrum.occupants() {
            // What a connection slides through may be an odd number of steps, which is no slot.
            match self.slot_owner(occupied.clone()) {
                Some(owner) => owners.push(owner),
                None => reserved.push(occupied),
            }
        }
        Ok(SpectrumMap { link: link.clone(), spectrum, carried, owners, reserved })
    }

    /// How full a link is.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownLink`], [`LinkDbError::Store`]
    pub async fn utilisation(&self, link: &LinkId) -> Result<Utilisation, LinkDbError> {
        let mut snapshot = self.store.snapshot().await?;
        let (spectrum, carried) = self.spectrum_at(&mut snapshot, link).await?;
        Ok(Utilisation::within(&spectrum, &carried))
    }

    /// How full every link is, in natural order of links.
    ///
    /// # Errors
    /// [`LinkDbError::Store`]
    pub async fn utilisations(&self) -> Result<Vec<(LinkId, Utilisation)>, LinkDbError> {
        let mut snapshot = self.store.snapshot().await?;
        let mut figures = Vec::new();
        for link in links(&mut snapshot).await? {
            let stored = snapshot.get(&LinkSpectrum::key(&link.id)).await?;
            let spectrum = self.on_raster(&link.id, stored)?;
            let figures_of = Utilisation::within(&spectrum, &self.carried_by(&link));
            figures.push((link.id, figures_of));
        }
        Ok(figures)
    }

    /// How broken up the free spectrum of every link is, in natural order of links.
    ///
    /// # Errors
    /// [`LinkDbError::Store`]
    pub async fn fragmentation(&self) -> Result<Vec<LinkFigures>, LinkDbError> {
        let mut snapshot = self.store.snapshot().await?;
        let mut free = Vec::new();
        for link in links(&mut snapshot).await? {
            let stored = snapshot.get(&LinkSpectrum::key(&link.id)).await?;
            let mut of_link = self.on_raster(&link.id, stored)?.free_on_both();
            of_link.intersect(&self.carried_by(&link));
            free.push((link, of_link));
        }
        let mut at_pop: HashMap<&PopId, Vec<usize>> = HashMap::new();
        for (at, (link, _)) in free.iter().enumerate() {
            for pop in [&link.a, &link.b] {
                at_pop.entry(pop).or_default().push(at);
            }
        }
        let neighbours = |at: usize, link: &FibreLink| {
            let both = [&link.a, &link.b].into_iter().filter_map(|pop| at_pop.get(pop)).flatten();
            both.copied().filter(|other| *other != at).collect::<BTreeSet<usize>>()
        };
        let figures = free.iter().enumerate().map(|(at, (link, of_link))| {
            let others = neighbours(at, link);
            let differing: u64 =
                others.iter().map(|&other| u64::from(differing(of_link, &free[other].1))).sum();
            let steps = others.len() as u64 * u64::from(of_link.bits());
            let share = (differing * 1000).checked_div(steps).unwrap_or(0);
            LinkFigures {
                link: link.id.clone(),
                figures: Fragmentation::of_free(of_link),
                misaligned_per_mille: u16::try_from(share).unwrap_or(1000),
            }
        });
        Ok(figures.collect())
    }

    /// The candidate paths between two PoPs, in the order in which they are tried; at most `k`, and at most [`MAX_PATHS`].
    ///
    /// # Errors
    /// [`LinkDbError::UnknownPop`], [`LinkDbError::SamePop`], [`LinkDbError::Store`]
    pub async fn candidate_paths(
        &self,
        source: &PopId,
        destination: &PopId,
        k: u16,
    ) -> Result<Vec<Path>, LinkDbError> {
        if source == destination {
            return Err(LinkDbError::SamePop { pop: source.to_string() });
        }
        let table = self.store.transact(|tx| self.paths_in(tx)).await?;
        let node = |pop: &PopId| {
            table.graph().node(pop).ok_or_else(|| LinkDbError::UnknownPop { pop: pop.to_string() })
        };
        let (from, to) = (node(source)?, node(destination)?);
        let paths = table.between(from, to, usize::from(k.min(MAX_PATHS)));
        let oriented = paths.iter().map(|path| if from > to { path.reversed() } else { path.clone() });
        oriented.map(|path| describe(&table, &path)).collect()
    }

    /// What may carry signals on a link: the band, as far as its amplifiers carry it.
    fn carried_by(&self, link: &FibreLink) -> Slots {
        let mut carried = link.carried(self.raster());
        carried.intersect(self.tuner.usable());
        carried
    }

    async fn spectrum_at(
        &self,
        snapshot: &mut Snapshot,
        link: &LinkId,
    ) -> Result<(LinkSpectrum, Slots), LinkDbError> {
        let record = snapshot.get(&FibreLink::key(link)).await?;
        let record = record.ok_or_else(|| LinkDbError::UnknownLink { link: link.to_string() })?;
        let stored = snapshot.get(&LinkSpectrum::key(link)).await?;
        let mut spectrum = self.on_raster(link, stored)?;
        if spectrum.is_unlisted() {
            let owners = snapshot.scan(&SlotOwner::on(link)).await?;
            let owners: Vec<SlotOwner> = owners.into_iter().map(|(_, owner)| owner).collect();
            spectrum.list(&owners).map_err(|error| LinkDbError::Inconsistent {
                what: format!("the owners on link {link} overlap: {error}"),
            })?;
        }
        Ok((spectrum, self.carried_by(&record)))
    }
}

async fn pops(snapshot: &mut Snapshot) -> Result<Vec<Pop>, LinkDbError> {
    let mut pops: Vec<Pop> =
        snapshot.scan(&Prefix::<Pop>::all()).await?.into_iter().map(|(_, pop)| pop).collect();
    pops.sort_by(|a, b| natural_cmp(a.id.as_str(), b.id.as_str()));
    Ok(pops)
}

async fn links(snapshot: &mut Snapshot) -> Result<Vec<FibreLink>, LinkDbError> {
    let mut links: Vec<FibreLink> =
        snapshot.scan(&Prefix::<FibreLink>::all()).await?.into_iter().map(|(_, link)| link).collect();
    links.sort_by(|a, b| natural_cmp(a.id.as_str(), b.id.as_str()));
    Ok(links)
}

async fn ports(snapshot: &mut Snapshot) -> Result<Vec<PortStatus>, LinkDbError> {
    let claims = snapshot.scan(&Prefix::<PortClaim>::all()).await?;
    let mut owners: HashMap<Vec<&str>, &PortClaim> =
        claims.iter().map(|(key, claim)| (key.parts(), claim)).collect();
    let stored = snapshot.scan(&Prefix::<Port>::all()).await?;
    let mut ports: Vec<PortStatus> = stored
        .iter()
        .map(|(key, port)| PortStatus {
            port: port.clone(),
            occupied_by: owners.remove(&key.parts()).map(|claim| claim.owner.clone()),
        })
        .collect();
    ports.sort_by(|a, b| {
        let (a, b) = (&a.port.at, &b.port.at);
        natural_cmp(a.pop_id.as_str(), b.pop_id.as_str())
            .then_with(|| natural_cmp(a.router_id.as_str(), b.router_id.as_str()))
            .then_with(|| natural_cmp(a.port_id.as_str(), b.port_id.as_str()))
    });
    Ok(ports)
}

async fn free_ports(snapshot: &mut Snapshot, vop: &VopId, pop: &PopId) -> Result<Vec<Port>, LinkDbError> {
    if snapshot.get(&Pop::key(pop)).await?.is_none() {
        return Err(LinkDbError::UnknownPop { pop: pop.to_string() });
    }
    let routers = snapshot.scan(&Prefix::<Router>::under(&[pop.as_str()])).await?;
    let down: HashSet<RouterRef> = routers
        .into_iter()
        .filter_map(|(_, router)| (router.admin == UpDown::Down).then_some(router.at))
        .collect();
    let mut free = Vec::new();
    for (_, port) in snapshot.scan(&Prefix::<Port>::under(&[pop.as_str()])).await? {
        let in_service = port.is_usable() && !down.contains(&port.at.router());
        if in_service
            && port.vop.as_ref() == Some(vop)
            && snapshot.get(&PortClaim::key(&port.at)).await?.is_none()
        {
            free.push(port);
        }
    }
    Ok(in_natural_order(free))
}
