//! Samples through the bus, the decoder, the quality loop and the connection's state, on one core.

use benches::thread_seconds;
use benches::world::{Plane, Site, one_thread};
use futures_util::StreamExt as _;
use futures_util::stream;
use ipowdm_core::bus::{FetchRequest, Outgoing};
use ipowdm_core::msg::{AgentMessage, TelemetrySample};
use ipowdm_core::time::Timestamp;
use ipowdm_ctl_lib::controller::ControllerHandle;
use ipowdm_examples::lab::fill;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Rounds, and samples of each end in a round: no more than the bus keeps.
const ROUNDS: usize = 6;
const EACH: usize = 1_000;

/// No round takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) fn run() {
    let site = Site::start(&[
        "--memory-bus",
        "--pops",
        "4",
        "--routers",
        "1",
        "--ports",
        "32",
        "--telemetry-ms",
        "1000",
    ]);
    one_thread().block_on(async {
        let plane = Plane::first(&site, &site.redb()).await;
        let controller = plane.controller();
        let works = site
            .pairs()
            .into_iter()
            .enumerate()
            .map(|(number, (a, b))| fill::light(controller.clone(), format!("T-{number}"), a, b));
        let outcomes: Vec<_> = stream::iter(works).buffer_unordered(16).collect().await;
        assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
        tokio::time::sleep(Duration::from_secs(5)).await;
        let templates = newest_samples(&site, &plane).await;
        assert_eq!(templates.len(), outcomes.len() * 2, "each end has told its quality");
        let bus = site.broker.bus("bench").unwrap();
        let topic = plane.monitoring();
        let (before, judged_before) = (controller.metrics(), judged(&controller));
        let (mut bytes, mut due, mut wall, mut own) = (0, 0, 0.0, 0.0);
        for round in 0..ROUNDS {
            // The bus takes records without giving way to the controller, which is on this thread too.
            for turn in round * EACH..(round + 1) * EACH {
                let mut records = Vec::with_capacity(templates.len());
                for (key, sample) in templates.values() {
                    let mut sample = sample.clone();
                    sample.timestamp = later(sample.timestamp, turn);
                    // Above what the agent itself sends while this goes on: a number counts once.
                    sample.seq = Some(sample.seq.unwrap() + 1_000 + turn as u64);
                    let value = sample.to_json();
                    bytes += value.len();
                    records.push(Outgoing { key: key.clone(), value: Some(value.into()) });
                }
                bus.publish(&topic, records).await.unwrap();
            }
            due += (EACH * templates.len()) as u64;
            let (begun, used) = (Instant::now(), thread_seconds());
            while controller.metrics().samples - before.samples < due {
                assert!(begun.elapsed() < PATIENCE, "samples were lost");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            wall += begun.elapsed().as_secs_f64();
            own += thread_seconds() - used;
        }
        let after = controller.metrics();
        #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
        let (due_f, bytes) = (due as f64, bytes as f64);
        let judged = judged(&controller) - judged_before;
        assert!(judged >= due, "samples were not judged: {judged} of {due}");
        println!(
            "telemetry samples={due} judged={judged} bytes_each={:.0} unknown={} per_s={:.0} per_core_second={:.0}",
            bytes / due_f,
            after.samples_unknown - before.samples_unknown,
            due_f / wall,
            due_f / own,
        );
        plane.stop().await;
    });
    site.stop();
}

fn judged(controller: &ControllerHandle) -> u64 {
    controller.qot_all().iter().map(|view| view.samples.judged).sum()
}

/// A moment `turn` seconds and one after another, both in seconds.
fn later(timestamp: Timestamp, turn: usize) -> Timestamp {
    Timestamp(timestamp.0 + 1_000 * (i64::try_from(turn).unwrap() + 1))
}

/// The newest sample of each port, as written by the agents.
async fn newest_samples(
    site: &Site,
    plane: &Plane,
) -> BTreeMap<(String, String), (Option<bytes::Bytes>, TelemetrySample)> {
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
