//! The Kafka APIs served here and the versions of each.
//!
//! Every range stops below the version that switches to topic ids, batched coordinators or static group
//! membership, none of which a laboratory needs. Clients negotiate down through `ApiVersions`.

use std::fmt;
use std::ops::RangeInclusive;

macro_rules! apis {
    ($($(#[$doc:meta])* $name:ident = $key:literal, $min:literal..=$max:literal, flexible from $flexible:literal;)*) => {
        /// A Kafka API that the broker serves; the numbers are the protocol's API keys.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Api { $($(#[$doc])* $name,)* }

        impl Api {
            /// Every API served, by ascending key.
            pub const ALL: &'static [Api] = &[$(Api::$name,)*];

            /// The API key on the wire.
            pub const fn key(self) -> i16 {
                match self { $(Api::$name => $key,)* }
            }

            /// The versions served, both ends included.
            pub const fn versions(self) -> RangeInclusive<i16> {
                match self { $(Api::$name => $min..=$max,)* }
            }

            /// First version with compact lengths and tagged fields ("flexible", KIP-482).
            pub(crate) const fn flexible_from(self) -> i16 {
                match self { $(Api::$name => $flexible,)* }
            }

            /// The API with this key, if it is served.
            pub const fn from_key(key: i16) -> Option<Api> {
                match key { $($key => Some(Api::$name),)* _ => None }
            }
        }
    };
}

apis! {
    /// Appends record batches.
    Produce = 0, 3..=9, flexible from 9;
    /// Reads record batches, waiting for new ones if asked to.
    Fetch = 1, 4..=12, flexible from 12;
    /// Resolves earliest, latest and by-timestamp offsets.
    ListOffsets = 2, 1..=6, flexible from 6;
    /// Lists the node, the topics and their partitions.
    Metadata = 3, 0..=9, flexible from 9;
    /// Stores the positions of a consumer group.
    OffsetCommit = 8, 2..=6, flexible from 8;
    /// Returns the positions of a consumer group.
    OffsetFetch = 9, 1..=7, flexible from 6;
    /// Names the node that coordinates a group: always this one.
    FindCoordinator = 10, 0..=3, flexible from 3;
    /// Enters a consumer group or answers its rebalance.
    JoinGroup = 11, 0..=4, flexible from 6;
    /// Keeps a group membership alive.
    Heartbeat = 12, 0..=2, flexible from 4;
    /// Leaves a consumer group.
    LeaveGroup = 13, 0..=2, flexible from 4;
    /// Distributes the leader's assignment.
    SyncGroup = 14, 0..=2, flexible from 4;
    /// Lists the consumer groups.
    ListGroups = 16, 0..=4, flexible from 3;
    /// Announces this table.
    ApiVersions = 18, 0..=3, flexible from 3;
    /// Creates topics with configurations.
    CreateTopics = 19, 2..=6, flexible from 5;
    /// Deletes topics by name.
    DeleteTopics = 20, 1..=5, flexible from 4;
    /// Moves the start of a partition forward.
    DeleteRecords = 21, 0..=2, flexible from 2;
    /// Hands out producer ids for idempotent producers.
    InitProducerId = 22, 0..=4, flexible from 2;
    /// Lists access control lists: refused, there is no authorizer.
    DescribeAcls = 29, 1..=3, flexible from 2;
    /// Adds to access control lists: refused.
    CreateAcls = 30, 1..=3, flexible from 2;
    /// Removes from access control lists: refused.
    DeleteAcls = 31, 1..=3, flexible from 2;
    /// Reads topic and broker configurations.
    DescribeConfigs = 32, 1..=4, flexible from 4;
    /// Gives a topic another configuration as a whole.
    AlterConfigs = 33, 0..=2, flexible from 2;
    /// Gives topics more partitions.
    CreatePartitions = 37, 0..=3, flexible from 2;
    /// Changes single configurations of a topic.
    IncrementalAlterConfigs = 44, 0..=1, flexible from 1;
    /// Says who has SCRAM credentials: nobody.
    DescribeUserScramCredentials = 50, 0..=0, flexible from 0;
    /// Changes SCRAM credentials: refused.
    AlterUserScramCredentials = 51, 0..=0, flexible from 0;
}

impl Api {
    /// Whether `version` of this API uses compact lengths and tagged fields.
    pub(crate) const fn is_flexible(self, version: i16) -> bool {
        version >= self.flexible_from()
    }
}

impl fmt::Display for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kafka_protocol::messages::ApiKey;

    #[test]
    fn the_table_agrees_with_the_codec_on_keys_versions_and_header_forms() {
        for &api in Api::ALL {
            let codec = ApiKey::try_from(api.key()).unwrap();
            assert_eq!(format!("{codec:?}"), api.to_string());
            let (ours, theirs) = (api.versions(), codec.valid_versions());
            assert!(
                theirs.min <= *ours.start() && *ours.end() <= theirs.max,
                "{api}: {ours:?} not in {theirs}"
            );
            for version in ours {
                let flexible = codec.request_header_version(version) == 2;
                assert_eq!(api.is_flexible(version), flexible, "{api} v{version}");
            }
            assert_eq!(Api::from_key(api.key()), Some(api));
        }
        assert!(Api::ALL.is_sorted_by_key(|api| api.key()));
        assert_eq!(Api::from_key(-1), None);
    }
}
