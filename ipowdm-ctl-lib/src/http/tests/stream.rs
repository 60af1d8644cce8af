//! A client that reads server-sent events as they come.

use core::time::Duration;
use serde_json::Value;
use std::net::SocketAddr;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Longest that an event is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// A stream that is being read.
pub(in crate::http) struct Events {
    stream: BufReader<TcpStream>,
}

/// An event as it came.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::http) struct Came {
    pub(in crate::http) name: String,
    /// Empty where it has none.
    pub(in crate::http) id: String,
    pub(in crate::http) data: Value,
}

impl Events {
    /// Asks for a stream; `headers` are lines, each with its end.
    pub(in crate::http) async fn open(addr: SocketAddr, path: &str, headers: &str) -> Self {
        let mut stream = TcpStream::connect(addr).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: {addr}\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// The next event; `None` where the stream has ended.
    pub(in crate::http) async fn next_or_end(&mut self) -> Option<Came> {
        let (mut name, mut id, mut data) = (String::new(), String::new(), None);
        loop {
            let mut line = String::new();
            let read = timeout(PATIENCE, self.stream.read_line(&mut line)).await;
            if read.expect("an event comes in time").unwrap() == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("event", text)) => name = text.to_owned(),
                Some(("id", text)) => id = text.to_owned(),
                Some(("data", text)) => data = Some(serde_json::from_str(text).unwrap()),
                // The last chunk of an answer that has no length.
                None if line == "0\r\n" => return None,
                // An empty line ends an event.
                None if line.trim_end().is_empty() => {
                    if let Some(data) = data.take() {
                        return Some(Came { name, id, data });
                    }
                }
                _ => {}
            }
        }
    }

    /// Everything to the end of the connection.
    pub(in crate::http) async fn rest(&mut self) -> String {
        let mut rest = String::new();
        let read = timeout(PATIENCE, self.stream.read_to_string(&mut rest)).await;
        read.expect("the connection ends in time").unwrap();
        rest
    }

    /// Name, id and data of the next event.
    pub(in crate::http) async fn next(&mut self) -> (String, String, Value) {
        let Came { name, id, data } = self.next_or_end().await.expect("the stream goes on");
        (name, id, data)
    }

    /// The next event that `wanted` accepts.
    pub(in crate::http) async fn until(&mut self, wanted: impl Fn(&Came) -> bool) -> Came {
        loop {
            let came = self.next_or_end().await.expect("the stream goes on");
            if wanted(&came) {
                return came;
            }
        }
    }
}
