//! Activation.

use super::SliceManager;
use super::access::Credential;
use super::assignment::{assign_in, routers_of};
use super::error::SliceError;
use super::record::{ActivationRequest, Vop, VopPhase};
use crate::store::Tx;
use futures_util::stream::{self, StreamExt as _};
use ipowdm_core::bus::access::Principal;
use ipowdm_core::ids::{Incarnation, VopId};
use ipowdm_core::time::Timestamp;
use std::collections::BTreeSet;

/// Most characters of texts for people.
const TEXT: usize = 1_024;

/// Controllers that are started at once when the slice manager starts.
const AT_A_TIME: usize = 16;

/// Least telemetry interval in milliseconds.
const LEAST_INTERVAL_MS: u32 = 100;

/// What an activation has come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Activation {
    /// The virtual operator.
    pub vop: Vop,
    /// Whether it is new; else it was active before, as it was asked for.
    pub new: bool,
    /// The passwords that were made for it, told this once. None where it is not new or the broker takes none; none for agents
    /// that have one because they serve another virtual operator; none for a controller whose launcher has
    /// [taken](super::ControllerLauncher::takes_credential) it.
    pub credentials: Vec<Credential>,
}

impl SliceManager {
    /// Activates a virtual operator: ports and spectrum, topics, access, assignments, controller. When this returns its topics
    /// exist. The same request again answers the same virtual operator; its topics and the limits of its users are made as they are
    /// configured now where they were otherwise.
    ///
    /// # Errors
    /// [`SliceError::Invalid`]; [`SliceError::AlreadyExists`] where it is active and the request differs;
    /// [`SliceError::Busy`] while it is being dismantled; [`SliceError::PortAssigned`]; [`SliceError::SpectrumAssigned`];
    /// [`SliceError::LinkDb`] with `unknown_port`; [`SliceError::Launch`]; [`SliceError::Bus`]; [`SliceError::Store`]. What was begun is undone then.
    pub async fn activate(&self, request: ActivationRequest) -> Result<Activation, SliceError> {
        check(&request)?;
        let _one_at_a_time = self.lock(&request.vop).await;
        // Nothing is claimed before the bus has answered once.
        self.prepare_assignments().await?;
        let (vop, new) = self.claim(&request).await?;
        if vop.phase == VopPhase::Active {
            self.mend_vop(&vop).await?;
            return Ok(Activation { vop, new, credentials: Vec::new() });
        }
        match self.build(&vop).await {
            Ok((vop, credentials)) => Ok(Activation { vop, new: true, credentials }),
            Err(error) => {
                tracing::warn!(vop = %vop.id(), %error, "activation is undone");
                if let Err(second) = self.dismantle(&vop).await {
                    tracing::error!(vop = %vop.id(), error = %second, "the undoing has failed too; it is tried again");
                    let worker = self.without_tasks();
                    tokio::spawn(async move { worker.settle_down(vec![vop]).await });
                }
                Err(error)
            }
        }
    }

    /// Writes the virtual operator with its ports and spectrum, or finds it there.
    async fn claim(&self, request: &ActivationRequest) -> Result<(Vop, bool), SliceError> {
        let wall = (self.shared.wall)();
        self.linkdb().store().transact(|tx| self.claim_in(tx, request, wall)).await
    }

    fn claim_in(
        &self,
        tx: &mut Tx,
        request: &ActivationRequest,
        wall: Timestamp,
    ) -> Result<(Vop, bool), SliceError> {
        let key = Vop::key(&request.vop);
        if let Some(known) = tx.get(&key)? {
            return match known.phase {
                VopPhase::Deactivating => {
                    Err(SliceError::Busy { vop: request.vop.to_string(), phase: known.phase })
                }
                _ if known.request != *request => {
                    Err(SliceError::AlreadyExists { vop: request.vop.to_string() })
                }
                _ => Ok((known, false)),
            };
        }
        for port in &request.ports {
            self.linkdb().assign_port_in(tx, port, &request.vop)?;
        }
        let whole_band = || vec![self.linkdb().raster().window()];
        let windows = request.windows.clone().unwrap_or_else(whole_band);
        let vop = Vop {
            request: request.clone(),
            phase: VopPhase::Pending,
            incarnation: incarnation(tx, wall)?,
            windows,
            telemetry_interval_ms: request
                .telemetry_interval_ms
                .unwrap_or(self.config().telemetry_interval_ms),
            health_interval_ms: self.config().health_interval_ms,
            activated_at: wall,
            endpoint: None,
        };
        self.linkdb().set_vop_grant_in(tx, &vop.grant())?;
        tx.put(&key, &vop)?;
        Ok((vop, true))
    }

    /// Everything after the claim. Each step may be repeated.
    async fn build(&self, vop: &Vop) -> Result<(Vop, Vec<Credential>), SliceError> {
        self.make_topics(vop).await?;
        let mut credentials = self.open_access(vop).await?;
        let active = self
            .update(vop.id(), |tx, vop| {
                vop.phase = VopPhase::Active;
                tx.put(&Vop::key(vop.id()), vop)?;
                assign_in(tx, &routers_of(&vop.request.ports))
            })
            .await?;
        let controller = Principal::Controller(vop.id().clone());
        let taken = |made: &mut Credential| made.principal == controller;
        let takes = self.shared.launcher.takes_credential();
        let own = if takes { credentials.extract_if(.., taken).next() } else { None };
        Ok((self.launch(&active, own.as_ref()).await?, credentials))
    }

    /// Starts the controller of an active virtual operator again, with another password where its launcher takes one: what the
    /// earlier one was nobody knows any more.
    pub(super) async fn resume(&self, vop: &Vop) -> Result<Vop, SliceError> {
        let credential = self.credential_to_launch(vop.id()).await?;
        self.launch(vop, credential.as_ref()).await
    }

    /// Starts the controller and stores where it answers.
    pub(super) async fn launch(&self, vop: &Vop, credential: Option<&Credential>) -> Result<Vop, SliceError> {
        let launched = self.shared.launcher.launch(vop, credential).await;
        let endpoint = launched.map_err(|source| SliceError::Launch { vop: vop.id().to_string(), source })?;
        if endpoint == vop.endpoint {
            return Ok(vop.clone());
        }
        self.update(vop.id(), |tx, vop| {
            vop.endpoint.clone_from(&endpoint);
            Ok(tx.put(&Vop::key(vop.id()), vop)?)
        })
        .await
    }

    /// Another life of the topics of an active virtual operator, told to its agents.
    pub(super) async fn begin_incarnation(&self, id: &VopId) -> Result<Vop, SliceError> {
        let wall = (self.shared.wall)();
        self.update(id, |tx, vop| {
            vop.incarnation = incarnation(tx, wall)?;
            tx.put(&Vop::key(id), vop)?;
            assign_in(tx, &routers_of(&vop.request.ports))
        })
        .await
    }

    async fn update(
        &self,
        id: &VopId,
        change: impl Fn(&mut Tx, &mut Vop) -> Result<(), SliceError>,
    ) -> Result<Vop, SliceError> {
        self.linkdb()
            .store()
            .transact(|tx| {
                let vop = tx.get(&Vop::key(id))?;
                let mut vop = vop.ok_or_else(|| SliceError::UnknownVop { vop: id.to_string() })?;
                change(tx, &mut vop)?;
                Ok(vop)
            })
            .await
    }

    /// Starts the controllers of active virtual operators; answers those of which something was begun and not finished, and
    /// those whose controller did not start: neither bus nor controller may hold up the slice manager.
    pub(super) async fn take_up(&self) -> Result<Vec<Vop>, SliceError> {
        let stored = self.linkdb().store().scan(&Vop::all()).await?;
        let (active, mut unfinished): (Vec<Vop>, Vec<Vop>) =
            stored.into_iter().map(|(_, vop)| vop).partition(|vop| vop.phase == VopPhase::Active);
        let mut starts = stream::iter(active.into_iter().map(|vop| async {
            let started = self.resume(&vop).await;
            (vop, started)
        }))
        .buffer_unordered(AT_A_TIME);
        while let Some((vop, started)) = starts.next().await {
            match started {
                Ok(_) => {}
                Err(SliceError::Store(error)) => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(vop = %vop.id(), %error, "its controller did not start; it is tried again");
                    unfinished.push(vop);
                }
            }
        }
        Ok(unfinished)
    }
}

/// Another one with every activation, also after a store was restored from a backup.
fn incarnation(tx: &Tx, wall: Timestamp) -> Result<Incarnation, SliceError> {
    let text = format!("{:x}-{:x}", tx.version().get(), wall.0);
    Incarnation::new(&text)
        .map_err(|error| SliceError::Invalid { field: "incarnation", reason: error.to_string() })
}

fn check(request: &ActivationRequest) -> Result<(), SliceError> {
    let invalid = |field, reason: &str| Err(SliceError::Invalid { field, reason: reason.to_owned() });
    if request.tenant_name.trim().is_empty() {
        return invalid("tenant_name", "empty");
    }
    let description = request.description.as_deref().unwrap_or_default();
    if request.tenant_name.len() > TEXT || description.len() > TEXT {
        return invalid("tenant_name", "texts have at most 1024 bytes");
    }
    let distinct: BTreeSet<_> = request.ports.iter().collect();
    if distinct.len() != request.ports.len() {
        return invalid("interface_assignments", "a port appears twice");
    }
    if request.windows.as_ref().is_some_and(Vec::is_empty) && request.on_links.is_empty() {
        return invalid("windows", "an empty list grants no spectrum; leave it out for the whole band");
    }
    if request.telemetry_interval_ms.is_some_and(|ms| ms < LEAST_INTERVAL_MS) {
        return invalid("telemetry_interval_ms", "less than 100");
    }
    if request.tx_power.is_some_and(|range| range.min > range.max) {
        return invalid("tx_power", "the least power is above the greatest");
    }
    Ok(())
}
