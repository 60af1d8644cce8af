//! Figures of the store, of LinkDB and of the slice manager.

use super::snapshot::{Family, Value};
use super::{Answer, Meter, text};
use crate::linkdb::LinkDb;
use crate::slice::{SliceManager, VopPhase};
use crate::store::Store;

/// What a store has done in this process, and its outbox.
pub(super) fn families(store: &Store) -> Vec<Family> {
    let counts = store.counts();
    let relay = counts.relay();
    let transactions = [
        ("committed", counts.committed()),
        ("read", counts.read()),
        ("refused", counts.aborted()),
        ("failed", counts.failed()),
    ];
    let messages = [("published", relay.published()), ("refused", relay.rejected())];
    let by = |(name, count): (&str, u64)| (name.to_owned(), Value::Counter(count));
    vec![
        Family::by("store_transactions", "Transactions by how they ended.", "result", transactions.map(by)),
        Family::one(
            "store_conflicts",
            "Runs of transactions that were made again because what they had read was changed.",
            Value::Counter(counts.conflicts()),
        ),
        Family::by(
            "outbox_messages",
            "Messages of the outbox that are done with.",
            "result",
            messages.map(by),
        ),
        Family::one(
            "outbox_failures",
            "Attempts to publish that failed and are repeated.",
            Value::Counter(relay.failed()),
        ),
        Family::one("outbox_waiting", "Messages known to wait in the outbox.", Value::Gauge(relay.waiting())),
    ]
}

/// The figures of LinkDB; `watches` are those that are open.
pub(in crate::http) async fn linkdb(db: &LinkDb, watches: usize, meter: &Meter) -> Answer {
    let links = db.utilisations().await;
    let mut families = families(db.store());
    families.push(Family::one("watches", "Watches that are open.", Value::Gauge(watches as u64)));
    if let Ok(links) = links {
        let used: u64 =
            links.iter().map(|(_, of)| u64::from(of.used_a_to_b) + u64::from(of.used_b_to_a)).sum();
        families.push(Family::one("links", "Fibre links.", Value::Gauge(links.len() as u64)));
        families.push(Family::one(
            "spectrum_used_slots",
            "Slots of 6.25 GHz in use, over both fibres of every link.",
            Value::Gauge(used),
        ));
    }
    text(meter, &[], families)
}

/// The figures of the slice manager.
pub(in crate::http) async fn slice(manager: &SliceManager, meter: &Meter) -> Answer {
    let vops = manager.list().await;
    let mut families = families(manager.store());
    // What cannot be read now is left out; the store's own figures say why.
    if let Ok(vops) = vops {
        let phases = [VopPhase::Pending, VopPhase::Active, VopPhase::Deactivating].map(|phase| {
            let count = vops.iter().filter(|view| view.vop.phase == phase).count();
            (phase.as_str().to_owned(), Value::Gauge(count as u64))
        });
        families.push(Family::by("virtual_operators", "Virtual operators by phase.", "phase", phases));
    }
    text(meter, &[], families)
}
