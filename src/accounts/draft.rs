//! A client's change of an account, thought out and not written yet.

use std::sync::Arc;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::patch::{MAX_CONTEXT_BYTES, OverrideRequest, PatchError, PatchRequest};
use super::{Accounts, PlanError};
use crate::credentials::{FieldFailure, Redactor, SecretPaths, grant, large, patch, secrets, token};
use crate::definitions::{CompileError, Plan, place_in_layer};
use crate::events::{EventCause, EventInput, envelope};
use crate::lifecycle::{CauseTrigger, Snapshot, Transition, Trigger, decide};
use crate::seal::Sealed;
use crate::store::{Account, DefinitionHash, Event, OverridePatch, Patch, SecretsPatch};

/// Where a request's override stands in its body.
const OVERRIDE: &str = "/integration_override";

/// A layer, and its absence.
type Layer = Option<Map<String, Value>>;

/// A change that is thought out.
pub(super) struct Draft {
    /// The account as it is.
    pub(super) before: Account,
    /// The account as it becomes.
    pub(super) after: Account,
    /// Its own override as it is and as it becomes, where the request is about more than its fields.
    pub(super) overrides: (Layer, Layer),
    /// Its secrets as they are and as they become, where they were looked at.
    pub(super) secrets: Option<(Map<String, Value>, Map<String, Value>)>,
    /// What is told.
    pub(super) transition: Option<Transition>,
    /// What is written.
    pub(super) patch: Patch,
    /// What its next run works with, where that was looked at.
    pub(super) compiled: Option<(DefinitionHash, Arc<Plan>)>,
    /// The objects that were made for it.
    pub(super) kept: Vec<String>,
}

impl Draft {
    pub(super) const fn changes_something(&self) -> bool {
        self.transition.is_some() || self.patch.secrets.is_some()
    }
}

/// What an account's next run works with.
struct Ruled {
    hash: DefinitionHash,
    plan: Arc<Plan>,
    document: Vec<u8>,
}

impl Accounts {
    /// Thinks a change out. Large values are kept only where it is to be `written`.
    pub(super) async fn draft(&self, id: Uuid, request: &PatchRequest, written: bool) -> Result<Draft, PatchError> {
        let before = self.store.account(id).await?.ok_or(PatchError::Absent)?;
        let overrides = self.overrides(&before, request).await?;
        let is_overridden = text(&overrides.0) != text(&overrides.1);
        let mut draft = Draft {
            after: before.clone(),
            overrides,
            secrets: None,
            transition: None,
            patch: untouched(&before),
            compiled: None,
            kept: Vec::new(),
            before,
        };
        if let Some(tenant) = &request.tenant_id {
            draft.after.tenant_id.clone_from(tenant);
        }
        if is_overridden || request.context.is_some() {
            match self.ruled(&draft.before, &draft.overrides.1).await {
                // An override can be taken away whatever is left.
                Err(PatchError::Definition(_)) if draft.overrides.1.is_none() && request.context.is_none() => {}
                ruled => self.rewrite(&mut draft, request, ruled?, written).await?,
            }
        } else if draft.overrides.1.is_some() {
            // The override that is there already: whoever sends it again is told if the definition does not go with it now.
            self.ruled(&draft.before, &draft.overrides.1).await?;
        }
        if is_overridden {
            draft.patch.overrides = Some(self.override_patch(&draft)?);
        }
        self.decide_on(&mut draft, is_overridden)?;
        Ok(draft)
    }

    fn override_patch(&self, draft: &Draft) -> Result<OverridePatch, PatchError> {
        let account = &draft.before;
        let Some(own) = &draft.overrides.1 else { return Ok(OverridePatch::Remove) };
        let sealed = self.vault.seal_own_override(account.environment_id, account.id, own)?;
        Ok(OverridePatch::Set { install: account.environment_integration_id, sealed })
    }

    fn decide_on(&self, draft: &mut Draft, is_overridden: bool) -> Result<(), PatchError> {
        let Draft { before, after, patch, .. } = draft;
        let status = before.status.ok_or(PatchError::Absent)?;
        let changed = is_overridden || after.tenant_id != before.tenant_id || after.context != before.context;
        let decision = decide(&Snapshot::Present { status, unfinished_run: None }, &Trigger::Patch { changed })?;
        if let Some(transition) = decision.transition {
            after.status = transition.to;
            after.sequence += 1;
            after.updated_at_ms = self.clock.now_ms();
            patch.tenant_id = (after.tenant_id != before.tenant_id).then(|| after.tenant_id.clone());
            patch.context = (after.context != before.context).then(|| after.context.clone());
            patch.event = Some(self.updated(after, transition));
        }
        draft.transition = decision.transition;
        Ok(())
    }

    fn updated(&self, account: &Account, transition: Transition) -> Event {
        let cause = EventCause { trigger: CauseTrigger::Update, run: None, correlation_id: None, traceparent: None };
        envelope(&EventInput { account, transition, cause, max_context_bytes: self.max_context_bytes })
    }

    /// The account's own override as it is and as it becomes; nothing where the request has no use for it.
    async fn overrides(&self, account: &Account, request: &PatchRequest) -> Result<(Layer, Layer), PatchError> {
        if request.context.is_none() && request.integration_override == OverrideRequest::Keep {
            return Ok((None, None));
        }
        let open = |sealed: Sealed| self.vault.open_own_override(account.environment_id, account.id, &sealed);
        let stored = self.store.account_override(account.id).await?.map(open).transpose()?;
        let becomes = match &request.integration_override {
            OverrideRequest::Keep => stored.clone(),
            OverrideRequest::Remove => None,
            // One that changes nothing is none.
            OverrideRequest::Set(own) => Some(own.clone()).filter(|own| !own.is_empty()),
        };
        Ok((stored, becomes))
    }

    /// What the account's runs work with under this override.
    async fn ruled(&self, account: &Account, own: &Layer) -> Result<Ruled, PatchError> {
        let broken = |error: CompileError| {
            let (pointer, message) = match own {
                Some(own) => (place_in_layer(own, OVERRIDE, &error.pointer), format!("with this, {error}")),
                None => (String::new(), format!("the install's definition cannot be run: {error}")),
            };
            PatchError::Definition(FieldFailure { pointer, message })
        };
        let Some(install) = self.catalog.install(account.environment_integration_id).await? else {
            let message = "the account's install is gone, and with it the definition".to_owned();
            return Err(PatchError::Definition(FieldFailure { pointer: String::new(), message }));
        };
        let mut effective = match self.catalog.effective(&install).await {
            Ok(effective) => effective,
            Err(PlanError::Store(error)) => return Err(error.into()),
            Err(PlanError::Vault(error)) => return Err(error.into()),
            Err(PlanError::Invalid(error)) => return Err(broken(error)),
            Err(error @ PlanError::Missing(_)) => return Err(broken(CompileError::new("", error.to_string()))),
        };
        if let Some(own) = own {
            effective = effective.under(own);
        }
        let (hash, plan) = self.catalog.plan_of(&effective).map_err(broken)?;
        let method = account.authentication_method;
        if plan.credential(method).is_none() {
            let pointer = format!("/config/credentials/{method}");
            return Err(broken(CompileError::new(pointer, format!("the account's method `{method}` is not offered"))));
        }
        Ok(Ruled { hash, plan, document: effective.to_bytes() })
    }

    /// Lays the request's context over the account's, and cuts it anew into its clear and its secret part: another
    /// definition may know other places as secret.
    async fn rewrite(
        &self,
        draft: &mut Draft,
        request: &PatchRequest,
        ruled: Ruled,
        written: bool,
    ) -> Result<(), PatchError> {
        let Ruled { hash, plan, document } = ruled;
        let (account, method) = (&draft.before, draft.before.authentication_method);
        let (environment, id) = (account.environment_id, account.id);
        let credential = self.store.credential(id).await?.ok_or(PatchError::Absent)?;
        let secret = self.vault.open_secrets(environment, id, credential.version, &credential.sealed)?;
        let stored = Arc::new(secrets::merge(account.context.clone(), secret.clone()));
        let mut context = Map::clone(&stored);
        let known = plan.credential(method);
        if let (Some(patch), Some(known)) = (&request.context, known) {
            context = patch::lay(known, context, patch.clone(), self.clock.now_ms()).map_err(PatchError::Fields)?;
        }
        draft.kept = self.kept_of(account, &stored, &mut context, written).await?;
        let paths = SecretPaths::of(known);
        let own = secrets::of_definition(&plan, method, &stored);
        // What was secret stays so wherever else it stands: a key that was replaced may still open something.
        let (clear, after) = secrets::split(context, &paths, &mut Redactor::new(&secret, &own, &paths));
        if after != secret {
            let ends_intent = patch::refreshes_with_another(&secret, &after);
            let in_flight =
                credential.refresh_intent.is_some_and(|it| it.age_ms < grant::SETTLED_AFTER.as_millis() as i64);
            if in_flight && !ends_intent {
                self.forget(&draft.kept).await;
                return Err(PatchError::RefreshUnderWay);
            }
            draft.patch.secrets = Some(SecretsPatch {
                expected_version: credential.version,
                expected_intent: credential.refresh_intent,
                sealed: self.vault.seal_secrets(environment, id, credential.version + 1, &after)?,
                expires_at_ms: token::expires_at_ms(&after),
                ends_intent,
            });
        }
        if text(&draft.overrides.0) != text(&draft.overrides.1) {
            draft.patch.effective = Some((hash, self.vault.seal_effective(hash, &document)?));
            draft.compiled = Some((hash, plan));
        }
        draft.after.context = clear;
        draft.secrets = Some((secret, after));
        Ok(())
    }

    /// Keeps the large values of a context that is to be written and not too large without them. What runs made too large
    /// may become smaller.
    async fn kept_of(
        &self,
        account: &Account,
        stored: &Map<String, Value>,
        context: &mut Map<String, Value>,
        written: bool,
    ) -> Result<Vec<String>, PatchError> {
        let mut bare = context.clone();
        let values = large::take(&mut bare);
        let length = |context: &Map<String, Value>| Value::Object(context.clone()).to_string().len();
        let becomes = length(&bare);
        if becomes > MAX_CONTEXT_BYTES && becomes >= length(stored) {
            return Err(PatchError::TooLarge);
        }
        if let Some(key) = values.keys().next()
            && !self.objects.is_configured()
        {
            let message = "no object store is configured for large values: its operator sets `objects.url`".to_owned();
            return Err(PatchError::NotSupported(FieldFailure { pointer: format!("/context/{key}"), message }));
        }
        if written {
            return Ok(self.keep(account.environment_id, account.id, context).await?);
        }
        *context = bare;
        Ok(Vec::new())
    }
}

/// A patch that changes nothing.
fn untouched(account: &Account) -> Patch {
    Patch {
        account: account.id,
        expected_sequence: account.sequence,
        tenant_id: None,
        context: None,
        secrets: None,
        overrides: None,
        effective: None,
        event: None,
    }
}

/// A layer as it is stored: the order of its members counts, bodies are written in it.
fn text(layer: &Layer) -> Option<String> {
    layer.as_ref().map(|layer| Value::Object(layer.clone()).to_string())
}
