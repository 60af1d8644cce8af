//! An agent of another make, scripted: it looks for everything where existing agents do, knows no command of ours by its id, reads
//! nothing back, and sends without keys.

use core::time::Duration;
use ipowdm_core::bus::memory::MemoryBus;
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use ipowdm_core::bus::{Bus, Outgoing};
use ipowdm_core::ids::{RouterRef, VopId};
use ipowdm_core::topics::{self, Role};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use tokio::task::JoinHandle;

/// How it behaves.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Manner {
    Obey,
    /// Does it and says nothing.
    Mute,
    /// Answers a set-up with an error that names the command.
    Refuse,
    /// Answers a set-up after this time.
    Slow(Duration),
}

#[derive(Debug)]
struct Site {
    manner: Manner,
    /// Power by connection, of those that it serves.
    serves: BTreeMap<String, f64>,
    /// Seconds on its clock, which a message moves on.
    clock: f64,
}

/// The agent; it ends when dropped.
pub(crate) struct ForeignAgent {
    site: Arc<Mutex<Site>>,
    bus: MemoryBus,
    vop: VopId,
    task: JoinHandle<()>,
}

impl Drop for ForeignAgent {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ForeignAgent {
    pub(crate) fn start(bus: &MemoryBus, vop: &VopId, router: &RouterRef) -> Self {
        let site = Site { manner: Manner::Obey, serves: BTreeMap::new(), clock: 1_761_730_512.0 };
        let site = Arc::new(Mutex::new(site));
        let task = tokio::spawn(run(bus.clone(), vop.clone(), router.clone(), Arc::clone(&site)));
        Self { site, bus: bus.clone(), vop: vop.clone(), task }
    }

    pub(crate) fn behave(&self, manner: Manner) {
        self.site.lock().unwrap().manner = manner;
    }

    /// The power at which it serves a connection.
    pub(crate) fn power(&self, connection: &str) -> Option<f64> {
        self.site.lock().unwrap().serves.get(connection).copied()
    }

    /// Says something of its own accord.
    pub(crate) async fn say(&self, mut message: Value) {
        message["timestamp"] = json!(self.site.lock().unwrap().tick());
        publish(&self.bus, &self.vop, &message).await;
    }
}

async fn publish(bus: &MemoryBus, vop: &VopId, message: &Value) {
    let topic = topics::name(Role::Monitoring, vop, None);
    let record = Outgoing { key: None, value: Some(message.to_string().into_bytes().into()) };
    bus.publish(&topic, vec![record]).await.unwrap();
}

async fn run(bus: MemoryBus, vop: VopId, router: RouterRef, site: Arc<Mutex<Site>>) {
    let config = topics::name(Role::Config, &vop, None);
    let mut reader = Reader::new(Arc::new(bus.clone()));
    reader.follow(&config, |_| Start::Earliest);
    let capabilities = site.lock().unwrap().capabilities(&router);
    publish(&bus, &vop, &capabilities).await;
    loop {
        let Delivery::Records { records, .. } = reader.next().await else { continue };
        for record in records {
            let message: Value = serde_json::from_slice(record.value.as_ref().unwrap()).unwrap();
            let setup = message["action"] == "setupConnection";
            let manner = site.lock().unwrap().manner.clone();
            if let Manner::Slow(time) = manner
                && setup
            {
                tokio::time::sleep(time).await;
            }
            let answer = site.lock().unwrap().answer(&router, &message);
            if let Some(answer) = answer.filter(|_| manner != Manner::Mute) {
                publish(&bus, &vop, &answer).await;
            }
        }
    }
}

impl Site {
    fn tick(&mut self) -> f64 {
        self.clock += 0.015_625;
        self.clock
    }

    fn capabilities(&mut self, router: &RouterRef) -> Value {
        let interfaces: Vec<Value> = ["Ethernet48", "Ethernet56"].map(interface).into();
        json!({
            "type": "agentCapabilities", "agent_id": router.default_agent(), "pop_id": router.pop_id,
            "node_id": router.router_id, "interfaces": interfaces, "timestamp": self.tick(),
        })
    }

    fn answer(&mut self, router: &RouterRef, message: &Value) -> Option<Value> {
        let agent = router.default_agent();
        let timestamp = self.tick();
        let parameters = &message["parameters"];
        let connection = parameters["connection_id"].as_str();
        let result = |kind: &str, more: Value| {
            let mut result = json!({
                "type": kind, "connection_id": connection, "agent_id": agent, "success": true, "timestamp": timestamp,
            });
            more.as_object().unwrap().iter().for_each(|(name, value)| result[name] = value.clone());
            Some(result)
        };
        match message["action"].as_str() {
            Some("setupConnection") => {
                let connection = message["connection_id"].as_str().expect("at the top");
                let frequency = message["frequency"].as_u64().expect("whole GHz at the top");
                let endpoints = message["endpoint_config"].as_array().expect("at the top");
                let refused = self.manner == Manner::Refuse;
                if refused || !(191_300..=196_100).contains(&frequency) || endpoints.len() < 2 {
                    return Some(json!({
                        "type": "error", "agent_id": agent, "error_type": "SetupConnectionError",
                        "error_message": "refused", "command_id": message["command_id"], "timestamp": timestamp,
                    }));
                }
                let own = |at: &&Value| {
                    at["pop_id"] == router.pop_id.as_str() && at["node_id"] == router.router_id.as_str()
                };
                let endpoint = endpoints.iter().find(own)?;
                let app = endpoint["app"].as_u64().expect("an application of ours");
                let power = endpoint["tx_power_level"].as_f64().expect("a power");
                if !(1..=5).contains(&app)
                    || !(-15.0..=-8.0).contains(&power)
                    || !(frequency - 191_300).is_multiple_of(100)
                {
                    let failed = json!({"success": false, "error": "Configuration verification failed"});
                    return result("setupConnectionResult", failed);
                }
                self.serves.insert(connection.to_owned(), power);
                let more = json!({"interface": endpoint["port_id"], "session_id": "session-1"});
                result("setupConnectionResult", more)
            }
            // Whoever it is for.
            Some("teardownConnection") => {
                self.serves.remove(connection?)?;
                result("teardownConnectionResult", json!({}))
            }
            Some("reconfigConnection") => {
                let power = parameters["tx_power_level"].as_f64()?;
                *self.serves.get_mut(connection?)? = power;
                result("reconfigConnectionResult", json!({"new_power": power}))
            }
            _ => match message["type"].as_str() {
                Some("healthCheck") => Some(json!({
                    "type": "agentHealth", "agent_id": agent, "status": "healthy", "pop_id": router.pop_id,
                    "router_id": router.router_id, "uptime": 1.5, "interfaces": [], "issues": [],
                    "timestamp": timestamp,
                })),
                Some("getCapabilities") => Some(self.capabilities(router)),
                _ => None,
            },
        }
    }
}

fn interface(port: &str) -> Value {
    json!({
        "port_id": port, "type": "ZR",
        "app_code": {
            "1": {"rate": "400G", "mode": "DWDM-amplified"}, "2": {"rate": "400G", "mode": "OFEC-16QAM"},
            "3": {"rate": "100G", "mode": "OFEC-16QAM"}, "4": {"rate": "100G", "mode": "OFEC-8QAM"},
            "5": {"rate": "100G", "mode": "OFEC-QPSK"},
        },
        "frequency_range": [191_300, 196_100], "tx_power_range": [-15.0, -8.0],
    })
}
