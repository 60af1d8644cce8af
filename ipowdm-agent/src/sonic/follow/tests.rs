use super::super::view::tests::lit;
use super::*;
use crate::sonic::Row;
use ipowdm_core::units::Power;
use proptest::prelude::*;

const START: Millis = Millis(1_000_000);

fn light() -> Goal {
    let tx_power = Power::from_hundredths(-1_000);
    Goal::Lit { frequency: Frequency::ANCHOR, tx_power, media_code: Some(0x3E) }
}

fn follow(goal: Goal, view: &View) -> Follow {
    Follow::new(goal, Mode::Configure, view).unwrap()
}

/// A port that is up and set to another frequency.
fn elsewhere() -> View {
    let mut view = lit();
    view.config = Row::of([("admin_status", "up"), ("laser_freq", "193175"), ("tx_power", "-10.0")]);
    view.monitors = monitors("193175", "193175", "-10.0", "Sat Nov 21 18:05:35 2026");
    view
}

fn monitors(set: &str, laser: &str, power: &str, time: &str) -> Row {
    Row::of([
        ("laser_config_freq", set),
        ("laser_curr_freq", laser),
        ("tx_config_power", power),
        ("tx1power", power),
        ("last_update_time", time),
    ])
}

fn status(lane: &str, tuning: &str, time: &str) -> Row {
    Row::of([
        ("module_state", "ModuleReady"),
        ("DP1State", lane),
        ("tuning_in_progress", tuning),
        ("last_update_time", time),
    ])
}

const OLD: &str = "Sat Nov 21 18:05:35 2026";
const NEW: &str = "Sat Nov 21 18:06:35 2026";

/// As the databases are once the switch has done what was asked, and read it back.
fn done() -> View {
    let mut view = lit();
    view.monitors = monitors("193100", "193100", "-10.0", NEW);
    view.status = status("DataPathActivated", "False", NEW);
    view
}

fn manager(state: &str) -> Row {
    Row::of([("cmis_state", state), ("error", "N/A")])
}

#[test]
fn what_is_so_already_is_not_set_and_not_waited_for() {
    let view = lit();
    assert_eq!(follow(light(), &view).step(START, &view), Step::Done(Ok(())));
    let mut observing = Follow::new(light(), Mode::Observe, &view).unwrap();
    assert_eq!(observing.step(START, &view), Step::Done(Ok(())));
}

#[test]
fn everything_that_differs_is_set_at_one_stroke() {
    let mut view = elsewhere();
    view.config = Row::of([("admin_status", "down")]);
    let Step::Set(fields) = follow(light(), &view).step(START, &view) else { panic!("nothing is set") };
    let names: Vec<&str> = fields.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["laser_freq", "tx_power", "admin_status"]);
}

#[test]
fn a_mode_that_changes_nothing_refuses_and_says_how_to_allow_it() {
    for mode in [Mode::Observe, Mode::Supplement] {
        let refused = Follow::new(light(), mode, &elsewhere()).unwrap_err();
        assert_eq!((refused.clone(), refused.code()), (Refused::ReadOnly(mode), Code::Forbidden));
        assert!(refused.to_string().contains("mode = \"configure\""), "{refused}");
    }
}

/// Every kind of view after something was set, and what it comes to: at once, and when the time is over.
#[test]
fn each_sight_has_its_step_in_each_state() {
    let with = |change: fn(&mut View)| {
        let mut view = done();
        change(&mut view);
        view
    };
    let pending: Vec<(&str, View)> = vec![
        ("cmis_state is DP_INIT", with(|v| v.manager = manager("DP_INIT"))),
        ("cmis_state is absent", with(|v| v.manager = Row::default())),
        ("laser_config_freq", with(|v| v.monitors = monitors("193175", "193100", "-10.0", NEW))),
        ("laser_curr_freq", with(|v| v.monitors = monitors("193100", "193102", "-10.0", NEW))),
        ("tuning", with(|v| v.status = status("DataPathActivated", "True", NEW))),
        ("not activated", with(|v| v.status = status("DataPathInitialized", "False", NEW))),
        ("not activated", with(|v| v.status = status("DataPathTxTurnOn", "False", NEW))),
        (
            "host_tx_ready",
            with(|v| {
                v.status = status("DataPathDeactivated", "False", NEW);
                v.host = Row::of([("host_tx_ready", "false")]);
            }),
        ),
        ("tx_config_power", with(|v| v.monitors = monitors("193100", "193100", "-9.0", NEW))),
        ("not read the module since", with(|v| v.monitors = monitors("193100", "193100", "-10.0", OLD))),
        ("not read the module since", with(|v| v.status = status("DataPathActivated", "False", OLD))),
        (
            "application 2",
            with(|v| {
                v.info = Row::of([
                    ("active_apsel_hostlane1", "2"),
                    ("application_advertisement", "{2: {'module_media_interface_id': 'ZR400-OFEC-16QAM'"),
                ]);
            }),
        ),
    ];
    let begun = || {
        let view = elsewhere();
        let mut follow = follow(light(), &view);
        assert!(matches!(follow.step(START, &view), Step::Set(_)));
        follow
    };
    for (words, view) in pending {
        let mut follow = begun();
        assert_eq!(follow.step(START.plus(10), &view), Step::Look(START.plus(10 + STEP_MS)), "{words}");
        let Step::Done(Err(failure)) = follow.step(START.plus(LIMIT_MS), &view) else { panic!("{words}") };
        assert!(failure.timed_out && failure.code == Code::TimedOut);
        assert!(failure.words.contains(words), "{} does not say {words}", failure.words);
        // It has ended, whatever comes.
        assert_eq!(follow.step(START.plus(LIMIT_MS), &done()), Step::Look(Millis(u64::MAX)));
    }
    assert_eq!(begun().step(START, &done()), Step::Done(Ok(())));
    let ends = |view: View| match begun().step(START, &view) {
        Step::Done(Err(failure)) => failure.code,
        step => panic!("{step:?}"),
    };
    assert_eq!(ends(with(|v| v.manager = manager("FAILED"))), Code::ModuleRejected);
    assert_eq!(ends(with(|v| v.manager = manager("REMOVED"))), Code::ModuleAbsent);
    assert_eq!(ends(with(|v| v.info = Row::default())), Code::ModuleAbsent);
}

#[test]
fn a_failure_of_before_the_change_is_no_answer_to_it() {
    let mut view = elsewhere();
    view.manager = manager("FAILED");
    let mut follow = follow(light(), &view);
    assert!(matches!(follow.step(START, &view), Step::Set(_)));
    assert!(matches!(follow.step(START.plus(1_000), &view), Step::Look(_)));
    let Step::Done(Err(failure)) = follow.step(START.plus(OLD_FAILURE_MS), &view) else {
        panic!("it goes on")
    };
    assert_eq!(failure.code, Code::ModuleRejected);
}

#[test]
fn monitors_that_do_not_say_when_they_were_read_are_given_a_round() {
    let view = elsewhere();
    let mut follow = follow(light(), &view);
    assert!(matches!(follow.step(START, &view), Step::Set(_)));
    let mut undated = done();
    undated.monitors = Row::of([
        ("laser_config_freq", "193100"),
        ("laser_curr_freq", "193100"),
        ("tx_config_power", "-10.0"),
    ]);
    assert!(matches!(follow.step(START.plus(1_000), &undated), Step::Look(_)));
    assert_eq!(follow.step(START.plus(UNDATED_MS), &undated), Step::Done(Ok(())));
}

#[test]
fn a_port_is_dark_when_its_lanes_say_so_or_nobody_is_in_it() {
    let mut view = lit();
    let mut follow = follow(Goal::Down, &view);
    assert_eq!(follow.step(START, &view), Step::Set(vec![("admin_status", "down".to_string())]));
    view.config = Row::of([("admin_status", "down")]);
    assert!(matches!(follow.step(START.plus(1_000), &view), Step::Look(_)), "it is lit");
    view.status = status("DataPathDeactivated", "False", NEW);
    assert!(matches!(follow.step(START.plus(2_000), &view), Step::Look(_)), "the monitors are old");
    view.monitors = monitors("193100", "0", "-10.0", NEW);
    assert_eq!(follow.clone().step(START.plus(3_000), &view), Step::Done(Ok(())));
    view.manager = manager("FAILED");
    assert_eq!(follow.step(START.plus(3_000), &view), Step::Done(Ok(())));
    let mut empty = lit();
    empty.info = Row::default();
    let mut follow = super::tests::follow(Goal::Down, &empty);
    assert!(matches!(follow.step(START, &empty), Step::Set(_)));
    empty.monitors = Row::default();
    empty.status = Row::default();
    assert_eq!(sight(Goal::Down, &empty), Sight::Met);
}

#[test]
fn what_could_not_be_set_is_compared_anew() {
    let view = elsewhere();
    let mut follow = follow(light(), &view);
    let first = follow.step(START, &view);
    follow.unset();
    assert_eq!(follow.step(START.plus(500), &view), first);
}

#[test]
fn with_nothing_to_set_each_sight_ends_or_waits() {
    let settled = |change: fn(&mut View)| {
        let mut view = lit();
        change(&mut view);
        let mut follow = follow(light(), &view);
        follow.step(START, &view)
    };
    let code = |step: Step| match step {
        Step::Done(Err(failure)) => Some(failure.code),
        _ => None,
    };
    assert_eq!(settled(|_| {}), Step::Done(Ok(())));
    assert_eq!(settled(|v| v.manager = manager("DP_INIT")), Step::Look(START.plus(STEP_MS)));
    assert_eq!(code(settled(|v| v.manager = manager("FAILED"))), Some(Code::ModuleRejected));
    assert_eq!(code(settled(|v| v.manager = manager("REMOVED"))), Some(Code::ModuleAbsent));
}

/// What the databases may say next.
fn view() -> impl Strategy<Value = View> {
    let state = proptest::sample::select(vec!["READY", "FAILED", "REMOVED", "INSERTED", "DP_INIT"]);
    let frequency = proptest::sample::select(vec!["193100", "193175", "0", "N/A"]);
    let lane =
        proptest::sample::select(vec!["DataPathActivated", "DataPathDeactivated", "DataPathInit", "?"]);
    let time = proptest::sample::select(vec![OLD, NEW, "N/A"]);
    let admin = proptest::sample::select(vec!["up", "down"]);
    (state, frequency, lane, time, admin, any::<bool>()).prop_map(|(state, ghz, lane, time, admin, there)| {
        let mut view = lit();
        view.config = Row::of([("admin_status", admin), ("laser_freq", ghz), ("tx_power", "-10.0")]);
        view.manager = manager(state);
        view.monitors = monitors(ghz, ghz, "-10.0", time);
        view.status = status(lane, "False", time);
        if !there {
            view.info = Row::default();
        }
        view
    })
}

proptest! {
    #[test]
    fn whatever_the_databases_say_it_is_set_once_and_ends_in_time(
        first in view(),
        views in proptest::collection::vec((view(), 0_u64..40_000), 1..40),
        down in any::<bool>(),
    ) {
        let goal = if down { Goal::Down } else { light() };
        prop_assume!(goal.check(&first).is_ok());
        let mut follow = follow(goal, &first);
        let (mut now, mut settings, mut ended) = (START, 0, false);
        for (view, pause) in core::iter::once((first, 0)).chain(views) {
            now = now.plus(pause);
            match follow.step(now, &view) {
                Step::Set(fields) => {
                    settings += 1;
                    prop_assert!(!ended && settings == 1);
                    prop_assert!(fields.iter().all(|(_, value)| value != "0" && value != "0.0"));
                }
                Step::Look(at) if ended => prop_assert_eq!(at, Millis(u64::MAX)),
                Step::Look(at) => {
                    prop_assert_eq!(at, now.plus(STEP_MS));
                    prop_assert!(now.since(START) < LIMIT_MS);
                }
                Step::Done(result) => {
                    prop_assert!(!ended);
                    ended = true;
                    prop_assert_eq!(result.is_ok(), sight(goal, &view) == Sight::Met);
                }
            }
        }
    }
}
