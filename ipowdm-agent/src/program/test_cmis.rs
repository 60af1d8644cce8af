//! `test-cmis`: is this module one that can be worked with?

use crate::module_lock::take_named;
use clap::Args;
use ipowdm_cmis::module_test::{Extent, bring_up, inspect};
use ipowdm_cmis::procedure::{ApplicationChoice, Options as Way, ProcError, Scope, Target, Tuning};
use ipowdm_cmis::transport::{ModuleSpec, OpenModule};
use ipowdm_core::units::{Frequency, Power};
use std::error::Error;
use std::io::{self, BufRead, IsTerminal, Write};

/// What `test-cmis` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// unix:PATH, sysfs:PATH, i2c:/dev/i2c-N or image:FILE.json
    #[arg(long, value_name = "MODULE")]
    module: ModuleSpec,
    /// Bring the module up at this frequency, in MHz.
    #[arg(long, value_name = "F", requires = "tx_power_dbm")]
    frequency_mhz: Option<u32>,
    /// Output power of the bring-up, in dBm.
    #[arg(long, value_name = "P", requires = "frequency_mhz", allow_negative_numbers = true, value_parser = power)]
    tx_power_dbm: Option<Power>,
    /// Application of the bring-up, by its AppSel code; otherwise the one that is provisioned, or the first.
    #[arg(long, value_name = "N", requires = "frequency_mhz")]
    app_sel: Option<u8>,
    /// The one data path that begins at this host lane, from 1; lane 9 is the first of bank 1. Otherwise all of bank 0.
    #[arg(long, value_name = "N", requires = "frequency_mhz")]
    lane: Option<u8>,
    /// Take a frequency beside a channel, where the module has fine tuning.
    #[arg(long, requires = "frequency_mhz")]
    fine: bool,
    /// Write without asking. A module on a socket is an emulated one and not asked about.
    #[arg(long)]
    yes: bool,
}

impl Options {
    fn target(&self) -> Option<(Target, Way)> {
        let (mhz, tx_power) = (self.frequency_mhz?, self.tx_power_dbm?);
        let target = Target {
            frequency: Frequency::from_mhz(mhz),
            tx_power,
            application: self.app_sel.map_or(ApplicationChoice::Keep, ApplicationChoice::AppSel),
        };
        let way = Way {
            scope: self.lane.map_or_else(Scope::default, Scope::FromLane),
            tuning: if self.fine { Tuning::Fine } else { Tuning::Channels },
            ..Way::default()
        };
        Some((target, way))
    }
}

/// A power as a module has it: a number in between is refused, not rounded to one that nobody asked for.
fn power(text: &str) -> Result<Power, String> {
    let expected = || "expected -327.68 to 327.67 dBm in steps of 0.01".to_string();
    let dbm: f64 = text.parse().map_err(|_| expected())?;
    let power = Power::from_number(dbm).map_err(|_| expected())?;
    if (power.value() - dbm).abs() < 1e-6 { Ok(power) } else { Err(expected()) }
}

/// Makes the checks and prints them; whether all is well.
pub(crate) fn test_cmis(options: &Options) -> Result<bool, Box<dyn Error>> {
    let target = options.target();
    let _lock = take_named(&options.module)?;
    let module = options.module.open()?;
    if let Some(warning) = options.module.warning() {
        eprintln!("{}: {warning}", options.module);
    }
    match test(options, module, target) {
        // Whoever reads has seen enough, and the module is not left half done for it: nothing is printed in between.
        Err(error) if is_broken_pipe(&*error) => Ok(false),
        tested => tested,
    }
}

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn test(
    options: &Options,
    mut module: OpenModule,
    target: Option<(Target, Way)>,
) -> Result<bool, Box<dyn Error>> {
    let mut out = io::stdout().lock();
    let image = matches!(options.module, ModuleSpec::Image(_));
    let extent = if image { Extent::Dump } else { Extent::Module };
    let named = |error: ProcError| format!("{}: {error}", options.module);
    let (info, report) = inspect(&mut *module.eeprom, &mut *module.clock, extent).map_err(named)?;
    writeln!(out, "{} {} {}, {}", info.vendor_name, info.part_number, info.serial_number, options.module)?;
    writeln!(out, "{report}")?;
    let Some((target, way)) = target else {
        return Ok(report.passed());
    };
    if image {
        return Err("an image cannot be brought up".into());
    }
    if !options.yes && is_real(&options.module) {
        out.flush()?;
        agreed(&target)?;
    }
    writeln!(out, "\nbring-up to {} with {}", target.frequency, target.tx_power)?;
    out.flush()?;
    // Progress that cannot be printed does not stop a bring-up half way.
    let mut tell = |progress: ipowdm_cmis::module_test::Progress| {
        let _ = writeln!(out, "{progress}").and_then(|()| out.flush());
    };
    let (eeprom, clock) = (&mut *module.eeprom, &mut *module.clock);
    let done = bring_up(eeprom, clock, &info, target, way, &mut tell).map_err(named)?;
    writeln!(out, "\n{done}\n")?;
    for line in done.lines() {
        writeln!(out, "{line}")?;
    }
    let passed = report.passed() && done.passed();
    writeln!(out, "{}", if passed { "PASS" } else { "FAIL" })?;
    Ok(passed)
}

/// Whether somebody's light may depend on the module. Only emulated modules are shown on sockets.
fn is_real(module: &ModuleSpec) -> bool {
    !matches!(module, ModuleSpec::Unix(_))
}

/// Asks a person, or refuses where there is none.
fn agreed(target: &Target) -> Result<(), Box<dyn Error>> {
    let stdin = io::stdin();
    if !stdin.is_terminal() {
        return Err("a bring-up writes to the module: say --yes where nobody can be asked".into());
    }
    eprint!(
        "The laser is turned off and on again, at {} with {}. Traffic on it is lost. Go on? [y/N] ",
        target.frequency, target.tx_power
    );
    io::stderr().flush()?;
    let mut answer = String::new();
    stdin.lock().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        Ok(())
    } else {
        Err("not agreed; nothing was written".into())
    }
}
