//! Working off the quarantine: send a request again, as it came or mended, or give it up.
//!
//! A request is sent again under an id that is made of the quarantine's own, so that a crash between sending and
//! marking imports nothing twice: the same request again is a duplicate, a differently mended one a conflict. One that
//! would be refused again is not sent, and stays as it is.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use uuid::Uuid;

use super::OperateError;
use crate::accounts::{ImportError, VaultError};
use crate::broker::{PublishError, Publisher};
use crate::config;
use crate::intake::{
    Address, Delivery, Disposition, Envelope, Intake, Refusal, TRACEPARENT, json, publish_envelope, read_line,
    traceparent,
};
use crate::lifecycle::{IntakeCode, Region, words};
use crate::reconnect::Reconnect;
use crate::store::{Channel, QuarantineEntry, QuarantineFilter, QuarantineState, Settlement, Store, StoreError};

/// Rows of one look.
const PAGE: u32 = 1000;

/// Told to the slower one of two operators.
const TOGETHER: &str = "somebody else settled it meanwhile; of two different bodies only the first counts";

/// How long a broker that does not confirm is waited for.
const PATIENCE: Duration = Duration::from_secs(15);

words! {
    /// What became of a request that an operator settles.
    Settled {
        /// It made an account.
        Accepted = "accepted",
        /// An earlier attempt had made the account already.
        Duplicate = "duplicate",
        /// The broker has it; a worker will receive it.
        Sent = "sent",
        /// It is given up.
        Dropped = "dropped",
        /// Nothing speaks against it; a dry run does no more.
        Possible = "possible",
        /// It would be refused again, and stays as it is.
        Refused = "refused",
        /// It was settled before.
        NotHeld = "not_held",
        /// There is no such request.
        Absent = "unknown_id",
        /// Its body is not whole: one has to be given.
        Cut = "cut",
    }
}

impl Settled {
    /// Whether what was asked for came about.
    #[must_use]
    pub const fn is_done(self) -> bool {
        match self {
            Self::Accepted | Self::Duplicate | Self::Sent | Self::Dropped | Self::Possible => true,
            Self::Refused | Self::NotHeld | Self::Absent | Self::Cut => false,
        }
    }
}

/// One request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The quarantined request.
    pub id: Uuid,
    /// What became of it.
    pub outcome: Settled,
    /// The account that it made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<Uuid>,
    /// The message id under which it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message_id: Option<String>,
    /// Why it would be refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<IntakeCode>,
    /// More about it, without values.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Verdict {
    const fn of(id: Uuid, outcome: Settled) -> Self {
        Self { id, outcome, account: None, message_id: None, code: None, detail: None }
    }

    fn told(id: Uuid, outcome: Settled, detail: impl Into<String>) -> Self {
        Self { detail: Some(detail.into()), ..Self::of(id, outcome) }
    }

    fn made(id: Uuid, outcome: Settled, account: Uuid) -> Self {
        Self { account: Some(account), ..Self::of(id, outcome) }
    }

    fn refused(id: Uuid, refusal: Refusal) -> Self {
        Self { code: Some(refusal.code), ..Self::told(id, Settled::Refused, refusal.message) }
    }

    fn not_held(id: Uuid, state: QuarantineState) -> Self {
        Self::told(id, Settled::NotHeld, format!("it is {state} already"))
    }
}

/// The held requests with this code, oldest first.
///
/// # Errors
/// When there are more than `cap`, or the store does not answer.
pub async fn held(store: &dyn Store, reason: &str, cap: usize) -> Result<Vec<Uuid>, OperateError> {
    let state = Some(QuarantineState::Held);
    let mut filter = QuarantineFilter { state, reason: Some(reason.to_owned()), ..QuarantineFilter::default() };
    let (mut found, mut count) = (Vec::new(), 0);
    loop {
        let page = store.quarantined(&filter, PAGE).await?;
        let Some(last) = page.last() else { break };
        filter.after = Some(last.id);
        count += page.len() as u64;
        found.extend(page.iter().map(|row| row.id).take(cap.saturating_sub(found.len())));
    }
    if count > cap as u64 {
        return Err(OperateError::TooMany { count, what: "held requests", cap });
    }
    Ok(found)
}

/// Gives a held request up and erases its body.
///
/// # Errors
/// When the store does not answer.
pub async fn drop_request(store: &dyn Store, id: Uuid, actor: &str, dry_run: bool) -> Result<Verdict, StoreError> {
    let Some(entry) = store.quarantine_entry(id).await? else { return Ok(Verdict::of(id, Settled::Absent)) };
    if entry.row.state != QuarantineState::Held {
        return Ok(Verdict::not_held(id, entry.row.state));
    }
    if dry_run {
        return Ok(Verdict::of(id, Settled::Possible));
    }
    if store.settle_quarantined(id, &Settlement::Dropped, actor).await? {
        return Ok(Verdict::of(id, Settled::Dropped));
    }
    Ok(Verdict::told(id, Settled::NotHeld, "somebody else settled it meanwhile"))
}

/// Why a request was not sent again. It stays held; repeating is safe.
#[derive(Debug, thiserror::Error)]
pub enum ResubmitError {
    /// The store does not answer, or what is sealed does not open.
    #[error(transparent)]
    Import(#[from] ImportError),
    /// The broker did not confirm it.
    #[error("request {id} was not confirmed by the broker: {error}; it stays held, and sending it again is safe")]
    Broker {
        /// The request.
        id: Uuid,
        /// Why there was no confirm.
        error: PublishError,
    },
}

impl From<StoreError> for ResubmitError {
    fn from(error: StoreError) -> Self {
        Self::Import(error.into())
    }
}

impl From<VaultError> for ResubmitError {
    fn from(error: VaultError) -> Self {
        Self::Import(error.into())
    }
}

/// Which way requests are sent again.
#[derive(Debug)]
pub enum Way {
    /// Straight through the front door of this process.
    Direct,
    /// Through the broker, to the queue of each request's region.
    Broker(Publisher, Address),
}

/// Sends requests again.
#[derive(Debug)]
pub struct Resubmission<'a> {
    intake: Intake,
    way: Way,
    broker: Option<&'a config::Broker>,
    actor: String,
    dry_run: bool,
}

impl<'a> Resubmission<'a> {
    /// Judged by this front door, whichever regions its process serves: whoever serves the request's performs its run.
    #[must_use]
    pub fn new(intake: &Intake, way: Way, broker: Option<&'a config::Broker>, actor: &str, dry_run: bool) -> Self {
        let intake = Intake { regions: Region::ALL.into(), ..intake.clone() };
        Self { intake, way, broker, actor: actor.to_owned(), dry_run }
    }

    /// Sends a held request again, with another body if one is given.
    ///
    /// # Errors
    /// When the store or the broker does not answer, or the body cannot be opened. Repeating is safe.
    pub async fn resubmit(&self, id: Uuid, body: Option<Vec<u8>>) -> Result<Verdict, ResubmitError> {
        let store = &self.intake.accounts.store;
        let Some(entry) = store.quarantine_entry(id).await? else { return Ok(Verdict::of(id, Settled::Absent)) };
        if entry.row.state != QuarantineState::Held {
            return Ok(Verdict::not_held(id, entry.row.state));
        }
        let mended = body.is_some();
        let body = body.map_or_else(|| body_of(&self.intake, &entry), Ok)?;
        if !mended && body.len() as i64 != entry.row.body_bytes {
            let (kept, whole) = (body.len(), entry.row.body_bytes);
            let detail = format!("only {kept} of its {whole} bytes are kept: give the whole body");
            return Ok(Verdict::told(id, Settled::Cut, detail));
        }
        let (envelope, region) = match self.envelope(&entry, &body)? {
            Ok(read) => read,
            Err(refusal) => return Ok(Verdict::refused(id, refusal)),
        };
        let delivery = delivery_of(&envelope, region);
        match self.intake.check(Channel::Internal, &delivery).await? {
            Err(refusal) => Ok(Verdict::refused(id, refusal)),
            Ok(_) if self.dry_run => Ok(Verdict::of(id, Settled::Possible)),
            Ok(region) => self.send(id, envelope, delivery, region).await,
        }
    }

    /// The request with the id of its resubmission and what came with it, and the region that it is for by default.
    fn envelope(
        &self,
        entry: &QuarantineEntry,
        bytes: &[u8],
    ) -> Result<Result<(Envelope, Region), Refusal>, VaultError> {
        let row = &entry.row;
        let read = json::parse(bytes).and_then(|value| match row.channel {
            // What is kept of a file is the line, which may be an envelope.
            Channel::File => read_line(value),
            Channel::Amqp | Channel::Http | Channel::Internal => Ok(Envelope::bare(value)),
        });
        let mut envelope = match read {
            Ok(envelope) => envelope,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let sealed = entry.properties.as_ref();
        let open = |sealed| self.intake.accounts.vault.open_refused_properties(row.id, sealed);
        let properties = sealed.map(open).transpose()?.unwrap_or_default();
        envelope.message_id = Some(format!("resubmitted:{}", row.id));
        envelope.correlation_id = envelope.correlation_id.or_else(|| row.correlation_id.clone());
        // What expires counts from when the request was made, or at the latest from when it came.
        let made_ms = properties["timestamp"].as_i64().and_then(|seconds| seconds.checked_mul(1000));
        envelope.timestamp_ms = envelope.timestamp_ms.or(made_ms).or(Some(row.first_at_ms));
        let trace = properties["headers"][TRACEPARENT].as_str().and_then(traceparent);
        envelope.traceparent = envelope.traceparent.or(trace);
        Ok(Ok((envelope, self.region_of(row.queue.as_deref()))))
    }

    /// The region that a body without one was for.
    fn region_of(&self, queue: Option<&str>) -> Region {
        let Some(broker) = self.broker else { return Region::Wnam };
        let template = broker.imports_queue.as_ref().filter(|template| !template.is_shared());
        let named = |region: &&Region| template.is_some_and(|template| queue == Some(&*template.for_region(**region)));
        Region::ALL.iter().find(named).copied().unwrap_or(broker.default_region)
    }

    async fn send(
        &self,
        id: Uuid,
        envelope: Envelope,
        delivery: Delivery,
        region: Region,
    ) -> Result<Verdict, ResubmitError> {
        let message_id = delivery.message_id.clone();
        let unconfirmed = |error| ResubmitError::Broker { id, error };
        let verdict = match &self.way {
            Way::Direct => match self.intake.submit(Channel::Internal, &delivery).await? {
                Disposition::Accepted(account) => Verdict::made(id, Settled::Accepted, account.id),
                Disposition::Duplicate(account) => Verdict::made(id, Settled::Duplicate, account),
                Disposition::Refused(refusal) => return Ok(Verdict::refused(id, refusal)),
            },
            Way::Broker(publisher, address) => match publish(publisher, address, &envelope, region)
                .await
                .map_err(unconfirmed)?
            {
                Ok(routing_key) => Verdict::told(id, Settled::Sent, format!("with the routing key `{routing_key}`")),
                Err(refusal) => return Ok(Verdict::refused(id, refusal)),
            },
        };
        let how = Settlement::Resubmitted(message_id.clone().unwrap_or_default());
        // Whoever was faster sent it under the same id, so there is one account all the same.
        let first = self.intake.accounts.store.settle_quarantined(id, &how, &self.actor).await?;
        let detail = if first { verdict.detail } else { Some(TOGETHER.to_owned()) };
        Ok(Verdict { message_id, detail, ..verdict })
    }
}

/// The body of a request as it came: what is kept of it.
///
/// # Errors
/// When it cannot be opened.
pub fn body_of(intake: &Intake, entry: &QuarantineEntry) -> Result<Vec<u8>, VaultError> {
    intake.accounts.vault.open_refused(entry.row.id, &entry.body)
}

/// What a worker would make of the envelope when it came as a message.
fn delivery_of(envelope: &Envelope, region: Region) -> Delivery {
    Delivery {
        // It was read from JSON, so it can be written.
        bytes: serde_json::to_vec(&envelope.body).unwrap_or_default(),
        message_id: envelope.message_id.clone(),
        correlation_id: envelope.correlation_id.clone(),
        timestamp_ms: envelope.timestamp_ms,
        traceparent: envelope.traceparent.clone(),
        region: Some(region),
        beside: None,
    }
}

/// Publishes, and waits a while for a broker that does not confirm.
async fn publish(
    publisher: &Publisher,
    address: &Address,
    envelope: &Envelope,
    region: Region,
) -> Result<Result<String, Refusal>, PublishError> {
    let until = Instant::now() + PATIENCE;
    let mut pauses = Reconnect::default();
    loop {
        match publish_envelope(publisher, address, envelope.clone(), region).await {
            Err(error) if Instant::now() > until => return Err(error),
            Err(_) => tokio::time::sleep(pauses.pause()).await,
            published => return published,
        }
    }
}
