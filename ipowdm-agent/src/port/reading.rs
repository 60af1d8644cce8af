//! What was read of a module, in the words of the wire.

use super::PortStatus;
use crate::journal::Intent;
use ipowdm_cmis::codes::{DataPathState, ModuleState};
use ipowdm_cmis::procedure::{Readback as ConfigureReadback, SweepReport};
use ipowdm_core::grid::{CHANNEL_ROUNDING_MHZ, LASER_TOLERANCE_MHZ};
use ipowdm_core::msg::{DATA_PATH_ACTIVATED, Readback, StateName, TelemetryFields};
use ipowdm_core::units::Frequency;
use smol_str::format_smolstr;

/// A module state in CMIS' words, such as `ModuleReady`.
pub(super) fn module_state(state: ModuleState) -> StateName {
    format_smolstr!("Module{state}")
}

/// The state of the data path over its lanes in CMIS' words: of the lanes in use the one that is least far.
pub(super) fn data_path_state(lanes: &[DataPathState; 8]) -> StateName {
    let idle =
        |state: &&DataPathState| matches!(state, DataPathState::Deactivated | DataPathState::Unknown(0));
    let in_use = || lanes.iter().filter(|state| !idle(state));
    let state = in_use()
        .find(|state| **state != DataPathState::Activated)
        .or_else(|| in_use().next())
        .unwrap_or(&DataPathState::Deactivated);
    format_smolstr!("DP{state}")
}

fn is_activated(lanes: &[DataPathState; 8]) -> bool {
    data_path_state(lanes) == DATA_PATH_ACTIVATED
}

/// What a configuration read back.
pub(super) fn of_configuration(read: &ConfigureReadback) -> Readback {
    Readback {
        frequency_mhz: Some(read.frequency),
        laser_frequency_mhz: read.laser_frequency,
        tx_power_dbm: Some(read.tx_power_target),
        measured_tx_power_dbm: read.tx_power,
        app_sel: Some(read.app_sel),
        module_state: Some(module_state(read.module_state)),
        data_path_state: Some(data_path_state(&read.dp_states)),
        tx_enabled: Some(is_activated(&read.dp_states)),
    }
}

/// What a look at the module says.
pub(super) fn of_report(report: &SweepReport, app_sel: Option<u8>) -> Readback {
    let lanes = report.dp_states.value();
    Readback {
        frequency_mhz: report.set_frequency.value(),
        laser_frequency_mhz: report.laser_frequency.value(),
        tx_power_dbm: report.tx_power_target.value(),
        measured_tx_power_dbm: report.tx_power.value(),
        app_sel,
        module_state: report.module_state.value().map(module_state),
        data_path_state: lanes.as_ref().map(data_path_state),
        tx_enabled: lanes.as_ref().map(is_activated),
    }
}

/// A sweep as the fields of a sample. What the module did not say is absent.
#[must_use]
pub fn telemetry_fields(report: &SweepReport) -> TelemetryFields {
    let total = report.rx_total_power.value();
    let rx_power = report.rx_signal_power.value().or(total);
    TelemetryFields {
        rx_power,
        osnr: report.osnr.value(),
        ber: report.pre_fec_ber.value(),
        tx_power: report.tx_power.value(),
        tx_power_configured: report.tx_power_target.value(),
        rx_total_power: total.filter(|total| Some(*total) != rx_power),
        esnr: report.esnr.value(),
        q_factor: report.q_factor.value(),
        q_margin: report.q_margin.value(),
        cd: report.dispersion.value(),
        frequency_mhz: report.laser_frequency.value(),
        temperature: report.temperature.value(),
        voltage: report.voltage.value(),
        module_state: report.module_state.value().map(module_state),
        data_path_state: report.dp_states.value().as_ref().map(data_path_state),
        rx_los: report.rx_los.value(),
    }
}

impl PortStatus {
    /// Whether the lanes in use are activated; `None` where they could not be read.
    #[must_use]
    pub fn is_up(&self) -> Option<bool> {
        self.report.as_ref()?.dp_states.value().map(|lanes| is_activated(&lanes))
    }

    /// Whether the data path carries traffic: it is up and, where the module can tell, light comes in. `None` where its
    /// state could not be read.
    #[must_use]
    pub fn is_operational(&self) -> Option<bool> {
        let dark = self.report.as_ref()?.rx_los.value() == Some(true);
        self.is_up().map(|up| up && !dark)
    }

    /// Module and data path state in CMIS' words.
    #[must_use]
    pub fn states(&self) -> (Option<StateName>, Option<StateName>) {
        let Some(report) = &self.report else { return (None, None) };
        (
            report.module_state.value().map(module_state),
            report.dp_states.value().as_ref().map(data_path_state),
        )
    }
}

/// What is wrong with a port, in words; nothing while a command is changing it.
#[must_use]
pub fn issues(status: &PortStatus) -> Vec<String> {
    let port = &status.port;
    let mut issues = Vec::new();
    if status.busy {
        return issues;
    }
    let desired = status.intent.desired();
    if let Some(trouble) = &status.trouble {
        match desired {
            Some(desired) => issues.push(format!("{port}: {trouble}; {} is down here", desired.connection)),
            None if status.module.is_some() || status.unanswered => issues.push(format!("{port}: {trouble}")),
            None => {}
        }
    }
    let Some(report) = &status.report else { return issues };
    if report.module_state.value() == Some(ModuleState::Fault) {
        issues.push(format!("{port}: the module is in its fault state"));
    }
    let lanes = report.dp_states.value();
    let lit = lanes.as_ref().is_some_and(is_activated);
    match (&status.intent, desired) {
        (_, Some(desired)) if status.admin_down => {
            issues.push(format!("{port}: administratively down; {} is dark here", desired.connection));
        }
        (_, Some(desired)) => {
            if !lit {
                let state = lanes.as_ref().map_or("unreadable".into(), data_path_state);
                issues.push(format!("{port}: data path {state}; {} is dark here", desired.connection));
            }
            if report.rx_los.value() == Some(true) {
                issues.push(format!("{port}: loss of signal on {}", desired.connection));
            }
            issues.extend(differences(status, report, desired));
        }
        (Intent::Dark, _) if lit => issues.push(format!("{port}: lit although it was made dark")),
        _ => {}
    }
    issues
}

/// Settings that somebody else changed.
fn differences(status: &PortStatus, report: &SweepReport, desired: &crate::journal::Desired) -> Vec<String> {
    let port = &status.port;
    let mut found = Vec::new();
    let commanded = desired.frequency;
    let far = |at: Option<Frequency>, limit| at.filter(|at| at.distance(commanded) > limit);
    if let Some(set) = far(report.set_frequency.value(), CHANNEL_ROUNDING_MHZ) {
        found.push(format!("{port}: foreign change: laser set to {set}, commanded {commanded}"));
    } else if let Some(at) = far(report.laser_frequency.value(), LASER_TOLERANCE_MHZ) {
        found.push(format!("{port}: the laser reports {at}, its channel is {commanded}"));
    }
    if let (Some(power), Some(commanded)) = (report.tx_power_target.value(), desired.tx_power)
        && power != commanded
    {
        found.push(format!("{port}: foreign change: power set to {power}, commanded {commanded}"));
    }
    found
}
