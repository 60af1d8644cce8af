//! Rules that hold for every service, asked by a real client over the loopback address.

pub(in crate::http) mod client;
pub(super) mod lab;
pub(super) mod outage;
pub(super) mod stream;

use super::error::ApiError;
use super::extract::{Params, Payload, Segments};
use super::guard::guarded;
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use client::{Client, Service};
use http_body_util::Full;
use hyper::{Method, Request};
use ipowdm_core::error::Code;
use ipowdm_core::ids::PopId;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Debug, Serialize, Deserialize)]
struct Span {
    pop: PopId,
    count: u16,
    #[serde(default)]
    nested: Vec<f64>,
}

async fn maybe(span: Option<Payload<Span>>) -> Json<Option<Span>> {
    Json(span.map(|Payload(span)| span))
}

/// A service with one path of each kind.
async fn service() -> Service {
    let router = Router::new()
        .route("/span", post(|Payload(span): Payload<Span>| async { Json(span) }))
        .route("/maybe", post(maybe).delete(maybe))
        .route("/pop/{id}", get(|Segments(id): Segments<PopId>| async { Json(id) }))
        .route("/query", get(|Params(span): Params<Span>| async { Json(span) }))
        .route("/gone", get(|| async { ApiError::new(Code::StoreUnavailable, "the store is gone") }));
    Service::start(guarded(router)).await
}

#[tokio::test]
async fn a_good_body_passes_with_and_without_a_content_type() {
    let service = service().await;
    let span = json!({"pop": "pop1", "count": 3, "nested": [1.5], "unknown": true});
    let echoed = json!({"pop": "pop1", "count": 3, "nested": [1.5]});
    assert_eq!(service.post("/span", &span).await.expect(200), echoed);
    for content_type in [None, Some("application/json; charset=\"UTF-8\""), Some("application/vnd.x+json")] {
        let mut request = Request::post("/span").header("host", "x");
        if let Some(content_type) = content_type {
            request = request.header("content-type", content_type);
        }
        let request = request.body(Full::new(Bytes::from(span.to_string()))).unwrap();
        assert_eq!(service.send(request).await.expect(200), echoed);
    }
}

#[tokio::test]
async fn an_optional_body_may_be_empty_but_not_wrong() {
    let service = service().await;
    assert_eq!(service.post_raw("/maybe", "").await.expect(200), json!(null));
    assert_eq!(service.delete("/maybe").await.expect(200), json!(null));
    service.post_raw("/maybe", "{").await.expect_error(400, "malformed");
    service.post_raw("/span", "").await.expect_error(400, "malformed");
}

#[tokio::test]
async fn what_is_not_json_is_malformed() {
    let service = service().await;
    for body in [
        &b"{"[..],
        b"nonsense",
        b"{\"pop\":\"pop1\",\"count\":NaN}",
        b"{\"pop\":\"pop1\",\"count\":1} trailing",
        b"{\"pop\":\"p\xff\",\"count\":1}",
        b"\xef\xbb\xbf{\"pop\":\"pop1\",\"count\":1}",
    ] {
        service.post_raw("/span", body).await.expect_error(400, "malformed");
    }
    // A number, but none that fits.
    let huge = b"{\"pop\":\"pop1\",\"count\":1,\"nested\":[1e400]}".as_slice();
    service.post_raw("/span", huge).await.expect_error(422, "invalid_field");
    let deep = format!("{{\"pop\":\"pop1\",\"count\":1,\"nested\":{}", "[".repeat(500_000));
    service.post_raw("/span", deep).await.expect_error(422, "invalid_field");
}

#[tokio::test]
async fn a_field_of_the_wrong_type_or_value_is_named() {
    let service = service().await;
    for (body, field) in [
        (r#"{"pop":"pop1","count":"3"}"#, "count"),
        (r#"{"pop":"pop1","count":-1}"#, "count"),
        (r#"{"pop":"pop1","count":65536}"#, "count"),
        (r#"{"pop":"pop1","count":1.5}"#, "count"),
        (r#"{"pop":"pop1","count":1e300}"#, "count"),
        (r#"{"pop":17,"count":1}"#, "pop"),
        (r#"{"pop":"pop 1","count":1}"#, "pop"),
        (r#"{"pop":"","count":1}"#, "pop"),
        (r#"{"count":1}"#, "pop"),
        (r#"{"pop":"pop1","count":1,"nested":[0.5,"x"]}"#, "nested[1]"),
        (r#"{"pop":"pop1","pop":"pop2","count":1}"#, "pop"),
        (r#"["pop1", 1, []]"#, "body"),
        (r#""text""#, "body"),
    ] {
        let error = service.post_raw("/span", body).await.expect_error(422, "invalid_field");
        assert!(error.contains(field), "{body}: {error}");
    }
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_refused_and_the_sender_reads_why() {
    let service = service().await;
    let body = vec![b' '; 10_000_000];
    service.post_raw("/span", body.clone()).await.expect_error(413, "too_large");
    let announced = Request::post("/span")
        .header("host", "x")
        .header("expect", "100-continue")
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    service.send(announced).await.expect_error(413, "too_large");
    service.post("/span", &json!({"pop": "pop1", "count": 1})).await.expect(200);
}

#[tokio::test]
async fn another_content_type_is_refused() {
    let service = service().await;
    for content_type in
        ["application/x-www-form-urlencoded", "text/plain", "application/json; charset=latin1", "json"]
    {
        let request = Request::post("/span")
            .header("host", "x")
            .header("content-type", content_type)
            .body(Full::new(Bytes::from_static(b"{\"pop\":\"pop1\",\"count\":1}")))
            .unwrap();
        service.send(request).await.expect_error(415, "unsupported_media_type");
    }
}

#[tokio::test]
async fn unknown_paths_and_wrong_methods_have_the_shape_of_all_errors() {
    let service = service().await;
    service.get("/").await.expect_error(404, "unknown_path");
    service.get("/span/").await.expect_error(404, "unknown_path");
    service.get("/%ff").await.expect_error(404, "unknown_path");
    let answer = service.get("/span").await;
    answer.expect_error(405, "method_not_allowed");
    assert_eq!(answer.headers["allow"], "POST");
    let answer = service.request(Method::PUT, "/pop/pop1", "").await;
    answer.expect_error(405, "method_not_allowed");
    assert_eq!(answer.headers["allow"], "GET,HEAD");
}

#[tokio::test]
async fn path_segments_and_queries_are_checked() {
    let service = service().await;
    assert_eq!(service.get("/pop/pop1").await.expect(200), json!("pop1"));
    assert_eq!(service.get("/pop/pop%31").await.expect(200), json!("pop1"));
    service.get("/pop/pop%20x").await.expect_error(422, "invalid_field");
    service.get(&format!("/pop/{}", "p".repeat(64))).await.expect_error(422, "invalid_field");
    service.get("/pop/%ff").await.expect_error(400, "malformed");
    service.get("/query?pop=pop1&count=2").await.expect(200);
    for query in ["pop=pop1&count=-2", "pop=pop1&count=x", "pop=pop1", "count=1&pop=%ff"] {
        service.get(&format!("/query?{query}")).await.expect_error(422, "invalid_field");
    }
}

#[tokio::test]
async fn an_outage_names_its_cause_and_when_to_retry() {
    let service = service().await;
    let answer = service.get("/gone").await;
    assert_eq!(answer.expect_error(503, "store_unavailable"), "the store is gone");
    assert_eq!(answer.headers["retry-after"], "1");
}

#[tokio::test]
async fn no_origin_is_ever_allowed() {
    let service = service().await;
    for method in [Method::GET, Method::OPTIONS] {
        let request = Request::builder()
            .method(method)
            .uri("/pop/pop1")
            .header("host", "x")
            .header("origin", "http://elsewhere.example")
            .header("access-control-request-method", "POST")
            .body(Full::default())
            .unwrap();
        let answer = service.send(request).await;
        assert!(answer.headers.keys().all(|name| !name.as_str().starts_with("access-control")), "{answer:?}");
    }
}

#[tokio::test]
async fn a_stopped_service_finishes_what_is_in_flight_and_takes_no_more() {
    let (started, mut starts) = tokio::sync::mpsc::channel(1);
    let router = Router::new().route(
        "/slow",
        get(move || async move {
            started.send(()).await.unwrap();
            tokio::time::sleep(core::time::Duration::from_millis(200)).await;
            "done"
        }),
    );
    let service = Service::start(guarded(router)).await;
    let client: Client = *service;
    let asked = tokio::spawn(async move { client.get("/slow").await });
    starts.recv().await.unwrap();
    service.stop().await;
    assert_eq!(asked.await.unwrap().body, "done");
    assert!(tokio::net::TcpStream::connect(client.addr()).await.is_err());
}
