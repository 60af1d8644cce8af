//! What makes a profile one that can be emulated.

use super::{ProfileData, ProfileError};
use crate::emulator::cells::Cells;
use crate::emulator::memory::Layout;
use crate::emulator::vdm;

/// Media lanes of all banks together that the emulator has lasers and receivers for.
pub(in crate::emulator) const MAX_CARRIERS: usize = 8;

impl ProfileData {
    /// Whether the sections agree with each other and every value fits its register.
    pub(super) fn check(&self) -> Result<(), ProfileError> {
        let wrong = |section, problem| Err(ProfileError::Contradiction { section, problem });
        let every: std::vec::Vec<u8> = (0..=0xFF).collect();
        super::write_registers(self, &mut Cells::new(1, &every))?;
        if self.serial_prefix.len() > 8 || !self.serial_prefix.is_ascii() {
            return wrong("serial_prefix", "at most 8 ASCII characters");
        }
        if self.applications.is_empty() || self.applications.len() > 15 {
            return wrong("applications", "1 to 15 of them");
        }
        for row in &self.applications {
            let lanes = (1..=8).contains(&row.host_lanes) && (1..=8).contains(&row.media_lanes);
            if !lanes || row.host_assignment == 0 || row.media_assignment == 0 {
                return wrong("applications", "1 to 8 lanes, and a place to begin on");
            }
        }
        if usize::from(self.power_on.app_sel) > self.applications.len() {
            return wrong("power_on", "app_sel is none of the applications");
        }
        let layout = Layout::of(self);
        if layout.flat {
            return Ok(());
        }
        if layout.banks * layout.media_lanes > MAX_CARRIERS {
            return wrong("applications", "at most 8 media lanes in all banks together");
        }
        if layout.tunable != self.laser.is_some() {
            return wrong("laser", "TransmitterIsTunable and this section go together");
        }
        if self.laser.is_some() == self.fixed_transmitter.is_some() {
            return wrong("fixed_transmitter", "either a laser or a fixed transmitter");
        }
        if layout.vdm != self.vdm.is_some() {
            return wrong("vdm", "VDMPagesSupported and this section go together");
        }
        if (layout.cdb_instances > 0) != self.cdb.is_some() {
            return wrong("cdb", "CdbInstancesSupported and this section go together");
        }
        self.check_laser()?;
        self.check_vdm()?;
        self.check_durations()
    }

    fn check_laser(&self) -> Result<(), ProfileError> {
        let wrong = |problem| Err(ProfileError::Contradiction { section: "laser", problem });
        let Some(laser) = &self.laser else {
            let lanes = self.fixed_transmitter.as_ref().map_or(0, |fixed| fixed.frequencies_mhz.len());
            return if lanes > MAX_CARRIERS { wrong("at most 8 wavelengths") } else { Ok(()) };
        };
        if laser.min_power > laser.max_power || laser.grids.iter().any(|grid| grid.low > grid.high) {
            return wrong("a range ends before it begins");
        }
        if !(laser.min_power..=laser.max_power).contains(&laser.default_power) {
            return wrong("default_power_dbm is out of range");
        }
        let default = laser.grids.iter().find(|grid| grid.grid == laser.default_grid);
        if !default.is_some_and(|grid| (grid.low..=grid.high).contains(&laser.default_channel)) {
            return wrong("default_channel is not on default_grid");
        }
        Ok(())
    }

    fn check_vdm(&self) -> Result<(), ProfileError> {
        let wrong = |problem| Err(ProfileError::Contradiction { section: "vdm", problem });
        let Some(vdm) = &self.vdm else { return Ok(()) };
        if vdm.groups.is_empty() || vdm.groups.len() > 4 || vdm.sub_interval.is_zero() {
            return wrong("1 to 4 groups, and a sub-interval");
        }
        for group in &vdm.groups {
            if group.instances.len() > 64 {
                return wrong("at most 64 instances in a group");
            }
            for instance in &group.instances {
                if instance.lane > 15 || instance.thresholds > 15 {
                    return wrong("lane and thresholds are below 16");
                }
                if instance.observable != 0 && vdm::format(instance.observable).is_none() {
                    return wrong("an observable that the emulator does not know");
                }
            }
            for set in &group.thresholds {
                let encoded = vdm::format(set.observable)
                    .is_some_and(|format| set.values.iter().all(|value| format.encode(*value).is_some()));
                if set.set >= vdm::UNSIGNED_SET {
                    return wrong("sets 14 and 15 are those of instances without limits");
                }
                if !encoded {
                    return wrong("a threshold that its observable cannot have");
                }
            }
        }
        Ok(())
    }

    fn check_durations(&self) -> Result<(), ProfileError> {
        let all = [
            self.durations.power_up,
            self.durations.power_down,
            self.durations.dp_init,
            self.durations.dp_deinit,
            self.durations.tx_on,
            self.durations.tx_off,
        ];
        if all.iter().any(|dwell| dwell.advertised > 15) {
            return Err(ProfileError::Contradiction {
                section: "durations",
                problem: "a duration code has four bits",
            });
        }
        Ok(())
    }
}
