//! A line whose far end is described instead of emulated.

use super::{Course, CourseError, Impairment, LineParameters, Span, physics};
use crate::emulator::{CARRIERS, Emission, OpticalState, Profile, ReceivedLight};
use crate::time::Millis;
use ipowdm_core::units::{Db, Frequency, Length, Power};
use serde::Deserialize;
use std::vec::Vec;

/// Most spans of a line.
const MOST_SPANS: usize = 256;

/// The transmitter at the far end.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FarEnd {
    /// Whether it emits at all.
    pub lit: bool,
    /// Launched power in dBm.
    pub tx_power_dbm: Course,
    /// OSNR of the transmitter in dB (0.1 nm).
    pub osnr_db: f64,
    /// Frequency; that of the module's own laser if absent, as in a pair that was set up together.
    pub frequency_mhz: Option<u32>,
    /// Media interface code; that of the module's own application if absent.
    pub media_code: Option<u8>,
}

impl Default for FarEnd {
    fn default() -> Self {
        Self {
            lit: true,
            tx_power_dbm: Course::Constant(-10.0),
            osnr_db: 36.0,
            frequency_mhz: None,
            media_code: None,
        }
    }
}

/// A span: fibre and the amplifier at its end.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpanDescription {
    /// Length in km.
    pub length_km: f64,
    /// Loss in dB.
    pub loss_db: f64,
    /// Gain of the amplifier in dB; none if absent.
    pub gain_db: Option<f64>,
    /// Its noise figure in dB.
    #[serde(default = "usual_noise_figure")]
    pub noise_figure_db: f64,
}

const fn usual_noise_figure() -> f64 {
    5.5
}

/// Equal amplified spans, see [`LineParameters::amplified`].
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EqualSpans {
    /// How many.
    pub spans: u8,
    /// Length of each in km.
    pub length_km: f64,
}

/// Received power and OSNR given directly, in the place of what the spans make of the far end's light.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Received {
    /// Power of the signal in dBm.
    pub power_dbm: Course,
    /// OSNR in dB (0.1 nm).
    pub osnr_db: Course,
}

/// A line to a described far end: what `line` of the request `X` holds. Every quantity may be a [`Course`] in time.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ScriptedLine {
    /// The far end.
    pub far_end: FarEnd,
    /// Spans one by one; takes the place of `amplified`.
    pub spans: Option<Vec<SpanDescription>>,
    /// Equal spans; one of 80 km if neither is given.
    pub amplified: Option<EqualSpans>,
    /// Extra loss in the first fibre in dB.
    pub extra_loss_db: Course,
    /// Rise of every noise figure in dB.
    pub added_noise_db: Course,
    /// Dispersion in ps/nm; what the fibre has if absent.
    pub dispersion_ps_nm: Option<Course>,
    /// Differential group delay in ps.
    pub dgd_ps: Course,
    /// Polarisation dependent loss in dB.
    pub pdl_db: Course,
    /// Rate of change of polarisation in krad/s.
    pub sop_krad_s: Course,
    /// Received power and OSNR given directly.
    pub received: Option<Received>,
}

impl Default for ScriptedLine {
    fn default() -> Self {
        Self {
            far_end: FarEnd::default(),
            spans: None,
            amplified: None,
            extra_loss_db: Course::Constant(0.0),
            added_noise_db: Course::Constant(0.0),
            dispersion_ps_nm: None,
            dgd_ps: Course::Constant(physics::USUAL_DGD_PS),
            pdl_db: Course::Constant(physics::USUAL_PDL_DB),
            sop_krad_s: Course::Constant(physics::USUAL_SOP_KRAD_S),
            received: None,
        }
    }
}

/// Why a description is no line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineError {
    /// A course has no value.
    #[error("{0}")]
    Course(#[from] CourseError),
    /// A length, loss, gain or ratio that no line has.
    #[error(
        "spans have finite lengths below 10 000 km, losses and gains below 300 dB, and are at most {MOST_SPANS}"
    )]
    Span,
}

/// A described line, checked, with the instant from which its courses count.
#[derive(Debug)]
pub(crate) struct Script {
    line: ScriptedLine,
    parameters: LineParameters,
    since: Millis,
}

impl ScriptedLine {
    /// The clean line that a module of this profile is made for: one amplified span of 80 km, or 2 km of fibre to a
    /// transmitter like its own for direct detection.
    #[must_use]
    pub fn made_for(profile: &Profile) -> Self {
        let Some(fixed) = &profile.fixed_transmitter else { return Self::default() };
        let fibre = SpanDescription {
            length_km: 2.0,
            loss_db: 1.5,
            gain_db: None,
            noise_figure_db: usual_noise_figure(),
        };
        let tx_power_dbm = Course::Constant(fixed.power.value());
        Self {
            far_end: FarEnd { tx_power_dbm, ..FarEnd::default() },
            spans: Some(std::vec![fibre]),
            ..Self::default()
        }
    }

    /// Checks the description.
    ///
    /// # Errors
    /// [`LineError`].
    pub(crate) fn prepare(self, since: Millis) -> Result<Script, LineError> {
        let courses = [
            Some(&self.far_end.tx_power_dbm),
            Some(&self.extra_loss_db),
            Some(&self.added_noise_db),
            self.dispersion_ps_nm.as_ref(),
            Some(&self.dgd_ps),
            Some(&self.pdl_db),
            Some(&self.sop_krad_s),
            self.received.as_ref().map(|received| &received.power_dbm),
            self.received.as_ref().map(|received| &received.osnr_db),
        ];
        courses.into_iter().flatten().try_for_each(Course::check)?;
        Course::Constant(self.far_end.osnr_db).check()?;
        let parameters = self.parameters()?;
        Ok(Script { line: self, parameters, since })
    }

    fn parameters(&self) -> Result<LineParameters, LineError> {
        let length = |km: f64| match Length::from_km(km) {
            Ok(length) if km <= 10_000.0 => Ok(length),
            _ => Err(LineError::Span),
        };
        let ratio = |value: f64| match Db::from_number(value) {
            Ok(ratio) if (0.0..=300.0).contains(&value) => Ok(ratio),
            _ => Err(LineError::Span),
        };
        let Some(spans) = &self.spans else {
            return Ok(match self.amplified {
                Some(equal) => LineParameters::amplified(equal.spans, length(equal.length_km)?),
                None => LineParameters::amplified(1, Length::from_metres(80_000)),
            });
        };
        if spans.len() > MOST_SPANS {
            return Err(LineError::Span);
        }
        let spans = spans.iter().map(|span| {
            Ok(Span {
                length: length(span.length_km)?,
                loss: ratio(span.loss_db)?,
                gain: span.gain_db.map(ratio).transpose()?,
                noise_figure: ratio(span.noise_figure_db)?,
            })
        });
        Ok(LineParameters { spans: spans.collect::<Result<_, LineError>>()? })
    }
}

impl Script {
    /// The light on each carrier at an instant, `own` being the state of the receiving module.
    pub(crate) fn light_at(&self, at: Millis, own: &OpticalState) -> [ReceivedLight; CARRIERS] {
        core::array::from_fn(|carrier| self.carrier_at(at, own, carrier))
    }

    fn carrier_at(&self, at: Millis, own: &OpticalState, carrier: usize) -> ReceivedLight {
        let elapsed = at.since(self.since);
        let far = &self.line.far_end;
        let frequency = far.frequency_mhz.map(Frequency::from_mhz).or(own.oscillators[carrier]);
        // A carrier that the module has no application on, or nothing to be tuned to, has no counterpart.
        let media_code = far.media_code.or(own.receives[carrier]);
        let (Some(media_code), true) = (media_code, far.lit && own.receives[carrier].is_some()) else {
            return ReceivedLight::DARK;
        };
        let ratio = |course: &Course| Db::from_number(course.at(elapsed)).unwrap_or(Db::from_hundredths(0));
        let emission = Emission {
            frequency: frequency.unwrap_or(Frequency::ANCHOR),
            power: Power::from_number(far.tx_power_dbm.at(elapsed)).unwrap_or(Power::from_hundredths(-4000)),
            media_code,
            osnr: Db::from_number(far.osnr_db).unwrap_or(Db::from_hundredths(3600)),
        };
        let impairment = Impairment {
            extra_loss: ratio(&self.line.extra_loss_db),
            added_noise: ratio(&self.line.added_noise_db),
        };
        let mut light = physics::propagate(&self.parameters, impairment, Some(emission));
        if let Some(signal) = &mut light.signal {
            if let Some(received) = &self.line.received {
                signal.power_dbm = received.power_dbm.at(elapsed);
                signal.osnr_db = received.osnr_db.at(elapsed);
                light.total_dbm = physics::with_noise(signal.power_dbm, signal.osnr_db);
            }
            if let Some(dispersion) = &self.line.dispersion_ps_nm {
                signal.dispersion_ps_nm = dispersion.at(elapsed);
            }
            signal.dgd_ps = self.line.dgd_ps.at(elapsed).max(0.0);
            signal.pdl_db = self.line.pdl_db.at(elapsed).max(0.0);
            signal.sop_krad_s = self.line.sop_krad_s.at(elapsed).max(0.0);
        }
        light
    }
}
