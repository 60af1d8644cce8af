//! What a large lab needs of the host.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Raises the number of open files to the host's hard limit: a Kafka client keeps a connection for each partition that
/// it follows, and both ends of all of them are in this process. Answers the limit in force.
#[must_use]
pub fn raise_open_files() -> u64 {
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return 0 };
    if soft < hard && setrlimit(Resource::RLIMIT_NOFILE, hard, hard).is_ok() { hard } else { soft }
}
