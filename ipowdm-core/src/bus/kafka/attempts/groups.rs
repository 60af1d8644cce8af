//! Attempts at consumer groups.

use super::super::cluster::{Cluster, topic_name};
use super::{OnGroup, OnPosition, Verdict, attempt, text};
use crate::bus::BusError;
use bytes::Bytes;
use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_delete_request::{
    OffsetDeleteRequestPartition, OffsetDeleteRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kafka_protocol::messages::{
    DeleteGroupsRequest, DescribeGroupsRequest, FindCoordinatorRequest, GroupId, HeartbeatRequest,
    JoinGroupRequest, LeaveGroupRequest, OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest,
    SyncGroupRequest,
};
use std::vec;

/// A member that no group has: whoever is told so was let in.
const NOBODY: &str = "nobody";
const LET_IN: &[E] = &[E::UnknownMemberId, E::IllegalGeneration];

fn id(group: &str) -> GroupId {
    GroupId(text(group))
}

pub(super) async fn attempt_on(cluster: &Cluster, what: OnGroup, group: &str) -> Result<Verdict, BusError> {
    match what {
        OnGroup::FindCoordinator => {
            let request = FindCoordinatorRequest::default().with_key(text(group));
            attempt(cluster, &request, &[], |answer| vec![answer.error_code]).await
        }
        OnGroup::Join => {
            let protocol = JoinGroupRequestProtocol::default()
                .with_name(text("range"))
                .with_metadata(Bytes::from_static(b"metadata"));
            let request = JoinGroupRequest::default()
                .with_group_id(id(group))
                .with_session_timeout_ms(10_000)
                .with_rebalance_timeout_ms(10_000)
                .with_protocol_type(text("consumer"))
                .with_protocols(vec![protocol]);
            // A member is given an id, and joins with its next request (KIP-394).
            attempt(cluster, &request, &[E::MemberIdRequired], |answer| vec![answer.error_code]).await
        }
        OnGroup::Sync => {
            let request = SyncGroupRequest::default().with_group_id(id(group)).with_member_id(text(NOBODY));
            attempt(cluster, &request, LET_IN, |answer| vec![answer.error_code]).await
        }
        OnGroup::Heartbeat => {
            let request = HeartbeatRequest::default().with_group_id(id(group)).with_member_id(text(NOBODY));
            attempt(cluster, &request, LET_IN, |answer| vec![answer.error_code]).await
        }
        OnGroup::Leave => {
            let request = LeaveGroupRequest::default().with_group_id(id(group)).with_member_id(text(NOBODY));
            attempt(cluster, &request, LET_IN, |answer| vec![answer.error_code]).await
        }
        OnGroup::Describe => {
            let request = DescribeGroupsRequest::default().with_groups(vec![id(group)]);
            attempt(cluster, &request, &[], |answer| {
                answer.groups.iter().map(|group| group.error_code).collect()
            })
            .await
        }
        OnGroup::Delete => {
            let request = DeleteGroupsRequest::default().with_groups_names(vec![id(group)]);
            attempt(cluster, &request, &[], |answer| {
                answer.results.iter().map(|group| group.error_code).collect()
            })
            .await
        }
    }
}

pub(super) async fn attempt_on_position(
    cluster: &Cluster,
    what: OnPosition,
    group: &str,
    topic: &str,
) -> Result<Verdict, BusError> {
    let name = topic_name(topic);
    match what {
        OnPosition::Commit => {
            let partition = OffsetCommitRequestPartition::default().with_committed_offset(7);
            let topic = OffsetCommitRequestTopic::default().with_name(name).with_partitions(vec![partition]);
            // As a consumer without a group's membership.
            let request = OffsetCommitRequest::default()
                .with_group_id(id(group))
                .with_generation_id_or_member_epoch(-1)
                .with_topics(vec![topic]);
            attempt(cluster, &request, &[], |answer| {
                let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
                partitions.map(|partition| partition.error_code).collect()
            })
            .await
        }
        OnPosition::Fetch => {
            let topic = OffsetFetchRequestTopic::default().with_name(name).with_partition_indexes(vec![0]);
            let request =
                OffsetFetchRequest::default().with_group_id(id(group)).with_topics(Some(vec![topic]));
            attempt(cluster, &request, &[], |answer| {
                let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
                let codes = partitions.map(|partition| partition.error_code);
                [answer.error_code].into_iter().chain(codes).collect()
            })
            .await
        }
        OnPosition::Delete => {
            let topic = OffsetDeleteRequestTopic::default()
                .with_name(name)
                .with_partitions(vec![OffsetDeleteRequestPartition::default()]);
            let request = OffsetDeleteRequest::default().with_group_id(id(group)).with_topics(vec![topic]);
            attempt(cluster, &request, &[], |answer| {
                let partitions = answer.topics.iter().flat_map(|topic| &topic.partitions);
                let codes = partitions.map(|partition| partition.error_code);
                [answer.error_code].into_iter().chain(codes).collect()
            })
            .await
        }
    }
}
