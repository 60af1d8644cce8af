//! The bus conformance suite against every implementation: in memory, over the development broker, over Apache Kafka.
//!
//! Apache Kafka is used where `IPOWDM_KAFKA_BOOTSTRAP` names it (`scripts/kafka-up.sh` starts one).

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

use std::sync::Arc;
use std::time::Duration;

use ipowdm_core::bus::conformance::{self, Cut, CutFuture, Report};
use ipowdm_core::bus::kafka::{KafkaBus, KafkaOptions};
use ipowdm_core::bus::memory::MemoryBus;
use ipowdm_devbroker::{Broker, Options};
use tokio::sync::Mutex;

/// Shorter than in service, so that an outage is noticed in a test's time.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

fn kafka(bootstrap: &str) -> KafkaBus {
    let mut options = KafkaOptions::new(bootstrap);
    options.call_timeout = CALL_TIMEOUT;
    KafkaBus::connect(&options).unwrap()
}

fn all_passed(report: &Report) {
    println!("{report}");
    assert!(report.passed(), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_memory_bus_conforms() {
    all_passed(&conformance::run(Arc::new(MemoryBus::new()), "conformance").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_conforms_over_the_development_broker() {
    let broker = Broker::start(Options::default()).await.unwrap();
    let bus = kafka(&broker.bootstrap());
    all_passed(&conformance::run(Arc::new(bus), "conformance").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kafka_conforms_over_apache_kafka() {
    let Ok(bootstrap) = std::env::var("IPOWDM_KAFKA_BOOTSTRAP") else {
        println!("skipped: IPOWDM_KAFKA_BOOTSTRAP is not set; scripts/kafka-up.sh starts a broker");
        return;
    };
    // Others may use the same broker at the same time.
    let prefix = format!("conformance-{}", std::process::id());
    all_passed(&conformance::run(Arc::new(kafka(&bootstrap)), &prefix).await);
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
