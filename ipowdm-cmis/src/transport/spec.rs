//! Modules named on a command line: `unix:PATH`, `sysfs:PATH`, `i2c:/dev/i2c-N`, `image:FILE.json`.

#[cfg(feature = "json")]
use super::Image;
use super::{Optoe, OptoeError};
use crate::access::Eeprom;
use crate::time::{Clock, HostClock, Millis};
use std::boxed::Box;
use std::path::PathBuf;
use std::str::FromStr;
use std::string::{String, ToString};
use std::{fmt, io};

/// Where a module is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModuleSpec {
    /// `unix:PATH`: a socket that speaks the [line protocol](super::line_protocol).
    Unix(PathBuf),
    /// `sysfs:PATH`: an optoe `eeprom` file, or the device folder that holds it.
    Sysfs(PathBuf),
    /// `i2c:/dev/i2c-N`: a bus of the Linux i2c-dev driver.
    I2c(u32),
    /// `image:FILE.json`: a module's memory in a file.
    Image(PathBuf),
}

/// Text that names no module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// No known kind before the first colon.
    #[error("'{0:.64}' names no module: unix:PATH, sysfs:PATH, i2c:/dev/i2c-N or image:FILE.json")]
    UnknownKind(String),
    /// Nothing after the colon.
    #[error("{0} needs a path after the colon")]
    NoPath(&'static str),
    /// Not a bus of i2c-dev.
    #[error("'{0:.64}' is not an I2C bus: i2c:/dev/i2c-N with a number N")]
    NotABus(String),
}

impl FromStr for ModuleSpec {
    type Err = SpecError;

    fn from_str(text: &str) -> Result<Self, SpecError> {
        let unknown = || SpecError::UnknownKind(text.to_string());
        let (kind, path) = text.split_once(':').ok_or_else(unknown)?;
        let path_of = |kind: &'static str| {
            if path.is_empty() { Err(SpecError::NoPath(kind)) } else { Ok(PathBuf::from(path)) }
        };
        match kind {
            "unix" => path_of("unix").map(Self::Unix),
            "sysfs" => path_of("sysfs").map(Self::Sysfs),
            "image" => path_of("image").map(Self::Image),
            "i2c" => {
                let number = path.strip_prefix("/dev/i2c-").unwrap_or(path);
                let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
                let bus = digits.then(|| number.parse().ok()).flatten();
                bus.map(Self::I2c).ok_or_else(|| SpecError::NotABus(path.to_string()))
            }
            _ => Err(unknown()),
        }
    }
}

impl fmt::Display for ModuleSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Sysfs(path) => write!(f, "sysfs:{}", path.display()),
            Self::I2c(bus) => write!(f, "i2c:/dev/i2c-{bus}"),
            Self::Image(path) => write!(f, "image:{}", path.display()),
        }
    }
}

/// A module that was named cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The socket.
    #[error("unix:{}: {source}", path.display())]
    Socket {
        /// The socket's path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The `eeprom` file.
    #[error("sysfs:{0}")]
    Optoe(#[from] OptoeError),
    /// The I2C bus.
    #[error("i2c:{0}")]
    I2c(#[from] super::i2c::I2cError),
    /// The image.
    #[cfg(feature = "json")]
    #[error("image:{}: {source}", path.display())]
    Image {
        /// The file.
        path: PathBuf,
        /// Why.
        source: super::ImageError,
    },
    /// This build has no driver for the kind of transport.
    #[error("this build has no {0}")]
    NotBuilt(&'static str),
}

/// A module that was opened, and the time it lives in.
pub struct OpenModule {
    /// Its memory.
    pub eeprom: Box<dyn Eeprom + Send>,
    /// What its waits are measured by: the host's clock, virtual time for a module that lives in virtual time, and no
    /// time at all for an image, in which nothing changes by waiting.
    pub clock: Box<dyn Clock + Send>,
}

impl fmt::Debug for OpenModule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenModule").field("counters", &self.eeprom.counters()).finish_non_exhaustive()
    }
}

impl ModuleSpec {
    /// What to know before using the module; `None` where there is nothing.
    #[must_use]
    pub const fn warning(&self) -> Option<&'static str> {
        match self {
            Self::I2c(_) => Some(super::i2c::WARNING),
            Self::Unix(_) | Self::Sysfs(_) | Self::Image(_) => None,
        }
    }

    /// Opens the module. Nothing is read from a module itself yet.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open(&self) -> Result<OpenModule, OpenError> {
        match self {
            Self::Unix(path) => open_socket(path),
            Self::Sysfs(path) => {
                Ok(OpenModule { eeprom: Box::new(Optoe::open(path)?), clock: Box::new(HostClock::start()) })
            }
            Self::I2c(bus) => open_i2c(*bus),
            Self::Image(path) => open_image(path),
        }
    }
}

#[cfg(unix)]
fn open_socket(path: &std::path::Path) -> Result<OpenModule, OpenError> {
    let failed = |source| OpenError::Socket { path: path.to_path_buf(), source };
    let socket = super::Socket::connect(path).map_err(failed)?;
    let clock = socket.clock().map_err(|error| match error {
        super::SocketError::Io(source) => failed(source),
        other => failed(io::Error::other(other)),
    })?;
    Ok(OpenModule { eeprom: Box::new(socket.eeprom()), clock: Box::new(clock) })
}

#[cfg(not(unix))]
fn open_socket(_: &std::path::Path) -> Result<OpenModule, OpenError> {
    Err(OpenError::NotBuilt("Unix sockets"))
}

#[cfg(all(feature = "i2c-dev", target_os = "linux"))]
fn open_i2c(bus: u32) -> Result<OpenModule, OpenError> {
    let eeprom = super::i2c::I2cDev::open(bus)?;
    Ok(OpenModule { eeprom: Box::new(eeprom), clock: Box::new(HostClock::start()) })
}

#[cfg(not(all(feature = "i2c-dev", target_os = "linux")))]
fn open_i2c(bus: u32) -> Result<OpenModule, OpenError> {
    super::i2c::check_unbound(std::path::Path::new("/sys/bus/i2c/devices"), bus)?;
    Err(OpenError::NotBuilt("i2c-dev transport (feature i2c-dev)"))
}

#[cfg(feature = "json")]
fn open_image(path: &std::path::Path) -> Result<OpenModule, OpenError> {
    let image = Image::open(path).map_err(|source| OpenError::Image { path: path.to_path_buf(), source })?;
    Ok(OpenModule { eeprom: Box::new(image), clock: Box::new(StillClock::default()) })
}

#[cfg(not(feature = "json"))]
fn open_image(_: &std::path::Path) -> Result<OpenModule, OpenError> {
    Err(OpenError::NotBuilt("JSON images (feature json)"))
}

/// A clock for what does not change: a wait is over at once.
#[derive(Debug, Clone, Copy, Default)]
pub struct StillClock(Millis);

impl Clock for StillClock {
    fn now(&self) -> Millis {
        self.0
    }

    fn sleep_until(&mut self, until: Millis) {
        self.0 = self.0.max(until);
    }
}

#[cfg(test)]
mod tests;
