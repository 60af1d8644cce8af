//! What monitors say: decoding of thresholds, lane monitors, VDM instances and performance counters.
//!
//! Plain types over bytes that were read, total on any content. [`crate::procedure::Survey`] finds out once what a module
//! has ([`MonitorCatalogue`]); [`crate::procedure::FullSweep`] reads it all in few accesses.

mod lanes;
mod pm;
mod reading;
mod thresholds;
mod vdm;

pub use lanes::{AuxKind, AuxValue, LaneMonitor, MonitorSupport};
pub use pm::{
    FecCounters, FecTotals, LinkPerformance, LinkStatistics, MinAvgMax, PmAdvertisement, SubIntervalBits,
    ratio_of,
};
pub use reading::Reading;
pub use thresholds::{ModuleThresholds, Thresholds};
pub use vdm::{MonitorCatalogue, PmPages, QuantityReadings, VdmGroups, VdmInstance};
