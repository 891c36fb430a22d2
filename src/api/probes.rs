//! `/livez`, `/readyz` and `/metrics`, on a listener of their own.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde_json::json;
use tokio::sync::watch;

use super::Door;
use crate::telemetry::Metrics;
use crate::telemetry::metrics::CONTENT_TYPE;

/// What the probes tell. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Probes {
    /// `None` while the database is usable, else what is wrong with it.
    pub database: watch::Receiver<Option<String>>,
    /// Where imports are consumed: `None` while every queue is, else what is wrong.
    pub intake: Option<watch::Receiver<Option<String>>>,
    /// Whether events go out.
    pub relay: watch::Receiver<bool>,
    /// Open when the worker has started: its database answered, its keys and definitions were read.
    pub door: Door,
    /// Counters and gauges.
    pub metrics: Metrics,
}

/// The probes' routes.
pub fn router(probes: Probes) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .with_state(probes)
}

/// Alive is not ready: a restart would not bring the database back, but nobody should send work here.
async fn ready(State(probes): State<Probes>) -> Response {
    let database = probes.database.borrow().clone();
    let intake = probes.intake.as_ref().map(|intake| intake.borrow().clone());
    let relay = *probes.relay.borrow();
    let started = probes.door.is_open();
    let ready = started && database.is_none() && relay && intake.as_ref().is_none_or(Option::is_none);
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = json!({
        "ready": ready,
        "worker": if started { "ok" } else { "starting" },
        "database": database.as_deref().unwrap_or("ok"),
        "intake": intake.map_or("not configured".to_owned(), |problem| problem.unwrap_or("ok".to_owned())),
        "relay": if relay { "ok" } else { "events cannot be published" },
    });
    (status, Json(body)).into_response()
}

async fn metrics(State(probes): State<Probes>) -> Response {
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], probes.metrics.render()).into_response()
}
