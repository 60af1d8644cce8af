//! The checker finds each kind of anomaly.

use super::*;

fn append(key: &str, element: u32) -> Deed {
    Deed::Append(key.to_owned(), element)
}

fn read(key: &str, list: &[u32]) -> Deed {
    Deed::Read(key.to_owned(), list.to_vec())
}

/// A history of committed transactions, each of a task of its own.
fn history(transactions: &[&[Deed]]) -> Vec<Transaction> {
    let transaction =
        |(task, deeds): (usize, &&[Deed])| Transaction { task, fate: Fate::Committed, deeds: deeds.to_vec() };
    transactions.iter().enumerate().map(transaction).collect()
}

fn last(lists: &[(&str, &[u32])]) -> BTreeMap<String, Vec<u32>> {
    lists.iter().map(|(key, list)| ((*key).to_owned(), list.to_vec())).collect()
}

#[test]
fn a_serial_history_is_accepted() {
    let history = history(&[
        &[append("x", 1), append("y", 2)],
        &[read("x", &[1]), append("x", 3), read("x", &[1, 3])],
        &[read("y", &[2]), read("x", &[1, 3])],
    ]);
    assert_eq!(check(&history, &last(&[("x", &[1, 3]), ("y", &[2])])), Ok(()));
}

#[test]
fn s4_09_a_lost_update_and_a_write_skew_are_cycles() {
    // Both read the empty list and appended: one element is lost.
    let lost = history(&[&[read("x", &[]), append("x", 1)], &[read("x", &[]), append("x", 2)]]);
    assert!(matches!(check(&lost, &last(&[("x", &[1, 2])])), Err(Anomaly::Cycle(_))));
    let skew = history(&[&[read("x", &[]), append("y", 1)], &[read("y", &[]), append("x", 2)]]);
    assert_eq!(check(&skew, &last(&[("x", &[2]), ("y", &[1])])), Err(Anomaly::Cycle(vec![0, 1])));
}

#[test]
fn s4_09_writes_and_reads_in_a_circle_are_found() {
    let writes = history(&[&[append("x", 1), append("y", 2)], &[append("x", 3), append("y", 4)]]);
    let circle = check(&writes, &last(&[("x", &[1, 3]), ("y", &[4, 2])]));
    assert!(matches!(circle, Err(Anomaly::Cycle(_))));
    let reads = history(&[&[append("x", 1), read("y", &[2])], &[append("y", 2), read("x", &[1])]]);
    assert!(matches!(check(&reads, &last(&[("x", &[1]), ("y", &[2])])), Err(Anomaly::Cycle(_))));
}

#[test]
fn s4_09_a_torn_read_of_two_keys_is_a_cycle() {
    let torn = history(&[&[append("x", 1), append("y", 2)], &[read("x", &[1]), read("y", &[])]]);
    assert!(matches!(check(&torn, &last(&[("x", &[1]), ("y", &[2])])), Err(Anomaly::Cycle(_))));
}

#[test]
fn s4_09_a_task_that_does_not_see_what_it_did_before_is_a_cycle() {
    let mut stale = history(&[&[append("x", 1)], &[read("x", &[])]]);
    assert_eq!(check(&stale, &last(&[("x", &[1])])), Ok(()));
    stale[1].task = 0;
    assert!(matches!(check(&stale, &last(&[("x", &[1])])), Err(Anomaly::Cycle(_))));
}

#[test]
fn s4_09_aborted_repeated_and_intermediate_elements_are_found() {
    let mut aborted = history(&[&[append("x", 1)], &[read("x", &[1])]]);
    aborted[0].fate = Fate::Unknown;
    assert_eq!(check(&aborted, &last(&[("x", &[1])])), Ok(()));
    aborted[0].fate = Fate::Failed;
    assert_eq!(check(&aborted, &last(&[("x", &[1])])), Err(Anomaly::Impossible("x".to_owned(), 1)));
    let repeated = history(&[&[append("x", 1)]]);
    assert_eq!(check(&repeated, &last(&[("x", &[1, 1])])), Err(Anomaly::Impossible("x".to_owned(), 1)));
    let half = history(&[&[append("x", 1), append("x", 2)], &[read("x", &[1])]]);
    assert_eq!(check(&half, &last(&[("x", &[1, 2])])), Err(Anomaly::Intermediate("x".to_owned(), 1)));
}

#[test]
fn s4_09_orders_that_do_not_fit_and_own_appends_not_seen_are_found() {
    let orders = history(&[&[append("x", 1)], &[append("x", 2)], &[read("x", &[2])]]);
    assert_eq!(check(&orders, &last(&[("x", &[1, 2])])), Err(Anomaly::Incompatible("x".to_owned())));
    let blind = history(&[&[append("x", 1), read("x", &[])]]);
    assert_eq!(check(&blind, &last(&[("x", &[1])])), Err(Anomaly::Internal(0)));
    let twice = history(&[&[read("x", &[]), read("x", &[1])], &[append("x", 1)]]);
    assert_eq!(check(&twice, &last(&[("x", &[1])])), Err(Anomaly::Internal(0)));
}
