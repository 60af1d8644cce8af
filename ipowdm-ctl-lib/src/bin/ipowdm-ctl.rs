//! The control plane as programs: [`ipowdm_ctl_lib::program`].

use std::process::ExitCode;

/// Records come and go with every transaction, often made by one thread and dropped by another.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    ipowdm_ctl_lib::program::main()
}
