//! How a Kafka bus is set up.

use crate::bus::access::Scram;
pub use crate::bus::access::Secret;
use std::path::PathBuf;
use std::string::{String, ToString};
use std::time::Duration;
use std::vec::Vec;

/// How a [`super::KafkaBus`] reaches its brokers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KafkaOptions {
    /// `host:port` of brokers to ask first; the others are learned from them.
    pub bootstrap: Vec<String>,
    /// Names this client in the broker's logs and quotas.
    pub client_id: String,
    /// Most time that a call takes; a fetch may take its `max_wait` on top. Default 10 s.
    pub call_timeout: Duration,
    /// Most fetches in flight at a time. Each takes a connection, so this also bounds file descriptors. Default 4096.
    pub max_fetches: usize,
    /// Encryption of connections; a build without feature `tls` refuses it.
    pub tls: Option<Tls>,
    /// Authentication of this client. PLAIN sends the password itself, and so is refused without encryption.
    pub sasl: Option<Sasl>,
    /// How published records are compressed. A build without feature `lz4` refuses [`Compression::Lz4`].
    pub compression: Compression,
}

impl KafkaOptions {
    /// Plain connections to these brokers: `host:port`, separated by commas.
    #[must_use]
    pub fn new(bootstrap: &str) -> Self {
        let brokers = bootstrap.split(',').map(str::trim).filter(|broker| !broker.is_empty());
        Self {
            bootstrap: brokers.map(ToString::to_string).collect(),
            client_id: "ipowdm".to_string(),
            call_timeout: Duration::from_secs(10),
            max_fetches: 4096,
            tls: None,
            sasl: None,
            compression: Compression::None,
        }
    }

    /// Checks what can be checked without a broker.
    ///
    /// # Errors
    /// [`OptionsError`], which names the option.
    pub fn check(&self) -> Result<(), OptionsError> {
        if self.bootstrap.is_empty() {
            return Err(OptionsError::NoBootstrap);
        }
        if let Some(broker) = self.bootstrap.iter().find(|broker| !is_host_port(broker)) {
            return Err(OptionsError::NotHostPort(broker.clone()));
        }
        if self.tls.is_some() && !cfg!(feature = "tls") {
            return Err(OptionsError::NO_TLS);
        }
        if self.compression == Compression::Lz4 && !cfg!(feature = "lz4") {
            return Err(OptionsError::NO_LZ4);
        }
        match &self.sasl {
            Some(Sasl { mechanism: SaslMechanism::Plain, .. }) if self.tls.is_none() => {
                Err(OptionsError::Unsupported("SASL PLAIN without TLS"))
            }
            Some(Sasl { username, password, .. }) if username.is_empty() || password.reveal().is_empty() => {
                Err(OptionsError::NoPassword)
            }
            _ => Ok(()),
        }
    }
}

fn is_host_port(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port != 0))
}

/// How the records of a batch are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Compression {
    /// Not at all.
    #[default]
    None,
    /// LZ4 frames, where that makes a batch smaller. Telemetry of 32 ports comes to about a third.
    Lz4,
}

impl Compression {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::None, Self::Lz4];

    /// Its name, which is that of Kafka's `compression.type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
        }
    }

    /// The one of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(name))
    }
}

/// Encryption of connections.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tls {
    /// PEM file with the certificates to trust; absent: the system's.
    pub ca_file: Option<PathBuf>,
    /// What this client shows of itself, where brokers ask for it.
    pub client: Option<ClientCertificate>,
}

/// A client's certificate (mutual TLS).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    /// PEM file with the certificate and, after it, those that lead from it to the one that is trusted.
    pub certificate_file: PathBuf,
    /// PEM file with its private key, not encrypted.
    pub key_file: PathBuf,
}

/// Authentication of this client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sasl {
    /// How the password is proven.
    pub mechanism: SaslMechanism,
    /// The user.
    pub username: String,
    /// The password.
    pub password: Secret,
}

/// How a password is proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SaslMechanism {
    /// PLAIN (RFC 4616).
    Plain,
    /// SCRAM-SHA-256 (RFC 7677).
    ScramSha256,
    /// SCRAM-SHA-512.
    ScramSha512,
}

impl SaslMechanism {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Plain, Self::ScramSha256, Self::ScramSha512];

    /// Its registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha512 => "SCRAM-SHA-512",
        }
    }
}

impl From<Scram> for SaslMechanism {
    fn from(scram: Scram) -> Self {
        match scram {
            Scram::Sha256 => Self::ScramSha256,
            Scram::Sha512 => Self::ScramSha512,
        }
    }
}

/// Why a Kafka bus cannot be set up so.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// No broker is named.
    #[error("no bootstrap broker is given; name at least one as host:port")]
    NoBootstrap,
    /// A broker is not named as host and port.
    #[error("{0:?} is not a broker's host:port")]
    NotHostPort(String),
    /// Authentication without a user name or a password.
    #[error("SASL needs a user name and a password")]
    NoPassword,
    /// The option is known and not supported. A connection that should be secured is never made without.
    #[error("{0} is not supported by this version; nothing was connected")]
    Unsupported(&'static str),
    /// A file of certificates or of a key cannot be used.
    #[error("{}: {reason}", file.display())]
    Unusable {
        /// The file.
        file: PathBuf,
        /// Why; never what it holds.
        reason: String,
    },
    /// There is no certificate to trust.
    #[error("no certificate of the system is trusted ({0}); name a file with those to trust")]
    NoTrust(String),
}

impl OptionsError {
    /// For builds without feature `tls`.
    pub(super) const NO_TLS: Self = Self::Unsupported("TLS (a build with feature `tls` has it)");

    /// For builds without feature `lz4`.
    pub(super) const NO_LZ4: Self =
        Self::Unsupported("compression by LZ4 (a build with feature `lz4` has it)");
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::format;

    #[test]
    fn brokers_are_separated_by_commas_and_checked() {
        assert_eq!(KafkaOptions::new(" a:1, [::1]:9092,").bootstrap, ["a:1", "[::1]:9092"]);
        assert_eq!(KafkaOptions::new("a:1,b:2").check(), Ok(()));
        assert_eq!(KafkaOptions::new("").check(), Err(OptionsError::NoBootstrap));
        for wrong in ["a", "a:", ":1", "a:0", "a:65536", "a:b"] {
            assert_eq!(KafkaOptions::new(wrong).check(), Err(OptionsError::NotHostPort(wrong.to_string())));
        }
    }

    #[test]
    fn a_codec_that_the_build_lacks_is_refused() {
        let options = KafkaOptions { compression: Compression::Lz4, ..KafkaOptions::new("a:1") };
        assert_eq!(options.check(), if cfg!(feature = "lz4") { Ok(()) } else { Err(OptionsError::NO_LZ4) });
    }

    fn sasl(mechanism: SaslMechanism, password: &str) -> Option<Sasl> {
        Some(Sasl { mechanism, username: "u".to_string(), password: Secret::new(password) })
    }

    #[test]
    fn what_cannot_be_secured_as_asked_is_refused_and_its_secret_is_not_printed() {
        let mut options = KafkaOptions::new("a:1");
        options.sasl = sasl(SaslMechanism::Plain, "hunter2");
        assert_eq!(options.check(), Err(OptionsError::Unsupported("SASL PLAIN without TLS")));
        assert!(!format!("{options:?}").contains("hunter2"));
        options.sasl = sasl(SaslMechanism::ScramSha512, "");
        assert_eq!(options.check(), Err(OptionsError::NoPassword));
        options.sasl = sasl(SaslMechanism::ScramSha256, "hunter2");
        assert_eq!(options.check(), Ok(()));
        options.tls = Some(Tls::default());
        options.sasl = sasl(SaslMechanism::Plain, "hunter2");
        assert_eq!(options.check(), if cfg!(feature = "tls") { Ok(()) } else { Err(OptionsError::NO_TLS) });
    }
}
