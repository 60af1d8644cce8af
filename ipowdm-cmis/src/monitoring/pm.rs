//! Performance over a statistics interval: FEC counters (34h, 3Ah) and link quantities (35h) of C-CMIS.

use super::Reading;
use crate::codes::{Measured, Observable};
use crate::map::{Address, Block, Field, Kind, page3a, page34, page35, page42};
use ipowdm_core::units::Ber;

/// Least, average and greatest value of an interval, in this order: a type that is never out of order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MinAvgMax<T> {
    min: T,
    avg: T,
    max: T,
}

impl<T: PartialOrd + Copy> MinAvgMax<T> {
    /// The three values; `None` unless min <= avg <= max.
    #[must_use]
    pub fn new(min: T, avg: T, max: T) -> Option<Self> {
        (min <= avg && avg <= max).then_some(Self { min, avg, max })
    }

    /// Least value.
    #[must_use]
    pub const fn min(&self) -> T {
        self.min
    }

    /// Average.
    #[must_use]
    pub const fn avg(&self) -> T {
        self.avg
    }

    /// Greatest value.
    #[must_use]
    pub const fn max(&self) -> T {
        self.max
    }
}

/// `part / whole` to four significant digits; `None` above 1 and where `whole` is 0.
///
/// Rounds to the nearest, so that a greater ratio never comes out smaller.
#[must_use]
pub fn ratio_of(part: u64, whole: u64) -> Option<Ber> {
    if whole == 0 || part > whole {
        return None;
    }
    let whole = u128::from(whole);
    // Long division, digit by digit: the quotient stays below 10 000 and the remainder below `whole`.
    let (mut quotient, mut rest) = (u128::from(part) / whole, u128::from(part) % whole);
    let mut exponent = 0_i8;
    while quotient < 1_000 && exponent > -24 {
        quotient = quotient * 10 + rest * 10 / whole;
        rest = rest * 10 % whole;
        exponent -= 1;
    }
    if rest * 2 >= whole {
        quotient += 1;
    }
    if quotient == 0 {
        return Some(Ber::ZERO);
    }
    Ber::new(u16::try_from(quotient).ok()?, exponent)
}

/// Bits of one sub-interval, and where the number is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubIntervalBits {
    /// The module's register.
    Reported(u64),
    /// Bits of the interval times frames of a sub-interval over frames of the interval, because the register contradicts
    /// these: some modules fill only its low 32 bits.
    Derived(u64),
}

impl SubIntervalBits {
    /// The number.
    #[must_use]
    pub const fn bits(self) -> u64 {
        match self {
            Self::Reported(bits) | Self::Derived(bits) => bits,
        }
    }
}

/// FEC counters of an interval: media side (34h) or host side (3Ah).
///
/// The interval ends with a freeze and consists of sub-intervals; minima and maxima are those of single sub-intervals,
/// so that their divisor is the size of a sub-interval and not of the interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FecCounters {
    /// Bits of the interval.
    pub bits: u64,
    /// Bits of a sub-interval, as the register says; see [`FecCounters::sub_interval_bits`].
    pub bits_sub_interval: u64,
    /// Corrected bits of the interval.
    pub corrected_bits: u64,
    /// Least corrected bits in a sub-interval.
    pub min_corrected_bits: u64,
    /// Most corrected bits in a sub-interval.
    pub max_corrected_bits: u64,
    /// Frames of the interval.
    pub frames: u32,
    /// Frames of a sub-interval.
    pub frames_sub_interval: u32,
    /// Uncorrectable frames of the interval.
    pub uncorrected_frames: u32,
    /// Least uncorrectable frames in a sub-interval.
    pub min_uncorrected_frames: u32,
    /// Most uncorrectable frames in a sub-interval.
    pub max_uncorrected_frames: u32,
    /// Corrected frames of the interval and of a sub-interval; host side only.
    pub corrected_frames: Option<(u32, u32)>,
}

const MEDIA: [Field; 10] = [
    page34::RX_BITS_PM,
    page34::RX_BITS_SUB_INT_PM,
    page34::RX_CORR_BITS_PM,
    page34::RX_MIN_CORR_BITS_SUB_INT_PM,
    page34::RX_MAX_CORR_BITS_SUB_INT_PM,
    page34::RX_FRAMES_PM,
    page34::RX_FRAMES_SUB_INT_PM,
    page34::RX_FRAMES_UNCORR_ERR_PM,
    page34::RX_MIN_FRAMES_UNCORR_ERR_SUB_INT_PM,
    page34::RX_MAX_FRAMES_UNCORR_ERR_SUB_INT_PM,
];

const HOST: [Field; 10] = [
    page3a::TX_BITS_PM,
    page3a::TX_BITS_SUB_INT_PM,
    page3a::TX_CORR_BITS_PM,
    page3a::TX_MIN_CORR_BITS_SUB_INT_PM,
    page3a::TX_MAX_CORR_BITS_SUB_INT_PM,
    page3a::TX_FRAMES_PM,
    page3a::TX_FRAMES_SUB_INT_PM,
    page3a::TX_FRAMES_UNCORR_ERR_PM,
    page3a::TX_MIN_FRAMES_UNCORR_ERR_SUB_INT_PM,
    page3a::TX_MAX_FRAMES_UNCORR_ERR_SUB_INT_PM,
];

impl FecCounters {
    /// Where the media side's counters are.
    pub const MEDIA: (Address, u8) = (Address::page(0x34, 128), 60);
    /// Where the host side's counters are.
    pub const HOST: (Address, u8) = (Address::page(0x3A, 128), 68);

    /// Decodes the media side's counters; `None` where the block does not cover [`FecCounters::MEDIA`].
    #[must_use]
    pub fn decode_media(block: Block<'_>) -> Option<Self> {
        Self::decode(block, &MEDIA)
    }

    /// Decodes the host side's counters; `None` where the block does not cover [`FecCounters::HOST`].
    #[must_use]
    pub fn decode_host(block: Block<'_>) -> Option<Self> {
        let frames = |field| block.unsigned(field).and_then(|raw| u32::try_from(raw).ok());
        let corrected =
            (frames(page3a::TX_FRAMES_CORR_ERR_PM)?, frames(page3a::TX_FRAMES_CORR_ERR_SUB_INT_PM)?);
        Some(Self { corrected_frames: Some(corrected), ..Self::decode(block, &HOST)? })
    }

    fn decode(block: Block<'_>, fields: &[Field; 10]) -> Option<Self> {
        let wide = |index: usize| block.unsigned(fields[index]);
        let narrow = |index: usize| block.unsigned(fields[index]).and_then(|raw| u32::try_from(raw).ok());
        Some(Self {
            bits: wide(0)?,
            bits_sub_interval: wide(1)?,
            corrected_bits: wide(2)?,
            min_corrected_bits: wide(3)?,
            max_corrected_bits: wide(4)?,
            frames: narrow(5)?,
            frames_sub_interval: narrow(6)?,
            uncorrected_frames: narrow(7)?,
            min_uncorrected_frames: narrow(8)?,
            max_uncorrected_frames: narrow(9)?,
            corrected_frames: None,
        })
    }

    /// The bits of a sub-interval; `None` where neither register nor frames give any.
    ///
    /// A frame has a fixed number of bits, so bits per sub-interval · frames = bits · frames per sub-interval, up to the
    /// frames in flight. A register that is off by more than an eighth is taken for truncated and the number derived,
    /// unless only the register gives ratios in order: the 32-bit frame counters may have wrapped.
    #[must_use]
    pub fn sub_interval_bits(&self) -> Option<SubIntervalBits> {
        let reported =
            (self.bits_sub_interval != 0).then_some(SubIntervalBits::Reported(self.bits_sub_interval));
        if self.frames == 0 || self.frames_sub_interval == 0 {
            return reported;
        }
        let expected = u128::from(self.bits) * u128::from(self.frames_sub_interval);
        let found = u128::from(self.bits_sub_interval) * u128::from(self.frames);
        if reported.is_some() && found.abs_diff(expected) <= expected / 8 {
            return reported;
        }
        let frames = u128::from(self.frames);
        let derived = u64::try_from((expected + frames / 2) / frames).ok().filter(|bits| *bits != 0);
        let derived = derived.map(SubIntervalBits::Derived);
        let ordered = |bits: &SubIntervalBits| self.ber_over(bits.bits()).is_some();
        derived.filter(ordered).or(reported.filter(ordered)).or(derived).or(reported)
    }

    fn ber_over(&self, sub_interval: u64) -> Option<MinAvgMax<Ber>> {
        MinAvgMax::new(
            ratio_of(self.min_corrected_bits, sub_interval)?,
            ratio_of(self.corrected_bits, self.bits)?,
            ratio_of(self.max_corrected_bits, sub_interval)?,
        )
    }

    /// Bit error ratio before FEC over the interval.
    #[must_use]
    pub fn average_ber(&self) -> Reading<Ber> {
        if self.bits == 0 {
            return Reading::Absent;
        }
        ratio_of(self.corrected_bits, self.bits).map_or(Reading::Implausible, Reading::Value)
    }

    /// Bit error ratio before FEC: best sub-interval, interval, worst sub-interval.
    ///
    /// [`Reading::Absent`] while nothing was counted, [`Reading::Implausible`] where the counters contradict each other.
    #[must_use]
    pub fn pre_fec_ber(&self) -> Reading<MinAvgMax<Ber>> {
        let Some(sub_interval) = self.sub_interval_bits() else { return Reading::Absent };
        if self.bits == 0 {
            return Reading::Absent;
        }
        self.ber_over(sub_interval.bits()).map_or(Reading::Implausible, Reading::Value)
    }

    /// Ratio of frames that FEC could not correct: best sub-interval, interval, worst sub-interval.
    #[must_use]
    pub fn frame_error_ratio(&self) -> Reading<MinAvgMax<Ber>> {
        if self.frames == 0 || self.frames_sub_interval == 0 {
            return Reading::Absent;
        }
        let per_sub = |frames: u32| ratio_of(u64::from(frames), u64::from(self.frames_sub_interval));
        let ratios = (
            per_sub(self.min_uncorrected_frames),
            ratio_of(u64::from(self.uncorrected_frames), u64::from(self.frames)),
            per_sub(self.max_uncorrected_frames),
        );
        match ratios {
            (Some(min), Some(avg), Some(max)) => {
                MinAvgMax::new(min, avg, max).map_or(Reading::Implausible, Reading::Value)
            }
            _ => Reading::Implausible,
        }
    }
}

/// FEC counters added up over intervals: what a 64-bit counter of the port shows.
///
/// To be given every interval that was ended, once. Saturating, so that a total never falls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FecTotals {
    /// Bits.
    pub bits: u64,
    /// Corrected bits.
    pub corrected_bits: u64,
    /// Frames.
    pub frames: u64,
    /// Frames that could not be corrected.
    pub uncorrected_frames: u64,
}

impl FecTotals {
    /// Adds the counters of an interval.
    pub fn add(&mut self, interval: &FecCounters) {
        self.bits = self.bits.saturating_add(interval.bits);
        self.corrected_bits = self.corrected_bits.saturating_add(interval.corrected_bits);
        self.frames = self.frames.saturating_add(u64::from(interval.frames));
        self.uncorrected_frames =
            self.uncorrected_frames.saturating_add(u64::from(interval.uncorrected_frames));
    }
}

/// Which statistics of page 35h a module has (42h:130-135, 138-140).
///
/// Secondary source: the nibble of a quantity holds current, average, minimum, maximum from its high bit down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PmAdvertisement {
    bytes: Option<[u8; 13]>,
}

impl PmAdvertisement {
    /// Where the advertisement is.
    pub const PLACE: (Address, u8) = (Address::page(0x42, 128), 13);

    /// Decodes the page. A page that is not there or all zero advertises nothing, and says nothing either.
    #[must_use]
    pub fn decode(block: Option<Block<'_>>) -> Self {
        let bytes = block.and_then(|block| block.slice(128, 13)).and_then(|bytes| bytes.try_into().ok());
        Self { bytes: bytes.filter(|bytes: &[u8; 13]| bytes.iter().any(|byte| *byte != 0)) }
    }

    /// Whether the module says at all what it has.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.bytes.is_some()
    }

    /// Average, minimum and maximum of a quantity; `None` where the module does not say.
    fn of(&self, row: &LinkRow) -> Option<[bool; 3]> {
        let bytes = self.bytes.as_ref()?;
        let nibble = Block::new(Self::PLACE.0, bytes).byte(row.advertised)?;
        Some([nibble & 0b0100 != 0, nibble & 0b0010 != 0, nibble & 0b0001 != 0])
    }
}

/// A quantity of page 35h with its registers.
struct LinkRow {
    quantity: Observable,
    average: Field,
    minimum: Field,
    maximum: Field,
    advertised: Field,
}

macro_rules! link_rows {
    ($($quantity:ident: $average:ident, $minimum:ident, $maximum:ident, $advertised:ident;)*) => {
        [$(LinkRow {
            quantity: Observable::$quantity,
            average: page35::$average,
            minimum: page35::$minimum,
            maximum: page35::$maximum,
            advertised: page42::$advertised,
        }),*]
    };
}

static LINK: [LinkRow; 18] = link_rows! {
    DispersionFine: RX_AVG_CDPM, RX_MIN_CDPM, RX_MAX_CDPM, CD_ADVERTISEMENT;
    Dgd: RX_AVG_DGDPM, RX_MIN_DGDPM, RX_MAX_DGDPM, DGD_ADVERTISEMENT;
    SopmdFine: RX_AVG_HG_SOPMDPM, RX_MIN_HG_SOPMDPM, RX_MAX_HG_SOPMDPM, HG_SOPMD_ADVERTISEMENT;
    Pdl: RX_AVG_PDLPM, RX_MIN_PDLPM, RX_MAX_PDLPM, PDL_ADVERTISEMENT;
    Osnr: RX_AVG_OSNRPM, RX_MIN_OSNRPM, RX_MAX_OSNRPM, OSNR_ADVERTISEMENT;
    Esnr: RX_AVG_ESNRPM, RX_MIN_ESNRPM, RX_MAX_ESNRPM, ESNR_ADVERTISEMENT;
    FrequencyOffset: RX_AVG_CFOPM, RX_MIN_CFOPM, RX_MAX_CFOPM, CFO_ADVERTISEMENT;
    Evm: RX_AVG_EVMPM, RX_MIN_EVMPM, RX_MAX_EVMPM, EVM_ADVERTISEMENT;
    TxPower: TX_AVG_POWER_PM, TX_MIN_POWER_PM, TX_MAX_POWER_PM, TX_POWER_ADVERTISEMENT;
    RxTotalPower: RX_AVG_RX_TOTAL_POWER_PM, RX_MIN_RX_TOTAL_POWER_PM, RX_MAX_RX_TOTAL_POWER_PM, RX_TOTAL_POWER_ADVERTISEMENT;
    RxSignalPower: RX_AVG_RX_SIGNAL_POWER_PM, RX_MIN_RX_SIGNAL_POWER_PM, RX_MAX_RX_SIGNAL_POWER_PM, RX_SIGNAL_POWER_ADVERTISEMENT;
    SopRateOfChange: RX_AVG_SOPROCPM, RX_MIN_SOPROCPM, RX_MAX_SOPROCPM, SOPROC_ADVERTISEMENT;
    Mer: RX_AVG_MERPM, RX_MIN_MERPM, RX_MAX_MERPM, MER_ADVERTISEMENT;
    ClockRecoveryLoop: RX_AVG_CLOCK_RECOVERY_LOOP_PM, RX_MIN_CLOCK_RECOVERY_LOOP_PM, RX_MAX_CLOCK_RECOVERY_LOOP_PM, CLOCK_RECOVERY_ADVERTISEMENT;
    SopmdCoarse: RX_AVG_LG_SOPMDPM, RX_MIN_LG_SOPMDPM, RX_MAX_LG_SOPMDPM, LG_SOPMD_ADVERTISEMENT;
    SnrMargin: RX_AVG_SNR_MARGIN_PM, RX_MIN_SNR_MARGIN_PM, RX_MAX_SNR_MARGIN_PM, SNR_MARGIN_ADVERTISEMENT;
    QFactor: RX_AVG_QFACTOR_PM, RX_MIN_QFACTOR_PM, RX_MAX_QFACTOR_PM, QFACTOR_ADVERTISEMENT;
    QMargin: RX_AVG_QMARGIN_PM, RX_MIN_QMARGIN_PM, RX_MAX_QMARGIN_PM, QMARGIN_ADVERTISEMENT;
};

/// Average, minimum and maximum of one link quantity, in units of the quantity's scale.
///
/// Scale and unit are those of the VDM observable ([`Observable::scale`]); chromatic dispersion has 32 bits here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkStatistics {
    /// The quantity, as its VDM observable.
    pub quantity: Observable,
    /// Average.
    pub average: Reading<i32>,
    /// Minimum.
    pub minimum: Reading<i32>,
    /// Maximum.
    pub maximum: Reading<i32>,
}

impl LinkStatistics {
    /// All three; the cause where one is missing, [`Reading::Implausible`] where they are not in order.
    #[must_use]
    pub fn triplet(&self) -> Reading<MinAvgMax<i32>> {
        let Self { average, minimum, maximum, .. } = *self;
        minimum.and_then(|min| {
            average.and_then(|avg| {
                maximum.and_then(|max| {
                    MinAvgMax::new(min, avg, max).map_or(Reading::Implausible, Reading::Value)
                })
            })
        })
    }

    /// A number in units of the scale as physical value, for display and JSON.
    #[must_use]
    pub fn physical(&self, units: i32) -> f64 {
        let (mul, div) = self.quantity.scale();
        f64::from(units) * f64::from(mul) / f64::from(div)
    }
}

/// The link quantities of an interval (page 35h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkPerformance {
    statistics: [LinkStatistics; LINK.len()],
}

impl LinkPerformance {
    /// Where the page's registers are.
    pub const PLACE: (Address, u8) = (Address::page(0x35, 128), 114);

    /// Every quantity of the page, in its order.
    pub fn quantities() -> impl Iterator<Item = Observable> {
        LINK.iter().map(|row| row.quantity)
    }

    /// Decodes the page; `None` where the block does not cover [`LinkPerformance::PLACE`].
    ///
    /// What the module does not advertise is unsupported. A module that says nothing about what it has leaves what it has
    /// not at 0: three zeros are absent then. Advertised OSNR, eSNR, EVM, MER and Q factor of 0 are absent, because a
    /// receiver that measures never finds exactly nothing.
    #[must_use]
    pub fn decode(block: Block<'_>, advertisement: &PmAdvertisement) -> Option<Self> {
        block.slice(Self::PLACE.0.byte, Self::PLACE.1)?;
        let first = LINK.first()?;
        block.unsigned(first.average)?;
        Some(Self {
            statistics: core::array::from_fn(|index| decode_row(block, &LINK[index], advertisement)),
        })
    }

    /// The statistics of a quantity; `None` for one that the page does not have.
    #[must_use]
    pub fn of(&self, quantity: Observable) -> Option<&LinkStatistics> {
        self.statistics.iter().find(|statistics| statistics.quantity == quantity)
    }

    /// Every quantity with its statistics, in the page's order.
    pub fn iter(&self) -> impl Iterator<Item = &LinkStatistics> {
        self.statistics.iter()
    }
}

fn decode_row(block: Block<'_>, row: &LinkRow, advertisement: &PmAdvertisement) -> LinkStatistics {
    let units = [row.average, row.minimum, row.maximum].map(|field| signed_units(block, field));
    let advertised = advertisement.of(row);
    let nothing = units.iter().all(|units| matches!(units, None | Some(0)));
    let zero_is_absent = matches!(
        row.quantity,
        Observable::Osnr | Observable::Esnr | Observable::Evm | Observable::Mer | Observable::QFactor
    );
    let reading = |index: usize| match (advertised, units[index]) {
        (Some(has), _) if !has[index] => Reading::Unsupported,
        (_, None) => Reading::Absent,
        (None, _) if nothing => Reading::Absent,
        (_, Some(0)) if zero_is_absent => Reading::Absent,
        (_, Some(units)) => Reading::Value(units),
    };
    LinkStatistics { quantity: row.quantity, average: reading(0), minimum: reading(1), maximum: reading(2) }
}

/// A register of page 35h in units of its scale.
fn signed_units(block: Block<'_>, field: Field) -> Option<i32> {
    let raw = block.unsigned(field)?;
    match field.kind {
        Kind::S32 => u32::try_from(raw).ok().map(u32::cast_signed),
        Kind::S16 => u16::try_from(raw).ok().map(|raw| i32::from(raw.cast_signed())),
        _ => i32::try_from(raw).ok(),
    }
}

impl LinkStatistics {
    /// A number of a 16-bit quantity as the VDM observable would carry it; `None` beyond 16 bits.
    #[must_use]
    pub fn measured(&self, units: i32) -> Option<Measured> {
        let raw = u16::try_from(units).ok().or_else(|| i16::try_from(units).ok().map(i16::cast_unsigned))?;
        Some(self.quantity.measured(raw))
    }
}

#[cfg(test)]
mod tests;
