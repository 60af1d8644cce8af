//! Servers that scripts of this project start and stop.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts").join(name)
}

/// What `scripts/<kind>-up.sh` has started, stopped when dropped.
#[derive(Debug)]
pub struct Server {
    kind: &'static str,
    /// Where it listens: `host:port`, of several nodes with commas.
    pub address: String,
}

impl Server {
    /// Starts one.
    ///
    /// # Errors
    /// Why there is none, for people: the last line that the script has said.
    pub fn start(kind: &'static str, arguments: &[&str]) -> Result<Self, String> {
        let mut command = Command::new(script(&format!("{kind}-up.sh")));
        let done = command.args(arguments).stdin(Stdio::null()).output();
        let done = done.map_err(|error| format!("scripts/{kind}-up.sh: {error}"))?;
        let (told, said) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
        let last = |text: &str| text.lines().last().unwrap_or_default().trim().to_owned();
        if done.status.success() { Ok(Self { kind, address: last(&told) }) } else { Err(last(&said)) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut command = Command::new(script(&format!("{}-down.sh", self.kind)));
        // Whatever is left then, the next start does not meet it: each has a port and files of its own.
        let _ = command.arg(&self.address).stdout(Stdio::null()).status();
    }
}
