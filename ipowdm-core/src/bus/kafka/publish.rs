//! Publishing: batches by partition, each confirmed before the next of its partition is sent.

use super::cluster::{Cluster, topic_name, unavailable, unknown};
use super::leader::Patience;
use super::pool::Traffic;
use super::records;
use super::refusal::{Refusal, refusal};
use super::topology::TopicView;
use crate::bus::{BusError, Outgoing, Position};
use kafka_protocol::messages::ProduceRequest;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::ProduceResponse;
use std::boxed::Box;
use std::collections::{BTreeMap, HashMap};
use std::future::poll_fn;
use std::string::ToString;
use std::sync::Arc;
use std::task::Poll;
use std::time::{SystemTime, UNIX_EPOCH};
use std::vec::Vec;
use tokio::time::Instant;

/// Largest record, key and value together, as Kafka's default `max.message.bytes`: what is larger is refused here,
/// because a broker drops the connection of whoever sends a frame beyond its limit.
pub(in crate::bus) const MAX_RECORD: usize = 1 << 20;

/// Bytes after which a batch takes no further record: half of what a default topic takes.
pub(in crate::bus) const BATCH_BYTES: usize = 512 << 10;

/// Bytes of records in one request, over all partitions.
const REQUEST_BYTES: usize = 4 << 20;

const DOING: &str = "publishing";

/// One call of publish under way.
struct Publishing<'a> {
    cluster: &'a Cluster,
    topic: &'a str,
    records: &'a [Outgoing],
    /// Position of each record once confirmed.
    positions: Vec<Option<Position>>,
    /// Partitions whose topic takes less at a time: most records in a batch.
    most: HashMap<u32, usize>,
    deadline: Instant,
}

/// What became of a request.
enum Sent {
    /// Something was confirmed or got smaller.
    Progress,
    /// Leaders have moved or the topic is not known here (yet): nothing took effect.
    Doubt(BusError),
}

/// Appends records, each in the partition of its key, and answers their positions in the order given.
///
/// What certainly took no effect (no leader, another leader) is repeated until the deadline. An unclear outcome is
/// not: the caller repeats, because only it can give the records contents that a consumer recognises.
pub(super) async fn publish(
    cluster: &Cluster,
    topic: &str,
    records: &[Outgoing],
) -> Result<Vec<Position>, BusError> {
    if let Some(size) = records.iter().map(size).find(|size| *size > MAX_RECORD) {
        return Err(BusError::TooLarge { topic: topic.to_string(), size });
    }
    let mut publishing = Publishing {
        cluster,
        topic,
        records,
        positions: Vec::from_iter(records.iter().map(|_| None)),
        most: HashMap::new(),
        deadline: cluster.deadline(),
    };
    publishing.run().await?;
    Ok(publishing.positions.into_iter().flatten().collect())
}

impl Publishing<'_> {
    async fn run(&mut self) -> Result<(), BusError> {
        let mut patience = Patience::until(self.deadline);
        let mut newer_than = None;
        loop {
            let view = self.cluster.topic(self.topic, newer_than, self.deadline, DOING).await?;
            match self.send_all(&view).await? {
                Sent::Progress => return Ok(()),
                Sent::Doubt(error) => {
                    newer_than = Some(Instant::now());
                    patience.another(error).await?;
                }
            }
        }
    }

    /// Sends what is not confirmed yet, round by round: one batch of each partition, to all leaders at once.
    async fn send_all(&mut self, view: &TopicView) -> Result<Sent, BusError> {
        loop {
            let round = self.round(view)?;
            if round.is_empty() {
                return Ok(Sent::Progress);
            }
            let calls = round.iter().map(|(leader, batches)| self.send(leader.as_ref(), batches));
            let answers = side_by_side(calls).await;
            let mut doubt = None;
            for ((_, batches), answer) in round.iter().zip(answers) {
                let Some(answer) = answer? else {
                    doubt = Some(self.leaderless());
                    continue;
                };
                for batch in batches {
                    if let Sent::Doubt(error) = self.settle(batch, &answer)? {
                        doubt = Some(error);
                    }
                }
            }
            if let Some(error) = doubt {
                return Ok(Sent::Doubt(error));
            }
        }
    }

    /// The next batch of each partition, by leader.
    fn round(&self, view: &TopicView) -> Result<Vec<OfLeader>, BusError> {
        let mut batches: BTreeMap<u32, Batch> = BTreeMap::new();
        let mut total = 0;
        for (index, record) in self.records.iter().enumerate() {
            if self.positions.get(index).is_none_or(Option::is_some) {
                continue;
            }
            let partition = record.partition(view.partitions());
            let most = self.most.get(&partition).copied().unwrap_or(usize::MAX);
            let batch = batches.entry(partition).or_insert_with(|| Batch { partition, ..Batch::default() });
            let bytes = size(record) + 32;
            let fits = batch.records.is_empty()
                || (batch.bytes + bytes <= BATCH_BYTES && batch.records.len() < most);
            // A batch that is full stays closed: a later, smaller record must not overtake.
            if batch.full || !fits || total > REQUEST_BYTES {
                batch.full = true;
                continue;
            }
            batch.bytes += bytes;
            total += bytes;
            batch.records.push(index);
        }
        let mut round: Vec<OfLeader> = Vec::new();
        for (partition, batch) in batches.into_iter().filter(|(_, batch)| !batch.records.is_empty()) {
            let leader = view.leader(partition).ok_or_else(|| unknown(self.topic, partition))?.cloned();
            match round.iter_mut().find(|(other, _)| *other == leader) {
                Some((_, batches)) => batches.push(batch),
                None => round.push((leader, Vec::from([batch]))),
            }
        }
        Ok(round)
    }

    /// Sends the batches of a leader; `None` where there is none.
    async fn send(
        &self,
        leader: Option<&Arc<str>>,
        batches: &[Batch],
    ) -> Result<Option<ProduceResponse>, BusError> {
        let Some(leader) = leader else { return Ok(None) };
        let request = self.request(batches)?;
        let answer = self.cluster.call(leader, Traffic::Produce, &request, self.deadline).await;
        let answer = answer.map_err(|error| {
            // The leader may be another one by now.
            self.cluster.doubt_topic(self.topic);
            unavailable(DOING, &error)
        })?;
        self.cluster.note_pause(leader, Traffic::Produce, answer.throttle_time_ms);
        Ok(Some(answer))
    }

    fn request(&self, batches: &[Batch]) -> Result<ProduceRequest, BusError> {
        let now_ms = wall_ms();
        let mut partitions = Vec::with_capacity(batches.len());
        for batch in batches {
            let records = batch.records.iter().filter_map(|index| self.records.get(*index));
            let encoded = records::encode(records, now_ms, self.cluster.compression)
                .map_err(|reason| BusError::Invalid { topic: self.topic.to_string(), reason })?;
            let partition = i32::try_from(batch.partition).unwrap_or(i32::MAX);
            partitions
                .push(PartitionProduceData::default().with_index(partition).with_records(Some(encoded)));
        }
        let topic =
            TopicProduceData::default().with_name(topic_name(self.topic)).with_partition_data(partitions);
        let left = self.deadline.saturating_duration_since(Instant::now());
        Ok(ProduceRequest::default()
            // All in-sync replicas.
            .with_acks(-1)
            .with_timeout_ms(i32::try_from(left.as_millis()).unwrap_or(i32::MAX))
            .with_topic_data(Vec::from([topic])))
    }

    /// Takes over what the answer says of one batch.
    fn settle(&mut self, batch: &Batch, answer: &ProduceResponse) -> Result<Sent, BusError> {
        let partitions = answer.responses.iter().filter(|topic| &*topic.name.0 == self.topic);
        let of_batch = |index: i32| u32::try_from(index).is_ok_and(|index| index == batch.partition);
        let Some(result) =
            partitions.flat_map(|topic| &topic.partition_responses).find(|result| of_batch(result.index))
        else {
            let reason = "an answer without the partition that was sent".to_string();
            return Err(BusError::Unavailable { doing: DOING.to_string(), reason });
        };
        match refusal(result.error_code) {
            None if result.base_offset < 0 => {
                let reason = "a confirmation without an offset".to_string();
                Err(BusError::Unavailable { doing: DOING.to_string(), reason })
            }
            None => {
                for (offset, index) in (result.base_offset..).zip(&batch.records) {
                    if let Some(position) = self.positions.get_mut(*index) {
                        *position = Some(Position { partition: batch.partition, offset });
                    }
                }
                Ok(Sent::Progress)
            }
            Some(Refusal::TooLarge) => match batch.records.as_slice() {
                [] => Ok(Sent::Progress),
                [only] => {
                    let size = self.records.get(*only).map_or(0, size);
                    Err(BusError::TooLarge { topic: self.topic.to_string(), size })
                }
                several => {
                    self.most.insert(batch.partition, several.len() / 2);
                    Ok(Sent::Progress)
                }
            },
            Some(refusal @ (Refusal::Elsewhere(_) | Refusal::Missing)) => {
                Ok(Sent::Doubt(refusal.into_error(DOING, self.topic, batch.partition, None)))
            }
            Some(refusal) => Err(refusal.into_error(DOING, self.topic, batch.partition, None)),
        }
    }

    fn leaderless(&self) -> BusError {
        let reason = std::format!("a partition of {} has no leader", self.topic);
        BusError::Unavailable { doing: DOING.to_string(), reason }
    }
}

/// Batches for one leader; absent where the partition has none.
type OfLeader = (Option<Arc<str>>, Vec<Batch>);

/// Records for one partition, by their place in the call.
#[derive(Default)]
struct Batch {
    partition: u32,
    records: Vec<usize>,
    bytes: usize,
    full: bool,
}

/// Runs futures at the same time, until all have ended.
async fn side_by_side<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    poll_fn(|context| {
        let mut all_ended = true;
        for (future, output) in running.iter_mut().filter(|(_, output)| output.is_none()) {
            match future.as_mut().poll(context) {
                Poll::Ready(ended) => *output = Some(ended),
                Poll::Pending => all_ended = false,
            }
        }
        if all_ended { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    running.into_iter().filter_map(|(_, output)| output).collect()
}

pub(in crate::bus) fn size(record: &Outgoing) -> usize {
    record.key.as_ref().map_or(0, bytes::Bytes::len) + record.value.as_ref().map_or(0, bytes::Bytes::len)
}

/// The time that a record says it was created, for people: topics under log-append time replace it.
pub(in crate::bus) fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
