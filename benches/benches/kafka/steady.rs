//! Latency at a steady rate: each sample has a time at which it is due, and its latency counts from then.

use crate::Session;
use crate::client::{Entrance, Peer};
use crate::place::{Kind, Place};
use crate::samples::{self, Samples};
use crate::table::{Row, ms};
use ipowdm_core::bus::publisher::Class;
use ipowdm_examples::lab::fill::Percentiles;
use std::any::Any;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Rounds of each client, in turn with those of the others.
const ROUNDS: u64 = 4;
/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(60);
/// A life of no round.
const WARM_UP: u64 = 0;

/// The round that is measured.
struct Round {
    life: u64,
    begun: Instant,
    period: Duration,
    /// In microseconds.
    latencies: Vec<u64>,
    /// Of the warm-up.
    warm: usize,
}

impl Round {
    fn take(&mut self, life: u64, number: u64) {
        if life == WARM_UP {
            self.warm += 1;
        } else if life == self.life {
            let due = self.begun + self.period * u32::try_from(number).unwrap();
            self.latencies.push(u64::try_from(due.elapsed().as_micros()).unwrap());
        }
    }
}

/// A client at work.
struct Line {
    peer: Peer,
    entrance: Box<dyn Entrance>,
    round: Arc<Mutex<Round>>,
    all: Vec<u64>,
    _exit: Box<dyn Any>,
}

impl Line {
    fn open(session: &Session, place: &Place, peer: Peer, (row, class): (&str, Class)) -> Self {
        let topic = session.runtime.block_on(place.topic(row));
        let begun = Instant::now();
        let fresh = Round { life: u64::MAX, begun, period: Duration::ZERO, latencies: Vec::new(), warm: 0 };
        let round = Arc::new(Mutex::new(fresh));
        let taken = Arc::clone(&round);
        let heard = Arc::new(move |value: &[u8]| {
            let (life, number) = samples::read(value);
            taken.lock().unwrap().take(life, number);
        });
        let handle = session.runtime.handle();
        let exit = peer.exit(place, &topic, heard, handle);
        let entrance = peer.entrance(place, &topic, class, handle);
        Self { peer, entrance, round, all: Vec::new(), _exit: exit }
    }

    /// Sends samples until so many have come out that connections are open and code is compiled.
    fn warm_up(&mut self, count: u64) {
        let mut samples = Samples::new();
        for number in 0..count {
            let (key, value) = samples.write(WARM_UP, number);
            self.entrance.send(key.as_bytes(), &value);
            std::thread::sleep(Duration::from_micros(500));
        }
        self.wait(|round| u64::try_from(round.warm).unwrap() == count);
    }

    fn wait(&self, done: impl Fn(&Round) -> bool) {
        let begun = Instant::now();
        while !done(&self.round.lock().unwrap()) {
            assert!(begun.elapsed() < PATIENCE, "{}: samples were lost", self.peer.name());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// One round.
    fn measure(&mut self, life: u64, period: Duration, count: u64) {
        let begun = Instant::now() + Duration::from_millis(50);
        {
            let mut round = self.round.lock().unwrap();
            (round.life, round.begun, round.period) = (life, begun, period);
        }
        let mut samples = Samples::new();
        let mut due = begun;
        for number in 0..count {
            // Ready before it is due.
            let (key, value) = samples.write(life, number);
            if let Some(left) = due.checked_duration_since(Instant::now()) {
                std::thread::sleep(left);
            }
            self.entrance.send(key.as_bytes(), &value);
            due += period;
        }
        self.wait(|round| u64::try_from(round.latencies.len()).unwrap() == count);
        self.all.append(&mut self.round.lock().unwrap().latencies);
    }
}

/// The row `single`: a record now and then, no two on the way at a time.
pub(crate) fn single(session: &Session, place: &Place) -> Vec<Row> {
    let peers = [Peer::OURS, Peer::RSKAFKA, Peer::PROMPT];
    let period = Duration::from_millis(5);
    let what = "single record, in to out";
    measure(session, place, ("single", Class::Keep), &peers, period, &|found, peer, other| {
        let row = Row::of(place.kind.name(), what, &peer.name(), "", told(found));
        match other(Peer::PROMPT) {
            Some(other) if peer == Peer::OURS => {
                let ratio = times(found.p50, other.p50);
                row.owed("p50 <= 1.3 x librdkafka", ratio <= 1.3)
                    .noted(&format!("p50 {ratio:.2} x librdkafka"))
            }
            _ => row,
        }
    })
}

/// The row `telemetry`: 10 000 samples/s. Ours begins a call every 4 ms at most (`publisher::PACE`), so it is judged beside
/// librdkafka's way of bounding requests, its default linger of 5 ms.
pub(crate) fn telemetry(session: &Session, place: &Place) -> Vec<Row> {
    let peers = [Peer::OURS, Peer::RSKAFKA, Peer::PATIENT, Peer::PROMPT];
    let period = Duration::from_micros(100);
    let what = "telemetry at 10 000/s, due to decoded";
    measure(session, place, ("telemetry", Class::Droppable), &peers, period, &|found, peer, other| {
        let row = Row::of(place.kind.name(), what, &peer.name(), "", told(found));
        match other(Peer::PATIENT) {
            Some(other) if peer == Peer::OURS => {
                let (half, most) = (times(found.p50, other.p50), times(found.p99, other.p99));
                let row = row.noted(&format!("p50 {half:.2} x, p99 {most:.2} x librdkafka, linger 5 ms"));
                if place.kind == Kind::Kafka(1) {
                    row.owed("p50 <= 8 ms, p99 <= 1.5 x librdkafka", found.p50 <= 8_000 && most <= 1.5)
                } else {
                    row
                }
            }
            _ => row,
        }
    })
}

fn told(found: Percentiles) -> String {
    format!(
        "p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms, n = {}",
        ms(found.p50),
        ms(found.p99),
        ms(found.max),
        found.count
    )
}

#[expect(clippy::cast_precision_loss, reason = "microseconds of a benchmark stay below 2^53")]
fn times(a: u64, b: u64) -> f64 {
    a as f64 / b.max(1) as f64
}

/// Makes a row of what was found of a client, beside what others have.
type Judge<'a> = &'a dyn Fn(Percentiles, Peer, &dyn Fn(Peer) -> Option<Percentiles>) -> Row;

/// Measures clients in turn.
fn measure(
    session: &Session,
    place: &Place,
    (row, class): (&str, Class),
    peers: &[Peer],
    period: Duration,
    judge: Judge<'_>,
) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut lines = Vec::new();
    for peer in peers {
        match peer.is_possible(place) {
            Ok(()) => lines.push(Line::open(session, place, *peer, (row, class))),
            Err(why) => rows.push(Row::left_out(place.kind.name(), row, &peer.name(), why)),
        }
    }
    let each = Duration::from_secs(session.extent.seconds) / u32::try_from(ROUNDS).unwrap();
    let count = u64::try_from(each.as_micros() / period.as_micros()).unwrap();
    for line in &mut lines {
        line.warm_up(2_000);
    }
    for life in 1..=ROUNDS {
        for line in &mut lines {
            line.measure(life, period, count);
        }
        // Nobody is always the first.
        lines.rotate_left(1);
    }
    let found: Vec<(Peer, Percentiles)> =
        lines.into_iter().map(|line| (line.peer, Percentiles::of(line.all))).collect();
    let of = |wanted: Peer| found.iter().find(|(peer, _)| *peer == wanted).map(|(_, found)| *found);
    found.iter().map(|(peer, found)| judge(*found, *peer, &of)).chain(rows).collect()
}
