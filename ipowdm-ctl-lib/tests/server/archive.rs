//! A store written into a file and read back by the program, and what it says where that cannot be.

use crate::client::Client;
use crate::process::{LINK, Server, command};
use std::path::Path;
use std::process::Output;

fn run(arguments: [&str; 4]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command().args(arguments).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn store(folder: &Path, name: &str) -> String {
    format!("redb:{}", folder.join(name).display())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_store_held_another_holds_after_archive_and_restore() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (store(folder.path(), "first.redb"), store(folder.path(), "second.redb"));
    let file = folder.path().join("network.archive");
    let file = file.to_str().unwrap();
    let mut server = Server::start(&first);
    server.with_a_link().await;
    server.kill();

    let (code, said, error) = run(["archive", "--store", &first, file]);
    assert_eq!(code, Some(0), "{error}");
    assert!(said.starts_with(file) && said.contains(" records of version "), "{said}");
    let (code, said, error) = run(["restore", "--store", &second, file]);
    assert_eq!(code, Some(0), "{error}");
    assert!(said.contains("second.redb now holds "), "{said}");

    let server = Server::start(&second);
    let links = Client::new(server.addr).get("/api/links").await.unwrap();
    assert_eq!(links.status, 200, "{}", links.body);
    assert!(links.body.to_string().contains(LINK), "{}", links.body);
    drop(server);

    let (code, _, error) = run(["restore", "--store", &second, file]);
    assert_eq!(code, Some(1));
    assert!(error.contains("not empty"), "{error}");
}

#[test]
fn what_cannot_be_archived_or_restored_is_refused_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("network.archive");
    let nowhere = store(folder.path(), "nowhere.redb");
    let (code, said, error) = run(["archive", "--store", &nowhere, file.to_str().unwrap()]);
    assert_eq!((code, said.as_str()), (Some(2), ""));
    assert!(error.contains("nowhere.redb: no such file"), "{error}");
    let (code, _, error) = run(["archive", "--store", "memory", file.to_str().unwrap()]);
    assert_eq!(code, Some(2));
    assert!(error.contains("ends with its process"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);

    std::fs::write(&file, "no archive").unwrap();
    let (code, _, error) = run(["restore", "--store", &nowhere, file.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(error.contains("not an archive"), "{error}");
}
