//! Consuming, while all is well and when it is not.

use std::sync::Arc;

use tidewaiter::broker::{SessionState, Unreadable};
use tokio::sync::{Notify, mpsc};
use tokio::time::timeout;

use super::{Consuming, SOON, attached, broker, fill, holds, ids};
use crate::shared::client::Client;
use crate::shared::vhost::Vhost;

#[tokio::test(flavor = "multi_thread")]
async fn each_message_is_delivered_and_settled_once() {
    let Some(vhost) = Vhost::make() else { return };
    let client = Client::open(&vhost.url()).await;
    client.declare("imports", &[]).await;
    let mut consuming = Consuming::start(broker(&vhost.url()), "imports", 8);
    fill(&client, "imports", ids("m", 100)).await;
    assert_eq!(consuming.acknowledge(100).await, ids("m", 100));
    consuming.end().await;
    holds(&client, "imports", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_deliveries_are_in_hand_than_the_prefetch() {
    let Some(vhost) = Vhost::make() else { return };
    let client = Client::open(&vhost.url()).await;
    client.declare("imports", &[]).await;
    fill(&client, "imports", ids("m", 6)).await;
    let mut consuming = Consuming::start(broker(&vhost.url()), "imports", 2);
    let (first, _second) = (consuming.next().await, consuming.next().await);
    holds(&client, "imports", 4).await;
    assert!(consuming.seen.is_empty());
    assert!(first.acknowledge().await);
    assert_eq!(consuming.next().await.id(), "m0002");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_closed_is_rebuilt_and_what_was_in_hand_comes_again() {
    let Some(vhost) = Vhost::make() else { return };
    let client = Client::open(&vhost.url()).await;
    client.declare("imports", &[]).await;
    fill(&client, "imports", ids("m", 1)).await;
    let mut consuming = Consuming::start(broker(&vhost.url()), "imports", 8);
    let in_hand = consuming.next().await;
    assert_eq!(vhost.close_connections("consumes imports"), 1);
    let again = consuming.next().await;
    assert!(again.arrival.redelivered && again.id() == "m0000");
    assert!(!in_hand.acknowledge().await, "its channel is gone");
    assert!(again.acknowledge().await);
    consuming.becomes(attached).await;
    fill(&client, "imports", ids("n", 1)).await;
    assert_eq!(consuming.acknowledge(1).await, ["n0000"]);
    consuming.end().await;
    holds(&client, "imports", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_that_is_deleted_is_missed_and_consumed_again_when_it_is_back() {
    let Some(vhost) = Vhost::make() else { return };
    let client = Client::open(&vhost.url()).await;
    client.declare("imports", &[]).await;
    let mut consuming = Consuming::start(broker(&vhost.url()), "imports", 8);
    consuming.becomes(attached).await;
    client.delete("imports").await;
    let state = consuming.becomes(|state| matches!(state, SessionState::Failing(_))).await;
    let why = state.problem().unwrap();
    assert!(why.contains("no queue 'imports'") && why.contains("tidewaiter broker apply"), "{why}");
    client.declare("imports", &[]).await;
    consuming.becomes(attached).await;
    fill(&client, "imports", ids("m", 1)).await;
    assert_eq!(consuming.acknowledge(1).await, ["m0000"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shut_gate_keeps_what_is_in_hand_and_takes_nothing_more() {
    let Some(vhost) = Vhost::make() else { return };
    let client = Client::open(&vhost.url()).await;
    client.declare("imports", &[]).await;
    fill(&client, "imports", ids("m", 1)).await;
    let mut consuming = Consuming::start(broker(&vhost.url()), "imports", 8);
    let in_hand = consuming.next().await;
    consuming.open.send_replace(false);
    consuming.becomes(|state| *state == SessionState::Closed).await;
    fill(&client, "imports", ids("n", 2)).await;
    holds(&client, "imports", 2).await;
    assert!(in_hand.acknowledge().await, "it is still ours");
    consuming.open.send_replace(true);
    assert_eq!(consuming.acknowledge(2).await, ids("n", 2));
    consuming.becomes(attached).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_the_gate_shut_from_the_start_nothing_is_connected_to() {
    let Some(vhost) = Vhost::make() else { return };
    let client = Client::open(&vhost.url()).await;
    client.declare("imports", &[]).await;
    let consuming = Consuming::start(broker(&vhost.url()), "nowhere", 8);
    consuming.open.send_replace(false);
    consuming.becomes(|state| *state == SessionState::Closed).await;
    consuming.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_delivery_whose_handler_panics_or_forgets_it_comes_again_and_nothing_else_suffers() {
    let Some(vhost) = Vhost::make() else { return };
    let client = Client::open(&vhost.url()).await;
    client.declare("imports", &[]).await;
    fill(&client, "imports", ["panics", "forgotten", "good"].map(str::to_owned)).await;
    let (sender, mut settled) = mpsc::unbounded_channel();
    let consuming = Consuming::handling(broker(&vhost.url()), "imports", 8, Unreadable::UntilGivenUp, move |arrival| {
        let sender = sender.clone();
        async move {
            let id = arrival.properties.message_id.clone().unwrap();
            assert!(arrival.redelivered || id != "panics", "on purpose");
            if arrival.redelivered || id == "good" {
                assert!(arrival.acknowledge().await);
                sender.send(id).unwrap();
            }
        }
    });
    let mut ids = Vec::new();
    for _ in 0..3 {
        ids.push(timeout(SOON, settled.recv()).await.unwrap().unwrap());
    }
    assert_eq!(ids[0], "good");
    consuming.end().await;
    holds(&client, "imports", 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_waits_for_what_is_in_hand_and_nothing_that_was_settled_comes_again() {
    let Some(vhost) = Vhost::make() else { return };
    let client = Client::open(&vhost.url()).await;
    client.declare("imports", &[]).await;
    fill(&client, "imports", ids("m", 10)).await;
    let mut consuming = Consuming::start(broker(&vhost.url()), "imports", 4);
    let mut in_hand = Vec::new();
    for _ in 0..4 {
        in_hand.push(consuming.next().await);
    }
    consuming.stop.cancel();
    holds(&client, "imports", 6).await;
    assert!(!consuming.task.is_finished());
    for seen in in_hand {
        assert!(seen.acknowledge().await);
    }
    timeout(SOON, consuming.task).await.expect("it stops").unwrap();
    assert_eq!(*consuming.state.borrow(), SessionState::Closed);
    holds(&client, "imports", 6).await;
    let left = client.take("imports", 6, SOON).await;
    assert!(left.iter().all(|message| !message.redelivered));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_goes_on_when_the_connection_is_replaced_under_it() {
    let Some(vhost) = Vhost::make() else { return };
    let client = Client::open(&vhost.url()).await;
    client.declare("imports", &[]).await;
    fill(&client, "imports", ids("m", 1)).await;
    let (sender, mut ended) = mpsc::unbounded_channel();
    let lost = Arc::new(Notify::new());
    let cut = Arc::clone(&lost);
    let consuming = Consuming::handling(broker(&vhost.url()), "imports", 1, Unreadable::UntilGivenUp, move |arrival| {
        let (sender, cut) = (sender.clone(), Arc::clone(&cut));
        async move {
            let redelivered = arrival.redelivered;
            if !redelivered {
                cut.notified().await;
            }
            sender.send((redelivered, arrival.acknowledge().await)).unwrap();
        }
    });
    vhost.close_connections("consumes imports");
    consuming.becomes(|state| !attached(state)).await;
    lost.notify_one();
    for expected in [(false, false), (true, true)] {
        assert_eq!(timeout(SOON, ended.recv()).await.unwrap(), Some(expected), "redelivered, settled");
    }
    consuming.end().await;
    holds(&client, "imports", 0).await;
}
