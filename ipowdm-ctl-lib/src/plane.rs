//! Spectrum of a whole network in memory: an allocator for simulation and planning.
//!
//! [`LinkDb`](crate::linkdb::LinkDb) is where spectrum is owned: transactions, tenants, crashes. A [`Plane`] answers what *would* be,
//! a million times a second: fibres, paths and allocations are dense numbers, occupancy is one arena of words, and in steady
//! state nothing is allocated on the heap. It holds what LinkDb holds at any time:
//!
//! * a slot is contiguous and the same on every fibre of its path, and no bit has two owners;
//! * an allocation takes all of its fibres or changes nothing;
//! * who owns a bit of a fibre can be asked ([`Plane::owner`]), and a release gives back exactly what that owner took, once: a
//!   [`Handle`] carries the generation of its record, so a second release is an error and never frees what another owns by then.
//!
//! ```
//! use ipowdm_ctl_lib::plane::{Plane, PlaneError, Request};
//!
//! let mut plane = Plane::new(3, 320)?; // three fibres of 320 slots
//! let both = plane.add_paths([&[0][..], &[1, 2]])?; // a direct one and a detour
//! let first = plane.allocate(both, Request::of(300))?;
//! let second = plane.allocate(both, Request::of(300))?;
//! assert_eq!(plane.path(first.path), Some(&[0][..]));
//! assert_eq!(plane.owner(2, 299), Some(second.handle));
//! assert!(matches!(plane.allocate(both, Request::of(300)), Err(PlaneError::NoSpectrum { paths: 2 })));
//! plane.release(first.handle)?;
//! assert!(matches!(plane.release(first.handle), Err(PlaneError::UnknownHandle { .. })));
//! # Ok::<(), PlaneError>(())
//! ```

mod error;
mod fibres;
mod guards;
mod records;
mod routes;
#[cfg(test)]
mod tests;

pub use error::PlaneError;
pub use fibres::Fibres;
pub use records::Handle;
pub use routes::{Candidates, PathId};

use ipowdm_core::grid::Band;
use ipowdm_core::slots::words::{self, words_for};
use ipowdm_core::slots::{Loss, MAX_BITS, MAX_WORDS, Policy, Search, Slots};
use records::{Record, Records};
use routes::Routes;

/// A set of legal starts that a plane knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StartsId(u32);

/// What is asked of a plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Slots in a row.
    pub need: u16,
    /// Guard band on each side, in slots; only on a plane that keeps guard bands.
    pub guard: u16,
    /// Which starts are legal; none means all.
    pub starts: Option<StartsId>,
    /// Which of the starts that fit is taken.
    pub policy: Policy,
    /// A word of the caller's random generator, for [`Policy::RandomFit`] alone.
    pub random: u64,
}

impl Request {
    /// `need` slots, first-fit, without a guard band, from any start.
    #[must_use]
    pub const fn of(need: u16) -> Self {
        Self { need, guard: 0, starts: None, policy: Policy::FirstFit, random: 0 }
    }
}

/// What an allocation took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// What releases it.
    pub handle: Handle,
    /// The path whose fibres carry it.
    pub path: PathId,
    /// The first slot.
    pub first: u16,
    /// Number of slots.
    pub count: u16,
    /// The guard band on each side, in slots; it is not part of what was taken.
    pub guard: u16,
}

/// The spectrum of all fibres of a network. See the [module](self).
#[derive(Debug, Clone)]
pub struct Plane {
    bits: u16,
    /// Words of a fibre.
    width: usize,
    /// Slots without a signal; where no guard bands are kept, only those that are usable.
    free: Vec<u64>,
    /// Slots at which a signal begins.
    heads: Vec<u64>,
    /// By fibre and slot: the record of the signal that begins there, where one does.
    owners: Vec<u32>,
    guards: Option<guards::Guards>,
    starts: Vec<Slots>,
    widths: Vec<u16>,
    routes: Routes,
    records: Records,
}

impl Plane {
    /// `fibres` fibres of `bits` slots, all free.
    ///
    /// # Errors
    /// [`PlaneError::Width`], [`PlaneError::TooManyFibres`]
    pub fn new(fibres: u32, bits: u16) -> Result<Self, PlaneError> {
        if bits == 0 || bits > MAX_BITS {
            return Err(PlaneError::Width { bits });
        }
        Self::with_usable(fibres, &Slots::all_free(bits))
    }

    /// `fibres` fibres over a band: its steps are the slots, and those in holes and at edges are not usable.
    ///
    /// # Errors
    /// [`PlaneError::TooManyFibres`]
    pub fn over(fibres: u32, band: &Band) -> Result<Self, PlaneError> {
        Self::with_usable(fibres, &band.usable())
    }

    fn with_usable(fibres: u32, usable: &Slots) -> Result<Self, PlaneError> {
        let bits = usable.bits();
        let (count, width) = (fibres as usize, words_for(bits));
        // The routes number fibres, and the owners (fibre, slot) pairs, with 32 bits.
        if fibres.checked_mul(u32::from(bits)).is_none() {
            return Err(PlaneError::TooManyFibres { fibres });
        }
        Ok(Self {
            bits,
            width,
            free: usable.words().repeat(count),
            heads: vec![0; count * width],
            owners: vec![0; count * usize::from(bits)],
            guards: None,
            starts: Vec::new(),
            widths: Vec::new(),
            routes: Routes::new(fibres),
            records: Records::default(),
        })
    }

    /// The same plane, keeping guard bands between neighbours from now on. Towards holes and edges none is owed.
    ///
    /// # Errors
    /// [`PlaneError::InUse`] where something is allocated.
    pub fn keeping_guards(mut self) -> Result<Self, PlaneError> {
        if self.active() > 0 {
            return Err(PlaneError::InUse);
        }
        if self.guards.is_none() {
            self.guards = Some(guards::Guards::over(&mut self.free, self.width, self.bits));
        }
        Ok(self)
    }

    /// The widths of the requests to be expected, which least-fragmenting counts blocks of ([`Loss::widths`]); none means all.
    pub fn expect_widths(&mut self, widths: &[u16]) {
        self.widths = widths.to_vec();
    }

    /// Makes a set of legal starts known.
    ///
    /// # Errors
    /// [`PlaneError::StartsOfAnotherWidth`], [`PlaneError::TooManyStarts`]
    pub fn add_starts(&mut self, starts: Slots) -> Result<StartsId, PlaneError> {
        if starts.bits() != self.bits {
            return Err(PlaneError::StartsOfAnotherWidth { bits: self.bits, theirs: starts.bits() });
        }
        let id = u32::try_from(self.starts.len()).map_err(|_| PlaneError::TooManyStarts)?;
        self.starts.push(starts);
        Ok(StartsId(id))
    }

    /// Makes a path known: the fibres that carry a signal on it, each once.
    ///
    /// # Errors
    /// [`PlaneError::EmptyPath`], [`PlaneError::UnknownFibre`], [`PlaneError::FibreTwice`], [`PlaneError::TooManyPaths`]
    pub fn add_path(&mut self, fibres: &[u32]) -> Result<PathId, PlaneError> {
        self.routes.add(fibres)
    }

    /// Makes paths known that are to be tried in this order, all or none.
    ///
    /// # Errors
    /// As [`Plane::add_path`].
    pub fn add_paths<P: AsRef<[u32]>>(
        &mut self,
        paths: impl IntoIterator<Item = P>,
    ) -> Result<Candidates, PlaneError> {
        self.routes.add_all(paths)
    }

    /// Slots of a fibre.
    #[must_use]
    pub const fn bits(&self) -> u16 {
        self.bits
    }

    /// Number of fibres.
    #[must_use]
    pub const fn fibres(&self) -> u32 {
        self.routes.fibres()
    }

    /// The fibres of a path that this plane has numbered.
    #[must_use]
    pub fn path(&self, path: PathId) -> Option<&[u32]> {
        self.routes.get(path)
    }

    /// Number of allocations that are not released.
    #[must_use]
    pub fn active(&self) -> usize {
        self.records.active()
    }

    /// The slots of a fibre that carry no signal and are usable.
    #[must_use]
    pub fn free(&self, fibre: u32) -> Option<Slots> {
        let words = self.words_of(&self.free, fibre)?;
        let mut free = Slots::from_words(words, self.bits);
        if let Some(guards) = &self.guards {
            free.intersect(guards.usable());
        }
        Some(free)
    }

    fn words_of<'a>(&self, of: &'a [u64], fibre: u32) -> Option<&'a [u64]> {
        of.get(fibre as usize * self.width..)?.get(..self.width)
    }

    /// Who owns a slot of a fibre.
    #[must_use]
    pub fn owner(&self, fibre: u32, slot: u16) -> Option<Handle> {
        let head = words::previous_set(self.words_of(&self.heads, fibre)?, slot)?;
        let (index, record) = self.headed(fibre, head)?;
        (slot - head < record.count).then_some(Handle { index, generation: record.generation })
    }

    /// The record of the signal that begins at a slot, where one does.
    fn headed(&self, fibre: u32, head: u16) -> Option<(u32, &Record)> {
        let index = *self.owners.get(fibre as usize * usize::from(self.bits) + usize::from(head))?;
        self.records.get(index).map(|record| (index, record))
    }

    /// What a handle stands for.
    ///
    /// # Errors
    /// [`PlaneError::UnknownHandle`]
    pub fn grant(&self, handle: Handle) -> Result<Grant, PlaneError> {
        self.records.live(handle).map(|record| record.grant(handle))
    }

    /// Takes slots on the first of the candidate paths that has room, at the start that the policy chooses there.
    ///
    /// # Errors
    /// [`PlaneError::NoSpectrum`] where no path has room, and the reasons for which the request is none; nothing is changed then.
    #[inline]
    pub fn allocate(&mut self, paths: impl Into<Candidates>, request: Request) -> Result<Grant, PlaneError> {
        let (path, first) = self.find(paths, &request)?;
        Ok(self.take(path, first, &request))
    }

    /// Where [`Plane::allocate`] would place a request: the path and the first slot.
    ///
    /// # Errors
    /// As [`Plane::allocate`].
    #[inline]
    pub fn find(&self, paths: impl Into<Candidates>, request: &Request) -> Result<(PathId, u16), PlaneError> {
        self.check(request)?;
        let mut tried = 0;
        for path in paths.into().paths() {
            let hops = self.routes.get(path).ok_or(PlaneError::UnknownPath)?;
            if let Some(first) = self.search(hops, request) {
                return Ok((path, first));
            }
            tried += 1;
        }
        Err(PlaneError::NoSpectrum { paths: tried })
    }

    /// Whether this is a request that could be granted on an empty plane of the kind.
    #[inline]
    fn check(&self, request: &Request) -> Result<(), PlaneError> {
        if request.need == 0 || request.need > self.bits {
            return Err(PlaneError::Need { need: request.need, bits: self.bits });
        }
        if request.guard > 0 && self.guards.is_none() {
            return Err(PlaneError::NoGuards);
        }
        match request.starts {
            Some(starts) if self.starts.len() <= starts.0 as usize => Err(PlaneError::UnknownStarts),
            _ => Ok(()),
        }
    }

    #[inline]
    fn search(&self, hops: &[u32], request: &Request) -> Option<u16> {
        let plain = matches!(request.policy, Policy::FirstFit) && request.starts.is_none();
        if !plain || self.guards.is_some() {
            return self.search_any(hops, request);
        }
        // The widths of the bands and workloads that are common: a compiler makes straight code of each.
        match self.width {
            5 => self.first_fit_in::<5>(hops, request.need),
            12 => self.first_fit_in::<12>(hops, request.need),
            13 => self.first_fit_in::<13>(hops, request.need),
            15 => self.first_fit_in::<15>(hops, request.need),
            24 => self.first_fit_in::<24>(hops, request.need),
            width => {
                let word = |index| {
                    hops.iter().fold(u64::MAX, |all, &hop| all & self.free[hop as usize * width + index])
                };
                words::first_run((0..width).map(word), request.need)
            }
        }
    }

    /// First-fit over fibres of `WIDTH` words.
    #[inline]
    fn first_fit_in<const WIDTH: usize>(&self, hops: &[u32], need: u16) -> Option<u16> {
        let (fibres, _) = self.free.as_chunks::<WIDTH>();
        let mut all = [u64::MAX; WIDTH];
        for &hop in hops {
            // Paths name no other fibres, see `Routes::add`.
            if let Some(fibre) = fibres.get(hop as usize) {
                all.iter_mut().zip(fibre).for_each(|(all, word)| *all &= word);
            }
        }
        words::first_run(all.iter().copied(), need)
    }

    /// The search of every policy, with legal starts and guard bands.
    #[inline(never)]
    fn search_any(&self, hops: &[u32], request: &Request) -> Option<u16> {
        let mut buffer = [u64::MAX; MAX_WORDS];
        let free = &mut buffer[..self.width];
        match &self.guards {
            None => hops
                .iter()
                .filter_map(|&hop| self.words_of(&self.free, hop))
                .for_each(|link| words::and(free, link)),
            Some(guards) => guards.free_for(free, &self.free, hops, request.guard),
        }
        let mut search = Search::over(free, request.need).with_random(request.random);
        if let Some(starts) = request.starts.and_then(|starts| self.starts.get(starts.0 as usize)) {
            search = search.at(starts);
        }
        if request.policy != Policy::LeastFragmenting {
            return search.find(request.policy);
        }
        let links = hops.iter().filter_map(|&hop| self.words_of(&self.free, hop));
        search.least_fragmenting(links, Loss { widths: &self.widths })
    }

    /// Takes slots that a search has found.
    #[inline]
    fn take(&mut self, path: PathId, first: u16, request: &Request) -> Grant {
        let (count, guard) = (request.need, request.guard);
        let handle = self.records.add(path, first, count, guard);
        for &hop in self.routes.get(path).unwrap_or_default() {
            let at = hop as usize * self.width;
            words::clear(&mut self.free[at..at + self.width], first, count);
            self.heads[at + usize::from(first) / 64] |= 1 << (first % 64);
            self.owners[hop as usize * usize::from(self.bits) + usize::from(first)] = handle.index;
            if let Some(guards) = &mut self.guards {
                guards.shade(hop, first, count, guard);
            }
        }
        Grant { handle, path, first, count, guard }
    }

    /// Gives back what an allocation took.
    ///
    /// # Errors
    /// [`PlaneError::UnknownHandle`] for a handle that was released, or is another plane's; nothing is changed then.
    #[inline]
    pub fn release(&mut self, handle: Handle) -> Result<Grant, PlaneError> {
        let grant = self.records.remove(handle)?.grant(handle);
        for &hop in self.routes.get(grant.path).unwrap_or_default() {
            let at = hop as usize * self.width;
            words::set(&mut self.free[at..at + self.width], grant.first, grant.count);
            self.heads[at + usize::from(grant.first) / 64] &= !(1 << (grant.first % 64));
        }
        if self.guards.is_some() {
            self.release_guards(&grant);
        }
        Ok(grant)
    }
}
