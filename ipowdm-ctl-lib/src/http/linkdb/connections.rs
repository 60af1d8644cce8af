//! What connections own: allocation, release, the list.

use super::planning::free_on;
use super::{Holds, PATHS, Result, at_once};
use crate::http::access::{Caller, Principal};
use crate::http::dto::ghz;
use crate::http::dto::linkdb::{
    AllocateBody, Allocated, AllocatedConnection, AllocationJson, ConnectionFilter, Connections, Released,
};
use crate::http::error::ApiError;
use crate::http::extract::{Params, Payload, Segments};
use crate::http::once::Kept;
use crate::http::page::{Paged, Pages};
use crate::linkdb::{AllocationRequest, Endpoint, Grant, LinkDb, LinkDbError, Tuning};
use crate::spectrum::{VopConnection, VopGrant};
use crate::store::{Prefix, Receipt, Tx};
use axum::Json;
use axum::extract::State;
use ipowdm_core::error::Code;
use ipowdm_core::grid::{FlexSlot, Grid};
use ipowdm_core::ids::ConnectionId;
use ipowdm_core::modes::CATALOGUE;
use ipowdm_core::slots::{Policy, Search, Slots};
use ipowdm_core::time::Millis;
use std::sync::Arc;

/// Most centres in `available_slots`.
const MAX_LISTED: usize = 16;

pub(super) async fn connections(
    State(db): State<LinkDb>,
    Caller(caller): Caller,
    Params(filter): Params<ConnectionFilter>,
    pages: Pages,
) -> Result<Paged<Connections>> {
    let confined = caller.role.confined_to();
    if pages.whole() {
        let mut grants = match confined {
            None => db.topology().await?.grants,
            Some(vop) => db.store().transact(|tx| db.connections_of_in(tx, vop)).await?,
        };
        grants.retain(|grant| filter.takes(grant));
        return Ok(Connections::of(pages.of(grants, |grant| grant.request.connection_id.to_string())));
    }
    // What an operator holds is found by the operator's own index.
    let page = match confined.or(filter.virtual_operator()) {
        None => {
            let page = pages.read(db.store(), Prefix::<Grant>::all(), |_, _, grant| {
                at_once(Some(grant).filter(|grant| filter.takes(grant)))
            });
            page.await?
        }
        Some(vop) => {
            let filter = Arc::new(filter.clone());
            let page = pages.read(db.store(), VopConnection::of(vop), |snapshot, entry, _| {
                let filter = Arc::clone(&filter);
                let id = entry.parts().last().and_then(|id| ConnectionId::new(id).ok());
                Box::pin(async move {
                    let Some(id) = id else { return Ok::<_, ApiError>(None) };
                    Ok(snapshot.get(&Grant::key(&id)).await?.filter(|grant| filter.takes(grant)))
                })
            });
            page.await?
        }
    };
    Ok(Connections::of(page))
}

pub(super) async fn connection(
    State(db): State<LinkDb>,
    Caller(caller): Caller,
    Segments(id): Segments<ConnectionId>,
) -> Result<Json<AllocationJson>> {
    let grant = db.grant(&id).await?.filter(|grant| caller.role.may_see(&grant.request.vop));
    grant.map(|grant| Json(grant.into())).ok_or_else(|| unknown(&id))
}

fn unknown(id: &ConnectionId) -> ApiError {
    ApiError::new(Code::UnknownConnection, format_args!("connection {id} owns nothing in LinkDB"))
}

/// The path at which allocations are asked for is that of a connection of this name, too.
fn called_allocate() -> Result<Segments<ConnectionId>> {
    ConnectionId::new("allocate").map(Segments).map_err(|error| ApiError::new(Code::Internal, error))
}

pub(super) async fn connection_called_allocate(
    db: State<LinkDb>,
    caller: Caller,
) -> Result<Json<AllocationJson>> {
    connection(db, caller, called_allocate()?).await
}

pub(super) async fn release_called_allocate(db: State<LinkDb>, caller: Caller) -> Result<Json<Released>> {
    release(db, caller, called_allocate()?).await
}

pub(super) async fn allocate(
    State(db): State<LinkDb>,
    State(Holds(clock)): State<Holds>,
    Caller(caller): Caller,
    Kept(receipt): Kept,
    Payload(body): Payload<AllocateBody>,
) -> Result<Json<Allocated>> {
    caller.act_for(&body.virtual_operator)?;
    let width_m = width_for(body.bandwidth)?;
    let grid = grid_for(width_m);
    let (a, b) = (Endpoint::at(body.pop_a), Endpoint::at(body.pop_b));
    let request = AllocationRequest {
        // A frequency that is named may be any of the raster; the modules will say what they think of it.
        tuning: if body.frequency.is_some() { Tuning::Raster } else { Tuning::Grid(grid) },
        frequency: body.frequency,
        k: body.k.unwrap_or(PATHS),
        policy: body.policy,
        guard: body.guard_ghz,
        ..AllocationRequest::new(body.connection_id, body.virtual_operator, a, b, width_m)
    };
    let until = match (body.hold_seconds, clock) {
        (None, _) => None,
        (Some(time), Some(clock)) => {
            let now = clock.now();
            Some((now, now.plus(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))))
        }
        (Some(_), None) => return Err(no_holds()),
    };
    let grant = match until {
        // Requests that come at the same time share a transaction.
        None if receipt.is_none() => db.allocate(request).await?,
        until => db.store().transact(|tx| take_once_in(&db, tx, &receipt, &request, until)).await?,
    };
    let available = also_free(&db, &grant, grid).await?;
    let what = if grant.held { "held" } else { "allocated" };
    let message = format!("{} {what} at {}", grant.request.connection_id, grant.frequency);
    let frequency = ghz(grant.frequency);
    let connection = AllocatedConnection { grant: grant.into(), bandwidth: body.bandwidth };
    Ok(Json(Allocated { message, connection, frequency, available_slots: available }))
}

/// Takes spectrum, held from `now` to `until` where that is given, unless a request with the same receipt has.
fn take_once_in(
    db: &LinkDb,
    tx: &mut Tx,
    receipt: &Receipt,
    request: &AllocationRequest,
    until: Option<(Millis, Millis)>,
) -> core::result::Result<Grant, LinkDbError> {
    let taken = receipt.once_in(tx, |tx| match until {
        None => db.allocate_in(tx, request),
        Some((now, until)) => db.hold_in(tx, request, now, until),
    })?;
    match taken {
        Some(grant) => Ok(grant),
        // It may have been given back since.
        None => tx.get(&Grant::key(&request.connection_id))?.ok_or_else(|| gone(&request.connection_id)),
    }
}

/// Makes what is held the connection's own.
pub(super) async fn confirm(
    State(db): State<LinkDb>,
    State(Holds(clock)): State<Holds>,
    Caller(caller): Caller,
    Kept(receipt): Kept,
    Segments(id): Segments<ConnectionId>,
) -> Result<Json<AllocationJson>> {
    let clock = clock.ok_or_else(no_holds)?;
    let now = clock.now();
    let confirmed = |tx: &mut Tx| {
        let grant = tx.get_shared(&Grant::key(&id))?;
        if grant.is_some_and(|grant| !caller.role.may_see(&grant.request.vop)) {
            return Err(LinkDbError::NotHeld { connection: id.to_string() });
        }
        match receipt.once_in(tx, |tx| db.confirm_in(tx, &id, now))? {
            Some(grant) => Ok(grant),
            None => tx.get(&Grant::key(&id))?.ok_or_else(|| gone(&id)),
        }
    };
    Ok(Json(db.store().transact(confirmed).await?.into()))
}

/// What a request with an idempotency key has taken before is there no more.
fn gone(id: &ConnectionId) -> LinkDbError {
    LinkDbError::NotHeld { connection: id.to_string() }
}

fn no_holds() -> ApiError {
    ApiError::new(Code::Unsupported, "nobody gives back here what is held and not confirmed in time")
        .hint("allocate without hold_seconds")
}

pub(super) async fn release(
    State(db): State<LinkDb>,
    Caller(caller): Caller,
    Segments(id): Segments<ConnectionId>,
) -> Result<Json<Released>> {
    let released = db.store().transact(|tx| release_in(&db, tx, &caller, &id)).await?;
    let message = match &released {
        Some(grant) => format!("{id} released, {} is free again", grant.frequency),
        None => format!("{id} owns nothing"),
    };
    Ok(Json(Released { connection_id: id, released: released.is_some(), message }))
}

/// Releases what was allocated here. A grant with ports is a controller's: its lasers may be on, and light whose spectrum
/// is free again collides with whoever gets it next.
fn release_in(db: &LinkDb, tx: &mut Tx, caller: &Principal, id: &ConnectionId) -> Result<Option<Grant>> {
    let Some(grant) = tx.get_shared(&Grant::key(id))? else { return Ok(None) };
    if !caller.role.may_see(&grant.request.vop) {
        return Ok(None);
    }
    if let Some(port) = grant.ports().next() {
        let reason = format!(
            "connection {id} holds port {port}: it belongs to the controller of {}",
            grant.request.vop
        );
        return Err(ApiError::new(Code::IllegalState, reason).hint("delete the connection there"));
    }
    Ok(db.release_in(tx, id)?)
}

/// The narrowest slot, in units of 12.5 GHz, of a mode that carries `gbps`.
pub(super) fn width_for(gbps: u32) -> Result<u16> {
    let fitting = CATALOGUE.iter().filter(|mode| gbps > 0 && u32::from(mode.rate_gbps) >= gbps);
    fitting.map(|mode| mode.width_m).min().ok_or_else(|| {
        let most = CATALOGUE.iter().map(|mode| mode.rate_gbps).max().unwrap_or(0);
        ApiError::invalid("bandwidth", format_args!("{gbps} Gbit/s is not in 1..={most}"))
    })
}

/// The channel grid on which slots of this width pack without gaps; modules of the mode have it.
const fn grid_for(width_m: u16) -> Grid {
    match width_m {
        ..=1 => Grid::Ghz12p5,
        2 => Grid::Ghz25,
        3..=4 => Grid::Ghz50,
        5..=6 => Grid::Ghz75,
        7..=8 => Grid::Ghz100,
        _ => Grid::Ghz6p25,
    }
}

/// Centres, in GHz, at which further connections of the same operator and width would fit on the same path now.
async fn also_free(db: &LinkDb, grant: &Grant, grid: Grid) -> Result<Vec<f64>> {
    let raster = db.raster();
    let mut snapshot = db.store().snapshot().await?;
    let mut free = free_on(db, &mut snapshot, &grant.path).await?;
    let Some(windows) = snapshot.get(&VopGrant::key(&grant.request.vop)).await? else {
        return Ok(Vec::new());
    };
    let width_m = grant.request.width_m;
    let mut starts = raster.starts_on(grid, i16::MIN..=i16::MAX, width_m);
    for hop in &grant.path.hops {
        let mut granted = Slots::all_occupied(raster.bits());
        for window in windows.windows_on(&hop.link) {
            granted.unite(&raster.starts_in(*window, width_m));
        }
        starts.intersect(&granted);
    }
    let need = width_m.saturating_mul(2);
    let mut centres = Vec::new();
    while centres.len() < MAX_LISTED {
        let Some(first) = Search::new(&free, need).at(&starts).find(Policy::FirstFit) else { break };
        let Ok(centre) = raster.slot_at(first, need).and_then(FlexSlot::centre) else { break };
        if free.take(first, need).is_err() {
            break;
        }
        centres.push(ghz(centre));
    }
    Ok(centres)
}
