//! A switch as it is in the field: the agent's program in a process of its own, and modules behind sockets, outside of it.
//!
//! Which program: the one that `IPOWDM_AGENT` names, run by the emulator of another processor that `IPOWDM_AGENT_RUNNER` names
//! (`qemu-aarch64-static`), if any.

use ipowdm_cmis::access::Eeprom as _;
use ipowdm_cmis::map::Address;
use ipowdm_cmis::transport::Socket;
use ipowdm_core::ids::RouterRef;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::SystemTime;

/// An agent's program, and what runs it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentProgram {
    path: PathBuf,
    runner: Option<PathBuf>,
}

impl AgentProgram {
    /// The variable that names the program.
    pub const VARIABLE: &str = "IPOWDM_AGENT";
    /// The variable that names what runs it.
    pub const RUNNER: &str = "IPOWDM_AGENT_RUNNER";

    /// The program at `path`, which this machine runs by itself.
    #[must_use]
    pub fn at(path: &Path) -> Self {
        Self { path: path.to_owned(), runner: None }
    }

    /// The program that the environment names.
    #[must_use]
    pub fn of_environment() -> Option<Self> {
        let named =
            |variable| std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from);
        Some(Self { path: named(Self::VARIABLE)?, runner: named(Self::RUNNER) })
    }

    /// What `scripts/build-static.sh x86_64` has built, if it has since the sources were last changed.
    #[must_use]
    pub fn built_statically() -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent()?;
        let path = root.join("target/static/x86_64-unknown-linux-musl/dist/ipowdm-agent");
        let built = path.metadata().ok()?.modified().ok()?;
        let sources =
            ["ipowdm-agent/src", "ipowdm-cmis/src", "ipowdm-core/src"].map(|folder| root.join(folder));
        let is_current = sources.iter().all(|folder| newest(folder).is_ok_and(|changed| changed <= built));
        is_current.then(|| Self::at(&path))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command of it, without arguments and with nothing of this process's environment.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = match &self.runner {
            Some(runner) => {
                let mut command = Command::new(runner);
                command.arg(&self.path);
                command
            }
            None => Command::new(&self.path),
        };
        command.env_clear().stdin(Stdio::null());
        command
    }
}

/// When a file in this folder or below was last changed.
fn newest(folder: &Path) -> io::Result<SystemTime> {
    let mut last = folder.metadata()?.modified()?;
    for entry in folder.read_dir()? {
        let entry = entry?;
        let below = if entry.file_type()?.is_dir() {
            newest(&entry.path())?
        } else {
            entry.metadata()?.modified()?
        };
        last = last.max(below);
    }
    Ok(last)
}

/// A process that is killed when this is dropped.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Ends it as `kill -9` does.
    ///
    /// # Errors
    /// What the system says.
    pub fn kill(mut self) -> io::Result<ExitStatus> {
        self.0.kill()?;
        self.0.wait()
    }

    /// Asks it to end, as a service manager does, and waits.
    ///
    /// # Errors
    /// What the system says.
    pub fn terminate(mut self) -> io::Result<ExitStatus> {
        let number = i32::try_from(self.0.id()).map_err(io::Error::other)?;
        kill(Pid::from_raw(number), Signal::SIGTERM)?;
        self.0.wait()
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// What the system says.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended; that is no matter.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where the modules of a switch listen: `<folder>/<number of the port>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sockets(PathBuf);

impl Sockets {
    /// Sockets in `folder`.
    #[must_use]
    pub fn in_folder(folder: &Path) -> Self {
        Self(folder.to_owned())
    }

    /// The socket of a port.
    #[must_use]
    pub fn of(&self, number: u32) -> PathBuf {
        self.0.join(number.to_string())
    }

    /// Plugs a module of profile `openzrp` into a port: `ipowdm-agent emulate` in a process of its own, `scale` times as fast
    /// as a real one.
    ///
    /// # Errors
    /// What the system says, also where the program ends instead of listening.
    pub fn emulate(&self, program: &AgentProgram, number: u32, scale: u32) -> io::Result<Process> {
        let listen = format!("unix:{}", self.of(number).display());
        let (scale, serial) = (scale.to_string(), number.to_string());
        let mut command = program.command();
        command.args(["emulate", "--profile", "openzrp", "--listen", &listen]);
        command.args(["--scale", &scale, "--serial", &serial]).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            BufReader::new(stdout).read_line(&mut line)?;
        }
        let process = Process(child);
        if line.contains("listens on") { Ok(process) } else { Err(io::Error::other("it does not listen")) }
    }

    /// What a port's module says of its first data path and its laser.
    ///
    /// # Errors
    /// What the socket says.
    pub fn look(&self, number: u32) -> Result<Optics, Box<dyn std::error::Error>> {
        let mut eeprom = Socket::connect(&self.of(number))?.eeprom();
        let (mut lanes, mut output, mut laser) = ([0; 4], [0; 1], [0; 4]);
        eeprom.read(Address::page(0x11, 128), &mut lanes)?;
        eeprom.read(Address::page(0x11, 133), &mut output)?;
        eeprom.read(Address::page(0x12, 168), &mut laser)?;
        // DPStateHostLane1, OutputStatusTx and CurrentLaserFrequencyTx1 in MHz.
        Ok(Optics {
            activated: lanes[0] & 0x0F == 4,
            emits: output[0] & 1 != 0,
            laser_mhz: u32::from_be_bytes(laser),
        })
    }
}

/// What a module says of its light, read by this process and by nobody's agent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Optics {
    /// Whether the data path of host lane 1 is activated.
    pub activated: bool,
    /// Whether the output of media lane 1 has a valid signal.
    pub emits: bool,
    /// Current frequency of the laser in MHz.
    pub laser_mhz: u32,
}

/// How an agent is told about its switch.
#[derive(Debug, Clone)]
pub struct Switch<'a> {
    /// Its PoP and router.
    pub router: &'a RouterRef,
    /// Its ports and their numbers.
    pub ports: &'a [(String, u32)],
    /// Where their modules are.
    pub sockets: &'a Sockets,
    /// Broker, as the agent is to reach it.
    pub bootstrap: &'a str,
    /// Folder of settings, journal and log.
    pub folder: &'a Path,
    /// Lines of the table `[agent]` beside these.
    pub agent: &'a str,
    /// Lines of the table `[bus]` beside these.
    pub bus: &'a str,
}

impl Switch<'_> {
    /// Writes the settings file; where it is.
    ///
    /// # Errors
    /// What the system says.
    pub fn settings(&self) -> io::Result<PathBuf> {
        let RouterRef { pop_id, router_id } = self.router;
        let journal = self.folder.join("journal");
        let names: Vec<String> = self.ports.iter().map(|(name, _)| format!("{name:?}")).collect();
        let mut text = format!(
            "[agent]\npop_id = \"{pop_id}\"\nrouter_id = \"{router_id}\"\njournal = {journal:?}\n{}\n\
             [bus]\nbootstrap = {:?}\n{}\n[modules]\nports = [{}]\neeprom = \"unix:{}/{{port}}\"\n[modules.numbers]\n",
            self.agent,
            self.bootstrap,
            self.bus,
            names.join(", "),
            self.sockets.0.display()
        );
        for (name, number) in self.ports {
            // A string takes everything.
            let _ = writeln!(text, "{name} = {number}");
        }
        // Whole or not at all: another process may be reading it.
        let (new, path) = (self.folder.join("agent.toml.new"), self.folder.join("agent.toml"));
        std::fs::write(&new, text)?;
        std::fs::rename(&new, &path)?;
        Ok(path)
    }

    /// A subcommand of the program with these settings.
    ///
    /// # Errors
    /// What the system says.
    pub fn command(&self, program: &AgentProgram, subcommand: &str) -> io::Result<Command> {
        let mut command = program.command();
        command.arg(subcommand).arg("--config").arg(self.settings()?);
        Ok(command)
    }

    /// Starts the agent. Its log is added to the file `log` of the folder.
    ///
    /// # Errors
    /// What the system says.
    pub fn run(&self, program: &AgentProgram) -> io::Result<Process> {
        let log = File::options().create(true).append(true).open(self.folder.join("log"))?;
        Ok(Process(self.command(program, "run")?.stderr(log).stdout(Stdio::null()).spawn()?))
    }
}
