//! Health answers: what each part said just now, 503 as soon as one of them failed.

use super::dto::now;
use super::error::ApiError;
use super::openapi::json_response;
use crate::store::Store;
use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Documented};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use core::time::Duration;
use ipowdm_core::error::Code;
use schemars::JsonSchema;
use serde::Serialize;

/// Time for a part to answer.
const PROBE_TIME: Duration = Duration::from_secs(2);

/// The answer to a health request: fields of the service, and what the parts said.
#[derive(Debug)]
pub(super) struct Health<F> {
    fields: F,
    failed: Vec<ApiError>,
}

/// How a service is. An outage has the shape of an error too (`error`, `detail`, `code`).
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Health")]
struct HealthJson<F> {
    #[serde(flatten)]
    fields: F,
    /// `healthy` or `unhealthy`.
    status: &'static str,
    timestamp: String,
    version: &'static str,
    /// What the first part that failed said.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What they all said.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<Code>,
    /// The same, one by one.
    #[serde(skip_serializing_if = "Option::is_none")]
    reasons: Option<Vec<String>>,
}

impl<F> Health<F> {
    /// `fields` as they are, and what the parts said.
    pub(super) fn new(fields: F, parts: impl IntoIterator<Item = Result<(), ApiError>>) -> Self {
        Self { fields, failed: parts.into_iter().filter_map(Result::err).collect() }
    }
}

impl<F: Serialize> IntoResponse for Health<F> {
    fn into_response(self) -> Response {
        let Self { fields, failed } = self;
        let mut body = HealthJson {
            fields,
            status: "healthy",
            timestamp: now(),
            version: env!("CARGO_PKG_VERSION"),
            error: None,
            detail: None,
            code: None,
            reasons: None,
        };
        let Some(first) = failed.first() else { return Json(body).into_response() };
        let reasons: Vec<String> = failed.iter().map(ToString::to_string).collect();
        body.status = "unhealthy";
        body.error = Some(first.to_string());
        body.detail = Some(reasons.join("; "));
        body.code = Some(first.code());
        body.reasons = Some(reasons);
        (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, HeaderValue::from_static("1"))], Json(body))
            .into_response()
    }
}

impl<F: JsonSchema> OperationOutput for Health<F> {
    type Inner = F;

    fn inferred_responses(ctx: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        let well = json_response::<HealthJson<F>>(ctx);
        let ill = "A part of the service cannot be used now.".to_owned();
        let ill = Documented { description: ill, ..well.clone() };
        vec![(Some(200), well), (Some(503), ill)]
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
