//! Where the lab's bus is: the development broker in this process, or a Kafka that runs already.

use ipowdm_core::bus::Bus;
use ipowdm_core::bus::kafka::{self, Client, KafkaOptions, OptionsError, UnknownClient};
use ipowdm_devbroker::{Broker, Limits, Options, StartError};
use std::sync::Arc;

/// Kafka's usual port.
const KAFKA_PORT: u16 = 9092;

/// Connections the development broker takes: agents and controllers of a large lab, one per partition followed.
const CONNECTIONS: usize = 16_384;

/// Why there is no bus.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// The development broker did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The bootstrap address cannot be one.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// The environment names a Kafka client that does not exist.
    #[error(transparent)]
    Client(#[from] UnknownClient),
}

/// The broker, and how to reach it.
#[derive(Debug)]
pub struct LabBroker {
    /// The development broker; `None` where the lab uses a Kafka that runs already.
    pub own: Option<Broker>,
    /// Its address.
    pub bootstrap: String,
}

impl LabBroker {
    /// Uses the Kafka at `bootstrap`, or starts the development broker: on Kafka's port where that is free and
    /// `fixed_ports` says so, else on any.
    ///
    /// # Errors
    /// [`BrokerError::Start`].
    pub async fn start(bootstrap: Option<&str>, fixed_ports: bool) -> Result<Self, BrokerError> {
        if let Some(bootstrap) = bootstrap {
            return Ok(Self { own: None, bootstrap: bootstrap.to_owned() });
        }
        let options = || {
            let limits = Limits { connections: CONNECTIONS, ..Limits::default() };
            Options::default().limits(limits)
        };
        let preferred = if fixed_ports { Broker::start(options().port(KAFKA_PORT)).await.ok() } else { None };
        let broker = match preferred {
            Some(broker) => broker,
            None => Broker::start(options()).await?,
        };
        let bootstrap = broker.bootstrap();
        Ok(Self { own: Some(broker), bootstrap })
    }

    /// What it is, for people.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        if self.own.is_some() { "development broker" } else { "external Kafka" }
    }

    /// A bus of its own connections, as another host would have, with the client that [`Client::VARIABLE`] names.
    ///
    /// # Errors
    /// [`BrokerError::Options`] and [`BrokerError::Client`].
    pub fn bus(&self, client_id: &str) -> Result<Arc<dyn Bus>, BrokerError> {
        let mut options = KafkaOptions::new(&self.bootstrap);
        options.client_id = client_id.to_owned();
        Ok(kafka::connect(&options, Client::from_env()?)?)
    }
}
