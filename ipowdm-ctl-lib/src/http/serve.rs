//! Serving a router: bounded connections, bounded time for headers, graceful shutdown.

use super::crowd::{Crowd, Seated};
use axum::Router;
use core::time::Duration;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};

/// Open connections of one service; where there are more, idle ones are closed ([`super::crowd`]).
const CONNECTIONS: usize = 1024;

/// Time for the headers of a request to arrive, the wait for the next request on a kept connection included.
const HEADER_TIME: Duration = Duration::from_secs(30);

/// Time that requests in flight get when the service stops.
const GRACE: Duration = Duration::from_secs(5);

/// Pause after a failed accept (no file descriptors, most likely).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A service that is being served. Dropping it stops the service too, without waiting for it.
#[derive(Debug)]
pub struct Served {
    addr: SocketAddr,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Served {
    /// Where it listens; the actual port where port 0 was asked for.
    #[must_use]
    pub const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Stops accepting, ends streams of events, gives the other requests in flight five seconds, then closes what is left.
    pub async fn shutdown(self) {
        let Self { stop, task, .. } = self;
        // The receiver is gone only where the task has ended.
        let _ = stop.send(());
        if let Err(failed) = task.await
            && failed.is_panic()
        {
            tracing::error!(%failed, "the HTTP service did not stop cleanly");
        }
    }
}

/// Serves a router on an address; port 0 takes a free one.
///
/// Nothing is encrypted: bind to the loopback address and put a proxy that speaks TLS in front where others must reach it;
/// another address is warned about in the log.
///
/// # Errors
/// Where the address cannot be bound.
pub async fn serve(router: Router, addr: SocketAddr) -> io::Result<Served> {
    serve_within(router, addr, CONNECTIONS, HEADER_TIME).await
}

/// As [`serve`], with other limits.
pub(super) async fn serve_within(
    router: Router,
    addr: SocketAddr,
    connections: usize,
    header_time: Duration,
) -> io::Result<Served> {
    let listener = TcpListener::bind(addr).await?;
    let addr = listener.local_addr()?;
    if !addr.ip().is_loopback() {
        tracing::warn!(%addr, "serving without encryption on an address that others can reach");
    }
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(accept(listener, router, (connections, header_time), stopped));
    Ok(Served { addr, stop, task })
}

async fn accept(
    listener: TcpListener,
    router: Router,
    (connections, header_time): (usize, Duration),
    mut stopped: oneshot::Receiver<()>,
) {
    let crowd = Crowd::new(connections);
    let graceful = GracefulShutdown::new();
    let (end, ending) = watch::channel(false);
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = &mut stopped => break,
            Some(_) = open.join_next() => continue,
            accepted = listener.accept() => accepted,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let place = tokio::select! {
            _ = &mut stopped => break,
            place = crowd.enter() => place,
        };
        let (service, ending) = (TowerToHyperService::new(router.clone()), ending.clone());
        let service = Seated { service, place: Arc::clone(&place), ending };
        let served = graceful.watch(connection(stream, service, header_time));
        open.spawn(async move {
            tokio::select! {
                // First, so that a request which has come in by now is seen before its connection is called idle.
                biased;
                ended = served => if let Err(error) = ended {
                    tracing::debug!(%peer, %error, "connection ended");
                },
                () = place.left() => tracing::debug!(%peer, "idle connection makes room"),
            }
        });
    }
    drop(listener);
    end.send_replace(true);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            "requests were still in flight {GRACE:?} after the stop; their connections are closed"
        );
    }
}

type Handler = Seated<TowerToHyperService<Router>>;

fn connection(
    stream: TcpStream,
    handler: Handler,
    header_time: Duration,
) -> http1::Connection<TokioIo<TcpStream>, Handler> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_time)
        .serve_connection(TokioIo::new(stream), handler)
}
