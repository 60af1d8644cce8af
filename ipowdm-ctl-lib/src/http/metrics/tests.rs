//! Figures as a scraper reads them.

use crate::http::access::{NewToken, Role, TokenTable};
use crate::http::tests::client::{Answer, Service};
use crate::http::tests::lab::Tenant;
use crate::http::{Access, controller_router, linkdb_router, slice_router};
use crate::linkdb::LinkDb;
use crate::store::Store;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use ipowdm_core::ids::VopId;
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// Figures that were read, by name and labels as they are written.
type Figures = BTreeMap<String, f64>;

/// A family of figures: its type, and whether a line of another family has followed.
#[derive(Debug)]
struct Family {
    kind: String,
    helped: bool,
}

/// Reads OpenMetrics text strictly: names, labels, types, the suffixes that each type has, families in one piece, no figure
/// twice, histograms that add up, and the end.
fn parse(text: &str) -> Figures {
    let body = text.strip_suffix("# EOF\n").expect("the text ends with # EOF");
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let mut current = String::new();
    let mut figures = Figures::new();
    for line in body.lines() {
        if let Some(meta) = line.strip_prefix("# ") {
            let (what, rest) = meta.split_once(' ').expect("metadata has a name");
            let (name, value) = rest.split_once(' ').expect("metadata has a value");
            assert!(is_name(name), "{line}");
            if name != current {
                assert!(!families.contains_key(name), "{name} comes in two pieces");
                families.insert(name.to_owned(), Family { kind: String::new(), helped: false });
                current = name.to_owned();
            }
            let family = families.get_mut(name).unwrap();
            match what {
                "HELP" => family.helped = !value.is_empty(),
                "TYPE" => family.kind = value.to_owned(),
                "UNIT" => assert!(name.ends_with(&format!("_{value}")), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (series, value) = line.rsplit_once(' ').expect("a figure has a value");
        let (name, labels) = series
            .split_once('{')
            .map_or((series, ""), |(name, rest)| (name, rest.strip_suffix('}').expect("labels end")));
        let family = families.get(&current).expect("a figure follows its family's type");
        assert!(family.helped, "{current} is not explained");
        let suffix = name.strip_prefix(current.as_str()).unwrap_or_else(|| panic!("{line} in {current}"));
        let allowed: &[&str] = match family.kind.as_str() {
            "counter" => &["_total"],
            "gauge" => &[""],
            "histogram" => &["_bucket", "_sum", "_count"],
            "info" => &["_info"],
            other => panic!("{current} is of type {other}"),
        };
        assert!(allowed.contains(&suffix), "{line}: a {} has {allowed:?}", family.kind);
        check_labels(labels);
        let value: f64 = value.parse().unwrap_or_else(|_| panic!("{line}"));
        assert!(value.is_finite() && value >= 0.0, "{line}");
        assert!(figures.insert(series.to_owned(), value).is_none(), "{series} comes twice");
    }
    check_histograms(&figures);
    figures
}

fn is_name(name: &str) -> bool {
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    begins && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn check_labels(labels: &str) {
    let mut names = BTreeSet::new();
    let mut rest = labels;
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").unwrap_or_else(|| panic!("{labels}"));
        let (value, after) = after.split_once('"').unwrap_or_else(|| panic!("{labels}"));
        assert!(is_name(name) && !value.contains(['\\', '\n']), "{labels}");
        assert!(names.insert(name), "{name} twice in {labels}");
        rest = after.strip_prefix(',').unwrap_or(after);
    }
}

/// Buckets grow, the last one holds everything.
fn check_histograms(figures: &Figures) {
    let mut buckets: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
    for (series, value) in figures.iter().filter(|(series, _)| series.contains("_bucket{")) {
        let le = series.find("le=\"").unwrap_or_else(|| panic!("{series}"));
        let (bound, after) = series[le + 4..].split_once('"').unwrap();
        let bound = if bound == "+Inf" { f64::INFINITY } else { bound.parse().unwrap() };
        let of = format!("{}{after}", &series[..le]).replace("_bucket{", "_count{");
        let of = of.replace(",,", ",").replace("{,", "{").replace(",}", "}").replace("{}", "");
        buckets.entry(of).or_default().push((bound, *value));
    }
    for (of, mut buckets) in buckets {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.is_sorted_by(|a, b| a.1 <= b.1), "{of}: {buckets:?}");
        let (last, all) = *buckets.last().unwrap();
        assert!(last.is_infinite(), "{of} has no last bucket");
        assert_eq!(Some(&all), figures.get(&of), "{of}");
    }
}

fn read(answer: &Answer) -> Figures {
    assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
    let media_type = answer.headers["content-type"].to_str().unwrap();
    assert_eq!(media_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
    parse(std::str::from_utf8(&answer.body).unwrap())
}

/// The figure of this name with all of these labels; panics where there is not exactly one.
#[track_caller]
fn figure(figures: &Figures, name: &str, labels: &[(&str, &str)]) -> f64 {
    let wanted: Vec<String> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let found: Vec<_> = figures
        .iter()
        .filter(|(series, _)| series.split('{').next() == Some(name))
        .filter(|(series, _)| wanted.iter().all(|label| series.contains(label.as_str())))
        .collect();
    assert_eq!(found.len(), 1, "{name} {labels:?}: {found:?}");
    *found[0].1
}

async fn scrape(service: &Service, token: Option<&NewToken>) -> Answer {
    let mut request = Request::get("/metrics").header("host", "x");
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {}", token.secret()));
    }
    service.send(request.body(Full::new(Bytes::new())).unwrap()).await
}

#[tokio::test]
async fn a_controllers_figures_follow_a_connection_from_request_to_light_and_back() {
    let tenant = Tenant::start().await;
    let ctl = &tenant.ctl;
    let body = json!({"connection_id": "C-1", "source_pop": "pop1", "destination_pop": "pop2"});
    ctl.post("/api/v1/connections", &body).await.expect(201);
    let before = read(&scrape(ctl, None).await);
    assert_eq!(figure(&before, "ipowdm_connections", &[("state", "PENDING")]), 1.0);
    ctl.post("/api/v1/connections/C-1/setup?wait=20", &json!({})).await.expect(200);
    let lit = read(&scrape(ctl, None).await);
    let own = ("virtual_operator", "vOp2");
    assert_eq!(figure(&lit, "ipowdm_connections", &[("state", "ACTIVE"), own]), 1.0);
    assert_eq!(figure(&lit, "ipowdm_connections", &[("state", "PENDING"), own]), 0.0);
    assert_eq!(figure(&lit, "ipowdm_operations_total", &[("kind", "setup"), ("result", "succeeded")]), 1.0);
    assert_eq!(figure(&lit, "ipowdm_setup_control_plane_seconds_count", &[own]), 1.0);
    assert_eq!(figure(&lit, "ipowdm_setup_module_seconds_count", &[own]), 1.0);
    assert_eq!(figure(&lit, "ipowdm_setup_module_seconds_sum", &[own]), 0.007);
    assert_eq!(figure(&lit, "ipowdm_setup_module_seconds_bucket", &[("le", "0.005"), own]), 0.0);
    assert_eq!(figure(&lit, "ipowdm_setup_module_seconds_bucket", &[("le", "0.01"), own]), 1.0);
    assert_eq!(figure(&lit, "ipowdm_commands_total", &[("action", "setupConnection")]), 2.0);
    assert_eq!(figure(&lit, "ipowdm_acks_total", &[("outcome", "applied")]), 2.0);
    assert_eq!(figure(&lit, "ipowdm_controller_commands", &[own]), 1.0);
    assert!(figure(&lit, "ipowdm_epoch", &[own]) >= 1.0);
    assert!(figure(&lit, "ipowdm_agents", &[("presence", "online")]) >= 2.0);
    // Everything was taken in when the set-up ended.
    assert_eq!(figure(&lit, "ipowdm_bus_lag_records", &[("topic", "monitoring")]), 0.0);
    assert!(figure(&lit, "ipowdm_store_transactions_total", &[("result", "committed")]) >= 3.0);
    assert!(figure(&lit, "ipowdm_outbox_messages_total", &[("result", "published")]) >= 2.0);
    ctl.delete("/api/v1/connections/C-1?wait=20").await.expect(200);
    let dark = read(&scrape(ctl, None).await);
    assert_eq!(figure(&dark, "ipowdm_connections", &[("state", "TERMINATED"), own]), 1.0);
    assert_eq!(
        figure(&dark, "ipowdm_operations_total", &[("kind", "teardown"), ("result", "succeeded")]),
        1.0
    );
}

#[tokio::test]
async fn every_service_shows_its_own_figures_and_the_stores() {
    let tenant = Tenant::start().await;
    let slices = &tenant.lab.slice;
    let figures = read(&scrape(slices, None).await);
    assert_eq!(figure(&figures, "ipowdm_virtual_operators", &[("phase", "ACTIVE")]), 1.0);
    assert!(figure(&figures, "ipowdm_store_transactions_total", &[("result", "committed")]) >= 1.0);
    let db = tenant.lab.bed.linkdb.clone();
    let linkdb = Service::start(linkdb_router(db, Access::open())).await;
    let figures = read(&scrape(&linkdb, None).await);
    assert!(figure(&figures, "ipowdm_links", &[]) >= 1.0);
    assert_eq!(figure(&figures, "ipowdm_watches", &[]), 0.0);
    assert_eq!(figure(&figures, "ipowdm_spectrum_used_slots", &[]), 0.0);
    let version = ("version", env!("CARGO_PKG_VERSION"));
    assert_eq!(figure(&figures, "ipowdm_build_info", &[version]), 1.0);
    // While the store is away the rest is still told.
    tenant.lab.backend.set_broken(true);
    let figures = read(&scrape(slices, None).await);
    assert!(figure(&figures, "ipowdm_store_transactions_total", &[("result", "failed")]) >= 1.0);
    assert!(!figures.keys().any(|series| series.starts_with("ipowdm_virtual_operators")));
}

#[tokio::test]
async fn requests_are_counted_by_route_and_status_and_strangers_add_no_series() {
    let db = LinkDb::new(Store::memory());
    let service = Service::start(linkdb_router(db, Access::open())).await;
    service.get("/api/pops").await.expect(200);
    for name in ["a", "b", "c"] {
        service.get(&format!("/api/links/{name}")).await.expect_error(404, "unknown_link");
        service.get(&format!("/nothing/{name}")).await.expect_error(404, "unknown_path");
        service.request(name.to_uppercase().parse().unwrap(), "/api/pops", "").await;
    }
    let figures = read(&scrape(&service, None).await);
    let requests = |method: &str, route: &str, status: &str| {
        let labels = [("method", method), ("route", route), ("status", status)];
        figure(&figures, "ipowdm_http_requests_total", &labels)
    };
    assert_eq!(requests("GET", "/api/pops", "200"), 1.0);
    assert_eq!(requests("GET", "/api/links/{id}", "404"), 3.0);
    assert_eq!(requests("GET", "unmatched", "404"), 3.0);
    assert_eq!(requests("other", "/api/pops", "405"), 3.0);
    let took = [("method", "GET"), ("route", "/api/links/{id}")];
    assert_eq!(figure(&figures, "ipowdm_http_request_duration_seconds_count", &took), 3.0);
    // This one.
    assert_eq!(figure(&figures, "ipowdm_http_requests_in_flight", &[]), 1.0);
    let series = figures.keys().filter(|series| series.starts_with("ipowdm_http_requests_total"));
    // The test client reads the service's document, to compare answers with it.
    assert_eq!(series.filter(|series| !series.contains("/openapi.json")).count(), 4);
}

#[tokio::test]
async fn figures_are_for_those_whose_they_are_and_for_everybody_only_where_that_was_asked_for() {
    let tenant = Tenant::start().await;
    let vop = |name: &str| VopId::new(name).unwrap();
    let roles = [
        Role::Operator,
        Role::Viewer { virtual_operator: None },
        Role::Tenant { virtual_operator: vop("vOp2") },
        Role::Viewer { virtual_operator: Some(vop("vOp2")) },
        Role::Tenant { virtual_operator: vop("vOp1") },
        Role::Viewer { virtual_operator: Some(vop("vOp1")) },
    ];
    let tokens = roles.each_ref().map(|_| NewToken::generate().unwrap());
    let access = || {
        let mut table = TokenTable::default();
        for (number, (role, token)) in roles.iter().zip(&tokens).enumerate() {
            table = table.with(&format!("caller-{number}"), role.clone(), token).unwrap();
        }
        Access::tokens(table)
    };
    let controller = Service::start(controller_router(tenant.handle.clone(), access())).await;
    let slices = Service::start(slice_router(tenant.lab.bed.slices().clone(), access())).await;
    let linkdb = Service::start(linkdb_router(tenant.lab.bed.linkdb.clone(), access())).await;
    let all = [(200, 200), (200, 200), (200, 403), (200, 403), (403, 403), (403, 403)];
    for ((token, role), (own, others)) in tokens.iter().zip(&roles).zip(all) {
        for (service, status) in [(&controller, own), (&slices, others), (&linkdb, others)] {
            assert_eq!(scrape(service, Some(token)).await.status.as_u16(), status, "{role:?}");
        }
    }
    let of_the_store = |answer: &Answer| read(answer).keys().any(|series| series.contains("store"));
    assert!(of_the_store(&scrape(&controller, Some(&tokens[1])).await));
    assert!(!of_the_store(&scrape(&controller, Some(&tokens[2])).await), "that shows what others do");
    scrape(&controller, None).await.expect_error(401, "unauthenticated");
    let opened = controller_router(tenant.handle.clone(), access().with_open_metrics());
    let opened = Service::start(opened).await;
    assert!(!of_the_store(&scrape(&opened, None).await));
    opened.get("/api/v1/status").await.expect_error(401, "unauthenticated");
}
