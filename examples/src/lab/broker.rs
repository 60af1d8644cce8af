//! Where the lab's bus is: the development broker in this process, a Kafka that runs already, or no protocol at all.

use super::options::Options as LabOptions;
use crate::client_properties::{ClientProperties, PropertiesError};
use ipowdm_core::bus::Bus;
use ipowdm_core::bus::kafka::{self, Client, OptionsError, UnknownClient};
use ipowdm_core::bus::memory::MemoryBus;
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
    /// How the Kafka is to be reached cannot be used.
    #[error(transparent)]
    Properties(#[from] PropertiesError),
    /// The environment names a Kafka client that does not exist.
    #[error(transparent)]
    Client(#[from] UnknownClient),
}

/// The broker, and how to reach it.
#[derive(Debug)]
pub struct LabBroker {
    /// The development broker; `None` where the lab uses another bus.
    pub own: Option<Broker>,
    /// Its address; `memory` where the bus is in this process.
    pub bootstrap: String,
    memory: Option<MemoryBus>,
    /// How connections to it are secured.
    properties: ClientProperties,
}

impl LabBroker {
    /// What a bus is called that nobody outside this process can listen to.
    pub const IN_PROCESS: &str = "bus in this process";

    /// What the options say: a bus in this process, the Kafka at `--bootstrap`, or the development broker, which takes
    /// Kafka's port where that is free and the lab's ports are fixed, else any.
    ///
    /// # Errors
    /// [`BrokerError::Start`], [`BrokerError::Properties`].
    pub async fn start(lab: &LabOptions) -> Result<Self, BrokerError> {
        let mut properties = ClientProperties::default();
        if lab.memory_bus {
            let (bootstrap, memory) = ("memory".to_owned(), Some(MemoryBus::new()));
            return Ok(Self { own: None, bootstrap, memory, properties });
        }
        if let Some(bootstrap) = &lab.bootstrap {
            if let Some(file) = &lab.command_config {
                properties = ClientProperties::read(file)?;
            }
            return Ok(Self { own: None, bootstrap: bootstrap.clone(), memory: None, properties });
        }
        let options = || {
            let limits = Limits { connections: CONNECTIONS, ..Limits::default() };
            let options = Options::default().limits(limits);
            match &lab.data {
                Some(folder) => options.with_folder(folder),
                None => options,
            }
        };
        let preferred =
            if lab.port_base != 0 { Broker::start(options().port(KAFKA_PORT)).await.ok() } else { None };
        let broker = match preferred {
            Some(broker) => broker,
            None => Broker::start(options()).await?,
        };
        let bootstrap = broker.bootstrap();
        Ok(Self { own: Some(broker), bootstrap, memory: None, properties })
    }

    /// What it is, for people.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match (&self.own, &self.memory) {
            (Some(_), _) => "development broker",
            (None, Some(_)) => Self::IN_PROCESS,
            (None, None) => "external Kafka",
        }
    }

    /// A bus of its own connections, as another host would have, with the client that [`Client::VARIABLE`] names.
    ///
    /// # Errors
    /// [`BrokerError::Options`], [`BrokerError::Properties`] and [`BrokerError::Client`].
    pub fn bus(&self, client_id: &str) -> Result<Arc<dyn Bus>, BrokerError> {
        if let Some(memory) = &self.memory {
            return Ok(Arc::new(memory.clone()));
        }
        let mut options = self.properties.options(&self.bootstrap)?;
        options.client_id = client_id.to_owned();
        Ok(kafka::connect(&options, Client::from_env()?)?)
    }
}
