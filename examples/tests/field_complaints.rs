//! `docs/field-complaints.md` names files and tests that exist.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

/// The cells of the table rows that name files and tests: the last two.
fn rows(page: &str) -> Vec<(String, String)> {
    page.lines()
        .filter(|line| line.starts_with("| ") && line.contains('`'))
        .filter_map(|line| {
            let cells: Vec<&str> = line.trim_matches('|').split(" | ").collect();
            let [.., files, tests] = cells.as_slice() else { return None };
            Some(((*files).to_owned(), (*tests).to_owned()))
        })
        .collect()
}

fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

/// The names of all test functions below a folder.
fn test_names(folder: &Path, names: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            test_names(&path, names);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let functions = text.lines().filter_map(|line| line.trim().split_once("fn "));
            names.extend(
                functions.filter_map(|(_, rest)| rest.split_once('(')).map(|(name, _)| name.to_owned()),
            );
        }
    }
}

#[test]
fn every_row_names_files_and_tests_that_exist() {
    let page = std::fs::read_to_string(root().join("docs/field-complaints.md")).unwrap();
    let rows = rows(&page);
    assert!(rows.len() >= 20, "{}", rows.len());
    let mut names = BTreeSet::new();
    for folder in ["ipowdm-cmis/src", "ipowdm-cmis/tests", "ipowdm-core/src", "ipowdm-agent/src"] {
        test_names(&root().join(folder), &mut names);
    }
    for (files, tests) in rows {
        for file in quoted(&files) {
            let path =
                if file.starts_with("ipowdm-") { file.to_owned() } else { format!("ipowdm-cmis/{file}") };
            assert!(root().join(&path).is_file(), "{path}");
        }
        assert!(quoted(&tests).count() > 0, "no test: {files}");
        for test in quoted(&tests) {
            assert!(names.contains(test), "no test is named {test}");
        }
    }
}
