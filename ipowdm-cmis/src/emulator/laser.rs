//! The tunable laser: what is asked of it, what it is at, and how long it takes.

use super::core::Core;
use super::profile::Profile;
use crate::codes::DataPathState;
use crate::map::page12;
use crate::time::Millis;
use ipowdm_core::grid::Grid;
use ipowdm_core::units::{Frequency, Power};

/// Flags of 12h:231.
const POWER_OUT_OF_RANGE: u8 = 0x20;
const NOT_ACCEPTED: u8 = 0x08;
const INVALID_CHANNEL: u8 = 0x04;
const UNLOCKED: u8 = 0x02;
const COMPLETE: u8 = 0x01;

/// What a laser that is on is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Frequency,
    Power,
}

/// The laser of media lane 1.
#[derive(Debug, Clone, Copy)]
pub(super) struct Laser {
    grid: Grid,
    channel: i16,
    /// Power in effect.
    pub(super) power: Power,
    work: Option<(Work, Millis)>,
}

impl Laser {
    pub(super) fn new(profile: &Profile) -> Self {
        Self {
            grid: profile.power_on.channel.0,
            channel: profile.power_on.channel.1,
            power: profile.power_on.power,
            work: None,
        }
    }

    /// The frequency of the channel in effect.
    pub(super) fn frequency(&self) -> Option<Frequency> {
        self.grid.frequency(self.channel).ok()
    }

    pub(super) fn busy_until(&self) -> Option<Millis> {
        self.work.map(|(_, until)| until)
    }

    /// Whether the laser is between two frequencies.
    pub(super) fn is_moving(&self) -> bool {
        matches!(self.work, Some((Work::Frequency, _)))
    }
}

impl Core {
    /// Ends the laser's work when it is due.
    pub(super) fn step_laser(&mut self, at: Millis) -> bool {
        let due = self.laser.busy_until().is_some_and(|until| until <= at);
        if due {
            self.laser.work = None;
            self.cells.raise(0x12, page12::TUNING_COMPLETE_FLAG_TX.byte, COMPLETE);
        }
        due
    }

    /// The data path has come up: the laser was tuned on the way.
    pub(super) fn laser_initialised(&mut self) {
        self.cells.raise(0x12, page12::TUNING_COMPLETE_FLAG_TX.byte, COMPLETE);
    }

    /// The status byte 12h:222 of lane 1.
    pub(super) fn tuning_status(&self) -> u8 {
        let initialising = self.paths.iter().any(|path| path.state == DataPathState::Init);
        match self.laser.work {
            Some((Work::Frequency, _)) => 0x03,
            Some((Work::Power, _)) => 0x02,
            None if initialising => 0x03,
            None => 0x00,
        }
    }

    /// The host has written bytes of page 12h; `before` is the page as it was.
    pub(super) fn laser_written(&mut self, before: &super::cells::Half, at: Millis) {
        let now = |core: &Self, byte: u8| core.cells.get(0x12, byte);
        let was = |byte: u8| before[usize::from(byte - 128)];
        let grid_byte = now(self, page12::GRID_SPACING_TX.byte);
        let channel_at = page12::CHANNEL_NUMBER_TX.byte;
        let power_at = page12::TARGET_OUTPUT_POWER_TX.byte;
        let word = |high: u8, low: u8| i16::from_be_bytes([high, low]);
        let channel = word(now(self, channel_at), now(self, channel_at + 1));
        let old_channel = word(was(channel_at), was(channel_at + 1));
        let power = word(now(self, power_at), now(self, power_at + 1));
        let old_power = word(was(power_at), was(power_at + 1));
        let grid_changed = grid_byte != was(page12::GRID_SPACING_TX.byte);
        let channel_changed = channel != old_channel;

        if (grid_changed || channel_changed || power != old_power) && self.laser.work.is_some() {
            // A new value while tuning is not accepted; the old one stays.
            self.cells.raise(0x12, page12::TUNING_COMPLETE_FLAG_TX.byte, NOT_ACCEPTED);
            let restore = |core: &mut Self, byte: u8, len: u8| {
                let from = usize::from(byte - 128);
                core.cells.set(0x12, byte, &before[from..from + usize::from(len)]);
            };
            restore(self, page12::GRID_SPACING_TX.byte, 1);
            restore(self, channel_at, 2);
            restore(self, power_at, 2);
            return;
        }
        if grid_changed || channel_changed {
            self.tune(grid_byte, channel, channel_changed, old_channel, at);
        }
        if power != old_power {
            self.change_power(power, old_power, at);
        }
    }

    fn tune(&mut self, grid_byte: u8, channel: i16, channel_written: bool, old_channel: i16, at: Millis) {
        let grid = Grid::from_code(grid_byte >> 4);
        let legal = grid.is_some_and(|grid| {
            grid.frequency(channel).is_ok()
                && self
                    .profile
                    .grids
                    .iter()
                    .any(|(known, low, high)| *known == grid && (*low..=*high).contains(&channel))
        });
        let Some(grid) = grid.filter(|_| legal) else {
            // A new grid alone may make the old channel illegal; the host writes the channel next.
            if channel_written {
                self.cells.raise(0x12, page12::TUNING_COMPLETE_FLAG_TX.byte, INVALID_CHANNEL);
                let bytes = old_channel.to_be_bytes();
                self.cells.set(0x12, page12::CHANNEL_NUMBER_TX.byte, &bytes);
            }
            return;
        };
        let before = self.laser.frequency();
        self.laser.grid = grid;
        self.laser.channel = channel;
        if self.laser_on() && self.laser.frequency() != before {
            let until = at.after(self.lasting(self.profile.tuning));
            self.laser.work = Some((Work::Frequency, until));
            self.cells.raise(0x12, page12::TUNING_COMPLETE_FLAG_TX.byte, UNLOCKED);
        }
    }

    fn change_power(&mut self, power: i16, old_power: i16, at: Millis) {
        let wanted = Power::from_hundredths(power);
        let (least, greatest) = self.profile.power_range;
        if !(least..=greatest).contains(&wanted) {
            self.cells.raise(0x12, page12::TUNING_COMPLETE_FLAG_TX.byte, POWER_OUT_OF_RANGE);
            let bytes = old_power.to_be_bytes();
            self.cells.set(0x12, page12::TARGET_OUTPUT_POWER_TX.byte, &bytes);
            return;
        }
        self.laser.power = wanted;
        if self.laser_on() {
            let until = at.after(self.lasting(self.profile.power_change));
            self.laser.work = Some((Work::Power, until));
        }
    }
}
