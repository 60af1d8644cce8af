//! Faults to order: what a test or a laboratory has the broker do wrong.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use kafka_protocol::ResponseError;

use crate::api::Api;
use crate::clock::Clock;

/// Whether a fault strikes before the request takes effect or after.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum When {
    /// The request changes nothing.
    Before,
    /// The request has taken effect; only its answer suffers.
    After,
}

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Wait this long, before or after the request takes effect, then go on. Later requests on the connection wait
    /// too: a connection is answered in order.
    Delay(When, Duration),
    /// Never answer; the connection stays open and is not read from again.
    Silence(When),
    /// Close the connection.
    Disconnect(When),
    /// Answer with this error wherever the response has room for one; the request changes nothing. A request that
    /// expects no answer (produce with `acks=0`) loses its connection instead.
    Error(ResponseError),
}

/// A fault, the requests it strikes, and how often.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use]
pub struct Fault {
    api: Option<Api>,
    client: Option<String>,
    times: Option<u64>,
    effect: Effect,
}

impl Fault {
    /// Strikes requests of this API until cleared.
    pub fn on(api: Api, effect: Effect) -> Self {
        Fault { api: Some(api), client: None, times: None, effect }
    }

    /// Strikes every request until cleared.
    pub fn on_any(effect: Effect) -> Self {
        Fault { api: None, client: None, times: None, effect }
    }

    /// Strikes only clients with this client id.
    pub fn client(mut self, id: impl Into<String>) -> Self {
        self.client = Some(id.into());
        self
    }

    /// Strikes so many times and then no more.
    pub fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    fn strikes(&self, api: Api, client: &str, hits: u64) -> bool {
        self.api.is_none_or(|only| only == api)
            && self.client.as_deref().is_none_or(|only| only == client)
            && self.times.is_none_or(|times| hits < times)
    }
}

/// Names an injected fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FaultId(u64);

/// The faults of a broker, in the order they were injected; the first that strikes a request is the one it suffers.
#[derive(Debug, Default)]
pub struct Faults {
    injected: Mutex<Injected>,
    clock: Clock,
}

#[derive(Debug, Default)]
struct Injected {
    last_id: u64,
    faults: Vec<(FaultId, Fault, u64)>,
}

impl Faults {
    /// Adds a fault; it strikes from the next request on.
    pub fn inject(&self, fault: Fault) -> FaultId {
        self.locked(|injected| {
            injected.last_id += 1;
            let id = FaultId(injected.last_id);
            injected.faults.push((id, fault, 0));
            id
        })
    }

    /// Removes a fault and returns how often it struck; 0 if it was removed before.
    pub fn clear(&self, id: FaultId) -> u64 {
        self.locked(|injected| {
            let at = injected.faults.iter().position(|(other, ..)| *other == id);
            at.map_or(0, |at| injected.faults.remove(at).2)
        })
    }

    /// Removes all faults.
    pub fn clear_all(&self) {
        self.locked(|injected| injected.faults.clear());
    }

    /// How often a fault has struck so far; 0 once removed.
    pub fn hits(&self, id: FaultId) -> u64 {
        self.locked(|injected| {
            injected.faults.iter().find(|(other, ..)| *other == id).map_or(0, |(.., hits)| *hits)
        })
    }

    /// Sets the broker's wall clock off by so many milliseconds: log-append times and age-based retention follow it.
    pub fn skew_clock_ms(&self, skew_ms: i64) {
        self.clock.set_skew_ms(skew_ms);
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }

    /// The effect that this request suffers, if any; counts it.
    pub(crate) fn strike(&self, api: Api, client: &str) -> Option<Effect> {
        self.locked(|injected| {
            let hit = injected.faults.iter_mut().find(|(_, fault, hits)| fault.strikes(api, client, *hits));
            hit.map(|(_, fault, hits)| {
                *hits += 1;
                fault.effect
            })
        })
    }

    fn locked<T>(&self, f: impl FnOnce(&mut Injected) -> T) -> T {
        f(&mut self.injected.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DROP: Effect = Effect::Disconnect(When::Before);
    const ERROR: Effect = Effect::Error(ResponseError::NotController);

    #[test]
    fn a_counted_fault_strikes_so_often_and_the_next_in_order_takes_over() {
        let faults = Faults::default();
        let first = faults.inject(Fault::on(Api::Produce, DROP).times(2));
        let second = faults.inject(Fault::on_any(ERROR));
        let struck = |api| faults.strike(api, "c");
        assert_eq!(struck(Api::Fetch), Some(ERROR));
        assert_eq!([struck(Api::Produce), struck(Api::Produce)], [Some(DROP), Some(DROP)]);
        assert_eq!(struck(Api::Produce), Some(ERROR));
        assert_eq!((faults.hits(first), faults.hits(second)), (2, 2));
        assert_eq!(faults.clear(second), 2);
        assert_eq!(struck(Api::Fetch), None);
        assert_eq!((faults.hits(second), faults.clear(second)), (0, 0));
    }

    #[test]
    fn a_fault_for_one_client_spares_the_others_and_lasts_until_cleared() {
        let faults = Faults::default();
        faults.inject(Fault::on(Api::Fetch, DROP).client("agent-1"));
        assert_eq!(faults.strike(Api::Fetch, "agent-2"), None);
        for _ in 0..100 {
            assert_eq!(faults.strike(Api::Fetch, "agent-1"), Some(DROP));
        }
        faults.clear_all();
        assert_eq!(faults.strike(Api::Fetch, "agent-1"), None);
    }
}
