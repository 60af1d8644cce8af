//! What the program says to options that cannot be used, and how it ends.

use crate::process::command;
use std::os::unix::fs::PermissionsExt as _;
use std::process::Output;

fn refused(arguments: &[&str]) -> String {
    let Output { status, stdout, stderr } = command().args(arguments).output().unwrap();
    assert_eq!(status.code(), Some(2), "{arguments:?}");
    assert!(stdout.is_empty(), "{arguments:?}");
    String::from_utf8(stderr).unwrap()
}

#[test]
fn a_store_has_to_be_named() {
    let said = refused(&["linkdb", "--open"]);
    assert!(said.contains("store.location: is missing"), "{said}");
    assert!(said.contains("memory, redb:PATH or redis://HOST:PORT/DB"), "{said}");
}

#[test]
fn who_is_let_in_has_to_be_said() {
    let said = refused(&["linkdb", "--store", "memory"]);
    assert!(said.contains("--tokens <FILE>"), "{said}");
    let said = refused(&["linkdb", "--store", "memory", "--tokens", "/nowhere/at-all.json"]);
    assert!(said.contains("/nowhere/at-all.json: No such file"), "{said}");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tokens.json");
    std::fs::write(&path, r#"{"tokens": []}"#).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o666)).unwrap();
    let said = refused(&["linkdb", "--store", "memory", "--tokens", path.to_str().unwrap()]);
    assert!(said.contains("others may write it"), "{said}");
}

#[test]
fn a_token_is_shown_once_and_the_table_has_its_digest() {
    let made =
        command().args(["token", "--name", "acme", "--role", "tenant", "--vop", "vOp1"]).output().unwrap();
    assert!(made.status.success());
    let secret = String::from_utf8(made.stdout).unwrap();
    let said = String::from_utf8(made.stderr).unwrap();
    assert_eq!(secret.trim().len(), 64);
    assert!(!said.contains(secret.trim()), "{said}");
    let entry = said.strip_prefix("for the tokens of the table: ").unwrap();
    let table = ipowdm_ctl_lib::http::TokenTable::from_json(&format!(r#"{{"tokens": [{entry}]}}"#)).unwrap();
    assert_eq!(table.len(), 1);
    refused(&["token", "--name", "acme", "--role", "tenant"]);
    refused(&["token", "--name", "noc", "--role", "operator", "--vop", "vOp1"]);
}

#[test]
fn an_address_that_others_reach_is_refused_unless_stated() {
    let said = refused(&["linkdb", "--open", "--store", "memory", "--listen", "0.0.0.0:0"]);
    assert!(said.contains("--allow-remote"), "{said}");
}

#[test]
fn a_topology_that_cannot_be_read_is_named() {
    let said = refused(&["linkdb", "--open", "--store", "memory", "--topology", "/nowhere/at-all.json"]);
    assert!(said.contains("/nowhere/at-all.json: No such file"), "{said}");
}

#[test]
fn a_band_that_is_none_is_refused_with_the_names_of_those_that_are() {
    let refused = |option, value| refused(&["linkdb", "--open", "--store", "memory", option, value]);
    assert!(refused("--band", "d").contains("super-c"));
    assert!(refused("--centres", "33").contains("12.5-edges"));
    assert!(refused("--edge-guard", "9999").contains("leave no step"));
}

#[test]
fn a_password_in_a_mistyped_location_is_not_shown() {
    let output = command()
        .args(["linkdb", "--open"])
        .env("IPOWDM_STORE", "rediss//admin:s3cret@db/0")
        .output()
        .unwrap();
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
    let output =
        command().args(["linkdb", "--open", "--listen", "127.0.0.1:0", "--store", &store]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("in use by another process"), "{said}");
}
