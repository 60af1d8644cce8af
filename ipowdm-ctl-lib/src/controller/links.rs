//! Fibre links that fail: LinkDB says so, and the connections on them learn of it.

use super::engine::{Beside, Job};
use super::inner::Inner;
use crate::connection::Event;
use crate::store::Prefix;
use crate::topology::{FibreLink, UpDown};
use core::time::Duration;
use ipowdm_core::ids::LinkId;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Pause after the store has failed.
const PAUSE: Duration = Duration::from_millis(500);

/// Follows the links until another controller takes over, the store is gone, or dropped.
pub(super) async fn run(inner: Arc<Inner>) {
    let mut watch = inner.linkdb.store().watch(&Prefix::<FibreLink>::all());
    loop {
        if !inner.compare_links().await {
            tokio::time::sleep(PAUSE).await;
            continue;
        }
        tokio::select! {
            biased;
            () = inner.until_superseded() => return,
            change = watch.next() => if change.is_none() { return },
        }
    }
}

impl Inner {
    /// Tells every connection whether a link of its path is down; answers whether the links could be read.
    async fn compare_links(&self) -> bool {
        let links = match self.linkdb.links().await {
            Ok(links) => links,
            Err(error) => {
                tracing::warn!(vop = %self.vop.id(), %error, "links");
                return false;
            }
        };
        let down: BTreeSet<LinkId> =
            links.into_iter().filter(|link| link.oper == UpDown::Down).map(|link| link.id).collect();
        let mut jobs = Vec::new();
        for record in self.live().records().filter(|record| !record.is_over()) {
            let broken = record.path.hops.iter().any(|hop| down.contains(&hop.link));
            if broken != record.life.link_down() {
                let event = if broken { Event::LinkDown } else { Event::LinkUp };
                jobs.push(Job::new(record.id.clone(), event));
            }
        }
        let jobs: Vec<Job> = jobs.into_iter().filter_map(|job| self.worth_storing(job)).collect();
        if !jobs.is_empty() {
            self.drive_surely(&jobs, &Beside::default()).await;
        }
        true
    }
}
