//! Publishing with confirms, many at once on one channel.

use std::fmt;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{Stream, StreamExt as _};
use lapin::options::{BasicPublishOptions, ConfirmSelectOptions};
use lapin::{Channel, Confirmation, Event};
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::error::explain;
use super::outage::Outage;
use super::session::Session;
use super::topology::exchange_is_there;
use super::{Broker, BrokerError, Outgoing, PublishError, Published, SessionState};

/// A supervised connection for publishing. Cheap to clone; many publishes can be under way at once.
#[derive(Clone)]
pub struct Publisher {
    broker: Broker,
    name: String,
    exchange: Option<String>,
    live: Arc<Mutex<Option<Arc<Live>>>>,
    state: watch::Sender<SessionState>,
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("name", &self.name)
            .field("state", &*self.state.borrow())
            .finish_non_exhaustive()
    }
}

/// A session that can publish.
struct Live {
    channel: Channel,
    /// Why the broker takes nothing at the moment.
    blocked: watch::Sender<Option<String>>,
    /// Why the session is to be rebuilt.
    lost: watch::Sender<Option<String>>,
    /// Held while a publish is put into line: `lapin` numbers a message and queues its frames in two steps, and two
    /// threads between them would get each other's confirms.
    line: Mutex<()>,
}

impl Publisher {
    /// A publisher whose connection is called `name` at the broker. It connects in [`Publisher::run`].
    #[must_use]
    pub fn new(broker: Broker, name: &str) -> Self {
        let state = watch::Sender::new(SessionState::Connecting);
        Self { broker, name: name.to_owned(), exchange: None, live: Arc::default(), state }
    }

    /// An exchange without which this publisher is of no use: while it is missing the session is failing and says so.
    #[must_use]
    pub fn expecting(self, exchange: &str) -> Self {
        Self { exchange: Some(exchange.to_owned()), ..self }
    }

    /// How the session stands.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<SessionState> {
        self.state.subscribe()
    }

    /// Keeps the connection until `stop`, which should come after the last publish.
    pub async fn run(self, stop: CancellationToken) {
        let mut outage = Outage::new(self.name.clone(), self.state.clone());
        while !stop.is_cancelled() {
            let Some(ended) = stop.run_until_cancelled(self.connect()).await else { break };
            let why = match ended {
                Ok((session, live)) => {
                    outage.attached();
                    let why = stop.run_until_cancelled(watch_over(&session, &live, &self.broker, &mut outage)).await;
                    self.set(None);
                    live.give_up("the connection to the broker was given up".to_owned());
                    session.close().await;
                    why
                }
                Err(error) => Some(error.to_string()),
            };
            let Some(why) = why else { break };
            let pause = outage.failed(why);
            let _ = stop.run_until_cancelled(tokio::time::sleep(pause)).await;
        }
        outage.closed();
    }

    async fn connect(&self) -> Result<(Session, Arc<Live>), BrokerError> {
        let broker = &self.broker;
        let session = broker.connect(&self.name).await?;
        let set_up = async {
            let channel = session.channel().await?;
            if let Some(exchange) = &self.exchange {
                exchange_is_there(&channel, exchange).await?;
            }
            channel.confirm_select(ConfirmSelectOptions::default()).await?;
            Ok(channel)
        };
        let channel = match broker.within(async { set_up.await.map_err(|error| broker.away(&error)) }).await {
            Ok(channel) => channel,
            Err(error) => {
                session.close().await;
                return Err(error);
            }
        };
        let live = Arc::new(Live {
            channel,
            blocked: watch::Sender::new(None),
            lost: watch::Sender::new(None),
            line: Mutex::default(),
        });
        self.set(Some(Arc::clone(&live)));
        Ok((session, live))
    }

    fn set(&self, live: Option<Arc<Live>>) {
        *self.live.lock().unwrap_or_else(PoisonError::into_inner) = live;
    }

    /// Publishes a message and waits for the broker's confirm, at most 10 s. While the broker blocks publishers, the
    /// message waits here and not on its way.
    ///
    /// Which of several messages under way was returned is known by the order of the broker's answers alone.
    ///
    /// # Errors
    /// At once with [`PublishError::Away`] when there is no session: wait for [`Publisher::state`] to change, or pause.
    pub async fn publish(&self, message: Outgoing<'_>) -> Result<Published, PublishError> {
        let live = self.live.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(live) = live else { return Err(PublishError::Away(self.why_away())) };
        let deadline = Instant::now() + self.broker.timeouts.publish;
        let (mut lost, mut blocked) = (live.lost.subscribe(), live.blocked.subscribe());
        let confirmed = async {
            // Its sender lives in `live`.
            let _ = blocked.wait_for(Option::is_none).await.is_ok();
            live.send(&message).await
        };
        let outcome = tokio::select! {
            biased;
            outcome = timeout_at(deadline, confirmed) => outcome,
            why = given_up(&mut lost) => return Err(PublishError::Away(why)),
        };
        match outcome {
            Ok(Ok(Confirmation::Ack(None))) => Ok(Published::Confirmed),
            Ok(Ok(Confirmation::Ack(Some(_)))) => Ok(Published::Returned),
            Ok(Ok(Confirmation::Nack(_))) => Err(PublishError::Refused),
            Ok(Ok(Confirmation::NotRequested)) => {
                Err(live.away("the channel does not confirm what it publishes".to_owned()))
            }
            Ok(Err(error)) => Err(live.away(explain(&error, self.broker.place()))),
            Err(_) => {
                if live.blocked.borrow().is_none() {
                    let (place, within) = (self.broker.place(), self.broker.timeouts.publish);
                    live.give_up(format!("the broker at {place} did not confirm a message within {within:?}"));
                }
                Err(PublishError::TimedOut)
            }
        }
    }

    fn why_away(&self) -> String {
        match &*self.state.borrow() {
            SessionState::Failing(why) | SessionState::Rebuilding(why) => why.clone(),
            SessionState::Closed => "the connection to the broker is closed".to_owned(),
            SessionState::Connecting | SessionState::Attached => {
                format!("not connected to the broker at {} yet", self.broker.place())
            }
        }
    }
}

impl Live {
    /// Has the session rebuilt; everything under way on it ends. The first reason counts.
    fn give_up(&self, why: String) {
        self.lost.send_if_modified(|lost| {
            let first = lost.is_none();
            lost.get_or_insert(why);
            first
        });
    }

    fn away(&self, why: String) -> PublishError {
        self.give_up(why.clone());
        PublishError::Away(why)
    }

    async fn send(&self, message: &Outgoing<'_>) -> lapin::Result<Confirmation> {
        let options = BasicPublishOptions { mandatory: message.mandatory, ..BasicPublishOptions::default() };
        let (exchange, key) = (message.exchange.into(), message.routing_key.into());
        let properties = message.properties.to_amqp();
        let mut sending = pin!(self.channel.basic_publish(exchange, key, options, message.body, properties));
        let mut in_line = false;
        let confirm = poll_fn(|context| {
            // All of it but the wait for the socket happens at the first poll.
            let _line = (!in_line).then(|| self.line.lock().unwrap_or_else(PoisonError::into_inner));
            in_line = true;
            sending.as_mut().poll(context)
        });
        confirm.await?.await
    }
}

async fn given_up(lost: &mut watch::Receiver<Option<String>>) -> String {
    let why = lost.wait_for(Option::is_some).await.map(|why| why.clone().unwrap_or_default());
    match why {
        Ok(why) => why,
        Err(_) => std::future::pending().await,
    }
}

/// Watches a session until it is lost; answers why.
async fn watch_over(session: &Session, live: &Live, broker: &Broker, outage: &mut Outage) -> String {
    let (mut lost, mut events) = (live.lost.subscribe(), session.events());
    loop {
        tokio::select! {
            why = given_up(&mut lost) => return why,
            event = next(&mut events) => match event {
                Some(Event::Error(error)) => return explain(&error, broker.place()),
                Some(Event::ConnectionBlocked(reason)) => {
                    outage.hindered(format!("the broker at {} blocks publishers: {reason}", broker.place()));
                    live.blocked.send_replace(Some(reason));
                }
                Some(Event::ConnectionUnblocked) => {
                    live.blocked.send_replace(None);
                    outage.attached();
                }
                Some(_) => {}
                None => return format!("the connection to the broker at {} was closed", broker.place()),
            },
        }
    }
}

async fn next(events: &mut (impl Stream<Item = Event> + Unpin)) -> Option<Event> {
    events.next().await
}
