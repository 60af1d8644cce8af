//! Is this module one that can be worked with? Checks that only read, and a bring-up with its times.
//!
//! [`inspect`] judges what a module says about itself: checksums, reserved values, advertisements against each other and
//! against the pages that are there, states against settings. [`bring_up`] brings it to a target and measures each wait
//! beside the limit that the module advertises. Neither reads a clear-on-read flag that somebody else may wait for, except
//! the tuning flags during a bring-up.

mod advertisement;
mod bring_up;
mod memory;
mod state;

pub use bring_up::{BringUp, Progress, bring_up};

use crate::access::Eeprom;
use crate::codes::sff8024;
use crate::procedure::{Identify, ModuleInfo, ProcError, run};
use crate::time::Clock;
use core::fmt;
use memory::Memory;
use std::string::String;
use std::vec::Vec;

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Verdict {
    /// As the specification has it.
    Pass,
    /// Allowed, or harmless, and worth knowing.
    Warn,
    /// Against the specification.
    Fail,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pass => "PASS",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
        })
    }
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How it ended.
    pub verdict: Verdict,
    /// The registers, as page:byte.
    pub registers: &'static str,
    /// What was found.
    pub words: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<4} {:<26} {}", self.verdict, self.registers, self.words)
    }
}

/// The checks of a module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Report {
    /// In the order in which they were made.
    pub lines: Vec<Line>,
}

impl Report {
    /// Whether nothing failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.count(Verdict::Fail) == 0
    }

    /// How many checks ended so.
    #[must_use]
    pub fn count(&self, verdict: Verdict) -> usize {
        self.lines.iter().filter(|line| line.verdict == verdict).count()
    }

    fn add(&mut self, verdict: Verdict, registers: &'static str, words: impl Into<String>) {
        self.lines.push(Line { verdict, registers, words: words.into() });
    }

    /// A pass, or a failure, with the same words.
    fn check(&mut self, right: bool, registers: &'static str, words: impl Into<String>) {
        self.add(if right { Verdict::Pass } else { Verdict::Fail }, registers, words);
    }

    /// A pass, or a warning with other words.
    fn expect(
        &mut self,
        right: bool,
        registers: &'static str,
        good: impl Into<String>,
        odd: impl Into<String>,
    ) {
        if right {
            self.add(Verdict::Pass, registers, good);
        } else {
            self.add(Verdict::Warn, registers, odd);
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        let count = |verdict| self.count(verdict);
        write!(
            f,
            "{} passed, {} warnings, {} failed",
            count(Verdict::Pass),
            count(Verdict::Warn),
            count(Verdict::Fail)
        )
    }
}

/// How much of a module there is to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Extent {
    /// A module: what it advertises has to be there.
    Module,
    /// A dump, from which pages may have been left out.
    Dump,
}

/// Makes the checks that only read.
///
/// # Errors
/// [`ProcError`] where the module cannot be identified at all.
pub fn inspect<E: Eeprom + ?Sized, C: Clock + ?Sized>(
    eeprom: &mut E,
    clock: &mut C,
    extent: Extent,
) -> Result<(ModuleInfo, Report), ProcError> {
    let info = run(Identify::new(), eeprom, clock)?;
    let report = memory::with(eeprom, clock, |memory| {
        let mut report = Report::default();
        identity(&info, memory, &mut report)?;
        if info.flat_memory {
            let words = "flat memory: no states, no controls, nothing more to check";
            report.add(Verdict::Warn, "00h:2.7", words);
            return Ok(report);
        }
        advertisement::check(&info, memory, &mut report, extent)?;
        state::check(&info, memory, &mut report)?;
        Ok::<Report, ProcError>(report)
    })?;
    Ok((info, report))
}

fn identity(info: &ModuleInfo, memory: &mut Memory<'_>, report: &mut Report) -> Result<(), ProcError> {
    let name = sff8024::name_of(sff8024::IDENTIFIERS, info.identifier);
    report.expect(
        name.is_some(),
        "00h:0",
        std::format!("identifier {:02X}h, {}", info.identifier, name.unwrap_or_default()),
        std::format!("identifier {:02X}h is in no table of CMIS modules", info.identifier),
    );
    let (major, minor) = info.cmis_revision;
    match (major, minor) {
        (4, _) | (5, 0..=4) => report.add(Verdict::Pass, "00h:1", std::format!("CMIS {major}.{minor}")),
        (0..=3, _) => report.add(
            Verdict::Fail,
            "00h:1",
            std::format!("CMIS {major}.{minor}: controls mean something else before 4.0"),
        ),
        _ => report.add(
            Verdict::Warn,
            "00h:1",
            std::format!("CMIS {major}.{minor} is newer than 5.4, which this driver follows"),
        ),
    }
    let lower = memory.lower()?;
    let page = memory.page(0x00)?.unwrap_or([0; 128]);
    report.check(page[0] == lower[0], "00h:128", "the identifier is repeated on page 00h");
    report.check(
        info.identity_checksum_ok,
        "00h:222",
        std::format!("checksum of the identity of {} {}", info.vendor_name, info.part_number),
    );
    report.expect(
        !info.serial_number.is_empty(),
        "00h:166",
        std::format!("serial number {}", info.serial_number),
        "no serial number: a swapped module cannot be told from its predecessor",
    );
    Ok(())
}
