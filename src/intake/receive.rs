//! One delivery, from bytes to a disposition.

use std::sync::Arc;

use uuid::Uuid;

use super::message::{Envelope, read_body, read_line};
use super::properties::Beside;
use super::{Refusal, json};
use crate::accounts::{Accounts, ImportError, ImportRequest, Imported, Message, PlanError};
use crate::credentials::{fields, large, secrets::SecretPaths, token};
use crate::definitions::Plan;
use crate::lifecycle::{AuthenticationMethod, IntakeCode, Region};
use crate::seal::{Fingerprint, hex};
use crate::store::{Account, Channel, InstallEntry, Patience, Quarantined};
use crate::telemetry::metrics;

/// A refused body over 1 MiB keeps this much, in bytes.
const KEPT_OF_TOO_LARGE: usize = 64 * 1024;
/// The longest name of a queue that is kept in clear, in characters and without control characters: what a dead letter
/// says about it may be forged.
const LONGEST_QUEUE: usize = 255;
/// How far a message's own timestamp may lie back, in milliseconds: a day.
const OLDEST_TIMESTAMP_MS: i64 = 24 * 60 * 60 * 1000;

/// One arrival of a request.
#[derive(Clone, Default)]
pub struct Delivery {
    /// The body, or for a file the whole line.
    pub bytes: Vec<u8>,
    /// The deduplication key, where the channel carries it beside the body.
    pub message_id: Option<String>,
    /// What the producer wants to see again, where the channel carries it beside the body.
    pub correlation_id: Option<String>,
    /// When the producer made it, milliseconds since the epoch, where the channel carries it beside the body.
    pub timestamp_ms: Option<i64>,
    /// The producer's trace context, valid, where the channel carries it beside the body.
    pub traceparent: Option<String>,
    /// The region that a body without one is for: that of the queue it came by.
    pub region: Option<Region>,
    /// What came beside the body and is kept with it when it is refused.
    pub beside: Option<Beside>,
}

impl std::fmt::Debug for Delivery {
    // The body holds credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Delivery")
            .field("bytes", &self.bytes.len())
            .field("message_id", &self.message_id)
            .field("correlation_id", &self.correlation_id)
            .finish_non_exhaustive()
    }
}

/// What became of a delivery.
#[derive(Debug, Clone, PartialEq)]
pub enum Disposition {
    /// A new account.
    Accepted(Box<Account>),
    /// The message came before; its account.
    Duplicate(Uuid),
    /// It cannot be accepted.
    Refused(Refusal),
}

/// The front door of one process. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Intake {
    /// Makes the accounts.
    pub accounts: Accounts,
    /// Tells bodies apart without keeping them.
    pub fingerprint: Arc<Fingerprint>,
    /// The regions that this process takes requests for.
    pub regions: Arc<[Region]>,
    /// How long to wait for a database that does not answer.
    pub patience: Patience,
}

/// A request that was read: what is left is what only the definition knows.
struct Read {
    request: ImportRequest,
    message: Message,
    timestamp_ms: Option<i64>,
}

impl Intake {
    /// Accepts a delivery, recognises it, or refuses it.
    ///
    /// # Errors
    /// When the database does not answer in time or the secrets cannot be sealed. Repeating is safe.
    pub async fn receive(&self, channel: Channel, delivery: &Delivery) -> Result<Disposition, ImportError> {
        let disposition = self.submit(channel, delivery).await?;
        self.end(channel, delivery, disposition).await
    }

    /// Refuses a delivery whatever its body says.
    ///
    /// # Errors
    /// As [`Intake::receive`].
    pub async fn refuse(
        &self,
        channel: Channel,
        delivery: &Delivery,
        refusal: Refusal,
    ) -> Result<Disposition, ImportError> {
        self.end(channel, delivery, Disposition::Refused(refusal)).await
    }

    /// Refuses a delivery that came back from somewhere else, unless it was accepted before that: then nothing is to be
    /// repaired.
    ///
    /// # Errors
    /// As [`Intake::receive`].
    pub async fn bury(
        &self,
        channel: Channel,
        delivery: &Delivery,
        refusal: Refusal,
    ) -> Result<Disposition, ImportError> {
        let disposition = match self.known(channel, delivery).await? {
            Some(account) => Disposition::Duplicate(account),
            None => Disposition::Refused(refusal),
        };
        self.end(channel, delivery, disposition).await
    }

    /// Keeps what was refused, and counts.
    async fn end(
        &self,
        channel: Channel,
        delivery: &Delivery,
        disposition: Disposition,
    ) -> Result<Disposition, ImportError> {
        if let Disposition::Refused(refusal) = &disposition
            && channel != Channel::Http
        {
            self.quarantine(channel, delivery, refusal).await?;
        }
        self.accounts.metrics.count_intake(channel.as_str(), counted(channel, &disposition));
        Ok(disposition)
    }

    /// The same, but a refusal is only answered.
    ///
    /// # Errors
    /// As [`Intake::receive`].
    pub async fn submit(&self, channel: Channel, delivery: &Delivery) -> Result<Disposition, ImportError> {
        match self.read(channel, delivery) {
            Ok(read) => self.accept(read).await,
            Err(refusal) => Ok(Disposition::Refused(refusal)),
        }
    }

    /// The account that this very message made before.
    async fn known(&self, channel: Channel, delivery: &Delivery) -> Result<Option<Uuid>, ImportError> {
        let Ok(read) = self.read(channel, delivery) else { return Ok(None) };
        let Some(install) = self.accounts.catalog.install(read.request.install).await? else { return Ok(None) };
        let Some(id) = &read.message.id else { return Ok(None) };
        self.made_by(install.environment_id, id, read.message.fingerprint).await
    }

    /// The account that a message made before, unless its body was another one.
    async fn made_by(&self, environment: Uuid, id: &str, fingerprint: [u8; 32]) -> Result<Option<Uuid>, ImportError> {
        let found = self.accounts.store.message(environment, id).await?;
        Ok(found.filter(|(_, known)| *known == fingerprint).map(|(account, _)| account))
    }

    fn read(&self, channel: Channel, delivery: &Delivery) -> Result<Read, Refusal> {
        let value = json::parse(&delivery.bytes)?;
        let envelope = if channel == Channel::File {
            read_line(value)?
        } else {
            Envelope {
                message_id: delivery.message_id.clone(),
                correlation_id: delivery.correlation_id.clone(),
                timestamp_ms: delivery.timestamp_ms,
                traceparent: delivery.traceparent.clone(),
                body: value,
            }
        };
        let fingerprint = self.fingerprint.of(&envelope.body);
        // Without an id a body is its own id, but for HTTP, where no key means that every request is meant.
        let id = envelope.message_id.or_else(|| (channel != Channel::Http).then(|| hex(&fingerprint)));
        let request = read_body(envelope.body, delivery.region.unwrap_or(Region::Wnam))?;
        if !self.regions.contains(&request.region) {
            let message = format!("this process does not serve region `{}`", request.region);
            return Err(Refusal::field(IntakeCode::WrongRegion, "/region", message));
        }
        let (correlation_id, traceparent) = (envelope.correlation_id, envelope.traceparent);
        let message = Message { channel, id, fingerprint, correlation_id, traceparent };
        Ok(Read { request, message, timestamp_ms: envelope.timestamp_ms })
    }

    async fn accept(&self, read: Read) -> Result<Disposition, ImportError> {
        let Some(install) = self.accounts.catalog.install(read.request.install).await? else {
            return Ok(Disposition::Refused(unknown_install()));
        };
        let (id, fingerprint) = (read.message.id.clone(), read.message.fingerprint);
        let disposition = self.accept_for(&install, read).await?;
        // What came before is a duplicate, whatever has become of its install since.
        if let (Disposition::Refused(_), Some(id)) = (&disposition, id)
            && let Some(account) = self.made_by(install.environment_id, &id, fingerprint).await?
        {
            return Ok(Disposition::Duplicate(account));
        }
        Ok(disposition)
    }

    /// Whether a delivery would be accepted, as far as that can be told without making anything: the region it is for.
    ///
    /// # Errors
    /// As [`Intake::receive`].
    pub async fn check(&self, channel: Channel, delivery: &Delivery) -> Result<Result<Region, Refusal>, ImportError> {
        let mut read = match self.read(channel, delivery) {
            Ok(read) => read,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let Some(install) = self.accounts.catalog.install(read.request.install).await? else {
            return Ok(Err(unknown_install()));
        };
        let judged = self.judge(&install, &mut read.request, read.timestamp_ms).await?;
        Ok(judged.map(|_| read.request.region))
    }

    async fn accept_for(&self, install: &InstallEntry, read: Read) -> Result<Disposition, ImportError> {
        let Read { mut request, message, timestamp_ms } = read;
        match self.judge(install, &mut request, timestamp_ms).await? {
            Ok(paths) => self.import(request, install, &paths, message).await,
            Err(refusal) => Ok(Disposition::Refused(refusal)),
        }
    }

    /// Judges and completes a request by its install.
    async fn judge(
        &self,
        install: &InstallEntry,
        request: &mut ImportRequest,
        timestamp_ms: Option<i64>,
    ) -> Result<Result<SecretPaths, Refusal>, ImportError> {
        let refuse = |message| Refusal::field(IntakeCode::DisabledInstall, "/environment_integration_id", message);
        if !install.is_enabled {
            return Ok(Err(refuse("this install is not enabled")));
        }
        let plan = match self.accounts.catalog.plan(install.effective).await {
            Ok(plan) => plan,
            Err(PlanError::Store(error)) => return Err(error.into()),
            Err(error) => {
                // Nobody can be imported until the operator has mended it; the request is kept until then.
                tracing::error!(install = %install.id, %error, "imports are refused: an install's definition cannot be used");
                let message = "this install's definition cannot be run by this worker; its operator has to mend it";
                return Ok(Err(refuse(message)));
            }
        };
        if !self.accounts.objects.is_configured()
            && let Some((key, _)) = request.context.iter().find(|(_, value)| large::data(value).is_some())
        {
            let message = "no object store is configured for large values: its operator sets `objects.url`";
            return Ok(Err(Refusal::field(IntakeCode::NotSupported, in_context(key), message)));
        }
        Ok(check_context(request, &plan, self.accounts.clock.now_ms(), timestamp_ms))
    }

    async fn import(
        &self,
        request: ImportRequest,
        install: &InstallEntry,
        paths: &SecretPaths,
        message: Message,
    ) -> Result<Disposition, ImportError> {
        Ok(match self.accounts.import(request, install, paths, message, self.patience).await? {
            Imported::Created(account) => Disposition::Accepted(account),
            Imported::Duplicate(account) => Disposition::Duplicate(account),
            Imported::Conflict(account) => Disposition::Refused(Refusal::new(
                IntakeCode::IdempotencyConflict,
                format!("this message id came before with another body, which made account {account}: use a new id"),
            )),
        })
    }

    async fn quarantine(&self, channel: Channel, delivery: &Delivery, refusal: &Refusal) -> Result<(), ImportError> {
        let id = self.accounts.clock.new_id();
        let fingerprint = self.fingerprint.of_bytes(&delivery.bytes);
        let (message_id, correlation_id) = Self::ids_of(channel, delivery);
        let kept = if refusal.code == IntakeCode::TooLarge {
            &delivery.bytes[..delivery.bytes.len().min(KEPT_OF_TOO_LARGE)]
        } else {
            &delivery.bytes[..]
        };
        let queue = delivery.beside.as_ref().map(|beside| kept_queue(&beside.queue));
        let beside = delivery.beside.as_ref().map(|beside| beside.to_json().to_string());
        let beside = beside.map(|beside| self.accounts.vault.seal_refused_properties(id, beside.as_bytes()));
        let refused = Quarantined {
            id,
            channel,
            message_id: message_id.unwrap_or_else(|| hex(&fingerprint)),
            fingerprint,
            reason: refusal.code.as_str().to_owned(),
            detail: refusal.message.clone(),
            pointer: refusal.pointer().map(str::to_owned),
            correlation_id,
            queue,
            properties: beside.transpose()?,
            body: self.accounts.vault.seal_refused(id, kept)?,
            body_bytes: delivery.bytes.len() as i64,
            at_ms: self.accounts.clock.now_ms(),
        };
        self.accounts.store.quarantine(refused).await?;
        Ok(())
    }

    /// Message and correlation id of a refused delivery, as far as they can be read.
    fn ids_of(channel: Channel, delivery: &Delivery) -> (Option<String>, Option<String>) {
        if channel != Channel::File {
            return (delivery.message_id.clone(), delivery.correlation_id.clone());
        }
        let envelope = json::parse(&delivery.bytes).and_then(read_line).ok();
        envelope.map_or((None, None), |envelope| (envelope.message_id, envelope.correlation_id))
    }
}

/// Checks and completes a request's context by the install's definition, at `now_ms`; `timestamp_ms` is when the
/// producer made it, if that is known. Answers which of its places are secret.
///
/// # Errors
/// A [`Refusal`] that names what is wrong.
pub fn check_context(
    request: &mut ImportRequest,
    plan: &Plan,
    now_ms: i64,
    timestamp_ms: Option<i64>,
) -> Result<SecretPaths, Refusal> {
    let method = request.authentication_method;
    let Some(credential) = plan.credential(method) else {
        let offered: Vec<&str> = plan.credentials.iter().map(|(offered, _)| offered.as_str()).collect();
        let message = format!("this integration does not offer it; it offers: {}", offered.join(", "));
        return Err(Refusal::field(IntakeCode::Invalid, "/authentication_method", message));
    };
    if mints(method) && token::token(&request.context).is_none_or(|token| !token.contains_key("access_token")) {
        let message = "an access token is needed: minting one is not supported yet";
        return Err(Refusal::field(IntakeCode::NotSupported, "/context/oauth/token/access_token", message));
    }
    if let Some(key) = large::empty(&request.context) {
        let message = "is marked with `truto_obj_store` and has no `data` to keep";
        return Err(Refusal::field(IntakeCode::Invalid, in_context(key), message));
    }
    let from_ms = timestamp_ms.unwrap_or(now_ms).clamp(now_ms - OLDEST_TIMESTAMP_MS, now_ms);
    request.context =
        fields::accept(credential, std::mem::take(&mut request.context), from_ms).map_err(Refusal::fields)?;
    Ok(SecretPaths::of(Some(credential)))
}

/// A queue's name as it is kept in clear. What a dead letter says about it may be forged: a NUL in it would keep the
/// letter out of the quarantine, and so in its queue, for ever.
fn kept_queue(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(LONGEST_QUEUE).collect()
}

/// The methods whose access token the worker could make itself, in a later version.
const fn mints(method: AuthenticationMethod) -> bool {
    match method {
        AuthenticationMethod::Oauth2ClientCredentials | AuthenticationMethod::KekaOauth => true,
        AuthenticationMethod::Oauth2 | AuthenticationMethod::ApiKey => false,
    }
}

fn in_context(key: &str) -> String {
    format!("/context/{}", key.replace('~', "~0").replace('/', "~1"))
}

fn unknown_install() -> Refusal {
    Refusal::field(IntakeCode::UnknownInstall, "/environment_integration_id", "no install has this id")
}

const fn counted(channel: Channel, disposition: &Disposition) -> metrics::Disposition {
    match disposition {
        Disposition::Accepted(_) => metrics::Disposition::Accepted,
        Disposition::Duplicate(_) => metrics::Disposition::Duplicate,
        Disposition::Refused(refusal) => match channel {
            Channel::Http => metrics::Disposition::Refused(refusal.code),
            Channel::Amqp | Channel::File | Channel::Internal => metrics::Disposition::Quarantined(refusal.code),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_forged_queue_can_be_kept() {
        assert_eq!(kept_queue("tidewaiter.imports.eu"), "tidewaiter.imports.eu");
        assert_eq!(kept_queue("\0im\u{1b}[2Jports\n"), "im[2Jports");
        assert_eq!(kept_queue(&"\u{e9}".repeat(300)).chars().count(), LONGEST_QUEUE);
    }
}
