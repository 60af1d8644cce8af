//! Several instances of one controller: one commands, the others stand by.

use super::*;
use crate::linkdb::LinkDb;
use crate::slice::Vop;
use crate::store::{
    Backend, BackendError, Batch, BoxFuture, CommitError, MemoryBackend, Store, StoreOptions, Version, View,
    WatchSource,
};
use core::sync::atomic::{AtomicBool, Ordering};
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::time::Instant;

/// The length of leases by default.
const LEASE: Duration = Duration::from_secs(6);

/// What an instance may need beyond the end of the lease.
const MOMENT: Duration = Duration::from_secs(3);

/// A store that an instance may be cut off from.
#[derive(Debug)]
struct Cable {
    inner: Arc<MemoryBackend>,
    broken: AtomicBool,
}

impl Cable {
    fn is_whole(&self) -> bool {
        !self.broken.load(Ordering::SeqCst)
    }
}

impl Backend for Cable {
    fn view(&self) -> BoxFuture<'_, Result<Box<dyn View>, BackendError>> {
        Box::pin(async {
            if self.is_whole() {
                return self.inner.view().await;
            }
            Err(BackendError::Unavailable { reason: "cut off".to_owned() })
        })
    }

    fn commit(&self, batch: Batch) -> BoxFuture<'_, Result<Version, CommitError>> {
        Box::pin(async {
            if self.is_whole() {
                return self.inner.commit(batch).await;
            }
            Err(CommitError::Unavailable { reason: "cut off".to_owned() })
        })
    }

    fn changes(&self) -> &WatchSource {
        self.inner.changes()
    }

    fn shares_values(&self) -> bool {
        self.inner.shares_values()
    }
}

/// An instance and its way to the store.
struct Instance {
    stand_by: StandBy,
    cable: Arc<Cable>,
}

fn instance(bed: &Testbed, name: &str) -> Instance {
    instance_with(bed, name, LEASE)
}

fn instance_with(bed: &Testbed, name: &str, lease: Duration) -> Instance {
    let cable = Arc::new(Cable { inner: bed.backend(), broken: AtomicBool::new(false) });
    let store = Store::new(Arc::<Cable>::clone(&cable), StoreOptions::default());
    let bus: Arc<dyn Bus> = Arc::new(bed.bus.clone());
    let config = ControllerConfig { controller_id: name.to_owned(), lease, ..ControllerConfig::default() };
    let builder = Controller::builder(vop("vOp2"), LinkDb::new(store), bus).config(config);
    Instance { stand_by: builder.stand_by().unwrap(), cable }
}

/// An activated virtual operator without a controller, and nobody's lease.
async fn vacant() -> Testbed {
    let (mut bed, controller) = Testbed::new().await.with_vop2().await;
    controller.shutdown().await.unwrap();
    drop(controller);
    bed.crash();
    bed
}

async fn commanding(instance: &Instance) -> ControllerHandle {
    tokio::time::timeout(LEASE + MOMENT, instance.stand_by.commanding()).await.expect("no take-over").unwrap()
}

#[tokio::test(start_paused = true)]
async fn of_two_instances_one_commands_and_the_other_takes_over_once_the_lease_has_ended() {
    let bed = vacant().await;
    let (one, two) = (instance(&bed, "one"), instance(&bed, "two"));
    let controller = commanding(&one).await;
    tokio::time::sleep(LEASE * 10).await;
    assert!(two.stand_by.controller().is_none(), "the lease is renewed");
    controller.create_connection(guide()).await.unwrap();
    controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    let operation = controller.delete(&id("POP1-POP2-1")).await.unwrap();
    let crashed = Instant::now();
    drop((one, controller));
    let controller = commanding(&two).await;
    let took = crashed.elapsed();
    assert!(took <= LEASE + MOMENT && took > LEASE / 2, "{took:?}");
    // What was under way comes to its end.
    let operation = controller.wait(operation, MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded);
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn who_shuts_down_gives_the_lease_back_and_is_followed_at_once() {
    let bed = vacant().await;
    let (one, two) = (instance(&bed, "one"), instance(&bed, "two"));
    let (first, second) = (one.stand_by.commanding(), two.stand_by.commanding());
    tokio::select! { biased; first = first => drop(first.unwrap()), _ = second => panic!("the first comes first") }
    let asked = Instant::now();
    one.stand_by.shutdown().await.unwrap();
    commanding(&two).await;
    assert!(asked.elapsed() < Duration::from_millis(100), "{:?}", asked.elapsed());
    assert_eq!(one.stand_by.controller().unwrap().setup(&id("x")).await.unwrap_err().code(), Code::Stopped);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_cannot_renew_stops_commanding_before_anybody_takes_its_place() {
    let bed = vacant().await;
    let one = instance(&bed, "one");
    let first = commanding(&one).await;
    let two = instance(&bed, "two");
    first.create_connection(guide()).await.unwrap();
    one.cable.broken.store(true, Ordering::SeqCst);
    let cut = Instant::now();
    let holds = || first.inner.tenure.holds(Instant::now());
    while holds() {
        assert!(two.stand_by.controller().is_none(), "both command");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let stopped = cut.elapsed();
    assert!(stopped <= LEASE - LEASE / 6 && two.stand_by.controller().is_none(), "{stopped:?}");
    let refused = first.setup(&id("POP1-POP2-1")).await.unwrap_err();
    assert_eq!(refused.code(), Code::StoreUnavailable);
    let second = commanding(&two).await;
    let took = cut.elapsed();
    assert!(took > stopped && took < LEASE + MOMENT, "stopped after {stopped:?}, taken over after {took:?}");
    // The first finds out, stands by, and comes back when the second has gone.
    one.cable.broken.store(false, Ordering::SeqCst);
    let refused = first.setup(&id("POP1-POP2-1")).await.unwrap_err();
    assert_eq!(refused.code(), Code::StaleEpoch);
    eventually("the first stands by", || async { one.stand_by.controller().is_none() }).await;
    let operation = second.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded);
    drop((two, second));
    let third = commanding(&one).await;
    assert_eq!(state(&third), State::Active);
    let epochs: Vec<_> =
        bed.commands("config_vOp2", "POP1-POP2-1").await.iter().map(|(_, c)| c.epoch.unwrap()).collect();
    assert!(epochs.len() == 2 && epochs.iter().all(|epoch| *epoch == epochs[0]), "{epochs:?}");
}

#[tokio::test(start_paused = true)]
async fn an_instance_whose_lease_has_ended_goes_on_where_nobody_took_its_place() {
    let bed = vacant().await;
    let one = instance(&bed, "one");
    let controller = commanding(&one).await;
    controller.create_connection(guide()).await.unwrap();
    controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await.unwrap();
    let epoch = controller.status().await.epoch;
    one.cable.broken.store(true, Ordering::SeqCst);
    tokio::time::sleep(LEASE * 5).await;
    assert!(!controller.inner.tenure.holds(Instant::now()));
    one.cable.broken.store(false, Ordering::SeqCst);
    // A request renews the lease first.
    let operation = controller.delete(&id("POP1-POP2-1")).await.unwrap();
    let operation = controller.wait(operation, MINUTE).await.unwrap();
    assert_eq!(operation.status, OperationStatus::Succeeded);
    assert_eq!((controller.status().await.epoch, controller.health().await.superseded), (epoch, false));
}

/// Two instances whose way to the store breaks now and then, with a virtual operator that asks whichever commands.
#[tokio::test(start_paused = true)]
async fn epochs_on_the_wire_never_fall_and_no_two_instances_share_one() {
    let bed = vacant().await;
    let instances = [instance(&bed, "one"), instance(&bed, "two"), instance(&bed, "three")];
    let mut commanded: BTreeMap<u64, Vec<usize>> = BTreeMap::new();
    for round in 0..12 {
        let cut = &instances[round % 3].cable;
        cut.broken.store(true, Ordering::SeqCst);
        tokio::time::sleep(LEASE + MOMENT).await;
        cut.broken.store(false, Ordering::SeqCst);
        for (who, instance) in instances.iter().enumerate() {
            let Some(controller) = instance.stand_by.controller() else { continue };
            let asked = async {
                controller.create_connection(guide()).await?;
                controller.setup_and_wait(&id("POP1-POP2-1"), MINUTE).await?;
                let operation = controller.delete(&id("POP1-POP2-1")).await?;
                controller.wait(operation, MINUTE).await
            };
            if asked.await.is_ok() {
                commanded.entry(controller.status().await.epoch).or_default().push(who);
            }
        }
    }
    assert!(commanded.len() >= 3, "{commanded:?}");
    for (epoch, who) in &commanded {
        assert!(who.iter().all(|one| one == &who[0]), "epoch {epoch} is shared: {who:?}");
    }
    let mut highest = BTreeMap::new();
    for (agent, command) in bed.commands("config_vOp2", "POP1-POP2-1").await {
        let before = highest.insert(agent, command.epoch);
        assert!(before.is_none_or(|before| before <= command.epoch), "{before:?}, then {:?}", command.epoch);
    }
    bed.assert_nothing_held().await;
}

#[tokio::test(start_paused = true)]
async fn an_instance_waits_for_the_activation_and_ends_its_term_with_the_deactivation() {
    let mut bed = Testbed::new().await;
    let one = instance(&bed, "one");
    tokio::time::sleep(MINUTE).await;
    assert!(one.stand_by.controller().is_none(), "there is no virtual operator");
    let controller = bed.activate(Testbed::vop2()).await;
    tokio::time::sleep(MINUTE).await;
    assert!(one.stand_by.controller().is_none(), "the slice manager has started another");
    controller.shutdown().await.unwrap();
    let controller = commanding(&one).await;
    bed.slices().deactivate(&vop("vOp2"), false).await.unwrap();
    eventually("its term ends", || async { one.stand_by.controller().is_none() }).await;
    assert_eq!(controller.serving().await.unwrap_err().code(), Code::UnknownVop);
    let store = bed.linkdb.store();
    assert!(store.get(&Vop::key(&vop("vOp2"))).await.unwrap().is_none());
    assert_eq!(store.get(&lease::Lease::key(&vop("vOp2"))).await.unwrap(), None);
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_is_shut_down_while_it_waits_never_commands() {
    let bed = vacant().await;
    let one = instance(&bed, "one");
    let first = commanding(&one).await;
    let two = instance(&bed, "two");
    two.stand_by.shutdown().await.unwrap();
    drop((one, first));
    assert_eq!(two.stand_by.commanding().await.unwrap_err().code(), Code::Stopped);
}

/// On the real clock: the figure is printed, and a loaded machine may take its time.
#[tokio::test]
async fn a_take_over_in_real_time_finishes_what_was_under_way() {
    let lease = Duration::from_secs(1);
    let bed = vacant().await;
    let (one, two) = (instance_with(&bed, "one", lease), instance_with(&bed, "two", lease));
    let first = tokio::select! {
        biased;
        first = one.stand_by.commanding() => first.unwrap(),
        _ = two.stand_by.commanding() => panic!("the first comes first"),
    };
    first.create_connection(guide()).await.unwrap();
    let operation = first.setup(&id("POP1-POP2-1")).await.unwrap();
    let ended = Instant::now();
    drop((one, first));
    let second = tokio::time::timeout(MINUTE, two.stand_by.commanding()).await.unwrap().unwrap();
    let took = ended.elapsed();
    println!("taken over {took:?} after the end of an instance with a lease of {lease:?}");
    let operation = second.wait(operation, MINUTE).await.unwrap();
    assert_eq!((operation.status, state(&second)), (OperationStatus::Succeeded, State::Active));
}
