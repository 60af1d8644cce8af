//! What surrounds the module in its port: temperature, supply, the host's signal.

use super::core::Core;
use crate::line::Course;
use crate::time::Millis;

/// The surroundings of a module.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    /// Case temperature in °C; what the module makes of its own load if absent. With the instant it counts from.
    pub(super) temperature: Option<(Millis, Course)>,
    /// Supply in volts.
    pub(super) supply: Option<(Millis, Course)>,
    /// Host lanes of every bank that bring a signal to the module's input.
    pub(super) host_signal: u8,
    /// The host sends the patterns that the module's checkers expect.
    pub(super) host_sends_patterns: bool,
    /// So does the far end of the line.
    pub(super) far_end_sends_patterns: bool,
    /// When the checkers of each bank began to count.
    pub(super) checking_since: [Millis; 4],
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            temperature: None,
            supply: None,
            host_signal: 0xFF,
            host_sends_patterns: false,
            far_end_sends_patterns: false,
            checking_since: [Millis(0); 4],
        }
    }
}

impl Core {
    /// Case temperature in °C: warmer with its lasers on.
    pub(super) fn temperature(&self) -> f64 {
        match &self.environment.temperature {
            Some((since, course)) => course.at(self.synced.since(*since)),
            None => {
                let on = (0..self.layout.banks).any(|bank| self.laser_on(bank));
                42.0 + if on { 8.0 } else { 0.0 } + self.jitter(10, 0.25)
            }
        }
    }

    /// Supply in volts.
    pub(super) fn supply(&self) -> f64 {
        match &self.environment.supply {
            Some((since, course)) => course.at(self.synced.since(*since)),
            None => 3.3,
        }
    }

    /// Laser temperature in °C, held by its cooler.
    pub(super) fn laser_temperature(&self) -> f64 {
        45.0 + self.jitter(11, 0.05)
    }

    /// Current of the cooler, per cent of its maximum: the further the case is from the laser, the more.
    pub(super) fn tec_current(&self) -> f64 {
        ((self.temperature() - self.laser_temperature()) * 1.5).clamp(-100.0, 100.0)
    }
}
