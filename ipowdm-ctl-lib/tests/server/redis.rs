//! A Redis server for one test, started and stopped by the project's scripts.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("scripts").join(name)
}

/// A running server; stopped when dropped.
pub(crate) struct Redis {
    address: String,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let folder = Some("/dev/shm").filter(|folder| Path::new(folder).is_dir());
        let output = Command::new(script("redis-up.sh")).args(folder).stdin(Stdio::null()).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(
            output.status.success(),
            "scripts/redis-up.sh did not start the Redis server needed here:\n{told}"
        );
        let address = String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_owned();
        Self { address }
    }

    /// As `--store` takes it.
    pub(crate) fn location(&self) -> String {
        format!("redis://{}", self.address)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let stopped = Command::new(script("redis-down.sh")).arg(&self.address).status();
        assert!(stopped.is_ok_and(|status| status.success()) || std::thread::panicking(), "{}", self.address);
    }
}
