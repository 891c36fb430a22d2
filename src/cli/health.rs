//! `tidewaiter health`: asks a running worker's `/livez`. For containers, whose images hold no HTTP client.
//!
//! The request is a few lines by hand, so that the answer does not depend on the client whose health is in question.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use clap::Args;
use serde::Serialize;
use url::Url;

use super::{CliError, Exit, Globals};

/// How long connecting, and each read and write, may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes of the answer that are looked at.
const ANSWER_BYTES: u64 = 4096;

/// Ask a running worker whether it is alive.
#[derive(Debug, Args)]
pub(super) struct Health {
    /// What to ask, instead of `/livez` at `probes.listen`.
    #[arg(long, value_name = "URL")]
    url: Option<Url>,
}

#[derive(Serialize)]
struct Record {
    url: String,
    status: u16,
}

impl Health {
    pub(super) fn run(&self, globals: &Globals) -> Result<Exit, CliError> {
        let url = self.url.clone().map_or_else(|| configured(globals), Ok)?;
        let status = ask(&url)?;
        if !(200..300).contains(&status) {
            return Err(CliError::unavailable(format!("{url} answers {status}")));
        }
        let mut output = globals.output();
        if output.is_json() {
            output.json(&Record { url: url.into(), status })?;
        } else {
            output.line(&format!("{url} answers {status}"))?;
        }
        Ok(Exit::Done)
    }
}

fn configured(globals: &Globals) -> Result<Url, CliError> {
    let listen = globals.load()?.settings.probes_listen;
    let address = listen.ok_or_else(|| {
        CliError::bad_input("`probes.listen` is empty, so there is nothing to ask")
            .hint("set it, or say what to ask with --url")
    })?;
    let address = reachable(address);
    Url::parse(&format!("http://{address}/livez"))
        .map_err(|error| CliError::bad_input(format!("{address} cannot be asked: {error}")))
}

/// A listener on every address is asked over loopback.
const fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

/// The status that `url` answers with.
fn ask(url: &Url) -> Result<u16, CliError> {
    let host = url.host_str().filter(|_| url.scheme() == "http").ok_or_else(|| {
        CliError::bad_input(format!("`{url}` cannot be asked")).hint("only http is spoken here: http://HOST:PORT/PATH")
    })?;
    let unreachable = |error: io::Error| CliError::unavailable(format!("{url} does not answer: {error}"));
    let addresses = url.socket_addrs(|| Some(80)).map_err(unreachable)?;
    let mut stream = connect(&addresses).map_err(unreachable)?;
    let port = url.port().map_or_else(String::new, |port| format!(":{port}"));
    let request = format!("GET {} HTTP/1.1\r\nHost: {host}{port}\r\nConnection: close\r\n\r\n", url.path());
    let mut answer = Vec::new();
    stream.write_all(request.as_bytes()).map_err(unreachable)?;
    // What came before a reset or a timeout may be enough.
    let read = stream.take(ANSWER_BYTES).read_to_end(&mut answer);
    match (status_of(&answer), read) {
        (Some(status), _) => Ok(status),
        (None, Err(error)) => Err(unreachable(error)),
        (None, Ok(_)) => Err(CliError::unavailable(format!("{url} does not answer in HTTP"))),
    }
}

fn connect(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    for address in addresses.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The status in an answer's first line.
fn status_of(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|byte| *byte == b'\n').next()?;
    let rest = line.strip_prefix(b"HTTP/1.1 ").or_else(|| line.strip_prefix(b"HTTP/1.0 "))?;
    std::str::from_utf8(rest.get(..3)?).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Asks a listener that reads a request's head and answers with `answer`; the request and the outcome.
    fn asked(answer: &'static [u8]) -> (String, Result<u16, CliError>) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let url = Url::parse(&format!("http://{}/livez", listener.local_addr().unwrap())).unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            stream.write_all(answer).unwrap();
            String::from_utf8(head).unwrap()
        });
        let outcome = ask(&url);
        (server.join().unwrap(), outcome)
    }

    #[test]
    fn the_status_of_the_answer_is_told() {
        let (head, outcome) = asked(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
        assert!(head.starts_with("GET /livez HTTP/1.1\r\nHost: 127.0.0.1:"), "{head}");
        assert_eq!(outcome, Ok(200));
        assert_eq!(asked(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").1, Ok(503));
    }

    #[test]
    fn what_is_not_http_and_what_is_not_there_is_unavailable() {
        assert_eq!(asked(b"SSH-2.0-x\r\n").1.unwrap_err().code, Exit::Unavailable);
        assert_eq!(asked(b"").1.unwrap_err().code, Exit::Unavailable);
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let error = ask(&Url::parse(&format!("http://{free}/livez")).unwrap()).unwrap_err();
        assert_eq!(error.code, Exit::Unavailable);
        assert!(error.message.contains(&free.to_string()), "{error}");
    }

    #[test]
    fn other_schemes_are_refused() {
        assert_eq!(ask(&Url::parse("https://localhost/livez").unwrap()).unwrap_err().code, Exit::BadInput);
    }

    #[test]
    fn a_listener_on_every_address_is_asked_over_loopback() {
        let asked = |listen: &str| reachable(listen.parse().unwrap()).to_string();
        assert_eq!(asked("0.0.0.0:81"), "127.0.0.1:81");
        assert_eq!(asked("[::]:81"), "[::1]:81");
        assert_eq!(asked("10.0.0.1:81"), "10.0.0.1:81");
    }
}
