//! Attempts at the cluster itself.

use super::super::cluster::Cluster;
use super::{OnCluster, Verdict, attempt, text};
use crate::bus::BusError;
use kafka_protocol::ResponseError as E;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{
    DescribeConfigsRequest, DescribeLogDirsRequest, IncrementalAlterConfigsRequest, InitProducerIdRequest,
    TransactionalId,
};
use std::format;
use std::vec;

/// The protocol's number for brokers.
const BROKER: i8 = 4;
/// What stands for all brokers.
const ALL: &str = "";

pub(super) async fn attempt_on(
    cluster: &Cluster,
    what: OnCluster,
    broker: &str,
) -> Result<Verdict, BusError> {
    match what {
        OnCluster::DescribeBroker => {
            let resource = DescribeConfigsResource::default()
                .with_resource_type(BROKER)
                .with_resource_name(text(broker))
                .with_configuration_keys(None);
            let request = DescribeConfigsRequest::default().with_resources(vec![resource]);
            attempt(cluster, &request, &[], |answer| {
                answer.results.iter().map(|result| result.error_code).collect()
            })
            .await
        }
        OnCluster::AlterBroker => alter(cluster, broker).await,
        OnCluster::AlterAllBrokers => alter(cluster, ALL).await,
        OnCluster::DescribeLogDirs => {
            let request = DescribeLogDirsRequest::default().with_topics(None);
            attempt(cluster, &request, &[], |answer| vec![answer.error_code]).await
        }
        OnCluster::ProducerId => {
            let request = InitProducerIdRequest::default().with_transactional_id(None);
            attempt(cluster, &request, &[], |answer| vec![answer.error_code]).await
        }
        OnCluster::TransactionalId => {
            let name = TransactionalId(text(&format!("{broker}-transactions")));
            let request = InitProducerIdRequest::default()
                .with_transactional_id(Some(name))
                .with_transaction_timeout_ms(1_000);
            attempt(cluster, &request, &[], |answer| vec![answer.error_code]).await
        }
    }
}

async fn alter(cluster: &Cluster, broker: &str) -> Result<Verdict, BusError> {
    let config =
        AlterableConfig::default().with_name(text("log.cleaner.threads")).with_value(Some(text("2")));
    let resource = AlterConfigsResource::default()
        .with_resource_type(BROKER)
        .with_resource_name(text(broker))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    // A broker is asked for a change of its own settings; the others take the request for a wrong one.
    let elsewhere = |code| if code == E::InvalidRequest.code() { E::NotController.code() } else { code };
    attempt(cluster, &request, &[], |answer| {
        answer.responses.iter().map(|result| elsewhere(result.error_code)).collect()
    })
    .await
}
