//! Idempotency keys: a POST that is sent again with the same header `Idempotency-Key` gets the answer that the first one got.
//!
//! | the key was seen | answer |
//! |---|---|
//! | never, or too long ago | the request is carried out; its answer is kept, unless it says that nothing was tried |
//! | with the same request, answered | that answer again, with `Idempotency-Replayed: true` |
//! | with another request (method, path, query or body) | 422 `idempotency_key_reused` |
//! | with the same request, not answered yet | 409 `illegal_state` with `Retry-After` |
//!
//! Keys are each caller's own. They are kept in the service's store: in one transaction before the request is carried out, and with
//! the answer afterwards. What the request changes is committed together with a [`Receipt`], which says that this key has done it,
//! and what it has led to.
//!
//! So a request is carried out at most once, whatever ends in between. Where its answer was lost (the process ended, the outcome of
//! the commit is not known, the answer was an error of the server), the same request finds the receipt, changes nothing, and is
//! answered from what the first one has led to; without a receipt nothing was changed, and it is carried out now. It is refused
//! as under way until twice the time that it may take has passed, or the first one has ended.
//!
//! The slice manager's requests have no receipt, for they take many transactions: an activation that was cut off is undone when
//! the slice manager starts again, one that was done is found by the id of the virtual operator, topics that are there are not made
//! again.
//!
//! An answer with a secret in it (`Cache-Control: no-store`) is not kept: the same request is carried out again.
//!
//! Bounded: a caller has [`BUCKETS`] × [`DEEP`] keys in a store, of which the oldest of a bucket make room, with their receipts; an
//! answer larger than [`LARGEST`] bytes is not kept, and made again from the receipt. A key is forgotten after [`KEPT`] on the
//! store's clock.

use super::access::Caller;
use super::error::{ApiError, locate};
use super::extract::read;
use super::guard::wait_of;
use crate::store::{Key, Receipt, Record, Store, StoreClock, StoreError, Tx};
use aide::OperationInput;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use core::convert::Infallible;
use core::fmt::Write as _;
use core::time::Duration;
use ipowdm_core::error::Code;
use ipowdm_core::ids::ConnectionId;
use ipowdm_core::time::Millis;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::sync::Arc;
use tokio::sync::OnceCell;

/// Buckets of a caller's keys.
const BUCKETS: u8 = 128;

/// Keys of a bucket.
const DEEP: usize = 8;

/// The largest answer that is kept, in bytes.
const LARGEST: usize = 64 << 10;

/// How long a key is kept, in milliseconds: a day.
const KEPT: u64 = 24 * 3600 * 1000;

/// Most characters of a key.
const LONGEST: usize = 255;

/// The header of a request.
pub(super) const KEY: &str = "idempotency-key";

/// The header of an answer that was given before.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// A digest that stands for a key of a caller: whoever makes up an id from it makes up the same one again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Once([u8; 32]);

impl Once {
    fn of(service: &str, caller: &Caller, key: &str) -> Self {
        Self(digest(&[service.as_bytes(), caller.0.name.as_bytes(), key.as_bytes()]))
    }

    /// The id of a connection whose request names none.
    pub(super) fn connection_id(self) -> Result<ConnectionId, ApiError> {
        let text = format!("C-{}", hex(&self.0[..16]));
        ConnectionId::new(&text).map_err(|error| ApiError::new(Code::Internal, error))
    }

    fn receipt(self) -> Receipt {
        Receipt::named(&hex(&self.0))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a string does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The receipt of a request with a key; none where it has no key. Whoever changes something commits it with the change.
#[derive(Debug, Clone, Default)]
pub(super) struct Kept(pub(super) Receipt);

impl<S: Send + Sync> FromRequestParts<S> for Kept {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(parts.extensions.get::<Once>().map_or_else(Self::default, |once| Self(once.receipt())))
    }
}

impl OperationInput for Kept {}

/// An answer as it was given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Answer {
    status: u16,
    content_type: Option<String>,
    location: Option<String>,
    body: Vec<u8>,
}

/// A key and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    key: String,
    /// Digest of the request.
    request: [u8; 32],
    at: Millis,
    /// From when on a request without an answer is not under way any more.
    until: Millis,
    /// Absent while the request is carried out, or where it was cut off.
    answer: Option<Answer>,
}

/// Keys of a caller that share a bucket, the oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Bucket(Vec<Seen>);

impl Record for Bucket {
    const KIND: &'static str = "idempotency";
    const VERSION: u8 = 1;
}

/// What is to be done with a request.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// It is the first of its key, or the first has no answer and is not under way any more. These keys made room.
    CarryOut(Vec<String>),
    Again(Answer),
    Refused(Refusal),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Reused,
    UnderWay,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Outcome {
    Answered(Answer),
    /// Nothing was tried, or nobody is to know what came of it: the key is free.
    Forgotten,
    /// Whether it was carried out is for the receipt to say.
    Open,
}

/// A request with a key.
#[derive(Debug, Clone)]
struct Asked {
    key: String,
    request: [u8; 32],
    /// How long it may take, in milliseconds.
    time: u64,
}

impl Bucket {
    /// Looks a key up, and notes it where the request is to be carried out.
    fn ask(&mut self, asked: &Asked, now: Millis) -> Verdict {
        let (kept, mut gone): (Vec<Seen>, Vec<Seen>) =
            core::mem::take(&mut self.0).into_iter().partition(|seen| now.since(seen.at) < KEPT);
        self.0 = kept;
        let until = now.plus(asked.time.saturating_mul(2));
        match self.0.iter_mut().find(|seen| seen.key == asked.key) {
            Some(seen) => match &seen.answer {
                _ if seen.request != asked.request => return Verdict::Refused(Refusal::Reused),
                Some(answer) => return Verdict::Again(answer.clone()),
                None if now < seen.until => return Verdict::Refused(Refusal::UnderWay),
                None => seen.until = until,
            },
            None => {
                let surplus = (self.0.len() + 1).saturating_sub(DEEP);
                gone.extend(self.0.drain(..surplus));
                let (key, request) = (asked.key.clone(), asked.request);
                self.0.push(Seen { key, request, at: now, until, answer: None });
            }
        }
        Verdict::CarryOut(gone.into_iter().map(|seen| seen.key).collect())
    }

    /// Keeps what came of a request that was carried out.
    fn settle(&mut self, asked: &Asked, outcome: &Outcome, now: Millis) {
        let mine = |seen: &Seen| seen.key == asked.key && seen.request == asked.request;
        if *outcome == Outcome::Forgotten {
            self.0.retain(|seen| !mine(seen));
        } else if let Some(seen) = self.0.iter_mut().find(|seen| mine(seen)) {
            match outcome {
                Outcome::Answered(answer) => seen.answer = Some(answer.clone()),
                Outcome::Open | Outcome::Forgotten => seen.until = now,
            }
        }
    }
}

/// What the layer of a service has.
#[derive(Debug)]
struct Keeper {
    store: Store,
    /// Whose keys these are, beside the caller: services share a store.
    service: String,
    /// Time for a request, a `wait` not counted.
    time: Duration,
    clock: OnceCell<StoreClock>,
}

/// Puts idempotency keys around a service's routes. `service` tells services that share a store apart.
pub(super) fn once(router: Router, store: Store, service: String, time: Duration) -> Router {
    let keeper = Keeper { store, service, time, clock: OnceCell::new() };
    router.layer(from_fn_with_state(Arc::new(keeper), pass))
}

async fn pass(State(keeper): State<Arc<Keeper>>, request: Request, next: Next) -> Response {
    let keyed = request.method() == Method::POST && request.headers().contains_key(KEY);
    if !keyed {
        return next.run(request).await;
    }
    match keeper.pass(request, next).await {
        Ok(response) => response,
        Err(refused) => refused.into_response(),
    }
}

impl Keeper {
    async fn pass(&self, mut request: Request, next: Next) -> Result<Response, ApiError> {
        let caller = request.extensions().get::<Caller>().cloned();
        let caller = caller.ok_or_else(|| ApiError::new(Code::Unauthenticated, "a key needs a caller"))?;
        let key = key_in(&request)?;
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let (parts, body) = request.into_parts();
        let body = read(&parts, body).await?;
        let time = self.time + wait_of(&uri).unwrap_or_default();
        let target = uri.path_and_query().map_or("", |target| target.as_str());
        let asked = Asked {
            request: digest(&[method.as_str().as_bytes(), target.as_bytes(), &body]),
            time: u64::try_from(time.as_millis()).unwrap_or(u64::MAX),
            key,
        };
        let own = Once::of(&self.service, &caller, &asked.key);
        let bucket = self.bucket(&caller, own);
        match self.ask(&caller, &bucket, &asked).await? {
            Verdict::Again(answer) => return Ok(answer.again()),
            Verdict::Refused(refusal) => return Err(refusal.into()),
            Verdict::CarryOut(_) => {}
        }
        request = Request::from_parts(parts, Body::from(body));
        request.extensions_mut().insert(own);
        let response = locate(next.run(request).await, method.as_str(), uri.path());
        let (response, outcome) = taken(response).await;
        self.settle(&bucket, &asked, own, outcome).await;
        Ok(response)
    }

    fn bucket(&self, caller: &Caller, own: Once) -> Key<Bucket> {
        let number = (own.0[0] % BUCKETS).to_string();
        Key::new(&[&self.service, &caller.0.name, &number])
    }

    async fn now(&self) -> Result<Millis, StoreError> {
        let clock = self.clock.get_or_try_init(|| StoreClock::resume(&self.store)).await?;
        Ok(clock.now())
    }

    async fn ask(&self, caller: &Caller, bucket: &Key<Bucket>, asked: &Asked) -> Result<Verdict, StoreError> {
        let now = self.now().await?;
        let ask = |tx: &mut Tx| {
            let mut seen = tx.get(bucket)?.unwrap_or_default();
            let verdict = seen.ask(asked, now);
            if let Verdict::CarryOut(gone) = &verdict {
                tx.put(bucket, &seen)?;
                for key in gone {
                    Once::of(&self.service, caller, key).receipt().discard_in(tx);
                }
            }
            Ok::<_, StoreError>(verdict)
        };
        self.store.transact(ask).await
    }

    /// What cannot be kept is a key that stays without an answer: its receipt says what came of it.
    async fn settle(&self, bucket: &Key<Bucket>, asked: &Asked, own: Once, outcome: Outcome) {
        // Only what is asked about again would notice.
        let now = self.now().await.unwrap_or_default();
        let settle = |tx: &mut Tx| {
            let mut seen = tx.get(bucket)?.unwrap_or_default();
            seen.settle(asked, &outcome, now);
            if outcome != Outcome::Open {
                own.receipt().discard_in(tx);
            }
            tx.put(bucket, &seen)
        };
        if let Err(error) = self.store.transact(settle).await {
            tracing::warn!(%error, "the answer to a request with an idempotency key was not kept");
        }
        // A clock that nobody stores would begin again where it did.
        if let Some(clock) = self.clock.get()
            && let Err(error) = clock.keep(&self.store).await
        {
            tracing::warn!(%error, "the store's clock was not stored");
        }
    }
}

/// The key that a request has: printable ASCII.
fn key_in(request: &Request) -> Result<String, ApiError> {
    let mut keys = request.headers().get_all(KEY).iter();
    let (Some(key), None) = (keys.next(), keys.next()) else {
        return Err(ApiError::invalid("Idempotency-Key", "one is expected"));
    };
    match key.to_str() {
        Ok(text)
            if (1..=LONGEST).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) =>
        {
            Ok(text.to_owned())
        }
        _ => Err(ApiError::invalid(
            "Idempotency-Key",
            format_args!("1 to {LONGEST} printable ASCII characters without spaces are expected"),
        )),
    }
}

/// A digest of parts that cannot be taken for other parts.
fn digest(parts: &[&[u8]]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update(u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// Whether an answer says that the request was not tried.
fn not_tried(status: StatusCode) -> bool {
    let refusals = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    refusals.contains(&status)
}

/// The answer to give, and what is to be kept of it.
async fn taken(response: Response) -> (Response, Outcome) {
    // What nobody is to store is not stored here either.
    let confidential = response.headers().get(header::CACHE_CONTROL).is_some_and(|said| said == "no-store");
    if confidential || not_tried(response.status()) {
        return (response, Outcome::Forgotten);
    }
    // The outcome of a commit may not be known, or something has failed after it.
    if response.status().is_server_error() {
        return (response, Outcome::Open);
    }
    let (parts, body) = response.into_parts();
    // Every answer to a POST is made whole before it is sent.
    let bytes = match to_bytes(body, usize::MAX).await {
        Ok(bytes) => bytes,
        Err(error) => {
            let error = ApiError::new(Code::Internal, format_args!("the answer broke off: {error}"));
            return (error.into_response(), Outcome::Open);
        }
    };
    let text =
        |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let outcome = if bytes.len() <= LARGEST {
        Outcome::Answered(Answer {
            status: parts.status.as_u16(),
            content_type: text(header::CONTENT_TYPE),
            location: text(header::LOCATION),
            body: bytes.to_vec(),
        })
    } else {
        Outcome::Open
    };
    (Response::from_parts(parts, Body::from(bytes)), outcome)
}

impl Answer {
    fn again(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::OK);
        let headers = response.headers_mut();
        for (name, text) in [(header::CONTENT_TYPE, self.content_type), (header::LOCATION, self.location)] {
            if let Some(value) = text.and_then(|text| HeaderValue::from_str(&text).ok()) {
                headers.insert(name, value);
            }
        }
        headers.insert(REPLAYED, HeaderValue::from_static("true"));
        response
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Reused => Self::new(
                Code::IdempotencyKeyReused,
                "the Idempotency-Key was sent with another request before",
            )
            .hint("take a new key for a new request"),
            Refusal::UnderWay => Self::new(
                Code::IllegalState,
                "the request with this Idempotency-Key is still being carried out",
            )
            .hint("send it again a little later"),
        }
    }
}

#[cfg(test)]
mod tests;
