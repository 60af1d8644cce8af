//! The fields of every request, from Kafka's message definitions (`clients/src/main/resources/common/message`),
//! restricted to the versions in [`Api::versions`].

use crate::api::Api;

/// What a field looks like on the wire.
pub(super) enum Kind {
    /// So many bytes, always.
    Fixed(usize),
    /// A string, nullable or not.
    Text,
    /// A byte string, nullable or not.
    Blob,
    /// An array of structures (each ends in tagged fields in flexible versions).
    Structs(&'static [Field]),
    /// An array of bare values.
    Values(&'static Kind),
}

use Kind::{Blob, Fixed, Structs, Text, Values};

/// A field, or several fixed ones in a row, and the versions that carry it.
pub(super) struct Field {
    pub(super) since: i16,
    pub(super) until: i16,
    pub(super) kind: Kind,
}

const fn always(kind: Kind) -> Field {
    Field { since: 0, until: i16::MAX, kind }
}

const fn since(since: i16, kind: Kind) -> Field {
    Field { since, until: i16::MAX, kind }
}

const fn until(until: i16, kind: Kind) -> Field {
    Field { since: 0, until, kind }
}

/// The fields of a request.
pub(super) const fn layout(api: Api) -> &'static [Field] {
    match api {
        Api::Produce => PRODUCE,
        Api::Fetch => FETCH,
        Api::ListOffsets => LIST_OFFSETS,
        Api::Metadata => METADATA,
        Api::OffsetCommit => OFFSET_COMMIT,
        Api::OffsetFetch => OFFSET_FETCH,
        Api::FindCoordinator => FIND_COORDINATOR,
        Api::JoinGroup => JOIN_GROUP,
        Api::Heartbeat => HEARTBEAT,
        Api::LeaveGroup => LEAVE_GROUP,
        Api::SyncGroup => SYNC_GROUP,
        Api::ListGroups => LIST_GROUPS,
        Api::ApiVersions => API_VERSIONS,
        Api::CreateTopics => CREATE_TOPICS,
        Api::DeleteTopics => DELETE_TOPICS,
        Api::DeleteRecords => DELETE_RECORDS,
        Api::InitProducerId => INIT_PRODUCER_ID,
        Api::DescribeAcls => DESCRIBE_ACLS,
        Api::CreateAcls => CREATE_ACLS,
        Api::DeleteAcls => DELETE_ACLS,
        Api::DescribeConfigs => DESCRIBE_CONFIGS,
        Api::AlterConfigs => ALTER_CONFIGS,
        Api::CreatePartitions => CREATE_PARTITIONS,
        Api::IncrementalAlterConfigs => INCREMENTAL_ALTER_CONFIGS,
        Api::DescribeUserScramCredentials => DESCRIBE_SCRAM,
        Api::AlterUserScramCredentials => ALTER_SCRAM,
    }
}

const PARTITION: Field = always(Fixed(4));

/// Transactional id; acks, timeout; topics of partitions with records.
const PRODUCE: &[Field] = &[since(3, Text), always(Fixed(2 + 4)), always(Structs(PRODUCE_TOPIC))];
const PRODUCE_TOPIC: &[Field] = &[always(Text), always(Structs(PRODUCE_PARTITION))];
const PRODUCE_PARTITION: &[Field] = &[PARTITION, always(Blob)];

/// Replica, maximum wait, least and most bytes, isolation level; session id and epoch; topics; forgotten topics; rack.
const FETCH: &[Field] = &[
    always(Fixed(4 + 4 + 4 + 4 + 1)),
    since(7, Fixed(4 + 4)),
    always(Structs(FETCH_TOPIC)),
    since(7, Structs(TOPIC_PARTITIONS)),
    since(11, Text),
];
const FETCH_TOPIC: &[Field] = &[always(Text), always(Structs(FETCH_PARTITION))];
/// Index; leader epoch; offset; last fetched epoch; log start; most bytes.
const FETCH_PARTITION: &[Field] = &[
    PARTITION,
    since(9, Fixed(4)),
    always(Fixed(8)),
    since(12, Fixed(4)),
    since(5, Fixed(8)),
    always(Fixed(4)),
];
/// Topic; partition indexes.
const TOPIC_PARTITIONS: &[Field] = &[always(Text), always(Values(&Fixed(4)))];

/// Replica; isolation level; topics of partitions with leader epoch and timestamp.
const LIST_OFFSETS: &[Field] = &[always(Fixed(4)), since(2, Fixed(1)), always(Structs(LIST_OFFSETS_TOPIC))];
const LIST_OFFSETS_TOPIC: &[Field] = &[always(Text), always(Structs(LIST_OFFSETS_PARTITION))];
const LIST_OFFSETS_PARTITION: &[Field] = &[PARTITION, since(4, Fixed(4)), always(Fixed(8))];

/// Topics; auto-create; authorised operations of cluster and topics.
const METADATA: &[Field] = &[always(Structs(&[always(Text)])), since(4, Fixed(1)), since(8, Fixed(1 + 1))];

/// Group, generation, member; retention time; topics of partitions with offset, leader epoch and note.
const OFFSET_COMMIT: &[Field] =
    &[always(Text), always(Fixed(4)), always(Text), until(4, Fixed(8)), always(Structs(COMMIT_TOPIC))];
const COMMIT_TOPIC: &[Field] = &[always(Text), always(Structs(COMMIT_PARTITION))];
const COMMIT_PARTITION: &[Field] = &[PARTITION, always(Fixed(8)), since(6, Fixed(4)), always(Text)];

/// Group; topics; whether to wait for transactions.
const OFFSET_FETCH: &[Field] = &[always(Text), always(Structs(TOPIC_PARTITIONS)), since(7, Fixed(1))];

/// Key; kind of key.
const FIND_COORDINATOR: &[Field] = &[always(Text), since(1, Fixed(1))];

/// Group, session timeout; rebalance timeout; member, protocol type, protocols with their metadata.
const JOIN_GROUP: &[Field] = &[
    always(Text),
    always(Fixed(4)),
    since(1, Fixed(4)),
    always(Text),
    always(Text),
    always(Structs(NAMED_BLOB)),
];
const NAMED_BLOB: &[Field] = &[always(Text), always(Blob)];

/// Group, generation, member.
const HEARTBEAT: &[Field] = &[always(Text), always(Fixed(4)), always(Text)];

/// Group, member.
const LEAVE_GROUP: &[Field] = &[always(Text), always(Text)];

/// Group, generation, member, assignments by member.
const SYNC_GROUP: &[Field] = &[always(Text), always(Fixed(4)), always(Text), always(Structs(NAMED_BLOB))];

/// States wanted.
const LIST_GROUPS: &[Field] = &[since(4, Values(&Text))];

/// Name and version of the client's software.
const API_VERSIONS: &[Field] = &[since(3, Text), since(3, Text)];

/// Topics; timeout, validate only.
const CREATE_TOPICS: &[Field] = &[always(Structs(CREATE_TOPIC)), always(Fixed(4 + 1))];
/// Name; partitions, replicas; assignments of replicas; configurations.
const CREATE_TOPIC: &[Field] = &[
    always(Text),
    always(Fixed(4 + 2)),
    always(Structs(REPLICAS)),
    always(Structs(&[always(Text), always(Text)])),
];
const REPLICAS: &[Field] = &[PARTITION, always(Values(&Fixed(4)))];

/// Names; timeout.
const DELETE_TOPICS: &[Field] = &[always(Values(&Text)), always(Fixed(4))];

/// Topics of partitions with offset; timeout.
const DELETE_RECORDS: &[Field] = &[always(Structs(DELETE_RECORDS_TOPIC)), always(Fixed(4))];
const DELETE_RECORDS_TOPIC: &[Field] = &[always(Text), always(Structs(&[PARTITION, always(Fixed(8))]))];

/// Transactional id, timeout; producer id and epoch.
const INIT_PRODUCER_ID: &[Field] = &[always(Text), always(Fixed(4)), since(3, Fixed(8 + 2))];

/// Resources; synonyms; documentation.
const DESCRIBE_CONFIGS: &[Field] =
    &[always(Structs(DESCRIBE_RESOURCE)), always(Fixed(1)), since(3, Fixed(1))];
/// Type, name, keys wanted.
const DESCRIBE_RESOURCE: &[Field] = &[always(Fixed(1)), always(Text), always(Values(&Text))];

/// Resources with names and values; validate only.
const ALTER_CONFIGS: &[Field] = &[always(Structs(ALTER_RESOURCE)), always(Fixed(1))];
const ALTER_RESOURCE: &[Field] =
    &[always(Fixed(1)), always(Text), always(Structs(&[always(Text), always(Text)]))];

/// Topics with count and assignments of replicas; timeout, validate only.
const CREATE_PARTITIONS: &[Field] = &[always(Structs(GROW_TOPIC)), always(Fixed(4 + 1))];
const GROW_TOPIC: &[Field] = &[always(Text), always(Fixed(4)), always(Structs(&[always(Values(&Fixed(4)))]))];

/// Resources with names, operations and values; validate only.
const INCREMENTAL_ALTER_CONFIGS: &[Field] = &[always(Structs(CHANGE_RESOURCE)), always(Fixed(1))];
const CHANGE_RESOURCE: &[Field] =
    &[always(Fixed(1)), always(Text), always(Structs(&[always(Text), always(Fixed(1)), always(Text)]))];

/// Kind of resource, its name, kind of pattern; principal, host; operation, permission.
const DESCRIBE_ACLS: &[Field] =
    &[always(Fixed(1)), always(Text), always(Fixed(1)), always(Text), always(Text), always(Fixed(1 + 1))];
const CREATE_ACLS: &[Field] = &[always(Structs(DESCRIBE_ACLS))];
const DELETE_ACLS: &[Field] = &[always(Structs(DESCRIBE_ACLS))];

/// Users.
const DESCRIBE_SCRAM: &[Field] = &[always(Structs(&[always(Text)]))];
/// Deletions: user, mechanism; upsertions: user, mechanism and iterations, salt, salted password.
const ALTER_SCRAM: &[Field] = &[
    always(Structs(&[always(Text), always(Fixed(1))])),
    always(Structs(&[always(Text), always(Fixed(1 + 4)), always(Blob), always(Blob)])),
];
