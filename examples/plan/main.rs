//! `cargo run --release --example plan -- simulate …`: what a network carries, worked out before anything is built.

use clap::Parser;
use ipowdm_examples::plan;
use std::process::ExitCode;

fn main() -> ExitCode {
    plan::run(&plan::Options::parse())
}
