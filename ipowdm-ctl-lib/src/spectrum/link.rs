//! The spectrum of one link: who is on it, and what is free because of that.

use super::occupants::Occupants;
use super::{Owner, SlotOwner};
use crate::store::{Key, Record};
use ipowdm_core::grid::Raster;
use ipowdm_core::ids::{LinkId, ReservationId};
use ipowdm_core::slots::{MAX_WORDS, Slots, SlotsError, words};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// On which fibres of a link something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Fibres {
    /// On both: as every connection is, since the one laser of a ZR module is transmitter and local oscillator.
    #[default]
    Both,
    /// On the fibre from end a to end b.
    AToB,
    /// On the fibre from end b to end a.
    BToA,
}

impl Fibres {
    pub(super) const fn bits(self) -> u8 {
        match self {
            Self::AToB => 1,
            Self::BToA => 2,
            Self::Both => 3,
        }
    }

    pub(super) const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            1 => Some(Self::AToB),
            2 => Some(Self::BToA),
            3 => Some(Self::Both),
            _ => None,
        }
    }
}

/// What occupies spectrum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Occupant {
    /// A connection.
    Connection(Owner),
    /// Spectrum set aside by the operator.
    Reserved(ReservationId),
    /// A signal that is there, but not ours.
    Alien(ReservationId),
}

/// Spectrum of a link that is taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Occupied {
    /// The first bit of the raster.
    pub first: u16,
    /// Number of bits.
    pub count: u16,
    /// Bits on either side that neighbours must leave free, see [`LinkSpectrum::free_for`].
    pub guard: u16,
    /// On which fibres.
    pub fibres: Fibres,
    /// By whom.
    pub by: Occupant,
}

/// The spectrum of a link.
///
/// Stored are the occupants; what is free follows from them, so a bit is occupied exactly where somebody owns it. Both fibres
/// are in one record: a connection takes the same slots on both. A link without a record is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkSpectrum {
    /// What the bits stand for.
    pub raster: Raster,
    /// What is free on the fibre from end a to end b.
    pub a_to_b: Slots,
    /// What is free on the fibre from end b to end a.
    pub b_to_a: Slots,
    occupants: Occupants,
    /// Occupants that ask for guard bands.
    guarded: u16,
    /// Read from version 1 of the record: the occupants are records of their own still.
    unlisted: bool,
}

impl LinkSpectrum {
    /// A link that nobody uses.
    #[must_use]
    pub fn free(raster: Raster) -> Self {
        let slots = Slots::all_free(raster.bits());
        Self {
            raster,
            a_to_b: slots.clone(),
            b_to_a: slots,
            occupants: Occupants::default(),
            guarded: 0,
            unlisted: false,
        }
    }

    /// Whether nobody uses the link.
    #[must_use]
    pub fn is_free(&self) -> bool {
        self.occupants.is_empty() && !self.unlisted
    }

    /// What is free on both fibres.
    #[must_use]
    pub fn free_on_both(&self) -> Slots {
        let mut free = self.a_to_b.clone();
        free.intersect(&self.b_to_a);
        free
    }

    /// Keeps in `free` what a signal on both fibres that asks for `guard` bits on either side may use: between two
    /// neighbours there are at least as many bits as the one that asks for more asks for. Guards are shared, not added, and
    /// may cover the edge of the band.
    pub fn free_for(&self, guard: u16, free: &mut Slots) {
        free.intersect(&self.a_to_b);
        free.intersect(&self.b_to_a);
        if guard == 0 && self.guarded == 0 {
            return;
        }
        let mut left = [0; MAX_WORDS];
        let length = free.words().len();
        left[..length].copy_from_slice(free.words());
        for entry in self.occupants.iter() {
            let guard = guard.max(entry.guard);
            let from = entry.first.saturating_sub(guard);
            let to = entry.end().saturating_add(guard).min(free.bits());
            words::clear(&mut left[..length], from, to.saturating_sub(from));
        }
        *free = Slots::from_words(&left[..length], free.bits());
    }

    /// Who is on the link, in order of frequency.
    pub fn occupants(&self) -> impl Iterator<Item = Occupied> {
        self.occupants.iter().filter_map(|entry| entry.occupied())
    }

    /// Whether something could be added.
    ///
    /// # Errors
    /// [`SlotsError`] with the lowest bit in the way: one that is taken on the same fibre, or in a guard band.
    pub fn admits(&self, new: &Occupied) -> Result<(), SlotsError> {
        let bits = new.fibres.bits();
        for (fibre, free) in [(Fibres::AToB, &self.a_to_b), (Fibres::BToA, &self.b_to_a)] {
            if bits & fibre.bits() != 0 && !free.are_free(new.first, new.count) {
                return free.clone().take(new.first, new.count);
            }
        }
        if new.guard == 0 && self.guarded == 0 {
            return Ok(());
        }
        let end = new.first.saturating_add(new.count);
        // Between two places of one connection that moves no guard is due.
        let own = |entry: &super::occupants::Entry<'_>| matches!(&new.by, Occupant::Connection(owner) if entry.is_of(owner));
        for entry in self.occupants.iter().filter(|entry| entry.is_on(new.fibres) && !own(entry)) {
            let guard = new.guard.max(entry.guard);
            let distance =
                if entry.first >= end { entry.first - end } else { new.first.saturating_sub(entry.end()) };
            if distance < guard {
                return Err(SlotsError::Occupied { bit: new.first });
            }
        }
        Ok(())
    }

    /// Adds an occupant, or changes nothing.
    ///
    /// # Errors
    /// As [`LinkSpectrum::admits`].
    pub fn take(&mut self, new: &Occupied) -> Result<(), SlotsError> {
        self.admits(new)?;
        self.take_admitted(new)
    }

    /// As [`LinkSpectrum::take`], for what this record was just found to admit, see [`LinkSpectrum::admits`]: guard bands are
    /// not looked at again.
    ///
    /// # Errors
    /// [`SlotsError`] where bits are taken; the record must not be used then.
    pub(crate) fn take_admitted(&mut self, new: &Occupied) -> Result<(), SlotsError> {
        self.mark(new.first, new.count, new.guard, new.fibres)?;
        self.occupants.insert(new);
        Ok(())
    }

    /// Removes what a connection holds around its slot; `false` where it does not hold exactly these bits on both fibres.
    pub fn give_back(&mut self, owner: &Owner, first: u16, count: u16) -> bool {
        self.remove(first, |entry| entry.count == count && entry.is_of(owner)).is_some()
    }

    /// Whether a connection holds exactly these bits.
    #[must_use]
    pub fn is_held(&self, owner: &Owner, first: u16, count: u16) -> bool {
        self.occupants.at(first).any(|entry| entry.count == count && entry.is_of(owner))
    }

    /// Removes a reservation and answers what it occupied, as (first bit, number of bits).
    pub fn unreserve(&mut self, id: &ReservationId) -> Option<(u16, u16)> {
        let first = self.occupants.iter().find(|entry| entry.is_reservation(id))?.first;
        self.remove(first, |entry| entry.is_reservation(id)).map(|(first, count, ..)| (first, count))
    }

    /// Whether the owners are still records of their own, as version 1 had them.
    pub(crate) const fn is_unlisted(&self) -> bool {
        self.unlisted
    }

    /// Takes over the owners of a record of version 1.
    ///
    /// # Errors
    /// [`SlotsError`] where owners overlap.
    pub(crate) fn list(&mut self, owners: &[SlotOwner]) -> Result<(), SlotsError> {
        let mut listed = Self::free(self.raster);
        for SlotOwner { owner, slot } in owners {
            if let Ok((first, count)) = self.raster.bits_of(*slot) {
                let by = Occupant::Connection(owner.clone());
                listed.take(&Occupied { first, count, guard: 0, fibres: Fibres::Both, by })?;
            }
        }
        *self = listed;
        Ok(())
    }

    fn remove(
        &mut self,
        first: u16,
        is: impl Fn(&super::occupants::Entry<'_>) -> bool,
    ) -> Option<(u16, u16, u16, Fibres)> {
        let (first, count, guard, fibres) = self.occupants.remove_at(first, is)?;
        self.guarded -= u16::from(guard > 0);
        for (fibre, free) in [(Fibres::AToB, &mut self.a_to_b), (Fibres::BToA, &mut self.b_to_a)] {
            if fibres.bits() & fibre.bits() != 0 {
                // What an entry covers is occupied: `mark` is how entries come to be.
                let _ = free.release(first, count);
            }
        }
        Some((first, count, guard, fibres))
    }

    /// Occupies the bits of an entry.
    fn mark(&mut self, first: u16, count: u16, guard: u16, fibres: Fibres) -> Result<(), SlotsError> {
        for (fibre, free) in [(Fibres::AToB, &mut self.a_to_b), (Fibres::BToA, &mut self.b_to_a)] {
            if fibres.bits() & fibre.bits() != 0 {
                free.take(first, count)?;
            }
        }
        self.guarded += u16::from(guard > 0);
        Ok(())
    }

    /// The key of a link's spectrum.
    #[must_use]
    pub fn key(link: &LinkId) -> Key<Self> {
        Key::new(&[link.as_str()])
    }
}

impl Serialize for LinkSpectrum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Shown<'a> {
            raster: Raster,
            a_to_b: &'a Slots,
            b_to_a: &'a Slots,
            occupants: Vec<Occupied>,
        }
        let Self { raster, a_to_b, b_to_a, occupants, .. } = self;
        if serializer.is_human_readable() {
            let occupants = self.occupants().collect();
            Shown { raster: *raster, a_to_b, b_to_a, occupants }.serialize(serializer)
        } else {
            (raster, occupants).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for LinkSpectrum {
    /// The stored form; the one for people is not read.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (raster, occupants): (Raster, Occupants) = Deserialize::deserialize(deserializer)?;
        let mut spectrum = Self::free(raster);
        for entry in occupants.iter() {
            let fibres = Fibres::from_bits(entry.fibres()).unwrap_or_default();
            spectrum
                .mark(entry.first, entry.count, entry.guard, fibres)
                .map_err(|error| serde::de::Error::custom(format_args!("two owners: {error}")))?;
        }
        spectrum.occupants = occupants;
        Ok(spectrum)
    }
}

/// Version 1: bitmaps; the owners were records of their own ([`SlotOwner`]).
#[derive(Deserialize)]
struct LinkSpectrumV1 {
    raster: Raster,
    a_to_b: Slots,
    b_to_a: Slots,
}

impl Record for LinkSpectrum {
    const KIND: &'static str = "link-spectrum";
    const VERSION: u8 = 2;
    const ENCODED_LATE: bool = true;

    fn upgrade(body: &[u8]) -> Option<Result<Self, postcard::Error>> {
        Some(postcard::from_bytes(body).map(|LinkSpectrumV1 { raster, a_to_b, b_to_a }| Self {
            a_to_b,
            b_to_a,
            unlisted: true,
            ..Self::free(raster)
        }))
    }
}
