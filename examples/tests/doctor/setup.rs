//! A switch as an engineer has set it up: two modules, an agent's settings, a broker with the topics of one virtual operator.

use ipowdm_cmis::emulator::socket::{DEFAULT_MODE, Server, Stopper};
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile};
use ipowdm_core::bus::kafka::{KafkaBus, KafkaOptions};
use ipowdm_core::bus::{Bus as _, FetchRequest, Outgoing, TopicSpec};
use ipowdm_devbroker::{Broker, Options};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The user that has no rights.
const NOBODY: u32 = 65_534;
const PROGRAM: &str = env!("CARGO_BIN_EXE_ipowdm-agent-under-test");

pub(crate) struct Setup {
    folder: tempfile::TempDir,
    program: PathBuf,
    user: Option<u32>,
    variables: BTreeMap<String, String>,
    arguments: Vec<String>,
    modules: Vec<EmulatedModule>,
    stoppers: Vec<Stopper>,
    bus: KafkaBus,
    _broker: Broker,
}

/// What the program said.
pub(crate) struct Verdicts {
    pub(crate) success: bool,
    pub(crate) text: String,
    pub(crate) json: Value,
    pub(crate) rows: Vec<Row>,
}

pub(crate) struct Row {
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) verdict: String,
    pub(crate) details: String,
}

impl Setup {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        let broker = Broker::start(Options::default()).await.unwrap();
        let bus = KafkaBus::connect(&KafkaOptions::new(&broker.bootstrap())).unwrap();
        for name in ["config_vOp2", "monitoring_vOp2", "health_vOp2"] {
            let configs = [("message.timestamp.type".to_owned(), "LogAppendTime".to_owned())].into();
            let spec = TopicSpec { name: name.to_owned(), partitions: 1, replication: 1, configs };
            bus.create_topic(spec).await.unwrap();
        }
        let mut modules = Vec::new();
        let mut stoppers = Vec::new();
        for number in [7, 8] {
            let module = EmulatedModule::new(Profile::OPENZRP, number, ModuleClock::scaled(1_000));
            let path = folder.path().join(format!("module-{number}"));
            let server = Server::bind(&path, DEFAULT_MODE, module.clone()).unwrap();
            stoppers.push(server.stopper());
            std::thread::spawn(move || server.run());
            modules.push(module);
        }
        let password = folder.path().join("password");
        fs::write(&password, "not used without SASL\n").unwrap();
        fs::set_permissions(&password, Permissions::from_mode(0o600)).unwrap();
        let variables = [
            ("POP_ID", "pop1".to_owned()),
            ("ROUTER_ID", "router1".to_owned()),
            ("VIRTUAL_OPERATOR", "vOp2".to_owned()),
            ("KAFKA_BROKER", broker.bootstrap()),
            ("KAFKA_SASL_PASSWORD_FILE", password.display().to_string()),
            ("ASSIGNED_TRANSCEIVERS", r#"["Ethernet48","Ethernet56"]"#.to_owned()),
            ("IFNAME_TO_PORTNUM_JSON", r#"{"Ethernet48":7,"Ethernet56":8}"#.to_owned()),
            ("JOURNAL_FILE", folder.path().join("journal").display().to_string()),
            ("IPOWDM_CONFIG", folder.path().join("agent.toml").display().to_string()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        let mut setup = Self {
            folder,
            program: PathBuf::from(PROGRAM),
            user: None,
            variables,
            arguments: Vec::new(),
            modules,
            stoppers,
            bus,
            _broker: broker,
        };
        let template = format!("unix:{}/module-{{port}}", setup.path("").display());
        setup.configure(
            "[telemetry]\nhealth_interval_sec = 1.0\n[modules]",
            &format!("eeprom = {template:?}"),
        );
        setup
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Sets a variable of the environment.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.insert(name.to_owned(), value.to_owned());
    }

    /// Writes the settings' file: one line of one table.
    pub(crate) fn configure(&mut self, table: &str, line: &str) {
        fs::write(self.path("agent.toml"), format!("{table}\n{line}\n")).unwrap();
    }

    /// Adds an argument.
    pub(crate) fn argument(&mut self, argument: &str) {
        self.arguments.push(argument.to_owned());
    }

    /// Gives up root's rights, where there are any: root may write what nobody may.
    pub(crate) fn become_nobody(&mut self) {
        if nix::unistd::geteuid().is_root() {
            self.user = Some(NOBODY);
            self.program = self.path("ipowdm-agent");
            fs::copy(PROGRAM, &self.program).unwrap();
            // What the agent's user keeps is theirs.
            let journals = self.path("journals");
            fs::create_dir(&journals).unwrap();
            for path in [&journals, &self.path("password")] {
                nix::unistd::chown(path, Some(nix::unistd::Uid::from_raw(NOBODY)), None).unwrap();
            }
            self.set("JOURNAL_FILE", journals.join("journal").to_str().unwrap());
        }
    }

    pub(crate) fn module(&self, index: usize) -> &EmulatedModule {
        &self.modules[index]
    }

    pub(crate) async fn delete_topic(&self, name: &str) {
        assert!(self.bus.delete_topic(name).await.unwrap());
    }

    /// A heartbeat of this agent, from a host whose clock is off.
    pub(crate) async fn heartbeat_of_a_host_whose_clock_is_off(&self, by_ms: i64) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "an hour in milliseconds is exact")]
        let sent = now + by_ms as f64 / 1_000.0;
        let heartbeat = json!({
            "type": "agentHealth", "v": 1, "agent_id": "pop1-router1", "pop_id": "pop1", "router_id": "router1",
            "virtual_operator": "vOp2", "status": "stopped", "timestamp": sent, "uptime": 1.0,
        });
        let record = Outgoing::new("pop1-router1", serde_json::to_vec(&heartbeat).unwrap());
        self.bus.publish("health_vOp2", vec![record]).await.unwrap();
    }

    /// Waits until a heartbeat is on the health topic.
    pub(crate) async fn heard(&self) {
        for _ in 0..300 {
            let request = FetchRequest {
                topic: "health_vOp2".to_owned(),
                partition: 0,
                offset: 0,
                max_bytes: 1,
                max_wait: Duration::from_secs(1),
            };
            if !self.bus.fetch(request).await.unwrap().records.is_empty() {
                return;
            }
        }
        unreachable!("no heartbeat within 300 s");
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(&self.variables).current_dir(self.folder.path());
        if let Some(user) = self.user {
            command.uid(user);
        }
        command
    }

    /// Starts the agent.
    pub(crate) fn agent(&self) -> Agent {
        let child =
            self.command(&self.program).arg("run").env("LOG_LEVEL", "warn").stdout(Stdio::null()).spawn();
        Agent(child.unwrap())
    }

    /// Asks the doctor, for people and for machines.
    pub(crate) fn doctor(&self) -> Verdicts {
        let ask = |further: &[&str]| {
            self.command(&self.program).arg("doctor").args(&self.arguments).args(further).output().unwrap()
        };
        let (people, machines) = (ask(&[]), ask(&["--json"]));
        assert_eq!(people.status.code(), machines.status.code());
        let json: Value = serde_json::from_slice(&machines.stdout).unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let row = |row: &Value| Row {
            name: text(&row["row"]),
            title: text(&row["title"]),
            verdict: text(&row["verdict"]),
            details: row["details"].to_string(),
        };
        Verdicts {
            success: people.status.success(),
            text: String::from_utf8(people.stdout).unwrap(),
            rows: json["rows"].as_array().unwrap().iter().map(row).collect(),
            json,
        }
    }
}

impl Drop for Setup {
    fn drop(&mut self) {
        for stopper in &self.stoppers {
            stopper.stop();
        }
    }
}

/// An agent that runs. It is killed when this is dropped.
pub(crate) struct Agent(Child);

impl Agent {
    pub(crate) fn stop(&mut self) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.0.id()).unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        // It may have ended; that is no matter.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
