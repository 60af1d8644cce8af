use super::*;
use crate::settings::Problem;
use ipowdm_core::msg::{HealthStatus, VopAssignment};
use serde_json::json;
use std::path::PathBuf;

const NOW: i64 = 1_730_000_000_000;

fn file(read: Access, write: Access) -> Option<FileFacts> {
    Some(FileFacts { path: PathBuf::from("/sys/eeprom"), read, write })
}

fn module(coherent: bool, faulty: bool, sweep_ms: u64) -> ModuleFacts {
    ModuleFacts::Read { name: "MAKER ZR 1".to_string(), coherent, faulty, sweep_ms }
}

fn topic(name: &str) -> TopicFacts {
    TopicFacts { name: name.to_string(), seen: Ok(true), stamped: Some(true) }
}

fn beat(sent_ms: i64) -> Beat {
    Beat { sent_ms, stamp_ms: Some(sent_ms), status: HealthStatus::Healthy, issues: Vec::new() }
}

fn healthy() -> Facts {
    let port = |name: &str| PortFacts {
        port: name.parse().unwrap(),
        file: file(Access::Granted, Access::Granted),
        module: module(true, false, 40),
    };
    let heartbeat =
        Heartbeat { vop: "vOp2".parse().unwrap(), newest: Some(beat(NOW - 5_000)), boots: vec![3, 3, 4] };
    let view = BusView {
        topics: 4,
        used: ["config_vOp2", "monitoring_vOp2", "health_vOp2"].map(topic).into(),
        assigned: None,
        heartbeats: vec![heartbeat],
        newest_stamp_ms: Some(NOW - 5_000),
        host_ms: NOW,
    };
    Facts {
        problems: Vec::new(),
        agent: Some("pop1-router1".parse().unwrap()),
        emulated: false,
        telemetry_interval_ms: Some(3_000),
        broker: Some(BrokerFacts { address: "broker:9092".to_string(), answer: Ok(view) }),
        ports: vec![port("Ethernet48"), port("Ethernet56")],
        owner: Some(OwnerFacts::default()),
        switch: None,
        journal: Some(JournalFacts {
            path: PathBuf::from("/var/lib/journal"),
            damaged: Ok(0),
            boot: 4,
            set_aside: false,
            write: Access::Granted,
            free: Some(1 << 30),
            in_use: Some(true),
        }),
        secrets: vec![SecretFile { path: PathBuf::from("/etc/password"), mode: Ok((0o600, 0)) }],
        user: 0,
    }
}

fn view(facts: &mut Facts) -> &mut BusView {
    facts.broker.as_mut().unwrap().answer.as_mut().unwrap()
}

fn newest(facts: &mut Facts) -> &mut Beat {
    view(facts).heartbeats[0].newest.as_mut().unwrap()
}

fn journal(facts: &mut Facts) -> &mut JournalFacts {
    facts.journal.as_mut().unwrap()
}

type Change = fn(&mut Facts);

/// The verdict of a row and a word of what was found, after a change to a healthy set-up.
const CASES: &[(Row, Verdict, &str, Change)] = &[
    (Row::Broker, Verdict::Fault, "refused", |f| {
        f.broker.as_mut().unwrap().answer = Err("connection refused".into())
    }),
    (Row::Broker, Verdict::Fault, "SASL", |f| {
        f.broker.as_mut().unwrap().answer = Err("SASL authentication failed".into())
    }),
    (Row::Broker, Verdict::NotChecked, "no broker", |f| f.broker = None),
    (Row::Topics, Verdict::NotChecked, "does not answer", |f| {
        f.broker.as_mut().unwrap().answer = Err("gone".into())
    }),
    (Row::Topics, Verdict::Fault, "health_vOp2 is not there", |f| view(f).used[2].seen = Ok(false)),
    (Row::Topics, Verdict::Fault, "not authorised", |f| view(f).used[0].seen = Err("not authorised".into())),
    (Row::Topics, Verdict::Warning, "senders' time stamps", |f| view(f).used[0].stamped = Some(false)),
    (Row::Topics, Verdict::Warning, "nobody is assigned", |f| view(f).assigned = Some(Assigned::Nobody)),
    (Row::Topics, Verdict::Warning, "Ethernet99", |f| {
        view(f).assigned = Some(assigned(&["Ethernet48", "Ethernet99"]))
    }),
    (Row::Topics, Verdict::Ok, "config_vOp2", |f| view(f).assigned = Some(assigned(&["Ethernet48"]))),
    (Row::HealthStream, Verdict::Fault, "91 s old", |f| *newest(f) = beat(NOW - 91_000)),
    (Row::HealthStream, Verdict::Fault, "no heartbeat of it", |f| view(f).heartbeats[0].newest = None),
    (Row::HealthStream, Verdict::NotChecked, "no agent runs here", |f| {
        view(f).heartbeats[0].newest = None;
        journal(f).in_use = Some(false);
    }),
    (Row::HealthStream, Verdict::NotChecked, "no agent runs", |f| {
        *newest(f) = beat(NOW - 91_000);
        journal(f).in_use = Some(false);
    }),
    (Row::HealthStream, Verdict::Warning, "loss of signal", |f| {
        newest(f).status = HealthStatus::Degraded;
        newest(f).issues = vec!["Ethernet48: loss of signal".into()];
    }),
    (Row::Permissions, Verdict::Fault, "is not there", |f| {
        f.ports[0].file = file(Access::Missing, Access::Missing)
    }),
    (Row::Permissions, Verdict::Fault, "cannot be read", |f| {
        f.ports[1].file = file(denied(), Access::Granted)
    }),
    (Row::Permissions, Verdict::Fault, "cannot be written", |f| {
        f.ports[1].file = file(Access::Granted, denied())
    }),
    (Row::Permissions, Verdict::NotChecked, "emulated", |f| f.emulated = true),
    (Row::Mapping, Verdict::Fault, "IFNAME_TO_PORTNUM_JSON", |f| {
        f.problems.push(problem("IFNAME_TO_PORTNUM_JSON"))
    }),
    (Row::Interval, Verdict::Fault, "TELEMETRY_INTERVAL_SEC", |f| {
        f.problems.push(problem("TELEMETRY_INTERVAL_SEC"))
    }),
    (Row::Interval, Verdict::Warning, "Ethernet56, takes 1501 ms", |f| {
        f.ports[1].module = module(true, false, 1_501)
    }),
    (Row::Interval, Verdict::Fault, "samples will be missing", |f| {
        f.ports[1].module = module(true, false, 3_000)
    }),
    (Row::Interval, Verdict::NotChecked, "no module could be read", |f| f.ports.clear()),
    (Row::Interval, Verdict::NotChecked, "assignment", |f| f.telemetry_interval_ms = None),
    (Row::Clock, Verdict::Ok, "1.9 s ahead of", |f| newest(f).stamp_ms = Some(NOW - 6_900)),
    (Row::Clock, Verdict::Warning, "2.1 s ahead of", |f| newest(f).stamp_ms = Some(NOW - 7_100)),
    (Row::Clock, Verdict::Fault, "3600.0 s behind", |f| newest(f).stamp_ms = Some(NOW + 3_595_000)),
    (Row::Clock, Verdict::Fault, "61.0 s behind", |f| view(f).newest_stamp_ms = Some(NOW + 61_000)),
    (Row::Clock, Verdict::NotChecked, "no heartbeat", |f| newest(f).stamp_ms = None),
    (Row::LegacyTopics, Verdict::Fault, "CONFIG_TOPIC", |f| f.problems.push(problem("CONFIG_TOPIC"))),
    (Row::Owner, Verdict::Fault, "xcvrd (process 7)", |f| {
        f.owner.as_mut().unwrap().drivers.push((7, "xcvrd".into()))
    }),
    (Row::Owner, Verdict::Warning, "sfputil (process 8)", |f| {
        f.owner.as_mut().unwrap().holders.push(("Ethernet48".parse().unwrap(), 8, "sfputil".into()));
    }),
    (Row::Owner, Verdict::Fault, "no socket", |f| f.switch = Some(Err("no socket".into()))),
    (Row::Owner, Verdict::Ok, "mode observe: because", |f| {
        f.owner.as_mut().unwrap().drivers.push((7, "xcvrd".into()));
        f.switch = Some(Ok(switch(None)));
    }),
    (Row::Owner, Verdict::Warning, "polled", |f| f.switch = Some(Ok(switch(Some((Row::Owner, false)))))),
    (Row::Mapping, Verdict::Fault, "polled", |f| f.switch = Some(Ok(switch(Some((Row::Mapping, true)))))),
    (Row::Permissions, Verdict::Ok, "mode observe", |f| f.switch = Some(Ok(switch(None)))),
    (Row::Modules, Verdict::Ok, "seen by the switch", |f| {
        f.ports.iter_mut().for_each(|p| p.module = ModuleFacts::Told)
    }),
    (Row::Owner, Verdict::NotChecked, "cannot be seen", |f| f.owner = None),
    (Row::Journal, Verdict::Warning, "no journal", |f| f.journal = None),
    (Row::Journal, Verdict::Fault, "cannot be written", |f| journal(f).write = denied()),
    (Row::Journal, Verdict::Fault, "folder is not there", |f| journal(f).write = Access::Missing),
    (Row::Journal, Verdict::Fault, "1023 kB are free", |f| journal(f).free = Some((1 << 20) - 1)),
    (Row::Journal, Verdict::Warning, "15 MB are free", |f| journal(f).free = Some((16 << 20) - 1)),
    (Row::Journal, Verdict::Warning, "12 bytes are damaged", |f| journal(f).damaged = Ok(12)),
    (Row::Journal, Verdict::Warning, ".damaged", |f| journal(f).set_aside = true),
    (Row::Journal, Verdict::Fault, "no such thing", |f| journal(f).damaged = Err("no such thing".into())),
    (Row::Journal, Verdict::Fault, "one of this name was heard 5 s ago", |f| {
        journal(f).in_use = Some(false);
        journal(f).boot = 1;
    }),
    (Row::Journal, Verdict::Ok, "nobody else", |f| journal(f).in_use = Some(false)),
    (Row::Journal, Verdict::Fault, "take turns", |f| view(f).heartbeats[0].boots = vec![3, 4, 3]),
    (Row::Modules, Verdict::Warning, "no module in the port", |f| f.ports[0].module = ModuleFacts::Absent),
    (Row::Modules, Verdict::Fault, "silent", |f| {
        f.ports[0].module = ModuleFacts::Unreadable("silent".into())
    }),
    (Row::Modules, Verdict::Fault, "no CMIS", |f| f.ports[0].module = ModuleFacts::NotCmis("no CMIS".into())),
    (Row::Modules, Verdict::Fault, "no coherent", |f| f.ports[0].module = module(false, false, 1)),
    (Row::Modules, Verdict::Fault, "fault state", |f| f.ports[0].module = module(true, true, 1)),
    (Row::Secrets, Verdict::Fault, "everybody (mode 604)", |f| f.secrets[0].mode = Ok((0o604, 0))),
    (Row::Secrets, Verdict::Warning, "group (mode 640)", |f| f.secrets[0].mode = Ok((0o640, 0))),
    (Row::Secrets, Verdict::Warning, "belongs to user 5", |f| {
        f.user = 4;
        f.secrets[0].mode = Ok((0o600, 5));
    }),
    (Row::Secrets, Verdict::Ok, "none", |f| f.secrets.clear()),
];

fn switch(clash: Option<(Row, bool)>) -> SwitchFacts {
    let made = |(row, is_fatal)| Clash { row, is_fatal, found: "polled".into(), fix: "stop polling".into() };
    let clashes = clash.map(made).into_iter().collect();
    SwitchFacts { mode: crate::mode::Mode::Observe, reasons: vec!["because".into()], clashes }
}

fn denied() -> Access {
    Access::Denied("permission denied".to_string())
}

fn problem(key: &str) -> Problem {
    Problem { key: key.to_string(), reason: "is a legacy topic name".to_string(), fix: "mend it".to_string() }
}

fn assigned(ports: &[&str]) -> Assigned {
    let ports: Vec<_> = ports.iter().map(|port| json!({ "port_id": port, "spectrum": [] })).collect();
    let vop = json!({ "vop": "vOp2", "incarnation": "1", "ports": ports });
    Assigned::Vops(vec![serde_json::from_value::<VopAssignment>(vop).unwrap()])
}

#[test]
fn a_healthy_set_up_is_well_in_every_row() {
    let report = examine(&healthy());
    for finding in &report.findings {
        assert_eq!(finding.verdict(), Verdict::Ok, "{finding:?}");
    }
    assert!(report.is_well());
    assert_eq!(report.to_json()["rows"][11]["number"], 12);
}

#[test]
fn each_row_says_what_it_finds_and_how_it_is_mended() {
    for (row, verdict, word, change) in CASES {
        let mut facts = healthy();
        change(&mut facts);
        let report = examine(&facts);
        let finding = report.of(*row).unwrap();
        assert_eq!(finding.verdict(), *verdict, "{word}: {finding:?}");
        let told = report.to_string();
        let meant = |detail: &&Detail| {
            detail.verdict == *verdict
                && [Some(&detail.found), detail.fix.as_ref()].into_iter().flatten().any(|t| t.contains(word))
        };
        let detail = finding.details.iter().find(meant).unwrap_or_else(|| panic!("{word}: {finding:?}"));
        assert_eq!(detail.fix.is_some(), *verdict >= Verdict::Warning, "{detail:?}");
        assert!(told.contains(&detail.found) && told.contains(row.title()), "{told}");
        if *verdict < Verdict::Fault && !matches!(word, &"does not answer") {
            assert!(report.is_well(), "only faults are a failure: {told}");
        } else {
            assert!(!report.is_well(), "{told}");
        }
    }
    for row in Row::ALL {
        assert!(CASES.iter().any(|(tested, ..)| *tested == row), "{row:?}");
    }
}

#[test]
fn a_problem_of_the_settings_that_no_row_is_about_is_told_all_the_same() {
    let mut facts = healthy();
    facts.problems.push(problem("POP_ID"));
    let report = examine(&facts);
    assert!(!report.is_well());
    assert!(report.to_string().contains("POP_ID") && report.to_string().contains("mend it"));
    assert_eq!(report.to_json()["settings"][0]["key"], "POP_ID");
}

#[test]
fn what_is_to_be_done_for_several_ports_is_said_once() {
    let mut facts = healthy();
    for port in &mut facts.ports {
        port.module = ModuleFacts::Absent;
    }
    let told = examine(&facts).to_string();
    assert_eq!(told.matches("no module in the port").count(), 2, "{told}");
    assert_eq!(told.matches("plug one in").count(), 1, "{told}");
}

#[test]
fn nothing_known_is_never_well() {
    let report = examine(&Facts::default());
    for finding in &report.findings {
        let known = matches!(finding.row, Row::LegacyTopics | Row::Secrets);
        assert_eq!(finding.verdict() == Verdict::Ok, known, "{finding:?}");
    }
}
