//! Types, wire messages and message bus of the ipowdm multi-tenant IP-over-WDM control plane.
//!
//! Everything that the agent on a switch and the controllers must agree on has its one home here: ids, physical units,
//! the ITU-T G.694.1 grid, spectrum bitmaps with their first-fit search, module capabilities, the mode catalogue, wire
//! messages, topic names and partitioning, the quality-of-transmission detector, error codes and the message bus.
//!
//! The crate is `no_std` and needs no heap. Features add what needs more: `json` (alloc) the wire messages, `bus` (std
//! and tokio) the bus trait with its in-memory implementation, `kafka` the bus over Kafka, `conformance` the suite that every bus
//! passes.
//!
//! # Example
//! ```
//! use ipowdm_core::grid::{Grid, Raster};
//! use ipowdm_core::slots::{Policy, Search, Slots};
//!
//! let mut fibre = Slots::all_free(Raster::C_BAND.bits());
//! // The lowest 75 GHz slot (12 steps of 6.25 GHz) whose centre a 400ZR module can tune to.
//! let starts = Raster::C_BAND.starts_on(Grid::Ghz75, -72..=120, 6);
//! let first = Search::new(&fibre, 12).at(&starts).find(Policy::FirstFit).unwrap();
//! fibre.take(first, 12).unwrap();
//! let slot = Raster::C_BAND.slot_at(first, 12).unwrap();
//! assert_eq!(slot.centre().unwrap().mhz(), 191_300_000);
//! ```
#![no_std]

#[cfg(feature = "json")]
extern crate alloc;
#[cfg(any(test, feature = "std"))]
extern crate std;

#[cfg(feature = "bus")]
pub mod bus;
pub mod capability;
pub mod error;
pub mod grid;
pub mod ids;
pub mod modes;
#[cfg(feature = "json")]
pub mod msg;
pub mod qot;
pub mod slots;
pub mod time;
pub mod topics;
pub mod units;
