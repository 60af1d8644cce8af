//! `telemetrySample`: what was measured at an endpoint, and when.

use super::{StateName, VERSION, json_message, number};
use crate::ids::{AgentId, ConnectionId, PopId, PortId, RouterId, VopId};
use crate::qot::Measured;
use crate::time::Timestamp;
use crate::units::{Ber, Db, Frequency, Power, Temperature, Voltage};
use serde::{Deserialize, Serialize};

/// The measurements of a sample. What is unknown, unreadable or unsupported is absent.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default)]
pub struct TelemetryFields {
    /// Received power in dBm: signal power where the module reports it, else total.
    #[serde(with = "number::power", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub rx_power: Option<Power>,
    /// OSNR in dB, 0.1 nm.
    #[serde(with = "number::db", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub osnr: Option<Db>,
    /// Pre-FEC bit error ratio.
    #[serde(with = "number::ber", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub ber: Option<Ber>,
    /// Measured transmit power in dBm.
    #[serde(with = "number::power", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub tx_power: Option<Power>,
    /// Programmed transmit power in dBm.
    #[serde(with = "number::power", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub tx_power_configured: Option<Power>,
    /// Received total power in dBm, where it differs from `rx_power`.
    #[serde(with = "number::power", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub rx_total_power: Option<Power>,
    /// Electrical SNR in dB.
    #[serde(with = "number::db", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub esnr: Option<Db>,
    /// Q factor in dB.
    #[serde(with = "number::db", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub q_factor: Option<Db>,
    /// Q beyond what the FEC needs in dB; negative where the signal is past correction.
    #[serde(with = "number::db", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub q_margin: Option<Db>,
    /// Chromatic dispersion in ps/nm.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cd: Option<i32>,
    /// Laser frequency in MHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frequency_mhz: Option<Frequency>,
    /// Module temperature in °C.
    #[serde(with = "number::temperature", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub temperature: Option<Temperature>,
    /// Supply voltage in V.
    #[serde(with = "number::voltage", skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<f64>"))]
    pub voltage: Option<Voltage>,
    /// Module state, in CMIS' words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<alloc::string::String>"))]
    pub module_state: Option<StateName>,
    /// Data path state, in CMIS' words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "schema", schemars(with = "Option<alloc::string::String>"))]
    pub data_path_state: Option<StateName>,
    /// Loss of signal at the receiver.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rx_los: Option<bool>,
}

impl TelemetryFields {
    /// What the quality rule judges.
    #[must_use]
    pub const fn measured(&self) -> Measured {
        Measured { osnr: self.osnr, esnr: self.esnr, ber: self.ber, q_margin: self.q_margin }
    }
}

/// A sample of one connection endpoint; sent on the monitoring topic, key = connection id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "telemetrySample")]
pub struct TelemetrySample {
    /// The connection.
    pub connection_id: ConnectionId,
    /// Who measured.
    pub agent_id: AgentId,
    /// The port measured.
    pub interface: PortId,
    /// When; display only.
    pub timestamp: Timestamp,
    /// The measurements.
    pub fields: TelemetryFields,
    /// Message version; absent in the reference's messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v: Option<u16>,
    /// The agent's PoP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pop_id: Option<PopId>,
    /// The agent's router.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router_id: Option<RouterId>,
    /// Whose connection it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub virtual_operator: Option<VopId>,
    /// Which life of the agent measured; grows with every start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub boot_id: Option<u64>,
    /// Number of the sample within the agent's life and this port; consumers count a number once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seq: Option<u64>,
    /// Milliseconds between the register read and the sending of this sample.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u32>,
}

json_message!(TelemetrySample);

impl TelemetrySample {
    /// A sample with the fields of the reference only.
    #[must_use]
    pub fn new(
        connection_id: ConnectionId,
        agent_id: AgentId,
        interface: PortId,
        timestamp: Timestamp,
        fields: TelemetryFields,
    ) -> Self {
        Self {
            connection_id,
            agent_id,
            interface,
            timestamp,
            fields,
            v: None,
            pop_id: None,
            router_id: None,
            virtual_operator: None,
            boot_id: None,
            seq: None,
            age_ms: None,
        }
    }

    /// Adds what lets a consumer count each sample once.
    #[must_use]
    pub fn numbered(mut self, boot_id: u64, seq: u64) -> Self {
        self.v = Some(VERSION);
        self.boot_id = Some(boot_id);
        self.seq = Some(seq);
        self
    }
}
