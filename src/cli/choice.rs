//! What operators' verbs have in common: ids, times that lie back, who asks, and how refusals end.

use uuid::Uuid;

use super::{CliError, Exit};
use crate::clock::Clock as _;
use crate::clock::SystemClock;
use crate::operate::OperateError;

/// An id, as the lists show it.
pub(super) fn id(text: &str) -> Result<Uuid, String> {
    text.parse().map_err(|_| "is not a whole id, such as 01a20f97-7af6-77ce-9895-87fec7113a79".to_owned())
}

/// A time: RFC 3339, or how long ago (`90s`, `30m`, `2h`, `3d`). Milliseconds since the epoch.
pub(super) fn since(text: &str) -> Result<i64, String> {
    if let Ok(at) = text.parse::<jiff::Timestamp>() {
        return Ok(at.as_millisecond());
    }
    let ago = text.char_indices().last().and_then(|(at, unit)| {
        let seconds: i64 = match unit {
            's' => 1,
            'm' => 60,
            'h' => 60 * 60,
            'd' => 24 * 60 * 60,
            _ => return None,
        };
        let number: u32 = text[..at].parse().ok()?;
        i64::from(number).checked_mul(seconds * 1000)
    });
    let ago = ago.ok_or_else(|| "is neither a time (2026-11-24T10:00:00Z) nor an age (90s, 30m, 2h, 3d)".to_owned())?;
    Ok(SystemClock::default().now_ms().saturating_sub(ago))
}

/// Who asks, as far as the system knows.
pub(super) fn actor() -> String {
    format!("cli, uid {}", rustix::process::getuid().as_raw())
}

impl From<OperateError> for CliError {
    fn from(error: OperateError) -> Self {
        match error {
            OperateError::Store(error) => error.into(),
            other => Self::bad_input(other.to_string()),
        }
    }
}

/// How a verb ends that left something out.
pub(super) const fn exit(complete: bool) -> Exit {
    if complete { Exit::Done } else { Exit::Findings }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_was_cut_short_is_called_so() {
        assert!(id("01a20f97-7af6-77ce-9895-87fec7113a79").is_ok());
        assert!(id("01a20f97-7af6-…").unwrap_err().contains("whole id"));
    }

    #[test]
    fn a_time_is_an_instant_or_an_age() {
        assert_eq!(since("1970-01-01T00:00:01Z"), Ok(1000));
        let now = SystemClock::default().now_ms();
        for (text, seconds) in [("90s", 90), ("30m", 1800), ("2h", 7200), ("3d", 259_200)] {
            let ago = now - since(text).unwrap();
            assert!((seconds * 1000 - 60_000..=seconds * 1000).contains(&ago), "{text}: {ago}");
        }
        for wrong in ["", "2", "h", "-2h", "2w", "2 h", "é", "yesterday"] {
            assert!(since(wrong).is_err(), "{wrong}");
        }
    }
}
