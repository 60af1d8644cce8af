//! Which bytes a full sweep reads, and in which order.

use super::Flags;
use super::full::SweepScope;
use super::snapshot::Snapshot;
use crate::map::Address;
use crate::monitoring::{FecCounters, LinkPerformance, MonitorCatalogue, VdmGroups, VdmInstance};
use crate::procedure::ProcError;

/// First and last byte of the samples of some instances.
fn extent<'a>(instances: impl Iterator<Item = &'a VdmInstance>) -> Option<(u8, u8)> {
    instances.fold(None, |extent, instance| {
        let last = instance.byte.saturating_add(1);
        let (low, high) = extent.unwrap_or((instance.byte, last));
        Some((low.min(instance.byte), high.max(last)))
    })
}

fn in_group(vdm: &VdmGroups, group: u8) -> impl Iterator<Item = &VdmInstance> {
    vdm.instances.iter().filter(move |instance| instance.group() == group)
}

/// The reads that need the module frozen.
pub(super) fn plan_statistics(
    to: &mut Snapshot,
    catalogue: &MonitorCatalogue,
    scope: SweepScope,
) -> Result<(), ProcError> {
    let bank = catalogue.bank;
    for group in 0..4_u8 {
        let Some(vdm) = &catalogue.vdm else { break };
        let statistics = extent(in_group(vdm, group).filter(|instance| instance.is_statistic()));
        let everything = extent(in_group(vdm, group));
        let wanted = if scope.fresh_currents { statistics } else { statistics.and(everything) };
        to.plan_range(Address::page(0x24 + group, 0).in_bank(bank), wanted)?;
    }
    let pages = [
        (catalogue.pm.media_fec, FecCounters::MEDIA),
        (catalogue.pm.link, LinkPerformance::PLACE),
        (catalogue.pm.host_fec, FecCounters::HOST),
    ];
    for (_, (at, len)) in pages.into_iter().filter(|(there, _)| *there) {
        to.plan(at.in_bank(bank), len)?;
    }
    Ok(())
}

/// The reads of the state of the moment, and of the flags.
pub(super) fn plan_state(
    to: &mut Snapshot,
    catalogue: &MonitorCatalogue,
    tunable: bool,
    scope: SweepScope,
) -> Result<(), ProcError> {
    let page = |page, byte| Address::page(page, byte).in_bank(catalogue.bank);
    let latch = scope.flags == Flags::Latch;
    if let Some(vdm) = &catalogue.vdm {
        for group in 0..4_u8 {
            let mixed = in_group(vdm, group).any(VdmInstance::is_statistic);
            let current = extent(in_group(vdm, group).filter(|instance| !instance.is_statistic()));
            if !mixed || scope.fresh_currents {
                to.plan_range(page(0x24 + group, 0), current)?;
            }
        }
        if latch {
            let flags = vdm.instances.iter().map(|instance| instance.flag_place().0);
            let extent = flags.clone().min().zip(flags.max());
            to.plan_range(page(0x2C, 0), extent)?;
        }
    }
    if tunable {
        to.plan(page(0x12, 128), if latch { 111 } else { 102 })?;
    }
    if latch {
        to.plan(page(0x11, 128), 86)?;
        if catalogue.pm.media_alarms {
            to.plan(page(0x33, 128), 5)?;
        }
        if catalogue.pm.host_alarms {
            to.plan(page(0x3B, 192), 5)?;
        }
    } else {
        to.plan(page(0x11, 128), 6)?;
        to.plan(page(0x11, 154), 60)?;
    }
    Ok(())
}

pub(super) fn plan_lower(to: &mut Snapshot, flags: Flags) -> Result<(), ProcError> {
    match flags {
        Flags::Latch => to.plan(Address::lower(3), 23),
        Flags::Leave => {
            to.plan(Address::lower(3), 5)?;
            to.plan(Address::lower(14), 12)
        }
    }
}
