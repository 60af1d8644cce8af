//! The agent of one switch, as a program: the command line. A binary calls [`main`] and nothing else.

mod configure;
mod doctor;
mod documents;
mod dump;
mod emulate;
mod look;
mod run;
mod switch;
mod test_cmis;

use crate::log_file::LogWriter;
use crate::settings::{LogFormat, Resolved, Settings};
use clap::{Args, Parser, Subcommand};
use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::writer::BoxMakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

/// Settings that cannot be used; distinct from a failure at work.
const BAD_SETTINGS: u8 = 2;

#[derive(Parser)]
#[command(name = "ipowdm-agent", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve: obey commands, report health and telemetry, until interrupted. Lasers stay as they are.
    Run {
        #[command(flatten)]
        source: Source,
        /// Check the settings, print what they come to, and end.
        #[arg(long)]
        check_config: bool,
    },
    /// Read every module and print what is found. Nothing is written.
    Discover {
        #[command(flatten)]
        source: Source,
        /// Print JSON.
        #[arg(long)]
        json: bool,
    },
    /// Compare every module with what the journal says is meant, and see whether the bus answers. Nothing is written; the
    /// exit code says whether all is well.
    Health {
        #[command(flatten)]
        source: Source,
    },
    /// Look for what is wrong with the set-up, in twelve rows, each with a verdict and what to do. Nothing is written; the exit
    /// code is 1 where something is at fault.
    Doctor(doctor::Options),
    /// Write a settings file for what is found on this switch, with comments. An existing file is only replaced with --force.
    Configure(configure::Options),
    /// Read one module and print everything that it says, decoded with units. Nothing is written but the page selection;
    /// flags that clear on read are read, and so cleared, unless --leave-flags.
    Dump(dump::Options),
    /// Check a module: what it says about itself, and with a target its bring-up with a table of times. Writes only with a
    /// target, and asks first; the exit code says whether all is well.
    TestCmis(test_cmis::Options),
    /// Show an emulated module on a socket, until interrupted.
    Emulate(emulate::Options),
    /// Print what completes this program's options in a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, in roff.
    #[cfg(feature = "man")]
    #[command(hide = true)]
    Man,
}

#[derive(Args)]
struct Source {
    /// TOML file; environment variables go before it.
    #[arg(long, value_name = "FILE", env = "IPOWDM_CONFIG")]
    config: Option<PathBuf>,
}

impl Source {
    fn settings(&self) -> Result<Settings, String> {
        let text = match &self.config {
            Some(path) => std::fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?,
            None => String::new(),
        };
        Settings::from_toml(&text).map_err(|error| error.to_string())
    }

    fn resolve(&self) -> Result<Resolved, String> {
        self.settings()?.resolve(environment).map_err(|error| error.to_string())
    }
}

/// Does what the command line says; the exit code is 0 where all is well, 1 where something is not, 2 where settings or the
/// command line cannot be used.
#[must_use]
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let source = match &cli.command {
        Command::Run { source, .. } | Command::Discover { source, .. } | Command::Health { source } => source,
        Command::Doctor(options) => {
            return match options.source.settings() {
                Ok(settings) => ended(doctor::doctor(options, settings.examine(environment))),
                Err(error) => refused(&error),
            };
        }
        Command::Configure(options) => return ended(configure::configure(options)),
        Command::Dump(options) => return ended(dump::dump(options)),
        Command::Emulate(options) => return ended(emulate::emulate(options)),
        Command::TestCmis(options) => return ended(test_cmis::test_cmis(options)),
        Command::Completions { shell } => return ended(documents::completions(*shell)),
        #[cfg(feature = "man")]
        Command::Man => return ended(documents::man()),
    };
    let resolved = match source.resolve() {
        Ok(resolved) => resolved,
        Err(error) => return refused(&error),
    };
    log_to(&resolved);
    let done = match cli.command {
        Command::Run { check_config: true, .. } => {
            println!("{resolved:#?}");
            Ok(true)
        }
        Command::Run { .. } => run::run(resolved).map(|()| true),
        Command::Discover { json, .. } => look::discover(&resolved, json),
        Command::Health { .. } => look::health(&resolved),
        Command::Configure(_)
        | Command::Doctor(_)
        | Command::Dump(_)
        | Command::Emulate(_)
        | Command::TestCmis(_)
        | Command::Completions { .. } => Ok(true),
        #[cfg(feature = "man")]
        Command::Man => Ok(true),
    };
    ended(done)
}

/// The value of an environment variable.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

fn refused(error: &str) -> ExitCode {
    eprintln!("{error}");
    ExitCode::from(BAD_SETTINGS)
}

fn ended(done: Result<bool, Box<dyn std::error::Error>>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Logs to the file that the settings name, or to standard error. A log file that cannot be had stops nothing.
fn log_to(resolved: &Resolved) {
    let file = resolved.log_file.as_ref().map(LogWriter::open).transpose();
    let (writer, trouble) = match file {
        Ok(Some(file)) => (BoxMakeWriter::new(Mutex::new(file)), None),
        Ok(None) => (BoxMakeWriter::new(std::io::stderr), None),
        Err(error) => (BoxMakeWriter::new(std::io::stderr), Some(error)),
    };
    // Targets and levels: filters by the fields of spans would bring a regular expression engine along.
    let (filter, unreadable) = match resolved.log.parse::<Targets>() {
        Ok(filter) => (filter, None),
        Err(error) => (Targets::new().with_default(LevelFilter::INFO), Some(error)),
    };
    // Errors are told whatever was asked for.
    let filter =
        if filter.default_level().is_none() { filter.with_default(LevelFilter::ERROR) } else { filter };
    let log = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(writer);
    let log = log.with_ansi(resolved.log_file.is_none() && std::io::stderr().is_terminal());
    match resolved.log_format {
        LogFormat::Text => log.finish().with(filter).init(),
        LogFormat::Json => log.json().finish().with(filter).init(),
    }
    if let Some(error) = unreadable {
        tracing::error!(%error, "LOG_LEVEL cannot be read; info is told");
    }
    if let Some(error) = trouble {
        tracing::error!(%error, "LOG_FILE cannot be used; the log goes to standard error");
    }
}
