//! Events on a real broker's topic exchange.

use std::sync::Arc;
use std::time::Duration;

use lapin::message::BasicGetMessage;
use lapin::types::AMQPValue;
use tidewaiter::accounts::Outlet;
use tidewaiter::broker::{Broker, Publisher, SessionState, topology};
use tidewaiter::config::{ContentMode, Settings, Sources};
use tidewaiter::relay::{EventSink, ExchangeSink, Relay, Sent, SinkError};
use tidewaiter::store::Unpublished;
use tidewaiter::tasks::Tasks;
use tidewaiter::telemetry::Metrics;
use tokio::sync::watch;
use uuid::Uuid;

use super::shared::client::Client;
use super::shared::vhost::Vhost;
use super::store_conformance::databases::on_sqlite;
use super::store_conformance::rows::{activation, held, worker, write};

const EXCHANGE: &str = "tidewaiter.events";
const SOON: Duration = Duration::from_secs(20);

/// A virtual host with the exchange, a client in it, and a sink that is connected.
struct Bench {
    vhost: Vhost,
    client: Client,
    sink: Arc<ExchangeSink>,
    tasks: Tasks,
}

impl Bench {
    /// `None` without a broker to test on.
    async fn start(mode: ContentMode) -> Option<Self> {
        let vhost = Vhost::make()?;
        let sources = Sources::default().with("broker.url", vhost.url(), "the test");
        let settings = Settings::load(&sources).unwrap().settings.broker.unwrap();
        let broker = Broker::new(&settings).unwrap().declaring(topology::plan(&settings, &[]));
        let publisher = Publisher::new(broker, "events").expecting(EXCHANGE);
        let tasks = Tasks::new();
        tasks.spawn("publisher", publisher.clone().run(tasks.stop()));
        let attached = async { publisher.state().wait_for(|state| *state == SessionState::Attached).await.map(|_| ()) };
        tokio::time::timeout(SOON, attached).await.expect("connected").unwrap();
        let client = Client::open(&vhost.url()).await;
        let sink = Arc::new(ExchangeSink { publisher, exchange: EXCHANGE.to_owned(), mode });
        Some(Self { vhost, client, sink, tasks })
    }

    async fn bind(&self, queue: &str, key: &str) {
        self.client.declare(queue, &[]).await;
        self.client.bind(queue, EXCHANGE, key).await;
    }

    async fn next(&self, queue: &str) -> BasicGetMessage {
        self.client.next(queue, SOON).await.expect("a message comes")
    }
}

fn event(word: &str, region: &str, integration: &str) -> Unpublished {
    let account = Uuid::from_u128(7);
    let event_type = format!("integrated_account.{word}");
    let envelope = serde_json::json!({
        "specversion": "1.0", "type": event_type, "id": format!("{account}/2"),
        "source": format!("/tidewaiter/{region}/accounts/{account}"), "time": "2026-09-21T14:13:20.123Z",
        "datacontenttype": "application/json", "traceparent": "00-1-2-01",
        "data": { "cause": { "correlation_id": "c-1" }, "account": { "integration": { "name": integration } } },
    });
    Unpublished { account, sequence: 2, event_type, envelope: envelope.to_string() }
}

/// The properties that every event has, whatever its form.
fn labels(message: &BasicGetMessage) -> [String; 5] {
    let properties = &message.properties;
    let text = |text: &Option<lapin::types::ShortString>| text.as_ref().map(ToString::to_string).unwrap_or_default();
    assert_eq!((*properties.delivery_mode(), *properties.timestamp()), (Some(2), Some(1_790_000_000)));
    [
        text(properties.message_id()),
        text(properties.kind()),
        text(properties.correlation_id()),
        text(properties.app_id()),
        text(properties.content_type()),
    ]
}

/// The headers that hold attributes; queues add some of their own.
fn attributes(message: &BasicGetMessage) -> Vec<(String, AMQPValue)> {
    let headers = message.properties.headers().clone().unwrap_or_default();
    let all = headers.inner().iter().map(|(name, value)| (name.to_string(), value.clone()));
    all.filter(|(name, _)| name.starts_with("cloudEvents:")).collect()
}

const ID: &str = "00000000-0000-0000-0000-000000000007/2";

#[tokio::test]
async fn an_event_arrives_as_its_envelope_where_its_word_region_and_integration_are_bound() {
    let Some(bench) = Bench::start(ContentMode::Structured).await else { return };
    for (queue, key) in [
        ("word", "integrated_account.active.#"),
        ("region", "integrated_account.*.eu.*"),
        ("integration", "integrated_account.*.*.zendesk"),
        ("other", "integrated_account.deleted.#"),
    ] {
        bench.bind(queue, key).await;
    }
    let event = event("active", "eu", "zendesk");
    assert_eq!(bench.sink.publish(&event).await, Ok(Sent::Confirmed));
    for queue in ["word", "region", "integration"] {
        let message = bench.next(queue).await;
        assert_eq!(message.delivery.routing_key.as_str(), "integrated_account.active.eu.zendesk");
        assert_eq!(message.data, event.envelope.as_bytes());
        let expected = [ID, "integrated_account.active", "c-1", "tidewaiter", "application/cloudevents+json"];
        assert_eq!(labels(&message), expected);
        assert!(attributes(&message).is_empty());
    }
    assert_eq!(bench.client.count("other").await, Some((0, 0)));
}

#[tokio::test]
async fn in_binary_mode_attributes_are_headers_and_the_data_is_the_body() {
    let Some(bench) = Bench::start(ContentMode::Binary).await else { return };
    bench.bind("all", "#").await;
    assert_eq!(bench.sink.publish(&event("active", "eu", "zendesk")).await, Ok(Sent::Confirmed));
    let message = bench.next("all").await;
    assert_eq!(labels(&message), [ID, "integrated_account.active", "c-1", "tidewaiter", "application/json"]);
    assert_eq!(message.data, br#"{"cause":{"correlation_id":"c-1"},"account":{"integration":{"name":"zendesk"}}}"#);
    let attributes = attributes(&message);
    let names: Vec<&str> = attributes.iter().map(|(name, _)| name.as_str()).collect();
    let expected = ["id", "source", "specversion", "time", "traceparent", "type"];
    assert_eq!(names, expected.map(|name| format!("cloudEvents:{name}")));
    assert_eq!(attributes[4].1, AMQPValue::LongString("00-1-2-01".into()));
}

#[tokio::test]
async fn what_no_queue_is_bound_for_comes_back_and_holds_up_nothing() {
    let Some(bench) = Bench::start(ContentMode::Structured).await else { return };
    bench.bind("active", "integrated_account.active.#").await;
    assert_eq!(bench.sink.publish(&event("created", "eu", "zendesk")).await, Ok(Sent::Unroutable));
    assert_eq!(bench.sink.publish(&event("active", "eu", "zendesk")).await, Ok(Sent::Confirmed));
    assert_eq!(bench.client.count("active").await, Some((1, 0)));
}

#[tokio::test]
async fn an_event_that_a_full_queue_refuses_is_not_published_and_others_are() {
    let Some(bench) = Bench::start(ContentMode::Structured).await else { return };
    let text = |text: &str| AMQPValue::LongString(text.into());
    let full = [
        ("x-queue-type", text("classic")),
        ("x-max-length", AMQPValue::LongInt(1)),
        ("x-overflow", text("reject-publish")),
    ];
    bench.client.declare("full", &full).await;
    bench.client.bind("full", EXCHANGE, "integrated_account.*.eu.*").await;
    bench.bind("roomy", "integrated_account.*.apac.*").await;
    assert_eq!(bench.sink.publish(&event("active", "eu", "zendesk")).await, Ok(Sent::Confirmed));
    let refused = bench.sink.publish(&event("active", "eu", "zendesk")).await;
    assert!(matches!(&refused, Err(SinkError::Refused(why)) if why.contains("full")), "{refused:?}");
    assert_eq!(bench.sink.publish(&event("active", "apac", "zendesk")).await, Ok(Sent::Confirmed));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn events_of_a_relay_whose_connection_is_cut_arrive_in_order_all_the_same() {
    let Some(bench) = Bench::start(ContentMode::Structured).await else { return };
    bench.bind("all", "#").await;
    on_sqlite(async |database| {
        let store = database.open().await;
        let worker = worker(&*store).await;
        let relay = Relay {
            store: Arc::clone(&store),
            sink: Arc::clone(&bench.sink) as Arc<dyn EventSink>,
            worker,
            outlet: Outlet::default(),
            metrics: Metrics::default(),
            healthy: watch::channel(true).0,
        };
        let relaying = Tasks::new();
        relaying.spawn("relay", relay.run(relaying.stop()));
        let mut accounts = Vec::new();
        for round in 0..40 {
            let held = held(&*store, worker).await;
            write(&*store, &activation(&held)).await;
            accounts.push(held.account.id);
            if round == 20 {
                tokio::task::block_in_place(|| bench.vhost.close_connections("events"));
            }
        }
        let taken_out = async {
            while store.backlog().await.unwrap().outbox > 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(SOON, taken_out).await.expect("everything is published");
        assert!(relaying.shut_down(SOON).await);
        let count = bench.client.count("all").await.unwrap().0;
        let mut first = std::collections::HashMap::<Uuid, Vec<i64>>::new();
        for message in bench.client.take("all", count as usize, SOON).await {
            let id = message.properties.message_id().as_ref().unwrap().to_string();
            let (account, sequence) = id.split_once('/').unwrap();
            let seen = first.entry(account.parse().unwrap()).or_default();
            let sequence: i64 = sequence.parse().unwrap();
            if !seen.contains(&sequence) {
                seen.push(sequence);
            }
        }
        assert!(accounts.iter().all(|account| first[account] == [1, 2]), "{first:?}");
    })
    .await;
    assert!(bench.tasks.shut_down(SOON).await);
}
