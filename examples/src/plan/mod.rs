//! The planning tool: one subcommand per question. Shared by `examples/plan` and its tests.

mod progress;
pub mod simulate;
pub mod what_if;

use clap::{Parser, Subcommand};
use nix::sys::time::TimeValLike;
use nix::time::{ClockId, clock_gettime};
use std::process::ExitCode;
use std::time::Duration;

/// Exit code for input that cannot be worked with, as clap has it for options.
const BAD_INPUT: u8 = 2;

/// Planning on networks of fibre links.
#[derive(Debug, Parser)]
#[command(name = "plan")]
pub struct Options {
    #[command(subcommand)]
    question: Question,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// How many requests a network blocks under random traffic.
    Simulate(simulate::Options),
    /// How many more channels fit between two PoPs, and what fills first.
    WhatIf(what_if::Options),
}

/// Answers on standard output. Bad input is told on standard error, with nothing on standard output.
#[must_use]
pub fn run(options: &Options) -> ExitCode {
    let answer = match &options.question {
        Question::Simulate(options) => simulate::answer(options).map_err(|error| error.to_string()),
        Question::WhatIf(options) => what_if::answer(options).map_err(|error| error.to_string()),
    };
    match answer {
        Ok(text) => {
            println!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("plan: {error}");
            ExitCode::from(BAD_INPUT)
        }
    }
}

/// Time that this thread has had a core. What other programs take of the machine is no part of a figure "on one core".
#[must_use]
pub fn core_time() -> Duration {
    let time = clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(0, |time| time.num_nanoseconds());
    Duration::from_nanos(u64::try_from(time).unwrap_or(0))
}
