//! The watch: every committed transaction once, as server-sent events.
//!
//! | event | data |
//! |---|---|
//! | `ready` | `{"version": …}`: whatever is read from now on is at least that new |
//! | `change` | `{"version": …, "changes": [{"kind": …, "id": …, "href": …}, …]}`: one transaction, all that it touched |
//! | `resync` | `{"missed": …}`: changes were lost, read everything again |
//!
//! The `id` of an event is the version. A client that comes back with `Last-Event-ID` gets `resync` where something has
//! been committed meanwhile: no history is kept for it. Versions are the store's own: that holds over restarts of the service too.

use super::{Result, Shared};
use crate::http::answer::Events;
use crate::http::crowd::Open;
use crate::http::extract::Params;
use crate::http::sse::{self, Sent, named};
use crate::linkdb::Grant;
use crate::spectrum::{LinkSpectrum, PortClaim, VopGrant};
use crate::store::{Change, RawKey, Record, Store, Version, Watch};
use crate::topology::{FibreLink, Pop, Port, Router};
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::Event;
use futures_util::Stream;
use futures_util::stream::unfold;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::collections::{BTreeSet, VecDeque};
use tokio::sync::OwnedSemaphorePermit;

/// What can be watched, and the records behind it.
const KINDS: &[(&str, &[&str])] = &[
    ("pop", &[Pop::KIND]),
    ("router", &[Router::KIND]),
    ("interface", &[Port::KIND, PortClaim::KIND]),
    ("link", &[FibreLink::KIND]),
    ("spectrum", &[LinkSpectrum::KIND]),
    ("connection", &[Grant::KIND]),
    ("vop", &[VopGrant::KIND]),
];

/// `?kinds=link,connection`
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct WatchQuery {
    /// Some of pop, router, interface, link, spectrum, connection and vop, with commas between them; all where this is absent.
    kinds: Option<String>,
}

/// The prefixes of the kinds asked for.
fn prefixes(asked: Option<&str>) -> Result<Vec<RawKey>> {
    let rows = match asked {
        None => KINDS.iter().map(|(_, records)| *records).collect(),
        Some(list) => sse::listed("kinds", list, KINDS)?,
    };
    let records = rows.into_iter().flatten();
    Ok(records.map(|record| RawKey::from_stored(&format!("{record}/"))).collect())
}

/// One thing that a transaction touched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
struct Touched {
    kind: &'static str,
    id: String,
    /// Where its state is read.
    href: String,
}

impl Touched {
    /// What a key stands for here; `None` where nothing that can be watched.
    fn of(key: &RawKey) -> Option<Self> {
        let (kind, _) = KINDS.iter().find(|(_, records)| records.contains(&key.kind()))?;
        let parts = key.parts()?;
        let id = parts.join("/");
        let href = match *kind {
            "pop" => "/api/pops".to_owned(),
            "router" => "/api/routers".to_owned(),
            "interface" => format!("/api/interfaces/{id}"),
            "link" => format!("/api/links/{id}"),
            "spectrum" => format!("/api/links/{id}/spectrum"),
            "connection" => format!("/api/connections/{id}"),
            _ => format!("/api/vops/{id}/spectrum"),
        };
        Some(Self { kind, id, href })
    }
}

/// A watch that somebody reads.
struct Watching {
    watch: Watch,
    /// Whether a key is of a kind that was asked for.
    prefixes: Vec<RawKey>,
    /// Everything up to here was committed before the first event.
    since: Version,
    ready: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Watching {
    fn event(&self, change: Change) -> Option<Event> {
        match change {
            Change::Committed(notice) if notice.version <= self.since => None,
            Change::Committed(notice) => {
                let asked = |key: &&RawKey| {
                    self.prefixes.iter().any(|prefix| key.as_str().starts_with(prefix.as_str()))
                };
                let changes: BTreeSet<Touched> =
                    notice.keys.iter().filter(asked).filter_map(Touched::of).collect();
                let data = json!({"version": notice.version, "changes": changes});
                Some(named("change", &data).id(notice.version.to_string()))
            }
            Change::Resync { missed } => Some(named("resync", &json!({"missed": missed}))),
        }
    }

    async fn next(mut self) -> Option<(Sent, Self)> {
        if let Some(event) = self.ready.pop_front() {
            return Some((Ok(event), self));
        }
        loop {
            let change = self.watch.next().await?;
            if let Some(event) = self.event(change) {
                return Some((Ok(event), self));
            }
        }
    }
}

/// Begins to watch. `seen` is the version that a client who comes back has seen, as far as it can tell.
async fn begin(
    store: &Store,
    prefixes: Vec<RawKey>,
    seen: Option<Option<Version>>,
    place: OwnedSemaphorePermit,
) -> Result<Watching> {
    // In this order: what is committed in between is both seen and announced, and told apart by its version.
    let watch = store.watch_raw(prefixes.clone());
    let since = store.snapshot().await?.version();
    let mut ready = VecDeque::new();
    if seen.is_some_and(|seen| seen != Some(since)) {
        ready.push_back(named("resync", &json!({"missed": null})));
    }
    ready.push_back(named("ready", &json!({"version": since})).id(since.to_string()));
    Ok(Watching { watch, prefixes, since, ready, _place: place })
}

/// `GET /api/watch`
pub(super) async fn watch(
    State(shared): State<Shared>,
    open: Option<Extension<Open>>,
    headers: HeaderMap,
    Params(query): Params<WatchQuery>,
) -> Result<Events<impl Stream<Item = Sent>>> {
    let prefixes = prefixes(query.kinds.as_deref())?;
    let seen = sse::last_seen(&headers, |id| id.parse().ok().map(Version::new));
    let watching = begin(shared.db.store(), prefixes, seen, shared.watches.enter()?).await?;
    Ok(sse::answer(unfold(watching, Watching::next), open))
}

#[cfg(test)]
mod tests {
    use crate::http::Access;
    use crate::http::linkdb::linkdb_router;
    use crate::http::tests::client::Service;
    use crate::http::tests::stream::Events;
    use crate::linkdb::LinkDb;
    use crate::store::Store;
    use crate::topology::Pop;
    use ipowdm_core::ids::PopId;
    use serde_json::json;

    fn pop(name: &str) -> Pop {
        Pop::new(PopId::new(name).unwrap())
    }

    #[tokio::test]
    async fn s4_12_a_transaction_is_one_event_with_all_that_it_touched() {
        let db = LinkDb::new(Store::memory());
        let service = Service::start(linkdb_router(db.clone(), Access::open())).await;
        db.add_pop(pop("before")).await.unwrap();
        let mut events = Events::open(service.addr(), "/api/watch?kinds=pop", "").await;
        let (name, _, ready) = events.next().await;
        assert_eq!((name.as_str(), &ready["version"]), ("ready", &json!(1)));
        db.import(vec![pop("a"), pop("b")], Vec::new()).await.unwrap();
        let (name, id, change) = events.next().await;
        assert_eq!((name.as_str(), id.as_str()), ("change", "2"));
        let touched = |id: &str| json!({"kind": "pop", "id": id, "href": "/api/pops"});
        // The topology's epoch changes with it, and is nobody's business.
        assert_eq!(change, json!({"version": 2, "changes": [touched("a"), touched("b")]}));
    }

    #[tokio::test]
    async fn whoever_comes_back_learns_that_it_missed_something() {
        let db = LinkDb::new(Store::memory());
        let service = Service::start(linkdb_router(db.clone(), Access::open())).await;
        db.add_pop(pop("a")).await.unwrap();
        let mut same = Events::open(service.addr(), "/api/watch", "last-event-id: 1\r\n").await;
        assert_eq!(same.next().await.0, "ready");
        db.add_pop(pop("b")).await.unwrap();
        let mut behind = Events::open(service.addr(), "/api/watch", "last-event-id: 1\r\n").await;
        assert_eq!(behind.next().await.0, "resync");
        assert_eq!(behind.next().await.0, "ready");
        // An id that is none of this service's tells nothing of what was missed.
        let mut lost = Events::open(service.addr(), "/api/watch", "last-event-id: a-2\r\n").await;
        assert_eq!(lost.next().await.0, "resync");
    }

    #[tokio::test]
    async fn an_unknown_kind_is_refused_and_names_the_known_ones() {
        let service = Service::start(linkdb_router(LinkDb::new(Store::memory()), Access::open())).await;
        let error = service.get("/api/watch?kinds=pop,colour").await.expect_error(422, "invalid_field");
        assert!(error.contains("\"colour\" is none of pop, router, interface"), "{error}");
    }
}
