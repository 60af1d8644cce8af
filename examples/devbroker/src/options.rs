//! How a broker is set up, and what bounds it.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

use crate::engine::SavedLog;

/// Bounds of a broker. Every one is enforced; what is refused or dropped for one is counted in
/// [`Stats`](crate::Stats).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at a time; one more is closed as soon as it is accepted.
    pub connections: usize,
    /// Bytes of one request frame; a longer one closes its connection.
    pub frame_bytes: usize,
    /// Bytes of all request frames being received or served at a time; at least [`Limits::frame_bytes`]. A frame
    /// that does not fit waits.
    pub frames_in_flight_bytes: usize,
    /// Array elements and tagged fields in one request.
    pub frame_elements: usize,
    /// Bytes of records in one fetch response, above what the client asks.
    pub fetch_bytes: usize,
    /// Topics.
    pub topics: usize,
    /// Partitions of all topics together.
    pub partitions: usize,
    /// Bytes held by one partition whose topic sets no lower `retention.bytes`.
    pub partition_bytes: usize,
    /// Bytes held by all partitions together. When exceeded, the fullest partitions lose their oldest batches;
    /// compacted topics lose nothing, and appends to them are then refused.
    pub log_bytes: usize,
    /// Consumer groups.
    pub groups: usize,
    /// Members of all consumer groups together.
    pub group_members: usize,
    /// Bytes that one group member may leave with the coordinator (its subscription, or its assignment).
    pub member_bytes: usize,
    /// Committed positions (group, topic, partition) of all groups together.
    pub committed_offsets: usize,
    /// Time without a request after which a connection is closed.
    pub idle: Duration,
    /// Time that one frame may take to arrive or to be taken by the client.
    pub transfer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 8192,
            frame_bytes: 16 << 20,
            frames_in_flight_bytes: 64 << 20,
            frame_elements: 20_000,
            fetch_bytes: 16 << 20,
            topics: 4096,
            partitions: 16_384,
            partition_bytes: 32 << 20,
            log_bytes: 256 << 20,
            groups: 1024,
            group_members: 1024,
            member_bytes: 64 << 10,
            committed_offsets: 16_384,
            idle: Duration::from_secs(600),
            transfer: Duration::from_secs(30),
        }
    }
}

/// How a broker is set up. The default listens on a free port of 127.0.0.1, is empty and creates no topic unasked.
#[derive(Debug, Clone)]
#[must_use]
pub struct Options {
    pub(crate) bind: IpAddr,
    pub(crate) port: u16,
    pub(crate) advertised_host: Option<String>,
    pub(crate) auto_create: bool,
    pub(crate) default_partitions: u16,
    pub(crate) group_join_delay: Duration,
    pub(crate) retention_check: Duration,
    pub(crate) limits: Limits,
    pub(crate) log: Option<SavedLog>,
    pub(crate) folder: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Options {
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            port: 0,
            advertised_host: None,
            auto_create: false,
            default_partitions: 1,
            group_join_delay: Duration::from_millis(100),
            retention_check: Duration::from_secs(300),
            limits: Limits::default(),
            log: None,
            folder: None,
        }
    }
}

impl Options {
    /// Listens on this port; 0 takes a free one. Default 0.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Listens on this address. Default 127.0.0.1. There is no authentication: keep it on the loopback.
    pub fn bind(mut self, bind: IpAddr) -> Self {
        self.bind = bind;
        self
    }

    /// Tells clients to connect to this host instead of the address bound.
    pub fn advertised_host(mut self, host: impl Into<String>) -> Self {
        self.advertised_host = Some(host.into());
        self
    }

    /// Creates a topic when a client asks for its metadata and allows it. Default off: a typo stays an error, and a
    /// produce that races a delete does not bring the topic back.
    pub fn auto_create(mut self, on: bool) -> Self {
        self.auto_create = on;
        self
    }

    /// Partitions of a topic created without a number. Default 1.
    pub fn default_partitions(mut self, partitions: u16) -> Self {
        self.default_partitions = partitions.max(1);
        self
    }

    /// How long an empty group waits for more members after its first (Kafka's
    /// `group.initial.rebalance.delay.ms`). Default 100 ms.
    pub fn group_join_delay(mut self, delay: Duration) -> Self {
        self.group_join_delay = delay;
        self
    }

    /// How often `retention.ms` is looked to (Kafka's `log.retention.check.interval.ms`): at least every millisecond, at most
    /// once a year; the first time one interval after the start.
    /// Default 5 minutes. Limits on bytes act at once.
    pub fn retention_check(mut self, every: Duration) -> Self {
        self.retention_check = every.clamp(Duration::from_millis(1), Duration::from_secs(365 * 86_400));
        self
    }

    /// Sets the bounds.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Starts with what an earlier broker held when it crashed: topics, records, committed positions, producer
    /// numbers. Without this the broker starts empty, as after the loss of its disk.
    pub fn with_log(mut self, log: SavedLog) -> Self {
        self.log = Some(log);
        self
    }

    /// Keeps everything in files of this folder, which is made where there is none, and starts with what they hold; a
    /// [`SavedLog`] then counts for nothing. What was confirmed outlives the process, however that ends, but not
    /// necessarily the machine: files are not forced to the disk. Group members join anew. One broker per folder.
    pub fn with_folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }
}
