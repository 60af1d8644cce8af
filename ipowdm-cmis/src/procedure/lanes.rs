//! Which lanes an application occupies.

use super::module_info::{Application, ModuleInfo};
use super::{LaneSet, ProcError};

/// Lanes of one bank.
pub const BANK_LANES: u8 = 8;

/// Which lanes of the module a configuration is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Every instance of the application that a bank has room for. Other data paths of the bank are taken away.
    Bank(u8),
    /// The one instance that begins at this host lane, counted from 1 over all banks: lane 9 is the first of bank 1. Data
    /// paths on other lanes stay, unless they share lanes with it.
    FromLane(u8),
}

impl Default for Scope {
    /// Bank 0, the only one of a module with up to eight lanes.
    fn default() -> Self {
        Self::Bank(0)
    }
}

impl Scope {
    /// The bank.
    #[must_use]
    pub const fn bank(self) -> u8 {
        match self {
            Self::Bank(bank) => bank,
            Self::FromLane(lane) => lane.saturating_sub(1) / BANK_LANES,
        }
    }

    /// Refuses a bank or lane that the module does not have.
    pub(super) const fn check(self, info: &ModuleInfo) -> Result<(), ProcError> {
        match self {
            Self::FromLane(0) => {
                Err(ProcError::WrongLane { lane: 0, legal: LaneSet(0xFF), banks: info.banks })
            }
            scope => info.check_bank(scope.bank()),
        }
    }

    /// The lanes of `application` in this scope.
    pub(super) fn lanes(self, application: &Application, banks: u8) -> Result<Lanes, ProcError> {
        let all = Lanes::of(application)
            .ok_or(ProcError::NoApplication { legal: super::LegalApplications::of(&[]) })?;
        match self {
            Self::Bank(_) => Ok(all),
            Self::FromLane(lane) => {
                let first = lane.saturating_sub(1) % BANK_LANES;
                Lanes::single(application, first).ok_or_else(|| ProcError::WrongLane {
                    lane,
                    legal: LaneSet(Lanes::first_lanes(application)),
                    banks,
                })
            }
        }
    }
}

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

    /// The lanes of the one instance that begins at host lane `first` (0-based within the bank); `None` where the
    /// application's options do not allow it.
    ///
    /// The media lane is the option with the same rank as the host lane; instances beyond the last option share its lane.
    #[must_use]
    pub fn single(application: &Application, first: u8) -> Option<Self> {
        if Self::first_lanes(application) & (1_u8.checked_shl(u32::from(first))?) == 0 {
            return None;
        }
        let info = application.info;
        let mut lanes = Self { host: run_of(first, info.host_lanes), media: 0, dp_config: [0; 8] };
        for lane in first..first + info.host_lanes {
            lanes.dp_config[usize::from(lane)] = (info.app_sel << 4) | (first << 1);
        }
        let before = application.host_assignment & ((1 << first) - 1);
        let mut options = application.media_assignment;
        for _ in 0..before.count_ones() {
            let rest = options & options.wrapping_sub(1);
            if rest == 0 {
                break;
            }
            options = rest;
        }
        let media_first = u8::try_from(options.trailing_zeros()).unwrap_or(0) & 7;
        lanes.media = run_of(media_first, info.media_lanes.clamp(1, 8));
        Some(lanes)
    }

    /// Host lanes on which an instance may begin and has room, lane 1 in bit 0.
    #[must_use]
    pub fn first_lanes(application: &Application) -> u8 {
        let info = application.info;
        if info.host_lanes == 0 || info.host_lanes > 8 || info.app_sel == 0 || info.app_sel > 15 {
            return 0;
        }
        application.host_assignment & run_of(0, BANK_LANES - info.host_lanes + 1)
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
    use std::string::ToString;

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

    #[test]
    fn a_single_instance_has_its_own_lanes_and_a_shared_or_own_carrier() {
        let muxponder = application(2, 0x55, 0x01);
        let third = Lanes::single(&muxponder, 4).unwrap();
        assert_eq!((third.host, third.media), (0x30, 0x01));
        assert_eq!(third.dp_config, [0, 0, 0, 0, 0x38, 0x38, 0, 0]);
        let two_carriers = application(4, 0x11, 0x03);
        assert_eq!(Lanes::single(&two_carriers, 4).unwrap().media, 0x02);
        assert_eq!(Lanes::single(&two_carriers, 4).unwrap().laser(), 1);
        assert_eq!(Lanes::single(&two_carriers, 2), None);
        assert_eq!(Lanes::first_lanes(&application(4, 0xFF, 0x01)), 0x1F, "an instance needs room");
    }

    #[test]
    fn a_lane_beyond_eight_is_in_the_next_bank() {
        assert_eq!((Scope::FromLane(8).bank(), Scope::FromLane(9).bank()), (0, 1));
        let application = application(2, 0x55, 0x01);
        assert_eq!(Scope::FromLane(9).lanes(&application, 2).unwrap().host, 0x03);
        let refused = Scope::FromLane(10).lanes(&application, 2).unwrap_err();
        assert_eq!(refused, ProcError::WrongLane { lane: 10, legal: LaneSet(0x55), banks: 2 });
        assert_eq!(
            refused.to_string(),
            "host lane 10 is no first lane of this application; legal first lanes are 1, 3, 5, 7 in each of 2 banks"
        );
    }

    proptest! {
        #[test]
        fn a_single_instance_is_part_of_the_legal_first_lanes(
            count in any::<u8>(), host in any::<u8>(), media in any::<u8>(), first in any::<u8>(),
        ) {
            let application = application(count, host, media);
            let single = Lanes::single(&application, first);
            let legal = first < 8 && Lanes::first_lanes(&application) & (1 << first) != 0;
            prop_assert_eq!(single.is_some(), legal);
            if let Some(lanes) = single {
                prop_assert_eq!(lanes.host.count_ones(), u32::from(count));
                prop_assert!(lanes.media != 0);
            }
        }

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
