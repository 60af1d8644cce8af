//! Who is on a link, packed: a link's record is copied whole by every transaction that changes it.

use super::{Fibres, Incarnation, Occupant, Occupied, Owner};
use crate::store::Version;
use ipowdm_core::ids::{ConnectionId, ReservationId};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Bytes of an entry before its id: first bit, number of bits, guard (2 each), fibres and kind, length of the id (1 each),
/// incarnation (8). Numbers are little-endian.
const HEADER: usize = 16;

const KIND_SHIFT: u32 = 4;
const CONNECTION: u8 = 0;
const RESERVED: u8 = 1;
const ALIEN: u8 = 2;

/// Entries in order of their first bits; two that overlap are on different fibres.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Occupants(Vec<u8>);

/// One entry where it lies.
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

impl Occupants {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn iter(&self) -> Entries<'_> {
        Entries { bytes: &self.0, at: 0 }
    }

    /// Adds an entry. Ids are at most 127 bytes long.
    pub(super) fn insert(&mut self, new: &Occupied) {
        let (kind, incarnation, id) = match &new.by {
            Occupant::Connection(owner) => {
                (CONNECTION, owner.incarnation.0.get(), owner.connection_id.as_str())
            }
            Occupant::Reserved(id) => (RESERVED, 0, id.as_str()),
            Occupant::Alien(id) => (ALIEN, 0, id.as_str()),
        };
        let mut entry = [0; HEADER + 255];
        entry[0..2].copy_from_slice(&new.first.to_le_bytes());
        entry[2..4].copy_from_slice(&new.count.to_le_bytes());
        entry[4..6].copy_from_slice(&new.guard.to_le_bytes());
        entry[6] = new.fibres.bits() | kind << KIND_SHIFT;
        let length = u8::try_from(id.len()).unwrap_or(u8::MAX);
        entry[7] = length;
        entry[8..HEADER].copy_from_slice(&incarnation.to_le_bytes());
        let end = HEADER + usize::from(length);
        entry[HEADER..end].copy_from_slice(&id.as_bytes()[..usize::from(length)]);
        let at = self.iter().find(|entry| entry.first > new.first).map_or(self.0.len(), |entry| entry.at);
        self.0.splice(at..at, entry[..end].iter().copied());
    }

    /// Removes the first entry that `is` accepts and answers what it occupied, as (first, count, guard, on which fibres).
    pub(super) fn remove(&mut self, is: impl Fn(&Entry<'_>) -> bool) -> Option<(u16, u16, u16, Fibres)> {
        let entry = self.iter().find(is)?;
        let was = (entry.first, entry.count, entry.guard, Fibres::from_bits(entry.fibres)?);
        let range = entry.at..entry.at + entry.length();
        self.0.drain(range);
        Some(was)
    }

    /// What is wrong with bytes that are no entries in order.
    fn fault(&self) -> Option<&'static str> {
        let (mut whole, mut before) = (0, 0);
        for entry in self.iter() {
            whole += entry.length();
            if entry.first < before {
                return Some("owners are not in order");
            }
            if Fibres::from_bits(entry.fibres).is_none() || entry.kind > ALIEN || !entry.id.is_ascii() {
                return Some("an owner is of no known kind");
            }
            before = entry.first;
        }
        (whole != self.0.len()).then_some("owners are cut off")
    }
}

/// See [`Occupants::iter`].
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
        serializer.serialize_bytes(&self.0)
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
                let owners = Occupants(bytes.to_vec());
                owners.fault().map_or(Ok(owners), |fault| Err(E::custom(fault)))
            }
        }
        deserializer.deserialize_bytes(Visitor)
    }
}
