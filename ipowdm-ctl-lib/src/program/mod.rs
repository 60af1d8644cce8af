//! The control plane as programs: LinkDB, slice manager and controllers with their REST surfaces, alone or in one process. A binary
//! is [`main`] and an allocator.

mod archive;
mod health;
mod place;
mod serve;
mod settings;
mod token;
mod verify;

use clap::{Parser, Subcommand, ValueEnum};
use settings::Program;
use std::process::ExitCode;

/// Options that cannot be used; distinct from a failure at work.
const BAD_OPTIONS: u8 = 2;

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What is logged to stderr, as in RUST_LOG; without it LOG_LEVEL, then the file's log.level, then info.
    #[arg(long, global = true, value_name = "FILTER")]
    log: Option<String>,
    /// How log lines are written; without it the file's log.format, then text.
    #[arg(long, global = true, value_enum, value_name = "FORMAT", env = "LOG_FORMAT")]
    log_format: Option<LogFormat>,
}

/// How log lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object per line, with the spans that it belongs to.
    Json,
}

/// What the command line says of logging.
#[derive(Debug, Clone, Copy)]
struct Log<'a> {
    filter: Option<&'a str>,
    format: Option<LogFormat>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve LinkDB over REST until interrupted.
    Linkdb(serve::LinkdbOptions),
    /// Activate and deactivate virtual operators, over REST, until interrupted.
    SliceManager(serve::SliceOptions),
    /// Command the connections of one virtual operator until interrupted.
    Controller(serve::ControllerOptions),
    /// LinkDB, slice manager and all controllers in one process until interrupted.
    All(serve::SliceOptions),
    /// Write all records of a store, as of one commit, into a file: a backup, and what `plan what-if` reads.
    Archive(archive::Options),
    /// Fill an empty store with the records of an archive.
    Restore(archive::Options),
    /// Compare the store with what agents read from their modules, and print what does not agree: 0 where all does, 1 where not.
    Verify(verify::VerifyOptions),
    /// Ask a service how it is: 0 where it is well.
    Health(health::HealthOptions),
    /// Make a bearer token: the secret goes to stdout, the line for the table of tokens, which has its digest only, to stderr.
    Token(token::Options),
}

/// Why a program did not do its work.
#[derive(Debug)]
enum Failure {
    /// The options are wrong.
    Options(String),
    /// It could not begin, or not go on.
    Work(String),
}

/// Does what the arguments of this process say; answers how it ends: 2 where options or settings cannot be used, 1 after another
/// failure.
#[must_use]
pub fn main() -> ExitCode {
    let Cli { command, log, log_format } = Cli::parse();
    match run(command, Log { filter: log.as_deref(), format: log_format }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Options(reason)) => {
            eprintln!("{reason}");
            ExitCode::from(BAD_OPTIONS)
        }
        Err(Failure::Work(reason)) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command, log: Log<'_>) -> Result<(), Failure> {
    match command {
        Command::Linkdb(options) => serve::run(Program::Linkdb, &options.common, log, |to| options.over(to)),
        Command::SliceManager(options) => {
            serve::run(Program::SliceManager, &options.common, log, |to| options.over(to))
        }
        Command::Controller(options) => {
            serve::run(Program::Controller, &options.common, log, |to| options.over(to))
        }
        Command::All(options) => serve::run(Program::All, &options.common, log, |to| options.over(to)),
        Command::Archive(options) => log_as_told(log).and_then(|()| archive::archive(&options)),
        Command::Restore(options) => log_as_told(log).and_then(|()| archive::restore(&options)),
        Command::Verify(options) => verify::run(&options, log),
        Command::Health(options) => health::run(&options),
        Command::Token(options) => log_as_told(log).and_then(|()| token::run(&options)),
    }
}

/// Logging of programs that read no settings.
fn log_as_told(log: Log<'_>) -> Result<(), Failure> {
    let level = std::env::var("LOG_LEVEL").ok().filter(|level| !level.is_empty());
    log_to_stderr(log.filter.or(level.as_deref()).unwrap_or("info"), log.format.unwrap_or_default())
        .map_err(Failure::Options)
}

/// Begins to log.
fn log_to_stderr(filter: &str, format: LogFormat) -> Result<(), String> {
    let parsed =
        tracing_subscriber::EnvFilter::try_new(filter).map_err(|error| format!("--log {filter}: {error}"))?;
    let log = tracing_subscriber::fmt().with_env_filter(parsed).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
    Ok(())
}
