//! What the program says to options that cannot be used, and how it ends.

use crate::process::command;
use std::process::Output;

fn refused(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = command().args(arguments).output().unwrap();
    assert_eq!(status.code(), Some(2), "{arguments:?}");
    assert!(stdout.is_empty(), "{arguments:?}");
    String::from_utf8(stderr).unwrap()
}

#[test]
fn a_store_has_to_be_named() {
    let said = refused(&["linkdb"]);
    assert!(said.contains("--store is missing: memory, redb:PATH or redis://HOST:PORT/DB"), "{said}");
}

#[test]
fn an_address_that_others_reach_is_refused_unless_stated() {
    let said = refused(&["linkdb", "--store", "memory", "--listen", "0.0.0.0:0"]);
    assert!(said.contains("--allow-remote"), "{said}");
}

#[test]
fn a_topology_that_cannot_be_read_is_named() {
    let said = refused(&["linkdb", "--store", "memory", "--topology", "/nowhere/at-all.json"]);
    assert!(said.contains("/nowhere/at-all.json: No such file"), "{said}");
}

#[test]
fn a_band_that_is_none_is_refused_with_the_names_of_those_that_are() {
    let refused = |option, value| refused(&["linkdb", "--store", "memory", option, value]);
    assert!(refused("--band", "d").contains("super-c"));
    assert!(refused("--centres", "33").contains("12.5-edges"));
    assert!(refused("--edge-guard", "9999").contains("leave no step"));
}

#[test]
fn a_password_in_a_mistyped_location_is_not_shown() {
    let output =
        command().args(["linkdb"]).env("IPOWDM_STORE", "rediss//admin:s3cret@db/0").output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("a store is at memory"), "{said}");
    assert!(!said.contains("s3cret"), "{said}");
}

#[test]
fn a_file_that_another_process_has_open_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let store = format!("redb:{}", folder.path().join("store.redb").display());
    let _first = crate::process::Server::start(&store);
    let output = command().args(["linkdb", "--listen", "127.0.0.1:0", "--store", &store]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("in use by another process"), "{said}");
}
