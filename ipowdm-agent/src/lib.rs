//! The ipowdm agent: drives the coherent pluggables of one switch through CMIS on behalf of several virtual operators.
//!
//! Decisions are plain types without clock or input and output: [`intake`] judges commands, [`assignment`] follows whom
//! the agent serves, [`schedule`] keeps fixed rates, [`journal`] adds up what must survive a restart, and a
//! [`port::PortMachine`] knows what to do with one port. [`runtime`] runs them: one task for the agent, one host per port.

pub mod assignment;
pub mod config;
#[cfg(feature = "settings")]
pub mod configure;
#[cfg(feature = "settings")]
pub mod doctor;
pub mod intake;
pub mod journal;
#[cfg(feature = "settings")]
pub mod log_file;
pub mod mode;
pub mod module_lock;
pub mod port;
#[cfg(feature = "cli")]
pub mod program;
pub mod quality;
pub mod runtime;
pub mod schedule;
#[cfg(feature = "settings")]
pub mod settings;
#[cfg(feature = "sonic")]
pub mod sonic;
pub mod windows;

pub use config::{AgentConfig, Service};
pub use intake::Identity;
pub use runtime::{Agent, AgentHandle, AgentStatus};
