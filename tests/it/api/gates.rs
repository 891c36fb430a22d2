//! What operators are told of closed gates.

use axum::http::StatusCode;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use tidewaiter::store::GateReason;
use uuid::Uuid;

use super::{get, with_process};

async fn told(process: &super::Process) -> Value {
    let answer = process.ask(get("/gates")).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let body = answer.into_body().into_data_stream().next().await.unwrap().unwrap();
    serde_json::from_slice(&body).unwrap()
}

#[tokio::test]
async fn gates_are_told_while_they_are_closed() {
    with_process(async |process| {
        assert_eq!(told(&process).await, json!({ "result": [] }));
        let (one, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let close = async |install, reason, for_ms| {
            process.store.close_gate(install, "pier.example:8443", reason, for_ms).await.unwrap();
        };
        close(one, GateReason::Circuit, 60_000).await;
        close(other, GateReason::RateLimit, 0).await;
        let mut told = told(&process).await;
        let left = told["result"][0]["left_ms"].take().as_i64().unwrap();
        assert!((1..=60_000).contains(&left), "{left}");
        let expected = json!({
            "environment_integration_id": one, "host": "pier.example:8443", "reason": "circuit", "left_ms": null,
        });
        assert_eq!(told, json!({ "result": [expected] }), "the other one is open again");
    })
    .await;
}
