//! The spectrum of virtual operators, where no slice manager looks after them.

use super::Result;
use crate::http::access::Caller;
use crate::http::dto::Object;
use crate::http::dto::linkdb::{QuotaJson, VopSpectrumJson, Vops, Withdrawn};
use crate::http::dto::window::{Window, WindowJson, on_links_json, on_links_of, windows_of};
use crate::http::error::ApiError;
use crate::http::extract::{Payload, Segments};
use crate::http::page::{Paged, Pages};
use crate::linkdb::{LinkDb, LinkDbError};
use crate::slice::Vop;
use crate::spectrum::{Quota, VopGrant};
use crate::store::{Prefix, Tx};
use axum::Json;
use axum::extract::State;
use ipowdm_core::error::Code;
use ipowdm_core::ids::{LinkId, VopId};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Body of `PUT /api/vops/{id}/spectrum`.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct Windows {
    /// The whole band where this is absent.
    windows: Option<Vec<Window>>,
    /// Windows on single links, in the place of the others; nothing there where the list is empty.
    #[serde(default)]
    #[schemars(extend("propertyNames" = {"pattern": "^[A-Za-z0-9_.:-]+$", "maxLength": 127}))]
    windows_on_links: BTreeMap<LinkId, Vec<Window>>,
    /// Whether the windows are this operator's alone.
    #[serde(default)]
    exclusive: bool,
    /// How much it may hold at a time.
    quota: Option<Object<QuotaJson>>,
}

fn shown(grant: &VopGrant) -> VopSpectrumJson {
    let quota = grant.quota.map(|Quota { connections, slot_links }| QuotaJson { connections, slot_links });
    VopSpectrumJson {
        virtual_operator: grant.vop.clone(),
        windows: grant.windows.iter().map(WindowJson::from).collect(),
        windows_on_links: on_links_json(&grant.on_links),
        exclusive: grant.exclusive,
        quota,
        used: None,
    }
}

/// Every virtual operator that may use spectrum.
pub(super) async fn vops(State(db): State<LinkDb>, pages: Pages) -> Result<Paged<Vops>> {
    let grants = db.store().scan(&Prefix::<VopGrant>::all()).await?;
    let vops: Vec<VopSpectrumJson> = grants.iter().map(|(_, grant)| shown(grant)).collect();
    Ok(Vops::of(pages.of(vops, |vop| vop.virtual_operator.to_string())))
}

/// The windows of one, and what it holds.
pub(super) async fn spectrum(
    State(db): State<LinkDb>,
    Caller(caller): Caller,
    Segments(vop): Segments<VopId>,
) -> Result<Json<VopSpectrumJson>> {
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
    shown.used = Some(QuotaJson { connections: Some(used.connections), slot_links: Some(used.slot_links) });
    Ok(Json(shown))
}

/// Sets the windows of one.
pub(super) async fn set_spectrum(
    State(db): State<LinkDb>,
    Segments(vop): Segments<VopId>,
    Payload(body): Payload<Windows>,
) -> Result<Json<VopSpectrumJson>> {
    let windows = body.windows.map_or_else(|| vec![db.raster().window()], windows_of);
    let on_links = on_links_of(body.windows_on_links);
    let quota =
        body.quota.map(|Object(QuotaJson { connections, slot_links })| Quota { connections, slot_links });
    let grant = VopGrant { vop, windows, exclusive: body.exclusive, quota, on_links };
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
) -> Result<Json<Withdrawn>> {
    db.store()
        .transact(|tx| {
            ours(tx, &vop)?;
            Ok::<_, ApiError>(db.remove_vop_grant_in(tx, &vop)?)
        })
        .await?;
    Ok(Json(Withdrawn { virtual_operator: vop, windows: Vec::new() }))
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
