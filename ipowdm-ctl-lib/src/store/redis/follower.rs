//! The task that waits for commits of other processes, on a connection of its own.

use super::link::{Failure, Pause, failure, raw_connection};
use super::mirror::Applied;
use super::options::RedisOptions;
use super::wire::{Names, PAGE, read_feed};
use super::worker::Request;
use super::{Shared, mirror};
use core::time::Duration;
use redis::aio::MultiplexedConnection;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// How long the server holds a question that nothing answers. Then the worker is asked to look whether the store is still
/// the one that was followed: a server that has lost its data would be silent for ever.
const HOLD: Duration = Duration::from_secs(1);

pub(super) struct Follower {
    pub(super) shared: Arc<Shared>,
    pub(super) options: RedisOptions,
    pub(super) names: Names,
    pub(super) requests: mpsc::WeakSender<Request>,
}

impl Follower {
    /// Follows until the back end is dropped.
    pub(super) async fn run(self) {
        let mut pause = Pause::new();
        loop {
            if let Ok(mut connection) = raw_connection(&self.options).await {
                while let Ok(entries) = self.wait(&mut connection).await {
                    pause = Pause::new();
                    let complete = self.take_in(entries);
                    if !complete && self.look().await.is_none() {
                        return;
                    }
                }
            }
            if self.requests.strong_count() == 0 {
                return;
            }
            pause.wait().await;
        }
    }

    async fn wait(&self, connection: &mut MultiplexedConnection) -> Result<Vec<mirror::Entry>, Failure> {
        let applied = self.shared.mirror().applied();
        let mut command = redis::cmd("XREAD");
        command.arg("COUNT").arg(PAGE).arg("BLOCK").arg(u64::try_from(HOLD.as_millis()).unwrap_or(u64::MAX));
        command.arg("STREAMS").arg(self.names.feed()).arg(format!("{applied}-1"));
        let limit = HOLD + self.options.answer_within;
        let answer = match timeout(limit, connection.send_packed_command(&command)).await {
            Ok(answer) => answer.map_err(|error| failure(&error))?,
            Err(_) => return Err(Failure::Broken(format!("no answer within {limit:?}"))),
        };
        read_feed(answer).map_err(|error| Failure::Failed(error.to_string()))
    }

    /// Whether the entries continue what is known.
    fn take_in(&self, entries: Vec<mirror::Entry>) -> bool {
        let mut mirror = self.shared.mirror();
        let some = !entries.is_empty();
        let broken =
            entries.into_iter().any(|entry| mirror.apply(entry, &self.shared.changes) == Applied::Gap);
        drop(mirror);
        self.shared.changes.deliver();
        some && !broken
    }

    /// Has the worker look at the store; `None` when the back end is gone.
    async fn look(&self) -> Option<()> {
        let (answer, looked) = oneshot::channel();
        self.requests.upgrade()?.send(Request::Sync(answer)).await.ok()?;
        // A failure is told to those whom it concerns; here there is always a next time.
        let _ = looked.await;
        Some(())
    }
}
