//! Many clients fill one link: grants are the capacity exactly, no duplicate, no gap; released, it is empty.

use crate::client::Client;
use crate::process::{LINK, Server, VOP};
use crate::redis::Redis;
use serde_json::{Value, json};
use std::net::SocketAddr;

/// 75 GHz channels of 193.1 THz + k × 75 GHz that lie whole in 191.25 to 196.15 THz.
const CHANNELS: usize = 65;

fn all_channels() -> Vec<u64> {
    (0..CHANNELS as u64).map(|k| 191_300_000 + 75_000 * k).collect()
}

pub(crate) fn request(id: &str) -> Value {
    json!({
        "connection_id": id, "pop_a": "pop1", "pop_b": "pop2", "bandwidth": 400, "virtual_operator": VOP,
    })
}

/// Allocates until the link is full; what it got.
async fn take_all(addr: SocketAddr, name: String) -> Vec<(String, u64)> {
    let mut client = Client::new(addr);
    let mut got = Vec::new();
    loop {
        let id = format!("{name}-{}", got.len());
        let answer = client.post("/api/connections/allocate", &request(&id)).await.unwrap();
        match (answer.status, answer.body["code"].as_str()) {
            (200, _) => got.push((id, answer.body["connection"]["frequency_mhz"].as_u64().unwrap())),
            (409, Some("no_spectrum")) => return got,
            _ => panic!("{answer:?}"),
        }
    }
}

/// Fills the link with `clients` at once and empties it again.
pub(crate) async fn fill_and_empty(addr: SocketAddr, clients: usize) {
    let tasks: Vec<_> =
        (0..clients).map(|n| tokio::spawn(take_all(addr, format!("fill{clients}-{n}")))).collect();
    let mut grants = Vec::new();
    for task in tasks {
        grants.extend(task.await.unwrap());
    }
    let mut centres: Vec<u64> = grants.iter().map(|(_, mhz)| *mhz).collect();
    centres.sort_unstable();
    assert_eq!(centres, all_channels(), "{clients} clients");
    let mut client = Client::new(addr);
    let spectrum = client.get(&format!("/api/links/{LINK}/spectrum")).await.unwrap().body;
    assert_eq!(spectrum["connections"].as_array().unwrap().len(), CHANNELS);
    assert_eq!(spectrum["used_slots_a_to_b"], 12 * CHANNELS);
    assert_eq!(spectrum["used_slots_b_to_a"], 12 * CHANNELS);
    let shares = grants.chunks(grants.len().div_ceil(clients));
    let tasks: Vec<_> = shares
        .map(|share| {
            let share = share.to_vec();
            tokio::spawn(async move {
                let mut client = Client::new(addr);
                for (id, _) in share {
                    let answer = client.delete(&format!("/api/connections/{id}")).await.unwrap();
                    assert_eq!((answer.status, &answer.body["released"]), (200, &Value::Bool(true)), "{id}");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let empty = client.get(&format!("/api/links/{LINK}/utilisation")).await.unwrap().body;
    assert_eq!((&empty["used_slots_a_to_b"], &empty["used_slots_b_to_a"]), (&json!(0), &json!(0)));
    assert_eq!(client.get("/api/connections").await.unwrap().body["count"], 0);
}

async fn fills(store: &str) {
    let server = Server::start(store);
    server.with_a_link().await;
    for clients in [1, 4, 16, 96] {
        fill_and_empty(server.addr, clients).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_15_clients_of_a_memory_store_get_the_capacity_exactly() {
    fills("memory").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_15_clients_of_a_redb_store_get_the_capacity_exactly() {
    let folder = tempfile::tempdir().unwrap();
    fills(&format!("redb:{}", folder.path().join("store.redb").display())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_15_clients_of_a_redis_store_get_the_capacity_exactly() {
    let redis = Redis::start();
    fills(&redis.location()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_15_clients_of_two_processes_over_one_redis_get_the_capacity_exactly() {
    let redis = Redis::start();
    let (one, other) = (Server::start(&redis.location()), Server::start(&redis.location()));
    one.with_a_link().await;
    let tasks =
        [one.addr, other.addr].map(|addr| tokio::spawn(take_all(addr, format!("two-{}", addr.port()))));
    let mut centres = Vec::new();
    for task in tasks {
        centres.extend(task.await.unwrap().into_iter().map(|(_, mhz)| mhz));
    }
    centres.sort_unstable();
    assert_eq!(centres, all_channels());
}
