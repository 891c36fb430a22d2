//! Groups of accepts and commits, and enqueued runs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::super::group::{Flush, FlushError, Write, Written};
use super::super::rows::{self, Columns as _, RowError};
use super::super::stands::{self, Stands};
use super::super::{
    Accept, Accepted, AccountChange, Commit, Committed, CredentialChange, Enqueue, Enqueued, Event, NewRun, RunChange,
    StoreError, shard_of,
};
use super::bulk::Bulk;
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
    let (mut accepts, mut commits) = (Vec::new(), Vec::new());
    for write in group {
        match write {
            Write::Accept(accept) => accepts.push(accept.as_ref()),
            Write::Commit(commit) => commits.push(commit.as_ref()),
        }
    }
    let mut taken = writer.begin().await?;
    let mut events = Vec::with_capacity(group.len());
    let mut accepted = accept_all(taken.get(), &accepts, &mut events).await?.into_iter();
    let mut committed = commit_all(taken.get(), &commits, &mut events).await?.into_iter();
    insert_events(taken.get(), &events).await?;
    taken.commit().await?;
    let outcome = |write: &Write| match write {
        Write::Accept(_) => accepted.next().map(Written::Accepted),
        Write::Commit(_) => committed.next().map(Written::Committed),
    };
    Ok(group.iter().filter_map(outcome).collect())
}

/// An event that is to be inserted, and its account.
pub(super) type NewEvent<'a> = (Uuid, &'a Event);

const FIND_MESSAGE: &str = "SELECT id, account_id, fingerprint FROM runs WHERE id = ?1 \
    UNION SELECT id, account_id, fingerprint FROM runs WHERE environment_id = ?2 AND message_id = ?3";

async fn accept_all<'a>(
    db: &mut SqliteConnection,
    group: &[&'a Accept],
    events: &mut Vec<NewEvent<'a>>,
) -> Result<Vec<Accepted>, RowError> {
    let run = |new: &&'a Accept| -> RunOf<'a> {
        (new.account.id, new.account.environment_id, new.account.region.as_str(), &new.run)
    };
    let runs: Vec<RunOf<'_>> = group.iter().map(run).collect();
    let made = insert_runs(db, &runs).await?;
    let new: Vec<&'a Accept> = group.iter().copied().filter(|new| made.contains(&new.run.id)).collect();
    insert_accounts(db, &new).await?;
    events.extend(new.iter().map(|new| (new.account.id, &new.event)));
    let mut outcomes = Vec::with_capacity(group.len());
    for accept in group {
        outcomes.push(if made.contains(&accept.run.id) {
            Accepted::Created
        } else {
            let row = sqlx::query(FIND_MESSAGE)
                .bind(accept.run.id)
                .bind(accept.account.environment_id)
                .bind(&accept.run.message_id)
                .fetch_one(&mut *db)
                .await?;
            stands::earlier(accept, &row)?
        });
    }
    Ok(outcomes)
}

const INSERT_RUNS: Bulk = Bulk {
    before: "INSERT INTO runs (id, account_id, environment_id, region, cause, from_phase, action, fair_key, definition, \
        replay_of, message_id, fingerprint, channel, correlation_id, traceparent, state, owner, fence, claimed_at, inserted_at) VALUES ",
    row: concat!(
        "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, CASE WHEN ? THEN ",
        now!(),
        " END, ",
        now!(),
        ")"
    ),
    between: ", ",
    after: " ON CONFLICT DO NOTHING RETURNING id",
};

/// A run with its account, environment and region.
type RunOf<'a> = (Uuid, Uuid, &'a str, &'a NewRun);

/// Inserts runs but those whose message came before or whose account has an unfinished one. Answers the ids inserted.
async fn insert_runs(db: &mut SqliteConnection, runs: &[RunOf<'_>]) -> Result<HashSet<Uuid>, RowError> {
    let bind = INSERT_RUNS.run(db, runs, |statement, (account, environment, region, run)| {
        let claimed = run.claimed_by.is_some();
        statement
            .bind(run.id)
            .bind(account)
            .bind(environment)
            .bind(region)
            .bind(run.cause.as_str())
            .bind(run.task.word())
            .bind(run.task.action())
            .bind(run.fair_key)
            .bind(run.definition.0.as_slice())
            .bind(run.replay_of)
            .bind(&run.message_id)
            .bind(run.fingerprint.as_ref().map(<[u8; 32]>::as_slice))
            .bind(run.channel.as_str())
            .bind(&run.correlation_id)
            .bind(&run.traceparent)
            .bind(if claimed { "running" } else { "queued" })
            .bind(run.claimed_by)
            .bind(i64::from(claimed))
            .bind(claimed)
    });
    bind.await?.iter().map(|row| rows::must(row.id("id")?, "id")).collect()
}

const INSERT_ACCOUNTS: Bulk = Bulk::insert(
    "INSERT INTO accounts (id, tenant_id, environment_id, environment_integration_id, integration_id, \
     integration_name, integration_label, region, authentication_method, is_sandbox, status, context, latest_run, \
     sequence, created_at, updated_at) VALUES ",
    "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
);

const INSERT_CREDENTIALS: Bulk =
    Bulk::insert("INSERT INTO credentials (account_id, sealed, version, expires_at) VALUES ", "(?, ?, ?, ?)");

/// Inserts accounts with their secrets.
async fn insert_accounts(db: &mut SqliteConnection, new: &[&Accept]) -> Result<(), RowError> {
    let with_context = new.iter().map(|new| Ok((&new.account, rows::text_of(&new.account.context)?)));
    let accounts = with_context.collect::<Result<Vec<_>, RowError>>()?;
    INSERT_ACCOUNTS
        .run(db, &accounts, |statement, (account, context)| {
            statement
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
                .bind(context)
                .bind(account.latest_run)
                .bind(account.sequence)
                .bind(account.created_at_ms)
                .bind(account.updated_at_ms)
        })
        .await?;
    INSERT_CREDENTIALS
        .run(db, new, |statement, new| {
            statement
                .bind(new.account.id)
                .bind(new.credential.sealed.as_bytes())
                .bind(new.credential.version)
                .bind(new.credential.expires_at_ms)
        })
        .await?;
    Ok(())
}

const INSERT_EVENTS: Bulk = Bulk::insert(
    "INSERT INTO events (account_id, sequence, event_type, envelope, inserted_at) VALUES ",
    concat!("(?, ?, ?, ?, ", now!(), ")"),
);

const INSERT_OUTBOX: Bulk = Bulk::insert("INSERT INTO outbox (shard, account_id, sequence) VALUES ", "(?, ?, ?)");

pub(super) async fn insert_events(db: &mut SqliteConnection, events: &[NewEvent<'_>]) -> Result<(), sqlx::Error> {
    INSERT_EVENTS
        .run(db, events, |statement, (account, event)| {
            statement.bind(account).bind(event.sequence).bind(&event.event_type).bind(&event.envelope)
        })
        .await?;
    INSERT_OUTBOX
        .run(db, events, |statement, (account, event)| {
            statement.bind(i64::from(shard_of(*account))).bind(account).bind(event.sequence)
        })
        .await?;
    Ok(())
}

const STANDS: Bulk = Bulk {
    before: "SELECT r.id, r.state, r.fence, a.sequence, c.version, c.sealed FROM runs r \
        LEFT JOIN accounts a ON a.id = r.account_id LEFT JOIN credentials c ON c.account_id = r.account_id \
        WHERE r.id IN (",
    row: "?",
    between: ", ",
    after: ")",
};

/// Writes commits one after the other; how all of them stand is read before, since no two are of one account.
async fn commit_all<'a>(
    db: &mut SqliteConnection,
    group: &[&'a Commit],
    events: &mut Vec<NewEvent<'a>>,
) -> Result<Vec<Committed>, RowError> {
    let found = STANDS.run(db, group, |statement, change| statement.bind(change.run)).await?;
    let found = found.iter().map(|row| Ok((rows::must(row.id("id")?, "id")?, Stands::read(row)?)));
    let found = found.collect::<Result<HashMap<Uuid, Stands>, RowError>>()?;
    let mut outcomes = Vec::with_capacity(group.len());
    for change in group {
        outcomes.push(match found.get(&change.run) {
            Some(stands) => commit(db, change, stands, events).await?,
            None => Committed::FenceLost,
        });
    }
    Ok(outcomes)
}

async fn commit<'a>(
    db: &mut SqliteConnection,
    change: &'a Commit,
    stands: &Stands,
    events: &mut Vec<NewEvent<'a>>,
) -> Result<Committed, RowError> {
    if let Some(objection) = stands.objection(change) {
        let envelope = envelope(db, change).await?;
        return Ok(if stands.applied(change, envelope.as_deref()) { Committed::Done } else { objection });
    }
    if let Some(run) = &change.run_change {
        change_run(db, change.run, run).await?;
    }
    if let Some(transition) = &change.transition {
        change_account(db, change.account, &transition.change, &transition.event).await?;
        events.push((change.account, &transition.event));
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
    "UPDATE runs SET state = 'finished', outcome = ?2, trace = ?3, progress = ?4, owner = NULL, due_at = NULL, \
     finished_at = ",
    now!(),
    " WHERE id = ?1"
);
const WAIT: &str =
    concat!("UPDATE runs SET state = 'waiting', progress = ?2, owner = NULL, due_at = ", now!(), " + ?3 WHERE id = ?1");
const PUT_BACK: &str = concat!(
    "UPDATE runs SET state = 'waiting', owner = NULL, due_at = ",
    now!(),
    " + ?2, claimed_at = CASE WHEN NOT ?3 THEN claimed_at END WHERE id = ?1"
);

async fn change_run(db: &mut SqliteConnection, run: Uuid, change: &RunChange) -> Result<(), sqlx::Error> {
    match change {
        RunChange::Finish { outcome, trace, progress } => {
            let query = sqlx::query(FINISH).bind(run).bind(outcome).bind(trace);
            query.bind(progress.as_ref().map(crate::seal::Sealed::as_bytes))
        }
        RunChange::Save { progress } => {
            sqlx::query("UPDATE runs SET progress = ?2 WHERE id = ?1").bind(run).bind(progress.as_bytes())
        }
        RunChange::Wait { progress, for_ms } => sqlx::query(WAIT).bind(run).bind(progress.as_bytes()).bind(for_ms),
        RunChange::PutBack { anew, for_ms } => sqlx::query(PUT_BACK).bind(run).bind(for_ms).bind(anew),
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

async fn change_account(
    db: &mut SqliteConnection,
    account: Uuid,
    change: &AccountChange,
    event: &Event,
) -> Result<(), RowError> {
    sqlx::query(CHANGE_ACCOUNT)
        .bind(account)
        .bind(change.status.map(crate::lifecycle::Status::as_str))
        .bind(change.reason.as_ref().map(rows::text_of).transpose()?)
        .bind(&change.last_error)
        .bind(change.context.as_ref().map(rows::text_of).transpose()?)
        .bind(change.proven_at_ms)
        .bind(event.sequence)
        .bind(change.updated_at_ms)
        .execute(&mut *db)
        .await?;
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
    if sequence != Some(enqueue.expected_sequence) {
        return Ok(Enqueued::SequenceMoved);
    }
    let region = enqueue.region.as_str();
    let run = (enqueue.account, enqueue.environment_id, region, &enqueue.run);
    if insert_runs(db, &[run]).await?.is_empty() {
        return Ok(Enqueued::RunInProgress);
    }
    if let Some(progress) = &enqueue.run.progress {
        sqlx::query("UPDATE runs SET progress = ? WHERE id = ?")
            .bind(progress.as_bytes())
            .bind(enqueue.run.id)
            .execute(&mut *db)
            .await?;
    }
    sqlx::query("UPDATE runs SET progress = NULL WHERE id = ? AND progress IS NOT NULL")
        .bind(enqueue.run.replay_of)
        .execute(&mut *db)
        .await?;
    let Some((change, event)) = &enqueue.transition else { return Ok(Enqueued::Done) };
    change_account(db, enqueue.account, change, event).await?;
    insert_events(db, &[(enqueue.account, event)]).await?;
    sqlx::query("UPDATE accounts SET latest_run = ? WHERE id = ?")
        .bind(enqueue.run.id)
        .bind(enqueue.account)
        .execute(db)
        .await?;
    Ok(Enqueued::Done)
}
