use super::*;
use crate::connection::State;
use crate::slice::{SliceManager, VopPhase};
use crate::testbed::guarded::{Guarded, guarded};
use crate::testbed::{Testbed, guide, id, vop};
use ipowdm_core::bus::access::Principal;

/// A slice manager beside that of a test bed whose controllers somebody else starts, and those that it starts to take
/// connections down.
async fn external(bed: &Testbed) -> (SliceManager, InProcess) {
    let bus: Arc<dyn Bus> = Arc::new(bed.bus.clone());
    let tasks = InProcess::new(bed.linkdb.clone(), Arc::clone(&bus), ControllerConfig::default());
    let builder = SliceManager::builder(bed.linkdb.clone(), bus).config(Testbed::slice_config());
    let slices = builder.launcher(Arc::new(External::new(tasks.clone()))).relay(false).start().await.unwrap();
    (slices, tasks)
}

#[tokio::test(start_paused = true)]
async fn an_external_launcher_starts_no_controller_and_stops_none() {
    let bed = Testbed::new().await;
    let (slices, tasks) = external(&bed).await;
    let active = slices.activate(Testbed::vop2()).await.unwrap().vop;
    assert_eq!((active.phase, &active.endpoint), (VopPhase::Active, &None));
    assert_eq!(tasks.vops(), Vec::<VopId>::new());
    slices.deactivate(&vop("vOp2"), false).await.unwrap();
    assert_eq!(tasks.vops(), Vec::<VopId>::new());
    assert!(slices.list().await.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_forced_deactivation_takes_command_from_a_controller_elsewhere_and_darkens_the_lasers() {
    // The test bed's own controller is the one elsewhere: nothing stops it.
    let (bed, elsewhere) = Testbed::new().await.with_vop2().await;
    elsewhere.create_connection(guide()).await.unwrap();
    elsewhere.setup_and_wait(&id("POP1-POP2-1"), Duration::from_secs(60)).await.unwrap();
    assert_eq!(elsewhere.connection(&id("POP1-POP2-1")).unwrap().state, State::Active);
    assert!(bed.agent("pop1").port("Ethernet48").lit && bed.agent("pop2").port("Ethernet48").lit);
    let (slices, tasks) = external(&bed).await;
    assert!(elsewhere.commands());

    slices.deactivate(&vop("vOp2"), true).await.unwrap();
    elsewhere.superseded().await;
    assert!(!elsewhere.commands());
    assert!(!bed.agent("pop1").port("Ethernet48").lit && !bed.agent("pop2").port("Ethernet48").lit);
    bed.assert_nothing_held().await;
    assert_eq!(tasks.vops(), Vec::<VopId>::new(), "what took them down has stopped");
    assert!(slices.list().await.unwrap().is_empty());
    // What it still believes changes nothing any more.
    assert!(elsewhere.create_connection(guide()).await.is_err());
    bed.assert_nothing_held().await;
}

/// Whose controller was started with which password.
type Launches = Vec<(VopId, Option<Credential>)>;

/// Notes with which passwords controllers were started.
#[derive(Clone, Default)]
struct Taking {
    launched: Arc<Mutex<Launches>>,
    stopped: Arc<Mutex<Vec<VopId>>>,
}

impl Taking {
    fn launched(&self) -> Launches {
        self.launched.lock().unwrap().clone()
    }
}

impl ControllerLauncher for Taking {
    fn launch<'a>(
        &'a self,
        vop: &'a Vop,
        credential: Option<&'a Credential>,
    ) -> BoxFuture<'a, Result<Option<String>, LaunchError>> {
        self.launched.lock().unwrap().push((vop.id().clone(), credential.cloned()));
        Box::pin(async { Ok(None) })
    }

    fn drain<'a>(&'a self, _: &'a VopId, _: Duration) -> BoxFuture<'a, Result<(), LaunchError>> {
        Box::pin(async { Ok(()) })
    }

    fn stop<'a>(&'a self, vop: &'a VopId) -> BoxFuture<'a, Result<(), LaunchError>> {
        self.stopped.lock().unwrap().push(vop.clone());
        Box::pin(async { Ok(()) })
    }

    fn takes_credential(&self) -> bool {
        true
    }
}

async fn taking(bed: &Testbed, bus: &Guarded) -> (SliceManager, Taking) {
    let launcher = Taking::default();
    let builder = SliceManager::builder(bed.linkdb.clone(), Arc::new(bus.clone()));
    let builder = builder.config(Testbed::slice_config()).launcher(Arc::new(launcher.clone()));
    (builder.relay(false).start().await.unwrap(), launcher)
}

#[tokio::test(start_paused = true)]
async fn a_launcher_that_takes_it_gets_the_controllers_password_and_nobody_else_does() {
    let (bed, bus, _) = guarded().await;
    let (slices, launcher) = taking(&bed, &bus).await;
    let activation = slices.activate(Testbed::vop2()).await.unwrap();
    let controller = Principal::Controller(vop("vOp2"));
    let told = &activation.credentials;
    assert_eq!(told.len(), 3, "the agents' are told as ever");
    assert!(told.iter().all(|credential| credential.principal != controller));
    let [(of, Some(first))] = &launcher.launched()[..] else { panic!("{:?}", launcher.launched().len()) };
    assert_eq!((of, &first.principal), (&vop("vOp2"), &controller));

    let renewed = slices.renew_password(&vop("vOp2"), "controller_vOp2").await.unwrap();
    assert_eq!(*launcher.stopped.lock().unwrap(), [vop("vOp2")], "it is started again with the new one");
    assert_eq!(launcher.launched()[1], (vop("vOp2"), Some(renewed.clone())));
    assert_ne!(renewed.password, first.password);

    let (_again, launcher) = taking(&bed, &bus).await;
    let [(_, Some(next))] = &launcher.launched()[..] else { panic!("{:?}", launcher.launched().len()) };
    assert_ne!(next.password, renewed.password, "nobody knows the earlier one any more");
}

#[tokio::test(start_paused = true)]
async fn a_bus_without_passwords_gives_a_launcher_none() {
    let bed = Testbed::new().await;
    let launcher = Taking::default();
    let builder = SliceManager::builder(bed.linkdb.clone(), Arc::new(bed.bus.clone()));
    let slices = builder.launcher(Arc::new(launcher.clone())).relay(false).start().await.unwrap();
    slices.activate(Testbed::vop2()).await.unwrap();
    assert_eq!(launcher.launched(), [(vop("vOp2"), None)]);
}

/// Fails so often, then starts.
struct Hesitant(Mutex<u32>, Taking);

impl ControllerLauncher for Hesitant {
    fn launch<'a>(
        &'a self,
        vop: &'a Vop,
        credential: Option<&'a Credential>,
    ) -> BoxFuture<'a, Result<Option<String>, LaunchError>> {
        let mut left = self.0.lock().unwrap();
        if *left == 0 {
            return self.1.launch(vop, credential);
        }
        *left -= 1;
        let error = LaunchError { code: ipowdm_core::error::Code::Internal, reason: "not yet".to_owned() };
        Box::pin(async { Err(error) })
    }

    fn drain<'a>(&'a self, vop: &'a VopId, limit: Duration) -> BoxFuture<'a, Result<(), LaunchError>> {
        self.1.drain(vop, limit)
    }

    fn stop<'a>(&'a self, vop: &'a VopId) -> BoxFuture<'a, Result<(), LaunchError>> {
        self.1.stop(vop)
    }
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_does_not_start_again_holds_up_nobody_and_is_tried_until_it_does() {
    let bed = Testbed::new().await;
    bed.slices().activate(Testbed::vop2()).await.unwrap();
    let taking = Taking::default();
    let launcher = Arc::new(Hesitant(Mutex::new(4), taking.clone()));
    let builder = SliceManager::builder(bed.linkdb.clone(), Arc::new(bed.bus.clone()));
    let slices = builder.launcher(launcher).relay(false).start().await.unwrap();
    assert_eq!(slices.describe(&vop("vOp2")).await.unwrap().vop.phase, VopPhase::Active);
    assert_eq!(taking.launched(), []);
    crate::testbed::eventually("it runs", || async { !taking.launched().is_empty() }).await;
    assert_eq!(slices.describe(&vop("vOp2")).await.unwrap().vop.phase, VopPhase::Active);
}
