//! Which installs a running process takes imports for, and what is shown of definitions.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tidewaiter::accounts::Catalog;
use tidewaiter::definitions::{DefinitionSet, Install, Integration};
use uuid::Uuid;

use super::{Process, get, import, with_process};

#[tokio::test]
async fn an_install_that_another_process_applied_is_accepted_at_once() {
    with_process(async |mut process| {
        let accounts = &mut process.parts.intake.accounts;
        // As this process was before: it has read no definition, and reads none by itself here.
        accounts.catalog = Catalog::new(process.store.clone(), accounts.vault.clone()).into();
        assert!(process.parts.intake.accounts.catalog.is_empty());
        assert_eq!(process.ask(import("acme-1")).await.status(), StatusCode::CREATED);
        let mut unknown = super::body("acme-2");
        unknown["environment_integration_id"] = "b179ad55-db02-4bd4-b7a4-d2c173eee9af".into();
        let mut request = import("acme-2");
        *request.body_mut() = unknown.to_string().into();
        assert_eq!(process.ask(request).await.status(), StatusCode::BAD_REQUEST);
    })
    .await;
}

const CANARY: &str = "canary-5f1d";
const INSTALL: &str = "0192e0aa-0000-7000-8000-000000000002";

/// A definition with what is kept without being executed, and with secrets in each layer.
fn tower() -> DefinitionSet {
    let config = json!({
        "base_url": "https://tower.example.test", "headers": { "x-client-secret": CANARY },
        "credentials": { "api_key": { "format": "api_key", "config": { "fields": [{ "name": "api_key", "type": "password" }] } } },
        "webhook": { "payload_transform": "$", "signature_verification": { "format": "hmac", "config": { "secret": CANARY } } },
        "tool_tags": ["crm"],
    });
    let document =
        json!({ "id": "0192e0aa-0000-7000-8000-000000000001", "name": "tower", "label": "Tower", "config": config });
    let overrides =
        json!({ "base_url": "https://eu.tower.example.test", "secret_environment_variables": { "KEY": CANARY } });
    let environment = Uuid::from_u128(7);
    DefinitionSet {
        environments: vec![(environment, "east".to_owned())],
        integrations: vec![Integration::parse(&document).unwrap()],
        installs: vec![Install {
            id: Uuid::try_parse(INSTALL).unwrap(),
            environment_id: environment,
            integration: "tower".to_owned(),
            is_enabled: false,
            overrides: overrides.as_object().cloned().unwrap(),
        }],
    }
}

async fn answer(process: &Process, path: &str) -> (StatusCode, Value) {
    let response = process.ask(get(path)).await;
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    assert!(!String::from_utf8_lossy(&bytes).contains(CANARY), "{path}");
    (status, serde_json::from_slice(&bytes).unwrap())
}

#[tokio::test]
async fn definitions_are_served_with_what_is_not_executed_and_without_secrets() {
    with_process(async |process| {
        process.parts.intake.accounts.catalog.apply(&tower(), &[]).await.unwrap();
        let (_, list) = answer(&process, "/integration").await;
        let listed = list["result"].as_array().unwrap().iter().find(|it| it["name"] == "tower").unwrap().clone();
        assert_eq!((&listed["version"], &listed["installs"][0]["id"]), (&json!(1), &json!(INSTALL)));
        let id = listed["id"].as_str().unwrap();
        for path in ["/integration/tower", &format!("/integration/{id}"), "/integration/tower?version=1"] {
            let (status, one) = answer(&process, path).await;
            assert_eq!((status, &one["hash"], &one["version"]), (StatusCode::OK, &listed["hash"], &json!(1)), "{path}");
            assert_eq!(one["config"]["webhook"]["payload_transform"], "$", "{path}");
            assert_eq!(one["config"]["tool_tags"], json!(["crm"]), "{path}");
        }
        let (_, installs) = answer(&process, "/environment-integration").await;
        let install = installs["result"].as_array().unwrap().iter().find(|it| it["id"] == INSTALL).unwrap().clone();
        assert_eq!((&install["is_enabled"], &install["integration"]["name"]), (&json!(false), &json!("tower")));
        let (_, one) = answer(&process, &format!("/environment-integration/{INSTALL}")).await;
        assert_eq!(one["effective"]["config"]["base_url"], "https://eu.tower.example.test");
        assert_eq!(one["effective"]["config"]["secret_environment_variables"]["KEY"], "[secret]");
    })
    .await;
}

#[tokio::test]
async fn what_is_asked_for_and_not_there_is_named() {
    with_process(async |process| {
        for (path, status) in [
            ("/integration/nowhere", StatusCode::NOT_FOUND),
            ("/integration/0192e0aa-0000-7000-8000-00000000000f", StatusCode::NOT_FOUND),
            ("/integration/greenhouse%2F", StatusCode::NOT_FOUND),
            ("/environment-integration/0192e0aa-0000-7000-8000-00000000000f", StatusCode::NOT_FOUND),
            ("/environment-integration/nowhere", StatusCode::BAD_REQUEST),
        ] {
            let (found, problem) = answer(&process, path).await;
            assert_eq!((found, &problem["status"]), (status, &json!(status.as_u16())), "{path}");
        }
        process.parts.intake.accounts.catalog.apply(&tower(), &[]).await.unwrap();
        assert_eq!(answer(&process, "/integration/tower?version=2").await.0, StatusCode::NOT_FOUND);
        assert_eq!(answer(&process, "/integration/tower?version=x").await.0, StatusCode::BAD_REQUEST);
        assert_eq!(answer(&process, "/integration/tower?color=red").await.0, StatusCode::BAD_REQUEST);
    })
    .await;
}
