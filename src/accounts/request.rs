//! Runs on demand: the phases again, a token refresh, a custom action.
//!
//! A request is a run, and another request is another one: nothing recognises it. While the first is unfinished the
//! second is refused, and afterwards it does again what it does.

use uuid::Uuid;

use super::enqueue::Asked;
use super::{Accounts, Ineligible, PlanError, Spacing, objection};
use crate::definitions::{Plan, REFRESH_TOKEN};
use crate::lifecycle::{Cause, Phase, Rejection};
use crate::store::{Account, DefinitionHash, Enqueued, RunView, StoreError};

/// How often an account is looked at again that changes meanwhile.
const LOOKS: u32 = 5;

/// What an account is asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Demand<'a> {
    /// Both phases, from `post_install` on.
    Rerun,
    /// The validation alone.
    Revalidate,
    /// A token refresh.
    Refresh,
    /// The custom action of this name.
    Action(&'a str),
}

impl<'a> Demand<'a> {
    const fn cause(self) -> Cause {
        match self {
            Self::Rerun => Cause::Rerun,
            Self::Revalidate => Cause::Revalidate,
            Self::Refresh => Cause::Refresh,
            Self::Action(_) => Cause::Action,
        }
    }

    const fn action(self) -> Option<&'a str> {
        match self {
            Self::Action(name) => Some(name),
            Self::Rerun | Self::Revalidate | Self::Refresh => None,
        }
    }
}

/// A run that somebody wants.
#[derive(Debug, Clone)]
pub struct RunOrder<'a> {
    /// The account.
    pub account: Uuid,
    /// What it is to do.
    pub demand: Demand<'a>,
    /// What whoever asks wants to see again; without it what the account's latest run has.
    pub correlation_id: Option<String>,
}

/// Why there is no run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The account, or its install, cannot have one.
    #[error("{}", .0.meaning())]
    Account(Ineligible),
    /// The name is that of an action with a meaning of its own.
    #[error("`{name}` is not asked for by its name: {instead}")]
    Reserved {
        /// What was asked for.
        name: String,
        /// What to ask for.
        instead: &'static str,
    },
    /// The definition has no such action.
    #[error("the account's definition has no action `{name}`: {known}", known = known_actions(.known))]
    UnknownAction {
        /// What was asked for.
        name: String,
        /// The actions that it has.
        known: Vec<String>,
    },
    /// The definition has the action, and it cannot be run.
    #[error("the action `{name}` of the account's definition cannot be run: {why}")]
    UnusableAction {
        /// What was asked for.
        name: String,
        /// What is wrong with it.
        why: String,
    },
}

impl Refused {
    /// A stable word for it.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Account(ineligible) => ineligible.as_str(),
            Self::Reserved { .. } => "reserved_action",
            Self::UnknownAction { .. } => "unknown_action",
            Self::UnusableAction { .. } => "unusable_action",
        }
    }
}

fn known_actions(known: &[String]) -> String {
    if known.is_empty() { "it has none of its own".to_owned() } else { format!("it has {}", known.join(", ")) }
}

/// What to ask for instead of an action that is part of the lifecycle.
fn reserved(name: &str) -> Option<&'static str> {
    match name.parse() {
        Ok(Phase::PostInstall) => Some("ask for the phases again (`--post-install`, POST …/run-post-install-actions)"),
        Ok(Phase::Validation) => Some("ask for the validation again (`--revalidate`, POST …/revalidate)"),
        Err(_) if name == REFRESH_TOKEN => Some("ask for a token refresh (`--refresh`, POST …/refresh-credentials)"),
        Err(_) => None,
    }
}

/// Whether the plan can do what is asked.
fn offered(plan: &Plan, name: &str) -> Result<(), Refused> {
    match plan.actions.get(name) {
        Some(Ok(_)) => Ok(()),
        Some(Err(error)) => Err(Refused::UnusableAction { name: name.to_owned(), why: error.to_string() }),
        None => {
            let own = plan.actions.keys().filter(|known| reserved(known).is_none());
            Err(Refused::UnknownAction { name: name.to_owned(), known: own.cloned().collect() })
        }
    }
}

impl Accounts {
    /// Makes the run that is asked for, unless something speaks against it.
    ///
    /// # Errors
    /// When the store does not answer; the run may have been made then.
    pub async fn request_run(&self, order: &RunOrder<'_>) -> Result<Result<RunView, Refused>, StoreError> {
        if let Demand::Action(name) = order.demand
            && let Some(instead) = reserved(name)
        {
            return Ok(Err(Refused::Reserved { name: name.to_owned(), instead }));
        }
        let run = self.clock.new_id();
        for _ in 0..LOOKS {
            let Some(account) = self.store.account(order.account).await? else {
                return Ok(Err(Refused::Account(Ineligible::Absent)));
            };
            let definition = match self.objection_to(&account, order.demand).await? {
                Ok(definition) => definition,
                Err(refused) => return Ok(Err(refused)),
            };
            let correlation_id = match &order.correlation_id {
                Some(given) => Some(given.clone()),
                None => self.store.runs(account.id, 1).await?.pop().and_then(|run| run.correlation_id),
            };
            let now_ms = self.clock.now_ms();
            let asked = Asked {
                run,
                cause: order.demand.cause(),
                action: order.demand.action(),
                fair_key: self.fair.next(&account.tenant_id, now_ms, Spacing::Live),
                definition,
                replay_of: None,
                correlation_id,
                progress: None,
            };
            let (enqueue, word) = match self.enqueue_of(account, asked) {
                Ok(decided) => decided,
                Err(Rejection::Gone { .. }) => return Ok(Err(Refused::Account(Ineligible::Deleted))),
                Err(rejection) => {
                    return Err(StoreError::Refused(format!("a run cannot be asked for: {rejection}")));
                }
            };
            let view = RunView {
                id: run,
                account: order.account,
                cause: enqueue.run.cause,
                action: order.demand.action().map(str::to_owned),
                state: "queued".to_owned(),
                fence: 0,
                outcome: None,
                trace: None,
                replay_of: None,
                correlation_id: enqueue.run.correlation_id.clone(),
                created_at_ms: now_ms,
                finished_at_ms: None,
            };
            match self.enqueue(enqueue, word).await? {
                Enqueued::Done => return Ok(Ok(view)),
                Enqueued::RunInProgress => return Ok(Err(Refused::Account(Ineligible::RunInProgress))),
                Enqueued::SequenceMoved => {}
            }
        }
        Ok(Err(Refused::Account(Ineligible::Changed)))
    }

    /// Whether a replay with its operator's word has to come first.
    async fn is_in_doubt(&self, account: &Account) -> Result<bool, StoreError> {
        let found = self.store.candidates(&[account.id]).await?;
        Ok(found.iter().any(|candidate| objection(candidate, None) == Some(Ineligible::OutcomeUnknown)))
    }

    /// What the run would be bound to, unless the account or its definition speaks against it.
    async fn objection_to(
        &self,
        account: &Account,
        demand: Demand<'_>,
    ) -> Result<Result<DefinitionHash, Refused>, StoreError> {
        if account.status.is_none() {
            return Ok(Err(Refused::Account(Ineligible::Deleted)));
        }
        if matches!(demand, Demand::Rerun | Demand::Revalidate) && self.is_in_doubt(account).await? {
            // The phases from their beginning would send the request again without anybody's word.
            return Ok(Err(Refused::Account(Ineligible::OutcomeUnknown)));
        }
        let definition = match self.definition_for(account).await? {
            Ok(definition) => definition,
            Err(ineligible) => return Ok(Err(Refused::Account(ineligible))),
        };
        let Demand::Action(name) = demand else { return Ok(Ok(definition)) };
        match self.catalog.plan(definition).await {
            Ok(plan) => Ok(offered(&plan, name).map(|()| definition)),
            Err(PlanError::Store(error)) => Err(error),
            Err(_) => Ok(Err(Refused::Account(Ineligible::DefinitionInvalid))),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::definitions::{Effective, Integration};

    fn plan(actions: serde_json::Value) -> Plan {
        let mut document = json!({ "id": Uuid::nil(), "name": "acme", "config": { "base_url": "https://a.example" } });
        document["config"]["actions"] = actions;
        Plan::compile(&Effective::of(&Integration::parse(&document).unwrap())).unwrap()
    }

    #[test]
    fn an_action_that_is_not_there_is_told_with_those_that_are() {
        let transform = json!({ "type": "transform", "config": "1" });
        let some = plan(json!({ "sync": transform, "archive": transform, "refresh_token": transform,
            "ask": { "steps": [{ "type": "form", "config": { "fields": [] } }] } }));
        assert_eq!(offered(&some, "sync"), Ok(()));
        let refused = offered(&some, "synk").unwrap_err();
        assert_eq!(refused.code(), "unknown_action");
        assert!(refused.to_string().ends_with("it has archive, ask, sync"), "{refused}");
        let unusable = offered(&some, "ask").unwrap_err();
        assert!(unusable.to_string().contains("`ask`") && unusable.to_string().contains("form"), "{unusable}");
        let none = offered(&plan(json!({})), "sync").unwrap_err();
        assert!(none.to_string().ends_with("it has none of its own"), "{none}");
    }

    #[test]
    fn actions_of_the_lifecycle_are_asked_for_by_what_they_are() {
        for name in ["post_install", "validation", "refresh_token"] {
            assert!(reserved(name).is_some(), "{name}");
        }
        assert_eq!(reserved("sync"), None);
    }
}
