//! The control plane ends at every point of a request with a key, starts again, and gets the same request: it has one effect.

use crate::connection::State;
use crate::controller::ControllerHandle;
use crate::http::{Access, controller_router, linkdb_router};
use crate::linkdb::LinkDb;
use crate::store::{MemoryBackend, Store, StoreOptions};
use crate::testbed::{Cut, CutBackend, Testbed, guide, id};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{Request, StatusCode};
use core::time::Duration;
use hyper::service::Service as _;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A client's pause before it tries again. A request is taken for being under way for three minutes, with its `wait`.
const PAUSE: Duration = Duration::from_secs(60);

/// More points than any request passes.
const ENOUGH: usize = 200;

async fn post(router: Router, path: String, body: Value) -> (StatusCode, Value) {
    let request = Request::post(path)
        .header("idempotency-key", "k")
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .unwrap();
    let answer = TowerToHyperService::new(router).call(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let bytes = to_bytes(body, usize::MAX).await.unwrap();
    (parts.status, serde_json::from_slice(&bytes).unwrap())
}

/// Sends a request again until it is not taken for being under way any more.
async fn post_again(router: Router, path: &str, body: &Value) -> (StatusCode, Value) {
    for _ in 0..5 {
        let (status, answer) = post(router.clone(), path.to_owned(), body.clone()).await;
        if !answer["error"].as_str().is_some_and(|error| error.contains("still being carried out")) {
            return (status, answer);
        }
        tokio::time::sleep(PAUSE).await;
    }
    panic!("{path} stays under way");
}

/// Sends a request that is cut off after so many points; whether it was.
async fn cut_off(cut: &Cut, points: usize, router: Router, path: &str, body: &Value) -> bool {
    cut.after(points);
    let asked = tokio::spawn(post(router, path.to_owned(), body.clone()));
    while !asked.is_finished() && !cut.is_reached() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let answered = asked.is_finished();
    asked.abort();
    // Nothing is done any more by what was started before.
    cut.after(0);
    !answered
}

fn router(handle: &ControllerHandle) -> Router {
    controller_router(handle.clone(), Access::open())
}

/// The ids of the commands of a kind that were published.
async fn commands(bed: &Testbed, action: &str) -> BTreeSet<String> {
    let commands = bed.commands("config_vOp2", "POP1-POP2-1").await.into_iter();
    let of = commands.filter(|(_, command)| command.action.name() == action);
    of.map(|(_, command)| command.command_id.unwrap().to_string()).collect()
}

/// Cuts a request off at every point, starts the control plane again and sends the request again. `before` brings everything
/// to where the request makes sense; `after` checks what it has led to. Answers how many points there were.
async fn at_every_point(
    path: &str,
    body: Value,
    before: impl AsyncFn(&ControllerHandle),
    after: impl AsyncFn(&Testbed, &ControllerHandle, Value),
) -> usize {
    for points in 1..ENOUGH {
        let (mut bed, controller) = Testbed::new().await.with_vop2().await;
        before(&controller).await;
        let cut = bed.cut.clone();
        let was_cut_off = cut_off(&cut, points, router(&controller), path, &body).await;
        drop(controller);
        bed.crash();
        bed.start().await;
        let controller = bed.controller("vOp2");
        let (status, answer) = post_again(router(&controller), path, &body).await;
        assert!(status.is_success(), "cut off after {points}: {status} {answer}");
        after(&bed, &controller, answer).await;
        if !was_cut_off {
            return points;
        }
    }
    panic!("the request does not end");
}

async fn until_active(controller: &ControllerHandle) {
    while controller.connection(&id("POP1-POP2-1")).unwrap().state != State::Active {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_created_once_wherever_the_control_plane_ends() {
    let body = json!({"source_pop": "pop1", "destination_pop": "pop2"});
    let after = async |_: &Testbed, controller: &ControllerHandle, answer: Value| {
        let all = controller.connections(None).unwrap();
        assert_eq!(all.len(), 1);
        assert_eq!(answer["connection_id"], all[0].connection_id.as_str());
    };
    let points = at_every_point("/api/v1/connections", body, async |_: &ControllerHandle| {}, after).await;
    assert!(points > 4, "{points}");
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_set_up_once_wherever_the_control_plane_ends() {
    let before = async |controller: &ControllerHandle| {
        controller.create_connection(guide()).await.unwrap();
    };
    let after = async |bed: &Testbed, controller: &ControllerHandle, answer: Value| {
        until_active(controller).await;
        assert_eq!(commands(bed, "setupConnection").await.len(), 2, "one for each end");
        let operation = answer["operation"]["operation_id"].as_str().unwrap();
        assert_eq!(controller.connection(&id("POP1-POP2-1")).unwrap().operation.unwrap().id, operation);
    };
    let path = "/api/v1/connections/POP1-POP2-1/setup?wait=60";
    let points = at_every_point(path, json!({}), before, after).await;
    assert!(points > 10, "{points}");
}

#[tokio::test(start_paused = true)]
async fn a_step_of_power_is_made_once_wherever_the_control_plane_ends() {
    let before = async |controller: &ControllerHandle| {
        controller.create_connection(guide()).await.unwrap();
        controller.setup(&id("POP1-POP2-1")).await.unwrap();
        until_active(controller).await;
    };
    let after = async |bed: &Testbed, controller: &ControllerHandle, _: Value| {
        until_active(controller).await;
        assert_eq!(commands(bed, "reconfigConnection").await.len(), 2, "one for each end");
    };
    let path = "/api/v1/connections/POP1-POP2-1/reconfigure?wait=60";
    let body = json!({"reason": "manual", "tx_power_step_db": 0.5});
    let points = at_every_point(path, body, before, after).await;
    assert!(points > 10, "{points}");
}

#[tokio::test(start_paused = true)]
async fn what_is_added_to_linkdb_is_added_once_and_answered_alike_wherever_it_ends() {
    let body = json!({"pop_id": "pop1", "name": "one", "location": "x"});
    let mut points = 0;
    loop {
        points += 1;
        let backend = Arc::new(MemoryBackend::new());
        let start = |cut: &Cut| {
            let backend = CutBackend { inner: Arc::clone(&backend), cut: cut.clone() };
            let store = Store::new(Arc::new(backend), StoreOptions::default());
            linkdb_router(LinkDb::new(store), Access::open())
        };
        let cut = Cut::never();
        let was_cut_off = cut_off(&cut, points, start(&cut), "/api/pops", &body).await;
        let (status, answer) = post_again(start(&Cut::never()), "/api/pops", &body).await;
        assert_eq!(status, StatusCode::OK, "cut off after {points}: {answer}");
        assert_eq!(answer["pop"]["pop_id"], "pop1");
        if !was_cut_off {
            break;
        }
    }
    assert!(points > 4, "{points}");
}
