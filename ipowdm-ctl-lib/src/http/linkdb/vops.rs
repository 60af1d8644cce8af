//! The spectrum of virtual operators, where no slice manager looks after them.

use super::Result;
use crate::http::access::Caller;
use crate::http::dto::window::{Window, WindowJson};
use crate::http::error::ApiError;
use crate::http::extract::{Payload, Segments};
use crate::linkdb::{LinkDb, LinkDbError};
use crate::slice::Vop;
use crate::spectrum::{Quota, VopGrant};
use crate::store::{Prefix, Tx};
use axum::Json;
use axum::extract::State;
use ipowdm_core::error::Code;
use ipowdm_core::ids::VopId;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Body of `PUT /api/vops/{id}/spectrum`.
#[derive(Debug, Deserialize)]
pub(super) struct Windows {
    /// The whole band where this is absent.
    windows: Option<Vec<Window>>,
    /// Whether the windows are this operator's alone.
    #[serde(default)]
    exclusive: bool,
    /// How much it may hold at a time.
    quota: Option<QuotaJson>,
}

/// A quota, and what counts against it.
#[derive(Debug, Deserialize, Serialize)]
struct QuotaJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    connections: Option<u64>,
    /// Steps of 6.25 GHz times links.
    #[serde(skip_serializing_if = "Option::is_none")]
    slot_links: Option<u64>,
}

fn shown(grant: &VopGrant) -> Value {
    let windows: Vec<WindowJson> = grant.windows.iter().map(WindowJson::from).collect();
    let mut shown = json!({"virtual_operator": grant.vop, "windows": windows, "exclusive": grant.exclusive});
    if let Some(Quota { connections, slot_links }) = grant.quota {
        shown["quota"] = json!(QuotaJson { connections, slot_links });
    }
    shown
}

/// Every virtual operator that may use spectrum.
pub(super) async fn vops(State(db): State<LinkDb>) -> Result<Json<Value>> {
    let grants = db.store().scan(&Prefix::<VopGrant>::all()).await?;
    let vops: Vec<Value> = grants.iter().map(|(_, grant)| shown(grant)).collect();
    Ok(Json(json!({"count": vops.len(), "vops": vops})))
}

/// The windows of one, and what it holds.
pub(super) async fn spectrum(
    State(db): State<LinkDb>,
    Caller(caller): Caller,
    Segments(vop): Segments<VopId>,
) -> Result<Json<Value>> {
    let found = |tx: &mut Tx| {
        let Some(grant) = tx.get(&VopGrant::key(&vop))?.filter(|_| caller.role.may_see(&vop)) else {
            return Ok(None);
        };
        Ok::<_, LinkDbError>(Some((grant, db.usage_in(tx, &vop)?)))
    };
    let Some((grant, used)) = db.store().transact(found).await? else {
        let reason = format_args!("virtual operator {vop} has no spectrum here");
        return Err(ApiError::new(Code::UnknownVop, reason));
    };
    let mut shown = shown(&grant);
    shown["used"] = json!({"connections": used.connections, "slot_links": used.slot_links});
    Ok(Json(shown))
}

/// Sets the windows of one.
pub(super) async fn set_spectrum(
    State(db): State<LinkDb>,
    Segments(vop): Segments<VopId>,
    Payload(body): Payload<Windows>,
) -> Result<Json<Value>> {
    let windows = body.windows.map_or_else(
        || vec![db.raster().window()],
        |of| of.into_iter().map(|Window(window)| window).collect(),
    );
    let quota = body.quota.map(|QuotaJson { connections, slot_links }| Quota { connections, slot_links });
    let grant = VopGrant { vop, windows, exclusive: body.exclusive, quota };
    db.store()
        .transact(|tx| {
            ours(tx, &grant.vop)?;
            Ok::<_, ApiError>(db.set_vop_grant_in(tx, &grant)?)
        })
        .await?;
    Ok(Json(shown(&grant)))
}

/// Withdraws the windows of one; nothing happens where it has none.
pub(super) async fn withdraw(
    State(db): State<LinkDb>,
    Segments(vop): Segments<VopId>,
) -> Result<Json<Value>> {
    db.store()
        .transact(|tx| {
            ours(tx, &vop)?;
            Ok::<_, ApiError>(db.remove_vop_grant_in(tx, &vop)?)
        })
        .await?;
    Ok(Json(json!({"virtual_operator": vop, "windows": []})))
}

/// The agents of a virtual operator that a slice manager has activated were told its windows: they change there or not at
/// all.
fn ours(tx: &mut Tx, vop: &VopId) -> Result<()> {
    if tx.get(&Vop::key(vop))?.is_none() {
        return Ok(());
    }
    let reason = format!("virtual operator {vop} is the slice manager's");
    Err(ApiError::new(Code::IllegalState, reason).hint("change its spectrum there"))
}
