//! What neither a bus nor its administration asks for, and somebody else may try.

use super::super::shape::{
    Field,
    Kind::{Blob, Fixed, Structs, Text},
    field, since,
};
use super::Api;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse, DeleteGroupsRequest,
    DeleteGroupsResponse, DeleteRecordsRequest, DeleteRecordsResponse, DescribeGroupsRequest,
    DescribeGroupsResponse, DescribeLogDirsRequest, DescribeLogDirsResponse, DescribeProducersRequest,
    DescribeProducersResponse, ElectLeadersRequest, ElectLeadersResponse, FindCoordinatorRequest,
    FindCoordinatorResponse, HeartbeatRequest, HeartbeatResponse, InitProducerIdRequest,
    InitProducerIdResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    ListGroupsRequest, ListGroupsResponse, OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest,
    OffsetDeleteResponse, OffsetFetchRequest, OffsetFetchResponse, OffsetForLeaderEpochRequest,
    OffsetForLeaderEpochResponse, SyncGroupRequest, SyncGroupResponse, WriteTxnMarkersRequest,
    WriteTxnMarkersResponse,
};

apis! {
    OffsetCommitRequest -> OffsetCommitResponse, "OffsetCommit", 8, (5, 6), flexible false, repeatable true, OFFSET_COMMIT =
        [field(Fixed(4)), field(Structs(ERRORS_OF_TOPIC))];
    OffsetFetchRequest -> OffsetFetchResponse, "OffsetFetch", 9, (3, 5), flexible false, repeatable true, OFFSET_FETCH =
        [field(Fixed(4)), field(Structs(OFFSETS_OF_TOPIC)), field(Fixed(2))];
    FindCoordinatorRequest -> FindCoordinatorResponse, "FindCoordinator", 10, (1, 2), flexible false, repeatable true, FIND_COORDINATOR =
        [field(Fixed(4 + 2)), field(Text), field(Fixed(4)), field(Text), field(Fixed(4))];
    JoinGroupRequest -> JoinGroupResponse, "JoinGroup", 11, (4, 4), flexible false, repeatable true, JOIN_GROUP =
        [field(Fixed(4 + 2 + 4)), field(Text), field(Text), field(Text), field(Structs(&[field(Text), field(Blob)]))];
    HeartbeatRequest -> HeartbeatResponse, "Heartbeat", 12, (1, 2), flexible false, repeatable true, HEARTBEAT =
        [field(Fixed(4 + 2))];
    LeaveGroupRequest -> LeaveGroupResponse, "LeaveGroup", 13, (1, 2), flexible false, repeatable true, LEAVE_GROUP =
        [field(Fixed(4 + 2))];
    SyncGroupRequest -> SyncGroupResponse, "SyncGroup", 14, (1, 2), flexible false, repeatable true, SYNC_GROUP =
        [field(Fixed(4 + 2)), field(Blob)];
    DescribeGroupsRequest -> DescribeGroupsResponse, "DescribeGroups", 15, (1, 3), flexible false, repeatable true, DESCRIBE_GROUPS =
        [field(Fixed(4)), field(Structs(GROUP))];
    ListGroupsRequest -> ListGroupsResponse, "ListGroups", 16, (1, 2), flexible false, repeatable true, LIST_GROUPS =
        [field(Fixed(4 + 2)), field(Structs(&[field(Text), field(Text)]))];
    DeleteRecordsRequest -> DeleteRecordsResponse, "DeleteRecords", 21, (0, 1), flexible false, repeatable true, DELETE_RECORDS =
        // partition, low watermark, error
        [field(Fixed(4)), field(Structs(&[field(Text), field(Structs(&[field(Fixed(4 + 8 + 2))]))]))];
    InitProducerIdRequest -> InitProducerIdResponse, "InitProducerId", 22, (0, 1), flexible false, repeatable true, INIT_PRODUCER_ID =
        [field(Fixed(4 + 2 + 8 + 2))];
    OffsetForLeaderEpochRequest -> OffsetForLeaderEpochResponse, "OffsetForLeaderEpoch", 23, (3, 3), flexible false, repeatable true, LEADER_EPOCH =
        // error, partition, epoch, end
        [field(Fixed(4)), field(Structs(&[field(Text), field(Structs(&[field(Fixed(2 + 4 + 4 + 8))]))]))];
    WriteTxnMarkersRequest -> WriteTxnMarkersResponse, "WriteTxnMarkers", 27, (1, 1), flexible true, repeatable false, WRITE_MARKERS =
        [field(Structs(&[field(Fixed(8)), field(Structs(ERRORS_OF_TOPIC))]))];
    DescribeLogDirsRequest -> DescribeLogDirsResponse, "DescribeLogDirs", 35, (3, 4), flexible true, repeatable true, DESCRIBE_LOG_DIRS =
        [field(Fixed(4 + 2)), field(Structs(LOG_DIR))];
    DeleteGroupsRequest -> DeleteGroupsResponse, "DeleteGroups", 42, (0, 1), flexible false, repeatable false, DELETE_GROUPS =
        [field(Fixed(4)), field(Structs(&[field(Text), field(Fixed(2))]))];
    ElectLeadersRequest -> ElectLeadersResponse, "ElectLeaders", 43, (1, 1), flexible false, repeatable true, ELECT_LEADERS =
        [field(Fixed(4 + 2)), field(Structs(MESSAGES_OF_TOPIC))];
    AlterPartitionReassignmentsRequest -> AlterPartitionReassignmentsResponse, "AlterPartitionReassignments", 45, (0, 0), flexible true, repeatable true, REASSIGN =
        [field(Fixed(4 + 2)), field(Text), field(Structs(MESSAGES_OF_TOPIC))];
    OffsetDeleteRequest -> OffsetDeleteResponse, "OffsetDelete", 47, (0, 0), flexible false, repeatable false, OFFSET_DELETE =
        [field(Fixed(2 + 4)), field(Structs(ERRORS_OF_TOPIC))];
    DescribeProducersRequest -> DescribeProducersResponse, "DescribeProducers", 61, (0, 0), flexible true, repeatable true, DESCRIBE_PRODUCERS =
        [field(Fixed(4)), field(Structs(&[field(Text), field(Structs(PRODUCERS_OF_PARTITION))]))];
}

/// Topic; partitions with errors.
const ERRORS_OF_TOPIC: &[Field] = &[field(Text), field(Structs(&[field(Fixed(4 + 2))]))];

/// Topic; partitions with errors and what is said about them.
const MESSAGES_OF_TOPIC: &[Field] = &[field(Text), field(Structs(&[field(Fixed(4 + 2)), field(Text)]))];

const OFFSETS_OF_TOPIC: &[Field] = &[
    field(Text),
    // partition, offset; epoch; metadata, error
    field(Structs(&[field(Fixed(4 + 8)), since(5, Fixed(4)), field(Text), field(Fixed(2))])),
];

const GROUP: &[Field] = &[
    field(Fixed(2)),
    // group, state, kind of protocol, protocol
    field(Text),
    field(Text),
    field(Text),
    field(Text),
    // member, client, host, metadata, assignment
    field(Structs(&[field(Text), field(Text), field(Text), field(Blob), field(Blob)])),
    // operations allowed
    since(3, Fixed(4)),
];

const LOG_DIR: &[Field] = &[
    field(Fixed(2)),
    field(Text),
    // partition, size, lag, whether it is to come
    field(Structs(&[field(Text), field(Structs(&[field(Fixed(4 + 8 + 8 + 1))]))])),
    // bytes in all, bytes left
    since(4, Fixed(8 + 8)),
];

const PRODUCERS_OF_PARTITION: &[Field] = &[
    field(Fixed(4 + 2)),
    field(Text),
    // id, epoch, last sequence and time, coordinator's epoch, start of its transaction
    field(Structs(&[field(Fixed(8 + 4 + 4 + 8 + 4 + 8))])),
];
