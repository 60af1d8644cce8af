//! What services that send events share (server-sent events, WHATWG HTML, section 9.2).

use super::answer::Events;
use super::crowd::Open;
use super::error::ApiError;
use axum::Extension;
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{Event, KeepAlive};
use core::convert::Infallible;
use core::time::Duration;
use futures_util::{Stream, StreamExt as _};
use ipowdm_core::error::Code;
use serde_json::Value;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Streams of one service at a time.
const STREAMS: usize = 256;

/// A comment is sent after so long without an event, so that neither side takes the other for gone.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// What a handler sends.
pub(super) type Sent = Result<Event, Infallible>;

/// The places for streams of one service; clones share them.
#[derive(Debug, Clone)]
pub(super) struct Streams(Arc<Semaphore>);

impl Streams {
    pub(super) fn new() -> Self {
        Self(Arc::new(Semaphore::new(STREAMS)))
    }

    /// A place, to be kept as long as the stream.
    pub(super) fn enter(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| {
            ApiError::new(Code::LimitReached, format_args!("{STREAMS} streams are open, there is no more"))
        })
    }

    /// Streams that are open.
    pub(super) fn open(&self) -> usize {
        STREAMS - self.0.available_permits()
    }
}

/// An event with a name and one line of JSON.
pub(super) fn named(name: &str, data: &Value) -> Event {
    Event::default().event(name).data(data.to_string())
}

/// The answer that a stream of events is. It ends when the service does; `open` is absent where somebody else serves the routes.
pub(super) fn answer<S: Stream<Item = Sent> + Send + 'static>(
    events: S,
    open: Option<Extension<Open>>,
) -> Events<impl Stream<Item = Sent>> {
    let events = events.take_until(async move {
        match open {
            Some(Extension(open)) => open.ending().await,
            None => core::future::pending().await,
        }
    });
    Events(Sse::new(events).keep_alive(KeepAlive::new().interval(HEARTBEAT).text("still here")))
}

/// What a client that comes back has seen last, where it is one that `read` knows; `Some(None)` where it is not.
pub(super) fn last_seen<T>(headers: &HeaderMap, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    let id = headers.get("last-event-id")?;
    Some(id.to_str().ok().and_then(read))
}

/// Reads a list in a query, `a,b`; all of the names must be known.
pub(super) fn listed<T: Copy>(field: &str, list: &str, known: &[(&str, T)]) -> Result<Vec<T>, ApiError> {
    let one = |name: &str| {
        let found = known.iter().find(|(known, _)| *known == name).map(|(_, value)| *value);
        found.ok_or_else(|| {
            let all: Vec<_> = known.iter().map(|(name, _)| *name).collect();
            ApiError::invalid(field, format_args!("{name:?} is none of {}", all.join(", ")))
        })
    };
    list.split(',').map(one).collect()
}
