//! `ipowdm-ctl linkdb`

use super::Failure;
use super::place::Place;
use clap::Args;
use ipowdm_core::grid::{Band, Centres};
use ipowdm_ctl_lib::http::{self, Access, LINKDB_ADDR, TokenError, TokenTable};
use ipowdm_ctl_lib::linkdb::LinkDb;
use ipowdm_ctl_lib::store::{LeaseSweeper, Location, Store, StoreClock, StoreOptions};
use ipowdm_ctl_lib::topology::TopologyDocument;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

/// How often holds are looked through, and the most by which their clock falls back in a crash.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Holds given back before others get a turn.
const SWEPT_AT_A_TIME: usize = 1000;

#[derive(Args)]
pub(super) struct Options {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS:PORT", default_value_t = LINKDB_ADDR)]
    listen: SocketAddr,
    /// Who may do what: a table of bearer tokens, see `ipowdm-ctl token`.
    #[arg(long, value_name = "FILE", required_unless_present = "open", conflicts_with = "open")]
    tokens: Option<PathBuf>,
    /// Let whoever reaches it do everything: for a laboratory, on the loopback address.
    #[arg(long)]
    open: bool,
    /// Listen where other machines can connect. Tokens travel as they are: put a proxy before it that speaks TLS.
    #[arg(long)]
    allow_remote: bool,
    #[command(flatten)]
    place: Place,
    /// The band: c, super-c or c+l. A store stays with the one it has connections in.
    #[arg(long, default_value = "c")]
    band: String,
    /// Where centres of channels may lie: flex (every 6.25 GHz), 12.5, 12.5-edges (edges of slots at every 12.5 GHz), or the
    /// fixed grid 50, 75 or 100 GHz.
    #[arg(long, default_value = "flex")]
    centres: String,
    /// Spectrum at the edges of the band, and beside holes in it, that carries no channel, in GHz.
    #[arg(long, value_name = "GHZ", default_value_t = 0)]
    edge_guard: u32,
    /// PoPs and links to begin with, a document of schema linkdb-topology/1; passed over where the store has PoPs.
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
}

impl Options {
    /// Who is let in.
    fn access(&self) -> Result<Access, Failure> {
        let Some(path) = &self.tokens else { return Ok(Access::open()) };
        let refused = |error: TokenError| Failure::Options(format!("--tokens {}: {error}", path.display()));
        TokenTable::read(path).map(Access::tokens).map_err(refused)
    }

    /// The band to allocate in.
    fn band(&self) -> Result<Band, Failure> {
        let refused =
            |option: &str, reason: &dyn std::fmt::Display| Failure::Options(format!("--{option}: {reason}"));
        let band = Band::by_name(&self.band)
            .ok_or_else(|| refused("band", &format!("{:?} is none of c, super-c, c+l", self.band)))?;
        let centres = Centres::by_name(&self.centres).ok_or_else(|| {
            let names = Centres::NAMES.join(", ");
            refused("centres", &format!("{:?} is none of {names}", self.centres))
        })?;
        let guard = self.edge_guard.saturating_mul(1_000);
        band.with_centres(centres).with_edge_guard(guard).map_err(|error| refused("edge-guard", &error))
    }
}

/// Serves until a signal comes.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let (location, band) = (options.place.location()?, options.band()?);
    let access = options.access()?;
    if !options.listen.ip().is_loopback() && !options.allow_remote {
        let reason = format!(
            "--listen {}: others can reach that address and nothing is encrypted; --allow-remote does it nevertheless",
            options.listen
        );
        return Err(Failure::Options(reason));
    }
    let topology = options.topology.as_deref().map(read).transpose()?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::Work(error.to_string()))?;
    runtime.block_on(serve(options, &location, band, topology, access))
}

fn read(path: &Path) -> Result<TopologyDocument, Failure> {
    let refused = |reason: String| Failure::Options(format!("--topology {}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    TopologyDocument::from_json(&text).map_err(|error| refused(error.to_string()))
}

async fn serve(
    options: &Options,
    location: &Location,
    band: Band,
    topology: Option<TopologyDocument>,
    access: Access,
) -> Result<(), Failure> {
    let work = |reason: String| Failure::Work(reason);
    let listen = |kind| signal(kind).map_err(|error| Failure::Work(error.to_string()));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let store =
        Store::open(location, StoreOptions::default()).await.map_err(|error| work(error.to_string()))?;
    let db = LinkDb::with_band(store, band);
    if let Some(document) = topology {
        begin_with(&db, document).await?;
    }
    let clock = StoreClock::resume(db.store()).await.map_err(|error| work(error.to_string()))?;
    let (stop, stopped) = oneshot::channel::<()>();
    let sweeper = LeaseSweeper::new(db.store().clone(), clock.clone(), SWEPT_AT_A_TIME);
    let sweeping = tokio::spawn({
        let db = db.clone();
        async move {
            let stopped = async { drop(stopped.await) };
            sweeper.run(SWEEP_INTERVAL, move |tx, key| db.expire_in(tx, key), stopped).await;
        }
    });
    let served = http::serve(http::linkdb_router_with_holds(db, clock, access), options.listen)
        .await
        .map_err(|error| work(format!("{}: {error}", options.listen)))?;
    announce(served.addr(), location).map_err(|error| work(error.to_string()))?;
    let name = tokio::select! {
        _ = interrupt.recv() => "SIGINT",
        _ = terminate.recv() => "SIGTERM",
    };
    tracing::info!(signal = name, "stopping");
    served.shutdown().await;
    drop(stop);
    sweeping.await.map_err(|error| work(error.to_string()))?;
    Ok(())
}

/// One line on stdout when all is ready: whoever started this waits for it.
fn announce(addr: SocketAddr, location: &Location) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    writeln!(out, "LinkDB on http://{addr}, store {location}")?;
    out.flush()
}

/// Fills an empty store.
async fn begin_with(db: &LinkDb, document: TopologyDocument) -> Result<(), Failure> {
    let there = db.pops().await.map_err(|error| Failure::Work(error.to_string()))?;
    if !there.is_empty() {
        tracing::info!(pops = there.len(), "the store has a topology; --topology is passed over");
        return Ok(());
    }
    let refused = |reason: String| Failure::Options(format!("--topology: {reason}"));
    let (pops, links) = document.into_records().map_err(|error| refused(error.to_string()))?;
    let (count, lines) = (pops.len(), links.len());
    db.import(pops, links).await.map_err(|error| refused(error.to_string()))?;
    tracing::info!(pops = count, links = lines, "topology loaded");
    Ok(())
}
