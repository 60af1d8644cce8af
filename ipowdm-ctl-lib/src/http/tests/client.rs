//! A small HTTP client over a real connection on the loopback address.

use crate::http::{Served, serve};
use axum::Router;
use bytes::Bytes;
use core::ops::Deref;
use http_body_util::{BodyExt as _, Full};
use hyper::header::HeaderMap;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;

/// A served router.
pub(in crate::http) struct Service {
    served: Served,
    client: Client,
}

/// Asks the service at an address.
#[derive(Debug, Clone, Copy)]
pub(in crate::http) struct Client {
    addr: SocketAddr,
}

/// An answer that has been read whole.
#[derive(Debug)]
pub(in crate::http) struct Answer {
    pub(in crate::http) status: StatusCode,
    pub(in crate::http) headers: HeaderMap,
    pub(in crate::http) body: Bytes,
}

impl Answer {
    pub(in crate::http) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?} {:?}", self.status, self.body))
    }

    /// The JSON of an answer that must have this status.
    #[track_caller]
    pub(in crate::http) fn expect(&self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", String::from_utf8_lossy(&self.body));
        self.json()
    }

    /// Asserts an error with this status and stable code, in the shape that every error has; answers its text.
    #[track_caller]
    pub(in crate::http) fn expect_error(&self, status: u16, code: &str) -> String {
        let json = self.expect(status);
        assert_eq!(json["code"], code, "{json}");
        let error = json["error"].as_str().expect("error is text");
        assert!(!error.is_empty());
        assert!(json["detail"].as_str().expect("detail is text").starts_with(error), "{json}");
        assert!(json["method"].is_string() && json["path"].is_string(), "{json}");
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(
            (json["status"].as_u64(), &json["instance"]),
            (Some(status.into()), &json["path"]),
            "{json}"
        );
        error.to_owned()
    }
}

impl Service {
    pub(in crate::http) async fn start(router: Router) -> Self {
        let served = serve(router, "127.0.0.1:0".parse().unwrap()).await.unwrap();
        let client = Client { addr: served.addr() };
        Self { served, client }
    }

    pub(in crate::http) async fn stop(self) {
        self.served.shutdown().await;
    }
}

impl Deref for Service {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

impl Client {
    pub(in crate::http) const fn at(addr: SocketAddr) -> Self {
        Self { addr }
    }

    pub(in crate::http) const fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// One request on a connection of its own.
    pub(in crate::http) async fn send(&self, request: Request<Full<Bytes>>) -> Answer {
        let stream = tokio::net::TcpStream::connect(self.addr).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        let driver = tokio::spawn(connection);
        let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        driver.abort();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    pub(in crate::http) async fn request(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Answer {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.addr.to_string())
            .header("content-type", "application/json")
            .body(Full::new(body.into()))
            .unwrap();
        self.send(request).await
    }

    pub(in crate::http) async fn get(&self, path: &str) -> Answer {
        self.request(Method::GET, path, Bytes::new()).await
    }

    pub(in crate::http) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::POST, path, body.to_string()).await
    }

    /// A POST whose body is sent as it stands.
    pub(in crate::http) async fn post_raw(&self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.request(Method::POST, path, body).await
    }

    pub(in crate::http) async fn delete(&self, path: &str) -> Answer {
        self.request(Method::DELETE, path, Bytes::new()).await
    }
}
