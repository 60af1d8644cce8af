//! A TCP proxy between store and server that breaks connections: now and then, or all of them for a while.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Of so many pieces of data, the given number breaks the connection.
const OUT_OF: u32 = 100_000;

/// How often a piece of data breaks its connection, out of 100 000.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) sends: u32,
    pub(crate) receives: u32,
}

impl Faults {
    pub(crate) const NONE: Self = Self { sends: 0, receives: 0 };
    /// 0.1 % of what is sent, 1 % of what is received.
    pub(crate) const USUAL: Self = Self { sends: 100, receives: 1000 };
    /// The server hears everything and is never heard.
    pub(crate) const NO_ANSWERS: Self = Self { sends: 0, receives: OUT_OF };
}

#[derive(Debug)]
struct Shared {
    sends: AtomicU32,
    receives: AtomicU32,
    random: AtomicU64,
    broken: AtomicU32,
    /// Whether the link is cut.
    cut: watch::Sender<bool>,
}

impl Shared {
    /// Numbers that look random, the same in every run as far as the tasks' order is.
    fn draw(&self) -> u32 {
        let state = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        u32::try_from((mixed ^ (mixed >> 31)) % u64::from(OUT_OF)).unwrap()
    }

    fn strikes(&self, rate: &AtomicU32) -> bool {
        let struck = self.draw() < rate.load(Ordering::Relaxed);
        if struck {
            self.broken.fetch_add(1, Ordering::Relaxed);
        }
        struck
    }
}

/// A running proxy.
#[derive(Debug)]
pub(crate) struct Proxy {
    shared: Arc<Shared>,
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// A proxy to a port of this machine.
    pub(crate) async fn start(target: u16, faults: Faults) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            sends: AtomicU32::new(faults.sends),
            receives: AtomicU32::new(faults.receives),
            random: AtomicU64::new(1),
            broken: AtomicU32::new(0),
            cut: watch::Sender::new(false),
        });
        let task = tokio::spawn(accept(listener, target, Arc::clone(&shared)));
        Self { shared, port, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Connections broken so far, cuts not counted.
    pub(crate) fn broken(&self) -> u32 {
        self.shared.broken.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, faults: Faults) {
        self.shared.sends.store(faults.sends, Ordering::Relaxed);
        self.shared.receives.store(faults.receives, Ordering::Relaxed);
    }

    /// Breaks every connection, and every new one until [`Proxy::heal`].
    pub(crate) fn cut(&self) {
        self.shared.cut.send_replace(true);
    }

    pub(crate) fn heal(&self) {
        self.shared.cut.send_replace(false);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, target: u16, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if *shared.cut.borrow() {
            continue;
        }
        let Ok(server) = TcpStream::connect(("127.0.0.1", target)).await else { continue };
        client.set_nodelay(true).unwrap();
        server.set_nodelay(true).unwrap();
        let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
        let shared = Arc::clone(&shared);
        tokio::spawn(async move {
            let mut cut = shared.cut.subscribe();
            tokio::select! {
                () = pump(from_client, to_server, &shared, &shared.sends) => {}
                () = pump(from_server, to_client, &shared, &shared.receives) => {}
                _ = cut.wait_for(|cut| *cut) => {}
            }
        });
    }
}

/// Passes data on until either side ends, or a fault strikes: then half of a piece arrives, or nothing of it.
async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, shared: &Shared, rate: &AtomicU32) {
    let mut piece = vec![0; 1 << 16];
    loop {
        let length = match from.read(&mut piece).await {
            Ok(0) | Err(_) => return,
            Ok(length) => length,
        };
        if shared.strikes(rate) {
            if shared.draw().is_multiple_of(2) {
                let _ = to.write_all(&piece[..length / 2]).await;
            }
            return;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
