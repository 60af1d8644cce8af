//! Calls made at the same time share a transaction.
//!
//! Allocations on one network touch the same links, so as transactions of their own they would conflict, and each would wait for
//! its own commit. Here the first call runs at once; those that come while it runs wait and are then taken together, a bounded
//! number at a time. Each is judged by itself, in the order in which they came: one that is refused changes nothing and does not
//! touch the others. All of a transaction commit or none, and nobody is answered before.
//!
//! Whoever has had the turn takes the next calls as far as they go without waiting: on a store in memory to their answers.
//! What has to wait, for a disk, does so in a task of its own, so a caller that goes away takes nobody with it: its own call
//! is carried out whole or, where its turn had not come, not at all.

use super::work::Work;
use super::{AllocationRequest, Grant, LinkDb, LinkDbError};
use crate::store::StoreError;
use futures_util::FutureExt as _;
use ipowdm_core::ids::ConnectionId;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Most calls in one transaction.
const MOST: usize = 64;

/// Times that a task lets others run without a new call before it goes on with those that it has.
const PATIENCE: usize = 2;

/// Transactions for others that a caller runs before it has its own answer, at most.
const ROUNDS: usize = 2;

/// What is asked for.
#[derive(Debug)]
enum Call {
    Allocate(Box<AllocationRequest>),
    Release(ConnectionId),
}

/// The same, as its caller has it.
#[derive(Debug, Clone, Copy)]
enum Asked<'a> {
    Allocate(&'a AllocationRequest),
    Release(&'a ConnectionId),
}

impl Call {
    fn asked(&self) -> Asked<'_> {
        match self {
            Self::Allocate(request) => Asked::Allocate(request),
            Self::Release(connection) => Asked::Release(connection),
        }
    }
}

impl<'a> Asked<'a> {
    const fn connection(self) -> &'a ConnectionId {
        match self {
            Self::Allocate(request) => &request.connection_id,
            Self::Release(connection) => connection,
        }
    }

    fn to_call(self) -> Call {
        match self {
            Self::Allocate(request) => Call::Allocate(Box::new(request.clone())),
            Self::Release(connection) => Call::Release(connection.clone()),
        }
    }
}

/// The grant that was made, or released. It is large, so it is handed on as the transaction has it.
type Answer = Result<Option<Arc<Grant>>, LinkDbError>;

#[derive(Debug)]
struct Waiting {
    call: Call,
    /// What is to be sent once the transaction is through.
    answer: Answer,
    receiver: oneshot::Sender<Answer>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Somebody is running a transaction, and sees to those who wait afterwards.
    busy: bool,
    waiting: VecDeque<Waiting>,
    /// Empty, with room for a transaction's calls.
    spare: Vec<Waiting>,
}

/// The calls of all clones of one LinkDB handle.
#[derive(Debug, Clone, Default)]
pub(super) struct Together {
    queue: Arc<Mutex<Queue>>,
}

impl Together {
    pub(super) async fn allocate(
        &self,
        db: &LinkDb,
        request: &AllocationRequest,
    ) -> Result<Grant, LinkDbError> {
        let answer = self.call(db, Asked::Allocate(request)).await?;
        let grant = answer.map(Arc::unwrap_or_clone);
        grant.ok_or_else(|| super::allocate::inconsistent("an allocation was answered as a release"))
    }

    pub(super) async fn release(
        &self,
        db: &LinkDb,
        connection: &ConnectionId,
    ) -> Result<Option<Grant>, LinkDbError> {
        Ok(self.call(db, Asked::Release(connection)).await?.map(Arc::unwrap_or_clone))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole between any two of its own calls, so a poisoned lock guards sound data.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the turn; or, where somebody has it, queues the call.
    fn turn(&self, asked: Asked<'_>) -> Option<oneshot::Receiver<Answer>> {
        let mut queue = self.queue();
        if !queue.busy {
            queue.busy = true;
            return None;
        }
        drop(queue);
        // What is copied is copied outside the lock.
        let (sender, receiver) = oneshot::channel();
        let waiting = Waiting { call: asked.to_call(), answer: Ok(None), receiver: sender };
        let mut queue = self.queue();
        if queue.busy {
            queue.waiting.push_back(waiting);
            return Some(receiver);
        }
        queue.busy = true;
        None
    }

    async fn call(&self, db: &LinkDb, asked: Asked<'_>) -> Answer {
        let Some(receiver) = self.turn(asked) else {
            let _next = PassOn { db, together: self };
            return alone(db, asked).await;
        };
        let Ok(answer) = receiver.await else {
            let reason = "the task that ran the transaction has gone".to_owned();
            return Err(StoreError::Indeterminate { reason }.into());
        };
        answer
    }

    /// Ends the turn, unless somebody waits.
    fn end_turn(&self) -> bool {
        let mut queue = self.queue();
        queue.busy = !queue.waiting.is_empty();
        !queue.busy
    }

    /// The next calls to be taken together: of one connection at most one, since one life of an id ends before the next
    /// begins. Without any, the turn ends.
    fn next(&self) -> Vec<Waiting> {
        let mut queue = self.queue();
        let mut taken = core::mem::take(&mut queue.spare);
        while taken.len() < MOST
            && let Some(next) = queue.waiting.front()
            && !taken.iter().any(|other| other.call.asked().connection() == next.call.asked().connection())
        {
            taken.extend(queue.waiting.pop_front());
        }
        queue.busy = !taken.is_empty();
        taken
    }

    /// Runs calls in one transaction and answers them.
    async fn answer(&self, db: &LinkDb, mut calls: Vec<Waiting>) {
        together(db, &mut calls).await;
        for Waiting { answer, receiver, .. } in calls.drain(..) {
            // A caller that has gone away needs no answer.
            let _ = receiver.send(answer);
        }
        self.queue().spare = calls;
    }

    /// Serves those who wait until nobody does. `answered` have been answered just before.
    async fn serve(&self, db: &LinkDb, mut answered: usize) {
        loop {
            self.gather(answered).await;
            let calls = self.next();
            if calls.is_empty() {
                return;
            }
            answered = calls.len();
            self.answer(db, calls).await;
        }
    }

    /// Lets those who were answered come back with another call, as long as more come: each transaction may wait for a
    /// disk, so one that leaves half of them behind is half as good.
    async fn gather(&self, answered: usize) {
        let (mut idle, mut before) = (0, 0);
        while idle < PATIENCE {
            tokio::task::yield_now().await;
            let waiting = self.queue().waiting.len();
            if waiting >= answered.clamp(1, MOST) {
                return;
            }
            idle = if waiting > before { 0 } else { idle + 1 };
            before = waiting;
        }
    }
}

/// Hands the turn to those who wait, when the first call is through or its caller has gone away.
struct PassOn<'a> {
    db: &'a LinkDb,
    together: &'a Together,
}

impl Drop for PassOn<'_> {
    fn drop(&mut self) {
        // A caller that panics leaves the others to a task.
        let rounds = if std::thread::panicking() { 0 } else { ROUNDS };
        for _ in 0..rounds {
            let calls = self.together.next();
            if calls.is_empty() {
                return;
            }
            let (db, together, count) = (self.db.clone(), self.together.clone(), calls.len());
            let mut served = Box::pin(async move { together.answer(&db, calls).await });
            if served.as_mut().now_or_never().is_none() {
                self.go_on(Some(served), count);
                return;
            }
        }
        self.go_on(None::<core::future::Ready<()>>, 0);
    }
}

impl PassOn<'_> {
    /// Serves those who wait in a task, after the answers to `answered` calls that are under way.
    fn go_on(&self, under_way: Option<impl Future<Output = ()> + Send + 'static>, answered: usize) {
        if under_way.is_none() && self.together.end_turn() {
            return;
        }
        let (db, together) = (self.db.clone(), self.together.clone());
        let task = async move {
            if let Some(under_way) = under_way {
                under_way.await;
            }
            together.serve(&db, answered).await;
        };
        // Without a runtime nobody is there to wait either: dropping the queue tells those who do.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(task)),
            Err(_) => {
                let mut queue = self.together.queue();
                queue.waiting.clear();
                queue.busy = false;
            }
        }
    }
}

async fn alone(db: &LinkDb, asked: Asked<'_>) -> Answer {
    let done = db.store().transact(|tx| {
        let mut work = Work::new(db, tx);
        let answer = judge(&mut work, asked)?;
        work.finish()?;
        Ok(answer)
    });
    done.await
}

/// Runs calls in one transaction and leaves their answers with them.
async fn together(db: &LinkDb, calls: &mut [Waiting]) {
    let done = db.store().transact(|tx| {
        let mut work = Work::new(db, tx);
        let mut missing = false;
        for Waiting { call, answer, .. } in &mut *calls {
            match judge(&mut work, call.asked()) {
                // The others are asked what they need too, so that it is fetched together.
                Err(LinkDbError::Store(StoreError::NotLoaded)) => missing = true,
                Err(LinkDbError::Store(error)) => return Err(LinkDbError::Store(error)),
                judged => *answer = judged,
            }
        }
        if missing {
            return Err(StoreError::NotLoaded.into());
        }
        work.finish()
    });
    match done.await {
        Ok(()) => {}
        // It may be one call's own trouble, a record that cannot be read, say.
        Err(error) if calls.len() > 1 && nothing_was_written(&error) => {
            for Waiting { call, answer, .. } in calls {
                *answer = alone(db, call.asked()).await;
            }
        }
        Err(error) => calls.iter_mut().for_each(|waiting| waiting.answer = Err(error.clone())),
    }
}

/// Whether the store is well, and refused because of what was to be read or written.
const fn nothing_was_written(error: &LinkDbError) -> bool {
    !matches!(
        error,
        LinkDbError::Store(
            StoreError::Unavailable { .. }
                | StoreError::Indeterminate { .. }
                | StoreError::Deadline { .. }
                | StoreError::RetryExceeded { .. }
        )
    )
}

fn judge(work: &mut Work<'_>, asked: Asked<'_>) -> Answer {
    match asked {
        Asked::Allocate(request) => work.allocate(request).map(Some),
        Asked::Release(connection) => work.release(connection),
    }
}
