//! Durations by size.

use core::time::Duration;

/// Upper bounds of the buckets in microseconds: 1-2.5-5 from a millisecond to ten minutes, which coherent modules may take.
const BOUNDS_US: [u64; 18] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    600_000_000,
];

/// How many durations were at most how long, over all that was ever measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Histogram {
    /// By bucket; the durations above all bounds are in none.
    buckets: [u64; BOUNDS_US.len()],
    count: u64,
    sum_us: u64,
}

impl Histogram {
    pub(super) fn add(&mut self, duration: Duration) {
        let us = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS_US.partition_point(|bound| *bound < us);
        if let Some(bucket) = self.buckets.get_mut(at) {
            *bucket += 1;
        }
        self.count += 1;
        self.sum_us = self.sum_us.saturating_add(us);
    }

    /// Durations measured.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// All of them together.
    #[must_use]
    pub const fn sum(&self) -> Duration {
        Duration::from_micros(self.sum_us)
    }

    /// Upper bounds in order, and the durations in each bucket, those of lower buckets not counted again.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> + '_ {
        BOUNDS_US.iter().zip(&self.buckets).map(|(bound, count)| (Duration::from_micros(*bound), *count))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_holds_it() {
        let mut histogram = Histogram::default();
        let in_bucket = |histogram: &Histogram| histogram.buckets().position(|(_, count)| count == 1);
        for (at, (bound, _)) in Histogram::default().buckets().enumerate() {
            let mut one = Histogram::default();
            one.add(bound);
            assert_eq!(in_bucket(&one), Some(at));
            let mut above = Histogram::default();
            above.add(bound + Duration::from_micros(1));
            assert_eq!(in_bucket(&above), (at + 1 < BOUNDS_US.len()).then_some(at + 1));
            histogram.add(bound);
        }
        // What is longer than every bound is counted all the same.
        histogram.add(Duration::MAX);
        assert_eq!(histogram.count(), BOUNDS_US.len() as u64 + 1);
        assert_eq!(histogram.sum(), Duration::from_micros(u64::MAX));
        assert!(BOUNDS_US.is_sorted());
    }
}
