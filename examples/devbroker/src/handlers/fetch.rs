//! Fetch, with long poll.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::ResponseError;
use kafka_protocol::messages::fetch_request::FetchPartition;
use kafka_protocol::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use super::{HangUp, Serve};
use crate::batch::EPOCH;
use crate::engine::{Engine, State};
use crate::topics::Read;
use crate::wire::Call;

/// Longest wait granted to a fetch.
const LONGEST_WAIT: Duration = Duration::from_secs(300);

impl Serve for FetchRequest {
    type Response = FetchResponse;

    /// Answers at once if `min_bytes` are there or a partition has an error; otherwise waits for a change of any of
    /// its partitions until `max_wait_ms` are over.
    async fn serve(self, engine: &Engine, call: &Call) -> Result<Option<Self::Response>, HangUp> {
        // Full fetches only (KIP-227): a session id other than 0 was never given out here.
        if self.session_id != 0 {
            return self.refuse(call, ResponseError::FetchSessionIdNotFound);
        }
        let wait = Duration::from_millis(u64::try_from(self.max_wait_ms).unwrap_or(0)).min(LONGEST_WAIT);
        let deadline = Instant::now() + wait;
        let enough = usize::try_from(self.min_bytes).unwrap_or(0);
        let waiter = Arc::new(Notify::new());
        let mut last = wait.is_zero();
        loop {
            let done = engine.with(|state| {
                let collected = collect(&self, state, engine.limits().fetch_bytes);
                if last || collected.bytes >= enough || collected.failed || self.topics.is_empty() {
                    return Some(collected.response);
                }
                for topic in &self.topics {
                    for partition in &topic.partitions {
                        state.topics.wait(&topic.topic, partition.partition, &waiter);
                    }
                }
                None
            })?;
            if done.is_some() {
                return Ok(done);
            }
            last = timeout_at(deadline, waiter.notified()).await.is_err();
        }
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        // Errors of the whole fetch have a place of their own only for sessions; clients look at the partitions.
        let sessions = [ResponseError::FetchSessionIdNotFound, ResponseError::InvalidFetchSessionEpoch];
        if sessions.contains(&error) {
            return Ok(Some(FetchResponse::default().with_error_code(error.code())));
        }
        let topics = self.topics.into_iter().map(|topic| {
            let row = |partition: &FetchPartition| answer(partition.partition, Err(error));
            let rows = topic.partitions.iter().map(row).collect();
            FetchableTopicResponse::default().with_topic(topic.topic).with_partitions(rows)
        });
        Ok(Some(FetchResponse::default().with_responses(topics.collect())))
    }
}

struct Collected {
    response: FetchResponse,
    bytes: usize,
    failed: bool,
}

/// Reads every partition within the request's bounds. The first batch found is always given, however large, so that
/// a reader never gets stuck (KIP-74).
fn collect(request: &FetchRequest, state: &State, most: usize) -> Collected {
    let allowed = usize::try_from(request.max_bytes).unwrap_or(0).min(most);
    let mut bytes = 0;
    let mut failed = false;
    let topics = request.topics.iter().map(|topic| {
        let rows = topic.partitions.iter().map(|partition| {
            let left = allowed.saturating_sub(bytes);
            let limit = usize::try_from(partition.partition_max_bytes).unwrap_or(0).min(left);
            let result = check_epoch(partition.current_leader_epoch).and_then(|()| {
                let at_least_one = bytes == 0;
                let index = partition.partition;
                state.topics.read(&topic.topic, index, partition.fetch_offset, limit, at_least_one)
            });
            failed |= result.is_err();
            bytes += result.as_ref().map_or(0, |read| read.records.len());
            answer(partition.partition, result)
        });
        let rows = rows.collect();
        FetchableTopicResponse::default().with_topic(topic.topic.clone()).with_partitions(rows)
    });
    let response = FetchResponse::default().with_responses(topics.collect());
    Collected { response, bytes, failed }
}

/// Checks the leader epoch that a client believes in; -1 is "do not care".
pub(super) fn check_epoch(epoch: i32) -> Result<(), ResponseError> {
    match epoch {
        -1 => Ok(()),
        epoch if epoch < EPOCH => Err(ResponseError::FencedLeaderEpoch),
        epoch if epoch > EPOCH => Err(ResponseError::UnknownLeaderEpoch),
        _ => Ok(()),
    }
}

fn answer(index: i32, result: Result<Read, ResponseError>) -> PartitionData {
    let data = PartitionData::default().with_partition_index(index).with_aborted_transactions(None);
    match result {
        Ok(read) => data
            .with_high_watermark(read.end)
            .with_last_stable_offset(read.end)
            .with_log_start_offset(read.log_start)
            .with_records(Some(read.records)),
        Err(error) => data
            .with_error_code(error.code())
            .with_high_watermark(-1)
            .with_last_stable_offset(-1)
            .with_log_start_offset(-1)
            .with_records(Some(Bytes::new())),
    }
}
