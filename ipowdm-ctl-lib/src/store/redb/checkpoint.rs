//! When and how the log is turned into an image, a little with each group.
//!
//! ```text
//!          log ≥ max(minimum, image)          last record written
//!   idle ──────────────────────────▶ writing ─────────────────────▶ trimming ──▶ idle
//!                                                  old image and log are gone ──┘
//! ```
//!
//! An image is written while commits go on, so its parts show different versions. That is sound because the log from its
//! beginning on is kept: a replay sets every record that was changed meanwhile to what it is now.
//!
//! Each transaction of the database carries at most a share of this work that is proportional to what it logs, so the log
//! never holds more than one and a half times the larger of the minimum and the image, and no commit waits for a whole one.

use super::RedbOptions;
use super::codec::Blob;
use super::tables::{IMAGE, Image, LOG, length};
use crate::store::backend::{BackendError, Lookup, Range, View};
use crate::store::{RawKey, Value};
use redb::{ReadableTable as _, WriteTransaction};

/// Bytes of an image written with each group at least, and for each logged byte.
const LEAST: u64 = 1;
const PACE: u64 = 2;
/// Records read at once: the lock of the index is held for as long.
const PAGE: usize = 512;
/// Entries removed with each group: more than a group adds.
const TRIM: usize = 256;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Phase {
    Idle,
    Writing {
        /// The image in the making; its bytes so far.
        image: Image,
        parts: u64,
        /// The last record written.
        after: Option<RawKey>,
    },
    Trimming,
}

/// The work on images of one store.
#[derive(Debug)]
pub(super) struct Checkpoint {
    image: Image,
    /// Bytes in the log after the image.
    log: u64,
    /// Bytes in the log after the image in the making.
    since: u64,
    minimum: u64,
    part: usize,
    phase: Phase,
}

/// Why a step was not made.
#[derive(Debug)]
pub(super) enum StepError {
    Database(redb::Error),
    Index(BackendError),
}

impl<E: Into<redb::Error>> From<E> for StepError {
    fn from(error: E) -> Self {
        Self::Database(error.into())
    }
}

impl Checkpoint {
    /// The work on a store that was just opened: what an interrupted predecessor left is trimmed first.
    pub(super) const fn new(image: Image, log: u64, options: &RedbOptions) -> Self {
        let (minimum, part) = (options.log_minimum, options.image_part);
        Self { image, log, since: 0, minimum, part, phase: Phase::Trimming }
    }

    /// Whether there is nothing to do until more is logged.
    pub(super) fn is_idle(&self) -> bool {
        self.phase == Phase::Idle
    }

    /// Does the share of work that goes with `logged` bytes, in the transaction that logs them. `durable` is the store as
    /// of the last transaction before.
    pub(super) fn step(
        &mut self,
        tx: &WriteTransaction,
        logged: u64,
        durable: &dyn View,
    ) -> Result<(), StepError> {
        self.log += logged;
        self.since += logged;
        match self.phase {
            Phase::Idle if self.log >= self.minimum.max(self.image.bytes) => {
                let (generation, through) = (self.image.generation + 1, durable.version().get());
                let image = Image { generation, through, bytes: 0 };
                self.since = logged;
                self.phase = Phase::Writing { image, parts: 0, after: None };
                self.write(tx, logged, durable)
            }
            Phase::Idle => Ok(()),
            Phase::Writing { .. } => self.write(tx, logged, durable),
            Phase::Trimming => self.trim(tx),
        }
    }

    fn write(&mut self, tx: &WriteTransaction, logged: u64, durable: &dyn View) -> Result<(), StepError> {
        let Phase::Writing { image, parts, after } = &mut self.phase else { return Ok(()) };
        let mut table = tx.open_table(IMAGE)?;
        let share = image.bytes + LEAST.max(logged.saturating_mul(PACE));
        while image.bytes < share {
            let (blob, last) = next_part(durable, after, self.part)?;
            if let Some(blob) = blob {
                table.insert((image.generation, *parts), blob.as_slice())?;
                *parts += 1;
                image.bytes += length(&blob);
            }
            if last {
                image.install(tx)?;
                self.image = *image;
                self.log = self.since;
                self.phase = Phase::Trimming;
                return Ok(());
            }
        }
        Ok(())
    }

    /// Removes what neither the image nor the log after it needs.
    fn trim(&mut self, tx: &WriteTransaction) -> Result<(), StepError> {
        let mut left = TRIM;
        let mut log = tx.open_table(LOG)?;
        while left > 0 && log.first()?.is_some_and(|(first, _)| first.value() <= self.image.through) {
            log.pop_first()?;
            left -= 1;
        }
        let mut parts = tx.open_table(IMAGE)?;
        let current = self.image.generation;
        while left > 0 && parts.first()?.is_some_and(|(key, _)| key.value().0 < current) {
            parts.pop_first()?;
            left -= 1;
        }
        while left > 0 && parts.last()?.is_some_and(|(key, _)| key.value().0 > current) {
            parts.pop_last()?;
            left -= 1;
        }
        if left > 0 {
            self.phase = Phase::Idle;
        }
        Ok(())
    }
}

/// The records after `after` as a part of an image, and whether they are the last ones.
fn next_part(
    view: &dyn View,
    after: &mut Option<RawKey>,
    size: usize,
) -> Result<(Option<Vec<u8>>, bool), StepError> {
    let mut blob = Blob::with_capacity(size + (16 << 10));
    let mut any = false;
    while blob.len() < size {
        let page = page(view, after.clone())?;
        let last = page.len() < PAGE;
        for (key, value) in page {
            blob.record(&key, &value);
            any = true;
            *after = Some(key);
            if blob.len() >= size {
                break;
            }
        }
        if last && blob.len() < size {
            return Ok((any.then(|| blob.seal()), true));
        }
    }
    Ok((Some(blob.seal()), false))
}

fn page(view: &dyn View, after: Option<RawKey>) -> Result<Vec<(RawKey, Value)>, StepError> {
    let range = Range { prefix: RawKey::from_stored(""), after, limit: Some(PAGE) };
    match view.scan(&range) {
        Ok(Lookup::Known(page)) => Ok(page),
        Ok(Lookup::NotLoaded) => {
            Err(StepError::Index(BackendError::Unavailable { reason: "memory was not loaded".to_owned() }))
        }
        Err(error) => Err(StepError::Index(error)),
    }
}
