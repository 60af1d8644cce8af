//! SIGTERM, SIGINT, and the end of standard input.

use crate::program::Failure;
use std::io::Read as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::oneshot;

/// The signals that ask for the end.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// Where the end of standard input is one too, until it was told.
    eof: Option<oneshot::Receiver<()>>,
}

impl Signals {
    /// From here on signals do not end the process by themselves.
    pub(super) fn listen(until_eof: bool) -> Result<Self, Failure> {
        let listen = |kind| signal(kind).map_err(|error| Failure::Work(error.to_string()));
        let eof = until_eof.then(end_of_input).transpose()?;
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            eof,
        })
    }

    /// The name of the next one.
    pub(super) async fn next(&mut self) -> &'static str {
        let Self { interrupt, terminate, eof } = self;
        let ended = async {
            match eof {
                // An error: the thread could not tell, which is no reason to go on without whoever started this.
                Some(eof) => drop(eof.await),
                None => core::future::pending().await,
            }
        };
        let name = tokio::select! {
            _ = interrupt.recv() => "SIGINT",
            _ = terminate.recv() => "SIGTERM",
            () = ended => "end of input",
        };
        if name == "end of input" {
            *eof = None;
        }
        name
    }
}

/// A thread of its own waits: one of the runtime's would hold up its end.
fn end_of_input() -> Result<oneshot::Receiver<()>, Failure> {
    let (tell, told) = oneshot::channel();
    let wait = move || {
        let mut buffer = [0; 256];
        while std::io::stdin().lock().read(&mut buffer).is_ok_and(|count| count > 0) {}
        // Nobody listens any more where the program stops already.
        let _ = tell.send(());
    };
    let thread = std::thread::Builder::new().name("stdin".to_owned()).spawn(wait);
    thread.map_err(|error| Failure::Work(error.to_string()))?;
    Ok(told)
}
