//! Two controllers of one virtual operator, each a process of its own: the one that commands is killed, the other takes its place.

use crate::client::request;
use crate::processes::play;
use crate::program::{Program, command, settings, verify};
use crate::{PATIENCE, activation, drive};
use ipowdm_examples::lab::plan::Plan;
use serde_json::Value;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a lease lasts where the settings say nothing.
const LEASE: Duration = Duration::from_secs(6);

/// `ipowdm-ctl controller`; killed when dropped.
struct Instance {
    child: Child,
    /// Where it answers as the one that commands, told once it does.
    commands: Receiver<SocketAddr>,
}

impl Instance {
    fn start(folder: &Path) -> Self {
        let mut child = command()
            .args(["controller", "--vop", "vOp2", "--config"])
            .arg(settings(folder))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (told, commands) = channel();
        std::thread::spawn(move || {
            let found = lines.map_while(Result::ok).filter_map(|line| {
                line.strip_prefix("controller of vOp2 on http://").and_then(|addr| addr.parse().ok())
            });
            for addr in found {
                // Whoever asked may have ended before.
                let _ = told.send(addr);
            }
        });
        Self { child, commands }
    }

    fn await_command(&self) -> SocketAddr {
        self.commands.recv_timeout(PATIENCE).unwrap()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It may have ended; that is no matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn takes_over(folder: &Path, location: &str, bootstrap: &str, plan: &Plan) {
    let pops = plan.pops.len();
    let mut program = Program::launching(folder, location, bootstrap, pops, "launcher = \"external\"", &[]);
    let (status, answer) = activation(&program, plan);
    assert_eq!(status, 201, "{answer}");
    let first = Instance::start(folder);
    program.controller = Some(first.await_command());
    assert!(drive(&program, 1, Instant::now() + PATIENCE), "it is not lit");
    let second = Instance::start(folder);
    // It stands by as long as the first commands, however long that is: here two leases.
    assert!(second.commands.recv_timeout(2 * LEASE).is_err(), "two command");

    let killed = Instant::now();
    drop(first);
    let addr = second.await_command();
    let after = killed.elapsed();
    program.controller = Some(addr);
    let (status, answer) = request(addr, "GET", "/api/v1/connections/KILL-0", None).unwrap();
    // No fibre joins the modules: each shines, and neither sees light.
    assert_eq!(status, 200, "{answer}");
    for end in ["source", "destination"] {
        assert_eq!(answer[end]["light"], Value::from("lit"), "{answer}");
    }
    println!(
        "take-over: commands {:.2} s after the kill, the lease of {} s lasted {:.2} to {} s more",
        after.as_secs_f64(),
        LEASE.as_secs(),
        LEASE.as_secs_f64() * 2.0 / 3.0,
        LEASE.as_secs()
    );
    // What the second life is asked for it does.
    assert!(drive(&program, 2, Instant::now() + PATIENCE), "not lit by the second");
    drop(second);
    program.stop();
    let (code, said) = verify(folder);
    assert_eq!(code, Some(0), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stand_by_takes_command_when_the_process_that_commands_is_killed() {
    play(takes_over).await;
}
