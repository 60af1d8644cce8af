//! `docs/guide-map.md` says what is there: its paths exist, its diagrams are those of the code.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

use ipowdm_ctl_lib::connection::State;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn page() -> String {
    std::fs::read_to_string(root().join("docs/guide-map.md")).unwrap()
}

/// The lines of the Mermaid diagram that begins with `kind`.
fn diagram(page: &str, kind: &str) -> Vec<String> {
    let start = page.find(&format!("```mermaid\n{kind}\n")).unwrap();
    let body = &page[start..];
    let end = body[3..].find("```").unwrap() + 3;
    body[..end].lines().skip(2).map(|line| line.trim().to_owned()).collect()
}

/// What stands between backticks.
fn quoted(page: &str) -> impl Iterator<Item = &str> {
    page.lines().flat_map(|line| line.split('`').skip(1).step_by(2))
}

#[test]
fn every_path_that_the_page_names_exists() {
    let ours = ["ipowdm-", "scripts/", "docs/", "examples/"];
    let page = page();
    let named: BTreeSet<&str> = quoted(&page)
        .filter(|text| text.contains('/') && ours.iter().any(|start| text.starts_with(start)))
        .collect();
    assert!(named.len() > 20, "{named:?}");
    let missing: Vec<&&str> = named.iter().filter(|path| !root().join(path).exists()).collect();
    assert_eq!(missing, Vec::<&&str>::new());
}

#[test]
fn the_states_are_those_of_the_machine() {
    let page = page();
    let drawn: BTreeSet<(String, String)> = diagram(&page, "stateDiagram-v2")
        .iter()
        .filter_map(|line| line.split_once(" --> "))
        .map(|(from, to)| (from.to_owned(), to.split(" : ").next().unwrap().to_owned()))
        .filter(|(from, to)| from != "[*]" && to != "[*]")
        .collect();
    let real: BTreeSet<(String, String)> = State::ALL
        .iter()
        .flat_map(|from| from.successors().iter().map(|to| (from.to_string(), to.to_string())))
        .collect();
    assert_eq!(drawn, real);
}

#[test]
fn the_keys_are_those_of_the_store() {
    let page = page();
    let drawn: BTreeSet<String> = diagram(&page, "erDiagram")
        .iter()
        .filter_map(|line| line.strip_suffix(" {"))
        .map(ToOwned::to_owned)
        .collect();
    let mut real = BTreeSet::new();
    kinds(&root().join("ipowdm-ctl-lib/src"), &mut real);
    assert_eq!(drawn, real);
}

/// The kinds of records that the sources below a folder declare, those of tests and examples left out.
fn kinds(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        if ["tests", "testbed", "conformance"].contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            kinds(&path, found);
            continue;
        }
        let source = std::fs::read_to_string(&path).unwrap();
        let code = source.split("mod tests {").next().unwrap();
        let declared =
            code.lines().filter_map(|line| line.trim().strip_prefix("const KIND: &'static str = \""));
        found.extend(declared.filter_map(|rest| rest.strip_suffix("\";")).map(ToOwned::to_owned));
    }
}
