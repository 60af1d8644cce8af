//! `ipowdm-ctl health`: asks a service how it is, for supervisors on hosts and in images without an HTTP client.

use super::Failure;
use clap::Args;
use core::time::Duration;
use std::io::{Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};

/// Most of an answer that is read.
const LONGEST: u64 = 64 * 1024;

#[derive(Args)]
pub(super) struct HealthOptions {
    /// The health path of a service.
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000/health")]
    url: url::Url,
    /// How long it has to answer.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=600))]
    timeout: u16,
}

/// Succeeds where the service answers 200.
pub(super) fn run(options: &HealthOptions) -> Result<(), Failure> {
    let url = &options.url;
    let (Some(host), "http") = (url.host_str(), url.scheme()) else {
        return Err(Failure::Options(format!("--url {url}: give http://HOST:PORT/PATH")));
    };
    let address = format!("{host}:{}", url.port_or_known_default().unwrap_or(80));
    let answer = ask(&address, url.path(), Duration::from_secs(options.timeout.into()))
        .map_err(|error| Failure::Work(format!("{url}: {error}")))?;
    let status = answer.split_whitespace().nth(1).unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    println!("{body}");
    if status == "200" { Ok(()) } else { Err(Failure::Work(format!("{url}: status {status}"))) }
}

fn ask(address: &str, path: &str, limit: Duration) -> std::io::Result<String> {
    let none = || std::io::Error::new(std::io::ErrorKind::NotFound, "no such host");
    let addr = address.to_socket_addrs()?.next().ok_or_else(none)?;
    let mut stream = TcpStream::connect_timeout(&addr, limit)?;
    stream.set_read_timeout(Some(limit))?;
    stream.set_write_timeout(Some(limit))?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\naccept: application/json\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(LONGEST).read_to_end(&mut answer)?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
