//! One request, one connection.

use serde_json::Value;
use std::io::{Error, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// More than an answer takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// The status and the body of an answer; an error where the service has died.
pub(crate) fn request(
    addr: SocketAddr,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> Result<(u16, Value), Error> {
    let body = body.map(Value::to_string).unwrap_or_default();
    let mut stream = TcpStream::connect_timeout(&addr, LIMIT)?;
    stream.set_read_timeout(Some(LIMIT))?;
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let bad = || Error::from(ErrorKind::InvalidData);
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or_else(bad)?;
    let (_, body) = answer.split_once("\r\n\r\n").ok_or_else(bad)?;
    Ok((status, serde_json::from_str(body).unwrap_or(Value::Null)))
}
