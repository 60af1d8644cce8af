//! A bus whose broker has access control, and a slice manager over it.

use super::Testbed;
use crate::slice::{ControllerLauncher, Credential, LaunchError, SliceConfig, SliceManager, Vop};
use crate::store::BoxFuture;
use core::time::Duration;
use ipowdm_core::bus::access::{AccessControl, Resource, Right, Scope, Scram, Secret};
use ipowdm_core::bus::memory::MemoryBus;
use ipowdm_core::bus::quota::{Quota, Quotas};
use ipowdm_core::bus::{
    Bounds, Bus, BusError, BusFuture, Created, FetchRequest, Fetched, Outgoing, Position, TopicChange,
    TopicDescription, TopicSpec,
};
use ipowdm_core::ids::VopId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

/// What a broker knows about access, and which of the calls about it fail.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) rights: BTreeSet<Right>,
    pub(crate) passwords: BTreeMap<String, BTreeSet<Scram>>,
    pub(crate) issued: usize,
    pub(crate) quotas: BTreeMap<String, Quota>,
    pub(crate) calls: usize,
    /// The call of this number fails, as do all that follow while `stays_down`.
    pub(crate) fails: Option<usize>,
    pub(crate) stays_down: bool,
    /// The call of this number takes effect, and its answer never comes.
    pub(crate) hangs: Option<usize>,
    /// No authorizer.
    pub(crate) disabled: bool,
    /// No SCRAM.
    pub(crate) without_passwords: bool,
    /// Nobody is limited.
    pub(crate) without_quotas: bool,
}

/// A bus in memory whose broker has access control. It keeps the lists; holding clients to them is a real broker's.
#[derive(Clone, Default)]
pub(crate) struct Guarded {
    bus: MemoryBus,
    state: Arc<Mutex<State>>,
}

impl Guarded {
    pub(crate) fn with<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.state.lock().unwrap())
    }

    fn call<'a, R: Send + 'a>(
        &'a self,
        about_passwords: bool,
        work: impl FnOnce(&mut State) -> R,
    ) -> BusFuture<'a, R> {
        let outcome = self.with(|state| {
            let doing = "changing access".to_owned();
            state.calls += 1;
            let hit =
                state.fails.is_some_and(|at| state.calls == at || (state.stays_down && state.calls > at));
            if hit {
                return Err(BusError::Unavailable { doing, reason: "gone".to_owned() });
            }
            if state.disabled || (about_passwords && state.without_passwords) {
                return Err(BusError::Unsupported { doing, reason: "SecurityDisabled".to_owned() });
            }
            Ok(work(state))
        });
        let hangs = self.with(|state| state.hangs == Some(state.calls));
        Box::pin(async move { if hangs { core::future::pending().await } else { outcome } })
    }

    pub(crate) fn topics_with_rights(&self) -> BTreeSet<String> {
        self.with(|state| {
            let topic = |right: &Right| match &right.resource {
                Resource::Topic(name) => name.clone(),
                Resource::Groups(prefix) => format!("{prefix}*"),
            };
            state.rights.iter().map(topic).collect()
        })
    }

    pub(crate) fn users(&self) -> Vec<String> {
        self.with(|state| state.passwords.keys().cloned().collect())
    }

    pub(crate) fn assert_nothing_left(&self) {
        self.with(|state| {
            assert!(state.rights.is_empty(), "{:?}", state.rights);
            assert!(state.passwords.is_empty(), "{:?}", state.passwords);
            assert!(state.quotas.is_empty(), "{:?}", state.quotas);
        });
    }
}

impl Bus for Guarded {
    fn publish<'a>(&'a self, topic: &'a str, records: Vec<Outgoing>) -> BusFuture<'a, Vec<Position>> {
        self.bus.publish(topic, records)
    }
    fn fetch(&self, request: FetchRequest) -> BusFuture<'_, Fetched> {
        self.bus.fetch(request)
    }
    fn bounds<'a>(&'a self, topic: &'a str, partition: u32) -> BusFuture<'a, Bounds> {
        self.bus.bounds(topic, partition)
    }
    fn create_topic(&self, spec: TopicSpec) -> BusFuture<'_, Created> {
        self.bus.create_topic(spec)
    }
    fn delete_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, bool> {
        self.bus.delete_topic(name)
    }
    fn describe_topic<'a>(&'a self, name: &'a str) -> BusFuture<'a, Option<TopicDescription>> {
        self.bus.describe_topic(name)
    }
    fn alter_topic<'a>(&'a self, name: &'a str, change: TopicChange) -> BusFuture<'a, TopicDescription> {
        self.bus.alter_topic(name, change)
    }
    fn topics(&self) -> BusFuture<'_, Vec<String>> {
        self.bus.topics()
    }
    fn address(&self) -> String {
        self.bus.address()
    }
    fn access(&self) -> Option<&dyn AccessControl> {
        Some(self)
    }
    fn quotas(&self) -> Option<&dyn Quotas> {
        let limits = self.with(|state| !state.without_quotas);
        limits.then_some(self)
    }
}

impl Quotas for Guarded {
    fn set_quotas(&self, quotas: BTreeMap<String, Quota>) -> BusFuture<'_, ()> {
        self.call(false, |state| {
            for (user, quota) in quotas {
                if quota.is_none() {
                    state.quotas.remove(&user);
                } else {
                    state.quotas.insert(user, quota);
                }
            }
        })
    }
    fn quotas_of(&self, users: Vec<String>) -> BusFuture<'_, BTreeMap<String, Quota>> {
        self.call(false, |state| {
            let held = |user: String| state.quotas.get(&user).map(|quota| (user, *quota));
            users.into_iter().filter_map(held).collect()
        })
    }
}

impl AccessControl for Guarded {
    fn grant(&self, rights: Vec<Right>) -> BusFuture<'_, ()> {
        self.call(false, |state| state.rights.extend(rights))
    }
    fn revoke(&self, scope: Scope) -> BusFuture<'_, usize> {
        self.call(false, |state| {
            let before = state.rights.len();
            state.rights.retain(|right| !scope.contains(right));
            before - state.rights.len()
        })
    }
    fn granted(&self, scope: Scope) -> BusFuture<'_, Vec<Right>> {
        self.call(false, |state| state.rights.iter().filter(|right| scope.contains(right)).cloned().collect())
    }
    fn issue_passwords(&self, users: Vec<String>, scram: Scram) -> BusFuture<'_, Vec<Secret>> {
        self.call(true, |state| {
            let mut issue = |user: String| {
                state.passwords.entry(user).or_default().insert(scram);
                state.issued += 1;
                Secret::new(format!("secret-{}", state.issued))
            };
            users.into_iter().map(&mut issue).collect()
        })
    }
    fn withdraw_passwords(&self, users: Vec<String>) -> BusFuture<'_, usize> {
        self.call(true, |state| {
            let gone = users.iter().filter_map(|user| state.passwords.remove(user));
            gone.map(|mechanisms| mechanisms.len()).sum()
        })
    }
    fn passwords(&self, users: Vec<String>) -> BusFuture<'_, BTreeMap<String, Vec<Scram>>> {
        self.call(true, |state| {
            let held =
                |user: &String| Some((user.clone(), state.passwords.get(user)?.iter().copied().collect()));
            users.iter().filter_map(held).collect()
        })
    }
}

/// Controllers that need nothing.
struct Idle;

impl ControllerLauncher for Idle {
    fn launch<'a>(
        &'a self,
        _vop: &'a Vop,
        _: Option<&'a Credential>,
    ) -> BoxFuture<'a, Result<Option<String>, LaunchError>> {
        Box::pin(async { Ok(None) })
    }
    fn drain<'a>(&'a self, _vop: &'a VopId, _limit: Duration) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async { Ok(()) })
    }
    fn stop<'a>(&'a self, _vop: &'a VopId) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async { Ok(()) })
    }
}

/// A slice manager over a broker with access control, on the network of a test bed.
pub(crate) async fn guarded() -> (Testbed, Guarded, SliceManager) {
    let bed = Testbed::new().await;
    let bus = Guarded { bus: bed.bus.clone(), ..Guarded::default() };
    let slices = manager(&bed, &bus).await;
    (bed, bus, slices)
}

/// A slice manager that starts.
pub(crate) async fn manager(bed: &Testbed, bus: &Guarded) -> SliceManager {
    manager_with(bed, bus, Testbed::slice_config()).await
}

/// A slice manager that starts with this configuration.
pub(crate) async fn manager_with(bed: &Testbed, bus: &Guarded, config: SliceConfig) -> SliceManager {
    SliceManager::builder(bed.linkdb.clone(), Arc::new(bus.clone()))
        .config(config)
        .launcher(Arc::new(Idle))
        .relay(false)
        .start()
        .await
        .unwrap()
}
