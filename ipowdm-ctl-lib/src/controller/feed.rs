//! What has happened, numbered: for those who follow it, and for those who come back and want to know what they have missed.
//!
//! Everything that is told gets a number, and the newest are kept. A follower that is too slow for a burst is told how many
//! it has lost; one that comes back with its place gets what has happened since, as long as that is still kept and this is
//! still the same start of the controller. Telemetry is not kept: the next sample comes by itself.

use super::event::ControllerEvent;
use core::fmt;
use core::str::FromStr;
use ipowdm_core::msg::TelemetrySample;
use ipowdm_core::time::Timestamp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Receiver, Sender};

/// Events that are kept for those who come back, and that may wait for a follower.
const KEPT: usize = 4_096;

/// Samples that may wait for a follower.
const SAMPLES: usize = 1_024;

/// A place in what a controller tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Which start of a controller.
    start: u64,
    /// Everything up to this number.
    number: u64,
}

impl Place {
    /// Whether the same start of a controller has told of both.
    #[must_use]
    pub const fn is_of_the_start_of(self, other: Self) -> bool {
        self.start == other.start
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{}", self.start, self.number)
    }
}

/// The text is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a place in what a controller tells")]
pub struct NoPlace;

impl FromStr for Place {
    type Err = NoPlace;

    fn from_str(text: &str) -> Result<Self, NoPlace> {
        let (start, number) = text.split_once('-').ok_or(NoPlace)?;
        let start = u64::from_str_radix(start, 16).map_err(|_| NoPlace)?;
        Ok(Self { start, number: number.parse().map_err(|_| NoPlace)? })
    }
}

/// Something that was told.
#[derive(Debug, Clone, PartialEq)]
pub struct Told {
    /// Where it stands: who comes back with this has seen it.
    pub place: Place,
    /// When, for display.
    pub at: Timestamp,
    /// What.
    pub event: ControllerEvent,
}

/// What a follower is told next.
#[derive(Debug, Clone, PartialEq)]
pub enum News {
    /// Something has happened.
    Event(Arc<Told>),
    /// A sample has come.
    Sample(Arc<TelemetrySample>),
    /// Events or samples are lost to this follower: so many, or `None` where nobody knows.
    Lagged(Option<u64>),
}

/// Tells followers, and remembers.
#[derive(Debug)]
pub(super) struct Feed {
    start: u64,
    log: Mutex<Log>,
}

#[derive(Debug)]
struct Log {
    /// The number of the newest event.
    number: u64,
    kept: VecDeque<Arc<Told>>,
    /// `None` once nothing will be told any more.
    senders: Option<Senders>,
}

#[derive(Debug)]
struct Senders {
    events: Sender<Arc<Told>>,
    samples: Sender<Arc<TelemetrySample>>,
}

/// Somebody who follows a controller.
#[derive(Debug)]
pub struct Following {
    begins: Place,
    lagged: bool,
    backlog: VecDeque<Arc<Told>>,
    events: Receiver<Arc<Told>>,
    samples: Option<Receiver<Arc<TelemetrySample>>>,
}

impl Feed {
    pub(super) fn new(start: u64) -> Self {
        let senders = Senders { events: Sender::new(KEPT), samples: Sender::new(SAMPLES) };
        Self { start, log: Mutex::new(Log { number: 0, kept: VecDeque::new(), senders: Some(senders) }) }
    }

    fn log(&self) -> MutexGuard<'_, Log> {
        // Every change is complete between two statements that can panic.
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn tell(&self, at: Timestamp, event: ControllerEvent) {
        let mut log = self.log();
        log.number += 1;
        let place = Place { start: self.start, number: log.number };
        let told = Arc::new(Told { place, at, event });
        if log.kept.len() == KEPT {
            log.kept.pop_front();
        }
        log.kept.push_back(Arc::clone(&told));
        if let Some(senders) = &log.senders {
            // An error only says that nobody listens.
            let _ = senders.events.send(told);
        }
    }

    /// Shows a sample to whoever follows them.
    pub(super) fn sample(&self, sample: Arc<TelemetrySample>) {
        if let Some(senders) = &self.log().senders {
            // An error only says that nobody listens.
            let _ = senders.samples.send(sample);
        }
    }

    /// Whether anybody follows samples.
    pub(super) fn shows_samples(&self) -> bool {
        self.log().senders.as_ref().is_some_and(|senders| senders.samples.receiver_count() > 0)
    }

    /// Nothing more will be told: followers come to their end.
    pub(super) fn close(&self) {
        self.log().senders = None;
    }

    /// Follows from now on, or from `after`.
    pub(super) fn follow(&self, after: Option<Place>, samples: bool) -> Following {
        let log = self.log();
        let begins = Place { start: self.start, number: log.number };
        let (lagged, backlog) = match after {
            None => (false, VecDeque::new()),
            Some(after) => {
                let oldest = log.number - log.kept.len() as u64;
                let known = after.start == self.start && (oldest..=log.number).contains(&after.number);
                let newer = |told: &&Arc<Told>| known && told.place.number > after.number;
                (!known, log.kept.iter().filter(newer).cloned().collect())
            }
        };
        let (events, samples) = match &log.senders {
            Some(senders) => (senders.events.subscribe(), samples.then(|| senders.samples.subscribe())),
            // It ends as soon as the backlog is told.
            None => (Sender::new(1).subscribe(), None),
        };
        Following { begins, lagged, backlog, events, samples }
    }
}

impl Following {
    /// Everything up to here has happened before anything that is told and not replayed.
    #[must_use]
    pub const fn begins(&self) -> Place {
        self.begins
    }

    /// Whether something that has happened since the place that was come back with will be told.
    #[must_use]
    pub fn replays(&self) -> bool {
        !self.backlog.is_empty()
    }

    /// Whether something has happened since the place that was come back with and cannot be told any more; asked once, it is not
    /// told again as [`News::Lagged`].
    pub fn take_lost(&mut self) -> bool {
        core::mem::take(&mut self.lagged)
    }

    /// The next news; `None` once there will be none: the controller was stopped, or another has taken over. Cancel-safe.
    pub async fn next(&mut self) -> Option<News> {
        if self.take_lost() {
            return Some(News::Lagged(None));
        }
        if let Some(told) = self.backlog.pop_front() {
            return Some(News::Event(told));
        }
        loop {
            tokio::select! {
                biased;
                told = self.events.recv() => return match told {
                    Ok(told) => Some(News::Event(told)),
                    Err(RecvError::Lagged(missed)) => Some(News::Lagged(Some(missed))),
                    Err(RecvError::Closed) => None,
                },
                sample = next_sample(&mut self.samples) => match sample {
                    Ok(sample) => return Some(News::Sample(sample)),
                    Err(RecvError::Lagged(missed)) => return Some(News::Lagged(Some(missed))),
                    Err(RecvError::Closed) => self.samples = None,
                },
            }
        }
    }
}

/// Never ready where samples are not followed.
async fn next_sample(
    samples: &mut Option<Receiver<Arc<TelemetrySample>>>,
) -> Result<Arc<TelemetrySample>, RecvError> {
    match samples {
        Some(samples) => samples.recv().await,
        None => core::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str) -> ControllerEvent {
        ControllerEvent::Created { connection_id: name.parse().unwrap() }
    }

    fn feed(events: usize) -> Feed {
        let feed = Feed::new(7);
        (1..=events).for_each(|n| feed.tell(Timestamp(0), event(&format!("C-{n}"))));
        feed
    }

    async fn numbers(following: &mut Following, count: usize) -> Vec<u64> {
        let mut numbers = Vec::new();
        for _ in 0..count {
            match following.next().await.unwrap() {
                News::Event(told) => numbers.push(told.place.number),
                other => panic!("{other:?}"),
            }
        }
        numbers
    }

    #[test]
    fn a_place_is_written_and_read_back_and_nothing_else_is_one() {
        let place = Place { start: 0xfeed, number: 12 };
        assert_eq!(place.to_string().parse(), Ok(place));
        for text in ["", "-", "1", "x-1", "1-", "1-x", "1--1", "1-18446744073709551616"] {
            assert_eq!(text.parse::<Place>(), Err(NoPlace), "{text}");
        }
    }

    #[tokio::test]
    async fn who_comes_back_is_told_what_has_happened_since_then_what_happens() {
        let feed = feed(5);
        let mut new = feed.follow(None, false);
        assert!(!new.replays());
        let mut back = feed.follow(Some(Place { start: 7, number: 3 }), false);
        assert!(back.replays());
        feed.tell(Timestamp(0), event("C-6"));
        assert_eq!(numbers(&mut back, 3).await, [4, 5, 6]);
        assert_eq!(numbers(&mut new, 1).await, [6]);
        // Who has seen everything has missed nothing.
        let mut same = feed.follow(Some(Place { start: 7, number: 6 }), false);
        feed.tell(Timestamp(0), event("C-7"));
        assert_eq!(numbers(&mut same, 1).await, [7]);
    }

    #[tokio::test]
    async fn who_comes_back_from_another_start_or_too_late_is_told_that_something_is_lost() {
        let feed = feed(KEPT + 10);
        let (oldest, newest) = (10, KEPT as u64 + 10);
        for (start, number) in [(8, newest), (7, oldest - 1), (7, newest + 1)] {
            let mut following = feed.follow(Some(Place { start, number }), false);
            assert_eq!(following.next().await, Some(News::Lagged(None)), "{start} {number}");
            assert!(!following.replays());
        }
        let mut all = feed.follow(Some(Place { start: 7, number: oldest }), false);
        assert_eq!(numbers(&mut all, KEPT).await, (oldest + 1..=newest).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_follower_that_is_too_slow_is_told_how_much_it_has_lost() {
        let feed = feed(0);
        let mut slow = feed.follow(None, false);
        (0..KEPT + 3).for_each(|n| feed.tell(Timestamp(0), event(&format!("C-{n}"))));
        assert_eq!(slow.next().await, Some(News::Lagged(Some(3))));
        assert_eq!(numbers(&mut slow, 2).await, [4, 5]);
    }

    #[tokio::test]
    async fn followers_come_to_their_end_with_the_controller() {
        let feed = feed(1);
        let mut early = feed.follow(Some(Place { start: 7, number: 0 }), true);
        feed.close();
        feed.tell(Timestamp(0), event("late"));
        assert_eq!(numbers(&mut early, 1).await, [1]);
        assert_eq!(early.next().await, None);
        assert_eq!(feed.follow(None, true).next().await, None);
    }
}
