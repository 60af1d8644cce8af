//! The catalogue of pluggable modes: what a media interface code means in baud rate, spectral width and required OSNR.
//!
//! Sources: SFF-8024 media interface codes; OpenZR+ MSA and OIF 400ZR figures as commonly published (the OSNR figures of
//! the 300G, 200G and 100G OpenZR+ modes are the commonly quoted ones). The required eSNR follows from modulation and FEC
//! limit: the SNR at which Gray-coded symbols in white Gaussian noise have that bit error ratio.

use crate::units::{Ber, Db};
use serde::{Deserialize, Serialize};

/// A modulation format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub enum Modulation {
    /// Dual-polarisation QPSK.
    #[serde(rename = "DP-QPSK")]
    DpQpsk,
    /// Dual-polarisation 8QAM.
    #[serde(rename = "DP-8QAM")]
    Dp8Qam,
    /// Dual-polarisation 16QAM.
    #[serde(rename = "DP-16QAM")]
    Dp16Qam,
}

/// One line-side mode of a coherent pluggable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    /// Name in SFF-8024's terms.
    pub name: &'static str,
    /// SFF-8024 media interface code.
    pub media_code: u8,
    /// Client rate in Gbit/s.
    pub rate_gbps: u16,
    /// Modulation format.
    pub modulation: Modulation,
    /// Symbol rate in MBd.
    pub baud_mbd: u32,
    /// Spectral width to reserve, in units of 12.5 GHz (the m of G.694.1).
    pub width_m: u16,
    /// OSNR in 0.1 nm that the receiver needs at its FEC limit.
    pub required_osnr: Db,
    /// Electrical SNR per symbol that the receiver needs at its FEC limit.
    pub required_esnr: Db,
    /// Pre-FEC bit error ratio at which the FEC stops correcting.
    pub fec_limit: Ber,
}

const fn ber(mantissa: u16, exponent: i8) -> Ber {
    match Ber::new(mantissa, exponent) {
        Some(ber) => ber,
        None => Ber::ZERO,
    }
}

/// oFEC corrects up to a pre-FEC BER of 2.0·10⁻² (OpenZR+ MSA).
const OFEC_LIMIT: Ber = ber(20, -3);
/// cFEC corrects up to a pre-FEC BER of 1.25·10⁻² (OIF 400ZR).
const CFEC_LIMIT: Ber = ber(125, -4);

/// All modes known to this build.
pub const CATALOGUE: &[Mode] = &[
    Mode {
        name: "400ZR",
        media_code: 0x3E,
        rate_gbps: 400,
        modulation: Modulation::Dp16Qam,
        baud_mbd: 59_844,
        width_m: 6,
        required_osnr: Db::from_hundredths(2600),
        required_esnr: Db::from_hundredths(1355),
        fec_limit: CFEC_LIMIT,
    },
    Mode {
        name: "ZR400-OFEC-16QAM",
        media_code: 0x46,
        rate_gbps: 400,
        modulation: Modulation::Dp16Qam,
        baud_mbd: 60_139,
        width_m: 6,
        required_osnr: Db::from_hundredths(2400),
        required_esnr: Db::from_hundredths(1271),
        fec_limit: OFEC_LIMIT,
    },
    Mode {
        name: "ZR300-OFEC-8QAM",
        media_code: 0x47,
        rate_gbps: 300,
        modulation: Modulation::Dp8Qam,
        baud_mbd: 60_139,
        width_m: 6,
        required_osnr: Db::from_hundredths(2100),
        required_esnr: Db::from_hundredths(1041),
        fec_limit: OFEC_LIMIT,
    },
    Mode {
        name: "ZR200-OFEC-QPSK",
        media_code: 0x48,
        rate_gbps: 200,
        modulation: Modulation::DpQpsk,
        baud_mbd: 60_139,
        width_m: 6,
        required_osnr: Db::from_hundredths(1600),
        required_esnr: Db::from_hundredths(625),
        fec_limit: OFEC_LIMIT,
    },
    Mode {
        name: "ZR100-OFEC-QPSK",
        media_code: 0x49,
        rate_gbps: 100,
        modulation: Modulation::DpQpsk,
        baud_mbd: 30_069,
        width_m: 4,
        required_osnr: Db::from_hundredths(1250),
        required_esnr: Db::from_hundredths(625),
        fec_limit: OFEC_LIMIT,
    },
];

/// The mode of a media interface code, if this build knows it.
#[must_use]
pub fn by_media_code(code: u8) -> Option<&'static Mode> {
    CATALOGUE.iter().find(|mode| mode.media_code == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mode_fits_its_width_and_has_a_limit() {
        for mode in CATALOGUE {
            assert!(
                crate::grid::FlexSlot::width_of(mode.width_m) >= mode.baud_mbd,
                "{} is wider than its slot",
                mode.name
            );
            assert!(mode.fec_limit > Ber::ZERO, "{} has no FEC limit", mode.name);
            assert_eq!(by_media_code(mode.media_code), Some(mode), "media codes are unique");
        }
        assert_eq!(by_media_code(0xFF), None);
    }
}
