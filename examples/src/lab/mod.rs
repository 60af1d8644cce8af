//! The parts of the lab.

pub mod broker;
pub mod inventory;
pub mod observer;
pub mod options;
pub mod plan;
pub mod plant;
pub mod report;
