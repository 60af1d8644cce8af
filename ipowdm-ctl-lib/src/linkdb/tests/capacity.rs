//! A million connections on the largest of the public networks.

use super::*;
use crate::topology::TopologyDocument;
use std::path::PathBuf;

/// Connections asked for: all of them where `IPOWDM_SWEEPS=full` is set, else a hundredth.
fn connections() -> usize {
    if std::env::var("IPOWDM_SWEEPS").is_ok_and(|sweeps| sweeps == "full") { 1_000_000 } else { 10_000 }
}

/// Memory of this process in use, in bytes; `None` where the system does not say.
fn resident() -> Option<usize> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<usize>().ok()? * 1024)
}

/// Kdl (754 PoPs, 895 links) with `pairs` fibre pairs on each link, or a ring as large where the file is not there.
///
/// 784 steps hold 392 signals of 12.5 GHz, so the 895 links of one pair each hold 350 840 connections of one hop at most: a
/// million needs three pairs.
fn kdl(pairs: usize) -> (Vec<Pop>, Vec<FibreLink>) {
    let directory = std::env::var_os("IPOWDM_TOPOLOGIES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").join("../shared/topologies"),
        PathBuf::from,
    );
    let (pops, links) = match std::fs::read_to_string(directory.join("zoo-kdl-754.json")) {
        Ok(text) => TopologyDocument::from_json(&text).unwrap().into_records().unwrap(),
        Err(_) => {
            println!(
                "{} is not there, a ring of 754 PoPs instead; set IPOWDM_TOPOLOGIES",
                directory.display()
            );
            let ring = |n: usize| {
                let (a, b) = (pop(&n.to_string()), pop(&((n + 1) % 754).to_string()));
                FibreLink::new(link(&n.to_string()), a, b, Length::from_metres(50_000))
            };
            ((0..754).map(|n| Pop::new(pop(&n.to_string()))).collect(), (0..754).map(ring).collect())
        }
    };
    let parallel = |of: &FibreLink| {
        let of = of.clone();
        (0..pairs).map(move |pair| FibreLink { id: link(&format!("{}.{pair}", of.id)), ..of.clone() })
    };
    let links = links.iter().flat_map(parallel).collect();
    (pops, links)
}

#[tokio::test]
async fn a_million_connections_load_and_answer() {
    let count = connections();
    let (pops, links) = kdl(4);
    let db = LinkDb::new(Store::memory().with_options(|options| options.check_repeatable = false));
    db.import(pops, links.clone()).await.unwrap();
    db.set_vop_grant(VopGrant::pool(vop("vOp1"), vec![whole_band()])).await.unwrap();
    let before = resident();
    let started = std::time::Instant::now();
    for n in 0..count {
        let over = &links[n % links.len()];
        let asked = AllocationRequest {
            k: 4,
            ..request(&format!("connection-{n}"), over.a.as_str(), over.b.as_str(), 1)
        };
        let grant = db.allocate(asked).await.unwrap();
        assert_eq!(grant.slot.m, 1);
    }
    let loaded = started.elapsed();
    let each = before.zip(resident()).map(|(before, after)| after.saturating_sub(before) / count);
    println!("{count} connections in {loaded:?}, {each:?} bytes each");

    // It answers: one grant, one link, all links, all figures; each connection is where it says.
    for n in (0..count).step_by(count / 100) {
        let grant = db.grant(&connection(&format!("connection-{n}"))).await.unwrap().unwrap();
        let map = db.spectrum(&grant.path.hops[0].link).await.unwrap();
        assert!(map.owners.iter().any(|held| held.owner == grant.owner() && held.slot == grant.slot));
    }
    let used: usize =
        db.utilisations().await.unwrap().iter().map(|(_, of)| usize::from(of.used_a_to_b)).sum();
    let hops: usize = db.topology().await.unwrap().grants.iter().map(|grant| grant.path.hops.len()).sum();
    assert_eq!((used, db.topology().await.unwrap().grants.len()), (2 * hops, count));
    for n in (0..count).step_by(2) {
        assert!(db.release(&connection(&format!("connection-{n}"))).await.unwrap().is_some());
    }
    let left: usize =
        db.utilisations().await.unwrap().iter().map(|(_, of)| usize::from(of.used_a_to_b)).sum();
    assert!(left < used);
}
