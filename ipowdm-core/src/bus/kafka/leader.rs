//! Looking for the leader of a partition, again and again while leaders move.

use super::cluster::{Cluster, unavailable, unknown};
use super::connection::WireError;
use super::refusal::Refusal;
use crate::bus::BusError;
use crate::bus::pause::Pause;
use std::format;
use std::string::{String, ToString};
use std::sync::Arc;
use tokio::time::{Instant, sleep_until};

/// The attempts of one call at what certainly took no effect yet, until its deadline.
pub(in crate::bus) struct Patience {
    pause: Pause,
    pub(super) deadline: Instant,
}

impl Patience {
    pub(in crate::bus) fn until(deadline: Instant) -> Self {
        Self { pause: Pause::new(), deadline }
    }

    /// Waits before the next attempt; fails with `error` where that would have less time than the wait before it: what
    /// a broker said tells a caller more than that time ran out.
    pub(in crate::bus) async fn another(&mut self, error: BusError) -> Result<(), BusError> {
        let pause = self.pause.draw();
        let next = Instant::now() + pause;
        if next + pause >= self.deadline {
            return Err(error);
        }
        sleep_until(next).await;
        Ok(())
    }
}

/// The search of one call for the leader of one partition.
pub(super) struct Leader<'a> {
    cluster: &'a Cluster,
    pub(super) topic: &'a str,
    pub(super) partition: u32,
    doing: &'static str,
    patience: Patience,
    /// What was known before this is not to be believed.
    newer_than: Option<Instant>,
}

impl<'a> Leader<'a> {
    pub(super) fn of(
        cluster: &'a Cluster,
        topic: &'a str,
        partition: u32,
        doing: &'static str,
        deadline: Instant,
    ) -> Self {
        Self { cluster, topic, partition, doing, patience: Patience::until(deadline), newer_than: None }
    }

    pub(super) fn deadline(&self) -> Instant {
        self.patience.deadline
    }

    /// The leader's address; waits while there is none.
    pub(super) async fn find(&mut self) -> Result<Arc<str>, BusError> {
        loop {
            let view = self.cluster.topic(self.topic, self.newer_than, self.deadline(), self.doing).await?;
            match view.leader(self.partition) {
                Some(Some(leader)) => return Ok(Arc::clone(leader)),
                Some(None) => {
                    let error = self.failed(format!("{}/{} has no leader", self.topic, self.partition));
                    self.newer_than = Some(Instant::now());
                    self.patience.another(error).await?;
                }
                None if self.newer_than.is_some() => return Err(unknown(self.topic, self.partition)),
                // The topic may have been re-created with more partitions: ask before denying.
                None => self.newer_than = Some(view.asked),
            }
        }
    }

    /// What to do about a refusal: look for the leader again (`Ok`), or give up.
    pub(super) async fn refused(&mut self, refusal: Refusal) -> Result<(), BusError> {
        let error = refusal.into_error(self.doing, self.topic, self.partition, None);
        match refusal {
            Refusal::Elsewhere(_) | Refusal::Missing => {
                self.newer_than = Some(Instant::now());
                self.patience.another(error).await
            }
            _ => Err(error),
        }
    }

    /// The error for a leader that could not be asked. The next call looks for it anew.
    pub(super) fn lost(&self, error: &WireError) -> BusError {
        self.cluster.doubt_topic(self.topic);
        unavailable(self.doing, error)
    }

    pub(super) fn failed(&self, reason: String) -> BusError {
        BusError::Unavailable { doing: self.doing.to_string(), reason }
    }

    pub(super) fn misses_partition(&self) -> BusError {
        self.failed("an answer without the partition that was asked for".to_string())
    }

    /// The partition as the protocol has it.
    pub(super) fn index(&self) -> i32 {
        i32::try_from(self.partition).unwrap_or(i32::MAX)
    }
}
