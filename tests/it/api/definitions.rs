//! Which installs a running process takes imports for.

use axum::http::StatusCode;
use tidewaiter::accounts::Catalog;

use super::{import, with_process};

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
