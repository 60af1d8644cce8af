//! Lists to which concurrent transactions append, and the search for cycles in what they have seen.
//!
//! Every element is appended once, so the lists tell the order of the writes by themselves, without the versions that the
//! back end claims (A. Kingsbury, P. Alvaro, "Elle: Inferring Isolation Anomalies from Experimental Observations", VLDB 2020).
//! Transactions are joined by write-write, write-read and read-write dependencies and by the order within a task; a history
//! is serialisable exactly if no cycle joins them.

use super::random::Random;
use super::subject::Subject;
use crate::store::{Key, Record, StoreError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

mod graph;
#[cfg(test)]
mod tests;

/// The elements appended under a key, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct List(Vec<u32>);

impl Record for List {
    const KIND: &'static str = "conformance-list";
    const VERSION: u8 = 1;
}

/// What a transaction did, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Deed {
    Append(String, u32),
    Read(String, Vec<u32>),
}

/// What is known of a transaction's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Committed,
    /// It has certainly written nothing.
    Failed,
    /// It may have committed; then somebody may have seen it.
    Unknown,
}

#[derive(Debug, Clone)]
struct Transaction {
    task: usize,
    fate: Fate,
    deeds: Vec<Deed>,
}

/// An observation that no serial execution explains.
#[derive(Debug, PartialEq, Eq)]
enum Anomaly {
    /// A read shows an element that nobody has appended, twice the same, or one of a failed transaction.
    Impossible(String, u32),
    /// Two reads of a key show orders of which neither continues the other.
    Incompatible(String),
    /// A read shows some of a transaction's appends to a key and not the last of them.
    Intermediate(String, u32),
    /// A transaction does not see its own appends, or does not read the same twice.
    Internal(usize),
    /// Transactions that depend on each other in a circle.
    Cycle(Vec<usize>),
}

/// Checks a history; `last` is what the keys hold in the end.
fn check(history: &[Transaction], last: &BTreeMap<String, Vec<u32>>) -> Result<(), Anomaly> {
    let mut writers: HashMap<u32, usize> = HashMap::new();
    for (id, transaction) in history.iter().enumerate() {
        for deed in &transaction.deeds {
            if let Deed::Append(_, element) = deed {
                writers.insert(*element, id);
            }
        }
        check_inside(id, transaction)?;
    }
    for (key, list) in last {
        check_list(history, &writers, key, list)?;
    }
    let mut edges = graph::Edges::new(history.len());
    let mut last_of_task: HashMap<usize, usize> = HashMap::new();
    for (id, transaction) in history.iter().enumerate() {
        if transaction.fate != Fate::Committed {
            continue;
        }
        if let Some(before) = last_of_task.insert(transaction.task, id) {
            edges.add(before, id);
        }
        for deed in &transaction.deeds {
            let Deed::Read(key, seen) = deed else { continue };
            // Own appends stand at the end of what was read; what was there before is from others.
            let others = seen.iter().take_while(|element| writers.get(element) != Some(&id)).count();
            let list = last.get(key).map_or(&[][..], Vec::as_slice);
            if list.get(..others) != Some(&seen[..others]) {
                return Err(Anomaly::Incompatible(key.clone()));
            }
            if let Some(writer) = others.checked_sub(1).map(|i| seen[i]) {
                check_whole(history, writers[&writer], key, writer)?;
                edges.add(writers[&writer], id);
            }
            if let Some(next) = list.get(others) {
                edges.add(id, writers[next]);
            }
        }
    }
    for list in last.values() {
        for pair in list.windows(2) {
            edges.add(writers[&pair[0]], writers[&pair[1]]);
        }
    }
    edges.cycle().map_or(Ok(()), |cycle| Err(Anomaly::Cycle(cycle)))
}

/// A list holds each element once, and only those of transactions that have not failed.
fn check_list(
    history: &[Transaction],
    writers: &HashMap<u32, usize>,
    key: &str,
    list: &[u32],
) -> Result<(), Anomaly> {
    let mut seen = std::collections::HashSet::new();
    for element in list {
        let known = writers.get(element).is_some_and(|&writer| history[writer].fate != Fate::Failed);
        if !known || !seen.insert(element) {
            return Err(Anomaly::Impossible(key.to_owned(), *element));
        }
    }
    Ok(())
}

/// What is seen last of a transaction under a key is what it has appended last.
fn check_whole(history: &[Transaction], writer: usize, key: &str, element: u32) -> Result<(), Anomaly> {
    let last = history[writer].deeds.iter().rev().find_map(|deed| match deed {
        Deed::Append(there, appended) if there == key => Some(*appended),
        _ => None,
    });
    if last == Some(element) { Ok(()) } else { Err(Anomaly::Intermediate(key.to_owned(), element)) }
}

/// A transaction sees its own appends and the same list each time.
fn check_inside(id: usize, transaction: &Transaction) -> Result<(), Anomaly> {
    let mut known: HashMap<&str, Vec<u32>> = HashMap::new();
    let mut own: HashMap<&str, Vec<u32>> = HashMap::new();
    for deed in &transaction.deeds {
        match deed {
            Deed::Append(key, element) => {
                own.entry(key).or_default().push(*element);
                if let Some(list) = known.get_mut(key.as_str()) {
                    list.push(*element);
                }
            }
            Deed::Read(key, seen) => {
                let right = match known.get(key.as_str()) {
                    Some(list) => list == seen,
                    None => own.get(key.as_str()).is_none_or(|own| seen.ends_with(own)),
                };
                if !right {
                    return Err(Anomaly::Internal(id));
                }
                known.insert(key, seen.clone());
            }
        }
    }
    Ok(())
}

pub(super) async fn s4_09_ten_thousand_concurrent_transactions_have_no_cycle(s: Subject) {
    const TASKS: usize = 16;
    const EACH: usize = 625;
    // An updater that runs twice and costs twice shows nothing here that it does not show elsewhere.
    let s = s.with_options(|options| options.check_repeatable = false);
    let tasks: Vec<_> = (0..TASKS)
        .map(|task| {
            let s = s.clone();
            tokio::spawn(async move {
                let mut random = Random::new(9_000 + task as u64);
                let mut done = Vec::with_capacity(EACH);
                for number in 0..EACH {
                    done.push(append_and_read(&s, task, number, &mut random).await);
                }
                done
            })
        })
        .collect();
    let mut history = Vec::with_capacity(TASKS * EACH);
    for task in tasks {
        history.extend(task.await.unwrap());
    }
    let last: BTreeMap<String, Vec<u32>> = s
        .scan(&crate::store::Prefix::<List>::all())
        .await
        .into_iter()
        .map(|(key, List(list))| (key.parts().concat(), list))
        .collect();
    assert_eq!(history.len(), 10_000);
    let committed = history.iter().filter(|transaction| transaction.fate == Fate::Committed).count();
    assert!(committed > 9_000, "{committed} of 10 000 committed");
    assert_eq!(check(&history, &last), Ok(()));
}

/// One transaction of one to four appends and reads on a few keys that change over time, so that lists stay short.
async fn append_and_read(s: &Subject, task: usize, number: usize, random: &mut Random) -> Transaction {
    let plan: Vec<(String, Option<u32>)> = (0..1 + random.below(4))
        .map(|place| {
            let key = format!("{}-{}", number / 25, random.below(6));
            let element =
                u32::try_from((task * 10_000 + number) * 4).unwrap() + u32::try_from(place).unwrap();
            (key, (random.below(2) == 0).then_some(element))
        })
        .collect();
    let mut deeds = Vec::new();
    let outcome = s
        .store
        .transact(|tx| {
            deeds.clear();
            for (name, element) in &plan {
                let key = Key::<List>::new(&[name]);
                let mut list = tx.get(&key)?.map_or_else(Vec::new, |List(list)| list);
                match element {
                    Some(element) => {
                        list.push(*element);
                        tx.put(&key, &List(list))?;
                        deeds.push(Deed::Append(name.clone(), *element));
                    }
                    None => deeds.push(Deed::Read(name.clone(), list)),
                }
            }
            Ok::<_, StoreError>(())
        })
        .await;
    let fate = match outcome {
        Ok(()) => Fate::Committed,
        Err(StoreError::Unavailable { .. }) => Fate::Failed,
        Err(StoreError::Indeterminate { .. }) => Fate::Unknown,
        Err(error) => panic!("{error}"),
    };
    if fate != Fate::Committed {
        // It may have ended before or within a run: what it meant to append is what counts.
        deeds = plan
            .into_iter()
            .filter_map(|(name, element)| element.map(|element| Deed::Append(name, element)))
            .collect();
    }
    Transaction { task, fate, deeds }
}
