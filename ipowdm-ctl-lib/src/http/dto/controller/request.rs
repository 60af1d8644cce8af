//! Bodies and queries of requests.

use crate::connection::{Ends, State};
use crate::controller::{
    ConnectionRequest, ConnectionView, EndRequest, PathRequest, PowerChange, ReconfigureRequest,
};
use crate::http::dto::{Object, Text, frequency};
use crate::http::error::ApiError;
use crate::http::guard::MAX_WAIT;
use core::time::Duration;
use ipowdm_core::ids::{ConnectionId, LinkId, PopId, PortId, RouterId, RouterRef, VopId};
use ipowdm_core::modes::Modulation;
use ipowdm_core::msg::AdminState;
use ipowdm_core::qot::{End, Level};
use ipowdm_core::units::{Db, Frequency, Power};
use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::{self, Deserializer};

/// Client rate of a connection when none is named, in Gbit/s.
const DEFAULT_GBPS: u16 = 400;

/// Reads a rate in Gbit/s, more than 0 and at most 400; a fraction is rounded up.
fn gbps<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    let number = f64::deserialize(deserializer)?;
    if !(number > 0.0 && number <= 400.0) {
        return Err(de::Error::custom(format_args!("{number} Gbit/s is not more than 0 and at most 400")));
    }
    (1..=DEFAULT_GBPS)
        .find(|whole| f64::from(*whole) >= number)
        .ok_or_else(|| de::Error::custom("not a rate"))
}

const fn default_gbps() -> u16 {
    DEFAULT_GBPS
}

const fn default_modulation() -> Modulation {
    Modulation::Dp16Qam
}

fn power<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Power>, D::Error> {
    Option::<f64>::deserialize(deserializer)?
        .map(|number| Power::from_number(number).map_err(de::Error::custom))
        .transpose()
}

fn db<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Db>, D::Error> {
    Option::<f64>::deserialize(deserializer)?
        .map(|number| Db::from_number(number).map_err(de::Error::custom))
        .transpose()
}

/// `?wait=<seconds>`
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct WaitQuery {
    #[serde(default, deserialize_with = "wait")]
    #[schemars(with = "Option<u64>", range(max = 600))]
    wait: Option<Duration>,
}

fn wait<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
    let asked = Duration::from_secs(u64::deserialize(deserializer)?);
    if asked > MAX_WAIT {
        return Err(de::Error::custom(format_args!("wait: at most {} s", MAX_WAIT.as_secs())));
    }
    Ok(Some(asked))
}

impl WaitQuery {
    /// How long to wait; nothing where nobody asked.
    pub(in crate::http) fn limit(&self) -> Option<Duration> {
        self.wait.filter(|wait| !wait.is_zero())
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
pub(in crate::http) struct ListQuery {
    /// Those in a state.
    pub(in crate::http) status: Option<State>,
    /// Those that end at a PoP.
    pop: Option<PopId>,
    /// Those whose path has a link.
    link: Option<LinkId>,
    /// Those whose quality is of a level.
    quality: Option<Level>,
}

impl ListQuery {
    /// Whether a connection is wanted, its state aside.
    pub(in crate::http) fn takes(&self, view: &ConnectionView) -> bool {
        let request = &view.request;
        self.pop.as_ref().is_none_or(|pop| request.source.pop == *pop || request.destination.pop == *pop)
            && self.link.as_ref().is_none_or(|link| view.path.hops.iter().any(|hop| hop.link == *link))
            && self.quality.is_none_or(|level| view.level == level)
    }
}

/// `?bandwidth_gbps=400&modulation=DP-16QAM`
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct PathQuery {
    #[serde(default = "default_gbps", deserialize_with = "gbps")]
    #[schemars(with = "f64", extend("exclusiveMinimum" = 0, "maximum" = 400))]
    bandwidth_gbps: u16,
    #[serde(default = "default_modulation")]
    modulation: Modulation,
}

impl PathQuery {
    pub(in crate::http) const fn request(&self, source: PopId, destination: PopId) -> PathRequest {
        let (bandwidth_gbps, modulation) = (self.bandwidth_gbps, self.modulation);
        PathRequest { source, destination, bandwidth_gbps, modulation }
    }
}

/// Body of `POST /connections`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct NewConnection {
    connection_id: Option<ConnectionId>,
    pub(in crate::http) source_pop: PopId,
    pub(in crate::http) destination_pop: PopId,
    source_router: Option<RouterId>,
    destination_router: Option<RouterId>,
    /// `Ethernet48` or `router1/Ethernet48`.
    source_interface: Option<PortId>,
    destination_interface: Option<PortId>,
    #[serde(default = "default_gbps", deserialize_with = "gbps")]
    #[schemars(with = "f64", extend("exclusiveMinimum" = 0, "maximum" = 400))]
    bandwidth_gbps: u16,
    #[serde(default = "default_modulation")]
    modulation: Modulation,
    pub(in crate::http) virtual_operator: Option<VopId>,
    /// Centre frequency in THz, GHz or MHz.
    #[serde(default, deserialize_with = "frequency")]
    #[schemars(with = "Option<f64>", range(min = 0, max = 4_294_967_295_u32))]
    frequency: Option<Frequency>,
    /// Launch power of both ends.
    #[serde(default, deserialize_with = "power")]
    #[schemars(with = "Option<f64>", range(min = -327.67, max = 327.67))]
    tx_power_dbm: Option<Power>,
}

/// `router1/Ethernet48` as router and port; `None` where no router can be meant.
fn split(router: Option<&RouterId>, interface: Option<&PortId>) -> Option<(RouterId, PortId)> {
    let (named, port) = interface.filter(|_| router.is_none())?.as_str().split_once('/')?;
    Some((RouterId::new(named).ok()?, PortId::new(port).ok()?))
}

impl NewConnection {
    /// The routers that the interfaces may name. A port's own slash looks the same: whether there is such a router decides.
    pub(in crate::http) fn named_routers(&self) -> Ends<Option<RouterRef>> {
        let named = |pop: &PopId, router: Option<&RouterId>, interface: Option<&PortId>| {
            let (router_id, _) = split(router, interface)?;
            Some(RouterRef { pop_id: pop.clone(), router_id })
        };
        Ends {
            source: named(&self.source_pop, self.source_router.as_ref(), self.source_interface.as_ref()),
            destination: named(
                &self.destination_pop,
                self.destination_router.as_ref(),
                self.destination_interface.as_ref(),
            ),
        }
    }

    /// The request; `named` says whether there are the routers of [`NewConnection::named_routers`].
    pub(in crate::http) fn into_request(self, named: &Ends<bool>) -> ConnectionRequest {
        let end = |named: bool, pop: PopId, router: Option<RouterId>, interface: Option<PortId>| match split(
            router.as_ref(),
            interface.as_ref(),
        )
        .filter(|_| named)
        {
            Some((router, port)) => EndRequest { pop, router: Some(router), port: Some(port) },
            None => EndRequest { pop, router, port: interface },
        };
        let source = end(named.source, self.source_pop, self.source_router, self.source_interface);
        let destination =
            end(named.destination, self.destination_pop, self.destination_router, self.destination_interface);
        ConnectionRequest {
            connection_id: self.connection_id,
            source,
            destination,
            bandwidth_gbps: self.bandwidth_gbps,
            modulation: self.modulation,
            frequency: self.frequency,
            tx_power: self.tx_power_dbm,
        }
    }
}

/// Body of `POST /connections/{id}/setup`: nothing in it matters.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct SetupBody {}

/// Which ends a change is for.
#[derive(Debug, Clone, Copy, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Which {
    #[default]
    Both,
    Source,
    Destination,
}

/// What a reconfiguration changes.
#[derive(Debug, Default, Deserialize, JsonSchema)]
struct Change {
    #[serde(default, deserialize_with = "db")]
    #[schemars(with = "Option<f64>", range(min = -327.67, max = 327.67))]
    tx_power_step_db: Option<Db>,
    #[serde(default, alias = "tx_power", alias = "tx_power_level", deserialize_with = "power")]
    #[schemars(with = "Option<f64>", range(min = -327.67, max = 327.67))]
    tx_power_dbm: Option<Power>,
    end: Option<Which>,
}

/// Body of `POST /connections/{id}/reconfigure`. What changes may stand at the top or in `parameters`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct ReconfigureBody {
    connection_id: Option<ConnectionId>,
    reason: Option<Text<255>>,
    #[serde(flatten)]
    top: Change,
    parameters: Option<Object<Change>>,
}

impl ReconfigureBody {
    pub(in crate::http) fn into_request(self, id: &ConnectionId) -> Result<ReconfigureRequest, ApiError> {
        if let Some(named) = self.connection_id.filter(|named| named != id) {
            return Err(ApiError::invalid("connection_id", format_args!("{named} is not {id} of the path")));
        }
        let below = self.parameters.map(|Object(change)| change).unwrap_or_default();
        let step = self.top.tx_power_step_db.or(below.tx_power_step_db);
        let to = self.top.tx_power_dbm.or(below.tx_power_dbm);
        let change = match (step, to) {
            (Some(step), None) => PowerChange::By(step),
            (None, Some(power)) => PowerChange::To(power),
            (Some(_), Some(_)) => {
                return Err(ApiError::invalid("tx_power_dbm", "a power and a step cannot both be asked for"));
            }
            (None, None) => {
                return Err(ApiError::invalid("parameters", "nothing is to change")
                    .hint("give tx_power_step_db or tx_power_dbm"));
            }
        };
        let which = self.top.end.or(below.end).unwrap_or_default();
        let change_at = |end: End| match (which, end) {
            (Which::Both, _) | (Which::Source, End::Source) | (Which::Destination, End::Destination) => {
                Some(change)
            }
            _ => None,
        };
        Ok(ReconfigureRequest {
            reason: self.reason.map_or_else(|| "manual".to_owned(), |reason| reason.0),
            source: change_at(End::Source),
            destination: change_at(End::Destination),
        })
    }
}

/// What is wanted of a transmitter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(in crate::http) enum Switch {
    Up,
    Down,
    AdminDown,
}

impl Switch {
    pub(in crate::http) const fn state(self) -> AdminState {
        match self {
            Self::Up => AdminState::Up,
            Self::Down | Self::AdminDown => AdminState::Down,
        }
    }

    pub(in crate::http) const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down => "down",
            Self::AdminDown => "admin_down",
        }
    }
}

/// `?action=up`, as the existing controller has it.
#[derive(Debug, Deserialize, JsonSchema)]
pub(in crate::http) struct ControlQuery {
    action: Option<Switch>,
}

/// `{"admin_state": "up"}`, as the guide has it.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(in crate::http) struct ControlBody {
    #[serde(alias = "action")]
    admin_state: Option<Switch>,
}

/// What query and body ask for together.
pub(in crate::http) fn switch(query: &ControlQuery, body: Option<&ControlBody>) -> Result<Switch, ApiError> {
    match (query.action, body.and_then(|body| body.admin_state)) {
        (Some(query), Some(body)) if query != body => {
            Err(ApiError::invalid("action", "query and body ask for different things"))
        }
        (Some(wanted), _) | (None, Some(wanted)) => Ok(wanted),
        (None, None) => Err(ApiError::invalid("action", "nothing is asked for")
            .hint("?action=up, down or admin_down, or the body {\"admin_state\": \"up\"}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reconfigure(json: &str) -> Result<ReconfigureRequest, ApiError> {
        let body: ReconfigureBody = serde_json::from_str(json).unwrap();
        body.into_request(&ConnectionId::new("C-1").unwrap())
    }

    #[test]
    fn the_guides_reconfiguration_steps_both_ends() {
        let step = Some(PowerChange::By(Db::from_hundredths(50)));
        let request = reconfigure(r#"{"reason":"manual","tx_power_step_db":0.5}"#).unwrap();
        assert_eq!((request.source, request.destination, request.reason.as_str()), (step, step, "manual"));
        let request = reconfigure(
            r#"{"connection_id":"C-1","reason":"OPTIMIZATION","parameters":{"tx_power_step_db":0.5,"end":"source"}}"#,
        );
        let request = request.unwrap();
        assert_eq!(
            (request.source, request.destination, request.reason.as_str()),
            (step, None, "OPTIMIZATION")
        );
        let to = reconfigure(r#"{"tx_power_dbm":-1.5}"#).unwrap();
        assert_eq!(to.destination, Some(PowerChange::To(Power::from_hundredths(-150))));
    }

    #[test]
    fn a_reconfiguration_that_contradicts_itself_or_changes_nothing_is_refused() {
        for body in [
            r#"{"reason":"QOT_DEGRADATION"}"#,
            r#"{"tx_power_step_db":0.5,"tx_power_dbm":-1}"#,
            r#"{"connection_id":"C-2","tx_power_step_db":0.5}"#,
        ] {
            assert_eq!(reconfigure(body).unwrap_err().status(), 422, "{body}");
        }
        for body in [r#"{"tx_power_step_db":1e300}"#, r#"{"tx_power_step_db":"x"}"#, r#"{"end":"middle"}"#] {
            assert!(serde_json::from_str::<ReconfigureBody>(body).is_err(), "{body}");
        }
    }

    #[test]
    fn rates_are_more_than_0_and_at_most_400() {
        let rate = |text: &str| {
            serde_json::from_str::<NewConnection>(&format!(
                r#"{{"source_pop":"a","destination_pop":"b","bandwidth_gbps":{text}}}"#
            ))
            .map(|body| body.bandwidth_gbps)
        };
        assert_eq!(rate("400").unwrap(), 400);
        assert_eq!(rate("0.5").unwrap(), 1);
        assert_eq!(rate("100.1").unwrap(), 101);
        for text in ["0", "-1", "400.1", "1e300", "\"400\"", "null"] {
            assert!(rate(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_interface_may_name_its_router() {
        let request = |interface: &str, known: bool| {
            let json = format!(
                r#"{{"source_pop":"pop1","destination_pop":"pop2","source_interface":"{interface}"}}"#
            );
            let body: NewConnection = serde_json::from_str(&json).unwrap();
            let named = body.named_routers().source.map(|at| at.to_string());
            let end = body.into_request(&Ends { source: known, destination: known }).source;
            (named, end.router.map(|router| router.to_string()), end.port.unwrap().to_string())
        };
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(request("Ethernet48", true), (None, None, "Ethernet48".to_owned()));
        let named = request("router1/Ethernet48", true);
        assert_eq!(named, (text("pop1/router1"), text("router1"), "Ethernet48".to_owned()));
        assert_eq!(request("Eth1/1", false), (text("pop1/Eth1"), None, "Eth1/1".to_owned()));
    }

    #[test]
    fn interface_control_is_read_from_query_or_body() {
        let query = |action| ControlQuery { action };
        let body = |admin_state| ControlBody { admin_state };
        assert_eq!(switch(&query(Some(Switch::Up)), None), Ok(Switch::Up));
        assert_eq!(switch(&query(None), Some(&body(Some(Switch::AdminDown)))), Ok(Switch::AdminDown));
        assert!(switch(&query(Some(Switch::Up)), Some(&body(Some(Switch::Down)))).is_err());
        assert!(switch(&query(None), Some(&body(None))).is_err());
    }
}
