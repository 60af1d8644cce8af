//! The agent's program in a process of its own, with modules outside of it.

pub mod rig;
pub mod station;
