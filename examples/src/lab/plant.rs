//! The fibre plant: joins the modules of a connection by an optical line as soon as LinkDB has routed it.
//!
//! This is the part of the world that no control plane software plays: amplified fibre and wavelength routing between
//! two ports. It follows the grants in the store as a line system would follow its own planning, and nothing it knows
//! reaches agents or controllers except through light.
//!
//! Task: one, following the store's watch; it holds nothing that dropping would lose.

use ipowdm_cmis::emulator::EmulatedModule;
use ipowdm_cmis::line::{self, Direction, Impairment, LineParameters, OpticalLine};
use ipowdm_core::ids::{ConnectionId, PortRef};
use ipowdm_core::units::{Db, Length};
use ipowdm_ctl_lib::linkdb::{Grant, LinkDb};
use ipowdm_ctl_lib::store::{Change, Key, Prefix, RawKey, Snapshot, StoreError};
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

impl Lit {
    fn is_of(&self, grant: &Grant) -> bool {
        self.incarnation == grant.incarnation.to_string()
    }
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
            let mut watch = db.store().watch(&Prefix::<Grant>::all());
            // What has changed; everything where that is not known.
            let mut changed: Option<Arc<[RawKey]>> = None;
            loop {
                let kept = match &changed {
                    Some(keys) => plant.follow_change(&db, keys).await,
                    None => plant.follow_all(&db).await,
                };
                let in_step =
                    kept.inspect_err(|error| tracing::warn!(%error, "the plant cannot read the grants"));
                changed = match watch.next().await {
                    Some(Change::Committed(notice)) if in_step == Ok(true) => Some(notice.keys),
                    Some(_) => None,
                    None => return,
                };
            }
        })
    }

    /// Brings all lines in step with all grants; answers whether every grant has its line.
    async fn follow_all(&self, db: &LinkDb) -> Result<bool, StoreError> {
        let mut snapshot = db.store().snapshot().await?;
        let grants = snapshot.scan(&Prefix::<Grant>::all()).await?;
        let wanted: BTreeMap<ConnectionId, Grant> =
            grants.into_iter().map(|(_, grant)| (grant.request.connection_id.clone(), grant)).collect();
        // A line that must go frees its modules before a new one needs them.
        self.lit().retain(|id, old| wanted.get(id).is_some_and(|grant| old.is_of(grant)));
        let mut complete = true;
        for (id, grant) in wanted {
            complete &= self.light(&mut snapshot, id, &grant).await?;
        }
        Ok(complete)
    }

    /// Brings the lines of the grants among these keys in step; answers whether they have their lines.
    async fn follow_change(&self, db: &LinkDb, keys: &[RawKey]) -> Result<bool, StoreError> {
        let mut snapshot = db.store().snapshot().await?;
        let mut wanted = Vec::new();
        for key in keys.iter().filter_map(|raw| Key::<Grant>::from_raw(raw.clone())) {
            let grant = snapshot.get(&key).await?;
            let Ok(id) = ConnectionId::new(key.parts().first().copied().unwrap_or_default()) else {
                continue;
            };
            {
                let mut lit = self.lit();
                if lit.get(&id).is_some_and(|old| !grant.as_ref().is_some_and(|grant| old.is_of(grant))) {
                    lit.remove(&id);
                }
            }
            wanted.extend(grant.map(|grant| (id, grant)));
        }
        let mut complete = true;
        for (id, grant) in wanted {
            complete &= self.light(&mut snapshot, id, &grant).await?;
        }
        Ok(complete)
    }

    /// Joins the modules of a grant, where it has two and no line yet; answers whether nothing stood in the way.
    async fn light(
        &self,
        snapshot: &mut Snapshot,
        id: ConnectionId,
        grant: &Grant,
    ) -> Result<bool, StoreError> {
        let (Some(a), Some(b)) = (&grant.source_port, &grant.destination_port) else { return Ok(true) };
        let (Some(from), Some(to)) = (self.modules.get(a), self.modules.get(b)) else { return Ok(true) };
        if self.lit().contains_key(&id) {
            return Ok(true);
        }
        let mut links = Vec::with_capacity(grant.path.hops.len());
        for hop in &grant.path.hops {
            links.extend(snapshot.get(&FibreLink::key(&hop.link)).await?);
        }
        match OpticalLine::connect(from, to, line_of(&links)) {
            Ok(line) => {
                let incarnation = grant.incarnation.to_string();
                self.lit().insert(id, Lit { incarnation, ends: (a.clone(), b.clone()), line });
                Ok(true)
            }
            Err(error) => {
                tracing::warn!(connection = %id, %error, "no line");
                Ok(false)
            }
        }
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
fn line_of(links: &[FibreLink]) -> LineParameters {
    let ends = LineParameters::amplified(0, Length::from_metres(0)).spans;
    let noise_figure = ends.first().map_or(Db::from_hundredths(550), |booster| booster.noise_figure);
    let fibre = links.iter().flat_map(|link| &link.spans).map(|span| line::Span {
        length: span.length,
        loss: span.loss,
        gain: Some(span.loss),
        noise_figure,
    });
    let (first, last) = ends.split_at(1.min(ends.len()));
    LineParameters { spans: first.iter().copied().chain(fibre).chain(last.iter().copied()).collect() }
}
