//! A module on a Unix socket that speaks the [line protocol](super::line_protocol).

use super::line_protocol::{MAX_LINE, Refusal, Request, Response};
use super::linear::{Linear, LinearMemory};
use crate::access::{Counters, Eeprom, TransportError};
use crate::map::Address;
use crate::time::{Clock, HostClock, Millis};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::string::{String, ToString};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long the far end may take to answer a request.
pub const PATIENCE: Duration = Duration::from_secs(5);
/// EPROTO: an answer that is not of the protocol.
const EPROTO: i32 = 71;
/// ECONNRESET: the far end closed the connection.
const ECONNRESET: i32 = 104;

/// Why a request was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SocketError {
    /// The far end refused it.
    #[error("refused: {0}")]
    Refused(Refusal),
    /// The far end cannot be reached, or did not answer in time.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The far end answered something that is not of the protocol.
    #[error("the far end does not speak the line protocol: {0}")]
    Protocol(#[from] super::line_protocol::LineError),
    /// There is an answer before there is a request: answers no longer belong to the requests they follow.
    #[error("the far end does not speak the line protocol: an answer came that nothing had asked for")]
    Unasked,
}

/// The connection: requests one after another, each with its answer.
#[derive(Debug)]
struct Connection {
    path: PathBuf,
    /// `None` before the first request, and after a failure: a late answer must not be taken for the next one.
    stream: Option<BufReader<UnixStream>>,
    patience: Duration,
}

impl Connection {
    fn request(&mut self, request: &Request) -> Result<std::vec::Vec<u8>, SocketError> {
        let mut stream = match self.stream.take() {
            Some(mut stream) => {
                check_in_step(&mut stream)?;
                stream
            }
            None => BufReader::new(UnixStream::connect(&self.path)?),
        };
        let response = exchange(&mut stream, request, Instant::now() + self.patience)?;
        self.stream = Some(stream);
        match response {
            Response::Ok(bytes) => Ok(bytes),
            Response::Err(refusal) => Err(SocketError::Refused(refusal)),
        }
    }
}

/// Makes sure that nothing has come since the last answer: it would be taken for the next one.
fn check_in_step(stream: &mut BufReader<UnixStream>) -> Result<(), SocketError> {
    stream.get_ref().set_nonblocking(true)?;
    let come = stream.fill_buf().map(<[u8]>::len);
    stream.get_ref().set_nonblocking(false)?;
    match come {
        Ok(0) => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
        Ok(_) => Err(SocketError::Unasked),
        Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// One request and its answer, until `deadline`, however the answer comes: whole, in pieces or byte by byte.
fn exchange(
    stream: &mut BufReader<UnixStream>,
    request: &Request,
    deadline: Instant,
) -> Result<Response, SocketError> {
    let left = || {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::Error::from(io::ErrorKind::TimedOut)) } else { Ok(left) }
    };
    stream.get_ref().set_write_timeout(Some(left()?))?;
    stream.get_mut().write_all(std::format!("{request}\n").as_bytes())?;
    let mut line = std::vec::Vec::new();
    while line.last() != Some(&b'\n') {
        stream.get_ref().set_read_timeout(Some(left()?))?;
        let come = match stream.fill_buf() {
            Ok([]) => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            Ok(come) => come,
            // Also what the deadline looks like; it is checked again above.
            Err(error) if is_timeout(&error) || error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error.into()),
        };
        let taken = come.iter().position(|byte| *byte == b'\n').map_or(come.len(), |end| end + 1);
        if line.len() + taken > MAX_LINE + 1 {
            return Err(super::line_protocol::LineError::TooLong.into());
        }
        line.extend_from_slice(&come[..taken]);
        stream.consume(taken);
    }
    let line = String::from_utf8_lossy(&line).to_string();
    Ok(Response::parse(&line)?)
}

fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

impl SocketError {
    /// What the failure of an access at `at` means to a driver.
    fn as_error(&self, at: Address, len: usize) -> TransportError {
        match self {
            Self::Refused(refusal) => refusal.as_error(at, len),
            Self::Io(error) if is_timeout(error) => TransportError::TimedOut,
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => TransportError::Io(ECONNRESET),
            Self::Io(error) => TransportError::Io(error.raw_os_error().unwrap_or(-1)),
            Self::Protocol(_) | Self::Unasked => TransportError::Io(EPROTO),
        }
    }
}

/// A module on a Unix socket. Clones share the connection, and their requests take turns.
#[derive(Debug, Clone)]
pub struct Socket(Arc<Mutex<Connection>>);

impl Socket {
    /// Connects to `path`. Each request may take [`PATIENCE`]; after a failure the next one connects anew.
    ///
    /// # Errors
    /// What connecting answers.
    pub fn connect(path: &Path) -> io::Result<Self> {
        Self::connect_with(path, PATIENCE)
    }

    /// As [`Socket::connect`], with another time for each request.
    ///
    /// # Errors
    /// What connecting answers.
    pub fn connect_with(path: &Path, patience: Duration) -> io::Result<Self> {
        let stream = UnixStream::connect(path)?;
        Ok(Self(Arc::new(Mutex::new(Connection {
            path: path.to_path_buf(),
            stream: Some(BufReader::new(stream)),
            patience,
        }))))
    }

    fn connection(&self) -> MutexGuard<'_, Connection> {
        // A request that panicked had taken the stream out, so that the next one connects anew.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends one request and waits for its answer.
    ///
    /// # Errors
    /// [`SocketError`].
    pub fn request(&self, request: &Request) -> Result<std::vec::Vec<u8>, SocketError> {
        self.connection().request(request)
    }

    /// Lets the far end's virtual time go on by `ms`.
    ///
    /// # Errors
    /// [`SocketError::Refused`] where time is real.
    pub fn advance(&self, ms: u64) -> Result<(), SocketError> {
        self.request(&Request::Advance { ms }).map(|_| ())
    }

    /// Changes the line or the faults of an emulated module.
    ///
    /// # Errors
    /// [`SocketError::Refused`] with the reason.
    pub fn control(&self, json: &str) -> Result<(), SocketError> {
        self.request(&Request::Control { json: json.to_string() }).map(|_| ())
    }

    /// The module's memory.
    #[must_use]
    pub fn eeprom(&self) -> SocketEeprom {
        SocketEeprom(Linear::new(self.clone()))
    }

    /// The time that the module lives in: virtual where the far end lets its time be moved, the host's otherwise.
    ///
    /// # Errors
    /// [`SocketError`] other than a refusal of the question.
    pub fn clock(&self) -> Result<SocketClock, SocketError> {
        let virtual_time = match self.advance(0) {
            Ok(()) => true,
            Err(SocketError::Refused(_)) => false,
            Err(error) => return Err(error),
        };
        Ok(SocketClock { socket: self.clone(), host: HostClock::start(), advanced: Millis(0), virtual_time })
    }
}

impl LinearMemory for Socket {
    fn read_at(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        let request = Request::Read { offset: at.linear(), len: into.len() };
        let bytes = self.request(&request).map_err(|error| error.as_error(at, into.len()))?;
        if bytes.len() != into.len() {
            return Err(TransportError::Io(EPROTO));
        }
        into.copy_from_slice(&bytes);
        Ok(())
    }

    fn write_at(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        let request = Request::Write { offset: at.linear(), bytes: bytes.to_vec() };
        self.request(&request).map(|_| ()).map_err(|error| error.as_error(at, bytes.len()))
    }
}

/// The memory of a module on a socket.
#[derive(Debug)]
pub struct SocketEeprom(Linear<Socket>);

impl Eeprom for SocketEeprom {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.0.read(at, into)
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        self.0.write(at, bytes)
    }

    fn counters(&self) -> Counters {
        self.0.counters()
    }

    fn begin(&mut self) {
        self.0.begin();
    }
}

/// The clock of a module on a socket, see [`Socket::clock`].
///
/// In virtual time nothing passes but what [`Clock::sleep_until`] moves. A far end that stops answering lets the wait end,
/// and the access that follows says why.
#[derive(Debug)]
pub struct SocketClock {
    socket: Socket,
    host: HostClock,
    advanced: Millis,
    virtual_time: bool,
}

impl SocketClock {
    /// Whether the far end's time is virtual.
    #[must_use]
    pub const fn is_virtual(&self) -> bool {
        self.virtual_time
    }
}

impl Clock for SocketClock {
    fn now(&self) -> Millis {
        if self.virtual_time { self.advanced } else { self.host.now() }
    }

    fn sleep_until(&mut self, until: Millis) {
        if !self.virtual_time {
            self.host.sleep_until(until);
            return;
        }
        let ms = until.since(self.advanced);
        if ms > 0 {
            let _ = self.socket.advance(ms);
            self.advanced = until;
        }
    }
}

#[cfg(test)]
mod tests;
