//! The JSON of the controller surface.

mod agent;
mod connection;
mod network;
mod operation;
mod qot;
mod request;
mod status;

pub(in crate::http) use agent::{AgentJson, InterfaceJson, agents};
pub(in crate::http) use connection::ConnectionJson;
pub(in crate::http) use network::{links_by_id, network, path, pops_by_id};
pub(in crate::http) use operation::OperationJson;
pub(in crate::http) use qot::QotJson;
pub(in crate::http) use request::{
    ControlBody, ControlQuery, Force, ListQuery, NewConnection, PathQuery, ReconfigureBody, SetupBody,
    WaitQuery, switch,
};
pub(in crate::http) use status::{status_json, vop_status_json};
