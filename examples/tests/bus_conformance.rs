//! The bus conformance suite against every implementation: in memory, over the development broker, over Apache Kafka.
//!
//! Apache Kafka is used where `IPOWDM_KAFKA_BOOTSTRAP` names it (`scripts/kafka-up.sh` starts one), and one that encrypts and asks
//! for passwords where `IPOWDM_KAFKA_SECURE` names its administrator's client.properties. Each may be of one node or of three.
//!
//! Over Kafka there are two clients, and both play everything. What rskafka cannot do is listed in [`DEVIATIONS`]: a run
//! in which one of these passes fails as well, so that an rskafka that was mended is noticed.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

use std::sync::Arc;
use std::time::Duration;

use ipowdm_core::bus::conformance::{self, Cut, CutFuture, Report};
use ipowdm_core::bus::kafka::{Compression, KafkaBus, KafkaOptions, OptionsError, Tls};
use ipowdm_core::bus::memory::MemoryBus;
use ipowdm_core::bus::rskafka::RskafkaBus;
use ipowdm_core::bus::{Bus, BusError};
use ipowdm_devbroker::{Broker, Options};
use tokio::sync::Mutex;

#[path = "bus_conformance/beyond.rs"]
mod beyond;
#[path = "kafka/secured.rs"]
mod secured_kafka;

/// What rskafka 0.6 cannot do, and why.
const DEVIATIONS: [(&str, &str); 2] = [
    (
        beyond::APPEND_TIME,
        "it computes times from the batch's first, which is the producer's under LogAppendTime",
    ),
    (beyond::QUOTA, "it takes an answer with a pause for a refusal and sends the records again"),
];

/// Shorter than in service, so that an outage is noticed in a test's time.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

fn options(bootstrap: &str, client_id: &str) -> KafkaOptions {
    let mut options = KafkaOptions::new(bootstrap);
    options.call_timeout = CALL_TIMEOUT;
    options.client_id = client_id.to_owned();
    options
}

fn kafka(bootstrap: &str) -> KafkaBus {
    KafkaBus::connect(&options(bootstrap, "conformance")).unwrap()
}

fn rskafka(bootstrap: &str) -> RskafkaBus {
    RskafkaBus::connect(&options(bootstrap, "conformance")).unwrap()
}

fn all_passed(report: &Report) {
    println!("{report}");
    assert!(report.passed(), "{report}");
}

/// All passed but those of [`DEVIATIONS`] that were tried, and those failed.
fn all_passed_but_deviations(report: &Report) {
    println!("{report}");
    let tried = |name: &str| report.outcomes.iter().any(|(check, _)| *check == name);
    let wanted: Vec<&str> = DEVIATIONS.iter().map(|(name, _)| *name).filter(|name| tried(name)).collect();
    let failed: Vec<&str> = report.failed().map(|(name, _)| name).collect();
    assert_eq!(failed, wanted, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_bus_conforms() {
    all_passed(&conformance::run(Arc::new(MemoryBus::new()), "conformance").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_conforms_over_the_development_broker() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let bootstrap = broker.bootstrap();
    all_passed(&run(&bootstrap, Arc::new(kafka(&bootstrap)), "conformance").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_conforms_over_the_development_broker_with_compressed_records() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let options =
        KafkaOptions { compression: Compression::Lz4, ..options(&broker.bootstrap(), "conformance") };
    all_passed(&conformance::run(Arc::new(KafkaBus::connect(&options).unwrap()), "conformance").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rskafka_conforms_over_the_development_broker_but_for_its_deviations() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let bootstrap = broker.bootstrap();
    all_passed_but_deviations(&run(&bootstrap, Arc::new(rskafka(&bootstrap)), "conformance").await);
}

/// The suite, and what goes beyond it on any broker.
async fn run(bootstrap: &str, bus: Arc<dyn Bus>, prefix: &str) -> Report {
    let mut report = conformance::run(Arc::clone(&bus), prefix).await;
    beyond::append_time(&mut report, &*bus, bootstrap, prefix).await;
    report
}

/// The address of Apache Kafka, and a prefix for topics: others may use the same broker at the same time.
fn apache_kafka(client: &str) -> Option<(String, String)> {
    let Ok(bootstrap) = std::env::var("IPOWDM_KAFKA_BOOTSTRAP") else {
        println!("skipped: IPOWDM_KAFKA_BOOTSTRAP is not set; scripts/kafka-up.sh starts a broker");
        return None;
    };
    Some((bootstrap, format!("conformance-{client}-{}", std::process::id())))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_conforms_over_apache_kafka() {
    let Some((bootstrap, prefix)) = apache_kafka("kafka") else { return };
    let mut report = run(&bootstrap, Arc::new(kafka(&bootstrap)), &prefix).await;
    let throttled = KafkaBus::connect(&options(&bootstrap, &prefix)).unwrap();
    beyond::quota(&mut report, &throttled, &prefix, &bootstrap).await;
    all_passed(&report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rskafka_conforms_over_apache_kafka_but_for_its_deviations() {
    let Some((bootstrap, prefix)) = apache_kafka("rskafka") else { return };
    let mut report = run(&bootstrap, Arc::new(rskafka(&bootstrap)), &prefix).await;
    let throttled = RskafkaBus::connect(&options(&bootstrap, &prefix)).unwrap();
    beyond::quota(&mut report, &throttled, &prefix, &bootstrap).await;
    all_passed_but_deviations(&report);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_conforms_over_encrypted_apache_kafka_with_compressed_records() {
    let Some(secured) = secured_kafka::Secured::find() else { return };
    let compression = Compression::Lz4;
    let options = KafkaOptions { call_timeout: CALL_TIMEOUT, compression, ..secured.administrator() };
    let bus = KafkaBus::connect(&options).unwrap();
    let prefix = format!("conformance-secured-{}", std::process::id());
    all_passed(&conformance::run(Arc::new(bus), &prefix).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_encrypted_or_not_trusted_gets_no_answer_of_encrypted_apache_kafka() {
    let Some(secured) = secured_kafka::Secured::find() else { return };
    let plain = KafkaOptions { tls: None, call_timeout: CALL_TIMEOUT, ..secured.administrator() };
    let refused = KafkaBus::connect(&plain).unwrap().topics().await.unwrap_err();
    assert!(matches!(refused, BusError::Unavailable { .. }), "{refused}");
    // The system's authorities do not know a cluster's own.
    let tls = Some(Tls { ca_file: None, client: None });
    let strange = KafkaOptions { tls, call_timeout: CALL_TIMEOUT, ..secured.administrator() };
    match KafkaBus::connect(&strange) {
        Ok(bus) => {
            let refused = bus.topics().await.unwrap_err().to_string();
            assert!(refused.contains("invalid peer certificate"), "{refused}");
        }
        Err(error) => assert!(matches!(error, OptionsError::NoTrust(_)), "{error}"),
    }
}

/// Switches a memory bus off and on.
struct Switch(MemoryBus);

impl Cut for Switch {
    fn cut(&self) -> CutFuture<'_> {
        Box::pin(async { self.0.set_available(false) })
    }

    fn restore(&self) -> CutFuture<'_> {
        Box::pin(async { self.0.set_available(true) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_bus_goes_through_an_outage() {
    let bus = MemoryBus::new();
    all_passed(&conformance::run_outage(Arc::new(bus.clone()), "outage", &Switch(bus)).await);
}

/// A broker on a fixed port that crashes and comes back with its log.
struct Crash {
    port: u16,
    running: Mutex<Option<Broker>>,
    log: Mutex<Option<ipowdm_devbroker::SavedLog>>,
}

impl Cut for Crash {
    fn cut(&self) -> CutFuture<'_> {
        Box::pin(async {
            let broker = self.running.lock().await.take().unwrap();
            *self.log.lock().await = Some(broker.crash().await);
        })
    }

    fn restore(&self) -> CutFuture<'_> {
        Box::pin(async {
            let log = self.log.lock().await.take().unwrap();
            let options = Options::default().port(self.port).with_log(log);
            *self.running.lock().await = Some(Broker::start(options).await.unwrap());
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_goes_through_a_crash_of_the_development_broker() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let bus = kafka(&broker.bootstrap());
    let port = broker.addr().port();
    let crash = Crash { port, running: Mutex::new(Some(broker)), log: Mutex::new(None) };
    all_passed(&conformance::run_outage(Arc::new(bus), "outage", &crash).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_conforms_over_the_development_broker_with_files() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(Options::default().with_folder(folder.path())).await.unwrap();
    let bootstrap = broker.bootstrap();
    all_passed(&run(&bootstrap, Arc::new(kafka(&bootstrap)), "conformance").await);
}

/// A broker on a fixed port that ends without a word, and comes back with what is in its folder.
struct Files {
    port: u16,
    folder: tempfile::TempDir,
    running: Mutex<Option<Broker>>,
}

impl Cut for Files {
    fn cut(&self) -> CutFuture<'_> {
        Box::pin(async { drop(self.running.lock().await.take().unwrap()) })
    }

    fn restore(&self) -> CutFuture<'_> {
        Box::pin(async {
            let options = Options::default().port(self.port).with_folder(self.folder.path());
            *self.running.lock().await = Some(Broker::start(options).await.unwrap());
        })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_goes_through_an_end_of_the_development_broker_that_leaves_its_files() {
    let folder = tempfile::tempdir().unwrap();
    let broker = Broker::start(Options::default().with_folder(folder.path())).await.unwrap();
    let bus = kafka(&broker.bootstrap());
    let port = broker.addr().port();
    let files = Files { port, folder, running: Mutex::new(Some(broker)) };
    all_passed(&conformance::run_outage(Arc::new(bus), "outage", &files).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rskafka_goes_through_a_crash_of_the_development_broker() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let bus = rskafka(&broker.bootstrap());
    let port = broker.addr().port();
    let crash = Crash { port, running: Mutex::new(Some(broker)), log: Mutex::new(None) };
    all_passed(&conformance::run_outage(Arc::new(bus), "outage", &crash).await);
}
