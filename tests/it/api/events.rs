//! The stream of events.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use futures_util::StreamExt as _;
use tidewaiter::clock::{Clock as _, ManualClock, SystemClock};

use super::{get, import, with_process};

/// Only a stream that tells nothing lasts this long.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_stream_from_now_tells_what_comes_though_the_workers_clock_is_wrong() {
    for off_ms in [-3_600_000, 3_600_000] {
        with_process(async |mut process| {
            let clock = Arc::new(ManualClock::at(SystemClock::default().now_ms() + off_ms));
            process.parts.intake.accounts.clock = clock;
            let stream = process.ask(get("/events")).await;
            assert_eq!(stream.status(), StatusCode::OK);
            assert_eq!(process.ask(import("acme-1")).await.status(), StatusCode::CREATED);
            let mut told = stream.into_body().into_data_stream();
            let first = tokio::time::timeout(PATIENCE, told.next()).await.expect("the event is told");
            assert!(String::from_utf8_lossy(&first.unwrap().unwrap()).contains("integrated_account.created"));
        })
        .await;
    }
}
