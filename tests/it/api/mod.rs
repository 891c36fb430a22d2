//! The HTTP API on a store of its own, asked without a socket.

mod definitions;
mod events;
mod gates;
mod pages;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Request, Response};
use futures_util::FutureExt as _;
use serde_json::{Value, json};
use tidewaiter::api::{self, Api};
use tidewaiter::app::{Parts, open_parts, open_store};
use tidewaiter::clock::{Clock as _, SystemClock};
use tidewaiter::config::{Settings, Sources};
use tidewaiter::store::Store;
use tidewaiter::tasks::Tasks;
use tidewaiter::telemetry::Metrics;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

/// What a worker's API stands on, without a runner: accounts stay in `connecting`.
pub struct Process {
    pub parts: Parts,
    pub store: Arc<dyn Store>,
}

impl Process {
    /// Asks the API.
    pub async fn ask(&self, request: Request<Body>) -> Response<Body> {
        let api =
            Api { intake: self.parts.intake.clone(), store: Arc::clone(&self.store), stop: CancellationToken::new() };
        api::router(api).oneshot(request).await.unwrap()
    }
}

/// A request as `curl` sends it.
pub fn get(path: &str) -> Request<Body> {
    Request::get(path).header("host", "127.0.0.1:8080").body(Body::empty()).unwrap()
}

/// An import of the shipped definition.
pub fn import(tenant: &str) -> Request<Body> {
    Request::post("/integrated-account")
        .header("host", "127.0.0.1:8080")
        .header("content-type", "application/json")
        .body(Body::from(body(tenant).to_string()))
        .unwrap()
}

pub fn body(tenant: &str) -> Value {
    json!({
        "tenant_id": tenant, "environment_integration_id": "b179ad55-db02-4bd4-b7a4-d2c173eee9ae", "region": "eu",
        "authentication_method": "api_key", "context": { "api_key": "s3cret", "subdomain": "acme" },
    })
}

/// Opens a process on a fresh SQLite database with the shipped definitions.
pub async fn with_process(check: impl AsyncFnOnce(Process)) {
    let directory = std::env::temp_dir().join(format!("tidewaiter-api-{}", SystemClock::default().new_id()));
    std::fs::create_dir_all(&directory).unwrap();
    let outcome = AssertUnwindSafe(async {
        let file = directory.join("store.db");
        let url = format!("sqlite://{}", file.display());
        let environment = vec![("DATABASE_URL".into(), url.into())];
        let settings = Settings::load(&Sources { environment, ..Sources::default() }).unwrap().settings;
        let tasks = Tasks::new();
        let store = open_store(&settings, &tasks).await.unwrap();
        let parts = open_parts(&settings, Arc::clone(&store), None, Metrics::default()).await.unwrap();
        parts.apply_definitions(&settings).await.unwrap();
        check(Process { parts, store: Arc::clone(&store) }).await;
        store.close().await;
    })
    .catch_unwind()
    .await;
    let _ = std::fs::remove_dir_all(&directory);
    outcome.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
}
