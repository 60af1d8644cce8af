//! Telemetry as agents write it.

use ipowdm_core::msg::{AgentMessage, TelemetrySample};
use ipowdm_core::time::Timestamp;
use ipowdm_core::units::Db;

/// Connections whose ends are sampled in turn.
const CONNECTIONS: u64 = 500;

/// A sample of the lab's modules, all that they report.
const TEMPLATE: &[u8] = br#"{"type":"telemetrySample","connection_id":"CONN-1","agent_id":"pop1-router1",
"interface":"Ethernet48","timestamp":1790000000.25,"fields":{"rx_power":-9.47,"osnr":29.4,"ber":1.52e-4,
"tx_power":-10.02,"tx_power_configured":-10.0,"rx_total_power":-9.31,"esnr":17.3,"q_factor":11.2,"q_margin":4.1,
"cd":1632,"frequency_mhz":193100000,"temperature":48.5,"voltage":3.301,"module_state":"ModuleReady",
"data_path_state":"DPActivated","rx_los":false},"v":1,"pop_id":"pop1","router_id":"router1",
"virtual_operator":"vOp2","boot_id":1,"seq":1,"age_ms":2}"#;

/// Writes samples.
pub(crate) struct Samples(TelemetrySample);

impl Samples {
    pub(crate) fn new() -> Self {
        match AgentMessage::from_json(TEMPLATE) {
            Ok(AgentMessage::Telemetry(sample)) => Self(sample),
            other => panic!("no sample: {other:?}"),
        }
    }

    /// Key and value of a sample: its number, in a life of the agents that tells one round from the next.
    pub(crate) fn write(&mut self, life: u64, number: u64) -> (String, Vec<u8>) {
        let sample = &mut self.0;
        sample.connection_id = format!("CONN-{}", number % CONNECTIONS).parse().unwrap();
        (sample.boot_id, sample.seq) = (Some(life), Some(number));
        sample.timestamp = Timestamp(sample.timestamp.0 + 1);
        let osnr = 2_900 + i16::try_from(number * 7 % 83).unwrap();
        sample.fields.osnr = Some(Db::from_hundredths(osnr));
        (sample.connection_id.to_string(), sample.to_json())
    }
}

/// Life and number of a sample.
pub(crate) fn read(value: &[u8]) -> (u64, u64) {
    match AgentMessage::from_json(value) {
        Ok(AgentMessage::Telemetry(sample)) => (sample.boot_id.unwrap(), sample.seq.unwrap()),
        other => panic!("no sample: {other:?}"),
    }
}
