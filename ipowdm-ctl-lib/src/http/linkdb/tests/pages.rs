//! Pages and filters of LinkDB's lists.

use super::*;
use crate::store::{
    Backend, BackendError, Batch, BoxFuture, CommitError, Lookup, MemoryBackend, Range, RawKey, StoreOptions,
    Value as StoredValue, View, Want, WatchSource,
};
use core::result::Result;
use core::sync::atomic::{AtomicUsize, Ordering};
use ipowdm_core::units::Length;

/// The ids of a list's items.
fn ids(list: &Value, items: &str, id: &str) -> Vec<String> {
    let items = list[items].as_array().unwrap();
    assert_eq!(list["count"], items.len());
    items.iter().map(|item| item[id].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_list_is_whole_unless_a_page_is_asked_for() {
    let (service, _) = service().await;
    let whole = service.get("/api/pops").await;
    assert!(!whole.headers.contains_key("link"));
    assert_eq!(ids(&whole.expect(200), "pops", "pop_id"), ["island", "pop1", "pop2", "pop3"]);
    assert!(whole.json().get("next_cursor").is_none());
    let (mut seen, mut path) = (Vec::new(), "/api/pops?limit=3".to_owned());
    let mut pages = 0;
    loop {
        let page = service.get(&path).await;
        seen.extend(ids(&page.expect(200), "pops", "pop_id"));
        pages += 1;
        let Some(link) = page.headers.get("link") else { break };
        let query =
            link.to_str().unwrap().strip_prefix('<').unwrap().strip_suffix(">; rel=\"next\"").unwrap();
        let cursor = page.json()["next_cursor"].as_str().unwrap().to_owned();
        assert_eq!(query, format!("?limit=3&cursor={cursor}"));
        path = format!("/api/pops{query}");
    }
    // Pages come in the order of the store's keys: shorter names first.
    assert_eq!((pages, seen), (2, ["pop1", "pop2", "pop3", "island"].map(str::to_owned).to_vec()));
    for query in ["limit=0", "limit=1001", "limit=x", "cursor=zz", "cursor=7"] {
        service.get(&format!("/api/pops?{query}")).await.expect_error(422, "invalid_field");
    }
}

#[tokio::test]
async fn lists_are_filtered_by_what_their_items_are() {
    let (service, _) = service().await;
    service.post("/api/connections/allocate", &request("C-1", "pop1", "pop2")).await.expect(200);
    service.post("/api/connections/allocate", &request("C-2", "pop2", "pop3")).await.expect(200);
    let connections = async |query: &str| {
        let list = service.get(&format!("/api/connections?{query}")).await.expect(200);
        ids(&list, "connections", "connection_id")
    };
    assert_eq!(connections("pop=pop2").await, ["C-1", "C-2"]);
    assert_eq!(connections("pop=pop2&limit=1").await, ["C-1"]);
    assert_eq!(connections("link=pop1-pop2").await, ["C-1"]);
    assert_eq!(connections("virtual_operator=vOp1").await, Vec::<String>::new());
    assert_eq!(connections("status=allocated&pop=pop3").await, ["C-2"]);
    assert_eq!(connections("status=held").await, Vec::<String>::new());
    service.get("/api/connections?status=lost").await.expect_error(422, "invalid_field");
    let down = json!({"admin_state": "down"}).to_string();
    service.request(hyper::Method::PATCH, "/api/links/pop1-pop3", down).await.expect(200);
    let links = service.get("/api/links?pop=pop3&admin_state=up").await.expect(200);
    assert_eq!(ids(&links, "links", "link_id"), ["pop2-pop3"]);
}

/// Counts the entries that are read.
#[derive(Debug, Default)]
struct Counting {
    inner: MemoryBackend,
    read: Arc<AtomicUsize>,
}

struct CountingView(Box<dyn View>, Arc<AtomicUsize>);

impl View for CountingView {
    fn version(&self) -> Version {
        self.0.version()
    }

    fn get(&self, key: &RawKey) -> Result<Lookup<Option<StoredValue>>, BackendError> {
        self.1.fetch_add(1, Ordering::Relaxed);
        self.0.get(key)
    }

    fn scan(&self, range: &Range) -> Result<Lookup<Vec<(RawKey, StoredValue)>>, BackendError> {
        let found = self.0.scan(range)?;
        if let Lookup::Known(entries) = &found {
            self.1.fetch_add(entries.len(), Ordering::Relaxed);
        }
        Ok(found)
    }

    fn load<'a>(&'a mut self, wants: &'a [Want]) -> BoxFuture<'a, Result<(), BackendError>> {
        self.0.load(wants)
    }
}

impl Backend for Counting {
    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        Box::pin(async {
            let view = self.inner.view().await?;
            Ok(Box::new(CountingView(view, Arc::clone(&self.read))) as Box<dyn View>)
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Version, CommitError>> {
        self.inner.commit(batch)
    }

    fn changes(&self) -> &WatchSource {
        self.inner.changes()
    }
}

/// How many entries a page of ten reads, the first one and one in the middle, of lists of `size`.
async fn entries_read(size: usize) -> Vec<usize> {
    let backend = Arc::new(Counting::default());
    let read = Arc::clone(&backend.read);
    let db = LinkDb::new(Store::new(backend, StoreOptions::default()));
    let service = Service::start(linkdb_router(db.clone(), Access::open())).await;
    let pop = |n: usize| -> PopId { format!("pop{n:04}").parse().unwrap() };
    for n in 0..size {
        db.add_pop(Pop::new(pop(n))).await.unwrap();
        let at = RouterRef { pop_id: pop(n), router_id: "r".parse().unwrap() };
        db.add_router(RouterRecord::new(at.clone())).await.unwrap();
        let port = PortRef { pop_id: at.pop_id, router_id: at.router_id, port_id: "p".parse().unwrap() };
        db.add_port(Port::new(port)).await.unwrap();
        let (from, to) = (pop(n.saturating_sub(1)), pop(n));
        if n > 0 {
            let id = format!("l{n:04}").parse().unwrap();
            db.add_link(FibreLink::new(id, from.clone(), to.clone(), Length::from_metres(1000)))
                .await
                .unwrap();
        }
    }
    let windows = vec![db.raster().window()];
    db.set_vop_grant(VopGrant::pool("vOp2".parse().unwrap(), windows)).await.unwrap();
    for n in 1..size {
        let body = request(&format!("C-{n:04}"), pop(n - 1).as_str(), pop(n).as_str());
        service.post("/api/connections/allocate", &body).await.expect(200);
    }
    let mut counts = Vec::new();
    for list in ["pops", "links", "routers", "interfaces", "connections", "connections?virtual_operator=vOp2"]
    {
        let and = if list.contains('?') { '&' } else { '?' };
        let first = format!("/api/{list}{and}limit=10");
        read.store(0, Ordering::Relaxed);
        let page = service.get(&first).await.expect(200);
        counts.push(read.swap(0, Ordering::Relaxed));
        let cursor = page["next_cursor"].as_str().unwrap();
        assert_eq!(service.get(&format!("{first}&cursor={cursor}")).await.expect(200)["count"], 10);
        counts.push(read.load(Ordering::Relaxed));
    }
    counts
}

#[tokio::test]
async fn a_page_costs_what_it_shows_however_long_the_list_is() {
    let (short, long) = (entries_read(30).await, entries_read(150).await);
    assert_eq!(short, long);
    assert!(long.iter().all(|read| *read <= 50), "{long:?}");
}
