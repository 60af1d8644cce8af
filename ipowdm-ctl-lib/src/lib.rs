#![doc = include_str!("../README.md")]

pub mod paths;
pub mod store;
pub mod topology;
