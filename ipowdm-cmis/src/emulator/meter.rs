//! Measurement over time: sub-intervals, intervals, and the freeze that ends them (2Fh:144-145).
//!
//! Every sub-interval that has ended is one sample of all quantities, weighted 1. Totals are sums over whole
//! sub-intervals, so that a minimum is never above the average nor a maximum below it, in integers. An interval that is
//! looked at before its first sub-interval has ended consists of one shorter one. Hosts that never freeze let an interval
//! run until its 32-bit frame counters would overflow; then the next one begins.

use super::core::Core;
use super::optics::{CARRIERS, OpticalState};
use super::receiver::{FLOOR_DBM, Locked, ReceivedLight, Seen, noise};
use crate::map::page2f;
use crate::time::Millis;
use core::time::Duration;
use std::sync::PoisonError;

/// Bits of a FEC frame. Long, so that frame counters of an interval fit 32 bits for half a day.
const FRAME_BITS: u64 = 5_000_000;
/// Samples taken of an absence of the host, however long it was.
const MOST_SAMPLES: u64 = 512;
/// Line rate of the host side of a bank.
const HOST_RATE: f64 = 425e9;

/// Quantities of 35h, in the order of its registers.
pub(super) const QUANTITIES: usize = 18;

/// The quantities of 35h now; what is not known is absent.
pub(super) fn quantities(seen: &Seen) -> [Option<f64>; QUANTITIES] {
    let of = |value: fn(&Locked) -> f64| seen.locked.as_ref().map(value);
    [
        of(|locked| locked.dispersion_ps_nm),
        of(|locked| locked.dgd_ps),
        of(Locked::sopmd_ps2),
        of(|locked| locked.pdl_db),
        of(|locked| locked.osnr_db),
        of(|locked| locked.esnr_db),
        of(|locked| locked.offset_mhz),
        of(Locked::evm_percent),
        Some(seen.transmitted_dbm.unwrap_or(FLOOR_DBM)),
        Some(seen.total_dbm),
        Some(seen.signal_dbm),
        of(|locked| locked.sop_krad_s),
        of(|locked| locked.esnr_db + 0.4),
        of(|locked| locked.clock_recovery),
        of(Locked::sopmd_ps2),
        of(Locked::snr_margin_db),
        of(Locked::q_db),
        of(Locked::q_margin_db),
    ]
}

/// Average, minimum and maximum of a quantity.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Statistic {
    sum: f64,
    weight: f64,
    pub(super) min: f64,
    pub(super) max: f64,
}

impl Statistic {
    fn add(&mut self, value: f64, weight: f64) {
        let first = self.weight == 0.0;
        self.min = if first { value } else { self.min.min(value) };
        self.max = if first { value } else { self.max.max(value) };
        self.sum += value * weight;
        self.weight += weight;
    }

    /// The average; 0 where nothing was measured.
    pub(super) fn average(&self) -> f64 {
        // Rounding of the sum must not carry the average out of its own range.
        if self.weight > 0.0 { (self.sum / self.weight).clamp(self.min, self.max) } else { 0.0 }
    }
}

/// What a FEC decoder counts in a sub-interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    frames: u64,
    corrected: u64,
    bad: u64,
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to what a counter holds"
)]
fn count(value: f64) -> u64 {
    value.round().clamp(0.0, 9e15) as u64
}

#[expect(clippy::cast_precision_loss, reason = "counters stay below 2^53 for weeks, and ratios need no more")]
fn real(value: u64) -> f64 {
    value as f64
}

impl Counts {
    fn of(rate: f64, ber: f64, frame_errors: f64, duration: Duration) -> Self {
        let frames = count(rate * duration.as_secs_f64() / real(FRAME_BITS));
        let bits = real(frames * FRAME_BITS);
        Self { frames, corrected: count(ber * bits), bad: count(frame_errors * real(frames)) }
    }

    fn locked(locked: &Locked, duration: Duration) -> Self {
        Self::of(locked.line_rate(), locked.ber, locked.frame_error_ratio(), duration)
    }
}

/// An interval so far.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Interval {
    /// Sub-intervals that have ended.
    samples: u64,
    /// Those among them in which frames were found.
    subs: u64,
    frames_sub: u64,
    pub(super) corrected: u64,
    pub(super) min_corrected: u64,
    pub(super) max_corrected: u64,
    pub(super) bad: u64,
    pub(super) min_bad: u64,
    pub(super) max_bad: u64,
    pub(super) quantities: [Statistic; QUANTITIES],
}

impl Interval {
    const EMPTY: Self = Self {
        samples: 0,
        subs: 0,
        frames_sub: 0,
        corrected: 0,
        min_corrected: 0,
        max_corrected: 0,
        bad: 0,
        min_bad: 0,
        max_bad: 0,
        quantities: [Statistic { sum: 0.0, weight: 0.0, min: 0.0, max: 0.0 }; QUANTITIES],
    };

    fn add(&mut self, counts: Option<Counts>, values: &[Option<f64>; QUANTITIES], weight: u64) {
        let mut weight = weight;
        if let Some(counts) = counts.filter(|counts| counts.frames > 0) {
            let most = u64::from(u32::MAX) / counts.frames;
            weight = weight.min(most);
            // Another rate, or counters that would overflow: a new interval.
            if self.frames_sub != counts.frames || self.subs + weight > most {
                let samples = self.samples;
                *self = if self.frames_sub == 0 { *self } else { Self::EMPTY };
                self.samples = samples.min(1);
                self.frames_sub = counts.frames;
                (self.min_corrected, self.min_bad) = (u64::MAX, u64::MAX);
            }
            self.subs += weight;
            self.corrected += counts.corrected * weight;
            self.min_corrected = self.min_corrected.min(counts.corrected);
            self.max_corrected = self.max_corrected.max(counts.corrected);
            self.bad += counts.bad * weight;
            self.min_bad = self.min_bad.min(counts.bad);
            self.max_bad = self.max_bad.max(counts.bad);
        }
        self.samples += weight;
        for (statistic, value) in self.quantities.iter_mut().zip(values) {
            if let Some(value) = value {
                statistic.add(*value, real(weight));
            }
        }
    }

    pub(super) const fn frames(&self) -> u64 {
        self.subs * self.frames_sub
    }

    pub(super) const fn frames_sub(&self) -> u64 {
        self.frames_sub
    }

    pub(super) const fn bits(&self) -> u64 {
        self.frames() * FRAME_BITS
    }

    pub(super) const fn bits_sub(&self) -> u64 {
        self.frames_sub * FRAME_BITS
    }

    fn ratio(&self, numerator: u64, denominator: u64) -> Option<f64> {
        (self.subs > 0 && denominator > 0).then(|| real(numerator) / real(denominator))
    }

    pub(super) fn min_ber(&self) -> Option<f64> {
        self.ratio(self.min_corrected, self.bits_sub())
    }

    pub(super) fn max_ber(&self) -> Option<f64> {
        self.ratio(self.max_corrected, self.bits_sub())
    }

    pub(super) fn average_ber(&self) -> Option<f64> {
        self.ratio(self.corrected, self.bits())
    }

    pub(super) fn min_frame_errors(&self) -> Option<f64> {
        self.ratio(self.min_bad, self.frames_sub())
    }

    pub(super) fn max_frame_errors(&self) -> Option<f64> {
        self.ratio(self.max_bad, self.frames_sub())
    }

    pub(super) fn average_frame_errors(&self) -> Option<f64> {
        self.ratio(self.bad, self.frames())
    }
}

/// The measurements of one carrier.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    pub(super) seen: Seen,
    seen_at: Millis,
    begun: Millis,
    interval: Interval,
    frozen: Option<Interval>,
    /// Frames since the start, and those that could not be corrected.
    total: (f64, f64),
}

impl Meter {
    pub(super) const fn new(now: Millis) -> Self {
        Self {
            seen: Seen::NOTHING,
            seen_at: now,
            begun: now,
            interval: Interval::EMPTY,
            frozen: None,
            total: (0.0, 0.0),
        }
    }

    fn add(&mut self, weight: u64, sub_interval: Duration) {
        let counts = self.seen.locked.map(|locked| Counts::locked(&locked, sub_interval));
        self.interval.add(counts, &quantities(&self.seen), weight);
        if let Some(counts) = counts {
            self.total.0 += real(counts.frames) * real(weight);
            self.total.1 += real(counts.bad) * real(weight);
        }
    }

    fn running(&self) -> Interval {
        if self.interval.samples > 0 {
            return self.interval;
        }
        let elapsed = self.seen_at.elapsed_since(self.begun);
        let mut interval = Interval::EMPTY;
        let counts = self.seen.locked.map(|locked| Counts::locked(&locked, elapsed));
        interval.add(counts, &quantities(&self.seen), 1);
        interval
    }

    /// What the statistics registers show: the frozen interval, or the running one.
    pub(super) fn report(&self) -> Interval {
        self.frozen.unwrap_or_else(|| self.running())
    }

    /// Uncorrected frames as a ratio since the start.
    pub(super) fn total_frame_errors(&self) -> Option<f64> {
        (self.total.0 > 0.0).then(|| self.total.1 / self.total.0)
    }

    fn latch(&mut self, at: Millis) {
        self.frozen = Some(self.running());
        self.interval = Interval::EMPTY;
        self.begun = at;
    }
}

/// The measurements of the host side of a bank.
#[derive(Debug, Clone)]
pub(super) struct HostMeter {
    begun: Millis,
    seen_at: Millis,
    /// Bit error ratio now; `None` while no data path carries traffic.
    pub(super) ber: Option<f64>,
    interval: Interval,
    frozen: Option<Interval>,
}

impl HostMeter {
    pub(super) const fn new(now: Millis) -> Self {
        Self { begun: now, seen_at: now, ber: None, interval: Interval::EMPTY, frozen: None }
    }

    fn running(&self) -> Interval {
        if self.interval.samples > 0 {
            return self.interval;
        }
        let mut interval = Interval::EMPTY;
        let elapsed = self.seen_at.elapsed_since(self.begun);
        let counts = self.ber.map(|ber| Counts::of(HOST_RATE, ber, 0.0, elapsed));
        interval.add(counts, &[None; QUANTITIES], 1);
        interval
    }

    pub(super) fn report(&self) -> Interval {
        self.frozen.unwrap_or_else(|| self.running())
    }

    fn add(&mut self, weight: u64, sub_interval: Duration) {
        let counts = self.ber.map(|ber| Counts::of(HOST_RATE, ber, 0.0, sub_interval));
        self.interval.add(counts, &[None; QUANTITIES], weight);
    }

    fn latch(&mut self, at: Millis) {
        self.frozen = Some(self.running());
        self.interval = Interval::EMPTY;
        self.begun = at;
    }
}

/// Where sampling is, and the freeze handshake.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sampling {
    /// When the current sub-interval began.
    sub_begun: Millis,
    /// A freeze or unfreeze that is being carried out, and when it is done.
    pending: Option<(bool, Millis)>,
    /// A freeze that is done and whose interval is still to be closed at this instant.
    latch: Option<Millis>,
}

impl Sampling {
    pub(super) const fn from(now: Millis) -> Self {
        Self { sub_begun: now, pending: None, latch: None }
    }

    pub(super) fn freeze_due(&self) -> Option<Millis> {
        self.pending.map(|(_, due)| due)
    }
}

/// The light on all carriers at an instant, with the state of the module's optics then.
pub(super) type LightAt<'a> = &'a dyn Fn(Millis, &OpticalState) -> [ReceivedLight; CARRIERS];

impl Core {
    fn sub_interval(&self) -> Duration {
        self.profile.vdm.as_ref().map_or(Duration::from_secs(1), |vdm| vdm.sub_interval)
    }

    /// The host has written 2Fh:144; `was` is the byte before.
    pub(super) fn freeze_written(&mut self, was: u8, is: u8, at: Millis) {
        let request = page2f::FREEZE_REQUEST.mask(0);
        if (was ^ is) & request == 0 {
            return;
        }
        let freeze = is & request != 0;
        let done = if freeze { page2f::FREEZE_DONE } else { page2f::UNFREEZE_DONE };
        for bank in 0..self.layout.banks {
            let bank = super::core::number(bank);
            self.cells.assign(bank, 0x2F, 144, request, freeze);
            self.cells.assign(bank, 0x2F, 145, done.mask(0), false);
        }
        let takes = self.profile.vdm.as_ref().map_or(Duration::ZERO, |vdm| vdm.freeze);
        self.sampling.pending = Some((freeze, at.after(self.lasting(takes))));
    }

    pub(super) fn step_freeze(&mut self, at: Millis) -> bool {
        let Some((freeze, due)) = self.sampling.pending.filter(|(_, due)| *due <= at) else { return false };
        self.sampling.pending = None;
        let done = if freeze { page2f::FREEZE_DONE } else { page2f::UNFREEZE_DONE };
        for bank in 0..self.layout.banks {
            self.cells.assign(super::core::number(bank), 0x2F, 145, done.mask(0), true);
        }
        if freeze {
            self.sampling.latch = Some(due);
        } else {
            self.meters.iter_mut().for_each(|meter| meter.frozen = None);
            self.hosts.iter_mut().for_each(|host| host.frozen = None);
        }
        true
    }

    /// Measures what has happened up to now. The state must have been brought to now before.
    pub(super) fn measure(&mut self, light: LightAt<'_>) {
        let now = self.synced;
        if !self.present || self.layout.flat {
            self.sampling.sub_begun = now;
            return;
        }
        if let Some(latch) = self.sampling.latch.take() {
            self.measure_until(latch, light);
            self.look_at(latch, light);
            self.meters.iter_mut().for_each(|meter| meter.latch(latch));
            self.hosts.iter_mut().for_each(|host| host.latch(latch));
            self.sampling.sub_begun = latch;
        }
        self.measure_until(now, light);
        self.look_at(now, light);
        self.raise_levels();
    }

    /// Ends every sub-interval up to `end`; of very many, a part stands for all.
    fn measure_until(&mut self, end: Millis, light: LightAt<'_>) {
        let sub_interval = self.sub_interval();
        let step = u64::try_from(sub_interval.as_millis()).unwrap_or(1_000).max(1);
        let begun = self.sampling.sub_begun;
        let ended = end.since(begun) / step;
        let looks = ended.min(MOST_SAMPLES);
        let mut done = 0;
        for look in 1..=looks {
            // 128 bits: a jump may be as long as the clock is.
            let upto =
                u64::try_from(u128::from(ended) * u128::from(look) / u128::from(looks)).unwrap_or(ended);
            self.look_at(begun.plus(upto * step), light);
            let weight = upto - done;
            self.meters.iter_mut().for_each(|meter| meter.add(weight, sub_interval));
            self.hosts.iter_mut().for_each(|host| host.add(weight, sub_interval));
            self.raise_levels();
            done = upto;
        }
        self.sampling.sub_begun = begun.plus(ended * step);
    }

    /// Takes the measurements of one instant.
    fn look_at(&mut self, at: Millis, light: LightAt<'_>) {
        let state = self.optics.lock().unwrap_or_else(PoisonError::into_inner).at(at);
        let light = light(at, &state);
        for (carrier, light) in light.into_iter().enumerate().take(self.meters.len()) {
            let seen = self.look(carrier, at, &state, light);
            let meter = &mut self.meters[carrier];
            meter.seen = seen;
            meter.seen_at = at;
        }
        for bank in 0..self.hosts.len() {
            let ber = self.host_active(bank).then(|| self.host_ber(bank, at));
            self.hosts[bank].ber = ber;
            self.hosts[bank].seen_at = at;
        }
    }

    /// Bit error ratio of the host side: a short electrical link.
    pub(super) fn host_ber(&self, bank: usize, at: Millis) -> f64 {
        let channel = 900 + u64::try_from(bank).unwrap_or(0);
        2e-9 * (1.0 + 0.5 * noise(self.seed, channel, at.0 / 1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(corrected: u64) -> Option<Counts> {
        Some(Counts { frames: 95_000, corrected, bad: corrected / 1_000 })
    }

    #[test]
    fn a_minimum_is_never_above_the_average_nor_a_maximum_below() {
        let mut interval = Interval::EMPTY;
        for step in 0..100_u64 {
            let value = f64::from(u32::try_from(step * 37 % 11).unwrap());
            interval.add(counts(1_000_000 + step * 7_919 % 1_000), &[Some(value); QUANTITIES], 1 + step % 3);
        }
        let (min, average, max) =
            (interval.min_ber().unwrap(), interval.average_ber().unwrap(), interval.max_ber().unwrap());
        assert!(min < average && average < max, "{min} {average} {max}");
        assert_eq!(interval.bits() / interval.bits_sub(), interval.frames() / interval.frames_sub());
        let statistic = interval.quantities[0];
        assert!((statistic.min, statistic.max) == (0.0, 10.0));
        assert!((0.0..10.0).contains(&statistic.average()));
    }

    #[test]
    fn counters_of_an_interval_that_nobody_ends_stay_within_32_bits() {
        let mut interval = Interval::EMPTY;
        for _ in 0..100 {
            interval.add(counts(5), &[Some(1.0); QUANTITIES], 20_000);
            assert!(interval.frames() <= u64::from(u32::MAX));
        }
        interval.add(counts(5), &[Some(1.0); QUANTITIES], u64::MAX / 1_000_000);
        assert!(interval.frames() <= u64::from(u32::MAX));
        assert!(interval.min_ber().unwrap() <= interval.average_ber().unwrap());
    }

    #[test]
    fn another_rate_begins_another_interval() {
        let mut interval = Interval::EMPTY;
        interval.add(counts(9_999), &[None; QUANTITIES], 5);
        interval.add(Some(Counts { frames: 10, corrected: 7, bad: 0 }), &[None; QUANTITIES], 1);
        assert_eq!((interval.frames(), interval.corrected, interval.max_corrected), (10, 7, 7));
    }
}
