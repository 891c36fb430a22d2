//! What a replay would do, in numbers and names.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use uuid::Uuid;

use super::Chosen;
use crate::accounts::{Accounts, Ineligible, PlanError};
use crate::definitions::{Plan, StepKind};
use crate::lifecycle::{Phase, ReasonCode, Status};
use crate::store::StoreError;

/// What a replay would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// The plan that was kept; a dry run keeps none.
    pub plan: Option<Uuid>,
    /// How many accounts would run again.
    pub eligible: u64,
    /// How many of the chosen ones would not.
    pub ineligible: u64,
    /// The eligible ones by why they failed.
    pub causes: Vec<Cause>,
    /// The eligible ones by integration.
    pub integrations: Vec<Share>,
    /// The ineligible ones by why they are.
    pub reasons: Vec<Obstacle>,
    /// Where requests would go, as the definitions write it.
    pub hosts: Vec<String>,
    /// Steps that write, whose definition does not say that doing them twice is harmless. A replay begins at
    /// `post_install`, so it does them again even where they succeeded, unless it goes on behind an unknown outcome.
    pub repeated_writes: Vec<Write>,
}

/// Accounts that failed alike.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cause {
    /// Their status.
    pub status: Option<Status>,
    /// Their reason code.
    pub reason: Option<ReasonCode>,
    /// How many.
    pub accounts: u64,
}

/// Accounts of one integration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Share {
    /// Its name.
    pub integration: String,
    /// How many.
    pub accounts: u64,
}

/// Accounts that are left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Obstacle {
    /// Why.
    pub code: Ineligible,
    /// The same in a sentence.
    pub meaning: &'static str,
    /// How many.
    pub accounts: u64,
}

/// A step that writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Write {
    /// Its integration.
    pub integration: String,
    /// Its phase.
    pub phase: Phase,
    /// Its name or index.
    pub step: String,
}

impl Report {
    /// Tells what replaying the chosen accounts would do.
    ///
    /// # Errors
    /// When the store does not answer.
    pub async fn of(accounts: &Accounts, chosen: &Chosen) -> Result<Self, StoreError> {
        let mut causes = BTreeMap::new();
        let mut integrations = BTreeMap::new();
        for candidate in &chosen.eligible {
            *causes.entry((candidate.status, candidate.reason)).or_default() += 1;
            *integrations.entry(candidate.integration_name.clone()).or_default() += 1;
        }
        let (mut hosts, mut writes) = (BTreeSet::new(), BTreeSet::new());
        for definition in &chosen.definitions {
            match accounts.catalog.plan(*definition).await {
                Ok(plan) => {
                    hosts.extend(hosts_of(&plan));
                    writes.extend(writes_of(&plan));
                }
                Err(PlanError::Store(error)) => return Err(error),
                // It was looked at when the accounts were chosen.
                Err(_) => {}
            }
        }
        let cause = |((status, reason), accounts)| Cause { status, reason, accounts };
        let obstacle = |(code, accounts): (&Ineligible, &u64)| Obstacle {
            code: *code,
            meaning: code.meaning(),
            accounts: *accounts,
        };
        Ok(Self {
            plan: None,
            eligible: chosen.count,
            ineligible: chosen.ineligible.values().sum(),
            causes: causes.into_iter().map(cause).collect(),
            integrations: integrations
                .into_iter()
                .map(|(integration, accounts)| Share { integration, accounts })
                .collect(),
            reasons: chosen.ineligible.iter().map(obstacle).collect(),
            hosts: hosts.into_iter().collect(),
            repeated_writes: writes.into_iter().collect(),
        })
    }
}

/// Where the steps, their probes and token refreshes of a definition go.
fn hosts_of(plan: &Plan) -> BTreeSet<String> {
    let renewals = plan.credentials.iter().filter_map(|(method, _)| plan.renewal(*method));
    let steps = [&plan.post_install, &plan.validation].into_iter().chain(renewals).flat_map(|action| &action.steps);
    let requests = steps.flat_map(|step| {
        let own = match &step.kind {
            StepKind::Request(request) => Some(&**request),
            StepKind::Transform(_)
            | StepKind::UpdateContext(_)
            | StepKind::SetContext(_)
            | StepKind::GetContext { .. } => None,
        };
        own.into_iter().chain(step.probe.as_ref().map(|probe| &probe.request))
    });
    let refreshes = plan.credentials.iter().filter_map(|(_, credential)| credential.refresh.as_ref());
    let origins = requests.map(|request| request.target.origin.clone());
    origins.chain(refreshes.map(|refresh| refresh.url.origin.clone())).collect()
}

fn writes_of(plan: &Plan) -> BTreeSet<Write> {
    let mut writes = BTreeSet::new();
    for phase in [Phase::PostInstall, Phase::Validation] {
        for (index, step) in plan.action(phase).steps.iter().enumerate() {
            let harmless = step.retry_safe() || !matches!(&step.kind, StepKind::Request(r) if !r.method.reads());
            if !harmless {
                let step = step.name.clone().unwrap_or_else(|| index.to_string());
                writes.insert(Write { integration: plan.integration.name.clone(), phase, step });
            }
        }
    }
    writes
}
