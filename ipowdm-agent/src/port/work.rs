//! What commands mean for a port: what is refused, what has to be done to the module, what is meant afterwards.

use super::proxy::{Change, Failure};
use crate::journal::{Desired, Intent, PortState};
use ipowdm_cmis::procedure::{ApplicationChoice, Lanes, ModuleInfo, ProcError, SweepReport, Target, TxGoal};
use ipowdm_core::error::Code;
use ipowdm_core::ids::{ConnectionId, VopId};
use ipowdm_core::msg::{Action, AdminState, Outcome};
use ipowdm_core::units::{Frequency, Power};

/// What a port is asked to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Work {
    /// Light it for a connection and sample it.
    Setup {
        /// What it is to be.
        desired: Desired,
        /// Telemetry interval in milliseconds.
        interval_ms: u32,
    },
    /// Change what is named of a connection it serves.
    Reconfigure {
        /// Whose connection.
        vop: VopId,
        /// The connection.
        connection: ConnectionId,
        /// New frequency.
        frequency: Option<Frequency>,
        /// New power.
        tx_power: Option<Power>,
        /// New application, by its media interface code.
        media_code: Option<u8>,
    },
    /// Make it dark and end the samples.
    Teardown {
        /// Whose connection.
        vop: VopId,
        /// The connection.
        connection: ConnectionId,
    },
    /// Switch the transmitter.
    Interface(AdminState),
    /// Sample it for a connection.
    StartTelemetry {
        /// Whose connection.
        vop: VopId,
        /// The connection.
        connection: ConnectionId,
        /// Telemetry interval in milliseconds.
        interval_ms: u32,
    },
    /// End the samples for a connection.
    StopTelemetry {
        /// Whose connection.
        vop: VopId,
        /// The connection.
        connection: ConnectionId,
    },
    /// Read the module anew.
    Refresh,
    /// The virtual operator has it no more: make it dark if it was lit for them.
    Release {
        /// The virtual operator.
        vop: VopId,
    },
    /// Compare the module with what is meant, and write only what differs.
    Restore,
}

/// Why a command is not carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// How it ends.
    pub outcome: Outcome,
    /// The stable code.
    pub code: Code,
    /// Why, in words.
    pub words: String,
}

impl Refusal {
    pub(super) fn rejected(code: Code, words: impl Into<String>) -> Self {
        Self { outcome: Outcome::Rejected, code, words: words.into() }
    }
}

impl From<Failure> for Refusal {
    /// A check before anything is changed.
    fn from(failure: Failure) -> Self {
        Self::rejected(failure.code, failure.words)
    }
}

impl From<ProcError> for Refusal {
    /// A procedure's own check, before the first access.
    fn from(error: ProcError) -> Self {
        Self::rejected(error.code(), error.to_string())
    }
}

impl Work {
    /// What a command asks of a port; `None` for commands to the agent as a whole.
    #[must_use]
    pub fn of(action: &Action, vop: &VopId, interval_ms: u32) -> Option<Self> {
        let endpoint = action.endpoints().first();
        Some(match action {
            Action::Setup { connection_id, .. } => {
                let endpoint = endpoint?;
                let desired = Desired {
                    vop: vop.clone(),
                    connection: connection_id.clone(),
                    frequency: endpoint.frequency?,
                    tx_power: endpoint.tx_power,
                    media_code: endpoint.media_code,
                };
                Self::Setup { desired, interval_ms }
            }
            Action::Reconfigure { connection_id, .. } => Self::Reconfigure {
                vop: vop.clone(),
                connection: connection_id.clone(),
                frequency: endpoint?.frequency,
                tx_power: endpoint?.tx_power,
                media_code: endpoint?.media_code,
            },
            Action::Teardown { connection_id, .. } => {
                Self::Teardown { vop: vop.clone(), connection: connection_id.clone() }
            }
            Action::InterfaceControl { state, .. } => Self::Interface(*state),
            Action::StartTelemetry { connection_id, .. } => {
                Self::StartTelemetry { vop: vop.clone(), connection: connection_id.clone(), interval_ms }
            }
            Action::StopTelemetry { connection_id } => {
                Self::StopTelemetry { vop: vop.clone(), connection: connection_id.clone() }
            }
            _ => return None,
        })
    }

    /// The virtual operator on whose behalf it is.
    #[must_use]
    pub const fn vop(&self) -> Option<&VopId> {
        match self {
            Self::Setup { desired, .. } => Some(&desired.vop),
            Self::Reconfigure { vop, .. }
            | Self::Teardown { vop, .. }
            | Self::StartTelemetry { vop, .. }
            | Self::StopTelemetry { vop, .. }
            | Self::Release { vop } => Some(vop),
            Self::Interface(_) | Self::Refresh | Self::Restore => None,
        }
    }

    /// The session that it begins, with its interval.
    pub(super) const fn session(&self) -> Option<(&ConnectionId, &VopId, u32)> {
        match self {
            Self::Setup { desired, interval_ms } => Some((&desired.connection, &desired.vop, *interval_ms)),
            Self::StartTelemetry { vop, connection, interval_ms } => Some((connection, vop, *interval_ms)),
            _ => None,
        }
    }

    /// Whether the module has to be known.
    pub(super) const fn needs_module(&self) -> bool {
        !matches!(self, Self::StartTelemetry { .. } | Self::StopTelemetry { .. })
    }

    /// Whether what it asks for is meant from then on even where the module fails to do it at once: it is tried again. An
    /// absent module is as good as a dark one to it.
    pub(super) const fn is_meant_regardless(&self) -> bool {
        matches!(self, Self::Teardown { .. } | Self::Release { .. } | Self::Interface(_))
    }

    /// Whether the module is wholly as it is meant to be once this has succeeded.
    pub(super) const fn is_whole(&self) -> bool {
        match self {
            Self::Setup { .. } | Self::Teardown { .. } | Self::Restore => true,
            Self::Reconfigure { frequency, media_code, .. } => frequency.is_some() || media_code.is_some(),
            _ => false,
        }
    }

    /// Whether the port lights up for a connection that it did not serve.
    pub(super) fn is_new_light(&self, state: &PortState) -> bool {
        matches!(self, Self::Setup { .. }) && state.intent.desired().is_none()
    }

    /// Refuses what the port is not meant for.
    pub(super) fn admit(&self, state: &PortState) -> Result<(), Refusal> {
        let served = state.intent.desired();
        let other = |connection: &ConnectionId, vop: &VopId| {
            served.filter(|served| served.connection != *connection || served.vop != *vop)
        };
        let down = || Refusal::rejected(Code::IllegalState, "the port is administratively down");
        match self {
            Self::Setup { desired, .. } => match other(&desired.connection, &desired.vop) {
                Some(_) => Err(Refusal::rejected(Code::PortOccupied, "the port serves another connection")),
                None if state.admin_down => Err(down()),
                None => Ok(()),
            },
            Self::Reconfigure { vop, connection, .. } => {
                let words = || format!("the port does not serve {connection}");
                match served {
                    Some(_) if other(connection, vop).is_none() && state.admin_down => Err(down()),
                    Some(_) if other(connection, vop).is_none() => Ok(()),
                    _ => Err(Refusal::rejected(Code::UnknownConnection, words())),
                }
            }
            Self::Teardown { vop, connection } if other(connection, vop).is_some() => {
                Err(Refusal::rejected(Code::IllegalState, "the port serves another connection"))
            }
            Self::StartTelemetry { vop, connection, .. } if other(connection, vop).is_some() => {
                Err(Refusal::rejected(Code::PortOccupied, "the port serves another connection"))
            }
            _ => Ok(()),
        }
    }

    /// What has to be done to the module, if anything. `report` is what was last read of it.
    pub(super) fn plan(
        &self,
        state: &PortState,
        report: Option<&SweepReport>,
    ) -> Result<Option<Change>, Refusal> {
        match self {
            Self::Setup { desired, .. } => configure(desired, report),
            Self::Reconfigure { frequency: None, media_code: None, tx_power: None, .. } => Ok(None),
            Self::Reconfigure { frequency: None, media_code: None, tx_power: Some(power), .. } => {
                Ok(Some(Change::Power(*power)))
            }
            Self::Reconfigure { .. } => match self.reconfigured(state) {
                Some(desired) => configure(&desired, report),
                None => Ok(None),
            },
            Self::Teardown { .. } => Ok(transmitter(TxGoal::Deactivate)),
            Self::Release { vop } => Ok(match state.intent.desired() {
                Some(desired) if desired.vop == *vop => transmitter(TxGoal::Deactivate),
                _ => None,
            }),
            Self::Interface(AdminState::Down) => Ok(transmitter(TxGoal::Disable)),
            Self::Interface(AdminState::Up) => match &state.intent {
                Intent::Lit(desired) => configure(desired, report),
                // What we switched off and nobody of ours had lit is given back as it was found.
                Intent::Untouched if state.admin_down => Ok(transmitter(TxGoal::Enable)),
                Intent::Untouched | Intent::Dark => Ok(None),
            },
            Self::Restore => match &state.intent {
                Intent::Dark => Ok(transmitter(TxGoal::Deactivate)),
                Intent::Untouched | Intent::Lit(_) if state.admin_down => Ok(transmitter(TxGoal::Disable)),
                Intent::Lit(desired) => configure(desired, report),
                Intent::Untouched => Ok(None),
            },
            Self::Refresh | Self::StartTelemetry { .. } | Self::StopTelemetry { .. } => Ok(None),
        }
    }

    /// What is meant once it has been carried out, or has failed after it was begun.
    pub(super) fn afterwards(&self, state: &PortState, succeeded: bool) -> PortState {
        let mut after = state.clone();
        match self {
            Self::Setup { desired, .. } if succeeded => after.intent = Intent::Lit(Box::new(desired.clone())),
            Self::Setup { .. } if state.intent.desired().is_none() => after.intent = Intent::Dark,
            Self::Reconfigure { .. } if succeeded => {
                after.intent =
                    self.reconfigured(state).map_or(after.intent, |desired| Intent::Lit(Box::new(desired)));
            }
            // Whoever wanted it dark wants it dark, whether the module has obeyed already or not.
            Self::Teardown { vop, connection } => {
                after.intent = Intent::Dark;
                after.sessions.retain(|(c, v)| c != connection || v != vop);
            }
            Self::Interface(admin) => after.admin_down = *admin == AdminState::Down,
            Self::Release { vop } => {
                if after.intent.desired().is_some_and(|desired| desired.vop == *vop) {
                    after.intent = Intent::Dark;
                }
                // The next owner begins with a clean port.
                after.admin_down = false;
                after.sessions.retain(|(_, v)| v != vop);
            }
            Self::StopTelemetry { vop, connection } => {
                after.sessions.retain(|(c, v)| c != connection || v != vop);
            }
            _ => {}
        }
        if succeeded && let Some((connection, vop, _)) = self.session() {
            let session = (connection.clone(), vop.clone());
            if !after.sessions.contains(&session) {
                after.sessions.push(session);
            }
        }
        after
    }

    /// The desired state with the named changes.
    fn reconfigured(&self, state: &PortState) -> Option<Desired> {
        let Self::Reconfigure { frequency, tx_power, media_code, .. } = self else { return None };
        let mut desired = state.intent.desired()?.clone();
        desired.frequency = frequency.unwrap_or(desired.frequency);
        desired.tx_power = tx_power.or(desired.tx_power);
        desired.media_code = media_code.or(desired.media_code);
        Some(desired)
    }
}

fn configure(desired: &Desired, report: Option<&SweepReport>) -> Result<Option<Change>, Refusal> {
    target(desired, report).map(|target| Some(Change::Configure(target)))
}

const fn transmitter(goal: TxGoal) -> Option<Change> {
    Some(Change::Transmitter(goal))
}

/// The target of a desired state; the power that a command left open is the one the module has.
fn target(desired: &Desired, report: Option<&SweepReport>) -> Result<Target, Refusal> {
    let present = || report.and_then(|report| report.tx_power_target.value());
    let tx_power = desired.tx_power.or_else(present).ok_or_else(|| {
        Refusal::rejected(
            Code::InvalidField,
            "tx_power_level is absent and the module reports no target power",
        )
    })?;
    let application = desired.media_code.map_or(ApplicationChoice::Keep, ApplicationChoice::MediaCode);
    Ok(Target { frequency: desired.frequency, tx_power, application })
}

/// The media lane whose laser carries the connection.
pub(super) fn laser(info: &ModuleInfo, desired: Option<&Desired>) -> u8 {
    let code = desired.and_then(|desired| desired.media_code);
    let chosen = info.applications.iter().find(|a| code.is_none_or(|code| a.info.media_code == code));
    chosen.and_then(Lanes::of).map_or(0, |lanes| lanes.laser())
}

#[cfg(test)]
mod tests;
