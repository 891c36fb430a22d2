//! HTTP/1.1 from the server's side, by hand: what is broken here must not be mended by a library.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use serde_json::Value;

/// A request.
#[derive(Debug)]
pub struct Asked {
    pub method: String,
    /// The first part of the path.
    pub case: String,
    /// What is behind it.
    pub path: String,
    /// As it was written.
    pub query: String,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Asked {
    pub fn read(stream: &TcpStream) -> Option<Self> {
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let mut words = line.split(' ');
        let (method, target) = (words.next()?.to_owned(), words.next()?.to_owned());
        let mut headers = HashMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(':') else { break };
            headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
        }
        let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        let (path, query) = target.split_once('?').unwrap_or((&target, ""));
        let (case, path) = path.strip_prefix('/')?.split_once('/')?;
        Some(Self { method, case: case.to_owned(), path: path.to_owned(), query: query.to_owned(), headers, body })
    }

    /// As the log has it: with the range, and the body where there is one that is short text.
    pub fn told(&self) -> String {
        let query = if self.query.is_empty() { String::new() } else { format!("?{}", self.query) };
        let range = self.headers.get("range").map(|range| format!(" {range}")).unwrap_or_default();
        let body = std::str::from_utf8(&self.body).ok().filter(|body| !body.is_empty() && body.len() < 100);
        let body = body.map(|body| format!(" {body}")).unwrap_or_default();
        format!("{} /{}{query}{range}{body}", self.method, self.path)
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// A parameter, decoded.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let pair = self.query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))?;
        Some(percent_decode_str(pair).decode_utf8().unwrap().into_owned())
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Whole(Vec<u8>),
    Chunks(Vec<Vec<u8>>),
    /// The connection ends before the body does.
    Half(Vec<u8>),
    HalfChunks(Vec<u8>),
    /// The headers come letter by letter.
    Slow(Vec<u8>),
    /// All that is sent, head included.
    Raw(Vec<u8>),
}

impl Answer {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::of(status, "application/json", body.to_string())
    }

    pub fn of(status: u16, kind: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, headers: vec![("content-type", kind.to_owned())], body: Body::Whole(body.into()) }
    }

    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self { status: 0, headers: Vec::new(), body: Body::Raw(bytes.into()) }
    }

    pub fn with(mut self, name: &'static str, value: impl std::fmt::Display) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    fn bytes(&self) -> Vec<u8> {
        match &self.body {
            Body::Whole(bytes) => bytes.clone(),
            other => panic!("{other:?} is not whole"),
        }
    }

    /// In pieces of this many bytes.
    pub fn chunked(self, size: usize) -> Self {
        let chunks = self.bytes().chunks(size).map(<[u8]>::to_vec).collect();
        Self { body: Body::Chunks(chunks), ..self }
    }

    pub fn half(self) -> Self {
        Self { body: Body::Half(self.bytes()), ..self }
    }

    pub fn half_chunked(self) -> Self {
        Self { body: Body::HalfChunks(self.bytes()), ..self }
    }

    pub fn slow(self) -> Self {
        Self { body: Body::Slow(self.bytes()), ..self }
    }

    pub fn write(self, asked: &Asked, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {:03} Spoken\r\nconnection: close\r\n", self.status);
        for (name, value) in &self.headers {
            head += &[name, ": ", value, "\r\n"].concat();
        }
        let sized = |bytes: &[u8]| format!("{head}content-length: {}\r\n\r\n", bytes.len());
        let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n");
        match self.body {
            Body::Raw(bytes) => stream.write_all(&bytes),
            Body::Whole(bytes) if asked.method == "HEAD" => stream.write_all(sized(&bytes).as_bytes()),
            Body::Whole(bytes) => stream.write_all(&[sized(&bytes).into_bytes(), bytes].concat()),
            Body::Half(bytes) => stream.write_all(&[sized(&bytes).as_bytes(), &bytes[..bytes.len() / 2]].concat()),
            Body::HalfChunks(bytes) => stream.write_all(&[chunked.into_bytes(), chunk(&bytes)].concat()),
            Body::Chunks(chunks) => {
                stream.write_all(chunked.as_bytes())?;
                chunks.iter().try_for_each(|bytes| stream.write_all(&chunk(bytes)))?;
                stream.write_all(b"0\r\n\r\n")
            }
            Body::Slow(bytes) => {
                // The pause is what is spoken; nothing is waited for.
                for byte in sized(&bytes).bytes() {
                    stream.write_all(&[byte])?;
                    thread::sleep(Duration::from_millis(2));
                }
                stream.write_all(&bytes)
            }
        }
    }
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}
