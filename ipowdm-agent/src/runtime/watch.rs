//! What is made of the ports' own readings: statistics, a verdict on quality where it is asked for, and the message that tells all.

use super::reports;
use super::task::AgentTask;
use crate::port::{PortStatus, telemetry_fields};
use crate::quality::{Change, Detector, QualityConfig};
use crate::windows::Windows;
use ipowdm_core::bus::Outgoing;
use ipowdm_core::bus::publisher::Class;
use ipowdm_core::ids::{ConnectionId, PortId, VopId};
use ipowdm_core::modes::{self, Mode};
use ipowdm_core::msg::WindowStats;
use ipowdm_core::qot::Level;
use ipowdm_core::time::Millis;
use std::collections::BTreeMap;

/// The readings of all ports.
#[derive(Debug)]
pub(super) struct Watch {
    quality: Option<QualityConfig>,
    ports: BTreeMap<PortId, Seen>,
}

/// What was made of one port's readings.
#[derive(Debug)]
struct Seen {
    windows: Box<Windows>,
    module: Option<String>,
    /// The connection that is judged, and its judge.
    judged: Option<(ConnectionId, Detector)>,
}

impl Watch {
    pub(super) const fn new(quality: Option<QualityConfig>) -> Self {
        Self { quality, ports: BTreeMap::new() }
    }

    /// Takes in a look at a port; answers a change of quality that is to be told now, and to whom.
    pub(super) fn observe(&mut self, status: &PortStatus) -> Option<(VopId, Change)> {
        let seen = self.ports.entry(status.port.clone()).or_insert_with(|| Seen {
            windows: Box::default(),
            module: None,
            judged: None,
        });
        let module = status.module.as_ref().map(|facts| facts.serial.clone());
        if seen.module != module {
            seen.module = module;
            seen.windows.forget();
            seen.judged = None;
        }
        let desired = status.intent.desired();
        if seen.judged.as_ref().map(|(judged, _)| judged) != desired.map(|desired| &desired.connection) {
            seen.judged = None;
        }
        let fields = telemetry_fields(status.report.as_ref()?);
        if !seen.windows.observe(status.read_at, &fields) {
            return None;
        }
        let (config, desired) = (self.quality.as_ref()?, desired?);
        // While a command changes the module, or the light is off, nothing is said of the signal.
        if status.busy || status.admin_down || status.is_up() != Some(true) {
            return None;
        }
        let (_, detector) = seen.judged.get_or_insert_with(|| (desired.connection.clone(), Detector::new()));
        let change = detector.observe(config, mode(status), &fields.measured(), status.read_at)?;
        let (port, connection) = (&status.port, &desired.connection);
        match change {
            Change::Degraded(level) => {
                tracing::warn!(%port, %connection, ?level, "the quality of the signal is degraded");
            }
            Change::Recovered => {
                tracing::info!(%port, %connection, "the quality of the signal has recovered")
            }
        }
        Some((desired.vop.clone(), change))
    }

    /// The levels of the connections that are judged, by port.
    pub(super) fn levels(&self) -> BTreeMap<&PortId, Level> {
        let level = |seen: &Seen| seen.judged.as_ref().map(|(_, detector)| detector.level());
        self.ports.iter().filter_map(|(port, seen)| Some((port, level(seen)?))).collect()
    }

    /// The statistics of a port.
    pub(super) fn stats(&self, port: &PortId, now: Millis) -> Vec<WindowStats> {
        self.ports.get(port).map(|seen| seen.windows.stats(now)).unwrap_or_default()
    }
}

/// The mode of the application that a port's module runs.
fn mode(status: &PortStatus) -> Option<&'static Mode> {
    let applications = &status.module.as_ref()?.capability.applications;
    let running = applications.iter().find(|application| Some(application.app_sel) == status.app_sel)?;
    modes::by_media_code(running.media_code)
}

impl AgentTask {
    /// Everything that is known about a virtual operator's ports, a message each.
    pub(super) fn send_dumps(&mut self, vop: &VopId) {
        let (now, timestamp) = (self.now(), self.timestamp());
        let Some(served) = self.assignments.in_force().get(vop) else { return };
        let Some(membership) = self.memberships.get(vop) else { return };
        for grant in &served.ports {
            let Some(status) = self.statuses.get(&grant.port_id) else { continue };
            let windows = self.watch.stats(&grant.port_id, now);
            let message = reports::dump(&self.config.identity, vop, status, windows, now, timestamp);
            let record = Outgoing::new(self.config.identity.agent_id.as_str(), message.to_json());
            // A droppable record always finds room, if need be that of the oldest.
            let _ = self.publisher.send(&membership.monitoring, record, Class::Droppable);
        }
    }
}
