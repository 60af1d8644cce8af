//! One TCP connection to one broker, with one request in flight at a time.
//!
//! Whoever holds the connection has it alone: a request never waits behind the answer to another. Nothing reads a clock in
//! here; the caller sets the time-out, and drops the connection when it expires, because an answer may still be under
//! way on it.

use super::api::Api;
use super::shape::{self, ShapeError};
use super::stream::{Encryption, Stream};
use bytes::{Buf, BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{ApiVersionsRequest, RequestHeader};
use kafka_protocol::protocol::{Decodable, Encodable, StrBytes};
use std::io;
use std::string::{String, ToString};
use std::sync::Arc;
use std::time::Duration;
use std::vec;
use std::vec::Vec;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::Instant;

/// Why a broker could not be asked.
#[derive(Debug, thiserror::Error)]
pub(super) enum WireError {
    #[error("{peer} cannot be reached: {source}")]
    Unreachable { peer: Arc<str>, source: io::Error },
    #[error("{peer} did not answer {api} in time")]
    TimedOut { peer: Arc<str>, api: &'static str },
    #[error("the connection to {peer} broke: {source}")]
    Broken { peer: Arc<str>, source: io::Error },
    #[error("{peer} offers no version of {api} that is spoken here")]
    Incompatible { peer: Arc<str>, api: &'static str },
    #[error("{peer} answers {api} with {reason}")]
    Malformed { peer: Arc<str>, api: &'static str, reason: String },
    #[error("{api} cannot be encoded: {reason}")]
    Encode { api: &'static str, reason: String },
    #[error("no encrypted connection to {peer}: {reason}")]
    #[cfg(feature = "tls")]
    Insecure { peer: Arc<str>, reason: String },
    #[error("{peer} does not let this client in: {reason}")]
    Denied { peer: Arc<str>, reason: String },
    #[error("{peer} asks for a pause of {pause:?} (quota)")]
    Throttled { peer: Arc<str>, pause: Duration },
    #[error("too many requests are in flight")]
    Busy,
}

impl WireError {
    /// Whether the connection, and its siblings to the same broker, are suspect.
    pub(super) const fn condemns_peer(&self) -> bool {
        matches!(self, Self::Unreachable { .. } | Self::TimedOut { .. } | Self::Broken { .. })
    }
}

/// A connection and what its broker offers.
#[derive(Debug)]
pub(super) struct Connection {
    stream: Stream,
    peer: Arc<str>,
    client: StrBytes,
    /// (key, lowest, highest version) of each API.
    offered: Vec<(i16, i16, i16)>,
    correlation: i32,
    frame_limit: usize,
    /// When what was proven on it expires (KIP-368); `None`: never.
    expires: Option<Instant>,
}

impl Connection {
    /// Connects and asks for the API versions.
    pub(super) async fn open(
        peer: &Arc<str>,
        client: StrBytes,
        frame_limit: usize,
        encryption: Option<&Encryption>,
    ) -> Result<Self, WireError> {
        let stream = Stream::connect(peer, encryption).await?;
        let peer = Arc::clone(peer);
        let (offered, correlation, expires) = (Vec::new(), 0, None);
        let mut connection = Self { stream, peer, client, offered, correlation, frame_limit, expires };
        let answer = connection.exchange(&ApiVersionsRequest::default(), 0).await?;
        if answer.error_code != 0 {
            return Err(connection.incompatible::<ApiVersionsRequest>());
        }
        connection.offered =
            answer.api_keys.iter().map(|api| (api.api_key, api.min_version, api.max_version)).collect();
        Ok(connection)
    }

    /// The broker's address.
    pub(super) fn peer(&self) -> &Arc<str> {
        &self.peer
    }

    /// It must not be used after that.
    pub(super) fn good_until(&mut self, expires: Instant) {
        self.expires = Some(expires);
    }

    /// Whether it may still be used.
    pub(super) fn is_good(&mut self, now: Instant) -> bool {
        // Between requests nothing may arrive: not even the end.
        self.expires.is_none_or(|expires| now < expires) && self.stream.is_quiet()
    }

    /// Sends a request and awaits its answer.
    pub(super) async fn call<A: Api>(&mut self, request: &A) -> Result<A::Response, WireError> {
        let version = self.version::<A>().ok_or_else(|| self.incompatible::<A>())?;
        self.exchange(request, version).await
    }

    /// The highest version that both sides speak.
    fn version<A: Api>(&self) -> Option<i16> {
        let &(_, lowest, highest) = self.offered.iter().find(|(key, ..)| *key == A::KEY)?;
        let version = highest.min(A::VERSIONS.1);
        (version >= lowest && version >= A::VERSIONS.0).then_some(version)
    }

    async fn exchange<A: Api>(&mut self, request: &A, version: i16) -> Result<A::Response, WireError> {
        self.correlation = self.correlation.wrapping_add(1);
        let frame = self.encode(request, version)?;
        self.stream.write_all(&frame).await.map_err(|source| self.broken(source))?;
        self.stream.flush().await.map_err(|source| self.broken(source))?;
        let answer = self.read_frame::<A>().await?;
        decode::<A>(answer, version, self.correlation)
            .map_err(|reason| self.malformed::<A>(reason.to_string()))
    }

    /// Length, header (version 1, or 2 with tagged fields) and body.
    fn encode<A: Api>(&self, request: &A, version: i16) -> Result<BytesMut, WireError> {
        let failed = |reason: String| WireError::Encode { api: A::NAME, reason };
        let size = request.compute_size(version).map_err(|error| failed(error.to_string()))?;
        let mut frame = BytesMut::with_capacity(size + 64);
        frame.put_i32(0);
        RequestHeader::default()
            .with_request_api_key(A::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(self.client.clone()))
            .encode(&mut frame, if A::FLEXIBLE { 2 } else { 1 })
            .map_err(|error| failed(error.to_string()))?;
        request.encode(&mut frame, version).map_err(|error| failed(error.to_string()))?;
        let length = i32::try_from(frame.len() - 4).map_err(|_| failed("more than 2 GiB".to_string()))?;
        if let Some(prefix) = frame.first_chunk_mut::<4>() {
            *prefix = length.to_be_bytes();
        }
        Ok(frame)
    }

    async fn read_frame<A: Api>(&mut self) -> Result<Bytes, WireError> {
        let length = self.stream.read_i32().await.map_err(|source| self.broken(source))?;
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= self.frame_limit)
            .ok_or_else(|| self.malformed::<A>(std::format!("a frame of {length} bytes")))?;
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame).await.map_err(|source| self.broken(source))?;
        Ok(Bytes::from(frame))
    }

    fn broken(&self, source: io::Error) -> WireError {
        WireError::Broken { peer: Arc::clone(&self.peer), source }
    }

    fn malformed<A: Api>(&self, reason: String) -> WireError {
        WireError::Malformed { peer: Arc::clone(&self.peer), api: A::NAME, reason }
    }

    fn incompatible<A: Api>(&self) -> WireError {
        WireError::Incompatible { peer: Arc::clone(&self.peer), api: A::NAME }
    }
}

/// Why an answer cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("no correlation id")]
    Short,
    #[error("the answer to another request")]
    Correlation,
    #[error("a malformed body: {0}")]
    Shape(#[from] ShapeError),
    #[error("a malformed body: {0}")]
    Body(String),
}

/// Reads a frame's content: the response header (version 0, or 1 with tagged fields) and the body.
pub(super) fn decode<A: Api>(
    mut frame: Bytes,
    version: i16,
    correlation: i32,
) -> Result<A::Response, DecodeError> {
    if frame.try_get_i32().map_err(|_| DecodeError::Short)? != correlation {
        return Err(DecodeError::Correlation);
    }
    if A::FLEXIBLE {
        frame.advance(shape::tags(&frame)?);
    }
    shape::check(A::LAYOUT, version, A::FLEXIBLE, &frame)?;
    A::Response::decode(&mut frame, version).map_err(|error| DecodeError::Body(error.to_string()))
}
