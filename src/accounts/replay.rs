//! A failed account runs again: back to `connecting` with event `updated`, and a new run that is linked to the last.
//!
//! A replay begins at `post_install`, on the definition that new imports of its install would get, so that a mended
//! definition helps. The old run stays as it is. But where a run ended without knowing what became of its last request,
//! the new one takes up what it left, on its definition, and an operator says how it goes on.

use uuid::Uuid;

use super::enqueue::Asked;
use super::{Accounts, Spacing};
use crate::actions::Progress;
use crate::lifecycle::{Cause, ReasonCode, Rejection, Status, Unknown, words};
use crate::seal::Sealed;
use crate::store::{Account, Candidate, DefinitionHash, Enqueued, StoreError};

words! {
    /// Why an account is not run again.
    Ineligible {
        /// There is no such account.
        Absent = "unknown_account",
        /// It was deleted.
        Deleted = "deleted",
        /// A run of it is not finished.
        RunInProgress = "run_in_progress",
        /// It has not failed.
        NotFailed = "not_failed",
        /// Its last outcome is unknown: somebody has to say what became of it.
        OutcomeUnknown = "outcome_unknown",
        /// Its last outcome is unknown, and the run left nothing behind which it could go on.
        NothingLeft = "nothing_left",
        /// It changed since it was chosen.
        Changed = "changed",
        /// Its install is not enabled.
        InstallDisabled = "install_disabled",
        /// Its install is gone.
        InstallMissing = "install_missing",
        /// Its install's definition cannot be run.
        DefinitionInvalid = "definition_invalid",
        /// Its own override does not go with its install's definition.
        OverrideInvalid = "override_invalid",
    }
}

impl Ineligible {
    /// What it means and what to do, in a sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Absent => "there is no such account",
            Self::Deleted => "it was deleted",
            Self::RunInProgress => "a run of it is not finished; ask again when that has ended",
            Self::NotFailed => "it has not failed",
            Self::OutcomeUnknown => {
                "the answer to a request with side effects was lost; a replay with --resend sends it again, perhaps a second \
                 time, and one with --skip takes it for done"
            }
            Self::NothingLeft => "its run left no place behind which another could go on; only --resend is possible",
            Self::Changed => "it changed after it was chosen; look at it again",
            Self::InstallDisabled => "its install is not enabled",
            Self::InstallMissing => "its install is gone",
            Self::DefinitionInvalid => "its install's definition cannot be run; mend and apply it first",
            Self::OverrideInvalid => {
                "under its own `integration_override` its install's definition cannot be run (any more); patch the \
                 override, or mend and apply the definition"
            }
        }
    }
}

/// Whether what is known about an account speaks against replaying it; its install is looked at besides.
#[must_use]
pub const fn objection(account: &Candidate, unknown: Option<Unknown>) -> Option<Ineligible> {
    match account.status {
        None => Some(Ineligible::Deleted),
        Some(Status::Connecting) => Some(Ineligible::RunInProgress),
        Some(_) if account.has_run => Some(Ineligible::RunInProgress),
        Some(Status::Active) => Some(Ineligible::NotFailed),
        Some(Status::PostInstallError | Status::ValidationError | Status::NeedsReauth) => {
            if unknown.is_none() && is_in_doubt(account) { Some(Ineligible::OutcomeUnknown) } else { None }
        }
    }
}

/// Whether the phases ended without knowing what became of their last request. A run beside them may have given the
/// account another reason since: the doubt is the run's, and goes only with an operator's word.
const fn is_in_doubt(account: &Candidate) -> bool {
    account.in_doubt || matches!(account.reason, Some(ReasonCode::OutcomeUnknown))
}

/// One account that is to run again.
#[derive(Debug, Clone, Copy)]
pub struct ReplayOrder<'a> {
    /// The account.
    pub account: Uuid,
    /// The run it gets. Whoever repeats the order names the same one.
    pub run: Uuid,
    /// The version in which it was chosen.
    pub expected_sequence: i64,
    /// What is to become of it if its last outcome is unknown.
    pub unknown: Option<Unknown>,
    /// The replay, whose accounts stand apart from each other so that live work passes.
    pub replay: &'a str,
}

/// What became of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replayed {
    /// Its run is queued, by this order or by an earlier one like it.
    Started,
    /// It is left as it is.
    Refused(Ineligible),
}

impl Accounts {
    /// Replays an account, unless something speaks against it. Repeating an order is safe.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn replay(&self, order: &ReplayOrder<'_>) -> Result<Replayed, StoreError> {
        let found = self.store.candidates(&[order.account]).await?.pop();
        let Some(candidate) = found else { return Ok(Replayed::Refused(Ineligible::Absent)) };
        if let Some(objection) = objection(&candidate, order.unknown) {
            return Ok(Replayed::Refused(objection));
        }
        let Some(account) = self.store.account(order.account).await? else {
            return Ok(Replayed::Refused(Ineligible::Absent));
        };
        let definition = match self.definition_for(&account).await? {
            Ok(definition) => definition,
            Err(ineligible) => return Ok(Replayed::Refused(ineligible)),
        };
        if account.sequence != order.expected_sequence {
            return Ok(Replayed::Refused(Ineligible::Changed));
        }
        let latest = self.store.runs(order.account, 1).await?.pop();
        let (definition, progress) = match self.taken_up(order, (&account, is_in_doubt(&candidate)), definition).await?
        {
            Ok(taken) => taken,
            Err(ineligible) => return Ok(Replayed::Refused(ineligible)),
        };
        let asked = Asked {
            run: order.run,
            cause: Cause::Replay,
            action: None,
            fair_key: self.fair.next(order.replay, self.clock.now_ms(), Spacing::Replay),
            definition,
            replay_of: account.latest_run,
            correlation_id: latest.and_then(|run| run.correlation_id),
            progress,
        };
        let (enqueue, word) = match self.enqueue_of(account, asked) {
            Ok(decided) => decided,
            Err(Rejection::RunInProgress { .. }) => return Ok(Replayed::Refused(Ineligible::RunInProgress)),
            Err(Rejection::Gone { .. }) => return Ok(Replayed::Refused(Ineligible::Deleted)),
            Err(_) => return Ok(Replayed::Refused(Ineligible::NotFailed)),
        };
        Ok(match self.enqueue(enqueue, word).await? {
            Enqueued::Done => Replayed::Started,
            Enqueued::RunInProgress => Replayed::Refused(Ineligible::RunInProgress),
            Enqueued::SequenceMoved => Replayed::Refused(Ineligible::Changed),
        })
    }

    /// The definition and the progress of the new run: those of the run that ended without knowing what became of its
    /// last request, with the operator's word on it; else what a new run of the install would get, and none.
    async fn taken_up(
        &self,
        order: &ReplayOrder<'_>,
        (account, is_unknown): (&Account, bool),
        definition: DefinitionHash,
    ) -> Result<Result<(DefinitionHash, Option<Sealed>), Ineligible>, StoreError> {
        let (Some(word), Some(run), true) = (order.unknown, account.latest_run, is_unknown) else {
            return Ok(Ok((definition, None)));
        };
        let Some(left) = self.store.left_by(run).await? else {
            return Ok(match word {
                // From the beginning then, as the request was made the first time.
                Unknown::Resend => Ok((definition, None)),
                Unknown::Skip => Err(Ineligible::NothingLeft),
            });
        };
        let environment = account.environment_id;
        let opened = self.vault.open_progress::<Progress>(environment, run, &left.progress);
        let sealed =
            opened.and_then(|progress| self.vault.seal_progress(environment, order.run, &progress.answered(word)));
        match sealed {
            Ok(sealed) => Ok(Ok((left.definition, Some(sealed)))),
            Err(error) => Err(StoreError::Refused(format!("what run {run} left cannot be opened: {error}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(status: Option<Status>) -> Candidate {
        Candidate {
            id: Uuid::nil(),
            tenant_id: String::new(),
            integration_name: String::new(),
            install: Uuid::nil(),
            status,
            reason: None,
            sequence: 2,
            updated_at_ms: 0,
            has_run: false,
            has_override: false,
            in_doubt: false,
        }
    }

    #[test]
    fn only_a_failed_account_that_rests_is_replayed() {
        let cases = [
            (None, Some(Ineligible::Deleted)),
            (Some(Status::Connecting), Some(Ineligible::RunInProgress)),
            (Some(Status::Active), Some(Ineligible::NotFailed)),
            (Some(Status::PostInstallError), None),
            (Some(Status::ValidationError), None),
            (Some(Status::NeedsReauth), None),
        ];
        for (status, expected) in cases {
            assert_eq!(objection(&candidate(status), None), expected, "{status:?}");
        }
        let busy = Candidate { has_run: true, ..candidate(Some(Status::ValidationError)) };
        assert_eq!(objection(&busy, Some(Unknown::Resend)), Some(Ineligible::RunInProgress));
    }

    #[test]
    fn an_unknown_outcome_is_repeated_only_when_that_is_asked_for() {
        let reason = Some(ReasonCode::OutcomeUnknown);
        let unknown = Candidate { reason, ..candidate(Some(Status::PostInstallError)) };
        let refused = Some(ReasonCode::CredentialRefused);
        let besides = Candidate { reason: refused, in_doubt: true, ..candidate(Some(Status::NeedsReauth)) };
        for unknown in [unknown, besides] {
            assert_eq!(objection(&unknown, None), Some(Ineligible::OutcomeUnknown));
            for word in Unknown::ALL {
                assert_eq!(objection(&unknown, Some(*word)), None);
            }
        }
    }
}
