#![doc = include_str!("../README.md")]

pub mod connection;
pub mod controller;
#[cfg(feature = "http")]
pub mod http;
pub mod linkdb;
pub mod paths;
pub mod plane;
#[cfg(feature = "server")]
pub mod program;
pub mod qot_loop;
pub mod registry;
pub mod slice;
pub mod spectrum;
pub mod store;
pub mod topology;
pub mod verify;

#[cfg(test)]
mod testbed;
