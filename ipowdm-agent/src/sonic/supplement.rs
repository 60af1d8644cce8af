//! Registers of a module that the switch's own software drives: those that reading does not change, and nothing written.
//!
//! Flags that clear on read and the freeze of statistics belong to the switch: what flags say is taken from STATE_DB.

use crate::module_lock::ModuleLock;
use crate::port::Seen;
use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::procedure::{Flags, Identify, ModuleInfo, ProcError, Reading, Sweep, SweepReport, run};
use ipowdm_cmis::time::HostClock;
use ipowdm_core::time::Millis;

/// A module's registers, read beside the switch's own software.
pub struct Supplement {
    eeprom: Box<dyn Eeprom + Send>,
    /// Held as long as the module is accessed.
    _lock: Option<ModuleLock>,
    info: Option<Box<ModuleInfo>>,
}

impl core::fmt::Debug for Supplement {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Supplement").field("known", &self.info.is_some()).finish_non_exhaustive()
    }
}

impl Supplement {
    /// The registers behind `eeprom`, whose lock is kept with it.
    #[must_use]
    pub const fn new(eeprom: Box<dyn Eeprom + Send>, lock: Option<ModuleLock>) -> Self {
        Self { eeprom, _lock: lock, info: None }
    }

    /// Whoever is in the port next is not known.
    pub fn forget(&mut self) {
        self.info = None;
    }

    /// What registers say now in the place of what the databases said, but for the flags. What they do not tell, or tell of
    /// another module than that of `serial`, leaves `seen` as it is.
    pub fn add_to(&mut self, seen: Seen, serial: Option<&str>, now: Millis) -> Seen {
        match self.sweep(serial) {
            Ok(Some(registers)) => {
                let flags = seen.report;
                let report = SweepReport {
                    rx_los: flags.rx_los,
                    rx_los_seen: flags.rx_los_seen,
                    tx_failure: flags.tx_failure,
                    tuning_flags: Reading::Unsupported,
                    ..registers
                };
                Seen { report, read_at: now, ..seen }
            }
            Ok(None) => seen,
            Err(error) => {
                tracing::debug!(%error, "registers cannot be read beside the switch's software");
                self.info = None;
                seen
            }
        }
    }

    /// Reads the registers; `None` where they are another module's.
    fn sweep(&mut self, serial: Option<&str>) -> Result<Option<SweepReport>, ProcError> {
        let mut clock = HostClock::start();
        let info = match self.info.take() {
            Some(info) => info,
            None => Box::new(run(Identify::new(), &mut *self.eeprom, &mut clock)?),
        };
        if serial.is_some_and(|serial| serial.trim() != info.serial_number.as_str().trim()) {
            return Ok(None);
        }
        let report = run(Sweep::new(&info, 0, Flags::Leave), &mut *self.eeprom, &mut clock)?;
        self.info = Some(info);
        Ok(Some(report))
    }
}

#[cfg(test)]
mod tests;
