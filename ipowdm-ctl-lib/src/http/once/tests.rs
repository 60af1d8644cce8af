use super::*;
use crate::http::access::{Access, NewToken, Role, TokenTable};
use crate::http::linkdb_router;
use crate::http::tests::client::{Answer as Reply, Service};
use crate::http::tests::lab::Tenant;
use crate::linkdb::LinkDb;
use bytes::Bytes;
use http_body_util::Full;
use serde_json::{Value, json};

mod crashes;

fn asked(key: &str, request: u8) -> Asked {
    Asked { key: key.to_owned(), request: [request; 32], time: 1000 }
}

fn answer(status: u16) -> Answer {
    Answer { status, content_type: None, location: None, body: vec![1] }
}

fn carry_out() -> Verdict {
    Verdict::CarryOut(Vec::new())
}

fn settle(bucket: &mut Bucket, asked: &Asked, status: u16) {
    bucket.settle(asked, &Outcome::Answered(answer(status)), Millis(0));
}

#[test]
fn a_key_is_for_one_request_and_has_one_answer() {
    let mut bucket = Bucket::default();
    let first = asked("k", 1);
    assert_eq!(bucket.ask(&first, Millis(0)), carry_out());
    assert_eq!(bucket.ask(&first, Millis(1)), Verdict::Refused(Refusal::UnderWay));
    assert_eq!(bucket.ask(&asked("k", 2), Millis(1)), Verdict::Refused(Refusal::Reused));
    settle(&mut bucket, &first, 201);
    assert_eq!(bucket.ask(&first, Millis(2)), Verdict::Again(answer(201)));
    assert_eq!(bucket.ask(&asked("k", 2), Millis(2)), Verdict::Refused(Refusal::Reused));
    assert_eq!(bucket.ask(&asked("other", 2), Millis(2)), carry_out());
}

#[test]
fn what_was_not_tried_leaves_its_key_free() {
    let mut bucket = Bucket::default();
    let first = asked("k", 1);
    assert_eq!(bucket.ask(&first, Millis(0)), carry_out());
    bucket.settle(&first, &Outcome::Forgotten, Millis(0));
    assert_eq!(bucket.ask(&asked("k", 2), Millis(1)), carry_out());
}

#[test]
fn what_has_no_answer_may_be_asked_again_at_once_where_it_has_ended_and_after_its_time_where_nobody_knows() {
    let mut bucket = Bucket::default();
    let (failed, cut_off) = (asked("failed", 1), asked("cut off", 1));
    for request in [&failed, &cut_off] {
        assert_eq!(bucket.ask(request, Millis(0)), carry_out());
    }
    bucket.settle(&failed, &Outcome::Open, Millis(10));
    assert_eq!(bucket.ask(&asked("failed", 2), Millis(10)), Verdict::Refused(Refusal::Reused));
    assert_eq!(bucket.ask(&failed, Millis(10)), carry_out());
    assert_eq!(bucket.ask(&cut_off, Millis(1999)), Verdict::Refused(Refusal::UnderWay));
    assert_eq!(bucket.ask(&cut_off, Millis(2000)), carry_out());
    assert_eq!(bucket.ask(&cut_off, Millis(2001)), Verdict::Refused(Refusal::UnderWay), "by one at a time");
}

#[test]
fn keys_expire_and_the_oldest_of_a_full_bucket_makes_room() {
    let mut bucket = Bucket::default();
    let gone = |key: &str| Verdict::CarryOut(vec![key.to_owned()]);
    for number in 0..=DEEP {
        let request = asked(&number.to_string(), 1);
        let expected = if number == DEEP { gone("0") } else { carry_out() };
        assert_eq!(bucket.ask(&request, Millis(number as u64)), expected);
        settle(&mut bucket, &request, 200);
    }
    assert_eq!(bucket.0.len(), DEEP);
    assert_eq!(bucket.ask(&asked("1", 1), Millis(DEEP as u64)), Verdict::Again(answer(200)));
    assert_eq!(bucket.ask(&asked("0", 2), Millis(DEEP as u64)), gone("1"));
    assert_eq!(bucket.ask(&asked(&DEEP.to_string(), 1), Millis(KEPT)), Verdict::Again(answer(200)));
    let Verdict::CarryOut(expired) = bucket.ask(&asked(&DEEP.to_string(), 2), Millis(KEPT + DEEP as u64))
    else {
        panic!("it has expired");
    };
    assert_eq!(expired.len(), DEEP);
}

/// A POST with a key.
async fn post(service: &Service, token: Option<&str>, key: &str, path: &str, body: &Value) -> Reply {
    let mut request = axum::http::Request::post(path)
        .header("host", "x")
        .header("content-type", "application/json")
        .header("idempotency-key", key);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    service.send(request.body(Full::new(Bytes::from(body.to_string()))).unwrap()).await
}

fn pop(id: &str) -> Value {
    json!({"pop_id": id, "name": id, "location": "x"})
}

#[tokio::test]
async fn the_same_request_with_the_same_key_gets_the_same_answer_over_a_restart_too() {
    let store = Store::memory();
    let start = || Service::start(linkdb_router(LinkDb::new(store.clone()), Access::open()));
    let service = start().await;
    let first = post(&service, None, "k-1", "/api/pops", &pop("pop1")).await;
    first.expect(200);
    assert!(!first.headers.contains_key("idempotency-replayed"));
    service.stop().await;
    let service = start().await;
    let again = post(&service, None, "k-1", "/api/pops", &pop("pop1")).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(again.headers["content-type"], "application/json");
    post(&service, None, "k-1", "/api/pops", &pop("pop2")).await.expect_error(422, "idempotency_key_reused");
    post(&service, None, "k-1", "/api/pops?x=1", &pop("pop1"))
        .await
        .expect_error(422, "idempotency_key_reused");
    // Without the key it is what it is.
    service.post("/api/pops", &pop("pop1")).await.expect_error(400, "already_exists");
    // A refusal is an answer, too.
    let refused = post(&service, None, "k-2", "/api/pops", &pop("pop1")).await;
    refused.expect_error(400, "already_exists");
    service.delete("/api/pops/pop1").await.expect(200);
    let again = post(&service, None, "k-2", "/api/pops", &pop("pop1")).await;
    assert_eq!(
        (again.expect(400), &again.headers["content-type"]),
        (refused.json(), &refused.headers["content-type"])
    );
    assert_eq!(service.get("/api/pops").await.expect(200)["count"], 0);
}

#[tokio::test]
async fn a_key_that_is_none_is_refused_and_changes_nothing() {
    let service = Service::start(linkdb_router(LinkDb::new(Store::memory()), Access::open())).await;
    for key in ["", "a b", &"k".repeat(256)] {
        let answer = post(&service, None, key, "/api/pops", &pop("pop1")).await;
        answer.expect_error(422, "invalid_field");
    }
    assert_eq!(service.get("/api/pops").await.expect(200)["count"], 0);
}

#[tokio::test]
async fn keys_of_one_caller_are_unknown_to_another() {
    let (one, other) = (NewToken::generate().unwrap(), NewToken::generate().unwrap());
    let table = TokenTable::default().with("one", Role::Operator, &one).unwrap();
    let table = table.with("other", Role::Operator, &other).unwrap();
    let db = LinkDb::new(Store::memory());
    let service = Service::start(linkdb_router(db, Access::tokens(table))).await;
    post(&service, Some(one.secret()), "k", "/api/pops", &pop("pop1")).await.expect(200);
    let answer = post(&service, Some(other.secret()), "k", "/api/pops", &pop("pop2")).await;
    answer.expect(200);
    assert!(!answer.headers.contains_key("idempotency-replayed"));
    let nobody = post(&service, None, "k", "/api/pops", &pop("pop1")).await;
    assert_eq!(nobody.status, 401);
}

#[tokio::test]
async fn a_connection_whose_id_the_service_makes_up_is_made_once() {
    let tenant = Tenant::start().await;
    let body = json!({"source_pop": "pop1", "destination_pop": "pop2"});
    let first = post(&tenant.ctl, None, "k", "/api/v1/connections", &body).await;
    let made = first.expect(201);
    let again = post(&tenant.ctl, None, "k", "/api/v1/connections", &body).await;
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.headers["location"], first.headers["location"]);
    let list = tenant.ctl.get("/api/v1/connections").await.expect(200);
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert!(made["connection_id"].as_str().unwrap().starts_with("C-"), "{made}");
}
