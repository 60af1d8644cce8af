//! The client against servers that answer as the test says.

use super::*;
use std::io::Read as _;
use std::os::unix::net::UnixListener;
use std::thread;
use std::vec;

/// A server that answers the lines of one connection after another; `None` closes the connection.
fn serve(
    answers: std::vec::Vec<std::vec::Vec<Option<&'static str>>>,
) -> (tempfile::TempDir, thread::JoinHandle<std::vec::Vec<String>>) {
    let folder = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(folder.path().join("module")).unwrap();
    let server = thread::spawn(move || {
        let mut heard = vec![];
        for connection in answers {
            let (stream, _) = listener.accept().unwrap();
            let mut stream = BufReader::new(stream);
            for answer in connection {
                let mut line = String::new();
                stream.read_line(&mut line).unwrap();
                heard.push(line.trim().to_string());
                let Some(answer) = answer else { break };
                // A client that has heard enough hangs up.
                let _ = stream.get_mut().write_all(answer.as_bytes());
            }
        }
        heard
    });
    (folder, server)
}

fn connect(folder: &tempfile::TempDir) -> Socket {
    Socket::connect(&folder.path().join("module")).unwrap()
}

fn lower(socket: &mut Socket, byte: u8) -> Result<u8, TransportError> {
    let mut value = [0];
    socket.read_at(Address::lower(byte), &mut value).map(|()| value[0])
}

#[test]
fn accesses_become_lines_and_refusals_become_errors() {
    let (folder, server) = serve(vec![vec![
        Some("OK 18\n"),
        Some("OK\n"),
        Some("ERR busy not acknowledged\n"),
        Some("ERR absent\n"),
        Some("ERR unsupported page\n"),
    ]]);
    let mut socket = connect(&folder);
    assert_eq!(lower(&mut socket, 0), Ok(0x18));
    let at = Address { bank: 1, page: 0x10, byte: 143 };
    assert_eq!(socket.write_at(at, &[0xFF, 0]), Ok(()));
    assert_eq!(lower(&mut socket, 1), Err(TransportError::Busy));
    assert_eq!(lower(&mut socket, 1), Err(TransportError::Absent));
    let unsupported = TransportError::PageUnsupported { bank: 1, page: 0x10 };
    assert_eq!(socket.read_at(at, &mut [0]), Err(unsupported));
    drop(socket);
    let offset = (256 + 0x10) * 128 + 143;
    let expected = [
        "R 0 1".to_string(),
        std::format!("W {offset} ff00"),
        "R 1 1".to_string(),
        "R 1 1".to_string(),
        std::format!("R {offset} 1"),
    ];
    assert_eq!(server.join().unwrap(), expected);
}

#[test]
fn after_an_answer_out_of_the_protocol_the_connection_is_made_anew() {
    let (folder, server) = serve(vec![
        vec![Some("HELLO\n")],
        vec![Some("OK 0102\n"), Some("OK 03\n"), None],
        vec![Some("OK 04\n")],
    ]);
    let mut socket = connect(&folder);
    assert_eq!(lower(&mut socket, 0), Err(TransportError::Io(EPROTO)));
    assert_eq!(lower(&mut socket, 0), Err(TransportError::Io(EPROTO)), "two bytes for one");
    assert_eq!(lower(&mut socket, 0), Ok(3));
    assert!(matches!(lower(&mut socket, 0), Err(TransportError::Io(_))), "closed without an answer");
    assert_eq!(lower(&mut socket, 0), Ok(4));
    drop(socket);
    server.join().unwrap();
}

#[test]
fn an_answer_that_does_not_come_is_a_time_out() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("module");
    let listener = UnixListener::bind(&path).unwrap();
    let mut socket = Socket::connect_with(&path, Duration::from_millis(20)).unwrap();
    assert_eq!(lower(&mut socket, 0), Err(TransportError::TimedOut));
    drop(listener);
    assert!(matches!(lower(&mut socket, 0), Err(TransportError::Io(number)) if number > 0), "nobody listens");
}

#[test]
fn an_answer_without_an_end_is_cut_off() {
    let endless: &'static str = std::boxed::Box::leak("0".repeat(MAX_LINE + 2).into_boxed_str());
    let (folder, server) = serve(vec![vec![Some(endless)]]);
    let mut socket = connect(&folder);
    assert_eq!(lower(&mut socket, 0), Err(TransportError::Io(EPROTO)));
    drop(socket);
    server.join().unwrap();
}

#[test]
fn virtual_time_is_moved_by_waiting_and_real_time_is_the_hosts() {
    let (folder, server) = serve(vec![vec![Some("OK\n"), Some("OK\n")]]);
    let socket = connect(&folder);
    let mut clock = socket.clock().unwrap();
    assert!(clock.is_virtual());
    clock.sleep_until(Millis(60_000));
    clock.sleep_until(Millis(10));
    assert_eq!(clock.now(), Millis(60_000));
    drop((socket, clock));
    assert_eq!(server.join().unwrap(), ["T 0", "T 60000"]);

    let (folder, server) = serve(vec![vec![Some("ERR unsupported time is real\n")]]);
    let socket = connect(&folder);
    assert!(!socket.clock().unwrap().is_virtual());
    drop(socket);
    server.join().unwrap();
}

#[test]
fn an_answer_that_comes_byte_by_byte_has_one_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("module");
    let listener = UnixListener::bind(&path).unwrap();
    let server = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        // Only an answer: what comes before the question is another matter.
        stream.read_exact(&mut [0]).unwrap();
        // Without an end, and slow enough for a line of the greatest length to take a minute.
        while stream.write_all(b"0").is_ok() {
            thread::sleep(Duration::from_millis(1));
        }
    });
    let mut socket = Socket::connect_with(&path, Duration::from_millis(200)).unwrap();
    assert_eq!(lower(&mut socket, 0), Err(TransportError::TimedOut));
    drop(socket);
    server.join().unwrap();
}

#[test]
fn an_answer_that_nothing_asked_for_is_not_taken_for_the_next_one() {
    let (folder, server) = serve(vec![vec![Some("OK 01\nOK 02\n")], vec![Some("OK 03\n")]]);
    let mut socket = connect(&folder);
    assert_eq!(lower(&mut socket, 0), Ok(1));
    assert_eq!(lower(&mut socket, 1), Err(TransportError::Io(EPROTO)));
    assert_eq!(lower(&mut socket, 1), Ok(3), "of a new connection");
    drop(socket);
    assert_eq!(server.join().unwrap(), ["R 0 1", "R 1 1"]);
}

#[test]
fn a_connection_that_was_closed_is_told_by_its_name() {
    let (folder, server) = serve(vec![vec![None]]);
    let error = lower(&mut connect(&folder), 0).unwrap_err();
    assert_eq!(error, TransportError::Io(ECONNRESET));
    assert!(error.to_string().contains("the far end closed the connection"), "{error}");
    server.join().unwrap();
}
