//! Requests of a service by route.

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::Method;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use std::sync::Arc;
use tokio::time::Instant;
use tracing::Instrument as _;

/// Upper bounds of the durations of requests in seconds. With `?wait=` they may take as long as modules do.
const BOUNDS: [f64; 13] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 25.0, 100.0, 600.0];

/// The route of requests that no route is for.
const UNMATCHED: &str = "unmatched";

/// The status of a request whose client has gone before it was answered.
const GONE: &str = "client_gone";

/// Which requests: routes as the router has them, methods as HTTP has them. Whatever is asked for, there are not more than
/// there are routes.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    method: &'static str,
    route: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    method: &'static str,
    route: Arc<str>,
    status: String,
}

/// Counts the requests of one service; clones count in the same place.
#[derive(Debug, Clone)]
pub(in crate::http) struct Meter(Arc<Figures>);

#[derive(Debug)]
struct Figures {
    answered: Family<Answered, Counter>,
    durations: Family<Route, Histogram, fn() -> Histogram>,
    in_flight: Gauge,
}

impl Meter {
    pub(in crate::http) fn new() -> Self {
        let durations = Family::new_with_constructor(durations as fn() -> Histogram);
        Self(Arc::new(Figures { answered: Family::default(), durations, in_flight: Gauge::default() }))
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        let Figures { answered, durations, in_flight } = &*self.0;
        registry.register("http_requests", "Requests answered", answered.clone());
        let help = "Time from a request to the head of its answer";
        registry.register_with_unit("http_request_duration", help, Unit::Seconds, durations.clone());
        registry.register("http_requests_in_flight", "Requests that are worked on now", in_flight.clone());
    }
}

fn durations() -> Histogram {
    Histogram::new(BOUNDS)
}

/// Counts what is asked of a router, and what it answers; to be put around everything else.
pub(in crate::http) fn metered(router: Router, meter: Meter) -> Router {
    router.layer(from_fn_with_state(meter, count))
}

async fn count(State(meter): State<Meter>, request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or(UNMATCHED, MatchedPath::as_str);
    let route = Route { method: known(request.method()), route: Arc::from(route) };
    // The route as the router has it: paths and queries of strangers stay out of the log, and headers with secrets too.
    let span = tracing::info_span!("request", method = route.method, route = &*route.route);
    let mut counting = Counting::begin(meter, route);
    let response = next.run(request).instrument(span).await;
    counting.status = Some(response.status().as_u16());
    response
}

/// The method's name; one for all that HTTP does not define, or clients could make as many as they like.
fn known(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" => "GET",
        "HEAD" => "HEAD",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        "OPTIONS" => "OPTIONS",
        _ => "other",
    }
}

/// A request that is worked on; counted when dropped, whether it was answered or its client has gone.
struct Counting {
    meter: Meter,
    route: Route,
    begun: Instant,
    status: Option<u16>,
}

impl Counting {
    fn begin(meter: Meter, route: Route) -> Self {
        meter.0.in_flight.inc();
        Self { meter, route, begun: Instant::now(), status: None }
    }
}

impl Drop for Counting {
    fn drop(&mut self) {
        let Figures { answered, durations, in_flight } = &*self.meter.0;
        in_flight.dec();
        durations.get_or_create(&self.route).observe(self.begun.elapsed().as_secs_f64());
        let status = self.status.map_or_else(|| GONE.to_owned(), |status| status.to_string());
        let Route { method, route } = self.route.clone();
        answered.get_or_create(&Answered { method, route, status }).inc();
    }
}
