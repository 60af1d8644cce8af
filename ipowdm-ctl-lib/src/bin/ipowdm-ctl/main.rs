//! The control plane as programs: so far LinkDB, the resource database, with its REST surface.

mod archive;
mod linkdb;
mod place;
mod token;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Records come and go with every transaction, often made by one thread and dropped by another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Options that cannot be used; distinct from a failure at work.
const BAD_OPTIONS: u8 = 2;

#[derive(Parser)]
#[command(version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// What is logged to stderr, as in RUST_LOG.
    #[arg(long, global = true, value_name = "FILTER", env = "LOG_LEVEL", default_value = "info")]
    log: String,
}

#[derive(Subcommand)]
enum Command {
    /// Serve LinkDB over REST until interrupted.
    Linkdb(linkdb::Options),
    /// Write all records of a store, as of one commit, into a file: a backup, and what `plan what-if` reads.
    Archive(archive::Options),
    /// Fill an empty store with the records of an archive.
    Restore(archive::Options),
    /// Make a bearer token: the secret goes to stdout, the line for the table of tokens, which has its digest only, to stderr.
    Token(token::Options),
}

/// Why a program did not do its work.
enum Failure {
    /// The options are wrong.
    Options(String),
    /// It could not begin, or not go on.
    Work(String),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let filter = match tracing_subscriber::EnvFilter::try_new(&cli.log) {
        Ok(filter) => filter,
        Err(error) => {
            eprintln!("--log {}: {error}", cli.log);
            return ExitCode::from(BAD_OPTIONS);
        }
    };
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let done = match cli.command {
        Command::Linkdb(options) => linkdb::run(&options),
        Command::Archive(options) => archive::archive(&options),
        Command::Restore(options) => archive::restore(&options),
        Command::Token(options) => token::run(&options),
    };
    match done {
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
