//! Pattern generators and checkers (13h:144-175) and what the checkers measure (14h:192-255).

use super::broadcast::{BroadcastGuard, Guarded};
use super::diagnostics::{
    CONTROL_SPAN, DiagnosticCapabilities, FecPosition, Measurement, Pattern, PatternUnit, Side, control_at,
};
use super::module_info::{ModuleInfo, SERIAL, same_module};
use super::{Feature, Op, ProcError, Procedure, Reply, Setting, data, read, write, written};
use crate::map::{Address, Block, page14};
use crate::time::Millis;
use core::time::Duration;
use heapless::String;
use ipowdm_core::units::{Ber, Db};

/// What a generator or checker is to do on some lanes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatternSetting {
    /// The pattern.
    pub pattern: Pattern,
    /// Whether its bits are inverted.
    pub invert: bool,
    /// Where it is put in or checked.
    pub position: FecPosition,
}

/// What [`SetPattern`] read back: the eight control bytes of the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PatternSet {
    /// Whether anything was written.
    pub changed: bool,
    /// Lanes on which the unit runs, lane 1 in bit 0.
    pub running: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Identity,
    Survey,
    Stop,
    Shape,
    Run,
    Verify,
}

/// Starts or stops a generator or checker on lanes of a bank; other lanes stay as they are.
///
/// ```text
/// Identity → Survey ─right→ Done;  Survey → Stop (running lanes that change) → Shape → Run → Verify → Done
/// ```
/// Pattern and position are checked against 13h:131-139 before the first write.
#[derive(Debug)]
pub struct SetPattern {
    guard: BroadcastGuard,
    serial: String<16>,
    bank: u8,
    unit: PatternUnit,
    lanes: u8,
    setting: Option<PatternSetting>,
    wanted: [u8; 8],
    phase: Phase,
}

type Step = Result<Op<Result<PatternSet, ProcError>>, ProcError>;

impl SetPattern {
    /// Runs `setting` on `lanes` (lane 1 in bit 0) of `unit`, or stops these lanes with `None`.
    ///
    /// # Errors
    /// As [`SetLoopbacks::new`](super::SetLoopbacks::new).
    pub fn new(
        info: &ModuleInfo,
        bank: u8,
        unit: PatternUnit,
        lanes: u8,
        setting: Option<PatternSetting>,
    ) -> Result<Self, ProcError> {
        info.diagnosable(bank)?;
        Ok(Self {
            guard: BroadcastGuard::new(info),
            serial: info.serial_number.clone(),
            bank,
            unit,
            lanes,
            setting,
            wanted: [0; 8],
            phase: Phase::Identity,
        })
    }

    fn at(&self, offset: u8) -> Address {
        control_at(self.bank, self.unit.control() + offset)
    }

    fn advance(&mut self, reply: &Reply<'_>) -> Step {
        match self.phase {
            Phase::Identity => {
                same_module(&self.serial, data(reply, SERIAL.0)?)?;
                self.phase = Phase::Survey;
                Ok(read(control_at(self.bank, CONTROL_SPAN.0), CONTROL_SPAN.1))
            }
            Phase::Survey => self.survey(reply),
            Phase::Stop => {
                written(reply, self.at(0))?;
                Ok(self.shape())
            }
            Phase::Shape => {
                written(reply, self.at(1))?;
                self.phase = Phase::Run;
                Ok(write(self.at(0), &self.wanted[..1]))
            }
            Phase::Run => {
                written(reply, self.at(0))?;
                self.phase = Phase::Verify;
                Ok(read(self.at(0), 8))
            }
            Phase::Verify => {
                if data(reply, self.at(0))? != self.wanted {
                    return Err(ProcError::Mismatch { setting: Setting::Pattern });
                }
                Ok(Op::Done(Ok(PatternSet { changed: true, running: self.wanted[0] })))
            }
        }
    }

    fn survey(&mut self, reply: &Reply<'_>) -> Step {
        let start = control_at(self.bank, CONTROL_SPAN.0);
        let block = Block::new(start, data(reply, start)?);
        if let Some(setting) = self.setting {
            let can = DiagnosticCapabilities::decode(block);
            if !can.has_pattern(self.unit, setting.pattern) {
                let feature = Feature::Pattern(self.unit, setting.pattern);
                return Err(ProcError::NotSupported { feature });
            }
            if !can.has_position(self.unit, setting.position) {
                let feature = Feature::PatternLocation(self.unit, setting.position);
                return Err(ProcError::NotSupported { feature });
            }
        }
        let mut before = [0; 8];
        let bytes = block.slice(self.unit.control(), 8).ok_or(ProcError::OutOfStep)?;
        before.copy_from_slice(bytes);
        self.wanted = self.with_setting(before);
        if self.wanted == before {
            return Ok(Op::Done(Ok(PatternSet { changed: false, running: before[0] })));
        }
        // A lane does not change its pattern while it runs.
        if before[0] & self.lanes != 0 {
            self.phase = Phase::Stop;
            return Ok(write(self.at(0), &[before[0] & !self.lanes]));
        }
        Ok(self.shape())
    }

    fn shape(&mut self) -> Op<Result<PatternSet, ProcError>> {
        self.phase = Phase::Shape;
        write(self.at(1), &self.wanted[1..])
    }

    /// The control bytes with the setting on the lanes: +0 enable, +1 invert, +2 swap, +3 before FEC, +4-7 patterns.
    fn with_setting(&self, mut bytes: [u8; 8]) -> [u8; 8] {
        let lanes = self.lanes;
        let Some(setting) = self.setting else {
            bytes[0] &= !lanes;
            return bytes;
        };
        let set = |byte: u8, on: bool| if on { byte | lanes } else { byte & !lanes };
        bytes[0] = set(bytes[0], true);
        bytes[1] = set(bytes[1], setting.invert);
        bytes[3] = set(bytes[3], setting.position == FecPosition::BeforeFec);
        for lane in (0..8_usize).filter(|lane| lanes & (1 << lane) != 0) {
            let byte = &mut bytes[4 + lane / 2];
            let shift = if lane.is_multiple_of(2) { 0 } else { 4 };
            *byte = (*byte & !(0x0F << shift)) | (setting.pattern.code() << shift);
        }
        bytes
    }
}

impl Procedure for SetPattern {
    type Output = Result<PatternSet, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        let reply = match self.guard.pass(now, reply) {
            Guarded::Op(op) => return op,
            Guarded::Through(reply) => reply,
        };
        if reply == Reply::Start {
            return read(SERIAL.0, SERIAL.1);
        }
        match self.advance(&reply) {
            Ok(op) => op,
            Err(error) => Op::Done(Err(error)),
        }
    }
}

/// Bits that a checker has compared, and those that were wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ErrorCount {
    /// Wrong bits.
    pub errors: u64,
    /// All bits.
    pub bits: u64,
}

/// A measurement of eight lanes on both sides; `None` for a side that the module does not report (13h:130).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Measured {
    /// Bit error ratios, host and media lanes.
    BitErrorRatio {
        /// Host lanes.
        host: [Ber; 8],
        /// Media lanes.
        media: [Ber; 8],
    },
    /// Counters, host and media lanes.
    ErrorCounters {
        /// Host lanes.
        host: [ErrorCount; 8],
        /// Media lanes.
        media: [ErrorCount; 8],
    },
    /// Signal-to-noise ratios.
    Snr {
        /// Host lanes.
        host: Option<[Db; 8]>,
        /// Media lanes.
        media: Option<[Db; 8]>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum MeasurePhase {
    Survey,
    Select,
    Settle,
    Data,
    Confirm,
}

/// Reads a measurement of the diagnostics pages.
///
/// ```text
/// Survey → (Select → Settle → Data → Confirm) × selectors → Done;  Confirm ─another selector→ Select, three times at most
/// ```
/// The selector is written, given its switching time, and read again after the data: data that somebody else's selector
/// has changed in between are not taken.
#[derive(Debug)]
pub struct Measure {
    guard: BroadcastGuard,
    bank: u8,
    measurement: Measurement,
    can: Option<DiagnosticCapabilities>,
    /// Index into the measurement's selectors.
    round: u8,
    attempts: u8,
    words: [u64; 32],
    pending: [u8; 64],
    phase: MeasurePhase,
}

/// Time from a new selector to valid data, tDDCS, with as much again.
const SWITCHING: Duration = Duration::from_millis(20);
/// How often a selector is written before another user of it is given way.
const MOST_ATTEMPTS: u8 = 3;
const DATA: u8 = page14::DIAGNOSTICS_DATA.byte;

type MeasureStep = Result<Op<Result<Measured, ProcError>>, ProcError>;

impl Measure {
    /// Reads `measurement` of the lanes of `bank`.
    ///
    /// # Errors
    /// As [`SetLoopbacks::new`](super::SetLoopbacks::new).
    pub fn new(info: &ModuleInfo, bank: u8, measurement: Measurement) -> Result<Self, ProcError> {
        info.diagnosable(bank)?;
        Ok(Self {
            guard: BroadcastGuard::new(info),
            bank,
            measurement,
            can: None,
            round: 0,
            attempts: 0,
            words: [0; 32],
            pending: [0; 64],
            phase: MeasurePhase::Survey,
        })
    }

    const fn selectors(&self) -> &'static [u8] {
        match self.measurement {
            Measurement::BitErrorRatio => &[0x01],
            Measurement::ErrorCounters => &[0x02, 0x03, 0x04, 0x05],
            Measurement::Snr => &[0x06],
        }
    }

    fn selector(&self) -> u8 {
        self.selectors().get(usize::from(self.round)).copied().unwrap_or(0)
    }

    fn at(&self, byte: u8) -> Address {
        Address::page(0x14, byte).in_bank(self.bank)
    }

    fn select(&mut self) -> Op<Result<Measured, ProcError>> {
        self.phase = MeasurePhase::Select;
        self.attempts += 1;
        write(self.at(page14::DIAGNOSTICS_SELECTOR.byte), &[self.selector()])
    }

    fn advance(&mut self, now: Millis, reply: &Reply<'_>) -> MeasureStep {
        let selector_at = self.at(page14::DIAGNOSTICS_SELECTOR.byte);
        match self.phase {
            MeasurePhase::Survey => {
                let start = control_at(self.bank, CONTROL_SPAN.0);
                let can = DiagnosticCapabilities::decode(Block::new(start, data(reply, start)?));
                can.check_measurement(self.measurement)?;
                self.can = Some(can);
                Ok(self.select())
            }
            MeasurePhase::Select => {
                written(reply, selector_at)?;
                self.phase = MeasurePhase::Settle;
                Ok(Op::Sleep { until: now.after(SWITCHING) })
            }
            MeasurePhase::Settle => {
                self.phase = MeasurePhase::Data;
                Ok(read(self.at(DATA), 64))
            }
            MeasurePhase::Data => {
                let bytes = data(reply, self.at(DATA))?;
                self.pending = bytes.try_into().map_err(|_| ProcError::OutOfStep)?;
                self.phase = MeasurePhase::Confirm;
                Ok(read(selector_at, 1))
            }
            MeasurePhase::Confirm => {
                let standing = data(reply, selector_at)?.first().copied();
                if standing != Some(self.selector()) {
                    if self.attempts >= MOST_ATTEMPTS {
                        return Err(ProcError::Mismatch { setting: Setting::Selector });
                    }
                    return Ok(self.select());
                }
                Ok(self.take())
            }
        }
    }

    fn take(&mut self) -> Op<Result<Measured, ProcError>> {
        for (index, chunk) in self.pending.as_chunks::<8>().0.iter().enumerate() {
            let slot = usize::from(self.round) * 8 + index;
            if let Some(word) = self.words.get_mut(slot) {
                *word = u64::from_le_bytes(*chunk);
            }
        }
        self.round += 1;
        self.attempts = 0;
        if usize::from(self.round) < self.selectors().len() {
            return self.select();
        }
        Op::Done(Ok(self.measured()))
    }

    /// A two-byte number of the last data, low byte first.
    fn half(&self, byte: u8) -> u16 {
        let at = usize::from(byte.saturating_sub(DATA));
        u16::from_le_bytes([
            self.pending.get(at).copied().unwrap_or(0),
            self.pending.get(at + 1).copied().unwrap_or(0),
        ])
    }

    /// Two-byte numbers of eight lanes. Counters and SNR come low byte first, ratios as the 16-bit floats of the rest of the
    /// specification, high byte first.
    fn halves<T>(&self, first: u8, make: impl Fn(u16) -> T) -> [T; 8] {
        core::array::from_fn(|lane| {
            let lane = u8::try_from(lane).unwrap_or(0);
            make(self.half(first + 2 * lane))
        })
    }

    fn measured(&self) -> Measured {
        let count = |first: usize, lane: usize| ErrorCount {
            errors: self.words[first + 2 * lane],
            bits: self.words[first + 2 * lane + 1],
        };
        let reports = |side| self.can.is_some_and(|can| can.reports(self.measurement, side));
        let snr = |raw: u16| {
            let hundredths = (u32::from(raw) * 100 + 128) / 256;
            Db::from_hundredths(i16::try_from(hundredths).unwrap_or(i16::MAX))
        };
        match self.measurement {
            Measurement::BitErrorRatio => Measured::BitErrorRatio {
                host: self.halves(192, |raw| Ber::from_f16(raw.swap_bytes())),
                media: self.halves(208, |raw| Ber::from_f16(raw.swap_bytes())),
            },
            Measurement::ErrorCounters => Measured::ErrorCounters {
                host: core::array::from_fn(|lane| count(0, lane)),
                media: core::array::from_fn(|lane| count(16, lane)),
            },
            Measurement::Snr => Measured::Snr {
                host: reports(Side::Host).then(|| self.halves(208, snr)),
                media: reports(Side::Media).then(|| self.halves(240, snr)),
            },
        }
    }
}

impl Procedure for Measure {
    type Output = Result<Measured, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        let reply = match self.guard.pass(now, reply) {
            Guarded::Op(op) => return op,
            Guarded::Through(reply) => reply,
        };
        if reply == Reply::Start {
            return read(control_at(self.bank, CONTROL_SPAN.0), CONTROL_SPAN.1);
        }
        match self.advance(now, &reply) {
            Ok(op) => op,
            Err(error) => Op::Done(Err(error)),
        }
    }
}
