use super::*;
use crate::controller::ControllerConfig;
use crate::testbed::{Testbed, vop};
use ipowdm_core::bus::Bus;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::time::Instant;

/// More than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Says that it commands, and ends with its standard input or at SIGTERM.
const GOOD: &str = "echo starting; echo controller of vOp2 on http://127.0.0.1:1; exec cat >/dev/null";

/// Processes that run a script in place of a controller, and vOp2, active.
async fn processes(script: &str, times: ProcessTimes) -> (Processes, Vop) {
    let bed = Testbed::new().await;
    let vop = bed.slices().activate(Testbed::vop2()).await.unwrap().vop;
    let bus: Arc<dyn Bus> = Arc::new(bed.bus.clone());
    let tasks = InProcess::new(bed.linkdb.clone(), bus, ControllerConfig::default());
    let script = script.to_owned();
    let command: CommandFor = Arc::new(move |_, _| {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", &script]);
        command
    });
    (Processes::new(tasks, command).times(times), vop)
}

fn quick() -> ProcessTimes {
    let first_pause = Duration::from_millis(10);
    ProcessTimes { ready: PATIENCE, stop: PATIENCE, first_pause, longest_pause: first_pause }
}

fn runs(pid: u32) -> bool {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap());
    match kill(pid, None) {
        Ok(()) => true,
        Err(errno) => {
            assert_eq!(errno, Errno::ESRCH);
            false
        }
    }
}

/// Its state, once it is so.
async fn state(processes: &Processes, wanted: impl Fn(&ProcessState) -> bool) -> ProcessState {
    let mut state = processes.running()[&vop("vOp2")].state.clone();
    let found = tokio::time::timeout(PATIENCE, state.wait_for(wanted)).await;
    found.expect("never").unwrap().clone()
}

#[tokio::test]
async fn a_process_is_ready_when_it_says_so_and_gone_when_it_was_stopped() {
    let (processes, vop2) = processes(GOOD, quick()).await;
    assert_eq!(processes.launch(&vop2, None).await.unwrap().as_deref(), Some("http://127.0.0.1:1"));
    let pid = processes.state(vop2.id()).unwrap().pid.unwrap();
    assert!(runs(pid));
    assert_eq!(processes.launch(&vop2, None).await.unwrap().as_deref(), Some("http://127.0.0.1:1"));
    assert_eq!(processes.state(vop2.id()).unwrap().pid, Some(pid), "not twice");
    processes.stop(vop2.id()).await.unwrap();
    assert!(!runs(pid));
    assert_eq!(processes.state(vop2.id()), None);
    processes.stop(vop2.id()).await.unwrap();
}

#[tokio::test]
async fn a_process_that_does_not_heed_sigterm_is_killed_after_the_limit() {
    let times = ProcessTimes { stop: Duration::from_millis(200), ..quick() };
    let (processes, vop2) = processes(&format!("trap '' TERM; {GOOD}"), times).await;
    processes.launch(&vop2, None).await.unwrap();
    let pid = processes.state(vop2.id()).unwrap().pid.unwrap();
    let began = Instant::now();
    processes.stop_all().await;
    assert!(!runs(pid));
    assert!(began.elapsed() >= Duration::from_millis(200), "it had its time");
}

#[tokio::test]
async fn a_process_that_ends_is_started_again() {
    let (processes, vop2) = processes(GOOD, quick()).await;
    processes.launch(&vop2, None).await.unwrap();
    for restart in 1..=3 {
        let pid = processes.state(vop2.id()).unwrap().pid.unwrap();
        kill(Pid::from_raw(i32::try_from(pid).unwrap()), nix::sys::signal::Signal::SIGKILL).unwrap();
        let again = state(&processes, |state| state.restarts == restart && state.ready).await;
        assert_ne!(again.pid, Some(pid));
        assert!(!runs(pid));
    }
    processes.stop_all().await;
}

#[tokio::test]
async fn a_first_start_that_fails_leaves_nothing() {
    for (script, reason) in [
        ("exit 3", "exit status: 3"),
        ("echo controller of vOp3 on http://127.0.0.1:1; exit 4", "exit status: 4"),
        ("exec 1>&-; kill -9 $$", "signal: 9"),
    ] {
        let (processes, vop2) = processes(script, quick()).await;
        let error = processes.launch(&vop2, None).await.unwrap_err();
        assert!(error.reason.contains(reason), "{error}");
        assert_eq!(processes.state(vop2.id()), None);
    }
}

#[tokio::test]
async fn a_process_that_is_not_ready_in_time_is_a_launch_that_failed_and_gone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("pid");
    let script = format!("echo $$ >{}; exec cat >/dev/null", file.display());
    let times = ProcessTimes { ready: Duration::from_secs(2), ..quick() };
    let (processes, vop2) = processes(&script, times).await;
    let error = processes.launch(&vop2, None).await.unwrap_err();
    assert!(error.reason.contains("not ready within 2s"), "{error}");
    // On a machine so busy that not even the shell had begun there is no number, and no process either.
    if let Ok(pid) = std::fs::read_to_string(&file) {
        assert!(!runs(pid.trim().parse().unwrap()));
    }
    assert_eq!(processes.state(vop2.id()), None);
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let (mut processes, vop2) = processes(GOOD, quick()).await;
    processes.command = Arc::new(|_, _| Command::new("/nowhere/at-all"));
    let error = processes.launch(&vop2, None).await.unwrap_err();
    assert!(error.reason.contains("/nowhere/at-all"), "{error}");
}

#[tokio::test]
async fn a_virtual_operator_that_is_not_active_gets_no_process() {
    let (processes, vop2) = processes(GOOD, quick()).await;
    let leaving = Vop { phase: VopPhase::Deactivating, ..vop2 };
    assert_eq!(processes.launch(&leaving, None).await, Ok(None));
    assert_eq!(processes.state(leaving.id()), None);
}

#[tokio::test]
async fn a_process_ends_with_whoever_started_it() {
    // It does not heed SIGTERM: the end of its standard input is all it goes by.
    let (processes, vop2) = processes(&format!("trap '' TERM; {GOOD}"), quick()).await;
    processes.launch(&vop2, None).await.unwrap();
    let pid = processes.state(vop2.id()).unwrap().pid.unwrap();
    let running = processes.running().remove(vop2.id()).unwrap();
    // As when this process is killed: nobody signals, but the pipe is gone.
    running.supervisor.abort();
    let gone = tokio::time::timeout(PATIENCE, async {
        while runs(pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    gone.await.expect("it outlives its parent");
}
