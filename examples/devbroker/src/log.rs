//! The log of one partition: batches in offset order, trimmed from the front.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use crate::batch::{Batch, StoredBatch};

/// The offset asked for is not in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("offset out of range")]
pub(crate) struct OutOfRange;

/// What a trim removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Whole batches removed.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
}

impl Dropped {
    pub(crate) fn add(&mut self, other: Dropped) {
        self.batches += other.batches;
        self.records += other.records;
        self.bytes += other.bytes;
    }
}

/// Batches of one partition.
///
/// Invariants: batches are contiguous and ascending; `start <= end`; every held batch reaches `start` or beyond;
/// `bytes` is the sum of the held batches' lengths.
#[derive(Debug, Clone, Default)]
pub(crate) struct PartitionLog {
    batches: VecDeque<StoredBatch>,
    bytes: usize,
    start: i64,
    end: i64,
}

impl PartitionLog {
    /// A log of these contiguous batches that starts at `start`, if it reaches that far back.
    pub(crate) fn restored(batches: Vec<StoredBatch>, start: i64) -> Self {
        let first = batches.first().map_or(start, |batch| batch.base_offset);
        let end = batches.last().map_or(start, |batch| batch.last_offset + 1);
        let bytes = batches.iter().map(|batch| batch.bytes.len()).sum();
        let mut log = PartitionLog { batches: batches.into(), bytes, start: first, end: end.max(start) };
        // The start is within the log by construction.
        let _ = log.delete_before(start.max(first));
        log
    }

    /// What is held, in offset order.
    pub(crate) fn batches(&self) -> impl DoubleEndedIterator<Item = &StoredBatch> {
        self.batches.iter()
    }

    /// First offset that can be read ("log start offset", "low watermark").
    pub(crate) fn start(&self) -> i64 {
        self.start
    }

    /// Offset of the next record to be appended ("high watermark").
    pub(crate) fn end(&self) -> i64 {
        self.end
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends a batch and returns its base offset.
    pub(crate) fn append(&mut self, batch: Batch) -> i64 {
        let base = self.end;
        self.end += i64::from(batch.count());
        self.bytes += batch.len();
        self.batches.push_back(batch.place(base));
        base
    }

    /// Whole batches from the one that contains `offset` on, at most `max_bytes` of them, but at least one batch
    /// if `at_least_one`. Empty at the end of the log.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if `offset` is before the start or beyond the end.
    pub(crate) fn read(
        &self,
        offset: i64,
        max_bytes: usize,
        at_least_one: bool,
    ) -> Result<Bytes, OutOfRange> {
        if !(self.start..=self.end).contains(&offset) {
            return Err(OutOfRange);
        }
        let first = self.batches.partition_point(|batch| batch.last_offset < offset);
        let mut size = 0;
        let fits = |batch: &&StoredBatch| {
            let take = size + batch.bytes.len() <= max_bytes || (size == 0 && at_least_one);
            size += batch.bytes.len();
            take
        };
        let taken: Vec<&StoredBatch> = self.batches.range(first..).take_while(fits).collect();
        match taken.as_slice() {
            [] => Ok(Bytes::new()),
            [one] => Ok(one.bytes.clone()),
            many => {
                let mut out = BytesMut::with_capacity(many.iter().map(|batch| batch.bytes.len()).sum());
                for batch in many {
                    out.extend_from_slice(&batch.bytes);
                }
                Ok(out.freeze())
            }
        }
    }

    /// Offset and timestamp of the first readable record at or after `timestamp` (milliseconds since the epoch);
    /// see [`StoredBatch::first_since`] for compressed batches.
    pub(crate) fn first_since(&self, timestamp: i64) -> Option<(i64, i64)> {
        let (offset, at) = self.batches.iter().find_map(|batch| batch.first_since(timestamp))?;
        Some((offset.max(self.start), at))
    }

    /// Moves the start to `offset` and frees the batches wholly before it.
    ///
    /// # Errors
    ///
    /// [`OutOfRange`] if `offset` is negative or beyond the end.
    pub(crate) fn delete_before(&mut self, offset: i64) -> Result<Dropped, OutOfRange> {
        if !(0..=self.end).contains(&offset) {
            return Err(OutOfRange);
        }
        self.start = self.start.max(offset);
        let start = self.start;
        Ok(self.drop_while(|batch, _| batch.last_offset < start))
    }

    /// Drops oldest batches until at most `max_bytes` are held; the newest batch always stays.
    pub(crate) fn trim_bytes(&mut self, max_bytes: usize) -> Dropped {
        let newest = self.batches.back().map_or(0, |batch| batch.base_offset);
        self.drop_while(|batch, held| held > max_bytes && batch.base_offset != newest)
    }

    /// Drops oldest batches, the newest too if need be, until at most `max_bytes` are held.
    pub(crate) fn shed_bytes(&mut self, max_bytes: usize) -> Dropped {
        self.drop_while(|_, held| held > max_bytes)
    }

    /// Drops oldest batches whose newest record is older than `limit` (milliseconds since the epoch).
    /// A batch without timestamps stays.
    pub(crate) fn trim_older(&mut self, limit: i64) -> Dropped {
        self.drop_while(|batch, _| (0..limit).contains(&batch.max_timestamp))
    }

    fn drop_while(&mut self, mut stale: impl FnMut(&StoredBatch, usize) -> bool) -> Dropped {
        let mut dropped = Dropped::default();
        while let Some(batch) = self.batches.front()
            && stale(batch, self.bytes)
        {
            dropped.add(Dropped { batches: 1, records: batch.count(), bytes: batch.bytes.len() as u64 });
            self.bytes -= batch.bytes.len();
            self.start = self.start.max(batch.last_offset + 1);
            self.batches.pop_front();
        }
        dropped
    }
}

#[cfg(test)]
mod tests;
