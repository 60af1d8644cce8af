//! The handle to an emulated module.

use super::clock::ModuleClock;
use super::core::Core;
use super::faults::{Fault, FaultError};
use super::optics::{OpticalLog, OpticalState};
use super::profile::Profile;
use super::receiver::{Emission, ReceivedLight};
use super::window::EmulatedWindow;
use crate::access::{Paged, ReadLimit};
use crate::line::{AlreadyAttached, Fibre, LineError, ScriptedLine};
use crate::time::Millis;
use core::time::Duration;
use ipowdm_core::units::Frequency;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

#[derive(Debug)]
pub(crate) struct Shared {
    core: Mutex<Core>,
    /// The fibre that ends at the receiver. Locked after no other lock.
    fibre: Mutex<Option<Fibre>>,
    /// The module's optical past. The last lock: whoever holds it takes no other one, so that a module may look at another
    /// one's past while its own state is locked.
    optics: Arc<Mutex<OpticalLog>>,
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
        Self::at(profile, serial, clock, now)
    }

    /// As [`EmulatedModule::new`], of a module that was plugged in at an instant at or before the clock's now, and has been
    /// on a line to a described far end since.
    ///
    /// # Errors
    /// [`LineError`].
    pub fn plugged_in_at(
        at: Millis,
        profile: Profile,
        serial: u32,
        clock: ModuleClock,
        line: Option<ScriptedLine>,
    ) -> Result<Self, LineError> {
        let script = line.map(|line| line.prepare(at)).transpose()?;
        let module = Self::at(profile, serial, clock, at);
        *module.fibre() = script.map(|script| Fibre::Script(Arc::new(script)));
        Ok(module)
    }

    fn at(profile: Profile, serial: u32, clock: ModuleClock, at: Millis) -> Self {
        let seed = u64::from(serial).wrapping_mul(0x2545_F491_4F6C_DD1D) ^ 0x1234_5678_9ABC_DEF0;
        let optics = Arc::new(Mutex::new(OpticalLog::default()));
        Self(Arc::new(Shared {
            core: Mutex::new(Core::new(profile, serial, seed, at, optics.clone())),
            fibre: Mutex::new(None),
            optics,
            clock,
        }))
    }

    /// The raw window at I2C address 50h.
    #[must_use]
    pub fn window(&self) -> EmulatedWindow {
        EmulatedWindow::of(self.clone())
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

    /// Pulls the module out: accesses answer [`TransportError::Absent`](crate::access::TransportError::Absent) and its
    /// light is gone.
    pub fn pull_out(&self) {
        self.inject_known(Fault::PullOut { after_ms: 0, for_ms: None });
    }

    /// Plugs the module in again, with its power-on defaults.
    pub fn insert(&self) {
        self.inject_known(Fault::Insert);
    }

    /// Plugs another module type into the same port.
    pub fn swap(&self, profile: Profile, serial: u32) {
        self.synced().swap(profile, serial);
    }

    /// Resets the module, as its reset pin does.
    pub fn reset(&self) {
        self.synced().reset();
    }

    /// Injects a fault.
    ///
    /// # Errors
    /// [`FaultError`]; nothing has changed then.
    pub fn inject(&self, fault: Fault) -> Result<(), FaultError> {
        drop(self.measured());
        self.synced().inject(fault)
    }

    /// A fault that names nothing that could be unknown.
    fn inject_known(&self, fault: Fault) {
        let injected = self.inject(fault);
        debug_assert!(injected.is_ok(), "{injected:?}");
    }

    /// Refuses (does not acknowledge) the next `accesses`.
    pub fn refuse_accesses(&self, accesses: u32) {
        self.inject_known(Fault::Nack { accesses });
    }

    /// Rejects the next `triggers` of ApplyDPInit or ApplyImmediate with ConfigRejected.
    pub fn reject_applies(&self, triggers: u32) {
        self.inject_known(Fault::RejectApplies { triggers });
    }

    /// Ignores the next `triggers` of ApplyDPInit or ApplyImmediate.
    pub fn ignore_applies(&self, triggers: u32) {
        self.inject_known(Fault::IgnoreApplies { triggers });
    }

    /// Rejects AppSel 0, as some modules do.
    pub fn reject_unused_lanes(&self, on: bool) {
        self.inject_known(Fault::RejectAppSel0 { on });
    }

    /// Makes every transient state that begins from now on last `times` as long.
    pub fn slow_down(&self, times: u32) {
        self.inject_known(Fault::Slow { times });
    }

    /// Makes the lasers report themselves `mhz` beside their channels (12h:168), as modules do that report what they
    /// measure.
    pub fn report_laser_off_by(&self, mhz: i32) {
        self.inject_known(Fault::LaserReportOffset { mhz });
    }

    /// Raises the fault condition with a cause (00h:41); only [`EmulatedModule::reset`] or a re-insertion clears it.
    pub fn raise_fault(&self, cause: u8) {
        self.inject_known(Fault::ModuleFault { cause });
    }

    /// The signal that leaves the first carrier that is lit; `None` while all are dark. For the line and for tests, not
    /// for hosts.
    #[must_use]
    pub fn emission(&self) -> Option<Emission> {
        self.emissions().into_iter().flatten().next()
    }

    /// The signals that leave the module now, by carrier: banks one after the other, their media lanes within.
    #[must_use]
    pub fn emissions(&self) -> [Option<Emission>; super::CARRIERS] {
        drop(self.synced());
        self.optics().latest().emissions
    }

    /// The frequency of the first laser that is on. For tests, not for hosts.
    #[must_use]
    pub fn laser(&self) -> Option<Frequency> {
        self.synced().frequency()
    }

    pub(crate) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.0)
    }

    pub(crate) fn upgrade(shared: &Weak<Shared>) -> Option<Self> {
        shared.upgrade().map(Self)
    }

    /// Attaches a fibre unless there is one to another module; whether it was attached.
    pub(crate) fn attach(&self, fibre: Fibre) -> bool {
        self.put_line(Some(fibre)).is_ok()
    }

    /// Puts a line, or none, in the place of a described one or of none.
    pub(super) fn put_line(&self, line: Option<Fibre>) -> Result<(), AlreadyAttached> {
        let mut slot = self.fibre();
        if slot.as_ref().is_some_and(|fibre| !fibre.is_script()) {
            return Err(AlreadyAttached);
        }
        *slot = line;
        Ok(())
    }

    /// Detaches this fibre; another one stays.
    pub(crate) fn detach(&self, fibre: &Fibre) {
        let mut slot = self.fibre();
        if slot.as_ref().is_some_and(|attached| attached.is(fibre)) {
            *slot = None;
        }
    }

    /// A thread that panicked while it held the lock has not left a half-made module: every mutation is total.
    fn core(&self) -> MutexGuard<'_, Core> {
        self.0.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fibre(&self) -> MutexGuard<'_, Option<Fibre>> {
        self.0.fibre.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn optics(&self) -> MutexGuard<'_, OpticalLog> {
        self.0.optics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now(&self) -> Millis {
        self.0.clock.now()
    }

    /// Brings the module's state, and with it its optical past, to now.
    pub(crate) fn settle(&self) {
        drop(self.synced());
    }

    /// The optics `ms` before now.
    pub(crate) fn optics_before(&self, ms: u64) -> OpticalState {
        let at = Millis(self.now().0.saturating_sub(ms));
        self.optics().at(at)
    }

    /// The module with its state as of now.
    pub(super) fn synced(&self) -> MutexGuard<'_, Core> {
        let now = self.now();
        let mut core = self.core();
        core.sync(now);
        core
    }

    /// The module with its state and its measurements as of now.
    pub(super) fn measured(&self) -> MutexGuard<'_, Core> {
        let fibre = self.fibre().clone();
        if let Some(fibre) = &fibre {
            fibre.prepare();
        }
        let mut core = self.synced();
        let now = core.synced;
        let dark = [ReceivedLight::DARK; super::CARRIERS];
        core.measure(&|at, own| fibre.as_ref().map_or(dark, |fibre| fibre.light_at(at, now, own)));
        core
    }

    /// Bank and page that the module shows, whoever has selected them.
    pub(super) fn mapping(&self) -> [u8; 2] {
        let mapping = self.core().mapping;
        [mapping.0, mapping.1]
    }

    /// Ends a hold-off that would end within `patience`, and the command that holds off with it; for hosts whose polling
    /// takes no virtual time.
    pub(super) fn wait_out(&self, patience: Duration) {
        let mut core = self.synced();
        if core.busy_until.elapsed_since(core.synced) <= patience {
            core.end_hold_off();
        }
    }
}
