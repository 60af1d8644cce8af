//! `ipowdm-ctl linkdb`

use super::Failure;
use clap::Args;
use ipowdm_ctl_lib::http::{self, LINKDB_ADDR};
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
    /// Listen where other machines can connect. There is no authentication yet: put a proxy before it that has.
    #[arg(long)]
    allow_remote: bool,
    /// Where the records are kept: memory (gone at the end), redb:PATH (a file of this process alone), or redis://HOST:PORT/DB
    /// (shared by several). Without it, the environment variables IPOWDM_STORE and REDIS_URL.
    #[arg(long, value_name = "STORE")]
    store: Option<String>,
    /// PoPs and links to begin with, a document of schema linkdb-topology/1; passed over where the store has PoPs.
    #[arg(long, value_name = "FILE")]
    topology: Option<PathBuf>,
}

impl Options {
    /// The store's place. From the environment a location may hold a password that must not show among the arguments.
    fn location(&self) -> Result<Location, Failure> {
        let from = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let text = self.store.clone().or_else(|| from("IPOWDM_STORE")).or_else(|| from("REDIS_URL"));
        let text = text.ok_or_else(|| {
            let choices = "memory, redb:PATH or redis://HOST:PORT/DB";
            Failure::Options(format!("--store is missing: {choices}"))
        })?;
        text.parse().map_err(|error| Failure::Options(format!("--store: {error}")))
    }
}

/// Serves until a signal comes.
pub(super) fn run(options: &Options) -> Result<(), Failure> {
    let location = options.location()?;
    if !options.listen.ip().is_loopback() && !options.allow_remote {
        let reason = format!(
            "--listen {}: others can reach that address and there is no authentication yet; --allow-remote does it \
             nevertheless",
            options.listen
        );
        return Err(Failure::Options(reason));
    }
    let topology = options.topology.as_deref().map(read).transpose()?;
    let runtime = tokio::runtime::Runtime::new().map_err(|error| Failure::Work(error.to_string()))?;
    runtime.block_on(serve(options, &location, topology))
}

fn read(path: &Path) -> Result<TopologyDocument, Failure> {
    let refused = |reason: String| Failure::Options(format!("--topology {}: {reason}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|error| refused(error.to_string()))?;
    TopologyDocument::from_json(&text).map_err(|error| refused(error.to_string()))
}

async fn serve(
    options: &Options,
    location: &Location,
    topology: Option<TopologyDocument>,
) -> Result<(), Failure> {
    let work = |reason: String| Failure::Work(reason);
    let listen = |kind| signal(kind).map_err(|error| Failure::Work(error.to_string()));
    let (mut interrupt, mut terminate) = (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?);
    let store =
        Store::open(location, StoreOptions::default()).await.map_err(|error| work(error.to_string()))?;
    let db = LinkDb::new(store);
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
    let served = http::serve(http::linkdb_router_with_holds(db, clock), options.listen)
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
