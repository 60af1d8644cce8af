//! Fetching from explicit positions, and the ends of a log.

use super::cluster::{Cluster, FRAME_LIMIT, topic_name};
use super::leader::Leader;
use super::pool::Traffic;
use super::records;
use super::refusal::{Refusal, refusal};
use crate::bus::{Bounds, BusError, FetchRequest as Wanted, Fetched};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{FetchRequest, ListOffsetsRequest};
use std::string::ToString;
use std::time::Duration;
use std::vec::Vec;

/// Longest that a broker is asked to wait for a record.
pub(in crate::bus) const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// Most bytes asked for at a time: with the largest batch on top the answer still fits a frame.
pub(in crate::bus) const MOST_BYTES: u32 = 4 << 20;
const _: () = assert!((MOST_BYTES as usize) <= FRAME_LIMIT / 2);

/// In place of a replica's id.
const CONSUMER: i32 = -1;

/// Timestamps that stand for the ends of a log.
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

/// Reads records from a position, waiting for the first.
pub(super) async fn fetch(cluster: &Cluster, wanted: &Wanted) -> Result<Fetched, BusError> {
    let wait = wanted.max_wait.min(LONGEST_WAIT);
    let deadline = cluster.deadline() + wait;
    let mut leader = Leader::of(cluster, &wanted.topic, wanted.partition, "fetching", deadline);
    let request = fetch_request(&leader, wanted, wait);
    loop {
        let peer = leader.find().await?;
        let answer = cluster
            .call(&peer, Traffic::Fetch, &request, deadline)
            .await
            .map_err(|error| leader.lost(&error))?;
        cluster.note_pause(&peer, Traffic::Fetch, answer.throttle_time_ms);
        let found = answer
            .responses
            .into_iter()
            .filter(|topic| &*topic.topic.0 == leader.topic)
            .flat_map(|topic| topic.partitions)
            .find(|partition| partition.partition_index == leader.index())
            .ok_or_else(|| leader.misses_partition())?;
        match refusal(found.error_code) {
            None => return Ok(read(cluster, wanted, found)),
            Some(Refusal::OutOfRange) => return Err(out_of_range(cluster, wanted).await?),
            Some(refusal) => leader.refused(refusal).await?,
        }
    }
}

fn fetch_request(leader: &Leader<'_>, wanted: &Wanted, wait: Duration) -> FetchRequest {
    let most = i32::try_from(wanted.max_bytes.clamp(1, MOST_BYTES)).unwrap_or(i32::MAX);
    let partition = FetchPartition::default()
        .with_partition(leader.index())
        .with_fetch_offset(wanted.offset)
        .with_partition_max_bytes(most);
    let topic =
        FetchTopic::default().with_topic(topic_name(leader.topic)).with_partitions(Vec::from([partition]));
    FetchRequest::default()
        .with_replica_id(CONSUMER.into())
        .with_max_wait_ms(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX))
        .with_min_bytes(1)
        .with_max_bytes(most)
        // Read uncommitted: nothing of ours is transactional, and a foreign transaction left open must not hold back
        // what others wrote after it.
        .with_isolation_level(0)
        .with_topics(Vec::from([topic]))
}

fn read(cluster: &Cluster, wanted: &Wanted, found: PartitionData) -> Fetched {
    let decoded = records::decode(found.records.unwrap_or_default(), wanted.offset);
    if decoded.unreadable > 0 {
        cluster.count_unreadable(decoded.unreadable);
        tracing::warn!(
            topic = wanted.topic,
            partition = wanted.partition,
            from = wanted.offset,
            to = decoded.resume,
            records = decoded.unreadable,
            "records skipped: compressed by a codec that is not read here, damaged, or of an old format"
        );
    }
    Fetched { records: decoded.records, next: found.high_watermark, resume: decoded.resume }
}

async fn out_of_range(cluster: &Cluster, wanted: &Wanted) -> Result<BusError, BusError> {
    let bounds = bounds(cluster, &wanted.topic, wanted.partition).await?;
    Ok(BusError::OffsetOutOfRange {
        topic: wanted.topic.clone(),
        partition: wanted.partition,
        offset: wanted.offset,
        earliest: bounds.earliest,
        next: bounds.next,
    })
}

/// The ends of a partition's log.
pub(super) async fn bounds(cluster: &Cluster, topic: &str, partition: u32) -> Result<Bounds, BusError> {
    let deadline = cluster.deadline();
    let mut leader = Leader::of(cluster, topic, partition, "asking for the ends of the log", deadline);
    // In this order the first is never above the second.
    let earliest = offset_at(cluster, &mut leader, EARLIEST).await?;
    let next = offset_at(cluster, &mut leader, LATEST).await?;
    Ok(Bounds { earliest, next: next.max(earliest) })
}

async fn offset_at(cluster: &Cluster, leader: &mut Leader<'_>, timestamp: i64) -> Result<i64, BusError> {
    let partition =
        ListOffsetsPartition::default().with_partition_index(leader.index()).with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name(leader.topic))
        .with_partitions(Vec::from([partition]));
    let request =
        ListOffsetsRequest::default().with_replica_id(CONSUMER.into()).with_topics(Vec::from([topic]));
    loop {
        let peer = leader.find().await?;
        let answer = cluster
            .call(&peer, Traffic::Other, &request, leader.deadline())
            .await
            .map_err(|error| leader.lost(&error))?;
        let found = answer
            .topics
            .iter()
            .filter(|topic| &*topic.name.0 == leader.topic)
            .flat_map(|topic| &topic.partitions)
            .find(|partition| partition.partition_index == leader.index())
            .ok_or_else(|| leader.misses_partition())?;
        match refusal(found.error_code) {
            None if found.offset >= 0 => return Ok(found.offset),
            None => return Err(leader.failed("an answer without an offset".to_string())),
            Some(refusal) => leader.refused(refusal).await?,
        }
    }
}
