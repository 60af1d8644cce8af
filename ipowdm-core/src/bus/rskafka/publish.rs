//! Publishing: batches by partition, each confirmed before the next of its partition is sent.

use super::Shared;
use super::fault::Fault;
use crate::bus::kafka::leader::Patience;
use crate::bus::kafka::publish::{BATCH_BYTES, MAX_RECORD, size, wall_ms};
use crate::bus::{BusError, Outgoing, Position};
use ::rskafka::chrono::DateTime;
use ::rskafka::record::Record;
use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;
use tokio::task::JoinSet;
use tokio::time::Instant;

const DOING: &str = "publishing";

/// The records of one call for one partition.
struct Share {
    shared: Arc<Shared>,
    topic: String,
    partition: u32,
    /// Number of partitions that the keys were spread over.
    of: u32,
    records: Vec<Numbered>,
    deadline: Instant,
}

/// A record, and its place in the call.
type Numbered = (usize, Outgoing);

type Placed = Result<Vec<(usize, Position)>, BusError>;

/// Appends records, each in the partition of its key, and answers their positions in the order given.
pub(super) async fn publish(
    shared: &Arc<Shared>,
    topic: &str,
    records: Vec<Outgoing>,
) -> Result<Vec<Position>, BusError> {
    if let Some(size) = records.iter().map(size).find(|size| *size > MAX_RECORD) {
        return Err(BusError::TooLarge { topic: topic.to_string(), size });
    }
    let deadline = shared.deadline();
    let of = shared.kafka.partitions(topic, None, deadline, DOING).await?;
    let mut shares: BTreeMap<u32, Vec<Numbered>> = BTreeMap::new();
    for (place, record) in records.into_iter().enumerate() {
        shares.entry(record.partition(of)).or_default().push((place, record));
    }
    // Dropped before its end, the set ends the tasks.
    let mut tasks: JoinSet<Placed> = JoinSet::new();
    for (partition, records) in shares {
        let (shared, topic) = (Arc::clone(shared), topic.to_string());
        tasks.spawn(Share { shared, topic, partition, of, records, deadline }.append());
    }
    let mut placed = BTreeMap::new();
    while let Some(ended) = tasks.join_next().await {
        let ended = ended.unwrap_or_else(|error| Err(unavailable(error.to_string())));
        placed.extend(ended?);
    }
    Ok(placed.into_values().collect())
}

impl Share {
    async fn append(self) -> Placed {
        let mut patience = Patience::until(self.deadline);
        let mut placed = Vec::with_capacity(self.records.len());
        let mut left = self.records.as_slice();
        let mut most = usize::MAX;
        while let (batch, rest) = split(left, most)
            && let Some((_, first)) = batch.first()
        {
            let records = encode(batch)?;
            let calls = &self.shared.calls;
            match calls.produce(&self.topic, self.partition, records, self.deadline).await {
                Ok(offsets) => {
                    if offsets.len() != batch.len() || offsets.first().is_none_or(|first| *first < 0) {
                        return Err(unavailable("a confirmation without offsets".to_string()));
                    }
                    let positions = offsets.into_iter().map(|offset| self.at(offset));
                    placed.extend(batch.iter().map(|(place, _)| *place).zip(positions));
                    left = rest;
                }
                Err(Fault::TooLarge) if batch.len() > 1 => most = batch.len() / 2,
                Err(Fault::TooLarge) => {
                    return Err(BusError::TooLarge { topic: self.topic, size: size(first) });
                }
                Err(fault @ (Fault::Missing | Fault::NotYet(_))) => {
                    self.same_partitions().await?;
                    patience.another(fault.into_error(DOING, &self.topic, self.partition)).await?;
                }
                Err(fault) => return Err(fault.into_error(DOING, &self.topic, self.partition)),
            }
        }
        Ok(placed)
    }

    const fn at(&self, offset: i64) -> Position {
        Position { partition: self.partition, offset }
    }

    /// Fails unless the topic is there with as many partitions as the keys were spread over.
    async fn same_partitions(&self) -> Result<(), BusError> {
        let now = Some(Instant::now());
        let found = self.shared.kafka.partitions(&self.topic, now, self.deadline, DOING).await?;
        if found == self.of {
            return Ok(());
        }
        Err(unavailable(format!("{} has {found} partitions now, not {}", self.topic, self.of)))
    }
}

/// The next batch, of at most `most` records, and what follows it.
fn split(records: &[Numbered], most: usize) -> (&[Numbered], &[Numbered]) {
    let mut bytes = 0;
    let fitting = records.iter().take(most).take_while(|(_, record)| {
        bytes += size(record) + 32;
        bytes <= BATCH_BYTES
    });
    let count = fitting.count().max(1);
    records.split_at_checked(count).unwrap_or((records, &[]))
}

fn encode(batch: &[Numbered]) -> Result<Vec<Record>, BusError> {
    let now_ms = wall_ms();
    let timestamp = DateTime::from_timestamp_millis(now_ms)
        .ok_or_else(|| unavailable(format!("this host's clock says {now_ms} ms")))?;
    let record = |(_, record): &Numbered| Record {
        key: record.key.as_ref().map(|key| key.to_vec()),
        value: record.value.as_ref().map(|value| value.to_vec()),
        headers: BTreeMap::new(),
        timestamp,
    };
    Ok(batch.iter().map(record).collect())
}

fn unavailable(reason: String) -> BusError {
    BusError::Unavailable { doing: DOING.to_string(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn records(sizes: &[usize]) -> Vec<Numbered> {
        sizes.iter().map(|size| Outgoing::new("", vec![0; *size])).enumerate().collect()
    }

    #[test]
    fn a_batch_ends_before_its_bytes_or_number_and_always_takes_one() {
        let all = records(&[BATCH_BYTES / 2, 10, BATCH_BYTES / 2, 10]);
        assert_eq!(split(&all, usize::MAX).0.len(), 2);
        assert_eq!(split(&all, 1).1, &all[1..]);
        assert_eq!(split(&all[3..], usize::MAX), (&all[3..], &all[4..]));
        assert_eq!(split(&records(&[MAX_RECORD, 1]), 0).0.len(), 1);
        assert!(split(&[], 5).0.is_empty());
    }
}
