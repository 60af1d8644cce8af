#![doc = include_str!("../README.md")]

#[cfg(feature = "http")]
pub mod http;
pub mod linkdb;
pub mod paths;
pub mod spectrum;
pub mod store;
pub mod topology;
