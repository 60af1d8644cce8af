//! The OpenAPI 3.1 document of a service, made from its routes.
//!
//! What a handler takes and answers is read from its signature: extractors and answers say what they are
//! ([`aide::OperationInput`], [`aide::OperationOutput`]). What a signature cannot tell, one sentence and the stable codes of its
//! refusals, stands beside the route ([`does`]). Statuses follow from the codes, roles from the [rules](super::access). Examples
//! and what can be asked for next have a table each ([`examples`], [`links`]).
//!
//! The document is served at `/openapi.json`. With the feature `viewer` there is a page at `/docs` that shows it and sends
//! requests; a browser is told to load nothing that comes from elsewhere.

mod complete;
mod examples;
mod links;
#[cfg(feature = "viewer")]
mod viewer;

pub(super) use complete::{text_header, with_location};
pub(super) use links::{CONTROLLER, LINKDB, Link, SLICE};

use super::access::Rule;
use super::error::status_of;
use aide::OperationOutput;
use aide::axum::ApiRouter;
use aide::axum::routing::get_with;
use aide::generate::in_context;
use aide::openapi::{Info, License, MediaType, OpenApi, Operation, Response, SchemaObject};
use aide::transform::TransformOperation;
use axum::Router;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use ipowdm_core::error::Code;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};
use std::sync::{Arc, OnceLock};

/// Where the document is.
pub(super) const DOCUMENT: &str = "/openapi.json";

/// Member of an operation, while the document is made: statuses and codes of its refusals.
const REFUSALS: &str = "x-refusals";

/// Member of an operation, while the document is made: the schemas of its path's segments, in order.
const SEGMENTS: &str = "x-segments";

/// A service, as its document describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct About {
    pub(super) title: &'static str,
    pub(super) description: &'static str,
    pub(super) rules: &'static [Rule],
    /// Codes with which any route but those for everybody may refuse.
    pub(super) refusals: &'static [Code],
    /// What can be asked for next.
    pub(super) links: &'static [Link],
    /// Whether callers need no token.
    pub(super) open: bool,
}

/// What an operation does, in one sentence, and the codes with which it may refuse, beside those that its extractors and
/// every route have.
pub(super) fn does(
    summary: &'static str,
    refusals: &'static [Code],
) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    also(refusals, move |operation| operation.summary(summary))
}

/// What an operation does, and what else it may be refused with.
pub(super) fn also(
    refusals: &'static [Code],
    done: impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_>,
) -> impl FnOnce(TransformOperation<'_>) -> TransformOperation<'_> {
    move |operation| {
        let mut operation = done(operation);
        for code in refusals {
            refuses(operation.inner_mut(), status_of(*code), *code);
        }
        operation
    }
}

/// Adds a refusal whose status is not the code's own.
pub(super) fn refuses(operation: &mut Operation, status: StatusCode, code: Code) {
    if let Value::Array(list) = member(operation, REFUSALS) {
        list.push(json!([status.as_u16(), code]));
    }
}

/// Adds the schemas of path segments.
pub(super) fn takes_segments(operation: &mut Operation, schema: &Schema) {
    // A tuple's schema lists those of its parts.
    let parts = schema.get("prefixItems").and_then(Value::as_array).cloned();
    let parts = parts.unwrap_or_else(|| vec![schema.clone().to_value()]);
    if let Value::Array(list) = member(operation, SEGMENTS) {
        list.extend(parts);
    }
}

fn member<'o>(operation: &'o mut Operation, name: &str) -> &'o mut Value {
    operation.extensions.entry(name.to_owned()).or_insert_with(|| Value::Array(Vec::new()))
}

/// The answer with a JSON body of a type.
pub(super) fn json_response<T: JsonSchema>(ctx: &mut aide::generate::GenContext) -> Response {
    let json_schema = ctx.schema.subschema_for::<T>();
    let resolved = ctx.resolve_schema(&json_schema);
    let description = resolved.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
    content("application/json", description, json_schema)
}

/// An answer with a body.
pub(super) fn content(media_type: &str, description: String, json_schema: Schema) -> Response {
    let schema = Some(SchemaObject { json_schema, example: None, external_docs: None });
    let content = [(media_type.to_owned(), MediaType { schema, ..MediaType::default() })];
    Response { description, content: content.into_iter().collect(), ..Response::default() }
}

/// The routes of a service with those of its document.
pub(super) fn documented(about: About, routes: impl FnOnce() -> ApiRouter) -> Router {
    // Whoever makes documents with the same crate on this thread goes on where he was.
    let others = in_context(|ctx| core::mem::replace(&mut ctx.schema, settings().into_generator()));
    let text: Arc<OnceLock<Bytes>> = Arc::default();
    let shown = Arc::clone(&text);
    let document = move || async move { Document(shown.get().cloned().unwrap_or_default()) };
    let router = routes().api_route(DOCUMENT, get_with(document, does("This document", &[])));
    #[cfg(feature = "viewer")]
    let router = viewer::with_viewer(router, about.title);
    let mut api = OpenApi {
        info: Info {
            title: about.title.to_owned(),
            description: Some(about.description.to_owned()),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            license: Some(License {
                name: env!("CARGO_PKG_LICENSE").to_owned(),
                identifier: Some(env!("CARGO_PKG_LICENSE").to_owned()),
                ..License::default()
            }),
            ..Info::default()
        },
        ..OpenApi::default()
    };
    complete::common_schemas();
    let router = router.finish_api(&mut api);
    in_context(|ctx| ctx.schema = others);
    complete::complete(&mut api, &about);
    match serde_json::to_vec(&api) {
        Ok(bytes) => {
            // Nobody has asked yet.
            let _ = text.set(bytes.into());
        }
        Err(error) => tracing::error!(%error, "the document of {} cannot be written", about.title),
    }
    router
}

fn settings() -> SchemaSettings {
    // The dialect of OpenAPI 3.1.
    SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = "/components/schemas".into())
}

/// The document itself.
struct Document(Bytes);

impl IntoResponse for Document {
    fn into_response(self) -> axum::response::Response {
        ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], self.0).into_response()
    }
}

impl OperationOutput for Document {
    type Inner = Self;

    fn inferred_responses(
        _: &mut aide::generate::GenContext,
        _: &mut Operation,
    ) -> Vec<(Option<u16>, Response)> {
        let schema = schemars::json_schema!({"type": "object", "required": ["openapi", "info", "paths"]});
        vec![(Some(200), content("application/json", "An OpenAPI 3.1 document.".to_owned(), schema))]
    }
}

#[cfg(test)]
mod tests;
