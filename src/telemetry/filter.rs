//! Which messages are logged.

use tracing::{Level, Metadata};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::{FilterExt as _, filter_fn};
use tracing_subscriber::layer::Filter;
use tracing_subscriber::registry::LookupSpan;

/// The crates of which even warnings can quote what they carry.
const ERRORS_ONLY: [&str; 4] = ["hyper", "h2", "reqwest", "rustls"];

/// The crates that say nothing. `lapin` logs returned messages with their bodies, and says each error at every attempt
/// that it also answers; `broker` tells those once.
const SILENT: [&str; 2] = ["lapin", "amq"];

/// Whether directives can be understood.
///
/// # Errors
/// What cannot be.
pub fn check_filter(directives: &str) -> Result<(), String> {
    EnvFilter::builder().parse(directives).map(drop).map_err(|error| error.to_string())
}

/// The configured directives, under the cap for libraries. Directives that cannot be understood (config has refused
/// them before) count as `info`.
pub(super) fn capped<S>(directives: &str) -> impl Filter<S> + use<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let chosen = EnvFilter::builder().parse(directives).unwrap_or_else(|_| EnvFilter::new("info"));
    chosen.and(filter_fn(within_cap))
}

fn within_cap(metadata: &Metadata<'_>) -> bool {
    let target = metadata.target();
    let krate = target.split("::").next().unwrap_or(target);
    // `hyper_util` belongs to `hyper`, `sqlx_core` to `sqlx`.
    let family = krate.split('_').next().unwrap_or(krate);
    let cap = match family {
        library if SILENT.contains(&library) => return false,
        "tidewaiter" => Level::TRACE,
        library if ERRORS_ONLY.contains(&library) => Level::ERROR,
        _ => Level::WARN,
    };
    *metadata.level() <= cap
}
