//! The client against hand-made servers on loopback.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use super::*;

const CANARY: &str = "k4n4ry-s3cret";

/// Serves connections one after the other with `play`, on a thread of its own. What `play` returns is received here.
fn serve<T: Send + 'static>(mut play: impl FnMut(TcpStream) -> T + Send + 'static) -> (SocketAddr, Receiver<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if sender.send(play(stream)).is_err() {
                break;
            }
        }
    });
    (address, receiver)
}

/// Reads one request: its head, and its body where it has a length.
fn request_of(stream: &mut TcpStream) -> String {
    let (mut text, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let read = stream.read(&mut buffer).unwrap_or(0);
        text.extend_from_slice(&buffer[..read]);
        let seen = String::from_utf8_lossy(&text).into_owned();
        if let Some((head, body)) = seen.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
            if body.len() >= length.unwrap_or(0) {
                return seen;
            }
        }
        if read == 0 {
            return seen;
        }
    }
}

/// Answers every request with `answer` and hangs up.
fn answering(answer: impl Into<Vec<u8>>) -> (SocketAddr, Receiver<String>) {
    let answer = answer.into();
    serve(move |mut stream| {
        let request = request_of(&mut stream);
        let _ = stream.write_all(&answer);
        request
    })
}

fn options() -> ClientOptions {
    let policy = PolicyOptions { allow_addresses: vec!["127.0.0.0/8".parse().unwrap()], ..PolicyOptions::default() };
    ClientOptions { policy, ..ClientOptions::default() }
}

fn to(address: SocketAddr) -> Request {
    Request {
        method: "GET".to_owned(),
        url: format!("http://{address}/{CANARY}?key={CANARY}"),
        headers: vec![("authorization".to_owned(), format!("Bearer {CANARY}"))],
        body: None,
        timeout: Duration::from_secs(20),
    }
}

async fn send(request: Request) -> Result<Response, SendError> {
    HttpUpstream::new(&options()).unwrap().send(request).await
}

/// Sends, expects an error, and makes sure that no text of it tells a secret or an address.
async fn fails(upstream: &HttpUpstream, request: Request) -> SendError {
    let error = upstream.send(request.clone()).await.unwrap_err();
    let texts = format!("{error} {error:?} {upstream:?} {request:?}");
    assert!(!texts.contains(CANARY), "{texts}");
    assert!(!error.to_string().contains("://"), "{error}");
    error
}

async fn refused(request: Request) -> SendError {
    fails(&HttpUpstream::new(&options()).unwrap(), request).await
}

#[derive(Debug)]
struct Names(Vec<IpAddr>);

#[async_trait::async_trait]
impl Lookup for Names {
    async fn lookup(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.clone())
    }
}

/// A client whose resolver answers `addresses` for every name; `stub.test` may be asked over http.
fn resolving(addresses: &[&str]) -> HttpUpstream {
    let mut options = options();
    options.policy.allow_http = vec!["stub.test".to_owned()];
    let names = addresses.iter().map(|address| address.parse().unwrap()).collect();
    HttpUpstream::with_lookup(&options, Arc::new(Names(names))).unwrap()
}

#[tokio::test]
async fn a_request_goes_out_as_written_and_the_answer_comes_back_whole() {
    let answer = "HTTP/1.1 201 Created\r\nX-Two: a\r\nServer: s\r\nx-two: b\r\nContent-Length: 11\r\n\r\n{\"ok\":true}";
    let (address, seen) = answering(answer);
    let mut request = to(address);
    request.method = "POST".to_owned();
    request.headers.push(("x-list".to_owned(), "1".to_owned()));
    request.headers.push(("x-list".to_owned(), "2".to_owned()));
    request.body = Some(b"hello".to_vec());
    let response = send(request).await.unwrap();
    assert_eq!(response.status, 201);
    assert_eq!(response.body, br#"{"ok":true}"#);
    let header = |name: &str| response.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!(header("x-two"), Some("a, b"));
    let seen = seen.recv().unwrap();
    assert!(seen.starts_with(&format!("POST /{CANARY}?key={CANARY} HTTP/1.1\r\n")), "{seen}");
    for part in ["x-list: 1\r\nx-list: 2\r\n", "content-length: 5\r\n", "\r\n\r\nhello"] {
        assert!(seen.contains(part), "{part:?} in {seen}");
    }
    assert!(seen.contains(&format!("user-agent: tidewaiter/{}\r\n", env!("CARGO_PKG_VERSION"))), "{seen}");
    for absent in ["accept-encoding", "cookie", "referer"] {
        assert!(!seen.contains(absent), "{absent} in {seen}");
    }
}

#[tokio::test]
async fn a_requests_own_user_agent_goes_before_the_clients() {
    let (address, seen) = answering("HTTP/1.1 204 No Content\r\n\r\n");
    let mut request = to(address);
    request.headers.push(("user-agent".to_owned(), "vendor-asked-for-this".to_owned()));
    assert_eq!(send(request).await.unwrap().body, b"");
    let seen = seen.recv().unwrap();
    assert!(seen.contains("user-agent: vendor-asked-for-this\r\n") && !seen.contains("tidewaiter"), "{seen}");
}

#[tokio::test]
async fn one_connection_serves_many_requests() {
    let (address, _) = serve(|mut stream| {
        while !request_of(&mut stream).is_empty() {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
        }
    });
    let upstream = HttpUpstream::new(&options()).unwrap();
    // The server takes the next connection only when the first has ended, so a second one would time out.
    for _ in 0..20 {
        let request = Request { timeout: Duration::from_secs(5), ..to(address) };
        assert_eq!(upstream.send(request).await.unwrap().body, b"ok");
    }
}

#[tokio::test]
async fn an_error_status_is_an_answer() {
    let (address, _seen) = answering("HTTP/1.1 503 Busy\r\nRetry-After: 0\r\ncontent-length: 4\r\n\r\nbusy");
    let response = send(to(address)).await.unwrap();
    assert_eq!((response.status, response.body.as_slice()), (503, b"busy".as_slice()));
}

#[tokio::test]
async fn a_redirect_is_refused_and_its_target_never_asked() {
    let (target, asked) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    for status in [301, 302, 303, 307, 308] {
        let answer = format!("HTTP/1.1 {status} X\r\nlocation: http://{target}/\r\ncontent-length: 0\r\n\r\n");
        let (address, _seen) = answering(answer);
        assert_eq!(refused(to(address)).await, SendError::Redirect { status });
    }
    assert!(asked.try_recv().is_err());
}

#[tokio::test]
async fn a_trickle_of_bytes_is_ended_by_the_requests_timeout() {
    let (address, _) = serve(|mut stream| {
        request_of(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n").unwrap();
        stream.set_read_timeout(Some(Duration::from_millis(10))).unwrap();
        // A read that times out paces the trickle; it ends when the client hangs up.
        while stream.read(&mut [0]).is_err() && stream.write_all(b"x").is_ok() {}
    });
    let began = Instant::now();
    let error = refused(Request { timeout: Duration::from_millis(300), ..to(address) }).await;
    assert!(matches!(error, SendError::Timeout(_)), "{error:?}");
    assert!(error.may_have_been_sent());
    assert!(began.elapsed() < Duration::from_secs(10), "the silence between chunks is not what ended it");
}

#[tokio::test]
async fn silence_before_the_headers_is_bounded_by_the_requests_timeout_alone() {
    let (address, _) = serve(|mut stream| {
        request_of(&mut stream);
        stream.set_read_timeout(Some(Duration::from_millis(150))).unwrap();
        let _ = stream.read(&mut [0]);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").unwrap();
    });
    let options = ClientOptions { chunk_timeout: Duration::from_millis(20), ..options() };
    let upstream = HttpUpstream::new(&options).unwrap();
    assert_eq!(upstream.send(to(address)).await.unwrap().body, b"ok");
}

#[tokio::test]
async fn silence_amid_the_body_ends_the_request() {
    let (address, _) = serve(|mut stream| {
        request_of(&mut stream);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc").unwrap();
        let _ = stream.read(&mut [0]);
    });
    let options = ClientOptions { chunk_timeout: Duration::from_millis(50), ..options() };
    let error = fails(&HttpUpstream::new(&options).unwrap(), to(address)).await;
    assert_eq!(error, SendError::Timeout("127.0.0.1 sent nothing for 0.05 s in the middle of its answer".to_owned()));
}

#[tokio::test]
async fn a_server_that_never_answers_is_a_timeout_that_may_have_had_its_effect() {
    let (address, _) = serve(|mut stream| {
        request_of(&mut stream);
        let _ = stream.read(&mut [0]);
    });
    let error = refused(Request { timeout: Duration::from_millis(100), ..to(address) }).await;
    assert!(matches!(error, SendError::Timeout(_)) && error.may_have_been_sent(), "{error:?}");
}

#[tokio::test]
async fn a_body_beyond_the_cap_is_refused_whether_announced_or_not() {
    let options = ClientOptions { response_limit: 1000, ..options() };
    let upstream = HttpUpstream::new(&options).unwrap();
    let exact = format!("HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n{}", "x".repeat(1000));
    assert_eq!(upstream.send(to(answering(exact).0)).await.unwrap().body.len(), 1000);
    let announced = "HTTP/1.1 200 OK\r\ncontent-length: 1001\r\n\r\n".to_owned();
    let chunk = format!("1f4\r\n{}\r\n", "x".repeat(500));
    let chunked = format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}", chunk.repeat(3));
    let until_close = format!("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n{}", "x".repeat(1001));
    for answer in [announced, chunked, until_close] {
        let error = fails(&upstream, to(answering(answer).0)).await;
        assert_eq!(error, SendError::BadResponse("127.0.0.1 answered more than 1000 bytes".to_owned()));
        assert!(error.may_have_been_sent());
    }
}

#[tokio::test]
async fn a_compressed_answer_is_refused() {
    let (address, _seen) =
        answering("HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 3\r\n\r\n\x1f\u{b}x");
    assert!(matches!(refused(to(address)).await, SendError::BadResponse(_)));
}

#[tokio::test]
async fn an_answer_that_is_not_http_is_bad_and_not_merely_broken() {
    let long = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "x".repeat(1_000_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "set-cookie: a\r\n".repeat(5000));
    let texts = ["SSH-2.0-OpenSSH_9.2\r\n", "HTTP/1.1 000 X\r\n\r\n", "HTTP/1.1 99 X\r\n\r\n", &long, &many];
    for text in texts {
        let (address, _seen) = answering(text);
        let error = refused(to(address)).await;
        assert!(matches!(error, SendError::BadResponse(_)), "{}: {error:?}", &text[..text.len().min(30)]);
    }
    let (address, _seen) = answering("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nabc");
    assert!(matches!(refused(to(address)).await, SendError::BadResponse(_)));
}

#[tokio::test]
async fn half_an_answer_and_no_answer_are_broken_and_may_have_had_their_effect() {
    for answer in ["HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nabc", "HTTP/1.1 200 OK\r\ncont", ""] {
        let (address, _seen) = answering(answer);
        let error = refused(to(address)).await;
        assert!(matches!(error, SendError::Broken(_)) && error.may_have_been_sent(), "{answer}: {error:?}");
    }
}

#[tokio::test]
async fn a_connection_reset_is_broken() {
    let (address, _) = serve(|stream| {
        // Closing with unread bytes in the buffer makes the kernel reset the connection.
        let _ = stream.peek(&mut [0]);
        let _ = stream.shutdown(Shutdown::Write);
    });
    let error = refused(to(address)).await;
    assert!(matches!(error, SendError::Broken(_)) && error.may_have_been_sent(), "{error:?}");
}

#[tokio::test]
async fn a_refused_connection_is_not_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    for scheme in ["http", "https"] {
        let error = refused(Request { url: format!("{scheme}://{address}/{CANARY}"), ..to(address) }).await;
        assert_eq!(error, SendError::Connect("127.0.0.1 refused the connection".to_owned()));
        assert!(!error.may_have_been_sent());
    }
}

#[tokio::test]
async fn a_tls_failure_is_told_from_a_refused_connection_and_is_not_sent() {
    for answer in ["HTTP/1.1 400 Bad Request\r\n\r\n", ""] {
        let (address, _) = serve(move |mut stream| {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(answer.as_bytes());
        });
        let error = refused(Request { url: format!("https://{address}/{CANARY}"), ..to(address) }).await;
        assert!(matches!(error, SendError::Tls(_)) && !error.may_have_been_sent(), "{error:?}");
    }
}

#[tokio::test]
async fn a_tls_handshake_that_hangs_is_a_failed_connect_and_is_not_sent() {
    let (address, _) = serve(|mut stream| while stream.read(&mut [0; 4096]).is_ok_and(|read| read > 0) {});
    let options = ClientOptions { connect_timeout: Duration::from_millis(100), ..options() };
    let request = Request { url: format!("https://{address}/{CANARY}"), ..to(address) };
    let error = fails(&HttpUpstream::new(&options).unwrap(), request).await;
    assert!(matches!(error, SendError::Connect(_)) && !error.may_have_been_sent(), "{error:?}");
}

#[tokio::test]
async fn a_url_that_the_policy_refuses_never_reaches_the_network() {
    let (address, asked) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let upstream = HttpUpstream::new(&ClientOptions::default()).unwrap();
    for url in [format!("http://{address}/"), format!("https://{address}/"), "https://a@b/".to_owned()] {
        let error = fails(&upstream, Request { url, ..to(address) }).await;
        assert!(matches!(error, SendError::AddressRefused(_)) && !error.may_have_been_sent(), "{error:?}");
    }
    assert!(asked.try_recv().is_err());
}

#[tokio::test]
async fn a_name_is_dialled_at_the_address_that_was_judged() {
    let (address, seen) = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let request = Request { url: format!("http://stub.test:{}/x", address.port()), ..to(address) };
    assert_eq!(resolving(&["127.0.0.1"]).send(request).await.unwrap().body, b"ok");
    assert!(seen.recv().unwrap().contains(&format!("host: stub.test:{}\r\n", address.port())));
}

#[tokio::test]
async fn one_forbidden_answer_refuses_the_whole_name() {
    let (address, asked) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let request = Request { url: format!("http://stub.test:{}/{CANARY}", address.port()), ..to(address) };
    for answers in [
        ["10.0.0.1", "127.0.0.1"],
        ["127.0.0.1", "10.0.0.1"],
        ["127.0.0.1", "::ffff:169.254.169.254"],
        ["127.0.0.1", "::1"],
    ] {
        let error = fails(&resolving(&answers), request.clone()).await;
        assert!(matches!(error, SendError::AddressRefused(_)) && !error.may_have_been_sent(), "{error:?}");
        assert!(error.to_string().starts_with("stub.test resolves to an address"), "{error}");
    }
    assert!(asked.try_recv().is_err());
}

#[tokio::test]
async fn an_answer_from_a_forbidden_address_is_thrown_away_should_one_ever_come() {
    let (address, _seen) = answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let mut upstream = resolving(&["127.0.0.1"]);
    // The resolver keeps the policy that allows loopback; from here on the client has one that does not.
    let policy = PolicyOptions { allow_http: vec!["stub.test".to_owned()], ..PolicyOptions::default() };
    upstream.policy = Arc::new(AddressPolicy::new(policy));
    let request = Request { url: format!("http://stub.test:{}/{CANARY}", address.port()), ..to(address) };
    let error = fails(&upstream, request).await;
    assert!(matches!(error, SendError::BadResponse(_)) && error.may_have_been_sent(), "{error:?}");
}

#[tokio::test]
async fn a_name_without_an_address_is_a_dns_failure() {
    let request = Request { url: format!("https://stub.test/{CANARY}"), ..to(([127, 0, 0, 1], 1).into()) };
    let error = fails(&resolving(&[]), request).await;
    assert_eq!(error, SendError::Dns("the host name stub.test has no address".to_owned()));
    assert!(!error.may_have_been_sent());
}

#[derive(Debug)]
struct Silent;

#[async_trait::async_trait]
impl Lookup for Silent {
    async fn lookup(&self, _host: &str) -> io::Result<Vec<IpAddr>> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_resolver_that_does_not_answer_is_a_dns_failure() {
    let options = ClientOptions { dns_timeout: Duration::from_millis(50), ..ClientOptions::default() };
    let upstream = HttpUpstream::with_lookup(&options, Arc::new(Silent)).unwrap();
    let request = Request { url: format!("https://stub.test/{CANARY}"), ..to(([127, 0, 0, 1], 1).into()) };
    assert!(matches!(fails(&upstream, request).await, SendError::Dns(_)));
}

#[tokio::test]
async fn a_header_that_could_split_or_frame_the_message_is_not_sent() {
    let (address, asked) = answering("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
    let long = "x".repeat(LONGEST_HEADER + 1);
    let headers = [
        ("x-a", "a\r\nx-b: c"),
        ("x-a", "a\nb"),
        ("x-a", "a\0b"),
        ("x-a", "a\tb"),
        ("x-a", "caf\u{e9}"),
        ("x-a", "a\u{7f}"),
        ("x-a", long.as_str()),
        ("x a", "v"),
        ("x-a\r\nx-b", "v"),
        ("", "v"),
        ("x:y", "v"),
        ("Host", "internal"),
        ("content-length", "3"),
        ("Transfer-Encoding", "chunked"),
        ("connection", "x-api-key"),
        ("upgrade", "h2c"),
        ("proxy-authorization", "v"),
    ];
    for (name, value) in headers {
        let header = (name.to_owned(), format!("{value}{}", if value == "v" { CANARY } else { "" }));
        let error = refused(Request { headers: vec![header], ..to(address) }).await;
        assert!(matches!(error, SendError::Unsendable(_)) && !error.may_have_been_sent(), "{name:?}: {error:?}");
    }
    let many = vec![("x-a".to_owned(), "v".to_owned()); MOST_HEADERS + 1];
    assert!(matches!(refused(Request { headers: many, ..to(address) }).await, SendError::Unsendable(_)));
    assert!(asked.try_recv().is_err());
}

#[tokio::test]
async fn a_longest_header_is_sent() {
    let (address, seen) = answering("HTTP/1.1 204 No Content\r\n\r\n");
    let value = "x".repeat(LONGEST_HEADER);
    send(Request { headers: vec![("x-a".to_owned(), value.clone())], ..to(address) }).await.unwrap();
    assert!(seen.recv().unwrap().contains(&value));
}

#[tokio::test]
async fn a_method_that_opens_a_tunnel_is_not_sent() {
    for method in ["CONNECT", "TRACE", "get", "", "GET /x HTTP/1.1\r\n"] {
        let request = Request { method: method.to_owned(), ..to(([127, 0, 0, 1], 1).into()) };
        assert!(matches!(refused(request).await, SendError::Unsendable(_)), "{method}");
    }
}
