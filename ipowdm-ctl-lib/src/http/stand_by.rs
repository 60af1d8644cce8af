//! The service of an instance of a controller that commands at times and stands by at others.

use super::access::Access;
use super::controller::controller_router;
use super::error::ApiError;
use super::guard::guarded;
use crate::controller::StandBy;
use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use ipowdm_core::error::Code;
use ipowdm_core::ids::VopId;
use std::sync::{Arc, Mutex, PoisonError};

/// An instance, and the routes of the controller that it was last seen to be.
#[derive(Clone)]
struct Instance {
    stand_by: StandBy,
    access: Access,
    /// The controller's generation, and its routes.
    routes: Arc<Mutex<Option<(u64, Router)>>>,
    /// What answers while it stands by.
    standing: Router,
}

impl Instance {
    /// The routes of the controller, while this instance commands.
    fn routes(&self) -> Option<Router> {
        let mut known = self.routes.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(controller) = self.stand_by.controller() else {
            *known = None;
            return None;
        };
        let generation = controller.generation();
        match &*known {
            Some((of, routes)) if *of == generation => Some(routes.clone()),
            _ => {
                let routes = controller_router(controller, self.access.clone());
                *known = Some((generation, routes.clone()));
                Some(routes)
            }
        }
    }
}

/// The routes of [`controller_router`] while the instance commands; 503 (`not_commanding`) for everything, `/api/v1/health`
/// included, while it stands by, so that a load balancer in front of the instances finds the one that commands.
pub fn stand_by_router(stand_by: StandBy, access: Access) -> Router {
    let standing = Router::new().route("/", any(stands_by)).route("/{*path}", any(stands_by));
    let standing = guarded(standing.with_state(stand_by.vop().clone()));
    let instance = Instance { stand_by, access, routes: Arc::default(), standing };
    Router::new().fallback(answer).with_state(instance)
}

async fn stands_by(State(vop): State<VopId>) -> ApiError {
    let reason = format!("this controller of {vop} stands by: another instance commands");
    ApiError::new(Code::NotCommanding, reason)
}

async fn answer(State(instance): State<Instance>, request: Request) -> Response {
    let routes = instance.routes().unwrap_or_else(|| instance.standing.clone());
    match TowerToHyperService::new(routes).call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}
