//! `emulate`: a module on a socket.

use clap::{Args, ValueEnum};
use ipowdm_cmis::emulator::socket::{DEFAULT_MODE, Server};
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile, VirtualClock};
use std::error::Error;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};

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
    /// Built-in profile: 400zr, openzrp.
    #[arg(long, value_name = "NAME")]
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

/// Serves until interrupted or terminated.
pub(crate) fn emulate(options: &Options) -> Result<bool, Box<dyn Error>> {
    let profile = Profile::by_name(&options.profile)
        .ok_or_else(|| format!("no profile is named {}", options.profile))?;
    if options.time == Time::Virtual && options.scale != 1 {
        return Err("--scale is for real time".into());
    }
    let clock = match options.time {
        Time::Real => ModuleClock::scaled(options.scale),
        Time::Virtual => ModuleClock::Virtual(VirtualClock::new()),
    };
    let module = EmulatedModule::new(profile, options.serial, clock);
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
