//! What a message brings beside its body, as the quarantine keeps it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::lifecycle::Region;

/// Properties of a message. A producer may have written anything into them, so they are stored sealed.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Beside {
    /// The region that a body without one is for.
    pub region: Option<Region>,
    /// The queue that it was taken from; also stored in clear.
    pub queue: Option<String>,
    /// The routing key that it was published with.
    pub routing_key: Option<String>,
    /// Where its producer waits for an answer.
    pub reply_to: Option<String>,
    /// The type of its body.
    pub content_type: Option<String>,
    /// Its own type.
    pub message_type: Option<String>,
    /// When its producer made it, milliseconds since the epoch.
    pub timestamp_ms: Option<i64>,
    /// The trace that it continues.
    pub traceparent: Option<String>,
    /// Its headers.
    pub headers: Map<String, Value>,
}

impl std::fmt::Debug for Beside {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Beside").field("queue", &self.queue).finish_non_exhaustive()
    }
}
