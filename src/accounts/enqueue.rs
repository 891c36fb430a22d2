//! Another run of an existing account: with its transition where the account becomes `connecting` again, else beside it.

use uuid::Uuid;

use super::Accounts;
use crate::events::{EventCause, EventInput, envelope};
use crate::lifecycle::{Cause, Next, Rejection, Snapshot, Task, Transition, Trigger, Word, Work, decide};
use crate::seal::Sealed;
use crate::store::{
    Account, AccountChange, Channel, DefinitionHash, Enqueue, Enqueued, Event, NewRun, StoreError, Unpublished,
};

/// A run that was asked for.
pub(super) struct Asked<'a> {
    /// Its id. Whoever repeats the request names the same one.
    pub(super) run: Uuid,
    pub(super) cause: Cause,
    /// The custom action, where that is the cause.
    pub(super) action: Option<&'a str>,
    pub(super) fair_key: i64,
    pub(super) definition: DefinitionHash,
    /// The run it repeats.
    pub(super) replay_of: Option<Uuid>,
    pub(super) correlation_id: Option<String>,
    /// What it goes on from, sealed.
    pub(super) progress: Option<Sealed>,
}

impl Accounts {
    /// Decides on a run that is asked for, as far as the account itself is concerned: whether another one is unfinished,
    /// the store knows.
    pub(super) fn enqueue_of(&self, account: Account, asked: Asked<'_>) -> Result<(Enqueue, Option<Word>), Rejection> {
        let snapshot =
            account.status.map_or(Snapshot::Deleted, |status| Snapshot::Present { status, unfinished_run: None });
        let decision = decide(&snapshot, &Trigger::RunRequested(asked.cause))?;
        let task = match (decision.next, asked.action) {
            (Next::Run(Work::Phases(phase)), _) => Task::Phases(phase),
            (Next::Run(Work::Refresh), _) => Task::Refresh,
            (Next::Run(Work::Action), Some(name)) => Task::Action(name.to_owned()),
            (Next::Run(Work::Action) | Next::Finish | Next::Keep, _) => {
                let trigger = asked.cause.as_str();
                return Err(match account.status {
                    Some(status) => Rejection::Illegal { status, trigger },
                    None => Rejection::Gone { state: "deleted", trigger },
                });
            }
        };
        let run = NewRun {
            id: asked.run,
            cause: asked.cause,
            task,
            fair_key: asked.fair_key,
            definition: asked.definition,
            replay_of: asked.replay_of,
            message_id: None,
            fingerprint: None,
            channel: Channel::Internal,
            correlation_id: asked.correlation_id,
            // The producer's trace ended with the run before; whoever asks for another is not part of it.
            traceparent: None,
            claimed_by: None,
            progress: asked.progress,
        };
        let enqueue = Enqueue {
            account: account.id,
            environment_id: account.environment_id,
            region: account.region,
            expected_sequence: account.sequence,
            transition: decision.transition.map(|transition| self.again(account, transition, &run)),
            run,
        };
        Ok((enqueue, decision.transition.map(|transition| transition.word)))
    }

    /// The account as its new run finds it, and the event that tells so.
    fn again(&self, mut account: Account, transition: Transition, run: &NewRun) -> (AccountChange, Event) {
        account.status = transition.to;
        account.reason = None;
        account.last_error = None;
        account.sequence += 1;
        account.updated_at_ms = self.clock.now_ms();
        let correlation_id = run.correlation_id.as_deref();
        let trigger = run.cause.into();
        let event = envelope(&EventInput {
            account: &account,
            transition,
            cause: EventCause { trigger, run: Some(run.id), correlation_id, traceparent: None },
            max_context_bytes: self.max_context_bytes,
        });
        let change = AccountChange {
            status: account.status,
            reason: None,
            last_error: None,
            context: None,
            proven_at_ms: account.proven_at_ms,
            updated_at_ms: account.updated_at_ms,
        };
        (change, event)
    }

    /// Writes what was decided, and tells everybody in this process.
    pub(super) async fn enqueue(&self, enqueue: Enqueue, word: Option<Word>) -> Result<Enqueued, StoreError> {
        let account = enqueue.account;
        let event = enqueue.transition.as_ref().map(|(_, event)| Unpublished::of(account, event));
        let enqueued = self.store.enqueue(enqueue).await?;
        if enqueued == Enqueued::Done {
            if let (Some(word), Some(event)) = (word, event) {
                self.told(word, event);
            }
            if let Some(lane) = &self.lane {
                lane.queued.notify_one();
            }
        }
        Ok(enqueued)
    }
}
