//! `ipowdm-ctl linkdb`, `slice-manager`, `controller` and `all`: from settings to services, and back.
//!
//! Order of the start: store, LinkDB, bus, controllers, slice manager. A service is announced on stdout when it answers; systemd
//! is told when all do. A signal stops in the opposite order, within [`STOP_LIMIT`].

mod one;
mod options;
mod parts;
mod processes;
mod signals;
mod supervisor;

pub(super) use options::{ControllerOptions, LinkdbOptions, Options, SliceOptions};
pub(super) use parts::open_bus;

use super::settings::{Document, Program, Resolved, Settings};
use super::{Failure, Log};
use core::time::Duration;
use ipowdm_core::ids::VopId;
use parts::Parts;
use signals::Signals;
use std::io::Write as _;

/// A stop takes no longer: requests in flight have 5 s of it, controllers store what they know in the rest.
const STOP_LIMIT: Duration = Duration::from_secs(15);

/// The settings themselves, in place of a file: how a slice manager tells its controllers.
const SETTINGS: &str = "IPOWDM_SETTINGS";

/// The settings in force for a program.
pub(super) fn resolved(
    program: Program,
    options: &Options,
    log: Log<'_>,
    change: impl FnOnce(&mut Settings),
) -> Result<Resolved, Failure> {
    let environment = |name: &str| std::env::var(name).ok();
    let document = match (&options.config, environment(SETTINGS)) {
        (Some(path), _) => Document::read(path),
        (None, Some(text)) => Document::parse(&text),
        (None, None) => Ok(Document::default()),
    };
    let resolved = document.and_then(|document| {
        document.resolve(program, &environment, |settings| {
            options.over(settings);
            change(settings);
            if let Some(filter) = log.filter {
                settings.log.level = Some(filter.to_owned());
            }
            settings.log.format = log.format.or(settings.log.format);
        })
    });
    resolved.map_err(|error| Failure::Options(error.to_string()))
}

/// Serves until a signal comes, or says what it would serve.
pub(super) fn run(
    program: Program,
    options: &Options,
    log: Log<'_>,
    change: impl FnOnce(&mut Settings),
) -> Result<(), Failure> {
    let resolved = resolved(program, options, log, change)?;
    if options.check_config {
        print!("{resolved}");
        for notice in &resolved.notices {
            println!("# {notice}");
        }
        return Ok(());
    }
    super::log_to_stderr(&resolved.log, resolved.log_format).map_err(Failure::Options)?;
    for notice in &resolved.notices {
        tracing::warn!("{notice}");
    }
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::Work(error.to_string()))?;
    let done = runtime.block_on(serve(resolved, options.until_eof));
    // What does not stop by itself by now is not waited for.
    runtime.shutdown_timeout(Duration::from_secs(1));
    done
}

async fn serve(settings: Resolved, until_eof: bool) -> Result<(), Failure> {
    let mut signals = Signals::listen(until_eof)?;
    let mut parts = tokio::select! {
        biased;
        name = signals.next() => {
            tracing::info!(signal = name, "stopped before it served");
            return Ok(());
        }
        parts = Parts::start(&settings) => parts?,
    };
    supervisor::ready();
    let ended = tokio::select! {
        name = signals.next() => {
            tracing::info!(signal = name, "stopping");
            Ok(())
        }
        ended = parts.ended() => Err(Failure::Work(ended)),
        never = supervisor::keep_alive() => match never {},
    };
    supervisor::stopping();
    let stopped = tokio::select! {
        stopped = tokio::time::timeout(STOP_LIMIT, parts.stop()) => stopped.is_ok(),
        // Whoever asks twice does not want to wait.
        _ = signals.next() => false,
    };
    if !stopped {
        tracing::warn!("not everything had stopped; the next start takes it up");
    }
    ended
}

/// Says where a controller answers. Nobody may be reading.
fn announce_controller(vop: &VopId, endpoint: &str) {
    let _ = announce(&format!("controller of {vop} on {endpoint}"));
}

/// One line on stdout when a service answers: whoever started this waits for it.
fn announce(line: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    let written = writeln!(out, "{line}").and_then(|()| out.flush());
    written.map_err(|error| Failure::Work(error.to_string()))
}
