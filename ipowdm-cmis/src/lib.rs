//! CMIS and C-CMIS host driver for coherent pluggable modules (400ZR, OpenZR+ and kin), and an emulator of them.
//!
//! - [`map`]: the registers as declared data; [`codes`]: their encodings.
//! - [`access`]: the transport trait [`access::Eeprom`], paging rules, counters.
//! - [`procedure`]: what a host does with a module, sans-I/O: [`Identify`](procedure::Identify),
//!   [`Configure`](procedure::Configure) (bring-up and reconfiguration), [`TxControl`](procedure::TxControl) (teardown,
//!   output on and off), [`SetTxPower`](procedure::SetTxPower), [`ModulePower`](procedure::ModulePower),
//!   [`Reset`](procedure::Reset), [`Reconcile`](procedure::Reconcile) (compare, then the least change),
//!   [`Provision`](procedure::Provision) and [`Decommission`](procedure::Decommission),
//!   [`SetLoopbacks`](procedure::SetLoopbacks), [`SetPattern`](procedure::SetPattern) and
//!   [`Measure`](procedure::Measure) (diagnostics), [`cdb`](procedure::cdb) (commands, firmware),
//!   [`Sweep`](procedure::Sweep) (the state of the light, every few seconds), [`Survey`](procedure::Survey) and
//!   [`FullSweep`](procedure::FullSweep) (all that is monitored, statistics of an interval included); and the two runners
//!   [`run`](procedure::run) and [`Pollable`](procedure::Pollable).
//! - [`monitoring`]: what monitors say: thresholds, VDM by quantity, FEC and link performance.
//! - [`flags`]: clear-on-read flags, read once and known to every consumer.
//! - [`machine`]: module and data-path state machines as pure types.
//! - `transport` (feature `std`): the optoe `eeprom` file, the line protocol on a Unix socket, images in memory and (feature
//!   `json`) in files; [`ModuleSpec`](transport::ModuleSpec) opens them by name.
//! - `module_test` (feature `std`): checks of what a module says, and a bring-up with its times.
//! - `dump` (feature `std`): everything that a module says, for people and (feature `json`) as JSON.
//! - `emulator` and `line` (feature `emulator`): a register-true module and an optical line between two of them.
//!
//! The core needs neither std nor a heap. No content of a module makes it panic; bad input is a typed
//! [`ProcError`](procedure::ProcError) before the first write. A quantity that the module does not state is
//! [`Reading::Absent`](procedure::Reading), `Unsupported`, `Unreadable`, `Implausible` or `Stale`, never a zero.
//!
//! # Example
//!
//! Bring-up of an emulated module in virtual time; on a switch the EEPROM is another transport and the clock the host's.
#![cfg_attr(feature = "emulator", doc = "```")]
#![cfg_attr(not(feature = "emulator"), doc = "```ignore")]
//! use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile, VirtualClock};
//! use ipowdm_cmis::procedure::{
//!     ApplicationChoice, BusyLimits, Configure, Flags, Identify, Pollable, Progress, Sweep, Target, run,
//! };
//! use ipowdm_cmis::time::Clock;
//! use ipowdm_core::units::{Frequency, Power};
//!
//! let mut clock = VirtualClock::new();
//! let module = EmulatedModule::new(Profile::OPENZRP, 1, ModuleClock::from(&clock));
//! let mut eeprom = module.eeprom();
//!
//! // Blocking on the clock:
//! let info = run(Identify::new(), &mut eeprom, &mut clock)?;
//! assert!(info.capability.can_tune(Frequency::from_mhz(193_400_000)));
//!
//! // Or polled, as a task does that owns the clock and must not block:
//! let target = Target {
//!     frequency: Frequency::from_mhz(193_400_000),
//!     tx_power: Power::from_hundredths(-200),
//!     application: ApplicationChoice::MediaCode(0x46),
//! };
//! let mut bring_up = Pollable::new(Configure::new(&info, target)?, BusyLimits::default());
//! let readback = loop {
//!     match bring_up.advance(clock.now(), &mut eeprom) {
//!         Progress::Sleep(until) => clock.sleep_until(until),
//!         Progress::Done(result) => break result?,
//!     }
//! };
//! assert_eq!(readback.frequency, target.frequency);
//!
//! let report = run(Sweep::new(&info, 0, Flags::Latch), &mut eeprom, &mut clock)?;
//! assert_eq!(report.tx_power_target.value(), Some(target.tx_power));
//! assert_eq!(report.osnr.value(), None, "no line is attached: no light, and so no number");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![no_std]

#[cfg(any(test, feature = "std"))]
extern crate std;

pub mod access;
pub mod codes;
#[cfg(feature = "std")]
pub mod dump;
#[cfg(feature = "emulator")]
pub mod emulator;
pub mod flags;
#[cfg(feature = "emulator")]
pub mod line;
pub mod machine;
pub mod map;
#[cfg(feature = "std")]
pub mod module_test;
pub mod monitoring;
pub mod physics;
pub mod procedure;
pub mod time;
#[cfg(feature = "std")]
pub mod transport;
