use super::*;
use proptest::prelude::*;

const SESSION: Duration = Duration::from_secs(10);
const REBALANCE: Duration = Duration::from_secs(60);
const COMPANY: Duration = Duration::from_millis(100);
const GROUP: &str = "g";

/// A coordinator, a clock, and the tickets that are still out.
struct Bench {
    coordinator: Coordinator,
    now: Instant,
    limits: Limits,
    last: u64,
    /// Who waits under which ticket, and for what.
    waiting: BTreeMap<Ticket, String>,
    generation: i32,
}

impl Bench {
    fn new() -> Self {
        Bench {
            coordinator: Coordinator::new(0xfeed, Offsets::default()),
            now: Instant::now(),
            limits: Limits::default(),
            last: 0,
            waiting: BTreeMap::new(),
            generation: 0,
        }
    }

    fn ticket(&mut self, what: &str, member: &str) -> Ticket {
        self.last += 1;
        let label = if member.is_empty() { "newcomer" } else { short(member) };
        self.waiting.insert(Ticket(self.last), format!("{what}({label})"));
        Ticket(self.last)
    }

    fn request(member: &str, subscription: &str, id_first: bool) -> Join {
        Join {
            group: GROUP.to_owned(),
            member: member.to_owned(),
            client: "c".to_owned(),
            session_timeout: SESSION,
            rebalance_timeout: REBALANCE,
            protocol_type: "consumer".to_owned(),
            protocols: vec![("range".to_owned(), Bytes::from(subscription.to_owned()))],
            id_first,
        }
    }

    fn join(&mut self, member: &str, subscription: &str) -> Result<JoinOutcome, ResponseError> {
        self.join_with(Self::request(member, subscription, false))
    }

    fn join_with(&mut self, join: Join) -> Result<JoinOutcome, ResponseError> {
        let ticket = self.ticket("join", &join.member);
        let outcome = self.coordinator.join(self.now, ticket, join, COMPANY, &self.limits);
        if outcome != Ok(JoinOutcome::Waits) {
            self.waiting.remove(&ticket);
        }
        outcome
    }

    fn who<'a>(&self, member: &'a str) -> Committer<'a> {
        Committer { group: GROUP, member, generation: self.generation }
    }

    fn sync(&mut self, member: &str, assignments: &[(&str, &'static str)]) -> Result<(), ResponseError> {
        let ticket = self.ticket("sync", member);
        let who = Committer { group: GROUP, member, generation: self.generation };
        let assignments = assignments.iter().map(|&(id, what)| (id.to_owned(), Bytes::from(what))).collect();
        let outcome = self.coordinator.sync(self.now, ticket, &who, assignments, &self.limits);
        if outcome.is_err() {
            self.waiting.remove(&ticket);
        }
        outcome
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.coordinator.tick(self.now);
    }

    /// Takes the due answers, rendered with who gets them, and checks that each was waited for.
    fn answers(&mut self) -> Vec<String> {
        let mut rows = Vec::new();
        for answer in self.coordinator.take_answers() {
            let to = self.waiting.remove(&answer.ticket()).expect("answered once, and only if asked");
            let what = match answer {
                Answer::Join(_, Ok(joined)) => {
                    self.generation = joined.generation;
                    let role = if joined.leader == joined.member { "leader" } else { "member" };
                    format!("{role} in {}", joined.generation)
                }
                Answer::Sync(_, Ok(assignment)) => String::from_utf8(assignment.to_vec()).unwrap(),
                Answer::Join(_, Err(error)) | Answer::Sync(_, Err(error)) => format!("{error:?}"),
            };
            rows.push(format!("{to}: {what}"));
        }
        rows.sort();
        rows
    }

    fn state(&self) -> &'static str {
        self.coordinator.groups.get(GROUP).map_or("none", Group::state_name)
    }
}

/// Member ids end in a number that counts from 1.
fn short(member: &str) -> &str {
    member.rsplit_once('-').map_or(member, |(_, number)| number)
}

const LEADER: &str = "c-feed-1";
const FOLLOWER: &str = "c-feed-2";
const STRANGER: &str = "c-feed-99";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Start {
    /// No group at all.
    None,
    /// Two members, of whom the leader has joined anew.
    Joining,
    /// Two members have joined and wait for nothing; the leader has not synced.
    Syncing,
    /// As before, and the follower waits for its assignment.
    SyncingWaited,
    Stable,
}

fn bench_in(start: Start) -> Bench {
    let mut bench = Bench::new();
    if start == Start::None {
        return bench;
    }
    bench.join("", "leader").unwrap();
    bench.join("", "follower").unwrap();
    bench.pass(COMPANY);
    assert_eq!(bench.answers(), ["join(newcomer): leader in 1", "join(newcomer): member in 1"]);
    if start == Start::Syncing {
        return bench;
    }
    bench.sync(FOLLOWER, &[]).unwrap();
    if start == Start::SyncingWaited {
        return bench;
    }
    bench.sync(LEADER, &[(LEADER, "left"), (FOLLOWER, "right")]).unwrap();
    assert_eq!(bench.answers(), ["sync(1): left", "sync(2): right"]);
    if start == Start::Joining {
        bench.join(LEADER, "leader").unwrap();
    }
    bench
}

#[derive(Debug, Clone, Copy)]
enum Event {
    Newcomer,
    LeaderJoins,
    FollowerJoins,
    FollowerJoinsWithNews,
    StrangerJoins,
    LeaderSyncs,
    FollowerSyncs,
    FollowerBeats,
    OldGenerationBeats,
    StrangerBeats,
    FollowerCommits,
    OutsiderCommits,
    FollowerLeaves,
    LeaderLeaves,
    StrangerLeaves,
    /// The session timeout passes while only the leader is heard of.
    FollowerSilent,
    /// The rebalance timeout passes while both are heard of, as far as they are.
    RebalanceOver,
}

fn apply(bench: &mut Bench, event: Event) -> String {
    use Event::*;
    let render = |result: Result<(), ResponseError>| match result {
        Ok(()) => "ok".to_owned(),
        Err(error) => format!("{error:?}"),
    };
    let joined = |result: Result<JoinOutcome, ResponseError>| match result {
        Ok(JoinOutcome::Waits) => "ok".to_owned(),
        Ok(JoinOutcome::ComeBackAs(id)) => id,
        Err(error) => format!("{error:?}"),
    };
    let now = bench.now;
    match event {
        Newcomer => joined(bench.join("", "newcomer")),
        LeaderJoins => joined(bench.join(LEADER, "leader")),
        FollowerJoins => joined(bench.join(FOLLOWER, "follower")),
        FollowerJoinsWithNews => joined(bench.join(FOLLOWER, "other topics")),
        StrangerJoins => joined(bench.join(STRANGER, "x")),
        LeaderSyncs => render(bench.sync(LEADER, &[(LEADER, "up"), (FOLLOWER, "down")])),
        FollowerSyncs => render(bench.sync(FOLLOWER, &[])),
        FollowerBeats => render(bench.coordinator.heartbeat(now, &bench.who(FOLLOWER))),
        OldGenerationBeats => {
            let who = Committer { generation: bench.generation - 1, ..bench.who(FOLLOWER) };
            render(bench.coordinator.heartbeat(now, &who))
        }
        StrangerBeats => render(bench.coordinator.heartbeat(now, &bench.who(STRANGER))),
        FollowerCommits => render(bench.coordinator.may_commit(now, &bench.who(FOLLOWER))),
        OutsiderCommits => {
            let who = Committer { generation: -1, ..bench.who("") };
            render(bench.coordinator.may_commit(now, &who))
        }
        FollowerLeaves => render(bench.coordinator.leave(now, GROUP, FOLLOWER)),
        LeaderLeaves => render(bench.coordinator.leave(now, GROUP, LEADER)),
        StrangerLeaves => render(bench.coordinator.leave(now, GROUP, STRANGER)),
        FollowerSilent => {
            bench.pass(SESSION / 2);
            let _ = bench.coordinator.heartbeat(bench.now, &bench.who(LEADER));
            bench.pass(SESSION / 2);
            "ok".to_owned()
        }
        RebalanceOver => {
            let end = bench.now + REBALANCE;
            while bench.now < end {
                bench.pass(Duration::from_secs(5));
                for member in [LEADER, FOLLOWER] {
                    let _ = bench.coordinator.heartbeat(bench.now, &bench.who(member));
                }
            }
            "ok".to_owned()
        }
    }
}

/// Every pair of state and event: what the asker gets, which waiting requests are answered, where the group goes.
/// After Apache Kafka's classic group coordinator.
#[test]
fn every_event_in_every_state_has_its_outcome() {
    use Event::*;
    use Start::*;
    type Row = (Start, Event, &'static str, &'static [&'static str], &'static str);
    const NONE: &[&str] = &[];
    const REDO: &str = "RebalanceInProgress";
    const UNKNOWN: &str = "UnknownMemberId";
    const OLD: &str = "IllegalGeneration";
    let table: &[Row] = &[
        (None, Newcomer, "ok", NONE, "PreparingRebalance"),
        (None, LeaderJoins, UNKNOWN, NONE, "none"),
        (None, FollowerJoins, UNKNOWN, NONE, "none"),
        (None, FollowerJoinsWithNews, UNKNOWN, NONE, "none"),
        (None, StrangerJoins, UNKNOWN, NONE, "none"),
        (None, LeaderSyncs, UNKNOWN, NONE, "none"),
        (None, FollowerSyncs, UNKNOWN, NONE, "none"),
        (None, FollowerBeats, UNKNOWN, NONE, "none"),
        (None, OldGenerationBeats, UNKNOWN, NONE, "none"),
        (None, StrangerBeats, UNKNOWN, NONE, "none"),
        (None, FollowerCommits, UNKNOWN, NONE, "none"),
        (None, OutsiderCommits, "ok", NONE, "none"),
        (None, FollowerLeaves, UNKNOWN, NONE, "none"),
        (None, LeaderLeaves, UNKNOWN, NONE, "none"),
        (None, StrangerLeaves, UNKNOWN, NONE, "none"),
        (None, FollowerSilent, "ok", NONE, "none"),
        (None, RebalanceOver, "ok", NONE, "none"),
        // The leader waits in its join; the follower has yet to come.
        (Joining, Newcomer, "ok", NONE, "PreparingRebalance"),
        (Joining, LeaderJoins, "ok", &["join(1): UnknownMemberId"], "PreparingRebalance"),
        (
            Joining,
            FollowerJoins,
            "ok",
            &["join(1): leader in 2", "join(2): member in 2"],
            "CompletingRebalance",
        ),
        (
            Joining,
            FollowerJoinsWithNews,
            "ok",
            &["join(1): leader in 2", "join(2): member in 2"],
            "CompletingRebalance",
        ),
        (Joining, StrangerJoins, UNKNOWN, NONE, "PreparingRebalance"),
        (Joining, LeaderSyncs, REDO, NONE, "PreparingRebalance"),
        (Joining, FollowerSyncs, REDO, NONE, "PreparingRebalance"),
        (Joining, FollowerBeats, REDO, NONE, "PreparingRebalance"),
        (Joining, OldGenerationBeats, OLD, NONE, "PreparingRebalance"),
        (Joining, StrangerBeats, UNKNOWN, NONE, "PreparingRebalance"),
        (Joining, FollowerCommits, "ok", NONE, "PreparingRebalance"),
        (Joining, OutsiderCommits, UNKNOWN, NONE, "PreparingRebalance"),
        (Joining, FollowerLeaves, "ok", &["join(1): leader in 2"], "CompletingRebalance"),
        (Joining, LeaderLeaves, "ok", &["join(1): UnknownMemberId"], "PreparingRebalance"),
        (Joining, StrangerLeaves, UNKNOWN, NONE, "PreparingRebalance"),
        (Joining, FollowerSilent, "ok", &["join(1): leader in 2"], "CompletingRebalance"),
        (Joining, RebalanceOver, "ok", &["join(1): leader in 2"], "CompletingRebalance"),
        // Both know that they are in generation 1; nobody has synced.
        (Syncing, Newcomer, "ok", NONE, "PreparingRebalance"),
        (Syncing, LeaderJoins, "ok", &["join(1): leader in 1"], "CompletingRebalance"),
        (Syncing, FollowerJoins, "ok", &["join(2): member in 1"], "CompletingRebalance"),
        (Syncing, FollowerJoinsWithNews, "ok", NONE, "PreparingRebalance"),
        (Syncing, StrangerJoins, UNKNOWN, NONE, "CompletingRebalance"),
        (Syncing, LeaderSyncs, "ok", &["sync(1): up"], "Stable"),
        (Syncing, FollowerSyncs, "ok", NONE, "CompletingRebalance"),
        (Syncing, FollowerBeats, "ok", NONE, "CompletingRebalance"),
        (Syncing, OldGenerationBeats, OLD, NONE, "CompletingRebalance"),
        (Syncing, StrangerBeats, UNKNOWN, NONE, "CompletingRebalance"),
        (Syncing, FollowerCommits, REDO, NONE, "CompletingRebalance"),
        (Syncing, OutsiderCommits, UNKNOWN, NONE, "CompletingRebalance"),
        (Syncing, FollowerLeaves, "ok", NONE, "PreparingRebalance"),
        (Syncing, LeaderLeaves, "ok", NONE, "PreparingRebalance"),
        (Syncing, StrangerLeaves, UNKNOWN, NONE, "CompletingRebalance"),
        (Syncing, FollowerSilent, "ok", NONE, "PreparingRebalance"),
        (Syncing, RebalanceOver, "ok", NONE, "none"),
        // As before, and the follower's sync waits for the leader's.
        (SyncingWaited, Newcomer, "ok", &["sync(2): RebalanceInProgress"], "PreparingRebalance"),
        (SyncingWaited, LeaderJoins, "ok", &["join(1): leader in 1"], "CompletingRebalance"),
        (
            SyncingWaited,
            FollowerJoins,
            "ok",
            &["join(2): member in 1", "sync(2): RebalanceInProgress"],
            "CompletingRebalance",
        ),
        (SyncingWaited, FollowerJoinsWithNews, "ok", &["sync(2): RebalanceInProgress"], "PreparingRebalance"),
        (SyncingWaited, StrangerJoins, UNKNOWN, NONE, "CompletingRebalance"),
        (SyncingWaited, LeaderSyncs, "ok", &["sync(1): up", "sync(2): down"], "Stable"),
        (SyncingWaited, FollowerSyncs, "ok", &["sync(2): RebalanceInProgress"], "CompletingRebalance"),
        (SyncingWaited, FollowerBeats, "ok", NONE, "CompletingRebalance"),
        (SyncingWaited, OldGenerationBeats, OLD, NONE, "CompletingRebalance"),
        (SyncingWaited, StrangerBeats, UNKNOWN, NONE, "CompletingRebalance"),
        (SyncingWaited, FollowerCommits, REDO, NONE, "CompletingRebalance"),
        (SyncingWaited, OutsiderCommits, UNKNOWN, NONE, "CompletingRebalance"),
        (SyncingWaited, FollowerLeaves, "ok", &["sync(2): UnknownMemberId"], "PreparingRebalance"),
        (SyncingWaited, LeaderLeaves, "ok", &["sync(2): RebalanceInProgress"], "PreparingRebalance"),
        (SyncingWaited, StrangerLeaves, UNKNOWN, NONE, "CompletingRebalance"),
        (SyncingWaited, FollowerSilent, "ok", NONE, "CompletingRebalance"),
        (SyncingWaited, RebalanceOver, "ok", &["sync(2): RebalanceInProgress"], "PreparingRebalance"),
        (Stable, Newcomer, "ok", NONE, "PreparingRebalance"),
        (Stable, LeaderJoins, "ok", NONE, "PreparingRebalance"),
        (Stable, FollowerJoins, "ok", &["join(2): member in 1"], "Stable"),
        (Stable, FollowerJoinsWithNews, "ok", NONE, "PreparingRebalance"),
        (Stable, StrangerJoins, UNKNOWN, NONE, "Stable"),
        (Stable, LeaderSyncs, "ok", &["sync(1): left"], "Stable"),
        (Stable, FollowerSyncs, "ok", &["sync(2): right"], "Stable"),
        (Stable, FollowerBeats, "ok", NONE, "Stable"),
        (Stable, OldGenerationBeats, OLD, NONE, "Stable"),
        (Stable, StrangerBeats, UNKNOWN, NONE, "Stable"),
        (Stable, FollowerCommits, "ok", NONE, "Stable"),
        (Stable, OutsiderCommits, UNKNOWN, NONE, "Stable"),
        (Stable, FollowerLeaves, "ok", NONE, "PreparingRebalance"),
        (Stable, LeaderLeaves, "ok", NONE, "PreparingRebalance"),
        (Stable, StrangerLeaves, UNKNOWN, NONE, "Stable"),
        (Stable, FollowerSilent, "ok", NONE, "PreparingRebalance"),
        (Stable, RebalanceOver, "ok", NONE, "Stable"),
    ];
    for &(start, event, outcome, answers, end) in table {
        let mut bench = bench_in(start);
        let got = apply(&mut bench, event);
        let got = (got.as_str(), bench.answers(), bench.state());
        let wanted = (outcome, answers.iter().map(|&row| row.to_owned()).collect(), end);
        assert_eq!(got, wanted, "{start:?}, {event:?}");
    }
    assert_eq!(table.len(), 5 * 17, "every pair is in the table");
}

#[test]
fn a_newcomer_is_told_its_id_first_and_the_group_waits_for_it_to_come_back() {
    let mut bench = Bench::new();
    let outcome = bench.join_with(Bench::request("", "x", true));
    assert_eq!(outcome, Ok(JoinOutcome::ComeBackAs(LEADER.to_owned())));
    bench.join_with(Bench::request("", "x", false)).unwrap();
    bench.pass(COMPANY);
    assert_eq!(bench.answers(), [""; 0], "the promised member may still come");
    bench.join(LEADER, "x").unwrap();
    assert_eq!(bench.answers(), ["join(1): leader in 1", "join(newcomer): member in 1"]);
}

#[test]
fn a_promised_id_lapses_with_the_session_timeout() {
    let mut bench = Bench::new();
    bench.join_with(Bench::request("", "x", true)).unwrap();
    assert_eq!(bench.coordinator.next_deadline(), Some(bench.now + SESSION));
    bench.pass(SESSION);
    assert_eq!(bench.state(), "none");
    assert_eq!(bench.join(LEADER, "x"), Err(ResponseError::UnknownMemberId));
}

#[test]
fn the_strategy_that_most_prefer_and_all_know_wins() {
    let mut bench = Bench::new();
    for preferences in [["sticky", "range"], ["range", "sticky"], ["range", "roundrobin"]] {
        let protocols = preferences.map(|name| (name.to_owned(), Bytes::from(name)));
        let join = Join { protocols: protocols.to_vec(), ..Bench::request("", "", false) };
        bench.join_with(join).unwrap();
    }
    bench.pass(COMPANY);
    let answers = bench.coordinator.take_answers();
    let chosen: Vec<_> = answers
        .iter()
        .map(|answer| match answer {
            Answer::Join(_, Ok(joined)) => joined.protocol.as_str(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(chosen, ["range"; 3]);
    let Answer::Join(_, Ok(leader)) = &answers[0] else { panic!("{answers:?}") };
    assert!(leader.members.iter().all(|(_, subscription)| subscription == "range"), "{leader:?}");
}

#[test]
fn a_member_without_a_common_strategy_is_refused_and_disturbs_nobody() {
    let mut bench = bench_in(Start::Stable);
    let foreign = vec![("sticky".to_owned(), Bytes::new())];
    for join in [
        Join { protocols: foreign, ..Bench::request("", "", false) },
        Join { protocols: vec![], ..Bench::request("", "", false) },
        Join { protocol_type: "connect".to_owned(), ..Bench::request("", "", false) },
        Join { protocol_type: String::new(), ..Bench::request("", "", false) },
    ] {
        assert_eq!(bench.join_with(join), Err(ResponseError::InconsistentGroupProtocol));
    }
    assert_eq!((bench.state(), bench.answers()), ("Stable", vec![]));
}

#[test]
fn groups_members_and_what_they_leave_are_bounded() {
    let mut bench = Bench::new();
    bench.limits = Limits { groups: 1, group_members: 2, member_bytes: 16, ..Limits::default() };
    let to = |group: &str| Join { group: group.to_owned(), ..Bench::request("", "x", true) };
    assert!(bench.join_with(to("one")).is_ok());
    assert_eq!(bench.join_with(to("two")), Err(ResponseError::GroupMaxSizeReached));
    assert!(bench.join_with(to("one")).is_ok());
    assert_eq!(bench.join_with(to("one")), Err(ResponseError::GroupMaxSizeReached));
    assert_eq!(bench.join("", "seventeen bytes !"), Err(ResponseError::PolicyViolation));
    assert_eq!(bench.sync("m", &[("m", "seventeen bytes !")]), Err(ResponseError::PolicyViolation));
    assert_eq!(bench.join_with(to("")), Err(ResponseError::InvalidGroupId));
    for session_timeout in [Duration::ZERO, LONGEST_TIMEOUT + Duration::from_millis(1)] {
        let join = Join { session_timeout, ..to("one") };
        assert_eq!(bench.join_with(join), Err(ResponseError::InvalidSessionTimeout));
    }
}

#[test]
fn groups_are_listed_by_members_and_by_committed_offsets() {
    let mut bench = bench_in(Start::Stable);
    let at = Committed { offset: 3, leader_epoch: -1, metadata: String::new() };
    bench.coordinator.offsets.commit("simple", "t", 0, at, &bench.limits).unwrap();
    let row = |name: &str, kind: &str, state| (name.to_owned(), kind.to_owned(), state);
    assert_eq!(bench.coordinator.list(), [row("g", "consumer", "Stable"), row("simple", "", "Empty")]);
}

fn events() -> impl Strategy<Value = Vec<(Event, u16)>> {
    use Event::*;
    let all = [
        Newcomer,
        Newcomer,
        LeaderJoins,
        FollowerJoins,
        FollowerJoinsWithNews,
        StrangerJoins,
        LeaderSyncs,
        FollowerSyncs,
        FollowerBeats,
        OldGenerationBeats,
        FollowerCommits,
        FollowerLeaves,
        LeaderLeaves,
    ];
    prop::collection::vec((prop::sample::select(all.to_vec()), 0u16..20_000), 0..40)
}

proptest! {
    /// Whatever happens, no request waits for ever and none is answered twice; left alone, the group vanishes.
    #[test]
    fn every_waiting_request_is_answered_once(events in events()) {
        let mut bench = Bench::new();
        for (event, milliseconds) in events {
            apply(&mut bench, event);
            bench.answers();
            bench.pass(Duration::from_millis(u64::from(milliseconds)));
            bench.answers();
        }
        for _ in 0..20 {
            let Some(deadline) = bench.coordinator.next_deadline() else { break };
            let wait = deadline.saturating_duration_since(bench.now);
            bench.pass(wait);
            bench.answers();
            // A deadline that stayed in the past would have the timer spin.
            prop_assert!(bench.coordinator.next_deadline().is_none_or(|next| next > bench.now));
        }
        prop_assert!(bench.waiting.is_empty(), "{:?}", bench.waiting);
        prop_assert_eq!(bench.state(), "none");
        prop_assert_eq!(bench.coordinator.next_deadline(), None);
    }
}
