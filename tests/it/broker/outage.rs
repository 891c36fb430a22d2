//! A broker that is taken away, and comes back.

use std::time::{Duration, Instant};

use lapin::types::AMQPValue;
use tidewaiter::broker::{PublishError, Published, SessionState, Timeouts};

use super::publish::{Publishing, publish};
use super::{Consuming, attached, becomes, broker, fill, ids};
use crate::shared::client::Client;
use crate::shared::services::Services;
use crate::shared::vhost::Vhost;
use crate::store_conformance::databases::unique;

/// A broker of this test's own.
fn own() -> (Services, String) {
    let services = Services::start(std::env::temp_dir().join(format!("tidewaiter-{}", unique())), "mq");
    let url = services.variable("AMQP_URL");
    (services, url.trim_matches('\'').to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_consuming_and_publishing_go_on_by_themselves() {
    if Vhost::make().is_none() {
        return;
    }
    let (services, url) = own();
    let client = Client::open(&url).await;
    // A quorum queue that is younger than some seconds does not survive a kill.
    let classic = [("x-queue-type", AMQPValue::LongString("classic".into()))];
    client.declare("imports", &classic).await;
    let mut consuming = Consuming::start(broker(&url), "imports", 8);
    let publishing = Publishing::attached(broker(&url)).await;
    fill(&client, "imports", ids("m", 3)).await;
    assert_eq!(consuming.acknowledge(3).await, ids("m", 3));

    services.ask(&["kill", "mq"]);
    consuming.becomes(|state| matches!(state, SessionState::Failing(_))).await;
    assert!(matches!(publish(&publishing.publisher, "", "imports").await, Err(PublishError::Away(_))));
    services.ask(&["start", "mq"]);
    // Nor does any queue that the broker had not yet written to its disk.
    Client::open(&url).await.declare("imports", &classic).await;
    let back = Instant::now();
    consuming.becomes(attached).await;
    becomes(&publishing.publisher.state(), attached).await;
    assert!(back.elapsed() < Duration::from_secs(10), "{:?}", back.elapsed());
    while publish(&publishing.publisher, "", "imports").await != Ok(Published::Confirmed) {}
    assert_eq!(consuming.acknowledge(1).await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_blocks_publishers_is_told_from_one_that_is_away_and_goes_on_by_itself() {
    if Vhost::make().is_none() {
        return;
    }
    let (services, url) = own();
    let client = Client::open(&url).await;
    client.declare("imports", &[]).await;
    fill(&client, "imports", ids("m", 2)).await;
    let mut consuming = Consuming::start(broker(&url), "imports", 1);
    let timeouts = Timeouts { publish: Duration::from_secs(2), ..Timeouts::default() };
    let publishing = Publishing::attached(broker(&url).with_timeouts(timeouts)).await;
    let state = publishing.publisher.state();
    services.ask(&["ctl", "set_vm_memory_high_watermark", "0.00001"]);
    let blocked = {
        let publisher = publishing.publisher.clone();
        super::spawn(async move { publish(&publisher, "", "imports").await })
    };
    let failing = becomes(&state, |state| matches!(state, SessionState::Failing(_))).await;
    assert!(failing.problem().unwrap().contains("blocks publishers: low on memory"), "{failing:?}");
    assert_eq!(publish(&publishing.publisher, "", "imports").await, Err(PublishError::TimedOut));
    assert!(matches!(blocked.await.unwrap(), Err(PublishError::TimedOut)));
    assert_eq!(consuming.acknowledge(2).await, ids("m", 2), "consuming goes on");

    services.ask(&["ctl", "set_vm_memory_high_watermark", "0.4"]);
    becomes(&state, attached).await;
    assert_eq!(publish(&publishing.publisher, "", "imports").await, Ok(Published::Confirmed));
}
