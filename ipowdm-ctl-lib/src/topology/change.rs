//! What changes in a topology, as a stream.
//!
//! ```
//! use ipowdm_core::ids::PopId;
//! use ipowdm_ctl_lib::linkdb::LinkDb;
//! use ipowdm_ctl_lib::store::Store;
//! use ipowdm_ctl_lib::topology::{Aspect, ElementId, Pop, TopologyWatch, UpDown};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let db = LinkDb::new(Store::memory());
//! let bern = PopId::new("bern")?;
//! db.add_pop(Pop::new(bern.clone())).await?;
//! let mut watch = TopologyWatch::start(db.store()).await?;
//! db.set_state(&ElementId::Pop(bern.clone()), Some(UpDown::Down), None).await?;
//! let event = watch.next().await?.ok_or("the store is gone")?;
//! assert_eq!(event.changes[0].id(), ElementId::Pop(bern));
//! assert_eq!(event.changes[0].aspects(), [Aspect::Admin]);
//! # Ok(()) }
//! ```

use super::{ElementId, FibreLink, Pop, Port, Router};
use crate::store::{Change, Key, Prefix, RawKey, Record, Snapshot, Store, StoreError, Version, Watch};
use serde::Serialize;
use std::collections::BTreeMap;

/// A thing of the topology as it is, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// A PoP.
    Pop(Pop),
    /// A router.
    Router(Router),
    /// A port.
    Port(Port),
    /// A fibre link.
    Link(FibreLink),
}

impl Element {
    /// Its name.
    #[must_use]
    pub fn id(&self) -> ElementId {
        match self {
            Self::Pop(pop) => ElementId::Pop(pop.id.clone()),
            Self::Router(router) => ElementId::Router(router.at.clone()),
            Self::Port(port) => ElementId::Port(port.at.clone()),
            Self::Link(link) => ElementId::Link(link.id.clone()),
        }
    }
}

/// What of a thing can change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Aspect {
    /// A PoP's name, location or operator, or a router's description.
    Description,
    /// A PoP's coordinates.
    Coordinates,
    /// What the operator wants.
    Admin,
    /// What is seen.
    Oper,
    /// Notes.
    Metadata,
    /// What the module in a port can do.
    Capability,
    /// The virtual operator that has a port.
    Assignment,
    /// The ends of a link: it was removed and added again between other PoPs.
    Ends,
    /// The length of a link.
    Length,
    /// The kind of fibre, spans or amplifiers of a link.
    Plant,
    /// The bands of a link.
    Bands,
    /// The risk groups of a link.
    Srlgs,
}

/// A change of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TopologyChange {
    /// It was not there before.
    Added(Box<Element>),
    /// It is not there any more.
    Removed(Box<Element>),
    /// It is another way.
    Changed {
        /// As it was.
        before: Box<Element>,
        /// As it is.
        after: Box<Element>,
    },
}

impl TopologyChange {
    /// Of which thing.
    #[must_use]
    pub fn id(&self) -> ElementId {
        match self {
            Self::Added(element) | Self::Removed(element) | Self::Changed { after: element, .. } => {
                element.id()
            }
        }
    }

    /// What has changed, where the thing was there before and still is; nothing otherwise.
    #[must_use]
    pub fn aspects(&self) -> Vec<Aspect> {
        let Self::Changed { before, after } = self else { return Vec::new() };
        let all = match (&**before, &**after) {
            (Element::Pop(a), Element::Pop(b)) => vec![
                (
                    Aspect::Description,
                    (&a.name, &a.location, &a.operator) != (&b.name, &b.location, &b.operator),
                ),
                (Aspect::Coordinates, a.coordinates != b.coordinates),
                (Aspect::Admin, a.admin != b.admin),
                (Aspect::Metadata, a.metadata != b.metadata),
            ],
            (Element::Router(a), Element::Router(b)) => vec![
                (Aspect::Description, a.description != b.description),
                (Aspect::Admin, a.admin != b.admin),
                (Aspect::Metadata, a.metadata != b.metadata),
            ],
            (Element::Port(a), Element::Port(b)) => vec![
                (Aspect::Admin, a.admin != b.admin),
                (Aspect::Oper, a.oper != b.oper),
                (Aspect::Metadata, a.metadata != b.metadata),
                (Aspect::Capability, a.capability != b.capability),
                (Aspect::Assignment, a.vop != b.vop),
            ],
            (Element::Link(a), Element::Link(b)) => vec![
                (Aspect::Admin, a.admin != b.admin),
                (Aspect::Oper, a.oper != b.oper),
                (Aspect::Metadata, a.metadata != b.metadata),
                (Aspect::Ends, (&a.a, &a.b) != (&b.a, &b.b)),
                (Aspect::Length, a.length != b.length),
                (Aspect::Plant, (&a.fibre, &a.spans, &a.amplifiers) != (&b.fibre, &b.spans, &b.amplifiers)),
                (Aspect::Bands, a.bands != b.bands),
                (Aspect::Srlgs, a.srlgs != b.srlgs),
            ],
            _ => Vec::new(),
        };
        all.into_iter().filter_map(|(aspect, differs)| differs.then_some(aspect)).collect()
    }
}

/// Changes that belong together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TopologyEvent {
    /// The version of the store as of which the things are what the event says.
    pub version: Version,
    /// At least one; in order of kinds and ids.
    pub changes: Vec<TopologyChange>,
}

/// The stream of what changes, derived from a watch of the store.
///
/// Each event tells how the topology of one version differs from that of the event before: whoever applies them all has the
/// topology. All changes of a transaction are in one event. Where the store is faster than the reader, or notices were lost,
/// one event tells of several transactions, with what is left of their changes.
#[derive(Debug)]
pub struct TopologyWatch {
    store: Store,
    watch: Watch,
    known: BTreeMap<RawKey, Box<Element>>,
    /// What the watch has said and was not worked on yet: the reader may have given up waiting in between.
    pending: Option<Change>,
}

/// Kinds of records of a topology.
fn prefixes() -> [RawKey; 4] {
    [
        Prefix::<Pop>::all().raw().clone(),
        Prefix::<Router>::all().raw().clone(),
        Prefix::<Port>::all().raw().clone(),
        Prefix::<FibreLink>::all().raw().clone(),
    ]
}

impl TopologyWatch {
    /// Watches from now on.
    ///
    /// # Errors
    /// [`StoreError`]
    pub async fn start(store: &Store) -> Result<Self, StoreError> {
        // Watching comes first: what is committed in between is told as a change that changes nothing, and left out.
        let watch = store.watch_raw(prefixes().into());
        let mut snapshot = store.snapshot().await?;
        let known = everything(&mut snapshot).await?;
        Ok(Self { store: store.clone(), watch, known, pending: None })
    }

    /// The things as of the last event.
    pub fn elements(&self) -> impl Iterator<Item = &Element> {
        self.known.values().map(|element| &**element)
    }

    /// Waits for the next event; `None` when the store is gone. Dropping the future loses nothing.
    ///
    /// # Errors
    /// [`StoreError`]; what could not be read is read with the next call.
    pub async fn next(&mut self) -> Result<Option<TopologyEvent>, StoreError> {
        loop {
            if self.pending.is_none() {
                self.pending = self.watch.next().await;
            }
            let Some(change) = self.pending.clone() else { return Ok(None) };
            let event = self.follow(&change).await?;
            self.pending = None;
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    /// Reads what a notice speaks of; the event where something is not as it was known.
    async fn follow(&mut self, change: &Change) -> Result<Option<TopologyEvent>, StoreError> {
        let mut snapshot = self.store.snapshot().await?;
        let mut now = BTreeMap::new();
        match change {
            Change::Committed(notice) => {
                for key in notice.keys.iter() {
                    if prefixes().iter().any(|prefix| key.as_str().starts_with(prefix.as_str())) {
                        now.insert(key.clone(), one(&mut snapshot, key).await?);
                    }
                }
            }
            _ => {
                let all = everything(&mut snapshot).await?;
                now.extend(self.known.keys().map(|key| (key.clone(), None)));
                now.extend(all.into_iter().map(|(key, element)| (key, Some(element))));
            }
        }
        let mut changes = Vec::new();
        for (key, after) in now {
            let before = match &after {
                Some(element) => self.known.insert(key, element.clone()),
                None => self.known.remove(&key),
            };
            changes.extend(match (before, after) {
                (None, Some(after)) => Some(TopologyChange::Added(after)),
                (Some(before), None) => Some(TopologyChange::Removed(before)),
                (Some(before), Some(after)) if before != after => {
                    Some(TopologyChange::Changed { before, after })
                }
                _ => None,
            });
        }
        let version = snapshot.version();
        Ok((!changes.is_empty()).then_some(TopologyEvent { version, changes }))
    }
}

/// The thing of a key.
async fn one(snapshot: &mut Snapshot, key: &RawKey) -> Result<Option<Box<Element>>, StoreError> {
    async fn read<T: Record>(snapshot: &mut Snapshot, key: &RawKey) -> Result<Option<T>, StoreError> {
        match Key::<T>::from_raw(key.clone()) {
            Some(key) => snapshot.get(&key).await,
            None => Ok(None),
        }
    }
    let element = match key.kind() {
        Pop::KIND => read(snapshot, key).await?.map(Element::Pop),
        Router::KIND => read(snapshot, key).await?.map(Element::Router),
        Port::KIND => read(snapshot, key).await?.map(Element::Port),
        FibreLink::KIND => read(snapshot, key).await?.map(Element::Link),
        _ => None,
    };
    Ok(element.map(Box::new))
}

/// All things.
async fn everything(snapshot: &mut Snapshot) -> Result<BTreeMap<RawKey, Box<Element>>, StoreError> {
    async fn read<T: Record>(
        snapshot: &mut Snapshot,
        all: &mut BTreeMap<RawKey, Box<Element>>,
        element: fn(T) -> Element,
    ) -> Result<(), StoreError> {
        let records = snapshot.scan(&Prefix::<T>::all()).await?;
        all.extend(records.into_iter().map(|(key, record)| (key.raw().clone(), Box::new(element(record)))));
        Ok(())
    }
    let mut all = BTreeMap::new();
    read(snapshot, &mut all, Element::Pop).await?;
    read(snapshot, &mut all, Element::Router).await?;
    read(snapshot, &mut all, Element::Port).await?;
    read(snapshot, &mut all, Element::Link).await?;
    Ok(all)
}
