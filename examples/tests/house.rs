//! House rules that no compiler lint covers, checked over every file that git tracks.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

use std::path::{Path, PathBuf};
use std::process::Command;

/// Text that no Rust source may contain. Split, so that this file does not contain it either.
const UNFINISHED: &[&str] = &[concat!("to", "do!("), concat!("unimple", "mented!("), concat!("db", "g!(")];

/// An ignored test says why.
const IGNORED_WITHOUT_REASON: &str = concat!("#[ig", "nore]");

/// Folders of one particular machine.
const MACHINE_PATHS: &[&str] = &[concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tm", "p/wt")];

/// A longer file holds more than one concept.
const MAXIMUM_LINES: usize = 700;

fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// Every tracked text file: its path relative to the workspace and its content. `None` where the sources are not a git
/// checkout (an unpacked archive): nothing can land from there.
fn tracked_files() -> Option<Vec<(String, String)>> {
    let root = workspace_root();
    if !root.join(".git").exists() {
        eprintln!("skipped: not a git checkout");
        return None;
    }
    let output = Command::new("git").args(["ls-files", "-z"]).current_dir(&root).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let files: Vec<(String, String)> = String::from_utf8(output.stdout)
        .unwrap()
        .split_terminator('\0')
        .filter_map(|name| Some((name.to_owned(), std::fs::read_to_string(root.join(name)).ok()?)))
        .collect();
    assert!(files.iter().any(|(name, _)| name == "Cargo.toml"), "git lists no files of this workspace");
    Some(files)
}

/// `file:line: pattern` for each line of `content` that holds one of `patterns`.
fn hits(name: &str, content: &str, patterns: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for (index, line) in content.lines().enumerate() {
        for pattern in patterns.iter().filter(|pattern| line.contains(**pattern)) {
            found.push(format!("{name}:{}: {pattern}", index + 1));
        }
    }
    found
}

fn hits_in(files: &[(String, String)], suffix: &str, patterns: &[&str]) -> Vec<String> {
    files
        .iter()
        .filter(|(name, _)| name.ends_with(suffix))
        .flat_map(|(name, content)| hits(name, content, patterns))
        .collect()
}

#[test]
fn no_source_holds_unfinished_code() {
    let Some(files) = tracked_files() else { return };
    assert_eq!(hits_in(&files, ".rs", UNFINISHED), Vec::<String>::new());
}

#[test]
fn every_ignored_test_states_its_reason() {
    let Some(files) = tracked_files() else { return };
    assert_eq!(hits_in(&files, ".rs", &[IGNORED_WITHOUT_REASON]), Vec::<String>::new());
}

#[test]
fn no_file_names_a_folder_of_one_machine() {
    let Some(files) = tracked_files() else { return };
    assert_eq!(hits_in(&files, "", MACHINE_PATHS), Vec::<String>::new());
}

#[test]
fn no_source_is_longer_than_the_maximum() {
    let Some(files) = tracked_files() else { return };
    let long: Vec<String> = files
        .iter()
        .filter(|(name, content)| name.ends_with(".rs") && content.lines().count() > MAXIMUM_LINES)
        .map(|(name, content)| format!("{name}: {} lines", content.lines().count()))
        .collect();
    assert_eq!(long, Vec::<String>::new());
}

#[test]
fn each_pattern_is_found_where_it_stands() {
    for pattern in UNFINISHED.iter().chain(MACHINE_PATHS).chain([&IGNORED_WITHOUT_REASON]) {
        let content = format!("fn main() {{\n    {pattern}\n}}\n");
        assert_eq!(hits("a.rs", &content, &[pattern]), [format!("a.rs:2: {pattern}")]);
    }
}
