//! Waiting for what a live server does in its own time.

use std::time::Duration;

use tokio::time::{sleep, timeout};

/// Asks again and again until it is so. False when it was not so `within` that time.
pub async fn comes_true(within: Duration, mut ask: impl AsyncFnMut() -> bool) -> bool {
    let so = async {
        while !ask().await {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(within, so).await.is_ok()
}
