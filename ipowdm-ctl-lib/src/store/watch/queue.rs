//! What waits for one watcher.

use super::{Change, Notice, lock};
use core::task::{Context, Poll, Waker};
use std::collections::VecDeque;
use std::sync::Mutex;

/// A bounded queue of changes with one reader.
#[derive(Debug)]
pub(super) struct Queue {
    /// Tells queues apart; later ones have greater numbers.
    pub(super) id: u64,
    backlog: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    notices: VecDeque<Notice>,
    /// Set while the reader has to be told to read everything again; holds how much it has missed, where that is known.
    resync: Option<Option<u64>>,
    waker: Option<Waker>,
    closed: bool,
}

impl Queue {
    pub(super) fn new(id: u64, backlog: usize) -> Self {
        Self { id, backlog, state: Mutex::default() }
    }

    /// Adds a notice, or counts it as missed where the reader has to read everything again anyway.
    pub(super) fn push(&self, notice: &Notice) {
        let mut state = lock(&self.state);
        if let Some(missed) = &mut state.resync {
            *missed = missed.map(|missed| missed + 1);
        } else if state.notices.len() < self.backlog {
            state.notices.push_back(notice.clone());
        } else {
            let missed = u64::try_from(state.notices.len() + 1).ok();
            state.notices = VecDeque::new();
            state.resync = Some(missed);
        }
        wake(state);
    }

    /// The reader is to read everything again; what waits says nothing new then.
    pub(super) fn resync(&self) {
        let mut state = lock(&self.state);
        state.notices = VecDeque::new();
        state.resync = Some(None);
        wake(state);
    }

    /// There is nothing more to come.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.closed = true;
        wake(state);
    }

    pub(super) fn poll(&self, context: &mut Context<'_>) -> Poll<Option<Change>> {
        let mut state = lock(&self.state);
        if let Some(missed) = state.resync.take() {
            return Poll::Ready(Some(Change::Resync { missed }));
        }
        if let Some(notice) = state.notices.pop_front() {
            if state.notices.is_empty() {
                // A watcher that is up to date holds no memory.
                state.notices = VecDeque::new();
            }
            return Poll::Ready(Some(Change::Committed(notice)));
        }
        if state.closed {
            return Poll::Ready(None);
        }
        match &mut state.waker {
            Some(waker) => waker.clone_from(context.waker()),
            waker => *waker = Some(context.waker().clone()),
        }
        Poll::Pending
    }
}

/// Wakes the reader, outside the lock.
fn wake(mut state: std::sync::MutexGuard<'_, State>) {
    let waker = state.waker.take();
    drop(state);
    if let Some(waker) = waker {
        waker.wake();
    }
}
