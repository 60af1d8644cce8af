use super::light;
use ipowdm_ctl_lib::connection::State;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// More than an answer takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

fn get(url: &str) -> String {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    write!(stream, "GET /{path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_over_storage_of_ones_own_is_read_back_as_active() {
    let (state, url, writes) = light().await.unwrap();
    assert_eq!(state, State::Active);
    assert!(writes > 0);
    // The integrator's own server answers for it.
    let (_, id) = url.split_once("/optical/controllers/vOp1/api/v1/connections/").unwrap();
    let named = format!("\"connection_id\":\"{id}\"");
    let answer = tokio::task::spawn_blocking(move || get(&url)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains(&named), "{answer}");
}
