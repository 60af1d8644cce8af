//! What ends when: a calendar of departures.
//!
//! Between two arrivals the order of departures does not matter to a network, only that all that are due have happened. So nothing is
//! sorted: time is cut into days, a year of them is kept as lists, and an arrival clears the days that have passed and looks through
//! its own. A departure beyond the year shares its day's list with this year's and stays in it until its time has come. Times are
//! compared exactly as drawn.

/// Days per mean time between arrivals.
const DAYS_PER_ARRIVAL: f64 = 1.0;
/// Mean holding times in a year. Of exponential ones e⁻⁸, three in ten thousand, are longer.
const YEAR: f64 = 8.0;
/// No entry.
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Entry<T> {
    time: f64,
    what: T,
    next: u32,
}

/// The departures to come.
#[derive(Debug)]
pub(super) struct Departures<T> {
    /// First entry of each day of the year.
    days: Vec<u32>,
    entries: Vec<Entry<T>>,
    vacant: u32,
    /// Days per unit of time.
    pace: f64,
    /// The day that was looked through last, counted from the beginning.
    today: u64,
}

impl<T: Copy> Departures<T> {
    /// An empty calendar for so many arrivals in a mean holding time.
    pub(super) fn paced(load: f64) -> Self {
        let pace = load * DAYS_PER_ARRIVAL;
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a load is above 0 and at most a million"
        )]
        let days = ((pace * YEAR) as usize).next_power_of_two().max(64);
        Self { days: vec![NONE; days], entries: Vec::new(), vacant: NONE, pace, today: 0 }
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "time is not negative; past 2⁶⁴ days the cast saturates"
    )]
    fn day(&self, time: f64) -> u64 {
        (time * self.pace) as u64
    }

    #[expect(clippy::cast_possible_truncation, reason = "less than the days of the year by the mask")]
    fn list(&self, day: u64) -> usize {
        (day & (self.days.len() as u64 - 1)) as usize
    }

    /// Notes a departure, not before the time of the last call of [`Departures::until`].
    pub(super) fn add(&mut self, time: f64, what: T) {
        let list = self.list(self.day(time));
        let entry = Entry { time, what, next: self.days[list] };
        let index = self.vacant;
        if let Some(vacant) = self.entries.get_mut(index as usize) {
            self.vacant = vacant.next;
            *vacant = entry;
            self.days[list] = index;
        } else {
            // As many entries as connections at a time, which a plane numbers with 32 bits.
            let index = u32::try_from(self.entries.len()).unwrap_or(NONE);
            self.entries.push(entry);
            self.days[list] = index;
        }
    }

    /// Takes out everything due by `now` and hands it to `depart`, in no order; the first error ends it, and the calendar is of no more use.
    pub(super) fn until<E>(&mut self, now: f64, mut depart: impl FnMut(T) -> Result<(), E>) -> Result<(), E> {
        let last = self.day(now);
        // After a year everything has been looked at once.
        let first = self.today.max(last.saturating_sub(self.days.len() as u64));
        for day in first..=last {
            let list = self.list(day);
            let mut before = NONE;
            let mut at = self.days[list];
            while let Some(&Entry { time, what, next }) = self.entries.get(at as usize) {
                if time <= now {
                    match self.entries.get_mut(before as usize) {
                        Some(entry) => entry.next = next,
                        None => self.days[list] = next,
                    }
                    self.entries[at as usize].next = self.vacant;
                    self.vacant = at;
                    depart(what)?;
                } else {
                    before = at;
                }
                at = next;
            }
        }
        self.today = last;
        Ok(())
    }
}
