//! The stream of what happens at a controller, as server-sent events.
//!
//! | event | data |
//! |---|---|
//! | `reset` | `{"reason": …}`, to a client that came back, before anything else: what has happened meanwhile cannot be told. Forget what was known; how things stand follows |
//! | `ready` | `{"virtual_operator": …, "kinds": […]}`: whatever is read from now on is at least as new as what was told before |
//! | `telemetry` | a sample, as its agent has sent it |
//! | `connection` | `{"event": "created", "moved" or "forgotten", "connection_id": …, "from": …, "to": …, "cause": …}` |
//! | `operation` | `{"event": "begun" or "finished", "operation_id": …, "kind": …, "status": …, "failure": …}` |
//! | `quality` | `{"event": "level" or "step", "connection_id": …, …}` |
//! | `alarm` | `{"alarm": …, "state": "raised" or "cleared", …}`: `quality`, `connection_failed`, `connection_degraded`, `operation_failed`, `left_unconfirmed`, `stray_light`, `telemetry_stale`, `port_conflict`, `agent_silent` |
//! | `agent` | `{"event": "presence", "agent_id": …, "presence": …}` |
//! | `lagged` | `{"missed": …}`: so many were lost (`null` where nobody knows), of what was asked for or not; read everything again |
//!
//! `?kinds=alarm,connection` and `?connection=C-1,C-2` choose.
//!
//! # Coming back
//! The `id` of an event is its place. Who comes back with it in `Last-Event-ID`, as browsers do by themselves, gets what has
//! happened since. The newest 4 096 events of one start of a controller are kept for that, in its memory. So after a restart, or
//! when another instance has taken over, or after too long a time, a client gets
//!
//! 1. `reset` with the reason: `restarted` (the place is of another start of the controller), `too_old`, or `unreadable`;
//! 2. how things stand, of the kinds and connections that it asked for: an event `connection`, `quality` and `operation` with
//!    `"event": "state"` for each connection, level, and operation under way, `agent` for each agent, and `alarm` for every alarm
//!    that can be read from these;
//! 3. `ready`, with the place from which it goes on.
//!
//! Nothing is lost without a word: what happened in between and is over is not told, what it led to is. Telemetry is not kept. The
//! stream ends with the controller, and at once when the service is stopped; clients come back by themselves.

use super::{ApiError, Handle, Result};
use crate::controller::{ControllerHandle, Following, News, Place, Told};
use crate::http::answer::Events;
use crate::http::crowd::Open;
use crate::http::dto::controller::{Kind, agent_standing, connection_of, news, standing};
use crate::http::extract::Params;
use crate::http::sse::{self, Sent, Streams, named};
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::Event;
use futures_util::Stream;
use futures_util::stream::unfold;
use ipowdm_core::ids::{ConnectionId, VopId};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::json;
use std::collections::{BTreeSet, VecDeque};
use tokio::sync::OwnedSemaphorePermit;

/// Connections that one stream can choose.
const CHOSEN: usize = 64;

/// `?kinds=alarm,connection&connection=C-1`
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct EventsQuery {
    /// All of them where this is absent.
    kinds: Option<String>,
    /// Those of these connections only.
    connection: Option<String>,
}

/// What a follower wants to know.
#[derive(Debug, Clone)]
struct Wanted {
    kinds: BTreeSet<Kind>,
    connections: Option<BTreeSet<ConnectionId>>,
}

impl Wanted {
    fn of(query: &EventsQuery) -> Result<Self> {
        let kinds = match query.kinds.as_deref() {
            Some(list) => sse::listed("kinds", list, &Kind::ALL)?.into_iter().collect(),
            None => Kind::ALL.iter().map(|(_, kind)| *kind).collect(),
        };
        let one = |id: &str| ConnectionId::new(id).map_err(|error| ApiError::invalid("connection", error));
        let connections = match query.connection.as_deref() {
            Some(list) => Some(list.split(',').map(one).collect::<Result<BTreeSet<_>>>()?),
            None => None,
        };
        if connections.as_ref().is_some_and(|chosen| chosen.len() > CHOSEN) {
            return Err(ApiError::invalid("connection", format_args!("more than {CHOSEN}")));
        }
        Ok(Self { kinds, connections })
    }

    /// Whether what is about this connection, or about none, is wanted.
    fn chooses(&self, connection: Option<&ConnectionId>) -> bool {
        let Some(chosen) = &self.connections else { return true };
        connection.is_some_and(|id| chosen.contains(id))
    }

    /// What is sent of something that was told. Only the last piece carries the place: whoever is cut off in between gets
    /// the pieces again.
    fn of_told(&self, told: &Told) -> Vec<Event> {
        if !self.chooses(connection_of(&told.event)) {
            return Vec::new();
        }
        let wanted = news(told).into_iter().filter(|(kind, _)| self.kinds.contains(kind));
        let mut events: Vec<Event> = wanted.map(|(kind, data)| named(kind.as_str(), &data)).collect();
        if let Some(last) = events.pop() {
            events.push(last.id(told.place.to_string()));
        }
        events
    }
}

/// A stream that somebody reads. It does not hold the controller.
struct Streaming {
    following: Following,
    wanted: Wanted,
    ready: VecDeque<Event>,
    _place: OwnedSemaphorePermit,
}

impl Streaming {
    fn begin(
        handle: &ControllerHandle,
        wanted: Wanted,
        seen: Option<Option<Place>>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        let samples = wanted.kinds.contains(&Kind::Telemetry);
        let mut following = handle.follow(seen.flatten(), samples);
        let mut ready = VecDeque::new();
        if let Some(reason) = reset(seen, &mut following) {
            ready.push_back(named("reset", &json!({"reason": reason})));
            ready.extend(standings(handle, &wanted));
        }
        let begun = begun(handle.vop(), &wanted);
        // The place of what is still to be replayed comes with it.
        let begun = if following.replays() { begun } else { begun.id(following.begins().to_string()) };
        ready.push_back(begun);
        Self { following, wanted, ready, _place: place }
    }

    async fn next(mut self) -> Option<(Sent, Self)> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some((Ok(event), self));
            }
            match self.following.next().await? {
                News::Event(told) => self.ready.extend(self.wanted.of_told(&told)),
                News::Sample(sample) if self.wanted.chooses(Some(&sample.connection_id)) => {
                    self.ready.push_back(named(Kind::Telemetry.as_str(), &json!(*sample)));
                }
                News::Sample(_) => {}
                News::Lagged(missed) => self.ready.push_back(lagged(missed)),
            }
        }
    }
}

/// Why a client that comes back cannot be told what has happened since; `None` where it can.
fn reset(seen: Option<Option<Place>>, following: &mut Following) -> Option<&'static str> {
    let lost = following.take_lost();
    match seen? {
        None => Some("unreadable"),
        Some(place) if !place.is_of_the_start_of(following.begins()) => Some("restarted"),
        Some(_) => lost.then_some("too_old"),
    }
}

/// How everything stands that a client wants to know of. It is followed already: whatever changes meanwhile is told as well.
fn standings(handle: &ControllerHandle, wanted: &Wanted) -> Vec<Event> {
    let views = handle.connections(None).unwrap_or_default();
    let chosen = views.iter().filter(|view| wanted.chooses(Some(&view.connection_id)));
    let mut known: Vec<_> = chosen.flat_map(standing).collect();
    if wanted.chooses(None) {
        known.extend(handle.agents().iter().flat_map(agent_standing));
    }
    let known = known.into_iter().filter(|(kind, _)| wanted.kinds.contains(kind));
    known.map(|(kind, data)| named(kind.as_str(), &data)).collect()
}

fn begun(vop: &VopId, wanted: &Wanted) -> Event {
    let kinds: Vec<_> = wanted.kinds.iter().map(|kind| kind.as_str()).collect();
    named("ready", &json!({"virtual_operator": vop, "kinds": kinds}))
}

fn lagged(missed: Option<u64>) -> Event {
    named("lagged", &json!({"missed": missed}))
}

/// `GET /events`
pub(super) async fn events(
    State(handle): Handle,
    Extension(streams): Extension<Streams>,
    open: Option<Extension<Open>>,
    headers: HeaderMap,
    Params(query): Params<EventsQuery>,
) -> Result<Events<impl Stream<Item = Sent>>> {
    let wanted = Wanted::of(&query)?;
    let seen = sse::last_seen(&headers, |id| id.parse().ok());
    let streaming = Streaming::begin(&handle, wanted, seen, streams.enter()?);
    Ok(sse::answer(unfold(streaming, Streaming::next), open))
}

#[cfg(test)]
mod tests;
