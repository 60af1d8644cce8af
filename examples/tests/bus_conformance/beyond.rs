//! Rules of a Kafka bus that the suite cannot try, because they take a producer or a broker set up by other means.

use super::kafka;
use ipowdm_core::bus::conformance::Report;
use ipowdm_core::bus::{Bus, FetchRequest, Outgoing, TopicSpec};
use rskafka::chrono::{DateTime, TimeDelta, Utc};
use rskafka::client::ClientBuilder;
use rskafka::client::partition::{Compression, UnknownTopicHandling};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Times are the broker's.
pub(crate) const APPEND_TIME: &str = "a_record_has_the_time_of_its_append_whatever_its_producers_clock_said";

/// A pause that a quota asks for is no failure.
pub(crate) const QUOTA: &str = "a_record_confirmed_together_with_a_quotas_pause_is_appended_once";

type Outcome = Result<(), String>;

/// Tries [`APPEND_TIME`] and adds it to a report.
pub(crate) async fn append_time(report: &mut Report, bus: &dyn Bus, bootstrap: &str, prefix: &str) {
    let topic = format!("{prefix}-append-time");
    let outcome = try_append_time(bus, bootstrap, &topic).await;
    bus.delete_topic(&topic).await.unwrap();
    report.outcomes.push((APPEND_TIME, outcome));
}

async fn try_append_time(bus: &dyn Bus, bootstrap: &str, topic: &str) -> Outcome {
    create(bus, topic, &[("message.timestamp.type", "LogAppendTime")]).await;
    let now = wall_clock();
    let an_hour_ago = now - TimeDelta::hours(1);
    produce(bootstrap, topic, an_hour_ago).await;
    let max_wait = Duration::from_secs(5);
    let request =
        FetchRequest { topic: topic.to_owned(), partition: 0, offset: 0, max_bytes: 1 << 20, max_wait };
    let fetched = bus.fetch(request).await.map_err(|error| error.to_string())?;
    let [record] = fetched.records.as_slice() else { return Err(format!("{fetched:?}")) };
    let late_by = (record.timestamp_ms - an_hour_ago.timestamp_millis()) / 60_000;
    if late_by >= 50 { Ok(()) } else { Err(format!("{late_by} min after the producer's time, not 60")) }
}

/// One record from a producer whose clock says `when`.
async fn produce(bootstrap: &str, topic: &str, when: DateTime<Utc>) {
    let client = ClientBuilder::new(bootstrap.split(',').map(str::to_owned).collect()).build().await.unwrap();
    let partition = client.partition_client(topic, 0, UnknownTopicHandling::Retry).await.unwrap();
    let record = rskafka::record::Record {
        key: None,
        value: Some(b"late".to_vec()),
        headers: std::collections::BTreeMap::new(),
        timestamp: when,
    };
    partition.produce(vec![record], Compression::NoCompression).await.unwrap();
}

/// Tries [`QUOTA`] with a bus of that client id on Apache Kafka, and adds it to a report.
pub(crate) async fn quota(report: &mut Report, throttled: &dyn Bus, client_id: &str, bootstrap: &str) {
    let topic = format!("{client_id}-quota");
    let free = kafka(bootstrap);
    create(&free, &topic, &[]).await;
    set_quota(bootstrap, client_id, Some(20_000.0)).await;
    // Kafka reckons over some 10 s: eleven times the rate at once asks for a pause of about a second.
    let published = throttled.publish(&topic, vec![Outgoing::new("k", vec![b'x'; 230_000])]).await;
    set_quota(bootstrap, client_id, None).await;
    let appended = free.bounds(&topic, 0).await.unwrap().next;
    free.delete_topic(&topic).await.unwrap();
    let once = published.is_ok() && appended == 1;
    let outcome =
        if once { Ok(()) } else { Err(format!("appended {appended} times, answered {published:?}")) };
    report.outcomes.push((QUOTA, outcome));
}

async fn create(bus: &dyn Bus, topic: &str, configs: &[(&str, &str)]) {
    let configs = configs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let spec = TopicSpec { name: topic.to_owned(), partitions: 1, replication: 1, configs };
    bus.create_topic(spec).await.unwrap();
}

/// Sets or removes the bytes per second that a client may produce (`AlterClientQuotas`, version 0).
async fn set_quota(bootstrap: &str, client_id: &str, bytes_per_s: Option<f64>) {
    let text = |text: &str| [&u16::try_from(text.len()).unwrap().to_be_bytes()[..], text.as_bytes()].concat();
    let one = 1_u32.to_be_bytes();
    let request = [
        // API key, version, correlation id, client id
        &49_u16.to_be_bytes()[..],
        &0_u16.to_be_bytes(),
        &7_u32.to_be_bytes(),
        &text("conformance"),
        // one entry: one entity, one operation
        &one,
        &one,
        &text("client-id"),
        &text(client_id),
        &one,
        &text("producer_byte_rate"),
        &bytes_per_s.unwrap_or_default().to_be_bytes(),
        // remove; validate only
        &[u8::from(bytes_per_s.is_none()), 0],
    ]
    .concat();
    // Any broker passes it on.
    let broker = bootstrap.split(',').next().unwrap();
    let mut stream = TcpStream::connect(broker).await.unwrap();
    stream.write_all(&u32::try_from(request.len()).unwrap().to_be_bytes()).await.unwrap();
    stream.write_all(&request).await.unwrap();
    let mut answer = vec![0; usize::try_from(stream.read_u32().await.unwrap()).unwrap()];
    stream.read_exact(&mut answer).await.unwrap();
    // correlation id, throttle time, number of entries, error code
    assert_eq!(answer.get(12..14), Some(&[0, 0][..]), "quota not set: {answer:?}");
}

/// This host's time; `chrono` as rskafka has it does not ask for it.
fn wall_clock() -> DateTime<Utc> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    DateTime::from_timestamp_millis(i64::try_from(since.as_millis()).unwrap()).unwrap()
}
