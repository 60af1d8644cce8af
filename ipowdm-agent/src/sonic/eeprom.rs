//! Where a module's registers are found as a file.
//!
//! A path in the settings is taken as it is. Otherwise the kernel's module driver (optoe) is asked: each of its devices
//! `/sys/bus/i2c/devices/<bus>-0050` may name its port in `port_name`; where none does, the bus is taken to have the port's
//! number.

use super::catalogue::below;
use core::fmt;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// Where i2c devices are.
const DEVICES: &str = "/sys/bus/i2c/devices";
/// Address of a module on its bus, as the kernel names devices.
const MODULE: &str = "-0050";
/// First byte of the serial number in a module's linear memory (CMIS 00h:166, as in SFF-8636).
const SERIAL: u64 = 166;
/// Bytes of a serial number.
const SERIAL_LENGTH: usize = 16;

/// How a module's file was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// By the path in the settings.
    Settings,
    /// By the name that the driver gives the port.
    PortName,
    /// By the number of its bus, taken for that of the port.
    BusNumber,
}

impl fmt::Display for FoundBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Settings => "the path in the settings",
            Self::PortName => "the name that the driver gives the port",
            Self::BusNumber => "the number of the bus",
        })
    }
}

/// A module's file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EepromPath {
    /// The file.
    pub path: PathBuf,
    /// How it was found.
    pub found_by: FoundBy,
}

/// There is no file for a module.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no file for module {number}: {} does not exist", tried.display())]
pub struct NoEeprom {
    /// The port's number.
    pub number: u32,
    /// The last path that was looked at.
    pub tried: PathBuf,
}

/// Finds the file of module `number` below `root`; `template` is the path of the settings, `{port}` standing for the
/// number.
///
/// # Errors
/// [`NoEeprom`].
pub fn locate(root: &Path, template: Option<&str>, number: u32) -> Result<EepromPath, NoEeprom> {
    let found = |path: PathBuf, found_by| match path.exists() {
        true => Ok(EepromPath { path, found_by }),
        false => Err(NoEeprom { number, tried: path }),
    };
    if let Some(template) = template {
        let path = template.replace("{port}", &number.to_string());
        return found(below(root, Path::new(&path)), FoundBy::Settings);
    }
    let devices = below(root, Path::new(DEVICES));
    if let Some(device) = named(&devices, number) {
        return found(device.join("eeprom"), FoundBy::PortName);
    }
    found(devices.join(format!("{number}{MODULE}")).join("eeprom"), FoundBy::BusNumber)
}

/// The device whose `port_name` ends in the number.
fn named(devices: &Path, number: u32) -> Option<PathBuf> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(devices)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(MODULE)))
        .collect();
    entries.sort();
    entries.into_iter().find(|device| {
        let name = std::fs::read_to_string(device.join("port_name")).unwrap_or_default();
        let name = name.trim();
        let digits = name.trim_start_matches(|letter: char| !letter.is_ascii_digit());
        digits.parse() == Ok(number)
    })
}

/// The serial number in a module's file; `None` where it cannot be read. Nothing is cleared by reading it.
#[must_use]
pub fn serial_number(path: &Path) -> Option<String> {
    let mut file = std::fs::File::open(path).ok()?;
    file.seek(SeekFrom::Start(SERIAL)).ok()?;
    let mut bytes = [0; SERIAL_LENGTH];
    file.read_exact(&mut bytes).ok()?;
    let text =
        core::str::from_utf8(&bytes).ok()?.trim_matches(|letter: char| letter == '\0' || letter == ' ');
    (!text.is_empty()).then(|| text.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(root: &Path, bus: u32, port_name: Option<&str>) -> PathBuf {
        let device = below(root, Path::new(DEVICES)).join(format!("{bus}{MODULE}"));
        std::fs::create_dir_all(&device).unwrap();
        std::fs::write(device.join("eeprom"), [0; 256]).unwrap();
        if let Some(name) = port_name {
            std::fs::write(device.join("port_name"), format!("{name}\n")).unwrap();
        }
        device.join("eeprom")
    }

    #[test]
    fn the_drivers_name_goes_before_the_number_of_the_bus() {
        let root = tempfile::tempdir().unwrap();
        let by_number = device(root.path(), 7, None);
        let by_name = device(root.path(), 25, Some("port7"));
        device(root.path(), 26, Some("port17"));
        let found = locate(root.path(), None, 7).unwrap();
        assert_eq!(found, EepromPath { path: by_name.clone(), found_by: FoundBy::PortName });
        std::fs::remove_dir_all(by_name.parent().unwrap()).unwrap();
        let found = locate(root.path(), None, 7).unwrap();
        assert_eq!(found, EepromPath { path: by_number, found_by: FoundBy::BusNumber });
    }

    #[test]
    fn the_path_of_the_settings_is_taken_as_it_is() {
        let root = tempfile::tempdir().unwrap();
        device(root.path(), 7, None);
        let missing = locate(root.path(), Some("/sys/vendor/module{port}"), 7).unwrap_err();
        assert_eq!(missing.tried, root.path().join("sys/vendor/module7"));
        let own = device(root.path(), 31, None);
        let found = locate(root.path(), Some("/sys/bus/i2c/devices/31-0050/eeprom"), 7).unwrap();
        assert_eq!(found, EepromPath { path: own, found_by: FoundBy::Settings });
    }

    #[test]
    fn a_serial_number_is_read_and_an_empty_one_is_none() {
        let root = tempfile::tempdir().unwrap();
        let path = device(root.path(), 7, None);
        assert_eq!(serial_number(&path), None);
        let mut bytes = [0; 256];
        bytes[166..182].copy_from_slice(b"AB1234567       ");
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(serial_number(&path).as_deref(), Some("AB1234567"));
        std::fs::write(&path, [0; 100]).unwrap();
        assert_eq!(serial_number(&path), None);
    }
}
