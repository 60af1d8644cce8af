//! A quantity as a function of time.

use serde::{Deserialize, Serialize};
use std::vec::Vec;

/// Most points of a course.
const MOST_POINTS: usize = 1_024;

/// A quantity as a function of the time since it was set: a number, a polygon, or a sine.
///
/// In JSON: `3.0`, `{"points": [[0, 3.0], [60000, 9.0]]}` (milliseconds and values; constant before the first and after the
/// last), `{"mean": 3.0, "amplitude": 0.5, "period_ms": 60000}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Course {
    /// The same at all times.
    Constant(f64),
    /// Linear between points.
    Points {
        /// Milliseconds and value, ascending.
        points: Vec<(u64, f64)>,
    },
    /// A sine around a mean.
    Wave {
        /// Mean.
        mean: f64,
        /// Greatest distance from the mean.
        amplitude: f64,
        /// Period in milliseconds.
        period_ms: u64,
    },
}

/// Why a course is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CourseError {
    /// A value is not finite, or beyond ±10⁶.
    #[error("values are finite and within a million of 0")]
    Value,
    /// No point, too many, or not ascending in time.
    #[error("1 to {MOST_POINTS} points, ascending in time")]
    Points,
    /// A period of 0.
    #[error("a period is above 0")]
    Period,
}

impl Course {
    /// Whether the course has a value at all times.
    ///
    /// # Errors
    /// [`CourseError`].
    pub fn check(&self) -> Result<(), CourseError> {
        let fits = |value: f64| value.is_finite() && value.abs() <= 1e6;
        match self {
            Self::Constant(value) if fits(*value) => Ok(()),
            Self::Points { points } => {
                let ascending = points.windows(2).all(|pair| pair[0].0 < pair[1].0);
                if points.is_empty() || points.len() > MOST_POINTS || !ascending {
                    return Err(CourseError::Points);
                }
                if points.iter().all(|(_, value)| fits(*value)) { Ok(()) } else { Err(CourseError::Value) }
            }
            Self::Wave { period_ms: 0, .. } => Err(CourseError::Period),
            Self::Wave { mean, amplitude, .. } if fits(*mean) && fits(*amplitude) => Ok(()),
            _ => Err(CourseError::Value),
        }
    }

    /// The value `elapsed` milliseconds after it was set.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "milliseconds of a course stay far below 2^53")]
    pub fn at(&self, elapsed: u64) -> f64 {
        match self {
            Self::Constant(value) => *value,
            Self::Points { points } => {
                let after = points.iter().position(|(at, _)| *at > elapsed);
                match (after, points.last()) {
                    (None, last) => last.map_or(0.0, |(_, value)| *value),
                    (Some(0), _) => points[0].1,
                    (Some(index), _) => {
                        let ((from, low), (to, high)) = (points[index - 1], points[index]);
                        low + (high - low) * (elapsed - from) as f64 / (to - from) as f64
                    }
                }
            }
            Self::Wave { mean, amplitude, period_ms } => {
                let period = (*period_ms).max(1);
                let phase = (elapsed % period) as f64 / period as f64;
                mean + amplitude * libm::sin(phase * core::f64::consts::TAU)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_values_and_keeps_its_ends() {
        assert_eq!(Course::Constant(3.0).at(7), 3.0);
        let points = Course::Points { points: std::vec![(100, 1.0), (200, 3.0)] };
        assert_eq!([0, 100, 150, 200, u64::MAX].map(|at| points.at(at)), [1.0, 1.0, 2.0, 3.0, 3.0]);
        let wave = Course::Wave { mean: 10.0, amplitude: 2.0, period_ms: 1_000 };
        assert!((wave.at(250) - 12.0).abs() < 1e-9 && (wave.at(1_750) - 8.0).abs() < 1e-9);
    }

    #[test]
    fn what_has_no_value_is_refused() {
        assert_eq!(Course::Constant(f64::NAN).check(), Err(CourseError::Value));
        assert_eq!(Course::Points { points: Vec::new() }.check(), Err(CourseError::Points));
        let back = Course::Points { points: std::vec![(5, 0.0), (5, 1.0)] };
        assert_eq!(back.check(), Err(CourseError::Points));
        let still = Course::Wave { mean: 0.0, amplitude: 1.0, period_ms: 0 };
        assert_eq!(still.check(), Err(CourseError::Period));
    }

    #[test]
    fn json_tells_the_kinds_apart() {
        let read = |text| serde_json::from_str::<Course>(text).unwrap();
        assert_eq!(read("-3"), Course::Constant(-3.0));
        assert_eq!(
            read(r#"{"points":[[0,1],[5,2]]}"#),
            Course::Points { points: std::vec![(0, 1.0), (5, 2.0)] }
        );
        assert!(serde_json::from_str::<Course>(r#"{"point":[]}"#).is_err());
    }
}
