//! How old rows are.
//!
//! xcvrd writes the time of each update in UTC (`Sat Nov 21 18:05:35 2026`). A row's age is taken by the wall clock once,
//! when an update is first seen, and by the monotonic clock from then on: a clock that is set changes it no more.

use ipowdm_core::time::{Millis, Timestamp};

/// The last update of a row that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Updates {
    seen: Option<(String, Millis)>,
}

impl Updates {
    /// Nothing was seen yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { seen: None }
    }

    /// When the row that names `update` was written, by the monotonic clock, as far as can be told: one that does not say
    /// counts as written now.
    pub fn written_at(&mut self, update: Option<&str>, now: Millis, wall: Timestamp) -> Millis {
        let Some(update) = update else { return now };
        match &self.seen {
            Some((last, at)) if last == update => *at,
            _ => {
                let written = parse(update).map_or(wall.0, |seconds| seconds.saturating_mul(1_000));
                let age = u64::try_from(wall.0.saturating_sub(written)).unwrap_or(0);
                let at = Millis(now.0.saturating_sub(age));
                self.seen = Some((update.to_string(), at));
                at
            }
        }
    }
}

/// Seconds since the Unix epoch of a time as `%a %b %d %H:%M:%S %Y` prints it.
fn parse(text: &str) -> Option<i64> {
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let words: Vec<&str> = text.split_whitespace().collect();
    let [_, month, day, clock, year] = words.as_slice() else { return None };
    let month = i64::try_from(MONTHS.iter().position(|name| name == month)?).ok()? + 1;
    let within = |text: &str, low: i64, high: i64| text.parse().ok().filter(|n| (low..=high).contains(n));
    let (day, year): (i64, i64) = (within(day, 1, 31)?, within(year, 1970, 9999)?);
    let mut clock = clock.split(':');
    let mut next = |high| within(clock.next()?, 0, high);
    let (hours, minutes, seconds) = (next(23)?, next(59)?, next(60)?);
    Some(days(year, month, day) * 86_400 + hours * 3_600 + minutes * 60 + seconds)
}

/// Days from 1970-01-01 to a day of the Gregorian calendar. Years are counted from March, so that a leap day is the last.
const fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year / 4 - year / 100 + year / 400;
    // (153 m + 2) / 5 are the days of m months from March; 719 468 are those from March of year 0 to 1970.
    year * 365 + leaps + (153 * month + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_python_prints_them() {
        assert_eq!(parse("Thu Jan  1 00:00:00 1970"), Some(0));
        assert_eq!(parse("Sat Nov 21 18:05:35 2026"), Some(1_795_284_335));
        assert_eq!(parse("Thu Feb 29 12:00:00 2024"), Some(1_709_208_000));
        for other in
            ["", "N/A", "Sat Nov 21 18:05 2026", "Sat Nop 21 18:05:35 2026", "Sat Nov 32 18:05:35 2026"]
        {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn a_clock_that_is_set_does_not_change_an_age() {
        let mut updates = Updates::default();
        let text = Some("Thu Jan  1 00:01:00 1970");
        let at = updates.written_at(text, Millis(500_000), Timestamp(70_000));
        assert_eq!(at, Millis(490_000));
        assert_eq!(updates.written_at(text, Millis(501_000), Timestamp(9_999_000)), at);
        // Another update is dated anew; one from the future is from now.
        let next = updates.written_at(Some("Thu Jan  1 00:02:00 1970"), Millis(502_000), Timestamp(71_000));
        assert_eq!(next, Millis(502_000));
        assert_eq!(updates.written_at(None, Millis(503_000), Timestamp(71_000)), Millis(503_000));
    }
}
