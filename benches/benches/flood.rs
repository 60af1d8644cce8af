//! What a tenant that floods its own topic does to the others, with a quota and without: `cargo bench -p benches --bench flood`.
//!
//! `IPOWDM_KAFKA_SECURE` names the administrator's client.properties of an Apache Kafka of one node that `scripts/kafka-up.sh
//! --secure` has started; it shares the machine's cores with everything here. Tenant A publishes as fast as several clients of its own
//! can, each of which rests only when the broker tells that very client to; tenant B publishes a record every 20 ms, and the time from
//! when it was due until B's agent has fetched it is what counts. Rounds alternate: nobody floods, A floods under its quota from the
//! first byte on (the broker lets 10 s' worth pass at once), A floods without one.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has no result")]

use clap::Parser;
use ipowdm_core::bus::access::{Principal, Scope, Scram, rights};
use ipowdm_core::bus::kafka::{KafkaBus, Sasl};
use ipowdm_core::bus::quota::Quota;
use ipowdm_core::bus::{Bus, FetchRequest, Outgoing, TopicSpec};
use ipowdm_core::ids::{AgentId, VopId};
use ipowdm_core::topics::{self, ASSIGNMENTS, Role};
use ipowdm_examples::client_properties::ClientProperties;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio::time::MissedTickBehavior;

/// How long, how often.
#[derive(Debug, Parser)]
struct Extent {
    /// Rounds of each kind.
    #[arg(long, default_value_t = 4)]
    rounds: u32,
    /// Seconds of each round.
    #[arg(long, default_value_t = 6)]
    seconds: u32,
    /// Bytes per second that tenant A may publish.
    #[arg(long, default_value_t = NonZeroU32::new(1_000_000).unwrap())]
    quota: NonZeroU32,
    /// Passed by cargo bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Between two records of tenant B.
const TICK: Duration = Duration::from_millis(20);
/// Tenant A's clients; what each has under way at a time; records of a call, and bytes of each.
const CLIENTS: usize = 4;
const AT_ONCE: usize = 2;
const RECORDS: usize = 10;
const BYTES: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Quiet,
    Limited,
    Unlimited,
}

/// The broker, as its administrator.
struct Place {
    properties: ClientProperties,
    bootstrap: String,
    admin: KafkaBus,
}

impl Place {
    fn find() -> Option<Self> {
        let Ok(path) = std::env::var("IPOWDM_KAFKA_SECURE") else {
            println!(
                "nothing measured: IPOWDM_KAFKA_SECURE is not set; scripts/kafka-up.sh --secure starts a broker"
            );
            return None;
        };
        let properties = ClientProperties::read(&PathBuf::from(path)).unwrap();
        let bootstrap = properties.bootstrap.clone().unwrap();
        let admin = KafkaBus::connect(&properties.options(&bootstrap).unwrap()).unwrap();
        Some(Self { properties, bootstrap, admin })
    }

    /// Gives somebody rights and a password; answers how more clients of his are made.
    async fn admit(&self, principal: &Principal, vop: &VopId) -> impl Fn() -> KafkaBus + use<> {
        let access = self.admin.access().unwrap();
        access.grant(rights(principal, vop)).await.unwrap();
        let password = access.issue_passwords(vec![principal.name()], Scram::Sha512).await.unwrap().remove(0);
        let mut options = self.properties.options(&self.bootstrap).unwrap();
        options.sasl = Some(Sasl { mechanism: Scram::Sha512.into(), username: principal.name(), password });
        options.call_timeout = Duration::from_secs(60);
        move || KafkaBus::connect(&options).unwrap()
    }

    async fn make_topics(&self, vop: &VopId) {
        for name in Role::ALL.map(|role| topic(role, vop)).into_iter().chain([ASSIGNMENTS.to_owned()]) {
            // What A floods with is not kept for long.
            let configs = [("retention.bytes", "50000000"), ("segment.bytes", "10000000")];
            let configs = configs.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
            self.admin
                .create_topic(TopicSpec { name, partitions: 1, replication: 1, configs })
                .await
                .unwrap();
        }
    }

    async fn limit(&self, user: String, publish_bytes: Option<NonZeroU32>) {
        let quota = Quota { publish_bytes, ..Quota::default() };
        self.admin.quotas().unwrap().set_quotas(BTreeMap::from([(user, quota)])).await.unwrap();
    }
}

fn topic(role: Role, vop: &VopId) -> String {
    topics::name(role, vop, None).to_string()
}

/// A flood under way.
struct Flood {
    clients: Vec<KafkaBus>,
    tasks: Vec<JoinHandle<()>>,
    confirmed: Arc<AtomicU64>,
    began: Instant,
}

impl Flood {
    fn begin(client: impl Fn() -> KafkaBus, topic: &str) -> Self {
        let clients: Vec<KafkaBus> = (0..CLIENTS).map(|_| client()).collect();
        let confirmed: Arc<AtomicU64> = Arc::default();
        let tasks = (0..CLIENTS * AT_ONCE).map(|number| {
            let (bus, confirmed) = (clients[number % CLIENTS].clone(), Arc::clone(&confirmed));
            let topic = topic.to_owned();
            tokio::spawn(async move {
                let records = vec![Outgoing::new("k", vec![b'x'; BYTES]); RECORDS];
                loop {
                    if bus.publish(&topic, records.clone()).await.is_ok() {
                        confirmed.fetch_add((RECORDS * BYTES) as u64, Ordering::Relaxed);
                    }
                }
            })
        });
        Self { tasks: tasks.collect(), clients, confirmed, began: Instant::now() }
    }

    /// Ends it; answers its bytes per second, and how often the broker asked for a pause.
    fn end(self) -> (f64, u64) {
        self.tasks.iter().for_each(JoinHandle::abort);
        let bytes = self.confirmed.load(Ordering::Relaxed);
        let pauses = self.clients.iter().map(|client| client.counts().pauses).sum();
        (per_second(bytes, self.began.elapsed()), pauses)
    }
}

fn per_second(bytes: u64, elapsed: Duration) -> f64 {
    f64::from(u32::try_from(bytes / 1_000).unwrap_or(u32::MAX)) * 1_000.0 / elapsed.as_secs_f64()
}

/// Tenant B's records of one round, each from when it was due until it was fetched.
async fn latencies(writer: &KafkaBus, reader: &KafkaBus, topic: &str, count: u32) -> Vec<Duration> {
    let mut offset = reader.bounds(topic, 0).await.unwrap().next;
    let (reader, name) = (reader.clone(), topic.to_owned());
    let arrivals = tokio::spawn(async move {
        let mut arrivals = Vec::new();
        while arrivals.len() < count as usize {
            let request = FetchRequest {
                topic: name.clone(),
                partition: 0,
                offset,
                max_bytes: 1 << 20,
                max_wait: Duration::from_millis(500),
            };
            let fetched = reader.fetch(request).await.unwrap();
            let now = Instant::now();
            offset = fetched.resume;
            arrivals.extend(fetched.records.iter().map(|_| now));
        }
        arrivals
    });
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut due = Vec::new();
    for number in 0..count {
        due.push(ticks.tick().await.into_std());
        writer.publish(topic, vec![Outgoing::new("k", number.to_string())]).await.unwrap();
    }
    let arrivals = arrivals.await.unwrap();
    assert_eq!(arrivals.len(), due.len(), "nothing is lost or repeated");
    arrivals.into_iter().zip(due).map(|(arrived, due)| arrived.saturating_duration_since(due)).collect()
}

#[derive(Default)]
struct Seen {
    times: Vec<Duration>,
    rates: Vec<f64>,
    pauses: u64,
}

impl Seen {
    fn percentile(&self, percent: usize) -> f64 {
        let mut times = self.times.clone();
        times.sort_unstable();
        times[(times.len() * percent / 100).min(times.len() - 1)].as_secs_f64() * 1_000.0
    }
}

fn show(seen: &BTreeMap<Kind, Seen>, extent: &Extent) {
    let quiet = &seen[&Kind::Quiet];
    println!(
        "tenant B, {} rounds of {} s each, interleaved; a record every 20 ms",
        extent.rounds, extent.seconds
    );
    println!(
        "{:<34} {:>7} {:>8} {:>8} {:>8} {:>9} {:>9} {:>10} {:>7}",
        "tenant A", "records", "p50 ms", "p99 ms", "max ms", "p50 ratio", "p99 ratio", "A MB/s", "pauses"
    );
    for (kind, found) in seen {
        let name = match kind {
            Kind::Quiet => "does nothing".to_owned(),
            Kind::Limited => format!("floods, quota {:.1} MB/s", f64::from(extent.quota.get()) / 1e6),
            Kind::Unlimited => "floods, no quota".to_owned(),
        };
        let ratio = |percent| found.percentile(percent) / quiet.percentile(percent);
        let rate = found.rates.iter().fold(0.0, |sum, rate| sum + rate) / f64::from(extent.rounds) / 1e6;
        println!(
            "{name:<34} {:>7} {:>8.2} {:>8.2} {:>8.2} {:>9.2} {:>9.2} {rate:>10.2} {:>7}",
            found.times.len(),
            found.percentile(50),
            found.percentile(99),
            found.percentile(100),
            ratio(50),
            ratio(99),
            found.pauses
        );
    }
    let limited = &seen[&Kind::Limited];
    for (percent, owed) in [(50, 1.2), (99, 2.0)] {
        let ratio = limited.percentile(percent) / quiet.percentile(percent);
        let held = if ratio <= owed { "held" } else { "NOT held" };
        println!(
            "owed under the quota: p{percent} within {owed:.1} times the quiet one; seen {ratio:.2}: {held}"
        );
    }
}

async fn measure(place: &Place, extent: &Extent) {
    let [a, b] =
        ["FloodA", "FloodB"].map(|name| VopId::new(&format!("{name}-{}", std::process::id())).unwrap());
    place.make_topics(&a).await;
    place.make_topics(&b).await;
    let flooder = Principal::Controller(a.clone());
    let writer = Principal::Controller(b.clone());
    let reader = Principal::Agent(AgentId::new(&format!("{b}-agent")).unwrap());
    let new_flooder = place.admit(&flooder, &a).await;
    let new_writer = place.admit(&writer, &b).await;
    let new_reader = place.admit(&reader, &b).await;
    let (write, read) = (new_writer(), new_reader());
    let (theirs, own) = (topic(Role::Config, &b), topic(Role::Config, &a));
    let count = extent.seconds * 50;
    // Connections, code and caches that are warm.
    latencies(&write, &read, &theirs, 100).await;
    let mut seen: BTreeMap<Kind, Seen> = BTreeMap::new();
    for round in 1..=extent.rounds {
        for kind in [Kind::Quiet, Kind::Limited, Kind::Unlimited] {
            let limit = (kind == Kind::Limited).then_some(extent.quota);
            place.limit(flooder.name(), limit).await;
            let flood = (kind != Kind::Quiet).then(|| Flood::begin(&new_flooder, &own));
            let times = latencies(&write, &read, &theirs, count).await;
            let found = seen.entry(kind).or_default();
            found.times.extend(times);
            if let Some((rate, pauses)) = flood.map(Flood::end) {
                found.rates.push(rate);
                found.pauses += pauses;
            }
            eprintln!("round {round}, {kind:?} done");
            // The broker works off what it has.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
    show(&seen, extent);
    place.limit(flooder.name(), None).await;
    let access = place.admin.access().unwrap();
    for principal in [flooder, writer, reader] {
        access.revoke(Scope::Principal(principal.name())).await.unwrap();
        access.withdraw_passwords(vec![principal.name()]).await.unwrap();
    }
    for name in [&a, &b].into_iter().flat_map(|vop| Role::ALL.map(|role| topic(role, vop))) {
        place.admin.delete_topic(&name).await.unwrap();
    }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let extent = Extent::parse();
    if let Some(place) = Place::find() {
        measure(&place, &extent).await;
    }
}
