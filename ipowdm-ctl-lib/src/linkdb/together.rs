//! Calls made at the same time share a transaction.
//!
//! Allocations on one network touch the same links, so as transactions of their own they would conflict, and each would wait for
//! its own commit. Here the first call runs at once; those that come while it runs wait and are then taken together, a bounded
//! number at a time. Each is judged by itself, in the order in which they came: one that is refused changes nothing and does not
//! touch the others. All of a transaction commit or none, and nobody is answered before.
//!
//! A transaction of several calls runs in a task of its own, so a caller that goes away takes nobody with it: its own call is
//! carried out whole or, where its turn had not come, not at all.

use super::work::Work;
use super::{AllocationRequest, Grant, LinkDb, LinkDbError};
use crate::store::StoreError;
use ipowdm_core::ids::ConnectionId;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// Most calls in one transaction.
const MOST: usize = 64;

/// What is asked for.
#[derive(Debug)]
enum Call {
    Allocate(Box<AllocationRequest>),
    Release(ConnectionId),
}

impl Call {
    const fn connection(&self) -> &ConnectionId {
        match self {
            Self::Allocate(request) => &request.connection_id,
            Self::Release(connection) => connection,
        }
    }
}

/// The grant that was made, or released.
type Answer = Result<Option<Grant>, LinkDbError>;

#[derive(Debug)]
struct Waiting {
    call: Call,
    answer: oneshot::Sender<Answer>,
}

#[derive(Debug, Default)]
struct Queue {
    /// Somebody is running a transaction, and sees to those who wait afterwards.
    busy: bool,
    waiting: VecDeque<Waiting>,
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
        request: AllocationRequest,
    ) -> Result<Grant, LinkDbError> {
        let answer = self.call(db, Call::Allocate(Box::new(request))).await?;
        answer.ok_or_else(|| super::allocate::inconsistent("an allocation was answered as a release"))
    }

    pub(super) async fn release(&self, db: &LinkDb, connection: &ConnectionId) -> Answer {
        self.call(db, Call::Release(connection.clone())).await
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // The queue is whole between any two of its own calls, so a poisoned lock guards sound data.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn call(&self, db: &LinkDb, call: Call) -> Answer {
        let answer = {
            let mut queue = self.queue();
            if queue.busy {
                let (answer, receiver) = oneshot::channel();
                queue.waiting.push_back(Waiting { call, answer });
                Err(receiver)
            } else {
                queue.busy = true;
                Ok(call)
            }
        };
        match answer {
            Ok(call) => {
                let _next = PassOn { db, together: self };
                alone(db, &call).await
            }
            Err(receiver) => receiver.await.unwrap_or_else(|_| {
                let reason = "the task that ran the transaction has gone".to_owned();
                Err(StoreError::Indeterminate { reason }.into())
            }),
        }
    }

    /// The next calls to be taken together: of one connection at most one, since one life of an id ends before the next begins.
    fn next(&self) -> Vec<Waiting> {
        let mut queue = self.queue();
        let mut taken: Vec<Waiting> = Vec::with_capacity(queue.waiting.len().min(MOST));
        while taken.len() < MOST
            && let Some(next) = queue.waiting.front()
            && !taken.iter().any(|other| other.call.connection() == next.call.connection())
        {
            taken.extend(queue.waiting.pop_front());
        }
        queue.busy = !taken.is_empty();
        taken
    }

    /// Serves those who wait until nobody does.
    async fn serve(&self, db: &LinkDb) {
        loop {
            // Those who were answered may have another call.
            tokio::task::yield_now().await;
            let calls = self.next();
            if calls.is_empty() {
                return;
            }
            let (calls, answers): (Vec<Call>, Vec<_>) =
                calls.into_iter().map(|waiting| (waiting.call, waiting.answer)).unzip();
            for (receiver, answer) in answers.into_iter().zip(together(db, &calls).await) {
                // A caller that has gone away needs no answer.
                let _ = receiver.send(answer);
            }
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
        let mut queue = self.together.queue();
        if queue.waiting.is_empty() {
            queue.busy = false;
            return;
        }
        drop(queue);
        let (db, together) = (self.db.clone(), self.together.clone());
        // Without a runtime nobody is there to wait either: dropping the queue tells those who do.
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(async move { together.serve(&db).await })),
            Err(_) => {
                let mut queue = self.together.queue();
                queue.waiting.clear();
                queue.busy = false;
            }
        }
    }
}

async fn alone(db: &LinkDb, call: &Call) -> Answer {
    db.store()
        .transact(|tx| {
            let mut work = Work::new(db, tx);
            let answer = judge(&mut work, call)?;
            work.finish()?;
            Ok(answer)
        })
        .await
}

/// Runs calls in one transaction; the answers are in their order.
async fn together(db: &LinkDb, calls: &[Call]) -> Vec<Answer> {
    let answers = db.store().transact(|tx| {
        let mut work = Work::new(db, tx);
        let mut answers = Vec::with_capacity(calls.len());
        let mut missing = false;
        for call in calls {
            match judge(&mut work, call) {
                // The others are asked what they need too, so that it is fetched together.
                Err(LinkDbError::Store(StoreError::NotLoaded)) => missing = true,
                Err(LinkDbError::Store(error)) => return Err(LinkDbError::Store(error)),
                answer => answers.push(answer),
            }
        }
        if missing {
            return Err(StoreError::NotLoaded.into());
        }
        work.finish()?;
        Ok(answers)
    });
    match answers.await {
        Ok(answers) => answers,
        // It may be one call's own trouble, a record that cannot be read, say.
        Err(error) if calls.len() > 1 && nothing_was_written(&error) => {
            let mut answers = Vec::with_capacity(calls.len());
            for call in calls {
                answers.push(alone(db, call).await);
            }
            answers
        }
        Err(error) => calls.iter().map(|_| Err(error.clone())).collect(),
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

fn judge(work: &mut Work<'_>, call: &Call) -> Answer {
    match call {
        Call::Allocate(request) => work.allocate(request).map(Some),
        Call::Release(connection) => work.release(connection),
    }
}
