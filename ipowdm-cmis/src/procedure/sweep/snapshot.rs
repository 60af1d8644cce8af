//! The bytes of a sweep, with where they are from.

use crate::access::TransportError;
use crate::map::{Address, Block};
use crate::monitoring::Reading;
use crate::procedure::ProcError;
use heapless::Vec;

/// Bytes of a sweep at most: all monitors of two lane banks.
pub(super) const MOST_BYTES: usize = 3_328;
const MOST_SPANS: usize = 40;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Planned,
    Read(u16),
    Failed(TransportError),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Span {
    at: Address,
    len: u8,
    state: State,
}

impl Span {
    /// Whether the span holds `len` bytes from `at`.
    fn covers(&self, at: Address, len: u8) -> bool {
        let same = at.is_lower() == self.at.is_lower()
            && (at.is_lower() || (at.page, at.bank) == (self.at.page, self.at.bank));
        let (first, end) = (u16::from(at.byte), u16::from(at.byte) + u16::from(len));
        same && u16::from(self.at.byte) <= first && end <= u16::from(self.at.byte) + u16::from(self.len)
    }
}

/// Planned reads, and what they gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Snapshot {
    spans: Vec<Span, MOST_SPANS>,
    bytes: Vec<u8, MOST_BYTES>,
    planned: usize,
}

impl Snapshot {
    pub(super) const fn new() -> Self {
        Self { spans: Vec::new(), bytes: Vec::new(), planned: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Plans a read of `len` bytes from `at`.
    pub(super) fn plan(&mut self, at: Address, len: u8) -> Result<(), ProcError> {
        self.planned += usize::from(len);
        let fits =
            self.planned <= MOST_BYTES && self.spans.push(Span { at, len, state: State::Planned }).is_ok();
        if fits { Ok(()) } else { Err(ProcError::TooMuchToRead { bytes: self.planned, most: MOST_BYTES }) }
    }

    /// Plans a read from the first to the last byte on the page of `at`, if there is any.
    pub(super) fn plan_range(&mut self, at: Address, range: Option<(u8, u8)>) -> Result<(), ProcError> {
        let Some((first, last)) = range else { return Ok(()) };
        self.plan(Address { byte: first, ..at }, last.saturating_sub(first).saturating_add(1))
    }

    pub(super) fn place(&self, index: usize) -> Option<(Address, u8)> {
        self.spans.get(index).map(|span| (span.at, span.len))
    }

    /// Keeps the result of a planned read.
    pub(super) fn put(&mut self, index: usize, result: Result<&[u8], TransportError>) {
        let Some(span) = self.spans.get_mut(index) else { return };
        span.state = match (result, u16::try_from(self.bytes.len())) {
            // The plan fits into the bytes.
            (Ok(bytes), Ok(from)) if self.bytes.extend_from_slice(bytes).is_ok() => State::Read(from),
            (Ok(_), _) => State::Failed(TransportError::TimedOut),
            (Err(error), _) => State::Failed(error),
        };
    }

    fn bytes_of(&self, span: &Span, from: u16) -> &[u8] {
        let from = usize::from(from);
        self.bytes.get(from..from + usize::from(span.len)).unwrap_or_default()
    }

    /// Every read that was answered, in order.
    pub(super) fn reads(&self) -> impl Iterator<Item = (Address, &[u8])> {
        self.spans.iter().filter_map(|span| match span.state {
            State::Read(from) => Some((span.at, self.bytes_of(span, from))),
            State::Planned | State::Failed(_) => None,
        })
    }

    /// The bytes of the last read that covers `len` bytes from `at`; from the read's first byte on.
    pub(super) fn block(&self, at: Address, len: u8) -> Reading<Block<'_>> {
        let Some(span) = self.spans.iter().rev().find(|span| span.covers(at, len)) else {
            return Reading::Unsupported;
        };
        match span.state {
            State::Read(from) => Reading::Value(Block::new(span.at, self.bytes_of(span, from))),
            State::Failed(TransportError::PageUnsupported { .. }) => Reading::Unsupported,
            State::Failed(error) => Reading::Unreadable(error),
            State::Planned => Reading::Absent,
        }
    }

    /// Two bytes, big-endian.
    pub(super) fn word(&self, at: Address) -> Reading<u16> {
        self.block(at, 2).and_then(|block| {
            Reading::of(
                block.slice(at.byte, 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes),
            )
        })
    }
}
