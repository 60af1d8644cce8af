//! The services in one router, for a server that somebody else runs.

use super::access::{self, Access, protected};
use super::controller::controller_router;
use super::crowd::Open;
use super::error::{ApiError, locate};
use super::guard::guarded;
use super::linkdb::{linkdb_router, linkdb_router_with_holds};
use super::slice::slice_router;
use crate::controller::ControllerHandle;
use crate::linkdb::LinkDb;
use crate::slice::SliceManager;
use crate::store::StoreClock;
use axum::Router;
use axum::extract::{OriginalUri, Request, State};
use axum::http::{HeaderValue, Uri, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::any;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use ipowdm_core::error::Code;
use ipowdm_core::ids::VopId;
use std::collections::BTreeSet;
use std::sync::Arc;

/// Begins a router of the services that are named to it, each below a path of its own, for a server of yours to mount
/// wherever it likes; all treat callers as `access` says.
///
/// ```
/// use ipowdm_core::bus::{Bus, memory::MemoryBus};
/// use ipowdm_ctl_lib::controller::ControllerConfig;
/// use ipowdm_ctl_lib::http::{self, Access};
/// use ipowdm_ctl_lib::linkdb::LinkDb;
/// use ipowdm_ctl_lib::slice::{InProcess, SliceManager};
/// use ipowdm_ctl_lib::store::Store;
/// use std::sync::Arc;
///
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let db = LinkDb::new(Store::memory());
/// let bus: Arc<dyn Bus> = Arc::new(MemoryBus::new());
/// let tasks = InProcess::new(db.clone(), bus.clone(), ControllerConfig::default());
/// let slices = SliceManager::builder(db.clone(), bus).launcher(Arc::new(tasks.clone())).start().await?;
/// let optical = http::router(Access::open())
///     .linkdb(db) // /optical/linkdb/api/links
///     .slices(slices) // /optical/slices/api/v1/vops
///     .controllers(move |vop| tasks.controller(vop)) // /optical/controllers/vOp2/api/v1/connections
///     .build();
/// let app: axum::Router = axum::Router::new().nest("/optical", optical);
/// # drop(app);
/// # Ok(()) }
/// ```
pub const fn router(access: Access) -> RouterBuilder {
    RouterBuilder { access, linkdb: None, slices: None, controllers: None }
}

/// Finds the controller of a virtual operator that runs now.
type Find = Arc<dyn Fn(&VopId) -> Option<ControllerHandle> + Send + Sync>;

/// A router to be; see [`router`].
#[must_use]
pub struct RouterBuilder {
    access: Access,
    linkdb: Option<(LinkDb, Option<StoreClock>)>,
    slices: Option<SliceManager>,
    controllers: Option<Find>,
}

impl core::fmt::Debug for RouterBuilder {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("RouterBuilder").field("access", &self.access).finish_non_exhaustive()
    }
}

impl RouterBuilder {
    /// [`linkdb_router`] below `/linkdb`.
    pub fn linkdb(mut self, db: LinkDb) -> Self {
        self.linkdb = Some((db, None));
        self
    }

    /// [`linkdb_router_with_holds`] below `/linkdb`.
    pub fn linkdb_with_holds(mut self, db: LinkDb, clock: StoreClock) -> Self {
        self.linkdb = Some((db, Some(clock)));
        self
    }

    /// [`slice_router`] below `/slices`.
    pub fn slices(mut self, manager: SliceManager) -> Self {
        self.slices = Some(manager);
        self
    }

    /// [`controller_router`] of each virtual operator below `/controllers/<vOp>`, as controllers come and go: `find` is asked
    /// at every request.
    pub fn controllers(
        mut self,
        find: impl Fn(&VopId) -> Option<ControllerHandle> + Send + Sync + 'static,
    ) -> Self {
        self.controllers = Some(Arc::new(find));
        self
    }

    /// The router. It has its own answers to unknown paths, so it can be nested, not merged.
    pub fn build(self) -> Router {
        let Self { access, linkdb, slices, controllers } = self;
        let mut router = Router::new();
        if let Some((db, clock)) = linkdb {
            let service = match clock {
                Some(clock) => linkdb_router_with_holds(db, clock, access.clone()),
                None => linkdb_router(db, access.clone()),
            };
            router = router.nest_service("/linkdb", service);
        }
        if let Some(manager) = slices {
            router = router.nest_service("/slices", slice_router(manager, access.clone()));
        }
        if let Some(find) = controllers {
            let each = Each { find, access, known: Arc::default() };
            router = router.nest("/controllers", Router::new().fallback(of_one).with_state(each));
        }
        // What is in none of them is told in the words of all.
        router.merge(guarded(Router::new()))
    }
}

/// The routes of a service, whatever path a server mounts them below: its rules go by the paths of its own.
pub(super) fn mountable(service: Router) -> Router {
    Router::new().fallback(of_service).with_state(service)
}

async fn of_service(State(service): State<Router>, request: Request) -> Response {
    let (request, below) = unmounted(request);
    relocated(call(service, request).await, &below)
}

async fn call(service: Router, request: Request) -> Response {
    match TowerToHyperService::new(service).call(request).await {
        Ok(response) => response.into_response(),
        Err(never) => match never {},
    }
}

/// The request as the service would get it by itself, and the path that it is mounted below.
fn unmounted(request: Request) -> (Request, String) {
    let (mut parts, body) = request.into_parts();
    let own = parts.uri.path();
    let below = parts.extensions.get::<OriginalUri>().and_then(|OriginalUri(uri)| {
        let below = uri.path().strip_suffix(own).or_else(|| (own == "/").then(|| uri.path()));
        below.map(|below| below.trim_end_matches('/').to_owned())
    });
    // Among them is where in the server's own routes this was found, which no public name removes.
    let others = core::mem::take(&mut parts.extensions);
    if let Some(open) = others.get::<Open>() {
        parts.extensions.insert(open.clone());
    }
    (Request::from_parts(parts, body), below.unwrap_or_default())
}

/// The answer as the server's clients are to read it.
fn relocated(mut response: Response, below: &str) -> Response {
    let location = response.headers().get(header::LOCATION).and_then(|location| location.to_str().ok());
    let absolute = location.filter(|location| location.starts_with('/') && !below.is_empty());
    if let Some(moved) = absolute.and_then(|at| HeaderValue::from_str(&format!("{below}{at}")).ok()) {
        response.headers_mut().insert(header::LOCATION, moved);
    }
    response
}

/// The services of the controllers that run.
#[derive(Clone)]
struct Each {
    find: Find,
    access: Access,
    /// The routes of a virtual operator's controller, and its generation.
    known: Arc<std::sync::Mutex<std::collections::BTreeMap<VopId, (u64, Router)>>>,
}

impl Each {
    fn service(&self, vop: &VopId) -> Router {
        // The map is whole between any two calls.
        let mut known = self.known.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Some(controller) = (self.find)(vop) else {
            known.remove(vop);
            return absent(vop.clone(), self.access.clone());
        };
        let generation = controller.generation();
        match known.get(vop) {
            Some((of, service)) if *of == generation && !controller.is_stopped() => service.clone(),
            _ => {
                let service = controller_router(controller, self.access.clone());
                known.insert(vop.clone(), (generation, service.clone()));
                service
            }
        }
    }
}

async fn of_one(State(each): State<Each>, request: Request) -> Response {
    let (mut request, below) = unmounted(request);
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
    let path = path.strip_prefix('/').unwrap_or(&path);
    let (name, rest) = path.split_at(path.find(['/', '?']).unwrap_or(path.len()));
    let slash = if rest.starts_with('/') { "" } else { "/" };
    let (Ok(vop), Ok(uri)) = (VopId::new(name), format!("{slash}{rest}").parse::<Uri>()) else {
        let refused = ApiError::new(Code::UnknownPath, format_args!("there is no /{path}")).into_response();
        return locate(refused, request.method().as_str(), request.uri().path());
    };
    *request.uri_mut() = uri;
    let service = each.service(&vop);
    relocated(call(service, request).await, &format!("{below}/{vop}"))
}

/// The service of a virtual operator without a controller: it says so to whoever would be let in, and nothing to anybody else.
fn absent(vop: VopId, access: Access) -> Router {
    let paths: BTreeSet<&'static str> = access::CONTROLLER.iter().map(|rule| rule.path).collect();
    let routes = paths.into_iter().fold(Router::new(), |routes, path| routes.route(path, any(unknown)));
    guarded(protected(routes.with_state(vop.clone()), access, access::CONTROLLER, Some(vop)))
}

async fn unknown(State(vop): State<VopId>) -> ApiError {
    ApiError::new(Code::UnknownVop, format_args!("no controller of {vop} runs here"))
}

#[cfg(test)]
mod tests;
