//! Writes the network on paper into LinkDB, as an operator's inventory system would.

use super::plan::Plan;
use ipowdm_core::ids::{IdError, LinkId};
use ipowdm_core::units::{Db, Length};
use ipowdm_ctl_lib::linkdb::{LinkDb, LinkDbError};
use ipowdm_ctl_lib::topology::{FibreLink, Pop, Port, Router, Span};
use std::collections::BTreeSet;

/// Why the network is not in LinkDB.
#[derive(Debug, thiserror::Error)]
pub enum InventoryError {
    /// LinkDB refused something.
    #[error(transparent)]
    LinkDb(#[from] LinkDbError),
    /// A generated name is not legal.
    #[error(transparent)]
    Id(#[from] IdError),
}

/// Writes PoPs, routers, ports and fibre links. What each port can do is learned from the agents.
///
/// # Errors
/// [`InventoryError`].
pub async fn write(db: &LinkDb, plan: &Plan) -> Result<(), InventoryError> {
    for pop in &plan.pops {
        db.add_pop(Pop::new(pop.clone())).await?;
    }
    let routers: BTreeSet<_> = plan.ports.iter().map(ipowdm_core::ids::PortRef::router).collect();
    for at in routers {
        db.add_router(Router { description: "emulated SONiC switch".to_owned(), ..Router::new(at) }).await?;
    }
    for at in &plan.ports {
        db.add_port(Port::new(at.clone())).await?;
    }
    for fibre in &plan.fibres {
        let mut link =
            FibreLink::new(LinkId::new(&fibre.id)?, fibre.a.clone(), fibre.b.clone(), fibre.length);
        link.spans = spans(fibre.length);
        db.add_link(link).await?;
    }
    Ok(())
}

/// Equal spans of at most 80 km; fibre loses 0.22 dB/km and 1 dB in connectors.
fn spans(length: Length) -> Vec<Span> {
    let count = length.metres().div_ceil(80_000).max(1);
    let length = Length::from_metres(length.metres() / count);
    let loss = Db::from_hundredths(i16::try_from(length.metres() * 22 / 1_000 + 100).unwrap_or(i16::MAX));
    (0..count).map(|_| Span { length, loss }).collect()
}
