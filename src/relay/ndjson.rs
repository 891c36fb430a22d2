//! Events as lines of JSON, on standard output or appended to a file.
//!
//! Events that come while a write is under way go together in the next one. Several processes may append to one file:
//! each write is of whole lines, to a file opened for appending, and is synced before its events count as published.

use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::oneshot;

use super::{EventSink, Sent, SinkError};
use crate::store::Unpublished;

/// One CloudEvents envelope a line.
#[derive(Debug)]
pub struct NdjsonSink {
    target: Target,
    waiting: Mutex<Vec<Line>>,
    /// Held by a write to its very end, so that a stuck one is followed by no other.
    turn: Arc<tokio::sync::Mutex<()>>,
}

/// More than a relay has on its way.
const MANY: usize = 4096;

#[derive(Debug)]
struct Line {
    envelope: String,
    answer: oneshot::Sender<Result<(), SinkError>>,
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
        Self::to(Target::Stdout)
    }

    /// Lines appended to `path`, which is made if it is not there.
    ///
    /// # Errors
    /// When the file cannot be opened for appending.
    pub fn file(path: &Path) -> std::io::Result<Self> {
        let file = std::fs::OpenOptions::new().create(true).append(true).read(true).open(path)?;
        Ok(Self::to(Target::File(Arc::new(file))))
    }

    fn to(target: Target) -> Self {
        Self { target, waiting: Mutex::default(), turn: Arc::default() }
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

impl NdjsonSink {
    /// Adds a line to those that wait; answers where to hear of it.
    fn add(&self, event: &Unpublished) -> oneshot::Receiver<Result<(), SinkError>> {
        let (answer, outcome) = oneshot::channel();
        let mut waiting = self.waiting();
        // What nobody waits for any more is not written. A stuck write must not let it pile up.
        if waiting.len() >= MANY {
            waiting.retain(|line| !line.answer.is_closed());
        }
        waiting.push(Line { envelope: event.envelope.clone(), answer });
        outcome
    }

    fn waiting(&self) -> MutexGuard<'_, Vec<Line>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes all lines that wait, together. A write that has begun goes on to its end, whoever stops waiting for it.
    async fn write_waiting(&self) -> Result<(), SinkError> {
        let turn = Arc::clone(&self.turn).lock_owned().await;
        let lines: Vec<Line> =
            std::mem::take(&mut *self.waiting()).into_iter().filter(|line| !line.answer.is_closed()).collect();
        if lines.is_empty() {
            return Ok(());
        }
        let target = match &self.target {
            Target::Stdout => None,
            Target::File(file) => Some(Arc::clone(file)),
        };
        let writing = move || {
            let written = write(target.as_deref(), &bytes_of(&lines));
            let outcome = written.map_err(|error| SinkError::Away(format!("events cannot be written: {error}")));
            for line in lines {
                let _ = line.answer.send(outcome.clone());
            }
            drop(turn);
        };
        tokio::task::spawn_blocking(writing)
            .await
            .map_err(|_| SinkError::Away("the writing task was stopped".to_owned()))
    }
}

fn bytes_of(lines: &[Line]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(lines.iter().map(|line| line.envelope.len() + 1).sum());
    for line in lines {
        bytes.extend_from_slice(line.envelope.as_bytes());
        bytes.push(b'\n');
    }
    bytes
}

#[async_trait]
impl EventSink for NdjsonSink {
    /// Whoever gets the turn writes for all who came meanwhile: one write and one sync for many events.
    async fn publish(&self, event: &Unpublished) -> Result<Sent, SinkError> {
        let mut outcome = self.add(event);
        tokio::select! {
            biased;
            // Another one wrote it.
            told = &mut outcome => told,
            written = self.write_waiting() => {
                written?;
                outcome.await
            }
        }
        .unwrap_or_else(|_| Err(SinkError::Away("the writing task was stopped".to_owned())))
        .map(|()| Sent::Confirmed)
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
        sink.publish(&event("{\"a\":1}")).await.unwrap();
        sink.publish(&event("{\"b\":2}")).await.unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(text, "{\"whole\":1}\n{\"to\n{\"a\":1}\n{\"b\":2}\n");
    }
}
