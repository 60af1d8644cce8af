//! A run of the lab from start to end.

use super::broker::LabBroker;
use super::cases;
use super::fill::{self, Filled, Ticks};
use super::options::Options;
use super::report::{Report, resident_kb};
use super::signals::Signals;
use super::world::{Lab, LabError};
use core::time::Duration;
use ipowdm_ctl_lib::linkdb::LinkDbError;
use std::path::PathBuf;
use std::time::Instant;

/// Between two questions to a broker that does not answer.
const BROKER_PAUSE: Duration = Duration::from_millis(250);

/// Why a run has no result.
#[derive(Debug, thiserror::Error)]
pub enum PlayError {
    /// The lab does not start.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// LinkDB cannot be read.
    #[error(transparent)]
    LinkDb(#[from] LinkDbError),
    /// The broker did not come.
    #[error(
        "no broker answers at {bootstrap} within {limit:?}: {reason}; start one, or give more time with --broker-wait"
    )]
    NoBroker {
        /// Its address.
        bootstrap: String,
        /// How long it was waited for.
        limit: Duration,
        /// What was last heard.
        reason: String,
    },
    /// Signals cannot be listened for.
    #[error("cannot listen for signals: {0}")]
    Signals(std::io::Error),
    /// A signal came before the end.
    #[error("ended by {0} before it was done")]
    Ended(&'static str),
    /// The report cannot be written.
    #[error("cannot write the report to {path}: {source}")]
    Report {
        /// Its file.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
}

/// Starts the lab, runs it, and stays up unless told otherwise. Answers whether all cases passed.
///
/// Ends in order, and removes what it has made, also on SIGINT, SIGTERM and SIGHUP; a second one ends it at once.
///
/// # Errors
/// [`PlayError`].
pub async fn play(options: &Options) -> Result<bool, PlayError> {
    let mut signals = Signals::listen().map_err(PlayError::Signals)?;
    let lab = tokio::select! {
        lab = Lab::start(options) => lab?,
        signal = signals.next() => return Err(PlayError::Ended(signal)),
    };
    let mut outcome = tokio::select! {
        outcome = run(&lab, options) => outcome,
        signal = signals.next() => Err(PlayError::Ended(signal)),
    };
    if outcome.is_ok() && !options.exit {
        invite(&lab);
        let signal = signals.next().await;
        println!("\nlab: stopping ({signal})");
    }
    tokio::select! {
        () = lab.stop() => {}
        signal = signals.next() => outcome = outcome.and(Err(PlayError::Ended(signal))),
    }
    outcome
}

/// Waits for the broker, plays the cases, writes the report. Answers whether all passed.
///
/// # Errors
/// [`PlayError`].
pub async fn run(lab: &Lab, options: &Options) -> Result<bool, PlayError> {
    let started = Instant::now();
    println!(
        "lab: {} at {}, LinkDB at http://{}, slice manager at http://{}",
        lab.broker.kind(),
        lab.broker.bootstrap,
        lab.linkdb_addr,
        lab.slice_addr
    );
    println!(
        "lab: {} PoPs, {} fibre links, {} agents, {} emulated OpenZR+ modules running {} times faster than real ones",
        lab.plan.pops.len(),
        lab.plan.fibres.len(),
        lab.fleet.len(),
        lab.plan.ports.len(),
        options.scale
    );
    let limit = options.exit.then(|| Duration::from_secs(u64::from(options.broker_wait)));
    await_broker(lab, limit).await?;
    let activation = cases::activation(lab).await;
    let (setup, lit) = cases::setup(lab).await;
    let degradation = cases::degradation(lab, lit.first()).await;
    let (filled, ticks) = if options.fill { filled(lab).await? } else { (None, None) };
    let report = Report {
        filled,
        ticks,
        cases: vec![activation, setup, degradation],
        broker: lab.broker.bootstrap.clone(),
        broker_kind: lab.broker.kind(),
        ports: lab.plan.ports.len(),
        resident_kb: resident_kb(),
        seconds: started.elapsed().as_secs_f64(),
    };
    let passed = report.passed();
    let verdict = if passed { "all cases passed" } else { "NOT all cases passed" };
    println!("\nlab: {verdict} in {:.1} s, {} kB resident", report.seconds, report.resident_kb.unwrap_or(0));
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&report).unwrap_or_default();
        std::fs::write(path, text).map_err(|source| PlayError::Report { path: path.clone(), source })?;
    }
    Ok(passed)
}

/// Waits until the broker answers, and says so where it does not at once.
async fn await_broker(lab: &Lab, limit: Option<Duration>) -> Result<(), PlayError> {
    let begun = Instant::now();
    let mut told = false;
    while let Err(error) = lab.bus.topics().await {
        let bootstrap = &lab.broker.bootstrap;
        if let Some(limit) = limit.filter(|limit| begun.elapsed() >= *limit) {
            return Err(PlayError::NoBroker {
                bootstrap: bootstrap.clone(),
                limit,
                reason: error.to_string(),
            });
        }
        if !told {
            println!("lab: waiting for {bootstrap}: {error}; services are up, their health says so");
            told = true;
        }
        tokio::time::sleep(BROKER_PAUSE).await;
    }
    if told {
        println!("lab: {} is there after {:.1} s", lab.broker.bootstrap, begun.elapsed().as_secs_f64());
    }
    Ok(())
}

/// Fills the network and watches ten telemetry intervals.
async fn filled(lab: &Lab) -> Result<(Option<Filled>, Option<Ticks>), PlayError> {
    println!("\n== Filling the network");
    let filled = fill::fill(lab, usize::MAX).await?;
    println!(
        "  {} more connections ACTIVE in {:.1} s; control plane p50 {} ms, p99 {} ms; modules p99 {} ms",
        filled.active, filled.seconds, filled.control_ms.p50, filled.control_ms.p99, filled.module_ms.p99
    );
    for failure in &filled.failures {
        println!("  FAIL {failure}");
    }
    let ticks = fill::watch(lab, Duration::from_millis(u64::from(lab.telemetry_ms) * 10)).await;
    println!(
        "  {} ports sampled for {:.1} s: {} samples on the bus, {} due, {} missed, {} dropped",
        ticks.ports, ticks.seconds, ticks.samples, ticks.due, ticks.missed, ticks.dropped
    );
    Ok((Some(filled), Some(ticks)))
}

/// Ready-made lines to try.
fn invite(lab: &Lab) {
    let Some(tenant) = lab.plan.tenants.first() else { return };
    println!("\nThe lab stays up; Ctrl-C ends it. Try:");
    for tenant in &lab.plan.tenants {
        if let Some(addr) = lab.controller_addr(&tenant.vop) {
            println!("  # controller of {} at http://{addr}/api/v1", tenant.vop);
        }
    }
    println!("  curl -s http://{}/api/topology", lab.linkdb_addr);
    println!("  curl -s http://{}/api/v1/vops", lab.slice_addr);
    if let Some(addr) = lab.controller_addr(&tenant.vop) {
        println!("  curl -s http://{addr}/api/v1/connections");
        println!(
            "  curl -s -X POST http://{addr}/api/v1/connections -H 'Content-Type: application/json' \\\n    -d '{{\"connection_id\":\"POP1-POP2-1\",\"source_pop\":\"pop1\",\"destination_pop\":\"pop2\",\"virtual_operator\":\"{}\"}}'",
            tenant.vop
        );
        println!(
            "  curl -s -X POST 'http://{addr}/api/v1/connections/POP1-POP2-1/setup?wait=60' -d '{{}}' -H 'Content-Type: application/json'"
        );
        println!("  curl -s http://{addr}/api/v1/connections/POP1-POP2-1/qot");
        println!("  curl -s -X DELETE http://{addr}/api/v1/connections/POP1-POP2-1");
    }
    if lab.broker.kind() == LabBroker::IN_PROCESS {
        return;
    }
    let (bootstrap, base) = (&lab.broker.bootstrap, lab.linkdb_addr.port());
    println!("  kcat -b {bootstrap} -C -t monitoring_{} -o end", tenant.vop);
    println!("  kcat -b {bootstrap} -C -t config_{} -o beginning -e", tenant.vop);
    println!("  scripts/guide-smoke.sh --port-base {base} --bootstrap {bootstrap}");
}
