//! The object store: the same promises in a directory and in a bucket.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use tidewaiter::config::{Bucket, ObjectPlace};
use tidewaiter::objects::{ObjectError, Objects};
use tidewaiter::seal::Sealed;

/// What a service of S3's kind has to do for us.
type Kept = Arc<Mutex<HashMap<String, Bytes>>>;

async fn serve(State(kept): State<Kept>, method: Method, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let signed = headers.get("authorization").and_then(|value| value.to_str().ok()).unwrap_or_default();
    if !signed.starts_with("AWS4-HMAC-SHA256 Credential=key-id/") {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut kept = kept.lock().unwrap();
    let name = uri.path().to_owned();
    match method {
        Method::PUT => {
            kept.insert(name, body);
            ([("etag", "\"1\"")], "").into_response()
        }
        Method::GET => match kept.get(&name) {
            Some(body) => {
                let headers = [("etag", "\"1\""), ("last-modified", "Tue, 24 Nov 2026 00:00:00 GMT")];
                (headers, body.clone()).into_response()
            }
            None => StatusCode::NOT_FOUND.into_response(),
        },
        Method::DELETE => {
            kept.remove(&name);
            StatusCode::NO_CONTENT.into_response()
        }
        _ => StatusCode::METHOD_NOT_ALLOWED.into_response(),
    }
}

async fn keeps_gives_and_forgets(objects: &Objects) {
    let name = "accounts/1/context/a b\u{e9}/2";
    assert!(matches!(objects.get(name).await, Err(ObjectError::Missing(missing)) if missing == name));
    let sealed = Sealed::from_bytes(vec![1, 2, 0, 255]);
    objects.put(name, &sealed).await.unwrap();
    assert_eq!(objects.get(name).await.unwrap(), sealed);
    objects.delete(name).await.unwrap();
    objects.delete(name).await.unwrap();
    assert!(matches!(objects.get(name).await, Err(ObjectError::Missing(_))));
}

#[tokio::test]
async fn a_directory_keeps_objects_and_is_made_by_the_first() {
    let directory = std::env::temp_dir().join(format!("tidewaiter-objects-{}", std::process::id()));
    let objects = Objects::open(Some(&ObjectPlace::Directory(directory.clone()))).unwrap();
    assert!(!directory.exists());
    keeps_gives_and_forgets(&objects).await;
    assert!(directory.exists());
    std::fs::remove_dir_all(&directory).unwrap();
}

#[tokio::test]
async fn a_bucket_keeps_objects_under_its_prefix_and_no_error_shows_its_key() {
    let kept = Kept::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let server = Router::new().fallback(serve).with_state(Arc::clone(&kept));
    tokio::select! {
        ended = async { axum::serve(listener, server).await } => panic!("the service ended: {ended:?}"),
        () = asks_the_bucket(&endpoint, &kept) => {}
    }
}

async fn asks_the_bucket(endpoint: &str, kept: &Kept) {
    let bucket = |key: &str| {
        ObjectPlace::Bucket(Box::new(Bucket {
            name: "large".to_owned(),
            prefix: "tide".to_owned(),
            region: Some("eu-central-1".to_owned()),
            endpoint: Some(endpoint.to_owned()),
            access_key_id: Some(key.to_owned()),
            secret_access_key: Some("canary-secret".into()),
        }))
    };
    let objects = Objects::open(Some(&bucket("key-id"))).unwrap();
    keeps_gives_and_forgets(&objects).await;
    objects.put("accounts/1/context/a/2", &Sealed::from_bytes(vec![7])).await.unwrap();
    assert_eq!(kept.lock().unwrap().keys().collect::<Vec<_>>(), ["/large/tide/accounts/1/context/a/2"]);
    let refused = Objects::open(Some(&bucket("other"))).unwrap();
    let error = refused.get("accounts/1/context/a/2").await.unwrap_err();
    assert!(matches!(error, ObjectError::Unavailable(_)));
    assert!(!format!("{error} {error:?} {refused:?}").contains("canary"), "{error}");
}

#[tokio::test]
async fn without_a_place_nothing_is_kept() {
    let objects = Objects::open(None).unwrap();
    assert!(!objects.is_configured());
    let error = objects.put("a", &Sealed::from_bytes(Vec::new())).await.unwrap_err();
    assert_eq!(error.to_string(), "no object store is configured: set `objects.url`");
}
