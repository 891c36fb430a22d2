//! What operators see of the process: the log and the metrics.
//!
//! Promises: the log goes to standard error only; it never makes the work wait (lines are dropped and counted when
//! nobody takes them); no value in it can forge a line or move a terminal's cursor; libraries never log below `warn`,
//! whatever the filter says, since their debug messages hold bodies and headers; a panic is told by place and thread,
//! without its text. Redaction of secrets is not here: whoever logs does not log them.

mod escape;
mod filter;
mod lines;
pub mod metrics;
mod panic;
mod seldom;

use std::io;

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{Layer as _, Registry, fmt};

pub use escape::escape_controls;
pub use filter::check_filter;
pub use lines::Flush;
pub use metrics::{Count, Metrics};
pub use panic::tell_on_stderr as tell_panics_on_stderr;
pub use seldom::Seldom;

use crate::lifecycle::words;
use lines::Lines;

words! {
    /// The form of a log line.
    LogFormat {
        /// For people.
        Text = "text",
        /// One JSON object a line.
        Json = "json",
    }
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// The form of a line.
    pub format: LogFormat,
    /// Directives as `RUST_LOG` has them; valid.
    pub filter: String,
}

/// Starts the log on standard error and tells panics there. Keep the answer until the end of the process: dropping it
/// waits up to a second for the lines that are still to be written.
///
/// # Errors
/// When the writing thread cannot be started, or a log was started before.
pub fn start(log: &Log, metrics: &Metrics) -> io::Result<Flush> {
    let (lines, flush) = Lines::start(Box::new(io::stderr()), log.format, metrics.log_lines_dropped.clone())?;
    tracing::subscriber::set_global_default(subscriber(log, lines)).map_err(io::Error::other)?;
    panic::tell(metrics.panics.clone());
    Ok(flush)
}

fn subscriber(log: &Log, lines: Lines) -> impl tracing::Subscriber + Send + Sync + use<> {
    let layer = fmt::layer().with_ansi(false).with_writer(lines);
    let layer = match log.format {
        LogFormat::Text => layer.boxed(),
        LogFormat::Json => layer.json().flatten_event(true).with_span_list(false).boxed(),
    };
    Registry::default().with(layer.with_filter(filter::capped(&log.filter)))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use prometheus_client::metrics::counter::Counter;

    use super::*;

    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// What is logged by `work` under a filter.
    fn logged(format: LogFormat, filter: &str, work: impl FnOnce()) -> String {
        let sink = Shared::default();
        let log = Log { format, filter: filter.to_owned() };
        let (lines, flush) = Lines::start(Box::new(sink.clone()), format, Counter::default()).unwrap();
        tracing::subscriber::with_default(subscriber(&log, lines), work);
        drop(flush);
        let bytes = sink.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn libraries_stay_quiet_whatever_the_filter_says() {
        let text = logged(LogFormat::Text, "trace,sqlx=trace,hyper_util=trace,lapin=trace", || {
            tracing::trace!(target: "tidewaiter::runner", "ours");
            tracing::debug!(target: "sqlx::query", "CANARY");
            tracing::info!(target: "hyper_util::client", "CANARY");
            tracing::warn!(target: "lapin::channel", "CANARY");
            tracing::info!(target: "some_new_library", "CANARY");
            tracing::warn!(target: "sqlx::query", "a slow statement");
        });
        assert!(text.contains("ours") && text.contains("a slow statement"), "{text}");
        assert!(!text.contains("CANARY"), "{text}");
    }

    #[test]
    fn the_filter_counts_for_our_own_parts() {
        let text = logged(LogFormat::Text, "warn,tidewaiter::runner=debug", || {
            tracing::info!(target: "tidewaiter::relay", "hidden");
            tracing::debug!(target: "tidewaiter::runner", "shown");
        });
        assert!(text.contains("shown") && !text.contains("hidden"), "{text}");
    }

    #[test]
    fn a_logged_value_can_neither_forge_a_line_nor_speak_to_the_terminal() {
        let hostile = "a\r\n2026-11-24T00:00:00Z ERROR forged\u{1b}[2J\u{9b}1m\u{202e}\u{7f}";
        for format in [LogFormat::Text, LogFormat::Json] {
            let text = logged(format, "info", || {
                tracing::info!(tenant = %hostile, other = ?hostile, "{hostile}");
            });
            let line = text.strip_suffix('\n').expect("a line ends");
            assert!(line.chars().all(|sign| !sign.is_control() && sign != '\u{202e}'), "{line:?}");
            if format == LogFormat::Json {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                assert_eq!(value["tenant"], hostile, "JSON keeps the value");
            }
        }
    }
}
