//! The stream of events, read by a real client.

use crate::http::access::{NewToken, Role, TokenTable};
use crate::http::tests::client::Service;
use crate::http::tests::lab::Tenant;
use crate::http::tests::stream::{Came, Events};
use crate::http::{Access, controller_router, sse};
use crate::testbed::Behaviour;
use axum::response::IntoResponse as _;
use core::time::Duration;
use http_body_util::BodyExt as _;
use ipowdm_core::error::Code;
use ipowdm_core::ids::VopId;
use serde_json::json;

const EVENTS: &str = "/api/v1/events";
const CONNECTIONS: &str = "/api/v1/connections";

async fn create(tenant: &Tenant, id: &str, destination: &str) {
    let body = json!({"connection_id": id, "source_pop": "pop1", "destination_pop": destination});
    tenant.ctl.post(CONNECTIONS, &body).await.expect(201);
}

async fn setup(tenant: &Tenant, id: &str) -> u16 {
    tenant.ctl.post(&format!("{CONNECTIONS}/{id}/setup?wait=20"), &json!({})).await.status.as_u16()
}

/// What an event says, without its time and what only this run knows.
fn gist(came: &Came) -> String {
    let field = |name: &str| came.data[name].as_str().unwrap_or("-").to_owned();
    match came.name.as_str() {
        "connection" => format!("{} {} {}", field("event"), field("from"), field("to")),
        "operation" => format!("{} {} {}", field("event"), field("kind"), field("status")),
        "alarm" => format!("{} {}", field("alarm"), field("state")),
        other => other.to_owned(),
    }
}

#[tokio::test]
async fn a_set_up_is_followed_from_request_to_light_and_every_event_has_its_place() {
    let tenant = Tenant::start().await;
    let mut events =
        Events::open(tenant.ctl.addr(), &format!("{EVENTS}?kinds=connection,operation"), "").await;
    let (name, id, ready) = events.next().await;
    assert_eq!((name.as_str(), &ready["virtual_operator"]), ("ready", &json!("vOp2")));
    assert_eq!(ready["kinds"], json!(["connection", "operation"]));
    assert!(!id.is_empty());
    create(&tenant, "C-1", "pop2").await;
    assert_eq!(setup(&tenant, "C-1").await, 200);
    let mut seen = Vec::new();
    let mut places = vec![id];
    while seen.last().is_none_or(|last| last != "finished setup succeeded") {
        let came = events.next_or_end().await.unwrap();
        assert_eq!(came.data["connection_id"], "C-1", "{came:?}");
        assert!(came.data["at"].as_str().unwrap().ends_with('Z'), "{came:?}");
        seen.push(gist(&came));
        places.push(came.id);
    }
    let expected = [
        "created - -",
        "begun setup running",
        "moved PENDING SETUP_IN_PROGRESS",
        "moved SETUP_IN_PROGRESS ACTIVE",
        "finished setup succeeded",
    ];
    seen.sort();
    let mut sorted = expected.map(str::to_owned);
    sorted.sort();
    assert_eq!(seen, sorted);
    let all = places.len();
    places.dedup();
    assert_eq!(places.len(), all, "every event has a place of its own");
}

#[tokio::test]
async fn who_comes_back_gets_what_it_has_missed_and_a_stranger_is_told_that_it_missed_something() {
    let tenant = Tenant::start().await;
    let path = format!("{EVENTS}?kinds=connection");
    let mut first = Events::open(tenant.ctl.addr(), &path, "").await;
    create(&tenant, "C-1", "pop2").await;
    let created = first.until(|came| came.name == "connection").await;
    drop(first);
    assert_eq!(setup(&tenant, "C-1").await, 200);
    let back = format!("last-event-id: {}\r\n", created.id);
    let mut again = Events::open(tenant.ctl.addr(), &path, &back).await;
    let (name, id, _) = again.next().await;
    assert_eq!((name.as_str(), id.as_str()), ("ready", ""), "the place stays that of the last event seen");
    let mut missed = Vec::new();
    while missed.last().is_none_or(|last| last != "moved SETUP_IN_PROGRESS ACTIVE") {
        missed.push(gist(&again.next_or_end().await.unwrap()));
    }
    assert_eq!(missed, ["moved PENDING SETUP_IN_PROGRESS", "moved SETUP_IN_PROGRESS ACTIVE"]);
    for (unknown, reason) in
        [("nonsense", "unreadable"), ("0-1", "restarted"), ("ffffffffffffffff-99", "restarted")]
    {
        let mut lost = Events::open(tenant.ctl.addr(), &path, &format!("last-event-id: {unknown}\r\n")).await;
        let (name, _, reset) = lost.next().await;
        assert_eq!((name.as_str(), &reset["reason"]), ("reset", &json!(reason)), "{unknown}");
        assert_eq!(lost.next().await.0, "connection");
        assert_eq!(lost.next().await.0, "ready");
    }
}

#[tokio::test]
async fn who_comes_back_to_another_start_is_told_how_things_stand_and_goes_on_from_there() {
    let tenant = Tenant::start().await;
    create(&tenant, "C-1", "pop2").await;
    tenant.behave(Behaviour::Reject(Code::ModuleFault));
    assert_eq!(setup(&tenant, "C-1").await, 502);
    tenant.behave(Behaviour::Obey);
    create(&tenant, "C-2", "pop3").await;
    let other_start = "last-event-id: 0-1\r\n";
    let mut events = Events::open(tenant.ctl.addr(), EVENTS, other_start).await;
    assert_eq!(events.next().await.0, "reset");
    let (before, place) = until_ready(&mut events).await;
    let mut standing = Vec::new();
    for came in &before {
        let of = came.data["connection_id"].as_str().or(came.data["agent_id"].as_str()).unwrap();
        let is = ["alarm", "state", "level", "presence"].iter().filter_map(|name| came.data[*name].as_str());
        standing.push(format!("{} {of} {}", came.name, is.collect::<Vec<_>>().join(" ")));
    }
    for expected in [
        "connection C-1 FAILED",
        "alarm C-1 connection_failed raised",
        "connection C-2 PENDING",
        "agent pop1-router1 ONLINE",
    ] {
        assert!(standing.iter().any(|line| line == expected), "{expected} is not in {standing:?}");
    }
    // Its place is where everything goes on: nothing is told twice, nothing is left out.
    create(&tenant, "C-3", "pop2").await;
    let back = format!("last-event-id: {}\r\n", place);
    let mut again = Events::open(tenant.ctl.addr(), &format!("{EVENTS}?kinds=connection"), &back).await;
    assert_eq!(again.next().await.0, "ready");
    let first = again.next_or_end().await.unwrap();
    assert_eq!((gist(&first).as_str(), &first.data["connection_id"]), ("created - -", &json!("C-3")));
}

/// What comes before `ready`, and its place.
async fn until_ready(events: &mut Events) -> (Vec<Came>, String) {
    let mut before = Vec::new();
    loop {
        let came = events.next_or_end().await.unwrap();
        if came.name == "ready" {
            return (before, came.id);
        }
        before.push(came);
    }
}

#[tokio::test]
async fn telemetry_is_of_the_connections_asked_for() {
    let tenant = Tenant::start().await;
    create(&tenant, "C-1", "pop2").await;
    create(&tenant, "C-2", "pop3").await;
    for id in ["C-1", "C-2"] {
        assert_eq!(setup(&tenant, id).await, 200);
    }
    let path = format!("{EVENTS}?kinds=telemetry&connection=C-2");
    let mut events = Events::open(tenant.ctl.addr(), &path, "").await;
    assert_eq!(events.next().await.0, "ready");
    // C-1's comes first and is not shown.
    tenant.lab.bed.agent("pop2").osnr("Ethernet48", 305).await;
    tenant.lab.bed.agent("pop3").osnr("Ethernet48", 311).await;
    let (name, id, sample) = events.next().await;
    assert_eq!((name.as_str(), id.as_str()), ("telemetry", ""), "samples have no place");
    assert_eq!((&sample["connection_id"], &sample["virtual_operator"]), (&json!("C-2"), &json!("vOp2")));
    assert_eq!(
        (&sample["fields"]["osnr"], &sample["interface"]),
        (&json!(31.1), &json!("Ethernet48")),
        "{sample}"
    );
}

#[tokio::test]
async fn failures_and_bad_quality_are_alarms_and_their_end_clears_them() {
    let tenant = Tenant::start().await;
    let path = format!("{EVENTS}?kinds=alarm&connection=C-1");
    let mut events = Events::open(tenant.ctl.addr(), &path, "").await;
    assert_eq!(events.next().await.0, "ready");
    create(&tenant, "C-1", "pop2").await;
    tenant.behave(Behaviour::Reject(Code::ModuleFault));
    assert_eq!(setup(&tenant, "C-1").await, 502);
    let failed = events.until(|came| came.data["alarm"] == "operation_failed").await;
    assert_eq!(
        (&failed.data["failure"]["code"], &failed.data["state"]),
        (&json!("module_fault"), &json!("raised"))
    );
    tenant.behave(Behaviour::Obey);
    tenant.ctl.delete(&format!("{CONNECTIONS}/C-1?wait=20")).await;
    let path = format!("{EVENTS}?kinds=alarm,quality&connection=C-3");
    let mut events = Events::open(tenant.ctl.addr(), &path, "").await;
    assert_eq!(events.next().await.0, "ready");
    create(&tenant, "C-3", "pop2").await;
    assert_eq!(setup(&tenant, "C-3").await, 200);
    let destination = tenant.lab.bed.agent("pop2");
    let port = {
        let view = tenant.handle.connection(&"C-3".parse().unwrap()).unwrap();
        view.ends.destination.port.port_id.to_string()
    };
    for _ in 0..3 {
        destination.osnr(&port, 200).await;
    }
    let degraded = events.until(|came| came.data["alarm"] == "connection_degraded").await;
    assert_eq!(gist(&degraded), "connection_degraded raised");
    // While a step is under way samples are not judged: they go on coming, as a module's do.
    let good_again = async {
        loop {
            destination.osnr(&port, 330).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let over = tokio::select! {
        over = events.until(|came| came.data["state"] == "cleared") => over,
        () = good_again => panic!("samples go on"),
    };
    assert_eq!(over.data["connection_id"], "C-3");
}

#[tokio::test]
async fn the_stream_ends_with_the_controller() {
    let tenant = Tenant::start().await;
    let mut events = Events::open(tenant.ctl.addr(), EVENTS, "").await;
    assert_eq!(events.next().await.0, "ready");
    tenant.handle.shutdown().await.unwrap();
    while let Some(came) = events.next_or_end().await {
        assert_ne!(came.name, "ready", "nothing begins anew");
    }
}

#[tokio::test]
async fn the_stream_ends_whole_with_the_service() {
    let tenant = Tenant::start().await;
    let Tenant { ctl, .. } = tenant;
    let mut events = Events::open(ctl.addr(), EVENTS, "").await;
    events.until(|came| came.name == "ready").await;
    let (rest, ()) = tokio::join!(events.rest(), ctl.stop());
    assert!(rest.ends_with("0\r\n\r\n"), "the last chunk: it was not cut off: {rest:?}");
}

#[tokio::test]
async fn the_stream_of_a_tenant_is_refused_to_others_and_senseless_choices_to_all() {
    let tenant = Tenant::start().await;
    let tokens = [NewToken::generate().unwrap(), NewToken::generate().unwrap()];
    let mut table = TokenTable::default();
    for (name, token) in ["vOp2", "vOp1"].into_iter().zip(&tokens) {
        let role = Role::Viewer { virtual_operator: Some(VopId::new(name).unwrap()) };
        table = table.with(name, role, token).unwrap();
    }
    let router = controller_router(tenant.handle.clone(), Access::tokens(table));
    let service = Service::start(router).await;
    let bearer = |token: &NewToken| format!("authorization: Bearer {}\r\n", token.secret());
    let mut own = Events::open(service.addr(), EVENTS, &bearer(&tokens[0])).await;
    assert_eq!(own.next().await.0, "ready");
    let request = hyper::Request::get(EVENTS)
        .header("host", "x")
        .header("authorization", format!("Bearer {}", tokens[1].secret()))
        .body(http_body_util::Full::default())
        .unwrap();
    service.send(request).await.expect_error(403, "forbidden");
    service.get(EVENTS).await.expect_error(401, "unauthenticated");
    for query in ["kinds=", "kinds=colour", "connection=", "connection=a%20b"] {
        tenant.ctl.get(&format!("{EVENTS}?{query}")).await.expect_error(422, "invalid_field");
    }
}

#[tokio::test(start_paused = true)]
async fn silence_is_broken_by_a_comment() {
    let silent = sse::answer(futures_util::stream::pending(), None);
    let mut body = silent.into_response().into_body();
    let begun = tokio::time::Instant::now();
    for beats in 1..=2 {
        let frame = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(frame, ": still here\n\n".as_bytes(), "{frame:?}");
        assert_eq!(begun.elapsed().as_secs(), Duration::as_secs(&sse::HEARTBEAT) * beats);
    }
}
