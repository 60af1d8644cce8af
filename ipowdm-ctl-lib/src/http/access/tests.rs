//! Every route, asked by everybody.

use super::rules::Need;
use super::*;
use crate::http::guard::guarded;
use crate::http::tests::client::Service;
use crate::http::tests::lab::Tenant;
use crate::http::{controller_router, linkdb_router, slice_router};
use crate::linkdb::LinkDb;
use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use serde_json::{Value, json};

mod audit;

/// One token for each kind of caller.
struct Tokens {
    access: Access,
    secrets: Vec<(Role, String)>,
}

fn vop(name: &str) -> VopId {
    VopId::new(name).unwrap()
}

fn roles() -> [Role; 6] {
    let (own, other) = (vop("vOp2"), vop("vOp1"));
    [
        Role::Operator,
        Role::Tenant { virtual_operator: own.clone() },
        Role::Tenant { virtual_operator: other.clone() },
        Role::Viewer { virtual_operator: None },
        Role::Viewer { virtual_operator: Some(own) },
        Role::Viewer { virtual_operator: Some(other) },
    ]
}

impl Tokens {
    fn new() -> Self {
        let mut table = TokenTable::default();
        let mut secrets = Vec::new();
        for (number, role) in roles().into_iter().enumerate() {
            let token = NewToken::generate().unwrap();
            table = table.with(&format!("caller-{number}"), role.clone(), &token).unwrap();
            secrets.push((role, token.secret().to_owned()));
        }
        Self { access: Access::tokens(table), secrets }
    }

    fn of(&self, role: &Role) -> &str {
        &self.secrets.iter().find(|(known, _)| known == role).unwrap().1
    }
}

async fn ask(service: &Service, method: &str, path: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let mut request = Request::builder().method(method).uri(path).header("host", "x");
    if let Some(token) = token {
        request = request.header("authorization", format!("bearer {token}"));
    }
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = service.send(request.body(Full::new(Bytes::from(body))).unwrap()).await;
    (answer.status.as_u16(), serde_json::from_slice(&answer.body).unwrap_or_default())
}

/// The path of a rule with names in it that exist nowhere.
fn example(rule: &Rule) -> String {
    let mut path = rule.path.replace("{*id}", "x");
    for name in ["id", "name", "pop", "router", "interface", "a", "b"] {
        path = path.replace(&format!("{{{name}}}"), if name == "b" { "y" } else { "x" });
    }
    // A watch that is let in and not refused never ends.
    if path.ends_with("/watch") || path.ends_with("/events") { format!("{path}?kinds=none") } else { path }
}

/// Asks every route of a service as everybody, and as nobody.
async fn everybody_asks(service: &Service, tokens: &Tokens, rules: &[Rule], service_of: Option<&VopId>) {
    let mut asked = 0;
    for rule in rules {
        let path = example(rule);
        for (role, token) in &tokens.secrets {
            let (status, answer) = ask(service, rule.method, &path, Some(token), &json!({})).await;
            let let_in = rule.need.is_met_by(role, service_of);
            let refused =
                status == 403 && answer["error"].as_str().is_some_and(|why| why.ends_with("may not do that"));
            assert_eq!(refused, !let_in, "{role:?} {} {path}: {status} {answer}", rule.method);
            assert_ne!(answer["code"], "unknown_path", "{path} has a rule and is no route");
            assert_ne!(
                answer["code"], "method_not_allowed",
                "{} {path} has a rule and is no route",
                rule.method
            );
            assert!(status < 500 || answer["code"] == "module_absent", "{path}: {status} {answer}");
            asked += 1;
        }
        for nobody in [None, Some(""), Some("0000"), Some("caller-0")] {
            let (status, answer) = ask(service, rule.method, &path, nobody, &json!({})).await;
            assert_eq!(status == 401, rule.need != Need::Nobody, "{} {path}: {answer}", rule.method);
            asked += 1;
        }
    }
    println!("{asked} requests on {} routes", rules.len());
}

#[tokio::test]
async fn every_route_of_linkdb_lets_in_whom_its_rule_names_and_nobody_else() {
    let tokens = Tokens::new();
    let db = LinkDb::new(crate::store::Store::memory());
    let service = Service::start(linkdb_router(db, tokens.access.clone())).await;
    everybody_asks(&service, &tokens, LINKDB, None).await;
}

#[tokio::test]
async fn every_route_of_slice_manager_and_controller_lets_in_whom_its_rule_names_and_nobody_else() {
    let tokens = Tokens::new();
    let tenant = Tenant::start().await;
    let slices = Service::start(slice_router(tenant.lab.bed.slices().clone(), tokens.access.clone())).await;
    everybody_asks(&slices, &tokens, SLICE, None).await;
    let own = vop("vOp2");
    let router = controller_router(tenant.handle.clone(), tokens.access.clone());
    let controller = Service::start(router).await;
    everybody_asks(&controller, &tokens, CONTROLLER, Some(&own)).await;
}

#[tokio::test]
async fn a_route_without_a_rule_is_refused_to_the_operator_too() {
    let tokens = Tokens::new();
    let router = Router::new().route("/forgotten", get(|| async { "seen" }));
    let service = Service::start(guarded(protected(router, tokens.access.clone(), LINKDB, None))).await;
    let operator = tokens.of(&Role::Operator);
    assert_eq!(ask(&service, "GET", "/forgotten", Some(operator), &Value::Null).await.0, 403);
    assert_eq!(ask(&service, "GET", "/forgotten", None, &Value::Null).await.0, 401);
}

#[tokio::test]
async fn what_is_anothers_is_answered_as_what_does_not_exist() {
    let tokens = Tokens::new();
    let db = LinkDb::new(crate::store::Store::memory());
    let clock = crate::store::StoreClock::resume(db.store()).await.unwrap();
    let router = crate::http::linkdb_router_with_holds(db, clock, tokens.access.clone());
    let service = Service::start(router).await;
    let operator = Some(tokens.of(&Role::Operator));
    let tenant = |name: &str| Some(tokens.of(&Role::Tenant { virtual_operator: vop(name) }));
    let put = async |method: &str, path: &str, body: Value| {
        let (status, answer) = ask(&service, method, path, operator, &body).await;
        assert_eq!(status, 200, "{path}: {answer}");
    };
    for pop in ["pop1", "pop2"] {
        put("POST", "/api/pops", json!({"pop_id": pop, "name": pop, "location": "-"})).await;
    }
    let link = json!({"link_id": "l", "pop_a": "pop1", "pop_b": "pop2", "distance_km": 80});
    put("POST", "/api/links", link).await;
    for name in ["vOp1", "vOp2"] {
        put("PUT", &format!("/api/vops/{name}/spectrum"), json!({})).await;
    }
    let allocate = |id: &str, name: &str| {
        json!({"connection_id": id, "pop_a": "pop1", "pop_b": "pop2", "bandwidth": 400, "virtual_operator": name,
               "hold_seconds": 60})
    };
    let path = "/api/connections/allocate";
    assert_eq!(ask(&service, "POST", path, tenant("vOp1"), &allocate("C-1", "vOp1")).await.0, 200);
    // Nobody allocates as another.
    assert_eq!(ask(&service, "POST", path, tenant("vOp1"), &allocate("C-2", "vOp2")).await.0, 403);
    let missing = |answer: (u16, Value), of: &str| {
        (answer.0, answer.1["error"].as_str().unwrap_or_default().replace(of, "?"), answer.1["code"].clone())
    };
    for (method, path) in [
        ("GET", "/api/connections/{}"),
        ("POST", "/api/connections/{}/confirm"),
        ("DELETE", "/api/connections/{}"),
    ] {
        let at = |id: &str| path.replace("{}", id);
        let anothers = ask(&service, method, &at("C-1"), tenant("vOp2"), &json!({})).await;
        let nobodys = ask(&service, method, &at("C-9"), tenant("vOp2"), &json!({})).await;
        assert_eq!(missing(anothers, "C-1"), missing(nobodys, "C-9"), "{method} {path}");
    }
    let other = ask(&service, "GET", "/api/vops/vOp1/spectrum", tenant("vOp2"), &Value::Null).await;
    assert_eq!(other.0, 404);
    let list =
        async |who| ask(&service, "GET", "/api/connections", who, &Value::Null).await.1["count"].clone();
    assert_eq!((list(tenant("vOp2")).await, list(tenant("vOp1")).await), (json!(0), json!(1)));
    assert_eq!(ask(&service, "GET", "/api/connections/C-1", tenant("vOp1"), &Value::Null).await.0, 200);
    assert_eq!(
        ask(&service, "DELETE", "/api/connections/C-1", tenant("vOp1"), &Value::Null).await.1["released"],
        true
    );
}

#[test]
fn a_table_of_tokens_is_read_or_refused_with_a_reason() {
    let digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    let entry = |name: &str, more: &str, digest: &str| {
        format!(r#"{{"name": "{name}", {more}, "sha256": "{digest}"}}"#)
    };
    let table =
        |entries: &[String]| TokenTable::from_json(&format!(r#"{{"tokens": [{}]}}"#, entries.join(",")));
    let operator = r#""role": "operator""#;
    let known = table(&[entry("noc", operator, digest)]).unwrap();
    // SHA-256 of "foo".
    assert_eq!(known.holder(b"foo").unwrap(), Principal { name: "noc".into(), role: Role::Operator });
    assert_eq!(known.holder(b"fo"), None);
    let refused = |entries: &[String]| table(entries).unwrap_err();
    assert!(
        matches!(refused(&[entry("noc", operator, "2c26")]), TokenError::Digest { name } if name == "noc")
    );
    assert!(matches!(refused(&[entry("noc", operator, &"é".repeat(32))]), TokenError::Digest { .. }));
    let twice = [entry("noc", operator, digest), entry("other", operator, digest)];
    assert!(matches!(refused(&twice), TokenError::Twice { name } if name == "other"));
    for role in [r#""role": "king""#, r#""role": "tenant""#, r#""role": "tenant", "virtual_operator": "v 1""#]
    {
        assert!(matches!(refused(&[entry("noc", role, digest)]), TokenError::Json(_)), "{role}");
    }
    assert!(!format!("{:?}", NewToken::generate().unwrap()).contains(char::is_numeric));
}

#[tokio::test]
async fn a_caller_who_sends_more_than_it_may_is_told_when_to_come_back_and_others_are_not() {
    let (one, other) = (NewToken::generate().unwrap(), NewToken::generate().unwrap());
    let table = TokenTable::default().with("one", Role::Operator, &one).unwrap();
    let table = table.with("other", Role::Operator, &other).unwrap();
    // The next one is due long after this test.
    let rate = Some(Rate { interval: core::time::Duration::from_secs(1000), burst: 2 });
    let limits = crate::http::Limits { rate, ..crate::http::Limits::default() };
    let access = Access::tokens(table).with_limits(limits);
    let db = LinkDb::new(crate::store::Store::memory());
    let service = Service::start(linkdb_router(db, access)).await;
    let ask = async |token: &NewToken, path: &str| {
        let request = Request::get(path).header("host", "x");
        let request = request.header("authorization", format!("Bearer {}", token.secret()));
        service.send(request.body(Full::default()).unwrap()).await
    };
    ask(&one, "/api/pops").await.expect(200);
    ask(&one, "/api/pops").await.expect(200);
    let answer = ask(&one, "/api/pops").await;
    answer.expect_error(429, "limit_reached");
    let wait: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=1000).contains(&wait), "{wait}");
    ask(&other, "/api/pops").await.expect(200);
    ask(&one, "/health").await.expect(200);
}
