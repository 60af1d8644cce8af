//! The one shape of every error answer, and which HTTP status each stable code has.

use aide::OperationOutput;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use core::fmt;
use core::time::Duration;
use ipowdm_core::error::Code;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The HTTP status of every stable code. A code that is missing here is answered as 500.
const STATUS: &[(Code, StatusCode)] = &[
    (Code::Malformed, StatusCode::BAD_REQUEST),
    (Code::InvalidField, StatusCode::UNPROCESSABLE_ENTITY),
    (Code::TooLarge, StatusCode::PAYLOAD_TOO_LARGE),
    (Code::UnknownAction, StatusCode::UNPROCESSABLE_ENTITY),
    (Code::UnknownVersion, StatusCode::UNPROCESSABLE_ENTITY),
    (Code::UnknownPop, StatusCode::NOT_FOUND),
    (Code::UnknownRouter, StatusCode::NOT_FOUND),
    (Code::UnknownPort, StatusCode::NOT_FOUND),
    (Code::UnknownLink, StatusCode::NOT_FOUND),
    (Code::UnknownConnection, StatusCode::NOT_FOUND),
    (Code::UnknownVop, StatusCode::NOT_FOUND),
    (Code::UnknownAgent, StatusCode::NOT_FOUND),
    (Code::UnknownOperation, StatusCode::NOT_FOUND),
    (Code::UnknownPath, StatusCode::NOT_FOUND),
    (Code::MethodNotAllowed, StatusCode::METHOD_NOT_ALLOWED),
    (Code::UnsupportedMediaType, StatusCode::UNSUPPORTED_MEDIA_TYPE),
    (Code::NoRegion, StatusCode::NOT_FOUND),
    (Code::SamePop, StatusCode::BAD_REQUEST),
    (Code::AlreadyExists, StatusCode::CONFLICT),
    (Code::NoPath, StatusCode::CONFLICT),
    (Code::NoSpectrum, StatusCode::CONFLICT),
    (Code::NoCommonChannel, StatusCode::CONFLICT),
    (Code::PortOccupied, StatusCode::CONFLICT),
    (Code::NoFreePort, StatusCode::CONFLICT),
    (Code::Forbidden, StatusCode::FORBIDDEN),
    (Code::Unauthenticated, StatusCode::UNAUTHORIZED),
    (Code::QuotaExceeded, StatusCode::CONFLICT),
    (Code::IdempotencyKeyReused, StatusCode::UNPROCESSABLE_ENTITY),
    (Code::IllegalState, StatusCode::CONFLICT),
    (Code::LiveConnections, StatusCode::CONFLICT),
    (Code::FrequencyOutOfRange, StatusCode::UNPROCESSABLE_ENTITY),
    (Code::FrequencyNotGranted, StatusCode::FORBIDDEN),
    (Code::FrequencyOffGrid, StatusCode::UNPROCESSABLE_ENTITY),
    (Code::PowerOutOfRange, StatusCode::UNPROCESSABLE_ENTITY),
    (Code::Unsupported, StatusCode::UNPROCESSABLE_ENTITY),
    // What a module or its agent answered: the request was good, the equipment behind us was not.
    (Code::ModuleAbsent, StatusCode::BAD_GATEWAY),
    (Code::ModuleUnreachable, StatusCode::BAD_GATEWAY),
    (Code::ModuleRejected, StatusCode::BAD_GATEWAY),
    (Code::ModuleFault, StatusCode::BAD_GATEWAY),
    (Code::ReadBackMismatch, StatusCode::BAD_GATEWAY),
    (Code::StaleEpoch, StatusCode::CONFLICT),
    (Code::Unfenced, StatusCode::CONFLICT),
    (Code::Expired, StatusCode::GATEWAY_TIMEOUT),
    (Code::TimedOut, StatusCode::GATEWAY_TIMEOUT),
    (Code::BusUnavailable, StatusCode::SERVICE_UNAVAILABLE),
    (Code::UnknownTopic, StatusCode::NOT_FOUND),
    (Code::OffsetOutOfRange, StatusCode::BAD_GATEWAY),
    (Code::StoreUnavailable, StatusCode::SERVICE_UNAVAILABLE),
    // Contention, not a state that the caller could change: the same request may succeed a moment later.
    (Code::Conflict, StatusCode::SERVICE_UNAVAILABLE),
    (Code::LimitReached, StatusCode::TOO_MANY_REQUESTS),
    (Code::StorageFull, StatusCode::INSUFFICIENT_STORAGE),
    (Code::Stopped, StatusCode::SERVICE_UNAVAILABLE),
    (Code::NotCommanding, StatusCode::SERVICE_UNAVAILABLE),
    (Code::NotImplemented, StatusCode::NOT_IMPLEMENTED),
    (Code::Internal, StatusCode::INTERNAL_SERVER_ERROR),
];

/// The HTTP status that a stable code is answered with.
///
/// ```
/// use ipowdm_core::error::Code;
/// assert_eq!(ipowdm_ctl_lib::http::status_of(Code::UnknownPop), 404);
/// ```
#[must_use]
pub fn status_of(code: Code) -> StatusCode {
    STATUS
        .iter()
        .find(|(known, _)| *known == code)
        .map_or(StatusCode::INTERNAL_SERVER_ERROR, |(_, status)| *status)
}

/// An error answer: problem details (RFC 9457) with the members `error`, `code`, `method` and `path` besides.
///
/// `error` is one sentence for people, `detail` the same with what to do about it where that is known (clients of the
/// reference read one or the other), `code` the stable code that acks and metrics use for the same cause. `type` is the URN
/// of the code, `title` what the code means, `instance` the path of the request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiError {
    code: Code,
    status: StatusCode,
    message: String,
    hint: Option<String>,
    about: Option<(&'static str, Value)>,
    /// Seconds after which to try again, where that is known better than "soon".
    retry_after: Option<u64>,
}

impl ApiError {
    /// An error with the status of its code.
    #[must_use]
    pub fn new(code: Code, message: impl fmt::Display) -> Self {
        Self {
            code,
            status: status_of(code),
            message: message.to_string(),
            hint: None,
            about: None,
            retry_after: None,
        }
    }

    /// Adds what the caller can do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl fmt::Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Adds a member to the answer: what the error is about.
    #[must_use]
    pub fn about(mut self, name: &'static str, what: impl Serialize) -> Self {
        // What cannot be written as JSON is left out; the error itself is what matters.
        self.about = serde_json::to_value(what).ok().map(|what| (name, what));
        self
    }

    /// Says after how long to try again; whole seconds, rounded up.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)));
        self
    }

    /// Answers with a status of its own, where HTTP or clients of the reference expect another than the code's.
    #[must_use]
    pub const fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    /// A field that cannot be what it was given as.
    #[must_use]
    pub fn invalid(field: &str, reason: impl fmt::Display) -> Self {
        Self::new(Code::InvalidField, format_args!("{field}: {reason}"))
    }

    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// What an error answer is (RFC 9457, section 3).
pub(super) const MEDIA_TYPE: &str = "application/problem+json";

/// What the type of a problem begins with; its code follows.
const TYPE: &str = "urn:ipowdm:error:";

/// Problem details (RFC 9457). Members beside these say what the problem is about.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct ErrorBody<'a> {
    /// The URN of the code.
    r#type: String,
    /// What the code means.
    title: &'static str,
    status: u16,
    /// The path of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    instance: Option<&'a str>,
    /// One sentence for people.
    error: &'a str,
    /// The same, and what can be done about it where that is known.
    detail: String,
    /// The stable code.
    code: Code,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(flatten)]
    #[schemars(skip)]
    about: Option<BTreeMap<&'static str, &'a Value>>,
}

impl ApiError {
    /// The answer; `at` is the method and path of the request where they are known.
    fn answer(&self, at: Option<(&str, &str)>) -> Response {
        let detail =
            self.hint.as_ref().map_or_else(|| self.message.clone(), |h| format!("{}; {h}", self.message));
        let body = ErrorBody {
            r#type: format!("{TYPE}{}", self.code),
            title: self.code.meaning(),
            status: self.status.as_u16(),
            instance: at.map(|(_, path)| path),
            error: &self.message,
            detail,
            code: self.code,
            method: at.map(|(method, _)| method),
            path: at.map(|(_, path)| path),
            about: self.about.as_ref().map(|(name, what)| BTreeMap::from([(*name, what)])),
        };
        let mut response = (self.status, Json(body)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        let soon = matches!(self.status, StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS);
        if let Some(seconds) = self.retry_after.or(soon.then_some(1)) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.answer(None);
        response.extensions_mut().insert(self);
        response
    }
}

/// Refusals are documented where they are made known, see `http::openapi`.
impl OperationOutput for ApiError {
    type Inner = Self;
}

/// Adds method and path to an error answer; every other answer passes unchanged.
pub(super) fn locate(response: Response, method: &str, path: &str) -> Response {
    let Some(error) = response.extensions().get::<ApiError>() else { return response };
    let mut located = error.answer(Some((method, path)));
    for (name, value) in response.headers() {
        // `Allow` of a 405 and the like; length and type of the body are the new answer's own.
        if *name != header::CONTENT_LENGTH && *name != header::CONTENT_TYPE {
            located.headers_mut().insert(name, value.clone());
        }
    }
    located
}

impl From<crate::store::StoreError> for ApiError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::new(error.code(), error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_exactly_one_status_and_it_is_an_error() {
        for code in Code::ALL {
            let rows: Vec<_> = STATUS.iter().filter(|(known, _)| known == code).collect();
            assert_eq!(rows.len(), 1, "{code}");
            assert!(rows[0].1.is_client_error() || rows[0].1.is_server_error(), "{code}");
        }
        assert_eq!(STATUS.len(), Code::ALL.len());
    }

    #[tokio::test]
    async fn an_error_answer_is_problem_details_with_error_code_method_and_path() {
        let error =
            ApiError::new(Code::UnknownPop, "PoP \"pop9\" is not known").hint("GET /api/pops lists them");
        let response = locate(error.into_response(), "POST", "/api/links");
        assert_eq!(response.status(), 404);
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/problem+json");
        let bytes = axum::body::to_bytes(response.into_body(), 4096).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        assert_eq!(
            json,
            serde_json::json!({
                "type": "urn:ipowdm:error:unknown_pop",
                "title": "The PoP is not known.",
                "status": 404,
                "instance": "/api/links",
                "error": "PoP \"pop9\" is not known",
                "detail": "PoP \"pop9\" is not known; GET /api/pops lists them",
                "code": "unknown_pop",
                "method": "POST",
                "path": "/api/links",
            })
        );
    }

    #[test]
    fn what_may_work_later_says_when_to_retry() {
        let response = ApiError::new(Code::StoreUnavailable, "gone").into_response();
        assert_eq!(response.status(), 503);
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
    }
}
