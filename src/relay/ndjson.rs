//! Events as lines of JSON, on standard output or appended to a file.
//!
//! Several processes may append to one file: each batch is one write of whole lines to a file opened for appending. A
//! file is synced before its events count as published.

use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::Mutex;

use super::{EventSink, SinkError};
use crate::store::Unpublished;

/// One CloudEvents envelope a line.
#[derive(Debug)]
pub struct NdjsonSink {
    target: Target,
    /// Held by a write to its very end, so that a stuck one is followed by no other.
    turn: Arc<Mutex<()>>,
}

#[derive(Debug)]
enum Target {
    Stdout,
    File(Arc<std::fs::File>),
}

impl NdjsonSink {
    /// Lines on standard output.
    #[must_use]
    pub fn stdout() -> Self {
        Self { target: Target::Stdout, turn: Arc::default() }
    }

    /// Lines appended to `path`, which is made if it is not there.
    ///
    /// # Errors
    /// When the file cannot be opened for appending.
    pub fn file(path: &Path) -> std::io::Result<Self> {
        let file = std::fs::OpenOptions::new().create(true).append(true).read(true).open(path)?;
        Ok(Self { target: Target::File(Arc::new(file)), turn: Arc::default() })
    }
}

/// Ends a last line that a crash, of this process or of another one, cut short: no event is glued to it.
fn end_torn_line(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::FileExt as _;
    let length = file.metadata()?.len();
    let mut last = [0_u8];
    if length > 0 && file.read_at(&mut last, length - 1)? == 1 && last != *b"\n" {
        let mut appending = file;
        appending.write_all(b"\n")?;
    }
    Ok(())
}

#[async_trait]
impl EventSink for NdjsonSink {
    async fn publish(&self, events: &[Unpublished]) -> Result<(), SinkError> {
        let mut lines = Vec::with_capacity(events.iter().map(|event| event.envelope.len() + 1).sum());
        for event in events {
            lines.extend_from_slice(event.envelope.as_bytes());
            lines.push(b'\n');
        }
        let target = match &self.target {
            Target::Stdout => None,
            Target::File(file) => Some(Arc::clone(file)),
        };
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let writing = move || {
            let written = write(target.as_deref(), &lines);
            drop(turn);
            written
        };
        tokio::task::spawn_blocking(writing)
            .await
            .map_err(|_| SinkError("the writing task was stopped".to_owned()))?
            .map_err(|error| SinkError(format!("events cannot be written: {error}")))
    }
}

/// Gives the file's lock back however the write ends.
struct Unlock<'a>(&'a std::fs::File);

impl Drop for Unlock<'_> {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}

fn write(file: Option<&std::fs::File>, lines: &[u8]) -> std::io::Result<()> {
    match file {
        None => {
            let mut out = std::io::stdout().lock();
            out.write_all(lines)?;
            out.flush()
        }
        Some(mut file) => {
            // Against other processes that append: a writer that is killed loses the lock with its life, and no other
            // write can stand between the look at the last line and ours.
            file.lock()?;
            let _unlocked = Unlock(file);
            end_torn_line(file)?;
            // One write of the whole batch: the kernel appends it as one piece. Only a full disk cuts it.
            let written = file.write(lines)?;
            if written < lines.len() {
                let _ = file.write_all(b"\n");
                return Err(std::io::Error::new(std::io::ErrorKind::WriteZero, "the disk took only a part of a line"));
            }
            file.sync_data()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn event(text: &str) -> Unpublished {
        Unpublished { account: Uuid::nil(), sequence: 1, event_type: String::new(), envelope: text.to_owned() }
    }

    #[tokio::test]
    async fn a_line_that_a_crash_cut_short_is_ended_before_the_next_event() {
        let path = std::env::temp_dir().join(format!("tidewaiter-ndjson-{}", std::process::id()));
        std::fs::write(&path, "{\"whole\":1}\n{\"to").unwrap();
        let sink = NdjsonSink::file(&path).unwrap();
        sink.publish(&[event("{\"a\":1}"), event("{\"b\":2}")]).await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(text, "{\"whole\":1}\n{\"to\n{\"a\":1}\n{\"b\":2}\n");
    }
}
