//! Faults on demand.

use super::core::Core;
use super::profile::Profile;
use crate::time::Millis;
use serde::{Deserialize, Serialize};
use std::string::String;

/// A fault that a test or a laboratory asks for: the elements of `faults` in the request `X`, and what
/// [`EmulatedModule::inject`](super::EmulatedModule::inject) takes. `docs/emulator.md` lists them with examples.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Fault {
    /// The next accesses find no module (ENXIO).
    Enxio {
        /// How many.
        accesses: u32,
    },
    /// The next accesses are not acknowledged.
    Nack {
        /// How many.
        accesses: u32,
    },
    /// No access is acknowledged for a time.
    NackFor {
        /// Milliseconds of module time.
        ms: u64,
    },
    /// No access is acknowledged until this is taken back.
    StuckBusy {
        /// Whether the module is stuck.
        on: bool,
    },
    /// The next accesses end in a time-out, because the module stretches the clock too long.
    ClockStretch {
        /// How many.
        accesses: u32,
    },
    /// The next reads of more than eight bytes mix an older state in their first half with the present one.
    TornReads {
        /// How many.
        reads: u32,
    },
    /// The next selections of page 00h are acknowledged and have no effect.
    WrongPageRestore {
        /// How many.
        times: u32,
    },
    /// The module resets by itself.
    SpontaneousReset {
        /// Milliseconds from now.
        #[serde(default)]
        after_ms: u64,
    },
    /// The module is pulled out.
    PullOut {
        /// Milliseconds from now.
        #[serde(default)]
        after_ms: u64,
        /// It comes back this much later; not by itself if absent.
        #[serde(default)]
        for_ms: Option<u64>,
    },
    /// The module is plugged in again.
    Insert,
    /// Another module is plugged into the port.
    Swap {
        /// Name of a built-in profile.
        profile: String,
        /// Its serial number.
        serial: u32,
    },
    /// Transient states and work last this many times as long.
    Slow {
        /// Factor; 1 is as the profile says.
        times: u32,
    },
    /// Transient states and work take no time at all.
    Instant {
        /// Whether they do.
        on: bool,
    },
    /// The next apply triggers are rejected without a reason.
    RejectApplies {
        /// How many.
        triggers: u32,
    },
    /// The next apply triggers are ignored.
    IgnoreApplies {
        /// How many.
        triggers: u32,
    },
    /// AppSel 0 is rejected as invalid, as some modules do.
    RejectAppSel0 {
        /// Whether it is.
        on: bool,
    },
    /// The counters of bits in a sub-interval (34h:136, 3Ah:136) hold their low 32 bits only.
    SubInterval32Bits {
        /// Whether they do.
        on: bool,
    },
    /// The module goes to the Fault state; only a reset leaves it.
    ModuleFault {
        /// Cause, 00h:41.
        cause: u8,
    },
    /// The lasers report themselves beside their channels (12h:168), as modules do that report what they measure.
    LaserReportOffset {
        /// MHz.
        mhz: i32,
    },
    /// The next firmware image that is downloaded is found damaged on completion.
    DamageImage,
    /// All lasting faults are taken back; what has happened to the module stays.
    Clear,
}

/// A fault that cannot be injected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// No built-in profile has this name.
    #[error("no profile is named {0:?}")]
    UnknownProfile(String),
}

/// The faults that are in effect.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    pub(super) enxio: u32,
    pub(super) nack: u32,
    pub(super) nack_until: Millis,
    pub(super) stuck_busy: bool,
    pub(super) clock_stretch: u32,
    pub(super) torn_reads: u32,
    pub(super) ignored_restores: u32,
    pub(super) slowness: u32,
    pub(super) instant: bool,
    pub(super) reject_applies: u32,
    pub(super) ignore_applies: u32,
    pub(super) reject_app_sel_0: bool,
    pub(super) sub_interval_32_bits: bool,
    pub(super) fault: Option<u8>,
    pub(super) laser_report_offset: i32,
    reset_at: Option<Millis>,
    pull_out_at: Option<Millis>,
    insert_at: Option<Millis>,
}

impl Faults {
    pub(super) fn next_event(&self) -> Option<Millis> {
        [self.reset_at, self.pull_out_at, self.insert_at].into_iter().flatten().min()
    }
}

impl Core {
    /// Injects a fault now.
    pub(super) fn inject(&mut self, fault: Fault) -> Result<(), FaultError> {
        let now = self.synced;
        let faults = &mut self.faults;
        match fault {
            Fault::Enxio { accesses } => faults.enxio = accesses,
            Fault::Nack { accesses } => faults.nack = accesses,
            Fault::NackFor { ms } => faults.nack_until = now.plus(ms),
            Fault::StuckBusy { on } => faults.stuck_busy = on,
            Fault::ClockStretch { accesses } => faults.clock_stretch = accesses,
            Fault::TornReads { reads } => faults.torn_reads = reads,
            Fault::WrongPageRestore { times } => faults.ignored_restores = times,
            Fault::SpontaneousReset { after_ms } => faults.reset_at = Some(now.plus(after_ms)),
            Fault::PullOut { after_ms, for_ms } => {
                let at = now.plus(after_ms);
                faults.pull_out_at = Some(at);
                faults.insert_at = for_ms.map(|ms| at.plus(ms));
            }
            Fault::Insert => faults.insert_at = Some(now),
            Fault::Swap { profile, serial } => {
                let profile = Profile::by_name(&profile).ok_or(FaultError::UnknownProfile(profile))?;
                self.swap(profile, serial);
            }
            Fault::Slow { times } => faults.slowness = times,
            Fault::Instant { on } => faults.instant = on,
            Fault::RejectApplies { triggers } => faults.reject_applies = triggers,
            Fault::IgnoreApplies { triggers } => faults.ignore_applies = triggers,
            Fault::RejectAppSel0 { on } => faults.reject_app_sel_0 = on,
            Fault::SubInterval32Bits { on } => faults.sub_interval_32_bits = on,
            Fault::ModuleFault { cause } => faults.fault = Some(cause),
            Fault::LaserReportOffset { mhz } => faults.laser_report_offset = mhz,
            Fault::DamageImage => self.firmware.damage_next = true,
            Fault::Clear => *faults = Faults { fault: faults.fault, ..Faults::default() },
        }
        self.settle(now);
        Ok(())
    }

    /// Plugs another module into the port.
    pub(super) fn swap(&mut self, profile: Profile, serial: u32) {
        self.replace(profile, serial);
        self.cdb = super::cdb::Cdb::default();
        self.plug_in(self.synced);
    }

    fn plug_in(&mut self, at: Millis) {
        self.faults.fault = None;
        self.present = true;
        self.power_on(at);
    }

    /// Resets the module, as its reset pin does.
    pub(super) fn reset(&mut self) {
        self.faults.fault = None;
        self.power_on(self.synced);
    }

    /// Carries out what was scheduled.
    pub(super) fn step_faults(&mut self, at: Millis) {
        let mut due = |event: fn(&mut Faults) -> &mut Option<Millis>| {
            let event = event(&mut self.faults);
            let is_due = event.is_some_and(|when| when <= at);
            if is_due {
                *event = None;
            }
            is_due
        };
        let (pull_out, insert, reset) = (
            due(|faults| &mut faults.pull_out_at),
            due(|faults| &mut faults.insert_at),
            due(|faults| &mut faults.reset_at),
        );
        if pull_out {
            self.present = false;
        }
        if insert && !self.present {
            self.plug_in(at);
        }
        if reset && self.present {
            self.faults.fault = None;
            self.power_on(at);
        }
    }
}
