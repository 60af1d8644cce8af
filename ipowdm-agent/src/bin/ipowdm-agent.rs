//! The agent of one switch, as a program: [`ipowdm_agent::program`].

use std::process::ExitCode;

fn main() -> ExitCode {
    ipowdm_agent::program::main()
}
