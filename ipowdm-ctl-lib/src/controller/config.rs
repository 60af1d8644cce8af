//! How a controller works.

use crate::connection::Times;
use crate::linkdb::MAX_PATHS;
use crate::qot_loop::QotConfig;
use crate::registry::Patience;
use core::time::Duration;
use ipowdm_core::capability::PowerRange;
use ipowdm_core::ids::VopId;
use ipowdm_core::units::Power;

/// Media interface code of 400ZR (SFF-8024).
const ZR: u8 = 0x3E;

/// Lengths of a lease: what a store needs at least for some renewals, and what an operator may wait for at most.
const LEASES: core::ops::RangeInclusive<Duration> = Duration::from_millis(300)..=Duration::from_secs(600);

/// How a controller works. [`Default`] is what the guide's examples expect.
#[derive(Debug, Clone, PartialEq)]
pub struct ControllerConfig {
    /// Its name, for people; empty for `controller-<vOp>`.
    pub controller_id: String,
    /// How long things may take.
    pub times: Times,
    /// Transmit power that the operator allows, whatever modules can do.
    pub tx_power: PowerRange,
    /// Launch powers by media interface code.
    pub launch_power: Vec<(u8, Power)>,
    /// Launch power of codes that are not listed, and where a listed one is not allowed.
    pub fallback_launch_power: Power,
    /// Whether agents of other makes are let in: commands are written so that they understand them too, and what they answer
    /// counts although nothing is read back. A connection with such an end is ACTIVE without being verified. Off unless asked
    /// for: then an answer without a read-back is none.
    pub compatibility: bool,
    /// The quality loop.
    pub qot: QotConfig,
    /// When silent agents are stale and unknown.
    pub patience: Patience,
    /// Candidate paths of a connection.
    pub paths: u16,
    /// How often the clock and the positions are stored.
    pub checkpoint: Duration,
    /// How long the lease of the instance that commands lasts unless it is renewed. It is renewed three times in this time; an
    /// instance that cannot stops commanding a sixth of it before the lease ends, and one that stands by takes over at its end.
    pub lease: Duration,
    /// Records waiting to be published that are not in the outbox (discovery, health checks).
    pub queue: usize,
}

impl Default for ControllerConfig {
    /// Operator range −22…+3 dBm, launch −2 dBm (400ZR −10 dBm), 8 paths, checkpoint every 5 s, lease 6 s.
    fn default() -> Self {
        Self {
            controller_id: String::new(),
            times: Times::default(),
            tx_power: PowerRange { min: Power::from_hundredths(-2200), max: Power::from_hundredths(300) },
            launch_power: vec![(ZR, Power::from_hundredths(-1000))],
            fallback_launch_power: Power::from_hundredths(-200),
            compatibility: false,
            qot: QotConfig::default(),
            patience: Patience::default(),
            paths: 8,
            checkpoint: Duration::from_secs(5),
            lease: Duration::from_secs(6),
            queue: 1024,
        }
    }
}

impl ControllerConfig {
    /// The launch powers to try for a media interface code, in order.
    pub(super) fn launch_powers(&self, media_code: u8) -> impl Iterator<Item = Power> {
        let listed = self.launch_power.iter().find(|(code, _)| *code == media_code).map(|(_, power)| *power);
        listed.into_iter().chain([self.fallback_launch_power])
    }

    /// The name of an instance that serves a virtual operator.
    pub(super) fn name(&self, vop: &VopId) -> String {
        let name = &self.controller_id;
        if name.is_empty() { format!("controller-{vop}") } else { name.clone() }
    }

    /// Whether a controller would start with it.
    ///
    /// # Errors
    /// What makes no sense.
    pub fn check(&self) -> Result<(), String> {
        self.problem().map_or(Ok(()), Err)
    }

    /// Why it makes no sense, where it does not.
    pub(super) fn problem(&self) -> Option<String> {
        if self.paths == 0 || self.paths > MAX_PATHS {
            return Some(format!("paths: {} is not in 1..={MAX_PATHS}", self.paths));
        }
        if self.tx_power.min > self.tx_power.max {
            return Some(format!("tx_power: {} is above {}", self.tx_power.min, self.tx_power.max));
        }
        if !LEASES.contains(&self.lease) {
            let (least, most) = (LEASES.start(), LEASES.end());
            return Some(format!("lease: {:?} is not in {least:?}..={most:?}", self.lease));
        }
        if self.qot.samples == 0 {
            return Some("qot.samples: at least one sample must enter a level".to_owned());
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_launch_power_of_a_mode_comes_first() {
        let config = ControllerConfig::default();
        let powers = |code| config.launch_powers(code).map(Power::hundredths).collect::<Vec<_>>();
        assert_eq!(powers(0x3E), [-1000, -200]);
        assert_eq!(powers(0x46), [-200]);
    }

    #[test]
    fn a_configuration_that_makes_no_sense_is_named() {
        assert_eq!(ControllerConfig::default().problem(), None);
        let none = ControllerConfig { paths: 0, ..ControllerConfig::default() };
        assert!(none.problem().is_some_and(|text| text.starts_with("paths")));
        let brief = ControllerConfig { lease: Duration::from_millis(299), ..ControllerConfig::default() };
        assert!(brief.problem().is_some_and(|text| text.starts_with("lease")));
    }
}
