//! Whose samples are due when.

use crate::schedule::FixedRate;
use ipowdm_core::ids::{ConnectionId, VopId};
use ipowdm_core::time::Millis;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many connections an agent samples at a time, shared by its ports.
#[derive(Debug, Clone)]
pub struct SessionBudget {
    used: Arc<AtomicUsize>,
    most: usize,
}

impl SessionBudget {
    /// A budget of `most` sessions.
    #[must_use]
    pub fn new(most: usize) -> Self {
        Self { used: Arc::default(), most }
    }

    /// The greatest number of sessions.
    #[must_use]
    pub const fn most(&self) -> usize {
        self.most
    }

    /// Takes one, if there is one left.
    pub(super) fn take(&self) -> bool {
        let more = |used: usize| (used < self.most).then_some(used + 1);
        self.used.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more).is_ok()
    }

    /// Takes one for a session that was there before a restart: it is resumed whatever the limit is now.
    pub(super) fn take_regardless(&self) {
        self.used.fetch_add(1, Ordering::SeqCst);
    }

    pub(super) fn give_back(&self) {
        self.used.fetch_sub(1, Ordering::SeqCst);
    }
}

/// One connection that is sampled at a port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Session {
    connection: ConnectionId,
    vop: VopId,
    rate: FixedRate,
}

/// A session whose sample is due.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) connection: ConnectionId,
    pub(super) vop: VopId,
    pub(super) at: Millis,
}

/// The sessions of a port, and the slow rate at which it is read when there is none.
#[derive(Debug)]
pub(super) struct Sampling {
    sessions: Vec<Session>,
    idle: FixedRate,
    /// Ticks that nobody came for.
    missed: u64,
}

impl Sampling {
    pub(super) const fn new(idle: FixedRate) -> Self {
        Self { sessions: Vec::new(), idle, missed: 0 }
    }

    /// Makes the sessions those of `wanted`: the first of an interval begins now, further ones fall into step with it, so
    /// that one sweep serves them all.
    pub(super) fn keep(
        &mut self,
        wanted: &[(ConnectionId, VopId)],
        now: Millis,
        interval_ms: impl Fn(&VopId) -> u32,
    ) {
        self.sessions
            .retain(|session| wanted.iter().any(|(c, v)| *c == session.connection && *v == session.vop));
        for (connection, vop) in wanted {
            let there = self.sessions.iter().any(|s| s.connection == *connection && s.vop == *vop);
            if !there {
                let fresh = FixedRate::new(now, interval_ms(vop));
                let mut rates = self.sessions.iter().map(|session| session.rate);
                let in_step = rates.find(|rate| rate.interval_ms() == fresh.interval_ms());
                let rate = in_step.unwrap_or(fresh);
                self.sessions.push(Session { connection: connection.clone(), vop: vop.clone(), rate });
            }
        }
    }

    /// A virtual operator's sessions go on at another rate.
    pub(super) fn change_interval(&mut self, vop: &VopId, interval_ms: u32, now: Millis) {
        for session in self.sessions.iter_mut().filter(|session| session.vop == *vop) {
            session.rate = FixedRate::new(now, interval_ms);
        }
    }

    /// When the module is next to be read.
    pub(super) fn next(&self) -> Millis {
        self.sessions.iter().map(|session| session.rate.due()).min().unwrap_or_else(|| self.idle.due())
    }

    /// Takes what is due; empty and true where only the slow rate is.
    pub(super) fn take(&mut self, now: Millis) -> (Vec<Due>, bool) {
        let idle = self.idle.take(now).is_some();
        let mut due = Vec::new();
        for session in &mut self.sessions {
            if let Some(tick) = session.rate.take(now) {
                self.missed += tick.missed;
                let (connection, vop) = (session.connection.clone(), session.vop.clone());
                due.push(Due { connection, vop, at: tick.due });
            }
        }
        (due, idle)
    }

    /// Samples that could not be taken.
    pub(super) fn miss(&mut self, samples: usize) {
        self.missed += samples as u64;
    }

    pub(super) const fn missed(&self) -> u64 {
        self.missed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// Looks at the module until `until`, and samples by connection.
    fn run(sampling: &mut Sampling, until: Millis) -> (usize, BTreeMap<String, usize>) {
        let (mut looks, mut samples) = (0, BTreeMap::new());
        while sampling.next() < until {
            let (due, _) = sampling.take(sampling.next());
            looks += 1;
            for sample in due {
                *samples.entry(sample.connection.to_string()).or_default() += 1;
            }
        }
        (looks, samples)
    }

    #[test]
    fn each_session_has_its_own_interval_and_those_that_fall_due_together_share_one_look() {
        let (one, other): (VopId, VopId) = ("vOp1".parse().unwrap(), "vOp2".parse().unwrap());
        let wanted =
            [("a", &one), ("b", &one), ("c", &other)].map(|(c, vop)| (c.parse().unwrap(), vop.clone()));
        let mut sampling = Sampling::new(FixedRate::new(Millis(0), 10_000));
        sampling.keep(&wanted, Millis(0), |vop| if *vop == one { 1_000 } else { 3_000 });
        let (looks, samples) = run(&mut sampling, Millis(30_000));
        assert_eq!(looks, 30, "one look a second, however many are due");
        assert_eq!(samples, [("a", 30), ("b", 30), ("c", 10)].map(|(c, n)| (c.to_string(), n)).into());
        // The assignment of one says another interval: the others' ticks stay where they are.
        sampling.change_interval(&other, 500, Millis(30_000));
        let (looks, samples) = run(&mut sampling, Millis(40_000));
        assert_eq!((looks, samples["a"], samples["c"]), (20, 10, 20));
        assert_eq!(sampling.missed(), 0);
    }
}
