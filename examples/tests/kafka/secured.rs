//! The secured Apache Kafka of a test run.

use ipowdm_core::bus::kafka::{KafkaOptions, Sasl, SaslMechanism, Secret, Tls};
use ipowdm_examples::client_properties::ClientProperties;
use std::path::{Path, PathBuf};

/// A cluster that encrypts, and lets nobody in without a password.
pub(crate) struct Secured {
    /// Its brokers.
    pub(crate) bootstrap: String,
    /// The administrator.
    pub(crate) user: String,
    /// The administrator's password.
    pub(crate) password: String,
    /// The authority that its certificates are of.
    pub(crate) ca_file: PathBuf,
}

impl Secured {
    /// The cluster whose administrator's client.properties `IPOWDM_KAFKA_SECURE` names.
    pub(crate) fn find() -> Option<Self> {
        let Ok(path) = std::env::var("IPOWDM_KAFKA_SECURE") else {
            println!("skipped: IPOWDM_KAFKA_SECURE is not set; scripts/kafka-up.sh --secure starts a broker");
            return None;
        };
        let found = ClientProperties::read(Path::new(&path)).unwrap();
        let security = found.security;
        Some(Self {
            bootstrap: found.bootstrap.unwrap(),
            user: security.sasl_username.unwrap(),
            password: security.sasl_password.unwrap().reveal().to_owned(),
            ca_file: security.ca_file.unwrap(),
        })
    }

    /// How the administrator reaches it.
    pub(crate) fn administrator(&self) -> KafkaOptions {
        let (username, password) = (self.user.clone(), Secret::new(&*self.password));
        self.options(Some(Sasl { mechanism: SaslMechanism::ScramSha512, username, password }))
    }

    /// How somebody reaches it.
    pub(crate) fn options(&self, sasl: Option<Sasl>) -> KafkaOptions {
        let mut options = KafkaOptions::new(&self.bootstrap);
        options.tls = Some(Tls { ca_file: Some(self.ca_file.clone()), client: None });
        options.sasl = sasl;
        options
    }
}
