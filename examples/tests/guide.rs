//! The operator guide's own lines against the lab, typed with tools that this project did not write: curl, kcat,
//! kafka-python, confluent-kafka.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

use ipowdm_examples::lab::cases;
use ipowdm_examples::lab::options::Options;
use ipowdm_examples::lab::world::Lab;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The exit code of the scripts when a tool cannot be had; they name it on standard error.
const MISSING: i32 = 2;

/// A lab on free ports whose tenants are active.
async fn active_lab() -> Lab {
    let lab = Lab::start(&Options::for_tests()).await.expect("the lab starts");
    let case = cases::activation(&lab).await;
    assert!(case.passed, "{:?}", case.evidence);
    lab
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Where `CI` is set, every tool is there.
fn is_ci() -> bool {
    std::env::var_os("CI").is_some()
}

/// Runs a script of ours and answers how many checks passed, all of them; `None` where it misses a tool and may.
async fn checks_of(script: &str, arguments: &[String]) -> Option<usize> {
    let mut command = Command::new(root().join("scripts").join(script));
    command.args(arguments);
    let done = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let (out, err) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    if done.status.code() == Some(MISSING) && err.contains("missing") && !is_ci() {
        println!("skipped: {script}: {}", err.trim());
        return None;
    }
    assert!(done.status.success(), "{script}:\n{out}{err}");
    let passed = out.lines().filter(|line| line.starts_with("ok ")).count();
    assert_eq!(
        out.lines().last(),
        Some(format!("{passed} passed, 0 failed").as_str()),
        "{script}:\n{out}{err}"
    );
    println!("{script}:\n{out}");
    Some(passed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_04_the_guides_own_lines_answer_as_it_expects_twice_in_a_row() {
    let lab = active_lab().await;
    let controller = lab.controller_addr(&lab.plan.tenants[0].vop).expect("vOp2's controller answers");
    let services = [("linkdb", lab.linkdb_addr), ("slice", lab.slice_addr), ("controller", controller)];
    let mut arguments = vec!["--bootstrap".to_owned(), lab.broker.bootstrap.clone()];
    for (name, addr) in services {
        arguments.extend([format!("--{name}"), format!("http://{addr}")]);
    }
    for _ in 0..2 {
        if let Some(passed) = checks_of("guide-smoke.sh", &arguments).await {
            assert!(passed >= 28, "only {passed} checks ran");
        }
    }
    lab.stop().await;
}

/// `scripts/guide-clients.sh` installs Python packages on its first use, so without `CI` in the environment this waits
/// until someone has called it once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s0_05_the_guides_manual_setup_is_obeyed_from_kcat_kafka_python_and_confluent_kafka() {
    if !is_ci() && !root().join("build/foreign-clients").is_dir() {
        println!("skipped: call scripts/guide-clients.sh once to install the clients, or set CI");
        return;
    }
    let lab = active_lab().await;
    let (case, _) = cases::setup(&lab).await;
    assert!(case.passed, "{:?}", case.evidence);
    if let Some(passed) = checks_of("guide-clients.sh", std::slice::from_ref(&lab.broker.bootstrap)).await {
        assert!(passed >= 30, "only {passed} checks ran");
    }
    lab.stop().await;
}
