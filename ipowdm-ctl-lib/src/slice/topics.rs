//! The topics of a virtual operator on the broker.

use super::SliceManager;
use super::config::{OWN_SETTINGS, SliceConfig};
use super::error::SliceError;
use super::record::{Vop, VopPhase};
use core::time::Duration;
use ipowdm_core::bus::{Bus, BusError, Created, TopicChange, TopicDescription, TopicSpec};
use ipowdm_core::topics::{ASSIGNMENTS, Role};
use tokio::time::{Instant, sleep};

/// Between two attempts to make a topic whose predecessor is still being deleted.
const PAUSE: Duration = Duration::from_millis(200);

impl SliceManager {
    /// Makes the topics of a new life of a virtual operator. A topic that an earlier life has left is made anew, because
    /// positions in a new life begin at its start; one that is empty and as it should be is taken as it is.
    pub(super) async fn make_topics(&self, vop: &Vop) -> Result<(), SliceError> {
        for role in Role::ALL {
            let spec = self.config().spec(role, &vop.topic(role));
            make(self.bus(), self.config(), spec).await?;
        }
        Ok(())
    }

    pub(super) async fn delete_topics(&self, vop: &Vop) -> Result<(), SliceError> {
        for role in Role::ALL {
            self.bus().delete_topic(&vop.topic(role)).await?;
        }
        Ok(())
    }

    /// Makes the topic of assignments, where it is not there.
    pub(super) async fn make_assignments_topic(&self) -> Result<(), SliceError> {
        self.bus().create_topic(self.config().assignments_spec()).await?;
        Ok(())
    }

    /// Makes the topic of assignments as it should be: somebody else may have created it.
    pub(super) async fn mend_assignments_topic(&self) -> Result<(), SliceError> {
        mend(self.bus(), &self.config().assignments_spec()).await?;
        Ok(())
    }

    /// Makes the topics of a virtual operator as they are configured now; those that are missing are left to
    /// [`SliceManager::ensure_topics`].
    pub(super) async fn mend_topics(&self, vop: &Vop) -> Result<(), SliceError> {
        for role in Role::ALL {
            mend(self.bus(), &self.config().spec(role, &vop.topic(role))).await?;
        }
        Ok(())
    }

    /// Makes the topics and limits of all active virtual operators as they are configured now: it may have been otherwise when they
    /// were activated. What cannot be done is told, and done by their next activation.
    pub(super) async fn mend_all(&self) {
        let Ok(all) = self.list().await else { return };
        for view in all.into_iter().filter(|view| view.vop.phase == VopPhase::Active) {
            let _one_at_a_time = self.lock(view.vop.id()).await;
            // It may have gone meanwhile.
            let Ok(view) = self.describe(view.vop.id()).await else { continue };
            if view.vop.phase != VopPhase::Active {
                continue;
            }
            if let Err(error) = self.mend_vop(&view.vop).await {
                tracing::warn!(vop = %view.vop.id(), %error, "its topics and limits are not as configured");
            }
        }
    }

    /// Makes topics and limits of an active virtual operator as they are configured now.
    pub(super) async fn mend_vop(&self, vop: &Vop) -> Result<(), SliceError> {
        self.mend_topics(vop).await?;
        self.mend_limits(vop.id()).await
    }

    /// Whether a topic that a virtual operator needs is missing.
    pub(super) async fn lacks_topics(&self, vop: &Vop) -> Result<bool, SliceError> {
        let own = Role::ALL.into_iter().map(|role| vop.topic(role).to_string());
        for topic in own.chain([ASSIGNMENTS.to_owned()]) {
            if self.bus().describe_topic(&topic).await?.is_none() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// The topics of a virtual operator as the broker has them; those that are missing are made.
    pub(super) async fn topics_of(&self, vop: &Vop) -> Result<Vec<TopicDescription>, SliceError> {
        let mut topics = Vec::with_capacity(Role::ALL.len());
        for role in Role::ALL {
            let spec = self.config().spec(role, &vop.topic(role));
            let name = spec.name.clone();
            if self.bus().create_topic(spec.clone()).await? == Created::Existing {
                mend(self.bus(), &spec).await?;
            }
            let described = self.bus().describe_topic(&name).await?;
            topics.push(described.ok_or(BusError::UnknownTopic { topic: name, partition: 0 })?);
        }
        Ok(topics)
    }
}

async fn make(bus: &dyn Bus, config: &SliceConfig, spec: TopicSpec) -> Result<(), SliceError> {
    let deadline = Instant::now() + config.topic_patience;
    loop {
        match bus.create_topic(spec.clone()).await {
            Ok(Created::New) => return Ok(()),
            Ok(Created::Existing) => {
                if is_as_new(bus, &spec).await? {
                    return Ok(());
                }
                bus.delete_topic(&spec.name).await?;
            }
            // A broker that is still deleting may refuse the name for a while.
            Err(error @ (BusError::Unavailable { .. } | BusError::Invalid { .. })) => {
                if Instant::now() >= deadline {
                    return Err(error.into());
                }
            }
            Err(error) => return Err(error.into()),
        }
        if Instant::now() >= deadline {
            let reason = "a topic of this name is still being deleted".to_owned();
            return Err(BusError::Unavailable { doing: format!("making topic {}", spec.name), reason }.into());
        }
        sleep(PAUSE).await;
    }
}

/// Changes a topic that is not as it should be. Where the bus cannot change it, and for what cannot be changed, that is told.
async fn mend(bus: &dyn Bus, spec: &TopicSpec) -> Result<(), BusError> {
    let Some(there) = bus.describe_topic(&spec.name).await? else { return Ok(()) };
    let topic = &*spec.name;
    if there.partitions > spec.partitions || there.replication != spec.replication {
        tracing::warn!(
            topic,
            partitions = there.partitions,
            replication = there.replication,
            wanted = format_args!("{} and {}", spec.partitions, spec.replication),
            "a topic cannot be given fewer partitions or other replicas"
        );
    }
    let change = change_of(&there, spec);
    if change == TopicChange::default() {
        return Ok(());
    }
    let told = format!("{change:?}");
    match bus.alter_topic(topic, change).await {
        Ok(_) => tracing::info!(topic, change = told, "the topic is as it is configured again"),
        Err(BusError::Unsupported { reason, .. }) => {
            tracing::warn!(topic, differs = told, reason, "the topic is not as it is configured");
        }
        Err(error) => return Err(error),
    }
    Ok(())
}

/// What makes a topic as it should be.
fn change_of(there: &TopicDescription, spec: &TopicSpec) -> TopicChange {
    let wanted = |key: &str| spec.configs.get(key);
    let differ = OWN_SETTINGS.into_iter().filter(|key| there.configs.get(*key) != wanted(key));
    TopicChange {
        partitions: (there.partitions < spec.partitions).then_some(spec.partitions),
        configs: differ.map(|key| (key.to_owned(), wanted(key).cloned())).collect(),
    }
}

/// Whether a topic has never held a record, and has the partitions and settings that it should have.
async fn is_as_new(bus: &dyn Bus, spec: &TopicSpec) -> Result<bool, BusError> {
    let Some(there) = bus.describe_topic(&spec.name).await? else { return Ok(false) };
    let set = |(name, value): (&String, &String)| there.configs.get(name) == Some(value);
    if there.partitions != spec.partitions || !spec.configs.iter().all(set) {
        return Ok(false);
    }
    for partition in 0..there.partitions {
        if bus.bounds(&spec.name, partition).await?.next != 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests;
