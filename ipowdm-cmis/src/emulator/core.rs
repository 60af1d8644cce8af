//! The state of one module and how it moves with time.

use super::apply::Apply;
use super::cdb::Cdb;
use super::cells::{Cells, value_of};
use super::environment::Environment;
use super::faults::Faults;
use super::firmware::Firmware;
use super::laser::Laser;
use super::memory::{self, Layout};
use super::meter::{HostMeter, Meter};
use super::optics::{CARRIERS, OpticalLog, OpticalState};
use super::placement::Placement;
use super::profile::{ApplicationRow, Profile};
use super::receiver::{Emission, noise};
use super::vdm::{self, Watched};
use crate::codes::DataPathState;
use crate::machine::{ModuleConditions, ModulePhase, PathConditions, next_module_phase, next_path_state};
use crate::map::{lower, page01, page10, page11};
use crate::time::Millis;
use core::time::Duration;
use ipowdm_core::units::{Db, Frequency};
use std::sync::{Arc, Mutex, PoisonError};
use std::vec::Vec;

/// A state with the instant at which its work is done, if it is transient.
#[derive(Debug, Clone, Copy)]
pub(super) struct Timed<S> {
    pub(super) state: S,
    pub(super) until: Option<Millis>,
}

/// Eight host lanes and their control sets.
#[derive(Debug, Clone)]
pub(super) struct LaneBank {
    pub(super) paths: [Timed<DataPathState>; 8],
    /// Lanes that have been in a transient state of significant duration since their last steady one.
    significant: u8,
    /// What the staged control sets 0 and 1 are being applied to.
    pub(super) applies: [Option<Apply>; 2],
}

impl LaneBank {
    const NEW: Self = Self {
        paths: [Timed { state: DataPathState::Deactivated, until: None }; 8],
        significant: 0,
        applies: [None; 2],
    };
}

/// One emulated module.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) profile: Profile,
    pub(super) layout: Layout,
    pub(super) seed: u64,
    pub(super) serial: u32,
    pub(super) cells: Cells,
    /// Bits of control registers that are not implemented: page, byte, bits.
    pub(super) reserved: Vec<(u8, u8, u8)>,
    /// Bank and page that the upper half shows.
    pub(super) mapping: (u8, u8),
    pub(super) present: bool,
    pub(super) phase: Timed<ModulePhase>,
    pub(super) banks: Vec<LaneBank>,
    /// By carrier: banks one after the other, their media lanes within.
    pub(super) lasers: Vec<Laser>,
    pub(super) meters: Vec<Meter>,
    pub(super) hosts: Vec<HostMeter>,
    pub(super) sampling: super::meter::Sampling,
    pub(super) watched: Vec<Watched>,
    pub(super) cdb: Cdb,
    pub(super) firmware: Firmware,
    pub(super) environment: Environment,
    pub(super) faults: Faults,
    pub(super) optics: Arc<Mutex<OpticalLog>>,
    /// Accesses are refused before this instant.
    pub(super) busy_until: Millis,
    /// Instant up to which the state is known.
    pub(super) synced: Millis,
}

impl Core {
    /// A module that was plugged in at `now`.
    pub(super) fn new(
        profile: Profile,
        serial: u32,
        seed: u64,
        now: Millis,
        optics: Arc<Mutex<OpticalLog>>,
    ) -> Self {
        let layout = Layout::of(&profile);
        let firmware = Firmware::new(&profile);
        let mut core = Self {
            cells: memory::at_power_on(&profile, &layout, serial),
            reserved: Vec::new(),
            mapping: (0, 0),
            present: true,
            phase: Timed { state: ModulePhase::Reset, until: None },
            banks: Vec::new(),
            lasers: Vec::new(),
            meters: Vec::new(),
            hosts: Vec::new(),
            sampling: super::meter::Sampling::from(now),
            watched: Vec::new(),
            cdb: Cdb::default(),
            firmware,
            environment: Environment::default(),
            faults: Faults::default(),
            optics,
            busy_until: Millis(0),
            synced: now,
            profile,
            layout,
            seed,
            serial,
        };
        core.power_on(now);
        core
    }

    /// Another module type in the same port: nothing of the old one is left but the faults of the port.
    pub(super) fn replace(&mut self, profile: Profile, serial: u32) {
        self.layout = Layout::of(&profile);
        self.firmware = Firmware::new(&profile);
        self.profile = profile;
        self.serial = serial;
    }

    /// Back to power-on defaults, as after a reset or an insertion.
    pub(super) fn power_on(&mut self, now: Millis) {
        self.cells = memory::at_power_on(&self.profile, &self.layout, self.serial);
        self.reserved = memory::unimplemented_controls(&self.cells, &self.layout);
        let carriers = self.layout.banks * self.layout.media_lanes;
        self.banks = std::vec![LaneBank::NEW; self.layout.banks];
        self.lasers = std::vec![Laser::new(&self.profile); carriers.min(CARRIERS)];
        if let Some(fixed) = &self.profile.fixed_transmitter {
            let wavelengths = fixed.frequencies_mhz.iter().cycle();
            for (laser, mhz) in self.lasers.iter_mut().zip(wavelengths) {
                laser.fix(Frequency::from_mhz(*mhz));
            }
        }
        self.meters = std::vec![Meter::new(now); carriers.min(CARRIERS)];
        self.hosts = std::vec![HostMeter::new(now); self.layout.banks];
        self.sampling = super::meter::Sampling::from(now);
        self.mapping = (0, 0);
        self.phase = Timed { state: ModulePhase::Reset, until: None };
        self.cdb.reset();
        self.firmware.start();
        self.busy_until = now;
        self.synced = now;
        self.watched = vdm::watched(self);
        self.write_firmware_status();
        self.settle(now);
    }

    /// Brings the state to `now`, one event after the other.
    pub(super) fn sync(&mut self, now: Millis) {
        // Every event ends a timer; each can start a few more, all later. 256 is far above what one look can owe.
        for _ in 0..256 {
            let Some(next) = self.next_event().filter(|at| *at <= now) else {
                break;
            };
            let at = next.max(self.synced);
            self.synced = at;
            self.settle(at);
        }
        self.synced = self.synced.max(now);
    }

    fn next_event(&self) -> Option<Millis> {
        let scheduled = self.faults.next_event();
        if !self.present {
            return scheduled;
        }
        let paths = self.banks.iter().flat_map(|bank| bank.paths.iter().filter_map(|path| path.until));
        let applies = self.banks.iter().flat_map(|bank| bank.applies.iter().flatten().map(|apply| apply.due));
        let lasers = self.lasers.iter().filter_map(Laser::busy_until);
        let others = [
            self.phase.until,
            self.sampling.freeze_due(),
            self.cdb.next_event(),
            self.firmware.run_at(),
            scheduled,
        ];
        others.into_iter().flatten().chain(paths).chain(applies).chain(lasers).min()
    }

    /// Makes every transition whose condition holds at `at`, and notes what that does to the light.
    pub(super) fn settle(&mut self, at: Millis) {
        self.step_faults(at);
        if self.present {
            // The longest chain of transitions without time is below ten.
            for _ in 0..32 {
                let mut moved = self.step_module(at);
                moved |= self.step_applies(at);
                moved |= self.step_paths(at);
                moved |= self.step_lasers(at);
                moved |= self.step_freeze(at);
                moved |= self.step_cdb(at);
                if !moved {
                    break;
                }
            }
        }
        let state = self.optical_state();
        self.optics.lock().unwrap_or_else(PoisonError::into_inner).note(at, state);
    }

    /// How long something lasts with the faults that there are.
    pub(super) fn lasting(&self, duration: Duration) -> Duration {
        if self.faults.instant { Duration::ZERO } else { duration * self.faults.slowness.max(1) }
    }

    pub(super) fn low_power_requested(&self) -> bool {
        let control = self.cells.get(0, 0, 26);
        let bit = |field: crate::map::Field| control & field.mask(0) != 0;
        !self.layout.flat
            && (bit(lower::LOW_PWR_REQUEST_SW)
                || (bit(lower::LOW_PWR_ALLOW_REQUEST_HW) && self.profile.power_on.low_power_pin))
    }

    fn step_module(&mut self, at: Millis) -> bool {
        let deactivated =
            |bank: &LaneBank| bank.paths.iter().all(|path| path.state == DataPathState::Deactivated);
        let on = ModuleConditions {
            reset: false,
            fault: self.faults.fault.is_some(),
            low_power: self.low_power_requested(),
            all_deactivated: self.banks.iter().all(deactivated),
            done: self.phase.until.is_some_and(|until| until <= at),
        };
        let next = next_module_phase(self.phase.state, on);
        if next == self.phase.state {
            return false;
        }
        let dwell = match next {
            ModulePhase::MgmtInit => Some(self.profile.hold_offs.management_init),
            ModulePhase::PwrUp => Some(self.profile.durations.power_up.actual),
            ModulePhase::PwrDn => Some(self.profile.durations.power_down.actual),
            _ => None,
        };
        self.phase = Timed { state: next, until: dwell.map(|dwell| at.after(self.lasting(dwell))) };
        // The flag marks the steady states, unless their exit condition holds already.
        // Flat memory is a plain EEPROM: no flag in it is ever raised.
        let leaves_at_once = next_module_phase(next, ModuleConditions { done: false, ..on }) != next;
        let told = !leaves_at_once && !self.layout.flat;
        if matches!(next, ModulePhase::LowPwr | ModulePhase::Ready | ModulePhase::Fault) && told {
            self.cells.raise(0, 0, lower::MODULE_STATE_CHANGED_FLAG.byte, 0x01);
        }
        if let (ModulePhase::Fault, Some(cause)) = (next, self.faults.fault) {
            self.cells.set(0, 0, lower::MODULE_FAULT_CAUSE.byte, &[cause]);
        }
        true
    }

    /// DPConfig byte of a lane in the active control set.
    pub(super) fn active_config(&self, bank: usize, lane: u8) -> u8 {
        self.cells.get(number(bank), 0x11, page11::ACS_DP_CONFIG_LANE_APP_SEL_CODE.byte + lane.min(7))
    }

    /// Lanes that move together with `lane`: those of its data path.
    pub(super) fn path_of(&self, bank: usize, lane: u8) -> u8 {
        let own = self.active_config(bank, lane);
        if own >> 4 == 0 {
            return 1 << lane;
        }
        let same = |other: &u8| self.active_config(bank, *other) & 0xFE == own & 0xFE;
        (0..8).filter(same).fold(0, |mask, other| mask | (1 << other))
    }

    /// The application and the lanes of the data path that a lane belongs to.
    pub(super) fn data_path(&self, bank: usize, lane: u8) -> Option<(ApplicationRow, Placement)> {
        let config = self.active_config(bank, lane);
        let row = self.profile.applications.get(usize::from(config >> 4).checked_sub(1)?)?;
        Some((*row, Placement::of(row, (config >> 1) & 7)?))
    }

    pub(super) fn init_pending(&self, bank: usize) -> u8 {
        self.cells.get(number(bank), 0x11, page11::DP_INIT_PENDING_LANE.byte)
    }

    fn path_conditions(&self, bank: usize, mask: u8, at: Millis) -> PathConditions {
        let control = |field: crate::map::Field| self.cells.get(number(bank), 0x10, field.byte);
        let first = u8::try_from(mask.trailing_zeros()).unwrap_or(0).min(7);
        let deinit = self.phase.state != ModulePhase::Ready
            || self.low_power_requested()
            || control(page10::DP_DEINIT_LANE) & mask != 0;
        // Stepped modules wait for the host to take the path down itself.
        let re_deinit = deinit || (!self.layout.stepped && self.init_pending(bank) & mask != 0);
        let media = self.data_path(bank, first).map_or(0x01, |(_, placement)| placement.media);
        let output_off = control(page10::OUTPUT_DISABLE_TX) | control(page10::OUTPUT_SQUELCH_FORCE_TX);
        PathConditions {
            deinit,
            re_deinit,
            deactivate: re_deinit || output_off & media != 0,
            provisioned: self.active_config(bank, first) >> 4 != 0,
            done: self.banks[bank].paths[usize::from(first)].until.is_some_and(|until| until <= at),
        }
    }

    fn step_paths(&mut self, at: Millis) -> bool {
        let mut moved = false;
        for bank in 0..self.banks.len() {
            let mut seen = 0_u8;
            for lane in 0..8_u8 {
                if seen & (1 << lane) != 0 {
                    continue;
                }
                let mask = self.path_of(bank, lane);
                seen |= mask;
                let state = self.banks[bank].paths[usize::from(lane)].state;
                let on = self.path_conditions(bank, mask, at);
                let next = next_path_state(state, on);
                if next != state {
                    let stays = next_path_state(next, PathConditions { done: false, ..on }) == next;
                    self.enter_path_state(bank, mask, next, stays, at);
                    moved = true;
                }
            }
        }
        moved
    }

    fn enter_path_state(&mut self, bank: usize, mask: u8, next: DataPathState, stays: bool, at: Millis) {
        let states = self.profile.durations;
        let dwell = match next {
            DataPathState::Init => Some(states.dp_init),
            DataPathState::Deinit => Some(states.dp_deinit),
            DataPathState::TxTurnOn => Some(states.tx_on),
            DataPathState::TxTurnOff => Some(states.tx_off),
            _ => None,
        };
        let until = dwell.map(|dwell| at.after(self.lasting(dwell.actual)));
        let lanes = &mut self.banks[bank];
        for lane in 0..8_usize {
            if mask & (1 << lane) != 0 {
                lanes.paths[lane] = Timed { state: next, until };
            }
        }
        // Changes that take no significant time are not reported.
        if dwell.is_some_and(|dwell| dwell.advertised > 0) {
            lanes.significant |= mask;
        }
        if until.is_none() && stays {
            let changed = lanes.significant & mask;
            lanes.significant &= !mask;
            self.cells.raise(number(bank), 0x11, page11::DP_STATE_CHANGED_FLAG.byte, changed);
        }
        let unprovisioned = next == DataPathState::Deactivated
            && (0..8_u8).any(|lane| mask & (1 << lane) != 0 && self.active_config(bank, lane) >> 4 == 0);
        if next == DataPathState::Init || unprovisioned {
            let pending = self.init_pending(bank) & !mask;
            self.cells.set(number(bank), 0x11, page11::DP_INIT_PENDING_LANE.byte, &[pending]);
        }
        match next {
            DataPathState::Init => self.lasers_initialise(bank, mask, at),
            DataPathState::Initialized => self.lasers_initialised(bank, mask),
            _ => {}
        }
    }

    /// The carrier of a media lane of a bank.
    pub(super) fn carrier(&self, bank: usize, lane: usize) -> Option<usize> {
        (bank < self.layout.banks && lane < self.layout.media_lanes)
            .then(|| bank * self.layout.media_lanes + lane)
            .filter(|carrier| *carrier < self.lasers.len())
    }

    /// Bank and media lane of a carrier.
    pub(super) fn place_of(&self, carrier: usize) -> (usize, u8) {
        let lanes = self.layout.media_lanes.max(1);
        (carrier / lanes, u8::try_from(carrier % lanes).unwrap_or(0))
    }

    /// The state of the data path on a carrier that is furthest up, and its application.
    pub(super) fn path_on(&self, carrier: usize) -> Option<(DataPathState, ApplicationRow)> {
        let (bank, media) = self.place_of(carrier);
        let rank = |state: DataPathState| match state {
            DataPathState::Activated => 6,
            DataPathState::TxTurnOn => 5,
            DataPathState::TxTurnOff => 4,
            DataPathState::Initialized => 3,
            DataPathState::Init => 2,
            DataPathState::Deinit => 1,
            _ => 0,
        };
        (0..8_u8)
            .filter_map(|lane| {
                let (row, placement) = self.data_path(bank, lane)?;
                let state = self.banks.get(bank)?.paths[usize::from(lane)].state;
                (placement.media & (1 << media) != 0).then_some((state, row))
            })
            .max_by_key(|(state, _)| rank(*state))
    }

    /// Whether the laser of a carrier, which also is its receiver's local oscillator, is on.
    pub(super) fn carrier_on(&self, carrier: usize) -> bool {
        self.present
            && self.path_on(carrier).is_some_and(|(state, _)| {
                matches!(
                    state,
                    DataPathState::Initialized
                        | DataPathState::TxTurnOn
                        | DataPathState::Activated
                        | DataPathState::TxTurnOff
                )
            })
    }

    /// Whether any laser of a bank is on.
    pub(super) fn laser_on(&self, bank: usize) -> bool {
        (0..self.layout.media_lanes)
            .any(|lane| self.carrier(bank, lane).is_some_and(|carrier| self.carrier_on(carrier)))
    }

    /// Whether a data path of a bank carries traffic.
    pub(super) fn host_active(&self, bank: usize) -> bool {
        let bank = self.banks.get(bank);
        bank.is_some_and(|bank| bank.paths.iter().any(|path| path.state == DataPathState::Activated))
    }

    /// Whether the module itself holds the output of a carrier dark: none of its host lanes brings a signal, and the
    /// host has not disabled automatic squelch (10h:131).
    fn squelched(&self, carrier: usize) -> bool {
        let lost = self.environment.host_signal != 0xFF;
        if !lost || value_of(&self.cells, 0, page01::SQUELCH_METHOD_TX, 0) == 0 {
            return false;
        }
        let (bank, media) = self.place_of(carrier);
        let disabled = self.cells.get(number(bank), 0x10, page10::AUTO_SQUELCH_DISABLE_TX.byte);
        let hosts = (0..8_u8).filter_map(|lane| self.data_path(bank, lane));
        let hosts = hosts.filter(|(_, path)| path.media & (1 << media) != 0);
        let hosts = hosts.fold(0, |lanes, (_, path)| lanes | path.host);
        disabled & (1 << media) == 0 && hosts & self.environment.host_signal == 0
    }

    /// What the optics are doing now.
    fn optical_state(&self) -> OpticalState {
        let mut state = OpticalState::default();
        if !self.present {
            return state;
        }
        for carrier in 0..self.lasers.len().min(CARRIERS) {
            let Some((path, row)) = self.path_on(carrier) else { continue };
            state.receives[carrier] = Some(row.media_code);
            if !self.carrier_on(carrier) || self.lasers[carrier].is_moving() {
                continue;
            }
            let frequency = self.lasers[carrier].frequency();
            state.oscillators[carrier] = frequency;
            let lit =
                path == DataPathState::Activated && self.faults.fault.is_none() && !self.squelched(carrier);
            state.emissions[carrier] = frequency.filter(|_| lit).map(|frequency| Emission {
                frequency,
                power: self.lasers[carrier].power,
                media_code: row.media_code,
                osnr: self.profile.laser.as_ref().map_or(Db::from_hundredths(4500), |laser| laser.osnr),
            });
            if self.media_looped(carrier) {
                state.looped |= 1 << carrier;
            }
        }
        state
    }

    /// The frequency of the first laser that is on.
    pub(super) fn frequency(&self) -> Option<Frequency> {
        (0..self.lasers.len())
            .find(|carrier| self.carrier_on(*carrier))
            .and_then(|carrier| self.lasers[carrier].frequency())
    }

    /// Measurement noise of this module now: a number within ±`amplitude` that changes every second.
    pub(super) fn jitter(&self, channel: u64, amplitude: f64) -> f64 {
        amplitude * noise(self.seed, 1_000 + channel, self.synced.0 / 1_000)
    }
}

/// A bank's number as registers have it.
pub(super) fn number(bank: usize) -> u8 {
    u8::try_from(bank).unwrap_or(0)
}
