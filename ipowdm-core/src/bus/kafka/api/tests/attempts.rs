use super::{text, topic};
use bytes::Bytes;
use kafka_protocol::messages::alter_partition_reassignments_response as reassignment;
use kafka_protocol::messages::delete_groups_response::DeletableGroupResult;
use kafka_protocol::messages::delete_records_response as records;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::describe_log_dirs_response as dirs;
use kafka_protocol::messages::describe_producers_response as producers;
use kafka_protocol::messages::elect_leaders_response as election;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::offset_commit_response as commit;
use kafka_protocol::messages::offset_delete_response as deletion;
use kafka_protocol::messages::offset_fetch_response as position;
use kafka_protocol::messages::offset_for_leader_epoch_response as epoch;
use kafka_protocol::messages::write_txn_markers_response as markers;
use kafka_protocol::messages::*;
use std::vec;

pub(super) fn offset_commit() -> OffsetCommitResponse {
    let partition = commit::OffsetCommitResponsePartition::default().with_error_code(29);
    let topic = commit::OffsetCommitResponseTopic::default().with_name(topic());
    let topic = topic.with_partitions(vec![partition.clone(), partition]);
    OffsetCommitResponse::default().with_topics(vec![topic.clone(), topic])
}

pub(super) fn offset_fetch() -> OffsetFetchResponse {
    let partition = position::OffsetFetchResponsePartition::default().with_metadata(Some(text("m")));
    let topic = position::OffsetFetchResponseTopic::default().with_name(topic());
    let topic = topic.with_partitions(vec![partition.clone(), partition]);
    OffsetFetchResponse::default().with_error_code(30).with_topics(vec![topic])
}

pub(super) fn find_coordinator() -> FindCoordinatorResponse {
    FindCoordinatorResponse::default().with_error_message(Some(text("no"))).with_host(text("host"))
}

pub(super) fn join_group() -> JoinGroupResponse {
    let member = JoinGroupResponseMember::default().with_member_id(text("m"));
    let member = member.with_metadata(Bytes::from_static(b"metadata"));
    let answer = JoinGroupResponse::default().with_protocol_name(Some(text("range"))).with_leader(text("m"));
    answer.with_member_id(text("m")).with_members(vec![member.clone(), member])
}

pub(super) fn heartbeat() -> HeartbeatResponse {
    HeartbeatResponse::default().with_error_code(25)
}

pub(super) fn leave_group() -> LeaveGroupResponse {
    LeaveGroupResponse::default().with_error_code(25)
}

pub(super) fn sync_group() -> SyncGroupResponse {
    SyncGroupResponse::default().with_assignment(Bytes::from_static(b"assignment"))
}

pub(super) fn describe_groups() -> DescribeGroupsResponse {
    let member = DescribedGroupMember::default().with_client_id(text("c")).with_client_host(text("/h"));
    let member = member.with_member_id(text("m")).with_member_metadata(Bytes::from_static(b"x"));
    let group = DescribedGroup::default().with_group_id(GroupId(text("g"))).with_group_state(text("Dead"));
    let group = group.with_members(vec![member.clone(), member]);
    DescribeGroupsResponse::default().with_groups(vec![group.clone(), group])
}

pub(super) fn list_groups() -> ListGroupsResponse {
    let group = ListedGroup::default().with_group_id(GroupId(text("g"))).with_protocol_type(text("consumer"));
    ListGroupsResponse::default().with_groups(vec![group.clone(), group])
}

pub(super) fn delete_records() -> DeleteRecordsResponse {
    let partition = records::DeleteRecordsPartitionResult::default().with_low_watermark(3);
    let topic = records::DeleteRecordsTopicResult::default().with_name(topic());
    DeleteRecordsResponse::default().with_topics(vec![topic.with_partitions(vec![partition])])
}

pub(super) fn init_producer_id() -> InitProducerIdResponse {
    InitProducerIdResponse::default().with_producer_id(7.into())
}

pub(super) fn leader_epoch() -> OffsetForLeaderEpochResponse {
    let partition = epoch::EpochEndOffset::default().with_end_offset(9);
    let topic = epoch::OffsetForLeaderTopicResult::default().with_topic(topic());
    OffsetForLeaderEpochResponse::default().with_topics(vec![topic.with_partitions(vec![partition])])
}

pub(super) fn write_markers() -> WriteTxnMarkersResponse {
    let partition = markers::WritableTxnMarkerPartitionResult::default().with_error_code(31);
    let topic = markers::WritableTxnMarkerTopicResult::default().with_name(topic());
    let topic = topic.with_partitions(vec![partition.clone(), partition]);
    let marker = markers::WritableTxnMarkerResult::default().with_topics(vec![topic]);
    WriteTxnMarkersResponse::default().with_markers(vec![marker.clone(), marker])
}

pub(super) fn describe_log_dirs() -> DescribeLogDirsResponse {
    let partition = dirs::DescribeLogDirsPartition::default().with_partition_size(5);
    let topic = dirs::DescribeLogDirsTopic::default().with_name(topic()).with_partitions(vec![partition]);
    let dir = dirs::DescribeLogDirsResult::default().with_log_dir(text("/d")).with_topics(vec![topic]);
    DescribeLogDirsResponse::default().with_results(vec![dir.clone(), dir])
}

pub(super) fn delete_groups() -> DeleteGroupsResponse {
    let group = DeletableGroupResult::default().with_group_id(GroupId(text("g"))).with_error_code(30);
    DeleteGroupsResponse::default().with_results(vec![group.clone(), group])
}

pub(super) fn elect_leaders() -> ElectLeadersResponse {
    let partition = election::PartitionResult::default().with_error_message(Some(text("no")));
    let topic = election::ReplicaElectionResult::default().with_topic(topic());
    let topic = topic.with_partition_result(vec![partition.clone(), partition]);
    ElectLeadersResponse::default().with_replica_election_results(vec![topic])
}

pub(super) fn reassign() -> AlterPartitionReassignmentsResponse {
    let partition = reassignment::ReassignablePartitionResponse::default().with_error_message(None);
    let topic = reassignment::ReassignableTopicResponse::default().with_name(topic());
    let topic = topic.with_partitions(vec![partition.clone(), partition]);
    AlterPartitionReassignmentsResponse::default()
        .with_error_message(Some(text("no")))
        .with_responses(vec![topic])
}

pub(super) fn offset_delete() -> OffsetDeleteResponse {
    let partition = deletion::OffsetDeleteResponsePartition::default().with_error_code(29);
    let topic = deletion::OffsetDeleteResponseTopic::default().with_name(topic());
    OffsetDeleteResponse::default().with_topics(vec![topic.with_partitions(vec![partition])])
}

pub(super) fn describe_producers() -> DescribeProducersResponse {
    let producer = producers::ProducerState::default().with_producer_id(3.into());
    let partition = producers::PartitionResponse::default().with_error_message(Some(text("no")));
    let partition = partition.with_active_producers(vec![producer.clone(), producer]);
    let topic = producers::TopicResponse::default().with_name(topic()).with_partitions(vec![partition]);
    DescribeProducersResponse::default().with_topics(vec![topic.clone(), topic])
}
