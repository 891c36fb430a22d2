//! Trying a definition: what a worker would make of an import, told without a store, a socket or a clock.
//!
//! [`replay`] answers a run's requests from a recording and tells the [`Verdict`]: the account's end, its events, every
//! request with its secrets masked, what changed in the context. Equal input gives equal bytes: time stands still but
//! for the waits, which take none, and ids are fixed or come with the recording. [`record`] performs the same run against
//! the provider and makes such a recording, in which stand-ins take the place of all secrets.
//!
//! The run itself is not told twice: `intake` judges the import, `accounts` decides, a stepper performs, and the address
//! policy judges every URL. Lacks: what a worker adds, such as claims, gates, deduplication and what a name resolves to.

mod case;
pub mod diff;
mod perform;
mod playback;
mod record;
mod recording;
mod schema;
mod scrub;
mod verdict;

use std::time::Duration;

use serde_json::{Map, Value};

use crate::definitions::CompileError;
use crate::lifecycle::Rejection;
use crate::upstream::SendError;

pub use case::{BEGINS_MS, Case};
use perform::{Ask, Begun, Now, Told, Trial};
use playback::Playback;
pub use record::{Recorded, record};
pub use recording::{Answer, Exchange, Expected, NoAnswer, Recording};
pub use schema::recording_schema;
pub use scrub::is_stand_in;
pub use verdict::{Changed, Exchanged, Refused, Unanswered, Unused, Verdict, Waited};

/// Why a definition cannot be tried.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// It does not compile.
    #[error("the definition cannot be run: {0}")]
    Definition(#[from] CompileError),
    /// There is nothing to import.
    #[error("there is no import request: the recording has no `import`, and none was given")]
    NoImport,
    /// The recording cannot be used.
    #[error("the recording {0}")]
    Recording(String),
    /// The import is not accepted, so there is no run to record.
    #[error("the import is not accepted, and nothing was sent: {0}")]
    Refused(String),
    /// A secret would be in the recording.
    #[error(
        "a secret would be in the recording, which is not made: the provider repeats it in a form that is not known"
    )]
    Leak,
    /// The lifecycle has no place for it: a fault of this program.
    #[error("the account cannot be made: {0}")]
    Rejected(#[from] Rejection),
}

/// Chance stands still too: in the middle of its range.
const JITTER: u32 = u32::MAX / 2;

/// What a worker would make of `case` if the provider answered as `recording` says.
///
/// # Errors
/// When the definition or the recording cannot be used. What the definition comes to is no error, whatever it is.
pub fn replay(case: Case, recording: &Recording) -> Result<Verdict, TrialError> {
    let case = case.with(recording)?;
    let mut playback = Playback::of(&recording.exchanges);
    let mut trial = match Trial::begin(&case)? {
        Begun::Refused(refusal) => return Ok(Verdict::refused(&case, &refusal)),
        Begun::Running(trial) => *trial,
    };
    let mut waited = Duration::ZERO;
    let mut told = Told::Begin;
    loop {
        let now = Now { at_ms: case.at_ms + waited.as_millis() as i64, elapsed: waited, jitter: JITTER };
        told = match trial.next(told, now) {
            Ask::Send(request) => match (case.policy.check(&request.url), playback.answer(&request)) {
                // A worker does not send it: no answer is missed, and one that was recorded is used up.
                (Err(refusal), _) => Told::Answer(Err(SendError::AddressRefused(refusal.to_string()))),
                (Ok(_), Ok(answer)) => Told::Answer(answer),
                (Ok(_), Err(missing)) => return Ok(Verdict::unanswered(&trial, &recording.exchanges, &missing)),
            },
            Ask::Wait(after) => {
                waited += after;
                Told::Waited
            }
            Ask::Over => return Ok(Verdict::of(&trial, &playback)),
        };
    }
}

/// An object's members; none of what is no object.
fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}
