//! The full sweep: everything a module monitors, statistics of a whole interval included.

use super::Flags;
use super::full_report::FullSweepReport;
use super::plan::{plan_lower, plan_state, plan_statistics};
use super::report::{Decoder, SweepReport};
use super::snapshot::Snapshot;
use crate::access::TransportError;
use crate::monitoring::MonitorCatalogue;
use crate::procedure::freeze::{Handshake, IntervalEnd, Next, Release};
use crate::procedure::module_info::{ModuleInfo, SERIAL, same_module};
use crate::procedure::{Op, ProcError, Procedure, Reply, read};
use crate::time::Millis;
use heapless::String;

/// What becomes of the statistics interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Interval {
    /// Freeze the module, which ends the interval for every reader, and release it again.
    #[default]
    End,
    /// Do not freeze: somebody else owns the interval. Statistics are those of the running one and may be torn.
    Peek,
}

/// What a full sweep does besides reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SweepScope {
    /// Whether clear-on-read flags are read.
    pub flags: Flags,
    /// Whether the statistics interval ends.
    pub interval: Interval,
    /// Read sample pages that hold statistics once more after the release, for their current samples.
    ///
    /// A freeze holds minima, maxima, averages and totals; current samples go on (OIF-CMIS-05.4, VDM freeze), and one
    /// read of such a page gives both. For modules that hold everything this gets current samples of after the release,
    /// at one more read for each such page.
    pub fresh_currents: bool,
}

/// Reads everything a module monitors: statistics of the interval, then the state of the moment and the flags.
///
/// ```text
/// identity → [freeze → sample pages with statistics, 34h, 35h, 3Ah → release] → other sample pages, 2Ch, 12h, 11h,
///     33h, 3Bh, lower memory
/// ```
///
/// Each page is read in one access that covers what the catalogue says is there. An access that fails leaves its
/// quantities [`Reading::Unreadable`](crate::monitoring::Reading) and the rest is read. Once a freeze may have been requested it is released on
/// every way out, errors and replies out of step included; a sweep that is dropped half way owes an
/// [`Unfreeze`](crate::procedure::Unfreeze) where [`FullSweep::owes_release`] says so.
///
/// Only one reader may end intervals: run it at the rate at which statistics are wanted (10 s and up), and
/// [`Sweep`](super::Sweep) in between for current samples.
#[derive(Debug)]
pub struct FullSweep {
    serial: String<16>,
    phase: Phase,
    handshake: Handshake,
    snapshot: Snapshot,
    /// Spans before this one are read while the module is frozen.
    frozen_spans: usize,
    at: usize,
    interval: IntervalEnd,
    release: Release,
    error: Option<ProcError>,
    bank: u8,
    commissioned: [u8; 8],
    decoder: Decoder,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Identity,
    Freezing,
    Frozen,
    Releasing,
    After,
}

impl FullSweep {
    /// A full sweep of the banks whose `catalogues` are given; lane states and laser of the first one's `lane` (0-based)
    /// become the report's [`FullSweepReport::current`].
    ///
    /// # Errors
    /// [`ProcError::NothingToRead`] without a catalogue, [`ProcError::TooMuchToRead`] where two banks are full and more
    /// are asked for.
    pub fn new(
        info: &ModuleInfo,
        catalogues: &[&MonitorCatalogue],
        lane: u8,
        scope: SweepScope,
    ) -> Result<Self, ProcError> {
        let first = catalogues.first().ok_or(ProcError::NothingToRead)?;
        let mut snapshot = Snapshot::new();
        let mut frozen_spans = 0;
        if !info.flat_memory {
            for catalogue in catalogues {
                plan_statistics(&mut snapshot, catalogue, scope)?;
            }
            // The freeze is VDM's; without it the C-CMIS pages run on.
            if scope.interval == Interval::End && catalogues.iter().any(|catalogue| catalogue.vdm.is_some()) {
                frozen_spans = snapshot.len();
            }
            for catalogue in catalogues {
                plan_state(&mut snapshot, catalogue, info.tunable, scope)?;
            }
        }
        plan_lower(&mut snapshot, scope.flags)?;
        let place = |observable| {
            let instance = first.vdm.as_ref()?.find(observable, lane)?;
            Some((instance.page, instance.byte))
        };
        Ok(Self {
            serial: info.serial_number.clone(),
            phase: Phase::Identity,
            handshake: Handshake::new(),
            snapshot,
            frozen_spans,
            at: 0,
            interval: IntervalEnd::Running,
            release: Release::NotNeeded,
            error: None,
            bank: first.bank,
            commissioned: first.commissioned,
            decoder: Decoder::new(lane, scope.flags, place),
        })
    }

    /// Whether dropping the sweep now would leave the module frozen.
    #[must_use]
    pub const fn owes_release(&self) -> bool {
        self.handshake.is_requested() && !matches!(self.phase, Phase::After)
    }

    /// The next span in this phase, or what follows the phase.
    fn proceed(&mut self, now: Millis) -> Op<<Self as Procedure>::Output> {
        let end = if self.phase == Phase::Frozen { self.frozen_spans } else { self.snapshot.len() };
        if self.at < end
            && let Some((at, len)) = self.snapshot.place(self.at)
        {
            return read(at, len);
        }
        if self.phase == Phase::Frozen { self.begin_release(now) } else { self.finish() }
    }

    fn begin_release(&mut self, now: Millis) -> Op<<Self as Procedure>::Output> {
        self.phase = Phase::Releasing;
        let next = self.handshake.release();
        self.follow(now, next)
    }

    fn follow(&mut self, now: Millis, next: Next) -> Op<<Self as Procedure>::Output> {
        match next {
            Next::Attempted(Ok(end)) => {
                self.interval = end;
                self.phase = Phase::Frozen;
                self.proceed(now)
            }
            Next::Attempted(Err(fault)) => {
                self.interval = IntervalEnd::NotFrozen(fault);
                self.begin_release(now)
            }
            Next::Released(release) => {
                self.release = release;
                self.phase = Phase::After;
                // Not frozen: the pages are read now, for their current samples.
                self.at = match self.interval {
                    IntervalEnd::NotFrozen(_) => 0,
                    _ => self.at.max(self.frozen_spans),
                };
                if self.error.is_some() { self.finish() } else { self.proceed(now) }
            }
            next => next.op().unwrap_or(Op::Done(Err(ProcError::OutOfStep))),
        }
    }

    /// Takes the reply to a read of the current span; whether the sweep can go on in this phase.
    fn take(&mut self, reply: Reply<'_>) -> bool {
        let place = self.snapshot.place(self.at);
        let result = match reply {
            Reply::Data(bytes) if place.is_some_and(|(_, len)| bytes.len() == usize::from(len)) => Ok(bytes),
            Reply::Failed(error) => Err(error),
            _ => {
                self.error = Some(ProcError::OutOfStep);
                return false;
            }
        };
        self.snapshot.put(self.at, result);
        self.at += 1;
        match (result, place) {
            (Err(source @ TransportError::Absent), Some((at, _))) => {
                self.error = Some(ProcError::Bus { at, source });
                false
            }
            // A module that stops answering is not kept frozen while every page runs out of patience.
            (Err(error), _) if self.phase == Phase::Frozen => {
                let goes_on = matches!(error, TransportError::PageUnsupported { .. });
                if !goes_on {
                    (self.at..self.frozen_spans).for_each(|index| self.snapshot.put(index, Err(error)));
                }
                goes_on
            }
            _ => true,
        }
    }

    fn finish(&mut self) -> Op<<Self as Procedure>::Output> {
        if let Some(error) = self.error {
            return Op::Done(Err(error));
        }
        let mut report = FullSweepReport {
            current: SweepReport::default(),
            interval: self.interval,
            release: self.release,
            snapshot: core::mem::take(&mut self.snapshot),
        };
        report.feed(&mut self.decoder, self.bank, self.commissioned);
        report.current = self.decoder.conclude();
        Op::Done(Ok(report))
    }
}

impl Procedure for FullSweep {
    type Output = Result<FullSweepReport, ProcError>;

    fn step(&mut self, now: Millis, reply: Reply<'_>) -> Op<Self::Output> {
        match self.phase {
            Phase::Identity => match reply {
                Reply::Start => read(SERIAL.0, SERIAL.1),
                Reply::Data(bytes) => match same_module(&self.serial, bytes) {
                    Err(error) => Op::Done(Err(error)),
                    Ok(()) if self.frozen_spans > 0 => {
                        self.phase = Phase::Freezing;
                        let next = self.handshake.freeze();
                        self.follow(now, next)
                    }
                    Ok(()) => {
                        self.phase = Phase::After;
                        self.proceed(now)
                    }
                },
                // A module whose identity cannot be read tells nothing else that could be believed.
                Reply::Failed(source) => Op::Done(Err(ProcError::Bus { at: SERIAL.0, source })),
                Reply::Written | Reply::Woken => Op::Done(Err(ProcError::OutOfStep)),
            },
            Phase::Freezing | Phase::Releasing => {
                let next = self.handshake.step(now, reply);
                self.follow(now, next)
            }
            Phase::Frozen => {
                if self.take(reply) {
                    self.proceed(now)
                } else {
                    self.begin_release(now)
                }
            }
            Phase::After => {
                if self.take(reply) {
                    self.proceed(now)
                } else {
                    self.finish()
                }
            }
        }
    }
}
