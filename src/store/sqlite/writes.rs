//! Groups of accepts and commits, and enqueued runs.

use std::sync::Arc;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::super::group::{Flush, FlushError, Write, Written};
use super::super::rows::{self, RowError};
use super::super::stands::{self, Stands};
use super::super::{
    Accept, Accepted, Account, Commit, Committed, CredentialChange, Enqueue, Enqueued, Event, NewRun, RunChange,
    StoreError, TransitionWrite, shard_of,
};
use super::{Writer, now};

/// Writes groups through the one writing connection.
#[derive(Debug)]
pub(super) struct Flusher(pub(super) Arc<Writer>);

#[async_trait]
impl Flush for Flusher {
    async fn flush(&mut self, group: &[Write]) -> Result<Vec<Written>, FlushError> {
        write_all(&self.0, group).await.map_err(|error| StoreError::from(error).into())
    }
}

async fn write_all(writer: &Writer, group: &[Write]) -> Result<Vec<Written>, RowError> {
    let mut taken = writer.begin().await?;
    let mut written = Vec::with_capacity(group.len());
    for write in group {
        written.push(match write {
            Write::Accept(new) => Written::Accepted(accept(taken.get(), new).await?),
            Write::Commit(change) => Written::Committed(commit(taken.get(), change).await?),
        });
    }
    taken.commit().await?;
    Ok(written)
}

const FIND_MESSAGE: &str = "SELECT id, account_id, fingerprint FROM runs WHERE id = ?1 \
    UNION SELECT id, account_id, fingerprint FROM runs WHERE environment_id = ?2 AND message_id = ?3";

async fn accept(db: &mut SqliteConnection, new: &Accept) -> Result<Accepted, RowError> {
    let account = &new.account;
    if insert_run(db, account.id, account.environment_id, account.region.as_str(), &new.run).await? == 0 {
        let row = sqlx::query(FIND_MESSAGE)
            .bind(new.run.id)
            .bind(account.environment_id)
            .bind(&new.run.message_id)
            .fetch_one(&mut *db)
            .await?;
        return stands::earlier(new, &row);
    }
    insert_account(db, account).await?;
    sqlx::query("INSERT INTO credentials (account_id, sealed, version, expires_at) VALUES (?, ?, ?, ?)")
        .bind(account.id)
        .bind(new.credential.sealed.as_bytes())
        .bind(new.credential.version)
        .bind(new.credential.expires_at_ms)
        .execute(&mut *db)
        .await?;
    insert_event(db, account.id, &new.event).await?;
    Ok(Accepted::Created)
}

const INSERT_RUN: &str = concat!(
    "INSERT INTO runs (id, account_id, environment_id, region, cause, from_phase, state, fair_key, owner, fence, \
     definition, replay_of, message_id, fingerprint, channel, correlation_id, claimed_at, inserted_at) \
     SELECT ?1, ?2, ?3, ?4, ?5, ?6, CASE WHEN ?8 IS NULL THEN 'queued' ELSE 'running' END, ?7, ?8, \
     ?8 IS NOT NULL, ?9, ?10, ?11, ?12, ?13, ?14, CASE WHEN ?8 IS NOT NULL THEN t END, t FROM (SELECT ",
    now!(),
    " AS t) WHERE true ON CONFLICT DO NOTHING"
);

/// Inserts a run unless its message came before or its account has an unfinished one. Answers the rows inserted.
async fn insert_run(
    db: &mut SqliteConnection,
    account: Uuid,
    environment: Uuid,
    region: &str,
    run: &NewRun,
) -> Result<u64, sqlx::Error> {
    let inserted = sqlx::query(INSERT_RUN)
        .bind(run.id)
        .bind(account)
        .bind(environment)
        .bind(region)
        .bind(run.cause.as_str())
        .bind(run.from_phase.as_str())
        .bind(run.fair_key)
        .bind(run.claimed_by)
        .bind(run.definition.0.as_slice())
        .bind(run.replay_of)
        .bind(&run.message_id)
        .bind(run.fingerprint.as_ref().map(<[u8; 32]>::as_slice))
        .bind(run.channel.as_str())
        .bind(&run.correlation_id)
        .execute(db)
        .await?;
    Ok(inserted.rows_affected())
}

const INSERT_ACCOUNT: &str = "INSERT INTO accounts (id, tenant_id, environment_id, environment_integration_id, \
    integration_id, integration_name, integration_label, region, authentication_method, is_sandbox, status, context, \
    latest_run, sequence, created_at, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";

async fn insert_account(db: &mut SqliteConnection, account: &Account) -> Result<(), RowError> {
    sqlx::query(INSERT_ACCOUNT)
        .bind(account.id)
        .bind(&account.tenant_id)
        .bind(account.environment_id)
        .bind(account.environment_integration_id)
        .bind(account.integration.id)
        .bind(&account.integration.name)
        .bind(&account.integration.label)
        .bind(account.region.as_str())
        .bind(account.authentication_method.as_str())
        .bind(account.is_sandbox)
        .bind(account.status.map(crate::lifecycle::Status::as_str))
        .bind(rows::text_of(&account.context)?)
        .bind(account.latest_run)
        .bind(account.sequence)
        .bind(account.created_at_ms)
        .bind(account.updated_at_ms)
        .execute(db)
        .await?;
    Ok(())
}

const INSERT_EVENT: &str = concat!(
    "INSERT INTO events (account_id, sequence, event_type, envelope, inserted_at) VALUES (?, ?, ?, ?, ",
    now!(),
    ")"
);

async fn insert_event(db: &mut SqliteConnection, account: Uuid, event: &Event) -> Result<(), sqlx::Error> {
    sqlx::query(INSERT_EVENT)
        .bind(account)
        .bind(event.sequence)
        .bind(&event.event_type)
        .bind(&event.envelope)
        .execute(&mut *db)
        .await?;
    sqlx::query("INSERT INTO outbox (shard, account_id, sequence) VALUES (?, ?, ?)")
        .bind(i64::from(shard_of(account)))
        .bind(account)
        .bind(event.sequence)
        .execute(db)
        .await?;
    Ok(())
}

const STANDS: &str = "SELECT r.state, r.fence, a.sequence, c.version, c.sealed \
    FROM runs r LEFT JOIN accounts a ON a.id = r.account_id LEFT JOIN credentials c ON c.account_id = r.account_id \
    WHERE r.id = ?";

async fn commit(db: &mut SqliteConnection, change: &Commit) -> Result<Committed, RowError> {
    let Some(row) = sqlx::query(STANDS).bind(change.run).fetch_optional(&mut *db).await? else {
        return Ok(Committed::FenceLost);
    };
    let stands = Stands::read(&row)?;
    if let Some(objection) = stands.objection(change) {
        let envelope = envelope(db, change).await?;
        return Ok(if stands.applied(change, envelope.as_deref()) { Committed::Done } else { objection });
    }
    if let Some(run) = &change.run_change {
        change_run(db, change.run, run).await?;
    }
    if let Some(transition) = &change.transition {
        change_account(db, change.account, transition).await?;
    }
    if let Some(credential) = &change.credential {
        change_credential(db, change.account, credential).await?;
    }
    Ok(Committed::Done)
}

/// The event that is stored where the commit's would go.
async fn envelope(db: &mut SqliteConnection, change: &Commit) -> Result<Option<String>, sqlx::Error> {
    let Some(transition) = &change.transition else { return Ok(None) };
    sqlx::query_scalar("SELECT envelope FROM events WHERE account_id = ? AND sequence = ?")
        .bind(change.account)
        .bind(transition.event.sequence)
        .fetch_optional(db)
        .await
}

const FINISH: &str = concat!(
    "UPDATE runs SET state = 'finished', outcome = ?2, trace = ?3, progress = NULL, owner = NULL, due_at = NULL, \
     finished_at = ",
    now!(),
    " WHERE id = ?1"
);
const WAIT: &str =
    concat!("UPDATE runs SET state = 'waiting', progress = ?2, owner = NULL, due_at = ", now!(), " + ?3 WHERE id = ?1");

async fn change_run(db: &mut SqliteConnection, run: Uuid, change: &RunChange) -> Result<(), sqlx::Error> {
    match change {
        RunChange::Finish { outcome, trace } => sqlx::query(FINISH).bind(run).bind(outcome).bind(trace),
        RunChange::Save { progress } => {
            sqlx::query("UPDATE runs SET progress = ?2 WHERE id = ?1").bind(run).bind(progress.as_bytes())
        }
        RunChange::Wait { progress, for_ms } => sqlx::query(WAIT).bind(run).bind(progress.as_bytes()).bind(for_ms),
        RunChange::Release { progress } => sqlx::query(
            "UPDATE runs SET state = 'queued', owner = NULL, progress = coalesce(?2, progress) WHERE id = ?1",
        )
        .bind(run)
        .bind(progress.as_ref().map(crate::seal::Sealed::as_bytes)),
    }
    .execute(db)
    .await?;
    Ok(())
}

const CHANGE_ACCOUNT: &str = "UPDATE accounts SET status = ?2, reason = ?3, last_error = ?4, \
    context = coalesce(?5, context), proven_at = ?6, sequence = ?7, updated_at = ?8 WHERE id = ?1";

async fn change_account(db: &mut SqliteConnection, account: Uuid, write: &TransitionWrite) -> Result<(), RowError> {
    let change = &write.change;
    sqlx::query(CHANGE_ACCOUNT)
        .bind(account)
        .bind(change.status.map(crate::lifecycle::Status::as_str))
        .bind(change.reason.as_ref().map(rows::text_of).transpose()?)
        .bind(&change.last_error)
        .bind(change.context.as_ref().map(rows::text_of).transpose()?)
        .bind(change.proven_at_ms)
        .bind(write.event.sequence)
        .bind(change.updated_at_ms)
        .execute(&mut *db)
        .await?;
    insert_event(db, account, &write.event).await?;
    Ok(())
}

const CHANGE_CREDENTIAL: &str = concat!(
    "UPDATE credentials SET sealed = coalesce(?2, sealed), version = version + (?2 IS NOT NULL), \
     expires_at = CASE WHEN ?2 IS NULL THEN expires_at ELSE ?3 END, intent_fence = ?4, intent_version = ?5, \
     intent_repeated = ?6, intent_at = CASE WHEN ?4 IS NULL THEN NULL ELSE ",
    now!(),
    " END WHERE account_id = ?1"
);

async fn change_credential(
    db: &mut SqliteConnection,
    account: Uuid,
    change: &CredentialChange,
) -> Result<(), sqlx::Error> {
    sqlx::query(CHANGE_CREDENTIAL)
        .bind(account)
        .bind(change.sealed.as_ref().map(crate::seal::Sealed::as_bytes))
        .bind(change.expires_at_ms)
        .bind(change.refresh_intent.map(|intent| intent.fence))
        .bind(change.refresh_intent.map(|intent| intent.version))
        .bind(change.refresh_intent.map(|intent| intent.repeated))
        .execute(db)
        .await?;
    Ok(())
}

/// A run of an existing account, in the caller's transaction.
pub(super) async fn enqueue(db: &mut SqliteConnection, enqueue: &Enqueue) -> Result<Enqueued, RowError> {
    let mine: Option<i64> =
        sqlx::query_scalar("SELECT 1 FROM runs WHERE id = ?").bind(enqueue.run.id).fetch_optional(&mut *db).await?;
    if mine.is_some() {
        // Our own earlier write, whose COMMIT's answer was lost.
        return Ok(Enqueued::Done);
    }
    let sequence: Option<i64> = sqlx::query_scalar("SELECT sequence FROM accounts WHERE id = ?")
        .bind(enqueue.account)
        .fetch_optional(&mut *db)
        .await?;
    if sequence != Some(enqueue.transition.expected_sequence) {
        return Ok(Enqueued::SequenceMoved);
    }
    let region = enqueue.region.as_str();
    if insert_run(db, enqueue.account, enqueue.environment_id, region, &enqueue.run).await? == 0 {
        return Ok(Enqueued::RunInProgress);
    }
    change_account(db, enqueue.account, &enqueue.transition).await?;
    sqlx::query("UPDATE accounts SET latest_run = ? WHERE id = ?")
        .bind(enqueue.run.id)
        .bind(enqueue.account)
        .execute(db)
        .await?;
    Ok(Enqueued::Done)
}
