//! On whose behalf channels are asked for.

use super::WhatIfError;
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::ids::{ConnectionId, IdError, LinkId, VopId};
use ipowdm_ctl_lib::linkdb::{Grant, LinkDb, LinkDbError};
use ipowdm_ctl_lib::spectrum::VopGrant;
use ipowdm_ctl_lib::store::{Prefix, StoreError};
use std::collections::BTreeSet;

/// What the planner and its connections are called, with a number where that is taken.
const NAME: &str = "plan-what-if";

/// A virtual operator, and names of connections that the network does not know yet.
#[derive(Debug)]
pub(super) struct Planner {
    pub(super) vop: VopId,
    /// Where the operator may be; nowhere where it is not known.
    pub(super) grant: VopGrant,
    name: String,
}

impl Planner {
    /// The operator that is named; else one that is added for this and may use what is no other operator's alone.
    pub(super) async fn of(db: &LinkDb, vop: Option<&VopId>) -> Result<Self, WhatIfError> {
        let (vops, connections) = taken(db).await.map_err(LinkDbError::from)?;
        let used = |name: &str| {
            vops.iter().any(|grant| grant.vop.as_str() == name)
                || connections.iter().any(|id| id.as_str().starts_with(name))
        };
        let numbered = (1..).map(|n| format!("{NAME}{n}"));
        let name = std::iter::once(NAME.to_owned()).chain(numbered).find(|name| !used(name));
        let name = name.unwrap_or_default();
        if let Some(vop) = vop {
            let grant = vops.into_iter().find(|grant| grant.vop == *vop);
            let grant = grant.unwrap_or_else(|| VopGrant::pool(vop.clone(), Vec::new()));
            return Ok(Self { vop: vop.clone(), grant, name });
        }
        let vop = VopId::new(&name)?;
        let partitions = || vops.iter().filter(|grant| grant.exclusive);
        let left = |link: Option<&LinkId>| {
            let windows =
                |grant: &VopGrant| link.map_or(&grant.windows[..], |link| grant.windows_on(link)).to_vec();
            without(db.raster().window(), partitions().flat_map(windows))
        };
        let links: BTreeSet<LinkId> = db.links().await?.into_iter().map(|link| link.id).collect();
        let named = partitions().flat_map(|grant| grant.on_links.keys()).filter(|link| links.contains(link));
        let grant = named.fold(VopGrant::pool(vop.clone(), left(None)), |grant, link| {
            grant.on_link(link.clone(), left(Some(link)))
        });
        db.set_vop_grant(grant.clone()).await?;
        Ok(Self { vop, grant, name })
    }

    pub(super) fn connection(&self, number: usize) -> Result<ConnectionId, IdError> {
        ConnectionId::new(&format!("{}-{number}", self.name))
    }
}

/// What operators have been granted, and the names of all connections.
async fn taken(db: &LinkDb) -> Result<(Vec<VopGrant>, BTreeSet<ConnectionId>), StoreError> {
    let mut snapshot = db.store().snapshot().await?;
    let vops = snapshot.scan(&Prefix::<VopGrant>::all()).await?;
    let grants = snapshot.scan(&Prefix::<Grant>::all()).await?;
    let connections = grants.into_iter().map(|(_, grant)| grant.request.connection_id).collect();
    Ok((vops.into_iter().map(|(_, grant)| grant).collect(), connections))
}

/// What of a window lies in none of the others.
fn without(window: SpectrumWindow, others: impl Iterator<Item = SpectrumWindow>) -> Vec<SpectrumWindow> {
    let mut left = vec![window];
    for other in others {
        left = left
            .into_iter()
            .flat_map(|SpectrumWindow { low, high }| {
                let below = SpectrumWindow { low, high: high.min(other.low) };
                let above = SpectrumWindow { low: low.max(other.high), high };
                [below, above].into_iter().filter(|part| part.low < part.high)
            })
            .collect();
    }
    left
}
