//! Watches: each committed transaction once, with all its keys.

use super::{RawKey, Version};
use std::sync::Arc;
use tokio::sync::broadcast;

/// Notices kept for a watcher that has not come to read them.
const BACKLOG: usize = 4096;

/// A committed transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// Its version.
    pub version: Version,
    /// Every key that it wrote or deleted.
    pub keys: Arc<[RawKey]>,
}

/// What a watcher learns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A transaction that touched a watched key. Its other keys are listed too.
    Committed(Notice),
    /// Notices were lost (the watcher was too slow, or the connection to the back end was): read everything again.
    Resync {
        /// How many notices at least were lost; `None` where that cannot be known.
        missed: Option<u64>,
    },
}

#[derive(Debug, Clone)]
enum Signal {
    Committed(Notice),
    Restored,
}

/// Where a back end announces its commits.
#[derive(Debug)]
pub struct WatchSource {
    sender: broadcast::Sender<Signal>,
}

impl Default for WatchSource {
    fn default() -> Self {
        Self::new()
    }
}

impl WatchSource {
    /// A source without watchers.
    #[must_use]
    pub fn new() -> Self {
        Self { sender: broadcast::Sender::new(BACKLOG) }
    }

    /// Tells all watchers of a commit. To be called in commit order.
    pub fn announce(&self, notice: Notice) {
        // An error only says that nobody watches.
        let _ = self.sender.send(Signal::Committed(notice));
    }

    /// Tells all watchers that notices may have been lost, for back ends whose feed was interrupted.
    pub fn restored(&self) {
        let _ = self.sender.send(Signal::Restored);
    }

    /// Watches every key that begins with one of `prefixes`, from now on.
    #[must_use]
    pub fn subscribe(&self, prefixes: Vec<RawKey>) -> Watch {
        Watch { receiver: self.sender.subscribe(), prefixes }
    }
}

/// A stream of changes under some prefixes.
#[derive(Debug)]
pub struct Watch {
    receiver: broadcast::Receiver<Signal>,
    prefixes: Vec<RawKey>,
}

impl Watch {
    /// Waits for the next change; `None` when the store is gone. Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Change> {
        loop {
            match self.receiver.recv().await {
                Ok(Signal::Committed(notice)) if self.concerns(&notice) => {
                    return Some(Change::Committed(notice));
                }
                Ok(Signal::Committed(_)) => {}
                Ok(Signal::Restored) => return Some(Change::Resync { missed: None }),
                Err(broadcast::error::RecvError::Lagged(missed)) => {
                    // Everything is to be read again, so what is left of the backlog says nothing new.
                    self.receiver = self.receiver.resubscribe();
                    return Some(Change::Resync { missed: Some(missed) });
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    fn concerns(&self, notice: &Notice) -> bool {
        notice
            .keys
            .iter()
            .any(|key| self.prefixes.iter().any(|prefix| key.as_str().starts_with(prefix.as_str())))
    }
}
