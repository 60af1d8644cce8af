use super::{text, topic};
use kafka_protocol::messages::alter_client_quotas_response::{EntityData, EntryData};
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::describe_client_quotas_response::{
    EntityData as Entity, EntryData as Quota, ValueData,
};
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::{
    AlterClientQuotasResponse, CreatePartitionsResponse, DescribeClientQuotasResponse,
    IncrementalAlterConfigsResponse,
};
use std::vec;

pub(super) fn create_partitions() -> CreatePartitionsResponse {
    let result = CreatePartitionsTopicResult::default().with_name(topic()).with_error_code(37);
    let said = result.clone().with_error_message(Some(text("no")));
    CreatePartitionsResponse::default().with_results(vec![result, said])
}

pub(super) fn alter_configs() -> IncrementalAlterConfigsResponse {
    let result = AlterConfigsResourceResponse::default().with_resource_type(2).with_resource_name(text("t"));
    let refused = result.clone().with_error_code(40).with_error_message(Some(text("no")));
    IncrementalAlterConfigsResponse::default().with_responses(vec![result, refused])
}

pub(super) fn describe_quotas() -> DescribeClientQuotasResponse {
    let user = Entity::default().with_entity_type(text("user")).with_entity_name(Some(text("u")));
    let everybody = user.clone().with_entity_name(None);
    let value = ValueData::default().with_key(text("producer_byte_rate")).with_value(20_000.5);
    let entry = Quota::default().with_entity(vec![user]).with_values(vec![value.clone(), value]);
    let bare = Quota::default().with_entity(vec![everybody]).with_values(vec![]);
    DescribeClientQuotasResponse::default().with_entries(Some(vec![entry, bare]))
}

pub(super) fn alter_quotas() -> AlterClientQuotasResponse {
    let user = EntityData::default().with_entity_type(text("user")).with_entity_name(Some(text("u")));
    let entry = EntryData::default().with_entity(vec![user]).with_error_message(Some(text("no")));
    AlterClientQuotasResponse::default().with_entries(vec![entry.clone(), entry])
}
