//! Keeping a replay, and going through its accounts.

use std::collections::BTreeMap;

use serde::Serialize;
use uuid::Uuid;

use super::{Chosen, Selection, Terms};
use crate::accounts::{Accounts, ReplayOrder, Replayed};
use crate::operate::OperateError;
use crate::store::{NewReplay, NewReplayItem, Replay, ReplayItem, Store, StoreError};

/// Accounts of one look.
const PAGE: u32 = 1000;

/// What became of a replay's accounts so far. Asking again with the same key gives the same replay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Outcome {
    /// The replay.
    pub replay: Uuid,
    /// What to repeat it with.
    pub key: String,
    /// How many accounts were chosen.
    pub accounts: u64,
    /// How many got their run.
    pub started: u64,
    /// How many were left alone, by why.
    pub refused: BTreeMap<String, u64>,
    /// The runs as they are now: by state, and finished ones by how they ended.
    pub runs: BTreeMap<String, u64>,
    /// The accounts that were left alone, each with why.
    pub refusals: Vec<Refusal>,
}

/// An account that was left alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Refusal {
    /// The account.
    pub account: Uuid,
    /// Why.
    pub code: String,
}

/// Keeps the chosen accounts as a plan, whose key is its id.
///
/// # Errors
/// When the store does not answer.
pub async fn plan(
    accounts: &Accounts,
    selection: &Selection,
    terms: Terms,
    chosen: &Chosen,
    actor: &str,
) -> Result<Uuid, OperateError> {
    let new = new_replay(accounts, selection, terms, chosen, actor);
    let id = new.id;
    accounts.store.save_replay(new).await?;
    Ok(id)
}

/// The replay that has this key already, if it was chosen alike.
///
/// # Errors
/// When the store does not answer, or the replay with this key was chosen differently.
pub async fn find(
    accounts: &Accounts,
    selection: &Selection,
    terms: Terms,
    key: &str,
) -> Result<Option<Replay>, OperateError> {
    match accounts.store.replay_of_key(key).await? {
        Some(replay) if replay.filter != filter_of(selection) || replay.unknown != terms.unknown => {
            Err(OperateError::KeyTaken { key: key.to_owned(), replay: replay.id })
        }
        found => Ok(found),
    }
}

/// Keeps the chosen accounts as a replay that starts at once. Without a key its id is the key.
///
/// # Errors
/// When the store does not answer, or somebody else was faster with this key and another choice.
pub async fn start(
    accounts: &Accounts,
    selection: &Selection,
    terms: Terms,
    chosen: &Chosen,
    key: Option<&str>,
    actor: &str,
) -> Result<Replay, OperateError> {
    let mut new = new_replay(accounts, selection, terms, chosen, actor);
    new.started = true;
    if let Some(key) = key {
        key.clone_into(&mut new.key);
    }
    let key = new.key.clone();
    accounts.store.save_replay(new).await?;
    // Kept by this process, or by one that was faster with the same key.
    let kept = find(accounts, selection, terms, &key).await?;
    kept.ok_or_else(|| StoreError::Unavailable("a replay that was just kept is not there".to_owned()).into())
}

/// Starts a plan under a key, which without one is its id.
///
/// # Errors
/// When the store does not answer, there is no such plan, or plan and key do not belong together.
pub async fn start_plan(accounts: &Accounts, id: Uuid, key: Option<&str>) -> Result<Replay, OperateError> {
    let store = &accounts.store;
    let plan = store.replay(id).await?.ok_or(OperateError::UnknownPlan(id))?;
    let key = key.map_or_else(|| id.to_string(), str::to_owned);
    if store.start_replay(id, &key).await? {
        return Ok(Replay { key, ..plan });
    }
    match store.replay_of_key(&key).await? {
        Some(other) if other.id != id => Err(OperateError::KeyTaken { key, replay: other.id }),
        _ => Err(OperateError::OtherKey { plan: id, key: plan.key }),
    }
}

fn filter_of(selection: &Selection) -> String {
    // Ids, words and texts: nothing in it can fail to be written.
    serde_json::to_string(selection).unwrap_or_default()
}

fn new_replay(accounts: &Accounts, selection: &Selection, terms: Terms, chosen: &Chosen, actor: &str) -> NewReplay {
    let id = accounts.clock.new_id();
    let item = |account, expected_sequence, refusal| {
        let run = accounts.clock.new_id();
        NewReplayItem { account, run, expected_sequence, refusal }
    };
    let eligible = chosen.eligible.iter().map(|candidate| item(candidate.id, candidate.sequence, None));
    let left = chosen.left.iter().map(|(account, sequence, why)| item(*account, *sequence, Some(why.as_str())));
    NewReplay {
        id,
        key: id.to_string(),
        filter: filter_of(selection),
        cap: i64::try_from(terms.cap).unwrap_or(i64::MAX),
        unknown: terms.unknown,
        actor: actor.to_owned(),
        started: false,
        items: eligible.chain(left).collect(),
    }
}

impl Outcome {
    /// Goes through the accounts of a replay that are still to be done, and tells what became of all of them.
    ///
    /// # Errors
    /// When the store does not answer; repeating goes on where this ended.
    pub async fn of(accounts: &Accounts, replay: &Replay) -> Result<Self, OperateError> {
        if replay.started_at_ms.is_none() {
            // A plan that was asked for by its key.
            accounts.store.start_replay(replay.id, &replay.key).await?;
        }
        if replay.finished_at_ms.is_none() {
            go_through(accounts, replay).await?;
            accounts.store.finish_replay(replay.id).await?;
        }
        let mut outcome = Self {
            replay: replay.id,
            key: replay.key.clone(),
            accounts: 0,
            started: 0,
            refused: BTreeMap::new(),
            runs: BTreeMap::new(),
            refusals: Vec::new(),
        };
        each_page(accounts.store.as_ref(), replay.id, async |items| {
            for item in items {
                outcome.count(item);
            }
            Ok(())
        })
        .await?;
        Ok(outcome)
    }

    fn count(&mut self, item: ReplayItem) {
        self.accounts += 1;
        match (item.refusal, item.state) {
            (Some(code), _) => {
                *self.refused.entry(code.clone()).or_default() += 1;
                self.refusals.push(Refusal { account: item.account, code });
            }
            // A finished replay's accounts were started or refused; a run may be deleted after its time.
            (None, state) => {
                self.started += 1;
                let word = item.outcome.or(state).unwrap_or_else(|| "gone".to_owned());
                *self.runs.entry(word).or_default() += 1;
            }
        }
    }
}

async fn go_through(accounts: &Accounts, replay: &Replay) -> Result<(), StoreError> {
    let name = replay.id.to_string();
    each_page(accounts.store.as_ref(), replay.id, async |items| {
        for item in items.into_iter().filter(|item| item.refusal.is_none() && item.state.is_none()) {
            let order = ReplayOrder {
                account: item.account,
                run: item.run,
                expected_sequence: item.expected_sequence,
                unknown: replay.unknown,
                replay: &name,
            };
            if let Replayed::Refused(why) = accounts.replay(&order).await? {
                accounts.store.refuse_replay_item(replay.id, item.place, why.as_str()).await?;
            }
        }
        Ok(())
    })
    .await
}

async fn each_page(
    store: &dyn Store,
    replay: Uuid,
    mut done: impl AsyncFnMut(Vec<ReplayItem>) -> Result<(), StoreError>,
) -> Result<(), StoreError> {
    let mut place = 0;
    loop {
        let items = store.replay_items(replay, place, PAGE).await?;
        let Some(last) = items.last() else { return Ok(()) };
        place = last.place + 1;
        done(items).await?;
    }
}
