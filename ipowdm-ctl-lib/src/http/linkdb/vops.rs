//! The spectrum of virtual operators, where no slice manager looks after them.

use super::Result;
use crate::http::dto::window::{Window, WindowJson};
use crate::http::error::ApiError;
use crate::http::extract::{Payload, Segments};
use crate::linkdb::LinkDb;
use crate::slice::Vop;
use crate::spectrum::VopGrant;
use crate::store::{Prefix, Tx};
use axum::Json;
use axum::extract::State;
use ipowdm_core::error::Code;
use ipowdm_core::ids::VopId;
use serde::Deserialize;
use serde_json::{Value, json};

/// Body of `PUT /api/vops/{id}/spectrum`.
#[derive(Debug, Deserialize)]
pub(super) struct Windows {
    /// The whole band where this is absent.
    windows: Option<Vec<Window>>,
}

fn shown(grant: &VopGrant) -> Value {
    let windows: Vec<WindowJson> = grant.windows.iter().map(WindowJson::from).collect();
    json!({"virtual_operator": grant.vop, "windows": windows})
}

/// Every virtual operator that may use spectrum.
pub(super) async fn vops(State(db): State<LinkDb>) -> Result<Json<Value>> {
    let grants = db.store().scan(&Prefix::<VopGrant>::all()).await?;
    let vops: Vec<Value> = grants.iter().map(|(_, grant)| shown(grant)).collect();
    Ok(Json(json!({"count": vops.len(), "vops": vops})))
}

/// The windows of one.
pub(super) async fn spectrum(
    State(db): State<LinkDb>,
    Segments(vop): Segments<VopId>,
) -> Result<Json<Value>> {
    let grant = db.vop_grant(&vop).await?;
    grant.map(|grant| Json(shown(&grant))).ok_or_else(|| {
        ApiError::new(Code::UnknownVop, format_args!("virtual operator {vop} has no spectrum here"))
    })
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
    let grant = VopGrant::pool(vop, windows);
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
