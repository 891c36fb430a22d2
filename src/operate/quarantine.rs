//! Working off the quarantine: send a request again, as it came or mended, or give it up.
//!
//! A request is sent again under an id that is made of the quarantine's own, so that a crash between sending and
//! marking imports nothing twice: the same request again is a duplicate, a differently mended one a conflict. One that
//! would be refused again is not sent, and stays as it is.

use serde::Serialize;
use uuid::Uuid;

use super::OperateError;
use crate::accounts::{Beside, ImportError};
use crate::intake::{Delivery, Disposition, Intake, Refusal, json, read_line};
use crate::lifecycle::{IntakeCode, Region, words};
use crate::store::{Channel, QuarantineEntry, QuarantineFilter, QuarantineState, Settlement, Store, StoreError};

/// Rows of one look.
const PAGE: u32 = 1000;

words! {
    /// What became of a request that an operator settles.
    Settled {
        /// It made an account.
        Accepted = "accepted",
        /// An earlier attempt had made the account already.
        Duplicate = "duplicate",
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
            Self::Accepted | Self::Duplicate | Self::Dropped | Self::Possible => true,
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

/// Sends requests again.
#[derive(Debug)]
pub struct Resubmission {
    intake: Intake,
    actor: String,
    dry_run: bool,
}

/// A request as it is sent again.
struct Again {
    id: Uuid,
    delivery: Delivery,
}

impl Resubmission {
    /// By way of this front door, whichever regions its process serves: whoever serves the request's performs its run.
    #[must_use]
    pub fn new(intake: &Intake, actor: &str, dry_run: bool) -> Self {
        let intake = Intake { regions: Region::ALL.into(), ..intake.clone() };
        Self { intake, actor: actor.to_owned(), dry_run }
    }

    /// The body of a request as it came: what is kept of it.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn body(&self, entry: &QuarantineEntry) -> Result<Vec<u8>, ImportError> {
        Ok(self.intake.accounts.vault.open_refused(entry.row.id, &entry.body)?)
    }

    /// Sends a held request again, with another body if one is given.
    ///
    /// # Errors
    /// When the store does not answer or the body cannot be opened. Repeating is safe.
    pub async fn resubmit(&self, id: Uuid, body: Option<Vec<u8>>) -> Result<Verdict, ImportError> {
        let store = &self.intake.accounts.store;
        let Some(entry) = store.quarantine_entry(id).await? else { return Ok(Verdict::of(id, Settled::Absent)) };
        if entry.row.state != QuarantineState::Held {
            return Ok(Verdict::not_held(id, entry.row.state));
        }
        let mended = body.is_some();
        let body = body.map_or_else(|| self.body(&entry), Ok)?;
        if !mended && body.len() as i64 != entry.row.body_bytes {
            let (kept, whole) = (body.len(), entry.row.body_bytes);
            let detail = format!("only {kept} of its {whole} bytes are kept: give the whole body");
            return Ok(Verdict::told(id, Settled::Cut, detail));
        }
        let again = match self.again(&entry, body)? {
            Ok(again) => again,
            Err(refusal) => return Ok(Verdict::refused(id, refusal)),
        };
        match self.intake.check(Channel::Internal, &again.delivery).await? {
            Err(refusal) => Ok(Verdict::refused(id, refusal)),
            Ok(_) if self.dry_run => Ok(Verdict::of(id, Settled::Possible)),
            Ok(_) => self.send(again).await,
        }
    }

    /// The request as a message, with the id of its resubmission and what came with it.
    fn again(&self, entry: &QuarantineEntry, bytes: Vec<u8>) -> Result<Result<Again, Refusal>, ImportError> {
        let (vault, row) = (&self.intake.accounts.vault, &entry.row);
        let beside = match &entry.properties {
            Some(sealed) => vault.open_beside(row.id, sealed)?,
            None => Beside::default(),
        };
        let mut delivery = Delivery {
            bytes,
            message_id: Some(format!("resubmitted:{}", row.id)),
            correlation_id: row.correlation_id.clone(),
            // What expires counts from when it was made, or at the latest from when it came.
            timestamp_ms: Some(beside.timestamp_ms.unwrap_or(row.first_at_ms)),
            traceparent: beside.traceparent,
            region: beside.region,
            ..Delivery::default()
        };
        if row.channel == Channel::File {
            // What is kept of a file is the line, which may be an envelope.
            let envelope = match json::parse(&delivery.bytes).and_then(read_line) {
                Ok(envelope) => envelope,
                Err(refusal) => return Ok(Err(refusal)),
            };
            delivery.bytes = serde_json::to_vec(&envelope.body).unwrap_or_default();
            delivery.correlation_id = envelope.correlation_id.or(delivery.correlation_id);
            delivery.timestamp_ms = envelope.timestamp_ms.or(delivery.timestamp_ms);
            delivery.traceparent = envelope.traceparent.or(delivery.traceparent);
        }
        Ok(Ok(Again { id: row.id, delivery }))
    }

    async fn send(&self, again: Again) -> Result<Verdict, ImportError> {
        let Again { id, delivery } = again;
        let (outcome, account) = match self.intake.submit(Channel::Internal, &delivery).await? {
            Disposition::Accepted(account) => (Settled::Accepted, account.id),
            Disposition::Duplicate(account) => (Settled::Duplicate, account),
            Disposition::Refused(refusal) => return Ok(Verdict::refused(id, refusal)),
        };
        let message_id = delivery.message_id.unwrap_or_default();
        let how = Settlement::Resubmitted(message_id.clone());
        // Whoever was faster sent it under the same id, so there is one account all the same.
        self.intake.accounts.store.settle_quarantined(id, &how, &self.actor).await?;
        Ok(Verdict { account: Some(account), message_id: Some(message_id), ..Verdict::of(id, outcome) })
    }
}
