//! The arrows between the workspace's packages, and what each product must say about itself, checked over `cargo metadata`.
//!
//! A package that is missing from [`ARROWS`] fails the test: a new crate declares what it may depend on before it lands.

#![expect(
    clippy::unwrap_used,
    reason = "a test may stop at what it does not expect, in its own functions too"
)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// Each package of the workspace and the workspace's packages that it may name as a dependency of any kind (normal,
/// development or build).
const ARROWS: &[(&str, &[&str])] = &[
    ("ipowdm-core", &[]),
    // Its tests have it as a development dependency with every feature.
    ("ipowdm-cmis", &["ipowdm-core", "ipowdm-cmis"]),
    ("ipowdm-agent", &["ipowdm-core", "ipowdm-cmis"]),
    ("ipowdm-ctl-lib", &["ipowdm-core"]),
    ("ipowdm-devbroker", &[]),
    (
        "ipowdm-examples",
        &["ipowdm-core", "ipowdm-cmis", "ipowdm-agent", "ipowdm-ctl-lib", "ipowdm-devbroker"],
    ),
    // The benchmarks of the whole system run the lab.
    (
        "benches",
        &[
            "ipowdm-core",
            "ipowdm-cmis",
            "ipowdm-agent",
            "ipowdm-ctl-lib",
            "ipowdm-devbroker",
            "ipowdm-examples",
        ],
    ),
];

/// The packages that are published.
const PRODUCTS: &[&str] = &["ipowdm-core", "ipowdm-cmis", "ipowdm-agent", "ipowdm-ctl-lib"];

fn workspace_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn metadata() -> Value {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(workspace_root())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn packages(metadata: &Value) -> &[Value] {
    metadata["packages"].as_array().unwrap()
}

/// Every dependency between packages of the workspace that [`ARROWS`] does not allow, and every package it does not list.
fn forbidden_arrows(metadata: &Value) -> Vec<String> {
    let ours: BTreeSet<&str> =
        packages(metadata).iter().filter_map(|package| package["name"].as_str()).collect();
    let mut found = Vec::new();
    for package in packages(metadata) {
        let name = package["name"].as_str().unwrap();
        let Some((_, allowed)) = ARROWS.iter().find(|(listed, _)| *listed == name) else {
            found.push(format!("{name} is not listed"));
            continue;
        };
        for dependency in package["dependencies"].as_array().unwrap() {
            let target = dependency["name"].as_str().unwrap();
            if ours.contains(target) && !allowed.contains(&target) {
                let kind = dependency["kind"].as_str().unwrap_or("normal");
                found.push(format!("{name} -> {target} ({kind})"));
            }
        }
    }
    found
}

#[test]
fn packages_depend_on_each_other_only_along_the_arrows() {
    assert_eq!(forbidden_arrows(&metadata()), Vec::<String>::new());
}

#[test]
fn every_listed_package_exists() {
    let metadata = metadata();
    let names: BTreeSet<&str> =
        packages(&metadata).iter().filter_map(|package| package["name"].as_str()).collect();
    let listed: BTreeSet<&str> = ARROWS.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, listed);
}

#[test]
fn a_forbidden_arrow_of_any_kind_is_found() {
    for kind in [Value::Null, json!("dev"), json!("build")] {
        let metadata = json!({ "packages": [
            { "name": "ipowdm-agent", "dependencies": [{ "name": "ipowdm-ctl-lib", "kind": kind }] },
            { "name": "ipowdm-ctl-lib", "dependencies": [{ "name": "serde", "kind": null }] },
        ]});
        let word = kind.as_str().unwrap_or("normal");
        assert_eq!(forbidden_arrows(&metadata), [format!("ipowdm-agent -> ipowdm-ctl-lib ({word})")]);
    }
}

#[test]
fn an_unlisted_package_is_found() {
    let metadata = json!({ "packages": [{ "name": "ipowdm-new", "dependencies": [] }] });
    assert_eq!(forbidden_arrows(&metadata), ["ipowdm-new is not listed"]);
}

#[test]
fn every_product_states_what_a_registry_and_its_users_need() {
    let metadata = metadata();
    for product in PRODUCTS {
        let package = packages(&metadata).iter().find(|package| package["name"] == *product).unwrap();
        assert_eq!(package["license"], "MIT OR Apache-2.0", "{product}");
        assert_eq!(package["rust_version"], "1.90", "{product}");
        assert!(package["publish"].is_null(), "{product} is not publishable");
        assert!(
            package["description"].as_str().is_some_and(|text| text.len() > 20),
            "{product} has no description"
        );
        let folder = Path::new(package["manifest_path"].as_str().unwrap()).parent().unwrap();
        let readme = package["readme"].as_str().unwrap_or_else(|| panic!("{product} names no readme"));
        for file in [readme, "LICENSE-MIT", "LICENSE-APACHE"] {
            let content = std::fs::read_to_string(folder.join(file)).unwrap_or_default();
            assert!(!content.trim().is_empty(), "{product} has no {file}");
        }
    }
}

#[test]
fn every_package_inherits_the_workspace_lints() {
    for package in packages(&metadata()) {
        let manifest = package["manifest_path"].as_str().unwrap();
        let parsed: toml::Table = std::fs::read_to_string(manifest).unwrap().parse().unwrap();
        let inherited = parsed.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(inherited, Some(&toml::Value::Boolean(true)), "{manifest}");
    }
}
