//! From rows to values, written once for both databases.
//!
//! Both dialects name the columns alike; [`Columns`] hides that they store ids, flags and bytes differently.

use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::{
    Account, Backlog, Credential, DefinitionHash, InstallEntry, IntegrationEntry, IntegrationRef, Left, RefreshIntent,
    Run, RunView, StoreError, StoredEvent, Unpublished, UsedOverride, VersionEntry,
};
use crate::lifecycle::{Task, UnknownWord};
use crate::seal::Sealed;

/// Typed access to a row's columns by name.
pub(super) trait Columns {
    fn text(&self, name: &str) -> Result<Option<String>, sqlx::Error>;
    fn int(&self, name: &str) -> Result<Option<i64>, sqlx::Error>;
    fn flag(&self, name: &str) -> Result<Option<bool>, sqlx::Error>;
    fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, sqlx::Error>;
    fn id(&self, name: &str) -> Result<Option<Uuid>, sqlx::Error>;
}

macro_rules! columns {
    ($row:ty) => {
        impl Columns for $row {
            fn text(&self, name: &str) -> Result<Option<String>, sqlx::Error> {
                sqlx::Row::try_get(self, name)
            }
            fn int(&self, name: &str) -> Result<Option<i64>, sqlx::Error> {
                sqlx::Row::try_get(self, name)
            }
            fn flag(&self, name: &str) -> Result<Option<bool>, sqlx::Error> {
                sqlx::Row::try_get(self, name)
            }
            fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, sqlx::Error> {
                sqlx::Row::try_get(self, name)
            }
            fn id(&self, name: &str) -> Result<Option<Uuid>, sqlx::Error> {
                sqlx::Row::try_get(self, name)
            }
        }
    };
}
columns!(sqlx::sqlite::SqliteRow);
columns!(sqlx::postgres::PgRow);

/// A row that this version cannot read.
#[derive(Debug, thiserror::Error)]
pub(super) enum RowError {
    #[error(transparent)]
    Sqlx(#[from] sqlx::Error),
    #[error("column `{0}` is empty")]
    Empty(&'static str),
    #[error("column `{column}`: {source}")]
    Word { column: &'static str, source: UnknownWord },
    #[error("column `{column}` is not the JSON it should be: {source}")]
    Json { column: &'static str, source: serde_json::Error },
    #[error("column `{0}` has not 32 bytes")]
    Hash(&'static str),
}

impl From<RowError> for StoreError {
    fn from(error: RowError) -> Self {
        match error {
            RowError::Sqlx(error) => error.into(),
            other => Self::Schema(format!("a stored row cannot be read by this version: {other}")),
        }
    }
}

type Row<T> = Result<T, RowError>;

pub(super) fn must<T>(value: Option<T>, column: &'static str) -> Row<T> {
    value.ok_or(RowError::Empty(column))
}

pub(super) fn word<T: std::str::FromStr<Err = UnknownWord>>(row: &impl Columns, column: &'static str) -> Row<T> {
    must(row.text(column)?, column)?.parse().map_err(|source| RowError::Word { column, source })
}

pub(super) fn json<T: DeserializeOwned>(row: &impl Columns, column: &'static str) -> Row<Option<T>> {
    row.text(column)?
        .map(|text| serde_json::from_str(&text).map_err(|source| RowError::Json { column, source }))
        .transpose()
}

pub(super) fn hash(row: &impl Columns, column: &'static str) -> Row<DefinitionHash> {
    let bytes = must(row.bytes(column)?, column)?;
    bytes.try_into().map(DefinitionHash).map_err(|_| RowError::Hash(column))
}

pub(super) fn sealed(row: &impl Columns, column: &'static str) -> Row<Sealed> {
    Ok(Sealed::from_bytes(must(row.bytes(column)?, column)?))
}

/// The columns of [`account`].
macro_rules! account_columns {
    () => {
        "a.id AS account_id, a.tenant_id, a.environment_id, a.environment_integration_id, \
    a.integration_id, a.integration_name, a.integration_label, a.region, a.authentication_method, a.is_sandbox, \
    a.status, a.reason, a.last_error, a.last_forbidden_error, a.context, a.latest_run, a.sequence, a.proven_at, \
    a.created_at, a.updated_at"
    };
}
pub(super) use account_columns;

pub(super) fn account(row: &impl Columns) -> Row<Account> {
    let status = match row.text("status")? {
        None => None,
        Some(_) => Some(word(row, "status")?),
    };
    Ok(Account {
        id: must(row.id("account_id")?, "account_id")?,
        tenant_id: must(row.text("tenant_id")?, "tenant_id")?,
        environment_id: must(row.id("environment_id")?, "environment_id")?,
        environment_integration_id: must(row.id("environment_integration_id")?, "environment_integration_id")?,
        integration: IntegrationRef {
            id: must(row.id("integration_id")?, "integration_id")?,
            name: must(row.text("integration_name")?, "integration_name")?,
            label: must(row.text("integration_label")?, "integration_label")?,
        },
        region: word(row, "region")?,
        authentication_method: word(row, "authentication_method")?,
        is_sandbox: must(row.flag("is_sandbox")?, "is_sandbox")?,
        status,
        reason: json(row, "reason")?,
        last_error: row.text("last_error")?,
        last_forbidden_error: json(row, "last_forbidden_error")?,
        context: must(json(row, "context")?, "context")?,
        latest_run: row.id("latest_run")?,
        sequence: must(row.int("sequence")?, "sequence")?,
        proven_at_ms: row.int("proven_at")?,
        created_at_ms: must(row.int("created_at")?, "created_at")?,
        updated_at_ms: must(row.int("updated_at")?, "updated_at")?,
    })
}

/// The columns of [`credential`] but the intent's age, which needs the database's clock.
macro_rules! credential_columns {
    () => {
        "c.sealed, c.version, c.expires_at, c.intent_fence, c.intent_version, c.intent_repeated"
    };
}
pub(super) use credential_columns;

/// Reads [`credential_columns`] and `intent_age`.
pub(super) fn credential(row: &impl Columns) -> Row<Credential> {
    let refresh_intent = match (row.int("intent_fence")?, row.int("intent_version")?) {
        (Some(fence), Some(version)) => Some(RefreshIntent {
            fence,
            version,
            age_ms: row.int("intent_age")?.unwrap_or(0),
            repeated: row.flag("intent_repeated")?.unwrap_or(false),
        }),
        _ => None,
    };
    Ok(Credential {
        sealed: sealed(row, "sealed")?,
        version: must(row.int("version")?, "version")?,
        expires_at_ms: row.int("expires_at")?,
        refresh_intent,
    })
}

/// The columns of [`run`].
macro_rules! run_columns {
    () => {
        "r.id AS run_id, r.account_id AS run_account, r.cause, r.from_phase, r.action, r.fence, \
    r.definition, r.progress, r.correlation_id, r.traceparent"
    };
}
pub(super) use run_columns;

pub(super) fn run(row: &impl Columns) -> Row<Run> {
    Ok(Run {
        id: must(row.id("run_id")?, "run_id")?,
        account: must(row.id("run_account")?, "run_account")?,
        cause: word(row, "cause")?,
        task: task(row)?,
        fence: must(row.int("fence")?, "fence")?,
        definition: hash(row, "definition")?,
        progress: row.bytes("progress")?.map(Sealed::from_bytes),
        correlation_id: row.text("correlation_id")?,
        traceparent: row.text("traceparent")?,
    })
}

fn task(row: &impl Columns) -> Row<Task> {
    let word = must(row.text("from_phase")?, "from_phase")?;
    Task::of(&word, row.text("action")?).map_err(|source| RowError::Word { column: "from_phase", source })
}

/// The columns of [`left`].
macro_rules! left_columns {
    () => {
        "definition, progress FROM runs WHERE state = 'finished' AND progress IS NOT NULL"
    };
}
pub(super) use left_columns;

pub(super) fn left(row: &impl Columns) -> Row<Left> {
    Ok(Left { definition: hash(row, "definition")?, progress: sealed(row, "progress")? })
}

/// The columns of [`run_view`].
macro_rules! run_view_columns {
    () => {
        "id, account_id, cause, action, state, fence, outcome, trace, replay_of, correlation_id, inserted_at, finished_at"
    };
}
pub(super) use run_view_columns;

pub(super) fn run_view(row: &impl Columns) -> Row<RunView> {
    Ok(RunView {
        id: must(row.id("id")?, "id")?,
        account: must(row.id("account_id")?, "account_id")?,
        cause: word(row, "cause")?,
        action: row.text("action")?,
        state: must(row.text("state")?, "state")?,
        fence: must(row.int("fence")?, "fence")?,
        outcome: row.text("outcome")?,
        trace: row.text("trace")?,
        replay_of: row.id("replay_of")?,
        correlation_id: row.text("correlation_id")?,
        created_at_ms: must(row.int("inserted_at")?, "inserted_at")?,
        finished_at_ms: row.int("finished_at")?,
    })
}

/// Says that a claimed run cannot be performed by this version. The others of its claim go on; it is requeued with the
/// next takeover, for a version that can read it.
pub(super) fn tell_unreadable(run: Uuid, error: &RowError) {
    tracing::error!(run.id = %run, %error, "a run cannot be read by this version; it is left to one that can");
}

/// What a message made: its account and its body's fingerprint.
pub(super) fn message(row: &impl Columns) -> Row<(Uuid, [u8; 32])> {
    Ok((must(row.id("account_id")?, "account_id")?, hash(row, "fingerprint")?.0))
}

pub(super) fn unpublished(row: &impl Columns) -> Row<Unpublished> {
    Ok(Unpublished {
        account: must(row.id("account_id")?, "account_id")?,
        sequence: must(row.int("sequence")?, "sequence")?,
        event_type: must(row.text("event_type")?, "event_type")?,
        envelope: must(row.text("envelope")?, "envelope")?,
    })
}

pub(super) fn event(row: &impl Columns) -> Row<StoredEvent> {
    Ok(StoredEvent {
        account: must(row.id("account_id")?, "account_id")?,
        sequence: must(row.int("sequence")?, "sequence")?,
        event_type: must(row.text("event_type")?, "event_type")?,
        envelope: must(row.text("envelope")?, "envelope")?,
        inserted_at_ms: must(row.int("inserted_at")?, "inserted_at")?,
    })
}

pub(super) fn integration(row: &impl Columns) -> Row<IntegrationEntry> {
    Ok(IntegrationEntry {
        face: IntegrationRef {
            id: must(row.id("id")?, "id")?,
            name: must(row.text("name")?, "name")?,
            label: must(row.text("label")?, "label")?,
        },
        version: must(row.int("version")?, "version")?,
        hash: hash(row, "hash")?,
    })
}

pub(super) fn version(row: &impl Columns) -> Row<VersionEntry> {
    Ok(VersionEntry {
        version: must(row.int("version")?, "version")?,
        hash: hash(row, "hash")?,
        inserted_at_ms: must(row.int("inserted_at")?, "inserted_at")?,
    })
}

/// What is said of an integration that another process changed.
pub(super) fn moved(version: Option<i64>, expected: Option<i64>) -> StoreError {
    let told = |version: Option<i64>| version.map_or_else(|| "not there".to_owned(), |it| format!("at version {it}"));
    StoreError::Moved(format!(
        "another process applied definitions meanwhile (an integration is {} now, and was {}): look again",
        told(version),
        told(expected)
    ))
}

/// Reads [`install`]; both dialects. A condition or an order may follow.
macro_rules! installs {
    () => {
        "SELECT e.id, e.environment_id, e.is_enabled, e.effective, \
    i.id AS integration_id, i.name AS integration_name, i.label AS integration_label \
    FROM environment_integrations e JOIN integrations i ON i.id = e.integration_id"
    };
}
pub(super) use installs;

pub(super) fn install(row: &impl Columns) -> Row<InstallEntry> {
    Ok(InstallEntry {
        id: must(row.id("id")?, "id")?,
        environment_id: must(row.id("environment_id")?, "environment_id")?,
        integration: IntegrationRef {
            id: must(row.id("integration_id")?, "integration_id")?,
            name: must(row.text("integration_name")?, "integration_name")?,
            label: must(row.text("integration_label")?, "integration_label")?,
        },
        is_enabled: must(row.flag("is_enabled")?, "is_enabled")?,
        effective: hash(row, "effective")?,
    })
}

pub(super) fn used_override(row: &impl Columns) -> Row<UsedOverride> {
    Ok(UsedOverride { account: must(row.id("account_id")?, "account_id")?, sealed: sealed(row, "sealed")? })
}

/// Reads one row of counts; columns as in each dialect's `BACKLOG`.
pub(super) fn backlog(row: &impl Columns) -> Row<Backlog> {
    let count = |name| row.int(name).map(Option::unwrap_or_default);
    Ok(Backlog {
        queued: count("queued")?,
        running: count("running")?,
        waiting: count("waiting")?,
        oldest_queued_ms: row.int("oldest_queued")?,
        oldest_connecting_ms: row.int("oldest_connecting")?,
        outbox: count("outbox")?,
        oldest_outbox_ms: row.int("oldest_outbox")?,
        quarantined: count("quarantined")?,
    })
}

/// A document as the text that is stored.
pub(super) fn text_of(document: &impl serde::Serialize) -> Row<String> {
    serde_json::to_string(document).map_err(|source| RowError::Json { column: "a document", source })
}

/// Adds an [`AccountFilter`](super::AccountFilter)'s conditions to a query of either dialect.
macro_rules! push_filter {
    ($query:expr, $filter:expr, $reason_code:literal) => {{
        let filter = $filter;
        if let Some(tenant) = &filter.tenant_id {
            $query.push(" AND a.tenant_id = ").push_bind(tenant);
        }
        if let Some(status) = filter.status {
            $query.push(" AND a.status = ").push_bind(status.as_str());
        }
        if let Some(sandbox) = filter.is_sandbox {
            $query.push(" AND a.is_sandbox = ").push_bind(sandbox);
        }
        if let Some(name) = &filter.integration_name {
            $query.push(" AND a.integration_name = ").push_bind(name);
        }
        if let Some(install) = filter.environment_integration_id {
            $query.push(" AND a.environment_integration_id = ").push_bind(install);
        }
        if let Some(region) = filter.region {
            $query.push(" AND a.region = ").push_bind(region.as_str());
        }
        if let Some(reason) = &filter.reason {
            $query.push(concat!(" AND ", $reason_code, " = ")).push_bind(reason);
        }
        if let Some(from) = filter.created_from_ms {
            $query.push(" AND a.created_at >= ").push_bind(from);
        }
        if let Some(before) = filter.created_before_ms {
            $query.push(" AND a.created_at < ").push_bind(before);
        }
        if let Some(after) = filter.after {
            $query.push(" AND a.id > ").push_bind(after);
        }
    }};
}
pub(super) use push_filter;
