//! What the stub's routes answer, and how a credential's words change that.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::header::{HeaderValue, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, Method};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Shared, answer as answer_with, broken, json_answer, lock, never};
use crate::seal::hex;

/// The routes, as the statistics name them.
pub(super) const ROUTES: [&str; 8] = [
    "GET /oauth/userinfo",
    "GET /v1/accounts/{id}",
    "POST /v1/validate",
    "GET /me",
    "GET /orgs/{id}/users",
    "POST /oauth/token",
    "GET /followed",
    "other",
];

/// The place in [`ROUTES`].
pub(super) fn route_of(method: &Method, path: &str) -> usize {
    match (method.as_str(), path) {
        ("GET", "/oauth/userinfo") => 0,
        ("GET", path) if path.starts_with("/v1/accounts/") => 1,
        ("POST", "/v1/validate") => 2,
        ("GET", "/me") => 3,
        ("GET", path) if path.starts_with("/orgs/") && path.ends_with("/users") => 4,
        ("POST", "/oauth/token") => 5,
        // Where `redirect` points; a client that follows is found out here.
        ("GET", "/followed") => 6,
        _ => 7,
    }
}

/// One request.
pub(super) struct Asked<'a> {
    pub(super) route: usize,
    pub(super) path: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a Bytes,
}

impl Asked<'_> {
    /// The bearer token or the key.
    fn credential(&self) -> Option<&str> {
        let text = |name| self.headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
        text("authorization").and_then(|value| value.strip_prefix("Bearer ")).or_else(|| text("x-key"))
    }

    /// A parameter of a token request, from a form or from JSON.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        if self.body.first() == Some(&b'{') {
            return serde_json::from_slice::<Value>(self.body).ok()?.get(name)?.as_str().map(str::to_owned);
        }
        url::form_urlencoded::parse(self.body).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The refresh token that is to be used, on the token route.
    pub(super) fn refresh_token(&self) -> Option<String> {
        if ROUTES[self.route] == "POST /oauth/token" { self.parameter("refresh_token") } else { None }
    }
}

pub(super) async fn answer(shared: &Shared, asked: &Asked<'_>) -> Response {
    if ROUTES[asked.route] == "POST /oauth/token" {
        let steering = asked.parameter("refresh_token").unwrap_or_default();
        if let Some(answer) = by_words(shared, &steering.replace("expired", "")).await {
            return answer;
        }
        let (status, body) = shared.tokens.grant(asked);
        return if counts_down(shared, &steering, "lost") { broken() } else { json_answer(status, &body) };
    }
    let Some(credential) = asked.credential().filter(|credential| !credential.is_empty()) else {
        return json_answer(401, &json!({ "error": "unauthorized" }));
    };
    if let Some(answer) = by_words(shared, credential).await {
        return answer;
    }
    let (status, body) = good(asked, head(credential));
    json_answer(status, &body)
}

/// The part of a credential in which words count; long tokens need not be searched at every request.
fn head(credential: &str) -> &str {
    credential.get(..128).unwrap_or(credential)
}

/// Whether `word` stands in `text` with no letter beside it.
fn has(text: &str, word: &str) -> bool {
    place(text, word).is_some()
}

/// Where the text after `word` begins.
fn place(text: &str, word: &str) -> Option<usize> {
    text.match_indices(word).map(|(start, _)| (start, start + word.len())).find_map(|(start, end)| {
        let before = text[..start].ends_with(|c: char| c.is_ascii_alphabetic());
        let after = text[end..].starts_with(|c: char| c.is_ascii_alphabetic());
        (!before && !after).then_some(end)
    })
}

/// The answer where a word of the credential decides it on any route.
async fn by_words(shared: &Shared, credential: &str) -> Option<Response> {
    let words = head(credential);
    if has(words, "slow") {
        let slow_ms = lock(&shared.faults).slow_ms;
        tokio::time::sleep(Duration::from_millis(slow_ms)).await;
    }
    if has(words, "hang") {
        return Some(never(shared).await);
    }
    if has(words, "expired") {
        return Some(json_answer(401, &json!({ "error": "token expired" })));
    }
    if has(words, "garbage") {
        return Some(answer_with(200, "application/json", "<html>{\"half\": "));
    }
    if has(words, "huge") {
        return Some(answer_with(200, "application/json", format!("{{\"x\":\"{}\"}}", "x".repeat(6 << 20))));
    }
    if has(words, "echo") {
        return Some(json_answer(400, &echo(credential)));
    }
    if has(words, "redirect") {
        let mut answer = json_answer(302, &json!({}));
        answer.headers_mut().insert(LOCATION, HeaderValue::from_static("/followed"));
        return Some(answer);
    }
    if counts_down(shared, credential, "flaky") {
        let mut answer = json_answer(503, &json!({ "error": "try again" }));
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("0"));
        return Some(answer);
    }
    if counts_down(shared, credential, "ratelimited") {
        let mut answer = json_answer(429, &json!({ "error": "too many requests" }));
        answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from_static("1"));
        return Some(answer);
    }
    None
}

/// What a careless provider says: the credential as it is and as encoders write it, in a message and beside it.
fn echo(credential: &str) -> Value {
    let base64 = STANDARD.encode(format!("user:{credential}"));
    let percent = percent_encoding::utf8_percent_encode(credential, percent_encoding::NON_ALPHANUMERIC).to_string();
    let hex = hex(credential.as_bytes());
    let message = format!("no access for Bearer {credential}, Basic {base64}, ?token={percent}, 0x{hex}");
    json!({ "error": message, "request": { "Authorization": format!("Bearer {credential}"), "seen": [base64, percent, hex] } })
}

/// Whether `word<N>` is in the credential and was met fewer than N times; no number stands for 1.
fn counts_down(shared: &Shared, credential: &str, word: &str) -> bool {
    let Some(rest) = place(head(credential), word).map(|end| &head(credential)[end..]) else { return false };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let times: u32 = rest[..digits].parse().unwrap_or(1);
    let mut tries = lock(&shared.tries);
    let met = tries.entry(format!("{word} {credential}")).or_default();
    *met = met.saturating_add(1);
    *met <= times
}

fn good(asked: &Asked<'_>, words: &str) -> (u16, Value) {
    let id = |from: &str, to: &str| {
        asked.path.strip_prefix(from).and_then(|rest| rest.strip_suffix(to)).unwrap_or_default().to_owned()
    };
    match ROUTES[asked.route] {
        "GET /oauth/userinfo" if has(words, "bad-post-install") => (404, json!({ "error": "no such user" })),
        "GET /oauth/userinfo" => (200, userinfo()),
        "GET /v1/accounts/{id}" => (200, account(&id("/v1/accounts/", ""))),
        "POST /v1/validate" | "GET /orgs/{id}/users" if has(words, "no-scope") => {
            (403, json!({ "error": "the token lacks the scope contacts.read" }))
        }
        "POST /v1/validate" => validate(asked.body),
        // An API that answers 200 and says in the body that it failed.
        "GET /me" if has(words, "bad-post-install") => (200, json!({ "ok": false, "error": "bad key" })),
        "GET /me" => {
            (200, json!({ "ok": true, "data": { "id": "u-4711", "org": { "id": "org-1", "name": "Example" } } }))
        }
        "GET /orgs/{id}/users" => {
            (200, json!({ "ok": true, "org": id("/orgs/", "/users"), "data": [{ "id": "u-4711", "role": "admin" }] }))
        }
        "GET /followed" => (200, json!({ "ok": true })),
        _ => (404, json!({ "error": "no such path" })),
    }
}

fn validate(body: &[u8]) -> (u16, Value) {
    if !serde_json::from_slice::<Value>(body).is_ok_and(|body| body["tenant"].is_string()) {
        return (422, json!({ "status": "bad", "error": "`tenant` is missing" }));
    }
    let scopes = ["contacts.read", "contacts.write", "deals.read"];
    (200, json!({ "status": "ok", "scopes": scopes, "checked_at": "2024-01-02T03:04:05Z" }))
}

fn userinfo() -> Value {
    json!({
        "sub": "u-4711", "email": "owner@example.com", "email_verified": true, "name": "Owner Person",
        "locale": "en-US",
        "account": { "id": "acc-0001", "region": "enam", "created_at": "2024-01-02T03:04:05Z" },
        "organizations": [{ "id": "org-1", "role": "admin" }, { "id": "org-2", "role": "member" }],
    })
}

fn account(id: &str) -> Value {
    json!({
        "id": id, "name": "Example Company", "plan": "enterprise", "status": "enabled", "seats": 250,
        "currency": "USD",
        "limits": { "requests_per_minute": 600, "records": 1_000_000, "webhooks": 20 },
        "features": [
            { "name": "contacts", "enabled": true }, { "name": "deals", "enabled": true },
            { "name": "tickets", "enabled": false }, { "name": "files", "enabled": true },
        ],
        "owner": { "id": "u-4711", "email": "owner@example.com" },
        "links": { "self": format!("/v1/accounts/{id}"), "billing": format!("/v1/accounts/{id}/billing") },
        "tags": ["a", "b", "c"],
        "note": "x".repeat(200),
    })
}
