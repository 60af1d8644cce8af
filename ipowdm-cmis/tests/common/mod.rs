//! What the tests of emulated modules share.
#![allow(dead_code, reason = "each test binary uses its part")]
#![expect(clippy::expect_used, reason = "a bench that does not work fails its test")]

pub(crate) mod raw;

use ipowdm_cmis::access::{Counters, Eeprom, Paged, TransportError};
use ipowdm_cmis::emulator::{EmulatedModule, EmulatedWindow, ModuleClock, Profile, VirtualClock};
use ipowdm_cmis::map::Address;
use ipowdm_cmis::procedure::{
    ApplicationChoice, BusyLimits, Configure, Flags, Identify, ModuleInfo, Pollable, ProcError, Procedure,
    Progress, Readback, Sweep, SweepReport, Target, run,
};
use ipowdm_cmis::time::{Clock, Millis};
use ipowdm_core::units::{Frequency, Power};

/// A module on a bench of its own, with what was learned about it.
pub(crate) struct Bench {
    pub(crate) clock: VirtualClock,
    pub(crate) module: EmulatedModule,
    pub(crate) eeprom: Paged<EmulatedWindow>,
    pub(crate) info: ModuleInfo,
}

impl Bench {
    pub(crate) fn new(profile: Profile) -> Self {
        Self::at(&VirtualClock::new(), profile, 1)
    }

    /// A module that lives by `clock`.
    pub(crate) fn at(clock: &VirtualClock, profile: Profile, serial: u32) -> Self {
        let mut clock = clock.clone();
        let module = EmulatedModule::new(profile, serial, ModuleClock::from(&clock));
        let mut eeprom = module.eeprom();
        let info = run(Identify::new(), &mut eeprom, &mut clock).expect("an emulated module is identified");
        Self { clock, module, eeprom, info }
    }

    pub(crate) fn run<P: Procedure>(&mut self, procedure: P) -> P::Output {
        run(procedure, &mut self.eeprom, &mut self.clock)
    }

    pub(crate) fn configure(&mut self, target: Target) -> Result<Readback, ProcError> {
        let procedure = Configure::new(&self.info, target)?;
        self.run(procedure)
    }

    pub(crate) fn sweep(&mut self) -> SweepReport {
        let procedure = Sweep::new(&self.info, 0, Flags::Latch);
        self.run(procedure).expect("a present module is swept")
    }

    pub(crate) fn byte(&mut self, page: u8, byte: u8) -> u8 {
        let mut value = [0];
        self.read(Address::page(page, byte), &mut value);
        value[0]
    }

    /// Whether the module has a page of bank 0.
    pub(crate) fn has(&mut self, page: u8) -> bool {
        let mut byte = [0];
        loop {
            match self.eeprom.read(Address::page(page, 255), &mut byte) {
                Err(TransportError::Busy) => self.clock.advance(1),
                result => return result.is_ok(),
            }
        }
    }

    /// A read that waits for a busy module.
    pub(crate) fn read(&mut self, at: Address, into: &mut [u8]) {
        while self.eeprom.read(at, into) == Err(TransportError::Busy) {
            self.clock.advance(1);
        }
    }

    /// A write that waits for a busy module.
    pub(crate) fn write(&mut self, at: Address, bytes: &[u8]) {
        while self.eeprom.write(at, bytes) == Err(TransportError::Busy) {
            self.clock.advance(1);
        }
    }

    /// Runs a procedure and calls `look` each time it waits.
    pub(crate) fn watch<P: Procedure>(
        &mut self,
        procedure: P,
        mut look: impl FnMut(&EmulatedModule, &P),
    ) -> P::Output {
        let mut pollable = Pollable::new(procedure, BusyLimits::default());
        loop {
            match pollable.advance(self.clock.now(), &mut self.eeprom) {
                Progress::Done(output) => return output,
                Progress::Sleep(until) => {
                    // In small steps, so that nothing short is missed.
                    while self.clock.now() < until {
                        look(&self.module, pollable.procedure());
                        let next = Millis(self.clock.now().0 + 10).min(until);
                        self.clock.sleep_until(next);
                    }
                }
            }
        }
    }
}

pub(crate) fn mhz(mhz: u32) -> Frequency {
    Frequency::from_mhz(mhz)
}

pub(crate) fn dbm(hundredths: i16) -> Power {
    Power::from_hundredths(hundredths)
}

pub(crate) fn target(frequency: u32, power: i16, media_code: u8) -> Target {
    Target {
        frequency: mhz(frequency),
        tx_power: dbm(power),
        application: ApplicationChoice::MediaCode(media_code),
    }
}

/// The writes that a procedure makes, with the EEPROM below.
pub(crate) struct Recorder<E> {
    pub(crate) below: E,
    pub(crate) writes: Vec<(Address, Vec<u8>)>,
}

impl<E> Recorder<E> {
    pub(crate) fn new(below: E) -> Self {
        Self { below, writes: Vec::new() }
    }

    /// (page, byte) of every write.
    pub(crate) fn places(&self) -> Vec<(u8, u8)> {
        self.writes.iter().map(|(at, _)| (at.page, at.byte)).collect()
    }
}

impl<E: Eeprom> Eeprom for Recorder<E> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.below.read(at, into)
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        self.below.write(at, bytes)?;
        self.writes.push((at, bytes.to_vec()));
        Ok(())
    }

    fn counters(&self) -> Counters {
        self.below.counters()
    }

    fn begin(&mut self) {
        self.below.begin();
    }
}

/// Refuses every `period`-th access.
pub(crate) struct Flaky<E> {
    pub(crate) below: E,
    pub(crate) period: u32,
    pub(crate) count: u32,
}

impl<E> Flaky<E> {
    fn refuse(&mut self) -> Result<(), TransportError> {
        self.count += 1;
        if self.count.is_multiple_of(self.period) { Err(TransportError::Busy) } else { Ok(()) }
    }
}

impl<E: Eeprom> Eeprom for Flaky<E> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.refuse()?;
        self.below.read(at, into)
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        self.refuse()?;
        self.below.write(at, bytes)
    }

    fn counters(&self) -> Counters {
        self.below.counters()
    }

    fn begin(&mut self) {
        self.below.begin();
    }
}
