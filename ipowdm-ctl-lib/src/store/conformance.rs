//! What every back end must hold, as one suite.
//!
//! ```
//! # use ipowdm_ctl_lib::store::MemoryBackend;
//! # use std::sync::Arc;
//! # #[cfg(feature = "conformance")]
//! # #[tokio::main] async fn main() {
//! ipowdm_ctl_lib::store::conformance::run(async || Arc::new(MemoryBackend::new()) as _).await;
//! # }
//! # #[cfg(not(feature = "conformance"))] fn main() {}
//! ```
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test suite states its expectations by panicking"
)]

mod history;
mod semantics;

use super::{Backend, Key, Record, Store, StoreOptions};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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

async fn put(store: &Store, name: &str, value: i64) {
    let key = number(name);
    store.transact(|tx| tx.put(&key, &Number(value))).await.expect("a blind write commits");
}

async fn read(store: &Store, name: &str) -> Option<i64> {
    store.get(&number(name)).await.expect("a read succeeds").map(|Number(n)| n)
}

/// Runs every check on a fresh, empty store each. Needs a multi-thread runtime with a timer; panics where a promise is broken.
///
/// Prints one line per check to stdout.
pub async fn run<F>(fresh: F)
where
    F: AsyncFn() -> Arc<dyn Backend>,
{
    macro_rules! checks {
        ($($module:ident :: $name:ident),* $(,)?) => {
            $(
                let store = Store::new(fresh().await, checked());
                $module::$name(store).await;
                println!("{}: held", stringify!($name));
            )*
        };
    }
    checks![
        semantics::s4_01_a_failing_updater_leaves_the_store_identical,
        semantics::s4_01_a_panicking_updater_leaves_the_store_identical,
        semantics::s4_01_a_conflicting_updater_runs_again,
        semantics::s4_02_an_updater_that_is_not_repeatable_is_refused,
        semantics::s4_03_absent_reads_as_none_and_deletes_without_notice,
        semantics::a_transaction_sees_its_own_writes,
        semantics::scans_are_ordered_and_limited_to_their_kind,
        semantics::a_phantom_under_a_scanned_prefix_is_a_conflict,
        semantics::s4_05_deadline_and_retries_fail_apart,
        semantics::s4_05_sixty_four_writers_on_one_key_all_commit,
        semantics::s4_12_a_watcher_sees_each_transaction_once_with_all_keys,
        semantics::a_slow_watcher_is_told_to_resync,
        semantics::stamped_records_are_ordered_as_their_commits,
        history::s4_06_a_snapshot_equals_a_committed_state,
        history::s4_09_transfers_are_serialisable,
        history::s4_09_scans_with_inserts_are_serialisable,
    ];
}

#[cfg(test)]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_back_end_conforms() {
    run(async || Arc::new(super::MemoryBackend::new()) as _).await;
}
