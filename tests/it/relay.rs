//! The relay's loop, with a sink that does as it is told and a store in a file.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tidewaiter::accounts::Outlet;
use tidewaiter::relay::{EventSink, Relay, Sent, SinkError};
use tidewaiter::store::{Store, Unpublished};
use tidewaiter::tasks::Tasks;
use tidewaiter::telemetry::Metrics;
use tokio::sync::{Notify, watch};
use uuid::Uuid;

use super::store_conformance::databases::{Database, on_postgres, on_sqlite};
use super::store_conformance::rows::{accept, activation, create, held, worker, write};

/// What an event meets.
#[derive(Debug, Clone, PartialEq)]
enum Fate {
    /// It is taken.
    Taken,
    /// Nobody answers.
    Stuck,
    /// It is taken, and the answer is lost.
    AnswerLost,
    /// It is not taken.
    Refused,
    /// Nothing can be published.
    Away,
}

/// A sink that keeps what came, and treats an account's events as it was told: one fate a try, then the last for ever.
#[derive(Debug, Default)]
struct Script {
    received: Mutex<Vec<(Uuid, i64)>>,
    fates: Mutex<HashMap<Uuid, Vec<Fate>>>,
    everybody: Mutex<Option<Fate>>,
    arrived: Notify,
}

impl Script {
    fn set(&self, account: Uuid, fates: &[Fate]) {
        self.fates.lock().unwrap().insert(account, fates.to_vec());
    }

    fn fate(&self, account: Uuid) -> Fate {
        if let Some(fate) = self.everybody.lock().unwrap().clone() {
            return fate;
        }
        match self.fates.lock().unwrap().get_mut(&account) {
            Some(fates) if fates.len() > 1 => fates.remove(0),
            Some(fates) => fates[0].clone(),
            None => Fate::Taken,
        }
    }

    fn receives(&self, event: &Unpublished) {
        self.received.lock().unwrap().push((event.account, event.sequence));
        self.arrived.notify_waiters();
    }

    fn of(&self, account: Uuid) -> Vec<i64> {
        let received = self.received.lock().unwrap();
        received.iter().filter(|(of, _)| *of == account).map(|(_, sequence)| *sequence).collect()
    }

    /// Waits until the account's events have come as often and in the order given.
    async fn has(&self, account: Uuid, sequences: &[i64]) {
        let come = async {
            loop {
                let arrived = self.arrived.notified();
                if self.of(account) == sequences {
                    return;
                }
                arrived.await;
            }
        };
        let came = tokio::time::timeout(Duration::from_secs(20), come).await;
        assert!(came.is_ok(), "{:?} instead of {sequences:?}", self.of(account));
    }
}

#[async_trait]
impl EventSink for Script {
    async fn publish(&self, event: &Unpublished) -> Result<Sent, SinkError> {
        match self.fate(event.account) {
            Fate::Taken => {
                self.receives(event);
                Ok(Sent::Confirmed)
            }
            Fate::Stuck => std::future::pending().await,
            Fate::AnswerLost => {
                self.receives(event);
                Err(SinkError::Away("the answer was lost".to_owned()))
            }
            Fate::Refused => {
                self.receives(event);
                Err(SinkError::Refused("the queue is full".to_owned()))
            }
            Fate::Away => Err(SinkError::Away("nobody is there".to_owned())),
        }
    }
}

/// A relay at work.
struct Bench {
    store: Arc<dyn Store>,
    worker: Uuid,
    sink: Arc<Script>,
    outlet: Outlet,
    healthy: watch::Receiver<bool>,
    tasks: Tasks,
}

impl Bench {
    async fn start(database: &Database) -> Self {
        Self::start_with(database, Arc::new(Script::default())).await
    }

    async fn start_with(database: &Database, sink: Arc<Script>) -> Self {
        let store = database.open().await;
        let worker = worker(&*store).await;
        let (outlet, tasks) = (Outlet::default(), Tasks::new());
        let (healthy, health) = watch::channel(true);
        let relay = Relay {
            store: Arc::clone(&store),
            sink: Arc::clone(&sink) as Arc<dyn EventSink>,
            worker,
            outlet: outlet.clone(),
            metrics: Metrics::default(),
            healthy,
        };
        tasks.spawn("relay", relay.run(tasks.stop()));
        Self { store, worker, sink, outlet, healthy: health, tasks }
    }

    /// An account with two events that nobody tells of.
    async fn account(&self) -> Uuid {
        account(&*self.store, self.worker).await
    }

    async fn is_healthy(&mut self, healthy: bool) {
        let reached = self.healthy.wait_for(|now| *now == healthy);
        tokio::time::timeout(Duration::from_secs(20), reached).await.expect("health is told").unwrap();
    }

    async fn outbox_is_empty(&self) {
        let empty = async {
            while self.store.backlog().await.unwrap().outbox > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), empty).await.expect("everything is taken out");
    }

    async fn stop(&self) {
        assert!(self.tasks.shut_down(Duration::from_secs(10)).await, "the relay stops");
    }
}

async fn account(store: &dyn Store, worker: Uuid) -> Uuid {
    let held = held(store, worker).await;
    write(store, &activation(&held)).await;
    held.account.id
}

#[tokio::test]
async fn what_is_in_the_outbox_is_published_in_order_and_taken_out() {
    async fn check(database: Database) {
        let bench = Bench::start(&database).await;
        let mut accounts = Vec::new();
        for _ in 0..20 {
            accounts.push(bench.account().await);
        }
        for account in accounts {
            bench.sink.has(account, &[1, 2]).await;
        }
        bench.outbox_is_empty().await;
        bench.stop().await;
    }
    on_sqlite(check).await;
    on_postgres(check).await;
}

#[tokio::test]
async fn what_this_process_tells_of_is_published_without_a_look_at_the_outbox() {
    on_sqlite(async |database| {
        let bench = Bench::start(&database).await;
        let seen = bench.account().await;
        bench.sink.has(seen, &[1, 2]).await;
        // No database knows of these.
        let told = Uuid::from_u128(7);
        let event =
            |sequence| Unpublished { account: told, sequence, event_type: String::new(), envelope: String::new() };
        bench.outlet.tell(event(1));
        bench.outlet.tell(event(2));
        bench.sink.has(told, &[1, 2]).await;
        bench.outlet.tell(event(3));
        bench.sink.has(told, &[1, 2, 3]).await;
        bench.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_account_whose_confirm_does_not_come_holds_up_nobody_else() {
    on_sqlite(async |database| {
        let bench = Bench::start(&database).await;
        // Its first event is stuck from the start.
        let slow = accept();
        bench.sink.set(slow.account.id, &[Fate::Stuck]);
        create(&*bench.store, &slow).await;
        bench.store.claim(bench.worker, &[slow.account.region], 1).await.unwrap();
        for _ in 0..50 {
            let other = bench.account().await;
            bench.sink.has(other, &[1, 2]).await;
        }
        assert_eq!(bench.sink.of(slow.account.id), [0; 0]);
        assert!(*bench.healthy.borrow(), "slow is not broken");
    })
    .await;
}

#[tokio::test]
async fn a_refused_event_is_sent_again_before_any_later_one_and_others_go_on_meanwhile() {
    on_sqlite(async |database| {
        let mut bench = Bench::start(&database).await;
        let refused = accept();
        bench.sink.set(refused.account.id, &[Fate::Refused, Fate::Refused, Fate::Taken]);
        create(&*bench.store, &refused).await;
        let claimed = bench.store.claim(bench.worker, &[refused.account.region], 1).await.unwrap().runs.remove(0);
        write(&*bench.store, &activation(&claimed)).await;
        bench.is_healthy(false).await;
        let other = bench.account().await;
        bench.sink.has(other, &[1, 2]).await;
        assert!(!*bench.healthy.borrow(), "what was refused is not forgotten for another's success");
        bench.sink.has(refused.account.id, &[1, 1, 1, 2]).await;
        bench.is_healthy(true).await;
        bench.outbox_is_empty().await;
        bench.stop().await;
    })
    .await;
}

#[tokio::test]
async fn an_event_whose_confirm_was_lost_is_sent_again_before_any_later_one() {
    on_sqlite(async |database| {
        let sink = Arc::new(Script::default());
        let store = database.open().await;
        let account = account(&*store, worker(&*store).await).await;
        sink.set(account, &[Fate::AnswerLost, Fate::AnswerLost, Fate::Taken, Fate::AnswerLost, Fate::Taken]);
        let mut bench = Bench::start_with(&database, sink).await;
        bench.sink.has(account, &[1, 1, 1, 2, 2]).await;
        bench.is_healthy(true).await;
        bench.stop().await;
    })
    .await;
}

#[tokio::test]
async fn while_the_sink_is_away_events_stay_and_all_of_them_go_out_when_it_is_back() {
    on_sqlite(async |database| {
        let mut bench = Bench::start(&database).await;
        *bench.sink.everybody.lock().unwrap() = Some(Fate::Away);
        let mut accounts = Vec::new();
        for _ in 0..5 {
            accounts.push(bench.account().await);
        }
        bench.is_healthy(false).await;
        assert_eq!(bench.store.backlog().await.unwrap().outbox, 10);
        *bench.sink.everybody.lock().unwrap() = None;
        for account in accounts {
            bench.sink.has(account, &[1, 2]).await;
        }
        bench.is_healthy(true).await;
        bench.stop().await;
    })
    .await;
}

#[tokio::test]
async fn a_stop_publishes_what_is_committed_and_takes_it_out() {
    on_sqlite(async |database| {
        let bench = Bench::start(&database).await;
        let mut accounts = Vec::new();
        for _ in 0..30 {
            accounts.push(bench.account().await);
        }
        bench.stop().await;
        for account in accounts {
            assert_eq!(bench.sink.of(account), [1, 2]);
        }
        assert_eq!(bench.store.backlog().await.unwrap().outbox, 0);
    })
    .await;
}

#[tokio::test]
async fn a_stop_while_the_sink_is_away_leaves_the_events_to_the_next_worker() {
    on_sqlite(async |database| {
        let sink = Arc::new(Script::default());
        *sink.everybody.lock().unwrap() = Some(Fate::Away);
        let mut bench = Bench::start_with(&database, sink).await;
        bench.account().await;
        bench.is_healthy(false).await;
        bench.stop().await;
        assert_eq!(bench.store.backlog().await.unwrap().outbox, 2);
    })
    .await;
}
