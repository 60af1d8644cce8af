use super::*;
use crate::http::serve::serve_within;
use crate::http::sse;
use crate::http::tests::client::Client;
use axum::routing::get;
use axum::{Extension, Router};
use core::pin::pin;
use core::task::Poll;
use core::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};

const PLACES: usize = 4;

/// Far longer than any test takes: what ends in time ends for another reason.
const FOREVER: Duration = Duration::from_secs(86_400);

/// What anything here is waited for at most.
const PATIENCE: Duration = Duration::from_secs(60);

async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("in time")
}

/// Polls once.
async fn waits<F: Future>(future: Pin<&mut F>) -> bool {
    let mut future = future;
    core::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

type Release = oneshot::Sender<()>;

/// A service of four places. `GET /slow` hands out what releases it.
async fn service() -> (crate::http::Served, Client, mpsc::Receiver<Release>) {
    let (begun, begins) = mpsc::channel::<Release>(16);
    let slow = move || async move {
        let (release, released) = oneshot::channel();
        begun.send(release).await.unwrap();
        released.await.unwrap();
        "done"
    };
    let router = Router::new().route("/health", get(|| async { "well" })).route("/slow", get(slow));
    let served = serve_within(router, "127.0.0.1:0".parse().unwrap(), PLACES, FOREVER).await.unwrap();
    let client = Client::at(served.addr());
    (served, client, begins)
}

#[tokio::test]
async fn idle_connections_make_room_for_a_request_whether_they_have_sent_one_or_not() {
    let (served, client, _begins) = service().await;
    let mut idle = Vec::new();
    for number in 0..PLACES * 3 {
        let mut stream = TcpStream::connect(served.addr()).await.unwrap();
        match number % 3 {
            0 => {}
            // Half a request.
            1 => stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n").await.unwrap(),
            _ => {
                stream.write_all(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
                let mut answer = [0; 12];
                soon(stream.read_exact(&mut answer)).await.unwrap();
                assert_eq!(&answer, b"HTTP/1.1 200");
            }
        }
        idle.push(stream);
    }
    for _ in 0..PLACES * 3 {
        assert_eq!(soon(client.get("/health")).await.body, "well");
    }
}

#[tokio::test]
async fn a_connection_at_work_is_not_closed_for_another() {
    let (served, client, mut begins) = service().await;
    let asked = tokio::spawn(async move { client.get("/slow").await });
    let release = soon(begins.recv()).await.unwrap();
    let mut idle = Vec::new();
    for _ in 0..PLACES * 3 {
        idle.push(TcpStream::connect(served.addr()).await.unwrap());
        assert_eq!(soon(client.get("/health")).await.body, "well");
    }
    release.send(()).unwrap();
    assert_eq!(soon(asked).await.unwrap().body, "done");
}

#[tokio::test]
async fn where_all_are_at_work_the_next_waits_for_the_first_that_is_done() {
    let (_served, client, mut begins) = service().await;
    let mut asked = Vec::new();
    let mut releases = Vec::new();
    for _ in 0..PLACES {
        asked.push(tokio::spawn(async move { client.get("/slow").await }));
        releases.push(soon(begins.recv()).await.unwrap());
    }
    let waiting = tokio::spawn(async move { client.get("/health").await });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    releases.remove(2).send(()).unwrap();
    assert_eq!(soon(waiting).await.unwrap().body, "well");
    releases.into_iter().for_each(|release| release.send(()).unwrap());
    for answer in asked {
        assert_eq!(soon(answer).await.unwrap().body, "done");
    }
}

#[tokio::test]
async fn the_connection_that_has_been_idle_for_longest_leaves_first() {
    let crowd = Crowd::new(2);
    let (first, second) = (crowd.enter().await, crowd.enter().await);
    drop(first.working());
    // The second has never worked, but came before the first was done.
    let mut newcomer = Box::pin(crowd.enter());
    assert!(waits(newcomer.as_mut()).await);
    assert!(waits(pin!(first.left())).await);
    second.left().await;
    // Told to leave, it has begun to work in the last moment: the other leaves.
    drop(newcomer);
    let at_work = second.working();
    second.leave.notify_one();
    assert!(waits(pin!(second.left())).await);
    let mut newcomer = Box::pin(crowd.enter());
    assert!(waits(newcomer.as_mut()).await);
    first.left().await;
    drop(first);
    newcomer.await;
    drop(at_work);
}

/// A stream of events that says one thing and goes on.
async fn stream(open: Option<Extension<Open>>) -> axum::response::Response {
    let first = futures_util::stream::iter([Ok(sse::named("hello", &serde_json::json!({})))]);
    let events = futures_util::StreamExt::chain(first, futures_util::stream::pending());
    axum::response::IntoResponse::into_response(sse::answer(events, open))
}

async fn streaming() -> (crate::http::Served, TcpStream) {
    let router = Router::new().route("/health", get(|| async { "well" })).route("/events", get(stream));
    let served = serve_within(router, "127.0.0.1:0".parse().unwrap(), PLACES, FOREVER).await.unwrap();
    let mut events = TcpStream::connect(served.addr()).await.unwrap();
    events.write_all(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut read = Vec::new();
    while !read.ends_with(b"\n\n\r\n") {
        read.push(soon(events.read_u8()).await.unwrap());
    }
    (served, events)
}

#[tokio::test]
async fn a_connection_with_a_stream_of_events_is_not_idle() {
    let (served, mut events) = streaming().await;
    let client = Client::at(served.addr());
    let mut idle = Vec::new();
    for _ in 0..PLACES * 3 {
        idle.push(TcpStream::connect(served.addr()).await.unwrap());
        assert_eq!(soon(client.get("/health")).await.body, "well");
    }
    let mut byte = [0];
    assert!(waits(pin!(events.read(&mut byte))).await, "the stream is still open");
}

#[tokio::test]
async fn streams_of_events_end_whole_when_the_service_ends() {
    let (served, mut events) = streaming().await;
    let (mut rest, shutdown) = (Vec::new(), served.shutdown());
    let (read, ()) = soon(async { tokio::join!(events.read_to_end(&mut rest), shutdown) }).await;
    read.unwrap();
    assert_eq!(rest, b"0\r\n\r\n", "the last chunk: it was not cut off");
}
