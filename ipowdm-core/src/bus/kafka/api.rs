//! The Kafka APIs used here: the versions spoken, and the layout of their responses.
//!
//! Every range holds only versions without tagged fields and topic ids, which Apache Kafka 1.0 to 4.x all serve; but the calls
//! about SCRAM passwords, which came with Kafka 2.7, have tagged fields from their first version on, and those about access
//! control lists are of Kafka 2.0 and later. What only administration asks for is apart, in `administration`.
//! Source of numbers and layouts: Kafka's message definitions, `clients/src/main/resources/common/message`.

use super::shape::{
    Field,
    Kind::{Blob, Fixed, Numbers, Structs, Text},
    field, since,
};
use kafka_protocol::messages::{
    AlterUserScramCredentialsRequest, AlterUserScramCredentialsResponse, ApiVersionsRequest,
    ApiVersionsResponse, CreateAclsRequest, CreateAclsResponse, CreateTopicsRequest, CreateTopicsResponse,
    DeleteAclsRequest, DeleteAclsResponse, DeleteTopicsRequest, DeleteTopicsResponse, DescribeAclsRequest,
    DescribeAclsResponse, DescribeConfigsRequest, DescribeConfigsResponse,
    DescribeUserScramCredentialsRequest, DescribeUserScramCredentialsResponse, FetchRequest, FetchResponse,
    ListOffsetsRequest, ListOffsetsResponse, MetadataRequest, MetadataResponse, ProduceRequest,
    ProduceResponse, SaslAuthenticateRequest, SaslAuthenticateResponse, SaslHandshakeRequest,
    SaslHandshakeResponse,
};
use kafka_protocol::protocol::{Decodable, Encodable};

/// A request, its response, and how both travel.
pub(super) trait Api: Encodable + Send + Sync {
    /// What the broker answers.
    type Response: Decodable + Send;
    /// Its name in messages for people.
    const NAME: &'static str;
    /// The API key.
    const KEY: i16;
    /// The versions spoken, both ends included.
    const VERSIONS: (i16, i16);
    /// Whether these versions have tagged fields and compact lengths (KIP-482).
    const FLEXIBLE: bool;
    /// The layout of the response.
    const LAYOUT: &'static [Field];
    /// Whether sending it again after an unclear failure changes nothing: a connection from the pool that turns out
    /// to be dead is then replaced silently.
    const REPEATABLE: bool;
}

macro_rules! apis {
    ($($request:ident -> $response:ident, $name:literal, $key:literal, $versions:expr, flexible $flexible:literal, repeatable $repeatable:literal, $layout:ident = $fields:expr;)*) => {
        $(
            const $layout: &[Field] = &$fields;

            impl Api for $request {
                type Response = $response;
                const NAME: &'static str = $name;
                const KEY: i16 = $key;
                const VERSIONS: (i16, i16) = $versions;
                const FLEXIBLE: bool = $flexible;
                const LAYOUT: &'static [Field] = $layout;
                const REPEATABLE: bool = $repeatable;
            }
        )*
    };
}

apis! {
    ProduceRequest -> ProduceResponse, "Produce", 0, (3, 7), flexible false, repeatable false, PRODUCE =
        [field(Structs(PRODUCED_TOPIC)), field(Fixed(4))];
    FetchRequest -> FetchResponse, "Fetch", 1, (4, 6), flexible false, repeatable true, FETCH =
        [field(Fixed(4)), field(Structs(FETCHED_TOPIC))];
    ListOffsetsRequest -> ListOffsetsResponse, "ListOffsets", 2, (1, 3), flexible false, repeatable true, LIST_OFFSETS =
        [since(2, Fixed(4)), field(Structs(LISTED_TOPIC))];
    MetadataRequest -> MetadataResponse, "Metadata", 3, (4, 7), flexible false, repeatable true, METADATA =
        [field(Fixed(4)), field(Structs(BROKER)), field(Text), field(Fixed(4)), field(Structs(TOPIC))];
    ApiVersionsRequest -> ApiVersionsResponse, "ApiVersions", 18, (0, 0), flexible false, repeatable true, API_VERSIONS =
        [field(Fixed(2)), field(Structs(&[field(Fixed(2 + 2 + 2))]))];
    CreateTopicsRequest -> CreateTopicsResponse, "CreateTopics", 19, (2, 4), flexible false, repeatable false, CREATE_TOPICS =
        [field(Fixed(4)), field(Structs(&[field(Text), field(Fixed(2)), field(Text)]))];
    DeleteTopicsRequest -> DeleteTopicsResponse, "DeleteTopics", 20, (1, 3), flexible false, repeatable false, DELETE_TOPICS =
        [field(Fixed(4)), field(Structs(&[field(Text), field(Fixed(2))]))];
    DescribeConfigsRequest -> DescribeConfigsResponse, "DescribeConfigs", 32, (1, 3), flexible false, repeatable true, DESCRIBE_CONFIGS =
        [field(Fixed(4)), field(Structs(DESCRIBED))];
    SaslHandshakeRequest -> SaslHandshakeResponse, "SaslHandshake", 17, (1, 1), flexible false, repeatable false, SASL_HANDSHAKE =
        [field(Fixed(2)), field(Structs(&[field(Text)]))];
    SaslAuthenticateRequest -> SaslAuthenticateResponse, "SaslAuthenticate", 36, (0, 1), flexible false, repeatable false, SASL_AUTHENTICATE =
        [field(Fixed(2)), field(Text), field(Blob), since(1, Fixed(8))];
    DescribeAclsRequest -> DescribeAclsResponse, "DescribeAcls", 29, (1, 1), flexible false, repeatable true, DESCRIBE_ACLS =
        [field(Fixed(4 + 2)), field(Text), field(Structs(ACLS_OF_RESOURCE))];
    CreateAclsRequest -> CreateAclsResponse, "CreateAcls", 30, (1, 1), flexible false, repeatable true, CREATE_ACLS =
        [field(Fixed(4)), field(Structs(&[field(Fixed(2)), field(Text)]))];
    DeleteAclsRequest -> DeleteAclsResponse, "DeleteAcls", 31, (1, 1), flexible false, repeatable true, DELETE_ACLS =
        [field(Fixed(4)), field(Structs(&[field(Fixed(2)), field(Text), field(Structs(DELETED_ACL))]))];
    DescribeUserScramCredentialsRequest -> DescribeUserScramCredentialsResponse, "DescribeUserScramCredentials", 50, (0, 0), flexible true, repeatable true, DESCRIBE_SCRAM =
        [field(Fixed(4 + 2)), field(Text), field(Structs(SCRAM_OF_USER))];
    AlterUserScramCredentialsRequest -> AlterUserScramCredentialsResponse, "AlterUserScramCredentials", 51, (0, 0), flexible true, repeatable true, ALTER_SCRAM =
        [field(Fixed(4)), field(Structs(&[field(Text), field(Fixed(2)), field(Text)]))];
}

const PRODUCED_TOPIC: &[Field] = &[
    field(Text),
    // partition, error, base offset, log-append time; log start
    field(Structs(&[field(Fixed(4 + 2 + 8 + 8)), since(5, Fixed(8))])),
];

const FETCHED_TOPIC: &[Field] = &[
    field(Text),
    field(Structs(&[
        // partition, error, high watermark, last stable offset
        field(Fixed(4 + 2 + 8 + 8)),
        // log start
        since(5, Fixed(8)),
        // aborted transactions
        field(Structs(&[field(Fixed(8 + 8))])),
        field(Blob),
    ])),
];

const LISTED_TOPIC: &[Field] = &[
    field(Text),
    // partition, error, timestamp, offset
    field(Structs(&[field(Fixed(4 + 2 + 8 + 8))])),
];

/// Node, host, port, rack.
const BROKER: &[Field] = &[field(Fixed(4)), field(Text), field(Fixed(4)), field(Text)];

const TOPIC: &[Field] = &[
    field(Fixed(2)),
    field(Text),
    // internal
    field(Fixed(1)),
    field(Structs(&[
        // error, partition, leader
        field(Fixed(2 + 4 + 4)),
        // leader epoch
        since(7, Fixed(4)),
        // replicas, those in sync, those offline
        field(Numbers),
        field(Numbers),
        since(5, Numbers),
    ])),
];

const DESCRIBED: &[Field] = &[
    field(Fixed(2)),
    field(Text),
    // resource type
    field(Fixed(1)),
    field(Text),
    field(Structs(&[
        field(Text),
        field(Text),
        // read only, source, sensitive
        field(Fixed(1 + 1 + 1)),
        // synonyms
        field(Structs(&[field(Text), field(Text), field(Fixed(1))])),
        // value type, documentation
        since(3, Fixed(1)),
        since(3, Text),
    ])),
];

/// Kind of resource, its name, kind of pattern, what holds for it.
const ACLS_OF_RESOURCE: &[Field] = &[
    field(Fixed(1)),
    field(Text),
    field(Fixed(1)),
    // principal, host; operation, whether allowed
    field(Structs(&[field(Text), field(Text), field(Fixed(1 + 1))])),
];

const DELETED_ACL: &[Field] = &[
    field(Fixed(2)),
    field(Text),
    // resource and kind of pattern
    field(Fixed(1)),
    field(Text),
    field(Fixed(1)),
    // principal, host; operation, whether allowed
    field(Text),
    field(Text),
    field(Fixed(1 + 1)),
];

/// User, error, what has been issued: mechanism, iterations.
const SCRAM_OF_USER: &[Field] =
    &[field(Text), field(Fixed(2)), field(Text), field(Structs(&[field(Fixed(1 + 4))]))];

#[cfg(feature = "administration")]
mod administration;
#[cfg(feature = "attempts")]
mod attempts;
#[cfg(test)]
mod tests;
