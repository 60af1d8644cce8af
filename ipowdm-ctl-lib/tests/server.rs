//! `ipowdm-ctl linkdb` as a process: filled by many clients at once, killed at any moment.
#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests state what they expect")]

#[path = "server/archive.rs"]
mod archive;
#[path = "server/client.rs"]
mod client;
#[path = "server/dist.rs"]
mod dist;
#[path = "server/fill.rs"]
mod fill;
#[path = "server/kill.rs"]
mod kill;
#[path = "server/options.rs"]
mod options;
#[path = "server/process.rs"]
mod process;
#[path = "server/redis.rs"]
mod redis;
