//! What every delivery of the broker goes through: it is in hand until the store has an answer for it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::{Delivery, Disposition, Intake, Refusal};
use crate::accounts::ImportError;
use crate::lifecycle::IntakeCode;
use crate::reconnect::Reconnect;
use crate::store::{Channel, StoreError};
use crate::telemetry::Seldom;

/// After a stop, a database that does not answer is waited for this long; then the broker delivers again, later.
const LAST_ANSWER: Duration = Duration::from_secs(3);

/// What is to be done with a delivery.
#[derive(Debug, Clone)]
pub(super) enum Way {
    /// Look at its body and accept it.
    Receive,
    /// Refuse it, whatever its body says.
    Refuse(Refusal),
    /// Refuse it, unless it was accepted before.
    Bury(Refusal),
}

/// Goes that way, for as long as it takes the database to answer.
///
/// `None`: nothing was decided, and the delivery has to go back to its queue. That is so when the process stops, and
/// with what nobody expects, where the queue's delivery limit is the end of it.
pub(super) async fn settle(
    intake: &Intake,
    delivery: &Delivery,
    way: Way,
    stop: &CancellationToken,
) -> Option<Disposition> {
    tokio::select! {
        settled = patiently(intake, delivery, way, stop) => settled,
        () = overdue(stop) => None,
    }
}

async fn overdue(stop: &CancellationToken) {
    stop.cancelled().await;
    tokio::time::sleep(LAST_ANSWER).await;
}

async fn patiently(
    intake: &Intake,
    delivery: &Delivery,
    mut way: Way,
    stop: &CancellationToken,
) -> Option<Disposition> {
    static TOLD: Seldom = Seldom::new();
    let mut pauses = Reconnect::default();
    loop {
        let error = match once(intake, delivery, way.clone()).await {
            Ok(disposition) => return Some(disposition),
            Err(error) => error,
        };
        match error {
            // An outage is told by whoever watches the database.
            ImportError::Store(StoreError::Unavailable(_) | StoreError::Schema(_)) => {
                if tokio::time::timeout(pauses.pause(), stop.cancelled()).await.is_ok() {
                    return None;
                }
            }
            ImportError::Store(StoreError::Refused(why)) if matches!(way, Way::Receive) => {
                // Delivering it again would not help, and nobody else is to wait for it.
                tracing::error!(message_id = delivery.message_id, error = %why, "the database refuses what a message would write; the message goes to the quarantine as `{}`", IntakeCode::NotStorable);
                let message = "the database refuses what this message would write; the worker's log says why";
                way = Way::Refuse(Refusal::new(IntakeCode::NotStorable, message));
            }
            error => {
                if !matches!(error, ImportError::Store(StoreError::Closed)) && TOLD.is_due() {
                    tracing::error!(message_id = delivery.message_id, %error, "a message can be neither accepted nor kept in the quarantine; it goes back to its queue, whose delivery limit ends it; this is told at most once a minute");
                }
                return None;
            }
        }
    }
}

async fn once(intake: &Intake, delivery: &Delivery, way: Way) -> Result<Disposition, ImportError> {
    match way {
        Way::Receive => intake.receive(Channel::Amqp, delivery).await,
        Way::Refuse(refusal) => intake.refuse(Channel::Amqp, delivery, refusal).await,
        Way::Bury(refusal) => intake.bury(Channel::Amqp, delivery, refusal).await,
    }
}
