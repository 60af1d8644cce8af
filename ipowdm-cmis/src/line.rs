//! An optical line between two emulated modules, or from a described far end ([`ScriptedLine`]).
//!
//! What a module receives is a function of time and of what the far end transmits at that time: raise the far
//! transmitter by 1 dB and, where the line's noise dominates, the received OSNR rises by 1 dB.

use crate::emulator::{CARRIERS, EmulatedModule, ModuleClock, OpticalState, ReceivedLight};
use crate::time::Millis;
use core::time::Duration;
use ipowdm_core::units::{Db, Length};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

mod course;
mod physics;
mod scripted;

pub use course::{Course, CourseError};
pub(crate) use scripted::Script;
pub use scripted::{EqualSpans, FarEnd, LineError, Received, ScriptedLine, SpanDescription};

/// Which way light goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// From the first module to the second.
    AToB,
    /// From the second module to the first.
    BToA,
}

/// A fibre and the amplifier at its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Length, for dispersion.
    pub length: Length,
    /// Loss of fibre and connectors.
    pub loss: Db,
    /// Gain of the amplifier; `None` where there is none.
    pub gain: Option<Db>,
    /// Noise figure of the amplifier.
    pub noise_figure: Db,
}

/// A line, the same in both directions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineParameters {
    /// Spans from one end to the other. The first usually is the multiplexer with the booster, the last the
    /// demultiplexer.
    pub spans: Vec<Span>,
}

impl LineParameters {
    /// A line of `spans` equal fibre spans between a multiplexer with booster and a demultiplexer.
    ///
    /// Multiplexer and demultiplexer lose 6 dB each; fibre loses 0.22 dB/km and 1 dB in connectors; amplifiers make up for
    /// the loss before them, with a noise figure of 5.5 dB; the booster gains 13 dB.
    #[must_use]
    pub fn amplified(spans: u8, span_length: Length) -> Self {
        let noise_figure = Db::from_hundredths(550);
        let mux_loss = Db::from_hundredths(600);
        let mut all = Vec::with_capacity(usize::from(spans) + 2);
        all.push(Span {
            length: Length::from_metres(0),
            loss: mux_loss,
            gain: Some(Db::from_hundredths(1300)),
            noise_figure,
        });
        let hundredths = span_length.metres().saturating_mul(22) / 1_000 + 100;
        let loss = Db::from_hundredths(i16::try_from(hundredths).unwrap_or(i16::MAX));
        for _ in 0..spans {
            all.push(Span { length: span_length, loss, gain: Some(loss), noise_figure });
        }
        all.push(Span { length: Length::from_metres(0), loss: mux_loss, gain: None, noise_figure });
        Self { spans: all }
    }
}

impl Default for LineParameters {
    /// Three spans of 80 km.
    fn default() -> Self {
        Self::amplified(3, Length::from_metres(80_000))
    }
}

/// What is worse than it should be in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Impairment {
    /// Extra loss in the first fibre, before its amplifier: takes power and OSNR.
    pub extra_loss: Db,
    /// Rise of every amplifier's noise figure: takes OSNR alone.
    pub added_noise: Db,
}

impl Impairment {
    /// None.
    pub const NONE: Self = Self { extra_loss: Db::from_hundredths(0), added_noise: Db::from_hundredths(0) };

    /// Extra loss alone.
    #[must_use]
    pub const fn loss(extra_loss: Db) -> Self {
        Self { extra_loss, ..Self::NONE }
    }

    /// Added noise alone.
    #[must_use]
    pub const fn noise(added_noise: Db) -> Self {
        Self { added_noise, ..Self::NONE }
    }
}

/// A module end is already attached to a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("one of the modules is already attached to a line")]
pub struct AlreadyAttached;

/// What a receiving module looks through.
#[derive(Debug, Clone)]
pub(crate) enum Fibre {
    /// One direction of a line between two modules.
    Line(Arc<Way>),
    /// A described far end.
    Script(Arc<Script>),
}

/// One direction of a line.
#[derive(Debug)]
pub(crate) struct Way {
    parameters: LineParameters,
    /// The transmitting module; a line does not keep a module alive.
    from: std::sync::Weak<crate::emulator::Shared>,
    /// Impairments by time, ascending; between two instants the values are interpolated.
    impairments: Mutex<Vec<(Millis, Impairment)>>,
}

impl Fibre {
    /// Whether two are the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Line(one), Self::Line(other)) => Arc::ptr_eq(one, other),
            (Self::Script(one), Self::Script(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }

    /// Whether this is a described line, which another description may take the place of.
    pub(crate) const fn is_script(&self) -> bool {
        matches!(self, Self::Script(_))
    }

    /// Brings the far end's state to its now; call it without holding a module's lock.
    pub(crate) fn prepare(&self) {
        if let Self::Line(way) = self
            && let Some(far) = EmulatedModule::upgrade(&way.from)
        {
            far.settle();
        }
    }

    /// The light on each carrier at `at`, an instant at or before `now` in the receiver's module time; `own` is the state
    /// of the receiver's optics then. Takes no lock of a module's state.
    pub(crate) fn light_at(&self, at: Millis, now: Millis, own: &OpticalState) -> [ReceivedLight; CARRIERS] {
        let way = match self {
            Self::Script(script) => return script.light_at(at, own),
            Self::Line(way) => way,
        };
        let Some(far) = EmulatedModule::upgrade(&way.from) else {
            return [ReceivedLight::DARK; CARRIERS];
        };
        let impairment = physics::interpolate(&way.schedule(), at);
        let state = far.optics_before(now.since(at));
        state.emissions.map(|emission| physics::propagate(&way.parameters, impairment, emission))
    }
}

impl Way {
    fn schedule(&self) -> MutexGuard<'_, Vec<(Millis, Impairment)>> {
        self.impairments.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A line between two modules; it ends when this is dropped, and both ends are dark then.
#[derive(Debug)]
#[must_use = "the line is detached when this is dropped"]
pub struct OpticalLine {
    a: EmulatedModule,
    b: EmulatedModule,
    a_to_b: Arc<Way>,
    b_to_a: Arc<Way>,
}

impl OpticalLine {
    /// Joins two modules.
    ///
    /// # Errors
    /// [`AlreadyAttached`] where one of them is on a line already, or both are the same; nothing has changed then.
    pub fn connect(
        a: &EmulatedModule,
        b: &EmulatedModule,
        parameters: LineParameters,
    ) -> Result<Self, AlreadyAttached> {
        let fibre = |from: &EmulatedModule| {
            Arc::new(Way {
                parameters: parameters.clone(),
                from: from.downgrade(),
                impairments: Mutex::new(Vec::new()),
            })
        };
        let line = Self { a: a.clone(), b: b.clone(), a_to_b: fibre(a), b_to_a: fibre(b) };
        // Dropping the line detaches only what it attached.
        let attached = |end: &EmulatedModule, way: &Arc<Way>| end.attach(Fibre::Line(way.clone()));
        if a.is(b) || !attached(b, &line.a_to_b) || !attached(a, &line.b_to_a) {
            return Err(AlreadyAttached);
        }
        Ok(line)
    }

    fn side(&self, direction: Direction) -> (&Way, &ModuleClock) {
        match direction {
            Direction::AToB => (&self.a_to_b, self.b.clock()),
            Direction::BToA => (&self.b_to_a, self.a.clock()),
        }
    }

    /// Changes the impairment of a direction from now on, at once.
    pub fn set_impairment(&self, direction: Direction, impairment: Impairment) {
        self.ramp(direction, impairment, Duration::ZERO);
    }

    /// Changes the impairment of a direction from what it is now, linearly over `over` of module time.
    pub fn ramp(&self, direction: Direction, to: Impairment, over: Duration) {
        let (way, clock) = self.side(direction);
        let now = clock.now();
        let mut schedule = way.schedule();
        let current = physics::interpolate(&schedule, now);
        schedule.clear();
        schedule.push((now, current));
        schedule.push((now.after(over), to));
    }

    /// Replaces what is to come in a direction: each impairment is reached `offset` after now, linearly from the one before.
    ///
    /// Offsets that do not ascend are sorted.
    pub fn schedule(&self, direction: Direction, steps: &[(Duration, Impairment)]) {
        let (way, clock) = self.side(direction);
        let now = clock.now();
        let mut schedule = way.schedule();
        let current = physics::interpolate(&schedule, now);
        schedule.clear();
        schedule.push((now, current));
        schedule.extend(steps.iter().map(|(offset, to)| (now.after(*offset), *to)));
        schedule.sort_by_key(|(at, _)| *at);
    }

    /// The impairment of a direction now.
    #[must_use]
    pub fn impairment(&self, direction: Direction) -> Impairment {
        let (way, clock) = self.side(direction);
        physics::interpolate(&way.schedule(), clock.now())
    }

    /// The two modules.
    #[must_use]
    pub const fn ends(&self) -> (&EmulatedModule, &EmulatedModule) {
        (&self.a, &self.b)
    }
}

impl Drop for OpticalLine {
    fn drop(&mut self) {
        self.b.detach(&Fibre::Line(self.a_to_b.clone()));
        self.a.detach(&Fibre::Line(self.b_to_a.clone()));
    }
}
