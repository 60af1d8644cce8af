//! The secured Apache Kafka of a test run.

use ipowdm_core::bus::kafka::{KafkaOptions, Sasl, SaslMechanism, Secret, Tls};
use std::path::PathBuf;

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
        let text = std::fs::read_to_string(path).unwrap();
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)).unwrap().to_owned();
        let jaas = value("sasl.jaas.config=");
        let quoted = |key: &str| jaas.split_once(key).unwrap().1.split('"').nth(1).unwrap().to_owned();
        Some(Self {
            bootstrap: value("bootstrap.servers="),
            user: quoted("username="),
            password: quoted("password="),
            ca_file: value("ssl.truststore.location=").into(),
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
