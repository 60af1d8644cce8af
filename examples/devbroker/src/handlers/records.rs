//! ListOffsets and DeleteRecords.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::delete_records_request::DeleteRecordsTopic;
use kafka_protocol::messages::delete_records_response::{
    DeleteRecordsPartitionResult, DeleteRecordsTopicResult,
};
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{
    DeleteRecordsRequest, DeleteRecordsResponse, ListOffsetsRequest, ListOffsetsResponse,
};

use super::fetch::check_epoch;
use super::{HangUp, Serve, code_of};
use crate::batch::EPOCH;
use crate::engine::{Engine, State};
use crate::wire::Call;

const LATEST: i64 = -1;
const EARLIEST: i64 = -2;
/// The first version whose answer has room for a leader epoch.
const WITH_EPOCH: i16 = 4;
const NO_TIMESTAMP: i64 = -1;

impl Serve for ListOffsetsRequest {
    type Response = ListOffsetsResponse;

    async fn serve(self, engine: &Engine, call: &Call) -> Result<Option<Self::Response>, HangUp> {
        let topics = engine.with(|state| {
            list_offsets(call, self.topics, |topic, partition| find(state, topic, partition))
        })?;
        Ok(Some(ListOffsetsResponse::default().with_topics(topics)))
    }

    fn refuse(self, call: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let topics = list_offsets(call, self.topics, |_, _| Err(error));
        Ok(Some(ListOffsetsResponse::default().with_topics(topics)))
    }
}

fn list_offsets(
    call: &Call,
    topics: Vec<ListOffsetsTopic>,
    mut find: impl FnMut(&str, &ListOffsetsPartition) -> Result<Option<(i64, i64)>, ResponseError>,
) -> Vec<ListOffsetsTopicResponse> {
    let topic = |topic: ListOffsetsTopic| {
        let rows = topic.partitions.iter().map(|partition| {
            let found = find(&topic.name, partition);
            let known = call.version >= WITH_EPOCH && matches!(found, Ok(Some(_)));
            let (offset, timestamp) = found.ok().flatten().unwrap_or((-1, NO_TIMESTAMP));
            ListOffsetsPartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code_of(&found))
                .with_offset(offset)
                .with_timestamp(timestamp)
                .with_leader_epoch(if known { EPOCH } else { -1 })
        });
        let rows = rows.collect();
        ListOffsetsTopicResponse::default().with_name(topic.name).with_partitions(rows)
    };
    topics.into_iter().map(topic).collect()
}

fn find(
    state: &State,
    topic: &str,
    partition: &ListOffsetsPartition,
) -> Result<Option<(i64, i64)>, ResponseError> {
    let index = partition.partition_index;
    check_epoch(partition.current_leader_epoch)?;
    let (start, end) = state.topics.bounds(topic, index)?;
    match partition.timestamp {
        LATEST => Ok(Some((end, NO_TIMESTAMP))),
        EARLIEST => Ok(Some((start, NO_TIMESTAMP))),
        timestamp if timestamp < 0 => Err(ResponseError::UnsupportedVersion),
        timestamp => state.topics.first_since(topic, index, timestamp),
    }
}

impl Serve for DeleteRecordsRequest {
    type Response = DeleteRecordsResponse;

    async fn serve(self, engine: &Engine, _: &Call) -> Result<Option<Self::Response>, HangUp> {
        let topics = engine.with(|state| {
            delete_records(self.topics, |topic, index, offset| {
                state.topics.delete_records(topic, index, offset)
            })
        })?;
        Ok(Some(DeleteRecordsResponse::default().with_topics(topics)))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let topics = delete_records(self.topics, |_, _, _| Err(error));
        Ok(Some(DeleteRecordsResponse::default().with_topics(topics)))
    }
}

fn delete_records(
    topics: Vec<DeleteRecordsTopic>,
    mut delete: impl FnMut(&str, i32, i64) -> Result<i64, ResponseError>,
) -> Vec<DeleteRecordsTopicResult> {
    let topic = |topic: DeleteRecordsTopic| {
        let rows = topic.partitions.iter().map(|partition| {
            let result = delete(&topic.name, partition.partition_index, partition.offset);
            DeleteRecordsPartitionResult::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code_of(&result))
                .with_low_watermark(result.unwrap_or(-1))
        });
        let rows = rows.collect();
        DeleteRecordsTopicResult::default().with_name(topic.name).with_partitions(rows)
    };
    topics.into_iter().map(topic).collect()
}
