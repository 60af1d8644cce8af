//! A module on a Unix socket: the server of the [line protocol](crate::transport::line_protocol).
//!
//! Offsets are those of [`LinearModule`]; `X` takes a [`Control`] document. Requests of several clients take turns; a line is bounded, and what is not a
//! request is answered with `ERR` and changes nothing. The socket file has mode 0600 unless another one is asked for; it
//! is removed when the server ends, and one that a dead server left behind is replaced.

use super::clock::ModuleClock;
use super::control::Control;
use super::handle::EmulatedModule;
use super::linear::LinearModule;
use crate::transport::line_protocol::{LineError, MAX_LINE, Refusal, RefusalKind, Request, Response};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::string::String;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::vec::Vec;

/// Clients at a time; a further one is told so and hung up on.
pub const MAX_CLIENTS: usize = 64;
/// Mode of the socket file.
pub const DEFAULT_MODE: u32 = 0o600;

/// Why a server cannot start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Another server listens there.
    #[error("{0}: another program listens there")]
    InUse(PathBuf),
    /// Something that is no socket has the name; it is left alone.
    #[error("{0} exists and is no socket")]
    NotASocket(PathBuf),
    /// The operating system refused.
    #[error("{path}: {source}")]
    Io {
        /// The socket.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// A server that listens and does not answer yet: see [`Server::run`].
#[derive(Debug)]
#[must_use = "a server answers while it runs"]
pub struct Server {
    listener: UnixListener,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    memory: LinearModule,
    path: PathBuf,
    /// Device and inode of the socket file: another one under the same name is not ours to remove.
    file: Option<(u64, u64)>,
    stopping: AtomicBool,
    clients: Mutex<BTreeMap<u64, UnixStream>>,
}

/// Ends a [`Server`] from another thread. Clones end the same one.
#[derive(Debug, Clone)]
pub struct Stopper(Arc<Shared>);

impl Server {
    /// Listens on `path`, with `mode` for the socket file.
    ///
    /// # Errors
    /// [`ServeError`].
    pub fn bind(path: &Path, mode: u32, module: EmulatedModule) -> Result<Self, ServeError> {
        let failed = |source| ServeError::Io { path: path.to_path_buf(), source };
        remove_stale(path)?;
        let listener = UnixListener::bind(path).map_err(failed)?;
        // Nobody is served before this: a connection made meanwhile waits in the queue and belongs to this user's
        // directory; the mode keeps others out from here on.
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)?;
        let shared = Shared {
            memory: LinearModule::new(module),
            path: path.to_path_buf(),
            file: identity(path),
            stopping: AtomicBool::new(false),
            clients: Mutex::new(BTreeMap::new()),
        };
        Ok(Self { listener, shared: Arc::new(shared) })
    }

    /// What ends the server.
    #[must_use]
    pub fn stopper(&self) -> Stopper {
        Stopper(self.shared.clone())
    }

    /// Answers clients until [`Stopper::stop`]; then the socket file is gone and every client has been hung up on.
    ///
    /// # Errors
    /// [`ServeError::Io`] where connections cannot be accepted any more.
    pub fn run(self) -> Result<(), ServeError> {
        let mut workers: Vec<thread::JoinHandle<()>> = Vec::new();
        let mut number = 0;
        let result = loop {
            let accepted = self.listener.accept();
            if self.shared.stopping.load(Ordering::SeqCst) {
                break Ok(());
            }
            match accepted {
                Ok((stream, _)) => {
                    workers.retain(|worker| !worker.is_finished());
                    number += 1;
                    if let Some(worker) = self.shared.welcome(number, stream) {
                        workers.push(worker);
                    }
                }
                Err(error) if is_passing(&error) => {}
                Err(source) => break Err(ServeError::Io { path: self.shared.path.clone(), source }),
            }
        };
        self.shared.stopping.store(true, Ordering::SeqCst);
        for client in self.shared.clients().values() {
            let _ = client.shutdown(Shutdown::Both);
        }
        for worker in workers {
            let _ = worker.join();
        }
        result
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.shared.file.is_some() && identity(&self.shared.path) == self.shared.file {
            let _ = fs::remove_file(&self.shared.path);
        }
    }
}

impl Stopper {
    /// Ends the server; returns at once.
    pub fn stop(&self) {
        self.0.stopping.store(true, Ordering::SeqCst);
        // The server may be waiting for a connection: here is one.
        let _ = UnixStream::connect(&self.0.path);
    }
}

/// Errors of one connection that say nothing about the next.
fn is_passing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset
    )
}

/// Device and inode of a socket file.
fn identity(path: &Path) -> Option<(u64, u64)> {
    let metadata = fs::symlink_metadata(path).ok()?;
    metadata.file_type().is_socket().then(|| (metadata.dev(), metadata.ino()))
}

/// Removes a socket file that nobody listens on.
fn remove_stale(path: &Path) -> Result<(), ServeError> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(ServeError::Io { path: path.to_path_buf(), source }),
        Ok(metadata) if !metadata.file_type().is_socket() => Err(ServeError::NotASocket(path.to_path_buf())),
        Ok(_) => match UnixStream::connect(path) {
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                fs::remove_file(path).map_err(|source| ServeError::Io { path: path.to_path_buf(), source })
            }
            Err(source) => Err(ServeError::Io { path: path.to_path_buf(), source }),
            Ok(_) => Err(ServeError::InUse(path.to_path_buf())),
        },
    }
}

impl Shared {
    fn clients(&self) -> MutexGuard<'_, BTreeMap<u64, UnixStream>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Serves a client on a thread of its own.
    fn welcome(self: &Arc<Self>, number: u64, mut stream: UnixStream) -> Option<thread::JoinHandle<()>> {
        let refusal = |text| Response::Err(Refusal::new(RefusalKind::Io, text));
        if self.clients().len() >= MAX_CLIENTS {
            let _ = answer(&mut stream, &refusal("too many clients"));
            return None;
        }
        let kept = stream.try_clone().ok()?;
        self.clients().insert(number, kept);
        let shared = self.clone();
        Some(thread::spawn(move || {
            // A client that is gone is no failure of the server.
            let _ = shared.serve(stream);
            shared.clients().remove(&number);
        }))
    }

    fn serve(&self, stream: UnixStream) -> io::Result<()> {
        let mut out = stream.try_clone()?;
        let mut lines = BufReader::new(stream);
        while let Some(line) = next_line(&mut lines)? {
            if self.stopping.load(Ordering::SeqCst) {
                break;
            }
            let response = match line.and_then(|line| Request::parse(&line)) {
                Ok(request) => self.carry_out(request),
                Err(error) => Response::Err(Refusal::bad_request(&error)),
            };
            answer(&mut out, &response)?;
        }
        Ok(())
    }

    fn carry_out(&self, request: Request) -> Response {
        let refused = |kind, text: &str| Response::Err(Refusal::new(kind, text));
        let accessed = |result: Result<Vec<u8>, _>| match result {
            Ok(bytes) => Response::Ok(bytes),
            Err(error) => Response::Err(Refusal::from(error)),
        };
        match request {
            Request::Read { offset, len } => {
                // A length that no access has is refused by the memory; nothing of it is allocated.
                let mut bytes = std::vec![0; len.min(crate::access::MAX_READ + 1)];
                accessed(self.memory.read(offset, &mut bytes).map(|()| bytes))
            }
            Request::Write { offset, bytes } => {
                accessed(self.memory.write(offset, &bytes).map(|()| Vec::new()))
            }
            Request::Advance { ms } => match self.memory.module().clock() {
                ModuleClock::Virtual(clock) => {
                    clock.advance(ms);
                    Response::Ok(Vec::new())
                }
                ModuleClock::Scaled { .. } => refused(RefusalKind::Unsupported, "time is real"),
            },
            Request::Control { json } => {
                match Control::from_json(&json).and_then(|control| self.memory.module().control(control)) {
                    Ok(()) => Response::Ok(Vec::new()),
                    Err(error) => refused(RefusalKind::BadRequest, &std::format!("{error}")),
                }
            }
        }
    }
}

fn answer(out: &mut UnixStream, response: &Response) -> io::Result<()> {
    out.write_all(std::format!("{response}\n").as_bytes())
}

/// The next line, without more than [`MAX_LINE`] of it in memory; `None` at the end, also within a line.
fn next_line(lines: &mut impl BufRead) -> io::Result<Option<Result<String, LineError>>> {
    let mut line = Vec::new();
    lines.by_ref().take(MAX_LINE as u64).read_until(b'\n', &mut line)?;
    if line.last() == Some(&b'\n') {
        return Ok(Some(String::from_utf8(line).map_err(|_| LineError::UnknownRequest)));
    }
    if line.len() < MAX_LINE {
        return Ok(None);
    }
    loop {
        let buffered = lines.fill_buf()?;
        if buffered.is_empty() {
            return Ok(None);
        }
        let end = buffered.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffered.len(), |at| at + 1);
        lines.consume(used);
        if end.is_some() {
            return Ok(Some(Err(LineError::TooLong)));
        }
    }
}
