#![doc = include_str!("../README.md")]

#[cfg(feature = "http")]
pub mod http;
pub mod paths;
pub mod store;
pub mod topology;
