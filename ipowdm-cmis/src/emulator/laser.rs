//! The tunable lasers: what is asked of them, what they are at, and how long it takes (12h).

use super::core::{Core, number};
use super::profile::{LaserProfile, Profile};
use crate::codes::DataPathState;
use crate::map::page12;
use crate::time::Millis;
use core::time::Duration;
use ipowdm_core::grid::Grid;
use ipowdm_core::units::{Frequency, Power};

/// Flags of 12h:231.
const POWER_OUT_OF_RANGE: u8 = 0x20;
const FINE_OUT_OF_RANGE: u8 = 0x10;
const NOT_ACCEPTED: u8 = 0x08;
const INVALID_CHANNEL: u8 = 0x04;
const UNLOCKED: u8 = 0x02;
const COMPLETE: u8 = 0x01;

/// What a laser that is on is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    Frequency,
    Fine,
    Power,
}

/// The laser of a media lane; of a fixed transmitter, its wavelength.
#[derive(Debug, Clone, Copy)]
pub(super) struct Laser {
    grid: Grid,
    channel: i16,
    /// Fine tuning in effect.
    fine_mhz: i16,
    /// Wavelength of a transmitter that cannot be tuned.
    fixed: Option<Frequency>,
    /// Power in effect.
    pub(super) power: Power,
    work: Option<(Work, Millis)>,
    /// The controls that were last accepted: what the registers go back to when others are refused.
    accepted: Controls,
}

/// The controls of a lane in 12h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Controls {
    grid: u8,
    fine: bool,
    channel: i16,
    fine_mhz: i16,
    power: i16,
}

/// Where the controls of a lane are.
struct Places {
    grid: u8,
    channel: u8,
    fine: u8,
    power: u8,
}

impl Places {
    const fn of(lane: u8) -> Self {
        Self {
            grid: page12::GRID_SPACING_TX.byte + lane,
            channel: page12::CHANNEL_NUMBER_TX.byte + 2 * lane,
            fine: page12::FINE_TUNING_OFFSET_TX.byte + 2 * lane,
            power: page12::TARGET_OUTPUT_POWER_TX.byte + 2 * lane,
        }
    }
}

impl Controls {
    fn of(half: &super::cells::Half, places: &Places) -> Self {
        let byte = |at: u8| half[usize::from(at - 128)];
        let word = |at: u8| i16::from_be_bytes([byte(at), byte(at + 1)]);
        Self {
            grid: byte(places.grid) >> 4,
            fine: byte(places.grid) & 1 != 0,
            channel: word(places.channel),
            fine_mhz: word(places.fine),
            power: word(places.power),
        }
    }

    /// The same, each as the write left it where `parts` says that it was written as a whole, and as it was elsewhere.
    fn written(self, was: Self, parts: &Parts) -> Self {
        Self {
            grid: if parts.grid { self.grid } else { was.grid },
            fine: if parts.grid { self.fine } else { was.fine },
            channel: if parts.channel { self.channel } else { was.channel },
            fine_mhz: if parts.fine { self.fine_mhz } else { was.fine_mhz },
            power: if parts.power { self.power } else { was.power },
        }
    }
}

impl Laser {
    pub(super) fn new(profile: &Profile) -> Self {
        match &profile.laser {
            Some(laser) => Self {
                grid: laser.default_grid,
                channel: laser.default_channel,
                fine_mhz: 0,
                fixed: None,
                power: laser.default_power,
                work: None,
                accepted: Controls {
                    grid: laser.default_grid.code(),
                    channel: laser.default_channel,
                    power: laser.default_power.hundredths(),
                    ..Controls::default()
                },
            },
            None => Self {
                grid: Grid::Ghz100,
                channel: 0,
                fine_mhz: 0,
                fixed: Some(Frequency::ANCHOR),
                power: profile
                    .fixed_transmitter
                    .as_ref()
                    .map_or(Power::from_hundredths(0), |fixed| fixed.power),
                work: None,
                accepted: Controls::default(),
            },
        }
    }

    /// Gives a fixed transmitter its wavelength.
    pub(super) fn fix(&mut self, frequency: Frequency) {
        if self.fixed.is_some() {
            self.fixed = Some(frequency);
        }
    }

    /// The frequency in effect.
    pub(super) fn frequency(&self) -> Option<Frequency> {
        self.fixed.or_else(|| self.grid.frequency(self.channel).ok()?.offset(i64::from(self.fine_mhz)))
    }

    pub(super) fn busy_until(&self) -> Option<Millis> {
        self.work.map(|(_, until)| until)
    }

    /// Whether the laser is between two channels.
    pub(super) fn is_moving(&self) -> bool {
        matches!(self.work, Some((Work::Frequency, _)))
    }
}

/// Whether a channel is one of the profile's.
fn is_legal(laser: &LaserProfile, grid: Grid, channel: i16) -> bool {
    let advertised = laser.grids.iter().find(|known| known.grid == grid);
    grid.frequency(channel).is_ok()
        && advertised.is_some_and(|known| (known.low..=known.high).contains(&channel))
}

impl Core {
    fn tuning_flag(&mut self, carrier: usize, bits: u8) {
        let (bank, lane) = self.place_of(carrier);
        self.cells.raise(number(bank), 0x12, page12::TUNING_COMPLETE_FLAG_TX.byte + lane, bits);
    }

    /// Ends the lasers' work when it is due.
    pub(super) fn step_lasers(&mut self, at: Millis) -> bool {
        let mut moved = false;
        for carrier in 0..self.lasers.len() {
            if self.lasers[carrier].busy_until().is_some_and(|until| until <= at) {
                self.lasers[carrier].work = None;
                self.tuning_flag(carrier, COMPLETE);
                moved = true;
            }
        }
        moved
    }

    /// Carriers of the data path of these host lanes.
    fn carriers_of(&self, bank: usize, host: u8) -> impl Iterator<Item = usize> + use<> {
        let lane = u8::try_from(host.trailing_zeros()).unwrap_or(0).min(7);
        let media = self.data_path(bank, lane).map_or(0x01, |(_, placement)| placement.media);
        let carriers: [Option<usize>; 8] = core::array::from_fn(|lane| self.carrier(bank, lane));
        carriers
            .into_iter()
            .enumerate()
            .filter(move |(lane, _)| media & (1 << lane) != 0)
            .filter_map(|(_, c)| c)
    }

    /// A data path comes up: its lasers, where none was on, take the grid and channel that their registers hold.
    pub(super) fn lasers_initialise(&mut self, bank: usize, host: u8, at: Millis) {
        for carrier in self.carriers_of(bank, host) {
            let wanted = self.lasers[carrier].accepted;
            if !self.carrier_on(carrier) && !self.tune(carrier, wanted, at) {
                self.tuning_flag(carrier, INVALID_CHANNEL);
            }
        }
    }

    /// A data path has come up: its lasers were tuned on the way.
    pub(super) fn lasers_initialised(&mut self, bank: usize, host: u8) {
        for carrier in self.carriers_of(bank, host) {
            self.tuning_flag(carrier, COMPLETE);
        }
    }

    /// The status byte 12h:222 of a carrier.
    pub(super) fn tuning_status(&self, carrier: usize) -> u8 {
        let initialising = self.path_on(carrier).is_some_and(|(state, _)| state == DataPathState::Init);
        match self.lasers[carrier].work {
            Some((Work::Frequency, _)) => 0x03,
            Some((Work::Power | Work::Fine, _)) => 0x02,
            None if initialising => 0x03,
            None => 0x00,
        }
    }

    /// The frequency that 12h:168 shows: 0 until the laser is on.
    pub(super) fn reported_frequency(&self, carrier: usize) -> u32 {
        match self.lasers[carrier].frequency() {
            Some(frequency) if self.carrier_on(carrier) => {
                let reported = frequency.offset(i64::from(self.faults.laser_report_offset));
                reported.unwrap_or(frequency).mhz()
            }
            _ => 0,
        }
    }

    /// The host has written `len` bytes from `byte` of 12h.
    ///
    /// A number of two bytes is taken with its low byte: drivers that split writes (optoe with `write_max` 1) write the high
    /// byte first.
    pub(super) fn laser_written(&mut self, bank: usize, byte: u8, len: usize, at: Millis) {
        let written =
            |wanted: u8| (usize::from(byte)..usize::from(byte) + len).contains(&usize::from(wanted));
        for lane in 0..self.layout.media_lanes {
            let Some(carrier) = self.carrier(bank, lane) else { continue };
            let places = Places::of(u8::try_from(lane).unwrap_or(0));
            let parts = Parts {
                grid: written(places.grid),
                channel: written(places.channel + 1),
                fine: written(places.fine + 1),
                power: written(places.power + 1),
            };
            if parts.grid || parts.channel || parts.fine || parts.power {
                self.controls_written(bank, carrier, &places, &parts, at);
            }
        }
    }

    fn controls_written(&mut self, bank: usize, carrier: usize, places: &Places, parts: &Parts, at: Millis) {
        let Some(half) = self.cells.page(number(bank), 0x12) else { return };
        let was = self.lasers[carrier].accepted;
        let mut wanted = Controls::of(half, places).written(was, parts);
        if wanted != was && self.lasers[carrier].work.is_some() {
            // A new value while tuning is not accepted; the old one stays.
            self.tuning_flag(carrier, NOT_ACCEPTED);
            wanted = was;
        } else {
            self.take_controls(carrier, was, &mut wanted, parts, at);
        }
        self.lasers[carrier].accepted = wanted;
        self.show_controls(bank, places, parts, wanted);
    }

    /// Carries out new controls; what is refused goes back to what it was.
    fn take_controls(
        &mut self,
        carrier: usize,
        was: Controls,
        wanted: &mut Controls,
        parts: &Parts,
        at: Millis,
    ) {
        // The channel moves a laser that is on: the host writes the grid before it.
        let tunes = parts.channel || (parts.grid && !self.carrier_on(carrier));
        if tunes && !self.tune(carrier, *wanted, at) && parts.channel {
            self.tuning_flag(carrier, INVALID_CHANNEL);
            wanted.channel = was.channel;
        }
        let fine_tunes = parts.fine || wanted.fine != was.fine;
        if fine_tunes && !self.fine_tune(carrier, *wanted, at) {
            self.tuning_flag(carrier, FINE_OUT_OF_RANGE);
            wanted.fine_mhz = was.fine_mhz;
        }
        if wanted.power != was.power && !self.change_power(carrier, wanted.power, at) {
            self.tuning_flag(carrier, POWER_OUT_OF_RANGE);
            wanted.power = was.power;
        }
    }

    /// Puts the accepted values where the host has written.
    fn show_controls(&mut self, bank: usize, places: &Places, parts: &Parts, controls: Controls) {
        let bank = number(bank);
        if parts.grid {
            let others = self.cells.get(bank, 0x12, places.grid) & 0x0E;
            let byte = (controls.grid << 4) | others | u8::from(controls.fine);
            self.cells.set(bank, 0x12, places.grid, &[byte]);
        }
        for (written, at, value) in [
            (parts.channel, places.channel, controls.channel),
            (parts.fine, places.fine, controls.fine_mhz),
            (parts.power, places.power, controls.power),
        ] {
            if written {
                self.cells.set(bank, 0x12, at, &value.to_be_bytes());
            }
        }
    }

    /// Tunes to a channel; false where it is none of the grid's, or the grid none of the module's.
    fn tune(&mut self, carrier: usize, wanted: Controls, at: Millis) -> bool {
        let Some(profile) = &self.profile.laser else { return true };
        let legal = Grid::from_code(wanted.grid).filter(|grid| is_legal(profile, *grid, wanted.channel));
        let Some(grid) = legal else { return false };
        let takes = self.lasting(profile.tuning);
        let before = self.lasers[carrier].frequency();
        self.lasers[carrier].grid = grid;
        self.lasers[carrier].channel = wanted.channel;
        if self.carrier_on(carrier) && self.lasers[carrier].frequency() != before {
            self.begin(carrier, Work::Frequency, at.after(takes));
            self.tuning_flag(carrier, UNLOCKED);
        }
        true
    }

    /// Tunes within a channel; false where the offset is out of range or between two steps.
    fn fine_tune(&mut self, carrier: usize, wanted: Controls, at: Millis) -> bool {
        let laser = self.profile.laser.as_ref();
        let Some((fine, takes)) = laser.and_then(|laser| Some((laser.fine_tuning?, laser.fine_tuning_time)))
        else {
            return true;
        };
        let step = i32::from(fine.resolution_mhz.max(1));
        let in_range = (fine.low_mhz..=fine.high_mhz).contains(&wanted.fine_mhz);
        if !in_range || i32::from(wanted.fine_mhz) % step != 0 {
            return false;
        }
        let offset = if wanted.fine { wanted.fine_mhz } else { 0 };
        if offset != self.lasers[carrier].fine_mhz {
            self.lasers[carrier].fine_mhz = offset;
            if self.carrier_on(carrier) {
                let until = at.after(self.lasting(takes));
                self.begin(carrier, Work::Fine, until);
            }
        }
        true
    }

    /// Begins a change of power; false where it is out of range.
    fn change_power(&mut self, carrier: usize, power: i16, at: Millis) -> bool {
        let Some(profile) = &self.profile.laser else { return true };
        let (range, takes): (_, Duration) = (profile.min_power..=profile.max_power, profile.power_change);
        let wanted = Power::from_hundredths(power);
        if !range.contains(&wanted) {
            return false;
        }
        self.lasers[carrier].power = wanted;
        if self.carrier_on(carrier) {
            let until = at.after(self.lasting(takes));
            self.begin(carrier, Work::Power, until);
        }
        true
    }

    /// Begins work; a channel change that is under way stays one.
    fn begin(&mut self, carrier: usize, work: Work, until: Millis) {
        let work = match self.lasers[carrier].work {
            Some((Work::Frequency, earlier)) => (Work::Frequency, earlier.max(until)),
            _ => (work, until),
        };
        self.lasers[carrier].work = Some(work);
    }
}

/// Which controls of a lane a write has completed.
struct Parts {
    grid: bool,
    channel: bool,
    fine: bool,
    power: bool,
}
