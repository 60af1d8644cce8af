//! What is asked.

use clap::Args;
use std::path::PathBuf;

/// Options of `plan what-if`.
#[derive(Debug, Clone, Args)]
pub struct Options {
    /// The network as it is: an archive of a store, as `ipowdm-ctl archive` writes it.
    #[arg(long, value_name = "FILE", required_unless_present = "topology", conflicts_with = "topology")]
    pub snapshot: Option<PathBuf>,
    /// An empty network: a file of schema linkdb-topology/1.
    #[arg(long, value_name = "FILE")]
    pub topology: Option<PathBuf>,
    /// The PoP at one end.
    #[arg(long, value_name = "POP")]
    pub from: String,
    /// The PoP at the other end.
    #[arg(long, value_name = "POP")]
    pub to: String,
    /// A mode by its name, such as 400ZR, or the width of a channel in GHz.
    #[arg(long, default_value = "400ZR")]
    pub mode: String,
    /// Candidate paths.
    #[arg(short, long, default_value_t = 5)]
    pub k: u16,
    /// The band that LinkDB keeps: c, super-c or c+l.
    #[arg(long, default_value = "c")]
    pub band: String,
    /// Where centres of channels may lie: flex (every 6.25 GHz), 12.5, 12.5-edges (edges of slots at every 12.5 GHz), or the
    /// fixed grid 50, 75 or 100 GHz.
    #[arg(long, default_value = "flex")]
    pub centres: String,
    /// Spectrum at the edges of the band, and beside holes in it, that carries no channel, in GHz.
    #[arg(long, value_name = "GHZ", default_value_t = 0)]
    pub edge_guard: u32,
    /// On whose behalf: inside the windows and the quota of this virtual operator. Without it, anywhere in the band.
    #[arg(long, value_name = "VOP")]
    pub vop: Option<String>,
    /// Draws the spectrum of the links into this file.
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Prints one JSON object instead of a table.
    #[arg(long)]
    pub json: bool,
}
