//! Deliveries of the broker: import requests from a queue, and what lies in the queue of dead letters.
//!
//! Promises: a delivery is acknowledged after its own commit and not before; one that cannot be accepted is kept in the
//! quarantine and acknowledged, so that nothing goes round in circles; while the database is away nothing is settled.
//! Many deliveries are in hand at once: the store puts their commits together.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::properties::{Beside, gave_up, read};
use super::settle::{Way, settle};
use super::{Intake, Replies};
use crate::broker::{Arrival, Subscription};
use crate::lifecycle::Region;
use crate::store::Patience;

/// Takes import requests from one queue. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Imports {
    intake: Intake,
    region: Region,
    queue: Arc<str>,
    replies: Replies,
    stop: CancellationToken,
}

impl Imports {
    /// Takes what `subscription` brings until `stop`. A body without a region is one for `region`.
    pub async fn run(
        mut intake: Intake,
        region: Region,
        replies: Replies,
        subscription: Subscription,
        stop: CancellationToken,
    ) {
        // A write that was handed over is waited for: trying again with another one would lose sight of its run.
        intake.patience = Patience::Endless;
        let queue = subscription.queue.as_str().into();
        let imports = Self { intake, region, queue, replies, stop: stop.clone() };
        let handle = move |arrival| {
            let imports = imports.clone();
            async move { imports.handle(arrival).await }
        };
        subscription.run(handle, stop).await;
    }

    async fn handle(&self, mut arrival: Arrival) {
        let metrics = &self.intake.accounts.metrics;
        if arrival.redelivered {
            metrics.redelivered.inc();
        }
        let asked = self.replies.asked(&arrival.properties);
        let body = std::mem::take(&mut arrival.body);
        let (delivery, refusal) = read(body, beside(&mut arrival, Arc::clone(&self.queue)), self.region);
        let way = refusal.map_or(Way::Receive, Way::Refuse);
        // What is dropped without an answer goes back to the queue.
        let Some(disposition) = settle(&self.intake, &delivery, way, &self.stop).await else { return };
        // When the channel is gone it is delivered again, and recognised.
        arrival.acknowledge().await;
        if let Some(asked) = asked {
            self.replies.send(asked, disposition);
        }
    }
}

/// Takes dead letters into the quarantine. Cheap to clone.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    intake: Intake,
    region: Region,
    queue: Arc<str>,
    stop: CancellationToken,
}

impl DeadLetters {
    /// Takes what `subscription` brings until `stop`.
    pub async fn run(mut intake: Intake, region: Region, subscription: Subscription, stop: CancellationToken) {
        intake.patience = Patience::Endless;
        let queue = subscription.queue.as_str().into();
        let letters = Self { intake, region, queue, stop: stop.clone() };
        let handle = move |arrival| {
            let letters = letters.clone();
            async move { letters.handle(arrival).await }
        };
        subscription.run(handle, stop).await;
    }

    async fn handle(&self, mut arrival: Arrival) {
        let death = arrival.deaths.first().filter(|death| !death.queue.is_empty());
        let queue = death.map_or_else(|| Arc::clone(&self.queue), |death| death.queue.as_str().into());
        let refusal = gave_up(&arrival.deaths);
        let body = std::mem::take(&mut arrival.body);
        // Whatever is wrong with its properties, it is here because the broker gave it up.
        let (delivery, _) = read(body, beside(&mut arrival, queue), self.region);
        if settle(&self.intake, &delivery, Way::Bury(refusal), &self.stop).await.is_some() {
            arrival.acknowledge().await;
        }
    }
}

fn beside(arrival: &mut Arrival, queue: Arc<str>) -> Beside {
    Beside { queue, properties: std::mem::take(&mut arrival.properties), deaths: std::mem::take(&mut arrival.deaths) }
}
