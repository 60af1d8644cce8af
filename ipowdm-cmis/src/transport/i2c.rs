//! A module straight on an I2C bus of Linux, beside no kernel driver.
//!
//! The window at address 50h as it is, with the paging of [`Paged`] on top. Nobody else may use the module meanwhile: the
//! i2c-dev driver knows no locks of others, and a page that is left selected makes optoe read another one (it does not
//! write PageSelect for page 00h). A bus whose address 50h is bound to a driver is therefore refused.

use crate::access::{HoldOff, Paged, TransportError, Window};
use std::io;
use std::path::{Path, PathBuf};
use std::string::String;
use std::time::{Duration, Instant};
use std::vec::Vec;

/// The address of every CMIS module.
pub const ADDRESS: u16 = 0x50;
/// What to know before using this transport.
pub const WARNING: &str =
    "i2c-dev knows no locks of other programs: nothing else may use this module meanwhile";
/// How long a module may leave every access without acknowledgement before the port counts as empty: tMgmtInit and a
/// margin. A busy module and no module look alike on the bus.
pub const SILENCE: Duration = HoldOff::MGMT_INIT.saturating_add(Duration::from_millis(250));
/// Most bytes of a read where the adapter refuses longer ones.
const SHORT: usize = 8;

/// Messages on an I2C bus.
pub trait I2cBus {
    /// Writes `out`, and after a repeated start reads `into`, to and from the device at `address`.
    ///
    /// # Errors
    /// What the bus answers.
    fn write_read(&mut self, address: u16, out: &[u8], into: &mut [u8]) -> io::Result<()>;

    /// Writes `out` to the device at `address`.
    ///
    /// # Errors
    /// What the bus answers.
    fn write(&mut self, address: u16, out: &[u8]) -> io::Result<()>;
}

/// Why a bus cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum I2cError {
    /// A kernel driver owns the module.
    #[error("address 50h of bus {bus} belongs to the driver {driver}: use sysfs:{}", eeprom.display())]
    Bound {
        /// The bus.
        bus: u32,
        /// The driver's name.
        driver: String,
        /// The file to use instead.
        eeprom: PathBuf,
    },
    /// The bus cannot be opened.
    #[error("{}: {source}{}", path.display(), hint(source))]
    Open {
        /// The bus's file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// Refuses a bus on which a driver owns the module; `devices` is `/sys/bus/i2c/devices`.
///
/// # Errors
/// [`I2cError::Bound`].
pub fn check_unbound(devices: &Path, bus: u32) -> Result<(), I2cError> {
    let device = devices.join(std::format!("{bus}-0050"));
    let link = device.join("driver");
    // The link may dangle in a container that sees part of sysfs; that it is there is what counts.
    let Ok(target) = std::fs::read_link(&link) else {
        return if link.exists() { Err(bound(bus, &device, "unknown")) } else { Ok(()) };
    };
    let driver = target.file_name().and_then(|name| name.to_str()).unwrap_or("unknown");
    Err(bound(bus, &device, driver))
}

/// What to do about a bus that cannot be opened.
fn hint(source: &io::Error) -> &'static str {
    match source.kind() {
        io::ErrorKind::NotFound => {
            "; buses are there once the kernel's module i2c-dev is loaded (modprobe i2c-dev)"
        }
        _ => "",
    }
}

fn bound(bus: u32, device: &Path, driver: &str) -> I2cError {
    I2cError::Bound { bus, driver: driver.into(), eeprom: device.join("eeprom") }
}

/// The window of a module on an I2C bus.
///
/// A read is one pair of messages: the byte address, and after a repeated start the data. What is not acknowledged is
/// [`TransportError::Busy`], and [`TransportError::Absent`] once it has lasted for [`SILENCE`]. An adapter that refuses long
/// messages is read in pieces of eight bytes, which no number of the map straddles.
#[derive(Debug)]
pub struct I2cWindow<B> {
    bus: B,
    silence: Duration,
    /// When the accesses without acknowledgement began.
    silent_since: Option<Instant>,
    short: bool,
}

impl<B: I2cBus> I2cWindow<B> {
    /// The window at address 50h of `bus`.
    pub const fn new(bus: B) -> Self {
        Self { bus, silence: SILENCE, silent_since: None, short: false }
    }

    /// Sets how long silence lasts before the port counts as empty, [`SILENCE`] otherwise.
    #[must_use]
    pub const fn with_silence(mut self, silence: Duration) -> Self {
        self.silence = silence;
        self
    }

    fn note(&mut self, result: io::Result<()>) -> Result<(), TransportError> {
        let Err(error) = result else {
            self.silent_since = None;
            return Ok(());
        };
        let now = Instant::now();
        match error.raw_os_error() {
            Some(number) if NOT_ACKNOWLEDGED.contains(&number) => {
                let since = *self.silent_since.get_or_insert(now);
                if now.saturating_duration_since(since) >= self.silence {
                    Err(TransportError::Absent)
                } else {
                    Err(TransportError::Busy)
                }
            }
            Some(EAGAIN | EBUSY) => Err(TransportError::Busy),
            Some(ETIMEDOUT) => Err(TransportError::TimedOut),
            Some(number) => Err(TransportError::Io(number)),
            None => Err(TransportError::Io(-1)),
        }
    }

    fn read_piece(&mut self, byte: u8, into: &mut [u8]) -> Result<(), TransportError> {
        let result = self.bus.write_read(ADDRESS, &[byte], into);
        self.note(result)
    }
}

/// ENXIO, EREMOTEIO, EIO and ENODEV: adapters answer one or another when a message is not acknowledged.
const NOT_ACKNOWLEDGED: [i32; 4] = [6, 121, 5, 19];
const EAGAIN: i32 = 11;
const EBUSY: i32 = 16;
const ETIMEDOUT: i32 = 110;
/// EINVAL, EMSGSIZE and EOPNOTSUPP: the adapter does not do messages of this length.
const TOO_LONG: [i32; 3] = [22, 90, 95];

impl<B: I2cBus> Window for I2cWindow<B> {
    fn read(&mut self, byte: u8, into: &mut [u8]) -> Result<(), TransportError> {
        if !self.short {
            match self.read_piece(byte, into) {
                Err(TransportError::Io(number)) if TOO_LONG.contains(&number) && into.len() > SHORT => {
                    self.short = true;
                }
                result => return result,
            }
        }
        let (mut byte, mut rest) = (byte, into);
        while !rest.is_empty() {
            let most = rest.len().min(SHORT - usize::from(byte % 8));
            let (now, later) = rest.split_at_mut(most);
            self.read_piece(byte, now)?;
            byte = byte.saturating_add(u8::try_from(most).unwrap_or(u8::MAX));
            rest = later;
        }
        Ok(())
    }

    fn write(&mut self, byte: u8, bytes: &[u8]) -> Result<(), TransportError> {
        let mut message = Vec::with_capacity(bytes.len() + 1);
        message.push(byte);
        message.extend_from_slice(bytes);
        let result = self.bus.write(ADDRESS, &message);
        self.note(result)
    }
}

/// A bus of the Linux i2c-dev driver.
#[cfg(all(feature = "i2c-dev", target_os = "linux"))]
#[derive(Debug)]
pub struct I2cDev(i2cdev::linux::LinuxI2CBus);

#[cfg(all(feature = "i2c-dev", target_os = "linux"))]
impl I2cDev {
    /// Opens `/dev/i2c-<bus>` and makes sure that no driver owns its address 50h.
    ///
    /// # Errors
    /// [`I2cError`].
    pub fn open(bus: u32) -> Result<Paged<I2cWindow<Self>>, I2cError> {
        check_unbound(Path::new("/sys/bus/i2c/devices"), bus)?;
        let path = PathBuf::from(std::format!("/dev/i2c-{bus}"));
        match i2cdev::linux::LinuxI2CBus::new(&path) {
            Ok(bus) => Ok(Paged::new(I2cWindow::new(Self(bus)))),
            Err(error) => Err(I2cError::Open { path, source: error.into() }),
        }
    }
}

#[cfg(all(feature = "i2c-dev", target_os = "linux"))]
impl I2cBus for I2cDev {
    fn write_read(&mut self, address: u16, out: &[u8], into: &mut [u8]) -> io::Result<()> {
        use i2cdev::core::{I2CMessage, I2CTransfer};
        use i2cdev::linux::LinuxI2CMessage;
        let mut messages = [
            LinuxI2CMessage::write(out).with_address(address),
            LinuxI2CMessage::read(into).with_address(address),
        ];
        self.0.transfer(&mut messages).map(|_| ()).map_err(io::Error::from)
    }

    fn write(&mut self, address: u16, out: &[u8]) -> io::Result<()> {
        use i2cdev::core::{I2CMessage, I2CTransfer};
        use i2cdev::linux::LinuxI2CMessage;
        let mut messages = [LinuxI2CMessage::write(out).with_address(address)];
        self.0.transfer(&mut messages).map(|_| ()).map_err(io::Error::from)
    }
}

/// The bus as an EEPROM; what [`I2cDev::open`] gives.
pub type I2cEeprom<B> = Paged<I2cWindow<B>>;

#[cfg(test)]
mod tests;
