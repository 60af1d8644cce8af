//! From frames to typed requests and from typed responses to frames.
//!
//! A frame is a 4-byte big-endian length and so many bytes: a header (API key, version, correlation id, client id)
//! and a body. The length prefix is the server's business; here a frame is its content.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::messages::{RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion};

use crate::api::Api;
use crate::shape::{self, ShapeError};

/// Why a frame cannot be answered. The connection that sent it is closed, as Apache Kafka does.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WireError {
    #[error("frame of {0} bytes is shorter than a request header")]
    ShortHeader(usize),
    #[error("API key {0} is not served")]
    UnknownApi(i16),
    #[error("{api} version {version} is not served")]
    UnsupportedVersion { api: Api, version: i16 },
    #[error("{api} version {version}: {source}")]
    Shape { api: Api, version: i16, source: ShapeError },
    #[error("{what} cannot be decoded: {reason}")]
    Decode { what: &'static str, reason: String },
    #[error("response to {api} version {version} cannot be encoded: {reason}")]
    Encode { api: Api, version: i16, reason: String },
}

/// The part of the header that the broker needs.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) api: Api,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    /// Empty if the client gave none.
    pub(crate) client: String,
}

/// What the first bytes of a frame say.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A served API and version; the body follows.
    Call(Call, Bytes),
    /// `ApiVersions` in a version that is not served: answered in version 0 with error 35, so that the client can
    /// choose again.
    UnknownApiVersions { correlation: i32 },
}

/// Splits a frame into its header and its body.
///
/// # Errors
///
/// [`WireError`] if the frame is too short, or names an API or version that is not served.
pub(crate) fn open(mut frame: Bytes) -> Result<Opened, WireError> {
    let Some(fixed) = frame.first_chunk::<8>() else {
        return Err(WireError::ShortHeader(frame.len()));
    };
    let [k0, k1, v0, v1, c0, c1, c2, c3] = *fixed;
    let key = i16::from_be_bytes([k0, k1]);
    let version = i16::from_be_bytes([v0, v1]);
    let correlation = i32::from_be_bytes([c0, c1, c2, c3]);
    let api = Api::from_key(key).ok_or(WireError::UnknownApi(key))?;
    if !api.versions().contains(&version) {
        return match api {
            Api::ApiVersions => Ok(Opened::UnknownApiVersions { correlation }),
            _ => Err(WireError::UnsupportedVersion { api, version }),
        };
    }
    let header_version = if api.is_flexible(version) { 2 } else { 1 };
    let header = RequestHeader::decode(&mut frame, header_version)
        .map_err(|error| WireError::Decode { what: "request header", reason: error.to_string() })?;
    let client = header.client_id.map(|id| id.to_string()).unwrap_or_default();
    Ok(Opened::Call(Call { api, version, correlation, client }, frame))
}

/// Decodes the body of `call` after checking its lengths.
///
/// # Errors
///
/// [`WireError::Shape`] or [`WireError::Decode`]; never panics and never reserves more memory than the body and
/// `max_elements` justify.
pub(crate) fn decode<R: Decodable>(
    call: &Call,
    mut body: Bytes,
    max_elements: usize,
) -> Result<R, WireError> {
    let Call { api, version, .. } = *call;
    shape::check(api, version, &body, max_elements).map_err(|source| WireError::Shape {
        api,
        version,
        source,
    })?;
    R::decode(&mut body, version)
        .map_err(|error| WireError::Decode { what: "request body", reason: error.to_string() })
}

/// Encodes a response with its length prefix.
///
/// # Errors
///
/// [`WireError::Encode`] if the response does not fit the version asked for.
pub(crate) fn encode<R: Encodable + HeaderVersion>(call: &Call, response: &R) -> Result<Bytes, WireError> {
    encode_as(call.api, call.version, call.correlation, response)
}

/// [`encode`] for a version other than the one asked for (`ApiVersions`).
pub(crate) fn encode_as<R: Encodable + HeaderVersion>(
    api: Api,
    version: i16,
    correlation: i32,
    response: &R,
) -> Result<Bytes, WireError> {
    let failed = |reason: String| WireError::Encode { api, version, reason };
    let size = response.compute_size(version).map_err(|error| failed(error.to_string()))?;
    let mut out = BytesMut::with_capacity(size + 16);
    out.put_i32(0);
    ResponseHeader::default()
        .with_correlation_id(correlation)
        .encode(&mut out, R::header_version(version))
        .map_err(|error| failed(error.to_string()))?;
    response.encode(&mut out, version).map_err(|error| failed(error.to_string()))?;
    let length = i32::try_from(out.len() - 4).map_err(|_| failed("longer than 2 GiB".to_owned()))?;
    if let Some(prefix) = out.first_chunk_mut::<4>() {
        *prefix = length.to_be_bytes();
    }
    Ok(out.freeze())
}
