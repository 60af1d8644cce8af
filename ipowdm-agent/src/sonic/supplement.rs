//! Registers of a module that the switch's own software drives: those that reading does not change, and nothing written.
//!
//! Flags that clear on read and the freeze of statistics belong to the switch: what flags say is taken from STATE_DB.

use crate::module_lock::ModuleLock;
use crate::port::{Interval, Seen};
use ipowdm_cmis::access::Eeprom;
use ipowdm_cmis::monitoring::{MonitorCatalogue, Reading};
use ipowdm_cmis::procedure::{
    Flags, FullSweep, Identify, Interval as IntervalEnd, ModuleInfo, ProcError, Survey, Sweep, SweepReport,
    SweepScope, run,
};
use ipowdm_cmis::time::HostClock;
use ipowdm_core::time::Millis;
use std::sync::Arc;

/// How often the module's own statistics are read, in milliseconds: as often as the switch's monitor loop.
const INTERVAL_MS: u64 = 60_000;

/// What registers say now, and the module's own statistics.
type Found = (SweepReport, Option<Arc<Interval>>);

/// What is known of the module in the port.
struct Known {
    info: Box<ModuleInfo>,
    /// What it monitors; not for a commissioning that is over.
    catalogue: Option<Box<MonitorCatalogue>>,
    interval: Option<Arc<Interval>>,
    /// When its statistics are to be read next.
    due: Millis,
}

/// A module's registers, read beside the switch's own software.
pub struct Supplement {
    eeprom: Box<dyn Eeprom + Send>,
    /// Held as long as the module is accessed.
    _lock: Option<ModuleLock>,
    known: Option<Known>,
}

impl core::fmt::Debug for Supplement {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Supplement").field("known", &self.known.is_some()).finish_non_exhaustive()
    }
}

impl Supplement {
    /// The registers behind `eeprom`, whose lock is kept with it.
    #[must_use]
    pub const fn new(eeprom: Box<dyn Eeprom + Send>, lock: Option<ModuleLock>) -> Self {
        Self { eeprom, _lock: lock, known: None }
    }

    /// Whoever is in the port next is not known.
    pub fn forget(&mut self) {
        self.known = None;
    }

    /// What registers say now in the place of what the databases said, but for the flags; and, once a minute, the module's own
    /// statistics. What registers do not tell, or tell of another module than that of `serial`, leaves `seen` as it is.
    pub fn add_to(&mut self, seen: Seen, serial: Option<&str>, now: Millis) -> Seen {
        match self.sweep(serial, now) {
            Ok(Some((registers, interval))) => {
                let flags = seen.report;
                let report = SweepReport {
                    rx_los: flags.rx_los,
                    rx_los_seen: flags.rx_los_seen,
                    tx_failure: flags.tx_failure,
                    tuning_flags: Reading::Unsupported,
                    ..registers
                };
                Seen { report, read_at: now, interval, ..seen }
            }
            Ok(None) => seen,
            Err(error) => {
                tracing::debug!(%error, "registers cannot be read beside the switch's software");
                self.known = None;
                seen
            }
        }
    }

    /// Reads the registers; `None` where they are another module's.
    fn sweep(&mut self, serial: Option<&str>, now: Millis) -> Result<Option<Found>, ProcError> {
        let mut clock = HostClock::start();
        let mut known = match self.known.take() {
            Some(known) => known,
            None => {
                let info = Box::new(run(Identify::new(), &mut *self.eeprom, &mut clock)?);
                Known { info, catalogue: None, interval: None, due: now }
            }
        };
        if serial.is_some_and(|serial| serial.trim() != known.info.serial_number.as_str().trim()) {
            return Ok(None);
        }
        let report = run(Sweep::new(&known.info, 0, Flags::Leave), &mut *self.eeprom, &mut clock)?;
        if now >= known.due {
            known.due = now.plus(INTERVAL_MS);
            known.interval = self.interval(&mut known, now, &mut clock)?.map(Arc::new);
        }
        let interval = known.interval.clone();
        self.known = Some(known);
        Ok(Some((report, interval)))
    }

    /// Reads the statistics without ending their interval, which is the switch's to end; `None` where the module has been
    /// commissioned anew, and for what has none.
    fn interval(
        &mut self,
        known: &mut Known,
        now: Millis,
        clock: &mut HostClock,
    ) -> Result<Option<Interval>, ProcError> {
        let catalogue = match known.catalogue.take() {
            Some(catalogue) => catalogue,
            None => Box::new(run(Survey::new(&known.info, 0), &mut *self.eeprom, clock)?),
        };
        let scope = SweepScope { flags: Flags::Leave, interval: IntervalEnd::Peek, fresh_currents: false };
        let sweep = FullSweep::new(&known.info, &[&catalogue], 0, scope)?;
        let found = run(sweep, &mut *self.eeprom, clock)?;
        if found.fits(&catalogue) == Reading::Value(false) {
            return Ok(None);
        }
        let link = found.link(&catalogue).value();
        let (media_fec, host_fec) = (found.media_fec(0).value(), found.host_fec(0).value());
        known.catalogue = Some(catalogue);
        let any = link.is_some() || media_fec.is_some() || host_fec.is_some();
        Ok(any.then_some(Interval { read_at: now, link, media_fec, host_fec }))
    }
}

#[cfg(test)]
mod tests;
