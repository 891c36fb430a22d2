//! The stub's token endpoint: a refresh grant that rotates and notices misuse.
//!
//! A refresh token is `NAME` at first and `NAME.<generation>` after each rotation; only the newest is good. Using an
//! older one, or two at the same time, is what a correct client never does, so both are counted. Words in the name:
//! `revoked` (always `invalid_grant`), `norotate` (the refresh token stays).

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use serde_json::{Value, json};

use super::lock;
use super::provider::Asked;

#[derive(Debug, Default)]
struct Family {
    generation: u64,
    in_flight: u32,
}

/// All tokens that were issued, by family.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    families: Mutex<HashMap<String, Family>>,
    issued: AtomicU64,
    refused: AtomicU64,
    reused: AtomicU64,
    overlapped: AtomicU64,
}

/// A refresh that is under way; ends when dropped, also when the client hangs up.
pub(super) struct InFlight<'a> {
    tokens: &'a Tokens,
    name: String,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Some(family) = lock(&self.tokens.families).get_mut(&self.name) {
            family.in_flight -= 1;
        }
    }
}

/// The family's name and the token's generation.
fn split(token: &str) -> (&str, u64) {
    let parts = token.rsplit_once('.').and_then(|(name, generation)| Some((name, generation.parse().ok()?)));
    parts.unwrap_or((token, 0))
}

impl Tokens {
    /// Notes that a refresh of `token` begins.
    pub(super) fn enter(&self, token: &str) -> InFlight<'_> {
        let name = split(token).0.to_owned();
        let mut families = lock(&self.families);
        let family = families.entry(name.clone()).or_default();
        family.in_flight += 1;
        if family.in_flight > 1 {
            self.overlapped.fetch_add(1, Relaxed);
        }
        InFlight { tokens: self, name }
    }

    /// Performs a token request: status and body.
    pub(super) fn grant(&self, asked: &Asked<'_>) -> (u16, Value) {
        let client = asked.parameter("client_id").unwrap_or_default();
        if client.contains("bad-client") {
            return self.refuse(401, "invalid_client");
        }
        match asked.parameter("grant_type").as_deref() {
            Some("refresh_token") => self.refresh(&asked.parameter("refresh_token").unwrap_or_default()),
            Some("client_credentials") => self.issue(1, &client, None),
            Some("authorization_code") => self.issue(1, &asked.parameter("code").unwrap_or_default(), None),
            _ => self.refuse(400, "unsupported_grant_type"),
        }
    }

    fn refresh(&self, token: &str) -> (u16, Value) {
        if token.is_empty() || token.contains("revoked") {
            return self.refuse(400, "invalid_grant");
        }
        let (name, generation) = split(token);
        let mut families = lock(&self.families);
        let family = families.entry(name.to_owned()).or_default();
        if family.generation != generation {
            self.reused.fetch_add(1, Relaxed);
            return self.refuse(400, "invalid_grant");
        }
        if name.contains("norotate") {
            return self.issue(1, name, None);
        }
        family.generation += 1;
        self.issue(family.generation, name, Some(format!("{name}.{}", family.generation)))
    }

    fn issue(&self, generation: u64, name: &str, refresh_token: Option<String>) -> (u16, Value) {
        self.issued.fetch_add(1, Relaxed);
        // The account's words stay in force, save the one that a refresh mends.
        let words = name.trim_start_matches("rt-").replace("expired", "fresh");
        let mut body = json!({
            "access_token": format!("at-{generation}-{words}"), "token_type": "bearer", "expires_in": 3600,
        });
        if let Some(refresh_token) = refresh_token {
            body["refresh_token"] = refresh_token.into();
        }
        (200, body)
    }

    fn refuse(&self, status: u16, error: &str) -> (u16, Value) {
        self.refused.fetch_add(1, Relaxed);
        (status, json!({ "error": error }))
    }

    pub(super) fn stats(&self) -> Value {
        json!({
            "issued": self.issued.load(Relaxed),
            "refused": self.refused.load(Relaxed),
            "reused": self.reused.load(Relaxed),
            "overlapped": self.overlapped.load(Relaxed),
        })
    }
}
