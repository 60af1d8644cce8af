//! The control plane measured with real agents and emulated modules that take no time.

pub mod ingest;
pub mod setup;
pub mod step;
