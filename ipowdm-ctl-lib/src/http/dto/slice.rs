//! The JSON of the slice manager surface.

use super::linkdb::QuotaJson;
use super::window::{Window, WindowJson, on_links_json, on_links_of, windows_of};
use super::{Object, Text, any_whole, iso};
use crate::slice::{ActivationRequest, Credential, Vop, VopAccess, VopView};
use crate::spectrum::Quota;
use ipowdm_core::bus::TopicDescription;
use ipowdm_core::capability::PowerRange;
use ipowdm_core::ids::{LinkId, PopId, PortId, PortRef, RouterId, VopId};
use ipowdm_core::topics::{self, Role};
use ipowdm_core::units::Power;
use schemars::JsonSchema;
use serde::de::{self, Deserializer};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Ports of one router.
#[derive(Debug, Deserialize, JsonSchema)]
struct Assignment {
    pop_id: PopId,
    router_id: RouterId,
    #[serde(deserialize_with = "at_least_one")]
    #[schemars(length(min = 1))]
    interfaces: Vec<PortId>,
}

fn at_least_one<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<PortId>, D::Error> {
    let ports = Vec::<PortId>::deserialize(deserializer)?;
    if ports.is_empty() {
        Err(de::Error::custom("an assignment names at least one interface"))
    } else {
        Ok(ports)
    }
}

/// Transmit power in dBm, least and greatest.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(try_from = "[f64; 2]")]
struct Powers(
    #[schemars(with = "[f64; 2]", extend("items" = {"type": "number", "minimum": -327.67, "maximum": 327.67}))]
     PowerRange,
);

impl TryFrom<[f64; 2]> for Powers {
    type Error = String;
    fn try_from([min, max]: [f64; 2]) -> Result<Self, String> {
        let power = |number| Power::from_number(number).map_err(|error| error.to_string());
        let range = PowerRange { min: power(min)?, max: power(max)? };
        if range.min > range.max {
            return Err(format!("{} is above {}", range.min, range.max));
        }
        Ok(Self(range))
    }
}

/// Body of `POST /api/v1/vops`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct NewVop {
    vop_id: VopId,
    /// Not of spaces alone.
    #[schemars(extend("minLength" = 1, "pattern" = "^[^\\u0000-\\u001F\\u007F-\\u009F]*[!-~\\u00A1-\\u00FF][^\\u0000-\\u001F\\u007F-\\u009F]*$"))]
    tenant_name: Text<255>,
    description: Option<Text<1024>>,
    interface_assignments: Vec<Object<Assignment>>,
    /// The spectrum it may light; the whole band where this is absent.
    spectrum: Option<Vec<Window>>,
    /// The spectrum it may light on single links, in the place of `spectrum`; nothing there where the list is empty. Where this
    /// names links, `spectrum` may be empty: then it has nothing on the others.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": "^[A-Za-z0-9_.:-]+$", "maxLength": 127}))]
    spectrum_on_links: BTreeMap<LinkId, Vec<Window>>,
    /// Whether that spectrum is its alone.
    #[serde(default)]
    exclusive: bool,
    /// How much it may hold at a time.
    quota: Option<Object<QuotaJson>>,
    /// The transmit power it may set; what modules and operator allow where this is absent.
    tx_power_range: Option<Powers>,
    #[serde(default, deserialize_with = "any_whole")]
    #[schemars(range(min = 100, max = 4_294_967_295_u32))]
    telemetry_interval_ms: Option<u32>,
}

impl From<NewVop> for ActivationRequest {
    fn from(body: NewVop) -> Self {
        let ports = body.interface_assignments.into_iter().flat_map(|Object(of)| {
            let (pop_id, router_id) = (of.pop_id, of.router_id);
            let port =
                move |port_id| PortRef { pop_id: pop_id.clone(), router_id: router_id.clone(), port_id };
            of.interfaces.into_iter().map(port)
        });
        let mut request = Self::new(body.vop_id, &body.tenant_name.0, ports.collect());
        request.description = body.description.map(|text| text.0);
        request.windows = body.spectrum.map(windows_of);
        request.on_links = on_links_of(body.spectrum_on_links);
        request.exclusive = body.exclusive;
        request.quota =
            body.quota.map(|Object(QuotaJson { connections, slot_links })| Quota { connections, slot_links });
        request.tx_power = body.tx_power_range.map(|Powers(range)| range);
        request.telemetry_interval_ms = body.telemetry_interval_ms;
        request
    }
}

/// `?force=true`
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct Force {
    #[serde(default)]
    pub(in crate::http) force: bool,
}

/// `?status=ACTIVE`
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct VopFilter {
    /// Those that are so: PENDING, ACTIVE or DEACTIVATING.
    status: Option<Text<63>>,
}

impl VopFilter {
    pub(in crate::http) fn takes(&self, vop: &Vop) -> bool {
        self.status.as_ref().is_none_or(|status| vop.phase.as_str() == status.0)
    }
}

/// Ports of one router, as they were asked for.
#[derive(Debug, Serialize, JsonSchema)]
struct AssignedJson {
    pop_id: PopId,
    router_id: RouterId,
    interfaces: Vec<PortId>,
}

fn assigned(ports: &[PortRef]) -> Vec<AssignedJson> {
    let mut by_router: BTreeMap<(PopId, RouterId), Vec<PortId>> = BTreeMap::new();
    for port in ports {
        let at = (port.pop_id.clone(), port.router_id.clone());
        by_router.entry(at).or_default().push(port.port_id.clone());
    }
    let entry = |((pop_id, router_id), interfaces)| AssignedJson { pop_id, router_id, interfaces };
    by_router.into_iter().map(entry).collect()
}

/// A virtual operator.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct VopJson {
    vop_id: VopId,
    tenant_name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    status: &'static str,
    config_topic: String,
    monitoring_topic: String,
    health_topic: String,
    controller_endpoint: Option<String>,
    assigned_interfaces: Vec<AssignedJson>,
    spectrum: Vec<WindowJson>,
    /// Its spectrum on links where that is other than `spectrum`.
    spectrum_on_links: BTreeMap<LinkId, Vec<WindowJson>>,
    exclusive: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<QuotaJson>,
    tx_power_range: Option<[f64; 2]>,
    telemetry_interval_ms: u32,
    health_interval_ms: u32,
    activation_time: String,
    live_connections: usize,
    access: AccessJson,
    /// The passwords made for it, in the answer to the activation only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    credentials: Vec<CredentialJson>,
    message: String,
    /// What went wrong; an activation that fails is undone and answered as an error, so nothing here ever did.
    error_details: Option<String>,
}

/// Who has access to a virtual operator's topics.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "TopicAccess")]
struct AccessJson {
    /// Whether the broker keeps others out.
    enforced: bool,
    /// Whether it knows users by passwords issued here.
    passwords: bool,
    /// Why one of these is not so.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// User names on the bus.
    users: BTreeSet<String>,
}

impl From<VopAccess> for AccessJson {
    fn from(access: VopAccess) -> Self {
        let (rights, passwords) = (access.rights.reason(), access.passwords.reason());
        Self {
            enforced: rights.is_none(),
            passwords: passwords.is_none(),
            reason: rights.or(passwords).map(str::to_owned),
            users: access.users,
        }
    }
}

/// A password, told this once.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Credential")]
pub(in crate::http) struct CredentialJson {
    user: String,
    mechanism: &'static str,
    password: String,
}

impl core::fmt::Debug for CredentialJson {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("CredentialJson").field("user", &self.user).finish_non_exhaustive()
    }
}

impl From<Credential> for CredentialJson {
    fn from(credential: Credential) -> Self {
        let Credential { principal, scram, password } = credential;
        let password = password.reveal().to_owned();
        Self { user: principal.name(), mechanism: scram.mechanism(), password }
    }
}

impl VopJson {
    /// With the passwords made for it.
    pub(in crate::http) fn with_credentials(self, credentials: Vec<Credential>) -> Self {
        Self { credentials: credentials.into_iter().map(CredentialJson::from).collect(), ..self }
    }
}

impl From<VopView> for VopJson {
    fn from(view: VopView) -> Self {
        let VopView { vop, live_connections, access } = view;
        let topic = |role| vop.topic(role).to_string();
        let range = vop.request.tx_power.map(|range| [range.min.value(), range.max.value()]);
        Self {
            message: format!("virtual operator {} is {}", vop.id(), vop.phase.as_str()),
            config_topic: topic(Role::Config),
            monitoring_topic: topic(Role::Monitoring),
            health_topic: topic(Role::Health),
            assigned_interfaces: assigned(&vop.request.ports),
            spectrum: vop.windows.iter().map(WindowJson::from).collect(),
            spectrum_on_links: on_links_json(&vop.request.on_links),
            exclusive: vop.request.exclusive,
            quota: vop
                .request
                .quota
                .map(|Quota { connections, slot_links }| QuotaJson { connections, slot_links }),
            tx_power_range: range,
            status: vop.phase.as_str(),
            telemetry_interval_ms: vop.telemetry_interval_ms,
            health_interval_ms: vop.health_interval_ms,
            activation_time: iso(vop.activated_at),
            controller_endpoint: vop.endpoint,
            vop_id: vop.request.vop,
            tenant_name: vop.request.tenant_name,
            description: vop.request.description,
            live_connections,
            access: access.into(),
            credentials: Vec::new(),
            error_details: None,
        }
    }
}

/// A virtual operator in the list of all.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct VopSummaryJson {
    vop_id: VopId,
    tenant_name: String,
    status: &'static str,
    created_at: String,
    interfaces_count: usize,
    live_connections: usize,
}

impl From<VopView> for VopSummaryJson {
    fn from(view: VopView) -> Self {
        let Vop { request, phase, activated_at, .. } = view.vop;
        Self {
            status: phase.as_str(),
            created_at: iso(activated_at),
            interfaces_count: request.ports.len(),
            live_connections: view.live_connections,
            vop_id: request.vop,
            tenant_name: request.tenant_name,
        }
    }
}

/// A topic as the broker has it.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Topic")]
struct TopicJson {
    name: String,
    partitions: u32,
    replication_factor: u16,
    configs: BTreeMap<String, String>,
}

/// The topics of a virtual operator as the broker has them.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Topics")]
pub(in crate::http) struct TopicsJson {
    message: String,
    topics: BTreeMap<&'static str, TopicJson>,
}

impl TopicsJson {
    /// By role.
    pub(in crate::http) fn new(message: String, topics: Vec<TopicDescription>) -> Self {
        let entry = |topic: TopicDescription| {
            let (role, _, _) = topics::parse(&topic.name)?;
            let role = match role {
                Role::Config => "config_topic",
                Role::Monitoring => "monitoring_topic",
                Role::Health => "health_topic",
            };
            let TopicDescription { name, partitions, replication, configs, .. } = topic;
            Some((role, TopicJson { name, partitions, replication_factor: replication, configs }))
        };
        Self { message, topics: topics.into_iter().filter_map(entry).collect() }
    }
}

/// Fields of the health answer.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct SliceHealth {
    pub(in crate::http) service: &'static str,
    /// Whether the bus can be used.
    pub(in crate::http) kafka_connected: bool,
    /// Whether the store can be read.
    pub(in crate::http) linkdb_connected: bool,
}

/// Whether a port can be given away.
#[derive(Debug, Serialize, JsonSchema)]
pub(in crate::http) struct InterfaceCheck {
    pub(in crate::http) pop_id: PopId,
    pub(in crate::http) router_id: RouterId,
    pub(in crate::http) interface: PortId,
    pub(in crate::http) available: bool,
    pub(in crate::http) timestamp: String,
}
