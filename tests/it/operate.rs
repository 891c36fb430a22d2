//! Replays that are interrupted, and replays that race: each account gets its one run.

use futures_util::future::join_all;
use serde_json::json;
use tidewaiter::accounts::{ReplayOrder, Replayed};
use tidewaiter::lifecycle::{Reason, ReasonCode, Region, Status, Unknown, WhoActs};
use tidewaiter::operate::replay::{Chosen, Outcome, Selection, Terms, choose, start};
use tidewaiter::store::{AccountChange, Commit, Event, Patience, RunChange, TransitionWrite};
use uuid::Uuid;

use crate::api::{Process, import, with_process};

const TERMS: Terms = Terms { cap: 500, unknown: None };

/// Imports accounts and has their runs fail with this code.
async fn failed(process: &Process, count: usize, code: ReasonCode) -> Vec<Uuid> {
    for index in 0..count {
        process.ask(import(&format!("tenant-{index}"))).await;
    }
    let worker = Uuid::from_u128(7);
    process.store.heartbeat(worker, Region::ALL).await.unwrap();
    let claims = process.store.claim(worker, Region::ALL, 100).await.unwrap();
    let mut failed = Vec::new();
    for claimed in claims.runs {
        let reason = Reason {
            code,
            message: "no".to_owned(),
            phase: None,
            step: None,
            http_status: None,
            who_acts: WhoActs::Operator,
            retryable: false,
        };
        let change = AccountChange {
            status: Some(Status::PostInstallError),
            reason: Some(reason),
            last_error: None,
            context: None,
            proven_at_ms: None,
            updated_at_ms: 9_000,
        };
        let event = Event {
            sequence: 2,
            event_type: "integrated_account.post_install_error".to_owned(),
            envelope: json!({ "id": claimed.account.id }).to_string(),
            time_ms: 9_000,
        };
        let commit = Commit {
            run: claimed.run.id,
            fence: claimed.run.fence,
            account: claimed.account.id,
            run_change: Some(RunChange::Finish { outcome: code.to_string(), trace: "[]".to_owned(), progress: None }),
            transition: Some(TransitionWrite { expected_sequence: 1, change, event }),
            credential: None,
        };
        process.store.commit(commit, Patience::Endless).await.unwrap();
        failed.push(claimed.account.id);
    }
    failed
}

async fn chosen(process: &Process, accounts: &[Uuid], terms: Terms) -> (Selection, Chosen) {
    let selection = Selection { accounts: accounts.to_vec(), ..Selection::default() };
    let chosen = choose(&process.parts.accounts, &selection, terms).await.unwrap();
    (selection, chosen)
}

async fn runs(process: &Process, account: Uuid) -> usize {
    process.store.runs(account, 10).await.unwrap().len()
}

#[tokio::test]
async fn a_start_that_was_interrupted_goes_on_with_the_rest_and_makes_no_run_twice() {
    with_process(async |process| {
        let accounts = &process.parts.accounts;
        let ids = failed(&process, 3, ReasonCode::Forbidden).await;
        let (selection, chosen) = chosen(&process, &ids, TERMS).await;
        let replay = start(accounts, &selection, TERMS, &chosen, Some("k"), "me").await.unwrap();
        // It came as far as the first account, whose run has ended well since.
        let first = process.store.replay_items(replay.id, 0, 1).await.unwrap().remove(0);
        let order = ReplayOrder {
            account: first.account,
            run: first.run,
            expected_sequence: first.expected_sequence,
            unknown: None,
            replay: "k",
        };
        assert_eq!(accounts.replay(&order).await.unwrap(), Replayed::Started);
        let again = start(accounts, &selection, TERMS, &chosen, Some("k"), "me").await.unwrap();
        assert_eq!(again.id, replay.id);
        let outcome = Outcome::of(accounts, &again).await.unwrap();
        assert_eq!((outcome.started, outcome.refusals.len()), (3, 0));
        for id in &ids {
            assert_eq!(runs(&process, *id).await, 2);
            let latest = process.store.runs(*id, 1).await.unwrap().remove(0);
            assert!(latest.replay_of.is_some() && latest.cause.as_str() == "replay");
        }
        let repeated = process.store.replay_of_key("k").await.unwrap().unwrap();
        assert!(repeated.finished_at_ms.is_some());
        assert_eq!(Outcome::of(accounts, &repeated).await.unwrap(), outcome);
    })
    .await;
}

#[tokio::test]
async fn of_fifty_starts_at_once_each_account_gets_one_run() {
    with_process(async |process| {
        let accounts = &process.parts.accounts;
        let ids = failed(&process, 2, ReasonCode::Forbidden).await;
        let (selection, chosen) = chosen(&process, &ids, TERMS).await;
        // Half with one key, half with keys of their own.
        let starts = (0..50).map(|index| {
            let key = if index % 2 == 0 { "same".to_owned() } else { format!("own-{index}") };
            let (selection, chosen) = (&selection, &chosen);
            async move {
                let replay = start(accounts, selection, TERMS, chosen, Some(&key), "me").await.unwrap();
                (key, Outcome::of(accounts, &replay).await.unwrap())
            }
        });
        let outcomes = join_all(starts).await;
        for id in &ids {
            assert_eq!(runs(&process, *id).await, 2);
        }
        let own = outcomes.iter().filter(|(key, _)| key != "same").map(|(_, outcome)| outcome.started).sum::<u64>();
        let same: Vec<u64> =
            outcomes.iter().filter(|(key, _)| key == "same").map(|(_, outcome)| outcome.started).collect();
        let last = Outcome::of(accounts, &process.store.replay_of_key("same").await.unwrap().unwrap()).await.unwrap();
        assert_eq!(own + last.started, 2, "{same:?}");
    })
    .await;
}

#[tokio::test]
async fn an_unknown_outcome_is_left_alone_unless_it_is_to_be_repeated() {
    with_process(async |process| {
        let ids = failed(&process, 1, ReasonCode::OutcomeUnknown).await;
        let (_, without) = chosen(&process, &ids, TERMS).await;
        assert_eq!((without.count, without.left[0].2.as_str()), (0, "outcome_unknown"));
        let (_, with) = chosen(&process, &ids, Terms { unknown: Some(Unknown::Resend), ..TERMS }).await;
        assert_eq!((with.count, with.left.len()), (1, 0));
    })
    .await;
}

#[tokio::test]
async fn an_account_that_is_not_there_and_is_named_twice_is_left_alone_once() {
    with_process(async |process| {
        let accounts = &process.parts.accounts;
        let nobody = Uuid::from_u128(99);
        let (selection, chosen) = chosen(&process, &[nobody, nobody], TERMS).await;
        let replay = start(accounts, &selection, TERMS, &chosen, None, "me").await.unwrap();
        let outcome = Outcome::of(accounts, &replay).await.unwrap();
        assert_eq!((outcome.accounts, outcome.refused["unknown_account"]), (1, 1));
    })
    .await;
}
