//! The process is killed while clients allocate and release: what was answered holds, and nothing is left over.

use crate::client::Client;
use crate::fill::{fill_and_empty, request};
use crate::process::{LINK, Server};
use crate::redis::Redis;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher as _, RandomState};
use std::net::SocketAddr;
use std::time::Duration;

/// Clients at work when the process dies, and connections of each.
const CLIENTS: usize = 4;
const CONNECTIONS: usize = 6;

/// Latest moment of a death after the clients have begun.
const LONGEST_LIFE_MS: u64 = 120;

/// How often the process dies: 200 times in a sweep.
fn deaths() -> usize {
    if std::env::var("IPOWDM_SWEEPS").is_ok_and(|value| value == "full") { 200 } else { 6 }
}

/// What a client knows of one of its connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Allocated at this centre, in MHz.
    Has(u64),
    /// Released, or never allocated.
    HasNot,
    /// The process died before it answered.
    Either,
}

type Ledger = BTreeMap<String, Known>;

/// Allocates and releases in turn until the process dies.
async fn work(addr: SocketAddr, mut ledger: Ledger) -> Ledger {
    let mut client = Client::new(addr);
    loop {
        for (id, known) in &mut ledger {
            let before = *known;
            *known = Known::Either;
            let answer = match before {
                Known::HasNot => client.post("/api/connections/allocate", &request(id)).await,
                Known::Has(_) | Known::Either => client.delete(&format!("/api/connections/{id}")).await,
            };
            let Ok(answer) = answer else { return ledger };
            assert_eq!(answer.status, 200, "{}", answer.body);
            *known = match before {
                Known::HasNot => Known::Has(answer.body["connection"]["frequency_mhz"].as_u64().unwrap()),
                Known::Has(_) | Known::Either => Known::HasNot,
            };
        }
    }
}

/// Compares what the store has with what was answered, and settles what was not.
async fn check(addr: SocketAddr, ledger: &mut Ledger) {
    let mut client = Client::new(addr);
    let listed = client.get("/api/connections").await.unwrap().body;
    let stored: BTreeMap<String, u64> = listed["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| {
            (one["connection_id"].as_str().unwrap().to_owned(), one["frequency_mhz"].as_u64().unwrap())
        })
        .collect();
    for (id, known) in &mut *ledger {
        let found = stored.get(id).copied();
        match *known {
            Known::Has(centre) => assert_eq!(found, Some(centre), "{id} was granted"),
            Known::HasNot => assert_eq!(found, None, "{id} was released"),
            Known::Either => {}
        }
        *known = found.map_or(Known::HasNot, Known::Has);
    }
    assert!(stored.keys().all(|id| ledger.contains_key(id)), "nobody asked for {stored:?}");
    // The link holds what the connections hold: each slot once, and not one more.
    let spectrum = client.get(&format!("/api/links/{LINK}/spectrum")).await.unwrap().body;
    let owners: BTreeSet<&str> = spectrum["connections"]
        .as_array()
        .unwrap()
        .iter()
        .map(|owner| owner["connection_id"].as_str().unwrap())
        .collect();
    assert_eq!(owners, stored.keys().map(String::as_str).collect());
    assert_eq!(stored.values().collect::<BTreeSet<_>>().len(), stored.len(), "a slot has two owners");
    for fibre in ["used_slots_a_to_b", "used_slots_b_to_a"] {
        assert_eq!(spectrum[fibre], 12 * stored.len(), "{fibre}");
    }
}

/// Kills the process again and again over one store.
async fn dies_and_comes_back(store: &str) {
    let mut ledgers: Vec<Ledger> = (0..CLIENTS)
        .map(|client| (0..CONNECTIONS).map(|n| (format!("kill-{client}-{n}"), Known::HasNot)).collect())
        .collect();
    let random = RandomState::new();
    let mut server = Server::start(store);
    server.with_a_link().await;
    for death in 0..deaths() {
        let addr = server.addr;
        let tasks: Vec<_> = ledgers.drain(..).map(|ledger| tokio::spawn(work(addr, ledger))).collect();
        tokio::time::sleep(Duration::from_millis(random.hash_one(death) % LONGEST_LIFE_MS)).await;
        server.kill();
        let mut all = Ledger::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        server = Server::start(store);
        check(server.addr, &mut all).await;
        for client in 0..CLIENTS {
            let name = format!("kill-{client}-");
            ledgers.push(
                all.iter().filter(|(id, _)| id.starts_with(&name)).map(|(id, k)| (id.clone(), *k)).collect(),
            );
        }
    }
    let mut client = Client::new(server.addr);
    for id in ledgers.iter().flat_map(Ledger::keys) {
        assert_eq!(client.delete(&format!("/api/connections/{id}")).await.unwrap().status, 200);
    }
    fill_and_empty(server.addr, 16).await;
    println!("killed {} times over {store}: nothing lost, nothing left over", deaths());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_over_redb_loses_nothing_that_it_answered() {
    let folder = tempfile::tempdir().unwrap();
    dies_and_comes_back(&format!("redb:{}", folder.path().join("store.redb").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_over_redis_loses_nothing_that_it_answered() {
    let redis = Redis::start();
    dies_and_comes_back(&redis.location()).await;
}
