//! Readers that follow references, and transactions that ask for something between reading and committing.

use super::random::Random;
use super::subject::{Fleeting as _, Subject, again};
use super::{Number, number};
use crate::store::{Key, Record, StoreError, Tx, Version};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

const OBJECTS: u64 = 50;

/// An object that refers to others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Object {
    writes: u32,
    refers_to: Vec<u64>,
}

impl Record for Object {
    const KIND: &'static str = "conformance-object";
    const VERSION: u8 = 1;
}

fn object(id: u64) -> Key<Object> {
    Key::numbered(&[], id)
}

/// What a walk has seen, object by object.
type Seen = BTreeMap<u64, Option<Object>>;

/// Follows all references from object 0.
async fn reachable(s: &Subject) -> (Version, Seen) {
    again!(
        s,
        async {
            s.store
                .walk(|walk| {
                    let mut seen = Seen::new();
                    let mut next = vec![0];
                    while let Some(id) = next.pop() {
                        if seen.contains_key(&id) {
                            continue;
                        }
                        let found = walk.get(&object(id))?;
                        next.extend(found.iter().flat_map(|object| object.refers_to.iter().copied()));
                        seen.insert(id, found.map(|object| (*object).clone()));
                    }
                    Ok::<_, StoreError>((walk.version(), seen))
                })
                .await
        }
        .await
    )
    .unwrap()
}

/// Rewires, makes and deletes a few objects; answers what it has written.
fn rewire(tx: &mut Tx, plan: &[(u64, Option<Vec<u64>>)]) -> Result<Vec<(u64, Option<Object>)>, StoreError> {
    let mut written = Vec::new();
    for (id, refers_to) in plan {
        let writes = tx.get(&object(*id))?.map_or(1, |object| object.writes + 1);
        match refers_to {
            Some(refers_to) => {
                let new = Object { writes, refers_to: refers_to.clone() };
                tx.put(&object(*id), &new)?;
                written.push((*id, Some(new)));
            }
            None => {
                tx.delete(&object(*id));
                written.push((*id, None));
            }
        }
    }
    Ok(written)
}

fn random_plan(random: &mut Random) -> Vec<(u64, Option<Vec<u64>>)> {
    let mut plan = BTreeMap::new();
    for _ in 0..1 + random.below(4) {
        let there = random.below(6) > 0;
        let refers_to = (0..random.below(4)).map(|_| random.below(OBJECTS)).collect();
        plan.insert(random.below(OBJECTS), there.then_some(refers_to));
    }
    plan.into_iter().collect()
}

pub(super) async fn s4_07_walks_over_a_changing_graph_see_one_committed_state(s: Subject) {
    const WRITERS: u64 = 3;
    const EACH: usize = 100;
    let done = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let s = s.clone();
            tokio::spawn(async move {
                let mut random = Random::new(70 + writer);
                let mut history = Vec::new();
                for _ in 0..EACH {
                    let plan = random_plan(&mut random);
                    let (written, version) = s.once(|tx| rewire(tx, &plan)).await.unwrap();
                    history.push((version, written));
                    tokio::task::yield_now().await;
                }
                history
            })
        })
        .collect();
    let walkers: Vec<_> = (0..2)
        .map(|_| {
            let (s, done) = (s.clone(), Arc::clone(&done));
            tokio::spawn(async move {
                let mut walks = Vec::new();
                while !done.load(Ordering::SeqCst) || walks.is_empty() {
                    walks.push(reachable(&s).await);
                    tokio::task::yield_now().await;
                }
                walks
            })
        })
        .collect();
    let mut history = Vec::new();
    for writer in writers {
        history.extend(writer.await.unwrap());
    }
    done.store(true, Ordering::SeqCst);
    history.sort_by_key(|(version, _)| *version);
    for walker in walkers {
        // The versions that one walker reads do not go back.
        let mut state: BTreeMap<u64, Object> = BTreeMap::new();
        let mut commits = history.iter().peekable();
        for (version, seen) in walker.await.unwrap() {
            while let Some((_, written)) = commits.next_if(|(written, _)| *written <= version) {
                for (id, object) in written {
                    match object {
                        Some(object) => state.insert(*id, object.clone()),
                        None => state.remove(id),
                    };
                }
            }
            for (id, object) in &seen {
                assert_eq!(object.as_ref(), state.get(id), "object {id} at version {version}");
            }
        }
    }
}

pub(super) async fn s4_10_a_transaction_asks_and_commits_only_what_still_holds(s: Subject) {
    s.put("a", 1).await;
    let questions = AtomicU32::new(0);
    let outcome = again!(
        s,
        async {
            questions.store(0, Ordering::SeqCst);
            s.put("a", 1).await;
            s.store
                .transact_async(
                    |tx, answers| {
                        let Number(seen) = tx.get(&number("a"))?.unwrap_or(Number(0));
                        let doubled = answers.ask(seen)?;
                        tx.put(&number("b"), &Number(doubled))?;
                        Ok::<_, StoreError>((seen, doubled))
                    },
                    async |seen| {
                        // While the first answer is on its way, what was read changes.
                        if questions.fetch_add(1, Ordering::SeqCst) == 0 {
                            s.put("a", 5).await;
                        }
                        tokio::task::yield_now().await;
                        Ok(seen * 2)
                    },
                )
                .await
        }
        .await
    );
    assert_eq!(outcome, Ok((5, 10)), "the answer belongs to what was committed");
    assert_eq!(s.read("b").await, Some(10));
    assert_eq!(questions.into_inner(), 2);
}

pub(super) async fn s4_10_an_answer_is_kept_for_the_same_question_and_a_refusal_writes_nothing(s: Subject) {
    s.put("other", 0).await;
    let (questions, outcome) = loop {
        let questions = AtomicU32::new(0);
        let outcome = s
            .store
            .transact_async(
                |tx, answers| {
                    tx.get(&number("other"))?;
                    let path = answers.ask("bern-brig")?;
                    tx.put(&number("b"), &Number(path))
                },
                async |_| {
                    // A conflict, but not one that changes the question.
                    questions.fetch_add(1, Ordering::SeqCst);
                    s.put("other", 1).await;
                    Ok::<_, StoreError>(84)
                },
            )
            .await;
        if !outcome.as_ref().is_err_and(|error| error.is_fleeting()) {
            break (questions.into_inner(), outcome);
        }
    };
    assert_eq!(outcome, Ok(()));
    assert_eq!(questions, 1, "the same question was asked again");
    let before = s.dump().await;
    let refused: Result<(), StoreError> = again!(
        s,
        async {
            s.store
                .transact_async(
                    |tx, answers| {
                        tx.put(&number("b"), &Number(0))?;
                        answers.ask(())
                    },
                    async |()| Err(StoreError::Stale),
                )
                .await
        }
        .await
    );
    assert_eq!(refused, Err(StoreError::Stale));
    assert_eq!(s.dump().await, before);
}
