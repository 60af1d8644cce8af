//! The logic over a bus that the test plays. The i2c-dev driver itself needs hardware, or the kernel's i2c-stub.

use super::*;
use crate::access::Eeprom;
use crate::map::Address;
use std::collections::VecDeque;
use std::string::ToString;
use std::vec;

/// A module's registers behind messages, with the errors that the next messages end in.
#[derive(Debug, Default)]
struct Played {
    /// Address, message out and number of bytes in.
    log: Vec<(u16, Vec<u8>, usize)>,
    errors: VecDeque<i32>,
    longest: Option<usize>,
    mapping: [u8; 2],
}

impl Played {
    fn refuse(&mut self, len: usize) -> io::Result<()> {
        if self.longest.is_some_and(|longest| len > longest) {
            return Err(io::Error::from_raw_os_error(95));
        }
        match self.errors.pop_front() {
            Some(0) | None => Ok(()),
            Some(number) => Err(io::Error::from_raw_os_error(number)),
        }
    }
}

impl I2cBus for Played {
    fn write_read(&mut self, address: u16, out: &[u8], into: &mut [u8]) -> io::Result<()> {
        self.log.push((address, out.to_vec(), into.len()));
        self.refuse(into.len())?;
        for (offset, value) in into.iter_mut().enumerate() {
            let byte = out[0] + u8::try_from(offset).unwrap();
            *value = if byte == 126 || byte == 127 { self.mapping[usize::from(byte) - 126] } else { byte };
        }
        Ok(())
    }

    fn write(&mut self, address: u16, out: &[u8]) -> io::Result<()> {
        self.log.push((address, out.to_vec(), 0));
        self.refuse(out.len())?;
        if let [126, bank, page] = out {
            self.mapping = [*bank, *page];
        }
        Ok(())
    }
}

fn log(module: &I2cEeprom<Played>) -> &[(u16, Vec<u8>, usize)] {
    &module.window().bus.log
}

#[test]
fn a_read_is_an_address_and_after_a_repeated_start_the_data() {
    let mut module = Paged::new(I2cWindow::new(Played::default()));
    let mut bytes = [0; 16];
    module.read(Address { bank: 1, page: 0x11, byte: 134 }, &mut bytes).unwrap();
    assert_eq!(bytes[..3], [134, 135, 136]);
    module.write(Address { bank: 1, page: 0x10, byte: 143 }, &[0xFF]).unwrap();
    let expected = [
        (ADDRESS, vec![126, 1, 0x11], 0),
        (ADDRESS, vec![126], 2),
        (ADDRESS, vec![134], 16),
        (ADDRESS, vec![126, 1, 0x10], 0),
        (ADDRESS, vec![126], 2),
        (ADDRESS, vec![143, 0xFF], 0),
    ];
    assert_eq!(log(&module), expected);
    let counters = module.counters();
    assert_eq!((counters.transactions, counters.reads, counters.writes), (6, 1, 1));
}

#[test]
fn what_is_not_acknowledged_is_busy_until_the_silence_has_lasted() {
    let read = |window: &mut I2cWindow<Played>| window.read(0, &mut [0]);
    let refusing = || Played { errors: NOT_ACKNOWLEDGED.into(), ..Played::default() };
    let mut patient = I2cWindow::new(refusing()).with_silence(Duration::MAX);
    for _ in NOT_ACKNOWLEDGED {
        assert_eq!(read(&mut patient), Err(TransportError::Busy));
    }
    assert_eq!(read(&mut patient), Ok(()));
    assert_eq!(patient.silent_since, None, "the silence is over");
    let mut impatient = I2cWindow::new(refusing()).with_silence(Duration::ZERO);
    assert_eq!(read(&mut impatient), Err(TransportError::Absent));
}

#[test]
fn errors_of_the_bus_keep_their_meaning() {
    let errors = [EAGAIN, EBUSY, ETIMEDOUT, 71];
    let mut window = I2cWindow::new(Played { errors: errors.into(), ..Played::default() });
    let outcomes = [(); 4].map(|()| window.write(26, &[0]));
    let busy = Err(TransportError::Busy);
    assert_eq!(outcomes, [busy, busy, Err(TransportError::TimedOut), Err(TransportError::Io(71))]);
}

#[test]
fn an_adapter_without_long_messages_is_read_in_pieces_of_eight() {
    let mut window = I2cWindow::new(Played { longest: Some(8), ..Played::default() });
    let mut bytes = [0; 20];
    window.read(134, &mut bytes).unwrap();
    assert_eq!((bytes[0], bytes[19]), (134, 153));
    let pieces: Vec<_> = window.bus.log.iter().map(|(_, out, len)| (out[0], *len)).collect();
    assert_eq!(pieces, [(134, 20), (134, 2), (136, 8), (144, 8), (152, 2)]);
    window.bus.log.clear();
    window.read(128, &mut [0; 16]).unwrap();
    assert_eq!(window.bus.log.len(), 2, "and not tried again");
}

#[test]
fn a_bus_whose_module_belongs_to_a_driver_is_refused() {
    let devices = tempfile::tempdir().unwrap();
    check_unbound(devices.path(), 3).unwrap();
    let device = devices.path().join("3-0050");
    std::fs::create_dir(&device).unwrap();
    check_unbound(devices.path(), 3).unwrap();
    std::os::unix::fs::symlink("../../drivers/optoe", device.join("driver")).unwrap();
    let refused = check_unbound(devices.path(), 3).unwrap_err();
    assert!(matches!(&refused, I2cError::Bound { bus: 3, driver, .. } if driver == "optoe"));
    assert!(refused.to_string().contains("3-0050/eeprom"), "{refused}");
    check_unbound(devices.path(), 4).unwrap();
}

#[test]
fn a_bus_that_is_not_there_is_told_with_what_to_do() {
    let error = |kind: io::ErrorKind| I2cError::Open { path: "/dev/i2c-7".into(), source: kind.into() };
    let missing = error(io::ErrorKind::NotFound).to_string();
    assert!(missing.starts_with("/dev/i2c-7: ") && missing.contains("modprobe i2c-dev"), "{missing}");
    assert!(!error(io::ErrorKind::PermissionDenied).to_string().contains("modprobe"));
}
