//! The writer of log lines: a bounded buffer and a thread, so that a slow or stopped reader never stops the work.

use std::io::{self, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use tracing_subscriber::fmt::MakeWriter;

use super::LogFormat;
use super::escape::escape_controls;

/// Bytes of lines that may wait for the thread. What comes beyond is dropped and counted.
const WAITING_BYTES: usize = 1 << 20;

/// The longest line, in bytes; the rest is cut.
const LINE_BYTES: usize = 16 << 10;

/// How long the end of the process waits for the last lines.
const LAST_LINES: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct State {
    waiting: Vec<u8>,
    /// Lines dropped since the thread last told of them.
    dropped: u64,
    writing: bool,
}

#[derive(Debug, Default)]
struct Buffer {
    state: Mutex<State>,
    filled: Condvar,
    emptied: Condvar,
}

impl Buffer {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the log's lines go.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    buffer: Arc<Buffer>,
    dropped: Counter,
}

/// Writes out what waits when it is dropped, for a second at most.
#[derive(Debug)]
#[must_use = "lines that still wait are lost when the process ends without it"]
pub struct Flush(Arc<Buffer>);

impl Lines {
    /// Starts the thread that writes to `sink`.
    pub(super) fn start(sink: Box<dyn Write + Send>, format: LogFormat, dropped: Counter) -> io::Result<(Self, Flush)> {
        let buffer = Arc::new(Buffer::default());
        let theirs = Arc::clone(&buffer);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || write_forever(&theirs, sink, format))?;
        Ok((Self { buffer: Arc::clone(&buffer), dropped }, Flush(buffer)))
    }

    fn add(&self, line: &[u8]) {
        let text = String::from_utf8_lossy(line);
        let text = text.strip_suffix('\n').unwrap_or(&text);
        let text = escape_controls(&text[..text.floor_char_boundary(LINE_BYTES)]);
        let mut state = self.buffer.lock();
        if state.waiting.len() + text.len() + 1 > WAITING_BYTES {
            state.dropped += 1;
            self.dropped.inc();
            return;
        }
        state.waiting.extend_from_slice(text.as_bytes());
        state.waiting.push(b'\n');
        self.buffer.filled.notify_one();
    }
}

fn write_forever(buffer: &Buffer, mut sink: Box<dyn Write + Send>, format: LogFormat) {
    loop {
        let idle = |state: &mut State| state.waiting.is_empty() && state.dropped == 0;
        let mut state = buffer.filled.wait_while(buffer.lock(), idle).unwrap_or_else(PoisonError::into_inner);
        let mut batch = std::mem::take(&mut state.waiting);
        let dropped = std::mem::take(&mut state.dropped);
        state.writing = true;
        drop(state);
        if dropped > 0 {
            batch.extend_from_slice(note(dropped, format).as_bytes());
        }
        // Nobody is left to be told that standard error does not work.
        let _ = sink.write_all(&batch).and_then(|()| sink.flush());
        buffer.lock().writing = false;
        buffer.emptied.notify_all();
    }
}

fn note(dropped: u64, format: LogFormat) -> String {
    let message = format!("{dropped} log lines were dropped, because nobody read them in time");
    match format {
        LogFormat::Text => format!("WARN tidewaiter::telemetry: {message}\n"),
        LogFormat::Json => {
            format!(
                "{}\n",
                serde_json::json!({ "level": "WARN", "target": "tidewaiter::telemetry", "message": message })
            )
        }
    }
}

impl Drop for Flush {
    fn drop(&mut self) {
        let busy = |state: &mut State| state.writing || !state.waiting.is_empty() || state.dropped > 0;
        let _ = self.0.emptied.wait_timeout_while(self.0.lock(), LAST_LINES, busy);
    }
}

/// One event: the formatter hands over the whole line in one write.
pub(super) struct Line<'a>(&'a Lines);

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.add(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        Line(self)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// A reader that says when it was first asked, and takes nothing before it is told to.
    struct Stopped {
        asked: mpsc::Sender<()>,
        go: mpsc::Receiver<()>,
        taken: mpsc::Sender<Vec<u8>>,
    }

    impl Write for Stopped {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.asked.send(());
            let _ = self.go.recv();
            let _ = self.taken.send(bytes.to_vec());
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stopped_reader_costs_lines_and_never_the_work() {
        let (asked, when_asked) = mpsc::channel();
        let (go, wait) = mpsc::channel();
        let (taken, text) = mpsc::channel();
        let dropped = Counter::default();
        let sink = Box::new(Stopped { asked, go: wait, taken });
        let (lines, flush) = Lines::start(sink, LogFormat::Text, dropped.clone()).unwrap();
        lines.add(b"first\n");
        when_asked.recv().unwrap();
        let line = [b'x'; 1023];
        for _ in 0..2_000 {
            lines.add(&line);
        }
        assert_eq!(dropped.get(), 2_000 - 1_024, "1 MiB waits, the rest is counted");
        drop(go);
        drop(flush);
        assert_eq!(text.recv().unwrap(), b"first\n");
        let rest = String::from_utf8(text.recv().unwrap()).unwrap();
        assert!(rest.ends_with("976 log lines were dropped, because nobody read them in time\n"), "{}", rest.len());
    }

    #[test]
    fn an_endless_line_is_cut() {
        let (asked, _when_asked) = mpsc::channel();
        let (_, wait) = mpsc::channel();
        let (taken, text) = mpsc::channel();
        let sink = Box::new(Stopped { asked, go: wait, taken });
        let (lines, _flush) = Lines::start(sink, LogFormat::Text, Counter::default()).unwrap();
        lines.add("é".repeat(20_000).as_bytes());
        assert_eq!(text.recv().unwrap().len(), LINE_BYTES + 1);
    }
}
