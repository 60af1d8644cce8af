//! Answers that are more than a body: what was made, what was begun, streams of events.

use super::openapi::{content, json_response, with_location};
use aide::OperationOutput;
use aide::generate::GenContext;
use aide::openapi::{Operation, Response as Documented};
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::sse::Event;
use axum::response::{IntoResponse, Response, Sse};
use core::convert::Infallible;
use futures_util::Stream;
use schemars::JsonSchema;
use serde::Serialize;

/// 201 and what was made.
#[derive(Debug)]
pub(super) struct Created<T>(pub(super) T);

impl<T: Serialize> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        (StatusCode::CREATED, Json(self.0)).into_response()
    }
}

impl<T: JsonSchema> OperationOutput for Created<T> {
    type Inner = T;

    fn inferred_responses(ctx: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        vec![(Some(201), json_response::<T>(ctx))]
    }
}

/// 201 and what was made, or 200 where the same request made it before. `Location` is its path.
#[derive(Debug)]
pub(super) struct Made<T> {
    pub(super) new: bool,
    pub(super) location: String,
    pub(super) body: T,
}

impl<T: Serialize> IntoResponse for Made<T> {
    fn into_response(self) -> Response {
        let status = if self.new { StatusCode::CREATED } else { StatusCode::OK };
        (status, [(header::LOCATION, location(&self.location))], Json(self.body)).into_response()
    }
}

impl<T: JsonSchema> OperationOutput for Made<T> {
    type Inner = T;

    fn inferred_responses(ctx: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        let made = with_location(json_response::<T>(ctx));
        let again = Documented { description: "The same request made it before.".to_owned(), ..made.clone() };
        vec![(Some(201), made), (Some(200), again)]
    }
}

/// An answer that tells a password: it is not to be stored on its way.
#[derive(Debug)]
pub(super) struct Confidential<T>(pub(super) T);

impl<T: IntoResponse> IntoResponse for Confidential<T> {
    fn into_response(self) -> Response {
        let header = (header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        ([header], self.0).into_response()
    }
}

impl<T: OperationOutput> OperationOutput for Confidential<T> {
    type Inner = T::Inner;

    fn inferred_responses(ctx: &mut GenContext, operation: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        T::inferred_responses(ctx, operation)
    }
}

/// 202 and the operation to follow, or 200 where it has ended and was read back. `Location` is the operation's path.
#[derive(Debug)]
pub(super) struct Begun<T> {
    pub(super) status: StatusCode,
    pub(super) location: String,
    pub(super) body: T,
}

impl<T: Serialize> IntoResponse for Begun<T> {
    fn into_response(self) -> Response {
        (self.status, [(header::LOCATION, location(&self.location))], Json(self.body)).into_response()
    }
}

impl<T: JsonSchema> OperationOutput for Begun<T> {
    type Inner = T;

    fn inferred_responses(ctx: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        let begun = with_location(json_response::<T>(ctx));
        let done = "The operation has ended, and what it did was read back.".to_owned();
        let done = Documented { description: done, ..begun.clone() };
        vec![(Some(202), begun), (Some(200), done)]
    }
}

fn location(path: &str) -> HeaderValue {
    // Ids are ASCII without control characters.
    HeaderValue::from_str(path).unwrap_or_else(|_| HeaderValue::from_static("/"))
}

/// Server-sent events.
pub(super) struct Events<S>(pub(super) Sse<S>);

impl<S> IntoResponse for Events<S>
where
    S: Stream<Item = Result<Event, Infallible>> + Send + 'static,
{
    fn into_response(self) -> Response {
        self.0.into_response()
    }
}

impl<S> OperationOutput for Events<S> {
    type Inner = Self;

    fn inferred_responses(_: &mut GenContext, _: &mut Operation) -> Vec<(Option<u16>, Documented)> {
        let schema = schemars::json_schema!({"type": "string"});
        vec![(Some(200), content("text/event-stream", "Server-sent events.".to_owned(), schema))]
    }
}
