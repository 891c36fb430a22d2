//! The stub, asked through the real client.

use crate::upstream::{ClientOptions, HttpUpstream, PolicyOptions, Request, Response as Answer, SendError, Upstream};

use super::*;

struct Asker {
    stub: Stub,
    upstream: HttpUpstream,
    _tasks: Tasks,
}

impl Asker {
    async fn with(faults: Faults) -> Self {
        let tasks = Tasks::new();
        let stub = Stub::start(StubOptions { faults, ..StubOptions::default() }, &tasks).await.unwrap();
        let policy =
            PolicyOptions { allow_addresses: vec!["127.0.0.0/8".parse().unwrap()], ..PolicyOptions::default() };
        let upstream = HttpUpstream::new(&ClientOptions { policy, ..ClientOptions::default() }).unwrap();
        Self { stub, upstream, _tasks: tasks }
    }

    async fn new() -> Self {
        Self::with(Faults::default()).await
    }

    fn request(&self, method: &str, path: &str, token: &str, body: &str) -> Request {
        Request {
            method: method.to_owned(),
            url: format!("{}{path}", self.stub.base_url),
            headers: vec![("authorization".to_owned(), format!("Bearer {token}"))],
            body: (!body.is_empty()).then(|| body.as_bytes().to_vec()),
            timeout: Duration::from_secs(20),
        }
    }

    async fn get(&self, path: &str, token: &str) -> Result<Answer, SendError> {
        self.upstream.send(self.request("GET", path, token, "")).await
    }

    async fn status(&self, path: &str, token: &str) -> u16 {
        self.get(path, token).await.unwrap().status
    }

    async fn token(&self, form: &str) -> (u16, Value) {
        let answer = self.upstream.send(self.request("POST", "/oauth/token", "", form)).await.unwrap();
        (answer.status, serde_json::from_slice(&answer.body).unwrap())
    }
}

#[tokio::test]
async fn a_good_credential_passes_every_route() {
    let asker = Asker::new().await;
    for path in ["/oauth/userinfo", "/v1/accounts/acc-0001", "/me", "/orgs/org-1/users"] {
        assert_eq!(asker.status(path, "good").await, 200, "{path}");
    }
    let validate = asker.request("POST", "/v1/validate", "good", r#"{"tenant":"t"}"#);
    assert_eq!(asker.upstream.send(validate).await.unwrap().status, 200);
    let mut by_key = asker.request("GET", "/me", "", "");
    by_key.headers = vec![("x-key".to_owned(), "good".to_owned())];
    assert_eq!(asker.upstream.send(by_key).await.unwrap().status, 200);
    assert_eq!(asker.status("/me", "").await, 401);
    assert_eq!((asker.stub.requests("GET /me"), asker.stub.requests("POST /v1/validate")), (3, 1));
}

#[tokio::test]
async fn words_in_the_credential_steer_the_answers() {
    let asker = Asker::new().await;
    assert_eq!(asker.status("/oauth/userinfo", "k-bad-post-install").await, 404);
    assert!(asker.get("/me", "k-bad-post-install").await.unwrap().body.starts_with(br#"{"ok":false"#));
    assert_eq!(asker.status("/orgs/org-1/users", "k-no-scope").await, 403);
    assert_eq!(asker.status("/me", "k-no-scope").await, 200);
    assert_eq!(asker.status("/me", "exchange").await, 200, "a word within a word does not count");
    let mut flaky = Vec::new();
    for _ in 0..4 {
        flaky.push(asker.status("/me", "a-flaky2-b").await);
    }
    assert_eq!(flaky, [503, 503, 200, 200]);
    assert_eq!(asker.status("/me", "another-flaky").await, 503, "each credential counts for itself");
    assert_eq!(asker.status("/me", "another-flaky").await, 200);
    let limited = asker.get("/me", "ratelimited1").await.unwrap();
    assert_eq!(limited.status, 429);
    assert!(limited.headers.contains(&("retry-after".to_owned(), "1".to_owned())));
    assert_eq!(asker.status("/me", "ratelimited1").await, 200);
    assert_eq!(asker.get("/me", "redirect").await, Err(SendError::Redirect { status: 302 }));
    assert_eq!(asker.stub.requests("GET /followed"), 0);
    assert!(matches!(asker.get("/me", "huge").await, Err(SendError::BadResponse(_))));
    assert!(serde_json::from_slice::<Value>(&asker.get("/me", "garbage").await.unwrap().body).is_err());
}

#[tokio::test]
async fn a_hanging_request_ends_with_the_clients_patience_or_the_stubs_stop() {
    let asker = Asker::new().await;
    let mut request = asker.request("GET", "/me", "hang", "");
    request.timeout = Duration::from_millis(50);
    assert!(matches!(asker.upstream.send(request).await, Err(SendError::Timeout(_))));
    let (answer, ()) = tokio::join!(asker.get("/me", "hang"), async {
        while asker.stub.requests("GET /me") < 2 {
            tokio::task::yield_now().await;
        }
        asker.stub.stop();
    });
    assert_eq!(answer.unwrap().status, 503);
}

#[tokio::test]
async fn a_refresh_rotates_mends_and_notices_reuse() {
    let asker = Asker::new().await;
    assert_eq!(asker.status("/me", "expired-x").await, 401);
    let (status, first) = asker.token("grant_type=refresh_token&refresh_token=rt-expired-x").await;
    assert_eq!((status, &first["refresh_token"]), (200, &json!("rt-expired-x.1")));
    assert_eq!(asker.status("/me", first["access_token"].as_str().unwrap()).await, 200);
    let (status, again) = asker.token("grant_type=refresh_token&refresh_token=rt-expired-x").await;
    assert_eq!((status, &again["error"]), (400, &json!("invalid_grant")));
    let (status, second) = asker.token(r#"{"grant_type":"refresh_token","refresh_token":"rt-expired-x.1"}"#).await;
    assert_eq!((status, &second["refresh_token"]), (200, &json!("rt-expired-x.2")));
    let (status, revoked) = asker.token("grant_type=refresh_token&refresh_token=rt-revoked").await;
    assert_eq!((status, &revoked["error"]), (400, &json!("invalid_grant")));
    let (status, client) = asker.token("grant_type=client_credentials&client_id=bad-client").await;
    assert_eq!((status, &client["error"]), (401, &json!("invalid_client")));
    let expected = json!({ "issued": 2, "refused": 3, "reused": 1, "overlapped": 0 });
    assert_eq!(asker.stub.stats()["tokens"], expected);
}

#[tokio::test]
async fn a_lost_refresh_had_its_effect_and_an_echo_repeats_the_credential() {
    let asker = Asker::new().await;
    let form = "grant_type=refresh_token&refresh_token=rt-lost1";
    let lost = asker.upstream.send(asker.request("POST", "/oauth/token", "", form)).await;
    assert!(matches!(lost, Err(SendError::Broken(_))), "{lost:?}");
    assert_eq!(asker.token(form).await.0, 400, "it was rotated");
    let body = asker.get("/me", "echo-1").await.unwrap().body;
    let body = String::from_utf8(body).unwrap();
    assert!(body.contains("Bearer echo-1") && body.contains("echo%2D1") && body.contains("6563686f2d31"), "{body}");
}

#[tokio::test]
async fn two_refreshes_of_one_family_at_once_are_counted() {
    let asker = Asker::with(Faults { latency_ms: 100, ..Faults::default() }).await;
    let form = "grant_type=refresh_token&refresh_token=rt-a";
    let (one, two, _other) =
        tokio::join!(asker.token(form), asker.token(form), asker.token("grant_type=refresh_token&refresh_token=rt-b"));
    assert_eq!(one.0 + two.0, 600, "one rotates, one is refused");
    assert_eq!(asker.stub.stats()["tokens"]["overlapped"], 1);
}

#[tokio::test]
async fn a_dropped_answer_had_its_effect_and_an_unavailable_one_had_none() {
    let asker = Asker::with(Faults { drop_percent: 100, ..Faults::default() }).await;
    let form = "grant_type=refresh_token&refresh_token=rt-a";
    let lost = asker.upstream.send(asker.request("POST", "/oauth/token", "", form)).await;
    assert!(matches!(lost, Err(SendError::Broken(_))), "{lost:?}");
    let faults = asker.request("POST", "/_stub/faults", "", r#"{"unavailable_percent":100}"#);
    let faults = Request { headers: vec![("content-type".to_owned(), "application/json".to_owned())], ..faults };
    assert_eq!(asker.upstream.send(faults).await.unwrap().status, 200);
    assert_eq!(asker.token("grant_type=refresh_token&refresh_token=rt-a.1").await.0, 503);
    asker.stub.set_faults(Faults::default());
    assert_eq!(asker.token("grant_type=refresh_token&refresh_token=rt-a.1").await.0, 200);
    let stats = asker.get("/_stub/stats", "").await.unwrap().body;
    let stats: Value = serde_json::from_slice(&stats).unwrap();
    assert_eq!(stats["faults"], json!({ "unavailable": 1, "hung": 0, "dropped": 1 }));
    assert_eq!(stats["tokens"]["issued"], 2);
}

#[tokio::test]
async fn repeated_idempotency_keys_are_told() {
    let asker = Asker::new().await;
    for key in ["run:validation:0", "run:validation:1", "run:validation:0"] {
        let mut request = asker.request("POST", "/v1/validate", "good", r#"{"tenant":"t"}"#);
        request.headers.push(("idempotency-key".to_owned(), key.to_owned()));
        asker.upstream.send(request).await.unwrap();
    }
    let expected = json!({ "keys": 2, "repeated": { "run:validation:0": 2 } });
    assert_eq!(asker.stub.stats()["idempotency"], expected);
}

#[test]
fn fates_follow_the_seed_and_their_shares() {
    let faults = Faults { unavailable_percent: 10, hang_percent: 5, drop_percent: 5, seed: 7, ..Faults::default() };
    let draw = |faults: &Faults| (0..10_000).map(|draw| faults.fate(draw)).collect::<Vec<_>>();
    let fates = draw(&faults);
    assert_eq!(fates, draw(&faults));
    assert_ne!(fates, draw(&Faults { seed: 8, ..faults }));
    let share = |fate| fates.iter().filter(|f| **f == fate).count();
    for (fate, expected) in [(Fate::Unavailable, 1000), (Fate::Hang, 500), (Fate::Drop, 500), (Fate::Fine, 8000)] {
        assert!(share(fate).abs_diff(expected) < 120, "{fate:?}: {}", share(fate));
    }
    assert_eq!(Faults::default().fate(3), Fate::Fine);
}
