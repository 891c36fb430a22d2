//! What a web page on the same machine could send.

use axum::http::{HeaderValue, StatusCode};
use futures_util::StreamExt as _;

use super::{get, import, with_process};

#[tokio::test]
async fn a_page_can_neither_import_nor_read() {
    with_process(async |process| {
        let cases = [
            ("content-type", "text/plain", StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type"),
            ("origin", "https://page.example", StatusCode::FORBIDDEN, "origin_refused"),
            ("host", "rebound.example:8080", StatusCode::MISDIRECTED_REQUEST, "host_refused"),
        ];
        for (header, value, status, code) in cases {
            let mut request = import("acme-1");
            request.headers_mut().insert(header, HeaderValue::from_static(value));
            let answer = process.ask(request).await;
            assert_eq!(answer.status(), status);
            assert_eq!(answer.headers()["content-type"], "application/problem+json");
            let body = answer.into_body().into_data_stream().next().await.unwrap().unwrap();
            let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!(problem["reason_code"], code);
        }
        for (header, value) in [("origin", "https://page.example"), ("host", "rebound.example:8080")] {
            for path in ["/integrated-account", "/events"] {
                let mut request = get(path);
                request.headers_mut().insert(header, HeaderValue::from_static(value));
                assert!(process.ask(request).await.status().is_client_error(), "{path} {header}");
            }
        }
        assert!(process.store.accounts(&Default::default(), 1).await.unwrap().is_empty());
    })
    .await;
}
