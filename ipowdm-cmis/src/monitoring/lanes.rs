//! Monitors of the lanes and which of them a module has.

use super::Reading;
use crate::map::{Address, Block, lower, page01, page11};
use crate::physics::power_of_tenth_microwatts;
use ipowdm_core::units::{Power, Temperature, Voltage};

/// What an auxiliary monitor of the module observes (01h:145.2-0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuxKind {
    /// As the vendor defines.
    Custom,
    /// Current of the thermo-electric cooler.
    TecCurrent,
    /// Laser temperature.
    LaserTemperature,
    /// Another supply voltage.
    SecondSupply,
}

/// A sample or a threshold of an auxiliary monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuxValue {
    /// As the vendor defines.
    Custom(i16),
    /// TEC current in units of 100/32767 % of the greatest heating current; negative cools.
    TecCurrent(i16),
    /// Laser temperature.
    LaserTemperature(Temperature),
    /// Another supply voltage.
    SecondSupply(Voltage),
}

impl AuxKind {
    /// A register of the monitor.
    #[must_use]
    pub const fn value(self, raw: i16) -> AuxValue {
        match self {
            Self::Custom => AuxValue::Custom(raw),
            Self::TecCurrent => AuxValue::TecCurrent(raw),
            Self::LaserTemperature => AuxValue::LaserTemperature(Temperature::from_raw(raw)),
            Self::SecondSupply => AuxValue::SecondSupply(Voltage::from_raw(raw.cast_unsigned())),
        }
    }
}

/// Which monitors of lower memory and page 11h a module has (01h:159-160).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MonitorSupport {
    /// Case temperature, 00h:14.
    pub temperature: bool,
    /// Supply voltage, 00h:16.
    pub voltage: bool,
    /// Auxiliary monitors 1-3, 00h:18-23; `None` for one that the module does not have.
    pub aux: [Option<AuxKind>; 3],
    /// Vendor's own monitor, 00h:24.
    pub custom: bool,
    /// Transmitted power, 11h:154.
    pub tx_power: bool,
    /// Laser bias, 11h:170.
    pub tx_bias: bool,
    /// Received power, 11h:186.
    pub rx_power: bool,
    /// Multiplier of the laser bias, 1, 2 or 4.
    pub bias_factor: u8,
}

impl Default for MonitorSupport {
    /// No monitor, factor 1.
    fn default() -> Self {
        Self {
            temperature: false,
            voltage: false,
            aux: [None; 3],
            custom: false,
            tx_power: false,
            tx_bias: false,
            rx_power: false,
            bias_factor: 1,
        }
    }
}

impl MonitorSupport {
    /// Where the advertisement is.
    pub const PLACE: (Address, u8) = (Address::page(0x01, 145), 16);

    /// Decodes 01h:145-160; what the block does not cover is not supported.
    #[must_use]
    pub fn decode(block: Block<'_>) -> Self {
        let has = |field| block.flag(field).unwrap_or(false);
        let bit = |field, index| block.byte_at(field, index).is_some_and(|bit| bit != 0);
        let aux = |index, clear, set| {
            let kind = if bit(page01::AUX_MON_OBSERVABLE, index) { set } else { clear };
            bit(page01::AUX_MON_SUPPORTED, index).then_some(kind)
        };
        Self {
            temperature: has(page01::TEMP_MON_SUPPORTED),
            voltage: has(page01::VCC_MON_SUPPORTED),
            aux: [
                aux(0, AuxKind::Custom, AuxKind::TecCurrent),
                aux(1, AuxKind::LaserTemperature, AuxKind::TecCurrent),
                aux(2, AuxKind::LaserTemperature, AuxKind::SecondSupply),
            ],
            custom: has(page01::CUSTOM_MON_SUPPORTED),
            tx_power: has(page01::TX_OPTICAL_POWER_MON_SUPPORTED),
            tx_bias: has(page01::TX_BIAS_MON_SUPPORTED),
            rx_power: has(page01::RX_OPTICAL_POWER_MON_SUPPORTED),
            // Code 3 is reserved and read as 1.
            bias_factor: match block.byte(page01::TX_BIAS_CURRENT_SCALING_FACTOR) {
                Some(1) => 2,
                Some(2) => 4,
                _ => 1,
            },
        }
    }

    /// Auxiliary monitor `index` (0-2) in a block of the lower memory.
    #[must_use]
    pub fn aux_value(self, block: Block<'_>, index: u8) -> Reading<AuxValue> {
        let Some(kind) = self.aux.get(usize::from(index)).copied().flatten() else {
            return Reading::Unsupported;
        };
        let raw = block.signed_at(lower::AUX_MON_VALUE, u16::from(index));
        Reading::of(raw.map(|raw| kind.value(raw)))
    }

    /// A bias register in µA: 2 µA times the advertised multiplier.
    #[must_use]
    pub fn bias_microamps(self, raw: u16) -> u32 {
        u32::from(raw) * 2 * u32::from(self.bias_factor)
    }
}

/// Monitors of one lane (11h:154-201).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneMonitor {
    /// Transmitted power; absent below the monitor's range.
    pub tx_power: Reading<Power>,
    /// Laser bias in µA; 0 when off.
    pub tx_bias: Reading<u32>,
    /// Received power; absent below the monitor's range.
    pub rx_power: Reading<Power>,
}

impl LaneMonitor {
    /// The monitors of `lane` (0-based, 0-7) in a block of page 11h.
    #[must_use]
    pub fn decode(block: Block<'_>, lane: u8, support: MonitorSupport) -> Self {
        let lane = u16::from(lane);
        let word = |supported: bool, field| match block.word_at(field, lane) {
            _ if !supported => Reading::Unsupported,
            Some(raw) => Reading::Value(raw),
            None => Reading::Absent,
        };
        let power = |raw: Reading<u16>| raw.and_then(|raw| Reading::of(power_of_tenth_microwatts(raw)));
        Self {
            tx_power: power(word(support.tx_power, page11::OPTICAL_POWER_TX)),
            tx_bias: word(support.tx_bias, page11::LASER_BIAS_TX)
                .and_then(|raw| Reading::Value(support.bias_microamps(raw))),
            rx_power: power(word(support.rx_power, page11::OPTICAL_POWER_RX)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::map::Address;

    #[test]
    fn an_auxiliary_monitor_is_what_the_module_says_it_is() {
        let mut advertised = [0_u8; 16];
        advertised[0] = 0b110;
        advertised[14] = 0b0001_1000;
        let support = MonitorSupport::decode(Block::new(MonitorSupport::PLACE.0, &advertised));
        assert_eq!(support.aux, [None, Some(AuxKind::TecCurrent), Some(AuxKind::SecondSupply)]);
        let values = [0x12, 0x34, 0xFF, 0xFE, 0x80, 0xE8];
        let block = Block::new(Address::lower(18), &values);
        assert_eq!(support.aux_value(block, 0), Reading::Unsupported);
        assert_eq!(support.aux_value(block, 1), Reading::Value(AuxValue::TecCurrent(-2)));
        let volts = AuxValue::SecondSupply(Voltage::from_raw(33_000));
        assert_eq!(support.aux_value(block, 2), Reading::Value(volts));
        assert_eq!(support.aux_value(block, 3), Reading::Unsupported);
        assert_eq!(
            AuxKind::LaserTemperature.value(256),
            AuxValue::LaserTemperature(Temperature::from_raw(256))
        );
    }

    #[test]
    fn bias_has_the_advertised_multiplier_and_no_value_without_a_monitor() {
        // 01h:160 = 16h: factor code 2, received and transmitted power, no bias monitor.
        let support = MonitorSupport::decode(Block::new(Address::page(1, 159), &[0x03, 0x16]));
        assert_eq!((support.bias_factor, support.tx_bias, support.tx_power), (4, false, true));
        assert!(support.temperature && support.voltage && !support.custom);
        let mut lanes = [0_u8; 48];
        lanes[0..2].copy_from_slice(&10_000_u16.to_be_bytes());
        lanes[16..18].copy_from_slice(&15_000_u16.to_be_bytes());
        let block = Block::new(Address::page(0x11, 154), &lanes);
        let lane = LaneMonitor::decode(block, 0, support);
        assert_eq!(lane.tx_power, Reading::Value(Power::from_hundredths(0)));
        assert_eq!((lane.tx_bias, lane.rx_power), (Reading::Unsupported, Reading::Absent));
        let biased = LaneMonitor::decode(block, 0, MonitorSupport { tx_bias: true, ..support });
        assert_eq!(biased.tx_bias, Reading::Value(120_000));
    }
}
