//! How much telemetry goes in and comes out: as fast as a client takes it, until all is confirmed; then the whole log, from the
//! first record that a client hears to the last.

use crate::Session;
use crate::client::Peer;
use crate::place::Place;
use crate::samples::Samples;
use crate::table::Row;
use ipowdm_core::bus::publisher::Class;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

/// Samples of a round.
const COUNT: usize = 100_000;
/// Different ones.
const VARIETY: u64 = 20_000;
const ROUNDS: usize = 3;
/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(120);

/// Seconds of each round.
#[derive(Default)]
struct Found {
    into: Vec<f64>,
    out: Vec<f64>,
    /// By our client, of what another has compressed.
    out_by_ours: Vec<f64>,
}

impl Found {
    fn told(self, bytes: usize) -> String {
        let ours = match self.out_by_ours.is_empty() {
            true => String::new(),
            false => format!(", out by ours {:.0}/s", rate(self.out_by_ours)),
        };
        format!("in {:.0}/s, out {:.0}/s{ours} ({bytes} bytes each)", rate(self.into), rate(self.out))
    }
}

/// The row `throughput`.
pub(crate) fn run(session: &Session, place: &Place) -> Vec<Row> {
    let mut samples = Samples::new();
    let records: Vec<(String, Vec<u8>)> = (0..VARIETY).map(|number| samples.write(1, number)).collect();
    let bytes: usize = records.iter().map(|(_, value)| value.len()).sum::<usize>() / records.len();
    let peers = [Peer::OURS, Peer::OURS_LZ4, Peer::RSKAFKA, Peer::PATIENT, Peer::LZ4];
    let mut rows = Vec::new();
    let mut found: Vec<(Peer, Found)> = Vec::new();
    for peer in peers {
        match peer.is_possible(place) {
            Ok(()) => found.push((peer, Found::default())),
            Err(why) => rows.push(Row::left_out(place.kind.name(), "throughput", &peer.name(), why)),
        }
    }
    for _ in 0..ROUNDS {
        for (peer, found) in &mut found {
            let topic = session.runtime.block_on(place.topic("throughput"));
            found.into.push(fill(session, place, *peer, &topic, &records));
            found.out.push(empty(session, place, *peer, &topic));
            if *peer == Peer::LZ4 {
                found.out_by_ours.push(empty(session, place, Peer::OURS, &topic));
            }
            session.runtime.block_on(place.forget(&topic));
        }
    }
    let of = |(peer, found): (Peer, Found)| {
        Row::of(place.kind.name(), "telemetry, as much as goes", &peer.name(), "", found.told(bytes))
    };
    found.into_iter().map(of).chain(rows).collect()
}

/// Seconds until all was confirmed.
fn fill(session: &Session, place: &Place, peer: Peer, topic: &str, records: &[(String, Vec<u8>)]) -> f64 {
    let mut entrance = peer.entrance(place, topic, Class::Keep, session.runtime.handle());
    // Connected before the clock runs.
    entrance.send(b"first", b"first");
    entrance.flush();
    let begun = Instant::now();
    for (key, value) in records.iter().cycle().take(COUNT) {
        entrance.send(key.as_bytes(), value);
    }
    entrance.flush();
    begun.elapsed().as_secs_f64()
}

/// Seconds from the first record of the log to the last.
fn empty(session: &Session, place: &Place, peer: Peer, topic: &str) -> f64 {
    let count = Arc::new(AtomicUsize::new(0));
    let first = Arc::new(OnceLock::new());
    let (counted, began) = (Arc::clone(&count), Arc::clone(&first));
    let heard = move |_: &[u8]| {
        began.get_or_init(Instant::now);
        counted.fetch_add(1, Ordering::Relaxed);
    };
    let exit = peer.exit(place, topic, Arc::new(heard), session.runtime.handle());
    let begun = Instant::now();
    while count.load(Ordering::Relaxed) <= COUNT {
        assert!(begun.elapsed() < PATIENCE, "{}: samples were lost", peer.name());
        std::thread::sleep(Duration::from_millis(1));
    }
    let lasted = first.get().unwrap_or(&begun).elapsed().as_secs_f64();
    drop(exit);
    lasted
}

/// Samples a second in the median round.
#[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
fn rate(mut seconds: Vec<f64>) -> f64 {
    seconds.sort_unstable_by(f64::total_cmp);
    COUNT as f64 / seconds[seconds.len() / 2]
}
