//! LinkDB over REST: `cargo bench -p benches --bench rest`.
//!
//! A LinkDB over the memory store is served on the loopback address to clients that keep their connection, in this process
//! and on the same cores. Chains of four PoPs are filled with connections over three links each: every answer is a committed
//! transaction. There is no peer to compare with in the same run: the reference's allocator commits nothing.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a benchmark that cannot run has no result")]

use ipowdm_core::grid::Raster;
use ipowdm_core::ids::{LinkId, PopId, VopId};
use ipowdm_core::units::Length;
use ipowdm_ctl_lib::http::{Access, linkdb_router, serve};
use ipowdm_ctl_lib::linkdb::LinkDb;
use ipowdm_ctl_lib::spectrum::VopGrant;
use ipowdm_ctl_lib::store::{Store, StoreOptions};
use ipowdm_ctl_lib::topology::{FibreLink, Pop};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// As `ipowdm-ctl` has it.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Clients with a connection each.
const CLIENTS: usize = 32;

/// Chains of four PoPs, and connections that are put onto each: 65 channels of 75 GHz would fit.
const CHAINS: usize = 400;
const PER_CHAIN: usize = 60;

async fn network(db: &LinkDb) {
    let pop = |chain: usize, n: usize| PopId::new(&format!("c{chain}-{n}")).unwrap();
    let mut pops = Vec::new();
    let mut links = Vec::new();
    for chain in 0..CHAINS {
        pops.extend((0..4).map(|n| Pop::new(pop(chain, n))));
        links.extend((0..3).map(|n| {
            let id = LinkId::new(&format!("c{chain}-l{n}")).unwrap();
            FibreLink::new(id, pop(chain, n), pop(chain, n + 1), Length::from_metres(80_000))
        }));
    }
    db.import(pops, links).await.unwrap();
    let vop = VopId::new("vOp2").unwrap();
    db.set_vop_grant(VopGrant::pool(vop, vec![Raster::C_BAND.window()])).await.unwrap();
}

/// One request on a kept connection; panics unless it is answered with 200.
async fn ask(stream: &mut TcpStream, buffer: &mut Vec<u8>, head: &str, body: &str) {
    let request = format!("{head} HTTP/1.1\r\nhost: bench\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    stream.write_all(request.as_bytes()).await.unwrap();
    buffer.clear();
    loop {
        assert_ne!(stream.read_buf(buffer).await.unwrap(), 0, "the connection was closed");
        let Some(end) = buffer.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = core::str::from_utf8(&buffer[..end]).unwrap();
        let length = text.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length: usize = length.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
        if buffer.len() >= end + 4 + length {
            assert!(text.starts_with("HTTP/1.1 200"), "{}", String::from_utf8_lossy(buffer));
            return;
        }
    }
}

/// Has all clients work through `0..CHAINS * PER_CHAIN`; how long it took, and each request.
async fn all(addr: SocketAddr, request: fn(usize) -> (String, String)) -> (Duration, Vec<Duration>) {
    let next = Arc::new(AtomicUsize::new(0));
    let started = Instant::now();
    let tasks: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let next = Arc::clone(&next);
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(addr).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut buffer, mut times) = (Vec::with_capacity(4096), Vec::new());
                loop {
                    let n = next.fetch_add(1, Ordering::Relaxed);
                    if n >= CHAINS * PER_CHAIN {
                        return times;
                    }
                    let (head, body) = request(n);
                    let begun = Instant::now();
                    ask(&mut stream, &mut buffer, &head, &body).await;
                    times.push(begun.elapsed());
                }
            })
        })
        .collect();
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await.unwrap());
    }
    (started.elapsed(), times)
}

fn allocate(n: usize) -> (String, String) {
    let chain = n % CHAINS;
    let body = format!(
        r#"{{"connection_id":"b-{n}","pop_a":"c{chain}-0","pop_b":"c{chain}-3","bandwidth":400,"virtual_operator":"vOp2"}}"#
    );
    ("POST /api/connections/allocate".to_owned(), body)
}

fn release(n: usize) -> (String, String) {
    (format!("DELETE /api/connections/b-{n}"), String::new())
}

fn report(what: &str, target: &str, (whole, mut times): (Duration, Vec<Duration>)) {
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 1000).min(times.len() - 1)].as_secs_f64() * 1e3;
    #[expect(clippy::cast_precision_loss, reason = "some ten thousand requests")]
    let rate = times.len() as f64 / whole.as_secs_f64();
    println!(
        "rest {what} clients={CLIENTS} store=memory requests={} per_s={rate:.0} p50_ms={:.2} p99_ms={:.2} ({target})",
        times.len(),
        at(500),
        at(990),
    );
}

fn main() {
    // `cargo test --benches` asks for a run that only shows that it works.
    if std::env::args().any(|word| word == "--test") {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let options = StoreOptions { check_repeatable: false, ..StoreOptions::default() };
        let db = LinkDb::new(Store::new(Arc::new(ipowdm_ctl_lib::store::MemoryBackend::new()), options));
        network(&db).await;
        let served = serve(linkdb_router(db, Access::open()), "127.0.0.1:0".parse().unwrap()).await.unwrap();
        for _ in 0..2 {
            report("allocate", "owed >= 20000/s", all(served.addr(), allocate).await);
            report("release", "no figure owed", all(served.addr(), release).await);
        }
        served.shutdown().await;
    });
}
