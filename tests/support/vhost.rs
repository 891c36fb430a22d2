//! A virtual host of the broker for one test, made and deleted through the management interface.
//!
//! The interface answers in milliseconds; RabbitMQ's own command would start an Erlang machine for each question.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Once;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use tidewaiter::clock::{Clock as _, SystemClock};
use url::Url;

/// How long the broker may take for anything that is asked of it here; its list of connections is 5 s old at worst.
const PATIENCE: Duration = Duration::from_secs(30);

/// A virtual host with nothing in it; deleted when dropped.
#[derive(Debug)]
pub struct Vhost {
    pub name: String,
    amqp: Url,
    management: Management,
}

impl Vhost {
    /// One in the broker that the environment names. Without a broker this fails where `CI` is set, and else says that
    /// it is skipped and answers `None`.
    pub fn make() -> Option<Self> {
        static SAID: Once = Once::new();
        let named = (environment("TIDEWAITER_TEST_AMQP"), environment("TIDEWAITER_TEST_RABBITMQ_MANAGEMENT"));
        let (Some(amqp), Some(management)) = named else {
            assert!(environment("CI").is_none(), "TIDEWAITER_TEST_AMQP is not set, and RabbitMQ must be tested here");
            SAID.call_once(|| {
                // Past the capture of the test's output: this must be seen.
                let _ = writeln!(std::io::stderr(), "\nSKIPPED: nothing is tested on RabbitMQ; see scripts/services\n");
            });
            return None;
        };
        Some(Self::of(&amqp, &management))
    }

    /// One in the broker at these URLs.
    pub fn of(amqp: &str, management: &str) -> Self {
        let amqp = Url::parse(amqp).expect("the broker's URL");
        let name = format!("test-{}", SystemClock::default().new_id().simple());
        let host = Self { name, amqp, management: Management::at(management) };
        host.management.done("PUT", &format!("vhosts/{}", host.name), &json!({}));
        let all = json!({ "configure": ".*", "write": ".*", "read": ".*" });
        host.management.done("PUT", &format!("permissions/{}/{}", host.name, host.amqp.username()), &all);
        host
    }

    /// Its AMQP URL.
    pub fn url(&self) -> String {
        self.url_at(self.amqp.host_str().unwrap_or_default(), self.amqp.port().unwrap_or(5672))
    }

    /// The same by way of another port of this machine, such as a proxy's.
    pub fn url_by(&self, port: u16) -> String {
        self.url_at("127.0.0.1", port)
    }

    fn url_at(&self, host: &str, port: u16) -> String {
        let (user, password) = (self.amqp.username(), self.amqp.password().unwrap_or_default());
        format!("amqp://{user}:{password}@{host}:{port}/{}", self.name)
    }

    /// Where the broker listens.
    pub fn address(&self) -> std::net::SocketAddr {
        let address = self.amqp.socket_addrs(|| Some(5672)).expect("the broker's address");
        address[0]
    }

    /// Closes the connections whose name or client's name contains `part`, when there is one; how many these were.
    pub fn close_connections(&self, part: &str) -> usize {
        let since = Instant::now();
        loop {
            let listed = self.management.done("GET", &format!("vhosts/{}/connections", self.name), &Value::Null);
            let mut closed = 0;
            for connection in listed.as_array().into_iter().flatten() {
                let name = connection["name"].as_str().unwrap_or_default();
                let given = connection["client_properties"]["connection_name"].as_str().unwrap_or_default();
                if name.contains(part) || given.contains(part) {
                    let path: String = url::form_urlencoded::byte_serialize(name.as_bytes()).collect();
                    let path = format!("connections/{}", path.replace('+', "%20"));
                    // The list may name a connection that has gone since.
                    closed += usize::from(self.management.ask("DELETE", &path, &Value::Null).0 == 204);
                }
            }
            if closed > 0 {
                return closed;
            }
            assert!(since.elapsed() < PATIENCE, "no connection like {part:?}: {listed}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Any other question about this virtual host: `GET /api/WHAT/<vhost>/REST`.
    pub fn get(&self, what: &str, rest: &str) -> Value {
        self.management.done("GET", &format!("{what}/{}/{rest}", self.name), &Value::Null)
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        // A broker that a test took away needs no tidying up.
        let _ = self.management.try_ask("DELETE", &format!("vhosts/{}", self.name), &Value::Null);
    }
}

/// The management interface of a broker.
#[derive(Debug)]
struct Management {
    address: String,
    authorization: String,
}

impl Management {
    fn at(url: &str) -> Self {
        let url = Url::parse(url).expect("the management interface's URL");
        let secret = format!("{}:{}", url.username(), url.password().unwrap_or_default());
        let address = format!("{}:{}", url.host_str().unwrap_or_default(), url.port().unwrap_or(15672));
        Self { address, authorization: STANDARD.encode(secret) }
    }

    /// The answer's body, after an answer that is not a refusal.
    #[track_caller]
    fn done(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    #[track_caller]
    fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.try_ask(method, path, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// HTTP/1.0, so that the answer comes whole and the connection ends with it.
    fn try_ask(&self, method: &str, path: &str, body: &Value) -> std::io::Result<(u16, Value)> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let body = if body.is_null() { String::new() } else { body.to_string() };
        write!(
            stream,
            "{method} /api/{path} HTTP/1.0\r\nhost: {}\r\nauthorization: Basic {}\r\ncontent-type: application/json\r\n\
             content-length: {}\r\n\r\n{body}",
            self.address,
            self.authorization,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok()).unwrap_or(0);
        Ok((status, serde_json::from_str(body).unwrap_or_default()))
    }
}

/// A variable that says what to test with; empty is none.
#[expect(clippy::disallowed_methods, reason = "what to test with is told by the environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
