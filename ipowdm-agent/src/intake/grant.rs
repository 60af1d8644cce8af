//! What a virtual operator may light: refused, never bent.

use ipowdm_core::error::Code;
use ipowdm_core::grid::FlexSlot;
use ipowdm_core::modes::{self, CATALOGUE};
use ipowdm_core::msg::{Endpoint, PortGrant};
use ipowdm_core::units::{Frequency, Power};

/// Why an endpoint is outside a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// No window of the grant holds the signal.
    #[error("{frequency} with a width of {width_mhz} MHz lies in none of the {windows} windows granted here")]
    Frequency {
        /// The refused frequency.
        frequency: Frequency,
        /// Width of the signal.
        width_mhz: u32,
        /// Number of windows.
        windows: usize,
    },
    /// The power is outside the granted range.
    #[error("{power} is outside the granted range, {min} to {max}")]
    Power {
        /// The refused power.
        power: Power,
        /// Least granted power.
        min: Power,
        /// Greatest granted power.
        max: Power,
    },
}

impl GrantError {
    /// The stable code.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self {
            Self::Frequency { .. } => Code::FrequencyNotGranted,
            Self::Power { .. } => Code::PowerOutOfRange,
        }
    }
}

/// The width in MHz of a mode's signal; of the widest mode where the command leaves the mode to the module.
fn width_mhz(media_code: Option<u8>) -> u32 {
    let width_m = match media_code.and_then(modes::by_media_code) {
        Some(mode) => mode.width_m,
        None => CATALOGUE.iter().map(|mode| mode.width_m).max().unwrap_or(1),
    };
    FlexSlot::width_of(width_m)
}

/// Checks what an endpoint asks for against a grant. What it does not name is not checked.
///
/// # Errors
/// [`GrantError`].
pub fn check(endpoint: &Endpoint, grant: &PortGrant) -> Result<(), GrantError> {
    if let Some(frequency) = endpoint.frequency {
        let width_mhz = width_mhz(endpoint.media_code);
        if !grant.spectrum.iter().any(|window| window.holds(frequency, width_mhz)) {
            return Err(GrantError::Frequency { frequency, width_mhz, windows: grant.spectrum.len() });
        }
    }
    if let (Some(power), Some(range)) = (endpoint.tx_power, grant.tx_power)
        && !range.holds(power)
    {
        return Err(GrantError::Power { power, min: range.min, max: range.max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipowdm_core::capability::PowerRange;
    use ipowdm_core::grid::SpectrumWindow;
    use ipowdm_core::ids::PortRef;

    fn grant() -> PortGrant {
        let window =
            |low, high| SpectrumWindow { low: Frequency::from_mhz(low), high: Frequency::from_mhz(high) };
        PortGrant {
            port_id: "Ethernet48".parse().unwrap(),
            spectrum: vec![window(192_000_000, 192_100_000), window(193_062_500, 193_137_500)],
            tx_power: Some(PowerRange {
                min: Power::from_hundredths(-1000),
                max: Power::from_hundredths(-100),
            }),
        }
    }

    fn endpoint(mhz: u32, hundredths: i16, media_code: Option<u8>) -> Endpoint {
        Endpoint {
            port: PortRef {
                pop_id: "p".parse().unwrap(),
                router_id: "r".parse().unwrap(),
                port_id: "Ethernet48".parse().unwrap(),
            },
            frequency: Some(Frequency::from_mhz(mhz)),
            tx_power: Some(Power::from_hundredths(hundredths)),
            media_code,
        }
    }

    #[test]
    fn a_signal_must_lie_inside_one_window_edge_to_edge() {
        assert_eq!(check(&endpoint(193_100_000, -200, None), &grant()), Ok(()));
        for mhz in [193_099_999, 193_100_001, 192_600_000, 0] {
            let error = check(&endpoint(mhz, -200, None), &grant()).unwrap_err();
            assert_eq!(error.code(), Code::FrequencyNotGranted, "{mhz}");
        }
        // ZR100 is 50 GHz wide and fits where 75 GHz do not.
        assert_eq!(check(&endpoint(193_110_000, -200, Some(0x49)), &grant()), Ok(()));
        assert!(check(&endpoint(193_110_000, -200, Some(0x46)), &grant()).is_err());
    }

    #[test]
    fn a_grant_without_windows_allows_no_light() {
        let none = PortGrant { spectrum: vec![], ..grant() };
        assert!(matches!(
            check(&endpoint(193_100_000, -200, None), &none),
            Err(GrantError::Frequency { windows: 0, .. })
        ));
    }

    #[test]
    fn power_is_refused_outside_the_granted_range_and_free_without_one() {
        for (hundredths, fits) in [(-1001, false), (-1000, true), (-100, true), (-99, false)] {
            let result = check(&endpoint(193_100_000, hundredths, None), &grant());
            assert_eq!(result.is_ok(), fits, "{hundredths}");
            if let Err(error) = result {
                assert_eq!(error.code(), Code::PowerOutOfRange);
            }
        }
        let free = PortGrant { tx_power: None, ..grant() };
        assert_eq!(check(&endpoint(193_100_000, 100, None), &free), Ok(()));
    }
}
