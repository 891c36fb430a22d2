//! The half of a subscription that keeps the session and takes deliveries.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use lapin::options::{BasicCancelOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Channel, Consumer, ErrorKind, Event};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::caution::{AfterBreak, Caution};
use super::error::explain;
use super::outage::{Outage, SOUND};
use super::receipt::Bond;
use super::session::Session;
use super::{Arrival, BrokerError, Subscription, Unreadable};

/// How long nothing may come, while deliveries are taken singly, before somebody looks whether there is nothing.
const IDLE: Duration = Duration::from_secs(5);

/// How long what is in hand may take after the stop.
const DRAIN: Duration = Duration::from_secs(15);

pub(super) struct Attendant {
    subscription: Subscription,
    arrivals: mpsc::Sender<(Arrival, OwnedSemaphorePermit)>,
    room: Arc<Semaphore>,
    stop: CancellationToken,
    outage: Outage,
    caution: Caution,
    /// Consumers so far, for their tags.
    consumers: u32,
}

/// Why no delivery is taken any more.
enum Halt {
    /// Asked to stop.
    Stop,
    /// The gate is shut.
    Shut,
    /// Unreadable messages are behind us: consume with the configured prefetch.
    Widen,
    /// The session is lost.
    Lost(Loss),
}

/// How a session was lost.
enum Loss {
    /// By a message that cannot be read.
    Unreadable,
    /// By anything else.
    Away(String),
}

impl From<BrokerError> for Loss {
    fn from(error: BrokerError) -> Self {
        Self::Away(error.to_string())
    }
}

impl Attendant {
    pub(super) fn new(
        subscription: Subscription,
        arrivals: mpsc::Sender<(Arrival, OwnedSemaphorePermit)>,
        room: Arc<Semaphore>,
        stop: CancellationToken,
    ) -> Self {
        let Subscription { broker, queue, prefetch, state, unreadable, .. } = &subscription;
        let outage = Outage::new(format!("consuming `{queue}`"), state.clone());
        let caution = Caution::new(*prefetch, broker.delivery_limit, *unreadable);
        Self { subscription, arrivals, room, stop, outage, caution, consumers: 0 }
    }

    /// Takes deliveries until `stop`, through any number of sessions.
    pub(super) async fn run(mut self) {
        while self.gate().await {
            let Err(loss) = self.attend().await else { break };
            let pause = self.lost(loss);
            let _ = self.stop.clone().run_until_cancelled(sleep(pause)).await;
        }
        let everything = u32::from(self.subscription.prefetch);
        // What a lost session left in hand is finished too; its receipts are worth nothing, its work is.
        let _ = timeout(DRAIN, self.room.acquire_many(everything)).await;
        self.outage.closed();
    }

    /// Waits until the gate is open. False: asked to stop.
    async fn gate(&mut self) -> bool {
        let stop = self.stop.clone();
        if !*self.subscription.open.borrow_and_update() {
            self.outage.closed();
        }
        stop.run_until_cancelled(stands(&mut self.subscription.open, true)).await.is_some() && !stop.is_cancelled()
    }

    fn lost(&mut self, loss: Loss) -> Duration {
        let Loss::Away(why) = loss else { return self.broke() };
        self.outage.failed(why)
    }

    fn broke(&mut self) -> Duration {
        let queue = &self.subscription.queue;
        match self.caution.broke() {
            AfterBreak::Quickly(pause, first) => {
                if first {
                    tracing::warn!(
                        queue,
                        "a message cannot be read (a property that is not UTF-8?); deliveries are taken one at a \
                         time until the broker gives it up, which its delivery limit makes it do"
                    );
                }
                pause
            }
            AfterBreak::Stuck(pause) => {
                let what = match self.subscription.unreadable {
                    Unreadable::UntilGivenUp => {
                        "either many such messages stand there, which the broker gives up one after another, or the \
                         queue has no delivery limit: then give it one, or remove the message by hand"
                    }
                    Unreadable::Rest(_) => "remove it by hand",
                };
                self.outage.hindered(format!(
                    "the first message of `{queue}` cannot be read (a property that is not UTF-8?), and those behind \
                     it wait: {what}"
                ));
                pause
            }
        }
    }

    /// One session. `Ok`: asked to stop, and everything in hand is settled as far as time allowed.
    async fn attend(&mut self) -> Result<(), Loss> {
        let stop = self.stop.clone();
        let (broker, name) = (self.subscription.broker.clone(), format!("consumes {}", self.subscription.queue));
        let Some(session) = stop.run_until_cancelled(broker.connect(&name)).await else { return Ok(()) };
        let session = session?;
        let attended = self.attend_on(&session).await;
        session.close().await;
        attended
    }

    async fn attend_on(&mut self, session: &Session) -> Result<(), Loss> {
        let broker = self.subscription.broker.clone();
        let mut events = session.events();
        let opened = async { session.channel().await.map_err(|error| broker.away(&error)) };
        let channel = broker.within(opened).await?;
        loop {
            let mut consumer = self.consume(&channel).await?;
            match self.take((&channel, &mut consumer), &mut events, session.bond()).await {
                Halt::Lost(loss) => return Err(loss),
                Halt::Stop => {
                    self.cancel(&channel, consumer, session.bond()).await?;
                    self.finish(&channel).await;
                    return Ok(());
                }
                Halt::Widen => self.cancel(&channel, consumer, session.bond()).await?,
                Halt::Shut => {
                    self.cancel(&channel, consumer, session.bond()).await?;
                    self.outage.closed();
                    tokio::select! {
                        open = self.gate() => if !open {
                            self.finish(&channel).await;
                            return Ok(());
                        },
                        loss = lost(&mut events, broker.place()) => return Err(loss),
                    }
                }
            }
        }
    }

    async fn consume(&mut self, channel: &Channel) -> Result<Consumer, Loss> {
        self.consumers += 1;
        let (broker, queue) = (&self.subscription.broker, self.subscription.queue.as_str());
        let tag = tag_of(queue, self.consumers);
        let begun = async {
            channel.basic_qos(self.caution.prefetch(), BasicQosOptions::default()).await?;
            let options = BasicConsumeOptions::default();
            channel.basic_consume(queue.into(), tag.as_str().into(), options, FieldTable::default()).await
        };
        let consumer = broker.within(async { begun.await.map_err(|error| broker.away(&error)) }).await?;
        if !self.caution.stuck() {
            self.outage.attached();
        }
        Ok(consumer)
    }

    /// Hands deliveries over while there is room for them.
    async fn take(
        &mut self,
        (channel, consumer): (&Channel, &mut Consumer),
        events: &mut (impl Stream<Item = Event> + Unpin),
        bond: &Bond,
    ) -> Halt {
        let stop = self.stop.clone();
        let place = self.subscription.broker.place().to_owned();
        loop {
            let next = async {
                let permit = Arc::clone(&self.room).acquire_owned().await.ok()?;
                Some((consumer.next().await?, permit))
            };
            let taken = tokio::select! {
                biased;
                () = stop.cancelled() => return Halt::Stop,
                () = stands(&mut self.subscription.open, false) => return Halt::Shut,
                taken = next => taken,
                loss = lost(events, &place) => return Halt::Lost(loss),
                () = bond.stalled() => {
                    let why = format!("the broker at {place} did not take what settles a delivery in time");
                    return Halt::Lost(Loss::Away(why));
                }
                () = sleep(SOUND), if self.caution.stuck() => {
                    self.caution.freed();
                    self.outage.attached();
                    continue;
                }
                () = sleep(IDLE), if self.caution.is_single() => {
                    match stop.run_until_cancelled(self.look(channel)).await {
                        Some(Err(loss)) => return Halt::Lost(loss),
                        Some(Ok(())) | None => continue,
                    }
                }
            };
            match taken {
                Some((Ok(delivery), permit)) => {
                    if self.caution.stuck() {
                        self.outage.attached();
                    }
                    let past_it = self.caution.read_one();
                    self.hand_over(Arrival::of(delivery, bond), permit).await;
                    if past_it {
                        return Halt::Widen;
                    }
                }
                Some((Err(error), _)) => return Halt::Lost(loss(&error, &place)),
                None => {
                    let queue = &self.subscription.queue;
                    return Halt::Lost(Loss::Away(format!(
                        "the broker at {place} cancelled the consumer of `{queue}`: was the queue deleted or moved?"
                    )));
                }
            }
        }
    }

    /// Looks whether the queue has nothing, when nothing comes and nothing is in hand. The broker answers when it has seen
    /// the settlements before, so the answer also says that the session lives.
    async fn look(&mut self, channel: &Channel) -> Result<(), Loss> {
        if self.room.available_permits() < usize::from(self.subscription.prefetch) {
            return Ok(());
        }
        let (broker, queue) = (&self.subscription.broker, self.subscription.queue.as_str());
        let options = QueueDeclareOptions { passive: true, ..QueueDeclareOptions::default() };
        let asked = channel.queue_declare(queue.into(), options, FieldTable::default());
        let found = broker.within(async { asked.await.map_err(|error| broker.away(&error)) }).await?;
        let ready = found.message_count();
        if self.caution.overlooks(ready) {
            let place = broker.place();
            return Err(Loss::Away(format!(
                "the broker at {place} delivers nothing of `{queue}`, which has {ready} ready"
            )));
        }
        Ok(())
    }

    async fn hand_over(&self, arrival: Arrival, permit: OwnedSemaphorePermit) {
        // One whose session is gone comes again.
        if arrival.receipt.usable() {
            // The other half lives as long as this one.
            let _ = self.arrivals.send((arrival, permit)).await;
        }
    }

    /// Tells the broker to deliver nothing more, and hands over what is on its way.
    async fn cancel(&mut self, channel: &Channel, mut consumer: Consumer, bond: &Bond) -> Result<(), Loss> {
        let broker = self.subscription.broker.clone();
        let cancelled = channel.basic_cancel(consumer.tag(), BasicCancelOptions::default());
        broker.within(async { cancelled.await.map_err(|error| broker.away(&error)) }).await?;
        // They came before the answer, so the end is there too.
        while let Some(delivery) = broker.within(async { Ok(consumer.next().await) }).await? {
            let delivery = delivery.map_err(|error| loss(&error, broker.place()))?;
            if let Ok(permit) = Arc::clone(&self.room).acquire_owned().await {
                self.hand_over(Arrival::of(delivery, bond), permit).await;
            }
        }
        Ok(())
    }

    /// Waits for what is in hand to be settled, and for the broker to have seen it.
    async fn finish(&self, channel: &Channel) {
        let everything = u32::from(self.subscription.prefetch);
        if timeout(DRAIN, self.room.acquire_many(everything)).await.is_err() {
            let left = everything as usize - self.room.available_permits();
            tracing::warn!(queue = self.subscription.queue, left, "deliveries in hand are left to be delivered again");
        }
        // The broker answers when it has seen the acknowledgements before it.
        let _ = timeout(self.subscription.broker.timeouts.close, channel.close(200, "closed".into())).await;
    }
}

/// The tag of a queue's n-th consumer. AMQP allows 255 bytes, so of a long name the end is missing.
fn tag_of(queue: &str, number: u32) -> String {
    format!("tidewaiter-{}-{number}", &queue[..queue.floor_char_boundary(200)])
}

/// Waits until the gate is open, or shut. When nobody can move it any more, for ever.
async fn stands(gate: &mut watch::Receiver<bool>, wanted: bool) {
    let moved = gate.wait_for(|open| *open == wanted).await.is_ok();
    if !moved {
        std::future::pending::<()>().await;
    }
}

/// Waits until the connection is lost.
async fn lost(events: &mut (impl Stream<Item = Event> + Unpin), place: &str) -> Loss {
    while let Some(event) = events.next().await {
        if let Event::Error(error) = event {
            return loss(&error, place);
        }
    }
    Loss::Away(format!("the connection to the broker at {place} was closed"))
}

fn loss(error: &lapin::Error, place: &str) -> Loss {
    match error.kind() {
        ErrorKind::ParsingError(_) => Loss::Unreadable,
        _ => Loss::Away(explain(error, place)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tag_of_the_longest_queue_fits_into_a_short_text() {
        assert_eq!(tag_of("imports.eu", 2), "tidewaiter-imports.eu-2");
        let tag = tag_of(&"\u{e9}".repeat(127), u32::MAX);
        assert!(lapin::types::ShortString::try_new(tag.as_str()).is_ok(), "{} bytes", tag.len());
    }
}
