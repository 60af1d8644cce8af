//! Encrypted connections: rustls over TCP, with certificates that may be replaced while the program runs.
//!
//! Nothing is trusted but what [`Tls::ca_file`] holds or, without it, the system's certificates; a broker's name must be in its
//! certificate. The files are looked at for every new connection, and read again when one of them has changed. Files that cannot
//! be used then, half written say, leave in force what was read before.

use super::connection::WireError;
use super::options::{OptionsError, Tls};
use std::fs::File;
use std::io::{self, BufReader};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;
use std::vec::Vec;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// Largest file of certificates or of a key.
const LARGEST_FILE: u64 = 4 << 20;

/// What tells one state of a file from another: a file that is replaced is another one, or of another time or size.
type Stamp = Option<(u64, u64, SystemTime)>;

/// Makes connections encrypted.
pub(super) struct Encryption {
    tls: Tls,
    state: Mutex<State>,
}

struct State {
    config: Arc<ClientConfig>,
    stamps: Vec<Stamp>,
}

impl Encryption {
    /// Reads the files.
    pub(super) fn new(tls: &Tls) -> Result<Self, OptionsError> {
        let stamps = stamps(tls);
        let config = Arc::new(configure(tls)?);
        Ok(Self { tls: tls.clone(), state: Mutex::new(State { config, stamps }) })
    }

    /// What holds for a connection that is made now.
    fn current(&self) -> Arc<ClientConfig> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let stamps = stamps(&self.tls);
        if stamps != state.stamps {
            match configure(&self.tls) {
                Ok(config) => {
                    tracing::info!("certificates have been read again");
                    state.config = Arc::new(config);
                    state.stamps = stamps;
                }
                // Looked at again with the next connection.
                Err(error) => {
                    tracing::warn!(%error, "changed certificates cannot be used; the earlier ones are")
                }
            }
        }
        Arc::clone(&state.config)
    }

    /// Encrypts a fresh connection to `peer`, `host:port`.
    pub(super) async fn wrap(
        &self,
        stream: TcpStream,
        peer: &Arc<str>,
    ) -> Result<TlsStream<TcpStream>, WireError> {
        let insecure = |reason: String| WireError::Insecure { peer: Arc::clone(peer), reason };
        let name = server_name(peer).ok_or_else(|| insecure("that is no host's name".to_string()))?;
        let connecting = TlsConnector::from(self.current()).connect(name, stream);
        connecting.await.map_err(|error| match error.kind() {
            // What rustls refuses; the rest is the network's.
            io::ErrorKind::InvalidData => insecure(error.to_string()),
            io::ErrorKind::UnexpectedEof => {
                insecure("it closed the connection (does it speak TLS?)".to_string())
            }
            _ => WireError::Broken { peer: Arc::clone(peer), source: error },
        })
    }
}

/// The name that a broker's certificate must have.
fn server_name(peer: &str) -> Option<ServerName<'static>> {
    let (host, _port) = peer.rsplit_once(':')?;
    let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(host.to_string()).ok()
}

fn files(tls: &Tls) -> impl Iterator<Item = &Path> {
    let client = tls.client.iter().flat_map(|client| [&client.certificate_file, &client.key_file]);
    tls.ca_file.iter().chain(client).map(PathBuf::as_path)
}

fn stamps(tls: &Tls) -> Vec<Stamp> {
    let stamp = |path: &Path| {
        let found = std::fs::metadata(path).ok()?;
        Some((found.ino(), found.len(), found.modified().ok()?))
    };
    files(tls).map(stamp).collect()
}

fn configure(tls: &Tls) -> Result<ClientConfig, OptionsError> {
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| OptionsError::NoTrust(error.to_string()))?
        .with_root_certificates(trusted(tls.ca_file.as_deref())?);
    let Some(client) = &tls.client else { return Ok(builder.with_no_client_auth()) };
    let chain = certificates(&client.certificate_file)?;
    let key = PrivateKeyDer::from_pem_reader(open(&client.key_file)?)
        .map_err(|error| unusable(&client.key_file, &error))?;
    builder.with_client_auth_cert(chain, key).map_err(|error| unusable(&client.key_file, &error))
}

fn trusted(ca_file: Option<&Path>) -> Result<RootCertStore, OptionsError> {
    let mut roots = RootCertStore::empty();
    if let Some(path) = ca_file {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|error| unusable(path, &error))?;
        }
        return Ok(roots);
    }
    let found = rustls_native_certs::load_native_certs();
    let (_added, _ignored) = roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let reason = found.errors.first().map_or_else(|| "there are none".to_string(), ToString::to_string);
        return Err(OptionsError::NoTrust(reason));
    }
    Ok(roots)
}

/// The certificates of a PEM file: one at least.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, OptionsError> {
    let read: Result<Vec<_>, _> = CertificateDer::pem_reader_iter(open(path)?).collect();
    let found = read.map_err(|error| unusable(path, &error))?;
    if found.is_empty() {
        return Err(unusable(path, &"it holds no certificate"));
    }
    Ok(found)
}

fn open(path: &Path) -> Result<BufReader<io::Take<File>>, OptionsError> {
    let file = File::open(path).map_err(|error| unusable(path, &error))?;
    Ok(BufReader::new(io::Read::take(file, LARGEST_FILE)))
}

/// Never what the file holds: it may be a key.
fn unusable(path: &Path, reason: &dyn core::fmt::Display) -> OptionsError {
    OptionsError::Unusable { file: path.to_path_buf(), reason: reason.to_string() }
}

#[cfg(test)]
mod tests;
