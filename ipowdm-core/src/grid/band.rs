//! A network's band: which steps of its raster carry signals, and where their centres may lie.

use super::{FlexSlot, RASTER_MHZ, Raster, SlotError, SpectrumWindow};
use crate::slots::{Slots, words};
use crate::units::Frequency;
use serde::{Deserialize, Serialize};

/// Holes that a band may have.
const MAX_HOLES: usize = 4;

/// The spacing of a fixed grid: channels at 193.1 THz + k × spacing, each as wide as the spacing (ITU-T G.694.1 §6; 75 GHz
/// as OIF 400ZR has it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FixedSpacing {
    /// 50 GHz.
    Ghz50,
    /// 75 GHz.
    Ghz75,
    /// 100 GHz.
    Ghz100,
}

impl FixedSpacing {
    /// The slot width number m of a channel.
    #[must_use]
    pub const fn m(self) -> u16 {
        match self {
            Self::Ghz50 => 4,
            Self::Ghz75 => 6,
            Self::Ghz100 => 8,
        }
    }
}

/// Where a network's filters let the centres of slots lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Centres {
    /// At every 6.25 GHz: the flexible grid.
    #[default]
    Every6p25,
    /// At every 12.5 GHz from 193.1 THz: n is even.
    Every12p5,
    /// Such that both edges of a slot lie at 193.1 THz plus a multiple of 12.5 GHz: filters cut in 12.5 GHz slices.
    Edges12p5,
    /// At the channels of a fixed grid. A narrower signal takes a whole channel.
    Fixed(FixedSpacing),
}

impl Centres {
    /// The short names that [`Centres::by_name`] knows.
    pub const NAMES: [&'static str; 6] = ["flex", "12.5", "12.5-edges", "50", "75", "100"];

    /// The rule of a short name, see [`Centres::NAMES`]; numbers are GHz.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "flex" => Some(Self::Every6p25),
            "12.5" => Some(Self::Every12p5),
            "12.5-edges" => Some(Self::Edges12p5),
            "50" => Some(Self::Fixed(FixedSpacing::Ghz50)),
            "75" => Some(Self::Fixed(FixedSpacing::Ghz75)),
            "100" => Some(Self::Fixed(FixedSpacing::Ghz100)),
            _ => None,
        }
    }
}

/// Why a band cannot be as described, or a signal has no place in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BandError {
    /// A hole lies outside the band or is empty.
    #[error("a hole from {low} to {high} touches no step of the band")]
    EmptyHole {
        /// Its lower edge.
        low: Frequency,
        /// Its upper edge.
        high: Frequency,
    },
    /// There are more holes than a band may have.
    #[error("a band may have {MAX_HOLES} holes")]
    TooManyHoles,
    /// Holes and edge guards leave nothing.
    #[error("holes and edge guards leave no step of the band")]
    NothingLeft,
    /// The signal is wider than a channel of the fixed grid.
    #[error("a signal of {asked} × 12.5 GHz does not fit a channel of {channel} × 12.5 GHz")]
    WiderThanChannel {
        /// Its slot width number.
        asked: u16,
        /// That of a channel.
        channel: u16,
    },
    /// The numbers do not convert.
    #[error(transparent)]
    Slot(#[from] SlotError),
}

/// A band: a raster, the holes in it, a guard at each edge, and the rule for centres.
///
/// One bitmap spans the band, holes included: a slot that would straddle one finds bits that are not usable in its way.
///
/// ```
/// use ipowdm_core::grid::{Band, Centres, FixedSpacing};
/// use ipowdm_core::slots::{Policy, Search};
///
/// let band = Band::c_plus_l().with_centres(Centres::Fixed(FixedSpacing::Ghz100));
/// let (m, starts) = band.starts(6)?; // a 75 GHz signal takes a whole channel of 100 GHz
/// let first = Search::new(&band.usable(), 2 * m).at(&starts).find(Policy::FirstFit).unwrap();
/// assert_eq!(band.raster().slot_at(first, 2 * m)?.centre()?.mhz(), 186_600_000);
/// # Ok::<(), ipowdm_core::grid::BandError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "StoredBand", into = "StoredBand")]
pub struct Band {
    raster: Raster,
    holes: heapless::Vec<SpectrumWindow, MAX_HOLES>,
    edge_guard: u16,
    centres: Centres,
}

/// A band as it is written down.
#[derive(Serialize, Deserialize)]
struct StoredBand {
    raster: Raster,
    holes: heapless::Vec<SpectrumWindow, MAX_HOLES>,
    edge_guard_steps: u16,
    centres: Centres,
}

impl From<Band> for StoredBand {
    fn from(band: Band) -> Self {
        let Band { raster, holes, edge_guard: edge_guard_steps, centres } = band;
        Self { raster, holes, edge_guard_steps, centres }
    }
}

impl TryFrom<StoredBand> for Band {
    type Error = BandError;

    fn try_from(stored: StoredBand) -> Result<Self, BandError> {
        let mut band = Self::new(stored.raster).with_centres(stored.centres);
        for hole in stored.holes {
            band = band.with_hole(hole)?;
        }
        band.edge_guard = stored.edge_guard_steps;
        band.checked()
    }
}

impl From<Raster> for Band {
    fn from(raster: Raster) -> Self {
        Self::new(raster)
    }
}

impl Band {
    /// The whole of a raster, without holes or edge guards, with centres at every 6.25 GHz.
    #[must_use]
    pub const fn new(raster: Raster) -> Self {
        Self { raster, holes: heapless::Vec::new(), edge_guard: 0, centres: Centres::Every6p25 }
    }

    /// The default C band, [`Raster::C_BAND`].
    #[must_use]
    pub const fn c() -> Self {
        Self::new(Raster::C_BAND)
    }

    /// The super C band, [`Raster::SUPER_C`].
    #[must_use]
    pub const fn super_c() -> Self {
        Self::new(Raster::SUPER_C)
    }

    /// C and L band, [`Raster::C_PLUS_L`], with the hole that the band splitters take between them, 190.850-191.250 THz.
    #[must_use]
    pub fn c_plus_l() -> Self {
        let mut band = Self::new(Raster::C_PLUS_L);
        let (low, high) = (Frequency::from_mhz(190_850_000), Frequency::from_mhz(191_250_000));
        // A band without holes has room for one.
        let _ = band.holes.push(SpectrumWindow { low, high });
        band
    }

    /// The band of a short name: `c`, `super-c` or `c+l`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        match name {
            "c" => Some(Self::c()),
            "super-c" => Some(Self::super_c()),
            "c+l" => Some(Self::c_plus_l()),
            _ => None,
        }
    }

    /// The band with another rule for centres.
    #[must_use]
    pub fn with_centres(self, centres: Centres) -> Self {
        Self { centres, ..self }
    }

    /// The band with one more hole: no step that it touches carries a signal.
    ///
    /// # Errors
    /// [`BandError::EmptyHole`], [`BandError::TooManyHoles`], [`BandError::NothingLeft`].
    pub fn with_hole(mut self, hole: SpectrumWindow) -> Result<Self, BandError> {
        if self.raster.bits_touched_by(hole).is_none() {
            return Err(BandError::EmptyHole { low: hole.low, high: hole.high });
        }
        self.holes.push(hole).map_err(|_| BandError::TooManyHoles)?;
        self.checked()
    }

    /// The band with a guard of `mhz`, rounded up to whole steps, at both of its edges and beside every hole.
    ///
    /// # Errors
    /// [`BandError::NothingLeft`].
    pub fn with_edge_guard(mut self, mhz: u32) -> Result<Self, BandError> {
        self.edge_guard = u16::try_from(mhz.div_ceil(RASTER_MHZ)).unwrap_or(u16::MAX);
        self.checked()
    }

    fn checked(self) -> Result<Self, BandError> {
        if self.usable().free() == 0 { Err(BandError::NothingLeft) } else { Ok(self) }
    }

    /// What the bits stand for.
    #[must_use]
    pub const fn raster(&self) -> Raster {
        self.raster
    }

    /// The rule for centres.
    #[must_use]
    pub const fn centres(&self) -> Centres {
        self.centres
    }

    /// The holes.
    #[must_use]
    pub fn holes(&self) -> &[SpectrumWindow] {
        &self.holes
    }

    /// Steps of 6.25 GHz at each edge that carry no signal.
    #[must_use]
    pub const fn edge_guard(&self) -> u16 {
        self.edge_guard
    }

    /// The bits that may carry a signal: what a fibre without signals has free.
    #[must_use]
    pub fn usable(&self) -> Slots {
        let mut whole = Slots::all_free(self.raster.bits());
        for hole in &self.holes {
            if let Some((first, count)) = self.raster.bits_touched_by(*hole) {
                let mut hole = Slots::all_occupied(whole.bits());
                // Inside the raster by `bits_touched_by`.
                let _ = hole.release(first, count);
                whole.subtract(&hole);
            }
        }
        let mut usable = Slots::all_occupied(whole.bits());
        for (first, count) in whole.runs() {
            if let Some(inner) = count.checked_sub(self.edge_guard.saturating_mul(2)) {
                // Inside a run of the raster; runs do not overlap.
                let _ = usable.release(first + self.edge_guard, inner);
            }
        }
        usable
    }

    /// The slot width number that a signal of `m` × 12.5 GHz is given: its own, or a channel of the fixed grid.
    ///
    /// # Errors
    /// [`BandError::WiderThanChannel`], [`SlotError::NoWidth`].
    pub const fn width(&self, m: u16) -> Result<u16, BandError> {
        match self.centres {
            _ if m == 0 => Err(BandError::Slot(SlotError::NoWidth)),
            Centres::Fixed(spacing) if m > spacing.m() => {
                Err(BandError::WiderThanChannel { asked: m, channel: spacing.m() })
            }
            Centres::Fixed(spacing) => Ok(spacing.m()),
            _ => Ok(m),
        }
    }

    /// The legal starts of a signal of `m` × 12.5 GHz, and the slot width number it is given ([`Band::width`]).
    ///
    /// # Errors
    /// As [`Band::width`].
    pub fn starts(&self, m: u16) -> Result<(u16, Slots), BandError> {
        let m = self.width(m)?;
        let mut starts = Slots::from_words(self.usable().words(), self.raster.bits());
        starts.keep_starts(m.saturating_mul(2));
        let (phase, stride) = self.phase_and_stride(m);
        if stride == 1 {
            return Ok((m, starts));
        }
        let mut legal = Slots::all_occupied(self.raster.bits());
        for start in (phase..self.raster.bits()).step_by(usize::from(stride)) {
            // Inside the raster and each start once.
            let _ = legal.release(start, 1);
        }
        starts.intersect(&legal);
        Ok((m, starts))
    }

    /// The lowest bit at which a slot of width number `m` may begin by the rule for centres, and the distance to the next.
    fn phase_and_stride(&self, m: u16) -> (u16, u16) {
        let anchor = self.raster.bit_of_anchor();
        let (start, stride) = match self.centres {
            Centres::Every6p25 => (0, 1),
            Centres::Every12p5 => (anchor - i64::from(m), 2),
            Centres::Edges12p5 => (anchor, 2),
            Centres::Fixed(spacing) => (anchor - i64::from(m), 2 * spacing.m()),
        };
        // Less than the stride, so it converts.
        (u16::try_from(start.rem_euclid(i64::from(stride))).unwrap_or(0), stride)
    }

    /// The slot of a signal of `m` × 12.5 GHz around `centre`, if the band has it.
    ///
    /// # Errors
    /// [`BandError`]; [`SlotError::OffRaster`] where the centre is not one of the band's, [`SlotError::OutsideBand`] where the slot
    /// touches a hole or an edge guard.
    pub fn slot(&self, centre: Frequency, m: u16) -> Result<FlexSlot, BandError> {
        let slot = FlexSlot::around(centre, self.width(m)?)?;
        let (first, count) = self.raster.bits_of(slot)?;
        if !words::all_set(self.usable().words(), first, count) {
            let (first, end) = (i64::from(first), i64::from(first) + i64::from(count));
            return Err(SlotError::OutsideBand { first, end, bits: self.raster.bits() }.into());
        }
        let (phase, stride) = self.phase_and_stride(slot.m);
        let legal = (first + stride - phase).is_multiple_of(stride);
        if legal { Ok(slot) } else { Err(SlotError::OffRaster { frequency: centre }.into()) }
    }
}
