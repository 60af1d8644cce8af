use super::*;
use crate::assignment::Assignments;
use crate::journal::{Accepted, Answer, Desired, Entry, Intent, Journal, PortState};
use ipowdm_core::capability::PowerRange;
use ipowdm_core::grid::SpectrumWindow;
use ipowdm_core::ids::VopId;
use ipowdm_core::units::{Frequency, Power};
use proptest::prelude::*;

const T: i64 = 1_730_000_000_000;
const GUIDE: &str = r#"{"action":"setupConnection","command_id":"setup-POP1-POP2-1","parameters":{"connection_id":"POP1-POP2-1","endpoint_config":[{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet48","frequency":193.1,"tx_power_level":-2.0}]}}"#;

fn vop() -> VopId {
    "vOp2".parse().unwrap()
}

fn port(name: &str) -> PortId {
    name.parse().unwrap()
}

struct Bench {
    intake: Intake,
    journal: Journal,
    assignment: VopAssignment,
    not_before: Option<i64>,
    now: Millis,
    offset: i64,
}

impl Bench {
    fn new(accept_unfenced: bool) -> Self {
        let identity = Identity::of_router("pop1".parse().unwrap(), "router1".parse().unwrap());
        let managed = ["Ethernet48", "Ethernet56", "Ethernet64"].map(port);
        let mut assignment = Assignments::fixed(
            vop(),
            "i1".parse().unwrap(),
            &[port("Ethernet48"), port("Ethernet56")],
            3_000,
            30_000,
        )
        .in_force()[&vop()]
            .clone();
        for grant in &mut assignment.ports {
            grant.spectrum = vec![SpectrumWindow {
                low: Frequency::from_mhz(193_000_000),
                high: Frequency::from_mhz(193_200_000),
            }];
            grant.tx_power =
                Some(PowerRange { min: Power::from_hundredths(-1500), max: Power::from_hundredths(-100) });
        }
        let mut intake = Intake::new(identity, managed.into_iter().collect(), accept_unfenced);
        intake.clock.anchored(T, Millis(0));
        let journal = Journal::in_memory(16);
        Self { intake, journal, assignment, not_before: None, now: Millis(0), offset: 0 }
    }

    fn feed(&mut self, value: &[u8]) -> Judgement {
        self.feed_at(value, T)
    }

    fn feed_at(&mut self, value: &[u8], stamp_ms: i64) -> Judgement {
        self.offset += 1;
        let record = Record {
            offset: self.offset,
            timestamp_ms: stamp_ms,
            key: None,
            value: Some(value.to_vec().into()),
        };
        let origin = Origin {
            topic: "config_vOp2",
            partition: 0,
            assignment: &self.assignment,
            not_before: self.not_before,
        };
        self.intake.judge(&record, origin, self.journal.state(), self.now)
    }

    /// Feeds a command with an epoch and one ruling.
    fn fenced(&mut self, id: &str, epoch: u64) -> Ruling {
        only(self.feed(fence(GUIDE, id, epoch).as_bytes()))
    }

    /// Writes down what a ruling calls for, as the agent does.
    fn keep(&mut self, ruling: &Ruling, answered: bool) -> u64 {
        let (Ruling::Accept { concern, .. } | Ruling::Answer { concern, .. }) = ruling else {
            panic!("nothing to keep: {ruling:?}")
        };
        let number = self.journal.state().last_number() + 1;
        let Concern { key, command_id, port, command } = concern.clone();
        let whole = command.action.clone();
        let entry = if answered {
            let record_key = "c".into();
            Entry::Answered(Answer { number, vop: vop(), key, port, record_key, ack: b"{}".to_vec() })
        } else {
            let command = command.to_json();
            Entry::Accepted(Accepted {
                number,
                boot: 1,
                vop: vop(),
                key,
                command_id,
                port,
                stamp_ms: T,
                command,
            })
        };
        let (Entry::Accepted(Accepted { key, .. }) | Entry::Answered(Answer { key, .. })) = &entry else {
            unreachable!()
        };
        let content = Entry::Content { vop: vop(), key: key.clone(), digest: Digest::of(&whole) };
        self.journal.append(vec![content, entry]).unwrap();
        number
    }
}

fn fence(json: &str, id: &str, epoch: u64) -> String {
    json.replace("setup-POP1-POP2-1", id).replacen('{', &format!("{{\"epoch\":{epoch},"), 1)
}

fn only(judgement: Judgement) -> Ruling {
    let [ruling] = <[Ruling; 1]>::try_from(judgement.rulings).unwrap();
    ruling
}

fn refused(ruling: &Ruling) -> (Outcome, Code) {
    match ruling {
        Ruling::Answer { outcome, code: Some(code), .. } => (*outcome, *code),
        other => panic!("not refused: {other:?}"),
    }
}

fn accepted(ruling: &Ruling) -> &Concern {
    match ruling {
        Ruling::Accept { concern, .. } => concern,
        other => panic!("not accepted: {other:?}"),
    }
}

#[test]
fn s0_05_the_guides_hand_typed_line_is_accepted_under_accept_unfenced() {
    let mut bench = Bench::new(true);
    let ruling = only(bench.feed(GUIDE.as_bytes()));
    let concern = accepted(&ruling);
    assert_eq!(concern.command_id.as_str(), "setup-POP1-POP2-1");
    assert_eq!(concern.port, Some(port("Ethernet48")));
    assert_eq!(concern.command.action.endpoints()[0].frequency, Some(Frequency::from_mhz(193_100_000)));
}

#[test]
fn an_unfenced_command_is_refused_unless_accepted_by_configuration() {
    let mut bench = Bench::new(false);
    let ruling = only(bench.feed(GUIDE.as_bytes()));
    assert_eq!(refused(&ruling), (Outcome::Rejected, Code::Unfenced));
    accepted(&bench.fenced("c-1", 1));
}

#[test]
fn a_hand_typed_line_sent_twice_is_two_commands_but_its_record_read_twice_is_one() {
    let mut bench = Bench::new(true);
    let first = only(bench.feed(GUIDE.as_bytes()));
    let number = bench.keep(&first, true);
    let second = only(bench.feed(GUIDE.as_bytes()));
    accepted(&second);
    bench.offset = 0;
    assert_eq!(only(bench.feed(GUIDE.as_bytes())), Ruling::Repeat(number));
}

#[test]
fn a_command_without_id_is_named_by_its_place() {
    let mut bench = Bench::new(true);
    let line = GUIDE.replace(r#""command_id":"setup-POP1-POP2-1","#, "");
    let ruling = only(bench.feed(line.as_bytes()));
    assert_eq!(accepted(&ruling).command_id.as_str(), "@i1/0/1");
}

#[test]
fn s0_07_a_repeated_command_is_answered_from_the_journal_and_one_under_way_is_awaited() {
    let mut bench = Bench::new(false);
    let ruling = bench.fenced("c-1", 5);
    let number = bench.keep(&ruling, false);
    assert_eq!(bench.fenced("c-1", 5), Ruling::UnderWay(number));
    let Accepted { number, vop, key, port, .. } = bench.journal.state().accepted_at(number).unwrap().clone();
    let answer = Answer { number, vop, key, port, record_key: "c".into(), ack: b"{}".to_vec() };
    bench.journal.append(vec![Entry::Answered(answer)]).unwrap();
    assert_eq!(bench.fenced("c-1", 5), Ruling::Repeat(number));
    // Also when a newer issuer has taken over since.
    bench.journal.append(vec![Entry::Epoch { vop: self::vop(), epoch: 9 }]).unwrap();
    assert_eq!(bench.fenced("c-1", 5), Ruling::Repeat(number));
    assert_eq!(bench.intake.counts().repeated, 3);
}

#[test]
fn an_id_with_other_content_is_refused_and_its_record_read_again_is_refused_the_same() {
    let mut bench = Bench::new(false);
    let first = bench.fenced("c-1", 5);
    let number = bench.keep(&first, true);
    let other = fence(&GUIDE.replace("-2.0", "-3.0"), "c-1", 5);
    let judgement = bench.feed(other.as_bytes());
    let (key, _) = judgement.content.clone().unwrap();
    assert!(matches!(key, CommandKey::Place { offset: 2, .. }), "told apart by its place: {key:?}");
    let second = only(judgement);
    assert_eq!(refused(&second), (Outcome::Rejected, Code::AlreadyExists));
    let refusal = bench.keep(&second, true);
    bench.offset = 1;
    assert_eq!(only(bench.feed(other.as_bytes())), Ruling::Repeat(refusal));
    assert_eq!(bench.fenced("c-1", 5), Ruling::Repeat(number), "the first is what it was");
    // Another endpoint of ours under the same id is other content too, as is another action.
    let elsewhere = fence(&GUIDE.replace("Ethernet48", "Ethernet56"), "c-1", 5);
    assert_eq!(refused(&only(bench.feed(elsewhere.as_bytes()))), (Outcome::Rejected, Code::AlreadyExists));
    let action = fence(&GUIDE.replace("setupConnection", "reconfigConnection"), "c-1", 5);
    assert_eq!(refused(&only(bench.feed(action.as_bytes()))), (Outcome::Rejected, Code::AlreadyExists));
    assert_eq!(bench.intake.counts().accepted, 1);
}

#[test]
fn an_id_of_a_command_under_way_is_refused_with_other_content() {
    let mut bench = Bench::new(false);
    let first = bench.fenced("c-1", 5);
    let number = bench.keep(&first, false);
    let other = fence(&GUIDE.replace("193.1", "193.15"), "c-1", 5);
    assert_eq!(refused(&only(bench.feed(other.as_bytes()))), (Outcome::Rejected, Code::AlreadyExists));
    assert_eq!(bench.fenced("c-1", 5), Ruling::UnderWay(number));
}

#[test]
fn other_content_at_a_known_place_is_another_command() {
    // A fixed vOp's topic that was made anew keeps its incarnation.
    let mut bench = Bench::new(true);
    let first = only(bench.feed(GUIDE.as_bytes()));
    bench.keep(&first, true);
    bench.offset = 0;
    let second = only(bench.feed(GUIDE.replace("-2.0", "-3.0").as_bytes()));
    accepted(&second);
    let number = bench.keep(&second, true);
    bench.offset = 0;
    assert_eq!(only(bench.feed(GUIDE.replace("-2.0", "-3.0").as_bytes())), Ruling::Repeat(number));
}

#[test]
fn a_repeated_teardown_is_answered_again_although_its_connection_is_gone() {
    let mut bench = Bench::new(false);
    let serving =
        PortState { sessions: vec![("POP1-POP2-1".parse().unwrap(), vop())], ..PortState::default() };
    bench.journal.append(vec![Entry::Port(port("Ethernet48"), serving)]).unwrap();
    let line = r#"{"action":"teardownConnection","command_id":"t-1","epoch":1,"parameters":{"connection_id":"POP1-POP2-1"}}"#;
    let judgement = bench.feed(line.as_bytes());
    let (key, digest) = judgement.content.clone().unwrap();
    bench.journal.append(vec![Entry::Content { vop: vop(), key: key.clone(), digest }]).unwrap();
    let concern = accepted(&only(judgement)).clone();
    let answer = Answer {
        number: 9,
        vop: vop(),
        key,
        port: concern.port,
        record_key: "c".into(),
        ack: b"{}".to_vec(),
    };
    let dark = Entry::Port(port("Ethernet48"), PortState::default());
    bench.journal.append(vec![Entry::Answered(answer), dark]).unwrap();
    assert_eq!(only(bench.feed(line.as_bytes())), Ruling::Repeat(9));
}

#[test]
fn a_command_from_before_the_first_start_is_passed_over_but_its_epoch_is_remembered() {
    let mut bench = Bench::new(true);
    bench.not_before = Some(T);
    let line = fence(GUIDE, "c-1", 7);
    let judgement = bench.feed_at(line.as_bytes(), T - 1);
    assert_eq!(judgement, Judgement { epoch: Some(7), ..Judgement::default() });
    assert_eq!(bench.feed_at(GUIDE.as_bytes(), T - 1), Judgement::default());
    assert_eq!(bench.intake.counts().from_before, 2);
    accepted(&only(bench.feed_at(line.as_bytes(), T)));
    accepted(&only(bench.feed_at(GUIDE.as_bytes(), T)));
}

#[test]
fn an_older_epoch_is_stale_and_a_newer_one_is_remembered_even_from_others_commands() {
    let mut bench = Bench::new(false);
    let elsewhere = fence(&GUIDE.replace("router1", "router9"), "c-0", 7);
    let judgement = bench.feed(elsewhere.as_bytes());
    assert_eq!((judgement.epoch, judgement.rulings.len()), (Some(7), 0));
    bench.journal.append(vec![Entry::Epoch { vop: vop(), epoch: 7 }]).unwrap();
    assert_eq!(refused(&bench.fenced("c-1", 6)), (Outcome::StaleEpoch, Code::StaleEpoch));
    accepted(&bench.fenced("c-2", 7));
    let judgement = bench.feed(fence(GUIDE, "c-3", 8).as_bytes());
    assert_eq!(judgement.epoch, Some(8));
    accepted(&only(judgement));
    let foreign = fence(GUIDE, "c-4", 99).replacen('{', r#"{"virtual_operator":"vOp9","#, 1);
    let judgement = bench.feed(foreign.as_bytes());
    assert_eq!(judgement.epoch, None, "another virtual operator's epoch is not this one's");
    assert_eq!(refused(&only(judgement)), (Outcome::Rejected, Code::Forbidden));
}

#[test]
fn a_lifetime_that_is_over_is_answered_expired_and_one_that_is_not_sets_the_latest_start() {
    let mut bench = Bench::new(false);
    let line = fence(GUIDE, "c-1", 1).replacen('{', r#"{"lifetime_ms":30000,"#, 1);
    bench.now = Millis(10_000);
    match only(bench.feed_at(line.as_bytes(), T)) {
        Ruling::Accept { start_by, stamp_ms, .. } => {
            assert_eq!((start_by, stamp_ms), (Some(Millis(30_000)), T));
        }
        other => panic!("{other:?}"),
    }
    bench.now = Millis(30_000);
    assert_eq!(refused(&only(bench.feed_at(line.as_bytes(), T))), (Outcome::Expired, Code::Expired));
    let mut unanchored = Bench::new(false);
    unanchored.intake.clock = BrokerClock::new();
    assert_eq!(refused(&only(unanchored.feed_at(line.as_bytes(), T))), (Outcome::Expired, Code::Expired));
}

#[test]
fn commands_for_others_are_ignored_in_silence() {
    let mut bench = Bench::new(true);
    for line in [
        GUIDE.replace("router1", "router2"),
        GUIDE.replace("pop1", "pop2"),
        GUIDE.replacen('{', r#"{"target_agent":"pop1-router2","#, 1),
        GUIDE.replacen('{', r#"{"target_pop":"pop9","#, 1),
        r#"{"action":"teardownConnection","parameters":{"connection_id":"unknown"}}"#.to_string(),
        r#"{"action":"healthCheck","target_agent":"pop1-router2"}"#.to_string(),
    ] {
        assert_eq!(bench.feed(line.as_bytes()), Judgement::default(), "{line}");
    }
    assert_eq!(bench.intake.counts().ignored, 6);
}

#[test]
fn s0_16_a_port_that_is_not_managed_or_not_assigned_is_refused_by_type() {
    let mut bench = Bench::new(true);
    let with = |name: &str| GUIDE.replace("Ethernet48", name);
    let unknown = only(bench.feed(with("Ethernet999").as_bytes()));
    assert_eq!(refused(&unknown), (Outcome::Rejected, Code::UnknownPort));
    let foreign = only(bench.feed(with("Ethernet64").as_bytes()));
    assert_eq!(refused(&foreign), (Outcome::Rejected, Code::Forbidden));
    let control = r#"{"action":"interfaceControl","parameters":{"pop_id":"pop1","router_id":"router1","interface":"Ethernet64","action":"down"}}"#;
    assert_eq!(refused(&only(bench.feed(control.as_bytes()))), (Outcome::Rejected, Code::Forbidden));
}

#[test]
fn what_is_outside_the_grant_is_refused_never_bent() {
    let mut bench = Bench::new(true);
    let far = only(bench.feed(GUIDE.replace("193.1", "193.175").as_bytes()));
    assert_eq!(refused(&far), (Outcome::Rejected, Code::FrequencyNotGranted));
    let loud = only(bench.feed(GUIDE.replace("-2.0", "-0.5").as_bytes()));
    assert_eq!(refused(&loud), (Outcome::Rejected, Code::PowerOutOfRange));
}

#[test]
fn a_change_of_the_mode_alone_is_judged_at_the_frequency_that_stays() {
    let mut bench = Bench::new(true);
    // 50 GHz around 193.170 THz end within the grant, 75 GHz do not.
    let desired = Desired {
        vop: vop(),
        connection: "POP1-POP2-1".parse().unwrap(),
        frequency: Frequency::from_mhz(193_170_000),
        tx_power: None,
        media_code: Some(0x49),
    };
    let lit = PortState { intent: Intent::Lit(Box::new(desired)), ..PortState::default() };
    bench.journal.append(vec![Entry::Port(port("Ethernet48"), lit)]).unwrap();
    let reconfigure = |change: &str| {
        format!(
            r#"{{"action":"reconfigConnection","parameters":{{"connection_id":"POP1-POP2-1","endpoint_config":[{{"pop_id":"pop1","node_id":"router1","port_id":"Ethernet48",{change}}}]}}}}"#
        )
    };
    let wider = only(bench.feed(reconfigure(r#""media_code":70"#).as_bytes()));
    assert_eq!(refused(&wider), (Outcome::Rejected, Code::FrequencyNotGranted));
    accepted(&only(bench.feed(reconfigure(r#""frequency":193.1625"#).as_bytes())));
    accepted(&only(bench.feed(reconfigure(r#""tx_power_level":-3.0"#).as_bytes())));
}

#[test]
fn each_own_endpoint_has_one_ruling_and_carries_only_itself() {
    let mut bench = Bench::new(true);
    let endpoint = |router: &str, port: &str| {
        format!(r#"{{"pop_id":"pop1","node_id":"{router}","port_id":"{port}","frequency":193.1}}"#)
    };
    let list = [
        endpoint("router1", "Ethernet48"),
        endpoint("router2", "Ethernet48"),
        endpoint("router1", "Ethernet56"),
        endpoint("router1", "Ethernet48"),
    ]
    .join(",");
    let line = format!(
        r#"{{"action":"setupConnection","parameters":{{"connection_id":"c","endpoint_config":[{list}]}}}}"#
    );
    let rulings = bench.feed(line.as_bytes()).rulings;
    let ports: Vec<_> = rulings
        .iter()
        .map(|ruling| {
            let concern = accepted(ruling);
            assert_eq!(concern.command.action.endpoints().len(), 1);
            concern.command.action.endpoints()[0].port.port_id.clone()
        })
        .collect();
    assert_eq!(ports, [port("Ethernet48"), port("Ethernet56")]);
}

#[test]
fn a_teardown_without_endpoints_is_for_every_port_that_serves_or_will_serve() {
    let mut bench = Bench::new(true);
    let setup = only(bench.feed(GUIDE.as_bytes()));
    bench.keep(&setup, false);
    let sampled =
        PortState { sessions: vec![("POP1-POP2-1".parse().unwrap(), vop())], ..PortState::default() };
    bench.journal.append(vec![Entry::Port(port("Ethernet56"), sampled)]).unwrap();
    let line = r#"{"action":"teardownConnection","parameters":{"connection_id":"POP1-POP2-1"}}"#;
    let rulings = bench.feed(line.as_bytes()).rulings;
    let ports: Vec<_> = rulings.iter().map(|r| accepted(r).port.clone().unwrap()).collect();
    assert_eq!(ports, [port("Ethernet48"), port("Ethernet56")]);
}

#[test]
fn a_command_to_this_agent_by_name_is_answered_even_where_nothing_serves() {
    let mut bench = Bench::new(true);
    let to_me = |action: &str| {
        format!(
            r#"{{"action":"{action}","target_agent":"pop1-router1","parameters":{{"connection_id":"none"}}}}"#
        )
    };
    match only(bench.feed(to_me("teardownConnection").as_bytes())) {
        Ruling::Answer { outcome: Outcome::Unchanged, code: None, concern, .. } => {
            assert_eq!(concern.port, None);
        }
        other => panic!("{other:?}"),
    }
    let start = only(bench.feed(to_me("startTelemetry").as_bytes()));
    assert_eq!(refused(&start), (Outcome::Rejected, Code::UnknownConnection));
    let health = only(bench.feed(br#"{"action":"healthCheck"}"#));
    assert_eq!(accepted(&health).port, None);
}

#[test]
fn malformed_oversized_and_unknown_records_between_good_ones_are_counted_and_change_nothing() {
    let mut bench = Bench::new(true);
    let oversized = vec![b' '; ipowdm_core::msg::MAX_RECORD + 1];
    let later = GUIDE.replacen('{', r#"{"v":99,"#, 1);
    for bad in [
        b"{".as_slice(),
        &oversized,
        br#"{"action":"reboot"}"#,
        br#"{"action":"setupConnection"}"#,
        later.as_bytes(),
        b"",
    ] {
        assert_eq!(bench.feed(bad), Judgement::default());
        accepted(&only(bench.feed(GUIDE.as_bytes())));
    }
    let dead = bench.intake.dead_letters();
    assert_eq!((dead.malformed, dead.too_large, dead.unknown, dead.invalid), (2, 1, 1, 1));
    assert_eq!(dead.unknown_version, 1);
    assert_eq!(dead.iter().map(|letter| letter.offset).collect::<Vec<_>>(), [1, 3, 5, 7, 9, 11]);
    for _ in 0..100 {
        bench.feed(b"[]");
    }
    assert_eq!(bench.intake.dead_letters().iter().count(), 32, "the ring is bounded");
    assert_eq!(bench.intake.dead_letters().total(), 106);
}

proptest! {
    #[test]
    fn nothing_outside_the_grant_is_ever_accepted(
        mhz in 192_900_000_u32..193_300_000, hundredths in -2_000_i16..500, media in proptest::option::of(0x3D_u8..0x4A)
    ) {
        let mut bench = Bench::new(true);
        let media = media.map_or(String::new(), |code| format!(r#","media_code":{code}"#));
        let power = f64::from(hundredths) / 100.0;
        let line = GUIDE
            .replace(r#""frequency":193.1"#, &format!(r#""frequency_mhz":{mhz}{media}"#))
            .replace("-2.0", &format!("{power}"));
        if let Ruling::Accept { concern, .. } = only(bench.feed(line.as_bytes())) {
            let endpoint = &concern.command.action.endpoints()[0];
            let frequency = endpoint.frequency.unwrap().mhz();
            prop_assert!((193_025_000..=193_175_000).contains(&frequency));
            prop_assert!((-1500..=-100).contains(&endpoint.tx_power.unwrap().hundredths()));
        }
    }

    #[test]
    fn no_record_panics(value in proptest::collection::vec(any::<u8>(), 0..300), unfenced in any::<bool>()) {
        let _ = Bench::new(unfenced).feed(&value);
    }
}
