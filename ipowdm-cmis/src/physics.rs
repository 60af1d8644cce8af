//! Conversions between register numbers and physical quantities that need more than a scale.

use ipowdm_core::units::Power;

/// The power of a monitor in units of 0.1 µW (11h:154, 186); `None` for 0, which means below the monitor's range.
#[must_use]
pub fn power_of_tenth_microwatts(raw: u16) -> Option<Power> {
    if raw == 0 {
        return None;
    }
    // dBm = 10 · log10(mW); 1 mW is 10 000 units. The result lies in -40.00…+8.17 dBm.
    let dbm = 10.0 * libm::log10(f64::from(raw) / 10_000.0);
    Power::from_number(dbm).ok()
}

/// The monitor value of a power in units of 0.1 µW, saturating; 0 below half a unit.
#[must_use]
pub fn tenth_microwatts_of_power(power: Power) -> u16 {
    let units = libm::round(libm::pow(10.0, power.value() / 10.0) * 10_000.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to the range of u16"
    )]
    let raw = units.clamp(0.0, f64::from(u16::MAX)) as u16;
    raw
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_milliwatt_is_zero_dbm_and_nothing_is_no_number() {
        assert_eq!(power_of_tenth_microwatts(10_000), Some(Power::from_hundredths(0)));
        assert_eq!(power_of_tenth_microwatts(1_000), Some(Power::from_hundredths(-1000)));
        assert_eq!(power_of_tenth_microwatts(0), None);
        assert_eq!(tenth_microwatts_of_power(Power::from_hundredths(0)), 10_000);
        assert_eq!(tenth_microwatts_of_power(Power::from_hundredths(-6000)), 0);
    }

    #[test]
    fn powers_of_the_working_range_survive_within_a_hundredth() {
        for hundredths in -2000..=800_i16 {
            let raw = tenth_microwatts_of_power(Power::from_hundredths(hundredths));
            let back = power_of_tenth_microwatts(raw).unwrap().hundredths();
            assert!((back - hundredths).abs() <= 3, "{hundredths} came back as {back}");
        }
    }
}
