//! The state machines of CMIS as pure types: conditions in, next state out; no clock, no registers.
//!
//! The emulator runs on them. The driver does not (it learns states from registers only), but both use the encodings of
//! [`crate::codes`].

mod data_path;
mod module;

pub use data_path::{PathConditions, next_path_state};
pub use module::{ModuleConditions, ModulePhase, next_module_phase};
