//! `emulate`: a module on a socket.

use clap::{Args, ValueEnum};
use ipowdm_cmis::emulator::socket::{DEFAULT_MODE, Server};
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile, VirtualClock};
use ipowdm_cmis::line::ScriptedLine;
use ipowdm_cmis::time::Millis;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::signal::unix::{SignalKind, signal};

/// How long ago a module was plugged in that is not to begin with its insertion: above tMgmtInit.
const WARM: Duration = Duration::from_secs(5);

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Time {
    /// The host's time, `--scale` times as fast.
    Real,
    /// Time that only the request `T` moves.
    Virtual,
}

/// What `emulate` is told.
#[derive(Args)]
pub(crate) struct Options {
    /// A built-in profile (400zr, openzrp, 800zr, dual400, 400g-fr4, copper), or a TOML file.
    #[arg(long, value_name = "NAME | FILE.toml")]
    profile: String,
    /// Socket, as `unix:PATH`.
    #[arg(long, value_name = "unix:PATH", value_parser = socket_path)]
    listen: PathBuf,
    /// Which time the module lives in.
    #[arg(long, value_enum, default_value = "real")]
    time: Time,
    /// Module seconds in a second of the host.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    scale: u32,
    /// Serial number, which also seeds the measurement noise.
    #[arg(long, default_value_t = 1)]
    serial: u32,
    /// No line at all; otherwise a clean one (80 km; a grey module: 2 km), lit at its far end, until the request `X` says
    /// something else.
    #[arg(long)]
    dark: bool,
    /// Begin with the insertion, in MgmtInit; otherwise the module was plugged in some seconds ago.
    #[arg(long)]
    cold: bool,
    /// Mode of the socket file, octal.
    #[arg(long, value_name = "MODE", value_parser = octal, default_value = "600")]
    mode: u32,
}

fn socket_path(text: &str) -> Result<PathBuf, String> {
    match text.strip_prefix("unix:") {
        Some(path) if !path.is_empty() => Ok(PathBuf::from(path)),
        _ => Err("expected unix:PATH".to_string()),
    }
}

fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err(format!("expected an octal mode up to 777, such as {DEFAULT_MODE:o}")),
    }
}

fn profile(name: &str) -> Result<Profile, String> {
    if name.ends_with(".toml") {
        return Profile::load(Path::new(name)).map_err(|error| error.to_string());
    }
    Profile::by_name(name).ok_or_else(|| {
        let known: Vec<String> = Profile::built_in().iter().map(|profile| profile.name.clone()).collect();
        format!("no profile is named {name:?}; there are {}, and TOML files", known.join(", "))
    })
}

/// Serves until interrupted or terminated.
pub(crate) fn emulate(options: &Options) -> Result<bool, Box<dyn Error>> {
    let profile = profile(&options.profile)?;
    if options.time == Time::Virtual && options.scale != 1 {
        return Err("--scale is for real time".into());
    }
    let warm = if options.cold { Duration::ZERO } else { WARM };
    let clock = match options.time {
        Time::Real => {
            let now = Instant::now();
            let origin = now.checked_sub(warm).unwrap_or(now);
            ModuleClock::Scaled { origin, scale: options.scale }
        }
        Time::Virtual => {
            let clock = VirtualClock::new();
            clock.advance(u64::try_from(warm.as_millis()).unwrap_or(0));
            ModuleClock::Virtual(clock)
        }
    };
    // In module time, zero is the insertion.
    let line = (!options.dark).then(|| ScriptedLine::made_for(&profile));
    let module = EmulatedModule::plugged_in_at(Millis(0), profile, options.serial, clock, line)?;
    let server = Server::bind(&options.listen, options.mode, module)?;
    let stopper = server.stopper();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (mut interrupted, mut terminated) = {
        let _inside = runtime.enter();
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?)
    };
    // Signals are caught from here on: who waits for this line may end the program.
    println!("{} listens on unix:{}", options.profile, options.listen.display());
    runtime.block_on(async {
        let mut serving = tokio::task::spawn_blocking(move || server.run());
        tokio::select! {
            ended = &mut serving => return ended,
            _ = interrupted.recv() => {}
            _ = terminated.recv() => {}
        }
        stopper.stop();
        serving.await
    })??;
    Ok(true)
}
