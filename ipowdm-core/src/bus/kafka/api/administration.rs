//! Changes of topics, of Kafka 1.0 and 2.3 and later, and quotas, of Kafka 2.6 and later.

use super::super::shape::{
    Field,
    Kind::{Fixed, Structs, Text},
    field,
};
use super::Api;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, AlterClientQuotasResponse, CreatePartitionsRequest, CreatePartitionsResponse,
    DescribeClientQuotasRequest, DescribeClientQuotasResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};

apis! {
    CreatePartitionsRequest -> CreatePartitionsResponse, "CreatePartitions", 37, (0, 1), flexible false, repeatable false, CREATE_PARTITIONS =
        [field(Fixed(4)), field(Structs(&[field(Text), field(Fixed(2)), field(Text)]))];
    IncrementalAlterConfigsRequest -> IncrementalAlterConfigsResponse, "IncrementalAlterConfigs", 44, (0, 0), flexible false, repeatable true, ALTER_CONFIGS =
        [field(Fixed(4)), field(Structs(&[field(Fixed(2)), field(Text), field(Fixed(1)), field(Text)]))];
    DescribeClientQuotasRequest -> DescribeClientQuotasResponse, "DescribeClientQuotas", 48, (0, 0), flexible false, repeatable true, DESCRIBE_QUOTAS =
        [field(Fixed(4 + 2)), field(Text), field(Structs(QUOTAS_OF_ENTITY))];
    AlterClientQuotasRequest -> AlterClientQuotasResponse, "AlterClientQuotas", 49, (0, 0), flexible false, repeatable true, ALTER_QUOTAS =
        [field(Fixed(4)), field(Structs(&[field(Fixed(2)), field(Text), field(Structs(ENTITY))]))];
}

/// Kind and name.
const ENTITY: &[Field] = &[field(Text), field(Text)];

/// Entity; name and value of what is limited.
const QUOTAS_OF_ENTITY: &[Field] = &[field(Structs(ENTITY)), field(Structs(&[field(Text), field(Fixed(8))]))];
