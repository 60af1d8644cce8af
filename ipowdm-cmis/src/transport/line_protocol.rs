//! The line protocol of a module on a socket, shared by the client ([`Socket`](super::Socket)) and the emulator's server.
//!
//! One request and one answer per line, ASCII, ended by a line feed. Offsets are linear, as the optoe driver has them
//! ([`Address::linear`]); numbers are decimal, bytes pairs of hexadecimal digits.
//!
//! | request | answer | meaning |
//! |---|---|---|
//! | `R <offset> <length>` | `OK <hex>` | read 1-128 bytes, within the lower memory or one page |
//! | `W <offset> <hex>` | `OK` | write, within the lower memory or one page |
//! | `T <milliseconds>` | `OK` | virtual time goes on; `T 0` asks whether time is virtual |
//! | `X <json>` | `OK` | the line and the faults of an emulated module |
//! | any | `ERR <text>` | refused; nothing has changed |
//!
//! The first word of an `ERR` text is one of these, and what follows is for people:
//!
//! | word | meaning | [`TransportError`] |
//! |---|---|---|
//! | `busy` | not acknowledged; repeat the access | `Busy` |
//! | `absent` | no module in the port | `Absent` |
//! | `timeout` | the bus timed out, the clock was stretched too long | `TimedOut` |
//! | `unsupported` | the module has no such page, or the server no such request | `PageUnsupported` |
//! | `bad-access` | empty, too long, or across a page end | `BadAccess` |
//! | `io` | another bus error | `Io` |
//! | `bad-request` | not a request of this protocol | `Io` |
//!
//! A client also understands the names of Linux errors as first words (`ENXIO`, `EAGAIN`, `ETIMEDOUT` …), for servers that
//! pass on what a driver answered. A server that leaves the module to say what it lacks answers a read of a missing page
//! with page 00h, as optoe does; the client finds that out by itself.

use crate::access::TransportError;
use crate::map::Address;
use std::fmt;
use std::string::{String, ToString};
use std::vec::Vec;

/// Most bytes of a line, line feed included: an `X` document of a long optical line.
pub const MAX_LINE: usize = 65_536;
/// EIO, the number that stands for refusals without one of their own.
const EIO: i32 = 5;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Read.
    Read {
        /// Linear offset of the first byte.
        offset: u32,
        /// Number of bytes.
        len: usize,
    },
    /// Write.
    Write {
        /// Linear offset of the first byte.
        offset: u32,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// Let virtual time go on.
    Advance {
        /// Milliseconds.
        ms: u64,
    },
    /// Change the line or the faults of an emulated module.
    Control {
        /// A JSON document in the emulator's schema.
        json: String,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Response {
    /// Done; the bytes of a read, empty for everything else.
    Ok(Vec<u8>),
    /// Refused.
    Err(Refusal),
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind, first word of the text.
    pub kind: RefusalKind,
    /// The rest of the text, for people; empty or one line.
    pub detail: String,
}

/// The kinds of refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RefusalKind {
    /// Not acknowledged.
    Busy,
    /// No module.
    Absent,
    /// The bus timed out.
    TimedOut,
    /// No such page or request.
    Unsupported,
    /// Not a legal access.
    BadAccess,
    /// Another bus error, or a text of another server.
    Io,
    /// Not a request.
    BadRequest,
}

/// A line that is not of this protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The first word is none of R, W, T, X.
    #[error("a request begins with R, W, T or X")]
    UnknownRequest,
    /// The first word of an answer is neither OK nor ERR.
    #[error("an answer begins with OK or ERR")]
    UnknownAnswer,
    /// Too few or too many words.
    #[error("{request} takes {expected}")]
    Words {
        /// The request's letter.
        request: char,
        /// What it takes.
        expected: &'static str,
    },
    /// A word is not a decimal number in range.
    #[error("not a decimal number in range: {0:.32}")]
    Number(String),
    /// A word is not an even number of hexadecimal digits.
    #[error("not pairs of hexadecimal digits")]
    Hex,
    /// The line is longer than [`MAX_LINE`].
    #[error("the line is longer than {MAX_LINE} bytes")]
    TooLong,
}

fn number<T: std::str::FromStr>(word: &str) -> Result<T, LineError> {
    word.parse().map_err(|_| LineError::Number(word.to_string()))
}

/// The bytes of hexadecimal digits.
///
/// # Errors
/// [`LineError::Hex`].
pub fn from_hex(digits: &str) -> Result<Vec<u8>, LineError> {
    let digits = digits.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return Err(LineError::Hex);
    }
    let nibble = |digit: u8| {
        char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok()).ok_or(LineError::Hex)
    };
    digits.chunks_exact(2).map(|pair| Ok(nibble(pair[0])? << 4 | nibble(pair[1])?)).collect()
}

/// Writes bytes as hexadecimal digits.
struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl Request {
    /// Reads a request from its line, with or without the line feed.
    ///
    /// # Errors
    /// [`LineError`]; answer it with [`Refusal::bad_request`].
    pub fn parse(line: &str) -> Result<Self, LineError> {
        if line.len() > MAX_LINE {
            return Err(LineError::TooLong);
        }
        let line = line.trim();
        let (letter, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        let rest = rest.trim_start();
        let words: Vec<&str> = rest.split_ascii_whitespace().take(3).collect();
        match (letter, &words[..]) {
            ("R", [offset, len]) => Ok(Self::Read { offset: number(offset)?, len: number(len)? }),
            ("R", _) => Err(LineError::Words { request: 'R', expected: "an offset and a length" }),
            ("W", [offset, hex]) => Ok(Self::Write { offset: number(offset)?, bytes: from_hex(hex)? }),
            ("W", _) => Err(LineError::Words { request: 'W', expected: "an offset and bytes" }),
            ("T", [ms]) => Ok(Self::Advance { ms: number(ms)? }),
            ("T", _) => Err(LineError::Words { request: 'T', expected: "a number of milliseconds" }),
            ("X", [_, ..]) => Ok(Self::Control { json: rest.to_string() }),
            ("X", []) => Err(LineError::Words { request: 'X', expected: "a JSON document" }),
            _ => Err(LineError::UnknownRequest),
        }
    }
}

/// The line, without the line feed.
impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read { offset, len } => write!(f, "R {offset} {len}"),
            Self::Write { offset, bytes } => write!(f, "W {offset} {}", Hex(bytes)),
            Self::Advance { ms } => write!(f, "T {ms}"),
            Self::Control { json } => {
                // A document is one line: line feeds are white space in JSON wherever they may stand.
                f.write_str("X ")?;
                json.split(['\n', '\r']).try_for_each(|part| f.write_str(part))
            }
        }
    }
}

impl Response {
    /// Reads an answer from its line, with or without the line feed.
    ///
    /// # Errors
    /// [`LineError`]; the connection is out of step then.
    pub fn parse(line: &str) -> Result<Self, LineError> {
        if line.len() > MAX_LINE {
            return Err(LineError::TooLong);
        }
        let line = line.trim();
        let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        match word {
            "OK" => from_hex(rest.trim()).map(Self::Ok),
            "ERR" => Ok(Self::Err(Refusal::parse(rest))),
            _ => Err(LineError::UnknownAnswer),
        }
    }
}

/// The line, without the line feed.
impl fmt::Display for Response {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok(bytes) if bytes.is_empty() => f.write_str("OK"),
            Self::Ok(bytes) => write!(f, "OK {}", Hex(bytes)),
            Self::Err(refusal) => write!(f, "ERR {refusal}"),
        }
    }
}

impl RefusalKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Busy,
        Self::Absent,
        Self::TimedOut,
        Self::Unsupported,
        Self::BadAccess,
        Self::Io,
        Self::BadRequest,
    ];

    /// The word that the text begins with.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Absent => "absent",
            Self::TimedOut => "timeout",
            Self::Unsupported => "unsupported",
            Self::BadAccess => "bad-access",
            Self::Io => "io",
            Self::BadRequest => "bad-request",
        }
    }

    fn of_word(word: &str) -> Option<Self> {
        let word = word.to_ascii_lowercase();
        Self::ALL.into_iter().find(|kind| kind.word() == word).or_else(|| {
            Some(match word.as_str() {
                "nack" | "eagain" | "ebusy" | "eio" | "eremoteio" => Self::Busy,
                "enxio" | "enodev" => Self::Absent,
                "etimedout" | "time-out" => Self::TimedOut,
                "eopnotsupp" => Self::Unsupported,
                "einval" => Self::BadAccess,
                _ => return None,
            })
        })
    }
}

impl Refusal {
    /// A refusal with words for people; line ends in them become spaces.
    #[must_use]
    pub fn new(kind: RefusalKind, detail: &str) -> Self {
        Self { kind, detail: detail.replace(['\n', '\r'], " ").trim().to_string() }
    }

    /// The answer to a line that is not a request.
    #[must_use]
    pub fn bad_request(error: &LineError) -> Self {
        Self::new(RefusalKind::BadRequest, &error.to_string())
    }

    /// Reads the text after `ERR`.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let text = text.trim();
        let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        match RefusalKind::of_word(word) {
            Some(kind) => Self::new(kind, rest.trim_start_matches([':', ','])),
            None => Self::new(RefusalKind::Io, text),
        }
    }

    /// What the refusal of an access at `at` means to a driver.
    #[must_use]
    pub fn as_error(&self, at: Address, len: usize) -> TransportError {
        match self.kind {
            RefusalKind::Busy => TransportError::Busy,
            RefusalKind::Absent => TransportError::Absent,
            RefusalKind::TimedOut => TransportError::TimedOut,
            RefusalKind::Unsupported => TransportError::PageUnsupported { bank: at.bank, page: at.page },
            RefusalKind::BadAccess => TransportError::BadAccess { at, len },
            RefusalKind::Io | RefusalKind::BadRequest => TransportError::Io(
                self.detail.split_ascii_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(EIO),
            ),
        }
    }
}

/// What a server answers when its transport has failed.
impl From<TransportError> for Refusal {
    fn from(error: TransportError) -> Self {
        let kind = match error {
            TransportError::Busy => RefusalKind::Busy,
            TransportError::Absent => RefusalKind::Absent,
            TransportError::TimedOut => RefusalKind::TimedOut,
            TransportError::PageUnsupported { .. } => RefusalKind::Unsupported,
            TransportError::BadAccess { .. } | TransportError::MixedWrite { .. } => RefusalKind::BadAccess,
            TransportError::Io(number) => {
                return Self::new(RefusalKind::Io, &std::format!("{number}"));
            }
        };
        Self::new(kind, &error.to_string())
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.word())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, " {}", self.detail) }
    }
}

#[cfg(test)]
mod tests;
