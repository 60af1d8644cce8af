//! What is known of a module once it is identified.

use super::{Feature, ProcError};
use crate::codes::{ModuleState, Observable};
use crate::map::Address;
use core::time::Duration;
use heapless::{String, Vec};
use ipowdm_core::capability::{ApplicationInfo, ModuleCapability};

/// The module's advertised maximum durations (01h:144, 167, 168).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Durations {
    /// Data path initialisation.
    pub dp_init: Duration,
    /// Data path de-initialisation.
    pub dp_deinit: Duration,
    /// Module power up.
    pub power_up: Duration,
    /// Module power down.
    pub power_down: Duration,
    /// Transmitter on.
    pub tx_on: Duration,
    /// Transmitter off.
    pub tx_off: Duration,
}

/// An advertised application with its lane options.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Application {
    /// Codes and lane counts.
    pub info: ApplicationInfo,
    /// Host lanes on which an instance may begin, lane 1 in bit 0.
    pub host_assignment: u8,
    /// Media lanes on which an instance may begin, lane 1 in bit 0.
    pub media_assignment: u8,
}

/// Fine tuning of the laser (04h:129.7, 190-195). Offsets are in steps of 0.001 GHz, that is in MHz.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FineTuning {
    /// Offsets are multiples of this, in MHz; at least 1.
    pub resolution: u16,
    /// Least offset in MHz.
    pub low: i16,
    /// Greatest offset in MHz.
    pub high: i16,
}

impl FineTuning {
    /// Whether the laser can be set `offset` MHz beside a channel.
    #[must_use]
    pub fn holds(&self, offset: i16) -> bool {
        (self.low..=self.high).contains(&offset) && i32::from(offset) % i32::from(self.resolution.max(1)) == 0
    }
}

/// What the module lets the host control, and how (00h:2, 01h:142-163).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Controls {
    /// SteppedConfigOnly, 00h:2.6: a provisioned data path is changed only step by step, through Deactivated.
    pub stepped_config_only: bool,
    /// AutoCommissioning, 00h:2.1-0 (CMIS 5.0): 1 allows ApplyDPInit on a live data path although stepped, 2 ApplyImmediate.
    pub auto_commissioning: u8,
    /// Staged control set 1 is there, 01h:162.5.
    pub staged_set1: bool,
    /// OutputDisableTx works, 01h:155.1. Where it does not, DPDeinit keeps the module dark.
    pub output_disable_tx: bool,
    /// OutputDisableTx of one lane turns off all, 01h:151.0.
    pub tx_disable_is_module_wide: bool,
    /// Forced squelch of the media output works, 01h:155.3.
    pub forced_squelch_tx: bool,
    /// One write can go to all banks (00h:26.7), 01h:156.7.
    pub bank_broadcast: bool,
    /// Diagnostics pages 13h and 14h are there, 01h:142.5.
    pub diagnostics: bool,
    /// DPInitPending (11h:235) means something: from CMIS 5.0.
    pub init_pending: bool,
}

impl Controls {
    /// Whether ApplyDPInit is carried out on a data path that is Initialized or Activated: the module takes it down and
    /// up by itself.
    #[must_use]
    pub const fn applies_to_live_paths(&self) -> bool {
        !self.stepped_config_only || self.auto_commissioning == 1
    }
}

/// How the command data block is to be used (01h:163-166).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CdbSupport {
    /// Number of instances, 1 or 2; instance i lives in bank i - 1 of pages 9Fh-AFh.
    pub instances: u8,
    /// Commands run in the background: the module can be accessed meanwhile. Otherwise it acknowledges nothing until done.
    pub background: bool,
    /// Writes and reads of the extended payload may run on from one page to the next.
    pub auto_paging: bool,
    /// Pages of extended payload, 0 to 16.
    pub payload_pages: u8,
    /// Most bytes of one access to the extended payload: 8 times (1 + extension).
    pub access_len: u16,
    /// The command runs when any access that includes byte 129 ends (01h:165.7), so a message may be written in one.
    pub trigger_in_sequence: bool,
    /// Longest time for which the module is busy with capturing and processing a short command.
    pub busy_limit: Duration,
}

/// One VDM instance of a descriptor page (20h-23h).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VdmInstance {
    /// Observable type code, see [`Observable`].
    pub observable: u8,
    /// Lane or data path, 0-based; 15 for the module.
    pub lane: u8,
    /// Threshold set in the group's threshold page.
    pub threshold_set: u8,
    /// Sample page, 24h-27h.
    pub page: u8,
    /// First byte of the sample.
    pub byte: u8,
}

/// The part of a sample page that the sweep reads: from the first to the last instance it knows by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VdmSpan {
    /// Sample page, 24h-27h.
    pub page: u8,
    /// First byte.
    pub byte: u8,
    /// Number of bytes.
    pub len: u8,
}

/// What [`Identify`](super::Identify) ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleInfo {
    /// SFF-8024 identifier, 00h:0.
    pub identifier: u8,
    /// CMIS revision, major and minor.
    pub cmis_revision: (u8, u8),
    /// Whether the memory is flat: lower memory and page 00h only.
    pub flat_memory: bool,
    /// Vendor name.
    pub vendor_name: String<16>,
    /// Part number.
    pub part_number: String<16>,
    /// Revision.
    pub revision: String<2>,
    /// Serial number.
    pub serial_number: String<16>,
    /// Date code, `YYMMDD` and lot.
    pub date_code: String<8>,
    /// Whether 00h:222 is the sum of 128-221.
    pub identity_checksum_ok: bool,
    /// Active firmware, major and minor; both 0 where the module does not say.
    pub firmware: (u8, u8),
    /// Media interface technology, 00h:212.
    pub technology: u8,
    /// Media lanes that the module does not have, lane 1 in bit 0, 00h:210.
    pub media_lanes_unsupported: u8,
    /// Module state when read.
    pub module_state: ModuleState,
    /// Coherent pages (30h-4Fh) advertised, 01h:142.4.
    pub coherent_pages: bool,
    /// Tunable transmitter, 01h:155.6.
    pub tunable: bool,
    /// VDM pages advertised, 01h:142.6.
    pub vdm: bool,
    /// Number of lane banks of eight lanes, 1 to 32.
    pub banks: u8,
    /// What can be controlled.
    pub controls: Controls,
    /// Fine tuning of the laser, where it has it.
    pub fine_tuning: Option<FineTuning>,
    /// Command data block, where the module has it.
    pub cdb: Option<CdbSupport>,
    /// Advertised durations; `None` on flat memory.
    pub durations: Option<Durations>,
    /// Advertised applications with lane options, in the module's order.
    pub applications: Vec<Application, 15>,
    /// What the module can do, as the control plane plans with it.
    pub capability: ModuleCapability,
    /// VDM instances.
    pub vdm_instances: Vec<VdmInstance, 256>,
    /// Sample spans to read in a sweep, at most one for each group.
    pub vdm_spans: Vec<VdmSpan, 4>,
}

impl ModuleInfo {
    /// Whether the module is coherent: advertised coherent pages (01h:142.4), a tunable transmitter (01h:155.6), or the
    /// technology of a tunable C- or L-band laser (00h:212 = 10h, 11h). Never a name or an interface code, which may be a
    /// custom one.
    #[must_use]
    pub const fn is_coherent(&self) -> bool {
        self.coherent_pages || self.tunable || matches!(self.technology, 0x10 | 0x11)
    }

    /// What a procedure needs to control the module: its durations.
    ///
    /// # Errors
    /// [`ProcError::FlatMemory`], or [`ProcError::RevisionTooOld`] before CMIS 4.0.
    pub(super) fn controllable(&self) -> Result<Durations, ProcError> {
        let durations = self.durations.ok_or(ProcError::FlatMemory)?;
        let (major, minor) = self.cmis_revision;
        if major < 4 { Err(ProcError::RevisionTooOld { major, minor }) } else { Ok(durations) }
    }

    /// Refuses a bank that the module does not have.
    pub(super) const fn check_bank(&self, bank: u8) -> Result<(), ProcError> {
        if bank < self.banks { Ok(()) } else { Err(ProcError::WrongBank { bank, banks: self.banks }) }
    }

    /// Refuses a module without diagnostics pages, or without this bank.
    pub(super) fn diagnosable(&self, bank: u8) -> Result<(), ProcError> {
        self.controllable()?;
        self.check_bank(bank)?;
        if self.controls.diagnostics {
            Ok(())
        } else {
            Err(ProcError::NotSupported { feature: Feature::Diagnostics })
        }
    }

    /// The instance of an observable for a media lane (0-based), or for the module.
    #[must_use]
    pub fn instance(&self, observable: Observable, lane: u8) -> Option<&VdmInstance> {
        self.vdm_instances
            .iter()
            .find(|i| i.observable == observable.code() && (i.lane == lane || i.lane == 15))
    }

    pub(super) fn empty() -> Self {
        Self {
            identifier: 0,
            cmis_revision: (0, 0),
            flat_memory: false,
            vendor_name: String::new(),
            part_number: String::new(),
            revision: String::new(),
            serial_number: String::new(),
            date_code: String::new(),
            identity_checksum_ok: false,
            firmware: (0, 0),
            technology: 0,
            media_lanes_unsupported: 0,
            module_state: ModuleState::Unknown(0),
            coherent_pages: false,
            tunable: false,
            vdm: false,
            banks: 1,
            controls: Controls::default(),
            fine_tuning: None,
            cdb: None,
            durations: None,
            applications: Vec::new(),
            capability: ModuleCapability { grids: Vec::new(), tx_power: None, applications: Vec::new() },
            vdm_instances: Vec::new(),
            vdm_spans: Vec::new(),
        }
    }
}

/// The serial number, by which a procedure knows the module that was identified (00h:166-181).
pub(super) const SERIAL: (Address, u8) = (Address::page(0x00, 166), 16);

/// Refuses a module whose serial number, read from [`SERIAL`], is not the identified one.
pub(super) fn same_module(serial: &String<16>, bytes: &[u8]) -> Result<(), ProcError> {
    if *serial == text::<16>(Some(bytes)) { Ok(()) } else { Err(ProcError::ModuleChanged) }
}

/// ASCII text without its padding; what is not printable becomes `?`.
pub(super) fn text<const N: usize>(bytes: Option<&[u8]>) -> String<N> {
    let mut out = String::new();
    for byte in bytes.unwrap_or_default() {
        let shown = if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '?' };
        // A text is at most as long as its register.
        let _ = out.push(shown);
    }
    while out.ends_with([' ', '?']) {
        out.pop();
    }
    out
}
