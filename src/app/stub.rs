//! A stub provider on loopback, for the demo, the tests and the fault runs.
//!
//! It answers like a small vendor's API with OAuth. A caller steers it per account by words in its bearer token or
//! `x-key` (the first 128 bytes are looked at): `bad-post-install`, `no-scope`, `flaky<N>` (N answers 503 first),
//! `ratelimited<N>` (N answers 429 first), `expired` (401; a refreshed token has lost the word), `slow`, `hang`,
//! `huge` (6 MiB), `garbage`, `redirect`, `echo` (400, with the credential in the body as it is and encoded), and in a
//! refresh token `lost<N>` (N refreshes are done but their answers lost). Everything else is a good credential;
//! `exchange` does not hang. Faults for all, changed at run time with `POST /_stub/faults`, are drawn from a seeded
//! sequence; `GET /_stub/stats` tells what was asked. It keeps its state in memory and has no TLS.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::Response;
use axum::routing::{get, post};
use axum::serve::ListenerExt;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::tasks::Tasks;

mod provider;
mod token;

/// How a stub starts.
#[derive(Debug, Clone, Copy)]
pub struct StubOptions {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// The faults at first.
    pub faults: Faults,
}

impl Default for StubOptions {
    fn default() -> Self {
        Self { listen: SocketAddr::from(([127, 0, 0, 1], 0)), faults: Faults::default() }
    }
}

/// Faults that hit any request. Equal seeds and equal orders of requests make equal faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    /// Share answered with 503 before anything is done, in percent.
    pub unavailable_percent: u8,
    /// Share that is done but never answered, in percent.
    pub hang_percent: u8,
    /// Share that is done but whose connection breaks instead of an answer, in percent.
    pub drop_percent: u8,
    /// Wait before each answer, in milliseconds.
    pub latency_ms: u64,
    /// Wait before an answer to a `slow` credential, in milliseconds.
    pub slow_ms: u64,
    /// The seed of the sequence; setting the faults starts it anew.
    pub seed: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self { unavailable_percent: 0, hang_percent: 0, drop_percent: 0, latency_ms: 0, slow_ms: 2000, seed: 0 }
    }
}

/// What befalls one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Fine,
    Unavailable,
    Hang,
    Drop,
}

impl Faults {
    fn fate(&self, draw: u64) -> Fate {
        // SplitMix64 (Steele et al. 2014) of the request's number.
        let mut mixed = self.seed.wrapping_add(draw.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        let percent = (mixed ^ (mixed >> 31)) % 100;
        let unavailable = u64::from(self.unavailable_percent);
        let hang = unavailable + u64::from(self.hang_percent);
        match percent {
            p if p < unavailable => Fate::Unavailable,
            p if p < hang => Fate::Hang,
            p if p < hang + u64::from(self.drop_percent) => Fate::Drop,
            _ => Fate::Fine,
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    faults: Mutex<Faults>,
    draws: AtomicU64,
    requests: [AtomicU64; provider::ROUTES.len()],
    fates: [AtomicU64; 4],
    /// Answers given so far to credentials that count them.
    tries: Mutex<HashMap<String, u32>>,
    keys: Mutex<HashMap<String, u64>>,
    tokens: token::Tokens,
    stop: CancellationToken,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn set_faults(&self, faults: Faults) {
        *lock(&self.faults) = faults;
        self.draws.store(0, Relaxed);
    }

    fn stats(&self) -> Value {
        let requests = provider::ROUTES.iter().zip(&self.requests).map(|(route, n)| (*route, n.load(Relaxed)));
        let keys = lock(&self.keys);
        let repeated: HashMap<_, _> = keys.iter().filter(|(_, times)| **times > 1).take(100).collect();
        json!({
            "requests": requests.collect::<HashMap<_, _>>(),
            "faults": {
                "unavailable": self.fates[Fate::Unavailable as usize].load(Relaxed),
                "hung": self.fates[Fate::Hang as usize].load(Relaxed),
                "dropped": self.fates[Fate::Drop as usize].load(Relaxed),
            },
            "idempotency": { "keys": keys.len(), "repeated": repeated },
            "tokens": self.tokens.stats(),
        })
    }

    fn note_key(&self, headers: &HeaderMap) {
        if let Some(key) = headers.get("idempotency-key").and_then(|key| key.to_str().ok()) {
            *lock(&self.keys).entry(key.to_owned()).or_default() += 1;
        }
    }
}

/// A running stub; it stops with the tasks it was started among, or with [`Stub::stop`].
#[derive(Debug)]
pub struct Stub {
    /// Its root, such as `http://127.0.0.1:49152`, without a slash at the end.
    pub base_url: String,
    shared: Arc<Shared>,
}

impl Stub {
    /// Starts a stub.
    ///
    /// # Errors
    /// When the address cannot be listened on.
    pub async fn start(options: StubOptions, tasks: &Tasks) -> io::Result<Self> {
        let listener = TcpListener::bind(options.listen).await?;
        let base_url = format!("http://{}", listener.local_addr()?);
        let shared = Arc::new(Shared { stop: tasks.stop().child_token(), ..Shared::default() });
        shared.set_faults(options.faults);
        let served = Arc::clone(&shared);
        tasks.spawn_job("stub provider", async move {
            if let Err(error) = serve(listener, served).await {
                tracing::error!(%error, "the stub provider stopped");
            }
        });
        Ok(Self { base_url, shared })
    }

    /// What `GET /_stub/stats` answers.
    #[must_use]
    pub fn stats(&self) -> Value {
        self.shared.stats()
    }

    /// Requests so far to a route as the statistics name it, `GET /me` say.
    #[must_use]
    pub fn requests(&self, route: &str) -> u64 {
        let place = provider::ROUTES.iter().position(|name| *name == route);
        place.map_or(0, |place| self.shared.requests[place].load(Relaxed))
    }

    /// Changes the faults and starts their sequence anew.
    pub fn set_faults(&self, faults: Faults) {
        self.shared.set_faults(faults);
    }

    /// Stops listening and lets go of hanging requests.
    pub fn stop(&self) {
        self.shared.stop.cancel();
    }
}

async fn serve(listener: TcpListener, shared: Arc<Shared>) -> io::Result<()> {
    let stop = shared.stop.clone();
    let router = Router::new()
        .route("/_stub/stats", get(async |State(shared): State<Arc<Shared>>| Json(shared.stats())))
        .route("/_stub/faults", post(change_faults))
        .fallback(provide)
        .with_state(shared);
    let listener = listener.tap_io(|connection| {
        // Small answers on a kept connection would wait for the peer's delayed acknowledgement.
        let _ = connection.set_nodelay(true);
    });
    axum::serve(listener, router).with_graceful_shutdown(async move { stop.cancelled().await }).await
}

async fn change_faults(State(shared): State<Arc<Shared>>, Json(faults): Json<Faults>) -> Json<Faults> {
    shared.set_faults(faults);
    Json(faults)
}

/// Every request to the provider: count it, draw its fate, do it, answer or not.
async fn provide(
    State(shared): State<Arc<Shared>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let route = provider::route_of(&method, uri.path());
    shared.requests[route].fetch_add(1, Relaxed);
    shared.note_key(&headers);
    let faults = *lock(&shared.faults);
    let fate = faults.fate(shared.draws.fetch_add(1, Relaxed));
    shared.fates[fate as usize].fetch_add(1, Relaxed);
    let request = provider::Asked { route, path: uri.path(), headers: &headers, body: &body };
    let _refresh = request.refresh_token().map(|token| shared.tokens.enter(&token));
    if faults.latency_ms > 0 {
        tokio::time::sleep(Duration::from_millis(faults.latency_ms)).await;
    }
    if fate == Fate::Unavailable {
        return json_answer(503, &json!({ "error": "unavailable" }));
    }
    let answer = provider::answer(&shared, &request).await;
    match fate {
        Fate::Hang => never(&shared).await,
        Fate::Drop => broken(),
        Fate::Fine | Fate::Unavailable => answer,
    }
}

/// Answers nothing until the stub stops.
async fn never(shared: &Shared) -> Response {
    shared.stop.cancelled().await;
    json_answer(503, &json!({ "error": "stopping" }))
}

/// An answer whose connection breaks instead of its first byte.
fn broken() -> Response {
    let broken = async { Err::<Bytes, _>(io::Error::other("dropped on purpose")) };
    Response::new(Body::from_stream(futures_util::stream::once(broken)))
}

fn json_answer(status: u16, body: &Value) -> Response {
    answer(status, "application/json", body.to_string())
}

fn answer(status: u16, content_type: &'static str, body: impl Into<Body>) -> Response {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = axum::http::StatusCode::from_u16(status).unwrap_or_default();
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(content_type));
    answer
}

#[cfg(test)]
mod tests;
