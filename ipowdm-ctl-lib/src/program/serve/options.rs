//! Options of the serving programs; each goes before the environment and the file.

use crate::program::settings::{LauncherName, Settings};
use clap::Args;
use ipowdm_core::ids::VopId;
use std::net::SocketAddr;
use std::path::PathBuf;

/// What all of them take.
#[derive(Args)]
pub(crate) struct Options {
    /// Settings, a TOML file; dist/ipowdm.toml is a sample with everything in it.
    #[arg(long, value_name = "FILE", env = "IPOWDM_CONFIG")]
    pub(super) config: Option<PathBuf>,
    /// Print the settings in force, without secrets, and end: 0 where they can be used, 2 where not.
    #[arg(long)]
    pub(super) check_config: bool,
    /// Where the records are kept: memory (gone at the end), redb:PATH (a file of this process alone), or redis://HOST:PORT/DB
    /// (shared by several). Without it IPOWDM_STORE, REDIS_URL, LINKDB_HOST, then the file.
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// Who may do what: a table of bearer tokens, see `ipowdm-ctl token`.
    #[arg(long, value_name = "FILE", conflicts_with = "open")]
    tokens: Option<PathBuf>,
    /// Let whoever reaches it do everything: for a laboratory, on the loopback address.
    #[arg(long)]
    open: bool,
    /// Listen where other machines can connect. Tokens travel as they are: put a proxy before it that speaks TLS.
    #[arg(long)]
    allow_remote: bool,
    /// Stop when standard input ends too: with whoever started this, in whatever way that ends.
    #[arg(long)]
    pub(super) until_eof: bool,
}

impl Options {
    pub(super) fn over(&self, settings: &mut Settings) {
        if let Some(store) = &self.store {
            settings.store.location = Some(store.clone());
        }
        if let Some(tokens) = &self.tokens {
            settings.access.tokens = Some(tokens.clone());
            settings.access.open = false;
        }
        if self.open {
            settings.access.tokens = None;
            settings.access.open = true;
        }
        settings.access.allow_remote |= self.allow_remote;
    }
}

/// `ipowdm-ctl linkdb`
#[derive(Args)]
pub(crate) struct LinkdbOptions {
    #[command(flatten)]
    pub(crate) common: Options,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// The band: c, super-c or c+l. A store stays with the one it has connections in.
    #[arg(long)]
    band: Option<String>,
    /// Where centres of channels may lie: flex (every 6.25 GHz), 12.5, 12.5-edges (edges of slots at every 12.5 GHz), or the
    /// fixed grid 50, 75 or 100 GHz.
    #[arg(long)]
    centres: Option<String>,
    /// Spectrum at the edges of the band, and beside holes in it, that carries no channel, in GHz.
    #[arg(long, value_name = "GHZ")]
    edge_guard: Option<u32>,
    /// PoPs and links to begin with, a document of schema linkdb-topology/1; passed over where the store has PoPs.
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
}

impl LinkdbOptions {
    pub(crate) fn over(&self, settings: &mut Settings) {
        let table = &mut settings.linkdb;
        put(self.listen, &mut table.listen);
        put(self.band.clone(), &mut table.band);
        put(self.centres.clone(), &mut table.centres);
        put(self.edge_guard, &mut table.edge_guard_ghz);
        put(self.topology.clone(), &mut table.topology);
    }
}

/// `ipowdm-ctl slice-manager` and `ipowdm-ctl all`
#[derive(Args)]
pub(crate) struct SliceOptions {
    #[command(flatten)]
    pub(crate) common: Options,
    /// How controllers are started: as tasks of this process, as processes, or by somebody else.
    #[arg(long, value_enum)]
    launcher: Option<LauncherName>,
    /// The bus: brokers to ask first, separated by commas.
    #[arg(long, value_name = "HOST:PORT")]
    bus: Option<String>,
}

impl SliceOptions {
    pub(crate) fn over(&self, settings: &mut Settings) {
        put(self.launcher, &mut settings.slice.launcher);
        put(self.bus.clone(), &mut settings.bus.bootstrap);
    }
}

/// `ipowdm-ctl controller`
#[derive(Args)]
pub(crate) struct ControllerOptions {
    #[command(flatten)]
    pub(crate) common: Options,
    /// The virtual operator whose controller this is. It is waited for where it is not active.
    #[arg(long, value_name = "VOP")]
    vop: Option<VopId>,
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT")]
    listen: Option<SocketAddr>,
    /// How many ports after that of --listen to try where it is taken.
    #[arg(long, value_name = "N")]
    ports: Option<u16>,
    /// The bus: brokers to ask first, separated by commas.
    #[arg(long, value_name = "HOST:PORT")]
    bus: Option<String>,
}

impl ControllerOptions {
    pub(crate) fn over(&self, settings: &mut Settings) {
        put(self.vop.clone(), &mut settings.controller.virtual_operator);
        put(self.listen, &mut settings.controller.listen);
        put(self.ports, &mut settings.controller.ports);
        put(self.bus.clone(), &mut settings.bus.bootstrap);
    }
}

fn put<T>(value: Option<T>, into: &mut Option<T>) {
    if value.is_some() {
        *into = value;
    }
}
