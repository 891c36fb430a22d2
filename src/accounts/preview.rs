//! What a client's change of an account would do, and the account's own override, as people may see them.

use serde_json::{Map, Value};
use uuid::Uuid;

use super::patch::{PatchError, PatchRequest};
use super::{Accounts, PlanError};
use crate::definitions::{Difference, Kind, layer_differences, masked_layer};
use crate::store::Account;

/// What a change would do.
#[derive(Debug, Clone)]
pub struct PatchPreview {
    /// What becomes different, by pointers into the account object; secrets are masked, or named only.
    pub changes: Vec<Difference>,
    /// Whether an event tells of it.
    pub is_told: bool,
    /// Whether a run of the account is under way, which keeps its definition.
    pub has_run: bool,
}

impl Accounts {
    /// What a change would do; nothing is written.
    ///
    /// # Errors
    /// As [`Accounts::patch`].
    pub async fn preview(&self, id: Uuid, request: &PatchRequest) -> Result<PatchPreview, PatchError> {
        let draft = self.draft(id, request, false).await?;
        let (before, after) = (&draft.before, &draft.after);
        let mut changes = Vec::new();
        if before.tenant_id != after.tenant_id {
            let told = |account: &Account| Some(Value::from(account.tenant_id.clone()));
            let (from, to) = (told(before), told(after));
            changes.push(Difference { kind: Kind::Changed, pointer: "/tenant_id".to_owned(), from, to });
        }
        changes.extend(under("/context", layer_differences(&before.context, &after.context)));
        if let Some((from, to)) = &draft.secrets {
            changes.extend(secret_changes(from, to));
        }
        let layer = |layer: &Option<Map<String, Value>>| layer.clone().unwrap_or_default();
        let (from, to) = (layer(&draft.overrides.0), layer(&draft.overrides.1));
        changes.extend(under("/integration_override", layer_differences(&from, &to)));
        let latest = self.store.runs(id, 1).await?.pop();
        let has_run = latest.is_some_and(|run| run.state != "finished");
        Ok(PatchPreview { changes, is_told: draft.transition.is_some(), has_run })
    }

    /// The account's own override as people may see it: null where it has none.
    ///
    /// # Errors
    /// When it does not open, or the store does not answer.
    pub async fn shown_override(&self, account: &Account) -> Result<Value, PlanError> {
        let own = self.own_override(account).await?;
        Ok(own.map_or(Value::Null, |own| masked_layer(&own)))
    }
}

fn under(pointer: &str, found: impl IntoIterator<Item = Difference>) -> impl Iterator<Item = Difference> {
    found.into_iter().map(move |it| Difference { pointer: format!("{pointer}{}", it.pointer), ..it })
}

/// Secrets by their keys alone.
fn secret_changes(from: &Map<String, Value>, to: &Map<String, Value>) -> Vec<Difference> {
    let told = |kind, key: &String| Difference { kind, pointer: format!("/context/{key}"), from: None, to: None };
    let mut found = Vec::new();
    for (key, value) in to {
        match from.get(key) {
            None => found.push(told(Kind::Added, key)),
            Some(old) if old != value => found.push(told(Kind::Changed, key)),
            Some(_) => {}
        }
    }
    found.extend(from.keys().filter(|key| !to.contains_key(*key)).map(|key| told(Kind::Removed, key)));
    found
}
