//! The parts of the lab.

pub mod broker;
pub mod cases;
pub mod fill;
pub mod fleet;
pub mod inventory;
pub mod limits;
pub mod observer;
pub mod options;
pub mod plan;
pub mod plant;
pub mod play;
pub mod report;
pub mod signals;
pub mod world;
