//! Groups of accepts and commits, and enqueued runs.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;
use sqlx::postgres::PgArguments;
use sqlx::query::Query;
use sqlx::{PgConnection, Postgres, Row as _};
use uuid::Uuid;

use super::super::group::{Flush, FlushError, Write, Written};
use super::super::rows::{self, Columns as _, RowError};
use super::super::stands::{self, Stands};
use super::super::{Accept, Accepted, Commit, Committed, Enqueue, Enqueued, RunChange, StoreError, shard_of};
use super::line::{Line, within};
use super::listen::News;
use super::sql;
use crate::lifecycle::Status;
use crate::seal::Sealed;

/// Writes groups of one kind, accepts or commits, each kind on a connection of its own.
#[derive(Debug)]
pub(super) struct Flusher {
    pub(super) line: Line,
    pub(super) news: Arc<News>,
}

#[async_trait]
impl Flush for Flusher {
    async fn flush(&mut self, group: &[Write]) -> Result<Vec<Written>, FlushError> {
        Ok(within(self.write(group)).await?)
    }
}

impl Flusher {
    async fn write(&self, group: &[Write]) -> Result<Vec<Written>, StoreError> {
        let (mut accepts, mut commits) = (Vec::new(), Vec::new());
        for write in group {
            match write {
                Write::Accept(accept) => accepts.push(accept.as_ref()),
                Write::Commit(commit) => commits.push(commit.as_ref()),
            }
        }
        let mut taken = self.line.take().await?;
        let mut accepted = HashMap::new();
        if !accepts.is_empty() {
            accepted = accept(taken.get(), &accepts, self.news.due()).await?;
        }
        let mut committed = HashMap::new();
        if !commits.is_empty() {
            committed = commit(taken.get(), &commits, self.news.due()).await?;
        }
        taken.keep();
        let outcome = |write: &Write| match write {
            Write::Accept(accept) => accepted.remove(&accept.run.id).map(Written::Accepted),
            Write::Commit(commit) => committed.remove(&commit.run).map(Written::Committed),
        };
        group.iter().map(outcome).collect::<Option<_>>().ok_or_else(undecided)
    }
}

/// Rows moved between two looks at them; another try decides.
fn undecided() -> StoreError {
    StoreError::Unavailable("rows changed while they were written; the write is repeated".to_owned())
}

type Statement<'q> = Query<'q, Postgres, PgArguments>;

/// One column of a group.
fn column<'a, T, U>(group: &[&'a T], value: impl Fn(&'a T) -> U) -> Vec<U> {
    group.iter().map(|item| value(item)).collect()
}

async fn accept(
    db: &mut PgConnection,
    group: &[&Accept],
    news: Option<&str>,
) -> Result<HashMap<Uuid, Accepted>, RowError> {
    let statement = bind_accounts(bind_runs(sqlx::query(sql::ACCEPT), group), group)?;
    let row = bind_events(statement, group).bind(news).fetch_one(&mut *db).await?;
    let mut made: HashMap<Uuid, Accepted> =
        row.try_get::<Vec<Uuid>, _>("made")?.into_iter().map(|run| (run, Accepted::Created)).collect();
    let others: Vec<&Accept> = group.iter().filter(|new| !made.contains_key(&new.run.id)).copied().collect();
    if others.is_empty() {
        return Ok(made);
    }
    let rows = sqlx::query(sql::FIND_MESSAGES)
        .bind(column(&others, |new| new.run.id))
        .bind(column(&others, |new| new.account.environment_id))
        .bind(column(&others, |new| new.run.message_id.as_deref()))
        .fetch_all(db)
        .await?;
    let others: HashMap<Uuid, &Accept> = others.into_iter().map(|new| (new.run.id, new)).collect();
    for row in &rows {
        let asked = rows::must(row.id("asked")?, "asked")?;
        if let Some(new) = others.get(&asked) {
            let found = stands::earlier(new, row)?;
            // Its own earlier write counts before another's.
            if found == Accepted::Created || !made.contains_key(&asked) {
                made.insert(asked, found);
            }
        }
    }
    Ok(made)
}

fn bind_runs<'q>(statement: Statement<'q>, group: &[&Accept]) -> Statement<'q> {
    statement
        .bind(column(group, |new| new.run.id))
        .bind(column(group, |new| new.account.id))
        .bind(column(group, |new| new.account.environment_id))
        .bind(column(group, |new| new.account.region.as_str()))
        .bind(column(group, |new| new.run.cause.as_str()))
        .bind(column(group, |new| new.run.task.word()))
        .bind(column(group, |new| new.run.fair_key))
        .bind(column(group, |new| new.run.claimed_by))
        .bind(column(group, |new| new.run.definition.0.as_slice()))
        .bind(column(group, |new| new.run.replay_of))
        .bind(column(group, |new| new.run.message_id.as_deref()))
        .bind(column(group, |new| new.run.fingerprint.as_ref().map(<[u8; 32]>::as_slice)))
        .bind(column(group, |new| new.run.channel.as_str()))
        .bind(column(group, |new| new.run.correlation_id.as_deref()))
        .bind(column(group, |new| new.run.traceparent.as_deref()))
}

fn bind_accounts<'q>(statement: Statement<'q>, group: &[&Accept]) -> Result<Statement<'q>, RowError> {
    let contexts = group.iter().map(|new| rows::text_of(&new.account.context)).collect::<Result<Vec<_>, _>>()?;
    Ok(statement
        .bind(column(group, |new| new.account.tenant_id.as_str()))
        .bind(column(group, |new| new.account.environment_integration_id))
        .bind(column(group, |new| new.account.integration.id))
        .bind(column(group, |new| new.account.integration.name.as_str()))
        .bind(column(group, |new| new.account.integration.label.as_str()))
        .bind(column(group, |new| new.account.authentication_method.as_str()))
        .bind(column(group, |new| new.account.is_sandbox))
        .bind(column(group, |new| new.account.status.map(Status::as_str)))
        .bind(contexts)
        .bind(column(group, |new| new.account.latest_run))
        .bind(column(group, |new| new.account.sequence))
        .bind(column(group, |new| new.account.created_at_ms))
        .bind(column(group, |new| new.account.updated_at_ms)))
}

fn bind_events<'q>(statement: Statement<'q>, group: &[&Accept]) -> Statement<'q> {
    statement
        .bind(column(group, |new| new.credential.sealed.as_bytes()))
        .bind(column(group, |new| new.credential.version))
        .bind(column(group, |new| new.credential.expires_at_ms))
        .bind(column(group, |new| new.event.sequence))
        .bind(column(group, |new| new.event.event_type.as_str()))
        .bind(column(group, |new| new.event.envelope.as_str()))
        .bind(column(group, |new| i16::from(shard_of(new.account.id))))
}

async fn commit(
    db: &mut PgConnection,
    group: &[&Commit],
    news: Option<&str>,
) -> Result<HashMap<Uuid, Committed>, RowError> {
    let statement = bind_changes(bind_held(sqlx::query(sql::COMMIT), group), group)?;
    let row = bind_secrets(statement, group).bind(news).fetch_one(&mut *db).await?;
    let done: HashSet<Uuid> = row.try_get::<Vec<Uuid>, _>("done")?.into_iter().collect();
    let others: Vec<&Commit> = group.iter().filter(|change| !done.contains(&change.run)).copied().collect();
    let mut outcomes: HashMap<Uuid, Committed> = done.into_iter().map(|run| (run, Committed::Done)).collect();
    if others.is_empty() {
        return Ok(outcomes);
    }
    let rows = sqlx::query(sql::STANDS)
        .bind(column(&others, |change| change.run))
        .bind(column(&others, |change| change.account))
        .bind(column(&others, |change| change.transition.as_ref().map(|transition| transition.event.sequence)))
        .fetch_all(db)
        .await?;
    let rows = rows.iter().map(|row| Ok((rows::must(row.id("asked")?, "asked")?, row)));
    let rows = rows.collect::<Result<HashMap<_, _>, RowError>>()?;
    for change in others {
        let outcome = match rows.get(&change.run) {
            None => Some(Committed::FenceLost),
            Some(row) => {
                let stands = Stands::read(*row)?;
                let applied = stands.applied(change, row.text("envelope")?.as_deref());
                stands.objection(change).map(|objection| if applied { Committed::Done } else { objection })
            }
        };
        // Without an objection the obstacle went away meanwhile: the write is left undecided and repeated.
        outcomes.extend(outcome.map(|outcome| (change.run, outcome)));
    }
    Ok(outcomes)
}

/// The run's change as the statement names it: word, progress, outcome, trace, time to wait.
type Change<'a> = (Option<&'static str>, Option<&'a [u8]>, Option<&'a str>, Option<&'a str>, Option<i64>);

fn change_of(commit: &Commit) -> Change<'_> {
    match &commit.run_change {
        None => (None, None, None, None, None),
        Some(RunChange::Finish { outcome, trace, progress }) => {
            (Some("finish"), progress.as_ref().map(Sealed::as_bytes), Some(outcome), Some(trace), None)
        }
        Some(RunChange::Save { progress }) => (Some("save"), Some(progress.as_bytes()), None, None, None),
        Some(RunChange::Wait { progress, for_ms }) => {
            (Some("wait"), Some(progress.as_bytes()), None, None, Some(*for_ms))
        }
        Some(RunChange::PutBack { anew: true, for_ms }) => (Some("put_back"), None, None, None, Some(*for_ms)),
        Some(RunChange::PutBack { anew: false, for_ms }) => (Some("wait"), None, None, None, Some(*for_ms)),
        Some(RunChange::Release { progress }) => {
            (Some("release"), progress.as_ref().map(Sealed::as_bytes), None, None, None)
        }
    }
}

fn bind_held<'q>(statement: Statement<'q>, group: &[&Commit]) -> Statement<'q> {
    statement
        .bind(column(group, |change| change.run))
        .bind(column(group, |change| change.fence))
        .bind(column(group, |change| change.account))
        .bind(column(group, |change| change_of(change).0))
        .bind(column(group, |change| change_of(change).1))
        .bind(column(group, |change| change_of(change).2))
        .bind(column(group, |change| change_of(change).3))
        .bind(column(group, |change| change_of(change).4))
}

fn bind_changes<'q>(statement: Statement<'q>, group: &[&Commit]) -> Result<Statement<'q>, RowError> {
    let transitions = column(group, |commit| commit.transition.as_ref());
    let text = |document: Option<Result<String, RowError>>| document.transpose();
    let reasons = transitions.iter().map(|write| text(write.and_then(|w| w.change.reason.as_ref()).map(rows::text_of)));
    let contexts =
        transitions.iter().map(|write| text(write.and_then(|w| w.change.context.as_ref()).map(rows::text_of)));
    let (reasons, contexts) = (reasons.collect::<Result<Vec<_>, _>>()?, contexts.collect::<Result<Vec<_>, _>>()?);
    let each = &transitions;
    Ok(statement
        .bind(each.iter().map(|write| write.map(|w| w.expected_sequence)).collect::<Vec<_>>())
        .bind(each.iter().map(|write| write.and_then(|w| w.change.status).map(Status::as_str)).collect::<Vec<_>>())
        .bind(reasons)
        .bind(each.iter().map(|write| write.and_then(|w| w.change.last_error.as_deref())).collect::<Vec<_>>())
        .bind(contexts)
        .bind(each.iter().map(|write| write.and_then(|w| w.change.proven_at_ms)).collect::<Vec<_>>())
        .bind(each.iter().map(|write| write.map(|w| w.change.updated_at_ms)).collect::<Vec<_>>())
        .bind(each.iter().map(|write| write.map(|w| w.event.sequence)).collect::<Vec<_>>())
        .bind(each.iter().map(|write| write.map(|w| w.event.event_type.as_str())).collect::<Vec<_>>())
        .bind(each.iter().map(|write| write.map(|w| w.event.envelope.as_str())).collect::<Vec<_>>()))
}

fn bind_secrets<'q>(statement: Statement<'q>, group: &[&Commit]) -> Statement<'q> {
    let secrets = column(group, |commit| commit.credential.as_ref());
    let intents: Vec<_> = secrets.iter().map(|new| new.and_then(|new| new.refresh_intent)).collect();
    statement
        .bind(secrets.iter().map(|new| new.map(|new| new.expected_version)).collect::<Vec<_>>())
        .bind(
            secrets.iter().map(|new| new.and_then(|new| new.sealed.as_ref()).map(Sealed::as_bytes)).collect::<Vec<_>>(),
        )
        .bind(secrets.iter().map(|new| new.and_then(|new| new.expires_at_ms)).collect::<Vec<_>>())
        .bind(intents.iter().map(|intent| intent.map(|intent| intent.fence)).collect::<Vec<_>>())
        .bind(intents.iter().map(|intent| intent.map(|intent| intent.version)).collect::<Vec<_>>())
        .bind(intents.iter().map(|intent| intent.map(|intent| intent.repeated)).collect::<Vec<_>>())
        .bind(column(group, |change| i16::from(shard_of(change.account))))
}

pub(super) async fn enqueue(line: &Line, enqueue: &Enqueue) -> Result<Enqueued, StoreError> {
    let mut taken = line.take().await?;
    sqlx::query("BEGIN").execute(taken.get()).await?;
    let row = bind_enqueue(enqueue)?.fetch_one(taken.get()).await?;
    let (made, is_done): (bool, bool) = (row.try_get("made")?, row.try_get("stands")?);
    let end = if is_done { "COMMIT" } else { "ROLLBACK" };
    sqlx::query(end).execute(taken.get()).await?;
    if is_done {
        taken.keep();
        return Ok(Enqueued::Done);
    }
    let stands =
        sqlx::query(sql::ENQUEUE_STANDS).bind(enqueue.run.id).bind(enqueue.account).fetch_one(taken.get()).await?;
    taken.keep();
    if stands.try_get("mine")? {
        // Our own earlier write, whose COMMIT's answer was lost.
        return Ok(Enqueued::Done);
    }
    let sequence: Option<i64> = stands.try_get("sequence")?;
    if made || sequence != Some(enqueue.expected_sequence) {
        return Ok(Enqueued::SequenceMoved);
    }
    Ok(Enqueued::RunInProgress)
}

fn bind_enqueue(enqueue: &Enqueue) -> Result<Statement<'_>, RowError> {
    let run = &enqueue.run;
    let statement = if enqueue.transition.is_some() { sql::ENQUEUE } else { sql::ENQUEUE_BESIDE };
    let statement = sqlx::query(statement)
        .bind(run.id)
        .bind(enqueue.account)
        .bind(enqueue.environment_id)
        .bind(enqueue.region.as_str())
        .bind(run.cause.as_str())
        .bind(run.task.word())
        .bind(run.fair_key)
        .bind(run.claimed_by)
        .bind(run.definition.0.as_slice())
        .bind(run.replay_of)
        .bind(&run.message_id)
        .bind(run.fingerprint.as_ref().map(<[u8; 32]>::as_slice))
        .bind(run.channel.as_str())
        .bind(&run.correlation_id)
        .bind(&run.traceparent)
        .bind(run.progress.as_ref().map(Sealed::as_bytes))
        .bind(run.task.action())
        .bind(enqueue.expected_sequence);
    let Some((change, event)) = &enqueue.transition else { return Ok(statement) };
    Ok(statement
        .bind(change.status.map(Status::as_str))
        .bind(change.reason.as_ref().map(rows::text_of).transpose()?)
        .bind(&change.last_error)
        .bind(change.context.as_ref().map(rows::text_of).transpose()?)
        .bind(change.proven_at_ms)
        .bind(event.sequence)
        .bind(change.updated_at_ms)
        .bind(&event.event_type)
        .bind(&event.envelope)
        .bind(i16::from(shard_of(enqueue.account))))
}
