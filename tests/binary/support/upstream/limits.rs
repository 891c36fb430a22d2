//! Limits in every style: the first request of a case is limited, the next is not.

use tidewaiter::clock::{Clock as _, SystemClock};

use serde_json::json;

use super::Answer;

/// Whole seconds from now.
fn later(seconds: i64) -> jiff::Timestamp {
    let now = SystemClock::default().now_ms() / 1000;
    jiff::Timestamp::from_second(now + seconds).unwrap()
}

pub fn answer(style: &str, before: usize) -> Answer {
    if before > 0 && style != "always" {
        return Answer::json(200, &json!({ "ok": true }));
    }
    let limited = || Answer::json(429, &json!({ "message": "slow down" }));
    match style {
        "seconds" | "always" => limited().with("retry-after", 1),
        "date" => {
            // Two, of which up to one is over when the second is.
            let date = jiff::fmt::rfc2822::DateTimePrinter::new().timestamp_to_rfc9110_string(&later(2)).unwrap();
            limited().with("retry-after", date)
        }
        "untold" => limited(),
        "zero" => limited().with("retry-after", 0),
        "reset" => limited().with("ratelimit-limit", 5).with("ratelimit-remaining", 0).with("ratelimit-reset", 1),
        "both" => limited().with("retry-after", 1).with("ratelimit-reset", 2),
        "epoch" => limited().with("x-ratelimit-reset", later(2).as_second()),
        "body" => Answer::json(200, &json!({ "ok": false, "error": "rate_limited", "wait": 1 })),
        "quota" => Answer::json(403, &json!({ "message": "no" })).with("x-quota-left", 0).with("x-quota-reset", 1),
        "unavailable" => Answer::json(503, &json!({ "message": "later" })).with("retry-after", 1),
        _ => panic!("no limit is spoken as {style}"),
    }
}
