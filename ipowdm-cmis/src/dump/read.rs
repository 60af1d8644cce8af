//! Reading a whole memory.

use super::{Memory, PageName, PageState};
use crate::access::TransportError;
use crate::map::{Access, Address, BankRule, Field, Support, TABLES, lower, page00, page01};
use crate::procedure::{Op, ProcError, Procedure, Reply};
use crate::time::Millis;
use std::collections::VecDeque;
use std::vec::Vec;

/// Which pages are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Plan {
    /// Those that the module advertises.
    #[default]
    Advertised,
    /// All 256 of every bank: for images, and for finding what a module does not tell.
    Everything,
}

/// Part of a page to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Part {
    page: PageName,
    byte: u8,
    len: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// Lower memory and page 00h.
    Basics,
    /// Page 01h and, where it is advertised, 2Fh: what the other pages depend on.
    Advertisements,
    VdmAdvertisement,
    Rest,
    /// The serial number once more.
    Identity,
}

/// Reads a module's memory, page by page. Writes nothing but the page selection.
///
/// ```text
/// Basics → Advertisements → VdmAdvertisement → Rest → Identity → Done
///    └────── flat memory ──────────────────────────────┘
/// ```
///
/// Registers that clear on read are read, and so cleared, unless [`ReadMemory::leaving_flags`]. A module that is exchanged
/// meanwhile is an error, and so is one whose lower memory cannot be read, at first or after a page that could not be;
/// anything else is noted page by page.
#[derive(Debug)]
pub struct ReadMemory {
    plan: Plan,
    leave_flags: bool,
    /// Pages that are read besides, as no advertisement speaks of vendors' own.
    further: Vec<u8>,
    memory: Memory,
    stage: Stage,
    parts: VecDeque<Part>,
    /// The part that was asked for.
    current: Option<Part>,
    /// A page could not be read, and [`SIGN_OF_LIFE`] is asked for.
    in_doubt: bool,
}

/// What is read after a page that could not be: a module that does not answer to it either has stopped answering, and
/// waiting on every page that is left would take minutes.
const SIGN_OF_LIFE: Part = Part { page: PageName::Lower, byte: 0, len: 1 };

const SERIAL: Part =
    Part { page: PageName::page(0), byte: page00::VENDOR_SN.byte, len: page00::VENDOR_SN.len };

impl ReadMemory {
    /// A reading that has not begun.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            leave_flags: false,
            further: Vec::new(),
            memory: Memory::default(),
            stage: Stage::Basics,
            parts: VecDeque::new(),
            current: None,
            in_doubt: false,
        }
    }

    /// Does not read the registers that clear on read.
    #[must_use]
    pub const fn leaving_flags(mut self) -> Self {
        self.leave_flags = true;
        self
    }

    /// Tries these pages too, in bank 0: vendors' own, of which no advertisement speaks.
    #[must_use]
    pub fn with_pages(mut self, pages: &[u8]) -> Self {
        self.further.extend_from_slice(pages);
        self
    }

    /// Queues a page, whole or without its flags.
    fn queue(&mut self, page: PageName) {
        let start = match page {
            PageName::Lower => 0,
            PageName::Page { .. } => 128_u8,
        };
        let flags = if self.leave_flags { flag_bytes(page) } else { 0 };
        let mut byte = 0_u8;
        while byte < 128 {
            let rest = flags >> byte;
            let free = u8::try_from(rest.trailing_zeros().min(u32::from(128 - byte))).unwrap_or(0);
            if free > 0 {
                self.parts.push_back(Part { page, byte: start + byte, len: free });
            }
            // Over what was read, and over the flags behind it.
            let after = byte + free;
            let skipped = if after < 128 { (flags >> after).trailing_ones() } else { 0 };
            byte = after + u8::try_from(skipped).unwrap_or(u8::MAX);
        }
    }

    fn is_flat(&self) -> bool {
        let basics = self.memory.block(PageName::Lower, 2, 1);
        basics.and_then(|block| block.flag(lower::MEMORY_MODEL_FLAT)).unwrap_or(true)
    }

    fn is_advertised(&self, page: u8) -> bool {
        let page01 = self.memory.block(PageName::page(1), 128, 128);
        let page2f = self.memory.block(PageName::page(0x2F), 128, 1);
        let lower = self.memory.block(PageName::Lower, 0, 3);
        lower.is_some_and(|lower| Support::of_page(page).is_advertised(lower, page01, page2f))
    }

    /// Whether a page is advertised, and not only as one of a range of which most pages are reserved.
    fn is_expected(&self, page: u8) -> bool {
        self.is_advertised(page) && (is_declared(page) || !matches!(page, 0x20..=0x4F))
    }

    /// Banks of the lanes' pages.
    fn lane_banks(&self) -> u8 {
        let Some(block) = self.memory.block(PageName::page(1), 128, 128) else { return 1 };
        match block.byte(page01::BANKS_SUPPORTED) {
            Some(1) => 2,
            Some(2) => 4,
            Some(3) => block.byte(page01::EXTRA_LANE_BANKS_SUPPORTED).unwrap_or(0).saturating_add(1),
            _ => 1,
        }
    }

    /// Banks of the CDB pages.
    fn cdb_banks(&self) -> u8 {
        let block = self.memory.block(PageName::page(1), 128, 128);
        block.and_then(|block| block.byte(page01::CDB_INSTANCES_SUPPORTED)).unwrap_or(1).clamp(1, 2)
    }

    /// Queues what the next stage reads, and enters it; `None` after the last one.
    fn advance(&mut self) -> Option<()> {
        let everything = self.plan == Plan::Everything;
        let stop_here = self.is_flat() && !everything;
        let next = match self.stage {
            Stage::Basics if stop_here => Stage::Identity,
            Stage::Basics => Stage::Advertisements,
            Stage::Advertisements => Stage::VdmAdvertisement,
            Stage::VdmAdvertisement => Stage::Rest,
            Stage::Rest => Stage::Identity,
            Stage::Identity => return None,
        };
        self.stage = next;
        match next {
            Stage::Basics => {}
            Stage::Advertisements => self.queue(PageName::page(1)),
            Stage::VdmAdvertisement => {
                if everything || self.is_advertised(0x2F) {
                    self.queue(PageName::page(0x2F));
                }
            }
            Stage::Rest => self.queue_rest(everything),
            Stage::Identity => {
                if self.memory.block(SERIAL.page, SERIAL.byte, usize::from(SERIAL.len)).is_some() {
                    self.parts.push_back(SERIAL);
                }
            }
        }
        Some(())
    }

    fn queue_rest(&mut self, everything: bool) {
        for page in 2..=u8::MAX {
            let banks = match BankRule::of_page(page) {
                BankRule::Lanes => self.lane_banks(),
                BankRule::CdbInstance => self.cdb_banks(),
                BankRule::Unbanked | BankRule::Custom => 1,
            };
            let wanted = everything || self.further.contains(&page) || self.is_expected(page);
            for bank in 0..banks {
                let name = PageName::Page { page, bank };
                if self.memory.half(name).is_some() {
                    continue;
                }
                if wanted {
                    self.queue(name);
                } else if bank == 0 && is_declared(page) {
                    self.memory.put(name, PageState::NotAdvertised);
                }
            }
        }
    }

    /// Takes the bytes or the failure of the current part.
    fn take(&mut self, part: Part, result: Result<&[u8], TransportError>) -> Result<(), ProcError> {
        let at = part.page.address(part.byte);
        if core::mem::take(&mut self.in_doubt) {
            return result.map(|_| ()).map_err(|source| ProcError::Bus { at, source });
        }
        match result {
            Ok(bytes) if self.stage == Stage::Identity => {
                let before = self.memory.half(part.page).and_then(|half| half.get(part.byte, bytes.len()));
                if before.is_some_and(|before| before != bytes) {
                    Err(ProcError::ModuleChanged)
                } else {
                    Ok(())
                }
            }
            Ok(bytes) => {
                self.memory.put_bytes(part.page, part.byte, bytes);
                Ok(())
            }
            Err(source @ TransportError::Absent) => Err(ProcError::Bus { at, source }),
            Err(source) if part.page == PageName::Lower || self.stage == Stage::Identity => {
                Err(ProcError::Bus { at, source })
            }
            Err(error) => {
                self.note_failure(part.page, error);
                Ok(())
            }
        }
    }

    fn note_failure(&mut self, page: PageName, error: TransportError) {
        self.parts.retain(|part| part.page != page);
        let PageName::Page { page: number, bank } = page else { return };
        let state = match error {
            TransportError::PageUnsupported { .. } if self.is_expected(number) => PageState::Absent,
            TransportError::PageUnsupported { .. } => PageState::NotAdvertised,
            other => {
                self.parts.push_front(SIGN_OF_LIFE);
                self.in_doubt = true;
                PageState::Unreadable(other)
            }
        };
        // A search through all pages says what it has found, and not of every page that there was nothing.
        if state != PageState::NotAdvertised || (bank == 0 && is_declared(number)) {
            self.memory.put(page, state);
        }
    }
}

/// Whether a table declares registers of a page.
fn is_declared(page: u8) -> bool {
    TABLES.iter().filter_map(|table| table.first()).any(|field| field.page == page && field.byte >= 128)
}

/// The bytes of a half that hold registers that clear on read, one bit each.
fn flag_bytes(page: PageName) -> u128 {
    let clearing = |field: &&Field| page.holds(field) && field.access == Access::Cor;
    let elements = |field: &'static Field| (0..field.count).filter_map(|index| field.element(index));
    let bytes: Vec<_> = TABLES.iter().copied().flatten().filter(clearing).flat_map(elements).collect();
    bytes.iter().fold(0, |bits, place| {
        let last = place.at.byte.saturating_add(place.len.saturating_sub(1));
        (place.at.byte..=last).fold(bits, |bits, byte| bits | 1 << (byte % 128))
    })
}

impl Procedure for ReadMemory {
    type Output = Result<Memory, ProcError>;

    fn step(&mut self, _now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        let taken = match (self.current.take(), reply) {
            (None, Reply::Start) => {
                self.queue(PageName::Lower);
                self.queue(PageName::page(0));
                Ok(())
            }
            (Some(part), Reply::Data(bytes)) => self.take(part, Ok(bytes)),
            (Some(part), Reply::Failed(error)) => self.take(part, Err(error)),
            _ => Err(ProcError::OutOfStep),
        };
        if let Err(error) = taken {
            return Op::Done(Err(error));
        }
        loop {
            if let Some(part) = self.parts.pop_front() {
                self.current = Some(part);
                return Op::Read { at: part.page.address(part.byte), len: part.len };
            }
            if self.advance().is_none() {
                return Op::Done(Ok(core::mem::take(&mut self.memory)));
            }
        }
    }
}

impl PageName {
    /// The address of a byte of this half.
    const fn address(self, byte: u8) -> Address {
        match self {
            Self::Lower => Address::lower(byte),
            Self::Page { page, bank } => Address { bank, page, byte },
        }
    }
}
