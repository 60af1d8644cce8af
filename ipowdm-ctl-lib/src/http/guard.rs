//! What every request of every service passes: a place among those in flight, a time limit, one shape of errors.

use super::access::Rate;
use super::error::{ApiError, locate};
use super::extract::{LargestBody, USUAL_BODY};
use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::Uri;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use core::time::Duration;
use ipowdm_core::error::Code;
use std::sync::Arc;
use tokio::sync::Semaphore;
use tracing::Instrument as _;

/// Time for an ordinary request.
pub(super) const REQUEST_TIME: Duration = Duration::from_secs(30);

/// The limits of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Ordinary requests in flight at once; 429 beyond. 256 unless told otherwise.
    pub in_flight: usize,
    /// Requests with `?wait=` in flight at once; they have places of their own, so that they cannot shut the others out. 256
    /// unless told otherwise.
    pub waiting: usize,
    /// Time for a request, a `wait` not counted; 504 beyond. Absent: 30 s, of the slice manager 180 s.
    pub request_time: Option<Duration>,
    /// How many requests each caller may send; 429 beyond. Absent: as many as it likes.
    pub rate: Option<Rate>,
    /// Bytes of a body; 413 beyond. 1 MiB unless told otherwise.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { in_flight: 256, waiting: 256, request_time: None, rate: None, body: USUAL_BODY }
    }
}

/// Longest `?wait=`: coherent modules take minutes, not hours.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(600);

/// The places of one service.
#[derive(Debug)]
struct Places {
    ordinary: Arc<Semaphore>,
    waiting: Arc<Semaphore>,
    /// Time for a request, a `wait` not counted.
    time: Duration,
    body: LargestBody,
}

/// Puts the limits of the [module](super) and the answers to unknown paths and methods around a service's routes.
///
/// The routers of this module have it; it is for services of your own. Such routers can be nested, not merged: each has its
/// own fallback.
pub fn guarded(router: Router) -> Router {
    guarded_by(router, &Limits::default(), REQUEST_TIME)
}

/// As [`guarded`], with other limits; `time` is the usual time for a request.
pub(super) fn guarded_by(router: Router, limits: &Limits, time: Duration) -> Router {
    let Limits { in_flight, waiting, request_time, rate: _, body } = *limits;
    let places = Arc::new(Places {
        ordinary: Arc::new(Semaphore::new(in_flight)),
        waiting: Arc::new(Semaphore::new(waiting)),
        time: request_time.unwrap_or(time),
        body: LargestBody(body),
    });
    router
        .fallback(unknown_path)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(from_fn_with_state(places, guard))
}

async fn unknown_path(uri: Uri) -> ApiError {
    ApiError::new(Code::UnknownPath, format_args!("there is no {}", uri.path()))
}

async fn method_not_allowed(request: Request) -> ApiError {
    let reason = format!("{} does not take {}", request.uri().path(), request.method());
    ApiError::new(Code::MethodNotAllowed, reason).hint("the header Allow lists what it takes")
}

async fn guard(State(places): State<Arc<Places>>, mut request: Request, next: Next) -> Response {
    request.extensions_mut().insert(places.body);
    // Handles on what came in, not copies of it.
    let (method, uri) = (request.method().clone(), request.uri().clone());
    let wait = wait_of(request.uri());
    let kind = if wait.is_some() { &places.waiting } else { &places.ordinary };
    let response = match Arc::clone(kind).try_acquire_owned() {
        Ok(place) => {
            let work = async move {
                let response = next.run(request).await;
                drop(place);
                response
            };
            let limit = places.time + wait.unwrap_or_default();
            if method.is_safe() { within(limit, work).await } else { to_the_end(limit, work).await }
        }
        Err(_) => ApiError::new(Code::LimitReached, "too many requests are in flight").into_response(),
    };
    locate(response, method.as_str(), uri.path())
}

/// Answers in time; work that is not ready by then is dropped.
async fn within(limit: Duration, work: impl Future<Output = Response>) -> Response {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| timed_out(limit).into_response())
}

/// As [`within`], but what changes something is carried on to its end, whether the client is still there or not: it holds
/// its place until then.
async fn to_the_end(limit: Duration, work: impl Future<Output = Response> + Send + 'static) -> Response {
    let task = tokio::spawn(work.in_current_span());
    match tokio::time::timeout(limit, task).await {
        Ok(Ok(response)) => response,
        Ok(Err(failed)) => {
            tracing::error!(%failed, "a request handler did not come to its end");
            ApiError::new(Code::Internal, "the request failed for a defect of this service").into_response()
        }
        Err(_) => timed_out(limit)
            .hint("what it started goes on; read the state before you repeat it")
            .into_response(),
    }
}

fn timed_out(limit: Duration) -> ApiError {
    ApiError::new(Code::TimedOut, format_args!("not ready within {} s", limit.as_secs()))
}

/// The `wait` of a query string, held to [`MAX_WAIT`]; a `wait` that is no number is left to the handler to refuse.
pub(super) fn wait_of(uri: &Uri) -> Option<Duration> {
    let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    let (_, value) = pairs.into_iter().find(|(name, _)| name == "wait")?;
    let seconds: u64 = value.parse().ok()?;
    Some(Duration::from_secs(seconds).min(MAX_WAIT))
}

#[cfg(test)]
mod tests;
