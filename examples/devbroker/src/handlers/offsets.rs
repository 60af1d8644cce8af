//! OffsetCommit and OffsetFetch.

use kafka_protocol::ResponseError;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponsePartition, OffsetFetchResponseTopic,
};
use kafka_protocol::messages::{
    OffsetCommitRequest, OffsetCommitResponse, OffsetFetchRequest, OffsetFetchResponse, TopicName,
};

use super::{HangUp, Serve, code_of, text};
use crate::coordinator::{Committed, Committer, Offsets};
use crate::disk::Event;
use crate::engine::{Engine, State};
use crate::wire::Call;

impl Serve for OffsetCommitRequest {
    type Response = OffsetCommitResponse;

    async fn serve(self, engine: &Engine, _: &Call) -> Result<Option<Self::Response>, HangUp> {
        let now = engine.now().monotonic;
        let who = Committer {
            group: &self.group_id,
            member: &self.member_id,
            generation: self.generation_id_or_member_epoch,
        };
        let topics = engine.with_groups(|state| {
            let allowed = state.coordinator.may_commit(now, &who);
            committed(&self.topics, |topic, partition| {
                allowed.and_then(|()| commit(engine, state, who.group, topic, partition))
            })
        })?;
        Ok(Some(OffsetCommitResponse::default().with_topics(topics)))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        let topics = committed(&self.topics, |_, _| Err(error));
        Ok(Some(OffsetCommitResponse::default().with_topics(topics)))
    }
}

fn commit(
    engine: &Engine,
    state: &mut State,
    group: &str,
    topic: &str,
    partition: &OffsetCommitRequestPartition,
) -> Result<(), ResponseError> {
    let index = usize::try_from(partition.partition_index).ok();
    let partitions = state.topics.get(topic).map_or(0, |topic| topic.partitions());
    if index.is_none_or(|index| index >= partitions) {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    let committed = Committed {
        offset: partition.committed_offset,
        leader_epoch: partition.committed_leader_epoch,
        metadata: partition.committed_metadata.as_deref().unwrap_or_default().to_owned(),
    };
    let (index, limits) = (partition.partition_index, engine.limits());
    state.coordinator.offsets.commit(group, topic, index, committed.clone(), limits)?;
    state.topics.note(|| {
        let (group, topic) = (group.to_owned(), topic.to_owned());
        Event::Committed { group, topic, partition: index, committed }
    });
    Ok(())
}

fn committed(
    topics: &[OffsetCommitRequestTopic],
    mut commit: impl FnMut(&str, &OffsetCommitRequestPartition) -> Result<(), ResponseError>,
) -> Vec<OffsetCommitResponseTopic> {
    let topic = |topic: &OffsetCommitRequestTopic| {
        let rows = topic.partitions.iter().map(|partition| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(code_of(&commit(&topic.name, partition)))
        });
        let rows = rows.collect();
        OffsetCommitResponseTopic::default().with_name(topic.name.clone()).with_partitions(rows)
    };
    topics.iter().map(topic).collect()
}

impl Serve for OffsetFetchRequest {
    type Response = OffsetFetchResponse;

    /// Positions that were never committed are answered with offset -1 and no error. Asking for no topic in
    /// particular (null, from version 2) gives all that were committed.
    async fn serve(self, engine: &Engine, call: &Call) -> Result<Option<Self::Response>, HangUp> {
        if self.topics.is_none() && call.version < 2 {
            return self.refuse(call, ResponseError::InvalidRequest);
        }
        let group: &str = &self.group_id;
        let topics = engine.with(|state| {
            let offsets = &state.coordinator.offsets;
            match &self.topics {
                None => all(offsets, group),
                Some(topics) => topics
                    .iter()
                    .map(|topic| {
                        let rows = topic.partition_indexes.iter();
                        let rows = rows.map(|&index| position(index, offsets.get(group, &topic.name, index)));
                        answered(topic.name.clone(), rows.collect())
                    })
                    .collect(),
            }
        })?;
        Ok(Some(OffsetFetchResponse::default().with_topics(topics)))
    }

    fn refuse(self, _: &Call, error: ResponseError) -> Result<Option<Self::Response>, HangUp> {
        // Up to version 1 the error has a place in the partitions only.
        let topics = self.topics.into_iter().flatten().map(|topic| {
            let rows = topic.partition_indexes.iter();
            let rows = rows.map(|&index| position(index, None).with_error_code(error.code()));
            answered(topic.name.clone(), rows.collect())
        });
        let topics = topics.collect();
        Ok(Some(OffsetFetchResponse::default().with_error_code(error.code()).with_topics(topics)))
    }
}

fn all(offsets: &Offsets, group: &str) -> Vec<OffsetFetchResponseTopic> {
    let mut topics: Vec<OffsetFetchResponseTopic> = Vec::new();
    for (topic, index, committed) in offsets.of_group(group) {
        let row = position(index, Some(committed));
        match topics.last_mut() {
            Some(last) if **last.name == *topic => last.partitions.push(row),
            _ => topics.push(answered(TopicName(text(topic)), vec![row])),
        }
    }
    topics
}

fn answered(name: TopicName, rows: Vec<OffsetFetchResponsePartition>) -> OffsetFetchResponseTopic {
    OffsetFetchResponseTopic::default().with_name(name).with_partitions(rows)
}

fn position(index: i32, committed: Option<&Committed>) -> OffsetFetchResponsePartition {
    let row = OffsetFetchResponsePartition::default().with_partition_index(index);
    match committed {
        Some(committed) => row
            .with_committed_offset(committed.offset)
            .with_committed_leader_epoch(committed.leader_epoch)
            .with_metadata(Some(text(committed.metadata.clone()))),
        None => row.with_committed_offset(-1).with_metadata(Some(text(""))),
    }
}
