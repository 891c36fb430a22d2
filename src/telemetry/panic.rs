//! How a panic is told: by place and thread. Its text may quote a value, so it is never printed.

use std::io::Write as _;

use prometheus_client::metrics::counter::Counter;

/// Replaces the standard hook, which prints the text, and counts.
pub(super) fn tell(panics: Counter) {
    std::panic::set_hook(Box::new(move |panic| {
        panics.inc();
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let current = std::thread::current();
        tracing::error!(panic.place = place, panic.thread = current.name().unwrap_or("unnamed"), "a task panicked");
    }));
}

/// The same for a process without a log: one line on standard error.
pub fn tell_on_stderr() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        let _ = writeln!(std::io::stderr(), "error: a bug in Tidewaiter: it panicked at {place}");
    }));
}
