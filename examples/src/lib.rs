//! The lab: the whole system in one process. Shared by `examples/lab` and the end-to-end tests.

pub mod lab;
