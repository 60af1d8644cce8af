//! Firmware images: which runs, which is committed, downloads.
//!
//! Image contents are not kept: a download is checked for completeness and summed up. Its version is read from a header
//! of `IPFW`, major, minor, build (two bytes); an image without one gets the version after the running one, with its
//! checksum as build.

use super::core::Core;
use super::profile::{FirmwareVersion, Profile};
use crate::map::{lower, page0d, page01};
use crate::time::Millis;
use core::time::Duration;
use std::string::{String, ToString};

/// An image in one of the two slots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Image {
    pub(super) version: FirmwareVersion,
    pub(super) valid: bool,
}

/// A download that is under way.
#[derive(Debug, Clone, Copy, Default)]
struct Download {
    /// Bytes to come in blocks.
    size: u32,
    received: u32,
    sum: u16,
    /// The first bytes: where a header would be.
    head: [u8; 8],
}

/// Why a firmware command fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FirmwareRefusal {
    /// A parameter is out of range.
    Parameter,
    /// Not in this state: no download is under way, no image is there.
    State,
    /// The image is incomplete or damaged.
    BadImage,
}

/// The images of a module, A and B.
#[derive(Debug, Clone)]
pub(super) struct Firmware {
    pub(super) images: [Option<Image>; 2],
    pub(super) running: usize,
    pub(super) committed: usize,
    /// What runs after the next reset in place of the committed image.
    next: Option<usize>,
    download: Option<Download>,
    /// An image that is to run, at an instant, without a reset.
    run: Option<(usize, bool, Millis)>,
    /// The next image that is completed is damaged.
    pub(super) damage_next: bool,
}

impl Firmware {
    pub(super) fn new(profile: &Profile) -> Self {
        let image = |version: &FirmwareVersion| Image { version: version.clone(), valid: true };
        let plain = FirmwareVersion { major: 1, minor: 0, build: 0, description: String::new() };
        let cdb = profile.cdb.as_ref();
        Self {
            images: [
                Some(image(cdb.map_or(&plain, |cdb| &cdb.image_a))),
                cdb.and_then(|cdb| cdb.image_b.as_ref()).map(image),
            ],
            running: 0,
            committed: 0,
            next: None,
            download: None,
            run: None,
            damage_next: false,
        }
    }

    /// The power comes on, or a reset ends.
    pub(super) fn start(&mut self) {
        self.running = self.next.take().unwrap_or(self.committed);
        self.download = None;
        self.run = None;
    }

    /// When an image is to run.
    pub(super) fn run_at(&self) -> Option<Millis> {
        self.run.map(|(_, _, at)| at)
    }

    const fn inactive(&self) -> usize {
        1 - self.running
    }

    /// The version of an image; `None` where the slot is empty.
    pub(super) fn version(&self, slot: usize) -> Option<&FirmwareVersion> {
        self.images.get(slot)?.as_ref().map(|image| &image.version)
    }

    /// The status byte of 0100h:136 and 0Dh:136: running, committed, invalid, for A in the low nibble and B in the high one.
    pub(super) fn status(&self) -> u8 {
        (0..2).fold(0, |byte, slot| {
            let bits = match &self.images[slot] {
                None => 0x04,
                Some(image) => {
                    u8::from(self.running == slot)
                        | (u8::from(self.committed == slot) << 1)
                        | (u8::from(!image.valid) << 2)
                }
            };
            byte | (bits << (4 * slot))
        })
    }

    /// 0101h.
    pub(super) fn begin(
        &mut self,
        size: u32,
        header: &[u8],
        payload: u8,
        capacity: u32,
    ) -> Result<(), FirmwareRefusal> {
        if size == 0 || size > capacity {
            return Err(FirmwareRefusal::Parameter);
        }
        let header = &header[..header.len().min(usize::from(payload))];
        let mut download = Download { size: size.saturating_sub(u32::from(payload)), ..Download::default() };
        for (cell, byte) in download.head.iter_mut().zip(header) {
            *cell = *byte;
        }
        // Erasing makes what was there invalid.
        let slot = self.inactive();
        if let Some(image) = &mut self.images[slot] {
            image.valid = false;
        }
        self.download = Some(download);
        Ok(())
    }

    /// 0102h.
    pub(super) fn abort(&mut self) -> Result<(), FirmwareRefusal> {
        self.download.take().map(|_| ()).ok_or(FirmwareRefusal::State)
    }

    /// 0103h, 0104h. Blocks may be repeated, but leave no hole.
    pub(super) fn block(&mut self, address: u32, data: &[u8], payload: u8) -> Result<(), FirmwareRefusal> {
        let download = self.download.as_mut().ok_or(FirmwareRefusal::State)?;
        let len = u32::try_from(data.len()).map_err(|_| FirmwareRefusal::Parameter)?;
        let end = address.checked_add(len).ok_or(FirmwareRefusal::Parameter)?;
        // Hosts count addresses from the end of the vendor's header, or from the start of the file.
        let most = download.size.saturating_add(u32::from(payload));
        if len == 0 || address > download.received || end > most {
            return Err(FirmwareRefusal::Parameter);
        }
        if address == 0 && payload == 0 {
            for (cell, byte) in download.head.iter_mut().zip(data) {
                *cell = *byte;
            }
        }
        if end > download.received {
            let new = data.len() - usize::try_from(end - download.received).unwrap_or(data.len());
            download.sum =
                data[new..].iter().fold(download.sum, |sum, byte| sum.wrapping_add(u16::from(*byte)));
            download.received = end;
        }
        Ok(())
    }

    /// 0107h.
    pub(super) fn complete(&mut self) -> Result<(), FirmwareRefusal> {
        let download = self.download.take().ok_or(FirmwareRefusal::State)?;
        if download.received < download.size {
            return Err(FirmwareRefusal::BadImage);
        }
        let after = self.version(self.running).map_or((1, 0), |v| (v.major, v.minor.wrapping_add(1)));
        let [a, b, c, d, major, minor, build @ ..] = download.head;
        let version = if [a, b, c, d] == *b"IPFW" {
            FirmwareVersion { major, minor, build: u16::from_be_bytes(build), description: String::new() }
        } else {
            FirmwareVersion {
                major: after.0,
                minor: after.1,
                build: download.sum,
                description: String::new(),
            }
        };
        let slot = self.inactive();
        let valid = !core::mem::take(&mut self.damage_next);
        self.images[slot] = Some(Image { version, valid });
        if valid { Ok(()) } else { Err(FirmwareRefusal::BadImage) }
    }

    /// 0108h, from slot `from` to the other one, which must not be running.
    pub(super) fn copy(&mut self, from: usize) -> Result<(), FirmwareRefusal> {
        let source = self.images[from].clone().filter(|image| image.valid).ok_or(FirmwareRefusal::State)?;
        if 1 - from == self.running {
            return Err(FirmwareRefusal::State);
        }
        self.images[1 - from] = Some(source);
        Ok(())
    }

    /// 0109h: modes 0 and 1 run the inactive image, 2 and 3 the running one; odd modes try to keep traffic.
    pub(super) fn plan(&mut self, mode: u8, hitless: bool, at: Millis) -> Result<(), FirmwareRefusal> {
        let slot = match mode {
            0 | 1 => self.inactive(),
            2 | 3 => self.running,
            _ => return Err(FirmwareRefusal::Parameter),
        };
        if !self.images[slot].as_ref().is_some_and(|image| image.valid) {
            return Err(FirmwareRefusal::State);
        }
        self.run = Some((slot, hitless && mode % 2 == 1, at));
        Ok(())
    }

    /// 010Ah.
    pub(super) const fn commit(&mut self) {
        self.committed = self.running;
    }
}

impl Core {
    /// Runs the image that is to run now.
    pub(super) fn step_firmware(&mut self, at: Millis) {
        let Some((slot, hitless, _)) = self.firmware.run.filter(|(_, _, due)| *due <= at) else { return };
        self.firmware.run = None;
        if hitless {
            self.firmware.running = slot;
            self.write_firmware_status();
        } else {
            self.firmware.next = Some(slot);
            self.power_on(at);
        }
    }

    /// Shows versions and status where the memory has them (00h:39, 01h:128, 0Dh).
    pub(super) fn write_firmware_status(&mut self) {
        let firmware = self.firmware.clone();
        let version = |slot: usize| firmware.version(slot).map_or((0, 0), |v| (v.major, v.minor));
        let (active, inactive) = (version(firmware.running), version(firmware.inactive()));
        let mut to = super::cells::Writer { cells: &mut self.cells, bank: 0 };
        to.value(lower::ACTIVE_FIRMWARE_MAJOR, 0, active.0);
        to.value(lower::ACTIVE_FIRMWARE_MINOR, 0, active.1);
        to.value(page01::INACTIVE_FIRMWARE_MAJOR, 0, inactive.0);
        to.value(page01::INACTIVE_FIRMWARE_MINOR, 0, inactive.1);
        to.cells.set(0, 0x0D, page0d::VALIDITY_STATUS_A.byte, &[firmware.status()]);
        for (slot, first) in [(0, page0d::LOAD_A_MAJOR.byte), (1, page0d::LOAD_B_MAJOR.byte)] {
            if let Some(version) = firmware.version(slot) {
                to.cells.set(0, 0x0D, first, &describe(version));
            }
        }
    }

    /// How long a firmware command takes.
    pub(super) fn firmware_duration(&self, command: u16) -> Duration {
        let Some(cdb) = &self.profile.cdb else { return Duration::ZERO };
        match command {
            0x0101 => cdb.start,
            0x0102 => cdb.abort,
            0x0103 | 0x0104 => cdb.block,
            0x0107 => cdb.complete,
            0x0108 => cdb.copy,
            _ => cdb.query,
        }
    }
}

/// A version as 0100h and 0Dh have it: major, minor, build, 32 characters.
pub(super) fn describe(version: &FirmwareVersion) -> [u8; 36] {
    let mut bytes = [b' '; 36];
    bytes[0] = version.major;
    bytes[1] = version.minor;
    bytes[2..4].copy_from_slice(&version.build.to_be_bytes());
    for (cell, byte) in bytes[4..].iter_mut().zip(version.description.to_string().bytes()) {
        *cell = byte;
    }
    bytes
}
