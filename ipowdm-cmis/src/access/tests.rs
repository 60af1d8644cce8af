//! The paging rules, transaction by transaction.

use super::*;
use proptest::prelude::*;
use std::collections::VecDeque;
use std::vec;
use std::vec::Vec;

/// One transaction on the bus.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Bus {
    Read(u8, usize),
    Write(u8, Vec<u8>),
}

/// A window that records, with these pages and two lane banks; accesses fail as the script says.
#[derive(Debug, Default)]
struct Scripted {
    log: Vec<Bus>,
    mapping: (u8, u8),
    /// A page that is not there after all.
    missing: Option<u8>,
    /// What somebody else selects right after the next selection.
    interference: Option<(u8, u8)>,
    /// Outcome of the next accesses; beyond its end everything works.
    script: VecDeque<Option<TransportError>>,
}

const PAGES: [u8; 4] = [0x00, 0x01, 0x10, 0x11];

impl Scripted {
    fn outcome(&mut self) -> Result<(), TransportError> {
        self.script.pop_front().flatten().map_or(Ok(()), Err)
    }
}

impl Window for Scripted {
    fn read(&mut self, byte: u8, into: &mut [u8]) -> Result<(), TransportError> {
        self.log.push(Bus::Read(byte, into.len()));
        self.outcome()?;
        for (offset, value) in into.iter_mut().enumerate() {
            let at = usize::from(byte) + offset;
            *value = match at {
                126 => self.mapping.0,
                127 => self.mapping.1,
                0..126 => 0xEE,
                // A page shows its bank and number.
                _ => self.mapping.0 << 7 | self.mapping.1,
            };
        }
        Ok(())
    }

    fn write(&mut self, byte: u8, bytes: &[u8]) -> Result<(), TransportError> {
        self.log.push(Bus::Write(byte, bytes.to_vec()));
        self.outcome()?;
        let mapping = match (byte, bytes) {
            (127, [page]) => (self.mapping.0, *page),
            (126, [bank, page]) => (*bank, *page),
            _ => return Ok(()),
        };
        let has = PAGES.contains(&mapping.1) && self.missing != Some(mapping.1);
        let there = has && (mapping.1 < 0x10 || mapping.0 < 2);
        self.mapping = self.interference.take().unwrap_or(if there { mapping } else { (0, 0) });
        Ok(())
    }
}

fn paged() -> Paged<Scripted> {
    Paged::new(Scripted::default())
}

fn log(paged: &mut Paged<Scripted>) -> Vec<Bus> {
    core::mem::take(&mut paged.window.log)
}

fn read(paged: &mut Paged<Scripted>, bank: u8, page: u8) -> Result<u8, TransportError> {
    let mut byte = [0];
    paged.read(Address { bank, page, byte: 200 }, &mut byte).map(|()| byte[0])
}

#[test]
fn a_page_is_selected_once_and_read_back_whenever_it_is_relied_on() {
    let mut module = paged();
    let select = |page| Bus::Write(126, vec![0, page]);
    let verify = Bus::Read(126, 2);
    let data = Bus::Read(200, 1);
    assert_eq!(read(&mut module, 0, 0x10), Ok(0x10));
    assert_eq!(log(&mut module), [select(0x10), verify.clone(), data.clone()]);
    assert_eq!(read(&mut module, 0, 0x10), Ok(0x10));
    assert_eq!(log(&mut module), [verify.clone(), data.clone()], "selected already");
    assert_eq!(read(&mut module, 0, 0x11), Ok(0x11));
    assert_eq!(log(&mut module), [select(0x11), verify, data]);
    assert_eq!(module.counters().transactions, 8);
    assert_eq!(module.counters().page_accesses, 5);
}

#[test]
fn bank_and_page_are_written_in_one_access() {
    let mut module = paged();
    read(&mut module, 0, 0x10).unwrap();
    log(&mut module);
    assert_eq!(read(&mut module, 1, 0x10), Ok(0x90));
    assert_eq!(log(&mut module)[0], Bus::Write(126, vec![1, 0x10]));
    assert_eq!(read(&mut module, 7, 0x01), Ok(0x01), "unbanked pages have no bank");
    assert_eq!(log(&mut module)[0], Bus::Write(126, vec![0, 0x01]));
}

#[test]
fn an_unsupported_page_is_a_typed_error_every_time() {
    let mut module = paged();
    for _ in 0..2 {
        assert_eq!(read(&mut module, 0, 0x30), Err(TransportError::PageUnsupported { bank: 0, page: 0x30 }));
        assert_eq!(read(&mut module, 3, 0x10), Err(TransportError::PageUnsupported { bank: 3, page: 0x10 }));
    }
    assert_eq!(read(&mut module, 0, 0x11), Ok(0x11));
}

#[test]
fn the_lower_memory_needs_no_page() {
    let mut module = paged();
    module.read(Address::lower(3), &mut [0]).unwrap();
    module.write(Address::lower(26), &[1]).unwrap();
    assert_eq!(log(&mut module), [Bus::Read(3, 1), Bus::Write(26, vec![1])]);
}

#[test]
fn a_refused_access_is_taken_up_where_it_stopped_with_the_mapping_read_again() {
    let mut module = paged();
    read(&mut module, 0, 0x10).unwrap();
    read(&mut module, 0, 0x11).unwrap();
    log(&mut module);
    // The data access is refused: the next call reads the mapping, and the data.
    module.window.script = VecDeque::from([None, Some(TransportError::Busy)]);
    assert_eq!(read(&mut module, 0, 0x11), Err(TransportError::Busy));
    assert_eq!(read(&mut module, 0, 0x11), Ok(0x11));
    let access = [Bus::Read(126, 2), Bus::Read(200, 1)];
    assert_eq!(log(&mut module), [access.clone(), access].concat());
    assert_eq!(module.counters().busy, 1);
    // A refused selection did not take place; the mapping says so.
    module.window.script = VecDeque::from([Some(TransportError::Busy)]);
    assert_eq!(read(&mut module, 0, 0x10), Err(TransportError::Busy));
    assert_eq!(read(&mut module, 0, 0x10), Ok(0x10));
    assert_eq!(module.window.mapping, (0, 0x10));
}

#[test]
fn a_first_selection_whose_verification_is_refused_is_verified_later_and_not_written_again() {
    let mut module = paged();
    module.window.script = VecDeque::from([None, Some(TransportError::Busy)]);
    assert_eq!(read(&mut module, 0, 0x10), Err(TransportError::Busy));
    assert_eq!(read(&mut module, 0, 0x10), Ok(0x10));
    let writes = log(&mut module).into_iter().filter(|bus| matches!(bus, Bus::Write(..))).count();
    assert_eq!(writes, 1, "selecting again would only make the module busy again");
    module.window.script = VecDeque::from([None, Some(TransportError::Busy)]);
    assert_eq!(read(&mut module, 0, 0x30), Err(TransportError::Busy));
    assert_eq!(read(&mut module, 0, 0x30), Err(TransportError::PageUnsupported { bank: 0, page: 0x30 }));
}

#[test]
fn a_module_reset_or_exchanged_unnoticed_is_not_read_or_written_on_a_stale_page() {
    let mut module = paged();
    for bank in [0, 1] {
        read(&mut module, bank, 0x10).unwrap();
        module.window.mapping = (0, 0);
        assert_eq!(read(&mut module, bank, 0x10), Ok(bank << 7 | 0x10), "bank {bank}");
        module.window.mapping = (0, 0);
        module.write(Address { bank, page: 0x10, byte: 130 }, &[1]).unwrap();
        assert_eq!(module.window.mapping, (bank, 0x10));
    }
}

#[test]
fn the_exchanged_module_may_have_fewer_pages() {
    let mut module = paged();
    read(&mut module, 0, 0x10).unwrap();
    read(&mut module, 0, 0x11).unwrap();
    module.window.mapping = (0, 0);
    module.window.missing = Some(0x10);
    assert_eq!(read(&mut module, 0, 0x10), Err(TransportError::PageUnsupported { bank: 0, page: 0x10 }));
    assert_eq!(read(&mut module, 0, 0x11), Ok(0x11));
}

#[test]
fn a_selection_that_shows_a_third_page_is_tried_again() {
    let mut module = paged();
    module.window.interference = Some((0, 0x11));
    assert_eq!(read(&mut module, 0, 0x10), Err(TransportError::Busy));
    assert_eq!(read(&mut module, 0, 0x10), Ok(0x10));
}

#[test]
fn an_absent_module_is_a_new_one_when_it_is_back() {
    let mut module = paged();
    read(&mut module, 0, 0x10).unwrap();
    module.window.script = VecDeque::from([Some(TransportError::Absent)]);
    assert_eq!(read(&mut module, 0, 0x10), Err(TransportError::Absent));
    log(&mut module);
    read(&mut module, 0, 0x10).unwrap();
    assert_eq!(log(&mut module).len(), 3, "selected, verified and read as at first");
}

#[test]
fn an_illegal_access_reaches_no_bus() {
    let mut module = paged();
    assert!(module.read(Address::page(0x10, 250), &mut [0; 7]).is_err());
    assert!(module.read(Address::lower(120), &mut [0; 9]).is_err());
    assert!(module.read(Address::page(0x10, 128), &mut []).is_err());
    assert!(module.write(Address::page(0x10, 128), &[0; 9]).is_err());
    assert!(module.write(Address::page(0x10, 252), &[0; 5]).is_err());
    assert!(log(&mut module).is_empty());
}

#[test]
fn writes_to_cdb_pages_may_be_longer() {
    let mut module = paged();
    assert_eq!(check_write(Address::page(0x9F, 128), 128), Ok(()));
    assert!(matches!(check_write(Address::page(0x9F, 129), 128), Err(TransportError::BadAccess { .. })));
    assert_eq!(check_write(Address::page(0xAF, 128), 128), Ok(()));
    assert!(matches!(check_write(Address::page(0xB0, 128), 9), Err(TransportError::BadAccess { .. })));
    // A CDB page in the numbers of the lower memory is the lower memory.
    let lower = Address { bank: 0, page: 0x9F, byte: 0 };
    assert!(matches!(module.write(lower, &[0; 9]), Err(TransportError::BadAccess { .. })));
    assert_eq!([write_limit(0x9F, 0), write_limit(0x9F, 3), write_limit(0xA0, 255)], [8, 32, 128]);
    assert_eq!(write_limit(0x10, 255), 8);
}

#[test]
fn volatile_and_non_volatile_bytes_are_not_mixed() {
    for (byte, len) in [(117, 2), (121, 2), (116, 4), (118, 8)] {
        let at = Address::lower(byte);
        assert_eq!(check_write(at, len), Err(TransportError::MixedWrite { at, len }), "{at}");
    }
    // Longer than the non-volatile bytes: both ends are volatile.
    let at = Address::lower(116);
    assert_eq!(check_write(at, 7), Err(TransportError::MixedWrite { at, len: 7 }));
    assert_eq!(check_write(Address::lower(118), 4), Ok(()));
    assert_eq!(check_write(Address::lower(122), 4), Ok(()));
    assert_eq!(check_write(Address::page(0x03, 128), 8), Ok(()));
}

#[test]
fn the_hold_off_is_the_longest_of_what_was_written() {
    let limits = HoldOff::advertised(2);
    assert_eq!(limits.after_write(Address::lower(126), 2), Duration::from_micros(2_500));
    assert_eq!(limits.after_write(Address::lower(127), 1), Duration::from_micros(2_500));
    assert_eq!(limits.after_write(Address::lower(118), 4), HoldOff::WRITE_NON_VOLATILE);
    assert_eq!(limits.after_write(Address::page(0x03, 200), 1), HoldOff::WRITE_NON_VOLATILE);
    assert_eq!(limits.after_write(Address::page(0x10, 200), 1), HoldOff::WRITE);
    assert_eq!(HoldOff::advertised(0).page_change, Duration::from_millis(10));
    assert_eq!(HoldOff::advertised(255), HoldOff::advertised(15));
}

#[test]
fn strict_reads_are_cut_at_multiples_of_eight() {
    let mut module = paged().with_read_limit(ReadLimit::Strict);
    module.read(Address::lower(5), &mut [0; 14]).unwrap();
    assert_eq!(log(&mut module), [Bus::Read(5, 3), Bus::Read(8, 8), Bus::Read(16, 3)]);
    assert_eq!((module.counters().reads, module.counters().read_bytes), (3, 14));
}

proptest! {
    /// Whatever fails, an access that succeeds was made on the page it was meant for.
    #[test]
    fn data_comes_from_the_page_that_was_asked_for(
        steps in prop::collection::vec((0_u8..3, prop::sample::select(&[0x00_u8, 0x01, 0x10, 0x11, 0x30][..])), 1..30),
        failures in prop::collection::vec(0_u8..4, 0..60),
        resets in prop::collection::vec(any::<bool>(), 30),
    ) {
        let mut module = paged();
        module.window.script = failures
            .iter()
            .map(|kind| match kind {
                0 => Some(TransportError::Busy),
                1 => Some(TransportError::TimedOut),
                _ => None,
            })
            .collect();
        for ((bank, page), reset) in steps.into_iter().zip(resets) {
            if reset {
                module.window.mapping = (0, 0);
            }
            let shown = if page < 0x10 { page } else { bank << 7 | page };
            if let Ok(byte) = read(&mut module, bank, page) {
                prop_assert_eq!(byte, shown, "bank {} page {:02X}h", bank, page);
            }
        }
    }
}
