//! The agent on a SONiC switch: a real Redis server on the switch's Unix socket with rows as SONiC's daemons write them, and a
//! stand-in for xcvrd that acts on the configuration.
//!
//! `scripts/redis-up.sh --switch` starts the servers. Where it cannot, these tests fail and say what is missing.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

#[path = "sonic/agent.rs"]
mod agent;
#[path = "sonic/configure.rs"]
mod configure;
#[path = "sonic/databases.rs"]
mod databases;
#[path = "sonic/program.rs"]
mod program;
#[path = "sonic/registers.rs"]
mod registers;
#[path = "sonic/switch.rs"]
mod switch;
#[path = "sonic/written.rs"]
mod written;
#[path = "sonic/xcvrd.rs"]
mod xcvrd;
