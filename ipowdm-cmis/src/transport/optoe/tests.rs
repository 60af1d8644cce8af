//! The driver's file, with files of the same layout in its place.

use super::*;
use std::vec;

/// A file laid out as optoe lays out a module, pages 00h-01h real and 02h not there (shows page 00h).
fn image() -> tempfile::TempDir {
    let mut bytes = vec![0_u8; 128 * 18];
    bytes[0] = 0x18;
    bytes[128..145].copy_from_slice(b"\x18IPOWDM-EMU      ");
    bytes[256..260].copy_from_slice(&[1, 2, 3, 4]);
    let (low, high) = bytes.split_at_mut(128 + 2 * 128);
    high[..128].copy_from_slice(&low[128..256]);
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("eeprom"), bytes).unwrap();
    folder
}

#[test]
fn pages_are_read_and_written_at_their_linear_offsets() {
    let folder = image();
    let mut module = Optoe::open(folder.path()).unwrap();
    let mut bytes = [0; 4];
    module.read(Address::page(1, 128), &mut bytes).unwrap();
    assert_eq!(bytes, [1, 2, 3, 4]);
    module.write(Address::page(0x10, 130), &[0xAA]).unwrap();
    let raw = fs::read(folder.path().join("eeprom")).unwrap();
    assert_eq!(raw[0x10 * 128 + 130], 0xAA);
    let counters = module.counters();
    assert_eq!((counters.reads, counters.writes), (1, 1));
    assert!(counters.transactions > 2, "what was read to check the pages counts too");
}

#[test]
fn a_page_that_shows_page_00h_or_lies_beyond_the_file_is_unsupported() {
    let folder = image();
    let mut module = Optoe::open(&folder.path().join("eeprom")).unwrap();
    let mut byte = [0];
    let mut read = |bank, page, byte_at| module.read(Address { bank, page, byte: byte_at }, &mut byte);
    assert_eq!(read(0, 2, 200), Err(TransportError::PageUnsupported { bank: 0, page: 2 }));
    assert_eq!(read(0, 0x40, 128), Err(TransportError::PageUnsupported { bank: 0, page: 0x40 }));
    let banked = read(1, 0x10, 128);
    assert_eq!(
        banked,
        Err(TransportError::PageUnsupported { bank: 1, page: 0x10 }),
        "a driver without banks"
    );
    assert_eq!(read(1, 0x01, 128), Ok(()), "unbanked pages are in bank 0");
}

#[test]
fn an_access_across_a_page_end_is_refused_without_touching_the_file() {
    let folder = image();
    let mut module = Optoe::open(folder.path()).unwrap();
    let before = fs::read(folder.path().join("eeprom")).unwrap();
    let across = module.write(Address::page(0x10, 252), &[0; 8]);
    assert!(matches!(across, Err(TransportError::BadAccess { len: 8, .. })));
    let long = module.write(Address::page(0x10, 128), &[0; 9]);
    assert!(matches!(long, Err(TransportError::BadAccess { len: 9, .. })));
    assert_eq!(module.counters().transactions, 0);
    assert_eq!(fs::read(folder.path().join("eeprom")).unwrap(), before);
}

#[test]
fn a_driver_set_to_another_device_class_is_refused_with_the_fix() {
    let folder = image();
    fs::write(folder.path().join("dev_class"), "2\n").unwrap();
    let refused = Optoe::open(folder.path()).unwrap_err();
    assert!(matches!(&refused, OptoeError::DeviceClass { found, .. } if found == "2"));
    assert!(refused.to_string().contains("write 3 to"), "{refused}");
    fs::write(folder.path().join("dev_class"), "3\n").unwrap();
    Optoe::open(folder.path()).unwrap();
    let missing = Optoe::open(&folder.path().join("nowhere")).unwrap_err();
    assert!(missing.to_string().contains("nowhere"), "{missing}");
}

#[test]
fn errors_of_the_driver_mean_what_it_says() {
    let at = Address { bank: 2, page: 0x11, byte: 128 };
    let means = |number| transport_error(&io::Error::from_raw_os_error(number), at);
    assert_eq!([means(ENXIO), means(ENODEV)], [TransportError::Absent; 2]);
    assert_eq!(BUSY.map(means), [TransportError::Busy; 4]);
    assert_eq!(means(ETIMEDOUT), TransportError::TimedOut);
    assert_eq!(means(22), TransportError::Io(22));
    let end = io::Error::from(ErrorKind::UnexpectedEof);
    assert_eq!(transport_error(&end, at), TransportError::PageUnsupported { bank: 2, page: 0x11 });
}

#[test]
fn what_cannot_be_an_eeprom_file_is_refused_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eeprom");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    assert!(
        matches!(Optoe::open(&path), Err(OptoeError::NotAFile { .. })),
        "a pipe, which is not waited for"
    );
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(Optoe::open(folder.path()), Err(OptoeError::NotAFile { .. })), "a folder in its place");
    fs::remove_dir(&path).unwrap();
    fs::write(&path, [0x18; 127]).unwrap();
    let short = Optoe::open(&path).unwrap_err();
    assert!(matches!(short, OptoeError::TooShort { size: 127, .. }));
    fs::write(&path, [0x18; 128]).unwrap();
    Optoe::open(&path).unwrap();
}

#[test]
fn a_file_of_unknown_size_with_nothing_in_it_is_an_empty_port() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eeprom");
    fs::write(&path, []).unwrap();
    let read = Optoe::open(&path).unwrap().read(Address::lower(0), &mut [0; 8]);
    assert_eq!(read, Err(TransportError::Absent));
}
