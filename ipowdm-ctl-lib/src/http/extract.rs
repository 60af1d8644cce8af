//! Extractors whose refusals are [`ApiError`]s: JSON bodies of bounded size, path segments, query strings.
//!
//! For routes of your own beside ours, so that they refuse bad input in the same words.

use super::error::{ApiError, status_of};
use super::openapi::{json_response, refuses, takes_segments};
use aide::OperationInput;
use aide::generate::GenContext;
use aide::openapi::{Operation, Parameter, ParameterSchemaOrContent, RequestBody};
use aide::operation::{ParamLocation, add_parameters, parameters_from_schema, set_body};
use axum::body::Body;
use axum::extract::path::ErrorKind;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, OptionalFromRequest, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use bytes::{Bytes, BytesMut};
use core::time::Duration;
use futures_util::StreamExt as _;
use ipowdm_core::error::Code;
use schemars::{JsonSchema, Schema};
use serde::Deserialize as _;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::error::Category;

/// Largest accepted body unless told otherwise. The largest honest one, a virtual operator with 1 600 ports, has about 100 kB.
pub(super) const USUAL_BODY: usize = 1 << 20;

/// Bytes of the largest body that the service of a request accepts.
#[derive(Debug, Clone, Copy)]
pub(super) struct LargestBody(pub(super) usize);

impl LargestBody {
    fn of(parts: &Parts) -> usize {
        parts.extensions.get::<Self>().map_or(USUAL_BODY, |largest| largest.0)
    }
}

/// How much of a body that is too large is read and thrown away, so that its sender gets to read the answer: a connection
/// that is closed with unread data loses it.
const MAX_DRAIN: usize = 16 << 20;

/// Time for a body to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);

/// A JSON object of at most as many bytes as [`Limits::body`](super::Limits) says. As `Option<Payload<T>>` it may be absent.
///
/// 400 `malformed` where the body is not JSON, 422 `invalid_field` naming the field where one is missing or of the wrong
/// type, 413 `too_large`, 415 `unsupported_media_type`, 408 `timed_out`. Members that are not known are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payload<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Payload<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts, body).await?;
        if bytes.is_empty() {
            return Err(ApiError::new(Code::Malformed, "the body is empty, a JSON object is expected"));
        }
        json(&parts.headers, &bytes)
    }
}

impl<S: Send + Sync, T: DeserializeOwned> OptionalFromRequest<S> for Payload<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Option<Self>, ApiError> {
        let (parts, body) = request.into_parts();
        let bytes = read(&parts, body).await?;
        if bytes.is_empty() { Ok(None) } else { json(&parts.headers, &bytes).map(Some) }
    }
}

impl<T: JsonSchema> OperationInput for Payload<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let described = json_response::<T>(ctx);
        let (description, content) = (Some(described.description), described.content);
        let body = RequestBody { description, content, required: true, ..RequestBody::default() };
        set_body(ctx, operation, body);
        let codes = [Code::Malformed, Code::TooLarge, Code::UnsupportedMediaType, Code::InvalidField];
        for code in codes {
            refuses(operation, status_of(code), code);
        }
        refuses(operation, StatusCode::REQUEST_TIMEOUT, Code::TimedOut);
    }
}

/// Reads a body that is not too large.
pub(super) async fn read(parts: &Parts, body: Body) -> Result<Bytes, ApiError> {
    let (headers, largest) = (&parts.headers, LargestBody::of(parts));
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > largest as u64) && headers.contains_key(header::EXPECT) {
        // The sender waits for a go-ahead before it sends the body; this answer is the refusal.
        return Err(too_large(largest));
    }
    tokio::time::timeout(BODY_TIME, collect(body, largest)).await.map_err(|_| {
        ApiError::new(Code::TimedOut, format_args!("the body did not arrive within {BODY_TIME:?}"))
            .with_status(StatusCode::REQUEST_TIMEOUT)
    })?
}

async fn collect(body: Body, largest: usize) -> Result<Bytes, ApiError> {
    let mut stream = body.into_data_stream();
    let mut kept = BytesMut::new();
    let mut total = 0_usize;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk
            .map_err(|error| ApiError::new(Code::Malformed, format_args!("the body broke off: {error}")))?;
        total = total.saturating_add(chunk.len());
        if total > MAX_DRAIN.max(largest) {
            break;
        }
        if total <= largest {
            kept.extend_from_slice(&chunk);
        }
    }
    if total > largest { Err(too_large(largest)) } else { Ok(kept.freeze()) }
}

fn too_large(largest: usize) -> ApiError {
    ApiError::new(Code::TooLarge, format_args!("the body is larger than {largest} bytes"))
}

/// Reads JSON. A body without a content type is taken as JSON, one that claims to be something else is refused.
fn json<T: DeserializeOwned>(headers: &HeaderMap, bytes: &Bytes) -> Result<Payload<T>, ApiError> {
    if let Some(claimed) = headers.get(header::CONTENT_TYPE)
        && !claimed.to_str().is_ok_and(is_json)
    {
        return Err(ApiError::new(
            Code::UnsupportedMediaType,
            format_args!("the body is said to be {claimed:?}"),
        )
        .hint("send JSON with the header Content-Type: application/json"));
    }
    let text = core::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        ApiError::new(Code::Malformed, format_args!("the body is not UTF-8 from byte {at} on"))
    })?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    if !text.trim_ascii_start().starts_with('{') {
        // A derived reader would take the members of an array one by one.
        IgnoredAny::deserialize(&mut deserializer).map_err(|reason| malformed(&reason))?;
        return Err(ApiError::invalid("body", "a JSON object is expected"));
    }
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let reason = error.inner();
        let path = error.path().to_string();
        match reason.classify() {
            // Well-formed, but not what the field takes.
            Category::Data => ApiError::invalid(if path == "." { "body" } else { &path }, reason),
            // A number where one of some words belongs is a fault of syntax to the reader, and none of JSON.
            Category::Syntax if serde_json::from_str::<IgnoredAny>(text).is_ok() => ApiError::invalid(
                if path == "." { "body" } else { &path },
                "a value of another type is expected",
            ),
            Category::Syntax | Category::Eof | Category::Io => malformed(reason),
        }
    })?;
    deserializer.end().map_err(|reason| malformed(&reason))?;
    Ok(Payload(value))
}

fn malformed(reason: &serde_json::Error) -> ApiError {
    ApiError::new(Code::Malformed, format_args!("the body is not JSON: {reason}"))
}

/// Whether a content type is JSON in UTF-8: `application/json`, `application/…+json`, `text/json`.
fn is_json(content_type: &str) -> bool {
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let json = matches!(essence.as_str(), "application/json" | "text/json")
        || (essence.starts_with("application/") && essence.ends_with("+json"));
    let utf8 = parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        !name.eq_ignore_ascii_case("charset") || value.trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    json && utf8
}

/// Path segments: 422 `invalid_field` where one is not what it should be, 400 `malformed` where it is not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segments<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Segments<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Path::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(PathRejection::FailedToDeserializePathParams(rejection)) => Err(match rejection.kind() {
                kind @ ErrorKind::InvalidUtf8InPathParam { .. } => ApiError::new(Code::Malformed, kind),
                kind => ApiError::new(Code::InvalidField, kind),
            }),
            Err(rejection) => Err(ApiError::new(Code::Internal, rejection.body_text())),
        }
    }
}

impl<T: JsonSchema> OperationInput for Segments<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let schema = ctx.schema.subschema_for::<T>();
        takes_segments(operation, &schema);
        for code in [Code::Malformed, Code::InvalidField] {
            refuses(operation, status_of(code), code);
        }
    }
}

/// The query string: 422 `invalid_field` where a parameter is missing or of the wrong type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Params<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Params<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        match axum::extract::Query::<T>::from_request_parts(parts, state).await {
            Ok(axum::extract::Query(value)) => Ok(Self(value)),
            Err(QueryRejection::FailedToDeserializeQueryString(error)) => {
                Err(ApiError::new(Code::InvalidField, error.body_text()))
            }
            Err(rejection) => Err(ApiError::new(Code::Malformed, rejection.body_text())),
        }
    }
}

impl<T: JsonSchema> OperationInput for Params<T> {
    fn operation_input(ctx: &mut GenContext, operation: &mut Operation) {
        let schema = ctx.schema.subschema_for::<T>();
        let mut parameters = parameters_from_schema(ctx, schema, ParamLocation::Query);
        for parameter in &mut parameters {
            let Parameter::Query { parameter_data, .. } = parameter else { continue };
            if let ParameterSchemaOrContent::Schema(schema) = &mut parameter_data.format {
                without_null(&mut schema.json_schema);
            }
        }
        add_parameters(ctx, operation, parameters);
        for code in [Code::Malformed, Code::InvalidField] {
            refuses(operation, status_of(code), code);
        }
    }
}

/// What may be absent from a query string cannot be null in it.
fn without_null(schema: &mut Schema) {
    let Some(schema) = schema.as_object_mut() else { return };
    if let Some(types) = schema.get_mut("type")
        && let Some(kept) = types.as_array_mut()
    {
        kept.retain(|name| name != "null");
        if let [only] = kept.as_slice() {
            *types = only.clone();
        }
    }
    if let Some(choices) = schema.get_mut("anyOf").and_then(serde_json::Value::as_array_mut) {
        choices.retain(|choice| choice["type"] != "null");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused_as_the_senders_fault(
            body in prop_oneof![
                any::<Vec<u8>>(),
                "\\{\"a\":[\\[\\]{}\":,0-9a-z.eE+-]{0,40}".prop_map(String::into_bytes),
            ],
            content_type in "[ -~]{0,30}",
        ) {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, content_type.parse().unwrap());
            for headers in [HeaderMap::new(), headers] {
                let read = json::<std::collections::BTreeMap<String, u16>>(&headers, &Bytes::from(body.clone()));
                if let Err(error) = read {
                    prop_assert!(error.status().is_client_error(), "{error}");
                    prop_assert!(!error.to_string().is_empty());
                }
            }
        }
    }
}
