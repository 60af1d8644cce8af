use super::*;
use ipowdm_cmis::access::{TransportError, Window};
use ipowdm_cmis::emulator::{EmulatedModule, LinearModule, ModuleClock, Profile, VirtualClock};
use ipowdm_cmis::line::ScriptedLine;
use ipowdm_cmis::map::{Access, Address, TABLES};
use ipowdm_cmis::monitoring::{FecCounters, LinkPerformance};
use ipowdm_cmis::procedure::{ApplicationChoice, Configure, Target};
use ipowdm_cmis::transport::{Linear, LinearMemory};
use ipowdm_core::units::{Frequency, Power};
use std::sync::{Arc, Mutex};

/// An access, as the file of a module gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Recorded {
    at: Address,
    len: usize,
    is_write: bool,
}

/// A module behind linear offsets, as the kernel's file shows it, and everything that is asked of it.
struct File {
    module: LinearModule,
    log: Arc<Mutex<Vec<Recorded>>>,
}

impl LinearMemory for File {
    fn read_at(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.log.lock().unwrap().push(Recorded { at, len: into.len(), is_write: false });
        self.module.read(at.linear(), into)
    }

    fn write_at(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        self.log.lock().unwrap().push(Recorded { at, len: bytes.len(), is_write: true });
        self.module.write(at.linear(), bytes)
    }
}

/// A module that is lit, with flags that nobody has read.
fn lit() -> (EmulatedModule, VirtualClock) {
    let mut clock = VirtualClock::new();
    let (profile, line) = (Profile::OPENZRP, ScriptedLine::made_for(&Profile::OPENZRP));
    let time = ModuleClock::from(&clock);
    let module = EmulatedModule::plugged_in_at(Default::default(), profile, 7, time, Some(line)).unwrap();
    let mut eeprom = module.eeprom();
    let info = run(Identify::new(), &mut eeprom, &mut clock).unwrap();
    let target = Target {
        frequency: Frequency::ANCHOR,
        tx_power: Power::from_hundredths(-1_000),
        application: ApplicationChoice::Keep,
    };
    run(Configure::new(&info, target).unwrap(), &mut eeprom, &mut clock).unwrap();
    // What the commissioning left is the agent's; a fault that comes and goes later is the switch's to find.
    clock.advance(60_000);
    // The kernel's driver puts page 00h back after each access.
    module.window().write(127, &[0]).unwrap();
    (module, clock)
}

fn of_rows() -> Seen {
    let report = SweepReport {
        rx_los: Reading::Value(true),
        rx_los_seen: Reading::Value(true),
        tx_failure: Reading::Value(false),
        ..SweepReport::default()
    };
    Seen { report, app_sel: Some(2), read_at: Millis(1_000), interval: None }
}

fn overlaps(access: &Recorded, page: u8, byte: u8, len: u8) -> bool {
    let same_half =
        if byte < 128 { access.at.is_lower() } else { !access.at.is_lower() && access.at.page == page };
    let (start, end) = (usize::from(access.at.byte), usize::from(access.at.byte) + access.len);
    same_half && start < usize::from(byte) + usize::from(len) && usize::from(byte) < end
}

#[test]
fn flags_and_freeze_are_the_switchs_and_nothing_is_written() {
    let (module, clock) = lit();
    let log = Arc::<Mutex<Vec<Recorded>>>::default();
    let file = File { module: LinearModule::new(module.clone()), log: log.clone() };
    let mut supplement = Supplement::new(Box::new(Linear::new(file)), None);
    for round in 1..=3 {
        let seen = supplement.add_to(of_rows(), None, Millis(9_000 * round));
        assert_eq!(seen.read_at, Millis(9_000 * round), "it is read now");
        assert_eq!(seen.report.set_frequency, Reading::Value(Frequency::ANCHOR));
        assert!(seen.report.temperature.value().is_some());
        // Flags and the application are as the databases have them.
        assert_eq!(
            (seen.report.rx_los, seen.report.tx_failure),
            (Reading::Value(true), Reading::Value(false))
        );
        assert_eq!(seen.app_sel, Some(2));
        assert!(seen.interval.is_some(), "what the module counts is read on the way");
    }
    let log = log.lock().unwrap();
    assert!(log.len() > 30, "{} accesses", log.len());
    assert_eq!(log.iter().filter(|access| access.is_write).count(), 0);
    let flags = TABLES.iter().copied().flatten().filter(|field| field.access == Access::Cor);
    let mut places = 0;
    for place in flags.flat_map(|field| (0..field.count).filter_map(|index| field.element(index))) {
        places += 1;
        let touching = log.iter().find(|access| overlaps(access, place.at.page, place.at.byte, place.len));
        assert_eq!(touching, None, "{:?} clears on read", place.at);
    }
    assert!(places > 100, "{places} registers clear on read");
    // They are all there for the switch: the module's own memory has them until it is read.
    let mut latched = [0; 20];
    let mut own = module.eeprom();
    let mut read = |latched: &mut [u8]| {
        while let Err(error) = own.read(Address::page(0x11, 134), latched) {
            assert_eq!(error, TransportError::Busy);
            clock.advance(1);
        }
    };
    read(&mut latched);
    assert!(latched.iter().any(|flags| *flags != 0));
    let first = latched;
    read(&mut latched);
    assert_ne!(latched, first, "reading clears them");
}

#[test]
fn once_a_minute_the_modules_own_statistics_are_read_and_their_interval_is_not_ended() {
    let (module, clock) = lit();
    let log = Arc::<Mutex<Vec<Recorded>>>::default();
    let file = File { module: LinearModule::new(module), log: log.clone() };
    let mut supplement = Supplement::new(Box::new(Linear::new(file)), None);
    let reads_of = |(at, len): (Address, u8)| {
        let whole = |access: &&Recorded| access.at == at && access.len == usize::from(len);
        log.lock().unwrap().iter().filter(whole).count()
    };
    let mut told = Vec::new();
    for second in [9, 12, 68, 69] {
        clock.advance(3_000);
        let seen = supplement.add_to(of_rows(), None, Millis(1_000 * second));
        told.push(seen.interval.unwrap().told(Millis(1_000 * second)));
    }
    assert_eq!(
        (reads_of(FecCounters::MEDIA), reads_of(LinkPerformance::PLACE)),
        (2, 2),
        "at 9 s and at 69 s"
    );
    assert_eq!(told.iter().map(|of| of.age_ms).collect::<Vec<_>>(), [0, 3_000, 59_000, 0]);
    // What the switch's databases do not have.
    let of = &told[3];
    for quantity in ["modulation error ratio", "OSNR"] {
        let value = of.link.get(quantity).unwrap_or_else(|| panic!("{quantity} of {:?}", of.link));
        assert!(value.unit == "dB" && value.min <= value.avg && value.avg <= value.max, "{value:?}");
    }
    let fec = of.media_fec.unwrap();
    assert!(fec.bits > 0 && fec.corrected_bits > 0 && fec.frames > 0, "{fec:?}");
    assert!(fec.bits > told[0].media_fec.unwrap().bits, "the interval has gone on");
    assert_eq!(log.lock().unwrap().iter().filter(|access| access.is_write).count(), 0);
}

#[test]
fn another_modules_registers_are_not_taken_for_this_ones() {
    let (module, _) = lit();
    let mut supplement = Supplement::new(Box::new(module.eeprom()), None);
    let seen = supplement.add_to(of_rows(), Some("SOMEBODY ELSE"), Millis(9_000));
    assert_eq!(seen, of_rows());
}

#[test]
fn a_module_that_does_not_answer_leaves_what_the_databases_say() {
    // The module lives fast, and by the clock that the supplement waits by.
    let module = EmulatedModule::new(Profile::OPENZRP, 7, ModuleClock::scaled(100));
    let mut supplement = Supplement::new(Box::new(module.eeprom()), None);
    assert_ne!(supplement.add_to(of_rows(), None, Millis(9_000)), of_rows());
    module.pull_out();
    assert_eq!(supplement.add_to(of_rows(), None, Millis(12_000)), of_rows());
    module.insert();
    assert_ne!(supplement.add_to(of_rows(), None, Millis(15_000)), of_rows());
}
