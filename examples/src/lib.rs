//! What the examples are made of, shared with the end-to-end tests and the benchmarks: the lab, the whole system in one process; two
//! switches for an integrator's program; a switch as processes; and the planning tool.

pub mod client_properties;
pub mod field;
pub mod heard;
pub mod lab;
pub mod orders;
pub mod plan;
pub mod switch;
