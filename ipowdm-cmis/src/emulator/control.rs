//! The request `X`: the line, the surroundings and the faults of a module as one JSON document.

use super::faults::{Fault, FaultError};
use super::handle::EmulatedModule;
use super::profile::Profile;
use crate::line::{AlreadyAttached, Course, CourseError, Fibre, LineError, Script, ScriptedLine};
use serde::{Deserialize, Deserializer};
use std::string::{String, ToString};
use std::sync::Arc;
use std::vec::Vec;

/// What surrounds the module; what is absent stays as it is.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Surroundings {
    /// Case temperature in °C.
    pub temperature_c: Option<Course>,
    /// Supply in volts.
    pub supply_v: Option<Course>,
    /// Host lanes that bring a signal to the module, lane 1 in bit 0.
    pub host_signal: Option<u8>,
    /// The host sends the patterns that the checkers of the host side expect.
    pub host_sends_patterns: Option<bool>,
    /// The far end sends the patterns that the checkers of the media side expect.
    pub far_end_sends_patterns: Option<bool>,
}

/// A document of the request `X`. All of it is checked before any of it takes effect.
///
/// ```json
/// {"line": {"far_end": {"tx_power_dbm": -8}, "amplified": {"spans": 4, "length_km": 80},
///           "added_noise_db": {"points": [[0, 0], [60000, 6]]}},
///  "surroundings": {"temperature_c": 71.5},
///  "faults": [{"fault": "reject_app_sel0", "on": true}, {"fault": "nack", "accesses": 3}]}
/// ```
///
/// `"line": null` detaches the line; without `line` it stays as it is. `docs/emulator.md` has every field.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Control {
    /// The line; the inner `None` detaches it.
    #[serde(deserialize_with = "present")]
    pub line: Option<Option<ScriptedLine>>,
    /// The surroundings.
    pub surroundings: Surroundings,
    /// Faults, injected in this order.
    pub faults: Vec<Fault>,
}

fn present<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Option<ScriptedLine>>, D::Error> {
    Option::deserialize(from).map(Some)
}

/// Why a document of the request `X` is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// Not JSON, or not of this shape; the words name the place.
    #[error("not a control document: {0}")]
    Syntax(String),
    /// The line is none.
    #[error("line: {0}")]
    Line(#[from] LineError),
    /// Surroundings without a value.
    #[error("surroundings: {0}")]
    Surroundings(#[from] CourseError),
    /// A fault that cannot be injected.
    #[error("faults: {0}")]
    Fault(#[from] FaultError),
    /// The module is on a line to another module.
    #[error("line: {0}")]
    Attached(#[from] AlreadyAttached),
}

impl Control {
    /// Reads a document.
    ///
    /// # Errors
    /// [`ControlError::Syntax`].
    pub fn from_json(text: &str) -> Result<Self, ControlError> {
        // Fields are named: the positional form that serde also reads of a structure is none of the protocol's.
        if !text.trim_start().starts_with('{') {
            return Err(ControlError::Syntax("a document is one JSON object".to_string()));
        }
        serde_json::from_str(text).map_err(|error| ControlError::Syntax(error.to_string()))
    }
}

impl EmulatedModule {
    /// Changes the line, the surroundings and the faults.
    ///
    /// # Errors
    /// [`ControlError`]; nothing has changed then.
    pub fn control(&self, control: Control) -> Result<(), ControlError> {
        let now = self.clock().now();
        let line: Option<Option<Script>> = match control.line {
            Some(Some(line)) => Some(Some(line.prepare(now)?)),
            Some(None) => Some(None),
            None => None,
        };
        let around = control.surroundings;
        for course in [&around.temperature_c, &around.supply_v].into_iter().flatten() {
            course.check()?;
        }
        for fault in &control.faults {
            if let Fault::Swap { profile, .. } = fault {
                Profile::by_name(profile).ok_or_else(|| FaultError::UnknownProfile(profile.clone()))?;
            }
        }
        // What has happened up to now happened with the old line.
        drop(self.measured());
        if let Some(line) = line {
            self.put_line(line.map(|script| Fibre::Script(Arc::new(script))))?;
        }
        {
            let mut core = self.synced();
            let environment = &mut core.environment;
            if let Some(course) = around.temperature_c {
                environment.temperature = Some((now, course));
            }
            if let Some(course) = around.supply_v {
                environment.supply = Some((now, course));
            }
            environment.host_signal = around.host_signal.unwrap_or(environment.host_signal);
            environment.host_sends_patterns =
                around.host_sends_patterns.unwrap_or(environment.host_sends_patterns);
            environment.far_end_sends_patterns =
                around.far_end_sends_patterns.unwrap_or(environment.far_end_sends_patterns);
            core.settle(now);
            for fault in control.faults {
                core.inject(fault)?;
            }
        }
        drop(self.measured());
        Ok(())
    }
}
