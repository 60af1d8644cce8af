//! Spectrum of a link that no connection is to get.

use super::Result;
use crate::http::dto::linkdb::{NewReservation, Reservations, Unreserved};
use crate::http::dto::spectrum::ReservationJson;
use crate::http::error::ApiError;
use crate::http::extract::{Payload, Segments};
use crate::http::page::{Paged, Pages};
use crate::linkdb::{LinkDb, Reservation};
use axum::Json;
use axum::extract::State;
use ipowdm_core::error::Code;
use ipowdm_core::ids::{LinkId, ReservationId};

/// All on a link, or a page of them.
pub(super) async fn reservations(
    State(db): State<LinkDb>,
    Segments(link): Segments<LinkId>,
    pages: Pages,
) -> Result<Paged<Reservations>> {
    let page = pages.of(on(&db, &link).await?, |reservation| reservation.reservation_id.to_string());
    Ok(page.answer(|reservations, next_cursor| Reservations {
        link_id: link,
        count: reservations.len(),
        reservations,
        next_cursor,
    }))
}

async fn on(db: &LinkDb, link: &LinkId) -> Result<Vec<ReservationJson>> {
    let map = db.spectrum(link).await?;
    let raster = map.spectrum.raster;
    Ok(map.reserved.into_iter().filter_map(|occupied| ReservationJson::new(raster, occupied)).collect())
}

/// Sets spectrum aside; the same again does nothing.
pub(super) async fn reserve(
    State(db): State<LinkDb>,
    Segments((link, id)): Segments<(LinkId, ReservationId)>,
    Payload(body): Payload<NewReservation>,
) -> Result<Json<Reservations>> {
    let reservation = Reservation {
        fibres: body.fibres,
        guard: body.guard_ghz,
        alien: body.alien,
        ..Reservation::new(id, body.window.0)
    };
    db.reserve(&link, reservation).await?;
    let reservations = on(&db, &link).await?;
    let count = reservations.len();
    Ok(Json(Reservations { link_id: link, count, reservations, next_cursor: None }))
}

/// Gives it back; nothing happens where there is none.
pub(super) async fn unreserve(
    State(db): State<LinkDb>,
    Segments((link, id)): Segments<(LinkId, ReservationId)>,
) -> Result<Json<Unreserved>> {
    if db.links().await?.iter().all(|known| known.id != link) {
        return Err(ApiError::new(Code::UnknownLink, format_args!("link {link} is not known")));
    }
    let released = db.unreserve(&link, &id).await?;
    Ok(Json(Unreserved { link_id: link, reservation_id: id, released }))
}
