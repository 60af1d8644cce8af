//! Creation: which ports and which mode, then path and spectrum, in one transaction with the record.

use super::engine::{Driven, Outcome, grant_id, in_tenant_terms};
use super::error::ControllerError;
use super::event::ControllerEvent;
use super::inner::Inner;
use super::record::ConnectionRecord;
use super::request::{ConnectionRequest, EndRequest, PathRequest};
use crate::connection::{Ends, Lifecycle, Now, State, Verdict, Wanted};
use crate::linkdb::{AllocationRequest, Endpoint, Grant, LinkDbError, PortChoice, Tuning};
use crate::slice::{Vop, VopPhase};
use crate::store::{Receipt, Tx, Version};
use crate::topology::{Port, Router};
use ipowdm_core::capability::{ModuleCapability, PowerRange};
use ipowdm_core::grid::Grid;
use ipowdm_core::ids::{ConnectionId, PortRef, RouterRef};
use ipowdm_core::modes::{CATALOGUE, Mode, Modulation};
use ipowdm_core::qot::End;
use ipowdm_core::units::Power;

/// An end as it was chosen.
#[derive(Debug, Clone)]
struct Chosen {
    port: PortRef,
    module: ModuleCapability,
    /// What module, operator and grant allow.
    limits: Option<PowerRange>,
    launch: Option<Power>,
}

/// Both ends, and the mode that both modules can do.
#[derive(Debug, Clone)]
struct Choice {
    mode: &'static Mode,
    ends: Ends<Chosen>,
}

/// The modes of a request, best first: the least rate that suffices; among equals the one that needs the least OSNR.
fn modes_for(bandwidth_gbps: u16, modulation: Modulation) -> Vec<&'static Mode> {
    let suits = |mode: &&Mode| mode.modulation == modulation && mode.rate_gbps >= bandwidth_gbps;
    let mut modes: Vec<&Mode> = CATALOGUE.iter().filter(suits).collect();
    modes.sort_by_key(|mode| (mode.rate_gbps, mode.required_osnr));
    modes
}

fn checked_modes(bandwidth_gbps: u16, modulation: Modulation) -> Result<Vec<&'static Mode>, ControllerError> {
    if bandwidth_gbps == 0 {
        let reason = "a connection carries at least 1 Gbit/s".to_owned();
        return Err(ControllerError::Invalid { field: "bandwidth_gbps", reason });
    }
    let modes = modes_for(bandwidth_gbps, modulation);
    if modes.is_empty() {
        let what = format!("no mode carries {bandwidth_gbps} Gbit/s in {modulation:?}");
        return Err(ControllerError::Unsupported { what });
    }
    Ok(modes)
}

impl Inner {
    /// Creates a connection, or answers the one that the same request has created before, and whether it is new.
    pub(super) async fn create(
        &self,
        request: &ConnectionRequest,
        receipt: &Receipt,
    ) -> Result<(ConnectionRecord, bool), ControllerError> {
        let modes = checked_modes(request.bandwidth_gbps, request.modulation)?;
        if let Some(id) = &request.connection_id {
            grant_id(self.vop.id(), id)?;
        }
        if request.source.pop == request.destination.pop {
            let pop = request.source.pop.to_string();
            return Err(LinkDbError::SamePop { pop }.into());
        }
        let now = self.now();
        let work = |tx: &mut Tx, epoch| Ok((self.create_once_in(tx, request, &modes, now, receipt)?, epoch));
        let (((record, new), epoch), version) = self.commanding(None, work).await?;
        if new {
            let told = vec![ControllerEvent::Created { connection_id: record.id.clone() }];
            self.remember(record.clone(), told, epoch, version);
        }
        Ok((record, new))
    }

    fn remember(&self, record: ConnectionRecord, told: Vec<ControllerEvent>, epoch: u64, version: Version) {
        self.expect_agents(&record);
        let verdicts = vec![Verdict::Applied];
        let driven = Driven { record, forgotten: false, verdicts, told, commands: Vec::new() };
        self.settle(&Outcome { driven: vec![Some(driven)], ports: Vec::new(), epoch, version });
    }

    /// The agents of a connection's ends are waited for.
    pub(super) fn expect_agents(&self, record: &ConnectionRecord) {
        for end in Ends::<()>::BOTH {
            let at = self.at();
            self.registry().expect(at, record.agents.get(end), &record.ports.get(end).router());
        }
    }

    fn create_once_in(
        &self,
        tx: &mut Tx,
        request: &ConnectionRequest,
        modes: &[&'static Mode],
        now: Now,
        receipt: &Receipt,
    ) -> Result<(ConnectionRecord, bool), ControllerError> {
        if let Some(result) = receipt.found_in(tx)? {
            let id = ConnectionId::new(&result).ok();
            let known =
                id.map(|id| tx.get(&ConnectionRecord::key(self.vop.id(), &id))).transpose()?.flatten();
            return known.map(|record| (record, false)).ok_or(ControllerError::DoneBefore { result });
        }
        let (record, new) = self.create_in(tx, request, modes, now)?;
        if new {
            receipt.write_in(tx, record.id.as_str())?;
        }
        Ok((record, new))
    }

    fn create_in(
        &self,
        tx: &mut Tx,
        request: &ConnectionRequest,
        modes: &[&'static Mode],
        now: Now,
    ) -> Result<(ConnectionRecord, bool), ControllerError> {
        let vop = self.vop.id();
        if tx.get(&Vop::key(vop))?.is_none_or(|stored| stored.phase == VopPhase::Deactivating) {
            return Err(ControllerError::UnknownVop { vop: vop.to_string() });
        }
        let id = match &request.connection_id {
            Some(id) => id.clone(),
            None => self.new_id(tx, request)?,
        };
        let key = ConnectionRecord::key(vop, &id);
        if let Some(known) = tx.get(&key)?
            && !known.is_over()
        {
            if known.request == *request && known.life.state() != State::Failed {
                return Ok((known, false));
            }
            return Err(ControllerError::AlreadyExists { connection: id.to_string() });
        }
        let record = self.reserve_with_in(tx, id, request, modes, now)?;
        tx.put(&key, &record)?;
        Ok((record, true))
    }

    /// Takes ports and spectrum for a connection; its record, in PENDING, is not stored yet.
    pub(super) fn reserve_in(
        &self,
        tx: &mut Tx,
        id: ConnectionId,
        request: &ConnectionRequest,
        now: Now,
    ) -> Result<ConnectionRecord, ControllerError> {
        let modes = checked_modes(request.bandwidth_gbps, request.modulation)?;
        self.reserve_with_in(tx, id, request, &modes, now)
    }

    fn reserve_with_in(
        &self,
        tx: &mut Tx,
        id: ConnectionId,
        request: &ConnectionRequest,
        modes: &[&'static Mode],
        now: Now,
    ) -> Result<ConnectionRecord, ControllerError> {
        let vop = self.vop.id();
        let choice = self.choose_in(tx, request, modes)?;
        let allocation = self.allocation(&id, request, &choice)?;
        let grant = self.linkdb.allocate_in(tx, &allocation).map_err(|error| in_tenant_terms(vop, error))?;
        Ok(self.record(id, request, &choice, grant, now))
    }

    /// An id that no connection of the virtual operator has: two ends and the version that is read. Of two transactions
    /// that read the same version only one commits, because both read the key.
    fn new_id(&self, tx: &mut Tx, request: &ConnectionRequest) -> Result<ConnectionId, ControllerError> {
        let clip = |text: &str| text.chars().take(24).collect::<String>();
        let (from, to) = (clip(request.source.pop.as_str()), clip(request.destination.pop.as_str()));
        let text = format!("{from}-{to}-{}", tx.version());
        let id = ConnectionId::new(&text).map_err(|error| ControllerError::Invalid {
            field: "connection_id",
            reason: error.to_string(),
        })?;
        grant_id(self.vop.id(), &id)?;
        Ok(id)
    }

    fn record(
        &self,
        id: ConnectionId,
        request: &ConnectionRequest,
        choice: &Choice,
        grant: Grant,
        now: Now,
    ) -> ConnectionRecord {
        let media_code = choice.mode.media_code;
        let wanted =
            choice.ends.map(|_, end| Wanted { frequency: grant.frequency, tx_power: end.launch, media_code });
        let agents = choice.ends.map(|_, end| {
            let router = end.port.router();
            let known = self.registry().at(&router).map(|agent| agent.agent_id.clone());
            known.unwrap_or_else(|| router.default_agent())
        });
        ConnectionRecord {
            revision: 1,
            id,
            request: request.clone(),
            created_at: now.wall,
            incarnation: grant.incarnation,
            path: grant.path,
            slot: grant.slot,
            frequency: grant.frequency,
            media_code,
            ports: choice.ends.map(|_, end| end.port.clone()),
            agents,
            limits: choice.ends.map(|_, end| end.limits),
            life: Lifecycle::new(&wanted, self.config.times, now),
            quality: None,
            alarmed: false,
            operations: std::collections::VecDeque::new(),
            commanded_by: Ends::default(),
            born: None,
        }
    }

    fn allocation(
        &self,
        id: &ConnectionId,
        request: &ConnectionRequest,
        choice: &Choice,
    ) -> Result<AllocationRequest, ControllerError> {
        let (source, destination) = (&choice.ends.source, &choice.ends.destination);
        let ends = (Endpoint::port(source.port.clone()), Endpoint::port(destination.port.clone()));
        let (id, vop) = (grant_id(self.vop.id(), id)?, self.vop.id().clone());
        Ok(AllocationRequest {
            tuning: Tuning::Modules {
                source: source.module.grids.to_vec(),
                destination: destination.module.grids.to_vec(),
            },
            frequency: request.frequency,
            k: self.config.paths,
            ..AllocationRequest::new(id, vop, ends.0, ends.1, choice.mode.width_m)
        })
    }

    // --- ports --------------------------------------------------------------------------------------------------------

    /// The first mode that a port at each end can do, and the first such ports.
    fn choose_in(
        &self,
        tx: &mut Tx,
        request: &ConnectionRequest,
        modes: &[&'static Mode],
    ) -> Result<Choice, ControllerError> {
        let source = self.candidates_in(tx, &request.source)?;
        let destination = self.candidates_in(tx, &request.destination)?;
        let mut refusal = None;
        for &mode in modes {
            let pick = |candidates: &[Port]| self.pick(candidates, mode, request.tx_power);
            match (pick(&source), pick(&destination)) {
                (Ok(source), Ok(destination)) => {
                    return Ok(Choice { mode, ends: Ends { source, destination } });
                }
                (Err(error), _) | (_, Err(error)) => refusal = Some(better_reason(refusal, error)),
            }
        }
        Err(refusal.unwrap_or(ControllerError::Unsupported { what: "no mode is known".to_owned() }))
    }

    /// The ports at which an end may be, in natural order.
    fn candidates_in(&self, tx: &mut Tx, end: &EndRequest) -> Result<Vec<Port>, ControllerError> {
        let vop = self.vop.id();
        if let (Some(router_id), Some(port_id)) = (&end.router, &end.port) {
            let choice = PortChoice::Exact { router_id: router_id.clone(), port_id: port_id.clone() };
            let end = Endpoint { pop: end.pop.clone(), port: choice };
            let port = self.linkdb.port_for_in(tx, vop, &end).map_err(|error| in_tenant_terms(vop, error))?;
            return Ok(port.into_iter().collect());
        }
        let free = self.linkdb.free_ports_in(tx, vop, &end.pop)?;
        let fits = |port: &Port| {
            end.router.as_ref().is_none_or(|router| port.at.router_id == *router)
                && end.port.as_ref().is_none_or(|id| port.at.port_id == *id)
        };
        let fitting: Vec<Port> = free.into_iter().filter(fits).collect();
        if fitting.is_empty() {
            return Err(self.why_none_in(tx, end, fits)?);
        }
        Ok(fitting)
    }

    /// Why no port of a PoP is a candidate.
    fn why_none_in(
        &self,
        tx: &mut Tx,
        end: &EndRequest,
        fits: impl Fn(&Port) -> bool,
    ) -> Result<ControllerError, ControllerError> {
        let vop = self.vop.id();
        let there = self.linkdb.ports_in(tx, &end.pop)?;
        let named: Vec<&Port> = there.iter().filter(|port| fits(port)).collect();
        let own = named.iter().any(|port| port.vop.as_ref() == Some(vop));
        let asked = || {
            let router = end.router.as_ref().map_or("*", AsRef::as_ref);
            format!("{}/{router}/{}", end.pop, end.port.as_ref().map_or("*", AsRef::as_ref))
        };
        let stranger = match &end.router {
            Some(router_id) if named.is_empty() => {
                let at = RouterRef { pop_id: end.pop.clone(), router_id: router_id.clone() };
                tx.get(&Router::key(&at))?.is_none().then_some(at)
            }
            _ => None,
        };
        let error = if let Some(router) = stranger {
            LinkDbError::UnknownRouter { router: router.to_string() }
        } else if own || (end.port.is_none() && (end.router.is_none() || named.is_empty())) {
            LinkDbError::NoFreePort { pop: end.pop.to_string(), vop: vop.to_string() }
        } else if named.is_empty() {
            LinkDbError::UnknownPort { port: asked() }
        } else {
            LinkDbError::ForeignPort { port: asked(), vop: vop.to_string() }
        };
        Ok(error.into())
    }

    /// The first candidate whose module can do the mode at an allowed power.
    fn pick(
        &self,
        candidates: &[Port],
        mode: &Mode,
        tx_power: Option<Power>,
    ) -> Result<Chosen, ControllerError> {
        let mut refusal = None;
        for port in candidates {
            match self.suits(port, mode, tx_power) {
                Ok(chosen) => return Ok(chosen),
                Err(error) => refusal = Some(better_reason(refusal, error)),
            }
        }
        Err(refusal.unwrap_or(ControllerError::Unsupported { what: "no port".to_owned() }))
    }

    fn suits(&self, port: &Port, mode: &Mode, tx_power: Option<Power>) -> Result<Chosen, ControllerError> {
        let at = || port.at.to_string();
        let module = port
            .capability
            .clone()
            .ok_or_else(|| ControllerError::from(LinkDbError::UnknownCapability { port: at() }))?;
        if module.application(mode.media_code).is_none() {
            let what = format!("the module in {} has no {}", at(), mode.name);
            return Err(ControllerError::Unsupported { what });
        }
        let limits = match module.tx_power {
            None => None,
            Some(of_module) => {
                Some(self.allowed(&of_module).ok_or_else(|| ControllerError::NoLaunchPower { port: at() })?)
            }
        };
        let launch = match (limits, tx_power) {
            (None, None) => None,
            (None, Some(_)) => {
                let what = format!("the module in {} does not let its transmit power be set", at());
                return Err(ControllerError::Unsupported { what });
            }
            (Some(range), Some(power)) if range.holds(power) => Some(power),
            (Some(range), Some(power)) => {
                return Err(ControllerError::PowerOutOfRange { port: at(), power, range });
            }
            (Some(range), None) => {
                let mut powers = self.config.launch_powers(mode.media_code);
                let power = powers.find(|power| range.holds(*power));
                Some(power.ok_or_else(|| ControllerError::NoLaunchPower { port: at() })?)
            }
        };
        Ok(Chosen { port: port.at.clone(), module, limits, launch })
    }

    /// What module, operator and grant allow together.
    fn allowed(&self, of_module: &PowerRange) -> Option<PowerRange> {
        let range = of_module.intersection(&self.config.tx_power)?;
        self.vop.request.tx_power.as_ref().map_or(Some(range), |grant| range.intersection(grant))
    }

    // --- paths that are only computed ---------------------------------------------------------------------------------

    /// What a connection would get now; nothing is taken.
    pub(super) async fn would_get(
        &self,
        request: &PathRequest,
    ) -> Result<(Grant, &'static Mode), ControllerError> {
        let modes = checked_modes(request.bandwidth_gbps, request.modulation)?;
        let found = self.linkdb.store().transact(|tx| match self.try_in(tx, request, &modes) {
            Ok(found) => Err(Tried::Found(Box::new(found))),
            Err(error) => Err(Tried::Failed(error)),
        });
        match found.await {
            Ok(()) => Err(ControllerError::Unsupported { what: "no path".to_owned() }),
            Err(Tried::Found(found)) => Ok(*found),
            Err(Tried::Failed(error)) => Err(error),
        }
    }

    fn try_in(
        &self,
        tx: &mut Tx,
        request: &PathRequest,
        modes: &[&'static Mode],
    ) -> Result<(Grant, &'static Mode), ControllerError> {
        let vop = self.vop.id();
        let wanted = ConnectionRequest {
            bandwidth_gbps: request.bandwidth_gbps,
            modulation: request.modulation,
            ..ConnectionRequest::between(request.source.clone(), request.destination.clone())
        };
        let id = self.new_id(tx, &wanted)?;
        let (allocation, mode) = match self.choose_in(tx, &wanted, modes) {
            Ok(choice) => (self.allocation(&id, &wanted, &choice)?, choice.mode),
            // Without free ports of known modules: what any module of the best mode could get.
            Err(ControllerError::LinkDb(
                LinkDbError::NoFreePort { .. } | LinkDbError::UnknownCapability { .. },
            )) if !modes.is_empty() => {
                let mode = modes.first().copied().unwrap_or(&CATALOGUE[0]);
                let id = grant_id(vop, &id)?;
                let ends = (Endpoint::at(wanted.source.pop), Endpoint::at(wanted.destination.pop));
                let request = AllocationRequest {
                    tuning: if mode.width_m == 6 { Tuning::Grid(Grid::Ghz75) } else { Tuning::Raster },
                    k: self.config.paths,
                    ..AllocationRequest::new(id, vop.clone(), ends.0, ends.1, mode.width_m)
                };
                (request, mode)
            }
            Err(error) => return Err(error),
        };
        let grant = self.linkdb.allocate_in(tx, &allocation).map_err(|error| in_tenant_terms(vop, error))?;
        Ok((grant, mode))
    }
}

/// How a transaction ended that was never to commit.
enum Tried {
    Found(Box<(Grant, &'static Mode)>),
    Failed(ControllerError),
}

impl From<crate::store::StoreError> for Tried {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// Of two reasons why no port suits, the one that says more: a power that is refused, then a mode that is missing, then a
/// module that is not known.
fn better_reason(before: Option<ControllerError>, now: ControllerError) -> ControllerError {
    const fn rank(error: &ControllerError) -> u8 {
        match error {
            ControllerError::PowerOutOfRange { .. } | ControllerError::NoLaunchPower { .. } => 2,
            ControllerError::Unsupported { .. } => 1,
            _ => 0,
        }
    }
    match before {
        Some(before) if rank(&before) >= rank(&now) => before,
        _ => now,
    }
}

/// The end whose limits a power breaks, if it breaks any.
pub(super) fn check_power(
    record: &ConnectionRecord,
    end: End,
    power: Power,
) -> Result<Power, ControllerError> {
    let port = || record.ports.get(end).to_string();
    match record.limits.get(end) {
        None => Err(ControllerError::Unsupported {
            what: format!("the module in {} does not let its transmit power be set", port()),
        }),
        Some(range) if range.holds(power) => Ok(power),
        Some(range) => Err(ControllerError::PowerOutOfRange { port: port(), power, range: *range }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guides_400g_tries_the_mode_with_more_margin_first() {
        let codes = |gbps, modulation| {
            modes_for(gbps, modulation).iter().map(|mode| mode.media_code).collect::<Vec<_>>()
        };
        assert_eq!(codes(400, Modulation::Dp16Qam), [0x46, 0x3E]);
        assert_eq!(codes(100, Modulation::DpQpsk), [0x49, 0x48]);
        assert_eq!(codes(200, Modulation::DpQpsk), [0x48]);
        assert_eq!(codes(400, Modulation::DpQpsk), Vec::<u8>::new());
        assert!(checked_modes(0, Modulation::Dp16Qam).is_err());
        assert!(checked_modes(401, Modulation::Dp16Qam).is_err());
    }
}
