//! Loopbacks, pattern generators and checkers (13h), and what they measure (14h).
//!
//! Bits of 14h:134-139 as OIF-CMIS-05.4 has them: gating complete host and media (134, 135), generator loss of lock host
//! and media (136, 137), checker loss of lock host and media (138, 139). Numbers on 14h are little-endian, except the
//! ratios of selector 01h, which are the specification's 16-bit floats, high byte first.

use super::cells::value_of;
use super::core::{Core, number};
use crate::map::{page13, page14};
use crate::time::Millis;
use ipowdm_core::units::Ber;

/// Bits per second on a host lane of a 400G module.
const HOST_LANE_RATE: f64 = 53.125e9;

/// A side of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Host,
    Media,
}

impl Side {
    /// Generator control, checker control, its loss-of-lock flag.
    const fn places(self) -> (u8, u8, u8) {
        match self {
            Self::Host => (page13::HOST_GENERATOR_CONTROL.byte, page13::HOST_CHECKER_CONTROL.byte, 138),
            Self::Media => (page13::MEDIA_GENERATOR_CONTROL.byte, page13::MEDIA_CHECKER_CONTROL.byte, 139),
        }
    }
}

impl Core {
    fn diagnostic(&self, bank: usize, byte: u8) -> u8 {
        self.cells.get(number(bank), 0x13, byte)
    }

    /// Whether a carrier's transmitted signal is looped back to its receiver.
    pub(super) fn media_looped(&self, carrier: usize) -> bool {
        let (bank, lane) = self.place_of(carrier);
        let lanes = self.diagnostic(bank, page13::MEDIA_SIDE_OUTPUT_LOOPBACK_ENABLE.byte);
        let per_lane = value_of(&self.cells, 0, page13::PER_LANE_MEDIA_LOOPBACK_SUPPORTED, 0) != 0;
        if per_lane { lanes & (1 << lane) != 0 } else { lanes != 0 }
    }

    /// Host lanes whose input comes back on their output: host side input loopback, where the host brings a signal.
    pub(super) fn host_returned(&self, bank: usize) -> u8 {
        let lanes = self.diagnostic(bank, page13::HOST_SIDE_INPUT_LOOPBACK_ENABLE.byte);
        let per_lane = value_of(&self.cells, 0, page13::PER_LANE_HOST_LOOPBACK_SUPPORTED, 0) != 0;
        let looped = if per_lane || lanes == 0 { lanes } else { 0xFF };
        looped & self.environment.host_signal
    }

    /// The host has written 13h; `before` is the page as it was. A combination that the module cannot do is not taken.
    pub(super) fn loopbacks_written(&mut self, bank: usize, before: &super::cells::Half) {
        let simultaneous =
            value_of(&self.cells, 0, page13::SIMULTANEOUS_HOST_AND_MEDIA_LOOPBACK_SUPPORTED, 0) != 0;
        let first = page13::MEDIA_SIDE_OUTPUT_LOOPBACK_ENABLE.byte;
        let media = self.diagnostic(bank, first) | self.diagnostic(bank, first + 1);
        let host = self.diagnostic(bank, first + 2) | self.diagnostic(bank, first + 3);
        // Input and output loopback of one lane exclude each other on each side.
        let both = (self.diagnostic(bank, first) & self.diagnostic(bank, first + 1))
            | (self.diagnostic(bank, first + 2) & self.diagnostic(bank, first + 3));
        if (media != 0 && host != 0 && !simultaneous) || both != 0 {
            let from = usize::from(first - 128);
            self.cells.set(number(bank), 0x13, first, &before[from..from + 4]);
        }
    }

    /// Raises the checkers' loss-of-lock flags.
    pub(super) fn raise_diagnostics(&mut self) {
        if !self.layout.diagnostics {
            return;
        }
        for bank in 0..self.layout.banks {
            for side in [Side::Host, Side::Media] {
                let enabled = self.diagnostic(bank, side.places().1);
                let lost = (0..8_u8).fold(0, |bits, lane| {
                    let checks = enabled & (1 << lane) != 0;
                    bits | (u8::from(checks && self.checked_ratio(bank, side, lane).is_none()) << lane)
                });
                self.cells.raise(number(bank), 0x14, side.places().2, lost);
            }
        }
    }

    /// The bit error ratio that a checker sees; `None` while it is not locked to a pattern.
    fn checked_ratio(&self, bank: usize, side: Side, lane: u8) -> Option<f64> {
        let (generator, checker, _) = side.places();
        let enabled = |byte: u8| self.diagnostic(bank, byte) & (1 << lane) != 0;
        if !enabled(checker) {
            return None;
        }
        let pattern = |first: u8| {
            let byte = self.diagnostic(bank, first + 4 + lane / 2);
            if lane.is_multiple_of(2) { byte & 0x0F } else { byte >> 4 }
        };
        let same = enabled(generator) && pattern(generator) == pattern(checker);
        match side {
            // The host side hears its own generator through a loopback of its output, or of the host's making.
            Side::Host => {
                let looped =
                    self.diagnostic(bank, page13::HOST_SIDE_OUTPUT_LOOPBACK_ENABLE.byte) & (1 << lane);
                let own = looped != 0 && same;
                (own || (looped == 0 && self.environment.host_sends_patterns))
                    .then(|| self.host_ber(bank, self.synced))
            }
            // The media side hears the far end through the line, or itself in a loopback.
            Side::Media => {
                let carrier = self.carrier(bank, usize::from(lane))?;
                let looped = self.media_looped(carrier);
                let locked = self.meters.get(carrier)?.seen.locked?;
                (if looped { same } else { self.environment.far_end_sends_patterns }).then_some(locked.ber)
            }
        }
    }

    /// The host has chosen what 14h shows, or a checker was switched: counting begins anew.
    pub(super) fn checkers_written(&mut self, bank: usize, at: Millis) {
        if let Some(since) = self.environment.checking_since.get_mut(bank) {
            *since = at;
        }
    }

    /// Writes the data of the chosen selector (14h:192-255).
    pub(super) fn refresh_diagnostics(&mut self, bank: usize) {
        let selector = self.cells.get(number(bank), 0x14, page14::DIAGNOSTICS_SELECTOR.byte);
        let mut data = [0_u8; 64];
        let mut put = |at: usize, bytes: &[u8]| {
            for (cell, byte) in data.iter_mut().skip(at).zip(bytes) {
                *cell = *byte;
            }
        };
        match selector {
            0x01 | 0x11 => {
                for (side, first) in [(Side::Host, 0), (Side::Media, 16)] {
                    for lane in 0..8_u8 {
                        let ratio = self.checked_ratio(bank, side, lane).unwrap_or(0.0);
                        let raw = Ber::from_number(ratio).map_or(0, Ber::to_f16);
                        put(first + 2 * usize::from(lane), &raw.to_be_bytes());
                    }
                }
            }
            0x02..=0x05 | 0x12..=0x15 => {
                let side = if matches!(selector & 0x0F, 2 | 3) { Side::Host } else { Side::Media };
                let first = if matches!(selector & 0x0F, 2 | 4) { 0 } else { 4 };
                for lane in 0..4_u8 {
                    let (errors, bits) = self.counted(bank, side, first + lane);
                    put(16 * usize::from(lane), &errors.to_le_bytes());
                    put(16 * usize::from(lane) + 8, &bits.to_le_bytes());
                }
            }
            0x06 => {
                for lane in 0..8_u8 {
                    let host = self.observe(bank, 6, lane);
                    let media = self.observe(bank, 5, lane);
                    for (value, first) in [(host, 16), (media, 48)] {
                        let raw = value.map_or(0, |db| super::vdm::Format::Unsigned(1.0 / 256.0).clamped(db));
                        put(first + 2 * usize::from(lane), &raw.to_le_bytes());
                    }
                }
            }
            _ => {}
        }
        self.cells.set(number(bank), 0x14, 192, &data);
    }

    /// Errors and bits that a checker has counted.
    fn counted(&self, bank: usize, side: Side, lane: u8) -> (u64, u64) {
        let Some(ratio) = self.checked_ratio(bank, side, lane) else { return (0, 0) };
        let rate = match side {
            Side::Host => HOST_LANE_RATE,
            Side::Media => {
                let carrier = self.carrier(bank, usize::from(lane));
                let locked = carrier.and_then(|carrier| self.meters.get(carrier)?.seen.locked);
                locked.map_or(0.0, |locked| locked.line_rate())
            }
        };
        let since = self.environment.checking_since.get(bank).copied().unwrap_or(self.synced);
        let bits = rate * self.synced.elapsed_since(since).as_secs_f64();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to u64")]
        let whole = |value: f64| value.round().clamp(0.0, 1.8e19) as u64;
        (whole(bits * ratio), whole(bits))
    }
}
