use super::*;
use crate::http::tests::client::Service;
use axum::routing::{get, post};
use core::sync::atomic::{AtomicU32, Ordering};
use tokio::sync::Notify;

#[test]
fn wait_is_read_from_the_query_and_bounded() {
    let wait = |uri: &'static str| wait_of(&Uri::from_static(uri));
    assert_eq!(wait("/setup"), None);
    assert_eq!(wait("/setup?wait=5"), Some(Duration::from_secs(5)));
    assert_eq!(wait("/setup?a=b&wait=5"), Some(Duration::from_secs(5)));
    assert_eq!(wait("/setup?wait=99999999"), Some(MAX_WAIT));
    assert_eq!(wait("/setup?wait=soon"), None);
    assert_eq!(wait("/setup?await=5"), None);
    assert_eq!(wait("/setup?w%61it=%36%30"), Some(Duration::from_secs(60)), "as the handlers read it");
}

#[tokio::test]
async fn requests_beyond_the_limit_are_refused_and_waiting_ones_have_places_of_their_own() {
    let (arrived, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (there, gate) = (Arc::clone(&arrived), Arc::clone(&go));
    let hold = move || {
        let (there, gate) = (Arc::clone(&there), Arc::clone(&gate));
        async move {
            there.notify_one();
            gate.notified().await;
            "done"
        }
    };
    let router = Router::new().route("/hold", get(hold)).route("/quick", get(|| async { "quick" }));
    let limits = Limits { in_flight: 1, waiting: 1, ..Limits::default() };
    let service = Service::start(guarded_by(router, &limits, REQUEST_TIME)).await;
    let client = *service;
    let held = tokio::spawn(async move { client.get("/hold?wait=9").await });
    arrived.notified().await;
    service.get("/quick?wait=1").await.expect_error(429, "limit_reached");
    assert_eq!(service.get("/quick").await.body, "quick");
    go.notify_one();
    assert_eq!(held.await.unwrap().body, "done");
    assert_eq!(service.get("/quick?wait=1").await.body, "quick");
}

#[tokio::test]
async fn a_change_is_carried_out_although_its_client_has_gone() {
    let done = Arc::new(AtomicU32::new(0));
    let (started, finished) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (count, start, finish) = (Arc::clone(&done), Arc::clone(&started), Arc::clone(&finished));
    let work = move || {
        let (count, start, finish) = (Arc::clone(&count), Arc::clone(&start), Arc::clone(&finish));
        async move {
            start.notify_one();
            tokio::time::sleep(Duration::from_millis(50)).await;
            count.fetch_add(1, Ordering::SeqCst);
            finish.notify_one();
            "done"
        }
    };
    let router = Router::new().route("/work", post(work));
    let service = Service::start(guarded(router)).await;
    let client = *service;
    let leaving = tokio::spawn(async move { client.post_raw("/work", "").await });
    started.notified().await;
    leaving.abort();
    tokio::time::timeout(Duration::from_secs(5), finished.notified()).await.unwrap();
    assert_eq!(done.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_in_time() {
    let never = async { core::future::pending::<Response>().await };
    let response = within(Duration::from_millis(10), never).await;
    assert_eq!(response.status(), 504);
    let response = to_the_end(Duration::from_millis(10), core::future::pending::<Response>()).await;
    assert_eq!(response.status(), 504);
}

#[tokio::test]
async fn a_body_is_as_large_as_the_service_says_at_most() {
    use crate::http::extract::Payload;
    let echo = |Payload(body): Payload<serde_json::Value>| async move { body.to_string() };
    let router = Router::new().route("/echo", post(echo));
    let limits = Limits { body: 20, ..Limits::default() };
    let service = Service::start(guarded_by(router.clone(), &limits, REQUEST_TIME)).await;
    assert_eq!(service.post_raw("/echo", r#"{"a":"0123456789ab"}"#).await.status, 200);
    service.post_raw("/echo", r#"{"a":"0123456789abc"}"#).await.expect_error(413, "too_large");
    let large = format!("{{\"a\":\"{}\"}}", "x".repeat(USUAL_BODY));
    let usual = Service::start(guarded(router.clone())).await;
    usual.post_raw("/echo", large.clone()).await.expect_error(413, "too_large");
    let limits = Limits { body: 2 * USUAL_BODY, ..Limits::default() };
    let wide = Service::start(guarded_by(router, &limits, REQUEST_TIME)).await;
    assert_eq!(wide.post_raw("/echo", large.clone()).await.status, 200);
}
