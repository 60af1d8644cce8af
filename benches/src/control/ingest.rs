//! Samples through the bus, the decoder, the quality loop and the connection's state, on one core.
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot run has no result")]

use crate::thread_seconds;
use crate::world::{Plane, Site, one_thread};
use bytes::Bytes;
use ipowdm_core::bus::{FetchRequest, Outgoing};
use ipowdm_core::msg::{AgentMessage, TelemetrySample};
use ipowdm_core::time::Timestamp;
use ipowdm_ctl_lib::controller::ControllerHandle;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Rounds, and samples of each end in a round: no more than the bus in memory keeps.
const ROUNDS: usize = 6;
const EACH: usize = 1_000;

/// Samples of each end that are published together.
const TOGETHER: usize = 8;

/// No round takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What the controller took in.
#[derive(Debug, Clone, Copy)]
pub struct Ingest {
    /// Samples that were written for it.
    pub samples: u64,
    /// Samples that the quality rule saw, those of the agents themselves included.
    pub judged: u64,
    /// Samples of connections that it did not know.
    pub unknown: u64,
    /// Bytes of a sample.
    pub bytes_each: f64,
    /// From the first byte written to the last sample judged; over a bus in memory from the last byte written.
    pub seconds: f64,
    /// Processor time of the control plane's thread meanwhile.
    pub core_seconds: f64,
}

impl Ingest {
    /// Samples in a second.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn per_second(&self) -> f64 {
        self.samples as f64 / self.seconds
    }

    /// Samples in a second of a core.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    pub fn per_core_second(&self) -> f64 {
        self.samples as f64 / self.core_seconds
    }
}

/// Writes samples for a controller, over the bus that the lab's words name, as fast as it takes them.
///
/// # Panics
/// Where samples are lost or not judged.
#[must_use]
pub fn measure(words: &[&str]) -> Ingest {
    let shape = ["--pops", "4", "--routers", "1", "--ports", "32", "--telemetry-ms", "1000"];
    let site = Site::start(&[&shape[..], words].concat());
    let found = one_thread().block_on(async {
        let plane = Plane::first(&site, &site.redb()).await;
        let controller = plane.controller();
        let outcomes = site.light(&controller, "T", 16).await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        tokio::time::sleep(Duration::from_secs(5)).await;
        let templates = newest_samples(&site, &plane).await;
        assert_eq!(templates.len(), outcomes.len() * 2, "each end has told its quality");
        let found = take_in(&site, &plane, &templates).await;
        plane.stop().await;
        found
    });
    site.stop();
    found
}

/// Newest samples, by agent and port, and the keys of their records.
type Templates = BTreeMap<(String, String), (Option<Bytes>, TelemetrySample)>;

async fn take_in(site: &Site, plane: &Plane, templates: &Templates) -> Ingest {
    let controller = plane.controller();
    let (before, judged_before) = (controller.metrics(), judged(&controller));
    let mut found =
        Ingest { samples: 0, judged: 0, unknown: 0, bytes_each: 0.0, seconds: 0.0, core_seconds: 0.0 };
    let mut bytes = 0;
    for round in 0..ROUNDS {
        let turns: Vec<usize> = (round * EACH..(round + 1) * EACH).collect();
        let together = |turns: &[usize]| turns.iter().flat_map(|turn| records(templates, *turn)).collect();
        let written: Vec<Vec<Outgoing>> = turns.chunks(TOGETHER).map(together).collect();
        let values = written.iter().flatten().filter_map(|record| record.value.as_ref());
        bytes += values.map(Bytes::len).sum::<usize>();
        found.samples += (EACH * templates.len()) as u64;
        let (bus, topic) = (site.broker.bus("bench").unwrap(), plane.monitoring());
        let publish = async move {
            for records in written {
                bus.publish(&topic, records).await.unwrap();
            }
        };
        let (begun, used) = if site.options.memory_bus {
            // This bus takes records without giving way to the controller, which is on this thread too.
            publish.await;
            (Instant::now(), thread_seconds())
        } else {
            // Whoever writes them is on other threads, as agents are.
            let clocks = (Instant::now(), thread_seconds());
            site.agents.spawn(publish);
            clocks
        };
        while controller.metrics().samples - before.samples < found.samples {
            assert!(begun.elapsed() < PATIENCE, "samples were lost");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        found.seconds += begun.elapsed().as_secs_f64();
        found.core_seconds += thread_seconds() - used;
    }
    found.judged = judged(&controller) - judged_before;
    found.unknown = controller.metrics().samples_unknown - before.samples_unknown;
    assert!(found.judged >= found.samples, "samples were not judged: {found:?}");
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (bytes, samples) = (bytes as f64, found.samples as f64);
    found.bytes_each = bytes / samples;
    found
}

/// A sample of each end.
fn records(templates: &Templates, turn: usize) -> Vec<Outgoing> {
    let record = |(key, sample): &(Option<Bytes>, TelemetrySample)| {
        let mut sample = sample.clone();
        sample.timestamp = later(sample.timestamp, turn);
        // Above what the agent itself sends while this goes on: a number counts once.
        sample.seq = Some(sample.seq.unwrap() + 1_000 + turn as u64);
        Outgoing { key: key.clone(), value: Some(sample.to_json().into()) }
    };
    templates.values().map(record).collect()
}

fn judged(controller: &ControllerHandle) -> u64 {
    controller.qot_all().iter().map(|view| view.samples.judged).sum()
}

/// A moment `turn` seconds and one after another, both in seconds.
fn later(timestamp: Timestamp, turn: usize) -> Timestamp {
    Timestamp(timestamp.0 + 1_000 * (i64::try_from(turn).unwrap() + 1))
}

/// The newest sample of each port, as written by the agents.
async fn newest_samples(site: &Site, plane: &Plane) -> Templates {
    let bus = site.broker.bus("bench").unwrap();
    let topic = plane.monitoring();
    let mut newest = BTreeMap::new();
    for partition in 0..bus.describe_topic(&topic).await.unwrap().unwrap().partitions {
        let bounds = bus.bounds(&topic, partition).await.unwrap();
        let mut offset = bounds.earliest;
        while offset < bounds.next {
            let request = FetchRequest {
                topic: topic.clone(),
                partition,
                offset,
                max_bytes: 1 << 20,
                max_wait: Duration::ZERO,
            };
            let fetched = bus.fetch(request).await.unwrap();
            for record in fetched.records {
                offset = record.offset + 1;
                let Some(value) = &record.value else { continue };
                if let Ok(AgentMessage::Telemetry(sample)) = AgentMessage::from_json(value) {
                    let of = (sample.agent_id.to_string(), sample.interface.to_string());
                    newest.insert(of, (record.key.clone(), sample));
                }
            }
        }
    }
    newest
}
