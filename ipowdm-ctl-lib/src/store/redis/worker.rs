//! The task that talks to the server: one exchange at a time, with everything that was asked for meanwhile in the next.
//!
//! So commits share the server's write to disk, and an exchange whose answer was lost can be sent again without harm: the
//! server remembers the outcome of the latest commits of each client by their sequence number.

use super::super::backend::{BackendError, Batch, CommitError, Version};
use super::Shared;
use super::link::{Failure, Link, Pause};
use super::mirror::Applied;
use super::options::RedisOptions;
use super::wire::{Answer, Done, Exchange, Load, Loaded, Names, read_answer};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

/// Commits and loads of one exchange, and the keys in them.
const REQUESTS: usize = 128;
const KEYS: usize = 2048;

/// What tasks of this process ask for.
#[derive(Debug)]
pub(super) enum Request {
    /// To know every commit that the server had acknowledged before the request was made.
    Sync(oneshot::Sender<Result<(), BackendError>>),
    Load(Load, oneshot::Sender<Result<Loaded, BackendError>>),
    Commit(Commit),
    /// To give every later commit a version greater than this one.
    Raise(u64, oneshot::Sender<Result<(), CommitError>>),
}

#[derive(Debug)]
pub(super) struct Commit {
    pub(super) batch: Arc<Batch>,
    /// Nothing that the batch has read has changed up to this version.
    pub(super) checked: u64,
    pub(super) answer: oneshot::Sender<Result<Version, CommitError>>,
}

/// The requests of one exchange.
#[derive(Debug, Default)]
struct Group {
    raises: Vec<(u64, oneshot::Sender<Result<(), CommitError>>)>,
    syncs: Vec<oneshot::Sender<Result<(), BackendError>>>,
    loads: Vec<(Load, oneshot::Sender<Result<Loaded, BackendError>>)>,
    commits: Vec<Commit>,
    keys: usize,
}

impl Group {
    fn add(&mut self, request: Request) {
        match request {
            Request::Sync(answer) => self.syncs.push(answer),
            Request::Raise(to, answer) => self.raises.push((to, answer)),
            Request::Load(load, answer) => {
                if let Load::Keys { keys, .. } = &load {
                    self.keys += keys.len();
                }
                self.loads.push((load, answer));
            }
            Request::Commit(commit) => {
                self.keys +=
                    commit.batch.reads.len() + commit.batch.writes.len() + commit.batch.stamped.len();
                self.commits.push(commit);
            }
        }
    }

    fn is_full(&self) -> bool {
        self.keys >= KEYS || self.loads.len() + self.commits.len() >= REQUESTS
    }

    fn is_empty(&self) -> bool {
        self.syncs.is_empty() && self.loads.is_empty() && self.commits.is_empty()
    }

    /// Tells everybody that the server could not be asked. `sent`: commits may have been carried out all the same.
    fn fail(self, reason: &str, sent: bool) {
        // An error of a send only says that nobody waits any more; so it is in this whole file.
        for answer in self.syncs {
            let _ = answer.send(Err(BackendError::Unavailable { reason: reason.to_owned() }));
        }
        for (_, answer) in self.loads {
            let _ = answer.send(Err(BackendError::Unavailable { reason: reason.to_owned() }));
        }
        for commit in self.commits {
            let reason = reason.to_owned();
            let error = if sent {
                CommitError::Indeterminate { reason }
            } else {
                CommitError::Unavailable { reason }
            };
            let _ = commit.answer.send(Err(error));
        }
    }
}

pub(super) struct Worker {
    shared: Arc<Shared>,
    options: RedisOptions,
    names: Names,
    instance: Arc<str>,
    inbox: mpsc::Receiver<Request>,
    link: Option<Link>,
    pause: Pause,
    sequence: u64,
}

impl Worker {
    pub(super) fn new(
        shared: Arc<Shared>,
        options: RedisOptions,
        names: Names,
        instance: Arc<str>,
        inbox: mpsc::Receiver<Request>,
        link: Link,
    ) -> Self {
        Self { shared, options, names, instance, inbox, link: Some(link), pause: Pause::new(), sequence: 0 }
    }

    /// Works until the back end is dropped.
    pub(super) async fn run(mut self) {
        while let Some(first) = self.inbox.recv().await {
            let mut group = Group::default();
            group.add(first);
            while !group.is_full()
                && let Ok(request) = self.inbox.try_recv()
            {
                group.add(request);
            }
            self.serve(group).await;
        }
    }

    /// Carries a group out, however many exchanges that takes.
    async fn serve(&mut self, mut group: Group) {
        let deadline = Instant::now() + self.options.patience;
        for (to, answer) in core::mem::take(&mut group.raises) {
            let raised = self.open_at(to, deadline).await;
            let _ = answer.send(raised.map_err(|reason| CommitError::Unavailable { reason }));
        }
        while !group.is_empty() {
            let exchange = self.prepare(&mut group);
            let mut sent = false;
            let answer = self.exchange(&exchange, false, deadline, &mut sent).await;
            let answer = match answer {
                Ok(Answer::Lost) => self.pick_up(&mut group, exchange, deadline, &mut sent).await,
                answer => {
                    let mut mirror = self.shared.mirror();
                    (0..exchange.batches.len()).for_each(|index| mirror.expect_no_more(&exchange.by(index)));
                    answer
                }
            };
            match answer {
                Ok(Answer::Done(done)) => group = self.deliver(group, done),
                Ok(Answer::Lost) => return group.fail("the store loses its history again and again", sent),
                Err(reason) => {
                    tracing::warn!(store = self.options.place(), reason, "the store cannot be asked");
                    return group.fail(&reason, sent);
                }
            }
        }
    }

    /// Goes on after the thread of commits was lost. Views of before cannot be read any more; commits made on them are not
    /// tried, but the server may have carried them out before their answer was lost, and still knows.
    async fn pick_up(
        &mut self,
        group: &mut Group,
        lost: Exchange,
        deadline: Instant,
        sent: &mut bool,
    ) -> Result<Answer, String> {
        self.reopen(deadline).await?;
        for (_, answer) in group.loads.drain(..) {
            let _ = answer.send(Ok(Loaded::Stale));
        }
        let (applied, anchor) = {
            let mirror = self.shared.mirror();
            (mirror.applied(), mirror.anchor().to_owned())
        };
        let recall = Exchange { applied, anchor, loads: Vec::new(), batches: Vec::new(), ..lost };
        self.exchange(&recall, true, deadline, sent).await
    }

    /// Checks the commits against what has become known since they were made, and puts the rest into an exchange.
    fn prepare(&mut self, group: &mut Group) -> Exchange {
        let mut mirror = self.shared.mirror();
        let commits = core::mem::take(&mut group.commits);
        for commit in commits {
            if mirror.touched(commit.checked, &commit.batch.reads, &commit.batch.scans) {
                let _ = commit.answer.send(Err(CommitError::Conflict));
            } else {
                group.commits.push(Commit { checked: mirror.applied(), ..commit });
            }
        }
        let loads = core::mem::take(&mut group.loads);
        for (load, answer) in loads {
            let (Load::Keys { view, .. } | Load::Range { view, .. }) = &load;
            if mirror.holds(*view) {
                group.loads.push((load, answer));
            } else {
                let _ = answer.send(Ok(Loaded::Stale));
            }
        }
        if !group.commits.is_empty() {
            self.sequence += 1;
        }
        let exchange = Exchange {
            applied: mirror.applied(),
            anchor: mirror.anchor().to_owned(),
            instance: Arc::clone(&self.instance),
            sequence: if group.commits.is_empty() { 0 } else { self.sequence },
            loads: group.loads.iter().map(|(load, _)| load.clone()).collect(),
            batches: group.commits.iter().map(|commit| Arc::clone(&commit.batch)).collect(),
        };
        for (index, batch) in exchange.batches.iter().enumerate() {
            mirror.expect(exchange.by(index), Arc::clone(batch));
        }
        exchange
    }

    /// Takes in the server's answer and tells everybody; answers what has to be asked again.
    fn deliver(&mut self, group: Group, done: Done) -> Group {
        let mut again = Group::default();
        let mut mirror = self.shared.mirror();
        for entry in done.entries {
            if mirror.apply(entry, &self.shared.changes) == Applied::Gap {
                break;
            }
        }
        // More was committed than one exchange tells: everybody waits until it is known.
        let current = mirror.applied() >= done.version;
        drop(mirror);
        self.shared.changes.deliver();
        if current {
            group.syncs.into_iter().for_each(|answer| drop(answer.send(Ok(()))));
        } else {
            again.syncs = group.syncs;
        }
        for ((_, answer), loaded) in group.loads.into_iter().zip(done.loads) {
            let _ = answer.send(Ok(loaded));
        }
        if done.behind {
            again.commits = group.commits;
            return again;
        }
        let mut outcomes = done.outcomes.into_iter();
        for commit in group.commits {
            let outcome = match outcomes.next() {
                None => Err(CommitError::Conflict),
                Some(outcome) => outcome.map(Version::new).ok_or(CommitError::Conflict),
            };
            let _ = commit.answer.send(outcome);
        }
        again
    }

    /// One exchange, sent until it is answered. `sent` becomes true when it may have been carried out without an answer.
    async fn exchange(
        &mut self,
        exchange: &Exchange,
        recall: bool,
        deadline: Instant,
        sent: &mut bool,
    ) -> Result<Answer, String> {
        loop {
            let failure = match self.attempt(exchange, recall).await {
                Ok(answer) => {
                    self.pause = Pause::new();
                    return Ok(answer);
                }
                Err(failure) => failure,
            };
            self.endure(failure, deadline, sent).await?;
        }
    }

    async fn attempt(&mut self, exchange: &Exchange, recall: bool) -> Result<Answer, Failure> {
        let link = self.link().await?;
        let mut command = link.command_exchange();
        exchange.write(&mut command, recall);
        let answer = link.call(&command).await?;
        read_answer(answer).map_err(|error| Failure::Failed(error.to_string()))
    }

    /// The connection, made anew where there is none.
    async fn link(&mut self) -> Result<&mut Link, Failure> {
        match self.link.take() {
            Some(link) => Ok(self.link.insert(link)),
            None => {
                let link = Link::connect(&self.options, &self.names).await.map_err(Failure::from)?;
                tracing::info!(store = self.options.place(), "connected again");
                Ok(self.link.insert(link))
            }
        }
    }

    /// Waits as long as a failure demands; an error where it is no use or too late to try again.
    async fn endure(&mut self, failure: Failure, deadline: Instant, sent: &mut bool) -> Result<(), String> {
        let reason = match failure {
            Failure::Refused(reason) | Failure::Foreign(reason) => return Err(reason),
            Failure::Failed(reason) => {
                *sent = true;
                return Err(reason);
            }
            Failure::NoScript => {
                // Loaded again with the next connection.
                self.link = None;
                "the server has forgotten the scripts".to_owned()
            }
            Failure::Later(reason) => reason,
            Failure::Broken(reason) => {
                *sent |= self.link.take().is_some();
                reason
            }
        };
        if Instant::now() >= deadline {
            return Err(reason);
        }
        self.pause.wait().await;
        Ok(())
    }

    /// Goes on after the store was found not to continue what is known here.
    async fn reopen(&mut self, deadline: Instant) -> Result<(), String> {
        let known = self.shared.mirror().applied();
        tracing::warn!(store = self.options.place(), known, "commits were missed or lost");
        self.open_at(known + 1, deadline).await
    }

    /// Takes the store to this version where it is not as far, and finds out where it is now. Where that is elsewhere than
    /// was known, all watchers are told that they may have missed something.
    async fn open_at(&mut self, at_least: u64, deadline: Instant) -> Result<(), String> {
        let (history, instance) = (self.options.history, Arc::clone(&self.instance));
        loop {
            let opened = match self.link().await {
                Ok(link) => link.open_store(history, &instance, at_least).await,
                Err(failure) => Err(failure),
            };
            match opened {
                Ok((version, anchor)) => {
                    let mut mirror = self.shared.mirror();
                    if (mirror.applied(), mirror.anchor()) != (version, &anchor) {
                        mirror.restart(version, anchor, &self.shared.changes);
                    }
                    return Ok(());
                }
                Err(failure) => self.endure(failure, deadline, &mut false).await?,
            }
        }
    }
}
