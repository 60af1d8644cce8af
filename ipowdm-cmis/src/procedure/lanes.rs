//! Which lanes an application occupies.

use super::module_info::Application;

/// The lanes that a whole-port configuration of one application uses, in bank 0.
///
/// Every instance the application's host lane assignment allows is configured, so that a muxponder application
/// (for instance 100GAUI-2 four times onto one 400ZR carrier) fills its carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lanes {
    /// Host lanes, lane 1 in bit 0.
    pub host: u8,
    /// Media lanes, lane 1 in bit 0.
    pub media: u8,
    /// DPConfig byte of each host lane: AppSel in bits 7-4, DataPathID in 3-1; 0 for an unused lane (10h:145-152).
    pub dp_config: [u8; 8],
}

impl Lanes {
    /// The lanes of `application`; `None` where its descriptor allows no placement.
    #[must_use]
    pub fn of(application: &Application) -> Option<Self> {
        let info = application.info;
        if info.host_lanes == 0 || info.host_lanes > 8 || info.app_sel == 0 || info.app_sel > 15 {
            return None;
        }
        let mut lanes = Self { host: 0, media: 0, dp_config: [0; 8] };
        let mut media_options = application.media_assignment;
        let mut media_first = 0;
        for first in 0..8_u8 {
            let mask = run_of(first, info.host_lanes);
            let fits = first + info.host_lanes <= 8;
            if application.host_assignment & (1 << first) == 0 || !fits || lanes.host & mask != 0 {
                continue;
            }
            lanes.host |= mask;
            for lane in first..first + info.host_lanes {
                lanes.dp_config[usize::from(lane)] = (info.app_sel << 4) | (first << 1);
            }
            // Instances beyond the last media option share its lane: they are multiplexed onto one carrier.
            if media_options != 0 {
                media_first = u8::try_from(media_options.trailing_zeros()).unwrap_or(0);
                media_options &= media_options - 1;
            }
            lanes.media |= run_of(media_first, info.media_lanes.clamp(1, 8));
        }
        (lanes.host != 0).then_some(lanes)
    }

    /// Index of the first media lane: the laser that carries the signal.
    #[must_use]
    pub fn laser(&self) -> u8 {
        u8::try_from(self.media.trailing_zeros()).unwrap_or(0).min(7)
    }

    /// The AppSel code.
    #[must_use]
    pub fn app_sel(&self) -> u8 {
        self.dp_config.iter().find(|config| **config != 0).map_or(0, |config| config >> 4)
    }
}

/// `count` bits from bit `first`.
fn run_of(first: u8, count: u8) -> u8 {
    let ones = (1_u16 << count.min(8)) - 1;
    u8::try_from((ones << first.min(7)) & 0xFF).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipowdm_core::capability::ApplicationInfo;
    use proptest::prelude::*;

    fn application(host_lanes: u8, host_assignment: u8, media_assignment: u8) -> Application {
        Application {
            info: ApplicationInfo {
                app_sel: 3,
                host_code: 0x0D,
                media_code: 0x3E,
                host_lanes,
                media_lanes: 1,
            },
            host_assignment,
            media_assignment,
        }
    }

    #[test]
    fn an_eight_lane_application_is_one_data_path() {
        let lanes = Lanes::of(&application(8, 0x01, 0x01)).unwrap();
        assert_eq!((lanes.host, lanes.media), (0xFF, 0x01));
        assert_eq!(lanes.dp_config, [0x30; 8]);
    }

    #[test]
    fn a_muxponder_application_is_four_data_paths_on_one_carrier() {
        // A real 400ZR: 100GAUI-2 to 400ZR, two host lanes, assignment 55h.
        let lanes = Lanes::of(&application(2, 0x55, 0x01)).unwrap();
        assert_eq!((lanes.host, lanes.media), (0xFF, 0x01));
        assert_eq!(lanes.dp_config, [0x30, 0x30, 0x34, 0x34, 0x38, 0x38, 0x3C, 0x3C]);
    }

    #[test]
    fn an_impossible_descriptor_has_no_lanes() {
        assert_eq!(Lanes::of(&application(0, 0x01, 0x01)), None);
        assert_eq!(Lanes::of(&application(9, 0x01, 0x01)), None);
        assert_eq!(Lanes::of(&application(8, 0x02, 0x01)), None, "lanes 2-9 do not exist");
    }

    proptest! {
        #[test]
        fn lanes_never_overlap_and_never_panic(count in any::<u8>(), host in any::<u8>(), media in any::<u8>()) {
            if let Some(lanes) = Lanes::of(&application(count, host, media)) {
                for (lane, config) in lanes.dp_config.iter().enumerate() {
                    prop_assert_eq!(*config != 0, lanes.host & (1 << lane) != 0);
                }
                prop_assert!(lanes.media != 0);
            }
        }
    }
}
