//! Real handshakes with a server of rustls on the loopback interface.

use super::*;
use crate::bus::kafka::ClientCertificate;
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, KeyPair};
use std::boxed::Box;
use std::format;
use std::fs;
use std::net::SocketAddr;
use std::vec;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::WebPkiClientVerifier;

/// An authority that signs certificates.
struct Authority {
    pem: String,
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self { pem: certificate.pem(), certificate, key }
    }

    /// The certificate of `name` and its key, PEM.
    fn sign(&self, name: &str) -> (String, String) {
        let params = CertificateParams::new(vec![name.to_string()]).unwrap();
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.certificate, &self.key).unwrap().pem(), key.serialize_pem())
    }
}

/// A server that shows this certificate, asks for one of `clients` where given, and answers `k` to each connection.
async fn server(certificate: &(String, String), clients: Option<&Authority>) -> SocketAddr {
    let provider = Arc::new(crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
    let builder = builder.with_safe_default_protocol_versions().unwrap();
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.unwrap())
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(certificate.0.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(certificate.1.as_bytes()).unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(builder.with_single_cert(chain, key).unwrap()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                // A client that does not like the certificate goes away.
                if let Ok(mut stream) = acceptor.accept(stream).await {
                    stream.write_all(b"k").await.ok();
                    stream.read_u8().await.ok();
                }
            });
        }
    });
    address
}

/// Connects as `peer` to a server, and reads what it answers.
async fn ask(encryption: &Encryption, address: SocketAddr, host: &str) -> Result<u8, WireError> {
    let stream = TcpStream::connect(address).await.unwrap();
    let peer: Arc<str> = format!("{host}:{}", address.port()).into();
    let mut stream = encryption.wrap(stream, &peer).await?;
    stream.read_u8().await.map_err(|source| WireError::Broken { peer, source })
}

fn reason(outcome: Result<u8, WireError>) -> String {
    match outcome {
        Err(WireError::Insecure { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

fn trusting(path: &Path) -> Tls {
    Tls { ca_file: Some(path.to_path_buf()), client: None }
}

#[tokio::test]
async fn a_broker_with_a_trusted_certificate_of_its_name_is_spoken_to_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let (ours, theirs) = (Authority::new(), Authority::new());
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, &ours.pem).unwrap();
    let encryption = Encryption::new(&trusting(&ca)).unwrap();
    let named = server(&ours.sign("broker.example"), None).await;
    assert_eq!(ask(&encryption, named, "broker.example").await.unwrap(), b'k');
    assert!(reason(ask(&encryption, named, "other.example").await).contains("not valid for name"));
    let by_address = server(&ours.sign("127.0.0.1"), None).await;
    assert_eq!(ask(&encryption, by_address, "127.0.0.1").await.unwrap(), b'k');
    let foreign = server(&theirs.sign("broker.example"), None).await;
    assert!(
        reason(ask(&encryption, foreign, "broker.example").await).starts_with("invalid peer certificate")
    );
    assert!(reason(ask(&encryption, named, "no host").await).contains("name"));
}

#[tokio::test]
async fn certificates_that_are_replaced_are_used_from_the_next_connection_on_and_broken_ones_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (Authority::new(), Authority::new());
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, &first.pem).unwrap();
    let encryption = Encryption::new(&trusting(&ca)).unwrap();
    let (old, new) = (server(&first.sign("b"), None).await, server(&second.sign("b"), None).await);
    assert_eq!(ask(&encryption, old, "b").await.unwrap(), b'k');
    assert!(reason(ask(&encryption, new, "b").await).starts_with("invalid peer certificate"));
    // Half written: what was read before holds.
    fs::write(&ca, &second.pem[..second.pem.len() / 2]).unwrap();
    assert_eq!(ask(&encryption, old, "b").await.unwrap(), b'k');
    fs::write(&ca, format!("{}{}", first.pem, second.pem)).unwrap();
    assert_eq!(ask(&encryption, new, "b").await.unwrap(), b'k');
    assert_eq!(ask(&encryption, old, "b").await.unwrap(), b'k');
    fs::write(&ca, &second.pem).unwrap();
    assert!(reason(ask(&encryption, old, "b").await).starts_with("invalid peer certificate"));
    fs::remove_file(&ca).unwrap();
    assert_eq!(ask(&encryption, new, "b").await.unwrap(), b'k', "without the file as before");
}

#[tokio::test]
async fn a_broker_that_asks_for_a_certificate_is_shown_this_clients_and_a_new_one_after_it_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let (brokers, clients) = (Authority::new(), Authority::new());
    let file = |name: &str| folder.path().join(name);
    fs::write(file("ca.pem"), &brokers.pem).unwrap();
    let write = |pair: &(String, String)| {
        fs::write(file("client.pem"), &pair.0).unwrap();
        fs::write(file("client.key"), &pair.1).unwrap();
    };
    // Of an authority that the broker does not know.
    write(&Authority::new().sign("agent"));
    let client = ClientCertificate { certificate_file: file("client.pem"), key_file: file("client.key") };
    let tls = Tls { client: Some(client), ..trusting(&file("ca.pem")) };
    let encryption = Encryption::new(&tls).unwrap();
    let broker = server(&brokers.sign("b"), Some(&clients)).await;
    // In TLS 1.3 a client learns with its first read that it is not wanted.
    assert!(ask(&encryption, broker, "b").await.is_err());
    write(&clients.sign("agent"));
    assert_eq!(ask(&encryption, broker, "b").await.unwrap(), b'k');
    let nobody = Encryption::new(&trusting(&file("ca.pem"))).unwrap();
    assert!(ask(&nobody, broker, "b").await.is_err());
}

#[test]
fn files_that_cannot_be_used_are_refused_with_their_name_and_without_their_content() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let authority = Authority::new();
    let (certificate, key) = authority.sign("agent");
    fs::write(file("ca.pem"), &authority.pem).unwrap();
    fs::write(file("client.pem"), certificate).unwrap();
    fs::write(file("text"), "hunter2").unwrap();
    fs::write(file("key"), key).unwrap();
    fs::write(file("other"), KeyPair::generate().unwrap().serialize_pem()).unwrap();
    let with = |certificate: &str, key: &str| Tls {
        client: Some(ClientCertificate { certificate_file: file(certificate), key_file: file(key) }),
        ..trusting(&file("ca.pem"))
    };
    assert!(Encryption::new(&with("client.pem", "key")).is_ok());
    for (tls, wrong) in [
        (trusting(&file("absent")), "absent"),
        (trusting(&file("text")), "text"),
        (with("text", "key"), "text"),
        (with("client.pem", "text"), "text"),
        (with("client.pem", "absent"), "absent"),
        (with("client.pem", "other"), "other"),
    ] {
        let refused: Box<OptionsError> = Box::new(Encryption::new(&tls).err().unwrap());
        assert!(matches!(&*refused, OptionsError::Unusable { file: named, .. } if *named == file(wrong)));
        assert!(!refused.to_string().contains("hunter2"), "{refused}");
    }
}
