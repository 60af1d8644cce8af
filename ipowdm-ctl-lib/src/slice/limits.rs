//! How much the users of a virtual operator may take of the brokers, where a broker knows them and limits users.

use super::SliceManager;
use super::access::{Enforcement, VopAccess};
use super::error::SliceError;
use ipowdm_core::bus::BusError;
use ipowdm_core::bus::access::Principal;
use ipowdm_core::bus::quota::{Quota, Quotas};
use ipowdm_core::ids::VopId;
use std::collections::{BTreeMap, BTreeSet};

/// Why nobody is limited where the bus has no such part.
const NO_QUOTAS: &str = "the bus limits nobody";

impl SliceManager {
    /// Makes the limits of a virtual operator's users as they are configured now. Nothing happens where they have no passwords by
    /// which the broker would know them.
    pub(super) async fn mend_limits(&self, id: &VopId) -> Result<(), SliceError> {
        let kept = self.linkdb().store().get(&VopAccess::key(id)).await?;
        let known = |kept: &VopAccess| kept.passwords == Enforcement::Enforced;
        let Some(kept) = kept.filter(known) else { return Ok(()) };
        let _one_at_a_time = self.shared.access.lock().await;
        self.limit(&kept.users).await
    }

    /// Limits users as configured. Where the bus limits nobody although somebody is to be limited, that is told.
    pub(super) async fn limit(&self, users: &BTreeSet<String>) -> Result<(), SliceError> {
        let limits = &self.config().limits;
        let wanted =
            users.iter().filter_map(|user| Some((user.clone(), limits.of(&Principal::parse(user)?))));
        self.set_limits(wanted.collect()).await
    }

    /// Takes the limits of users away.
    pub(super) async fn lift_limits(&self, users: &[String]) -> Result<(), SliceError> {
        self.set_limits(users.iter().map(|user| (user.clone(), Quota::default())).collect()).await
    }

    async fn set_limits(&self, wanted: BTreeMap<String, Quota>) -> Result<(), SliceError> {
        let limits_somebody = wanted.values().any(|quota| !quota.is_none());
        let outcome = match self.bus().quotas() {
            None => Err(BusError::Unsupported {
                doing: "limiting users".to_owned(),
                reason: NO_QUOTAS.to_owned(),
            }),
            Some(quotas) => set(quotas, wanted).await,
        };
        match outcome {
            Err(BusError::Unsupported { reason, .. }) => {
                if limits_somebody {
                    tracing::warn!(reason, "users are not limited as configured");
                }
                Ok(())
            }
            // Whoever limits nobody need not be allowed to.
            Err(BusError::Forbidden(_)) if !limits_somebody => Ok(()),
            outcome => Ok(outcome?),
        }
    }
}

/// Sets those that are not so.
async fn set(quotas: &dyn Quotas, wanted: BTreeMap<String, Quota>) -> Result<(), BusError> {
    let held = quotas.quotas_of(wanted.keys().cloned().collect()).await?;
    let is_so = |user: &String, quota: &Quota| held.get(user).copied().unwrap_or_default() == *quota;
    let change: BTreeMap<String, Quota> =
        wanted.into_iter().filter(|(user, quota)| !is_so(user, quota)).collect();
    if change.is_empty() {
        return Ok(());
    }
    quotas.set_quotas(change).await
}

#[cfg(test)]
mod tests;
