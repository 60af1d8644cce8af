//! The fibre plant: joins the modules of a connection by an optical line as soon as LinkDB has routed it.
//!
//! This is the part of the world that no control plane software plays: amplified fibre and wavelength routing between
//! two ports. It follows the grants in the store as a line system would follow its own planning, and nothing it knows
//! reaches agents or controllers except through light.
//!
//! Task: one, following the store's watch; it holds nothing that dropping would lose.

use ipowdm_cmis::emulator::EmulatedModule;
use ipowdm_cmis::line::{self, Direction, Impairment, LineParameters, OpticalLine};
use ipowdm_core::ids::{ConnectionId, LinkId, PortRef};
use ipowdm_core::units::{Db, Length};
use ipowdm_ctl_lib::linkdb::{Grant, LinkDb};
use ipowdm_ctl_lib::store::{Prefix, StoreError};
use ipowdm_ctl_lib::topology::FibreLink;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::task::JoinHandle;

/// The fibre plant and the modules plugged into its ports.
#[derive(Debug)]
pub struct Plant {
    modules: BTreeMap<PortRef, EmulatedModule>,
    lit: Mutex<BTreeMap<ConnectionId, Lit>>,
}

#[derive(Debug)]
struct Lit {
    incarnation: String,
    ends: (PortRef, PortRef),
    line: OpticalLine,
}

impl Plant {
    /// A plant with a module in each of these ports and no line yet.
    #[must_use]
    pub fn new(modules: BTreeMap<PortRef, EmulatedModule>) -> Arc<Self> {
        Arc::new(Self { modules, lit: Mutex::default() })
    }

    /// The module in a port. For what happens to hardware (pulled out, broken), not for control.
    #[must_use]
    pub fn module(&self, port: &PortRef) -> Option<&EmulatedModule> {
        self.modules.get(port)
    }

    /// Keeps lines and grants in step until the task is aborted.
    #[must_use]
    pub fn follow(self: &Arc<Self>, db: LinkDb) -> JoinHandle<()> {
        let plant = Arc::clone(self);
        tokio::spawn(async move {
            let prefix = Prefix::<Grant>::all();
            let mut watch = db.store().watch(&prefix);
            loop {
                if let Err(error) = plant.keep_in_step(&db).await {
                    tracing::warn!(%error, "the plant cannot read the grants");
                }
                if watch.next().await.is_none() {
                    return;
                }
            }
        })
    }

    async fn keep_in_step(&self, db: &LinkDb) -> Result<(), StoreError> {
        let mut snapshot = db.store().snapshot().await?;
        let grants = snapshot.scan(&Prefix::<Grant>::all()).await?;
        let links = snapshot.scan(&Prefix::<FibreLink>::all()).await?;
        let wanted: BTreeMap<ConnectionId, Grant> =
            grants.into_iter().map(|(_, grant)| (grant.request.connection_id.clone(), grant)).collect();
        let links: BTreeMap<LinkId, FibreLink> =
            links.into_iter().map(|(_, link)| (link.id.clone(), link)).collect();
        let mut lit = self.lit();
        // A line that must go frees its modules before a new one needs them.
        lit.retain(|id, old| {
            wanted.get(id).is_some_and(|grant| old.incarnation == grant.incarnation.to_string())
        });
        for (id, grant) in wanted {
            let (Some(a), Some(b)) = (&grant.source_port, &grant.destination_port) else { continue };
            let (Some(from), Some(to)) = (self.modules.get(a), self.modules.get(b)) else { continue };
            if lit.contains_key(&id) {
                continue;
            }
            match OpticalLine::connect(from, to, line_of(&grant, &links)) {
                Ok(line) => {
                    let incarnation = grant.incarnation.to_string();
                    lit.insert(id, Lit { incarnation, ends: (a.clone(), b.clone()), line });
                }
                Err(error) => tracing::warn!(connection = %id, %error, "no line"),
            }
        }
        Ok(())
    }

    /// Raises the noise of all amplifiers that light *into* `port` passes; answers whether a line ends there.
    pub fn degrade(&self, port: &PortRef, added_noise: Db) -> bool {
        let lit = self.lit();
        let Some(entry) = lit.values().find(|entry| entry.ends.0 == *port || entry.ends.1 == *port) else {
            return false;
        };
        let direction = if entry.ends.0 == *port { Direction::BToA } else { Direction::AToB };
        entry.line.set_impairment(direction, Impairment::noise(added_noise));
        true
    }

    /// Number of lines.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.lit().len()
    }

    fn lit(&self) -> MutexGuard<'_, BTreeMap<ConnectionId, Lit>> {
        self.lit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The path's spans with an amplifier after each that makes up for its loss, between a multiplexer with booster and a
/// demultiplexer.
fn line_of(grant: &Grant, links: &BTreeMap<LinkId, FibreLink>) -> LineParameters {
    let ends = LineParameters::amplified(0, Length::from_metres(0)).spans;
    let noise_figure = ends.first().map_or(Db::from_hundredths(550), |booster| booster.noise_figure);
    let fibre = grant.path.hops.iter().filter_map(|hop| links.get(&hop.link)).flat_map(|link| &link.spans);
    let fibre = fibre.map(|span| line::Span {
        length: span.length,
        loss: span.loss,
        gain: Some(span.loss),
        noise_figure,
    });
    let (first, last) = ends.split_at(1.min(ends.len()));
    LineParameters { spans: first.iter().copied().chain(fibre).chain(last.iter().copied()).collect() }
}
