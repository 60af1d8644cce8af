//! What is under `dist/` is true: the programs take every option, variable and setting that stands there.

use crate::process::command;
use std::path::{Path, PathBuf};
use std::process::Output;

fn dist(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("dist").join(name)
}

fn text(name: &str) -> String {
    std::fs::read_to_string(dist(name)).unwrap()
}

/// The settings that a program would use.
fn checked(arguments: &[&str], environment: &[(&str, &str)]) -> String {
    let Output { status, stdout, stderr } =
        command().args(arguments).arg("--check-config").envs(environment.iter().copied()).output().unwrap();
    assert!(status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stdout).unwrap()
}

#[test]
fn the_sample_is_accepted_and_says_what_the_defaults_are() {
    let sample = dist("ipowdm.toml");
    let said = checked(&["all", "--open", "--config", sample.to_str().unwrap()], &[]);
    let bare = checked(&["all", "--open"], &[("IPOWDM_STORE", "redb:/var/lib/ipowdm/store.redb")]);
    assert_eq!(said, bare);
}

#[test]
fn every_setting_of_the_sample_that_is_commented_out_is_one() {
    let text = text("ipowdm.toml");
    let uncommented: Vec<String> = text
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting) if setting.split_once(" = ").is_some_and(|(key, _)| !key.contains([' ', ':'])) => {
                setting.to_owned()
            }
            _ => line.to_owned(),
        })
        .collect();
    assert!(uncommented.len() > 20);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ipowdm.toml");
    std::fs::write(&path, uncommented.join("\n")).unwrap();
    let said = checked(&["all", "--open", "--config", path.to_str().unwrap()], &[]);
    assert!(said.contains("osnr_threshold_db = 18.0"), "{said}");
    assert!(said.contains("virtual_operator = \"vOp2\""), "{said}");
}

#[test]
fn the_programs_take_the_options_and_variables_of_the_compose_file() {
    let compose = text("compose.yaml");
    let environment =
        [("KAFKA_BROKER", "kafka:9092"), ("REDIS_URL", "redis://redis:6379/0"), ("API_HOST", "0.0.0.0")];
    for (name, value) in environment {
        assert!(compose.contains(&format!("  {name}: {value}\n")), "{name}");
    }
    let commands: Vec<Vec<String>> = compose
        .lines()
        .filter_map(|line| line.trim().strip_prefix("command: "))
        .map(|list| serde_json::from_str(list).unwrap())
        .filter(|command: &Vec<String>| command.iter().any(|word| word == "--open"))
        .collect();
    assert_eq!(commands.len(), 3);
    for command in commands {
        let words: Vec<&str> = command.iter().map(String::as_str).collect();
        let said = checked(&words, &environment);
        assert!(said.contains("location = \"redis://redis:6379/0\""), "{said}");
        assert!(said.contains("listen = \"0.0.0.0:80"), "{said}");
    }
}

#[test]
fn every_service_of_the_compose_file_has_a_health_check() {
    let compose = text("compose.yaml");
    let services = compose.split("\nservices:\n").nth(1).unwrap().split("\nvolumes:\n").next().unwrap();
    let mut names = Vec::new();
    let mut healthy = Vec::new();
    for line in services.lines() {
        if let Some(name) = line.strip_prefix("  ").filter(|name| !name.starts_with([' ', '#'])) {
            names.push(name.to_owned());
        }
        if line.trim() == "healthcheck:" || line.contains("*agent\n") || line.trim() == "<<: *agent" {
            healthy.extend(names.last().cloned());
        }
    }
    assert_eq!(names.len(), 8);
    assert_eq!(names, healthy);
}

#[test]
fn the_units_start_the_programs_with_options_that_they_take() {
    let sample = dist("ipowdm.toml");
    let sample = sample.to_str().unwrap();
    let redis = [("IPOWDM_STORE", "redis://h")];
    for (unit, environment) in
        [("systemd/ipowdm-ctl.service", &[][..]), ("systemd/ipowdm-controller@.service", &redis)]
    {
        let text = text(unit);
        let line = text.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
        let line = line.replace("/etc/ipowdm/ipowdm.toml", sample).replace("%i", "vOp2");
        let words: Vec<&str> = line.split(' ').skip(1).chain(["--open"]).collect();
        assert!(checked(&words, environment).contains("[controller.qot]"));
        assert!(text.contains("Type=notify\n"));
    }
}

#[test]
fn a_service_that_is_well_can_be_asked_without_another_client() {
    let server = crate::process::Server::start("memory");
    let ask = |path: &str| {
        let url = format!("http://{}{path}", server.addr);
        command().args(["health", "--url", &url]).output().unwrap()
    };
    let well = ask("/health");
    assert!(well.status.success());
    assert!(String::from_utf8(well.stdout).unwrap().contains("\"status\":\"healthy\""));
    assert_eq!(ask("/nowhere").status.code(), Some(1));
    let refused = command().args(["health", "--url", "http://127.0.0.1:9/health"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
}
