//! How connections to brokers are secured, as settings of programs name it.

use super::options::{ClientCertificate, KafkaOptions, Sasl, SaslMechanism, Secret, Tls};
use std::format;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::vec::Vec;

/// Most bytes of a file that holds a password.
const LONGEST_PASSWORD: u64 = 4_096;

/// What settings say about security; the names are those of Kafka's own clients. Nothing here is ever shown: the password is
/// a [`Secret`].
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Security {
    /// `PLAINTEXT` (the default), `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
    pub protocol: Option<String>,
    /// Trusted certificates, PEM.
    pub ca_file: Option<PathBuf>,
    /// This client's certificate with those that lead to a trusted one, PEM; the key with it.
    pub certificate_file: Option<PathBuf>,
    /// Its private key, PEM, not encrypted.
    pub key_file: Option<PathBuf>,
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512` (the default).
    pub sasl_mechanism: Option<String>,
    /// The user.
    pub sasl_username: Option<String>,
    /// The password; goes before the file.
    pub sasl_password: Option<Secret>,
    /// A file that holds the password and nothing else, but for the end of its line.
    pub sasl_password_file: Option<PathBuf>,
}

/// What is wrong with one of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecurityProblem {
    /// The field, as [`Security`] names it, but for `security_protocol`.
    pub key: &'static str,
    /// What is wrong with it; never a secret.
    pub reason: String,
    /// What to do.
    pub fix: &'static str,
}

impl Security {
    /// Puts it into `options`.
    ///
    /// # Errors
    /// Everything that is wrong, never nothing; `options` are unchanged then.
    pub fn apply(&self, options: &mut KafkaOptions) -> Result<(), Vec<SecurityProblem>> {
        let protocol = self.protocol.as_deref().unwrap_or("PLAINTEXT").to_ascii_uppercase();
        let (tls, sasl) = match &*protocol {
            "PLAINTEXT" => (false, false),
            "SSL" => (true, false),
            "SASL_PLAINTEXT" => (false, true),
            "SASL_SSL" => (true, true),
            _ => {
                let reason = format!("{protocol:?} is no protocol");
                let fix = "give PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL";
                return Err(Vec::from([SecurityProblem { key: "security_protocol", reason, fix }]));
            }
        };
        let tls = if tls { self.tls().map(Some) } else { Ok(None) };
        let sasl = if sasl { self.sasl().map(Some) } else { Ok(None) };
        match (tls, sasl) {
            (Ok(tls), Ok(sasl)) => {
                options.tls = tls;
                options.sasl = sasl;
                Ok(())
            }
            (tls, sasl) => Err(tls.err().into_iter().chain(sasl.err()).flatten().collect()),
        }
    }

    fn tls(&self) -> Result<Tls, Vec<SecurityProblem>> {
        let missing = |key| SecurityProblem {
            key,
            reason: "is missing".to_string(),
            fix: "name both the certificate and its key, or neither",
        };
        let client = match (&self.certificate_file, &self.key_file) {
            (Some(certificate_file), Some(key_file)) => Some(ClientCertificate {
                certificate_file: certificate_file.clone(),
                key_file: key_file.clone(),
            }),
            (None, None) => None,
            (Some(_), None) => return Err(Vec::from([missing("key_file")])),
            (None, Some(_)) => return Err(Vec::from([missing("certificate_file")])),
        };
        Ok(Tls { ca_file: self.ca_file.clone(), client })
    }

    fn sasl(&self) -> Result<Sasl, Vec<SecurityProblem>> {
        let mut problems = Vec::new();
        let mut refuse = |key, reason: String, fix| problems.push(SecurityProblem { key, reason, fix });
        let named = self.sasl_mechanism.as_deref().unwrap_or(SaslMechanism::ScramSha512.name());
        let known = SaslMechanism::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(named));
        if known.is_none() {
            let fix = "give SCRAM-SHA-256, SCRAM-SHA-512 or PLAIN";
            refuse("sasl_mechanism", format!("{named:?} is no mechanism"), fix);
        }
        let username = self.sasl_username.clone();
        if username.is_none() {
            refuse("sasl_username", "is missing".to_string(), "name the user (KAFKA_SASL_USERNAME)");
        }
        let password = match (&self.sasl_password, &self.sasl_password_file) {
            (Some(password), _) => Some(password.clone()),
            (None, Some(path)) => {
                let read = read_password(path);
                let unread = |reason| refuse("sasl_password_file", reason, "name a file that holds it");
                read.map_err(unread).ok()
            }
            (None, None) => {
                let fix = "name the file that holds it, or set KAFKA_SASL_PASSWORD";
                refuse("sasl_password_file", "is missing".to_string(), fix);
                None
            }
        };
        match (known, username, password) {
            (Some(mechanism), Some(username), Some(password)) => Ok(Sasl { mechanism, username, password }),
            _ => Err(problems),
        }
    }
}

fn read_password(path: &Path) -> Result<Secret, String> {
    let refused = |reason: &dyn core::fmt::Display| format!("{}: {reason}", path.display());
    let file = std::fs::File::open(path).map_err(|error| refused(&error))?;
    let mut text = String::new();
    file.take(LONGEST_PASSWORD + 1).read_to_string(&mut text).map_err(|error| refused(&error))?;
    let password = text.trim_end_matches(['\r', '\n']);
    if text.len() as u64 > LONGEST_PASSWORD || password.contains(['\r', '\n']) {
        return Err(refused(&"holds more than a password"));
    }
    if password.is_empty() {
        return Err(refused(&"is empty"));
    }
    Ok(Secret::new(password))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scram() -> Security {
        Security {
            protocol: Some("SASL_PLAINTEXT".to_string()),
            sasl_username: Some("agent_pop1-router1".to_string()),
            sasl_password: Some(Secret::new("hunter2")),
            ..Security::default()
        }
    }

    fn applied(security: &Security) -> Result<KafkaOptions, Vec<SecurityProblem>> {
        let mut options = KafkaOptions::new("a:1");
        security.apply(&mut options).map(|()| options)
    }

    fn keys(security: &Security) -> Vec<&'static str> {
        let problems = applied(security).unwrap_err();
        assert!(problems.iter().all(|problem| !problem.reason.contains("hunter2")), "{problems:?}");
        problems.into_iter().map(|problem| problem.key).collect()
    }

    #[test]
    fn a_user_with_a_password_proves_it_by_scram_and_the_password_is_not_printed() {
        let options = applied(&scram()).unwrap();
        let sasl = options.sasl.clone().unwrap();
        assert_eq!((sasl.mechanism, &*sasl.username), (SaslMechanism::ScramSha512, "agent_pop1-router1"));
        assert_eq!(sasl.password.reveal(), "hunter2");
        assert!(!format!("{options:?} {:?}", scram()).contains("hunter2"));
        assert_eq!(applied(&Security::default()).unwrap(), KafkaOptions::new("a:1"));
    }

    #[test]
    fn everything_that_is_missing_is_said_at_once() {
        let nothing = Security { sasl_username: None, sasl_password: None, ..scram() };
        let mechanism = Some("KERBEROS".to_string());
        assert_eq!(keys(&nothing), ["sasl_username", "sasl_password_file"]);
        let worse = Security { sasl_mechanism: mechanism, ..nothing };
        assert_eq!(keys(&worse), ["sasl_mechanism", "sasl_username", "sasl_password_file"]);
        let protocol = Some("TELNET".to_string());
        assert_eq!(applied(&Security { protocol, ..scram() }).unwrap_err()[0].key, "security_protocol");
    }

    #[test]
    fn a_file_holds_the_password_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let from_file = Security { sasl_password: None, sasl_password_file: Some(path.clone()), ..scram() };
        assert_eq!(keys(&from_file), ["sasl_password_file"]);
        std::fs::write(&path, "from the file\r\n").unwrap();
        assert_eq!(applied(&from_file).unwrap().sasl.unwrap().password.reveal(), "from the file");
        for text in [String::new(), "\n".to_string(), "hunter2\nmore\n".to_string(), "x".repeat(5_000)] {
            std::fs::write(&path, text).unwrap();
            assert_eq!(keys(&from_file), ["sasl_password_file"]);
        }
        let both = Security { sasl_password_file: Some(path), ..scram() };
        assert_eq!(applied(&both).unwrap().sasl.unwrap().password.reveal(), "hunter2");
    }
}
