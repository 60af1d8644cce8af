//! Alarm and warning thresholds of the module and its lanes (page 02h).

use super::MonitorSupport;
use crate::map::{Block, Field, page02};
use crate::physics::power_of_tenth_microwatts;
use ipowdm_core::units::{Power, Temperature, Voltage};

/// The four thresholds of a monitored quantity. A flag is raised strictly above the high and strictly below the low ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Thresholds<T> {
    /// High alarm.
    pub high_alarm: T,
    /// Low alarm.
    pub low_alarm: T,
    /// High warning.
    pub high_warning: T,
    /// Low warning.
    pub low_warning: T,
}

impl<T> Thresholds<T> {
    /// Each threshold in another form.
    #[must_use]
    pub fn map<U>(self, mut f: impl FnMut(T) -> U) -> Thresholds<U> {
        Thresholds {
            high_alarm: f(self.high_alarm),
            low_alarm: f(self.low_alarm),
            high_warning: f(self.high_warning),
            low_warning: f(self.low_warning),
        }
    }
}

/// Thresholds of page 02h. Optical powers are absent where a threshold is 0 µW, which is no power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ModuleThresholds {
    /// Whether 02h:255 is the sum of 128-254.
    pub checksum_ok: bool,
    /// Case temperature.
    pub temperature: Thresholds<Temperature>,
    /// Supply voltage.
    pub voltage: Thresholds<Voltage>,
    /// Auxiliary monitors 1-3, raw; [`AuxKind::value`](super::AuxKind::value) gives them their unit.
    pub aux: [Thresholds<i16>; 3],
    /// Vendor's own monitor, raw.
    pub custom: Thresholds<u16>,
    /// Transmitted power.
    pub tx_power: Thresholds<Option<Power>>,
    /// Laser bias in µA.
    pub tx_bias: Thresholds<u32>,
    /// Received power.
    pub rx_power: Thresholds<Option<Power>>,
}

impl ModuleThresholds {
    /// Decodes the whole page; `None` where the block is not page 02h or not all of it.
    #[must_use]
    pub fn decode(block: Block<'_>, support: MonitorSupport) -> Option<Self> {
        let words = |fields: [Field; 4], index| {
            let [high_alarm, low_alarm, high_warning, low_warning] =
                fields.map(|field| block.word_at(field, index));
            Some(Thresholds {
                high_alarm: high_alarm?,
                low_alarm: low_alarm?,
                high_warning: high_warning?,
                low_warning: low_warning?,
            })
        };
        let whole = block.slice(128, 128)?;
        let sum = whole.iter().take(127).fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let aux = |index| words(AUX, index).map(|raw| raw.map(u16::cast_signed));
        Some(Self {
            checksum_ok: block.byte(page02::PAGE02_CHECKSUM) == Some(sum),
            temperature: words(TEMPERATURE, 0)?.map(|raw| Temperature::from_raw(raw.cast_signed())),
            voltage: words(VOLTAGE, 0)?.map(Voltage::from_raw),
            aux: [aux(0)?, aux(1)?, aux(2)?],
            custom: words(CUSTOM, 0)?,
            tx_power: words(TX_POWER, 0)?.map(power_of_tenth_microwatts),
            tx_bias: words(TX_BIAS, 0)?.map(|raw| support.bias_microamps(raw)),
            rx_power: words(RX_POWER, 0)?.map(power_of_tenth_microwatts),
        })
    }
}

const TEMPERATURE: [Field; 4] = [
    page02::TEMP_MON_HIGH_ALARM_THRESHOLD,
    page02::TEMP_MON_LOW_ALARM_THRESHOLD,
    page02::TEMP_MON_HIGH_WARNING_THRESHOLD,
    page02::TEMP_MON_LOW_WARNING_THRESHOLD,
];
const VOLTAGE: [Field; 4] = [
    page02::VCC_MON_HIGH_ALARM_THRESHOLD,
    page02::VCC_MON_LOW_ALARM_THRESHOLD,
    page02::VCC_MON_HIGH_WARNING_THRESHOLD,
    page02::VCC_MON_LOW_WARNING_THRESHOLD,
];
const AUX: [Field; 4] = [
    page02::AUX_MON_HIGH_ALARM_THRESHOLD,
    page02::AUX_MON_LOW_ALARM_THRESHOLD,
    page02::AUX_MON_HIGH_WARNING_THRESHOLD,
    page02::AUX_MON_LOW_WARNING_THRESHOLD,
];
const CUSTOM: [Field; 4] = [
    page02::CUSTOM_MON_HIGH_ALARM_THRESHOLD,
    page02::CUSTOM_MON_LOW_ALARM_THRESHOLD,
    page02::CUSTOM_MON_HIGH_WARNING_THRESHOLD,
    page02::CUSTOM_MON_LOW_WARNING_THRESHOLD,
];
const TX_POWER: [Field; 4] = [
    page02::OPTICAL_POWER_TX_HIGH_ALARM_THRESHOLD,
    page02::OPTICAL_POWER_TX_LOW_ALARM_THRESHOLD,
    page02::OPTICAL_POWER_TX_HIGH_WARNING_THRESHOLD,
    page02::OPTICAL_POWER_TX_LOW_WARNING_THRESHOLD,
];
const TX_BIAS: [Field; 4] = [
    page02::LASER_BIAS_TX_HIGH_ALARM_THRESHOLD,
    page02::LASER_BIAS_TX_LOW_ALARM_THRESHOLD,
    page02::LASER_BIAS_TX_HIGH_WARNING_THRESHOLD,
    page02::LASER_BIAS_TX_LOW_WARNING_THRESHOLD,
];
const RX_POWER: [Field; 4] = [
    page02::OPTICAL_POWER_RX_HIGH_ALARM_THRESHOLD,
    page02::OPTICAL_POWER_RX_LOW_ALARM_THRESHOLD,
    page02::OPTICAL_POWER_RX_HIGH_WARNING_THRESHOLD,
    page02::OPTICAL_POWER_RX_LOW_WARNING_THRESHOLD,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::Address;
    use proptest::prelude::*;

    #[test]
    fn thresholds_of_a_real_400zr_have_their_units() {
        let mut page = [0_u8; 128];
        page[..16].copy_from_slice(&[
            0x4C, 0x00, 0xFA, 0x00, 0x49, 0x00, 0xFD, 0x00, 0x90, 0x88, 0x75, 0x30, 0x8C, 0xA0, 0x77, 0x24,
        ]);
        page[48..56].copy_from_slice(&[0x7C, 0xB0, 0x09, 0xE0, 0x63, 0x10, 0x00, 0x00]);
        page[56..58].copy_from_slice(&[0xFF, 0xFF]);
        page[127] = page[..127].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        let block = Block::new(Address::page(2, 128), &page);
        let support = MonitorSupport { bias_factor: 4, ..MonitorSupport::default() };
        let thresholds = ModuleThresholds::decode(block, support).unwrap();
        assert!(thresholds.checksum_ok);
        assert!((thresholds.temperature.high_alarm.celsius() - 76.0).abs() < 1e-9);
        assert!((thresholds.temperature.low_alarm.celsius() + 6.0).abs() < 1e-9);
        assert!((thresholds.voltage.low_alarm.volts() - 3.0).abs() < 1e-9);
        // 0x7CB0 is 3192.0 µW.
        assert_eq!(thresholds.tx_power.high_alarm, Some(Power::from_hundredths(504)));
        assert_eq!(thresholds.tx_power.low_warning, None, "0 uW is no power");
        assert_eq!(thresholds.tx_bias.high_alarm, 65_535 * 8);
        page[0] = 0;
        let block = Block::new(Address::page(2, 128), &page);
        assert!(!ModuleThresholds::decode(block, support).unwrap().checksum_ok);
    }

    proptest! {
        #[test]
        fn any_page_is_decoded_and_less_than_a_page_is_not(bytes in prop::collection::vec(any::<u8>(), 0..=128)) {
            let block = Block::new(Address::page(2, 128), &bytes);
            let decoded = ModuleThresholds::decode(block, MonitorSupport::default());
            prop_assert_eq!(decoded.is_some(), bytes.len() == 128);
        }
    }
}
