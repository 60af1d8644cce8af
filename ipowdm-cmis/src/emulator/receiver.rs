//! The receiver: from light to the numbers that a coherent receiver reports.

use super::core::Core;
use ipowdm_core::modes::{self, Modulation};
use ipowdm_core::units::{Ber, Db, Frequency, Power};
use std::sync::OnceLock;
use std::vec::Vec;

/// A signal as it leaves a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emission {
    /// Carrier frequency.
    pub frequency: Frequency,
    /// Launched power.
    pub power: Power,
    /// Media interface code of its application.
    pub media_code: u8,
    /// OSNR of the transmitter, 0.1 nm.
    pub osnr: Db,
}

/// The signal part of received light.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct ReceivedSignal {
    pub(crate) frequency: Frequency,
    pub(crate) media_code: u8,
    pub(crate) power_dbm: f64,
    pub(crate) osnr_db: f64,
    pub(crate) dispersion_ps_nm: f64,
}

/// What arrives at a receiver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReceivedLight {
    /// Signal and noise together in dBm.
    pub(crate) total_dbm: f64,
    /// The signal, if one is lit at the far end.
    pub(crate) signal: Option<ReceivedSignal>,
}

/// What a power monitor reads with nothing connected.
const FLOOR_DBM: f64 = -40.0;
/// A coherent receiver finds a carrier this near to its local oscillator.
const CAPTURE_MHZ: u32 = 1_000;
/// Below this signal power the receiver does not lock.
const SENSITIVITY_DBM: f64 = -24.0;

impl ReceivedLight {
    /// No light at all.
    pub const DARK: Self = Self { total_dbm: FLOOR_DBM, signal: None };
}

/// What the receiver has to say; `demodulated` only while it is locked to a signal of its own mode.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Reception {
    pub(super) los: bool,
    pub(super) total: Power,
    pub(super) signal: Power,
    pub(super) demodulated: Option<Demodulated>,
}

/// Quantities of a locked receiver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Demodulated {
    pub(super) osnr: Db,
    pub(super) esnr: Db,
    pub(super) ber: Ber,
    pub(super) dispersion_ps_nm: f64,
    pub(super) offset_mhz: f64,
}

impl Demodulated {
    /// Q² of the equivalent binary decision: BER = erfc(Q/√2)/2.
    pub(super) fn q_factor(&self) -> Db {
        ratio(linear_to_db(snr_of_ber(Modulation::DpQpsk, self.ber.value())))
    }
}

fn power(dbm: f64) -> Power {
    Power::from_number(dbm).unwrap_or(Power::from_hundredths(-4000))
}

fn ratio(db: f64) -> Db {
    Db::from_number(db).unwrap_or(Db::from_hundredths(0))
}

impl Core {
    /// What the receiver reports about the light it has.
    pub(super) fn reception(&self) -> Reception {
        let light = self.received;
        let jitter =
            |channel: u64, amplitude: f64| amplitude * noise(self.seed, channel, self.synced.0 / 1_000);
        let floor = |dbm: f64| dbm.max(FLOOR_DBM);
        let dark = Reception {
            los: true,
            total: power(floor(light.total_dbm)),
            signal: power(FLOOR_DBM),
            demodulated: None,
        };
        // Noise of the amplifiers alone is no signal, however strong it is.
        let strength = light.signal.map_or(light.total_dbm, |signal| signal.power_dbm);
        if strength < self.profile.los.value() {
            return dark;
        }
        let total = power(floor(light.total_dbm + jitter(1, 0.03)));
        let Some(signal) = light.signal else {
            return Reception { los: false, total, ..dark };
        };
        let oscillator = self.laser.frequency().filter(|_| self.laser_on() && !self.laser.is_moving());
        let in_reach = oscillator.is_some_and(|at| at.distance(signal.frequency) <= CAPTURE_MHZ);
        let same_mode = self.receives() == Some(signal.media_code);
        let strong = signal.power_dbm >= SENSITIVITY_DBM;
        let demodulated = (in_reach && same_mode && strong)
            .then(|| demodulate(signal, signal.osnr_db + jitter(2, 0.04), jitter(3, 40.0)));
        Reception {
            los: false,
            total,
            signal: if in_reach { power(floor(signal.power_dbm + jitter(1, 0.03))) } else { dark.signal },
            demodulated,
        }
    }

    /// Media interface code that the receiver is provisioned for.
    fn receives(&self) -> Option<u8> {
        let app_sel = (0..8_u8).map(|lane| self.active_config(lane) >> 4).find(|code| *code != 0)?;
        let row = self.profile.applications.get(usize::from(app_sel) - 1)?;
        Some(row.media_code)
    }
}

/// A deterministic number in −1…1 for a seed, a quantity and a time step.
pub(super) fn noise(seed: u64, channel: u64, step: u64) -> f64 {
    // SplitMix64 finaliser over the three inputs.
    let mut z = seed ^ channel.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ step.wrapping_mul(0xD134_2543_DE82_EF95);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^= z >> 31;
    let high = u32::try_from(z >> 40).unwrap_or(0);
    f64::from(high) / f64::from(1_u32 << 23) - 1.0
}

/// SNR in the signal's own bandwidth that an ideal receiver has at an OSNR: 12.5 GHz over the symbol rate.
fn snr_of_osnr(osnr_db: f64, baud_mbd: u32) -> f64 {
    db_to_linear(osnr_db) * 12_500.0 / f64::from(baud_mbd)
}

/// Bit error ratio of a modulation at a linear SNR, Gray coding, additive white Gaussian noise.
fn ber_of_snr(modulation: Modulation, snr: f64) -> f64 {
    match modulation {
        Modulation::DpQpsk => 0.5 * libm::erfc((snr / 2.0).sqrt()),
        Modulation::Dp8Qam => 2.0 / 3.0 * libm::erfc((snr * 3.0 / 14.0).sqrt()),
        Modulation::Dp16Qam => 3.0 / 8.0 * libm::erfc((snr / 10.0).sqrt()),
    }
}

/// The linear SNR at which a modulation has this bit error ratio.
fn snr_of_ber(modulation: Modulation, ber: f64) -> f64 {
    // The ratio falls with the SNR: halve −10…40 dB until it is exact enough.
    let (mut low, mut high) = (-10.0_f64, 40.0_f64);
    for _ in 0..40 {
        let middle = f64::midpoint(low, high);
        if ber_of_snr(modulation, db_to_linear(middle)) > ber {
            low = middle;
        } else {
            high = middle;
        }
    }
    db_to_linear(high)
}

/// Noise of the transceivers themselves, as an SNR of its own: it floors the bit error ratio on a clean line.
const TRANSCEIVER_SNR_DB: f64 = 21.0;

/// SNR after the transceivers' own noise.
fn with_transceiver_noise(mode: &modes::Mode, osnr_db: f64) -> f64 {
    let line = snr_of_osnr(osnr_db, mode.baud_mbd);
    1.0 / (1.0 / line + 1.0 / db_to_linear(TRANSCEIVER_SNR_DB))
}

/// Implementation penalties of the catalogue's modes, in its order, as linear ratios.
fn penalties() -> &'static [f64] {
    static PENALTIES: OnceLock<Vec<f64>> = OnceLock::new();
    PENALTIES.get_or_init(|| {
        let penalty = |mode: &modes::Mode| {
            let at_limit = snr_of_ber(mode.modulation, mode.fec_limit.value());
            with_transceiver_noise(mode, mode.required_osnr.value()) / at_limit
        };
        modes::CATALOGUE.iter().map(penalty).collect()
    })
}

/// The effective SNR at an OSNR, such that the required OSNR of the mode gives its FEC limit.
///
/// Noise of the line and of the transceivers adds up; what is left between that and the FEC limit at the required OSNR
/// is the implementation penalty of the mode.
fn effective_snr(mode: &modes::Mode, osnr_db: f64) -> f64 {
    let index = modes::CATALOGUE.iter().position(|known| known.media_code == mode.media_code);
    let penalty = index.and_then(|index| penalties().get(index)).copied().unwrap_or(1.0);
    with_transceiver_noise(mode, osnr_db) / penalty
}

fn demodulate(signal: ReceivedSignal, osnr_db: f64, offset_mhz: f64) -> Demodulated {
    // A custom or newer code is received like 400ZR: the emulator has no other numbers for it.
    let mode = modes::by_media_code(signal.media_code).or(modes::by_media_code(0x3E));
    let (snr, ber) = mode.map_or((1.0, 0.5), |mode| {
        let snr = effective_snr(mode, osnr_db);
        (snr, ber_of_snr(mode.modulation, snr))
    });
    Demodulated {
        osnr: ratio(osnr_db),
        esnr: ratio(linear_to_db(snr)),
        ber: Ber::from_number(ber.clamp(0.0, 0.5)).unwrap_or(Ber::ZERO),
        dispersion_ps_nm: signal.dispersion_ps_nm,
        offset_mhz,
    }
}

/// 10^(dB/10).
pub(crate) fn db_to_linear(db: f64) -> f64 {
    libm::pow(10.0, db / 10.0)
}

/// 10·log10(ratio).
pub(crate) fn linear_to_db(ratio: f64) -> f64 {
    10.0 * libm::log10(ratio)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_required_osnr_of_every_mode_gives_its_fec_limit() {
        for mode in modes::CATALOGUE {
            let snr = effective_snr(mode, mode.required_osnr.value());
            let ber = ber_of_snr(mode.modulation, snr);
            let limit = mode.fec_limit.value();
            assert!((ber / limit - 1.0).abs() < 1e-3, "{}: {ber} against {limit}", mode.name);
        }
    }

    #[test]
    fn a_better_osnr_never_gives_a_worse_ratio() {
        for mode in modes::CATALOGUE {
            let mut last = 0.5;
            for tenths in 80..400 {
                let ber = ber_of_snr(mode.modulation, effective_snr(mode, f64::from(tenths) / 10.0));
                assert!(ber <= last && ber >= 0.0, "{} at {tenths}", mode.name);
                last = ber;
            }
        }
    }

    #[test]
    fn noise_is_bounded_and_repeatable() {
        for step in 0..1_000 {
            let value = noise(7, 1, step);
            assert!((-1.0..=1.0).contains(&value));
            assert_eq!(value.to_bits(), noise(7, 1, step).to_bits());
        }
    }
}
