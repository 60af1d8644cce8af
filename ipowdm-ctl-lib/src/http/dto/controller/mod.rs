//! The JSON of the controller surface.

mod agent;
mod connection;
mod event;
mod network;
mod operation;
mod qot;
mod request;
mod status;

pub(in crate::http) use agent::{
    AgentJson, AgentsJson, ControlAnswer, Discovery, InterfaceJson, RouterInterfaces,
};
pub(in crate::http) use connection::{ConnectionAnswer, ConnectionJson};
pub(in crate::http) use event::{Kind, agent_standing, connection_of, news, standing};
pub(in crate::http) use network::{
    ComputedPathJson, LinksById, NetworkJson, PopsById, links_by_id, pops_by_id,
};
pub(in crate::http) use operation::{OperationJson, kind_name};
pub(in crate::http) use qot::{QotJson, QualitiesJson};
pub(in crate::http) use request::{
    ControlBody, ControlQuery, Force, ListQuery, NewConnection, PathQuery, ReconfigureBody, SetupBody,
    WaitQuery, switch,
};
pub(in crate::http) use status::{ControllerHealth, StatusJson, VopStatusJson};
