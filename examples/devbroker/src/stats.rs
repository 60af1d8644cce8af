//! What the broker has counted.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::api::Api;
use crate::log::Dropped;
use crate::wire::WireError;

/// A snapshot of the broker's counters, all from its start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Connections open now.
    pub connections_open: u64,
    /// Connections accepted.
    pub connections_accepted: u64,
    /// Connections closed at once because [`Limits::connections`](crate::Limits::connections) was reached.
    pub connections_refused: u64,
    /// Requests by API, those struck by a fault included; absent means none.
    pub requests: BTreeMap<Api, u64>,
    /// Frames that could not be decoded, or named an API or version that is not served.
    pub malformed_frames: u64,
    /// Why the newest malformed frame or unencodable response was given up.
    pub last_unanswered: Option<String>,
    /// Frames longer than [`Limits::frame_bytes`](crate::Limits::frame_bytes).
    pub oversized_frames: u64,
    /// Connections closed because a frame took longer than [`Limits::transfer`](crate::Limits::transfer), or none
    /// came for [`Limits::idle`](crate::Limits::idle).
    pub timed_out: u64,
    /// Responses that did not fit the version asked for; always 0 unless this broker has a defect.
    pub unencodable_responses: u64,
    /// Bytes of frames received, length prefixes included.
    pub bytes_in: u64,
    /// Bytes of frames sent, length prefixes included.
    pub bytes_out: u64,
    /// Topics held now.
    pub topics: u64,
    /// Partitions held now.
    pub partitions: u64,
    /// Bytes of records held now.
    pub log_bytes: u64,
    /// Dropped by size or age limits of a partition.
    pub dropped_by_retention: Dropped,
    /// Dropped because all partitions together exceeded [`Limits::log_bytes`](crate::Limits::log_bytes).
    pub dropped_by_memory: Dropped,
    /// Batches refused because compacted topics, which lose nothing, fill a limit.
    pub refused_batches: u64,
    /// Why the folder of the persistent mode could not be written to; the broker has ended by that.
    pub folder_failure: Option<String>,
}

/// The counters behind [`Stats`] that connections update.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) open: AtomicU64,
    pub(crate) accepted: AtomicU64,
    pub(crate) refused: AtomicU64,
    malformed: AtomicU64,
    pub(crate) oversized: AtomicU64,
    pub(crate) timed_out: AtomicU64,
    unencodable: AtomicU64,
    pub(crate) bytes_in: AtomicU64,
    pub(crate) bytes_out: AtomicU64,
    requests: [AtomicU64; Api::ALL.len()],
    last_unanswered: Mutex<Option<String>>,
    folder_failure: Mutex<Option<String>>,
}

impl Counters {
    /// Keeps why the folder could not be written to.
    pub(crate) fn failed(&self, error: &std::io::Error) {
        *self.folder_failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
    }

    pub(crate) fn request(&self, api: Api) {
        let at = Api::ALL.binary_search(&api).ok().and_then(|index| self.requests.get(index));
        at.into_iter().for_each(bump);
    }

    /// Counts a frame that led to no answer, and keeps the reason.
    pub(crate) fn unanswered(&self, error: &WireError) {
        match error {
            WireError::Encode { .. } => bump(&self.unencodable),
            _ => bump(&self.malformed),
        }
        *self.last_unanswered.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.to_string());
    }

    pub(crate) fn snapshot(&self) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let requests = Api::ALL.iter().zip(&self.requests).map(|(&api, count)| (api, read(count)));
        Stats {
            connections_open: read(&self.open),
            connections_accepted: read(&self.accepted),
            connections_refused: read(&self.refused),
            requests: requests.filter(|&(_, count)| count > 0).collect(),
            malformed_frames: read(&self.malformed),
            last_unanswered: self.last_unanswered.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            oversized_frames: read(&self.oversized),
            timed_out: read(&self.timed_out),
            unencodable_responses: read(&self.unencodable),
            bytes_in: read(&self.bytes_in),
            bytes_out: read(&self.bytes_out),
            folder_failure: self.folder_failure.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            ..Stats::default()
        }
    }
}

/// Adds one.
pub(crate) fn bump(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
