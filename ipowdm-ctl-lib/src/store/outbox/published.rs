//! Waiting for the messages of one commit.

use super::OutboxRecord;
use crate::store::{Change, Prefix, RawKey, Record, Store, StoreError, Version, Watch};
use core::time::Duration;
use tokio::time::timeout;

impl Store {
    /// Watches the outbox from now on, to wait for messages of commits to come.
    #[must_use]
    pub fn watch_outbox(&self) -> Watch {
        self.watch(&Prefix::<OutboxRecord>::all())
    }

    /// Waits until a relay is done with everything that the commit `version` has put into the outbox, at most for `limit`;
    /// answers whether it is. `watch` must be older than the commit.
    ///
    /// # Errors
    /// [`StoreError`] where the outbox cannot be read.
    pub async fn relayed(
        &self,
        mut watch: Watch,
        version: Version,
        limit: Duration,
    ) -> Result<bool, StoreError> {
        // The keys of a commit's messages begin with its version.
        let prefix = RawKey::from_stored(&format!("{}/16:{:016x},", OutboxRecord::KIND, version.get()));
        let concerns = |key: &RawKey| key.as_str().starts_with(prefix.as_str());
        let wait = async {
            loop {
                let mut snapshot = self.snapshot().await?;
                if snapshot.page_bytes(prefix.clone(), None, Some(1)).await?.is_empty() {
                    return Ok(true);
                }
                drop(snapshot);
                loop {
                    match watch.next().await {
                        Some(Change::Committed(notice)) if !notice.keys.iter().any(concerns) => {}
                        Some(_) => break,
                        // The back end is gone.
                        None => return Ok(false),
                    }
                }
            }
        };
        timeout(limit, wait).await.unwrap_or(Ok(false))
    }
}
