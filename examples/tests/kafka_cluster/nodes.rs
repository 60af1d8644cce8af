//! The cluster and its nodes.

use ipowdm_core::bus::kafka::KafkaBus;
use ipowdm_core::bus::{Bus, TopicSpec};
use ipowdm_core::ids::VopId;
use ipowdm_core::topics::{self, Role};
use ipowdm_examples::client_properties::ClientProperties;
use ipowdm_examples::lab::options::Options;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// More than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(300);

/// Nodes of the cluster.
const NODES: usize = 3;

/// One of the cluster's nodes.
pub(crate) struct Node {
    folder: PathBuf,
    number: usize,
}

impl Node {
    /// Node `number` of the cluster in this state folder.
    pub(crate) fn of(folder: &Path, number: usize) -> Self {
        Self { folder: folder.to_owned(), number }
    }

    fn file(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("node-{}.{kind}", self.number))
    }

    fn pid(&self) -> Pid {
        let pid = std::fs::read_to_string(self.file("pid")).unwrap();
        Pid::from_raw(pid.trim().parse().unwrap())
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    fn starts(&self) -> usize {
        let log = std::fs::read_to_string(self.file("log")).unwrap();
        log.matches("Kafka Server started").count()
    }

    /// Launches it again.
    pub(crate) fn launch(&self) {
        assert!(Command::new(self.file("sh")).status().unwrap().success());
    }

    /// Launches it again, and waits until it says that it serves.
    pub(crate) async fn start(&self) {
        let before = self.starts();
        self.launch();
        until("the node serves again", || (self.starts() > before).then_some(())).await;
    }

    /// Ends it as an operator does, and waits until it has ended.
    pub(crate) async fn stop(&self) {
        let pid = self.pid();
        self.signal(Signal::SIGTERM);
        // Whoever launched it may not have waited for it yet: then it is there still, as what has ended.
        let state = move || std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let ended = move || {
            let state = state();
            state.rsplit_once(") ").is_none_or(|(_, rest)| rest.starts_with('Z')).then_some(())
        };
        until("the node has ended", ended).await;
    }
}

pub(crate) async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The cluster of `IPOWDM_KAFKA_CLUSTER`.
pub(crate) struct Cluster {
    folder: PathBuf,
    bootstrap: String,
}

impl Cluster {
    pub(crate) fn find() -> Option<Self> {
        let Ok(folder) = std::env::var("IPOWDM_KAFKA_CLUSTER") else {
            println!(
                "skipped: IPOWDM_KAFKA_CLUSTER is not set; scripts/kafka-up.sh --nodes 3 starts a cluster"
            );
            return None;
        };
        let bootstrap = std::fs::read_to_string(Path::new(&folder).join("address")).unwrap();
        Some(Self { folder: folder.into(), bootstrap: bootstrap.trim().to_owned() })
    }

    pub(crate) fn nodes(&self) -> Vec<Node> {
        (1..=NODES).map(|number| Node::of(&self.folder, number)).collect()
    }

    /// How an administrator reaches it, where it is secured.
    fn command_config(&self) -> Option<PathBuf> {
        Some(self.folder.join("client.properties")).filter(|file| file.exists())
    }

    /// A lab of these many virtual operators over it, with every topic on all nodes.
    pub(crate) fn lab(&self, vops: u16) -> Options {
        Options {
            bootstrap: Some(self.bootstrap.clone()),
            command_config: self.command_config(),
            replication: 3,
            vops,
            ..Options::for_tests()
        }
    }

    /// A client of its own connections.
    pub(crate) fn bus(&self) -> Arc<dyn Bus> {
        let read = |file: PathBuf| ClientProperties::read(&file).unwrap();
        let properties = self.command_config().map(read).unwrap_or_default();
        Arc::new(KafkaBus::connect(&properties.options(&self.bootstrap).unwrap()).unwrap())
    }
}

/// The topics of a virtual operator, on all nodes; a write is confirmed by two.
pub(crate) async fn make_topics(bus: &dyn Bus, vop: &VopId) {
    for role in Role::ALL {
        let name = topics::name(role, vop, None).to_string();
        let configs = BTreeMap::from([("min.insync.replicas".to_owned(), "2".to_owned())]);
        bus.create_topic(TopicSpec { name, partitions: 1, replication: 3, configs }).await.unwrap();
    }
}

pub(crate) async fn delete_topics(bus: &dyn Bus, vop: &VopId) {
    for role in Role::ALL {
        bus.delete_topic(&topics::name(role, vop, None)).await.unwrap();
    }
}

/// The state folder of the secured cluster of one node that this run has to itself, `IPOWDM_KAFKA_ALONE`.
pub(crate) fn alone() -> Option<PathBuf> {
    let folder = std::env::var_os("IPOWDM_KAFKA_ALONE");
    if folder.is_none() {
        println!("skipped: IPOWDM_KAFKA_ALONE is not set; scripts/kafka-up.sh --secure starts a cluster");
    }
    folder.map(PathBuf::from)
}

/// A client as these properties say, or one that trusts another authority.
pub(crate) fn client(properties: &ClientProperties, ca_file: Option<PathBuf>) -> KafkaBus {
    let mut options = properties.options(properties.bootstrap.as_deref().unwrap()).unwrap();
    options.call_timeout = Duration::from_secs(10);
    if let Some(tls) = &mut options.tls {
        tls.ca_file = ca_file.or_else(|| tls.ca_file.take());
    }
    KafkaBus::connect(&options).unwrap()
}
