//! What every back end must hold, as one suite.
//!
//! ```
//! # use ipowdm_ctl_lib::store::MemoryBackend;
//! # use std::sync::Arc;
//! # #[cfg(feature = "conformance")]
//! # #[tokio::main] async fn main() {
//! ipowdm_ctl_lib::store::conformance::run("memory", async || Arc::new(MemoryBackend::new()) as _).await;
//! # }
//! # #[cfg(not(feature = "conformance"))] fn main() {}
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test suite states its expectations by panicking"
)]

mod contention;
mod elle;
mod history;
mod indexes;
mod leases;
mod random;
mod semantics;
mod subject;
mod walks;
mod watches;

use super::{Backend, Key, Record, StoreOptions};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Arc, Mutex, PoisonError};
use subject::Subject;

/// A number under a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Number(i64);

impl Record for Number {
    const KIND: &'static str = "conformance-number";
    const VERSION: u8 = 1;
}

/// A second kind, to see that kinds are apart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Text(String);

impl Record for Text {
    const KIND: &'static str = "conformance-text";
    const VERSION: u8 = 1;
}

fn number(name: &str) -> Key<Number> {
    Key::new(&[name])
}

fn checked() -> StoreOptions {
    StoreOptions { check_repeatable: true, ..StoreOptions::default() }
}

/// Every check of the suite as a test of its own, named after the check: for a back end that a function makes anew.
///
/// ```
/// # #[cfg(feature = "conformance")]
/// mod conforms {
///     # use std::sync::Arc;
///     use ipowdm_ctl_lib::store::{Backend, MemoryBackend};
///
///     async fn fresh() -> Arc<dyn Backend> {
///         Arc::new(MemoryBackend::new())
///     }
///
///     ipowdm_ctl_lib::store_conformance!("memory", fresh);
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! store_conformance {
    ($name:literal, $fresh:path) => {
        $crate::store_conformance!(@all tests $name, $fresh);
    };
    (@tests $name:literal, $fresh:path; $($module:ident $check:ident,)*) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
            async fn $check() {
                $crate::store::conformance::check($name, stringify!($check), $fresh().await).await;
            }
        )*
    };
    (@table; $($module:ident $check:ident,)*) => {
        /// Names of all checks, in the order in which they are run.
        pub const CHECKS: &[&str] = &[$(stringify!($check)),*];

        async fn run_check(check: &str, subject: Subject) {
            match check {
                $(stringify!($check) => Box::pin($module::$check(subject)).await,)*
                _ => panic!("there is no check {check}"),
            }
        }
    };
    // Hands the checks to one of the rules above.
    (@all $rule:ident $($given:tt)*) => {
        $crate::store_conformance! {
            @$rule $($given)*;
            semantics s4_01_a_failing_updater_leaves_the_store_identical,
            semantics s4_01_a_panicking_updater_leaves_the_store_identical,
            semantics s4_01_a_conflicting_updater_runs_again,
            semantics s4_02_an_updater_that_is_not_repeatable_is_refused,
            semantics s4_03_absent_reads_as_none_and_deleting_it_changes_nothing,
            watches s4_03_a_delete_of_an_absent_key_sends_no_notice,
            contention s4_05_deadline_and_retries_fail_apart,
            contention s4_05_sixty_four_writers_on_one_key_all_commit_and_none_starves,
            contention s4_05_writers_of_several_processes_on_one_key_all_commit,
            history s4_06_a_snapshot_equals_a_committed_state,
            history s4_06_readers_of_an_unchanged_key_share_one_instance,
            walks s4_07_walks_over_a_changing_graph_see_one_committed_state,
            semantics s4_09_a_transaction_sees_its_own_writes,
            semantics s4_09_a_phantom_under_a_scanned_prefix_is_a_conflict,
            history s4_09_transfers_are_serialisable,
            history s4_09_scans_with_inserts_are_serialisable,
            elle s4_09_ten_thousand_concurrent_transactions_have_no_cycle,
            walks s4_10_a_transaction_asks_and_commits_only_what_still_holds,
            walks s4_10_an_answer_is_kept_for_the_same_question_and_a_refusal_writes_nothing,
            watches s4_12_a_watcher_sees_each_transaction_once_with_all_keys,
            watches s4_12_who_has_committed_reads_its_write_and_the_notice_is_there,
            watches s4_13_a_watcher_of_one_key_gets_a_large_transaction,
            watches s4_14_watchers_converge_after_the_feed_was_lost,
            watches s4_14_a_slow_watcher_is_told_once_to_read_again,
            indexes s4_15_indexes_agree_with_records_under_concurrent_changes,
            indexes s4_15_a_value_of_a_unique_index_has_one_owner,
            indexes s4_15_a_look_up_is_part_of_what_a_transaction_has_read,
            leases s4_21_a_record_is_held_until_its_lease_expires_be_it_swept_or_not,
            leases s4_21_a_sweep_is_bounded_and_spares_what_was_renewed,
            leases s4_21_a_renewal_and_an_expiry_never_both_win,
            leases s4_21_leases_survive_a_restart_with_the_time_that_was_left,
            semantics scans_are_ordered_and_limited_to_their_kind,
            semantics stamped_records_are_ordered_as_their_commits,
        }
    };
}

crate::store_conformance!(@all table);

/// How many checks each back end has held, of those that were run as tests of their own.
static HELD: Mutex<BTreeMap<&'static str, usize>> = Mutex::new(BTreeMap::new());

/// Runs one check of [`CHECKS`] on a fresh, empty store, as [`run`] does; the last of all of a back end prints the line for
/// all. What [`store_conformance!`](crate::store_conformance) makes tests of.
pub async fn check(name: &'static str, check: &str, fresh: Arc<dyn Backend>) {
    run_check(check, Subject::new(fresh, false)).await;
    let held = {
        let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
        let held = held.entry(name).or_default();
        *held += 1;
        *held
    };
    if held == CHECKS.len() {
        say_held(name, held);
    }
}

/// The line for all checks of a back end, past the capture of a test runner: it is what a run is to show.
fn say_held(name: &str, held: usize) {
    let all = CHECKS.len();
    let mut out = std::io::stdout().lock();
    // Nobody to read it is no fault of the back end.
    let _ = writeln!(out, "conformance {name}: {held} of {all} held");
}

/// Runs every check on a fresh, empty store each. Needs a multi-thread runtime with a timer; panics where a promise is broken.
///
/// Prints one line per check, and one for all that a test runner does not hold back.
pub async fn run<F>(name: &str, fresh: F)
where
    F: AsyncFn() -> Arc<dyn Backend>,
{
    run_all(name, fresh, false).await;
}

/// As [`run`], for a back end whose requests and answers get lost now and then, a [`FaultyBackend`](super::faulty::FaultyBackend)
/// for one: every check holds as it does without faults, with transactions repeated where that is safe.
pub async fn run_over_faults<F>(name: &str, fresh: F)
where
    F: AsyncFn() -> Arc<dyn Backend>,
{
    run_all(name, fresh, true).await;
}

async fn run_all<F>(name: &str, fresh: F, faulty: bool)
where
    F: AsyncFn() -> Arc<dyn Backend>,
{
    for check in CHECKS {
        run_check(check, Subject::new(fresh().await, faulty)).await;
        println!("{name}: {check}: held");
    }
    say_held(name, CHECKS.len());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryBackend;
    use crate::store::faulty::{FaultRates, FaultyBackend};

    mod memory {
        use super::*;

        async fn fresh() -> Arc<dyn Backend> {
            Arc::new(MemoryBackend::new())
        }

        crate::store_conformance!("memory", fresh);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn s4_22_the_memory_back_end_behind_a_faulty_transport_conforms() {
        let faulty = std::sync::Mutex::new(Vec::<Arc<FaultyBackend>>::new());
        run_over_faults("memory, faulty transport", async || {
            let seed = faulty.lock().unwrap().len() as u64;
            let backend =
                Arc::new(FaultyBackend::new(Arc::new(MemoryBackend::new()), FaultRates::default(), seed));
            faulty.lock().unwrap().push(Arc::clone(&backend));
            backend as _
        })
        .await;
        let broken: Vec<_> = faulty.lock().unwrap().iter().map(|backend| backend.broken()).collect();
        let (sends, receives) = broken.iter().fold((0, 0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        println!("broken: {sends} requests, {receives} answers");
        assert!(sends > 10 && receives > 100, "{sends}, {receives}: the transport was hardly faulty");
    }
}
