//! The program, started and ended.

use crate::client::Client;
use serde_json::json;
use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};

pub(crate) const LINK: &str = "pop1-pop2";
pub(crate) const VOP: &str = "vOp2";

/// A LinkDB in a process of its own. It is killed when this is dropped.
pub(crate) struct Server {
    child: Child,
    pub(crate) addr: SocketAddr,
}

pub(crate) fn command() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_ipowdm-ctl"));
    for name in ["IPOWDM_STORE", "REDIS_URL", "LOG_LEVEL"] {
        command.env_remove(name);
    }
    command
}

impl Server {
    /// Starts it over a store and waits until it serves.
    pub(crate) fn start(store: &str) -> Self {
        let mut child = command()
            .args(["linkdb", "--open", "--listen", "127.0.0.1:0", "--log", "warn", "--store", store])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let addr = line
            .strip_prefix("LinkDB on http://")
            .and_then(|rest| rest.split(',').next())
            .unwrap_or_else(|| panic!("it said {line:?}"))
            .parse()
            .unwrap();
        Self { child, addr }
    }

    /// Two PoPs, the link between them, and an operator that may use the whole band; what is there already stays.
    pub(crate) async fn with_a_link(&self) {
        let mut client = Client::new(self.addr);
        for pop in ["pop1", "pop2"] {
            client.post("/api/pops", &json!({"pop_id": pop, "name": pop, "location": "-"})).await.unwrap();
        }
        let link = json!({"link_id": LINK, "pop_a": "pop1", "pop_b": "pop2", "distance_km": 80});
        client.post("/api/links", &link).await.unwrap();
        let put = client.put(&format!("/api/vops/{VOP}/spectrum"), &json!({})).await.unwrap();
        assert_eq!(put.status, 200, "{}", put.body);
    }

    /// Ends it as `kill -9` does.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended; that is no matter.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
