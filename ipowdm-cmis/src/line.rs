//! An optical line between two emulated modules.
//!
//! What a module receives is a function of time and of what the far end transmits at that time: raise the far
//! transmitter by 1 dB and, where the line's noise dominates, the received OSNR rises by 1 dB.

use crate::emulator::{Emission, EmulatedModule, ModuleClock, ReceivedLight};
use crate::time::Millis;
use core::time::Duration;
use ipowdm_core::units::{Db, Length};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::vec::Vec;

mod physics;

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

/// One direction of a line, which the receiving module looks through.
#[derive(Debug)]
pub(crate) struct Fibre {
    parameters: LineParameters,
    /// The transmitting module; a line does not keep a module alive.
    from: std::sync::Weak<crate::emulator::Shared>,
    /// Impairments by time, ascending; between two instants the values are interpolated.
    impairments: Mutex<Vec<(Millis, Impairment)>>,
}

impl Fibre {
    /// The light at the receiving end at `now`, in the receiver's module time.
    pub(crate) fn light_at(&self, now: Millis) -> ReceivedLight {
        let emission: Option<Emission> = EmulatedModule::upgrade(&self.from).and_then(|far| far.emission());
        let impairment = physics::interpolate(&self.schedule(), now);
        physics::propagate(&self.parameters, impairment, emission)
    }

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
    a_to_b: Arc<Fibre>,
    b_to_a: Arc<Fibre>,
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
            Arc::new(Fibre {
                parameters: parameters.clone(),
                from: from.downgrade(),
                impairments: Mutex::new(Vec::new()),
            })
        };
        let line = Self { a: a.clone(), b: b.clone(), a_to_b: fibre(a), b_to_a: fibre(b) };
        // Dropping the line detaches only what it attached.
        if a.is(b) || !b.attach(line.a_to_b.clone()) || !a.attach(line.b_to_a.clone()) {
            return Err(AlreadyAttached);
        }
        Ok(line)
    }

    fn side(&self, direction: Direction) -> (&Fibre, &ModuleClock) {
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
        let (fibre, clock) = self.side(direction);
        let now = clock.now();
        let mut schedule = fibre.schedule();
        let current = physics::interpolate(&schedule, now);
        schedule.clear();
        schedule.push((now, current));
        schedule.push((now.after(over), to));
    }

    /// Replaces what is to come in a direction: each impairment is reached `offset` after now, linearly from the one before.
    ///
    /// Offsets that do not ascend are sorted.
    pub fn schedule(&self, direction: Direction, steps: &[(Duration, Impairment)]) {
        let (fibre, clock) = self.side(direction);
        let now = clock.now();
        let mut schedule = fibre.schedule();
        let current = physics::interpolate(&schedule, now);
        schedule.clear();
        schedule.push((now, current));
        schedule.extend(steps.iter().map(|(offset, to)| (now.after(*offset), *to)));
        schedule.sort_by_key(|(at, _)| *at);
    }

    /// The impairment of a direction now.
    #[must_use]
    pub fn impairment(&self, direction: Direction) -> Impairment {
        let (fibre, clock) = self.side(direction);
        physics::interpolate(&fibre.schedule(), clock.now())
    }

    /// The two modules.
    #[must_use]
    pub const fn ends(&self) -> (&EmulatedModule, &EmulatedModule) {
        (&self.a, &self.b)
    }
}

impl Drop for OpticalLine {
    fn drop(&mut self) {
        self.b.detach(&self.a_to_b);
        self.a.detach(&self.b_to_a);
    }
}
