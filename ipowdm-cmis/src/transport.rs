//! Transports of a hosted system.

mod optoe;

pub use optoe::Optoe;
