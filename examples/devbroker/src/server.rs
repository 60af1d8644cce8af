//! Sockets: the listener, the connections, and the handle that owns them.
//!
//! Tasks: one acceptor, which owns the listener and a set of one task per connection, and one timer for consumer groups
//! and retention. The [`Broker`] owns both; dropping it aborts them, and with the acceptor go the listener and the
//! connections. Every task may be dropped at any await: changes are made in critical sections without one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep};

use crate::disk::Disk;
use crate::engine::{Endpoint, Engine, SavedLog};
use crate::faults::Faults;
use crate::options::Options;
use crate::stats::{Stats, bump};

mod connection;

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The address cannot be listened on: in use, not of this host, or not permitted.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address asked for.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// The folder of the persistent mode cannot be used: not permitted, or another broker writes to it.
    #[error("cannot keep anything in {folder}: {source}")]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// How long a start on a given port waits for that port: the sockets of a broker that was just dropped are closed by
/// its runtime a moment later.
const PORT_PATIENCE: Duration = Duration::from_secs(1);

/// A running broker. Dropping it stops it as a crash does: no goodbye, nothing kept.
#[derive(Debug)]
pub struct Broker {
    engine: Arc<Engine>,
    addr: SocketAddr,
    acceptor: JoinHandle<()>,
    timer: JoinHandle<()>,
    stop: Option<oneshot::Sender<()>>,
}

impl Broker {
    /// Binds the port, then serves on tasks of the current tokio runtime, which needs its I/O and time drivers.
    ///
    /// # Errors
    ///
    /// [`StartError::Bind`], where a port in use is tried again for a second; [`StartError::Folder`].
    pub async fn start(mut options: Options) -> Result<Broker, StartError> {
        let address = SocketAddr::new(options.bind, options.port);
        let failed = |source| StartError::Bind { address, source };
        let listener = listen(address).await.map_err(failed)?;
        let addr = listener.local_addr().map_err(failed)?;
        let host = options.advertised_host.clone().unwrap_or_else(|| reachable(addr.ip()).to_string());
        let disk = match options.folder.clone() {
            None => None,
            Some(folder) => {
                let opened = Disk::open(&folder).map_err(|source| StartError::Folder { folder, source })?;
                options.log = Some(opened.1);
                Some(opened.0)
            }
        };
        let engine = Arc::new(Engine::over(options, Endpoint { host, port: addr.port() }, disk));
        let (stop, stopped) = oneshot::channel();
        let acceptor = tokio::spawn(accept(Arc::clone(&engine), listener, stopped));
        let timed = Arc::clone(&engine);
        let timer = tokio::spawn(async move {
            tokio::join!(timed.keep_group_time(), timed.keep_retention());
        });
        Ok(Broker { engine, addr, acceptor, timer, stop: Some(stop) })
    }

    /// The address bound, with the real port.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The advertised `host:port`, as clients want it in `bootstrap.servers`.
    pub fn bootstrap(&self) -> String {
        let Endpoint { host, port } = &self.engine.endpoint;
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The faults that this broker suffers.
    pub fn faults(&self) -> &Faults {
        &self.engine.faults
    }

    /// The broker's counters.
    pub fn stats(&self) -> Stats {
        self.engine.stats()
    }

    /// Stops at once and returns what was held. From the call on no request takes effect; when it returns, the port
    /// is free and every connection is closed.
    pub async fn crash(mut self) -> SavedLog {
        let log = self.engine.stop();
        self.timer.abort();
        if let Some(stop) = self.stop.take() {
            // The acceptor has gone only if its runtime has.
            let _ = stop.send(());
        }
        let _ = (&mut self.acceptor).await;
        log
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        drop(self.engine.stop());
        self.acceptor.abort();
        self.timer.abort();
    }
}

async fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let patience = Instant::now() + PORT_PATIENCE;
    loop {
        match TcpListener::bind(address).await {
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && address.port() != 0
                    && Instant::now() < patience =>
            {
                sleep(Duration::from_millis(5)).await;
            }
            result => return result,
        }
    }
}

/// An address that clients on this host can connect to.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(v4) if v4.is_unspecified() => IpAddr::from([127, 0, 0, 1]),
        IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]),
        ip => ip,
    }
}

async fn accept(engine: Arc<Engine>, listener: TcpListener, mut stopped: oneshot::Receiver<()>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => admit(&engine, stream, &mut connections),
                // Out of descriptors, or a peer that left at once: neither ends the broker.
                Err(_) => sleep(Duration::from_millis(10)).await,
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

fn admit(engine: &Arc<Engine>, stream: TcpStream, connections: &mut JoinSet<()>) {
    if connections.len() >= engine.limits().connections {
        bump(&engine.counters.refused);
        return;
    }
    bump(&engine.counters.accepted);
    bump(&engine.counters.open);
    let open = Open(Arc::clone(engine));
    connections.spawn(async move {
        connection::serve(&open.0, stream).await;
    });
}

/// Counts a connection as open while it lives, however it ends.
struct Open(Arc<Engine>);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.counters.open.fetch_sub(1, Ordering::Relaxed);
    }
}
