//! A Kafka client's settings as Kafka's own tools take them (`--command-config client.properties`), and as `scripts/kafka-up.sh
//! --secure` writes them.

use ipowdm_core::bus::kafka::{KafkaOptions, Secret, Security, SecurityProblem};
use std::path::{Path, PathBuf};

/// Why a file of settings is of no use.
#[derive(Debug, thiserror::Error)]
pub enum PropertiesError {
    /// It cannot be read.
    #[error("{path}: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// What it says about security cannot be used.
    #[error("{key}: {reason}; {fix}")]
    Security {
        /// Which setting.
        key: &'static str,
        /// What is wrong with it; never a secret.
        reason: String,
        /// What to do.
        fix: &'static str,
    },
}

/// What such a file says. Settings that are of no concern here are left out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClientProperties {
    /// `bootstrap.servers`.
    pub bootstrap: Option<String>,
    /// How connections are secured.
    pub security: Security,
}

impl ClientProperties {
    /// Reads a file.
    ///
    /// # Errors
    /// [`PropertiesError::Unreadable`].
    pub fn read(path: &Path) -> Result<Self, PropertiesError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| PropertiesError::Unreadable { path: path.to_owned(), source })?;
        Ok(Self::parse(&text))
    }

    /// Reads the text of a file: a setting a line, `name=value`; `#` begins a remark.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let value = |key: &str| {
            let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
            let mut settings = lines.filter_map(|line| line.split_once('='));
            settings.find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
        };
        let jaas = value("sasl.jaas.config").unwrap_or_default();
        let quoted = |key: &str| {
            let (_, rest) = jaas.split_once(&format!("{key}=\""))?;
            Some(rest.split('"').next().unwrap_or_default().to_owned())
        };
        let security = Security {
            protocol: value("security.protocol"),
            ca_file: value("ssl.truststore.location").map(PathBuf::from),
            certificate_file: None,
            key_file: None,
            sasl_mechanism: value("sasl.mechanism"),
            sasl_username: quoted("username"),
            sasl_password: quoted("password").map(Secret::new),
            sasl_password_file: None,
        };
        Self { bootstrap: value("bootstrap.servers"), security }
    }

    /// A client of the brokers at `bootstrap`, secured so.
    ///
    /// # Errors
    /// [`PropertiesError::Security`], the first of what is wrong.
    pub fn options(&self, bootstrap: &str) -> Result<KafkaOptions, PropertiesError> {
        let mut options = KafkaOptions::new(bootstrap);
        let refused = |problems: Vec<SecurityProblem>| {
            let first = problems.into_iter().next();
            let none =
                SecurityProblem { key: "security_protocol", reason: String::new(), fix: "give another" };
            let SecurityProblem { key, reason, fix } = first.unwrap_or(none);
            PropertiesError::Security { key, reason, fix }
        };
        self.security.apply(&mut options).map_err(refused)?;
        Ok(options)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipowdm_core::bus::kafka::SaslMechanism;

    const SECURED: &str = "# the administrator's
bootstrap.servers=127.0.0.1:1,127.0.0.1:2
security.protocol = SASL_SSL
sasl.mechanism=SCRAM-SHA-256
sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=\"admin\" password=\"hunter=2\";
ssl.truststore.location=/etc/ca.pem
";

    #[test]
    fn a_file_of_kafkas_own_tools_says_where_the_brokers_are_and_who_asks() {
        let found = ClientProperties::parse(SECURED);
        assert_eq!(found.bootstrap.as_deref(), Some("127.0.0.1:1,127.0.0.1:2"));
        let options = found.options("127.0.0.1:1").unwrap();
        let sasl = options.sasl.unwrap();
        assert_eq!((sasl.mechanism, &*sasl.username), (SaslMechanism::ScramSha256, "admin"));
        assert_eq!(sasl.password.reveal(), "hunter=2");
        assert_eq!(options.tls.unwrap().ca_file, Some(PathBuf::from("/etc/ca.pem")));
    }

    #[test]
    fn what_is_missing_is_said_and_the_password_is_not() {
        let text = SECURED.replace("username=\"admin\" ", "");
        let error = ClientProperties::parse(&text).options("a:1").unwrap_err();
        assert!(error.to_string().contains("sasl_username"), "{error}");
        assert!(!format!("{error} {:?}", ClientProperties::parse(SECURED)).contains("hunter"), "{error}");
        assert_eq!(ClientProperties::parse("").options("a:1").unwrap(), KafkaOptions::new("a:1"));
    }
}
