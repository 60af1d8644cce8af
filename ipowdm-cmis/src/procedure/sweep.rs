//! Telemetry: everything a module says about its light, in few bulk reads.

use super::module_info::{ModuleInfo, SERIAL, VdmSpan, same_module};
use super::snapshot::dp_states;
use super::{Op, ProcError, Procedure, Reply, read};
use crate::access::TransportError;
use crate::codes::{DataPathState, ModuleState, Observable};
use crate::map::{Address, Block, lower, page11, page12};
use crate::physics::power_of_tenth_microwatts;
use crate::time::Millis;
use heapless::{String, Vec};
use ipowdm_core::grid::Grid;
use ipowdm_core::units::{Ber, Db, Frequency, Power, Temperature, Voltage};

/// One observed value, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reading<T> {
    /// The module said this.
    Value(T),
    /// The module has the monitor and nothing to report: laser off, no light, below range.
    Absent,
    /// The module does not have the monitor.
    #[default]
    Unsupported,
    /// The module has the monitor and reading it failed.
    Unreadable(TransportError),
}

impl<T> Reading<T> {
    /// The value, if there is one.
    #[must_use]
    pub fn value(self) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            _ => None,
        }
    }

    fn of(value: Option<T>) -> Self {
        value.map_or(Self::Absent, Self::Value)
    }

    /// The same cause for another type.
    fn map<U>(self, f: impl FnOnce(T) -> Reading<U>) -> Reading<U> {
        match self {
            Self::Value(value) => f(value),
            Self::Absent => Reading::Absent,
            Self::Unsupported => Reading::Unsupported,
            Self::Unreadable(error) => Reading::Unreadable(error),
        }
    }
}

/// Whether the sweep reads flags that clear when they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flags {
    /// Read and report them: the driver owns the module.
    #[default]
    Latch,
    /// Leave them to another reader; what they tell is [`Reading::Unsupported`].
    Leave,
}

/// What a sweep found. Receiver quantities are [`Reading::Absent`] while there is loss of signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepReport {
    /// Module state.
    pub module_state: Reading<ModuleState>,
    /// Data-path state of each host lane.
    pub dp_states: Reading<[DataPathState; 8]>,
    /// Case temperature.
    pub temperature: Reading<Temperature>,
    /// Supply voltage.
    pub voltage: Reading<Voltage>,
    /// Programmed frequency: that of grid, channel and fine tuning where it is on (12h:128, 136, 152).
    pub set_frequency: Reading<Frequency>,
    /// Frequency that the laser reports (12h:168), absent while it is off.
    pub laser_frequency: Reading<Frequency>,
    /// Whether the laser is tuning or unlocked.
    pub laser_unsettled: Reading<bool>,
    /// Target transmit power.
    pub tx_power_target: Reading<Power>,
    /// Measured transmit power, absent while the laser is off.
    pub tx_power: Reading<Power>,
    /// Total received power.
    pub rx_total_power: Reading<Power>,
    /// Received power of the signal alone.
    pub rx_signal_power: Reading<Power>,
    /// OSNR in 0.1 nm.
    pub osnr: Reading<Db>,
    /// Electrical SNR.
    pub esnr: Reading<Db>,
    /// Bit error ratio before FEC.
    pub pre_fec_ber: Reading<Ber>,
    /// Chromatic dispersion in ps/nm.
    pub dispersion: Reading<i32>,
    /// Offset of the received carrier from the local oscillator in MHz.
    pub frequency_offset: Reading<i16>,
    /// Q factor.
    pub q_factor: Reading<Db>,
    /// Loss of signal since the last sweep, unless the receiver delivers a valid signal now (11h:147, 132).
    pub rx_los: Reading<bool>,
    /// Loss of signal at any time since the flag was last read (11h:147).
    pub rx_los_seen: Reading<bool>,
    /// Transmitter failure since the last sweep (11h:135).
    pub tx_failure: Reading<bool>,
    /// Laser tuning flags since the last sweep (12h:231).
    pub tuning_flags: Reading<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Identity,
    State,
    Monitors,
    LaneStates,
    LaneMonitors,
    Laser,
    Vdm(u8),
}

/// Reads one set of telemetry. Writes nothing but the page selection.
///
/// Six reads with [`Flags::Leave`], five with [`Flags::Latch`], plus one for each VDM group with known observables; an
/// access that fails leaves its quantities [`Reading::Unreadable`] and the rest is read. Only a module that is absent,
/// unreachable from the start, or not the identified one ends the sweep.
#[derive(Debug)]
pub struct Sweep {
    phase: Phase,
    flags: Flags,
    serial: String<16>,
    lane: u8,
    tunable: bool,
    paged: bool,
    spans: Vec<VdmSpan, 4>,
    /// Page and byte of each named observable's sample.
    samples: [Option<(u8, u8)>; Observable::SWEPT.len()],
    raw: [Reading<u16>; Observable::SWEPT.len()],
    report: SweepReport,
    rx_power_monitor: Reading<Power>,
    tx_power_monitor: Reading<Power>,
}

impl Sweep {
    /// A sweep of the module that `info` describes, for one media lane (0-based).
    #[must_use]
    pub fn new(info: &ModuleInfo, lane: u8, flags: Flags) -> Self {
        let samples = core::array::from_fn(|index| {
            info.instance(Observable::SWEPT[index], lane).map(|i| (i.page, i.byte))
        });
        Self {
            phase: Phase::Identity,
            flags,
            serial: info.serial_number.clone(),
            lane: lane.min(7),
            tunable: info.tunable,
            paged: !info.flat_memory,
            spans: info.vdm_spans.clone(),
            samples,
            raw: [Reading::Unsupported; Observable::SWEPT.len()],
            report: SweepReport::default(),
            rx_power_monitor: Reading::Unsupported,
            tx_power_monitor: Reading::Unsupported,
        }
    }

    fn place(&self, phase: Phase) -> (Address, u8) {
        match (phase, self.flags) {
            (Phase::Identity, _) => SERIAL,
            (Phase::State, _) => (Address::lower(2), 6),
            (Phase::Monitors, _) => (Address::lower(14), 4),
            (Phase::LaneStates, Flags::Latch) => (Address::page(0x11, 128), 74),
            (Phase::LaneStates, Flags::Leave) => (Address::page(0x11, 128), 6),
            (Phase::LaneMonitors, _) => (Address::page(0x11, 154), 48),
            (Phase::Laser, Flags::Latch) => (Address::page(0x12, 128), 111),
            (Phase::Laser, Flags::Leave) => (Address::page(0x12, 128), 102),
            (Phase::Vdm(index), _) => {
                let span = self.spans.get(usize::from(index)).copied().unwrap_or(VdmSpan {
                    page: 0x24,
                    byte: 128,
                    len: 2,
                });
                (Address::page(span.page, span.byte), span.len)
            }
        }
    }

    fn next(&self, phase: Phase) -> Option<Phase> {
        let after_lanes = if self.tunable { Some(Phase::Laser) } else { self.vdm(0) };
        match phase {
            Phase::Identity => Some(Phase::State),
            Phase::State => Some(Phase::Monitors),
            Phase::Monitors => self.paged.then_some(Phase::LaneStates),
            Phase::LaneStates if self.flags == Flags::Leave => Some(Phase::LaneMonitors),
            Phase::LaneStates | Phase::LaneMonitors => after_lanes,
            Phase::Laser => self.vdm(0),
            Phase::Vdm(index) => self.vdm(index + 1),
        }
    }

    fn vdm(&self, index: u8) -> Option<Phase> {
        (usize::from(index) < self.spans.len()).then_some(Phase::Vdm(index))
    }

    fn take(&mut self, phase: Phase, block: Result<Block<'_>, TransportError>) {
        match phase {
            Phase::Identity => {}
            Phase::State => {
                self.report.module_state =
                    got(block, |b| b.byte(lower::MODULE_STATE).map(ModuleState::from_code));
            }
            Phase::Monitors => {
                self.report.temperature =
                    got(block, |b| b.signed(lower::TEMP_MON_VALUE).map(Temperature::from_raw));
                let volts = got(block, |b| b.word_at(lower::VCC_MON_VOLTAGE, 0));
                // 0 V: the monitor is not there or not running; a module that answers is supplied.
                self.report.voltage = volts.map(|raw| match raw {
                    0 => Reading::Absent,
                    raw => Reading::Value(Voltage::from_raw(raw)),
                });
            }
            Phase::LaneStates => {
                self.report.dp_states = got(block, |b| Some(dp_states(b)));
                if self.flags == Flags::Latch {
                    let bit = 1 << self.lane;
                    let flag = |field| got(block, |b| b.byte(field).map(|lanes| lanes & bit != 0));
                    self.report.rx_los_seen = flag(page11::LOS_RX_FLAG);
                    self.report.tx_failure = flag(page11::FAILURE_TX_FLAG);
                    // The flag also holds what is over: a receiver that delivers a valid signal has lost none.
                    let delivering = got(block, |b| b.byte(page11::OUTPUT_STATUS_RX).map(|lanes| lanes != 0));
                    self.report.rx_los = match (self.report.rx_los_seen, delivering) {
                        (Reading::Value(true), Reading::Value(true)) => Reading::Value(false),
                        (seen, _) => seen,
                    };
                    self.take_lane_monitors(block);
                }
            }
            Phase::LaneMonitors => self.take_lane_monitors(block),
            Phase::Laser => self.take_laser(block),
            Phase::Vdm(_) => self.take_samples(phase, block),
        }
    }

    fn take_lane_monitors(&mut self, block: Result<Block<'_>, TransportError>) {
        let lane = u16::from(self.lane);
        let power = |field| {
            got(block, |b| b.word_at(field, lane)).map(|raw| Reading::of(power_of_tenth_microwatts(raw)))
        };
        self.tx_power_monitor = power(page11::OPTICAL_POWER_TX);
        self.rx_power_monitor = power(page11::OPTICAL_POWER_RX);
    }

    fn take_laser(&mut self, block: Result<Block<'_>, TransportError>) {
        let lane = u16::from(self.lane);
        let byte = |field: crate::map::Field| {
            let byte = field.address(lane).byte;
            got(block, |b| b.slice(byte, 1).map(|bytes| bytes[0]))
        };
        self.report.set_frequency = got(block, |b| set_frequency(b, lane));
        self.report.laser_frequency = got(block, |b| b.unsigned_at(page12::CURRENT_LASER_FREQUENCY_TX, lane))
            .map(|mhz| match u32::try_from(mhz) {
                Ok(mhz) if mhz != 0 => Reading::Value(Frequency::from_mhz(mhz)),
                _ => Reading::Absent,
            });
        self.report.tx_power_target = got(block, |b| b.signed_at(page12::TARGET_OUTPUT_POWER_TX, lane))
            .map(|raw| Reading::Value(Power::from_hundredths(raw)));
        self.report.laser_unsettled =
            byte(page12::TUNING_IN_PROGRESS_TX).map(|status| Reading::Value(status & 0x03 != 0));
        if self.flags == Flags::Latch {
            self.report.tuning_flags = byte(page12::TUNING_COMPLETE_FLAG_TX);
        }
    }

    fn take_samples(&mut self, phase: Phase, block: Result<Block<'_>, TransportError>) {
        let (at, _) = self.place(phase);
        for (sample, raw) in self.samples.iter().zip(&mut self.raw) {
            if let Some((page, byte)) = sample
                && *page == at.page
            {
                let word = |b: Block<'_>| {
                    let bytes = b.slice(*byte, 2)?;
                    Some(u16::from_be_bytes([*bytes.first()?, *bytes.get(1)?]))
                };
                *raw = got(block, word);
            }
        }
    }

    fn observed(&self, observable: Observable) -> Reading<u16> {
        let index = Observable::SWEPT.iter().position(|known| *known == observable);
        index.and_then(|index| self.raw.get(index).copied()).unwrap_or_default()
    }

    /// Turns raw samples into quantities.
    fn conclude(&mut self) -> SweepReport {
        let signed = |o| self.observed(o).map(|raw| Reading::Value(raw.cast_signed()));
        let power = |o, otherwise| match signed(o) {
            Reading::Value(raw) => Reading::Value(Power::from_hundredths(raw)),
            _ => otherwise,
        };
        let dark = self.report.rx_los == Reading::Value(true);
        let off = matches!(self.report.laser_frequency, Reading::Absent);
        let mut report = self.report;
        // The monitor says 0 for "off"; the VDM sample of an unlit laser is some floor.
        report.tx_power = match (off, self.tx_power_monitor) {
            (true, _) => Reading::Absent,
            (false, monitor) => power(Observable::TxPower, monitor),
        };
        report.rx_total_power = power(Observable::RxTotalPower, self.rx_power_monitor);
        let received = |reading: Reading<u16>| {
            // 0 of these means "not measured": a receiver that measures never finds exactly nothing.
            reading.map(|raw| if dark || raw == 0 { Reading::Absent } else { Reading::Value(raw) })
        };
        let tenths = |o| {
            received(self.observed(o))
                .map(|raw| Reading::Value(Db::from_tenths(i16::try_from(raw).unwrap_or(i16::MAX))))
        };
        report.rx_signal_power = if dark {
            signed(Observable::RxSignalPower).map(|_| Reading::Absent)
        } else {
            power(Observable::RxSignalPower, Reading::Unsupported)
        };
        report.osnr = tenths(Observable::Osnr);
        report.esnr = tenths(Observable::Esnr);
        report.q_factor = tenths(Observable::QFactor);
        report.pre_fec_ber =
            received(self.observed(Observable::PreFecBerMedia)).map(|raw| Reading::Value(Ber::from_f16(raw)));
        let lit_only = |reading: Reading<i16>| {
            reading.map(|raw| if dark { Reading::Absent } else { Reading::Value(raw) })
        };
        report.frequency_offset = lit_only(signed(Observable::FrequencyOffset));
        report.dispersion = match lit_only(signed(Observable::DispersionFine)) {
            Reading::Unsupported => {
                lit_only(signed(Observable::DispersionCoarse)).map(|raw| Reading::Value(i32::from(raw) * 20))
            }
            fine => fine.map(|raw| Reading::Value(i32::from(raw))),
        };
        report
    }
}

/// The frequency that the settings of a laser name; `None` where they name none.
fn set_frequency(block: Block<'_>, lane: u16) -> Option<Frequency> {
    let grid_byte = *block.slice(page12::GRID_SPACING_TX.address(lane).byte, 1)?.first()?;
    let channel = block.signed_at(page12::CHANNEL_NUMBER_TX, lane)?;
    let nominal = Grid::from_code(grid_byte >> 4)?.frequency(channel).ok()?;
    if grid_byte & 1 == 0 {
        return Some(nominal);
    }
    nominal.offset(i64::from(block.signed_at(page12::FINE_TUNING_OFFSET_TX, lane)?))
}

/// Decodes one quantity of a block that may have failed.
fn got<T>(
    block: Result<Block<'_>, TransportError>,
    decode: impl FnOnce(Block<'_>) -> Option<T>,
) -> Reading<T> {
    match block {
        Ok(block) => Reading::of(decode(block)),
        Err(error) => Reading::Unreadable(error),
    }
}

impl Procedure for Sweep {
    type Output = Result<SweepReport, ProcError>;

    fn step(&mut self, _now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        let phase = self.phase;
        let (at, len) = self.place(phase);
        match reply {
            Reply::Start => return read(at, len),
            Reply::Data(bytes) if phase == Phase::Identity => {
                if let Err(error) = same_module(&self.serial, bytes) {
                    return Op::Done(Err(error));
                }
            }
            Reply::Data(bytes) => self.take(phase, Ok(Block::new(at, bytes))),
            // A module whose identity cannot be read tells nothing else that could be believed.
            Reply::Failed(source) if source == TransportError::Absent || phase == Phase::Identity => {
                return Op::Done(Err(ProcError::Bus { at, source }));
            }
            Reply::Failed(source) => self.take(phase, Err(source)),
            Reply::Written | Reply::Woken => return Op::Done(Err(ProcError::OutOfStep)),
        }
        match self.next(phase) {
            Some(next) => {
                self.phase = next;
                let (at, len) = self.place(next);
                read(at, len)
            }
            None => Op::Done(Ok(self.conclude())),
        }
    }
}
