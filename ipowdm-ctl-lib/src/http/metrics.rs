//! `GET /metrics` of every service: figures as OpenMetrics text, which Prometheus reads.
//!
//! | service | figures |
//! |---|---|
//! | every one | requests by route, method and status; how long they took; those in flight |
//! | controller | connections, operations, durations of set-ups, commands, acks, samples, the quality loop, agents, what is not read yet, who commands |
//! | slice manager | virtual operators by phase |
//! | LinkDB | spectrum in use, watches |
//! | LinkDB, slice manager; controller where the caller may see everything | the store's transactions and its outbox, over all virtual operators of the process |
//!
//! Labels have few values, all known beforehand: no name of a connection, agent, port or caller is one. The controller's
//! figures are its virtual operator's own and carry its name.
//!
//! The route is for the operator, for viewers, and at a controller for its tenant ([`super::access`]);
//! [`super::Access::with_open_metrics`] opens it to whoever reaches the service, for scrapers that have no token. Such a
//! caller is shown what a tenant is shown.

mod controller;
mod requests;
mod snapshot;
mod store;
#[cfg(test)]
mod tests;

pub(super) use controller::scrape as controller;
pub(super) use requests::{Meter, metered};
pub(super) use store::{linkdb, slice};

use super::access::Caller;
use super::error::ApiError;
use super::openapi::content;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Documented};
use aide::{OperationInput, OperationOutput};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use core::convert::Infallible;
use ipowdm_core::error::Code;
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use snapshot::{Family, Snapshot, Value};
use std::borrow::Cow;

/// The path on every service.
pub(super) const PATH: &str = "/metrics";

/// What the names of all figures begin with.
const PREFIX: &str = "ipowdm";

/// What the answer is (OpenMetrics 1.0, section "ABNF" and "Content-Type").
const MEDIA_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Figures as text.
pub(super) struct Answer(Result<String, ApiError>);

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        match self.0 {
            Ok(text) => {
                ([(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE))], text).into_response()
            }
            Err(error) => error.into_response(),
        }
    }
}

impl OperationOutput for Answer {
    type Inner = Self;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        let schema = schemars::json_schema!({"type": "string"});
        // The document names media types without their parameters.
        let media_type = MEDIA_TYPE.split(';').next().unwrap_or(MEDIA_TYPE);
        vec![(Some(200), content(media_type, "OpenMetrics 1.0 text.".to_owned(), schema))]
    }
}

/// Whether the caller may see what is not one virtual operator's own.
pub(super) struct SeesAll(pub(super) bool);

impl<S: Send + Sync> FromRequestParts<S> for SeesAll {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let caller = parts.extensions.get::<Caller>();
        Ok(Self(caller.is_some_and(|Caller(caller)| caller.role.confined_to().is_none())))
    }
}

impl OperationInput for SeesAll {}

/// The text of a service's figures: those of its requests, and `families`. `labels` are on every one.
fn text(meter: &Meter, labels: &[(&'static str, String)], mut families: Vec<Family>) -> Answer {
    let labels = labels.iter().map(|(name, value)| (Cow::Borrowed(*name), Cow::Owned(value.clone())));
    let mut registry = Registry::with_prefix_and_labels(PREFIX, labels);
    let version = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    families.push(Family::info("build", "What is running.", version));
    registry.register_collector(Box::new(Snapshot(families)));
    meter.register(&mut registry);
    let mut text = String::new();
    let encoded = encode(&mut text, &registry);
    Answer(encoded.map(|()| text).map_err(|error| ApiError::new(Code::Internal, error)))
}

/// A gauge that is 1 where something holds.
const fn flag(holds: bool) -> Value {
    Value::Gauge(if holds { 1 } else { 0 })
}
