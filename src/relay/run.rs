//! The relay's loop: one task that holds every event on its way, and at most one pass over the outbox.

use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::watch;
use tokio::time::{Duration, Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::ledger::{Ledger, Next, Offer, REST};
use super::pace::Pace;
use super::{EventSink, Relay, Sent, SinkError};
use crate::accounts::{Fresh, Told};
use crate::reconnect::Reconnect;
use crate::store::{RelayPass, Relayed, Store, StoreError, Unpublished};

/// A sink that takes longer is stuck: a pipe that nobody reads, say. Longer than a sink's own patience.
const SINK_PATIENCE: Duration = Duration::from_secs(12);

/// How often it is said that nobody asked for some events.
const TELL_UNROUTABLE: Duration = Duration::from_mins(1);

/// A relay at work.
pub(super) struct Running {
    relay: Relay,
    ledger: Ledger,
    pace: Pace,
    flights: FuturesUnordered<BoxFuture<'static, Landed>>,
    pass: Option<BoxFuture<'static, Pass>>,
    database_pauses: Reconnect,
    sink_pauses: Reconnect,
    /// When the sink last took anything.
    taken_at: Instant,
    told_unroutable: Option<Instant>,
}

/// What became of an event.
struct Landed {
    account: Uuid,
    sent_at: Instant,
    outcome: Result<Sent, SinkError>,
}

/// What became of a pass.
struct Pass {
    published: Vec<(Uuid, i64)>,
    asked: usize,
    outcome: Result<Relayed, StoreError>,
}

async fn fly(sink: Arc<dyn EventSink>, event: Unpublished) -> Landed {
    let sent_at = Instant::now();
    let outcome = tokio::time::timeout(SINK_PATIENCE, sink.publish(&event)).await.unwrap_or_else(|_| {
        Err(SinkError::TimedOut(format!("the sink did not take the event within {} s", SINK_PATIENCE.as_secs())))
    });
    Landed { account: event.account, sent_at, outcome }
}

async fn pass(
    store: Arc<dyn Store>,
    worker: Uuid,
    published: Vec<(Uuid, i64)>,
    asked: usize,
    except: Vec<Uuid>,
) -> Pass {
    let asks = RelayPass { worker, published: &published, heads: asked as u32, except: &except };
    let outcome = store.relay_pass(asks).await;
    Pass { published, asked, outcome }
}

impl Running {
    pub(super) fn new(relay: Relay) -> Self {
        let now = Instant::now();
        Self {
            relay,
            ledger: Ledger::default(),
            pace: Pace::new(now),
            flights: FuturesUnordered::new(),
            pass: None,
            database_pauses: Reconnect::default(),
            sink_pauses: Reconnect::default(),
            taken_at: now,
            told_unroutable: None,
        }
    }

    pub(super) async fn until(mut self, stop: CancellationToken) {
        let mut fresh = self.relay.outlet.connect();
        let mut changes = self.relay.store.changes();
        let mut stopping = false;
        loop {
            let due = self.begin_pass();
            if stopping && self.at_its_end() {
                return;
            }
            self.relay.metrics.relay_in_flight.set(self.ledger.in_flight() as i64);
            tokio::select! {
                Some(landed) = self.flights.next(), if !self.flights.is_empty() => self.landed(landed),
                pass = answered(&mut self.pass) => self.passed(pass),
                told = fresh.next() => self.told(told, &mut fresh),
                () = changed(&mut changes) => self.pace.woken(Instant::now()),
                () = tokio::time::sleep_until(due) => {}
                () = stop.cancelled(), if !stopping => {
                    stopping = true;
                    self.pace.stop(Instant::now());
                }
            }
            self.tell_health();
        }
    }

    /// Begins a pass if one is due; answers until when there is nothing to do by itself.
    fn begin_pass(&mut self) -> Instant {
        let now = Instant::now();
        let far = now + Duration::from_mins(1);
        if self.pass.is_some() {
            return far;
        }
        let room = self.ledger.room();
        let due = self.pace.due(now, self.ledger.confirmed(), room).unwrap_or(far);
        if due > now {
            return due;
        }
        let asked = self.pace.begin(now, room, self.ledger.rested_at(now));
        let except = if asked == 0 { Vec::new() } else { self.ledger.except(now) };
        let published = self.ledger.take_confirmed();
        let (store, worker) = (Arc::clone(&self.relay.store), self.relay.worker);
        self.pass = Some(Box::pin(pass(store, worker, published, asked, except)));
        far
    }

    fn passed(&mut self, pass: Pass) {
        let now = Instant::now();
        match pass.outcome {
            Ok(Relayed { standing, heads }) => {
                self.database_pauses.succeeded();
                self.ledger.stands(standing);
                self.pace.found(now, pass.asked, heads.len());
                if pass.asked > 0 && heads.is_empty() && self.flights.is_empty() {
                    self.pace.idle();
                }
                for event in heads {
                    match self.ledger.head(event) {
                        Some(event) => self.send(event),
                        // Known already; there may be another one behind it.
                        None => self.pace.look_along(),
                    }
                }
            }
            Err(error) => {
                self.ledger.put_back(pass.published);
                self.pace.database_failed(now, now + self.database_pauses.pause());
                self.failed(&error.to_string());
            }
        }
    }

    fn told(&mut self, told: Told, fresh: &mut Fresh) {
        let mut next = match told {
            Told::Event(event) => Some(event),
            Told::Missed => {
                self.pace.woken(Instant::now());
                None
            }
        };
        while let Some(event) = next {
            match self.ledger.fresh(event) {
                // It is in the outbox, where it is looked for when the sink is back.
                Offer::Send(event) if self.pace.sink_is_away() => {
                    self.ledger.lost(event.account);
                    self.pace.woken(Instant::now());
                }
                Offer::Send(event) => self.send(event),
                Offer::Kept => {}
                Offer::Look => self.pace.woken(Instant::now()),
            }
            next = fresh.ready();
        }
    }

    fn send(&mut self, event: Unpublished) {
        self.flights.push(Box::pin(fly(Arc::clone(&self.relay.sink), event)));
    }

    /// Deals with an event that came back, and with all others that did.
    fn landed(&mut self, landed: Landed) {
        let mut next = Some(landed);
        while let Some(landed) = next {
            match landed.outcome {
                Ok(sent) => self.taken(landed.account, landed.sent_at, sent),
                Err(error) => self.not_taken(landed.account, landed.sent_at, &error),
            }
            next = self.flights.next().now_or_never().flatten();
        }
    }

    fn taken(&mut self, account: Uuid, sent_at: Instant, sent: Sent) {
        let now = Instant::now();
        self.taken_at = now;
        self.sink_pauses.succeeded();
        let metrics = &self.relay.metrics;
        metrics.events_published.inc();
        metrics.event_confirm.observe((now - sent_at).as_secs_f64());
        self.pace.confirmed(now);
        match self.ledger.landed(account) {
            Next::Send(event) => self.send(event),
            Next::Look => self.pace.look_along(),
            Next::Nothing => {}
        }
        if sent == Sent::Unroutable {
            self.unroutable(account, now);
        }
    }

    fn not_taken(&mut self, account: Uuid, sent_at: Instant, error: &SinkError) {
        let now = Instant::now();
        let own = match &error {
            SinkError::Away(_) => false,
            SinkError::Refused(_) => true,
            // Something else was taken meanwhile, or it is not this event's fault.
            SinkError::TimedOut(_) => self.taken_at >= sent_at,
        };
        let mut why = error.to_string();
        if own && self.ledger.may_rest() {
            self.ledger.refused(account, now);
            self.pace.rests(now + REST);
            why = format!("the event of account {account}: {why}");
        } else {
            self.ledger.lost(account);
            self.pace.woken(now);
            if self.pace.sink_fails_anew(now) {
                self.pace.sink_failed(now + self.sink_pauses.pause());
            }
        }
        self.failed(&why);
    }

    /// Whether everything is published that can be, after the stop.
    fn at_its_end(&self) -> bool {
        if self.pass.is_some() || !self.flights.is_empty() {
            return false;
        }
        let (taken_out, looked) = (self.ledger.confirmed() == 0, self.pace.nothing_to_look_for());
        let failing = self.pace.database_is_away() || self.pace.sink_is_away() && taken_out;
        let done = taken_out && looked;
        if failing || done && self.ledger.any_resting() {
            tracing::warn!("events are left in the outbox; the next worker publishes them");
        }
        failing || done
    }

    fn tell_health(&self) {
        if let Some(why) = self.relay.sink.trouble() {
            self.unwell(&why);
            return;
        }
        let well = !self.pace.database_is_away() && !self.pace.sink_is_away() && !self.ledger.any_resting();
        if well && self.relay.healthy.send_if_modified(|healthy| !std::mem::replace(healthy, true)) {
            tracing::info!("events are published again");
        }
    }

    /// Counts a failure, and tells of the first one.
    fn failed(&self, why: &str) {
        self.relay.metrics.event_publish_failures.inc();
        self.unwell(why);
    }

    fn unwell(&self, why: &str) {
        if self.relay.healthy.send_replace(false) {
            tracing::warn!(error = why, "events cannot be published; they are kept and tried again");
        }
    }

    fn unroutable(&mut self, account: Uuid, now: Instant) {
        self.relay.metrics.events_unroutable.inc();
        if self.told_unroutable.is_none_or(|told| now - told >= TELL_UNROUTABLE) {
            self.told_unroutable = Some(now);
            tracing::warn!(
                account.id = %account,
                "no queue is bound for an event: it counts as published and stays in the database; bind a queue to the \
                 events' exchange (said at most once a minute; the metric events_unroutable counts)"
            );
        }
    }
}

/// The answer of the pass under way; none comes while there is none.
async fn answered(pass: &mut Option<BoxFuture<'static, Pass>>) -> Pass {
    match pass {
        Some(under_way) => {
            let answer = under_way.await;
            *pass = None;
            answer
        }
        None => std::future::pending().await,
    }
}

/// Another process may have committed something.
async fn changed(changes: &mut watch::Receiver<u64>) {
    if changes.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
