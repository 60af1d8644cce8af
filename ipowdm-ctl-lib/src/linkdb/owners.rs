//! Who is on a link: connections, and what is not ours.

use super::work::Work;
use super::{LinkDb, LinkDbError};
use crate::spectrum::{Fibres, Occupant, Occupied, SlotOwner};
use crate::store::Tx;
use crate::topology::FibreLink;
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::ids::{LinkId, ReservationId};
use ipowdm_core::slots::SlotsError;
use serde::{Deserialize, Serialize};

/// Spectrum of a link that no connection is to get: set aside by the operator, or lit by somebody else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Its name, unique on the link.
    pub id: ReservationId,
    /// What it covers; every step of 6.25 GHz that it touches is taken.
    pub window: SpectrumWindow,
    /// On which fibres. A connection needs both, so either keeps it away.
    pub fibres: Fibres,
    /// Steps of 6.25 GHz that neighbours must leave free on either side.
    pub guard: u16,
    /// Whether there is light in it: a signal that is not ours (an alien wavelength).
    pub alien: bool,
}

impl Reservation {
    /// A window set aside on both fibres.
    #[must_use]
    pub const fn new(id: ReservationId, window: SpectrumWindow) -> Self {
        Self { id, window, fibres: Fibres::Both, guard: 0, alien: false }
    }
}

impl LinkDb {
    /// The connections on a link and their slots, in order of frequency.
    ///
    /// # Errors
    /// [`LinkDbError::Inconsistent`], [`LinkDbError::Store`]
    pub fn owners_in(&self, tx: &mut Tx, link: &LinkId) -> Result<Vec<SlotOwner>, LinkDbError> {
        let mut work = Work::new(self, tx);
        let owners = work.spectrum(link)?.occupants().filter_map(|occupied| self.slot_owner(occupied));
        Ok(owners.collect())
    }

    pub(super) fn slot_owner(&self, occupied: Occupied) -> Option<SlotOwner> {
        let Occupant::Connection(owner) = occupied.by else { return None };
        let slot = self.raster().slot_at(occupied.first, occupied.count).ok()?;
        Some(SlotOwner { owner, slot })
    }

    /// Sets spectrum of a link aside in a transaction of its own, see [`LinkDb::reserve_in`].
    ///
    /// # Errors
    /// As [`LinkDb::reserve_in`].
    pub async fn reserve(&self, link: &LinkId, reservation: Reservation) -> Result<(), LinkDbError> {
        self.store.transact(|tx| self.reserve_in(tx, link, &reservation)).await
    }

    /// Sets spectrum of a link aside; nothing happens where it is already, by the same reservation.
    ///
    /// # Errors
    /// [`LinkDbError::UnknownLink`]; [`LinkDbError::Invalid`] for a window outside the band; [`LinkDbError::SpectrumTaken`];
    /// [`LinkDbError::AlreadyExists`] where the id names another reservation on the link.
    pub fn reserve_in(
        &self,
        tx: &mut Tx,
        link: &LinkId,
        reservation: &Reservation,
    ) -> Result<(), LinkDbError> {
        let Reservation { id, window, fibres, guard, alien } = reservation;
        if tx.get_shared(&FibreLink::key(link))?.is_none() {
            return Err(LinkDbError::UnknownLink { link: link.to_string() });
        }
        let (first, count) = self.raster().bits_touched_by(*window).ok_or_else(|| {
            let reason = format!("{} … {} is empty or outside the band", window.low, window.high);
            LinkDbError::Invalid { field: "window", reason }
        })?;
        let by = if *alien { Occupant::Alien(id.clone()) } else { Occupant::Reserved(id.clone()) };
        let asked = Occupied { first, count, guard: *guard, fibres: *fibres, by };
        let mut work = Work::new(self, tx);
        let spectrum = work.spectrum(link)?;
        let mut named = spectrum.occupants().filter(|occupied| names(&occupied.by, id));
        match named.next() {
            Some(same) if same == asked => return Ok(()),
            Some(_) => {
                return Err(LinkDbError::AlreadyExists {
                    what: format!("another reservation {id} on link {link}"),
                });
            }
            None => {}
        }
        drop(named);
        spectrum.admits(&asked).map_err(|error| taken(link, first, &error))?;
        work.spectrum_mut(link)?.take(&asked).map_err(|error| taken(link, first, &error))?;
        work.finish()
    }

    /// Gives spectrum that was set aside back in a transaction of its own, see [`LinkDb::unreserve_in`].
    ///
    /// # Errors
    /// As [`LinkDb::unreserve_in`].
    pub async fn unreserve(&self, link: &LinkId, id: &ReservationId) -> Result<bool, LinkDbError> {
        self.store.transact(|tx| self.unreserve_in(tx, link, id)).await
    }

    /// Gives spectrum that was set aside back; answers whether there was such a reservation.
    ///
    /// # Errors
    /// [`LinkDbError::Inconsistent`], [`LinkDbError::Store`]
    pub fn unreserve_in(&self, tx: &mut Tx, link: &LinkId, id: &ReservationId) -> Result<bool, LinkDbError> {
        let mut work = Work::new(self, tx);
        if !work.spectrum(link)?.occupants().any(|occupied| names(&occupied.by, id)) {
            return Ok(false);
        }
        work.spectrum_mut(link)?.unreserve(id);
        work.finish()?;
        Ok(true)
    }
}

fn names(by: &Occupant, id: &ReservationId) -> bool {
    matches!(by, Occupant::Reserved(name) | Occupant::Alien(name) if name == id)
}

fn taken(link: &LinkId, first: u16, error: &SlotsError) -> LinkDbError {
    let bit = match error {
        SlotsError::Occupied { bit } => *bit,
        _ => first,
    };
    LinkDbError::SpectrumTaken { link: link.to_string(), bit }
}
