//! The newest samples of one end, so that each is counted once.

use heapless::Vec;
use serde::{Deserialize, Serialize};

/// Where a sample comes from, so that it is counted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SampleId {
    /// Life of the agent.
    pub boot_id: u64,
    /// Number within that life.
    pub seq: u64,
}

/// The newest samples of one end, by their ids: a sample that is among them is a repetition.
///
/// The order of samples is that of the log they are read from. Ids are compared for equality and nothing else: were a sample
/// counted only where its numbers are higher than the last ones, a single record with absurd numbers, forged or broken, would
/// suppress every true one after it. So a record can at most be counted itself.
///
/// Samples of one life come numbered one after another, so they are kept as runs: a repetition is told while fewer than
/// [`Recent::WINDOW`] higher numbers of its life were counted after it, and fewer than [`Recent::RUNS`] ids that stand
/// apart.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Recent {
    /// The one used last comes last.
    runs: Vec<Run, { Recent::RUNS }>,
}

/// Ids of one life that are close together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    boot_id: u64,
    newest: u64,
    /// Bit i stands for `newest - i`.
    seen: u64,
}

impl Run {
    const fn of(id: SampleId) -> Self {
        Self { boot_id: id.boot_id, newest: id.seq, seen: 1 }
    }

    fn has(&self, id: SampleId) -> bool {
        let behind = self.newest.checked_sub(id.seq).filter(|_| id.boot_id == self.boot_id);
        behind.is_some_and(|behind| behind < Recent::WINDOW && self.seen >> behind & 1 == 1)
    }

    /// Adds an id that is close enough.
    const fn take(&mut self, id: SampleId) -> bool {
        if id.boot_id != self.boot_id || self.newest.abs_diff(id.seq) >= Recent::WINDOW {
            return false;
        }
        if let Some(ahead) = id.seq.checked_sub(self.newest) {
            self.newest = id.seq;
            self.seen = self.seen << ahead | 1;
        } else {
            self.seen |= 1 << (self.newest - id.seq);
        }
        true
    }

    /// What it remembers, the newest first.
    fn ids(self) -> impl Iterator<Item = SampleId> {
        let behind = (0..Recent::WINDOW).filter(move |behind| self.seen >> behind & 1 == 1);
        behind.map(move |behind| SampleId { boot_id: self.boot_id, seq: self.newest - behind })
    }
}

impl Recent {
    /// Numbers of one life that a run reaches back. A repetition is a batch that was sent again, so it follows its first
    /// appearance at once; this is three minutes at a sample every 3 s.
    pub const WINDOW: u64 = 64;

    /// Runs that are remembered. More than one life sends only around an agent's restart; samples without numbers of their
    /// own are known by their places in the log, which may be far apart, and are not sent again under the same ones.
    pub const RUNS: usize = 4;

    /// Remembers a sample; answers whether it was not seen before.
    pub fn is_new(&mut self, id: SampleId) -> bool {
        if self.runs.iter().any(|run| run.has(id)) {
            return false;
        }
        if let Some(at) = self.runs.iter_mut().rposition(|run| run.take(id)) {
            if let Some(used) = self.runs.get_mut(at..) {
                used.rotate_left(1);
            }
            return true;
        }
        if self.runs.len() >= Self::RUNS {
            self.runs.remove(0);
        }
        self.runs.push(Run::of(id)).is_ok()
    }
}

/// As it is stored: the newest ids themselves, in a ring.
#[derive(Serialize, Deserialize)]
struct Stored {
    ids: Vec<SampleId, 32>,
    /// Where the oldest one is.
    oldest: u8,
}

impl From<Recent> for Stored {
    fn from(recent: Recent) -> Self {
        let newest = recent.runs.iter().rev().flat_map(|run| run.ids());
        let mut ids: Vec<SampleId, 32> = newest.take(32).collect();
        ids.reverse();
        Self { ids, oldest: 0 }
    }
}

impl From<Stored> for Recent {
    fn from(Stored { mut ids, oldest }: Stored) -> Self {
        let turn = usize::from(oldest).min(ids.len());
        ids.rotate_left(turn);
        let mut recent = Self::default();
        for id in ids {
            recent.is_new(id);
        }
        recent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_repeated_batch_is_told() {
        let mut recent = Recent::default();
        let id = |seq| SampleId { boot_id: 1, seq };
        for seq in 0..Recent::WINDOW {
            assert!(recent.is_new(id(seq)));
            assert!(!recent.is_new(id(seq)) && !recent.is_new(id(0)));
        }
        assert!(recent.is_new(SampleId { boot_id: 2, seq: 0 }), "a new life starts its own numbers");
        assert!(recent.is_new(id(Recent::WINDOW)));
        assert!(recent.is_new(id(0)), "the oldest one is forgotten");
        assert!(!recent.is_new(id(2)));
    }

    #[test]
    fn absurd_numbers_suppress_nothing() {
        let mut recent = Recent::default();
        for (boot_id, seq) in [(u64::MAX, u64::MAX), (u64::MAX, 0), (1, u64::MAX), (0, 0)] {
            assert!(recent.is_new(SampleId { boot_id, seq }));
        }
        for seq in 1..1_000 {
            assert!(recent.is_new(SampleId { boot_id: 1, seq }));
        }
        assert_eq!(recent.runs.len(), 4);
    }

    #[test]
    fn what_is_stored_reads_as_it_always_did() {
        let mut recent = Recent::default();
        for seq in 7..10 {
            recent.is_new(SampleId { boot_id: 3, seq });
        }
        let bytes = postcard::to_allocvec(&recent).unwrap();
        assert_eq!(bytes, [3, 3, 7, 3, 8, 3, 9, 0]);
        assert_eq!(postcard::from_bytes::<Recent>(&bytes).unwrap(), recent);
        // A full ring whose oldest id stands in the middle.
        let ids = (0..32).map(|at: u64| SampleId { boot_id: 3, seq: (at + 30) % 32 + 100 }).collect();
        let mut ring = Recent::from(Stored { ids, oldest: 2 });
        assert!((100..132).all(|seq| !ring.is_new(SampleId { boot_id: 3, seq })));
        assert_eq!(ring.runs.len(), 1);
    }

    proptest! {
        #[test]
        fn a_sample_is_a_repetition_where_it_was_seen_lately_and_only_where_it_was_seen(
            ids in proptest::collection::vec((0_u64..3, prop_oneof![0_u64..200, any::<u64>()]), 0..300),
        ) {
            let mut recent = Recent::default();
            let mut counted: std::vec::Vec<SampleId> = std::vec::Vec::new();
            for (boot_id, seq) in ids {
                let id = SampleId { boot_id, seq };
                let new = recent.is_new(id);
                prop_assert!(new || counted.contains(&id));
                if let Some(since) = counted.iter().rev().position(|known| *known == id) {
                    let later = counted.iter().rev().take(since);
                    let slid = later.clone().any(|known| known.boot_id == boot_id && known.seq >= seq.saturating_add(Recent::WINDOW));
                    prop_assert!(!new || slid || since >= Recent::RUNS);
                }
                if new { counted.push(id); }
            }
        }

        #[test]
        fn storing_keeps_the_newest(ids in proptest::collection::vec((0_u64..3, 0_u64..300), 1..100)) {
            let mut recent = Recent::default();
            let mut last = None;
            for (boot_id, seq) in ids {
                let id = SampleId { boot_id, seq };
                if recent.is_new(id) { last = Some(id); }
            }
            let bytes = postcard::to_allocvec(&recent).unwrap();
            let mut read: Recent = postcard::from_bytes(&bytes).unwrap();
            prop_assert!(!read.is_new(last.unwrap()));
        }
    }
}
