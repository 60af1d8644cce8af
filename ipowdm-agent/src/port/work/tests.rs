use super::*;

fn vop(name: &str) -> VopId {
    name.parse().unwrap()
}

fn desired(vop_name: &str, connection: &str) -> Desired {
    Desired {
        vop: vop(vop_name),
        connection: connection.parse().unwrap(),
        frequency: Frequency::ANCHOR,
        tx_power: Some(Power::from_hundredths(-200)),
        media_code: None,
    }
}

fn lit(vop_name: &str, connection: &str) -> PortState {
    let session = (connection.parse().unwrap(), vop(vop_name));
    PortState {
        intent: Intent::Lit(Box::new(desired(vop_name, connection))),
        admin_down: false,
        sessions: vec![session],
    }
}

/// Every kind of state a port can be in, as seen by connection `c` of `v`.
fn states() -> Vec<(&'static str, PortState)> {
    let down = |state: PortState| PortState { admin_down: true, ..state };
    let dark = PortState { intent: Intent::Dark, ..PortState::default() };
    vec![
        ("untouched", PortState::default()),
        ("untouched, down", down(PortState::default())),
        ("dark", dark.clone()),
        ("dark, down", down(dark)),
        ("lit", lit("v", "c")),
        ("lit, down", down(lit("v", "c"))),
        ("other's", lit("v", "d")),
        ("other vOp's", lit("w", "c")),
    ]
}

/// Every kind of work, about connection `c` of `v`.
fn works() -> Vec<(&'static str, Work)> {
    let (v, c) = (vop("v"), "c".parse::<ConnectionId>().unwrap());
    let reconfigure = Work::Reconfigure {
        vop: v.clone(),
        connection: c.clone(),
        frequency: Some(Frequency::from_mhz(193_200_000)),
        tx_power: None,
        media_code: None,
    };
    vec![
        ("setup", Work::Setup { desired: desired("v", "c"), interval_ms: 3_000 }),
        ("reconfigure", reconfigure),
        ("teardown", Work::Teardown { vop: v.clone(), connection: c.clone() }),
        ("up", Work::Interface(AdminState::Up)),
        ("down", Work::Interface(AdminState::Down)),
        ("start", Work::StartTelemetry { vop: v.clone(), connection: c.clone(), interval_ms: 3_000 }),
        ("stop", Work::StopTelemetry { vop: v.clone(), connection: c }),
        ("refresh", Work::Refresh),
        ("release", Work::Release { vop: v }),
        ("restore", Work::Restore),
    ]
}

#[test]
fn every_work_is_admitted_or_refused_in_every_state_as_the_table_says() {
    use Code::{IllegalState as I, PortOccupied as P, UnknownConnection as U};
    let ok = None;
    // Columns in the order of `states`.
    #[rustfmt::skip]
    let table: &[(&str, [Option<Code>; 8])] = &[
        ("setup",       [ok, Some(I), ok, Some(I), ok, Some(I), Some(P), Some(P)]),
        ("reconfigure", [Some(U), Some(U), Some(U), Some(U), ok, Some(I), Some(U), Some(U)]),
        ("teardown",    [ok, ok, ok, ok, ok, ok, Some(I), Some(I)]),
        ("up",          [ok; 8]),
        ("down",        [ok; 8]),
        ("start",       [ok, ok, ok, ok, ok, ok, Some(P), Some(P)]),
        ("stop",        [ok; 8]),
        ("refresh",     [ok; 8]),
        ("release",     [ok; 8]),
        ("restore",     [ok; 8]),
    ];
    assert_eq!(table.len(), works().len());
    for ((name, work), (row, expected)) in works().into_iter().zip(table) {
        assert_eq!(name, *row);
        for ((state_name, state), expected) in states().into_iter().zip(expected) {
            let code = work.admit(&state).err().map(|refusal| refusal.code);
            assert_eq!(code, *expected, "{name} on {state_name}");
        }
    }
}

/// What is meant, in a letter: untouched, dark, lit as before, lit otherwise.
fn letter(before: &PortState, after: &PortState) -> char {
    match &after.intent {
        Intent::Untouched => 'u',
        Intent::Dark => 'd',
        lit if *lit == before.intent => 'l',
        Intent::Lit(_) => 'L',
    }
}

#[test]
fn every_admitted_work_leaves_the_intent_that_the_table_says() {
    // Columns in the order of `states`; first when it succeeds, then when it fails after it was begun.
    #[rustfmt::skip]
    let table: &[(&str, &str, &str)] = &[
        ("setup",       "L.L.l...", "d.d.l..."),
        ("reconfigure", "....L...", "....l..."),
        ("teardown",    "dddddd..", "dddddd.."),
        ("up",          "uuddllll", "uuddllll"),
        ("down",        "uuddllll", "uuddllll"),
        ("start",       "uuddll..", "uuddll.."),
        ("stop",        "uuddllll", "uuddllll"),
        ("refresh",     "uuddllll", "uuddllll"),
        ("release",     "uudddddl", "uudddddl"),
        ("restore",     "uuddllll", "uuddllll"),
    ];
    for ((name, work), (row, succeeded, failed)) in works().into_iter().zip(table) {
        assert_eq!(name, *row);
        for (expected, success) in [(succeeded, true), (failed, false)] {
            let outcome = |(_, state): (&str, PortState)| match work.admit(&state) {
                Ok(()) => letter(&state, &work.afterwards(&state, success)),
                Err(_) => '.',
            };
            let line: String = states().into_iter().map(outcome).collect();
            assert_eq!(line, **expected, "{name}, success: {success}");
        }
    }
}

#[test]
fn sessions_begin_with_what_starts_them_and_end_with_what_ends_them() {
    let session = ("c".parse().unwrap(), vop("v"));
    for (name, work) in works() {
        for (state_name, state) in states().into_iter().filter(|(_, state)| work.admit(state).is_ok()) {
            let has = |state: &PortState| state.sessions.contains(&session);
            let expected = match name {
                "setup" | "start" => true,
                "teardown" | "stop" | "release" => false,
                _ => has(&state),
            };
            let after = work.afterwards(&state, true);
            assert_eq!(has(&after), expected, "{name} on {state_name}");
            let others = |state: &PortState| state.sessions.iter().filter(|s| s.1 == vop("w")).count();
            assert_eq!(others(&after), others(&state), "{name} on {state_name}: another's stay");
        }
    }
}

#[test]
fn a_failed_command_never_lights_what_was_not_lit() {
    for (name, work) in works() {
        for (state_name, state) in states() {
            let after = work.afterwards(&state, false);
            let same = after.intent == state.intent;
            assert!(same || after.intent.desired().is_none(), "{name} on {state_name}");
        }
    }
}

#[test]
fn admin_state_follows_the_interface_command_and_a_new_owner_begins_clean() {
    for (name, work) in works() {
        for (_, state) in states() {
            let expected = match name {
                "up" | "release" => false,
                "down" => true,
                _ => state.admin_down,
            };
            assert_eq!(work.afterwards(&state, true).admin_down, expected, "{name}");
        }
    }
}
