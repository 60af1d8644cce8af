//! Points in time: monotonic for decisions, wall time for display.

use core::fmt;
use core::time::Duration;
use serde::{Deserialize, Serialize};

/// A point on some monotonic clock, in milliseconds from that clock's own start.
///
/// State machines take it as a parameter; who owns the clock is the caller's business. Two values are comparable only
/// when they come from the same clock. Never wall time: a host clock that is set does not move it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// The point `ms` milliseconds later, saturating.
    #[must_use]
    pub const fn plus(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to `self`, 0 when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The point later by `duration`, whole milliseconds, rounded up; saturating.
    ///
    /// Rounded up, because a wait that a module advertises must not end early.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        self.plus(u64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
    }

    /// [`Millis::since`] as a [`Duration`].
    #[must_use]
    pub const fn elapsed_since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.since(earlier))
    }
}

/// Wall-clock time in milliseconds since the Unix epoch, for display only. On the wire: float seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// In seconds, as the wire has it.
    #[must_use]
    pub fn seconds(self) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            reason = "milliseconds since 1970 stay below 2^53 for 285 000 years"
        )]
        let ms = self.0 as f64;
        ms / 1e3
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03}", self.0.div_euclid(1000), self.0.rem_euclid(1000))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.seconds())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        let ms = seconds * 1e3;
        if !ms.is_finite() || ms.abs() > 9e15 {
            return Err(serde::de::Error::custom("timestamp is not a representable number of seconds"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded by 9e15 above")]
        let whole = (if ms < 0.0 { ms - 0.5 } else { ms + 0.5 }) as i64;
        Ok(Self(whole))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_rounded_up_to_whole_milliseconds_and_saturates() {
        assert_eq!(Millis(5).after(Duration::from_micros(1)), Millis(6));
        assert_eq!(Millis(5).after(Duration::from_millis(2)), Millis(7));
        assert_eq!(Millis(5).after(Duration::MAX), Millis(u64::MAX));
        assert_eq!(Millis(7).elapsed_since(Millis(5)), Duration::from_millis(2));
        assert_eq!(Millis(5).elapsed_since(Millis(7)), Duration::ZERO);
    }

    #[test]
    fn the_guides_timestamp_survives() {
        let at: Timestamp = serde_json::from_str("1730000000.123").unwrap();
        assert_eq!(at, Timestamp(1_730_000_000_123));
        assert_eq!(serde_json::to_string(&at).unwrap(), "1730000000.123");
        assert!(serde_json::from_str::<Timestamp>("1e300").is_err());
    }
}
