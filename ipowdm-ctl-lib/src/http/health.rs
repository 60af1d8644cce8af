//! Health answers: what each part said just now, 503 as soon as one of them failed.

use super::dto::now;
use super::error::ApiError;
use crate::store::Store;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use core::time::Duration;
use ipowdm_core::error::Code;
use serde_json::{Value, json};

/// Time for a part to answer.
const PROBE_TIME: Duration = Duration::from_secs(2);

/// The answer to a health request. Every outage has the shape of an error too (`error`, `detail`, `code`).
#[derive(Debug)]
pub(super) struct Health {
    body: Value,
    failed: Vec<ApiError>,
}

impl Health {
    /// `fields` as they are, and what the parts said.
    pub(super) fn new(fields: Value, parts: impl IntoIterator<Item = Result<(), ApiError>>) -> Self {
        Self { body: fields, failed: parts.into_iter().filter_map(Result::err).collect() }
    }
}

impl IntoResponse for Health {
    fn into_response(self) -> Response {
        let Self { mut body, failed } = self;
        body["timestamp"] = now().into();
        body["version"] = env!("CARGO_PKG_VERSION").into();
        let Some(first) = failed.first() else {
            body["status"] = "healthy".into();
            return Json(body).into_response();
        };
        let reasons: Vec<String> = failed.iter().map(ToString::to_string).collect();
        body["status"] = "unhealthy".into();
        body["error"] = first.to_string().into();
        body["detail"] = reasons.join("; ").into();
        body["code"] = json!(first.code());
        body["reasons"] = json!(reasons);
        (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, HeaderValue::from_static("1"))], Json(body))
            .into_response()
    }
}

/// Whether the store can be read now.
pub(super) async fn store(store: &Store) -> Result<(), ApiError> {
    match tokio::time::timeout(PROBE_TIME, store.snapshot()).await {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(error)) => Err(error.into()),
        Err(_) => {
            let reason = format!("the store did not answer within {} s", PROBE_TIME.as_secs());
            Err(ApiError::new(Code::StoreUnavailable, reason))
        }
    }
}
