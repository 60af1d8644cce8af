use super::*;
use crate::slice::BusLimits;
use crate::store::Location;
use ipowdm_core::bus::quota::Quota;
use ipowdm_core::qot::{Adjust, Limits, Thresholds};
use ipowdm_core::units::{Db, Power};
use std::collections::BTreeMap;

type Environment = &'static [(&'static str, &'static str)];

fn resolve(program: Program, text: &str, environment: Environment) -> Result<Resolved, SettingsError> {
    let environment: BTreeMap<&str, &str> = environment.iter().copied().collect();
    let get = |name: &str| environment.get(name).map(|value| (*value).to_owned());
    Document::parse(text)?.resolve(program, &get, |_| {})
}

fn refused(program: Program, text: &str, environment: Environment) -> Vec<Problem> {
    resolve(program, text, environment).map(|resolved| resolved.to_string()).unwrap_err().problems
}

const LAB: Environment = &[("IPOWDM_STORE", "memory")];
const OPEN: &str = "[access]\nopen = true\n";

#[test]
fn a_key_that_is_unknown_is_named_with_its_line() {
    let problems = refused(Program::All, "[store]\nlocation = \"memory\"\n\n[slice]\npartition = 3\n", &[]);
    assert_eq!(problems.len(), 1);
    assert_eq!((problems[0].key.as_str(), problems[0].line), ("partition", Some(5)));
    assert!(problems[0].reason.contains("unknown field"), "{}", problems[0]);
}

#[test]
fn everything_that_is_wrong_is_said_at_once_with_its_lines() {
    let text =
        "[store]\nlocation = \"sqlite:x\"\n[slice]\npartitions = 0\n[controller.qot]\nadjust = \"left\"\n";
    let problems = refused(Program::All, text, &[]);
    let places: Vec<(&str, Option<usize>)> =
        problems.iter().map(|problem| (problem.key.as_str(), problem.line)).collect();
    let wanted = [
        ("store.location", Some(2)),
        ("access.tokens", None),
        ("slice.partitions", Some(4)),
        ("controller.qot.adjust", Some(6)),
    ];
    assert_eq!(places, wanted);
}

#[test]
fn a_secret_is_neither_in_what_is_shown_nor_in_what_is_refused() {
    let text = "[access]\nopen = true\n[store]\nlocation = \"redis://ctl:hunter2@db:6379/0\"\n";
    let shown = resolve(Program::All, text, &[]).unwrap();
    assert!(shown.to_string().contains("location = \"redis://db:6379/0\""), "{shown}");
    assert!(!shown.to_string().contains("hunter2"), "{shown}");
    let broken = "[store]\nlocation = \"redis://ctl:hunter2@db:6379/0\" x\n";
    let problems = refused(Program::All, broken, &[]);
    assert_eq!((problems[0].key.as_str(), problems[0].line), ("location", Some(2)));
    assert!(!problems[0].to_string().contains("hunter2"), "{}", problems[0]);
}

#[test]
fn the_names_of_the_existing_controller_are_accepted() {
    let environment: Environment = &[
        ("API_HOST", "127.0.0.2"),
        ("API_PORT", "9083"),
        ("VIRTUAL_OPERATOR", "vOp2"),
        ("CONTROLLER_ID", "lab-2"),
        ("COMPATIBILITY_MODE", "true"),
        ("KAFKA_BROKER", "kafka:9092"),
        ("CONFIG_TOPIC", "config_vOp2"),
        ("MONITORING_TOPIC", "monitoring_vOp2"),
        ("LINKDB_HOST", "redis"),
        ("LINKDB_PORT", "6380"),
        ("LINKDB_PASSWORD", "p@ss/word"),
        ("OSNR_THRESHOLD", "18"),
        ("BER_THRESHOLD", "1e-3"),
        ("PERSISTENCY_SAMPLES", "4"),
        ("COOLDOWN_SEC", "30"),
        ("TX_STEP_DB", "0.5"),
        ("TX_MIN_DBM", "-15"),
        ("TX_MAX_DBM", "0"),
        ("ADJUST_MODE", "both"),
        ("DEFAULT_SPECTRUM_SLOTS", "50"),
        ("SLOT_WIDTH_GHZ", "12.5"),
        ("LOG_LEVEL", "WARNING"),
    ];
    let resolved = resolve(Program::Controller, OPEN, environment).unwrap();
    assert_eq!(resolved.controller_listen.to_string(), "127.0.0.2:9083");
    assert_eq!(resolved.vop.as_ref().map(VopId::as_str), Some("vOp2"));
    assert_eq!(resolved.store, Location::Redis("redis://:p%40ss%2Fword@redis:6380/0".to_owned()));
    assert_eq!(resolved.bus.as_ref().unwrap().bootstrap, ["kafka:9092"]);
    assert_eq!(resolved.controller.controller_id, "lab-2");
    assert!(resolved.controller.compatibility);
    assert!(resolved.to_string().contains("\ncompatibility = true\n"), "{resolved}");
    let qot = &resolved.controller.qot;
    assert_eq!((qot.samples, qot.cooldown_ms, qot.adjust), (4, 30_000, Adjust::Both));
    assert_eq!(qot.step, Db::from_hundredths(50));
    assert_eq!(qot.tx_power.unwrap().min, Power::from_hundredths(-1500));
    assert_eq!(qot.thresholds, Some(Thresholds::reference()));
    assert_eq!(resolved.log, "warn");
    assert_eq!(resolved.notices.len(), 2);
    assert!(!resolved.to_string().contains("p%40ss"), "{resolved}");
}

#[test]
fn the_names_of_the_existing_slice_manager_are_accepted() {
    let environment: Environment = &[
        ("REDIS_URL", "redis://r:6379"),
        ("API_PORT", "8080"),
        ("DEFAULT_TOPIC_PARTITIONS", "6"),
        ("DEFAULT_TOPIC_REPLICATION", "3"),
        ("CONTROLLER_DEPLOY_SCRIPT", "deploy.sh"),
    ];
    let resolved = resolve(Program::SliceManager, OPEN, environment).unwrap();
    assert_eq!(resolved.slice_listen.to_string(), "127.0.0.1:8080");
    let topic = resolved.slice.config;
    assert_eq!((topic.partitions, topic.replication), (6, 3));
    assert_eq!(resolved.slice.assignments_replication, 3);
    assert!(resolved.notices[0].contains("slice.launcher"), "{:?}", resolved.notices);
}

#[test]
fn topics_and_limits_are_set_by_role() {
    let text = format!(
        "{OPEN}[slice]\npartitions = 4\nhealth_partitions = 1\nreplication = 3\nmin_insync_replicas = 2\n\
         monitoring_retention_hours = 48\nhealth_retention_hours = 6\n\
         [slice.limits.controller]\npublish_bytes_per_sec = 20000\n\
         [slice.limits.application]\nfetch_bytes_per_sec = 5000000\nrequest_percent = 20\n"
    );
    let resolved = resolve(Program::All, &text, LAB).unwrap();
    let slice = &resolved.slice;
    let topics = [slice.config, slice.monitoring, slice.health];
    assert_eq!(topics.map(|topic| topic.partitions), [4, 4, 1]);
    assert_eq!(topics.map(|topic| topic.retention_ms / 3_600_000), [168, 48, 6]);
    assert_eq!(topics.map(|topic| topic.min_in_sync), [Some(2); 3]);
    assert_eq!((slice.assignments_replication, slice.assignments_min_in_sync), (3, Some(2)));
    let number = core::num::NonZeroU32::new;
    let controller = Quota { publish_bytes: number(20_000), ..Quota::default() };
    let application =
        Quota { fetch_bytes: number(5_000_000), request_percent: number(20), ..Quota::default() };
    assert_eq!(slice.limits, BusLimits { controller, agent: Quota::default(), application });
    let shown = resolved.to_string();
    let again = resolve(Program::All, &shown, &[]).unwrap();
    assert_eq!(&again.slice, slice, "{shown}");
    assert_eq!(resolve(Program::All, OPEN, LAB).unwrap().slice, crate::slice::SliceConfig::default());

    let wrong = format!(
        "{OPEN}[slice]\nhealth_partitions = 0\nhealth_retention_hours = 0\nmin_insync_replicas = 2\n"
    );
    let keys: Vec<String> =
        refused(Program::All, &wrong, LAB).into_iter().map(|problem| problem.key).collect();
    assert_eq!(
        keys,
        ["slice.health_partitions", "slice.health_retention_hours", "slice.min_insync_replicas"]
    );
    let none = format!("{OPEN}[slice.limits.agent]\nrequest_percent = 0\n");
    let problems = refused(Program::All, &none, LAB);
    assert_eq!((problems[0].key.as_str(), problems[0].line), ("request_percent", Some(4)));
}

#[test]
fn s0_17_a_legacy_topic_name_is_refused_with_what_to_do() {
    let environment: Environment =
        &[("IPOWDM_STORE", "redb:x"), ("VIRTUAL_OPERATOR", "vOp2"), ("CONFIG_TOPIC", "config-topic")];
    let problems = refused(Program::Controller, OPEN, environment);
    assert_eq!(problems[0].key, "CONFIG_TOPIC");
    assert!(problems[0].fix.contains("unset"), "{}", problems[0]);
    let other: Environment =
        &[("IPOWDM_STORE", "redb:x"), ("VIRTUAL_OPERATOR", "vOp2"), ("CONFIG_TOPIC", "config_vOp3")];
    assert_eq!(refused(Program::Controller, OPEN, other)[0].key, "CONFIG_TOPIC");
}

#[test]
fn nobody_is_let_in_unless_it_is_said_who() {
    let problems = refused(Program::All, "", LAB);
    assert_eq!(problems[0].key, "access.tokens");
    let both = "[access]\nopen = true\ntokens = \"/nowhere\"\n";
    assert_eq!(refused(Program::All, both, LAB)[0].key, "access.open");
}

#[test]
fn an_address_that_others_reach_is_refused_where_it_would_be_used() {
    let text = format!("{OPEN}[slice]\nlisten = \"0.0.0.0:8082\"\n");
    assert_eq!(refused(Program::All, &text, LAB)[0].key, "slice.listen");
    assert!(resolve(Program::Linkdb, &text, LAB).is_ok());
    let allowed = format!("{text}[linkdb]\nband = \"c+l\"\n")
        .replace("open = true", "open = true\nallow_remote = true");
    assert!(resolve(Program::All, &allowed, LAB).is_ok());
}

#[test]
fn one_port_is_not_that_of_three_services() {
    let environment: Environment = &[("IPOWDM_STORE", "memory"), ("API_PORT", "8080")];
    assert_eq!(refused(Program::All, OPEN, environment)[0].key, "API_PORT");
}

#[test]
fn controllers_in_other_processes_need_a_store_that_they_can_open() {
    let text = format!("{OPEN}[slice]\nlauncher = \"external\"\n");
    assert_eq!(refused(Program::All, &text, &[("IPOWDM_STORE", "redb:x")])[0].key, "slice.launcher");
    assert!(resolve(Program::All, &text, &[("REDIS_URL", "redis://r")]).is_ok());
    let environment: Environment = &[("IPOWDM_STORE", "memory"), ("VIRTUAL_OPERATOR", "vOp2")];
    assert_eq!(refused(Program::Controller, OPEN, environment)[0].key, "store.location");
}

#[test]
fn controllers_that_are_processes_need_a_store_that_they_can_open() {
    let text = format!("{OPEN}[slice]\nlauncher = \"process\"\n");
    for store in ["memory", "redb:x"] {
        for program in [Program::All, Program::SliceManager] {
            let environment = BTreeMap::from([("IPOWDM_STORE", store)]);
            let get = |name: &str| environment.get(name).map(|value| (*value).to_owned());
            let refused = Document::parse(&text).unwrap().resolve(program, &get, |_| {});
            let problems = refused.map(|resolved| resolved.to_string()).unwrap_err().problems;
            assert_eq!((problems[0].key.as_str(), problems[0].line), ("slice.launcher", Some(4)), "{store}");
            assert!(problems[0].fix.contains("redis://"), "{}", problems[0]);
        }
    }
    let environment: Environment = &[("REDIS_URL", "redis://r")];
    let resolved = resolve(Program::All, &text, environment).unwrap();
    assert_eq!(resolved.launching, Launching::Process(None));
    let named = format!("{text}controller_program = \"/opt/ctl\"\n");
    let resolved = resolve(Program::All, &named, environment).unwrap();
    assert_eq!(resolved.launching, Launching::Process(Some("/opt/ctl".into())));
    // What a controller is told with is a document that it reads.
    let told = resolve(Program::Controller, &resolved.to_string(), &[("VIRTUAL_OPERATOR", "vOp2")]).unwrap();
    assert_eq!((told.controller_ports, told.launching), (resolved.controller_ports, resolved.launching));
}

#[test]
fn limits_of_the_services_are_settings() {
    let text = format!(
        "{OPEN}[http]\nin_flight = 7\nwaiting = 8\nrequest_sec = 2.5\nbody_bytes = 9\nrate_per_sec = 300\n\
         rate_burst = 10\nopen_metrics = true\n"
    );
    let resolved = resolve(Program::All, &text, LAB).unwrap();
    let limits = resolved.access.limits();
    assert_eq!((limits.in_flight, limits.waiting, limits.body), (7, 8, 9));
    assert_eq!(limits.request_time, Some(core::time::Duration::from_millis(2_500)));
    assert_eq!((limits.rate.unwrap().burst, resolved.open_metrics), (10, true));
    assert_eq!(limits.rate.unwrap().interval.as_micros(), 3_333);
    let shown = resolved.to_string();
    assert!(shown.contains("rate_per_sec = 300.000\nrate_burst = 10\nopen_metrics = true"), "{shown}");
    assert_eq!(resolve(Program::All, &shown, &[]).unwrap().to_string(), shown);
    let usual = resolve(Program::All, OPEN, LAB).unwrap();
    assert_eq!(*usual.access.limits(), crate::http::Limits::default());

    let wrong = format!("{OPEN}[http]\nin_flight = 0\nbody_bytes = 0\nrequest_sec = -1\nrate_per_sec = -1\n");
    let keys: Vec<String> =
        refused(Program::All, &wrong, LAB).into_iter().map(|problem| problem.key).collect();
    assert_eq!(keys, ["http.in_flight", "http.body_bytes", "http.request_sec", "http.rate_per_sec"]);
}

#[test]
fn the_format_of_the_log_is_a_setting() {
    assert_eq!(resolve(Program::All, OPEN, LAB).unwrap().log_format, LogFormat::Text);
    let text = format!("{OPEN}[log]\nformat = \"json\"\n");
    let resolved = resolve(Program::All, &text, LAB).unwrap();
    assert_eq!(resolved.log_format, LogFormat::Json);
    assert!(resolved.to_string().contains("format = \"json\""), "{resolved}");
    let problems = refused(Program::All, &format!("{OPEN}[log]\nformat = \"xml\"\n"), LAB);
    assert_eq!((problems[0].key.as_str(), problems[0].line), ("format", Some(4)));
}

#[test]
fn what_is_shown_can_be_used_as_a_file_and_means_the_same() {
    let text = "[access]\nopen = true\n[controller]\nhold_sec = 90.5\n[controller.qot]\nosnr_threshold_db = 17.5\n\
                esnr_threshold_db = 13.4\nq_margin_threshold_db = 0.5\ncooldown_sec = 7.25\n[slice]\nmonitoring_retention_hours = 48\ndrain_sec = 12\n[linkdb]\ncentres = \"50\"\n";
    let first = resolve(Program::All, text, LAB).unwrap().to_string();
    let second = resolve(Program::All, &first, &[]).unwrap().to_string();
    assert_eq!(first, second);
    assert!(first.contains("cooldown_sec = 7.250"), "{first}");
    assert!(first.contains("esnr_threshold_db = 13.4\nq_margin_threshold_db = 0.5\n"), "{first}");
}

#[test]
fn limits_of_each_quantity_are_set_apart_and_what_is_not_set_stays_a_margin_to_the_mode() {
    let thresholds = |lines: &str, environment: Environment| {
        let text = format!("{OPEN}[controller.qot]\n{lines}");
        resolve(Program::All, &text, environment).unwrap().controller.qot.thresholds
    };
    assert_eq!(thresholds("", LAB), None);
    let esnr = thresholds("esnr_threshold_db = 13.0\n", LAB).unwrap();
    let limit = |below: i16| Limits { esnr_below: Some(Db::from_hundredths(below)), ..Limits::default() };
    let expected = Thresholds { warning: limit(1370), degraded: limit(1300), critical: limit(1245) };
    assert_eq!(esnr, expected, "and of no other quantity");
    let limit = |below: i16| Limits { q_margin_below: Some(Db::from_hundredths(below)), ..Limits::default() };
    let expected = Thresholds { warning: limit(110), degraded: limit(50), critical: limit(-5) };
    let q: Environment = &[("IPOWDM_STORE", "memory"), ("Q_MARGIN_THRESHOLD", "0.5")];
    assert_eq!(thresholds("", q), Some(expected));
    // The reference's keys bring each other, and leave the others alone.
    let osnr = thresholds("osnr_threshold_db = 18.0\nq_margin_threshold_db = 0.5\n", LAB).unwrap();
    let reference = Thresholds::reference();
    assert_eq!(osnr.degraded, Limits { q_margin_below: Some(Db::from_hundredths(50)), ..reference.degraded });
    let text = format!("{OPEN}[controller.qot]\nq_margin_threshold_db = 1e9\n");
    assert_eq!(refused(Program::All, &text, LAB)[0].key, "controller.qot.q_margin_threshold_db");
}
