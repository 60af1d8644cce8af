//! Clear-on-read flags: read by one, known to all.
//!
//! A read of a flag register clears it, so that the first reader takes from every other one what it needs: an alarm
//! that telemetry has seen is news to nobody else. Here each flag is latched where it is read, and every consumer gets it
//! once:
//!
//! - [`FlagSet`]: the flags of a module, one bit each.
//! - [`FlagLatch`]: what each of a fixed number of consumers has not seen yet.
//! - [`Latching`]: an [`Eeprom`] that latches whatever flags pass through it, whichever procedure reads them.
//!
//! Masks, which keep flags from the interrupt, are set by [`SetMasks`](crate::procedure::SetMasks).

mod latch;
mod set;

pub use latch::{Consumer, FlagLatch, Latching, Raised};
pub use set::{FlagSet, NamedFlag, mask_of};

#[cfg(doc)]
use crate::access::Eeprom;
