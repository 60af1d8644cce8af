//! The control plane in a process of its own, this program again, so that what it takes is its own. It is asked by lines.

use crate::table::ms;
use benches::world::{Plane, options, pairs};
use futures_util::StreamExt as _;
use futures_util::stream;
use ipowdm_core::ids::PortRef;
use ipowdm_ctl_lib::store::Location;
use ipowdm_examples::lab::broker::LabBroker;
use ipowdm_examples::lab::fill::{self, Percentiles};
use ipowdm_examples::lab::inventory;
use ipowdm_examples::lab::plan::Plan;
use ipowdm_examples::lab::report::resident_kb;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;
use tokio::runtime::Builder;

/// The option that makes a process one, with the broker's address.
pub(crate) const OPTION: &str = "--control-plane-at";

/// The network: 1 000 switches with two modules each.
pub(crate) const SHAPE: [&str; 6] = ["--pops", "500", "--routers", "2", "--ports", "2"];

/// What is asked of it.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) enum Question {
    /// How it is.
    Look,
    /// Wait until all agents have been heard.
    HearAll,
    /// Set connections up between so many pairs of ports, from this one on, so many at a time.
    Light { from: usize, count: usize, at_a_time: usize },
}

/// How it is.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct Look {
    /// Seconds of its life so far.
    pub(crate) at: f64,
    /// Of the processor that it has used.
    pub(crate) processor: f64,
    pub(crate) resident_kb: u64,
    pub(crate) samples: u64,
    pub(crate) unknown: u64,
    pub(crate) online: usize,
}

/// What set-ups took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Lit {
    pub(crate) failed: Vec<String>,
    pub(crate) seconds: f64,
    /// Of the control plane, p50, p99 and greatest in ms.
    pub(crate) control_ms: [u64; 3],
    /// As the caller sees it, p50, p99 and greatest in ms.
    pub(crate) total_ms: [f64; 3],
    pub(crate) count: usize,
}

/// The process, ended when dropped.
pub(crate) struct Hosted {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Hosted {
    /// Starts it; its virtual operator is active then.
    pub(crate) fn start(bootstrap: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([OPTION, bootstrap]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let (questions, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut hosted = Self { child, questions, answers: BufReader::new(answers) };
        assert_eq!(hosted.answer(), json!("active"));
        hosted
    }

    fn answer(&mut self) -> Value {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("the control plane says {line:?}: {error}"))
    }

    fn ask(&mut self, question: Question) -> Value {
        writeln!(self.questions, "{}", json!(question)).unwrap();
        self.answer()
    }

    pub(crate) fn look(&mut self) -> Look {
        serde_json::from_value(self.ask(Question::Look)).unwrap()
    }

    pub(crate) fn hear_all(&mut self) {
        self.ask(Question::HearAll);
    }

    pub(crate) fn light(&mut self, from: usize, count: usize, at_a_time: usize) -> Lit {
        serde_json::from_value(self.ask(Question::Light { from, count, at_a_time })).unwrap()
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What the process does; it ends with its questions.
pub(crate) fn run(bootstrap: &str) {
    let options = options(&[&SHAPE[..], &["--bootstrap", bootstrap]].concat());
    let plan = Plan::draw(&options).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    let plane = runtime.block_on(async {
        let broker = LabBroker::start(&options).await.unwrap();
        let store = Location::Redb(scratch.path().join("store.redb"));
        let plane = Plane::over(&broker, &plan.tenants[0], &store).await;
        inventory::write(&plane.db, &plan).await.unwrap();
        plane.activate(options.telemetry_ms).await;
        plane
    });
    let begun = Instant::now();
    println!("{}", json!("active"));
    for line in std::io::stdin().lines() {
        let answer = match serde_json::from_str(&line.unwrap()).unwrap() {
            Question::Look => json!(look(&plane, begun)),
            Question::HearAll => {
                runtime.block_on(plane.hear_all());
                Value::Null
            }
            Question::Light { from, count, at_a_time } => {
                let pairs = pairs(&plan).into_iter().enumerate().skip(from).take(count).collect();
                json!(runtime.block_on(light(&plane, pairs, at_a_time)))
            }
        };
        println!("{answer}");
    }
}

fn look(plane: &Plane, begun: Instant) -> Look {
    let metrics = plane.controller().metrics();
    Look {
        at: begun.elapsed().as_secs_f64(),
        processor: benches::processor_seconds(),
        resident_kb: resident_kb().unwrap(),
        samples: metrics.samples,
        unknown: metrics.samples_unknown,
        online: plane.online(),
    }
}

async fn light(plane: &Plane, pairs: Vec<(usize, (PortRef, PortRef))>, at_a_time: usize) -> Lit {
    let begun = Instant::now();
    let works = pairs.into_iter().map(|(number, (a, b))| {
        let controller = plane.controller();
        async move {
            let begun = Instant::now();
            let timing = fill::light(controller, format!("MANY-{number}"), a, b).await?;
            Ok((timing.control_plane_ms(), u64::try_from(begun.elapsed().as_micros()).unwrap()))
        }
    });
    let outcomes: Vec<Result<(u64, u64), String>> =
        stream::iter(works).buffer_unordered(at_a_time).collect().await;
    let lit: Vec<(u64, u64)> = outcomes.iter().filter_map(|outcome| outcome.as_ref().ok().copied()).collect();
    let control = Percentiles::of(lit.iter().map(|(control, _)| *control).collect());
    let total = Percentiles::of(lit.iter().map(|(_, total)| *total).collect());
    Lit {
        failed: outcomes.into_iter().filter_map(Result::err).take(3).collect(),
        seconds: begun.elapsed().as_secs_f64(),
        control_ms: [control.p50, control.p99, control.max],
        total_ms: [ms(total.p50), ms(total.p99), ms(total.max)],
        count: lit.len(),
    }
}
