//! The life of one process: where it may end, and that nothing of it happens afterwards.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// Where a process can be cut: before and after each effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Point {
    BeforeWrite,
    AfterWrite,
    BeforePublish,
    AfterPublish,
    Receive,
}

/// One life of a process.
#[derive(Debug)]
pub(crate) struct Life {
    dead: AtomicBool,
    died: Notify,
    /// Whether it does not reach the store.
    severed: AtomicBool,
    /// Points that may still be passed.
    left: AtomicUsize,
    /// What was passed since the cut was set.
    passed: Mutex<Vec<Point>>,
}

impl Life {
    pub(crate) fn new() -> Self {
        Self {
            dead: AtomicBool::new(false),
            died: Notify::new(),
            severed: AtomicBool::new(false),
            left: AtomicUsize::new(usize::MAX),
            passed: Mutex::default(),
        }
    }

    /// It ends at the point after `points` more.
    pub(crate) fn cut_after(&self, points: usize) {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.left.store(points, Ordering::SeqCst);
    }

    /// Points passed since [`Life::cut_after`], and the one it ended at.
    pub(crate) fn passed(&self) -> Vec<Point> {
        self.passed.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Cuts it off from the store, or puts it back.
    pub(crate) fn sever(&self, severed: bool) {
        self.severed.store(severed, Ordering::SeqCst);
    }

    pub(crate) fn is_severed(&self) -> bool {
        self.severed.load(Ordering::SeqCst)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.dead.load(Ordering::SeqCst)
    }

    /// It ends now.
    pub(crate) fn end(&self) {
        self.dead.store(true, Ordering::SeqCst);
        self.died.notify_one();
    }

    /// Waits until it has ended.
    pub(crate) async fn ended(&self) {
        while !self.is_over() {
            self.died.notified().await;
        }
    }

    /// Goes on, or never.
    pub(crate) async fn point(&self, point: Point) {
        if !self.is_over() {
            let counts = self.left.load(Ordering::SeqCst) != usize::MAX;
            if counts {
                self.passed.lock().unwrap_or_else(PoisonError::into_inner).push(point);
                if self.left.fetch_sub(1, Ordering::SeqCst) == 0 {
                    self.end();
                }
            }
        }
        self.alive().await;
    }

    /// Goes on while it lives.
    pub(crate) async fn alive(&self) {
        if self.is_over() {
            core::future::pending::<()>().await;
        }
    }
}
