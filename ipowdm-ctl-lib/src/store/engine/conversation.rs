//! Transactions that need something from outside between reading and committing: a path, a measurement, a file.

use super::{Attempt, Counted, Deadline, Inner, Store, run_once};
use crate::store::{BackendError, StoreError, Tx};
use core::future::Future;
use core::hash::Hash;
use std::collections::HashMap;

/// Questions that one run may ask at most.
const MOST: usize = 256;

/// What is known from outside so far, by question.
#[derive(Debug)]
pub struct Answers<Q, A> {
    known: HashMap<Q, A>,
    /// Questions of the current run: those without an answer are to be asked, the others stay known.
    asked: Vec<Q>,
}

impl<Q: Eq + Hash + Clone, A: Clone> Answers<Q, A> {
    fn new() -> Self {
        Self { known: HashMap::new(), asked: Vec::new() }
    }

    /// The answer to a question. Where it is not known yet, the error asks for it: pass it on.
    ///
    /// # Errors
    /// [`StoreError::NotLoaded`], to be passed on.
    pub fn ask(&mut self, question: Q) -> Result<A, StoreError> {
        let answer = self.known.get(&question).cloned();
        self.asked.push(question);
        answer.ok_or(StoreError::NotLoaded)
    }

    /// Begins a run anew.
    fn begin(&mut self) {
        self.asked.clear();
    }

    /// The questions of this run that have no answer yet.
    fn open(&self) -> Vec<Q> {
        let mut open: Vec<Q> = Vec::new();
        for question in &self.asked {
            if !self.known.contains_key(question) && !open.contains(question) {
                open.push(question.clone());
            }
        }
        open
    }

    /// Keeps only answers that the last run has asked for.
    fn retain_asked(&mut self) {
        let asked = &self.asked;
        self.known.retain(|question, _| asked.contains(question));
    }
}

impl Store {
    /// Runs a transaction that may ask for something that takes time: it reads, asks, and runs again over the same version
    /// with the answer. It commits only if nothing that its last run has read has changed meanwhile.
    ///
    /// After a conflict it runs over a new version; a question asked again in the same words keeps its answer, so what the
    /// answer depends on belongs into the question (the topology's epoch beside source and destination, say).
    ///
    /// ```
    /// # use ipowdm_ctl_lib::store::{Key, Record, Store, StoreError};
    /// # use serde::{Deserialize, Serialize};
    /// #[derive(Serialize, Deserialize)]
    /// struct Route(Vec<u32>);
    /// # impl Record for Route { const KIND: &'static str = "route"; const VERSION: u8 = 1; }
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), StoreError> {
    /// # let store = Store::memory();
    /// let key = Key::<Route>::new(&["bern", "brig"]);
    /// let path = async |(from, to): (u32, u32)| Ok::<_, StoreError>(vec![from, to]); // computed elsewhere
    /// store.transact_async(|tx, answers| {
    ///     if tx.get(&key)?.is_none() {
    ///         tx.put(&key, &Route(answers.ask((3, 7))?))?;
    ///     }
    ///     Ok::<_, StoreError>(())
    /// }, path).await?;
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// What updater and resolver return; as [`Store::transact_versioned`]. Nothing is written then.
    pub async fn transact_async<Q, A, R, E, F, S, G>(&self, mut updater: F, mut resolve: S) -> Result<R, E>
    where
        Q: Eq + Hash + Clone,
        A: Clone,
        F: FnMut(&mut Tx, &mut Answers<Q, A>) -> Result<R, E>,
        S: FnMut(Q) -> G,
        G: Future<Output = Result<A, E>>,
        E: From<StoreError>,
    {
        let deadline = Deadline::after(self.inner.options.deadline);
        let mut answers = Answers::new();
        for attempt in 0..self.inner.options.max_attempts {
            self.inner.yield_to_others(attempt, deadline).await?;
            let ended =
                self.inner.converse(&mut updater, &mut resolve, &mut answers, attempt, deadline).await;
            match ended.inspect_err(|_| self.inner.failed())? {
                Attempt::Done(result, _) => {
                    self.inner.end_turn(attempt).await;
                    return Ok(result);
                }
                Attempt::Aborted(error) => {
                    self.inner.end_turn(attempt).await;
                    return Err(error);
                }
                Attempt::Conflict => {
                    self.inner.counts.add(Counted::Conflict);
                    answers.retain_asked();
                }
            }
            deadline.check().inspect_err(|_| self.inner.failed())?;
        }
        self.inner.failed();
        Err(StoreError::RetryExceeded { attempts: self.inner.options.max_attempts }.into())
    }
}

impl Inner {
    async fn converse<Q, A, R, E, F, S, G>(
        &self,
        updater: &mut F,
        resolve: &mut S,
        answers: &mut Answers<Q, A>,
        attempt: u32,
        deadline: Deadline,
    ) -> Result<Attempt<R, E>, E>
    where
        Q: Eq + Hash + Clone,
        A: Clone,
        F: FnMut(&mut Tx, &mut Answers<Q, A>) -> Result<R, E>,
        S: FnMut(Q) -> G,
        G: Future<Output = Result<A, E>>,
        E: From<StoreError>,
    {
        let mut pass = Some(deadline.bound(self.pass(attempt)).await?);
        let mut tx = Tx::new(self.draft(deadline).await?, (self.options.wall_time.0)());
        loop {
            answers.begin();
            let run = run_once(&mut |tx: &mut Tx| updater(tx, answers), &mut tx);
            if tx.is_stale() {
                return Ok(Attempt::Conflict);
            }
            let (wants, open) = (tx.take_wants(), answers.open());
            if wants.is_empty() && open.is_empty() {
                let finished = self.finish(tx, run, deadline).await;
                drop(pass);
                return Ok(finished?);
            }
            if answers.asked.len() > MOST {
                let reason = format!("a run of the updater asked more than {MOST} questions");
                return Err(StoreError::Unavailable { reason }.into());
            }
            match deadline.bound(tx.view_mut().load(&wants)).await? {
                Err(BackendError::Stale) => return Ok(Attempt::Conflict),
                loaded => loaded.map_err(StoreError::from)?,
            }
            if !open.is_empty() {
                // Nobody waits for the gate as long as the question takes. It tells what was read, which must be durable.
                pass = None;
                deadline.bound(tx.view_mut().settled()).await?.map_err(StoreError::from)?;
                for question in open {
                    let answer = deadline.bound(resolve(question.clone())).await??;
                    answers.known.insert(question, answer);
                }
            }
            if pass.is_none() {
                pass = Some(deadline.bound(self.pass(attempt)).await?);
            }
        }
    }
}
