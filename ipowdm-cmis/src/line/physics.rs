//! Power and noise along a chain of spans, and impairments in time.

use super::{Impairment, LineParameters};
use crate::emulator::{Emission, ReceivedLight, ReceivedSignal, db_to_linear, linear_to_db};
use crate::time::Millis;
use ipowdm_core::units::Db;

/// −10·log10(h·ν·12.5 GHz / 1 mW) at 193.1 THz: an amplifier with input P and noise figure NF adds noise at an OSNR of
/// 58 + P − NF dB in 0.1 nm.
const QUANTUM_LIMIT_DB: f64 = 58.0;
/// Dispersion of standard single-mode fibre at 1550 nm in ps/(nm·km).
const DISPERSION: f64 = 16.7;
/// Noise bandwidth that reaches the receiver through a 75 GHz channel filter, in units of 12.5 GHz.
const FILTER_BANDWIDTH: f64 = 6.0;

/// Differential group delay of a line, where nothing else is said.
pub(super) const USUAL_DGD_PS: f64 = 1.5;
/// Polarisation dependent loss.
pub(super) const USUAL_PDL_DB: f64 = 0.4;
/// Rate of change of polarisation.
pub(super) const USUAL_SOP_KRAD_S: f64 = 1.0;

/// Power of a signal with the noise that comes through the filter with it.
pub(super) fn with_noise(power_dbm: f64, osnr_db: f64) -> f64 {
    linear_to_db(db_to_linear(power_dbm) * (1.0 + FILTER_BANDWIDTH / db_to_linear(osnr_db)))
}

/// The impairment at `now`: constant before the first and after the last instant, linear in between.
pub(super) fn interpolate(schedule: &[(Millis, Impairment)], now: Millis) -> Impairment {
    let after = schedule.iter().position(|(at, _)| *at > now);
    match after {
        None => schedule.last().map_or(Impairment::NONE, |(_, impairment)| *impairment),
        Some(0) => schedule[0].1,
        Some(index) => {
            let ((from, low), (to, high)) = (schedule[index - 1], schedule[index]);
            let (passed, whole) = (now.0 - from.0, to.0 - from.0);
            let between = |low: Db, high: Db| {
                let (low, high) = (i64::from(low.hundredths()), i64::from(high.hundredths()));
                let passed = i64::try_from(passed).unwrap_or(i64::MAX);
                let whole = i64::try_from(whole).unwrap_or(i64::MAX).max(1);
                let value = low + (high - low).saturating_mul(passed) / whole;
                Db::from_hundredths(i16::try_from(value).unwrap_or(i16::MAX))
            };
            Impairment {
                extra_loss: between(low.extra_loss, high.extra_loss),
                added_noise: between(low.added_noise, high.added_noise),
            }
        }
    }
}

/// The light that arrives of an emission.
pub(super) fn propagate(
    line: &LineParameters,
    impairment: Impairment,
    emission: Option<Emission>,
) -> ReceivedLight {
    let Some(emission) = emission else {
        return ReceivedLight::DARK;
    };
    let mut power = emission.power.value();
    // Inverse of the OSNR: contributions of the transmitter and of every amplifier add up.
    let mut noise = 1.0 / db_to_linear(emission.osnr.value());
    let mut dispersion = 0.0;
    let mut extra_loss = impairment.extra_loss.value();
    for span in &line.spans {
        power -= span.loss.value();
        dispersion += span.length.km() * DISPERSION;
        // The first piece of fibre that has a length takes the extra loss; on a line without one the first span does.
        let takes_it = span.length.metres() > 0 || line.spans.iter().all(|s| s.length.metres() == 0);
        if takes_it {
            power -= extra_loss;
            extra_loss = 0.0;
        }
        if let Some(gain) = span.gain {
            let noise_figure = span.noise_figure.value() + impairment.added_noise.value();
            noise += 1.0 / db_to_linear(QUANTUM_LIMIT_DB + power - noise_figure);
            power += gain.value();
        }
    }
    let osnr = -linear_to_db(noise);
    ReceivedLight {
        total_dbm: with_noise(power, osnr),
        signal: Some(ReceivedSignal {
            frequency: emission.frequency,
            media_code: emission.media_code,
            power_dbm: power,
            osnr_db: osnr,
            dispersion_ps_nm: dispersion,
            dgd_ps: USUAL_DGD_PS,
            pdl_db: USUAL_PDL_DB,
            sop_krad_s: USUAL_SOP_KRAD_S,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipowdm_core::units::{Frequency, Length, Power};

    fn emission(power: i16) -> Emission {
        Emission {
            frequency: Frequency::ANCHOR,
            power: Power::from_hundredths(power),
            media_code: 0x46,
            osnr: Db::from_hundredths(6000),
        }
    }

    fn osnr(line: &LineParameters, impairment: Impairment, power: i16) -> f64 {
        propagate(line, impairment, Some(emission(power))).signal.unwrap().osnr_db
    }

    #[test]
    fn equal_spans_follow_the_textbook_formula() {
        let span = super::super::Span {
            length: Length::from_metres(80_000),
            loss: Db::from_hundredths(2000),
            gain: Some(Db::from_hundredths(2000)),
            noise_figure: Db::from_hundredths(500),
        };
        let line = LineParameters { spans: std::vec![span; 10] };
        // 58 + 0 − 20 − 5 − 10·log10(10) = 23 dB.
        assert!((osnr(&line, Impairment::NONE, 0) - 23.0).abs() < 0.01);
    }

    #[test]
    fn a_decibel_more_power_is_a_decibel_more_osnr_on_a_noisy_line() {
        let line = LineParameters::default();
        let gained = osnr(&line, Impairment::NONE, -400) - osnr(&line, Impairment::NONE, -500);
        assert!((gained - 1.0).abs() < 0.02, "{gained}");
    }

    #[test]
    fn extra_loss_takes_power_and_osnr_and_added_noise_takes_osnr_alone() {
        let line = LineParameters::default();
        let at = |impairment| propagate(&line, impairment, Some(emission(-500))).signal.unwrap();
        let clean = at(Impairment::NONE);
        let lossy = at(Impairment::loss(Db::from_hundredths(300)));
        assert!((clean.power_dbm - lossy.power_dbm - 3.0).abs() < 1e-9);
        assert!(lossy.osnr_db < clean.osnr_db - 1.0);
        let noisy = at(Impairment::noise(Db::from_hundredths(300)));
        assert!((clean.power_dbm - noisy.power_dbm).abs() < 1e-9);
        assert!((clean.osnr_db - noisy.osnr_db - 3.0).abs() < 0.05);
    }

    #[test]
    fn a_ramp_is_linear_and_stays_at_its_end() {
        let to = Impairment::loss(Db::from_hundredths(400));
        let schedule = [(Millis(1_000), Impairment::NONE), (Millis(5_000), to)];
        let loss = |at| interpolate(&schedule, Millis(at)).extra_loss.hundredths();
        assert_eq!([loss(0), loss(1_000), loss(3_000), loss(5_000), loss(9_000)], [0, 0, 200, 400, 400]);
        assert_eq!(interpolate(&[], Millis(5)), Impairment::NONE);
    }

    #[test]
    fn an_unlit_line_is_dark() {
        assert_eq!(propagate(&LineParameters::default(), Impairment::NONE, None), ReceivedLight::DARK);
    }
}
