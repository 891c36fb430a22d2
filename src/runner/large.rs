//! Large values of a context: fetched before the run that may read them begins, and kept out of what is stored of it.

use serde_json::{Map, Value};

use super::Runner;
use super::drive::Stop;
use crate::accounts::{FetchError, Held};
use crate::credentials::{Redactor, SecretPaths, large, secrets};
use crate::definitions::Plan;
use crate::lifecycle::{Failure, ReasonCode};

/// Why a run cannot begin.
pub(super) enum Unfetched {
    Stop(Stop),
    Failure(Failure),
}

/// The context with the large values that the plan may read, and what stood for them. `known` learns their secrets.
pub(super) async fn fetch(
    runner: &Runner,
    held: &Held,
    plan: &Plan,
    mut context: Map<String, Value>,
    (paths, redactor): (&SecretPaths, &mut Redactor),
) -> Result<(Map<String, Value>, Map<String, Value>), Unfetched> {
    if large::fields(&context).next().is_none() {
        return Ok((context, Map::new()));
    }
    let found = runner.accounts.fetch(&held.account, &context, |key| plan.names.may_read(key)).await;
    let values = match found {
        Ok(values) => values,
        Err(error @ FetchError::Missing(_)) => {
            let message = format!("{error}: import the account again, or write the value anew");
            return Err(Unfetched::Failure(Failure::permanent(ReasonCode::UnresolvedPlaceholder, message)));
        }
        Err(error) => {
            tracing::warn!(account.id = %held.account.id, run.id = %held.run.id, %error, "a large value of the account's context cannot be read; its run waits");
            return Err(Unfetched::Stop(Stop::Stuck));
        }
    };
    let (_, secret) = secrets::split(values.clone(), paths, redactor);
    redactor.learn(&secret);
    let mut references = Map::new();
    for (key, value) in values {
        if let Some(reference) = context.insert(key.clone(), value) {
            references.insert(key, reference);
        }
    }
    Ok((context, references))
}
