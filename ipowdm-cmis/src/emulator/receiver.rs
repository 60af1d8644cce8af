//! The receiver: from light to the numbers that a receiver reports.

use super::core::Core;
use super::optics::OpticalState;
use crate::time::Millis;
use ipowdm_core::modes::{self, Mode, Modulation};
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
    /// Differential group delay.
    pub(crate) dgd_ps: f64,
    /// Polarisation dependent loss.
    pub(crate) pdl_db: f64,
    /// Rate of change of the state of polarisation.
    pub(crate) sop_krad_s: f64,
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
pub(super) const FLOOR_DBM: f64 = -40.0;
/// A coherent receiver finds a carrier this near to its local oscillator.
const CAPTURE_MHZ: u32 = 1_000;
/// A receiver without an oscillator sees its wavelength within this distance: a CWDM window.
const WINDOW_MHZ: u32 = 1_500_000;
/// Rate of change of polarisation that the equaliser follows.
const MAX_SOP_KRAD_S: f64 = 300.0;

impl ReceivedLight {
    /// No light at all.
    pub const DARK: Self = Self { total_dbm: FLOOR_DBM, signal: None };

    /// An emission that comes back inside the module.
    fn looped(emission: Emission) -> Self {
        let power_dbm = emission.power.value();
        Self {
            total_dbm: power_dbm,
            signal: Some(ReceivedSignal {
                frequency: emission.frequency,
                media_code: emission.media_code,
                power_dbm,
                osnr_db: emission.osnr.value(),
                dispersion_ps_nm: 0.0,
                dgd_ps: 0.0,
                pdl_db: 0.0,
                sop_krad_s: 0.0,
            }),
        }
    }
}

/// Quantities of a locked receiver.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Locked {
    pub(super) mode: Mode,
    pub(super) osnr_db: f64,
    pub(super) esnr_db: f64,
    pub(super) ber: f64,
    pub(super) dispersion_ps_nm: f64,
    pub(super) offset_mhz: f64,
    pub(super) dgd_ps: f64,
    pub(super) pdl_db: f64,
    pub(super) sop_krad_s: f64,
    /// Position of the clock recovery loop, per cent of its range.
    pub(super) clock_recovery: f64,
}

/// What one media lane measures at an instant.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Seen {
    pub(super) los: bool,
    pub(super) total_dbm: f64,
    pub(super) signal_dbm: f64,
    pub(super) locked: Option<Locked>,
    /// Transmitted power, while there is light.
    pub(super) transmitted_dbm: Option<f64>,
    pub(super) laser_on: bool,
    /// Distance of the laser from its channel.
    pub(super) laser_error_mhz: f64,
}

impl Seen {
    pub(super) const NOTHING: Self = Self {
        los: true,
        total_dbm: FLOOR_DBM,
        signal_dbm: FLOOR_DBM,
        locked: None,
        transmitted_dbm: None,
        laser_on: false,
        laser_error_mhz: 0.0,
    };
}

impl Locked {
    /// Q of the equivalent binary decision in dB: BER = erfc(Q/√2)/2.
    pub(super) fn q_db(&self) -> f64 {
        q_of_ber(self.ber)
    }

    /// Q beyond what the FEC needs.
    pub(super) fn q_margin_db(&self) -> f64 {
        self.q_db() - q_of_ber(self.mode.fec_limit.value())
    }

    /// Electrical SNR beyond what the FEC needs.
    pub(super) fn snr_margin_db(&self) -> f64 {
        self.esnr_db - figures(self.mode.media_code).limit_snr_db
    }

    /// Error vector magnitude in per cent.
    pub(super) fn evm_percent(&self) -> f64 {
        100.0 / db_to_linear(self.esnr_db).sqrt()
    }

    /// Second-order polarisation mode dispersion in ps², of the size that goes with the group delay.
    pub(super) fn sopmd_ps2(&self) -> f64 {
        self.dgd_ps * self.dgd_ps / 3.0_f64.sqrt()
    }

    /// Fraction of FEC frames that cannot be corrected.
    pub(super) fn frame_error_ratio(&self) -> f64 {
        let limit = self.mode.fec_limit.value();
        if self.ber <= 0.0 || limit <= 0.0 {
            return 0.0;
        }
        // A FEC threshold is steep: ten decades of frame errors within a tenth of a decade of bit errors.
        let ratio = 1.0 / (1.0 + libm::pow(10.0, -100.0 * libm::log10(self.ber / limit)));
        if ratio < 1e-15 { 0.0 } else { ratio }
    }

    /// Bits per second before FEC.
    pub(super) fn line_rate(&self) -> f64 {
        let bits = match self.mode.modulation {
            Modulation::DpQpsk => 4.0,
            Modulation::Dp8Qam => 6.0,
            Modulation::Dp16Qam => 8.0,
        };
        f64::from(self.mode.baud_mbd) * 1e6 * bits
    }
}

/// 800ZR (OIF): 118.2 GBd DP-16QAM, oFEC.
const ZR800: Mode = Mode {
    name: "800ZR",
    media_code: 0x6C,
    rate_gbps: 800,
    modulation: Modulation::Dp16Qam,
    baud_mbd: 118_200,
    width_m: 12,
    required_osnr: Db::from_hundredths(2700),
    required_esnr: Db::from_hundredths(1271),
    fec_limit: match Ber::new(20, -3) {
        Some(ber) => ber,
        None => Ber::ZERO,
    },
};

/// What a media interface code is received like; the emulator has no own numbers for custom and newer ones.
fn mode_of(media_code: u8) -> Mode {
    match media_code {
        0x6C..=0x6E => ZR800,
        _ => modes::by_media_code(media_code).or(modes::by_media_code(0x3E)).copied().unwrap_or(ZR800),
    }
}

impl Core {
    /// What a carrier's monitors measure at an instant.
    pub(super) fn look(
        &self,
        carrier: usize,
        at: Millis,
        state: &OpticalState,
        light: ReceivedLight,
    ) -> Seen {
        let jitter = |channel: u64, amplitude: f64| {
            let channel = channel + 16 * u64::try_from(carrier).unwrap_or(0);
            amplitude * noise(self.seed, channel, at.0 / 1_000)
        };
        let emission = state.emissions[carrier];
        let light = match emission {
            Some(emission) if state.looped & (1 << carrier) != 0 => ReceivedLight::looped(emission),
            _ => light,
        };
        let oscillator = state.oscillators[carrier];
        let mut seen = Seen {
            total_dbm: light.total_dbm.max(FLOOR_DBM),
            transmitted_dbm: emission.map(|emission| emission.power.value()),
            laser_on: oscillator.is_some(),
            laser_error_mhz: if oscillator.is_some() { jitter(4, 60.0) } else { 0.0 },
            ..Seen::NOTHING
        };
        // Noise of the amplifiers alone is no signal, however strong it is.
        let strength = light.signal.map_or(light.total_dbm, |signal| signal.power_dbm);
        if strength < self.profile.receiver.los.value() {
            return seen;
        }
        seen.los = false;
        let breath = jitter(1, 0.03);
        seen.total_dbm = (light.total_dbm + breath).max(FLOOR_DBM);
        let Some(signal) = light.signal else { return seen };
        let reach = if self.layout.coherent { CAPTURE_MHZ } else { WINDOW_MHZ };
        if oscillator.is_none_or(|at| at.distance(signal.frequency) > reach) {
            return seen;
        }
        seen.signal_dbm = (signal.power_dbm + breath).max(FLOOR_DBM);
        let receiver = self.profile.receiver;
        let equalised = signal.dispersion_ps_nm.abs() <= f64::from(receiver.max_dispersion_ps_nm)
            && signal.sop_krad_s <= MAX_SOP_KRAD_S;
        let strong = signal.power_dbm >= receiver.sensitivity.value();
        if strong && equalised && state.receives[carrier] == Some(signal.media_code) {
            let locked = if self.layout.coherent {
                demodulate(signal, signal.osnr_db + jitter(2, 0.04))
            } else {
                detect(signal, receiver.sensitivity.value(), jitter(2, 0.05))
            };
            seen.locked = Some(Locked {
                offset_mhz: jitter(3, 40.0),
                dgd_ps: (signal.dgd_ps * (1.0 + jitter(5, 0.05))).max(0.0),
                sop_krad_s: (signal.sop_krad_s * (1.0 + jitter(6, 0.1))).max(0.0),
                clock_recovery: jitter(7, 3.0),
                ..locked
            });
        }
        seen
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
fn with_transceiver_noise(mode: &Mode, osnr_db: f64) -> f64 {
    let line = snr_of_osnr(osnr_db, mode.baud_mbd);
    1.0 / (1.0 / line + 1.0 / db_to_linear(TRANSCEIVER_SNR_DB))
}

/// What follows from a mode's figures once and for all.
#[derive(Debug, Clone, Copy)]
struct Figures {
    media_code: u8,
    /// Implementation penalty as a linear ratio.
    penalty: f64,
    /// Effective SNR at the FEC limit.
    limit_snr_db: f64,
}

/// The figures of a mode; of an unknown one those of the last that is known.
fn figures(media_code: u8) -> Figures {
    static FIGURES: OnceLock<Vec<Figures>> = OnceLock::new();
    let all = FIGURES.get_or_init(|| {
        let of = |mode: &Mode| {
            let limit = snr_of_ber(mode.modulation, mode.fec_limit.value());
            Figures {
                media_code: mode.media_code,
                penalty: with_transceiver_noise(mode, mode.required_osnr.value()) / limit,
                limit_snr_db: linear_to_db(limit),
            }
        };
        modes::CATALOGUE.iter().chain([&ZR800]).map(of).collect()
    });
    let known = all.iter().find(|figures| figures.media_code == media_code).or(all.last());
    known.copied().unwrap_or(Figures { media_code, penalty: 1.0, limit_snr_db: 0.0 })
}

/// The effective SNR at an OSNR, such that the required OSNR of the mode gives its FEC limit.
///
/// Noise of the line and of the transceivers adds up; what is left between that and the FEC limit at the required OSNR
/// is the implementation penalty of the mode.
fn effective_snr(mode: &Mode, osnr_db: f64) -> f64 {
    with_transceiver_noise(mode, osnr_db) / figures(mode.media_code).penalty
}

/// Q in dB of a bit error ratio: 20·log10 of the normal quantile, by Acklam's rational approximation (relative error below
/// 1.2·10⁻⁹).
fn q_of_ber(ber: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    let horner = |coefficients: &[f64], x: f64| coefficients.iter().fold(0.0, |sum, c| sum * x + c);
    let ber = ber.clamp(1e-15, 0.499);
    let quantile = if ber < 0.024_25 {
        let tail = (-2.0 * libm::log(ber)).sqrt();
        horner(&C, tail) / horner(&D, tail)
    } else {
        let offset = ber - 0.5;
        let square = offset * offset;
        offset * horner(&A, square) / horner(&B, square)
    };
    20.0 * libm::log10(-quantile)
}

/// A coherent receiver. Polarisation effects beyond what a line usually has cost SNR.
fn demodulate(signal: ReceivedSignal, osnr_db: f64) -> Locked {
    let mode = mode_of(signal.media_code);
    let polarisation_db = 0.1 * (signal.pdl_db - 1.0).max(0.0) + 0.02 * (signal.dgd_ps - 10.0).max(0.0);
    let snr = effective_snr(&mode, osnr_db) * db_to_linear(-polarisation_db);
    Locked {
        mode,
        osnr_db,
        esnr_db: linear_to_db(snr),
        ber: ber_of_snr(mode.modulation, snr).clamp(0.0, 0.5),
        dispersion_ps_nm: signal.dispersion_ps_nm,
        offset_mhz: 0.0,
        dgd_ps: signal.dgd_ps,
        pdl_db: signal.pdl_db,
        sop_krad_s: signal.sop_krad_s,
        clock_recovery: 0.0,
    }
}

/// Direct detection of PAM4: errors follow from the power above the sensitivity, where the ratio is 2.4·10⁻⁴ (KP4 FEC).
fn detect(signal: ReceivedSignal, sensitivity_dbm: f64, jitter_db: f64) -> Locked {
    const KP4_LIMIT: Ber = match Ber::new(24, -5) {
        Some(ber) => ber,
        None => Ber::ZERO,
    };
    let margin_db = signal.power_dbm + jitter_db - sensitivity_dbm;
    let mode = Mode { baud_mbd: 53_125, modulation: Modulation::DpQpsk, fec_limit: KP4_LIMIT, ..ZR800 };
    let ideal = demodulate(signal, signal.osnr_db);
    Locked {
        mode,
        ber: (2.4e-4 * libm::pow(10.0, -margin_db / 1.5)).clamp(1e-12, 0.5),
        esnr_db: (17.0 + margin_db * 0.6).clamp(10.0, 26.0),
        ..ideal
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
        for mode in modes::CATALOGUE.iter().chain([&ZR800]) {
            let snr = effective_snr(mode, mode.required_osnr.value());
            let ber = ber_of_snr(mode.modulation, snr);
            let limit = mode.fec_limit.value();
            assert!((ber / limit - 1.0).abs() < 1e-3, "{}: {ber} against {limit}", mode.name);
            let esnr = linear_to_db(snr) - mode.required_esnr.value();
            assert!(esnr.abs() <= 0.005, "{}: the required eSNR is off by {esnr} dB", mode.name);
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
    fn q_is_the_quantile_of_the_bit_error_ratio() {
        for exponent in 1..120 {
            let ber = 0.45 * libm::pow(10.0, -f64::from(exponent) / 10.0);
            let exact = linear_to_db(snr_of_ber(Modulation::DpQpsk, ber));
            assert!((q_of_ber(ber) - exact).abs() < 1e-6, "{ber}: {} and {exact}", q_of_ber(ber));
        }
    }

    #[test]
    fn frames_fail_above_the_fec_limit_and_not_below() {
        let signal = ReceivedSignal {
            frequency: Frequency::ANCHOR,
            media_code: 0x46,
            power_dbm: -10.0,
            osnr_db: 24.0,
            dispersion_ps_nm: 0.0,
            dgd_ps: 0.0,
            pdl_db: 0.0,
            sop_krad_s: 0.0,
        };
        assert!(demodulate(signal, 23.0).frame_error_ratio() > 0.99);
        assert!(demodulate(signal, 25.5).frame_error_ratio() < 1e-12);
        let limit = demodulate(signal, 24.0);
        assert!(limit.q_margin_db().abs() < 0.01 && limit.snr_margin_db().abs() < 0.01);
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
