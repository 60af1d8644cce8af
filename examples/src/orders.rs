//! What an agent is told where no control plane is at hand: its topics, its assignment, its commands, for one virtual operator.

use ipowdm_core::bus::{Bus, BusError, Outgoing, TopicSpec};
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::ids::{AgentId, IdError, Incarnation, PortId, RouterRef, VopId};
use ipowdm_core::msg::{Assignment, PortGrant, VopAssignment};
use ipowdm_core::topics::ASSIGNMENTS;
use ipowdm_core::units::Frequency;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The topics of vOp2 that agents write to.
pub const REPORTS: [&str; 2] = ["monitoring_vOp2", "health_vOp2"];
const COMMANDS: &str = "config_vOp2";
/// The C band, edges of 75 GHz channels included.
const BAND: (u32, u32) = (191_262_500, 196_137_500);

/// Tells one agent what to do.
pub struct Orders {
    bus: Arc<dyn Bus>,
    router: RouterRef,
    agent: AgentId,
    vop: VopId,
    incarnation: Incarnation,
    revision: u64,
}

impl Orders {
    /// For the agent of a router; its topics are made.
    ///
    /// # Errors
    /// What the bus says, or a name that is none.
    pub async fn prepare(bus: Arc<dyn Bus>, router: RouterRef) -> Result<Self, Box<dyn std::error::Error>> {
        for name in REPORTS.iter().chain([&COMMANDS, &ASSIGNMENTS]) {
            let spec = TopicSpec {
                name: (*name).to_owned(),
                partitions: 1,
                replication: 1,
                configs: BTreeMap::new(),
            };
            bus.create_topic(spec).await?;
        }
        let agent = format!("{}-{}", router.pop_id, router.router_id).parse()?;
        Ok(Self { bus, router, agent, vop: "vOp2".parse()?, incarnation: "i1".parse()?, revision: 0 })
    }

    async fn publish(&self, topic: &str, value: Vec<u8>) -> Result<(), BusError> {
        self.bus.publish(topic, vec![Outgoing::new(self.agent.as_str(), value)]).await.map(|_| ())
    }

    /// Gives ports and the whole band to vOp2, with these intervals.
    ///
    /// # Errors
    /// What the bus says.
    pub async fn assign(
        &mut self,
        ports: &[PortId],
        telemetry_interval_ms: u32,
        health_interval_ms: u32,
    ) -> Result<(), BusError> {
        self.revision += 1;
        let band = SpectrumWindow { low: Frequency::from_mhz(BAND.0), high: Frequency::from_mhz(BAND.1) };
        let grant = |port: &PortId| PortGrant { port_id: port.clone(), spectrum: vec![band], tx_power: None };
        let vop = VopAssignment {
            vop: self.vop.clone(),
            incarnation: self.incarnation.clone(),
            ports: ports.iter().map(grant).collect(),
            telemetry_interval_ms,
            health_interval_ms,
        };
        let record = Assignment {
            v: 1,
            agent_id: self.agent.clone(),
            pop_id: self.router.pop_id.clone(),
            router_id: self.router.router_id.clone(),
            revision: self.revision,
            vops: vec![vop],
        };
        self.publish(ASSIGNMENTS, record.to_json()).await
    }

    /// A command of epoch 1 about a connection at one port; `endpoint` are further fields, each after a comma.
    ///
    /// # Errors
    /// What the bus says: then the command may be on its way or not.
    pub async fn command(
        &self,
        action: &str,
        command_id: &str,
        (connection, port): (&str, &PortId),
        endpoint: &str,
    ) -> Result<(), BusError> {
        let RouterRef { pop_id, router_id } = &self.router;
        let line = format!(
            r#"{{"action":"{action}","command_id":"{command_id}","epoch":1,"parameters":{{"connection_id":"{connection}","endpoint_config":[{{"pop_id":"{pop_id}","node_id":"{router_id}","port_id":"{port}"{endpoint}}}]}}}}"#
        );
        self.publish(COMMANDS, line.into_bytes()).await
    }
}

/// A frequency as commands have it: THz with all decimals of the 75 GHz grid's channel.
#[must_use]
pub fn thz(channel: u32) -> String {
    let mhz = 192_100_000 + 75_000 * (channel % 48);
    format!("{}.{:06}", mhz / 1_000_000, mhz % 1_000_000)
}

/// The ports of a switch, named as SONiC does, by number from 1.
///
/// # Errors
/// Never in practice: every generated name is a legal id.
pub fn ports(count: u32) -> Result<Vec<PortId>, IdError> {
    (1..=count).map(|number| PortId::new(&format!("Ethernet{}", 8 * number))).collect()
}
