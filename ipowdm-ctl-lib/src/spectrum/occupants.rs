//! Who is on a link, packed into chunks: a transaction that changes a link's record copies the chunk that it changes and
//! shares the others with the record as it was.

use super::{Fibres, Incarnation, Occupant, Occupied, Owner};
use crate::store::Version;
use ipowdm_core::ids::{ConnectionId, ReservationId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// Bytes of an entry before its id: first bit, number of bits, guard (2 each), fibres and kind, length of the id (1 each),
/// incarnation (8). Numbers are little-endian.
const HEADER: usize = 16;

const KIND_SHIFT: u32 = 4;
const CONNECTION: u8 = 0;
const RESERVED: u8 = 1;
const ALIEN: u8 = 2;

/// Bytes of a chunk above which it is split.
const CHUNK: usize = 880;

/// Room of a chunk: one more entry fits before it is split, and an allocator serves it from what it keeps for small ones.
const ROOM: usize = 1024;

/// Entries in order of their first bits; two that overlap are on different fibres. In chunks of which none is empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Occupants(Vec<Chunk>);

/// Entries that lie together.
#[derive(Debug, Clone)]
struct Chunk {
    /// The first bit of the first entry.
    first: u16,
    entries: Arc<Vec<u8>>,
}

/// One entry where it lies in its chunk.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry<'a> {
    pub(super) first: u16,
    pub(super) count: u16,
    pub(super) guard: u16,
    fibres: u8,
    kind: u8,
    incarnation: u64,
    id: &'a [u8],
    /// Where it begins.
    at: usize,
}

impl Entry<'_> {
    pub(super) fn end(&self) -> u16 {
        self.first.saturating_add(self.count)
    }

    pub(super) const fn fibres(&self) -> u8 {
        self.fibres
    }

    pub(super) const fn is_on(&self, fibres: Fibres) -> bool {
        self.fibres & fibres.bits() != 0
    }

    fn length(&self) -> usize {
        HEADER + self.id.len()
    }

    /// Whether this is what `owner` holds.
    pub(super) fn is_of(&self, owner: &Owner) -> bool {
        self.kind == CONNECTION
            && self.incarnation == owner.incarnation.0.get()
            && self.id == owner.connection_id.as_str().as_bytes()
    }

    /// Whether this is the reservation.
    pub(super) fn is_reservation(&self, id: &ReservationId) -> bool {
        self.kind != CONNECTION && self.id == id.as_str().as_bytes()
    }

    /// The entry by itself; `None` where it is none that this build writes.
    pub(super) fn occupied(&self) -> Option<Occupied> {
        let text = core::str::from_utf8(self.id).ok()?;
        let reservation = || ReservationId::new(text).ok();
        let by = match self.kind {
            CONNECTION => Occupant::Connection(Owner {
                connection_id: ConnectionId::new(text).ok()?,
                incarnation: Incarnation(Version::new(self.incarnation)),
            }),
            RESERVED => Occupant::Reserved(reservation()?),
            ALIEN => Occupant::Alien(reservation()?),
            _ => return None,
        };
        let fibres = Fibres::from_bits(self.fibres)?;
        Some(Occupied { first: self.first, count: self.count, guard: self.guard, fibres, by })
    }
}

/// An entry's bytes.
struct Packed {
    bytes: [u8; HEADER + 255],
    length: usize,
}

impl Packed {
    /// Ids are at most 127 bytes long.
    fn of(new: &Occupied) -> Self {
        let (kind, incarnation, id) = match &new.by {
            Occupant::Connection(owner) => {
                (CONNECTION, owner.incarnation.0.get(), owner.connection_id.as_str())
            }
            Occupant::Reserved(id) => (RESERVED, 0, id.as_str()),
            Occupant::Alien(id) => (ALIEN, 0, id.as_str()),
        };
        let mut bytes = [0; HEADER + 255];
        bytes[0..2].copy_from_slice(&new.first.to_le_bytes());
        bytes[2..4].copy_from_slice(&new.count.to_le_bytes());
        bytes[4..6].copy_from_slice(&new.guard.to_le_bytes());
        bytes[6] = new.fibres.bits() | kind << KIND_SHIFT;
        let id_length = u8::try_from(id.len()).unwrap_or(u8::MAX);
        bytes[7] = id_length;
        bytes[8..HEADER].copy_from_slice(&incarnation.to_le_bytes());
        let length = HEADER + usize::from(id_length);
        bytes[HEADER..length].copy_from_slice(&id.as_bytes()[..usize::from(id_length)]);
        Self { bytes, length }
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Chunk {
    /// A chunk of at least one entry.
    fn of(entries: &[u8]) -> Self {
        let first = entries.first_chunk().map_or(0, |first| u16::from_le_bytes(*first));
        let mut own = Vec::with_capacity(ROOM);
        own.extend_from_slice(entries);
        Self { first, entries: Arc::new(own) }
    }

    fn iter(&self) -> Entries<'_> {
        Entries { bytes: &self.entries, at: 0 }
    }

    /// Where the first entry lies that begins at a bit or behind it; the end where there is none.
    fn place(&self, first: u16) -> usize {
        let mut at = 0;
        while let Some([low, high, .., length]) = self.entries.get(at..).and_then(<[u8]>::first_chunk::<8>) {
            if u16::from_le_bytes([*low, *high]) >= first {
                break;
            }
            at += HEADER + usize::from(*length);
        }
        at
    }

    /// Puts bytes in the place of those from `at` to `end`; a chunk that others share is copied once, with the change.
    fn replace(&mut self, at: usize, end: usize, with: &[u8]) {
        match Arc::get_mut(&mut self.entries) {
            Some(entries) => drop(entries.splice(at..end, with.iter().copied())),
            None => {
                let old = &self.entries;
                let mut entries = Vec::with_capacity(ROOM);
                entries.extend_from_slice(&old[..at]);
                entries.extend_from_slice(with);
                entries.extend_from_slice(&old[end..]);
                self.entries = Arc::new(entries);
            }
        }
        self.first = self.entries.first_chunk().map_or(0, |first| u16::from_le_bytes(*first));
    }

    /// Splits off what lies behind the middle.
    fn split(&mut self) -> Option<Self> {
        let middle = self.iter().find(|entry| entry.at >= self.entries.len() / 2)?.at;
        let (left, right) = (Self::of(&self.entries[..middle]), Self::of(&self.entries[middle..]));
        *self = left;
        Some(right)
    }
}

impl Occupants {
    /// Entries as they are stored, which lie in order.
    fn of_bytes(bytes: &[u8]) -> Self {
        let mut chunks = Vec::new();
        let mut from = 0;
        let mut end = 0;
        for entry in (Entries { bytes, at: 0 }) {
            if end - from >= CHUNK / 2 {
                chunks.push(Chunk::of(&bytes[from..end]));
                from = end;
            }
            end = entry.at + entry.length();
        }
        if end > from {
            chunks.push(Chunk::of(&bytes[from..end]));
        }
        Self(chunks)
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Entry<'_>> {
        self.0.iter().flat_map(Chunk::iter)
    }

    /// The entries that begin at a bit.
    pub(super) fn at(&self, first: u16) -> impl Iterator<Item = Entry<'_>> {
        self.located(first).map(|(_, entry)| entry)
    }

    /// As [`Occupants::at`], with the number of the chunk of each.
    fn located(&self, first: u16) -> impl Iterator<Item = (usize, Entry<'_>)> {
        // The last chunk that begins before it may end with it; those that begin with it follow.
        let from = self.0.partition_point(|chunk| chunk.first < first).saturating_sub(1);
        let chunks = self.0.iter().enumerate().skip(from);
        let entries = chunks.flat_map(move |(number, chunk)| {
            let entries = Entries { bytes: &chunk.entries, at: chunk.place(first) };
            entries.map(move |entry| (number, entry))
        });
        entries.take_while(move |(_, entry)| entry.first == first)
    }

    /// Adds an entry, behind those that begin where it does.
    pub(super) fn insert(&mut self, new: &Occupied) {
        let packed = Packed::of(new);
        let number = self.0.partition_point(|chunk| chunk.first <= new.first).saturating_sub(1);
        let Some(chunk) = self.0.get_mut(number) else {
            self.0.push(Chunk::of(packed.bytes()));
            return;
        };
        let at = chunk.place(new.first.saturating_add(1));
        chunk.replace(at, at, packed.bytes());
        if chunk.entries.len() > CHUNK
            && let Some(rest) = chunk.split()
        {
            self.0.insert(number + 1, rest);
        }
    }

    /// Removes the first of the entries that begin at `first` that `is` accepts and answers what it occupied, as (first,
    /// count, guard, on which fibres).
    pub(super) fn remove_at(
        &mut self,
        first: u16,
        is: impl Fn(&Entry<'_>) -> bool,
    ) -> Option<(u16, u16, u16, Fibres)> {
        let (number, entry) = self.located(first).find(|(_, entry)| is(entry))?;
        let was = (entry.first, entry.count, entry.guard, Fibres::from_bits(entry.fibres)?);
        let (at, end) = (entry.at, entry.at + entry.length());
        let chunk = &mut self.0[number];
        if end - at == chunk.entries.len() {
            self.0.remove(number);
            return Some(was);
        }
        chunk.replace(at, end, &[]);
        // What is left of two that were emptied fits into one.
        if let [chunk, next, ..] = &mut self.0[number..]
            && chunk.entries.len() + next.entries.len() <= CHUNK / 2
        {
            let end = chunk.entries.len();
            chunk.replace(end, end, &next.entries);
            self.0.remove(number + 1);
        }
        Some(was)
    }

    /// The entries as they are stored.
    fn bytes(&self) -> Vec<u8> {
        let chunks: Vec<&[u8]> = self.0.iter().map(|chunk| chunk.entries.as_slice()).collect();
        chunks.concat()
    }

    /// What is wrong with bytes that are no entries in order.
    fn fault(bytes: &[u8]) -> Option<&'static str> {
        let (mut whole, mut before) = (0, 0);
        for entry in (Entries { bytes, at: 0 }) {
            whole += entry.length();
            if entry.first < before {
                return Some("owners are not in order");
            }
            if Fibres::from_bits(entry.fibres).is_none() || entry.kind > ALIEN || !entry.id.is_ascii() {
                return Some("an owner is of no known kind");
            }
            before = entry.first;
        }
        (whole != bytes.len()).then_some("owners are cut off")
    }
}

impl PartialEq for Occupants {
    /// The same entries, however they lie in chunks.
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Occupants {}

/// Entries that lie one behind the other.
pub(super) struct Entries<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Iterator for Entries<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let (header, rest) = self.bytes.get(self.at..)?.split_first_chunk::<HEADER>()?;
        let number = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
        let mut incarnation = [0; 8];
        incarnation.copy_from_slice(&header[8..]);
        let entry = Entry {
            first: number(0),
            count: number(2),
            guard: number(4),
            fibres: header[6] & 0x0f,
            kind: header[6] >> KIND_SHIFT,
            incarnation: u64::from_le_bytes(incarnation),
            id: rest.get(..usize::from(header[7]))?,
            at: self.at,
        };
        self.at += entry.length();
        Some(entry)
    }
}

impl Serialize for Occupants {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0[..] {
            [chunk] => serializer.serialize_bytes(&chunk.entries),
            _ => serializer.serialize_bytes(&self.bytes()),
        }
    }
}

impl<'de> Deserialize<'de> for Occupants {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Occupants;
            fn expecting(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str("owners of a link")
            }
            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Occupants, E> {
                match Occupants::fault(bytes) {
                    None => Ok(Occupants::of_bytes(bytes)),
                    Some(fault) => Err(E::custom(fault)),
                }
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn occupied(first: u16, number: u8) -> Occupied {
        let connection_id = ConnectionId::new(&format!("connection-{number}-{}", "x".repeat(number.into())));
        let owner =
            Owner { connection_id: connection_id.unwrap(), incarnation: Incarnation(Version::new(7)) };
        Occupied { first, count: 2, guard: 0, fibres: Fibres::AToB, by: Occupant::Connection(owner) }
    }

    proptest! {
        /// Whatever the chunks: the entries are those of a plain list in order, and so are the stored bytes.
        #[test]
        fn chunks_hold_what_one_list_holds(
            deeds in proptest::collection::vec((any::<bool>(), 0_u16..60, 0_u8..90), 0..400),
        ) {
            let mut chunked = Occupants::default();
            let mut list: Vec<Occupied> = Vec::new();
            for (adds, first, number) in deeds {
                let shared = chunked.clone();
                let before = shared.bytes();
                if adds {
                    let new = occupied(first, number);
                    let place = list.partition_point(|there| there.first <= first);
                    list.insert(place, new.clone());
                    chunked.insert(&new);
                } else {
                    let place = list.iter().position(|there| there.first == first);
                    let removed = chunked.remove_at(first, |_| true);
                    prop_assert_eq!(removed.map(|(first, ..)| first), place.map(|at| list.remove(at).first));
                }
                prop_assert_eq!(shared.bytes(), before, "a record that others read never changes");
                prop_assert_eq!(&chunked.iter().filter_map(|entry| entry.occupied()).collect::<Vec<_>>(), &list);
                prop_assert!(chunked.0.iter().all(|chunk| !chunk.entries.is_empty()));
                prop_assert!(chunked.0.iter().all(|chunk| chunk.entries.len() <= CHUNK));
                prop_assert_eq!(chunked.at(first).count(), list.iter().filter(|there| there.first == first).count());
            }
            let bytes = chunked.bytes();
            prop_assert_eq!(bytes.len(), list.iter().map(|new| Packed::of(new).length).sum::<usize>());
            prop_assert_eq!(Occupants::fault(&bytes), None);
            prop_assert_eq!(Occupants::of_bytes(&bytes), chunked);
        }
    }
}
