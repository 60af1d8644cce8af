//! No content of a module makes a procedure panic, hang, or report a number that is not one.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a bench that does not work fails its test")]

use core::time::Duration;
use ipowdm_cmis::access::{Counters, Eeprom, TransportError};
use ipowdm_cmis::map::Address;
use ipowdm_cmis::procedure::{
    ApplicationChoice, BusyLimits, Configure, Flags, Identify, ModuleInfo, ModulePower, Pollable, PowerMode,
    ProcError, Procedure, Progress, SetTxPower, Sweep, Target, TxControl, TxGoal,
};
use ipowdm_cmis::time::Millis;
use ipowdm_core::units::{Frequency, Power};
use proptest::prelude::*;

/// A module whose memory is noise, and changes whenever it is read; some bytes can be held.
#[derive(Debug)]
struct Noise {
    state: u64,
    held: Vec<(Address, u8)>,
    /// One access in this many fails; 0 for none.
    failing: u64,
}

impl Noise {
    fn next(&mut self) -> u64 {
        self.state =
            self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.state >> 33
    }

    fn refuse(&mut self) -> Result<(), TransportError> {
        if self.failing == 0 || !self.next().is_multiple_of(self.failing) {
            return Ok(());
        }
        Err(match self.next() % 5 {
            0 => TransportError::TimedOut,
            1 => TransportError::Io(5),
            2 => TransportError::PageUnsupported { bank: 0, page: 0x20 },
            _ => TransportError::Busy,
        })
    }
}

impl Eeprom for Noise {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.refuse()?;
        for (offset, byte) in into.iter_mut().enumerate() {
            *byte = u8::try_from(self.next() & 0xFF).unwrap();
            let place = Address { byte: at.byte + u8::try_from(offset).unwrap(), ..at };
            if let Some((_, value)) = self.held.iter().find(|(held, _)| *held == place) {
                *byte = *value;
            }
        }
        Ok(())
    }

    fn write(&mut self, _at: Address, _bytes: &[u8]) -> Result<(), TransportError> {
        self.refuse()
    }

    fn counters(&self) -> Counters {
        Counters::default()
    }
}

/// Runs to the end in virtual time; fails a procedure that takes more than a few days or never waits.
fn finish<P: Procedure>(procedure: P, module: &mut Noise) -> P::Output {
    let mut now = Millis(0);
    let mut pollable = Pollable::new(procedure, BusyLimits::default());
    for _ in 0..2_000_000_u32 {
        match pollable.advance(now, module) {
            Progress::Done(output) => return output,
            Progress::Sleep(until) => {
                assert!(until > now, "a wait that does not pass time");
                now = until;
            }
        }
        assert!(now.elapsed_since(Millis(0)) < Duration::from_secs(3 * 86_400), "a procedure without an end");
    }
    panic!("a procedure without an end");
}

/// The bytes that let identification go on: CMIS 5.2 QSFP-DD, paged, a constant serial number.
fn plausible(deep: bool) -> Vec<(Address, u8)> {
    let mut held = vec![(Address::lower(0), 0x18), (Address::lower(1), 0x52), (Address::lower(2), 0)];
    held.extend((166..182).map(|byte| (Address::page(0, byte), b'7')));
    if deep {
        // Coherent, VDM, tunable, all grids, programmable power in the full range, one application that fits.
        held.extend([
            (Address::page(1, 142), 0x70),
            (Address::page(1, 155), 0x40),
            (Address::page(4, 128), 0xFF),
            (Address::page(4, 196), 0x80),
            (Address::page(4, 198), 0x80),
            (Address::page(4, 200), 0x7F),
            (Address::lower(86), 0x11),
            (Address::lower(87), 0x3E),
            (Address::lower(88), 0x81),
            (Address::lower(89), 0x01),
        ]);
        let word = |byte: u8, value: i16| {
            let [high, low] = value.to_be_bytes();
            [(Address::page(4, byte), high), (Address::page(4, byte + 1), low)]
        };
        held.extend((130..170).step_by(4).flat_map(|low| word(low, -300)));
        held.extend((132..170).step_by(4).flat_map(|high| word(high, 300)));
    }
    held
}

fn use_everything(info: &ModuleInfo, module: &mut Noise) {
    for frequency in [193_100_000, 193_106_251] {
        for choice in
            [ApplicationChoice::Keep, ApplicationChoice::AppSel(1), ApplicationChoice::MediaCode(0x3E)]
        {
            let target = Target {
                frequency: Frequency::from_mhz(frequency),
                tx_power: Power::from_hundredths(-1000),
                application: choice,
            };
            if let Ok(procedure) = Configure::new(info, target) {
                let _ = finish(procedure, module);
            }
        }
    }
    for flags in [Flags::Latch, Flags::Leave] {
        if let Ok(report) = finish(Sweep::new(info, 0, flags), module) {
            let finite = |value: Option<f64>| assert!(value.is_none_or(f64::is_finite));
            finite(report.osnr.value().map(|osnr| osnr.value()));
            finite(report.pre_fec_ber.value().map(|ber| ber.value()));
            finite(report.rx_total_power.value().map(|power| power.value()));
        }
    }
    for goal in [TxGoal::Deactivate, TxGoal::Disable, TxGoal::Enable] {
        if let Ok(procedure) = TxControl::new(info, goal) {
            let _ = finish(procedure, module);
        }
    }
    for mode in [PowerMode::High, PowerMode::Low] {
        if let Ok(procedure) = ModulePower::new(info, mode) {
            let _ = finish(procedure, module);
        }
    }
    if let Ok(procedure) = SetTxPower::new(info, Power::from_hundredths(0), 255) {
        let _ = finish(procedure, module);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pure_noise_is_refused_or_read_without_panic(state in any::<u64>(), failing in 0_u64..20) {
        let mut module = Noise { state, held: Vec::new(), failing };
        if let Ok(info) = finish(Identify::new(), &mut module) {
            use_everything(&info, &mut module);
        }
    }

    #[test]
    fn noise_behind_a_plausible_identity_is_survived(state in any::<u64>(), failing in 0_u64..40, deep in any::<bool>()) {
        let mut module = Noise { state, held: plausible(deep), failing };
        if let Ok(info) = finish(Identify::new(), &mut module) {
            use_everything(&info, &mut module);
        }
    }
}

#[test]
fn the_deep_case_reaches_configuration() {
    // Guards the property above against becoming empty.
    let mut module = Noise { state: 1, held: plausible(true), failing: 0 };
    let info = finish(Identify::new(), &mut module).unwrap();
    assert!(info.tunable && info.vdm && info.capability.tx_power.is_some());
    let target = Target {
        frequency: Frequency::ANCHOR,
        tx_power: Power::from_hundredths(-1000),
        application: ApplicationChoice::AppSel(1),
    };
    Configure::new(&info, target).unwrap();
}

#[test]
fn a_module_of_cmis_3_is_read_and_not_controlled() {
    let mut module = Noise { state: 1, held: plausible(true), failing: 0 };
    module.held.retain(|(at, _)| *at != Address::lower(1));
    module.held.push((Address::lower(1), 0x30));
    let info = finish(Identify::new(), &mut module).unwrap();
    let refused = TxControl::new(&info, TxGoal::Deactivate).unwrap_err();
    assert_eq!(refused, ProcError::RevisionTooOld { major: 3, minor: 0 });
    assert!(ModulePower::new(&info, PowerMode::Low).is_err());
}
