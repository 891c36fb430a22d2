use super::*;

const POLICY: CircuitPolicy =
    CircuitPolicy { failures: 3, accounts: 2, base: Duration::from_secs(4), cap: Duration::from_secs(30) };

fn gates() -> (Arc<Gates>, Metrics) {
    let metrics = Metrics::default();
    (Gates::new(POLICY, metrics.clone()), metrics)
}

fn way(host: &str) -> Way {
    Way { install: Uuid::nil(), host: host.into() }
}

fn fail(gates: &Gates, way: &Way, times: u128) -> Option<Closing> {
    (0..times).filter_map(|n| gates.answered(way, Uuid::from_u128(n), Verdict::Fails, None, u32::MAX)).last()
}

fn free(gates: &Arc<Gates>, way: &Way) -> Option<Probe> {
    match gates.enter(way, "t") {
        Entry::Free(probe) => probe,
        Entry::Closed(after) => panic!("closed for {after:?}"),
    }
}

fn is_closed(gates: &Arc<Gates>, way: &Way) -> bool {
    matches!(gates.enter(way, "t"), Entry::Closed(_))
}

fn shows(metrics: &Metrics, line: &str) {
    let text = metrics.render();
    assert!(text.lines().any(|rendered| rendered == line), "no {line} in\n{text}");
}

#[tokio::test(start_paused = true)]
async fn a_failing_host_is_left_alone_tried_by_one_and_opened_for_all() {
    let (gates, metrics) = gates();
    let (down, up) = (way("down.test"), way("up.test"));
    assert_eq!(fail(&gates, &down, 2), None);
    let closing = fail(&gates, &down, 1);
    assert_eq!(closing, Some(Closing { reason: GateReason::Circuit, lasts: POLICY.base }));
    assert!(is_closed(&gates, &down));
    assert!(free(&gates, &up).is_none(), "another host's way is free");
    assert!(free(&gates, &Way { install: Uuid::from_u128(7), ..down.clone() }).is_none(), "and another install's");
    shows(&metrics, "tidewaiter_gates_closed{reason=\"circuit\"} 1");
    tokio::time::advance(POLICY.base).await;
    let given_up = free(&gates, &down).expect("a probe");
    assert!(is_closed(&gates, &down));
    drop(given_up);
    let probe = free(&gates, &down).expect("another one tries");
    assert_eq!(gates.answered(&down, Uuid::nil(), Verdict::Works, Some(probe), 0), None);
    assert!(free(&gates, &down).is_none());
    shows(&metrics, "tidewaiter_gates_closed{reason=\"circuit\"} 0");
    shows(&metrics, "tidewaiter_circuits_opened_total 1");
    shows(&metrics, "tidewaiter_circuits_closed_total 1");
    assert_eq!(gates.troubled.load(Ordering::Relaxed), 0, "all is quiet, and asking costs nothing");
}

#[tokio::test(start_paused = true)]
async fn what_others_closed_is_closed_here_and_not_shortened() {
    let (gates, metrics) = gates();
    let way = way("api.test");
    let closed = |left_ms| ClosedGate {
        install: way.install,
        host: way.host.to_string(),
        reason: GateReason::RateLimit,
        left_ms,
    };
    gates.learn(vec![closed(50)]);
    assert!(free(&gates, &way).is_none(), "as good as open");
    gates.learn(vec![closed(9_000)]);
    gates.learn(vec![closed(2_000)]);
    tokio::time::advance(Duration::from_secs(8)).await;
    assert!(is_closed(&gates, &way));
    shows(&metrics, "tidewaiter_gates_closed{reason=\"rate_limit\"} 1");
    tokio::time::advance(Duration::from_secs(1)).await;
    let probe = free(&gates, &way).expect("one tries");
    gates.answered(&way, Uuid::nil(), Verdict::Works, Some(probe), 0);
    assert!(free(&gates, &way).is_none());
}

#[tokio::test(start_paused = true)]
async fn hosts_that_fail_for_one_account_each_are_forgotten() {
    let (gates, _) = gates();
    for number in 0..5_000 {
        fail(&gates, &way(&format!("{number}.test")), 1);
        tokio::time::advance(Duration::from_secs(2)).await;
    }
    assert!(gates.lock().len() <= REMEMBERED);
}

#[tokio::test(start_paused = true)]
async fn gates_that_others_closed_and_nobody_here_came_to_are_forgotten() {
    let (gates, _) = gates();
    for number in 0..5_000 {
        let Way { install, host } = way(&format!("{number}.test"));
        let closed = ClosedGate { install, host: host.to_string(), reason: GateReason::Circuit, left_ms: 1_000 };
        gates.learn(vec![closed]);
        tokio::time::advance(Duration::from_secs(2)).await;
    }
    assert!(gates.lock().len() <= REMEMBERED);
}

#[test]
fn only_a_host_that_does_not_answer_or_cannot_fails() {
    let answer = |status| Ok(Response { status, headers: Vec::new(), body: Vec::new() });
    let text = || "m".to_owned();
    for (answer, expected) in [
        (answer(200), Verdict::Works),
        (answer(401), Verdict::Works),
        (answer(429), Verdict::Limited),
        (answer(500), Verdict::Fails),
        (answer(503), Verdict::Fails),
        (Err(SendError::Connect(text())), Verdict::Fails),
        (Err(SendError::Timeout(text())), Verdict::Fails),
        (Err(SendError::Broken(text())), Verdict::Fails),
        (Err(SendError::Dns(text())), Verdict::Fails),
        (Err(SendError::AddressRefused(text())), Verdict::Nothing),
        (Err(SendError::Redirect { status: 302 }), Verdict::Nothing),
        (Err(SendError::Tls(text())), Verdict::Nothing),
        (Err(SendError::Unsendable(text())), Verdict::Nothing),
    ] {
        assert_eq!(verdict(&answer), expected, "{answer:?}");
    }
}

#[test]
fn a_host_is_what_stands_between_the_scheme_and_the_path() {
    for (url, host) in [
        ("https://api.example.test/v1?x=/", "api.example.test"),
        ("http://127.0.0.1:8080", "127.0.0.1:8080"),
        ("https://u:p@api.example.test#f", "api.example.test"),
        ("https://api.example.test?q=a@b", "api.example.test"),
        ("https://[::1]:9/x", "[::1]:9"),
    ] {
        assert_eq!(host_of(url), host);
    }
}
