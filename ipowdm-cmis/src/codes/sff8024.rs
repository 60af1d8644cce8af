//! Names of SFF-8024: identifiers, connectors, interfaces of applications.
//!
//! Codes that are not named here are reserved, vendors' own, or newer than this table; they are shown by number.

/// Codes with their names, in order.
pub type Names = &'static [(u8, &'static str)];

/// The name of a code.
#[must_use]
pub fn name_of(names: Names, code: u8) -> Option<&'static str> {
    names
        .binary_search_by_key(&code, |(code, _)| *code)
        .ok()
        .and_then(|at| names.get(at))
        .map(|(_, name)| *name)
}

/// SFF-8024 identifiers of modules managed by CMIS.
pub const IDENTIFIERS: Names = &[
    (0x18, "QSFP-DD"),
    (0x19, "OSFP"),
    (0x1B, "DSFP"),
    (0x1E, "QSFP+ with CMIS"),
    (0x1F, "SFP-DD with CMIS"),
    (0x20, "SFP+ with CMIS"),
    (0x21, "OSFP-XD with CMIS"),
];

/// SFF-8024 connector types.
pub const CONNECTORS: Names = &[
    (0x00, "unspecified"),
    (0x01, "SC"),
    (0x07, "LC"),
    (0x08, "MT-RJ"),
    (0x09, "MU"),
    (0x0B, "optical pigtail"),
    (0x0C, "MPO 1x12"),
    (0x0D, "MPO 2x16"),
    (0x20, "HSSDC II"),
    (0x21, "copper pigtail"),
    (0x22, "RJ45"),
    (0x23, "no separable connector"),
    (0x24, "MXC 2x16"),
    (0x25, "CS"),
    (0x26, "SN"),
    (0x27, "MPO 2x12"),
    (0x28, "MPO 1x16"),
];

/// Media interface technologies (OIF-CMIS-05.4, 00h:212).
pub const MEDIA_TECHNOLOGIES: Names = &[
    (0x00, "850 nm VCSEL"),
    (0x01, "1310 nm VCSEL"),
    (0x02, "1550 nm VCSEL"),
    (0x03, "1310 nm FP"),
    (0x04, "1310 nm DFB"),
    (0x05, "1550 nm DFB"),
    (0x06, "1310 nm EML"),
    (0x07, "1550 nm EML"),
    (0x08, "other"),
    (0x09, "1490 nm DFB"),
    (0x0A, "copper cable, unequalised"),
    (0x0B, "copper cable, passive equalised"),
    (0x0C, "copper cable, near and far end limiting active equalisers"),
    (0x0D, "copper cable, far end limiting active equalisers"),
    (0x0E, "copper cable, near end limiting active equalisers"),
    (0x0F, "copper cable, linear active equalisers"),
    (0x10, "C-band tunable laser"),
    (0x11, "L-band tunable laser"),
    (0x12, "copper cable, near and far end linear active equalisers"),
    (0x13, "copper cable, far end linear active equalisers"),
    (0x14, "copper cable, near end linear active equalisers"),
];

/// Host electrical interfaces of applications.
pub const HOST_INTERFACES: Names = &[
    (0x01, "1000BASE-CX"),
    (0x02, "XAUI"),
    (0x03, "XFI"),
    (0x04, "SFI"),
    (0x05, "25GAUI C2M"),
    (0x06, "XLAUI C2M"),
    (0x07, "XLPPI"),
    (0x08, "LAUI-2 C2M"),
    (0x09, "50GAUI-2 C2M"),
    (0x0A, "50GAUI-1 C2M"),
    (0x0B, "CAUI-4 C2M"),
    (0x0C, "100GAUI-4 C2M"),
    (0x0D, "100GAUI-2 C2M"),
    (0x0E, "200GAUI-8 C2M"),
    (0x0F, "200GAUI-4 C2M"),
    (0x10, "400GAUI-16 C2M"),
    (0x11, "400GAUI-8 C2M"),
    (0x13, "10GBASE-CX4"),
    (0x14, "25GBASE-CR CA-25G-L"),
    (0x15, "25GBASE-CR CA-25G-S"),
    (0x16, "25GBASE-CR CA-25G-N"),
    (0x17, "40GBASE-CR4"),
    (0x18, "50GBASE-CR"),
    (0x19, "100GBASE-CR10"),
    (0x1A, "100GBASE-CR4"),
    (0x1B, "100GBASE-CR2"),
    (0x1C, "200GBASE-CR4"),
    (0x1D, "400G CR8"),
    (0x25, "8GFC"),
    (0x26, "10GFC"),
    (0x27, "16GFC"),
    (0x28, "32GFC"),
    (0x29, "64GFC"),
    (0x2A, "128GFC parallel"),
    (0x2B, "256GFC parallel"),
    (0x2C, "IB SDR"),
    (0x2D, "IB DDR"),
    (0x2E, "IB QDR"),
    (0x2F, "IB FDR"),
    (0x30, "IB EDR"),
    (0x31, "IB HDR"),
    (0x32, "IB NDR"),
    (0x33, "CPRI E.96"),
    (0x34, "CPRI E.99"),
    (0x35, "CPRI E.119"),
    (0x36, "CPRI E.238"),
    (0x37, "OTL3.4"),
    (0x38, "OTL4.10"),
    (0x39, "OTL4.4"),
    (0x3A, "OTLC.4"),
    (0x3B, "FOIC1.4"),
    (0x3C, "FOIC1.2"),
    (0x3D, "FOIC2.8"),
    (0x3E, "FOIC2.4"),
    (0x3F, "FOIC4.16"),
    (0x40, "FOIC4.8"),
    (0x41, "CAUI-4 C2M without FEC"),
    (0x42, "CAUI-4 C2M with RS(528,514) FEC"),
    (0x43, "50GBASE-CR2 with RS(528,514) FEC"),
    (0x44, "50GBASE-CR2 with Fire code FEC"),
    (0x45, "50GBASE-CR2 without FEC"),
    (0x46, "100GBASE-CR1"),
    (0x47, "200GBASE-CR2"),
    (0x48, "400GBASE-CR4"),
    (0x49, "800G-ETC-CR8"),
    (0x4A, "128GFC"),
    (0x4B, "100GAUI-1-S C2M"),
    (0x4C, "100GAUI-1-L C2M"),
    (0x4D, "200GAUI-2-S C2M"),
    (0x4E, "200GAUI-2-L C2M"),
    (0x4F, "400GAUI-4-S C2M"),
    (0x50, "400GAUI-4-L C2M"),
    (0x51, "800GAUI-8-S C2M"),
    (0x52, "800GAUI-8-L C2M"),
    (0x53, "OTL4.2"),
];

/// Media interfaces of multimode fibre.
const MULTIMODE: Names = &[
    (0x01, "10GBASE-SW"),
    (0x02, "10GBASE-SR"),
    (0x03, "25GBASE-SR"),
    (0x04, "40GBASE-SR4"),
    (0x05, "40GE SWDM4"),
    (0x06, "40GE BiDi"),
    (0x07, "50GBASE-SR"),
    (0x08, "100GBASE-SR10"),
    (0x09, "100GBASE-SR4"),
    (0x0A, "100GE SWDM4"),
    (0x0B, "100GE BiDi"),
    (0x0C, "100GBASE-SR2"),
    (0x0D, "100GBASE-SR1"),
    (0x0E, "200GBASE-SR4"),
    (0x0F, "400GBASE-SR16"),
    (0x10, "400GBASE-SR8"),
    (0x11, "400GBASE-SR4"),
    (0x12, "800GBASE-SR8"),
    (0x1A, "400GBASE-SR4.2"),
    (0x1B, "200GBASE-SR2"),
    (0x1D, "100GBASE-VR1"),
    (0x1E, "200GBASE-VR2"),
    (0x1F, "400GBASE-VR4"),
    (0x20, "800GBASE-VR8"),
];

/// Media interfaces of single-mode fibre.
const SINGLE_MODE: Names = &[
    (0x01, "10GBASE-LW"),
    (0x02, "10GBASE-EW"),
    (0x03, "10G-ZW"),
    (0x04, "10GBASE-LR"),
    (0x05, "10GBASE-ER"),
    (0x06, "10G-ZR"),
    (0x07, "25GBASE-LR"),
    (0x08, "25GBASE-ER"),
    (0x09, "40GBASE-LR4"),
    (0x0A, "40GBASE-FR"),
    (0x0B, "50GBASE-FR"),
    (0x0C, "50GBASE-LR"),
    (0x0D, "100GBASE-LR4"),
    (0x0E, "100GBASE-ER4"),
    (0x0F, "100G PSM4"),
    (0x10, "100G CWDM4"),
    (0x11, "100G 4WDM-10"),
    (0x12, "100G 4WDM-20"),
    (0x13, "100G 4WDM-40"),
    (0x14, "100GBASE-DR"),
    (0x15, "100GBASE-FR1"),
    (0x16, "100GBASE-LR1"),
    (0x17, "200GBASE-DR4"),
    (0x18, "200GBASE-FR4"),
    (0x19, "200GBASE-LR4"),
    (0x1A, "400GBASE-FR8"),
    (0x1B, "400GBASE-LR8"),
    (0x1C, "400GBASE-DR4"),
    (0x1D, "400GBASE-FR4"),
    (0x1E, "400G-LR4-10"),
    (0x34, "100G CWDM4-OCP"),
    (0x35, "ZR400-OFEC-16QAM-HA"),
    (0x36, "ZR400-OFEC-16QAM-HB"),
    (0x37, "ZR400-OFEC-8QAM-HA"),
    (0x38, "10G-SR"),
    (0x39, "10G-LR"),
    (0x3A, "25G-SR"),
    (0x3B, "25G-LR"),
    (0x3C, "10G-LR-BiDi"),
    (0x3D, "25G-LR-BiDi"),
    (0x3E, "400ZR, DWDM, amplified"),
    (0x3F, "400ZR, single wavelength, unamplified"),
    (0x40, "50GBASE-ER"),
    (0x41, "200GBASE-ER4"),
    (0x42, "400GBASE-ER8"),
    (0x43, "400GBASE-LR4-6"),
    (0x44, "100GBASE-ZR"),
    (0x46, "ZR400-OFEC-16QAM"),
    (0x47, "ZR300-OFEC-8QAM"),
    (0x48, "ZR200-OFEC-QPSK"),
    (0x49, "ZR100-OFEC-QPSK"),
    (0x4A, "100G-LR1-20"),
    (0x4B, "100G-ER1-30"),
    (0x4C, "100G-ER1-40"),
    (0x4D, "400GBASE-ZR"),
    (0x4E, "10GBASE-BR"),
    (0x4F, "25GBASE-BR"),
    (0x50, "50GBASE-BR"),
    (0x51, "FOIC1.4-DO"),
    (0x52, "FOIC2.8-DO"),
    (0x53, "FOIC4.8-DO"),
    (0x54, "FOIC2.4-DO"),
    (0x55, "400GBASE-DR4-2"),
    (0x56, "800GBASE-DR8"),
    (0x57, "800GBASE-DR8-2"),
    (0x68, "FLEXO-8e-DPO"),
    (0x6C, "800ZR-A"),
    (0x6D, "800ZR-B"),
    (0x6E, "800ZR-C"),
];

/// Media interfaces of passive copper.
const PASSIVE_COPPER: Names = &[(0x01, "copper cable"), (0x02, "passive loopback")];

/// Media interfaces of active cables.
const ACTIVE_CABLE: Names = &[
    (0x01, "active cable, BER < 1e-12"),
    (0x02, "active cable, BER < 5e-5"),
    (0x03, "active cable, BER < 2.6e-4"),
    (0x04, "active cable, BER < 1e-6"),
    (0xBF, "active loopback"),
];

/// Media interfaces of twisted pair.
const BASE_T: Names = &[(0x01, "1000BASE-T"), (0x02, "2.5GBASE-T"), (0x03, "5GBASE-T"), (0x04, "10GBASE-T")];

/// The media interfaces that a media type (00h:85) chooses; none for undefined and custom types.
#[must_use]
pub const fn media_interfaces(media_type: u8) -> Names {
    match media_type {
        1 => MULTIMODE,
        2 => SINGLE_MODE,
        3 => PASSIVE_COPPER,
        4 => ACTIVE_CABLE,
        5 => BASE_T,
        _ => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order_so_that_every_name_is_found() {
        let media = (1..=5).map(media_interfaces);
        for names in [IDENTIFIERS, CONNECTORS, MEDIA_TECHNOLOGIES, HOST_INTERFACES].into_iter().chain(media) {
            assert!(names.windows(2).all(|pair| pair[0].0 < pair[1].0));
            assert!(names.iter().all(|(code, name)| name_of(names, *code) == Some(*name)));
        }
        assert_eq!(name_of(media_interfaces(2), 0xF7), None, "vendors' own");
        assert_eq!(name_of(media_interfaces(0), 0x3E), None, "no media type, no meaning");
    }
}
