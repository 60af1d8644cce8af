//! Controllers as processes that the slice manager starts: they are started again when they die, end when they are not needed,
//! and with whoever started them; connections stay lit.

use crate::client::request;
use crate::program::{Program, Redis, verify};
use crate::{LOOK, PATIENCE, activation, drive, prepare};
use ipowdm_cmis::emulator::{ModuleClock, Profile};
use ipowdm_examples::lab::broker::LabBroker;
use ipowdm_examples::lab::fleet::Fleet;
use ipowdm_examples::lab::options::Options;
use ipowdm_examples::lab::plan::Plan;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Instant;

pub(crate) const VOP: &str = "/api/v1/vops/vOp2";

/// Processes whose parent is this one, and which have not ended.
fn children(parent: Pid) -> Vec<Pid> {
    let parent_of = |pid: i32| -> Option<i32> {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
    };
    let entries =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let all = entries.filter_map(|name| name.parse().ok());
    let own = all.filter(|pid| parent_of(*pid) == Some(parent.as_raw())).map(Pid::from_raw);
    own.filter(|pid| runs(*pid)).collect()
}

pub(crate) fn runs(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    // A zombie has ended.
    !status.is_empty() && !status.contains("State:\tZ")
}

pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "never: {what}");
        sleep(LOOK);
    }
}

/// The one process that it has started.
pub(crate) fn child(program: &Program) -> Pid {
    until("its controller runs", || match children(program.pid())[..] {
        [pid] => Some(pid),
        _ => None,
    })
}

/// The slice manager says where the controller answers, and there it does.
pub(crate) fn find_controller(program: &mut Program) {
    let slices = program.slices();
    program.controller = Some(until("the controller answers", || {
        let (_, vop) = request(slices, "GET", VOP, None).ok()?;
        let addr = vop["controller_endpoint"].as_str()?.strip_prefix("http://")?.parse().ok()?;
        let (status, health) = request(addr, "GET", "/api/v1/health", None).ok()?;
        (status == 200 && health["status"] == "healthy").then_some(addr)
    }));
}

pub(crate) fn still_lit(program: &mut Program) {
    find_controller(program);
    let (status, answer) = request(program.controller(), "GET", "/api/v1/connections/KILL-0", None).unwrap();
    assert_eq!((status, &answer["status"]), (200, &Value::from("ACTIVE")), "{answer}");
}

fn nothing_secret_is_an_argument(pid: Pid, secret: &str) {
    let arguments = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    let words: Vec<&str> = arguments.split_terminator('\0').skip(1).collect();
    assert_eq!(words, ["controller", "--until-eof", "--vop", "vOp2"]);
    // It has what is not among them all the same.
    assert!(fs::read_to_string(format!("/proc/{pid}/environ")).unwrap().contains(secret));
}

pub(crate) fn small() -> (Options, Plan) {
    let options = Options { pops: 2, routers: 1, ports: 2, vops: 1, ..Options::for_tests() };
    let plan = Plan::draw(&options).unwrap();
    (options, plan)
}

fn lives_and_dies(folder: &Path, location: &str, bootstrap: &str, plan: &Plan) {
    let start =
        || Program::launching(folder, location, bootstrap, plan.pops.len(), "launcher = \"process\"", &[]);
    let mut program = start();
    let (status, answer) = activation(&program, plan);
    assert_eq!(status, 201, "{answer}");
    let first = child(&program);
    nothing_secret_is_an_argument(first, location);
    find_controller(&mut program);
    assert!(drive(&program, 1, Instant::now() + PATIENCE), "it is not lit");

    // The controller dies.
    kill(first, Signal::SIGKILL).unwrap();
    until("it is gone", || (!runs(first)).then_some(()));
    let second = child(&program);
    assert_ne!(second, first);
    still_lit(&mut program);

    // The slice manager dies, and nobody else signals its controller.
    program.kill();
    until("the controller ends with its parent", || (!runs(second)).then_some(()));
    program = start();
    let third = child(&program);
    still_lit(&mut program);

    let (status, answer) = request(program.slices(), "DELETE", &format!("{VOP}?force=true"), None).unwrap();
    assert_eq!(status, 204, "{answer}");
    assert!(!runs(third), "it is gone when the answer comes");
    assert_eq!(children(program.pid()), []);

    // Activated again, and stopped as a supervisor does.
    let (status, answer) = activation(&program, plan);
    assert_eq!(status, 201, "{answer}");
    let last = child(&program);
    program.stop();
    assert!(!runs(last), "it does not outlive a graceful stop");
    let (code, said) = verify(folder);
    assert_eq!(code, Some(0), "{said}");
}

/// Plays a story of programs over a Redis server, with the broker and the agents of a small network: it is given a folder, where
/// the store and the broker are, and the network.
pub(crate) async fn play(story: impl FnOnce(&Path, &str, &str, &Plan) + Send + 'static) {
    let (folder, redis) = (tempfile::tempdir().unwrap(), Redis::start());
    let (options, plan) = small();
    let broker = LabBroker::start(&options).await.unwrap();
    let modules = (&Profile::OPENZRP, &ModuleClock::scaled(options.scale));
    let fleet = Fleet::start(&plan, &broker, modules, folder.path()).unwrap();
    let (location, bootstrap) = (redis.location(), broker.bootstrap.clone());
    prepare(&location, &plan).await;
    let path = folder.path().to_owned();
    let played = tokio::task::spawn_blocking(move || story(&path, &location, &bootstrap, &plan));
    played.await.unwrap();
    fleet.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_is_a_process_is_started_again_and_ends_when_it_is_not_needed() {
    play(lives_and_dies).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_controller_that_cannot_be_started_leaves_nothing_of_the_activation() {
    let (folder, redis) = (tempfile::tempdir().unwrap(), Redis::start());
    let (options, plan) = small();
    let broker = LabBroker::start(&options).await.unwrap();
    let (location, bootstrap) = (redis.location(), broker.bootstrap.clone());
    prepare(&location, &plan).await;
    let path = folder.path().to_owned();
    let story = tokio::task::spawn_blocking(move || {
        let launcher = "launcher = \"process\"\ncontroller_program = \"/bin/false\"";
        let program = Program::launching(&path, &location, &bootstrap, plan.pops.len(), launcher, &[]);
        let (status, answer) = activation(&program, &plan);
        assert_eq!(status, 500, "{answer}");
        assert!(answer["detail"].as_str().unwrap().contains("exit status: 1"), "{answer}");
        assert_eq!(children(program.pid()), []);
        let (status, vops) = request(program.slices(), "GET", "/api/v1/vops", None).unwrap();
        assert_eq!((status, vops), (200, Value::Array(Vec::new())));
        assert_eq!(request(program.slices(), "GET", VOP, None).unwrap().0, 404);
        let port = &plan.tenants[0].ports[0];
        let path = format!("/api/v1/interfaces/check/{}/{}/{}", port.pop_id, port.router_id, port.port_id);
        let (status, answer) = request(program.slices(), "GET", &path, None).unwrap();
        assert_eq!((status, &answer["available"]), (200, &Value::Bool(true)), "{answer}");
        program.stop();
    });
    story.await.unwrap();
    let topics = broker.bus("test").unwrap().topics().await.unwrap();
    assert!(topics.iter().all(|topic| !topic.contains("vOp2")), "{topics:?}");
}
