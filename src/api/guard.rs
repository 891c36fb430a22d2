//! Keeps web pages out while the API has no access tokens and listens on loopback only.
//!
//! A page in a browser on this machine reaches loopback too. It can post forms and plain text to other sites unasked,
//! and with a name of its own that resolves to 127.0.0.1 it can even read (DNS rebinding). So: the `Host` has to be
//! a loopback name or address, there must be no `Origin`, and a POST or PATCH has to say that it is JSON.

use axum::extract::Request;
use axum::http::{HeaderMap, Method, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::Problem;

pub(super) async fn keep_pages_out(request: Request, next: Next) -> Response {
    let objection = match judge(request.method(), request.headers(), request.uri().authority()) {
        Ok(()) => return next.run(request).await,
        Err(problem) => problem,
    };
    objection.into_response()
}

fn judge(method: &Method, headers: &HeaderMap, target: Option<&Authority>) -> Result<(), Problem> {
    if !is_for_loopback(headers, target) {
        return Err(Problem::host_refused());
    }
    if headers.contains_key(header::ORIGIN) {
        return Err(Problem::origin_refused());
    }
    if (method == Method::POST || method == Method::PATCH) && !is_json(headers) {
        return Err(Problem::not_json());
    }
    Ok(())
}

/// Whether every name that the request gives to this server is one of the machine itself. Exactly one `Host`.
fn is_for_loopback(headers: &HeaderMap, target: Option<&Authority>) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else { return false };
    let host = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    host.as_ref().is_some_and(is_loopback) && target.is_none_or(is_loopback)
}

fn is_loopback(authority: &Authority) -> bool {
    if authority.as_str().contains('@') {
        return false;
    }
    let host = authority.host();
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_address = inner.parse::<std::net::IpAddr>().is_ok_and(|address| address.to_canonical().is_loopback());
    is_address || host.eq_ignore_ascii_case("localhost")
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|essence| essence.trim().eq_ignore_ascii_case("application/json"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue, StatusCode};

    fn status(method: &Method, headers: &[(&'static str, &'static str)]) -> StatusCode {
        let map = headers.iter().map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        let mut headers = HeaderMap::new();
        map.for_each(|(name, value)| {
            headers.append(name, value);
        });
        judge(method, &headers, None).err().map_or(StatusCode::OK, |problem| problem.into_response().status())
    }

    #[test]
    fn only_names_and_addresses_of_the_machine_itself_are_served() {
        for host in ["localhost", "LocalHost:8080", "127.0.0.1:8080", "127.1.2.3", "[::1]", "[::1]:8080"] {
            assert_eq!(status(&Method::GET, &[("host", host)]), StatusCode::OK, "{host}");
        }
        for host in [
            "rebound.example:8080",
            "localhost.example",
            "127.0.0.1.example",
            "10.0.0.1:8080",
            "[::2]",
            "127.0.0.1@rebound.example",
            "rebound.example@127.0.0.1",
            "",
        ] {
            assert_eq!(status(&Method::GET, &[("host", host)]), StatusCode::MISDIRECTED_REQUEST, "{host}");
        }
        assert_eq!(status(&Method::GET, &[]), StatusCode::MISDIRECTED_REQUEST);
        let two = [("host", "localhost"), ("host", "rebound.example")];
        assert_eq!(status(&Method::GET, &two), StatusCode::MISDIRECTED_REQUEST);
        let host = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("localhost"))]);
        assert!(!is_for_loopback(&host, Some(&Authority::from_static("rebound.example"))));
    }

    #[test]
    fn what_a_page_sends_is_refused() {
        for origin in ["https://page.example", "http://127.0.0.1:8080", "null"] {
            let headers = [("host", "localhost"), ("origin", origin), ("content-type", "application/json")];
            assert_eq!(status(&Method::GET, &headers), StatusCode::FORBIDDEN);
            assert_eq!(status(&Method::POST, &headers), StatusCode::FORBIDDEN);
        }
    }

    #[test]
    fn a_post_or_patch_has_to_say_that_it_is_json() {
        assert_eq!(status(&Method::PATCH, &[("host", "localhost")]), StatusCode::UNSUPPORTED_MEDIA_TYPE);
        for kind in ["application/json", "Application/JSON", "application/json; charset=utf-8"] {
            assert_eq!(status(&Method::POST, &[("host", "localhost"), ("content-type", kind)]), StatusCode::OK);
        }
        for kind in ["text/plain", "application/x-www-form-urlencoded", "application/json-seq", ""] {
            let headers = [("host", "localhost"), ("content-type", kind)];
            assert_eq!(status(&Method::POST, &headers), StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}");
        }
        assert_eq!(status(&Method::POST, &[("host", "localhost")]), StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
}
