//! Group commit: while one transaction is in flight the next writes collect, and go together.
//!
//! The planner is pure. A group holds at most one write per account and per message, so that no row of a multi-row
//! statement can hide another; the writes of a group are sorted by account, so that two flushers cannot deadlock.
//! A group that fails on data is written one by one: no write fails for a neighbour's sake. A group whose outcome is
//! unknown, because the connection broke, is written again: every write recognises its own earlier effect.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Accept, Accepted, Commit, Committed, Patience, RunChange, StoreError};
use crate::reconnect::Reconnect;

/// The most writes in one transaction. More brought nothing (measured: 33 k accounts/s in groups of 50).
pub(super) const MOST: usize = 64;
/// A group with more bytes takes no further write: the server gives up a statement after 5 s.
const MOST_BYTES: usize = 8 * 1024 * 1024;

/// How much longer than its patience a caller listens, so that it hears why nothing came of its write.
const GRACE: Duration = Duration::from_millis(100);

/// A write that can share a transaction with others.
#[derive(Debug)]
pub(super) enum Write {
    Accept(Box<Accept>),
    Commit(Box<Commit>),
}

impl Write {
    fn account(&self) -> Uuid {
        match self {
            Self::Accept(accept) => accept.account.id,
            Self::Commit(commit) => commit.account,
        }
    }

    /// About how much it brings to a statement: what can be large.
    fn bytes(&self) -> usize {
        match self {
            Self::Accept(accept) => accept.event.envelope.len() + accept.credential.sealed.as_bytes().len(),
            Self::Commit(commit) => {
                let run = match &commit.run_change {
                    Some(RunChange::Finish { trace, progress, .. }) => {
                        trace.len() + progress.as_ref().map_or(0, |p| p.as_bytes().len())
                    }
                    Some(RunChange::Save { progress } | RunChange::Wait { progress, .. }) => progress.as_bytes().len(),
                    Some(RunChange::Release { progress }) => progress.as_ref().map_or(0, |p| p.as_bytes().len()),
                    Some(RunChange::PutBack { .. }) | None => 0,
                };
                run + commit.transition.as_ref().map_or(0, |transition| transition.event.envelope.len())
            }
        }
    }

    fn message(&self) -> Option<(Uuid, &str)> {
        match self {
            Self::Accept(accept) => {
                accept.run.message_id.as_deref().map(|message| (accept.account.environment_id, message))
            }
            Self::Commit(_) => None,
        }
    }
}

/// What became of a [`Write`].
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Written {
    Accepted(Accepted),
    Committed(Committed),
}

/// Why a group was not written.
#[derive(Debug)]
pub(super) enum FlushError {
    /// The connection is gone; the outcome may be unknown.
    Lost(String),
    /// The database refuses something in the group.
    Data(String),
}

impl From<StoreError> for FlushError {
    /// Only data that the database refuses is the writer's fault; everything else is waited out.
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(why) | StoreError::Moved(why) => Self::Data(why),
            StoreError::Unavailable(why) | StoreError::Schema(why) => Self::Lost(why),
            StoreError::Closed => Self::Lost(error.to_string()),
        }
    }
}

/// Writes groups; one implementation per database, which owns its connection and makes it anew after a loss.
#[async_trait]
pub(super) trait Flush: Send + 'static {
    /// Writes the group in one transaction and answers in its order.
    async fn flush(&mut self, group: &[Write]) -> Result<Vec<Written>, FlushError>;
}

/// A write and who waits for it.
#[derive(Debug)]
pub(super) struct Pending {
    write: Write,
    give_up_at: Option<Instant>,
    answer: oneshot::Sender<Result<Written, StoreError>>,
}

/// Where callers put their writes.
#[derive(Debug, Clone)]
pub(super) struct Group(mpsc::Sender<Pending>);

impl Group {
    /// A queue and the flusher's end of it.
    pub(super) fn new() -> (Self, mpsc::Receiver<Pending>) {
        let (sender, receiver) = mpsc::channel(16 * MOST);
        (Self(sender), receiver)
    }

    /// Hands a write over and waits for its own outcome.
    pub(super) async fn write(&self, write: Write, patience: Patience) -> Result<Written, StoreError> {
        let (answer, outcome) = oneshot::channel();
        let give_up_at = match patience {
            Patience::For(time) => Some(Instant::now() + time),
            Patience::Endless => None,
        };
        let pending = Pending { write, give_up_at, answer };
        let sent = match give_up_at {
            None => self.0.send(pending).await.map_err(|_| StoreError::Closed),
            Some(at) => match tokio::time::timeout_at(at, self.0.send(pending)).await {
                Ok(sent) => sent.map_err(|_| StoreError::Closed),
                Err(_) => Err(StoreError::Unavailable("too many writes are waiting for it".to_owned())),
            },
        };
        sent?;
        let answered = match give_up_at {
            None => outcome.await,
            Some(at) => match tokio::time::timeout_at(at + GRACE, outcome).await {
                Ok(answered) => answered,
                Err(_) => return Err(StoreError::Unavailable("it did not answer in time".to_owned())),
            },
        };
        answered.unwrap_or(Err(StoreError::Closed))
    }
}

/// Takes the next group out of `waiting`: in order of arrival, at most one write per account and message, and no more
/// bytes than a statement should have (but for a single write that has more).
fn plan(waiting: &mut VecDeque<Pending>) -> Vec<Pending> {
    let mut accounts = HashSet::new();
    let mut messages = HashSet::new();
    let mut group = Vec::new();
    let mut later = VecDeque::new();
    let mut bytes = 0;
    while group.len() < MOST
        && (group.is_empty() || bytes < MOST_BYTES)
        && let Some(pending) = waiting.pop_front()
    {
        if pending.answer.is_closed() {
            // Its caller has given up and will repeat it: what nobody waits for is not begun.
            continue;
        }
        let message = pending.write.message().map(|(environment, id)| (environment, id.to_owned()));
        let alone = !accounts.contains(&pending.write.account())
            && !message.as_ref().is_some_and(|message| messages.contains(message));
        if alone {
            accounts.insert(pending.write.account());
            messages.extend(message);
            bytes += pending.write.bytes();
            group.push(pending);
        } else {
            later.push_back(pending);
        }
    }
    while let Some(pending) = later.pop_back() {
        waiting.push_front(pending);
    }
    group.sort_by_key(|pending| pending.write.account());
    group
}

/// Performs groups until `closing` and nothing waits. A database that is down then leaves the rest unwritten.
pub(super) async fn run(
    mut inbox: mpsc::Receiver<Pending>,
    mut flush: impl Flush,
    closing: CancellationToken,
    name: &'static str,
) {
    let mut waiting = VecDeque::new();
    let mut outage: Option<Outage> = None;
    loop {
        if closing.is_cancelled() {
            inbox.close();
        }
        if waiting.is_empty() {
            tokio::select! {
                received = inbox.recv() => match received {
                    Some(pending) => waiting.push_back(pending),
                    None => return,
                },
                () = closing.cancelled(), if !closing.is_cancelled() => continue,
            }
        }
        if let Some(down) = &outage {
            if closing.is_cancelled() {
                return;
            }
            down.rest(&mut inbox, &mut waiting, &closing).await;
            expire(&mut waiting, &down.why);
            if Instant::now() < down.again_at || waiting.is_empty() {
                continue;
            }
        }
        while waiting.len() < MOST
            && let Ok(pending) = inbox.try_recv()
        {
            waiting.push_back(pending);
        }
        let group = plan(&mut waiting);
        if group.is_empty() {
            continue;
        }
        match perform(&mut flush, group).await {
            Ok(()) => {
                if let Some(down) = outage.take() {
                    let seconds = down.since.elapsed().as_secs();
                    tracing::info!(task = name, outage.seconds = seconds, "the database answers again");
                }
            }
            Err((group, why)) => {
                for pending in group.into_iter().rev() {
                    waiting.push_front(pending);
                }
                outage = Some(Outage::go_on(outage, why, name));
            }
        }
    }
}

/// Writes a group and answers its callers; hands the group back when the connection was lost.
async fn perform(flush: &mut impl Flush, group: Vec<Pending>) -> Result<(), (Vec<Pending>, String)> {
    let (writes, callers): (Vec<_>, Vec<_>) =
        group.into_iter().map(|pending| (pending.write, (pending.give_up_at, pending.answer))).unzip();
    let together = |writes: Vec<Write>, callers: Vec<(Option<Instant>, _)>| {
        writes
            .into_iter()
            .zip(callers)
            .map(|(write, (give_up_at, answer))| Pending { write, give_up_at, answer })
            .collect::<Vec<_>>()
    };
    match flush.flush(&writes).await {
        Ok(written) => {
            for ((_, answer), outcome) in callers.into_iter().zip(written) {
                // A caller that gave up has dropped its end; the write stands all the same.
                let _ = answer.send(Ok(outcome));
            }
            Ok(())
        }
        Err(FlushError::Lost(why)) => Err((together(writes, callers), why)),
        Err(FlushError::Data(why)) if writes.len() == 1 => {
            for (_, answer) in callers {
                let _ = answer.send(Err(StoreError::Refused(why.clone())));
            }
            Ok(())
        }
        Err(FlushError::Data(_)) => one_by_one(flush, together(writes, callers)).await,
    }
}

async fn one_by_one(flush: &mut impl Flush, group: Vec<Pending>) -> Result<(), (Vec<Pending>, String)> {
    let mut rest = VecDeque::from(group);
    while let Some(pending) = rest.pop_front() {
        if let Err((mut unwritten, why)) = Box::pin(perform(flush, vec![pending])).await {
            unwritten.extend(rest);
            return Err((unwritten, why));
        }
    }
    Ok(())
}

fn expire(waiting: &mut VecDeque<Pending>, why: &str) {
    let now = Instant::now();
    let (expired, kept): (Vec<_>, Vec<_>) =
        waiting.drain(..).partition(|pending| pending.give_up_at.is_some_and(|at| at <= now));
    waiting.extend(kept.into_iter().filter(|pending| !pending.answer.is_closed()));
    for pending in expired {
        let _ = pending.answer.send(Err(StoreError::Unavailable(why.to_owned())));
    }
}

/// A database that does not answer.
#[derive(Debug)]
struct Outage {
    since: Instant,
    again_at: Instant,
    pauses: Reconnect,
    why: String,
}

impl Outage {
    fn go_on(before: Option<Self>, why: String, name: &'static str) -> Self {
        let now = Instant::now();
        let (since, mut pauses) = before.map_or_else(
            || {
                tracing::warn!(task = name, error = %why, "the database does not answer; writes wait and are repeated");
                (now, Reconnect::default())
            },
            |down| (down.since, down.pauses),
        );
        let again_at = now + pauses.pause();
        Self { since, again_at, pauses, why }
    }

    /// Waits for the next attempt, the next write or the next caller that gives up, whichever is first.
    async fn rest(
        &self,
        inbox: &mut mpsc::Receiver<Pending>,
        waiting: &mut VecDeque<Pending>,
        closing: &CancellationToken,
    ) {
        let patience = waiting.iter().filter_map(|pending| pending.give_up_at).min();
        let until = patience.map_or(self.again_at, |at| at.min(self.again_at));
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = closing.cancelled() => {}
            received = inbox.recv(), if waiting.len() < 16 * MOST && !inbox.is_closed() => waiting.extend(received),
        }
    }
}

#[cfg(test)]
mod tests;
