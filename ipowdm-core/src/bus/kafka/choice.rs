//! Which client carries the records, chosen by name.

use super::{KafkaBus, KafkaOptions, OptionsError};
use crate::bus::Bus;
use core::str::FromStr;
use std::string::{String, ToString};
use std::sync::Arc;

/// A client that can carry the records of a Kafka bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Client {
    /// [`KafkaBus`].
    #[default]
    Own,
    /// `bus::rskafka::RskafkaBus`, in builds with feature `rskafka`.
    Rskafka,
}

impl Client {
    /// The environment variable from which programs take the client's name.
    pub const VARIABLE: &'static str = "IPOWDM_KAFKA_CLIENT";

    /// The client that [`Client::VARIABLE`] names; the default where it is not set or empty.
    ///
    /// # Errors
    /// [`UnknownClient`].
    pub fn from_env() -> Result<Self, UnknownClient> {
        match std::env::var_os(Self::VARIABLE) {
            Some(name) if !name.is_empty() => name.to_string_lossy().parse(),
            _ => Ok(Self::default()),
        }
    }
}

/// The name of no client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no Kafka client; `own` and `rskafka` are")]
pub struct UnknownClient(pub String);

impl FromStr for Client {
    type Err = UnknownClient;

    fn from_str(name: &str) -> Result<Self, UnknownClient> {
        match name {
            "own" => Ok(Self::Own),
            "rskafka" => Ok(Self::Rskafka),
            other => Err(UnknownClient(other.to_string())),
        }
    }
}

/// A bus over Kafka with the client chosen; like every one, it connects when it is first used.
///
/// # Errors
/// [`OptionsError`] where the options cannot be right, and [`OptionsError::Unsupported`] for [`Client::Rskafka`] in a
/// build without feature `rskafka`.
pub fn connect(options: &KafkaOptions, client: Client) -> Result<Arc<dyn Bus>, OptionsError> {
    match client {
        Client::Own => Ok(Arc::new(KafkaBus::connect(options)?)),
        #[cfg(feature = "rskafka")]
        Client::Rskafka => Ok(Arc::new(crate::bus::rskafka::RskafkaBus::connect(options)?)),
        #[cfg(not(feature = "rskafka"))]
        Client::Rskafka => {
            Err(OptionsError::Unsupported("client rskafka (a build with feature `rskafka` has it)"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_chosen_by_its_name_and_any_other_name_is_refused() {
        assert_eq!("own".parse(), Ok(Client::Own));
        assert_eq!("rskafka".parse(), Ok(Client::Rskafka));
        assert_eq!("Rskafka".parse::<Client>(), Err(UnknownClient("Rskafka".to_string())));
        assert_eq!(Client::default(), Client::Own);
    }

    #[test]
    fn a_client_that_the_build_lacks_is_refused_and_not_replaced() {
        let outcome = connect(&KafkaOptions::new("a:1"), Client::Rskafka);
        if cfg!(feature = "rskafka") {
            assert!(outcome.is_ok());
        } else {
            assert!(matches!(outcome, Err(OptionsError::Unsupported(_))));
        }
        assert!(connect(&KafkaOptions::new(""), Client::Own).is_err());
    }
}
