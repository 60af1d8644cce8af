//! `dump`: everything that a module says, decoded.

use crate::module_lock::take_named;
use clap::Args;
use ipowdm_cmis::dump::{Dump, Item, Plan, ReadMemory};
use ipowdm_cmis::transport::ModuleSpec;
use serde::Serialize;
use std::error::Error;
use std::io::{self, Write};

/// Reads one module and prints what it says.
#[derive(Args)]
pub(crate) struct Options {
    /// unix:PATH, sysfs:PATH, i2c:/dev/i2c-N or image:FILE.json
    #[arg(long, value_name = "MODULE")]
    module: ModuleSpec,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Try every page, advertised or not. Images are always read so.
    #[arg(long)]
    all_pages: bool,
    /// Leave the flags that clear on read alone, for instance beside another agent that needs them.
    #[arg(long)]
    leave_flags: bool,
}

/// A dump with the module's name.
#[derive(Serialize)]
struct Named<'a> {
    module: String,
    #[serde(flatten)]
    dump: &'a Dump<'a>,
}

/// Prints the dump; whether all went well.
pub(crate) fn dump(options: &Options) -> Result<bool, Box<dyn Error>> {
    let _lock = take_named(&options.module)?;
    let mut module = options.module.open()?;
    if let Some(warning) = options.module.warning() {
        eprintln!("{}: {warning}", options.module);
    }
    let image = matches!(options.module, ModuleSpec::Image(_));
    let plan = if image || options.all_pages { Plan::Everything } else { Plan::Advertised };
    let reading = ReadMemory::new(plan);
    let reading = if options.leave_flags { reading.leaving_flags() } else { reading };
    let memory = ipowdm_cmis::procedure::run(reading, &mut *module.eeprom, &mut *module.clock)
        .map_err(|error| format!("{}: {error}", options.module))?;
    let dump = Dump::decode(&memory);
    if dump.group("identity").and_then(|identity| identity.get("cmis")) == Some(&Item::Flag(false)) {
        eprintln!(
            "{}: bytes 0 and 1 are not those of a CMIS module: what is printed is decoded as if they were, and means nothing \
             if the module has another memory map or the port is empty",
            options.module
        );
    }
    match print(options, &dump) {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        printed => Ok(printed.map(|()| true)?),
    }
}

fn print(options: &Options, dump: &Dump<'_>) -> io::Result<()> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    if options.json {
        serde_json::to_writer_pretty(&mut out, &Named { module: options.module.to_string(), dump })?;
        writeln!(out)?;
    } else {
        write!(out, "{dump}")?;
    }
    out.flush()
}
