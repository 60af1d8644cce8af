//! Operations: followed, waited for, and what they are called.

use super::{Handle, Result};
use crate::controller::{ControllerHandle, OperationStatus, OperationView};
use crate::http::dto::controller::{OperationJson, WaitQuery};
use crate::http::error::ApiError;
use crate::http::extract::{Params, Segments};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use core::time::Duration;

pub(super) async fn operation(
    State(handle): Handle,
    Segments(id): Segments<String>,
    Params(query): Params<WaitQuery>,
) -> Result<Json<OperationJson>> {
    let operation = handle.operation(&id)?;
    Ok(Json(followed(&handle, operation, query.limit()).await?.into()))
}

/// The operation once it has ended, or as it stands when the wait is over.
pub(super) async fn followed(
    handle: &ControllerHandle,
    begun: OperationView,
    limit: Option<Duration>,
) -> Result<OperationView> {
    match limit {
        Some(limit) => Ok(handle.wait(begun, limit).await?),
        None => Ok(begun),
    }
}

/// What an operation is called while it runs and when it is done.
pub(super) struct Words {
    pub(super) running: &'static str,
    pub(super) done: &'static str,
    pub(super) message: &'static str,
}

impl Words {
    /// Status, name and sentence of an operation; an error where it failed.
    pub(super) fn of(&self, operation: &OperationView) -> Result<(StatusCode, &'static str, &'static str)> {
        match &operation.status {
            OperationStatus::Running => Ok((StatusCode::ACCEPTED, self.running, self.message)),
            OperationStatus::Succeeded => Ok((StatusCode::OK, self.done, "done, and read back")),
            OperationStatus::Failed(failure) => {
                let error = ApiError::new(failure.code, failure);
                // What was asked about is there: it is the equipment that does not know of it.
                let missing = error.status() == StatusCode::NOT_FOUND;
                let error = if missing { error.with_status(StatusCode::CONFLICT) } else { error };
                Err(error.about("operation", OperationJson::from(operation.clone())))
            }
        }
    }
}
