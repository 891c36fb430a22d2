//! A publisher that speaks AMQP 0-9-1 by hand, for messages that no AMQP library would send.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use url::Url;

const METHOD: u8 = 1;
const HEADER: u8 = 2;
const BODY: u8 = 3;
const FRAME_END: u8 = 0xCE;

/// Publishes `body` into a queue with `message_id` as it is, which need not be text, and waits for the confirmation.
pub fn publish(url: &str, queue: &str, message_id: &[u8], body: &[u8]) -> std::io::Result<()> {
    // The flags of delivery mode and message id, and these two.
    publish_with(url, queue, &[&[0x10, 0x80, 2][..], &short(message_id)].concat(), body)
}

/// Publishes `body` into a queue with one header, lists within lists to this depth.
pub fn publish_nested(url: &str, queue: &str, levels: usize, body: &[u8]) -> std::io::Result<()> {
    const LEVEL: usize = 5;
    let list = |inside: usize| [&b"A"[..], &((inside * LEVEL) as u32).to_be_bytes()].concat();
    let nested: Vec<u8> = (0..levels).rev().flat_map(list).collect();
    let size = ((2 + nested.len()) as u32).to_be_bytes();
    // The flags of headers and delivery mode, and these two.
    publish_with(url, queue, &[&[0x30, 0][..], &size, &short(b"a"), &nested, &[2]].concat(), body)
}

/// Publishes `body` with these flags and properties as they are, and waits for the confirmation.
fn publish_with(url: &str, queue: &str, properties: &[u8], body: &[u8]) -> std::io::Result<()> {
    let url = Url::parse(url).map_err(std::io::Error::other)?;
    let mut wire = Wire::connect(&url)?;
    wire.call(0, (10, 11), &start_ok(&url), None)?; // start-ok
    wire.until(0, (10, 30))?; // tune
    wire.method(0, (10, 31), &[0, 1, 0, 2, 0, 0, 0, 0])?; // tune-ok: one channel, frames of 128 KiB, no heartbeat
    let vhost = url.path().trim_start_matches('/').replace("%2f", "/");
    wire.call(0, (10, 40), &[&short(vhost.as_bytes())[..], &[0, 0]].concat(), Some((10, 41)))?; // open
    wire.call(1, (20, 10), &[0], Some((20, 11)))?; // channel.open
    wire.call(1, (85, 10), &[0], Some((85, 11)))?; // confirm.select
    let publish = [&[0, 0][..], &short(b""), &short(queue.as_bytes()), &[0]].concat();
    wire.method(1, (60, 40), &publish)?;
    // Class 60, weight 0, the size.
    let size = (body.len() as u64).to_be_bytes();
    let header = [&[0, 60, 0, 0][..], &size, properties].concat();
    wire.frame(HEADER, 1, &header)?;
    wire.frame(BODY, 1, body)?;
    wire.until(1, (60, 80))?; // basic.ack
    wire.call(0, (10, 50), &[0, 200, 0, 0, 0, 0, 0], Some((10, 51))) // close
}

fn start_ok(url: &Url) -> Vec<u8> {
    let secret = format!("\0{}\0{}", url.username(), url.password().unwrap_or_default());
    let size = (secret.len() as u32).to_be_bytes();
    [&[0, 0, 0, 0][..], &short(b"PLAIN"), &size, secret.as_bytes(), &short(b"en_US")].concat()
}

fn short(text: &[u8]) -> Vec<u8> {
    [&[text.len() as u8][..], text].concat()
}

struct Wire(TcpStream);

impl Wire {
    fn connect(url: &Url) -> std::io::Result<Self> {
        let mut stream = TcpStream::connect(&*url.socket_addrs(|| Some(5672))?)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        stream.write_all(b"AMQP\0\0\x09\x01")?;
        let mut wire = Self(stream);
        wire.until(0, (10, 10))?; // start
        Ok(wire)
    }

    /// Sends a method and waits for its answer, if there is one.
    fn call(
        &mut self,
        channel: u16,
        id: (u16, u16),
        arguments: &[u8],
        answer: Option<(u16, u16)>,
    ) -> std::io::Result<()> {
        self.method(channel, id, arguments)?;
        answer.map_or(Ok(()), |answer| self.until(channel, answer))
    }

    fn method(&mut self, channel: u16, (class, method): (u16, u16), arguments: &[u8]) -> std::io::Result<()> {
        self.frame(METHOD, channel, &[&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat())
    }

    fn frame(&mut self, kind: u8, channel: u16, payload: &[u8]) -> std::io::Result<()> {
        let size = (payload.len() as u32).to_be_bytes();
        self.0.write_all(&[&[kind][..], &channel.to_be_bytes(), &size, payload, &[FRAME_END]].concat())
    }

    /// Reads to the awaited method; a close by the broker is an error that shows its reason.
    fn until(&mut self, channel: u16, (class, method): (u16, u16)) -> std::io::Result<()> {
        loop {
            let mut head = [0; 7];
            self.0.read_exact(&mut head)?;
            let mut payload = vec![0; u32::from_be_bytes([head[3], head[4], head[5], head[6]]) as usize + 1];
            self.0.read_exact(&mut payload)?;
            if head[0] != METHOD {
                continue;
            }
            let id = (u16::from_be_bytes([payload[0], payload[1]]), u16::from_be_bytes([payload[2], payload[3]]));
            if id == (class, method) && u16::from_be_bytes([head[1], head[2]]) == channel {
                return Ok(());
            }
            if matches!(id, (10, 50) | (20, 40)) {
                return Err(std::io::Error::other(String::from_utf8_lossy(&payload).into_owned()));
            }
        }
    }
}
