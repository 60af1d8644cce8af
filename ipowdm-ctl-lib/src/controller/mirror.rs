//! Keeps the memory in step with the store, whatever became of whoever has written.
//!
//! A request brings the memory up to date itself once its commit is through. But its future may be dropped while the commit
//! is under way, and a commit may take effect although its outcome was never learned: then the store's watch tells of it.

use super::inner::Inner;
use super::record::{ConnectionRecord, PortOperation};
use crate::store::{Change, Key, RawKey, StoreError};
use core::time::Duration;
use ipowdm_core::ids::ConnectionId;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::time::sleep;

/// How long changes are gathered; most are in memory already by then.
const GATHER: Duration = Duration::from_millis(200);

/// Most changes gathered before they are looked at.
const BATCH: usize = 4_096;

/// What is to be read again.
#[derive(Default)]
struct Doubtful {
    keys: BTreeSet<RawKey>,
    /// Notices were lost: everything.
    all: bool,
}

/// Follows the store until another controller takes over, the store is gone, or dropped.
pub(super) async fn run(inner: Arc<Inner>) {
    let vop = inner.vop.id();
    let prefixes = vec![ConnectionRecord::of(vop).raw().clone(), PortOperation::of(vop).raw().clone()];
    let mut watch = inner.linkdb.store().watch_raw(prefixes);
    let mut doubtful = Doubtful::default();
    loop {
        let change = tokio::select! {
            biased;
            () = inner.until_superseded() => return,
            change = watch.next() => change,
        };
        let Some(change) = change else { return };
        doubtful.add(change);
        let gathered = sleep(GATHER);
        tokio::pin!(gathered);
        while doubtful.keys.len() < BATCH {
            tokio::select! {
                biased;
                () = &mut gathered => break,
                change = watch.next() => match change {
                    Some(change) => doubtful.add(change),
                    None => return,
                },
            }
        }
        while let Err(error) = inner.read_again(&doubtful).await {
            tracing::warn!(vop = %inner.vop.id(), %error, "the memory may be behind the store");
            sleep(GATHER).await;
        }
        doubtful = Doubtful::default();
    }
}

impl Doubtful {
    fn add(&mut self, change: Change) {
        match change {
            Change::Committed(notice) => self.keys.extend(notice.keys.iter().cloned()),
            Change::Resync { .. } => self.all = true,
        }
    }
}

impl Inner {
    async fn read_again(&self, doubtful: &Doubtful) -> Result<(), StoreError> {
        let vop = self.vop.id();
        let mut snapshot = self.linkdb.store().snapshot().await?;
        let version = snapshot.version();
        let (mut connections, mut ports) = (Vec::new(), Vec::new());
        let mut gone = Vec::new();
        if doubtful.all {
            let records = snapshot.scan(&ConnectionRecord::of(vop)).await?;
            connections.extend(records.into_iter().map(|(_, record)| record));
            let stored: BTreeSet<&ConnectionId> = connections.iter().map(|record| &record.id).collect();
            gone.extend(
                self.live().records().map(|record| record.id.clone()).filter(|id| !stored.contains(id)),
            );
            let operations = snapshot.scan(&PortOperation::of(vop)).await?;
            ports.extend(operations.into_iter().map(|(_, operation)| operation));
        } else {
            for raw in &doubtful.keys {
                if let Some(key) = Key::<ConnectionRecord>::from_raw(raw.clone()) {
                    let [of, id] = key.parts()[..] else { continue };
                    let Some(id) = ConnectionId::new(id).ok().filter(|_| of == vop.as_str()) else {
                        continue;
                    };
                    match snapshot.get(&key).await? {
                        Some(record) => connections.push(record),
                        None => gone.push(id),
                    }
                } else if let Some(key) = Key::<PortOperation>::from_raw(raw.clone()) {
                    ports.extend(snapshot.get(&key).await?);
                }
            }
        }
        for record in connections {
            let rule = self.rule_of(&record);
            self.live().stored(record, rule);
        }
        for id in gone {
            self.live().absent(&id, version);
        }
        ports.retain(|operation: &PortOperation| self.registry().has_port(&operation.port));
        ports.into_iter().for_each(|operation| self.port_operation_became(operation));
        self.timers.notify_one();
        Ok(())
    }
}
