//! The registers that decide what has to be done, read in eight accesses; no clear-on-read flag among them.

use super::{Op, ProcError, Reply, data, read};
use crate::codes::{ConfigStatus, DataPathState, ModuleState};
use crate::map::{Address, Block, lower, page00, page10, page11, page12};
use ipowdm_core::grid::Grid;
use ipowdm_core::units::{Frequency, Power};

/// What the module was set to and doing when it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Snapshot {
    pub(super) serial: [u8; 16],
    pub(super) module_state: ModuleState,
    pub(super) global_control: u8,
    /// Fault cause, 00h:41; read with the global control.
    pub(super) fault_cause: u8,
    pub(super) deinit: u8,
    pub(super) tx_disable: u8,
    pub(super) squelch_force: u8,
    pub(super) dp_states: [DataPathState; 8],
    pub(super) config_status: [ConfigStatus; 8],
    pub(super) active: [u8; 8],
    /// Measured transmit power of each media lane in 0.1 µW.
    pub(super) tx_power_raw: [u16; 8],
    pub(super) grid_byte: [u8; 8],
    pub(super) channel: [i16; 8],
    pub(super) fine_offset: [i16; 8],
    pub(super) current_frequency: [u32; 8],
    pub(super) target_power: [i16; 8],
    pub(super) tuning_status: [u8; 8],
    /// DPInitPending of each host lane.
    pub(super) init_pending: u8,
}

impl Snapshot {
    pub(super) const fn empty() -> Self {
        Self {
            serial: [0; 16],
            module_state: ModuleState::Unknown(0),
            global_control: 0,
            fault_cause: 0,
            deinit: 0,
            tx_disable: 0,
            squelch_force: 0,
            dp_states: [DataPathState::Unknown(0); 8],
            config_status: [ConfigStatus::Undefined; 8],
            active: [0; 8],
            tx_power_raw: [0; 8],
            grid_byte: [0; 8],
            channel: [0; 8],
            fine_offset: [0; 8],
            current_frequency: [0; 8],
            target_power: [0; 8],
            tuning_status: [0; 8],
            init_pending: 0,
        }
    }

    /// The frequency that grid, channel and fine tuning of a laser name; `None` where they name none.
    pub(super) fn set_frequency(&self, laser: u8) -> Option<Frequency> {
        let lane = usize::from(laser.min(7));
        let grid = Grid::from_code(self.grid_byte[lane] >> 4)?;
        grid.frequency(self.channel[lane]).ok()?.offset(i64::from(self.fine_tuning(laser)))
    }

    /// The fine tuning in effect, in MHz; 0 where it is not enabled.
    pub(super) fn fine_tuning(&self, laser: u8) -> i16 {
        let lane = usize::from(laser.min(7));
        if self.grid_byte[lane] & 1 != 0 { self.fine_offset[lane] } else { 0 }
    }

    pub(super) fn target(&self, laser: u8) -> Power {
        Power::from_hundredths(self.target_power[usize::from(laser.min(7))])
    }

    /// The measured transmit power; `None` where the module reports 0: below range, or off.
    pub(super) fn measured_power(&self, laser: u8) -> Option<Power> {
        crate::physics::power_of_tenth_microwatts(self.tx_power_raw[usize::from(laser.min(7))])
    }

    /// The frequency the laser is at; `None` where the module reports 0: laser off.
    pub(super) fn frequency(&self, laser: u8) -> Option<Frequency> {
        match self.current_frequency[usize::from(laser.min(7))] {
            0 => None,
            mhz => Some(Frequency::from_mhz(mhz)),
        }
    }

    fn take(&mut self, part: u8, block: Block<'_>) {
        let lanes = 0..8_u16;
        match part {
            0 => {
                if let Some(serial) = block.bytes(page00::VENDOR_SN) {
                    self.serial.copy_from_slice(serial);
                }
            }
            1 => self.module_state = ModuleState::from_code(block.byte(lower::MODULE_STATE).unwrap_or(0)),
            2 => {
                self.global_control = block.slice(26, 1).map_or(0, |bytes| bytes[0]);
                self.fault_cause = block.byte(lower::MODULE_FAULT_CAUSE).unwrap_or(0);
            }
            3 => {
                self.deinit = block.byte(page10::DP_DEINIT_LANE).unwrap_or(0);
                self.tx_disable = block.byte(page10::OUTPUT_DISABLE_TX).unwrap_or(0);
                self.squelch_force = block.byte(page10::OUTPUT_SQUELCH_FORCE_TX).unwrap_or(0);
            }
            4 => self.dp_states = dp_states(block),
            5 => {
                self.config_status = config_status(block);
                self.active = active_set(block);
                for lane in lanes {
                    self.tx_power_raw[usize::from(lane)] =
                        block.word_at(page11::OPTICAL_POWER_TX, lane).unwrap_or(0);
                }
            }
            6 => self.init_pending = block.byte(page11::DP_INIT_PENDING_LANE).unwrap_or(0),
            _ => self.take_laser(block),
        }
    }

    fn take_laser(&mut self, block: Block<'_>) {
        for lane in 0..8_u16 {
            let index = usize::from(lane);
            self.grid_byte[index] =
                block.slice(page12::GRID_SPACING_TX.address(lane).byte, 1).map_or(0, |bytes| bytes[0]);
            self.channel[index] = block.signed_at(page12::CHANNEL_NUMBER_TX, lane).unwrap_or(0);
            self.fine_offset[index] = block.signed_at(page12::FINE_TUNING_OFFSET_TX, lane).unwrap_or(0);
            self.current_frequency[index] = block
                .unsigned_at(page12::CURRENT_LASER_FREQUENCY_TX, lane)
                .and_then(|mhz| u32::try_from(mhz).ok())
                .unwrap_or(0);
            self.target_power[index] = block.signed_at(page12::TARGET_OUTPUT_POWER_TX, lane).unwrap_or(0);
            self.tuning_status[index] =
                block.slice(page12::TUNING_IN_PROGRESS_TX.address(lane).byte, 1).map_or(0, |bytes| bytes[0]);
        }
    }
}

/// Data-path states of a block that covers 11h:128-131.
pub(super) fn dp_states(block: Block<'_>) -> [DataPathState; 8] {
    core::array::from_fn(|lane| {
        let lane = u16::try_from(lane).unwrap_or(0);
        DataPathState::from_code(block.byte_at(page11::DP_STATE_HOST_LANE, lane).unwrap_or(0))
    })
}

/// Configuration results of a block that covers 11h:202-205.
pub(super) fn config_status(block: Block<'_>) -> [ConfigStatus; 8] {
    core::array::from_fn(|lane| {
        let lane = u16::try_from(lane).unwrap_or(0);
        ConfigStatus::from_code(block.byte_at(page11::CONFIG_STATUS_LANE, lane).unwrap_or(0))
    })
}

/// DPConfig bytes of the active control set in a block that covers 11h:206-213.
pub(super) fn active_set(block: Block<'_>) -> [u8; 8] {
    let mut active = [0; 8];
    if let Some(bytes) = block.slice(206, 8) {
        active.copy_from_slice(bytes);
    }
    active
}

/// Reads a [`Snapshot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Reader {
    part: u8,
    bank: u8,
    snapshot: Snapshot,
}

/// Places of the parts. The span 11h:154-213 holds monitors, ConfigStatus and the active set; 12h:128-229 grid to status.
const PARTS: [(Address, u8); 8] = [
    super::module_info::SERIAL,
    (Address::lower(3), 1),
    (Address::lower(26), 16),
    (Address::page(0x10, 128), 5),
    (Address::page(0x11, 128), 4),
    (Address::page(0x11, 154), 60),
    (Address::page(0x11, 235), 1),
    (Address::page(0x12, 128), 102),
];

impl Reader {
    pub(super) const fn new(bank: u8) -> Self {
        Self { part: 0, bank, snapshot: Snapshot::empty() }
    }

    fn place(self) -> (Address, u8) {
        let (at, len) = PARTS[usize::from(self.part).min(PARTS.len() - 1)];
        (at.in_bank(self.bank), len)
    }

    /// The operation of the current part.
    pub(super) fn op<T>(self) -> Op<T> {
        let (at, len) = self.place();
        read(at, len)
    }

    /// Takes a reply; the snapshot once it is complete.
    pub(super) fn take(&mut self, reply: &Reply<'_>) -> Result<Option<Snapshot>, ProcError> {
        let (at, _) = self.place();
        let bytes = data(reply, at)?;
        self.snapshot.take(self.part, Block::new(at, bytes));
        self.part += 1;
        Ok((usize::from(self.part) >= PARTS.len()).then_some(self.snapshot))
    }
}
