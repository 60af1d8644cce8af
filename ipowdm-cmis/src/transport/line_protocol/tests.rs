//! Lines of both directions, and lines that are none.

use super::*;
use proptest::prelude::*;
use std::vec;

#[test]
fn requests_and_answers_survive_their_line() {
    let requests = [
        Request::Read { offset: 2248, len: 8 },
        Request::Write { offset: 26, bytes: vec![0x00, 0xA5] },
        Request::Advance { ms: 60_000 },
        Request::Control { json: r#"{"fault":"busy 3"}"#.to_string() },
    ];
    for request in requests {
        assert_eq!(Request::parse(&std::format!("{request}\n")), Ok(request.clone()));
    }
    for kind in RefusalKind::ALL {
        let answer = Response::Err(Refusal::new(kind, "some words"));
        assert_eq!(Response::parse(&answer.to_string()), Ok(answer));
    }
    assert_eq!(Response::parse("OK 00a5FF\r\n"), Ok(Response::Ok(vec![0, 0xA5, 0xFF])));
    assert_eq!(Response::parse("OK"), Ok(Response::Ok(vec![])));
}

#[test]
fn a_document_over_several_lines_is_sent_as_one() {
    let request = Request::Control { json: "{\n \"a\": 1\r\n}".to_string() };
    assert_eq!(request.to_string(), "X { \"a\": 1}");
}

#[test]
fn what_is_no_request_says_what_it_lacks() {
    let takes = |request, expected| Err(LineError::Words { request, expected });
    assert_eq!(Request::parse("R 5"), takes('R', "an offset and a length"));
    assert_eq!(Request::parse("R 5 1 1"), takes('R', "an offset and a length"));
    assert_eq!(Request::parse("W 5"), takes('W', "an offset and bytes"));
    assert_eq!(Request::parse("T"), takes('T', "a number of milliseconds"));
    assert_eq!(Request::parse("X"), takes('X', "a JSON document"));
    assert_eq!(Request::parse("R -1 1"), Err(LineError::Number("-1".to_string())));
    assert_eq!(Request::parse("R 4294967296 1"), Err(LineError::Number("4294967296".to_string())));
    assert_eq!(Request::parse("W 5 abc"), Err(LineError::Hex));
    assert_eq!(Request::parse("W 5 zz"), Err(LineError::Hex));
    assert_eq!(Request::parse("Q"), Err(LineError::UnknownRequest));
    assert_eq!(Request::parse(&"R".repeat(MAX_LINE + 1)), Err(LineError::TooLong));
    assert_eq!(Response::parse("YES 00"), Err(LineError::UnknownAnswer));
    assert_eq!(Response::parse("OK 0"), Err(LineError::Hex));
}

#[test]
fn refusals_mean_the_same_error_on_both_sides() {
    let at = Address { bank: 1, page: 0x30, byte: 128 };
    let errors = [
        TransportError::Busy,
        TransportError::Absent,
        TransportError::TimedOut,
        TransportError::PageUnsupported { bank: 1, page: 0x30 },
        TransportError::BadAccess { at, len: 9 },
        TransportError::Io(71),
    ];
    for error in errors {
        let line = Response::Err(error.into()).to_string();
        let Ok(Response::Err(refusal)) = Response::parse(&line) else { panic!("{line}") };
        assert_eq!(refusal.as_error(at, 9), error, "{line}");
    }
}

#[test]
fn names_of_linux_errors_and_unknown_texts_are_understood() {
    let at = Address::lower(0);
    let means = |text: &str| Refusal::parse(text).as_error(at, 1);
    assert_eq!(means("ENXIO"), TransportError::Absent);
    assert_eq!(means("EAGAIN: module busy"), TransportError::Busy);
    assert_eq!(means("NACK"), TransportError::Busy);
    assert_eq!(means("ETIMEDOUT"), TransportError::TimedOut);
    assert_eq!(means("Busy, try later"), TransportError::Busy);
    assert_eq!(means("busybody"), TransportError::Io(EIO), "not one of the words");
    assert_eq!(means(""), TransportError::Io(EIO));
}

proptest! {
    #[test]
    fn no_line_panics(line in ".{0,80}") {
        let _ = Request::parse(&line);
        if let Ok(Response::Err(refusal)) = Response::parse(&line) {
            let again = Refusal::parse(&refusal.to_string());
            prop_assert_eq!(again.kind, refusal.kind);
        }
    }
}
