//! Reads the event file: whole events, and the lines that a kill tore.

use serde::Deserialize;

use super::{Rule, Verdict};
use crate::history::History;

/// The parts of an envelope that promises are made about.
#[derive(Debug, Deserialize)]
pub struct Envelope {
    pub specversion: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub id: String,
    pub source: String,
    pub subject: String,
    pub sequence: String,
    pub data: Data,
}

#[derive(Debug, Deserialize)]
pub struct Data {
    pub event: String,
    pub status: Option<String>,
    pub previous_status: Option<String>,
    pub sequence: u64,
    pub cause: Cause,
    #[serde(default)]
    pub reason: Option<serde_json::Value>,
    pub account: Account,
}

#[derive(Debug, Deserialize)]
pub struct Cause {
    #[serde(default)]
    pub correlation_id: Option<String>,
}

#[derive(Debug, Deserialize)]
pub struct Account {
    pub id: String,
    #[serde(default)]
    pub tenant_id: Option<String>,
}

/// One arrival of one event.
#[derive(Debug)]
pub struct Receipt<'a> {
    /// The line of the event file, from 1.
    pub line: usize,
    pub bytes: &'a [u8],
    pub envelope: Envelope,
}

/// Splits the event file. A line that is not a whole event has to be torn by a kill: it begins as an event that comes
/// whole elsewhere, lies where the file ended at that moment, and no kill tears two.
pub fn read<'a>(history: &'a History, verdict: &mut Verdict) -> Vec<Receipt<'a>> {
    let mut receipts = Vec::new();
    let mut broken = Vec::new();
    let mut offset = 0;
    for (index, raw) in history.events.split_inclusive(|byte| *byte == b'\n').enumerate() {
        let line = index + 1;
        let start = offset as u64;
        offset += raw.len();
        let bytes = raw.strip_suffix(b"\n").unwrap_or(raw);
        match serde_json::from_slice::<Envelope>(bytes) {
            // Without its newline a line is not whole, even if all of its JSON is there.
            Ok(envelope) if bytes.len() < raw.len() => receipts.push(Receipt { line, bytes, envelope }),
            Ok(_) => broken.push((line, start, bytes, "its newline is missing".to_owned())),
            Err(error) => broken.push((line, start, bytes, error.to_string())),
        }
    }
    excuse(history, &receipts, broken, verdict);
    receipts
}

fn excuse(
    history: &History,
    receipts: &[Receipt<'_>],
    broken: Vec<(usize, u64, &[u8], String)>,
    verdict: &mut Verdict,
) {
    let mut kills = history.faults.kills.clone();
    for (line, start, bytes, error) in broken {
        let end = start + bytes.len() as u64;
        let Some(kill) = kills.iter().position(|kill| start <= kill.after && kill.before <= end) else {
            verdict.breaks(
                Rule::Log,
                format!("Line {line} of the event file is not an event, and no kill explains it: {error}."),
            );
            continue;
        };
        kills.remove(kill);
        verdict.figures.torn += 1;
        if !receipts.iter().any(|receipt| receipt.bytes.starts_with(bytes)) {
            verdict.breaks(
                Rule::Log,
                format!("Line {line} of the event file was torn by a kill, and its event was never published again."),
            );
        }
    }
}
