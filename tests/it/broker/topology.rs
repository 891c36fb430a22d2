//! Declaring what there should be.

use lapin::BasicProperties;
use lapin::types::AMQPValue;
use serde_json::json;
use tidewaiter::broker::topology::{self, Found};
use tidewaiter::broker::{Broker, BrokerError};
use tidewaiter::lifecycle::Region;

use super::{Consuming, attached, broker, settings};
use crate::shared::client::{Client, Said};
use crate::shared::vhost::Vhost;

const REGIONS: [Region; 2] = [Region::Eu, Region::Apac];

#[tokio::test]
async fn what_is_planned_is_declared_once_and_routes_imports_to_their_regions() {
    let Some(vhost) = Vhost::make() else { return };
    let (broker, plan) = (broker(&vhost.url()), topology::plan(&settings(&vhost.url(), &[]), &REGIONS));
    let missing = topology::check(&broker, &plan).await.unwrap();
    assert!(missing.iter().all(|(_, found)| *found != Found::There));
    topology::apply(&broker, &plan).await.unwrap();
    let found = topology::apply(&broker, &plan).await.unwrap();
    assert!(found.iter().all(|(_, found)| *found != Found::Missing));

    let client = Client::open(&vhost.url()).await;
    for (key, queue) in [("eu", "eu"), ("apac", "apac"), ("wnam", "wnam"), ("mars", "wnam")] {
        let said = client.publish("tidewaiter.imports", key, BasicProperties::default(), b"{}").await;
        assert_eq!(said, Said::Confirmed);
        let queue = format!("tidewaiter.imports.{queue}");
        assert!(client.next(&queue, super::SOON).await.is_some(), "{key} comes to {queue}");
    }
    let queue = vhost.get("queues", "tidewaiter.imports.eu");
    assert_eq!(queue["type"], "quorum");
    let arguments = json!({
        "x-queue-type": "quorum", "x-delivery-limit": 50, "x-dead-letter-exchange": "",
        "x-dead-letter-routing-key": "tidewaiter.dead", "x-dead-letter-strategy": "at-least-once",
        "x-overflow": "reject-publish",
    });
    assert_eq!(queue["arguments"], arguments);
    assert_eq!(vhost.get("exchanges", "tidewaiter.events")["type"], "topic");
}

#[tokio::test]
async fn what_is_there_with_other_properties_is_named_and_nothing_is_changed() {
    let Some(vhost) = Vhost::make() else { return };
    let client = Client::open(&vhost.url()).await;
    client.declare("tidewaiter.imports.eu", &[("x-delivery-limit", AMQPValue::LongLongInt(3))]).await;
    let plan = topology::plan(&settings(&vhost.url(), &[]), &REGIONS);
    let problem = topology::apply(&broker(&vhost.url()), &plan).await.unwrap_err();
    let BrokerError::Topology(why) = problem else { panic!("{problem:?}") };
    assert!(why.starts_with("queue `tidewaiter.imports.eu` cannot be declared") && why.contains("delete it"), "{why}");
    assert_eq!(client.count("tidewaiter.dead").await, None);
}

#[tokio::test]
async fn names_that_are_empty_are_not_used() {
    let Some(vhost) = Vhost::make() else { return };
    let bare = [
        ("IMPORTS_QUEUE", "imports"),
        ("IMPORTS_EXCHANGE", ""),
        ("DEFAULT_EXCHANGE", ""),
        ("DEAD_QUEUE", ""),
        ("EVENTS_EXCHANGE", ""),
    ];
    let plan = topology::plan(&settings(&vhost.url(), &bare), &REGIONS);
    assert_eq!(plan.to_string(), "queue `imports`: quorum, drops after 50 deliveries\n");
    topology::apply(&broker(&vhost.url()), &plan).await.unwrap();
}

#[tokio::test]
async fn a_session_that_declares_makes_the_queue_that_it_consumes() {
    let Some(vhost) = Vhost::make() else { return };
    let settings = settings(&vhost.url(), &[]);
    let declaring = Broker::new(&settings).unwrap().declaring(topology::plan(&settings, &REGIONS));
    let consuming = Consuming::start(declaring, "tidewaiter.imports.eu", 8);
    consuming.becomes(attached).await;
    Client::open(&vhost.url()).await.delete("tidewaiter.imports.eu").await;
    consuming.becomes(|state| !attached(state)).await;
    consuming.becomes(attached).await;
}
