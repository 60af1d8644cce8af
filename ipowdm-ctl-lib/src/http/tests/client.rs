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
    /// The service's own, where it has one: every answer is held against it.
    document: Option<&'static Value>,
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
        let mut client = Client { addr: served.addr(), document: None };
        let document = client.get("/openapi.json").await;
        if document.status == StatusCode::OK {
            // Clients are copied about; there are as many documents as services in the tests.
            client.document = Some(Box::leak(Box::new(document.json())));
        }
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
        Self { addr, document: None }
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
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let (parts, body) = sender.send_request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        driver.abort();
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        if let Some(document) = self.document {
            documented(document, &method, &path, &answer);
        }
        answer
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

    pub(in crate::http) async fn put(&self, path: &str, body: &Value) -> Answer {
        self.request(Method::PUT, path, body.to_string()).await
    }

    pub(in crate::http) async fn delete(&self, path: &str) -> Answer {
        self.request(Method::DELETE, path, Bytes::new()).await
    }
}

/// Whether a path is one of a template. A last parameter takes the rest.
fn is_of(path: &str, template: &str) -> bool {
    let (mut asked, mut wanted) = (path.split('/'), template.split('/').peekable());
    while let Some(segment) = wanted.next() {
        let Some(found) = asked.next() else { return false };
        let parameter = segment.starts_with('{');
        if found.is_empty() && parameter || found != segment && !parameter {
            return false;
        }
        if parameter && wanted.peek().is_none() && template.contains("/operations/") {
            return true;
        }
    }
    asked.next().is_none()
}

/// Asserts that status and content type of an answer are among those that the document has for the operation, if it has it.
fn documented(document: &Value, method: &Method, path: &str, answer: &Answer) {
    let paths = document["paths"].as_object().expect("a document has paths");
    // A path that is spelt out goes before one with parameters.
    let item = paths
        .get(path)
        .or_else(|| paths.iter().find(|(template, _)| is_of(path, template)).map(|(_, item)| item));
    let Some(operation) = item.and_then(|item| item.get(method.as_str().to_ascii_lowercase())) else {
        return;
    };
    let response = &operation["responses"][answer.status.as_str()];
    assert!(!response.is_null(), "{method} {path} answers {}, which is not documented", answer.status);
    let said = answer.headers.get("content-type").and_then(|said| said.to_str().ok());
    let said = said.and_then(|said| said.split(';').next());
    match response["content"].as_object() {
        Some(content) => assert!(
            content.keys().any(|known| Some(known.as_str()) == said),
            "{method} {path} answers {} with {said:?}, which is not documented",
            answer.status
        ),
        None => assert!(answer.body.is_empty(), "{method} {path}: a body that is not documented"),
    }
}
