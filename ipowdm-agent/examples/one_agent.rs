//! One agent with two emulated modules on a bus in memory obeys a hand-typed line.
//!
//! ```text
//! cargo run -p ipowdm-agent --example one_agent
//! ```
//!
//! The modules live thirty times as fast as their data sheets say; nothing else is scaled.

use ipowdm_agent::{Agent, AgentConfig, Identity, Service};
use ipowdm_cmis::emulator::{EmulatedModule, ModuleClock, Profile};
use ipowdm_core::bus::memory::MemoryBus;
use ipowdm_core::bus::reader::{Delivery, Reader, Start};
use ipowdm_core::bus::{Bus, Outgoing, TopicSpec};
use ipowdm_core::ids::PortId;
use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;

const LINE: &str = r#"{"action":"setupConnection","command_id":"setup-POP1-POP2-1","parameters":{"connection_id":"POP1-POP2-1","endpoint_config":[{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet48","frequency":193.1,"tx_power_level":-2.0}]}}"#;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new());
    for name in ["config_vOp2", "monitoring_vOp2", "health_vOp2"] {
        let spec = TopicSpec { name: name.into(), partitions: 1, replication: 1, configs: BTreeMap::new() };
        bus.create_topic(spec).await?;
    }

    let ports: Vec<PortId> = vec!["Ethernet48".parse()?, "Ethernet56".parse()?];
    let mut config = AgentConfig::new(
        Identity::of_router("pop1".parse()?, "router1".parse()?),
        Service::Fixed {
            vop: "vOp2".parse()?,
            ports: ports.clone(),
            telemetry_interval_ms: 1_000,
            health_interval_ms: 30_000,
        },
    );
    config.accept_unfenced = true;
    config.emulated = true;
    let mut builder = Agent::builder(config).bus(Arc::clone(&bus));
    for (serial, port) in (1..).zip(&ports) {
        let module = EmulatedModule::new(Profile::OPENZRP, serial, ModuleClock::scaled(30));
        builder = builder.port(port.clone(), Box::new(module.eeprom()));
    }
    let agent = builder.build()?.spawn()?;

    // An agent that serves a fixed virtual operator begins at the end of its topic: wait until it listens.
    while agent.status().await.is_none_or(|status| status.vops.values().any(|listening| !listening)) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    println!("> {LINE}");
    bus.publish("config_vOp2", vec![Outgoing::new("pop1-router1", LINE)]).await?;

    let mut reader = Reader::new(Arc::clone(&bus));
    reader.follow("monitoring_vOp2", |_| Start::Earliest);
    // The ack and two samples.
    let mut wanted = 3;
    while wanted > 0 {
        if let Delivery::Records { records, .. } = reader.next().await {
            for record in records.iter().take(wanted) {
                println!("< {}", String::from_utf8_lossy(record.value.as_deref().unwrap_or_default()));
            }
            wanted -= wanted.min(records.len());
        }
    }
    agent.stop().await;
    Ok(())
}
