//! Images that are right, and images that are not.

use super::*;
use crate::access::{Eeprom, TransportError};
use crate::map::Address;
use std::format;

fn zeros() -> String {
    "00".repeat(HALF)
}

fn of_pages(pages: &str) -> Result<Image, ImageError> {
    Image::from_json(&format!(r#"{{"name":"x","lower":"{}","pages":{pages}}}"#, zeros()))
}

#[test]
fn pages_of_an_image_are_read_and_others_are_unsupported() {
    let mut image = of_pages(&format!(r#"{{"00":"{}","1f":"{}"}}"#, zeros(), "Ab".repeat(HALF))).unwrap();
    let mut byte = [0];
    image.read(Address::page(0x1F, 255), &mut byte).unwrap();
    assert_eq!(byte, [0xAB]);
    let missing = image.read(Address::page(0x20, 128), &mut byte);
    assert_eq!(missing, Err(TransportError::PageUnsupported { bank: 0, page: 0x20 }));
    image.read(Address::lower(127), &mut byte).unwrap();
}

#[test]
fn what_is_no_image_says_which_member_is_wrong() {
    assert!(matches!(Image::from_json("not json"), Err(ImageError::Json(_))));
    assert!(matches!(Image::from_json("[]"), Err(ImageError::Form { .. })));
    assert!(matches!(Image::from_json("{}"), Err(ImageError::Form { member, .. }) if member == "lower"));
    let flat = format!(r#"{{"lower":"{}"}}"#, zeros());
    assert!(matches!(Image::from_json(&flat), Err(ImageError::Form { member, .. }) if member == "pages"));
    assert!(matches!(of_pages("[]"), Err(ImageError::Form { member, .. }) if member == "pages"));
    assert!(matches!(of_pages(r#"{"00":7}"#), Err(ImageError::Form { member, .. }) if member == "page 00"));
    let short = of_pages(r#"{"11":"0011"}"#);
    assert!(matches!(short, Err(ImageError::Length { member, digits: 4 }) if member == "page 11"));
    let bad = of_pages(&format!(r#"{{"11":"{}"}}"#, "0g".repeat(HALF)));
    assert!(matches!(bad, Err(ImageError::Hex { member }) if member == "page 11"));
    let wide = of_pages(&format!(r#"{{"11":"{}"}}"#, "é".repeat(HALF)));
    assert!(matches!(wide, Err(ImageError::Hex { .. })), "256 bytes of text that are no digits");
}

#[test]
fn a_page_key_is_two_digits_and_occurs_once() {
    for key in ["1", "100", "0x10", "+1", "zz", ""] {
        let pages = of_pages(&format!(r#"{{"{key}":"{}"}}"#, zeros()));
        assert!(matches!(pages, Err(ImageError::Page(found)) if found == key), "{key}");
    }
    let twice = of_pages(&format!(r#"{{"1a":"{0}","1A":"{0}"}}"#, zeros()));
    assert!(matches!(twice, Err(ImageError::Page(_))));
}

#[test]
fn a_file_beyond_the_limit_is_not_read_whole() {
    let file = tempfile::NamedTempFile::new().unwrap();
    file.as_file().set_len(MAX_IMAGE + 1).unwrap();
    assert!(matches!(Image::open(file.path()), Err(ImageError::TooLong)));
    let missing = Image::open(&file.path().with_extension("nowhere"));
    assert!(matches!(missing, Err(ImageError::Io(_))));
}

#[test]
fn a_member_that_is_there_twice_is_refused() {
    let document = |lower: &str| format!(r#"{{"lower":"{}",{lower}"pages":{{}}}}"#, zeros());
    Image::from_json(&document("")).unwrap();
    let lower = Image::from_json(&document(&format!(r#""lower":"{}","#, zeros())));
    assert!(matches!(lower, Err(ImageError::Twice(name)) if name == "lower"));
    let pages = Image::from_json(&document(r#""pages":{},"#));
    assert!(matches!(pages, Err(ImageError::Twice(name)) if name == "pages"));
    let page = of_pages(&format!(r#"{{"1a":"{0}","1a":"{0}"}}"#, zeros()));
    assert!(matches!(page, Err(ImageError::Page(key)) if key == "1a"));
    let others = Image::from_json(&document(r#""note":1,"note":[null,-1,2.5,{"a":true}],"#));
    assert!(others.is_ok(), "members that are left alone may be anything");
}

fn pipe(folder: &tempfile::TempDir) -> std::path::PathBuf {
    let path = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    path
}

#[test]
fn a_pipe_that_nobody_writes_to_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let given_up = read_in_time(&pipe(&folder), Duration::from_millis(20));
    assert!(matches!(given_up, Err(ImageError::TooSlow)));
}

#[test]
fn an_image_may_come_through_a_pipe() {
    let folder = tempfile::tempdir().unwrap();
    let path = pipe(&folder);
    let writer = {
        let path = path.clone();
        thread::spawn(move || fs::write(path, format!(r#"{{"lower":"{}","pages":{{}}}}"#, zeros())))
    };
    Image::open(&path).unwrap();
    writer.join().unwrap().unwrap();
}
