//! The procedures against a command data block in memory: what arrives is judged as a module judges it.

use super::*;
use crate::access::{Counters, Eeprom, TransportError};
use crate::map::Address;
use crate::procedure::module_info::{CdbSupport, Controls, Durations, ModuleInfo};
use crate::procedure::{BusyLimits, Pollable, Procedure, Progress};
use crate::time::Millis;
use core::time::Duration;
use proptest::prelude::*;
use std::cell::Cell;
use std::rc::Rc;
use std::vec::Vec;

const MS: Duration = Duration::from_millis(1);

/// A module with a command data block and two firmware banks.
#[derive(Debug)]
struct Module {
    now: Rc<Cell<Millis>>,
    background: bool,
    /// What an access in a foreground window answers.
    silence: TransportError,
    status: u8,
    busy_until: Millis,
    /// The result that the running command will have.
    result: u8,
    message: [u8; 128],
    epl: Vec<u8>,
    took: Duration,
    needs_password: bool,
    /// The result of the next commands of this number, and how many.
    fail: Option<(u16, u8, u32)>,
    spoil_reply: bool,
    flags: u8,
    mechanism: u8,
    start_payload: u8,
    image: Vec<u8>,
    announced: u32,
    header: Vec<u8>,
    downloading: bool,
    running_b: bool,
    silent_until: Millis,
    commands: Vec<u16>,
    /// Every n-th access is not acknowledged; 0 for none.
    flaky: u64,
    accesses: u64,
}

impl Module {
    fn new(background: bool) -> Self {
        Self {
            now: Rc::new(Cell::new(Millis(0))),
            background,
            silence: TransportError::Busy,
            status: 0,
            busy_until: Millis(0),
            result: 0,
            message: [0; 128],
            epl: std::vec![0; 2048],
            took: 40 * MS,
            needs_password: false,
            fail: None,
            spoil_reply: false,
            flags: 0x01,
            mechanism: 0x01,
            start_payload: 16,
            image: Vec::new(),
            announced: 0,
            header: Vec::new(),
            downloading: false,
            running_b: false,
            silent_until: Millis(0),
            commands: Vec::new(),
            flaky: 0,
            accesses: 0,
        }
    }

    fn info(&self) -> ModuleInfo {
        let mut info = ModuleInfo::empty();
        info.cmis_revision = (5, 2);
        info.controls = Controls::default();
        info.durations = Some(Durations {
            dp_init: MS,
            dp_deinit: MS,
            power_up: MS,
            power_down: MS,
            tx_on: MS,
            tx_off: MS,
        });
        info.cdb = Some(CdbSupport {
            instances: 1,
            background: self.background,
            auto_paging: false,
            payload_pages: 16,
            access_len: 64,
            trigger_in_sequence: false,
            busy_limit: 80 * MS,
        });
        info
    }

    fn settle(&mut self) {
        if self.status & 0x80 != 0 && self.now.get() >= self.busy_until {
            self.status = self.result;
        }
    }

    fn open(&mut self) -> Result<(), TransportError> {
        self.settle();
        self.accesses += 1;
        if self.flaky != 0 && self.accesses.is_multiple_of(self.flaky) {
            return Err(TransportError::Busy);
        }
        if self.now.get() < self.silent_until || (!self.background && self.status & 0x80 != 0) {
            return Err(self.silence);
        }
        Ok(())
    }

    fn reply(&mut self, bytes: &[u8]) {
        self.message[8..8 + bytes.len()].copy_from_slice(bytes);
        self.message[6] = u8::try_from(bytes.len()).unwrap();
        let spoiled = u8::from(self.spoil_reply);
        self.message[7] = if bytes.is_empty() { 0 } else { check_code(bytes).wrapping_add(spoiled) };
    }

    fn execute(&mut self) {
        let id = u16::from_be_bytes([self.message[0], self.message[1]]);
        self.commands.push(id);
        let lpl_len = usize::from(self.message[4]).min(120);
        let lpl = self.message[8..8 + lpl_len].to_vec();
        let epl_len = u16::from_be_bytes([self.message[2], self.message[3]]);
        let expected = command_check_code(CommandId(id), epl_len, &lpl);
        self.status = 0x81;
        self.busy_until = self.now.get().after(self.took);
        self.result = match self.fail {
            _ if expected != self.message[5] => 0x45,
            // A command that fails does nothing.
            Some((failing, result, times)) if failing == id => {
                self.fail = (times > 1).then_some((failing, result, times - 1));
                result
            }
            _ => self.run(id, &lpl, usize::from(epl_len)),
        };
    }

    fn run(&mut self, id: u16, lpl: &[u8], epl_len: usize) -> u8 {
        if self.needs_password && id >= 0x0100 {
            return 0x46;
        }
        self.reply(&[]);
        match id {
            0x0001 if lpl == Password::DEFAULT.0 => self.needs_password = false,
            0x0001 => return 0x46,
            0x0041 => {
                let mut reply = [0_u8; 18];
                reply[1] = self.flags;
                reply[2] = self.start_payload;
                reply[3] = 0xFF;
                reply[5] = self.mechanism;
                self.reply(&reply);
            }
            0x0100 => {
                let mut reply = [0_u8; 110];
                reply[0] = if self.running_b { 0x10 } else { 0x01 };
                reply[1] = 0x03;
                self.reply(&reply);
            }
            0x0101 => {
                self.downloading = true;
                self.announced = u32::from_be_bytes(lpl[..4].try_into().unwrap());
                self.header = lpl[8..].to_vec();
                let rest = self.announced as usize - self.header.len();
                self.image = std::vec![0xFF; rest];
            }
            0x0102 => self.downloading = false,
            0x0103 | 0x0104 if self.downloading => {
                let at = u32::from_be_bytes(lpl[..4].try_into().unwrap()) as usize;
                let block = if id == 0x0103 { lpl[4..].to_vec() } else { self.epl[..epl_len].to_vec() };
                match self.image.get_mut(at..at + block.len()) {
                    Some(place) => place.copy_from_slice(&block),
                    None => return 0x42,
                }
            }
            0x0107 if self.downloading => self.downloading = false,
            0x0109 => {
                self.running_b = !self.running_b;
                self.silent_until = self.now.get().after(Duration::from_secs(5));
                return 0;
            }
            0x0004 | 0x0108 | 0x010A => {}
            _ => return 0x41,
        }
        0x01
    }
}

impl Eeprom for Module {
    fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
        self.open()?;
        for (offset, byte) in into.iter_mut().enumerate() {
            *byte = match (at.page, at.byte) {
                (0, 37) => self.status,
                (0x9F, first) => self.message[usize::from(first - 128) + offset],
                _ => 0,
            };
        }
        Ok(())
    }

    fn write(&mut self, at: Address, bytes: &[u8]) -> Result<(), TransportError> {
        self.open()?;
        assert!(
            bytes.len() <= 64 && usize::from(at.byte) + bytes.len() <= 256,
            "{at}, {} bytes",
            bytes.len()
        );
        assert_eq!(self.status & 0x80, 0, "a message is not written while a command runs");
        match at.page {
            0x9F => {
                let from = usize::from(at.byte - 128);
                self.message[from..from + bytes.len()].copy_from_slice(bytes);
                if from == 0 {
                    assert_eq!(bytes.len(), 2, "the number is written alone and last");
                    self.execute();
                }
            }
            page @ 0xA0..=0xAF => {
                let from = usize::from(page - 0xA0) * 128 + usize::from(at.byte - 128);
                self.epl[from..from + bytes.len()].copy_from_slice(bytes);
            }
            page => panic!("page {page:02X}h is not written"),
        }
        Ok(())
    }

    fn counters(&self) -> Counters {
        Counters::default()
    }
}

/// Runs to the end in virtual time, of which it takes at most `most`.
fn finish<P: Procedure>(procedure: P, module: &mut Module, most: Duration) -> P::Output {
    let begun = module.now.get();
    let mut pollable = Pollable::new(procedure, BusyLimits::default());
    loop {
        match pollable.advance(module.now.get(), module) {
            Progress::Done(output) => return output,
            Progress::Sleep(until) => {
                assert!(until > module.now.get(), "a wait that does not pass time");
                module.now.set(until);
            }
        }
        assert!(module.now.get().elapsed_since(begun) <= most, "more than {most:?}");
    }
}

const MINUTE: Duration = Duration::from_secs(60);

fn firmware(len: usize) -> Vec<u8> {
    (0..len).map(|index| u8::try_from(index * 7 % 251).unwrap()).collect()
}

fn download(module: &mut Module, image: &[u8]) -> Result<Downloaded, CdbError> {
    let procedure = Download::new(&module.info(), 1, image).unwrap();
    finish(procedure, module, 60 * MINUTE)
}

#[test]
fn an_image_arrives_whole_by_either_payload_in_both_modes() {
    for background in [false, true] {
        for (mechanism, block) in [(0x01_u8, 116_usize), (0x10, 2048), (0x11, 2048)] {
            let mut module = Module::new(background);
            module.mechanism = mechanism;
            let image = firmware(5_000);
            let done = download(&mut module, &image).unwrap();
            assert_eq!((module.header.as_slice(), module.image.as_slice()), image.split_at(16));
            let blocks = u32::try_from((image.len() - 16).div_ceil(block)).unwrap();
            assert_eq!(done, Downloaded { bytes: 5_000, blocks, skipped: 0 });
            assert!(!module.downloading);
        }
    }
}

#[test]
fn erased_blocks_are_left_out_only_where_the_module_allows_it() {
    let mut image = firmware(16);
    image.extend([0xFF; 116]);
    image.extend(firmware(50));
    for (flags, skipped) in [(0x01, 0), (0x05, 1)] {
        let mut module = Module::new(true);
        module.flags = flags;
        let done = download(&mut module, &image).unwrap();
        assert_eq!((done.skipped, done.blocks), (skipped, 2 - skipped));
        assert_eq!(module.image, image[16..]);
    }
}

#[test]
fn a_long_silence_in_the_foreground_is_not_an_empty_port() {
    for silence in
        [TransportError::Busy, TransportError::Absent, TransportError::TimedOut, TransportError::Io(6)]
    {
        let mut module = Module::new(false);
        module.silence = silence;
        module.took = Duration::from_millis(4_500);
        let procedure = Cdb::new(&module.info(), 1, GetFirmwareInfo).unwrap();
        let info = finish(procedure, &mut module, MINUTE).unwrap();
        assert_eq!(info.running(), Some(FirmwareBank::A));
    }
}

#[test]
fn a_command_that_does_not_end_is_given_up_after_its_own_limit() {
    for background in [false, true] {
        let mut module = Module::new(background);
        module.took = Duration::from_secs(600);
        let procedure = Cdb::new(&module.info(), 1, GetFirmwareInfo).unwrap();
        let begun = module.now.get();
        let error = finish(procedure, &mut module, MINUTE).unwrap_err();
        let silent = (!background).then_some(TransportError::Busy);
        let limit = Duration::from_millis(6_250);
        assert_eq!(error, CdbError::TimedOut { command: CommandId::FIRMWARE_INFO, limit, silent });
        // A look in the foreground ends only when the runner's patience does.
        assert!(module.now.get().elapsed_since(begun) <= limit + Duration::from_millis(2_600));
    }
}

#[test]
fn every_failure_is_told_with_the_command() {
    for (result, failure) in [
        (0x40, CdbFailure::Unspecified),
        (0x41, CdbFailure::UnknownCommand),
        (0x42, CdbFailure::Parameter),
        (0x45, CdbFailure::CheckCode),
        (0x47, CdbFailure::OperatingState),
        (0x62, CdbFailure::Firmware(34)),
        (0x71, CdbFailure::Custom(49)),
    ] {
        let mut module = Module::new(true);
        module.fail = Some((0x0100, result, 1));
        let procedure = Cdb::new(&module.info(), 1, GetFirmwareInfo).unwrap();
        let error = finish(procedure, &mut module, MINUTE).unwrap_err();
        assert_eq!(error, CdbError::Failed { command: CommandId::FIRMWARE_INFO, failure });
    }
}

#[test]
fn a_spoiled_reply_is_refused() {
    let mut module = Module::new(true);
    module.spoil_reply = true;
    let procedure = Cdb::new(&module.info(), 1, GetFirmwareFeatures).unwrap();
    let error = finish(procedure, &mut module, MINUTE).unwrap_err();
    assert!(matches!(error, CdbError::ReplyCheck { command: CommandId::FIRMWARE_FEATURES, .. }), "{error}");
}

#[test]
fn a_protected_command_says_that_it_needs_the_password_and_goes_on_with_it() {
    let mut module = Module::new(true);
    module.needs_password = true;
    let refused = download(&mut module, &firmware(64)).unwrap_err();
    let failure = CdbFailure::Password;
    assert_eq!(refused, CdbError::Failed { command: CommandId::START_DOWNLOAD, failure });
    let info = module.info();
    let wrong = Cdb::new(&info, 1, EnterPassword(Password([1, 2, 3, 4]))).unwrap();
    assert!(finish(wrong, &mut module, MINUTE).is_err());
    let right = Cdb::new(&info, 1, EnterPassword(Password::DEFAULT)).unwrap();
    finish(right, &mut module, MINUTE).unwrap();
    download(&mut module, &firmware(64)).unwrap();
}

#[test]
fn a_download_that_fails_is_aborted_and_the_failure_is_the_first_one() {
    let mut module = Module::new(true);
    module.fail = Some((0x0103, 0x61, 1));
    let error = download(&mut module, &firmware(500)).unwrap_err();
    let failure = CdbFailure::Firmware(33);
    assert_eq!(error, CdbError::Failed { command: CommandId::WRITE_LPL, failure });
    assert_eq!(module.commands.last(), Some(&0x0102));
    // Where the abort is not there, nothing unknown is sent.
    let mut module = Module::new(true);
    module.flags = 0;
    module.fail = Some((0x0107, 0x61, 1));
    download(&mut module, &firmware(500)).unwrap_err();
    assert_eq!(module.commands.last(), Some(&0x0107));
}

#[test]
fn an_image_that_ends_early_is_noticed() {
    let mut module = Module::new(true);
    let error = download(&mut module, &firmware(8)).unwrap_err();
    assert_eq!(error, CdbError::ImageTooShort { len: 8, needed: 16 });
    #[derive(Debug)]
    struct Liar;
    impl ImageSource for Liar {
        fn len(&self) -> u32 {
            1_000
        }
        fn read(&mut self, offset: u32, into: &mut [u8]) -> bool {
            into.fill(1);
            offset < 300
        }
    }
    let procedure = Download::new(&module.info(), 1, Liar).unwrap();
    let error = finish(procedure, &mut module, MINUTE).unwrap_err();
    assert!(matches!(error, CdbError::ImageUnreadable { offset: 300..=500 }), "{error}");
    assert!(!module.downloading, "what was begun is aborted");
}

#[test]
fn a_module_without_a_write_mechanism_takes_no_image() {
    let mut module = Module::new(true);
    module.mechanism = 0;
    let error = download(&mut module, &firmware(64)).unwrap_err();
    assert_eq!(error, CdbError::FeatureMissing { what: FirmwareFeature::Download });
    assert_eq!(module.commands, [0x0041], "nothing was begun");
}

#[test]
fn a_restart_is_waited_for_and_the_running_image_compared() {
    for silence in [TransportError::Busy, TransportError::Absent] {
        let mut module = Module::new(true);
        module.silence = silence;
        let run = RunFirmware::new(&module.info(), 1, RunMode::ResetToInactive, 100).unwrap();
        let done = finish(run, &mut module, 2 * MINUTE).unwrap();
        assert_eq!(done.before.running(), Some(FirmwareBank::A));
        assert_eq!(done.after.running(), Some(FirmwareBank::B));
    }
    let mut module = Module::new(true);
    module.fail = Some((0x0109, 0x42, 1));
    let run = RunFirmware::new(&module.info(), 1, RunMode::ResetToInactive, 0).unwrap();
    assert!(finish(run, &mut module, 2 * MINUTE).is_err());
}

#[test]
fn copy_and_commit_are_sent_only_where_the_module_has_them() {
    let mut module = Module::new(false);
    let info = module.info();
    let features = finish(Cdb::new(&info, 1, GetFirmwareFeatures).unwrap(), &mut module, MINUTE).unwrap();
    let missing = CopyImage::new(&features, FirmwareBank::A).unwrap_err();
    assert_eq!(missing, CdbError::FeatureMissing { what: FirmwareFeature::Copy });
    finish(Cdb::new(&info, 1, CommitImage::new(&features)).unwrap(), &mut module, MINUTE).unwrap();
    let abort = AbortDownload::new(&features).unwrap();
    finish(Cdb::new(&info, 1, abort).unwrap(), &mut module, MINUTE).unwrap();
    assert_eq!(module.commands, [0x0041, 0x010A, 0x0102]);
}

#[test]
fn what_does_not_fit_is_refused_before_the_module_is_accessed() {
    let module = Module::new(true);
    let mut info = module.info();
    let wrong = Cdb::new(&info, 2, GetFirmwareInfo).map(|_| ()).unwrap_err();
    assert_eq!(wrong, CdbError::WrongInstance { instance: 2, instances: 1 });
    let long = RawCommand::new(CommandId(0x8000), &[0; 121], MS).map(|_| ()).unwrap_err();
    assert_eq!(long, CdbError::PayloadTooLong { len: 121, max: 120 });
    info.cdb = None;
    assert_eq!(Cdb::new(&info, 1, GetFirmwareInfo).map(|_| ()).unwrap_err(), CdbError::NotSupported);
}

#[test]
fn a_running_command_is_waited_for_unless_the_next_one_is_meant_for_it() {
    let mut module = Module::new(true);
    module.status = 0x83;
    module.result = 0x01;
    module.busy_until = Millis(700);
    let procedure = Cdb::new(&module.info(), 1, GetFirmwareInfo).unwrap();
    finish(procedure, &mut module, MINUTE).unwrap();
    assert!(module.now.get() >= Millis(700));
    let mut module = Module::new(true);
    module.status = 0x83;
    module.busy_until = Millis(u64::MAX);
    let procedure = Cdb::new(&module.info(), 1, GetFirmwareInfo).unwrap();
    let error = finish(procedure, &mut module, MINUTE).unwrap_err();
    assert!(matches!(error, CdbError::InUse { command: CommandId::FIRMWARE_INFO, .. }), "{error}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_download_ends_whole_or_with_an_error_whatever_fails(
        background in any::<bool>(), flaky in 0_u64..9, len in 0_usize..1_500, took in 0_u64..3_000,
        fail in proptest::option::of((0x0100_u16..0x010B, 0x40_u8..0x80, 1_u32..3)), mechanism in 0_u8..0x12,
    ) {
        let mut module = Module::new(background);
        module.flaky = if flaky < 3 { 0 } else { flaky };
        module.took = Duration::from_millis(took);
        module.fail = fail;
        module.mechanism = mechanism;
        let image = firmware(len);
        let result = download(&mut module, &image);
        if result.is_ok() {
            prop_assert_eq!(&module.image[..], &image[16..]);
        }
        prop_assert!(!module.downloading || fail.is_some_and(|(id, ..)| id == 0x0102), "nothing is left half done");
    }

    #[test]
    fn noise_is_survived(bytes in proptest::collection::vec(any::<u8>(), 128), status in any::<u8>()) {
        #[derive(Debug)]
        struct Noise(Vec<u8>, u8);
        impl Eeprom for Noise {
            fn read(&mut self, at: Address, into: &mut [u8]) -> Result<(), TransportError> {
                if at.is_lower() { into.fill(self.1) } else { into.copy_from_slice(&self.0[..into.len()]) }
                self.1 = self.1.wrapping_mul(5).wrapping_add(3);
                Ok(())
            }
            fn write(&mut self, _at: Address, _bytes: &[u8]) -> Result<(), TransportError> {
                Ok(())
            }
            fn counters(&self) -> Counters {
                Counters::default()
            }
        }
        let mut noise = Noise(bytes, status);
        let info = Module::new(true).info();
        let image = firmware(300);
        let mut pollable =
            Pollable::new(Download::new(&info, 1, image.as_slice()).unwrap(), BusyLimits::default());
        let mut now = Millis(0);
        while let Progress::Sleep(until) = pollable.advance(now, &mut noise) {
            prop_assert!(until > now && until < Millis(3_600_000));
            now = until;
        }
    }
}
