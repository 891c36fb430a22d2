//! Requests from a file or a pipe, one a line: many under way at once, each line answered by itself.
//!
//! Memory is bounded whatever is fed: a line is cut one byte after the largest message (and refused as too large), and
//! only so many lines are under way. Blank lines are passed over.

use std::time::Duration;

use futures_util::stream::{FuturesOrdered, StreamExt as _};
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _};

use super::{Delivery, Disposition, Intake, json};
use crate::accounts::ImportError;
use crate::reconnect::Reconnect;
use crate::store::{Channel, StoreError};

/// Lines under way at once.
const UNDER_WAY: usize = 256;

/// A line and what became of it.
#[derive(Debug)]
pub struct LineOutcome {
    /// Its number, from 1.
    pub line: u64,
    /// What became of it.
    pub disposition: Disposition,
}

/// Why reading lines ended early. The lines before it are done.
#[derive(Debug, thiserror::Error)]
pub enum LinesError {
    /// The input cannot be read.
    #[error("the input cannot be read after line {0}: {1}")]
    Read(u64, std::io::Error),
    /// A line cannot be stored, and repeating does not help.
    #[error("line {line} cannot be stored: {source}")]
    Store {
        /// Its number.
        line: u64,
        /// Why.
        source: ImportError,
    },
}

/// Feeds every line of `input` to the front door and tells `done` of each, in the order of the lines. Waits for
/// a database that does not answer.
///
/// # Errors
/// When the input cannot be read to its end, or a line cannot be stored at all.
pub async fn receive_lines<R>(intake: &Intake, input: R, done: impl FnMut(LineOutcome)) -> Result<u64, LinesError>
where
    R: AsyncBufRead + Unpin,
{
    each_line(input, |line, bytes| receive_one(intake, line, bytes), done).await
}

/// Has `handle` do something with every line, many at once, and tells `done` of each in the order of the lines. Answers
/// how many there were.
pub(super) async fn each_line<R, T, F>(
    input: R,
    handle: impl Fn(u64, Vec<u8>) -> F,
    mut done: impl FnMut(T),
) -> Result<u64, LinesError>
where
    R: AsyncBufRead + Unpin,
    F: Future<Output = Result<T, LinesError>>,
{
    let mut lines = Lines::new(input);
    let mut under_way = FuturesOrdered::new();
    let mut number = 0;
    let mut open = true;
    let mut failed = None;
    while open || !under_way.is_empty() {
        tokio::select! {
            biased;
            finished = under_way.next(), if !under_way.is_empty() => {
                match finished {
                    Some(Ok(outcome)) => done(outcome),
                    Some(Err(error)) => {
                        // No more are begun; those that are under way are told all the same.
                        open = false;
                        failed.get_or_insert(error);
                    }
                    None => {}
                }
            }
            read = lines.next(), if open && under_way.len() < UNDER_WAY => {
                match read {
                    Err(error) => {
                        open = false;
                        failed.get_or_insert(LinesError::Read(number, error));
                    }
                    Ok(None) => open = false,
                    Ok(Some(bytes)) => {
                        number += 1;
                        if !bytes.iter().all(u8::is_ascii_whitespace) {
                            under_way.push_back(handle(number, bytes));
                        }
                    }
                }
            }
        }
    }
    match failed {
        None => Ok(number),
        Some(error) => Err(error),
    }
}

async fn receive_one(intake: &Intake, line: u64, bytes: Vec<u8>) -> Result<LineOutcome, LinesError> {
    let mut pauses = Reconnect::default();
    let mut told = false;
    let delivery = Delivery { bytes, ..Delivery::default() };
    loop {
        match intake.receive(Channel::File, &delivery).await {
            Ok(disposition) => return Ok(LineOutcome { line, disposition }),
            Err(ImportError::Store(StoreError::Unavailable(why))) => {
                if !told {
                    tracing::warn!(line, error = %why, "the database does not answer; the line is tried again until it does");
                    told = true;
                }
                tokio::time::sleep(pauses.pause().max(Duration::from_millis(10))).await;
            }
            Err(source) => return Err(LinesError::Store { line, source }),
        }
    }
}

/// Reads lines without their ends. A line that is too long keeps one byte more than a message may have, and the rest of
/// it is read and dropped.
struct Lines<R> {
    input: R,
    line: Vec<u8>,
}

impl<R: AsyncBufRead + Unpin> Lines<R> {
    const fn new(input: R) -> Self {
        Self { input, line: Vec::new() }
    }

    /// The next line; `None` at the end of the input. What was read of a line stays when the future is dropped.
    async fn next(&mut self) -> std::io::Result<Option<Vec<u8>>> {
        loop {
            let available = self.input.fill_buf().await?;
            if available.is_empty() {
                let last = std::mem::take(&mut self.line);
                return Ok((!last.is_empty()).then_some(last));
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let piece = &available[..end.unwrap_or(available.len())];
            let room = (json::MAX_BYTES + 1).saturating_sub(self.line.len());
            self.line.extend_from_slice(&piece[..piece.len().min(room)]);
            let used = end.map_or(available.len(), |end| end + 1);
            self.input.consume(used);
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn lines(text: &[u8]) -> Vec<usize> {
        // A tiny buffer, so that lines cross its edge.
        let mut input = Lines::new(tokio::io::BufReader::with_capacity(3, text));
        let mut sizes = Vec::new();
        while let Some(line) = input.next().await.unwrap() {
            sizes.push(line.len());
        }
        sizes
    }

    #[tokio::test]
    async fn lines_end_at_line_feeds_and_the_last_one_at_the_end() {
        assert_eq!(lines(b"abcd\n\nef").await, [4, 0, 2]);
        assert_eq!(lines(b"abcd\n").await, [4]);
        assert_eq!(lines(b"").await, [0; 0]);
    }

    #[tokio::test]
    async fn a_line_that_never_ends_takes_a_bounded_place() {
        let mut text = vec![b'x'; 3 * json::MAX_BYTES];
        text.extend_from_slice(b"\nnext");
        assert_eq!(lines(&text).await, [json::MAX_BYTES + 1, 4]);
    }

    #[tokio::test]
    async fn a_line_that_comes_in_pieces_survives_a_reader_that_is_dropped_in_between() {
        use tokio::io::AsyncWriteExt as _;
        let (mut producer, consumer) = tokio::io::duplex(64);
        let mut input = Lines::new(tokio::io::BufReader::new(consumer));
        for piece in [&b"{\"a\":"[..], b"1}"] {
            producer.write_all(piece).await.unwrap();
            // Polled once, it takes the piece and waits for more; then it is dropped.
            assert!(futures_util::poll!(std::pin::pin!(input.next())).is_pending());
        }
        producer.write_all(b"\n").await.unwrap();
        assert_eq!(input.next().await.unwrap().as_deref(), Some(&b"{\"a\":1}"[..]));
    }
}
