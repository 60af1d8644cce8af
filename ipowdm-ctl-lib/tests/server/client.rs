//! A REST client that keeps its connection.

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::net::TcpStream;

/// The connection broke: what became of the request is not known.
#[derive(Debug)]
pub(crate) struct Broken;

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

pub(crate) struct Client {
    addr: SocketAddr,
    sender: Option<SendRequest<Full<Bytes>>>,
}

impl Client {
    pub(crate) const fn new(addr: SocketAddr) -> Self {
        Self { addr, sender: None }
    }

    async fn send(&mut self, method: Method, path: &str, body: String) -> Result<Answer, Broken> {
        let answer = self.exchange(method, path, body).await;
        if answer.is_err() {
            self.sender = None;
        }
        answer
    }

    async fn exchange(&mut self, method: Method, path: &str, body: String) -> Result<Answer, Broken> {
        if self.sender.as_ref().is_none_or(SendRequest::is_closed) {
            let stream = TcpStream::connect(self.addr).await.map_err(|_| Broken)?;
            stream.set_nodelay(true).map_err(|_| Broken)?;
            let (sender, connection) =
                hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(|_| Broken)?;
            tokio::spawn(connection);
            self.sender = Some(sender);
        }
        let sender = self.sender.as_mut().ok_or(Broken)?;
        sender.ready().await.map_err(|_| Broken)?;
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.addr.to_string())
            .body(Full::new(Bytes::from(body)))
            .map_err(|_| Broken)?;
        let (parts, body) = sender.send_request(request).await.map_err(|_| Broken)?.into_parts();
        let bytes = body.collect().await.map_err(|_| Broken)?.to_bytes();
        let body = serde_json::from_slice(&bytes).expect("an answer is JSON");
        Ok(Answer { status: parts.status.as_u16(), body })
    }

    pub(crate) async fn get(&mut self, path: &str) -> Result<Answer, Broken> {
        self.send(Method::GET, path, String::new()).await
    }

    pub(crate) async fn delete(&mut self, path: &str) -> Result<Answer, Broken> {
        self.send(Method::DELETE, path, String::new()).await
    }

    pub(crate) async fn post(&mut self, path: &str, body: &Value) -> Result<Answer, Broken> {
        self.send(Method::POST, path, body.to_string()).await
    }

    pub(crate) async fn put(&mut self, path: &str, body: &Value) -> Result<Answer, Broken> {
        self.send(Method::PUT, path, body.to_string()).await
    }
}
