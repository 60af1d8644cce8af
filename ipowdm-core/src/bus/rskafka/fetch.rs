//! Fetching from explicit positions, and the ends of a log.

use super::Shared;
use super::fault::Fault;
use crate::bus::kafka::cluster::unknown;
use crate::bus::kafka::fetch::LONGEST_WAIT;
use crate::bus::kafka::leader::Patience;
use crate::bus::{Bounds, Bus, BusError, FetchRequest, Fetched, Record};
use ::rskafka::client::partition::OffsetAt;
use ::rskafka::record::RecordAndOffset;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

const DOING: &str = "fetching";
const DOING_BOUNDS: &str = "asking for the ends of the log";

/// Reads records from a position, waiting for the first.
pub(super) async fn fetch(shared: &Shared, wanted: &FetchRequest) -> Result<Fetched, BusError> {
    let wait = wanted.max_wait.min(LONGEST_WAIT);
    let deadline = shared.deadline() + wait;
    let mut search = Search::begin(shared, &wanted.topic, wanted.partition, DOING, deadline).await?;
    loop {
        match shared.fetches.fetch(wanted, wait, deadline).await {
            // Something is there that rskafka passes over without saying how far.
            Ok((records, next)) if records.is_empty() && next > wanted.offset => {
                return pass_over(shared, wanted).await;
            }
            Ok((records, next)) => {
                let resume = records.last().map_or(wanted.offset, |last| last.offset.saturating_add(1));
                return Ok(Fetched { records: records.into_iter().map(record).collect(), next, resume });
            }
            Err(Fault::Unreadable(reason)) => {
                tracing::debug!(topic = wanted.topic, offset = wanted.offset, reason, "rskafka cannot read");
                return pass_over(shared, wanted).await;
            }
            Err(Fault::OutOfRange) => return Err(out_of_range(shared, wanted).await?),
            Err(fault) => search.failed(fault).await?,
        }
    }
}

/// Reads a position with the other client, which counts what it skips and says where to go on.
async fn pass_over(shared: &Shared, wanted: &FetchRequest) -> Result<Fetched, BusError> {
    shared.passed_over.fetch_add(1, Ordering::Relaxed);
    shared.kafka.fetch(FetchRequest { max_wait: Duration::ZERO, ..wanted.clone() }).await
}

fn record(found: RecordAndOffset) -> Record {
    Record {
        offset: found.offset,
        timestamp_ms: found.record.timestamp.timestamp_millis(),
        key: found.record.key.map(Into::into),
        value: found.record.value.map(Into::into),
    }
}

async fn out_of_range(shared: &Shared, wanted: &FetchRequest) -> Result<BusError, BusError> {
    let bounds = bounds(shared, &wanted.topic, wanted.partition).await?;
    Ok(BusError::OffsetOutOfRange {
        topic: wanted.topic.clone(),
        partition: wanted.partition,
        offset: wanted.offset,
        earliest: bounds.earliest,
        next: bounds.next,
    })
}

/// The ends of a partition's log.
pub(super) async fn bounds(shared: &Shared, topic: &str, partition: u32) -> Result<Bounds, BusError> {
    let deadline = shared.deadline();
    let mut search = Search::begin(shared, topic, partition, DOING_BOUNDS, deadline).await?;
    // In this order the first is never above the second.
    let earliest = search.offset(OffsetAt::Earliest).await?;
    let next = search.offset(OffsetAt::Latest).await?;
    Ok(Bounds { earliest, next: next.max(earliest) })
}

/// One call's attempts at a partition.
struct Search<'a> {
    shared: &'a Shared,
    topic: &'a str,
    partition: u32,
    doing: &'static str,
    deadline: Instant,
    patience: Patience,
}

impl<'a> Search<'a> {
    /// Fails unless the partition is there: rskafka's own question for a topic would create it where brokers do that.
    async fn begin(
        shared: &'a Shared,
        topic: &'a str,
        partition: u32,
        doing: &'static str,
        deadline: Instant,
    ) -> Result<Self, BusError> {
        let patience = Patience::until(deadline);
        let search = Self { shared, topic, partition, doing, deadline, patience };
        // The topic may have been re-created with more partitions: ask before denying.
        if search.partition >= search.partitions(None).await? {
            search.is_there_now().await?;
        }
        Ok(search)
    }

    async fn partitions(&self, newer_than: Option<Instant>) -> Result<u32, BusError> {
        self.shared.kafka.partitions(self.topic, newer_than, self.deadline, self.doing).await
    }

    async fn is_there_now(&self) -> Result<(), BusError> {
        if self.partition < self.partitions(Some(Instant::now())).await? {
            return Ok(());
        }
        Err(unknown(self.topic, self.partition))
    }

    /// What to do about a fault: try again (`Ok`), or give up.
    async fn failed(&mut self, fault: Fault) -> Result<(), BusError> {
        let again = matches!(fault, Fault::Missing | Fault::NotYet(_));
        let error = fault.into_error(self.doing, self.topic, self.partition);
        if !again {
            return Err(error);
        }
        self.is_there_now().await?;
        self.patience.another(error).await
    }

    async fn offset(&mut self, at: OffsetAt) -> Result<i64, BusError> {
        loop {
            match self.shared.calls.offset(self.topic, self.partition, at, self.deadline).await {
                Ok(offset) => return Ok(offset),
                Err(fault) => self.failed(fault).await?,
            }
        }
    }
}
