//! Produce.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::produce_request::PartitionProduceData;
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, TopicProduceResponse};
use kafka_protocol::messages::{ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::StrBytes;

use super::{HangUp, Serve, text};
use crate::batch::{Batch, BatchError};
use crate::engine::Engine;
use crate::topics::Appended;
use crate::wire::Call;

/// No answer wanted, the leader has it, all in-sync replicas have it: with one node the last two are the same.
const ACKS: [i16; 3] = [0, 1, -1];

impl Serve for ProduceRequest {
    type Response = ProduceResponse;

    async fn serve(self, engine: &Engine, call: &Call) -> Result<Option<Self::Response>, HangUp> {
        if !ACKS.contains(&self.acks) {
            return self.refuse(call, ResponseError::InvalidRequiredAcks);
        }
        if self.transactional_id.is_some() {
            return self.refuse(call, ResponseError::TransactionalIdAuthorizationFailed);
        }
        // Checksums are computed before the lock is taken.
        let checked: Vec<_> = self
            .topic_data
            .iter()
            .map(|topic| (&topic.name, topic.partition_data.iter().map(check).collect::<Vec<_>>()))
            .collect();
        let mut failed = false;
        let responses = engine.with(|state| {
            let now = engine.now();
            let mut append = |name: &str, index: i32, batch: Result<Batch, BatchError>| {
                let result = match batch {
                    Ok(batch) => state
                        .topics
                        .append(name, index, batch, now, engine.limits())
                        .map_err(|error| (error, None)),
                    Err(error) => Err((error.code(), Some(text(error.to_string())))),
                };
                failed |= result.is_err();
                partition_response(index, result)
            };
            checked
                .into_iter()
                .map(|(name, partitions)| {
                    let rows =
                        partitions.into_iter().map(|(index, batch)| append(name, index, batch)).collect();
                    TopicProduceResponse::default().with_name(name.clone()).with_partition_responses(rows)
                })
                .collect()
        })?;
        match (self.acks, failed) {
            // The only sign of failure that a client without answers can get.
            (0, true) => Err(HangUp),
            (0, false) => Ok(None),
            _ => Ok(Some(ProduceResponse::default().with_responses(responses))),
        }
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        if self.acks == 0 {
            return Err(HangUp);
        }
        let topics = self.topic_data.into_iter().map(|topic| {
            let row = |data: &PartitionProduceData| partition_response(data.index, Err((error, None)));
            let rows = topic.partition_data.iter().map(row).collect();
            TopicProduceResponse::default().with_name(topic.name).with_partition_responses(rows)
        });
        Ok(Some(ProduceResponse::default().with_responses(topics.collect())))
    }
}

fn check(data: &PartitionProduceData) -> (i32, Result<Batch, BatchError>) {
    (data.index, Batch::check(data.records.as_deref().unwrap_or_default()))
}

fn partition_response(
    index: i32,
    result: Result<Appended, (ResponseError, Option<StrBytes>)>,
) -> PartitionProduceResponse {
    let response = PartitionProduceResponse::default().with_index(index);
    match result {
        Ok(appended) => response
            .with_base_offset(appended.base_offset)
            .with_log_append_time_ms(appended.append_time.unwrap_or(-1))
            .with_log_start_offset(appended.log_start),
        Err((error, message)) => response
            .with_error_code(error.code())
            .with_base_offset(-1)
            .with_log_append_time_ms(-1)
            .with_log_start_offset(-1)
            .with_error_message(message),
    }
}
