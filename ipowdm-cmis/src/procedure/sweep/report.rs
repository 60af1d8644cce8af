//! What the reads of a sweep say about the state of the light.

use super::Flags;
use crate::access::TransportError;
use crate::codes::{DataPathState, ModuleState, Observable};
use crate::map::{Block, Field, lower, page11, page12};
use crate::monitoring::Reading;
use crate::physics::power_of_tenth_microwatts;
use crate::procedure::snapshot::dp_states;
use ipowdm_core::grid::Grid;
use ipowdm_core::units::{Ber, Db, Frequency, Power, Temperature, Voltage};

/// What a sweep found. Receiver quantities are [`Reading::Absent`] while there is loss of signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepReport {
    /// Module state.
    pub module_state: Reading<ModuleState>,
    /// Data-path state of each host lane.
    pub dp_states: Reading<[DataPathState; 8]>,
    /// DPConfig of each host lane in the active control set (11h:206-213): what the VDM descriptors hold for.
    pub commissioned: Reading<[u8; 8]>,
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
    /// Q beyond what the FEC needs; negative where the signal is past correction.
    pub q_margin: Reading<Db>,
    /// Loss of signal since the last sweep, unless the receiver delivers a valid signal now (11h:147, 132).
    pub rx_los: Reading<bool>,
    /// Loss of signal at any time since the flag was last read (11h:147).
    pub rx_los_seen: Reading<bool>,
    /// Transmitter failure since the last sweep (11h:135).
    pub tx_failure: Reading<bool>,
    /// Laser tuning flags since the last sweep (12h:231).
    pub tuning_flags: Reading<u8>,
}

/// First byte of DPConfig in the active control set.
const ACTIVE_DP_CONFIG: Field = page11::ACS_DP_CONFIG_LANE_APP_SEL_CODE;

/// One step of the monitors of 11h, 0.1 µW.
const MONITOR_FLOOR: Power = Power::from_hundredths(-4_000);

/// Collects the blocks of a sweep and turns them into a [`SweepReport`]. Blocks that do not come leave their quantities
/// [`Reading::Unsupported`].
#[derive(Debug)]
pub(super) struct Decoder {
    lane: u8,
    flags: Flags,
    /// Page and byte of each swept observable's sample.
    samples: [Option<(u8, u8)>; Observable::SWEPT.len()],
    raw: [Reading<u16>; Observable::SWEPT.len()],
    report: SweepReport,
    rx_power_monitor: Reading<Power>,
    tx_power_monitor: Reading<Power>,
}

/// A block that was read, or why it was not.
type Got<'a> = Result<Block<'a>, TransportError>;

impl Decoder {
    /// For one lane (0-based); `place` gives page and byte of an observable's sample.
    pub(super) fn new(lane: u8, flags: Flags, place: impl Fn(Observable) -> Option<(u8, u8)>) -> Self {
        Self {
            lane: lane.min(7),
            flags,
            samples: core::array::from_fn(|index| place(Observable::SWEPT[index])),
            raw: [Reading::Unsupported; Observable::SWEPT.len()],
            report: SweepReport::default(),
            rx_power_monitor: Reading::Unsupported,
            tx_power_monitor: Reading::Unsupported,
        }
    }

    /// 00h:3.
    pub(super) fn take_state(&mut self, block: Got<'_>) {
        self.report.module_state = got(block, |b| b.byte(lower::MODULE_STATE).map(ModuleState::from_code));
    }

    /// 00h:14-17.
    pub(super) fn take_monitors(&mut self, block: Got<'_>) {
        self.report.temperature = got(block, |b| b.signed(lower::TEMP_MON_VALUE).map(Temperature::from_raw));
        let volts = got(block, |b| b.word_at(lower::VCC_MON_VOLTAGE, 0));
        // 0 V: the monitor is not there or not running; a module that answers is supplied.
        self.report.voltage = volts.and_then(|raw| match raw {
            0 => Reading::Absent,
            raw => Reading::Value(Voltage::from_raw(raw)),
        });
    }

    /// 11h:128-133, and with [`Flags::Latch`] up to 153.
    pub(super) fn take_lane_states(&mut self, block: Got<'_>) {
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
        }
    }

    /// 11h:154-213.
    pub(super) fn take_lane_monitors(&mut self, block: Got<'_>) {
        self.report.commissioned =
            got(block, |b| b.slice(ACTIVE_DP_CONFIG.byte, 8).and_then(|bytes| bytes.try_into().ok()));
        let lane = u16::from(self.lane);
        let power = |field| {
            let raw = got(block, |b| b.word_at(field, lane));
            raw.and_then(|raw| Reading::of(power_of_tenth_microwatts(raw)))
        };
        self.tx_power_monitor = power(page11::OPTICAL_POWER_TX);
        self.rx_power_monitor = power(page11::OPTICAL_POWER_RX);
    }

    /// 12h:128-229, and with [`Flags::Latch`] the lane's flags at 231.
    pub(super) fn take_laser(&mut self, block: Got<'_>) {
        let lane = u16::from(self.lane);
        let byte = |field: Field| {
            let byte = field.address(lane).byte;
            got(block, |b| b.slice(byte, 1).and_then(|bytes| bytes.first().copied()))
        };
        self.report.set_frequency = got(block, |b| set_frequency(b, lane));
        self.report.laser_frequency = got(block, |b| b.unsigned_at(page12::CURRENT_LASER_FREQUENCY_TX, lane))
            .and_then(|mhz| match u32::try_from(mhz) {
                Ok(mhz) if mhz != 0 => Reading::Value(Frequency::from_mhz(mhz)),
                _ => Reading::Absent,
            });
        self.report.tx_power_target = got(block, |b| b.signed_at(page12::TARGET_OUTPUT_POWER_TX, lane))
            .and_then(|raw| Reading::Value(Power::from_hundredths(raw)));
        self.report.laser_unsettled =
            byte(page12::TUNING_IN_PROGRESS_TX).and_then(|status| Reading::Value(status & 0x03 != 0));
        if self.flags == Flags::Latch {
            self.report.tuning_flags = byte(page12::TUNING_COMPLETE_FLAG_TX);
        }
    }

    /// Part of the sample page `page`.
    pub(super) fn take_samples(&mut self, page: u8, block: Got<'_>) {
        for (sample, raw) in self.samples.iter().zip(&mut self.raw) {
            if let Some((of_page, byte)) = sample
                && *of_page == page
            {
                *raw = got(block, |b| b.slice(*byte, 2)?.try_into().ok().map(u16::from_be_bytes));
            }
        }
    }

    /// Every swept sample by page and byte.
    pub(super) fn take_each_sample(&mut self, sample: impl Fn(u8, u8) -> Reading<u16>) {
        for (place, raw) in self.samples.iter().zip(&mut self.raw) {
            if let Some((page, byte)) = *place {
                *raw = sample(page, byte);
            }
        }
    }

    /// The lanes' commissioning, as far as it is known.
    pub(super) const fn commissioned(&self) -> Reading<[u8; 8]> {
        self.report.commissioned
    }

    /// The samples mean something else than what is known of them.
    pub(super) fn distrust_samples(&mut self) {
        for (place, raw) in self.samples.iter().zip(&mut self.raw) {
            if place.is_some() {
                *raw = Reading::Stale;
            }
        }
    }

    fn observed(&self, observable: Observable) -> Reading<u16> {
        let index = Observable::SWEPT.iter().position(|known| *known == observable);
        index.and_then(|index| self.raw.get(index).copied()).unwrap_or_default()
    }

    fn power(&self, observable: Observable, otherwise: Reading<Power>) -> Reading<Power> {
        match self.observed(observable) {
            Reading::Value(raw) => Reading::of(observable.measured(raw).power()),
            _ => otherwise,
        }
    }

    /// Turns raw samples into quantities.
    pub(super) fn conclude(&self) -> SweepReport {
        let dark = self.report.rx_los == Reading::Value(true);
        let off = matches!(self.report.laser_frequency, Reading::Absent);
        let mut report = self.report;
        // The monitor says 0 for "off"; the VDM sample of an unlit laser is some floor, at or below what the monitor resolves.
        report.tx_power = match (off, self.tx_power_monitor) {
            (true, _) => Reading::Absent,
            (false, monitor) => self.power(Observable::TxPower, monitor).and_then(|power| {
                if power <= MONITOR_FLOOR { Reading::Absent } else { Reading::Value(power) }
            }),
        };
        report.rx_total_power = self.power(Observable::RxTotalPower, self.rx_power_monitor);
        let lit =
            |o| self.observed(o).and_then(|raw| if dark { Reading::Absent } else { Reading::Value(raw) });
        // 0 of these means "not measured": a receiver that measures never finds exactly nothing.
        let received = |o: Observable| {
            lit(o).and_then(|raw| if raw == 0 { Reading::Absent } else { Reading::Value(o.measured(raw)) })
        };
        let db = |o| received(o).and_then(|measured| Reading::of(measured.db()));
        report.rx_signal_power = lit(Observable::RxSignalPower)
            .and_then(|_| self.power(Observable::RxSignalPower, Reading::Absent));
        report.osnr = db(Observable::Osnr);
        report.esnr = db(Observable::Esnr);
        report.q_factor = db(Observable::QFactor);
        report.pre_fec_ber = received(Observable::PreFecBerMedia)
            .and_then(|measured| measured.ratio().map_or(Reading::Implausible, Reading::Value));
        // Dispersion, offset and Q margin may well be 0. They are measured while anything is that may not.
        let quality = [Observable::Osnr, Observable::Esnr, Observable::QFactor, Observable::PreFecBerMedia];
        let silent = |o| matches!(received(o), Reading::Absent);
        let vouched = quality.into_iter().any(|o| received(o).value().is_some());
        let measuring = vouched || !quality.into_iter().any(silent);
        // A margin of 0 would be critical: where nothing vouches for it, it is taken as not measured.
        report.q_margin = lit(Observable::QMargin).and_then(|raw| match raw {
            0 if !vouched => Reading::Absent,
            raw => Reading::of(Observable::QMargin.measured(raw).db()),
        });
        let measured = |o| {
            lit(o).and_then(|raw| if measuring { Reading::Value(raw.cast_signed()) } else { Reading::Absent })
        };
        report.frequency_offset = measured(Observable::FrequencyOffset);
        let dispersion = |o, step| measured(o).and_then(|raw| Reading::Value(i32::from(raw) * step));
        report.dispersion = match dispersion(Observable::DispersionFine, 1) {
            Reading::Unsupported => dispersion(Observable::DispersionCoarse, 20),
            fine => fine,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What is concluded of these samples and nothing else.
    fn concluded(samples: &[(Observable, u16)]) -> SweepReport {
        let index = |o: Observable| samples.iter().position(|(known, _)| *known == o);
        let place = |o| Some((0x24, u8::try_from(128 + 2 * index(o)?).ok()?));
        let mut decoder = Decoder::new(0, Flags::Leave, place);
        decoder.take_each_sample(|_, byte| {
            samples
                .get(usize::from((byte - 128) / 2))
                .map_or(Reading::Unsupported, |(_, raw)| Reading::Value(*raw))
        });
        decoder.conclude()
    }

    #[test]
    fn a_q_margin_is_signed_and_one_of_0_counts_where_another_quantity_is_measured() {
        let db = |tenths| Reading::Value(Db::from_tenths(tenths));
        let alone = |raw: u16| concluded(&[(Observable::QMargin, raw)]).q_margin;
        assert_eq!((alone(23), alone((-7_i16).cast_unsigned())), (db(23), db(-7)));
        assert_eq!(
            alone(0),
            Reading::Absent,
            "an unlocked receiver reads 0, and nothing says that this one is locked"
        );
        let with = |o, raw| concluded(&[(Observable::QMargin, 0), (o, raw)]).q_margin;
        for o in [Observable::Osnr, Observable::Esnr, Observable::QFactor, Observable::PreFecBerMedia] {
            assert_eq!(with(o, 150), db(0), "{o:?} is measured");
            assert_eq!(with(o, 0), Reading::Absent, "{o:?} is not");
        }
        assert_eq!(concluded(&[(Observable::Osnr, 300)]).q_margin, Reading::Unsupported);
    }
}
