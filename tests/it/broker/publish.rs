//! Publishing with confirms.

use std::collections::BTreeMap;
use std::time::Duration;

use lapin::types::AMQPValue;
use tidewaiter::broker::{
    Broker, HeaderValue, Outgoing, Properties, PublishError, Published, Publisher, SessionState, Timeouts,
};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::{SOON, attached, becomes, broker, settings, spawn};
use crate::shared::client::Client;
use crate::shared::proxy::Proxy;
use crate::shared::vhost::Vhost;

pub(super) struct Publishing {
    pub(super) publisher: Publisher,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Publishing {
    pub(super) fn start(publisher: Publisher) -> Self {
        let stop = CancellationToken::new();
        let task = spawn(publisher.clone().run(stop.clone()));
        Self { publisher, stop, task }
    }

    pub(super) async fn attached(broker: Broker) -> Self {
        let publishing = Self::start(Publisher::new(broker, "events"));
        becomes(&publishing.publisher.state(), attached).await;
        publishing
    }

    async fn end(self) {
        self.stop.cancel();
        timeout(SOON, self.task).await.expect("it stops").unwrap();
    }
}

pub(super) async fn publish(publisher: &Publisher, exchange: &str, key: &str) -> Result<Published, PublishError> {
    let message =
        Outgoing { exchange, routing_key: key, mandatory: true, properties: Properties::default(), body: b"{}" };
    timeout(SOON, publisher.publish(message)).await.expect("it ends")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_confirmed_and_arrives_as_it_was_or_is_returned_when_no_queue_takes_it() {
    let Some(vhost) = Vhost::make() else { return };
    let client = Client::open(&vhost.url()).await;
    client.declare("all", &[]).await;
    client.bind("all", "amq.topic", "a.#").await;
    let publishing = Publishing::attached(broker(&vhost.url())).await;
    let text = |text: &str| Some(text.to_owned());
    let properties = Properties {
        message_id: text("id/1"),
        correlation_id: text("correlated"),
        content_type: text("application/json"),
        message_type: text("kind"),
        app_id: text("tidewaiter"),
        timestamp_s: Some(1_700_000_000),
        headers: BTreeMap::from([
            ("text".to_owned(), "words".into()),
            ("number".to_owned(), HeaderValue::Integer(i64::MAX)),
        ]),
        ..Properties::default()
    };
    let body = vec![b'x'; 300_000];
    let message = Outgoing { exchange: "amq.topic", routing_key: "a.b", mandatory: true, properties, body: &body };
    assert_eq!(publishing.publisher.publish(message).await, Ok(Published::Confirmed));
    let got = client.next("all", SOON).await.unwrap();
    assert_eq!(got.data, body);
    let word = |word: &Option<lapin::types::ShortString>| word.as_ref().map(ToString::to_string);
    assert_eq!(word(got.properties.message_id()), text("id/1"));
    assert_eq!(word(got.properties.correlation_id()), text("correlated"));
    assert_eq!(word(got.properties.kind()), text("kind"));
    assert_eq!(*got.properties.delivery_mode(), Some(2), "persistent");
    assert_eq!(*got.properties.timestamp(), Some(1_700_000_000));
    let headers = got.properties.headers().as_ref().unwrap().inner();
    assert_eq!(headers["number"], AMQPValue::LongLongInt(i64::MAX));
    assert_eq!(headers["text"], AMQPValue::LongString("words".into()));
    assert_eq!(publish(&publishing.publisher, "amq.topic", "b.a").await, Ok(Published::Returned));
    publishing.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_publishers_at_once_each_get_their_own_answer() {
    let Some(vhost) = Vhost::make() else { return };
    let client = Client::open(&vhost.url()).await;
    client.declare("open", &[]).await;
    let refuse = AMQPValue::LongString("reject-publish".into());
    client.declare("full", &[("x-max-length", AMQPValue::LongLongInt(1)), ("x-overflow", refuse)]).await;
    let publishing = Publishing::attached(broker(&vhost.url())).await;
    // A quorum queue takes one or two more than it should before it says that it is full.
    while publish(&publishing.publisher, "", "full").await != Err(PublishError::Refused) {}
    let mut publishes = JoinSet::new();
    for number in 0..2000 {
        let publisher = publishing.publisher.clone();
        let queue = if number % 2 == 0 { "open" } else { "full" };
        publishes.spawn(async move { (queue, publish(&publisher, "", queue).await) });
    }
    while let Some(done) = publishes.join_next().await {
        match done.unwrap() {
            ("open", answer) => assert_eq!(answer, Ok(Published::Confirmed)),
            (_, answer) => assert_eq!(answer, Err(PublishError::Refused)),
        }
    }
    assert_eq!(client.count("open").await.unwrap().0, 1000);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_session_a_publish_fails_at_once_and_says_why() {
    let publishing = Publishing::start(Publisher::new(broker("amqp://guest:s3cr3t@127.0.0.1:1"), "events"));
    becomes(&publishing.publisher.state(), |state| matches!(state, SessionState::Failing(_))).await;
    let Err(PublishError::Away(why)) = publish(&publishing.publisher, "", "x").await else { panic!("it is away") };
    assert_eq!(why, "127.0.0.1:1 (virtual host `/`) refuses connections: is the broker running, and is this its port?");
    publishing.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_exchange_is_named_until_it_is_there() {
    let Some(vhost) = Vhost::make() else { return };
    let publishing = Publishing::start(Publisher::new(broker(&vhost.url()), "events").expecting("events"));
    let state = publishing.publisher.state();
    let failing = becomes(&state, |state| matches!(state, SessionState::Failing(_))).await;
    assert!(failing.problem().unwrap().contains("no exchange 'events'"), "{failing:?}");
    let client = lapin::Connection::connect(&vhost.url(), lapin::ConnectionProperties::default()).await.unwrap();
    let channel = client.create_channel().await.unwrap();
    let (options, arguments) = Default::default();
    channel.exchange_declare("events".into(), lapin::ExchangeKind::Topic, options, arguments).await.unwrap();
    becomes(&state, attached).await;
    assert_eq!(publish(&publishing.publisher, "events", "a").await, Ok(Published::Returned));

    channel.exchange_delete("events".into(), Default::default()).await.unwrap();
    assert!(matches!(publish(&publishing.publisher, "events", "a").await, Err(PublishError::Away(_))));
    becomes(&state, |state| matches!(state, SessionState::Failing(_))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_closed_is_rebuilt() {
    let Some(vhost) = Vhost::make() else { return };
    let client = Client::open(&vhost.url()).await;
    client.declare("all", &[]).await;
    let publishing = Publishing::attached(broker(&vhost.url())).await;
    let state = publishing.publisher.state();
    assert_eq!(vhost.close_connections("events"), 1);
    becomes(&state, |state| !attached(state)).await;
    becomes(&state, attached).await;
    assert_eq!(publish(&publishing.publisher, "", "all").await, Ok(Published::Confirmed));
}

#[test]
fn on_a_connection_that_went_silent_publishes_end_in_time_and_the_next_session_works() {
    let Some(vhost) = Vhost::make() else { return };
    let proxy = Proxy::start(vhost.address()).unwrap();
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let client = Client::open(&vhost.url()).await;
        client.declare("all", &[]).await;
        let limit = Duration::from_millis(500);
        let timeouts = Timeouts { publish: limit, connect: Duration::from_secs(5), close: limit };
        let by_proxy = settings(&vhost.url_by(proxy.address.port()), &[]);
        let publishing = Publishing::attached(Broker::new(&by_proxy).unwrap().with_timeouts(timeouts)).await;
        assert_eq!(proxy.silence(), 1);
        let mut publishes = JoinSet::new();
        for _ in 0..20 {
            let publisher = publishing.publisher.clone();
            publishes.spawn(async move { publish(&publisher, "", "all").await });
        }
        for outcome in publishes.join_all().await {
            assert!(matches!(outcome, Err(PublishError::TimedOut | PublishError::Away(_))), "{outcome:?}");
        }
        let state = publishing.publisher.state();
        becomes(&state, |state| !attached(state)).await;
        becomes(&state, attached).await;
        assert_eq!(publish(&publishing.publisher, "", "all").await, Ok(Published::Confirmed));
    });
}
