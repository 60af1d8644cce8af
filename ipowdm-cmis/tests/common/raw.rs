//! A raw window that waits out the hold-offs.

use ipowdm_cmis::access::{TransportError, Window};
use ipowdm_cmis::emulator::{Control, EmulatedModule, EmulatedWindow, ModuleClock, Profile, VirtualClock};

pub(crate) struct Raw {
    pub(crate) clock: VirtualClock,
    pub(crate) module: EmulatedModule,
    pub(crate) window: EmulatedWindow,
}

impl Raw {
    pub(crate) fn new(profile: Profile) -> Self {
        Self::with_serial(profile, 9)
    }

    pub(crate) fn with_serial(profile: Profile, serial: u32) -> Self {
        let clock = VirtualClock::new();
        let module = EmulatedModule::new(profile, serial, ModuleClock::from(&clock));
        let window = module.window();
        // MgmtInit.
        clock.advance(2_000);
        Self { clock, module, window }
    }

    pub(crate) fn read<const N: usize>(&mut self, byte: u8) -> [u8; N] {
        let mut into = [0; N];
        while self.window.read(byte, &mut into) == Err(TransportError::Busy) {
            self.clock.advance(1);
        }
        into
    }

    pub(crate) fn byte(&mut self, byte: u8) -> u8 {
        let [value] = self.read(byte);
        value
    }

    pub(crate) fn write(&mut self, byte: u8, bytes: &[u8]) {
        while self.window.write(byte, bytes) == Err(TransportError::Busy) {
            self.clock.advance(1);
        }
    }

    pub(crate) fn page(&mut self, page: u8) {
        self.bank(0, page);
    }

    pub(crate) fn bank(&mut self, bank: u8, page: u8) {
        self.write(126, &[bank, page]);
        assert_eq!(self.byte(127), page);
    }

    /// Bytes of a page.
    pub(crate) fn of<const N: usize>(&mut self, page: u8, byte: u8) -> [u8; N] {
        self.page(page);
        self.read(byte)
    }

    pub(crate) fn put(&mut self, page: u8, byte: u8, bytes: &[u8]) {
        self.page(page);
        self.write(byte, bytes);
    }

    pub(crate) fn word(&mut self, page: u8, byte: u8) -> u16 {
        u16::from_be_bytes(self.of(page, byte))
    }

    pub(crate) fn long(&mut self, page: u8, byte: u8) -> u64 {
        u64::from_be_bytes(self.of(page, byte))
    }

    pub(crate) fn quad(&mut self, page: u8, byte: u8) -> u32 {
        u32::from_be_bytes(self.of(page, byte))
    }

    /// The request `X`.
    pub(crate) fn control(&self, json: &str) {
        let control = Control::from_json(json).expect("a control document");
        self.module.control(control).expect("a control document that can be carried out");
    }

    /// High power, data paths of bank 0 initialised, transmitter on.
    pub(crate) fn activate(&mut self) {
        self.write(26, &[0x00]);
        self.put(0x10, 128, &[0]);
        self.put(0x10, 130, &[0]);
        self.clock.advance(120_000);
        assert_eq!(self.of::<4>(0x11, 128), [0x44; 4], "Activated");
    }

    /// Activated behind a clean line, with flags of the way there read.
    pub(crate) fn lit(profile: Profile) -> Self {
        let mut raw = Self::new(profile);
        raw.control(r#"{"line": {}}"#);
        raw.activate();
        raw.quiet();
        raw
    }

    /// Reads every flag once.
    pub(crate) fn quiet(&mut self) {
        let _: [u8; 4] = self.read(8);
        let pages: [(u8, u8, usize); 3] = [(0x11, 134, 20), (0x12, 231, 8), (0x2C, 128, 128)];
        for (page, byte, len) in pages {
            self.write(127, &[page]);
            if self.byte(127) == page {
                let mut flags = vec![0; len];
                while self.window.read(byte, &mut flags) == Err(TransportError::Busy) {
                    self.clock.advance(1);
                }
            }
        }
    }
}

/// The physical value of a CMIS 16-bit float.
pub(crate) fn f16(raw: u16) -> f64 {
    f64::from(raw & 0x7FF) * 10_f64.powi(i32::from(raw >> 11) - 24)
}
