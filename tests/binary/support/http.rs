//! HTTP/1.1 by hand: one request a connection, and a stream of server-sent events.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use super::PATIENCE;

/// A request to be sent.
#[derive(Debug)]
pub struct Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub headers: &'a [(&'a str, &'a str)],
    pub body: &'a [u8],
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub text: String,
}

impl Answer {
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Its body, or a failure that shows it when the status is another one.
    #[track_caller]
    pub fn with(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        self.json()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

pub fn get(address: SocketAddr, path: &str) -> Answer {
    Request { method: "GET", path, headers: &[], body: b"" }.send(address).unwrap()
}

pub fn post(address: SocketAddr, headers: &[(&str, &str)], body: &Value) -> Answer {
    let body = body.to_string();
    Request { method: "POST", path: "/integrated-account", headers, body: body.as_bytes() }.send(address).unwrap()
}

impl Request<'_> {
    /// Sends it and reads the whole answer. An error when nobody listens or the connection breaks.
    pub fn send(&self, address: SocketAddr) -> std::io::Result<Answer> {
        let mut reader = self.open(address)?;
        let (status, headers) = head(&mut reader)?;
        let mut body = Vec::new();
        if headers.get("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            while let Some(chunk) = chunk(&mut reader)? {
                body.extend(chunk);
            }
        } else {
            reader.read_to_end(&mut body)?;
        }
        Ok(Answer { status, headers, text: String::from_utf8_lossy(&body).into_owned() })
    }

    fn open(&self, address: SocketAddr) -> std::io::Result<BufReader<TcpStream>> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut request = format!("{} {} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n", self.method, self.path);
        for (name, value) in self.headers {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        if !self.body.is_empty() {
            let _ = write!(request, "content-type: application/json\r\ncontent-length: {}\r\n", self.body.len());
        }
        request.push_str("\r\n");
        stream.write_all(request.as_bytes())?;
        // A server may refuse a large body before it has read all of it; its answer is what counts.
        let _ = stream.write_all(self.body);
        Ok(BufReader::new(stream))
    }
}

fn line(reader: &mut BufReader<TcpStream>) -> std::io::Result<String> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    Ok(line.trim_end().to_owned())
}

fn head(reader: &mut BufReader<TcpStream>) -> std::io::Result<(u16, HashMap<String, String>)> {
    let first = line(reader)?;
    let status = first.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("not an answer: {first:?}")))?;
    let mut headers = HashMap::new();
    loop {
        let line = line(reader)?;
        let Some((name, value)) = line.split_once(':') else { return Ok((status, headers)) };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
}

fn chunk(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Vec<u8>>> {
    let size = usize::from_str_radix(&line(reader)?, 16).map_err(std::io::Error::other)?;
    let mut bytes = vec![0; size];
    reader.read_exact(&mut bytes)?;
    line(reader)?;
    Ok((size > 0).then_some(bytes))
}

/// Server-sent events as they come.
#[derive(Debug)]
pub struct Stream {
    reader: BufReader<TcpStream>,
    text: String,
}

/// One server-sent event.
#[derive(Debug)]
pub struct Told {
    pub id: String,
    pub kind: String,
    pub data: Value,
}

impl Stream {
    pub fn open(address: SocketAddr, path: &str, headers: &[(&str, &str)]) -> Self {
        let mut reader = Request { method: "GET", path, headers, body: b"" }.open(address).unwrap();
        let (status, headers) = head(&mut reader).unwrap();
        assert_eq!((status, headers["content-type"].as_str()), (200, "text/event-stream"));
        Self { reader, text: String::new() }
    }

    /// The next event, comments left out; `None` when the server ended the stream.
    pub fn next(&mut self) -> Option<Told> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let field = |name| block.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
                let (id, kind, data) = (field("id:"), field("event:"), field("data:"));
                let told = (!data.is_empty()).then(|| Told {
                    id: id.to_owned(),
                    kind: kind.to_owned(),
                    data: serde_json::from_str(data).unwrap(),
                });
                self.text = rest.to_owned();
                if told.is_some() {
                    return told;
                }
                continue;
            }
            let bytes = chunk(&mut self.reader).unwrap()?;
            self.text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    }
}
