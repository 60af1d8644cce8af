//! A coherent module with four VDM groups as an image in memory, which freezes as a module does. Shared with the
//! benchmark of the sweep.
#![allow(dead_code, reason = "each user takes its part")]

use ipowdm_cmis::access::{Counters, Eeprom, TransportError};
use ipowdm_cmis::map::{Address, Field, lower, page00, page01, page2f, page04, page11, page12, page34};
use ipowdm_cmis::time::{Clock, Millis};
use ipowdm_cmis::transport::{Image, ImageError};
use std::path::{Path, PathBuf};

/// The folder with images of real modules.
pub(crate) fn folder() -> PathBuf {
    std::env::var_os("IPOWDM_CMIS_IMAGES")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/cmis/eeprom"), PathBuf::from)
}

/// The image of a real module; `None` with a message where it is not at hand.
pub(crate) fn real(name: &str) -> Option<Image> {
    let path = folder().join(name).with_extension("json");
    match Image::open(&path) {
        Ok(image) => Some(image),
        Err(ImageError::Io(error)) => {
            eprintln!(
                "SKIPPED: no image at {}: {error} (IPOWDM_CMIS_IMAGES names the folder)",
                path.display()
            );
            None
        }
        Err(error) => panic!("{}: {error}", path.display()),
    }
}

/// A real 800ZR module with the tunable pages of a real 400ZR: the image that other drivers were measured over.
pub(crate) fn real_800zr_tunable() -> Option<Image> {
    let (mut image, mut other) = (real("fboss-800zr")?, real("sfppi-400zr-a")?);
    for page in [0x04, 0x12] {
        image.put_page(0, page, half(&mut other, page));
    }
    Some(image)
}

/// The bytes of a page of bank 0.
pub(crate) fn half(image: &mut Image, page: u8) -> [u8; 128] {
    let mut bytes = [0; 128];
    match image.read(Address::page(page, 128), &mut bytes) {
        Ok(()) => bytes,
        Err(error) => panic!("page {page:02X}h: {error}"),
    }
}

struct Page<'a> {
    bytes: &'a mut [u8; 128],
}

impl Page<'_> {
    fn put(&mut self, field: Field, index: u16, value: u64) {
        let place = field.element(index).unwrap_or_else(|| panic!("{} has no element {index}", field.name));
        let first = usize::from(place.at.byte % 128);
        let len = usize::from(place.len);
        if len == 1 {
            let mask = field.mask(index);
            let low = place.bits.map_or(0, |(_, low)| low);
            let value = u8::try_from(value).unwrap_or_else(|_| panic!("{} is one byte", field.name));
            self.bytes[first] = (self.bytes[first] & !mask) | ((value << low) & mask);
        } else {
            self.bytes[first..first + len].copy_from_slice(&value.to_be_bytes()[8 - len..]);
        }
    }

    fn text(&mut self, field: Field, text: &str) {
        let first = usize::from(field.byte % 128);
        let len = usize::from(field.len);
        self.bytes[first..first + len].fill(b' ');
        self.bytes[first..first + text.len()].copy_from_slice(text.as_bytes());
    }
}

/// The VDM instances of an 800ZR module: observable and lane by group.
fn instances() -> [Vec<(u8, u8)>; 4] {
    let lanes = |types: &[u8]| types.iter().flat_map(|code| (0..8).map(move |lane| (*code, lane))).collect();
    let media = [1, 0, 3, 4, 5, 0, 9, 11, 13, 15, 17, 19, 21, 23, 25, 100];
    [
        lanes(&[6, 8, 10, 12, 14, 16, 18, 20]),
        lanes(&[22, 24, 26]),
        media.into_iter().map(|code| (code, 0)).collect(),
        (128..=152).map(|code| (code, 0)).collect(),
    ]
}

/// A synthetic module like it, made from the register map: active, tuned to 196.100 THz, with light.
pub(crate) fn synthetic() -> Image {
    let mut low = [0; 128];
    let mut page = Page { bytes: &mut low };
    page.put(lower::SFF8024_IDENTIFIER, 0, 0x19);
    page.put(lower::CMIS_REVISION, 0, 0x53);
    page.put(lower::MODULE_STATE, 0, 3);
    page.put(lower::TEMP_MON_VALUE, 0, 45 * 256);
    page.put(lower::VCC_MON_VOLTAGE, 0, 33_000);
    page.put(lower::APP_HOST_INTERFACE_ID, 0, 0x51);
    page.put(lower::APP_MEDIA_INTERFACE_ID, 0, 0x6C);
    page.put(lower::APP_HOST_LANE_COUNT, 0, 8);
    page.put(lower::APP_MEDIA_LANE_COUNT, 0, 1);
    page.put(lower::APP_HOST_LANE_ASSIGNMENT_OPTIONS, 0, 1);
    page.put(lower::APP_HOST_INTERFACE_ID, 1, 0xFF);
    let mut image = Image::new(low);
    let mut add = |number: u8, fill: &dyn Fn(&mut Page<'_>)| {
        let mut bytes = [0; 128];
        fill(&mut Page { bytes: &mut bytes });
        image.put_page(0, number, bytes);
    };
    add(0x00, &|page| {
        page.put(page00::SFF8024_IDENTIFIER_COPY, 0, 0x19);
        page.text(page00::VENDOR_NAME, "SYNTHETIC");
        page.text(page00::VENDOR_SN, "IMAGE0001");
        let sum = page.bytes[..94].iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
        page.put(page00::PAGE00_CHECKSUM, 0, u64::from(sum));
    });
    add(0x01, &|page| {
        for field in [
            page01::VDM_PAGES_SUPPORTED,
            page01::COHERENT_PAGES_SUPPORTED,
            page01::TRANSMITTER_IS_TUNABLE,
            page01::TEMP_MON_SUPPORTED,
            page01::VCC_MON_SUPPORTED,
            page01::TX_OPTICAL_POWER_MON_SUPPORTED,
            page01::TX_BIAS_MON_SUPPORTED,
            page01::RX_OPTICAL_POWER_MON_SUPPORTED,
        ] {
            page.put(field, 0, 1);
        }
    });
    add(0x02, &|_| {});
    add(0x04, &|page| page.put(page04::GRID100GHZ_SUPPORTED, 0, 1));
    add(0x10, &|_| {});
    add(0x11, &|page| {
        for lane in 0..8 {
            page.put(page11::DP_STATE_HOST_LANE, lane, 4);
            page.put(page11::ACS_DP_CONFIG_LANE_APP_SEL_CODE, lane, 1);
        }
        page.put(page11::OUTPUT_STATUS_RX, 0, 0xFF);
        page.put(page11::OPTICAL_POWER_TX, 0, 1_000);
        page.put(page11::LASER_BIAS_TX, 0, 50_000);
        page.put(page11::OPTICAL_POWER_RX, 0, 1_500);
    });
    add(0x12, &|page| {
        page.put(page12::GRID_SPACING_TX, 0, 5);
        page.put(page12::CHANNEL_NUMBER_TX, 0, 30);
        page.put(page12::CURRENT_LASER_FREQUENCY_TX, 0, 196_100_000);
    });
    let groups = instances();
    for (group, instances) in (0_u8..).zip(&groups) {
        add(0x20 + group, &|page| {
            for (slot, (code, lane)) in instances.iter().enumerate() {
                page.bytes[2 * slot] = *lane;
                page.bytes[2 * slot + 1] = *code;
            }
        });
        add(0x24 + group, &|page| {
            for (slot, (code, _)) in instances.iter().enumerate() {
                let sample: u16 = match code {
                    9 | 10 => 0x913C,
                    13 | 14 => 0x9152,
                    15 | 16 => 0x915A,
                    11 | 12 => 0x9182,
                    17..=26 => 0,
                    139 => 338,
                    140 => 156,
                    143..=145 => 0xFF36,
                    _ => u16::from(*code),
                };
                page.bytes[2 * slot..2 * slot + 2].copy_from_slice(&sample.to_be_bytes());
            }
        });
        add(0x28 + group, &|_| {});
    }
    add(0x2C, &|_| {});
    add(0x2D, &|_| {});
    add(0x2F, &|page| {
        page.put(page2f::VDM_GROUPS_SUPPORTED, 0, 3);
        page.put(page2f::FINE_INTERVAL_LENGTH, 0, 10_000);
        page.put(page2f::VDM_DUTY_CYCLE, 0, 10);
    });
    add(0x34, &|page| {
        page.put(page34::RX_BITS_PM, 0, 61_440_720_961_536);
        page.put(page34::RX_BITS_SUB_INT_PM, 0, 0x6BD8_0000);
        page.put(page34::RX_CORR_BITS_PM, 0, 20_766_418_419);
        page.put(page34::RX_MIN_CORR_BITS_SUB_INT_PM, 0, 323_226_814);
        page.put(page34::RX_MAX_CORR_BITS_SUB_INT_PM, 0, 395_888_028);
        page.put(page34::RX_FRAMES_PM, 0, 44_643_381);
        page.put(page34::RX_FRAMES_SUB_INT_PM, 0, 744_056);
    });
    add(0x35, &|page| {
        // Average, minimum and maximum of every 16-bit quantity.
        for triplet in page.bytes[12..114].chunks_exact_mut(6) {
            triplet.copy_from_slice(&[0, 50, 0, 40, 0, 60]);
        }
        page.bytes[..12].copy_from_slice(&[0, 0, 0, 9, 0, 0, 0, 8, 0, 0, 0, 10]);
    });
    image
}

/// Answers freeze requests as a module does: the done bits follow the request at once.
#[derive(Debug)]
pub(crate) struct Freezing<E> {
    /// The memory.
    pub(crate) below: E,
    /// How often an interval was ended.
    pub(crate) freezes: u32,
}

impl<E: Eeprom> Freezing<E> {
    pub(crate) fn new(below: E) -> Self {
        Self { below, freezes: 0 }
    }
}

impl<E: Eeprom> Eeprom for Freezing<E> {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.below.read(at, into)
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        self.below.write(at, bytes)?;
        if at.in_bank(0) == Address::page(0x2F, 144) && !bytes.is_empty() {
            let done = if bytes[0] & 0x80 == 0 { 0x40 } else { 0x80 };
            self.freezes += u32::from(done == 0x80);
            self.below.write(Address { byte: 145, ..at }, &[done])?;
        }
        Ok(())
    }

    fn counters(&self) -> Counters {
        self.below.counters()
    }

    fn begin(&mut self) {
        self.below.begin();
    }
}

/// A clock that stands still until somebody waits.
#[derive(Debug, Default)]
pub(crate) struct Waiting(Millis);

impl Clock for Waiting {
    fn now(&self) -> Millis {
        self.0
    }

    fn sleep_until(&mut self, until: Millis) {
        self.0 = self.0.max(until);
    }
}
