//! What the diagnostics pages 13h and 14h are able to do (OIF-CMIS-05.4, pages 13h and 14h).
//!
//! Confidence: the places are binding rows of the map; the meaning of 13h:130, 13h:131 and of the pattern codes comes from
//! secondary sources that agree with each other and with images of real modules.

use super::{Feature, ProcError};
use crate::map::{Address, Block, page13};
use core::fmt;

/// A side of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// Electrical, towards the host.
    Host,
    /// Optical, towards the line.
    Media,
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Host => "host",
            Self::Media => "media",
        })
    }
}

/// Where a signal is turned round.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LoopbackPoint {
    /// What would leave at the media output comes back towards the host (13h:128.0, 180).
    MediaOutput,
    /// What arrives at the media input goes out again (13h:128.1, 181).
    MediaInput,
    /// What would leave at the host output goes back towards the line (13h:128.2, 182).
    HostOutput,
    /// What arrives at the host input goes out again to the host (13h:128.3, 183).
    HostInput,
}

impl LoopbackPoint {
    /// All points, in the order of their registers.
    pub const ALL: [Self; 4] = [Self::MediaOutput, Self::MediaInput, Self::HostOutput, Self::HostInput];

    /// The side at which the signal is turned round.
    #[must_use]
    pub const fn side(self) -> Side {
        match self {
            Self::MediaOutput | Self::MediaInput => Side::Media,
            Self::HostOutput | Self::HostInput => Side::Host,
        }
    }

    pub(super) const fn index(self) -> usize {
        match self {
            Self::MediaOutput => 0,
            Self::MediaInput => 1,
            Self::HostOutput => 2,
            Self::HostInput => 3,
        }
    }
}

impl fmt::Display for LoopbackPoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::MediaOutput => "media side output",
            Self::MediaInput => "media side input",
            Self::HostOutput => "host side output",
            Self::HostInput => "host side input",
        })
    }
}

/// A pattern generator or checker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PatternUnit {
    /// 13h:144-151.
    HostGenerator,
    /// 13h:152-159.
    MediaGenerator,
    /// 13h:160-167.
    HostChecker,
    /// 13h:168-175.
    MediaChecker,
}

impl PatternUnit {
    /// All units, in the order of their registers.
    pub const ALL: [Self; 4] =
        [Self::HostGenerator, Self::MediaGenerator, Self::HostChecker, Self::MediaChecker];

    pub(super) const fn index(self) -> u8 {
        match self {
            Self::HostGenerator => 0,
            Self::MediaGenerator => 1,
            Self::HostChecker => 2,
            Self::MediaChecker => 3,
        }
    }

    /// First byte of the unit's eight control bytes.
    pub(super) const fn control(self) -> u8 {
        page13::HOST_GENERATOR_CONTROL.byte + 8 * self.index()
    }

    /// The bit of 13h:131 that says that the unit works before, and after, FEC.
    const fn location_bits(self) -> (u8, u8) {
        match self {
            Self::MediaGenerator => (0x80, 0x40),
            Self::MediaChecker => (0x20, 0x10),
            Self::HostGenerator => (0x08, 0x04),
            Self::HostChecker => (0x02, 0x01),
        }
    }
}

impl fmt::Display for PatternUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HostGenerator => "host side generator",
            Self::MediaGenerator => "media side generator",
            Self::HostChecker => "host side checker",
            Self::MediaChecker => "media side checker",
        })
    }
}

/// Whether a pattern is put in, or checked, before or after FEC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum FecPosition {
    /// On the side of the FEC decoder's output: the pattern is protected.
    #[default]
    AfterFec,
    /// On the raw bits.
    BeforeFec,
}

impl fmt::Display for FecPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AfterFec => "after FEC",
            Self::BeforeFec => "before FEC",
        })
    }
}

macro_rules! patterns {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $text:literal;)*) => {
        /// A test pattern, by its code in 13h:148 and its bit in 13h:132.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Pattern {
            $($(#[$doc])* $name,)*
        }

        impl Pattern {
            /// Every pattern.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// The code.
            #[must_use]
            pub const fn code(self) -> u8 {
                match self { $(Self::$name => $code,)* }
            }

            /// The pattern of a code; `None` for the reserved Dh and beyond Fh.
            #[must_use]
            pub const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$name),)* _ => None }
            }
        }

        impl fmt::Display for Pattern {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(Self::$name => $text,)* })
            }
        }
    };
}

patterns! {
    /// PRBS31Q, PAM4.
    Prbs31Q = 0x0, "PRBS31Q";
    /// PRBS31.
    Prbs31 = 0x1, "PRBS31";
    /// PRBS23Q, PAM4.
    Prbs23Q = 0x2, "PRBS23Q";
    /// PRBS23.
    Prbs23 = 0x3, "PRBS23";
    /// PRBS15Q, PAM4.
    Prbs15Q = 0x4, "PRBS15Q";
    /// PRBS15.
    Prbs15 = 0x5, "PRBS15";
    /// PRBS13Q, PAM4.
    Prbs13Q = 0x6, "PRBS13Q";
    /// PRBS13.
    Prbs13 = 0x7, "PRBS13";
    /// PRBS9Q, PAM4.
    Prbs9Q = 0x8, "PRBS9Q";
    /// PRBS9.
    Prbs9 = 0x9, "PRBS9";
    /// PRBS7Q, PAM4.
    Prbs7Q = 0xA, "PRBS7Q";
    /// PRBS7.
    Prbs7 = 0xB, "PRBS7";
    /// SSPRQ, PAM4.
    Ssprq = 0xC, "SSPRQ";
    /// The vendor's.
    Custom = 0xE, "the custom pattern";
    /// The 32 bytes of 13h:224.
    User = 0xF, "the user pattern";
}

/// A measurement of page 14h.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measurement {
    /// Bit error ratio of the checkers, selector 01h.
    BitErrorRatio,
    /// Errors and bits counted by the checkers, selectors 02h-05h.
    ErrorCounters,
    /// Signal-to-noise ratio at the inputs, selector 06h.
    Snr,
}

impl fmt::Display for Measurement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::BitErrorRatio => "bit error ratio",
            Self::ErrorCounters => "bit and error counters",
            Self::Snr => "signal-to-noise ratio",
        })
    }
}

/// First byte and length of what [`DiagnosticCapabilities`] and the control registers are read with.
pub(super) const CONTROL_SPAN: (u8, u8) = (128, 56);

/// What a bank of page 13h says it can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DiagnosticCapabilities {
    loopback: u8,
    reporting: u8,
    location: u8,
    patterns: [u16; 4],
}

impl DiagnosticCapabilities {
    /// Decodes a block that covers 13h:128-139.
    #[must_use]
    pub fn decode(block: Block<'_>) -> Self {
        let byte = |at: u8| block.slice(at, 1).map_or(0, |bytes| bytes[0]);
        let set = |field| block.word_at(field, 0).unwrap_or(0);
        Self {
            loopback: byte(128),
            reporting: byte(page13::DIAGNOSTIC_REPORTING_CAPABILITIES.byte),
            location: byte(page13::PATTERN_GENERATOR_CHECKER_LOCATION.byte),
            patterns: [
                set(page13::HOST_GENERATOR_PATTERNS_SUPPORTED),
                set(page13::MEDIA_GENERATOR_PATTERNS_SUPPORTED),
                set(page13::HOST_CHECKER_PATTERNS_SUPPORTED),
                set(page13::MEDIA_CHECKER_PATTERNS_SUPPORTED),
            ],
        }
    }

    /// Whether a loopback is there.
    #[must_use]
    pub const fn has_loopback(&self, point: LoopbackPoint) -> bool {
        self.loopback & (1 << point.index()) != 0
    }

    /// Whether lanes of a side can be looped one by one; otherwise all or none.
    #[must_use]
    pub const fn loops_single_lanes(&self, side: Side) -> bool {
        match side {
            Side::Host => self.loopback & 0x10 != 0,
            Side::Media => self.loopback & 0x20 != 0,
        }
    }

    /// Whether host and media side may be looped at the same time.
    #[must_use]
    pub const fn loops_both_sides(&self) -> bool {
        self.loopback & 0x40 != 0
    }

    /// Whether a unit knows a pattern.
    #[must_use]
    pub const fn has_pattern(&self, unit: PatternUnit, pattern: Pattern) -> bool {
        self.patterns[unit.index() as usize] & (1 << pattern.code()) != 0
    }

    /// Whether a unit works at that position. A module that says nothing about a unit works after FEC, which is how the
    /// control bit is at power-on.
    #[must_use]
    pub const fn has_position(&self, unit: PatternUnit, position: FecPosition) -> bool {
        let (before, after) = unit.location_bits();
        match position {
            FecPosition::BeforeFec => self.location & before != 0,
            FecPosition::AfterFec => self.location & after != 0 || self.location & before == 0,
        }
    }

    /// Whether a measurement is reported for a side.
    #[must_use]
    pub const fn reports(&self, measurement: Measurement, side: Side) -> bool {
        let bit = match (measurement, side) {
            (Measurement::BitErrorRatio, _) => 0x01,
            (Measurement::ErrorCounters, _) => 0x02,
            (Measurement::Snr, Side::Host) => 0x10,
            (Measurement::Snr, Side::Media) => 0x20,
        };
        self.reporting & bit != 0
    }

    /// Refuses a measurement that neither side reports.
    pub(super) fn check_measurement(&self, measurement: Measurement) -> Result<(), ProcError> {
        if self.reports(measurement, Side::Host) || self.reports(measurement, Side::Media) {
            Ok(())
        } else {
            Err(ProcError::NotSupported { feature: Feature::Measurement(measurement) })
        }
    }
}

/// A byte of page 13h in a bank.
pub(super) const fn control_at(bank: u8, byte: u8) -> Address {
    Address::page(0x13, byte).in_bank(bank)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_code_survives_and_the_reserved_one_is_none() {
        for code in 0..=u8::MAX {
            match Pattern::from_code(code) {
                Some(pattern) => assert_eq!(pattern.code(), code),
                None => assert!(code == 0x0D || code > 0x0F, "{code:02X}h"),
            }
        }
        assert_eq!(Pattern::ALL.len(), 15);
    }

    #[test]
    fn pattern_sets_are_little_endian_and_each_unit_has_its_own() {
        // 13h:128-139 of an 800ZR: generators 8FFFh, checkers 082Ah.
        let bytes = [0x7F, 0xF4, 0xE3, 0x9F, 0xFF, 0x8F, 0x2A, 0x08, 0xFF, 0x8F, 0x2A, 0x08];
        let can = DiagnosticCapabilities::decode(Block::new(Address::page(0x13, 128), &bytes));
        assert!(can.has_pattern(PatternUnit::HostGenerator, Pattern::Prbs31Q));
        assert!(can.has_pattern(PatternUnit::HostGenerator, Pattern::User));
        assert!(!can.has_pattern(PatternUnit::HostGenerator, Pattern::Ssprq));
        assert!(can.has_pattern(PatternUnit::MediaGenerator, Pattern::Prbs31));
        assert!(!can.has_pattern(PatternUnit::MediaGenerator, Pattern::Prbs31Q));
        assert!(can.has_loopback(LoopbackPoint::HostInput) && can.loops_both_sides());
        assert!(can.has_position(PatternUnit::MediaGenerator, FecPosition::BeforeFec));
        assert!(!can.has_position(PatternUnit::MediaGenerator, FecPosition::AfterFec));
        assert!(can.reports(Measurement::ErrorCounters, Side::Host));
        assert!(can.reports(Measurement::Snr, Side::Media) && !can.reports(Measurement::Snr, Side::Host));
    }

    #[test]
    fn an_empty_block_can_do_nothing() {
        let can = DiagnosticCapabilities::decode(Block::new(Address::page(0x13, 128), &[]));
        assert!(!LoopbackPoint::ALL.iter().any(|point| can.has_loopback(*point)));
        assert!(can.check_measurement(Measurement::Snr).is_err());
    }
}
