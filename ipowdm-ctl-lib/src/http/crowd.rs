//! Who may keep a connection to a service open, and who makes room for whom.
//!
//! A service has a bounded number of places. A connection that comes where all are taken gets that of the connection that has
//! been idle for longest: one on which no request is being worked on, whether it has never sent one or waits between two.
//! So open connections, however many and however silent, keep nobody out. Where every place is at work, the newcomer waits
//! for the first that is not.
//!
//! A stream of events is work until it ends ([`Open`]): there is a bounded number of them. Other answers are work until they are
//! made, not until they are read: a client that does not read keeps no place.

use core::future::Future;
use core::pin::Pin;
use hyper::Request;
use hyper::body::Incoming;
use hyper::service::Service;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, watch};

/// The places of one service.
#[derive(Debug)]
pub(super) struct Crowd {
    limit: usize,
    seats: Mutex<Seats>,
    /// A place has become free or idle.
    room: Notify,
}

#[derive(Debug, Default)]
struct Seats {
    taken: BTreeMap<u64, Seat>,
    /// Numbers connections, and orders the moments at which they became idle.
    clock: u64,
}

#[derive(Debug)]
struct Seat {
    at_work: u32,
    idle_since: u64,
    /// Whether it was told to leave and has not answered yet.
    leaving: bool,
    leave: Arc<Notify>,
}

impl Seats {
    fn now(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Tells the connection that has been idle for longest to leave, unless one that was told has not answered yet.
    fn make_room(&mut self) {
        if self.taken.values().any(|seat| seat.leaving) {
            return;
        }
        let idle = self.taken.values_mut().filter(|seat| seat.at_work == 0);
        if let Some(seat) = idle.min_by_key(|seat| seat.idle_since) {
            seat.leaving = true;
            seat.leave.notify_one();
        }
    }
}

impl Crowd {
    pub(super) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit: limit.max(1), seats: Mutex::default(), room: Notify::new() })
    }

    fn seats(&self) -> MutexGuard<'_, Seats> {
        // Every change is complete between two statements that can panic.
        self.seats.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place, as soon as there is one. To be called by one task at a time.
    pub(super) async fn enter(self: &Arc<Self>) -> Arc<Place> {
        loop {
            {
                let mut seats = self.seats();
                if seats.taken.len() < self.limit {
                    let number = seats.now();
                    let leave = Arc::new(Notify::new());
                    let seat =
                        Seat { at_work: 0, idle_since: number, leaving: false, leave: Arc::clone(&leave) };
                    seats.taken.insert(number, seat);
                    return Arc::new(Place { crowd: Arc::clone(self), number, leave });
                }
                seats.make_room();
            }
            // What happens in between leaves its notice.
            self.room.notified().await;
        }
    }
}

/// The place of one connection, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    crowd: Arc<Crowd>,
    number: u64,
    leave: Arc<Notify>,
}

impl Place {
    /// Ready when the connection is to be closed: it was told to leave, and is idle still.
    pub(super) async fn left(&self) {
        loop {
            self.leave.notified().await;
            if let Some(seat) = self.crowd.seats().taken.get_mut(&self.number) {
                if seat.at_work == 0 {
                    return;
                }
                seat.leaving = false;
            }
            // Somebody else may have become idle meanwhile.
            self.crowd.room.notify_one();
        }
    }

    pub(super) fn working(self: &Arc<Self>) -> AtWork {
        if let Some(seat) = self.crowd.seats().taken.get_mut(&self.number) {
            seat.at_work += 1;
        }
        AtWork(Arc::clone(self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.crowd.seats().taken.remove(&self.number);
        self.crowd.room.notify_one();
    }
}

/// A request that is being worked on.
#[derive(Debug)]
pub(super) struct AtWork(Arc<Place>);

/// What a request has of the connection that it came on, for answers that go on: while this is kept, the connection is at work.
#[derive(Debug, Clone)]
pub(super) struct Open {
    _at_work: Arc<AtWork>,
    /// Whether the service ends.
    ending: watch::Receiver<bool>,
}

impl Open {
    /// Ready when the service ends.
    pub(super) async fn ending(mut self) {
        // A service whose sender is gone has ended.
        let _ = self.ending.wait_for(|ending| *ending).await;
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let crowd = &self.0.crowd;
        let mut seats = crowd.seats();
        let now = seats.now();
        if let Some(seat) = seats.taken.get_mut(&self.0.number) {
            seat.at_work = seat.at_work.saturating_sub(1);
            seat.idle_since = now;
        }
        drop(seats);
        crowd.room.notify_one();
    }
}

/// A service whose requests keep the place of their connection.
#[derive(Debug, Clone)]
pub(super) struct Seated<S> {
    pub(super) service: S,
    pub(super) place: Arc<Place>,
    /// Whether the service ends.
    pub(super) ending: watch::Receiver<bool>,
}

impl<S> Service<Request<Incoming>> for Seated<S>
where
    S: Service<Request<Incoming>>,
    S::Future: Send + 'static,
    S::Response: Send,
    S::Error: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let at_work = Arc::new(self.place.working());
        let open = Open { _at_work: Arc::clone(&at_work), ending: self.ending.clone() };
        request.extensions_mut().insert(open);
        let answer = self.service.call(request);
        Box::pin(async move {
            let answer = answer.await;
            drop(at_work);
            answer
        })
    }
}

#[cfg(test)]
mod tests;
