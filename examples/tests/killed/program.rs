//! `ipowdm-ctl all` in a process of its own, and a Redis server.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};

pub(crate) fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_ipowdm-ctl-under-test"))
}

/// The running program. It is killed when this is dropped.
pub(crate) struct Program {
    child: Child,
    lines: BufReader<ChildStdout>,
    slices: Option<SocketAddr>,
    pub(crate) controller: Option<SocketAddr>,
    /// PoPs of its network.
    pub(crate) pops: usize,
}

pub(crate) fn settings(folder: &Path) -> PathBuf {
    folder.join("ipowdm.toml")
}

impl Program {
    /// Its controllers are tasks.
    pub(crate) fn start(folder: &Path, location: &str, bootstrap: &str, pops: usize) -> Self {
        Self::launching(folder, location, bootstrap, pops, "launcher = \"task\"", &[])
    }

    /// `launcher` are lines of the table `[slice]`.
    pub(crate) fn launching(
        folder: &Path,
        location: &str,
        bootstrap: &str,
        pops: usize,
        launcher: &str,
        environment: &[(&str, &str)],
    ) -> Self {
        let text = format!(
            "[store]\nlocation = \"{location}\"\n[bus]\nbootstrap = \"{bootstrap}\"\n[access]\nopen = true\n\
             [linkdb]\nlisten = \"127.0.0.1:0\"\n[slice]\nlisten = \"127.0.0.1:0\"\npartitions = 1\n{launcher}\n\
             [controller]\nlisten = \"127.0.0.1:0\"\n[log]\nlevel = \"warn\"\n"
        );
        std::fs::write(settings(folder), text).unwrap();
        let mut child = command()
            .arg("all")
            .arg("--config")
            .arg(settings(folder))
            .envs(environment.iter().copied())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let mut program = Self { child, lines, slices: None, controller: None, pops };
        while program.slices.is_none() {
            program.listen();
        }
        program
    }

    /// Reads one line of what it says.
    fn listen(&mut self) {
        let mut line = String::new();
        assert_ne!(self.lines.read_line(&mut line).unwrap(), 0, "it has ended");
        let addr = || line.trim().rsplit("http://").next().unwrap().parse().unwrap();
        if line.starts_with("slice manager on ") {
            self.slices = Some(addr());
        } else if line.starts_with("controller of vOp2 on ") {
            self.controller = Some(addr());
        }
    }

    pub(crate) fn await_controller(&mut self) {
        while self.controller.is_none() {
            self.listen();
        }
    }

    pub(crate) fn slices(&self) -> SocketAddr {
        self.slices.unwrap()
    }

    pub(crate) fn controller(&self) -> SocketAddr {
        self.controller.unwrap()
    }

    /// The number of its process.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, as a supervisor does.
    pub(crate) fn stop(mut self) {
        kill(self.pid(), Signal::SIGTERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended; that is no matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `ipowdm-ctl verify` says, and its exit code.
pub(crate) fn verify(folder: &Path) -> (Option<i32>, String) {
    let output =
        command().args(["verify", "--patience", "120", "--config"]).arg(settings(folder)).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(said).unwrap())
}

fn script(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("scripts").join(name)
}

/// A Redis server for one test; stopped when dropped.
pub(crate) struct Redis(String);

impl Redis {
    pub(crate) fn start() -> Self {
        let folder = Some("/dev/shm").filter(|folder| Path::new(folder).is_dir());
        let output = Command::new(script("redis-up.sh")).args(folder).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(String::from_utf8(output.stdout).unwrap().lines().last().unwrap().to_owned())
    }

    pub(crate) fn location(&self) -> String {
        format!("redis://{}", self.0)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let stopped = Command::new(script("redis-down.sh")).arg(&self.0).status();
        assert!(stopped.is_ok_and(|status| status.success()) || std::thread::panicking(), "{}", self.0);
    }
}
