//! Operations that can be followed.

use crate::connection::{Failure, OperationKind};
use crate::controller::{OperationStatus, OperationSubject, OperationView};
use crate::http::dto::iso;
use ipowdm_core::error::Code;
use ipowdm_core::ids::ConnectionId;
use ipowdm_core::qot::End;
use schemars::JsonSchema;
use serde::Serialize;

/// What went wrong.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct FailureJson {
    code: Code,
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<End>,
}

impl From<Failure> for FailureJson {
    fn from(failure: Failure) -> Self {
        Self { code: failure.code, error: failure.text, end: failure.end }
    }
}

/// What an operation on a connection is called.
pub(in crate::http) const fn kind_name(kind: OperationKind) -> &'static str {
    match kind {
        OperationKind::Setup => "setup",
        OperationKind::Reconfigure => "reconfigure",
        OperationKind::Teardown => "teardown",
        OperationKind::Repair => "repair",
    }
}

/// An operation. `total_ms` is `module_ms` (what the slower module needed) and `control_plane_ms` (the rest).
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct OperationJson {
    operation_id: String,
    kind: &'static str,
    /// `running`, `succeeded` (and read back) or `failed` (and undone, or being undone).
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    connection_id: Option<ConnectionId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interface: Option<String>,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    module_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    control_plane_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureJson>,
}

impl From<OperationView> for OperationJson {
    fn from(view: OperationView) -> Self {
        let kind = match view.subject {
            OperationSubject::Connection(kind) => kind_name(kind),
            OperationSubject::Interface { up: true } => "interface_up",
            OperationSubject::Interface { up: false } => "interface_down",
        };
        let (status, failure) = match view.status {
            OperationStatus::Running => ("running", None),
            OperationStatus::Succeeded => ("succeeded", None),
            OperationStatus::Failed(failure) => ("failed", Some(failure.into())),
        };
        Self {
            operation_id: view.id,
            kind,
            status,
            connection_id: view.connection_id,
            interface: view.port.map(|port| port.to_string()),
            started_at: iso(view.started_at),
            total_ms: view.timing.map(|timing| timing.total_ms),
            module_ms: view.timing.map(|timing| timing.module_ms),
            control_plane_ms: view.timing.map(|timing| timing.control_plane_ms()),
            failure,
        }
    }
}
