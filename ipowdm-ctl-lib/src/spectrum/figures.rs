//! How full a link is, and how broken up what is left.

use super::LinkSpectrum;
use ipowdm_core::slots::Slots;
use serde::{Deserialize, Serialize};

/// How full a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Utilisation {
    /// Steps of 6.25 GHz on each fibre that may carry signals.
    pub bits: u16,
    /// Occupied steps of the fibre from a to b.
    pub used_a_to_b: u16,
    /// Occupied steps of the fibre from b to a.
    pub used_b_to_a: u16,
    /// Longest run of steps that is free on both fibres.
    pub largest_free_run: u16,
}

impl Utilisation {
    /// The figures of the spectrum of a link that carries everything.
    #[must_use]
    pub fn of(spectrum: &LinkSpectrum) -> Self {
        Self::within(spectrum, &Slots::all_free(spectrum.raster.bits()))
    }

    /// The figures of a link's spectrum, of the steps that may carry signals.
    #[must_use]
    pub fn within(spectrum: &LinkSpectrum, carried: &Slots) -> Self {
        let bits = count(carried);
        let free = |slots: &Slots| {
            let mut free = slots.clone();
            free.intersect(carried);
            free
        };
        Self {
            bits,
            used_a_to_b: bits - count(&free(&spectrum.a_to_b)),
            used_b_to_a: bits - count(&free(&spectrum.b_to_a)),
            largest_free_run: free(&spectrum.free_on_both()).largest_run(),
        }
    }

    /// Occupied share of both fibres in thousandths.
    #[must_use]
    pub fn per_mille(&self) -> u16 {
        let used = u32::from(self.used_a_to_b) + u32::from(self.used_b_to_a);
        let all = 2 * u32::from(self.bits);
        u16::try_from((used * 1000).checked_div(all).unwrap_or(0)).unwrap_or(1000)
    }
}

/// How broken up the free spectrum of a link is: of what is free on both fibres and may be used at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "http", derive(schemars::JsonSchema))]
pub struct Fragmentation {
    /// Free steps of 6.25 GHz.
    pub free: u16,
    /// Runs of free steps.
    pub runs: u16,
    /// The longest of them.
    pub largest_run: u16,
    /// External fragmentation, 1 − largest run / free steps, in thousandths; 0 where nothing is free.
    pub external_per_mille: u16,
    /// Entropy of the runs, −Σ (rᵢ/F) ln (rᵢ/F) over runs of rᵢ of F free steps, in thousandths (of a nat): 0 where all that
    /// is free is one run, ln n where it is n runs of equal length.
    pub entropy_milli: u16,
}

impl Fragmentation {
    /// The figures of a link's spectrum, where `usable` steps may carry signals.
    #[must_use]
    pub fn of(spectrum: &LinkSpectrum, usable: &Slots) -> Self {
        let mut free = spectrum.free_on_both();
        free.intersect(usable);
        Self::of_free(&free)
    }

    /// The figures of a bitmap of free steps.
    #[must_use]
    pub fn of_free(free: &Slots) -> Self {
        let (total, largest_run) = (count(free), free.largest_run());
        let scattered = u32::from(total - largest_run) * 1000;
        let external = scattered.checked_div(u32::from(total)).unwrap_or(0);
        let share = |run: u16| f64::from(run) / f64::from(total);
        let entropy: f64 = free.runs().map(|(_, run)| -share(run) * share(run).ln()).sum();
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most ln 1024 = 6.9, so 6931 thousandths; a sum of positive terms"
        )]
        let entropy_milli = (entropy * 1000.0).round() as u16;
        Self {
            free: total,
            runs: u16::try_from(free.runs().count()).unwrap_or(u16::MAX),
            largest_run,
            external_per_mille: u16::try_from(external).unwrap_or(1000),
            entropy_milli,
        }
    }

    /// Free steps outside the longest run: what a better arrangement could join to it.
    #[must_use]
    pub const fn scattered(&self) -> u16 {
        self.free - self.largest_run
    }
}

/// Free steps; a bitmap has at most 2048.
fn count(slots: &Slots) -> u16 {
    u16::try_from(slots.free()).unwrap_or(u16::MAX).min(slots.bits())
}
