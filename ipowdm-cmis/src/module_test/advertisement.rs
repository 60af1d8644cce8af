//! What a module says it can do: against the pages that are there, and each statement against the others.

use super::memory::{Half, Memory};
use super::{Extent, Report, Verdict};
use crate::map::{Address, Block, Support, lower, page01, page2f, page04};
use crate::procedure::{Lanes, ModuleInfo, ProcError};
use ipowdm_core::grid::{Grid, GridError};
use std::format;
use std::string::String;
use std::vec::Vec;

pub(super) fn check(
    info: &ModuleInfo,
    memory: &mut Memory<'_>,
    report: &mut Report,
    extent: Extent,
) -> Result<(), ProcError> {
    let lower = memory.lower()?;
    let page01 = memory.page(0x01)?;
    checksums(memory, report, page01.as_ref())?;
    if let Some(page01) = &page01 {
        durations(report, page01);
        reserved(report, &lower, page01);
    }
    applications(info, report);
    coherence(info, report, page01.as_ref());
    laser(info, memory, report)?;
    pages(memory, report, extent, &lower, page01.as_ref())
}

fn checksums(memory: &mut Memory<'_>, report: &mut Report, page01: Option<&Half>) -> Result<(), ProcError> {
    // Page 01h leaves 128-129, the inactive firmware's version, out of its sum.
    let sum =
        |half: &Half, from: usize| half[from..127].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    match page01 {
        Some(half) => report.check(sum(half, 2) == half[127], "01h:255", "checksum of the advertisements"),
        None => report.add(Verdict::Fail, "01h", "page 01h is not there"),
    }
    for (page, registers, words) in [
        (0x02, "02h:255", "checksum of the thresholds"),
        (0x04, "04h:255", "checksum of the laser capabilities"),
    ] {
        if let Some(half) = memory.page(page)? {
            report.check(sum(&half, 0) == half[127], registers, words);
        }
    }
    Ok(())
}

fn durations(report: &mut Report, page01: &Half) {
    let block = Block::new(Address::page(1, 128), page01);
    let fields = [
        (page01::MAX_DURATION_DP_INIT, "01h:144.3-0", "DPInit"),
        (page01::MAX_DURATION_DP_DEINIT, "01h:144.7-4", "DPDeinit"),
        (page01::MAX_DURATION_MODULE_PWR_UP, "01h:167.3-0", "ModulePwrUp"),
        (page01::MAX_DURATION_MODULE_PWR_DN, "01h:167.7-4", "ModulePwrDn"),
        (page01::MAX_DURATION_DP_TX_TURN_ON, "01h:168.3-0", "DPTxTurnOn"),
        (page01::MAX_DURATION_DP_TX_TURN_OFF, "01h:168.7-4", "DPTxTurnOff"),
    ];
    for (field, registers, name) in fields {
        let code = block.byte(field).unwrap_or(0);
        let limit = crate::codes::duration_limit(code);
        match code {
            0..=12 => report.add(Verdict::Pass, registers, format!("{name} takes up to {limit:?}")),
            13 => report.add(Verdict::Warn, registers, format!("{name} has no upper limit")),
            _ => report.add(Verdict::Fail, registers, format!("{name} has the reserved code {code:X}h")),
        }
    }
}

fn reserved(report: &mut Report, lower: &Half, page01: &Half) {
    let block = Block::new(Address::page(1, 128), page01);
    let head = Block::new(Address::lower(0), lower);
    let media_type = head.byte(lower::MEDIA_TYPE).unwrap_or(0);
    report.expect(
        matches!(media_type, 1..=5),
        "00h:85",
        format!("media type {media_type}"),
        format!(
            "media type {media_type:02X}h is undefined or reserved: media interface codes have no meaning"
        ),
    );
    let byte = |field| block.byte(field).unwrap_or(0);
    let scaling = byte(page01::TX_BIAS_CURRENT_SCALING_FACTOR);
    report.check(scaling < 3, "01h:160.4-3", format!("laser bias scaling code {scaling}"));
    let instances = byte(page01::CDB_INSTANCES_SUPPORTED);
    report.check(instances < 3, "01h:163.7-6", format!("{instances} CDB instances"));
    if instances > 0 {
        let payload = byte(page01::CDB_MAX_PAGES_EPL);
        report.check(payload < 8, "01h:163.3-0", format!("CDB extended payload code {payload}"));
    }
}

fn applications(info: &ModuleInfo, report: &mut Report) {
    report.check(
        !info.applications.is_empty(),
        "00h:86, 01h:223",
        format!("{} applications advertised", info.applications.len()),
    );
    for application in &info.applications {
        let row = application.info;
        let words = format!(
            "AppSel {}: host {:02X}h, media {:02X}h, {} to {} lanes",
            row.app_sel, row.host_code, row.media_code, row.host_lanes, row.media_lanes
        );
        if Lanes::of(application).is_none() {
            report.add(Verdict::Fail, "00h:88-89", format!("{words}: its options leave no place for it"));
        } else if row.media_lanes == 0 {
            report.add(Verdict::Warn, "00h:88", format!("{words}: no media lane"));
        } else {
            report.add(Verdict::Pass, "00h:88-89", words);
        }
    }
}

fn coherence(info: &ModuleInfo, report: &mut Report, page01: Option<&Half>) {
    // What is advertised, also where the page that goes with it is not there.
    let block = page01.map(|half| Block::new(Address::page(1, 128), half));
    let tunable = block.and_then(|block| block.flag(page01::TRANSMITTER_IS_TUNABLE)) == Some(true);
    let says = [
        (info.coherent_pages, "coherent pages (01h:142.4)"),
        (tunable, "a tunable transmitter (01h:155.6)"),
        (matches!(info.technology, 0x10 | 0x11), "a tunable C- or L-band laser (00h:212)"),
    ];
    let list = |wanted: bool| -> String {
        let names: Vec<&str> =
            says.iter().filter(|(said, _)| *said == wanted).map(|(_, name)| *name).collect();
        names.join(", ")
    };
    let registers = "01h:142.4, 155.6, 00h:212";
    if !info.is_coherent() {
        report.add(Verdict::Pass, registers, "not a coherent module");
    } else if info.coherent_pages && tunable {
        report.add(Verdict::Pass, registers, format!("coherent: {}", list(true)));
    } else {
        report.add(Verdict::Warn, registers, format!("coherent by {}; without {}", list(true), list(false)));
    }
}

fn laser(info: &ModuleInfo, memory: &mut Memory<'_>, report: &mut Report) -> Result<(), ProcError> {
    if !info.tunable {
        return Ok(());
    }
    let Some(half) = memory.page(0x04)? else { return Ok(()) };
    let block = Block::new(Address::page(0x04, 128), &half);
    report.check(!info.capability.grids.is_empty(), "04h:128-129", "at least one grid with channels");
    for range in &info.capability.grids {
        // Limits need not be channels themselves, but they must name frequencies.
        let edges = [range.low_channel, range.high_channel].map(|n| range.grid.frequency(n));
        let legal = edges.iter().all(|edge| !matches!(edge, Err(GridError::OutOfRange { .. })));
        let words = format!("{}: channels {} to {}", grid(range.grid), range.low_channel, range.high_channel);
        match edges {
            [Ok(low), Ok(high)] => {
                report.add(Verdict::Pass, "04h:130-169", format!("{words}, {low} to {high}"))
            }
            _ if legal => {
                report.add(
                    Verdict::Warn,
                    "04h:130-169",
                    format!("{words}: a limit is no channel of this grid"),
                );
            }
            _ => report.add(Verdict::Fail, "04h:130-169", format!("{words}: no frequencies")),
        }
    }
    let signed = |field| block.signed(field).unwrap_or(0);
    if block.flag(page04::PROG_OUTPUT_POWER_PER_LANE_SUPPORTED) == Some(true) {
        let (min, max) = (signed(page04::MIN_PROG_OUTPUT_POWER), signed(page04::MAX_PROG_OUTPUT_POWER));
        let words =
            format!("output power from {:.2} to {:.2} dBm", f64::from(min) / 100.0, f64::from(max) / 100.0);
        report.check(min <= max, "04h:198-201", words);
    } else {
        report.add(Verdict::Warn, "04h:196.7", "the output power cannot be set");
    }
    if block.flag(page04::FINE_TUNING_SUPPORTED) == Some(true) {
        let (low, high) = (signed(page04::FINE_TUNING_LOW_OFFSET), signed(page04::FINE_TUNING_HIGH_OFFSET));
        report.check(low <= high, "04h:190-195", format!("fine tuning from {low} to {high} MHz"));
    }
    Ok(())
}

fn grid(grid: Grid) -> String {
    format!("{:.3} GHz grid", f64::from(grid.spacing_mhz()) / 1e3)
}

/// Pages that the specification may put there, without the vendors' own.
const PAGES: [core::ops::RangeInclusive<u8>; 2] = [0x00..=0x4F, 0x9F..=0xAF];

fn pages(
    memory: &mut Memory<'_>,
    report: &mut Report,
    extent: Extent,
    lower: &Half,
    page01: Option<&Half>,
) -> Result<(), ProcError> {
    let page2f = memory.span(0x2F, 128, 1)?;
    let lower = Block::new(Address::lower(0), lower);
    let page01 = page01.map(|half| Block::new(Address::page(1, 128), half));
    let groups = page2f.as_ref().map(|half| Block::new(page2f::VDM_GROUPS_SUPPORTED.address(0), &half[..1]));
    let (mut missing, mut extra, mut present, mut coherent) = (Vec::new(), Vec::new(), 0_u32, 0_u32);
    for page in PAGES.into_iter().flatten() {
        let condition = Support::of_page(page);
        let advertised = condition.is_advertised(lower, page01, groups);
        let there = memory.has(page)?;
        present += u32::from(there);
        match (advertised, there) {
            // C-CMIS leaves its pages to the module; 2Eh is reserved.
            (true, false) if condition == Support::Coherent || page == 0x2E => {}
            (true, false) => missing.push(page),
            (false, true) => extra.push(page),
            (true, true) => coherent += u32::from(condition == Support::Coherent),
            (false, false) => {}
        }
    }
    let list = |pages: &[u8]| {
        let names: Vec<String> = pages.iter().map(|page| format!("{page:02X}h")).collect();
        names.join(" ")
    };
    let registers = "01h:142-175";
    if missing.is_empty() {
        report.add(Verdict::Pass, registers, format!("every advertised page is there, {present} in all"));
    } else {
        let verdict = if extent == Extent::Dump { Verdict::Warn } else { Verdict::Fail };
        report.add(verdict, registers, format!("advertised and not there: {}", list(&missing)));
    }
    if !extra.is_empty() {
        report.add(Verdict::Warn, registers, format!("there and not advertised: {}", list(&extra)));
    }
    if Support::Coherent.is_advertised(lower, page01, groups) {
        let good = format!("{coherent} of the coherent pages 30h-4Fh are there");
        report.expect(coherent > 0, "01h:142.4", good, "coherent pages are advertised and none is there");
    }
    Ok(())
}
