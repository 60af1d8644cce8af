//! Memories that were made up; those of real modules are in `tests/dump_of_real_modules.rs`.

use super::*;
use crate::access::{Counters, Eeprom, TransportError};
use crate::map::Address;
use crate::procedure::{ProcError, run};
use crate::transport::{Image, StillClock};
use std::string::ToString;
use std::vec;

fn paged() -> Image {
    let mut lower = [0_u8; 128];
    lower[0] = 0x18;
    lower[1] = 0x52;
    let mut image = Image::new(lower);
    let mut identity = [0_u8; 128];
    identity[1..17].copy_from_slice(b"IPOWDM-EMU      ");
    identity[38..54].copy_from_slice(b"SERIAL-1        ");
    image.put_page(0, 0, identity);
    image
}

fn memory(image: &mut Image, plan: Plan) -> Memory {
    run(ReadMemory::new(plan), image, &mut StillClock::default()).unwrap()
}

#[test]
fn a_page_is_read_absent_or_not_advertised() {
    let mut image = paged();
    let mut advertisement = [0_u8; 128];
    advertisement[142 - 128] = 0x20 | 0x10 | 0x01;
    image.put_page(0, 1, advertisement);
    image.put_page(0, 0x10, [0; 128]);
    image.put_page(1, 0x10, [1; 128]);
    image.put_page(0, 0x04, [0; 128]);
    let memory = memory(&mut image, Plan::Advertised);
    let state = |page| memory.state(PageName::page(page));
    assert!(matches!(state(0x10), PageState::Read(_)));
    assert!(matches!(memory.state(PageName::Page { page: 0x10, bank: 1 }), PageState::Read(_)), "two banks");
    assert_eq!(*state(0x13), PageState::Absent, "advertised and not there");
    assert_eq!(*state(0x35), PageState::Absent);
    assert!(memory.pages().all(|(name, _)| name != PageName::page(0x3F)), "reserved in an advertised range");
    assert_eq!(*state(0x04), PageState::NotAdvertised, "there and not advertised: not tried");
    let dump = Dump::decode(&memory);
    assert_eq!(dump.group("laser"), Some(&Item::Missing(Missing::Unsupported)));
    assert!(dump.register("10.bank1", "DPDeinitLane").is_some());
    assert!(dump.register("13", "UserPattern").is_none());
}

#[test]
fn a_search_through_everything_finds_what_is_not_advertised() {
    let mut image = paged();
    image.put_page(0, 1, [0; 128]);
    image.put_page(0, 0x04, [0; 128]);
    image.put_page(0, 0xC5, [7; 128]);
    let memory = memory(&mut image, Plan::Everything);
    assert!(memory.half(PageName::page(0x04)).is_some() && memory.half(PageName::page(0xC5)).is_some());
    assert_eq!(*memory.state(PageName::page(0x12)), PageState::NotAdvertised);
    assert!(memory.pages().all(|(name, _)| name != PageName::page(0xC6)), "nothing is said of it");
}

#[test]
fn a_flat_memory_is_the_lower_memory_and_page_00h() {
    let mut lower = [0_u8; 128];
    lower[..3].copy_from_slice(&[0x18, 0x40, 0x80]);
    let mut image = Image::new(lower);
    image.put_page(0, 0, [b'X'; 128]);
    let memory = memory(&mut image, Plan::Advertised);
    assert_eq!(image.counters().reads, 3, "lower memory, page 00h, the serial number once more");
    let dump = Dump::decode(&memory);
    assert_eq!(dump.group("state").unwrap().get("lanes"), Some(&Item::Missing(Missing::Unsupported)));
    assert_eq!(dump.group("identity").unwrap().get("flat_memory"), Some(&Item::Flag(true)));
}

/// Answers as the script says where it has something to say.
struct Scripted {
    image: Image,
    failing: fn(Address) -> Option<TransportError>,
    log: Vec<(Address, usize)>,
}

impl Eeprom for Scripted {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.log.push((at, into.len()));
        match (self.failing)(at) {
            Some(error) => Err(error),
            None => self.image.read(at, into),
        }
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        panic!("{} bytes written at {at}", bytes.len())
    }

    fn counters(&self) -> Counters {
        self.image.counters()
    }
}

fn scripted(failing: fn(Address) -> Option<TransportError>) -> Scripted {
    let mut image = paged();
    image.put_page(0, 1, [0; 128]);
    image.put_page(0, 0x10, [0; 128]);
    image.put_page(0, 0x11, [0xFF; 128]);
    Scripted { image, failing, log: vec![] }
}

fn read(module: &mut Scripted, reading: ReadMemory) -> Result<Memory, ProcError> {
    run(reading, module, &mut StillClock::default())
}

#[test]
fn a_page_that_cannot_be_read_is_no_absent_page() {
    let timed_out = |at: Address| (at.page == 0x11).then_some(TransportError::TimedOut);
    let memory = read(&mut scripted(timed_out), ReadMemory::new(Plan::Advertised)).unwrap();
    assert_eq!(*memory.state(PageName::page(0x11)), PageState::Unreadable(TransportError::TimedOut));
    let dump = Dump::decode(&memory);
    let lanes = dump.group("state").unwrap().get("lanes").unwrap();
    assert_eq!(*lanes, Item::Missing(Missing::Unreadable(TransportError::TimedOut)));
    assert!(dump.to_string().contains("== page 11: the bus timed out"), "{dump}");
}

#[test]
fn a_module_that_stops_answering_is_not_waited_for_page_by_page() {
    struct Silent {
        image: Image,
        answers: u32,
        refused: u32,
    }
    impl Eeprom for Silent {
        fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
            if self.answers == 0 {
                self.refused += 1;
                return Err(TransportError::TimedOut);
            }
            self.answers -= 1;
            self.image.read(at, into)
        }

        fn write(&mut self, _: Address, _: &[u8]) -> Result<(), TransportError> {
            Ok(())
        }

        fn counters(&self) -> Counters {
            self.image.counters()
        }
    }
    for answers in 1..=4 {
        let mut module = Silent { image: scripted(|_| None).image, answers, refused: 0 };
        let outcome = run(ReadMemory::new(Plan::Everything), &mut module, &mut StillClock::default());
        let expected = ProcError::Bus { at: Address::lower(0), source: TransportError::TimedOut };
        assert_eq!(outcome.unwrap_err(), expected, "after {answers}");
        assert_eq!(module.refused, 2, "a page, and byte 0 as the sign of life");
    }
}

#[test]
fn without_the_lower_memory_or_a_module_there_is_no_dump() {
    let lower = |at: Address| at.is_lower().then_some(TransportError::TimedOut);
    let error = read(&mut scripted(lower), ReadMemory::new(Plan::Advertised)).unwrap_err();
    assert_eq!(error, ProcError::Bus { at: Address::lower(0), source: TransportError::TimedOut });
    let gone = |at: Address| (at.page == 0x10).then_some(TransportError::Absent);
    let error = read(&mut scripted(gone), ReadMemory::new(Plan::Advertised)).unwrap_err();
    assert_eq!(error, ProcError::Bus { at: Address::page(0x10, 128), source: TransportError::Absent });
}

#[test]
fn flags_that_clear_on_read_can_be_left_alone() {
    let mut module = scripted(|_| None);
    let memory = read(&mut module, ReadMemory::new(Plan::Advertised).leaving_flags()).unwrap();
    let clears = |at: Address, len: usize| {
        let of_lower = at.is_lower() && at.byte <= 11 && usize::from(at.byte) + len > 8;
        let of_lanes = at.page == 0x11 && at.byte <= 153 && usize::from(at.byte) + len > 134;
        of_lower || of_lanes
    };
    assert!(module.log.iter().all(|(at, len)| !clears(*at, *len)), "{:?}", module.log);
    let dump = Dump::decode(&memory);
    assert_eq!(dump.register("11", "LOSRxFlag").unwrap().value, Value::NotRead);
    assert_eq!(dump.register("11", "OutputStatusTx").unwrap().value, Value::Lanes(0xFF));
    assert_eq!(dump.register("11", "OpticalPowerTx8").unwrap().raw(), Some(0xFFFF));
    assert_eq!(dump.group("state").unwrap().get("flags"), Some(&Item::Missing(Missing::NotRead)));
    let all = read(&mut module, ReadMemory::new(Plan::Advertised)).unwrap();
    let dump = Dump::decode(&all);
    assert_eq!(dump.register("11", "LOSRxFlag").unwrap().value, Value::Lanes(0xFF));
}

#[test]
fn a_module_that_is_exchanged_meanwhile_is_an_error() {
    struct Swapped(Image, u32);
    impl Eeprom for Swapped {
        fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
            self.0.read(at, into)?;
            self.1 += 1;
            if at == Address::page(0, 166) {
                into.fill(b'2');
            }
            Ok(())
        }

        fn write(&mut self, _: Address, _: &[u8]) -> Result<(), TransportError> {
            Ok(())
        }

        fn counters(&self) -> Counters {
            self.0.counters()
        }
    }
    let mut module = Swapped(scripted(|_| None).image, 0);
    let outcome = run(ReadMemory::new(Plan::Advertised), &mut module, &mut StillClock::default());
    assert_eq!(outcome.unwrap_err(), ProcError::ModuleChanged);
}

#[test]
fn values_have_their_scale_sign_and_unit() {
    let mut lower = [0_u8; 128];
    lower[..4].copy_from_slice(&[0x19, 0x53, 0x00, 0x07]);
    lower[14..18].copy_from_slice(&[0xF6, 0x80, 0x80, 0xE8]);
    let mut image = Image::new(lower);
    image.put_page(0, 0, [0; 128]);
    let mut advertisement = [0_u8; 128];
    advertisement[142 - 128] = 0x40;
    advertisement[155 - 128] = 0x40;
    advertisement[160 - 128] = 0x10;
    advertisement[144 - 128] = 0x5A;
    image.put_page(0, 1, advertisement);
    let mut laser = [0_u8; 128];
    laser[0] = 0x70;
    laser[8..10].copy_from_slice(&78_i16.to_be_bytes());
    laser[40..44].copy_from_slice(&195_050_000_u32.to_be_bytes());
    laser[72..74].copy_from_slice(&(-1_000_i16).to_be_bytes());
    image.put_page(0, 0x12, laser);
    let mut lanes = [0_u8; 128];
    lanes[42..44].copy_from_slice(&1_000_u16.to_be_bytes());
    image.put_page(0, 0x11, lanes);
    let memory = memory(&mut image, Plan::Advertised);
    let dump = Dump::decode(&memory);
    let shown = |page, name| dump.register(page, name).unwrap().to_string();
    assert_eq!(shown("lower", "TempMonValue"), "-9.5 degC");
    assert_eq!(shown("lower", "VccMonVoltage"), "3.3 V");
    assert_eq!(shown("lower", "ModuleState"), "Ready");
    assert_eq!(shown("lower", "CmisRevision"), "5.3");
    assert_eq!(shown("01", "MaxDurationDPInit"), "at most 300000 ms (code Ah)");
    assert_eq!(shown("11", "LaserBiasTx1"), "8000 uA", "the multiplier is 4");
    assert_eq!(shown("12", "GridSpacingTx1"), "75 GHz");
    assert_eq!(shown("12", "CurrentLaserFrequencyTx1"), "195050 GHz");
    assert_eq!(shown("12", "TargetOutputPowerTx1"), "-10 dBm");
    let lane = dump.group("laser").unwrap().get("lanes").unwrap().at(0).unwrap();
    assert_eq!(lane.get("set_frequency"), Some(&Item::Quantity(195_050_000.0, "MHz")));
    assert_eq!(lane.get("current_frequency"), Some(&Item::Quantity(195_050_000.0, "MHz")));
    let dark = dump.group("laser").unwrap().get("lanes").unwrap().at(1).unwrap();
    assert_eq!(dark.get("current_frequency"), Some(&Item::Missing(Missing::Absent)), "0 is no frequency");
}

crate::register_table! {
    /// Page C5h of a vendor that does not exist.
    #[expect(unreachable_pub, reason = "a table is public to whoever sees its module")]
    page_c5, 0xC5, "a vendor's manual";
    HEATER_CURRENT = field("HeaterCurrent#", 128, U16, Ro).array(1, 2, 2).scale(1, 10).unit("mA");
    SELF_TEST = field("SelfTest", 140, Enum, Ro).bits(1, 0).names(&[(0, "not run"), (1, "passed")]);
}

#[test]
fn a_vendors_page_is_rows_of_a_table() {
    let mut image = paged();
    image.put_page(0, 1, [0; 128]);
    let mut page = [0_u8; 128];
    page[..4].copy_from_slice(&[0x04, 0xD2, 0, 5]);
    page[12] = 0x01;
    image.put_page(0, 0xC5, page);
    let reading = ReadMemory::new(Plan::Advertised).with_pages(&[0xC5]);
    let memory = run(reading, &mut image, &mut StillClock::default()).unwrap();
    // Made at run time as well as at compile time: a table is a slice of rows.
    let own = [page_c5::HEATER_CURRENT, page_c5::SELF_TEST];
    for dump in [Dump::decode_with(&memory, &[page_c5::TABLE]), Dump::decode_with(&memory, &[&own])] {
        assert_eq!(dump.register("C5", "HeaterCurrent1").unwrap().to_string(), "123.4 mA");
        assert_eq!(dump.register("C5", "HeaterCurrent2").unwrap().to_string(), "0.5 mA");
        assert_eq!(dump.register("C5", "SelfTest").unwrap().to_string(), "passed");
    }
    let without = Dump::decode(&memory);
    assert!(without.register("C5", "SelfTest").is_none());
    assert!(without.to_string().contains("04d200050000"), "a page without a table is shown as it is");
}
