//! The agents of both ends are processes, and so are their modules: a connection is set up, read back, kept over the death of an
//! agent, and torn down.
//!
//! The program is the one that `IPOWDM_AGENT` names, as `scripts/static-case2.sh` does, otherwise the one that
//! `scripts/build-static.sh x86_64` has left, if it has, and the one of this build.

use crate::client::request;
use crate::processes::until;
use crate::program::Program;
use crate::{activation, prepare};
use ipowdm_core::ids::RouterRef;
use ipowdm_examples::lab::broker::LabBroker;
use ipowdm_examples::lab::options::Options;
use ipowdm_examples::lab::plan::Plan;
use ipowdm_examples::switch::{AgentProgram, Optics, Process, Sockets, Switch};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

const CONNECTION: &str = "/api/v1/connections/CASE-2";
/// Modules are this much faster than real ones.
const SCALE: u32 = 20;

/// One end: a switch with one port.
struct Site {
    router: RouterRef,
    ports: Vec<(String, u32)>,
    folder: PathBuf,
    sockets: Sockets,
    bootstrap: String,
    _module: Process,
}

impl Site {
    fn new(program: &AgentProgram, plan: &Plan, index: usize, folder: &Path, bootstrap: &str) -> Self {
        let port = &plan.ports[index];
        let folder = folder.join(port.pop_id.as_str());
        std::fs::create_dir(&folder).unwrap();
        let (sockets, number) = (Sockets::in_folder(&folder), 7);
        Self {
            _module: sockets.emulate(program, number, SCALE).unwrap(),
            router: port.router(),
            ports: vec![(port.port_id.to_string(), number)],
            folder,
            sockets,
            bootstrap: bootstrap.to_owned(),
        }
    }

    fn switch(&self) -> Switch<'_> {
        Switch {
            router: &self.router,
            ports: &self.ports,
            sockets: &self.sockets,
            bootstrap: &self.bootstrap,
            folder: &self.folder,
            agent: "",
            bus: "",
        }
    }

    fn run(&self, program: &AgentProgram) -> Process {
        self.switch().run(program).unwrap()
    }

    fn look(&self) -> Optics {
        self.sockets.look(7).unwrap()
    }
}

fn connection(program: &Program) -> Option<Value> {
    match request(program.controller(), "GET", CONNECTION, None).ok()? {
        (200, answer) => Some(answer),
        _ => None,
    }
}

/// Asks for the connection until the modules are known and it is there.
fn create(program: &Program) {
    let body = json!({"connection_id": "CASE-2", "source_pop": "pop1", "destination_pop": "pop2"});
    until("the connection is taken in", || {
        let (status, _) = request(program.controller(), "POST", "/api/v1/connections", Some(&body)).ok()?;
        (status == 201).then_some(())
    });
}

fn in_state(program: &Program, wanted: &str) -> Value {
    until(wanted, || {
        let now = connection(program)?;
        assert_ne!(now["status"], "FAILED", "{now}");
        (now["status"] == wanted).then_some(now)
    })
}

fn case_2(agent: &AgentProgram, folder: &Path, bootstrap: &str, plan: &Plan) {
    let location = format!("redb:{}", folder.join("store.redb").display());
    let mut program = Program::start(folder, &location, bootstrap, plan.pops.len());
    let sites = [0, 1].map(|index| Site::new(agent, plan, index, folder, bootstrap));
    let mut agents = sites.each_ref().map(|site| Some(site.run(agent)));
    let (status, answer) = activation(&program, plan);
    assert_eq!(status, 201, "{answer}");
    program.await_controller();
    create(&program);
    assert!(sites.iter().all(|site| !site.look().emits), "nothing shines before somebody asks for it");

    let (status, answer) =
        request(program.controller(), "POST", &format!("{CONNECTION}/setup"), None).unwrap();
    assert_eq!(status, 202, "{answer}");
    let active = in_state(&program, "ACTIVE");
    assert!(active["verified_at"].is_string(), "{active}");
    for site in &sites {
        let wanted = Optics { activated: true, emits: true, laser_mhz: frequency(&active) };
        assert_eq!(site.look(), wanted, "{}", site.router);
    }
    until("samples of both ends", || {
        let (_, quality) = request(program.controller(), "GET", &format!("{CONNECTION}/qot"), None).ok()?;
        ["source", "destination"].iter().all(|end| sampled(&quality[end])).then_some(())
    });

    // An agent dies; its module shines on, and the next life of the agent knows why.
    agents[0].take().unwrap().kill().unwrap();
    assert!(sites[0].look().emits);
    agents[0] = Some(sites[0].run(agent));
    let health = until("the agent is well again", || {
        let output = sites[0].switch().command(agent, "health").unwrap().output().unwrap();
        output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
    });
    assert!(sites[0].look().emits, "{health}");
    assert!(in_state(&program, "ACTIVE")["verified_at"].is_string());

    let (status, answer) = request(program.controller(), "DELETE", CONNECTION, None).unwrap();
    assert!((200..300).contains(&status), "{status} {answer}");
    until("both ends are dark", || sites.iter().all(|site| !site.look().emits).then_some(()));
    until("the connection is gone", || match connection(&program) {
        None => Some(()),
        Some(now) => (now["status"] == "TERMINATED").then_some(()),
    });
    for (agent, site) in agents.iter_mut().zip(&sites) {
        let log = || std::fs::read_to_string(site.folder.join("log")).unwrap();
        assert!(agent.take().unwrap().terminate().unwrap().success(), "{}", log());
    }
    program.stop();
    println!(
        "case 2 with {}: ACTIVE at {} MHz, read back at both ends and by their sockets; an agent killed and started again; dark",
        agent.path().display(),
        frequency(&active)
    );
}

fn frequency(connection: &Value) -> u32 {
    u32::try_from(connection["frequency_mhz"].as_u64().unwrap()).unwrap()
}

fn sampled(end: &Value) -> bool {
    end["telemetry"] == "live" && end["last"]["osnr"].is_number()
}

fn of_this_build() -> AgentProgram {
    AgentProgram::at(Path::new(env!("CARGO_BIN_EXE_ipowdm-agent-under-test")))
}

async fn play(agent: AgentProgram) {
    let folder = tempfile::tempdir().unwrap();
    let options = Options { pops: 2, routers: 1, ports: 1, vops: 1, ..Options::for_tests() };
    let plan = Plan::draw(&options).unwrap();
    let broker = LabBroker::start(&options).await.unwrap();
    let port = broker.bootstrap.rsplit(':').next().unwrap();
    // A name, so that the agents' way of looking one up is part of it.
    let bootstrap =
        format!("{}:{port}", std::env::var("IPOWDM_BROKER_NAME").unwrap_or("localhost".to_owned()));
    prepare(&format!("redb:{}", folder.path().join("store.redb").display()), &plan).await;
    let path = folder.path().to_owned();
    let story = tokio::task::spawn_blocking(move || case_2(&agent, &path, &bootstrap, &plan));
    story.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agents_that_are_processes_set_a_connection_up_keep_it_over_a_death_and_take_it_down() {
    play(AgentProgram::of_environment().unwrap_or_else(of_this_build)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn static_agents_do_so_too() {
    match AgentProgram::built_statically() {
        Some(agent) => play(agent).await,
        None => println!("skipped: scripts/build-static.sh x86_64 has not built the static program"),
    }
}

/// Whether the program takes settings; what it says.
fn takes(settings: &Path) -> String {
    let mut command = of_this_build().command();
    let output = command.args(["run", "--check-config", "--config"]).arg(settings).output().unwrap();
    let said = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

#[test]
fn the_sample_settings_are_taken_and_so_is_every_one_that_is_commented_out() {
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("../dist/agent.toml");
    assert!(takes(&sample).contains("Ethernet56"));
    let text = std::fs::read_to_string(&sample).unwrap();
    let is_setting = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains([' ', ':']));
    let uncommented: Vec<&str> = text
        .lines()
        .map(|line| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line))
        .collect();
    assert!(uncommented.len() > 20);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("password"), "secret").unwrap();
    let all = uncommented
        .join("\n")
        .replace("/etc/ipowdm/kafka.password", folder.path().join("password").to_str().unwrap());
    let all = all.replace(r#"security_protocol = "PLAINTEXT""#, r#"security_protocol = "SASL_PLAINTEXT""#);
    let path = folder.path().join("agent.toml");
    std::fs::write(&path, all).unwrap();
    assert!(takes(&path).contains("agent_pop1-router1"));
}
