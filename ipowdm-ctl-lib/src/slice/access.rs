//! Who may do what on a virtual operator's topics: rights and passwords on the broker, where the broker has them.
//!
//! What was begun is written down before it is begun, so that whoever undoes it knows all of it. An agent serves several virtual
//! operators and has one password, which comes with its first and goes with its last.

use super::SliceManager;
use super::error::SliceError;
use super::record::{Vop, VopPhase};
use crate::store::{Key, Prefix, Record};
use ipowdm_core::bus::BusError;
use ipowdm_core::bus::access::{AccessControl, Principal, Resource, Scope, Scram, Secret, rights};
use ipowdm_core::ids::{ApplicationId, VopId};
use ipowdm_core::topics::Role;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Why nothing is enforced where nothing was written down about it.
const NO_ACCESS_CONTROL: &str = "the bus has no access control";

/// Whether the broker holds everybody to something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Enforcement {
    /// It does.
    Enforced,
    /// It does not: everybody who reaches the broker may do everything.
    NotEnforced {
        /// Why, for people.
        reason: String,
    },
}

impl Enforcement {
    fn not(reason: impl Into<String>) -> Self {
        Self::NotEnforced { reason: reason.into() }
    }

    /// Why not; `None` where it is enforced.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Enforced => None,
            Self::NotEnforced { reason } => Some(reason),
        }
    }
}

/// What a virtual operator's activation has done about access on the broker. Holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VopAccess {
    /// Whether the broker keeps others from the virtual operator's topics.
    pub rights: Enforcement,
    /// Whether the broker has passwords from us by which it knows who somebody is.
    pub passwords: Enforcement,
    /// The user names that have rights because of this virtual operator, sorted: its agents, its controller, its applications.
    pub users: BTreeSet<String>,
}

impl VopAccess {
    /// The key of a virtual operator's.
    #[must_use]
    pub fn key(id: &VopId) -> Key<Self> {
        Key::new(&[id.as_str()])
    }

    fn all() -> Prefix<Self> {
        Prefix::all()
    }

    /// That of a virtual operator of which nothing is kept: the bus has no access control, or had none at its activation.
    pub(super) fn none() -> Self {
        Self::unsecured(NO_ACCESS_CONTROL)
    }

    fn unsecured(reason: &str) -> Self {
        let not = || Enforcement::not(reason);
        Self { rights: not(), passwords: not(), users: BTreeSet::new() }
    }
}

impl Record for VopAccess {
    const KIND: &'static str = "vop-access";
    const VERSION: u8 = 1;
}

/// What somebody proves who he is with. It is told once; only what it can be checked with is kept, by the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credential {
    /// Who.
    pub principal: Principal,
    /// How the password is proven.
    pub scram: Scram,
    /// The password.
    pub password: Secret,
}

/// The principals of a virtual operator's activation: its controller and the agents of its routers.
fn principals(vop: &Vop) -> Vec<Principal> {
    let routers: BTreeSet<_> = vop.request.ports.iter().map(|port| port.router().default_agent()).collect();
    let agents = routers.into_iter().map(Principal::Agent);
    [Principal::Controller(vop.id().clone())].into_iter().chain(agents).collect()
}

impl SliceManager {
    /// Sees to it that only those reach a new virtual operator's topics who may, and answers the passwords that had to be made.
    /// Where the broker enforces nothing, that is written down.
    pub(super) async fn open_access(&self, vop: &Vop) -> Result<Vec<Credential>, SliceError> {
        let Some(access) = self.bus().access() else { return Ok(Vec::new()) };
        let _one_at_a_time = self.shared.access.lock().await;
        let probe = access.granted(Scope::Resource(Resource::topic_of(Role::Config, vop.id()))).await;
        if let Some(reason) = unsupported(probe.err())? {
            tracing::warn!(vop = %vop.id(), reason, "access to topics is not enforced");
            self.keep_access(vop.id(), &VopAccess::unsecured(&reason)).await?;
            return Ok(Vec::new());
        }
        let principals = principals(vop);
        let users = principals.iter().map(Principal::name).collect();
        let mut kept = VopAccess { rights: Enforcement::Enforced, passwords: Enforcement::Enforced, users };
        self.keep_access(vop.id(), &kept).await?;
        // Nothing of an earlier life.
        for resource in Resource::all_of(vop.id()) {
            access.revoke(Scope::Resource(resource)).await?;
        }
        access.grant(principals.iter().flat_map(|who| rights(who, vop.id())).collect()).await?;
        let elsewhere = self.users_of_others(vop.id()).await?;
        let issued = self.issue_missing(access, principals, &elsewhere).await;
        if let Some(reason) = unsupported(issued.as_ref().err().cloned())? {
            kept.passwords = Enforcement::not(reason);
            self.keep_access(vop.id(), &kept).await?;
        }
        if kept.passwords == Enforcement::Enforced {
            self.limit(&kept.users).await?;
        }
        Ok(issued.unwrap_or_default())
    }

    /// Gives the rights again that the virtual operator's users have because of it, where the broker was told them before.
    pub(super) async fn restore_rights(&self, vop: &Vop) -> Result<(), SliceError> {
        let kept = self.linkdb().store().get(&VopAccess::key(vop.id())).await?;
        let (Some(access), Some(kept)) = (self.bus().access(), kept) else { return Ok(()) };
        if kept.rights != Enforcement::Enforced {
            return Ok(());
        }
        let users = kept.users.iter().filter_map(|user| Principal::parse(user));
        let all = users.flat_map(|who| rights(&who, vop.id())).collect();
        let _one_at_a_time = self.shared.access.lock().await;
        Ok(access.grant(all).await?)
    }

    /// New passwords for all but the agents that have one because they serve another virtual operator.
    async fn issue_missing(
        &self,
        access: &dyn AccessControl,
        principals: Vec<Principal>,
        elsewhere: &BTreeSet<String>,
    ) -> Result<Vec<Credential>, BusError> {
        let held = access.passwords(principals.iter().map(Principal::name).collect()).await?;
        let keeps = |who: &Principal| elsewhere.contains(&who.name()) && held.contains_key(&who.name());
        let missing = principals.into_iter().filter(|who| !keeps(who)).collect();
        self.issue(access, missing).await
    }

    async fn issue(
        &self,
        access: &dyn AccessControl,
        principals: Vec<Principal>,
    ) -> Result<Vec<Credential>, BusError> {
        if principals.is_empty() {
            return Ok(Vec::new());
        }
        let scram = self.config().scram;
        let names = principals.iter().map(Principal::name).collect();
        let passwords = access.issue_passwords(names, scram).await?;
        let each = principals.into_iter().zip(passwords);
        Ok(each.map(|(principal, password)| Credential { principal, scram, password }).collect())
    }

    /// The user names that have rights because of other virtual operators.
    async fn users_of_others(&self, id: &VopId) -> Result<BTreeSet<String>, SliceError> {
        let all = self.linkdb().store().scan(&VopAccess::all()).await?;
        let others = all.into_iter().filter(|(key, _)| *key != VopAccess::key(id));
        Ok(others.flat_map(|(_, access)| access.users).collect())
    }

    /// Takes back what [`SliceManager::open_access`] and later calls have given. Nothing happens where that was nothing.
    pub(super) async fn close_access(&self, id: &VopId) -> Result<(), SliceError> {
        let (Some(access), Some(kept)) =
            (self.bus().access(), self.linkdb().store().get(&VopAccess::key(id)).await?)
        else {
            return Ok(());
        };
        if kept.rights != Enforcement::Enforced {
            return Ok(());
        }
        let _one_at_a_time = self.shared.access.lock().await;
        let outcome = self.take_back(access, id, kept).await;
        if let Some(reason) = unsupported(outcome.err())? {
            // Whoever has switched access control off has taken everything away, or nothing that can be taken away here.
            tracing::warn!(vop = %id, reason, "access cannot be taken back");
        }
        Ok(())
    }

    async fn take_back(
        &self,
        access: &dyn AccessControl,
        id: &VopId,
        kept: VopAccess,
    ) -> Result<(), SliceError> {
        for resource in Resource::all_of(id) {
            access.revoke(Scope::Resource(resource)).await?;
        }
        let elsewhere = self.users_of_others(id).await?;
        let leaving: Vec<String> = kept.users.difference(&elsewhere).cloned().collect();
        for user in &leaving {
            access.revoke(Scope::Principal(user.clone())).await?;
        }
        if kept.passwords == Enforcement::Enforced {
            self.lift_limits(&leaving).await?;
            access.withdraw_passwords(leaving).await?;
        }
        // Now, and not when the virtual operator is forgotten: until then it would keep an agent that has no other.
        let store = self.linkdb().store();
        store
            .transact(|tx| {
                tx.delete(&VopAccess::key(id));
                Ok(())
            })
            .await
    }

    /// Lets an application read what a virtual operator's agents say, and answers its password. One that is there already gets
    /// another password in place of its own, which is also how a lost one is replaced.
    ///
    /// # Errors
    /// [`SliceError::UnknownVop`]; [`SliceError::Busy`] where it is not active; [`SliceError::AccessNotEnforced`];
    /// [`SliceError::Bus`]; [`SliceError::Store`].
    pub async fn admit_application(
        &self,
        id: &VopId,
        application: &ApplicationId,
    ) -> Result<Credential, SliceError> {
        let _one_at_a_time = self.lock(id).await;
        let (access, mut kept) = self.enforced_access(id).await?;
        let _access = self.shared.access.lock().await;
        let principal = Principal::Application(id.clone(), application.clone());
        if kept.users.insert(principal.name()) {
            self.keep_access(id, &kept).await?;
        }
        access.grant(rights(&principal, id)).await?;
        self.limit(&BTreeSet::from([principal.name()])).await?;
        self.issue_one(access, principal).await
    }

    /// Gives a user of a virtual operator, be it its controller, an agent or an application, another password in place of its
    /// own. Whoever still has the old one is kept out from its next connection on; a controller whose launcher takes the
    /// password is started again with it.
    ///
    /// # Errors
    /// As [`SliceManager::admit_application`], and [`SliceError::UnknownUser`], [`SliceError::Launch`].
    pub async fn renew_password(&self, id: &VopId, user: &str) -> Result<Credential, SliceError> {
        let _one_at_a_time = self.lock(id).await;
        let (access, kept) = self.enforced_access(id).await?;
        let known = Principal::parse(user).filter(|_| kept.users.contains(user));
        let unknown = || SliceError::UnknownUser { vop: id.to_string(), user: user.to_owned() };
        let principal = known.ok_or_else(unknown)?;
        let credential = {
            let _access = self.shared.access.lock().await;
            self.issue_one(access, principal).await?
        };
        let controller = matches!(credential.principal, Principal::Controller(_));
        if controller && self.shared.launcher.takes_credential() {
            // It would be kept out from its next connection on.
            let vop = self.describe(id).await?.vop;
            let failed = |source| SliceError::Launch { vop: id.to_string(), source };
            self.shared.launcher.stop(id).await.map_err(failed)?;
            self.launch(&vop, Some(&credential)).await?;
        }
        Ok(credential)
    }

    /// Another password for the controller of a virtual operator, where its launcher takes one and the broker checks it.
    pub(super) async fn credential_to_launch(&self, id: &VopId) -> Result<Option<Credential>, SliceError> {
        let (true, Some(access)) = (self.shared.launcher.takes_credential(), self.bus().access()) else {
            return Ok(None);
        };
        let kept = self.linkdb().store().get(&VopAccess::key(id)).await?;
        let enforced = [Enforcement::Enforced, Enforcement::Enforced];
        if kept.is_none_or(|kept| [kept.rights, kept.passwords] != enforced) {
            return Ok(None);
        }
        let _one_at_a_time = self.shared.access.lock().await;
        self.issue_one(access, Principal::Controller(id.clone())).await.map(Some)
    }

    async fn issue_one(
        &self,
        access: &dyn AccessControl,
        principal: Principal,
    ) -> Result<Credential, SliceError> {
        let issued = self.issue(access, vec![principal]).await?.into_iter().next();
        let doing = "issuing passwords".to_owned();
        Ok(issued.ok_or_else(|| BusError::Unavailable { doing, reason: "none was issued".to_owned() })?)
    }

    /// Takes an application's rights and password away; answers whether it had any.
    ///
    /// # Errors
    /// As [`SliceManager::admit_application`].
    pub async fn dismiss_application(
        &self,
        id: &VopId,
        application: &ApplicationId,
    ) -> Result<bool, SliceError> {
        let _one_at_a_time = self.lock(id).await;
        let (access, mut kept) = self.enforced_access(id).await?;
        let _access = self.shared.access.lock().await;
        let name = Principal::Application(id.clone(), application.clone()).name();
        let revoked = access.revoke(Scope::Principal(name.clone())).await?;
        self.lift_limits(core::slice::from_ref(&name)).await?;
        let withdrawn = access.withdraw_passwords(vec![name.clone()]).await?;
        if kept.users.remove(&name) {
            self.keep_access(id, &kept).await?;
        }
        Ok(revoked + withdrawn > 0)
    }

    /// The broker's access control, and what was done with it for an active virtual operator.
    async fn enforced_access(&self, id: &VopId) -> Result<(&dyn AccessControl, VopAccess), SliceError> {
        let view = self.describe(id).await?;
        if view.vop.phase != VopPhase::Active {
            return Err(SliceError::Busy { vop: id.to_string(), phase: view.vop.phase });
        }
        let missing =
            |reason: &str| SliceError::AccessNotEnforced { vop: id.to_string(), reason: reason.to_owned() };
        let access = self.bus().access().ok_or_else(|| missing(NO_ACCESS_CONTROL))?;
        let kept = view.access;
        match kept.rights.reason().or_else(|| kept.passwords.reason()) {
            Some(reason) => Err(missing(reason)),
            None => Ok((access, kept)),
        }
    }

    async fn keep_access(&self, id: &VopId, access: &VopAccess) -> Result<(), SliceError> {
        self.linkdb().store().transact(|tx| Ok::<_, SliceError>(tx.put(&VopAccess::key(id), access)?)).await
    }
}

/// Why the broker has no such facility; `None` where it has. Any other error stays one.
fn unsupported<E: Into<SliceError>>(error: Option<E>) -> Result<Option<String>, SliceError> {
    match error.map(Into::into) {
        None => Ok(None),
        Some(SliceError::Bus(BusError::Unsupported { reason, .. })) => Ok(Some(reason)),
        Some(error) => Err(error),
    }
}

#[cfg(test)]
mod tests;
