//! Serving a router: bounded connections, bounded time for headers, graceful shutdown.

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
use tokio::sync::{Semaphore, oneshot};
use tokio::task::{JoinHandle, JoinSet};

/// Open connections of one service; further ones wait in the listener's queue.
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

    /// Stops accepting, gives the requests in flight five seconds, then closes what is left.
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
/// There is no authentication yet: whoever reaches the address commands the network. Bind to the loopback address and put
/// an authenticating proxy in front where others must reach it; another address is warned about in the log.
///
/// # Errors
/// Where the address cannot be bound.
pub async fn serve(router: Router, addr: SocketAddr) -> io::Result<Served> {
    let listener = TcpListener::bind(addr).await?;
    let addr = listener.local_addr()?;
    if !addr.ip().is_loopback() {
        tracing::warn!(%addr, "serving without authentication on an address that others can reach");
    }
    let (stop, stopped) = oneshot::channel();
    let task = tokio::spawn(accept(listener, router, stopped));
    Ok(Served { addr, stop, task })
}

async fn accept(listener: TcpListener, router: Router, mut stopped: oneshot::Receiver<()>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            _ = &mut stopped => break,
            Some(_) = connections.join_next() => continue,
            next = next => next,
        };
        match (place, accepted) {
            (Ok(place), Ok((stream, peer))) => {
                let served = graceful.watch(connection(stream, router.clone()));
                connections.spawn(async move {
                    if let Err(error) = served.await {
                        tracing::debug!(%peer, %error, "connection ended");
                    }
                    drop(place);
                });
            }
            (_, Err(error)) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
            // The semaphore is never closed.
            (Err(_), _) => break,
        }
    }
    drop(listener);
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!(
            "requests were still in flight {GRACE:?} after the stop; their connections are closed"
        );
    }
}

fn connection(
    stream: TcpStream,
    router: Router,
) -> http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>> {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "cannot set TCP_NODELAY");
    }
    http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router))
}
