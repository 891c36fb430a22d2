//! Import requests of 2 KB, each of a tenant of its own, over kept HTTP connections or as lines of a file.

use std::io::Write as _;
use std::net::SocketAddr;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::scene::INSTALL;

/// The size of a body, in bytes.
const BODY: usize = 2048;

/// An import and the moment from which its account's activation is waited for.
pub(crate) type Sent = (usize, Instant);

/// The body of an import.
fn body(number: usize) -> Value {
    let mut body = json!({
        "tenant_id": tenant(number),
        "environment_integration_id": INSTALL,
        "authentication_method": "oauth2",
        "region": "eu",
        "context": {
            "subdomain": format!("tenant-{number}"),
            "oauth": { "token": {
                "access_token": format!("good-{number}-{}", "a".repeat(180)),
                "refresh_token": format!("again-{number}-{}", "r".repeat(180)),
                "token_type": "Bearer",
                "expires_in": 3600,
                "scope": "contacts.read contacts.write deals.read",
            } },
            "contact": { "name": "Owner Person", "email": "owner@example.com", "phone": "+1 202 555 0100" },
            "settings": { "sync": ["contacts", "deals", "tickets"], "interval_minutes": 15, "since": "2024-01-01" },
            "note": "",
        },
    });
    let missing = BODY.saturating_sub(body.to_string().len());
    body["context"]["note"] = Value::from("n".repeat(missing));
    body
}

/// The tenant of an import; events are recognised by it.
fn tenant(number: usize) -> String {
    format!("{}{number}", crate::tail::TENANT)
}

/// Lines for `tidewaiter import`.
pub(crate) fn write_lines(file: &Path, numbers: Range<usize>) -> Result<()> {
    let mut out = std::io::BufWriter::new(std::fs::File::create(file)?);
    for number in numbers {
        writeln!(out, "{}", json!({ "message_id": tenant(number), "body": body(number) }))?;
    }
    Ok(out.flush()?)
}

/// Sends all as fast as the answers come; answers when each was accepted.
pub(crate) async fn flood(apis: &[SocketAddr], clients: usize, numbers: Range<usize>) -> Result<Vec<Sent>> {
    let next = Arc::new(AtomicUsize::new(numbers.start));
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let (next, address, end) = (Arc::clone(&next), apis[client % apis.len()], numbers.end);
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut accepted = Vec::new();
            loop {
                let number = next.fetch_add(1, Relaxed);
                if number >= end {
                    return Ok(accepted);
                }
                connection.import(number).await?;
                accepted.push((number, Instant::now()));
            }
        });
    }
    gather(tasks).await
}

/// Sends each when its time has come; answers when that was.
pub(crate) async fn pace(apis: &[SocketAddr], clients: usize, numbers: Range<usize>, rate: u32) -> Result<Vec<Sent>> {
    let gap = Duration::from_secs(1) / rate;
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for client in 0..clients {
        let (address, numbers) = (apis[client % apis.len()], numbers.clone());
        tasks.spawn(async move {
            let mut connection = Connection::open(address).await?;
            let mut sent = Vec::new();
            for (place, number) in numbers.enumerate().skip(client).step_by(clients) {
                let due = begun + gap * u32::try_from(place)?;
                tokio::time::sleep_until(due.into()).await;
                connection.import(number).await?;
                sent.push((number, due));
            }
            Ok(sent)
        });
    }
    gather(tasks).await
}

async fn gather(mut tasks: JoinSet<Result<Vec<Sent>>>) -> Result<Vec<Sent>> {
    let mut all = Vec::new();
    while let Some(done) = tasks.join_next().await {
        all.extend(done??);
    }
    Ok(all)
}

/// A kept HTTP/1.1 connection.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await.context("the API does not take a connection")?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, buffer: Vec::new() })
    }

    async fn import(&mut self, number: usize) -> Result<()> {
        let (body, key) = (body(number).to_string(), tenant(number));
        let request = format!(
            "POST /integrated-account HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n\
             idempotency-key: {key}\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(request.as_bytes()).await?;
        let answer = self.answer().await?;
        if !answer.starts_with("HTTP/1.1 201 ") {
            bail!("an import was answered: {answer}");
        }
        Ok(())
    }

    /// One answer: its head and body.
    async fn answer(&mut self) -> Result<String> {
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                bail!("the API closed the connection");
            }
            if let Some(head) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                let text = String::from_utf8_lossy(&self.buffer[..head]).to_ascii_lowercase();
                let length: usize = text
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length:")?.trim().parse().ok())
                    .context("an answer without a length")?;
                if self.buffer.len() >= head + 4 + length {
                    return Ok(String::from_utf8_lossy(&self.buffer).into_owned());
                }
            }
        }
    }
}
