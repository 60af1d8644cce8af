//! The handle to an emulated module and the window it shows.

use super::cells::{lower_masks, page_masks};
use super::clock::ModuleClock;
use super::core::Core;
use super::profile::Profile;
use super::receiver::{Emission, ReceivedLight};
use crate::access::{MAX_WRITE, Paged, ReadLimit, TransportError, Window};
use crate::line::Fibre;
use crate::machine::ModulePhase;
use crate::map::{Address, lower, page10};
use crate::time::Millis;
use core::time::Duration;
use ipowdm_core::units::Frequency;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

#[derive(Debug)]
pub(crate) struct Shared {
    core: Mutex<Core>,
    /// The fibre that ends at the receiver. Never locked together with `core` of another module.
    fibre: Mutex<Option<Arc<Fibre>>>,
    clock: ModuleClock,
}

/// A handle to one emulated module; clones are handles to the same module.
#[derive(Debug, Clone)]
pub struct EmulatedModule(Arc<Shared>);

impl EmulatedModule {
    /// Plugs in a module. `serial` shows in its serial number and seeds its measurement noise.
    #[must_use]
    pub fn new(profile: Profile, serial: u32, clock: ModuleClock) -> Self {
        let now = clock.now();
        let seed = u64::from(serial).wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x1234_5678_9ABC_DEF0;
        Self(Arc::new(Shared {
            core: Mutex::new(Core::new(profile, serial, seed, now)),
            fibre: Mutex::new(None),
            clock,
        }))
    }

    /// The raw window at I2C address 50h.
    #[must_use]
    pub fn window(&self) -> EmulatedWindow {
        EmulatedWindow(self.clone())
    }

    /// The module's memory with paging on top: what the runners take.
    #[must_use]
    pub fn eeprom(&self) -> Paged<EmulatedWindow> {
        Paged::new(self.window())
    }

    /// As [`EmulatedModule::eeprom`], with reads cut at `limit`.
    #[must_use]
    pub fn eeprom_with(&self, limit: ReadLimit) -> Paged<EmulatedWindow> {
        self.eeprom().with_read_limit(limit)
    }

    /// The clock the module lives by.
    #[must_use]
    pub fn clock(&self) -> &ModuleClock {
        &self.0.clock
    }

    /// Whether two handles are handles to the same module.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Pulls the module out: accesses answer [`TransportError::Absent`] and its light is gone.
    pub fn pull_out(&self) {
        let mut core = self.synced();
        core.present = false;
    }

    /// Plugs the module in again, with its power-on defaults.
    pub fn insert(&self) {
        let mut core = self.synced();
        if !core.present {
            core.present = true;
            let now = core.synced;
            core.power_on(now);
        }
    }

    /// Plugs another module type into the same port.
    pub fn swap(&self, profile: Profile, serial: u32) {
        let mut core = self.synced();
        let now = core.synced;
        core.profile = profile;
        core.serial = serial;
        core.present = true;
        core.power_on(now);
    }

    /// Resets the module, as its reset pin does.
    pub fn reset(&self) {
        let mut core = self.synced();
        let now = core.synced;
        core.faults.fault = None;
        core.power_on(now);
    }

    /// Refuses (does not acknowledge) the next `accesses`.
    pub fn refuse_accesses(&self, accesses: u32) {
        self.synced().faults.refuse = accesses;
    }

    /// Rejects the next `triggers` of ApplyDPInit or ApplyImmediate with ConfigRejected.
    pub fn reject_applies(&self, triggers: u32) {
        self.synced().faults.reject_applies = triggers;
    }

    /// Ignores the next `triggers` of ApplyDPInit or ApplyImmediate.
    pub fn ignore_applies(&self, triggers: u32) {
        self.synced().faults.ignore_applies = triggers;
    }

    /// Rejects AppSel 0, as some modules do.
    pub fn reject_unused_lanes(&self, reject: bool) {
        self.synced().faults.reject_unused = reject;
    }

    /// Makes every transient state that begins from now on last `times` as long.
    pub fn slow_down(&self, times: u32) {
        self.synced().faults.slowness = times;
    }

    /// Makes the laser report itself `mhz` beside its channel (12h:168), as modules do that report what they measure.
    pub fn report_laser_off_by(&self, mhz: i32) {
        self.synced().faults.laser_report_offset = mhz;
    }

    /// Raises the fault condition with a cause (00h:41); only [`EmulatedModule::reset`] or a re-insertion clears it.
    pub fn raise_fault(&self, cause: u8) {
        let mut core = self.synced();
        core.faults.fault = Some(cause);
        let now = core.synced;
        core.settle(now);
    }

    /// The signal that leaves the module now; `None` while it is dark. For the line and for tests, not for hosts.
    #[must_use]
    pub fn emission(&self) -> Option<Emission> {
        self.synced().emission()
    }

    /// The frequency of the laser now, `None` while it is off. For tests, not for hosts.
    #[must_use]
    pub fn laser(&self) -> Option<Frequency> {
        let core = self.synced();
        core.laser.frequency().filter(|_| core.present && core.laser_on())
    }

    pub(crate) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn upgrade(shared: &Weak<Shared>) -> Option<Self> {
        shared.upgrade().map(Self)
    }

    /// Attaches a fibre unless there is one; whether it was attached.
    pub(crate) fn attach(&self, fibre: Arc<Fibre>) -> bool {
        let mut slot = self.fibre();
        let free = slot.is_none();
        if free {
            *slot = Some(fibre);
        }
        free
    }

    /// Detaches this fibre; another one stays.
    pub(crate) fn detach(&self, fibre: &Arc<Fibre>) {
        let mut slot = self.fibre();
        if slot.as_ref().is_some_and(|attached| Arc::ptr_eq(attached, fibre)) {
            *slot = None;
        }
    }

    /// A thread that panicked while it held the lock has not left a half-made module: every mutation is total.
    fn core(&self) -> MutexGuard<'_, Core> {
        self.0.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fibre(&self) -> MutexGuard<'_, Option<Arc<Fibre>>> {
        self.0.fibre.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Millis {
        self.0.clock.now()
    }

    fn synced(&self) -> MutexGuard<'_, Core> {
        let now = self.now();
        let mut core = self.core();
        core.sync(now);
        core
    }

    /// Ends a hold-off that would end within `patience`; for hosts whose polling takes no virtual time.
    pub(super) fn wait_out(&self, patience: Duration) {
        let mut core = self.synced();
        if core.busy_until.elapsed_since(core.synced) <= patience {
            core.busy_until = core.synced;
        }
    }

    /// The light at the receiver now. Takes no lock of this module while it looks at the far end.
    fn light(&self) -> ReceivedLight {
        let fibre = self.fibre().clone();
        fibre.map_or(ReceivedLight::DARK, |fibre| fibre.light_at(self.now()))
    }
}

/// The raw window of an emulated module.
#[derive(Debug, Clone)]
pub struct EmulatedWindow(EmulatedModule);

impl EmulatedWindow {
    /// The module, ready for an access; or why not.
    fn open(&self, light: Option<ReceivedLight>) -> Result<MutexGuard<'_, Core>, TransportError> {
        let mut core = self.0.synced();
        if let Some(light) = light {
            core.received = light;
        }
        if !core.present {
            return Err(TransportError::Absent);
        }
        if core.faults.refuse > 0 {
            core.faults.refuse -= 1;
            return Err(TransportError::Busy);
        }
        let hidden = matches!(core.phase.state, ModulePhase::Reset | ModulePhase::MgmtInit);
        if hidden || core.synced < core.busy_until {
            return Err(TransportError::Busy);
        }
        Ok(core)
    }
}

/// Whether an access of `len` bytes from `byte` stays in its half of the window.
fn in_one_half(byte: u8, len: usize) -> bool {
    let room = 128 - usize::from(byte % 128);
    len > 0 && len <= room
}

impl Window for EmulatedWindow {
    fn read(&mut self, byte: u8, into: &mut [u8]) -> Result<(), TransportError> {
        if !in_one_half(byte, into.len()) {
            return Err(TransportError::BadAccess { at: Address::lower(byte), len: into.len() });
        }
        let light = self.0.light();
        let mut core = self.open(Some(light))?;
        let page = (byte >= 128).then_some(core.mapping.1);
        core.refresh(page);
        let masks = page.map_or_else(lower_masks, page_masks);
        for (offset, value) in into.iter_mut().enumerate() {
            let at = byte.saturating_add(u8::try_from(offset).unwrap_or(u8::MAX));
            *value = core.byte_at(page, at);
            if let Some(masks) = masks {
                let clear = masks.clear_on_read[usize::from(at % 128)];
                if clear != 0 {
                    let kept = *value & !clear;
                    core.cells.set(page.unwrap_or(0), at, &[kept]);
                }
            }
        }
        Ok(())
    }

    fn write(&mut self, byte: u8, bytes: &[u8]) -> Result<(), TransportError> {
        if !in_one_half(byte, bytes.len()) || bytes.len() > MAX_WRITE {
            return Err(TransportError::BadAccess { at: Address::lower(byte), len: bytes.len() });
        }
        let mut core = self.open(None)?;
        core.host_write(byte, bytes);
        let page_written = byte <= 127 && usize::from(byte) + bytes.len() > 126;
        let hold_off = if page_written { core.profile.page_hold_off } else { core.profile.write_hold_off };
        if hold_off > Duration::ZERO {
            core.busy_until = core.synced.after(hold_off);
        }
        Ok(())
    }
}

impl Core {
    /// A byte as the host sees it.
    fn byte_at(&self, page: Option<u8>, byte: u8) -> u8 {
        match (page, byte) {
            (None, 126) => self.mapping.0,
            (None, 127) => self.mapping.1,
            (None, _) => self.cells.get(0, byte),
            (Some(page), _) => self.cells.get(page, byte),
        }
    }

    /// A legal write of the host.
    fn host_write(&mut self, byte: u8, bytes: &[u8]) {
        let now = self.synced;
        if byte < 128 {
            self.write_lower(byte, bytes);
        } else {
            let page = self.mapping.1;
            let before = self.cells.page(page).copied();
            self.store(Some(page), byte, bytes);
            if let (0x12, Some(before)) = (page, before) {
                self.laser_written(&before, now);
            }
            if page == 0x10 {
                for (offset, value) in bytes.iter().enumerate() {
                    let at = byte.saturating_add(u8::try_from(offset).unwrap_or(u8::MAX));
                    if at == page10::SCS_APPLY_DP_INIT_LANE.byte {
                        self.trigger(*value, false, now);
                    } else if at == page10::SCS_APPLY_IMMEDIATE_LANE.byte {
                        self.trigger(*value, true, now);
                    }
                }
            }
        }
        self.settle(now);
    }

    fn write_lower(&mut self, byte: u8, bytes: &[u8]) {
        self.store(None, byte, bytes);
        let written =
            |at: u8| at.checked_sub(byte).and_then(|offset| bytes.get(usize::from(offset)).copied());
        if written(26).is_some_and(|control| control & lower::SOFTWARE_RESET.mask(0) != 0) {
            let now = self.synced;
            self.power_on(now);
            return;
        }
        // BankSelect takes effect with PageSelect; a page that is not there turns into 00h.
        if let Some(page) = written(127) {
            let bank = written(126).unwrap_or(self.mapping.0);
            let banked = crate::map::BankRule::of_page(page) != crate::map::BankRule::Unbanked;
            let there = self.cells.has(page) && (!banked || bank == 0);
            self.mapping = if there { (bank, page) } else { (0, 0) };
        }
    }

    /// Keeps the writable bits.
    fn store(&mut self, page: Option<u8>, byte: u8, bytes: &[u8]) {
        let Some(masks) = page.map_or_else(lower_masks, page_masks) else {
            return;
        };
        for (offset, value) in bytes.iter().enumerate() {
            let at = byte.saturating_add(u8::try_from(offset).unwrap_or(u8::MAX));
            let writable = masks.write[usize::from(at % 128)];
            let old = self.cells.get(page.unwrap_or(0), at);
            let new = (old & !writable) | (value & writable);
            self.cells.set(page.unwrap_or(0), at, &[new]);
        }
    }
}
