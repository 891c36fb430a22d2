//! The HTTP API and the probes. The only home of axum, but for the stub provider.
//!
//! The API has no access tokens yet and therefore listens on loopback only (settings refuse anything else) and refuses
//! what looks like a web page's request (`guard`). Probes are on a listener of their own and show no data of accounts.

mod definitions;
mod events;
mod gates;
mod guard;
mod import;
mod list;
mod looks;
mod patch;
mod probes;
mod problem;
mod read;
mod runs;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt as _;

pub use probes::{Probes, router as probes_router};
pub use problem::Problem;

use crate::intake::{Intake, json};
use crate::store::Store;

/// What the API works with. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Api {
    /// The front door.
    pub intake: Intake,
    /// For reading.
    pub store: Arc<dyn Store>,
    /// Cancelled when the process is to stop: streams end.
    pub stop: CancellationToken,
}

/// The API's routes.
pub fn router(api: Api) -> Router {
    Router::new()
        .route("/integrated-account", post(import::import).get(list::list))
        .route("/integrated-account/refresh-credentials", post(runs::refresh))
        .route("/integrated-account/run-post-install-actions", post(runs::rerun))
        .route("/integrated-account/revalidate", post(runs::revalidate))
        .route("/integrated-account/{id}", get(read::read).patch(patch::patch))
        .route("/integrated-account/{id}/runs", get(runs::list))
        .route("/integrated-account/{id}/actions/{name}", post(runs::action))
        .route("/integrated-account/{id}/events", get(read::events))
        .route("/events", get(events::events))
        .route("/gates", get(gates::closed))
        .route("/integration", get(definitions::integrations))
        .route("/integration/{name}", get(definitions::integration))
        .route("/environment-integration", get(definitions::installs))
        .route("/environment-integration/{id}", get(definitions::install))
        .fallback(|| async { Problem::not_found("path") })
        .method_not_allowed_fallback(|| async { Problem::method_not_allowed() })
        // One byte more than a message may have, so that the answer can say what the limit is.
        .layer(DefaultBodyLimit::max(json::MAX_BYTES + 1))
        .layer(axum::middleware::from_fn(guard::keep_pages_out))
        .with_state(api)
}

/// The API of a process that is starting: every request is told so, until the router is there.
#[derive(Debug, Clone, Default)]
pub struct Door(Arc<OnceLock<Router>>);

impl Door {
    /// From here on requests are served.
    pub fn open(&self, api: Api) {
        // A door is opened once.
        let _ = self.0.set(router(api));
    }

    /// Whether requests are served.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.0.get().is_some()
    }

    /// What listens meanwhile and afterwards.
    pub fn router(&self) -> Router {
        Router::new().fallback(enter).with_state(self.clone())
    }
}

async fn enter(State(door): State<Door>, request: Request) -> Response {
    match door.0.get() {
        Some(router) => router.clone().oneshot(request).await.into_response(),
        None => Problem::starting().into_response(),
    }
}

/// After a stop, requests under way have this long: all that wait for something end with the stop, so what is left then
/// is a client that does not finish what it sends, or does not read.
const LAST_ANSWERS: Duration = Duration::from_secs(3);

/// Serves a router until `stop`.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.clone().cancelled_owned());
    let given_up = async {
        stop.cancelled().await;
        tokio::time::sleep(LAST_ANSWERS).await;
    };
    tokio::select! {
        served = served => {
            if let Err(error) = served {
                tracing::error!(%error, "a listener ended");
            }
        }
        () = given_up => tracing::info!("clients that did not come to an end are cut off"),
    }
}
