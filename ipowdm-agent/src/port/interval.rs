//! A module's own statistics.

use ipowdm_cmis::monitoring::{FecCounters, LinkPerformance};
use ipowdm_core::msg::{FecInterval, IntervalValue, ModuleInterval};
use ipowdm_core::time::Millis;

/// Statistics of the interval that runs in the module, read without ending it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Interval {
    /// When they were read.
    pub read_at: Millis,
    /// Link quantities (C-CMIS page 35h).
    pub link: Option<LinkPerformance>,
    /// FEC of the media side (34h).
    pub media_fec: Option<FecCounters>,
    /// FEC of the host side (3Ah).
    pub host_fec: Option<FecCounters>,
}

impl Interval {
    /// As a message tells it at `now`. A quantity whose three values are not all there, or not in order, is left out.
    pub(crate) fn told(&self, now: Millis) -> ModuleInterval {
        let statistics = self.link.iter().flat_map(LinkPerformance::iter);
        let link = statistics.filter_map(|of| {
            let found = of.triplet().value()?;
            let [min, avg, max] = [found.min(), found.avg(), found.max()].map(|units| of.physical(units));
            let unit = of.quantity.unit().into();
            Some((of.quantity.name().into(), IntervalValue { unit, min, avg, max }))
        });
        ModuleInterval {
            age_ms: now.since(self.read_at),
            link: link.collect(),
            media_fec: self.media_fec.as_ref().and_then(counted),
            host_fec: self.host_fec.as_ref().and_then(counted),
        }
    }
}

/// What was counted; `None` where nothing was.
fn counted(fec: &FecCounters) -> Option<FecInterval> {
    (fec.bits != 0 || fec.frames != 0).then(|| FecInterval {
        bits: fec.bits,
        corrected_bits: fec.corrected_bits,
        frames: fec.frames.into(),
        uncorrected_frames: fec.uncorrected_frames.into(),
    })
}
