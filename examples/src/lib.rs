//! What the examples are made of, shared with the end-to-end tests and the benchmarks: the lab, the whole system in one process; two
//! switches for an integrator's program; and the planning tool.

pub mod field;
pub mod lab;
pub mod plan;
