//! The planner, and what callers see of an outage.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Map;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::super::{Accept, Accepted, Account, Channel, Commit, Committed, Credential, DefinitionHash, Event, NewRun};
use super::*;
use crate::lifecycle::{AuthenticationMethod, Cause, Phase, Region, Status, Task};
use crate::seal::Sealed;

fn accept(account: u128, message: Option<&str>) -> Write {
    let id = Uuid::from_u128(account);
    let integration = super::super::IntegrationRef { id, name: String::new(), label: String::new() };
    let account = Account {
        id,
        tenant_id: "tenant".to_owned(),
        environment_id: Uuid::nil(),
        environment_integration_id: Uuid::nil(),
        integration,
        region: Region::Wnam,
        authentication_method: AuthenticationMethod::ApiKey,
        is_sandbox: false,
        status: Some(Status::Connecting),
        reason: None,
        last_error: None,
        last_forbidden_error: None,
        context: Map::new(),
        latest_run: None,
        sequence: 1,
        proven_at_ms: None,
        created_at_ms: 0,
        updated_at_ms: 0,
    };
    let run = NewRun {
        id,
        cause: Cause::Import,
        task: Task::Phases(Phase::PostInstall),
        fair_key: 0,
        definition: DefinitionHash([0; 32]),
        replay_of: None,
        message_id: message.map(str::to_owned),
        fingerprint: None,
        channel: Channel::Http,
        correlation_id: None,
        traceparent: None,
        claimed_by: None,
        progress: None,
    };
    let credential =
        Credential { sealed: Sealed::from_bytes(Vec::new()), version: 1, expires_at_ms: None, refresh_intent: None };
    let event = Event { sequence: 1, event_type: String::new(), envelope: String::new(), time_ms: 0 };
    Write::Accept(Box::new(Accept { account, credential, run, event }))
}

fn commit(account: u128) -> Write {
    let account = Uuid::from_u128(account);
    let commit = Commit { run: account, fence: 1, account, run_change: None, transition: None, credential: None };
    Write::Commit(Box::new(commit))
}

fn pending(write: Write) -> (Pending, oneshot::Receiver<Result<Written, StoreError>>) {
    let (answer, outcome) = oneshot::channel();
    (Pending { write, give_up_at: None, answer }, outcome)
}

/// What a group holds and what is left, by account.
fn planned(writes: Vec<Write>) -> (Vec<u128>, Vec<u128>) {
    let (mut waiting, _outcomes): (VecDeque<_>, Vec<_>) = writes.into_iter().map(pending).unzip();
    let accounts = |pending: &Pending| pending.write.account().as_u128();
    let group = plan(&mut waiting).iter().map(accounts).collect();
    (group, waiting.iter().map(accounts).collect())
}

#[test]
fn a_group_is_sorted_by_account() {
    assert_eq!(planned(vec![commit(3), accept(1, None), commit(2)]), (vec![1, 2, 3], vec![]));
}

#[test]
fn a_second_write_of_an_account_waits_for_the_next_group() {
    assert_eq!(planned(vec![commit(1), commit(2), commit(1), commit(3), commit(1)]), (vec![1, 2, 3], vec![1, 1]));
}

#[test]
fn a_second_write_of_a_message_waits_for_the_next_group() {
    let writes =
        vec![accept(1, Some("m")), accept(2, Some("m")), accept(3, Some("n")), accept(4, None), accept(5, None)];
    assert_eq!(planned(writes), (vec![1, 3, 4, 5], vec![2]));
}

#[test]
fn a_group_is_bounded_and_what_is_left_keeps_its_order() {
    let (group, left) = planned((0..100).map(commit).collect());
    assert_eq!(group, (0..64).collect::<Vec<_>>());
    assert_eq!(left, (64..100).collect::<Vec<_>>());
}

#[test]
fn a_write_whose_caller_is_gone_is_not_begun() {
    let (gone, outcome) = pending(commit(1));
    drop(outcome);
    let (waits, _outcome) = pending(commit(2));
    let group = plan(&mut VecDeque::from([gone, waits]));
    assert_eq!(group.iter().map(|pending| pending.write.account().as_u128()).collect::<Vec<_>>(), [2]);
}

/// What the fake database does, one after the other; after that it writes everything.
enum Does {
    Lose,
    /// Refuses groups that hold this account.
    Refuse(u128),
}

/// Writes nothing, but notes the groups.
#[derive(Clone, Default)]
struct Fake {
    script: Arc<Mutex<VecDeque<Does>>>,
    groups: Arc<Mutex<Vec<Vec<u128>>>>,
}

#[async_trait]
impl Flush for Fake {
    async fn flush(&mut self, group: &[Write]) -> Result<Vec<Written>, FlushError> {
        let accounts: Vec<u128> = group.iter().map(|write| write.account().as_u128()).collect();
        self.groups.lock().unwrap().push(accounts.clone());
        // A transaction takes its time: what comes meanwhile collects.
        let _ = tokio::time::timeout(Duration::from_millis(1), std::future::pending::<()>()).await;
        let mut script = self.script.lock().unwrap();
        match script.front() {
            Some(Does::Lose) => {
                script.pop_front();
                return Err(FlushError::Lost("gone".to_owned()));
            }
            Some(Does::Refuse(bad)) if accounts.contains(bad) => return Err(FlushError::Data("bad".to_owned())),
            _ => {}
        }
        let written = |write: &Write| match write {
            Write::Accept(_) => Written::Accepted(Accepted::Created),
            Write::Commit(_) => Written::Committed(Committed::Done),
        };
        Ok(group.iter().map(written).collect())
    }
}

/// A running group, its fake, and what ends it.
fn start(script: Vec<Does>) -> (Group, Fake, CancellationToken, crate::tasks::Tasks) {
    let (group, inbox) = Group::new();
    let fake = Fake { script: Arc::new(Mutex::new(script.into())), groups: Arc::default() };
    let closing = CancellationToken::new();
    let tasks = crate::tasks::Tasks::new();
    tasks.spawn("test", run(inbox, fake.clone(), closing.clone(), "test"));
    (group, fake, closing, tasks)
}

const DONE: Written = Written::Committed(Committed::Done);

#[tokio::test(start_paused = true)]
async fn what_comes_while_a_group_is_written_goes_together() {
    let (group, fake, ..) = start(vec![]);
    let all = (0..10).map(|account| group.write(commit(account), Patience::Endless));
    for outcome in futures_util::future::join_all(all).await {
        assert_eq!(outcome.unwrap(), DONE);
    }
    assert_eq!(*fake.groups.lock().unwrap(), [(0..10).collect::<Vec<_>>()]);
}

#[tokio::test(start_paused = true)]
async fn a_refused_write_fails_alone() {
    let (group, ..) = start(vec![Does::Refuse(3)]);
    let all = (0..10).map(|account| group.write(commit(account), Patience::Endless));
    for (account, outcome) in futures_util::future::join_all(all).await.into_iter().enumerate() {
        if account == 3 {
            assert!(matches!(outcome, Err(StoreError::Refused(why)) if why == "bad"));
        } else {
            assert_eq!(outcome.unwrap(), DONE);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_group_whose_outcome_is_unknown_is_written_again() {
    let (group, fake, ..) = start(vec![Does::Lose, Does::Lose]);
    assert_eq!(group.write(commit(1), Patience::Endless).await.unwrap(), DONE);
    assert_eq!(fake.groups.lock().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_patient_caller_outlasts_a_long_outage() {
    let script = (0..1000).map(|_| Does::Lose).collect();
    let (group, ..) = start(script);
    let before = Instant::now();
    assert_eq!(group.write(commit(1), Patience::Endless).await.unwrap(), DONE);
    assert!(before.elapsed() > Duration::from_mins(10), "pauses grow: {:?}", before.elapsed());
}

#[tokio::test(start_paused = true)]
async fn an_impatient_caller_hears_why_in_time_and_its_write_is_dropped() {
    let (group, fake, ..) = start((0..4).map(|_| Does::Lose).collect());
    let before = Instant::now();
    let outcome = group.write(commit(1), Patience::For(Duration::from_millis(50))).await;
    assert!(matches!(&outcome, Err(StoreError::Unavailable(why)) if why == "gone"), "{outcome:?}");
    assert!(before.elapsed() < Duration::from_millis(200), "{:?}", before.elapsed());
    fake.script.lock().unwrap().clear();
    let begun = fake.groups.lock().unwrap().len();
    assert_eq!(group.write(commit(2), Patience::Endless).await.unwrap(), DONE);
    assert!(fake.groups.lock().unwrap()[begun..].iter().all(|group| *group == [2]));
}

#[tokio::test(start_paused = true)]
async fn an_impatient_caller_does_not_wait_for_a_database_that_hangs() {
    /// Never answers.
    struct Hangs;
    #[async_trait]
    impl Flush for Hangs {
        async fn flush(&mut self, _: &[Write]) -> Result<Vec<Written>, FlushError> {
            std::future::pending().await
        }
    }
    let (group, inbox) = Group::new();
    let tasks = crate::tasks::Tasks::new();
    tasks.spawn("test", run(inbox, Hangs, CancellationToken::new(), "test"));
    let before = Instant::now();
    let outcome = group.write(commit(1), Patience::For(Duration::from_secs(1))).await;
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
    assert!(before.elapsed() < Duration::from_secs(2));
}

#[tokio::test(start_paused = true)]
async fn closing_writes_what_waits_and_then_refuses() {
    let (group, _fake, closing, tasks) = start(vec![]);
    let waits = group.write(commit(1), Patience::Endless);
    tokio::pin!(waits);
    assert!(futures_util::poll!(&mut waits).is_pending());
    closing.cancel();
    assert_eq!(waits.await.unwrap(), DONE);
    assert!(tasks.shut_down(Duration::from_secs(1)).await);
    assert!(matches!(group.write(commit(2), Patience::Endless).await, Err(StoreError::Closed)));
}

#[tokio::test(start_paused = true)]
async fn closing_in_an_outage_leaves_the_rest_unwritten() {
    let (group, _fake, closing, tasks) = start((0..1000).map(|_| Does::Lose).collect());
    let waits = group.write(commit(1), Patience::Endless);
    tokio::pin!(waits);
    assert!(tokio::time::timeout(Duration::from_secs(5), &mut waits).await.is_err());
    closing.cancel();
    assert!(matches!(waits.await, Err(StoreError::Closed)));
    assert!(tasks.shut_down(Duration::from_secs(1)).await);
}
