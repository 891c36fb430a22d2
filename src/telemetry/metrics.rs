//! The metrics, in the OpenMetrics text format.
//!
//! Labels come from closed sets only (`&'static str`), never from a tenant, a message or a definition, so that their
//! number is bounded. The help texts are the reference.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};

use crate::lifecycle::{Class, IntakeCode, Word};

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels<const N: usize> = [(&'static str, &'static str); N];
type Histograms = Family<Labels<1>, Histogram, fn() -> Histogram>;

/// A gauge that counts what there is.
pub type Count = Gauge;

/// A gauge with a fraction, for seconds.
pub type Seconds = Gauge<f64, AtomicU64>;

/// What became of a request that came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disposition {
    /// An account and a run were made.
    Accepted,
    /// It came before.
    Duplicate,
    /// It waits in the quarantine.
    Quarantined(IntakeCode),
    /// It was answered with a refusal and is not kept.
    Refused(IntakeCode),
}

/// What became of a reply that a message asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplyEnd {
    /// A queue has it.
    Sent,
    /// No queue has the name.
    Unroutable,
    /// `reply_to` was one of our own queues.
    OwnQueue,
    /// It could not be published, or too many were waiting.
    Dropped,
}

impl ReplyEnd {
    const ALL: [Self; 4] = [Self::Sent, Self::Unroutable, Self::OwnQueue, Self::Dropped];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Unroutable => "unroutable",
            Self::OwnQueue => "own_queue",
            Self::Dropped => "dropped",
        }
    }
}

/// Every metric of the process. Cheap to clone: all clones count together.
#[derive(Debug, Clone)]
pub struct Metrics {
    series: Arc<Series>,
    registry: Arc<Registry>,
}

impl Deref for Metrics {
    type Target = Series;

    fn deref(&self) -> &Series {
        &self.series
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let series = Series::default();
        let mut registry = Registry::with_prefix("tidewaiter");
        series.register(&mut registry);
        Self { series: Arc::new(series), registry: Arc::new(registry) }
    }
}

impl Metrics {
    /// All metrics as OpenMetrics text.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::new();
        // Writing into a string does not fail.
        let _ = prometheus_client::encoding::text::encode(&mut out, &self.registry);
        out
    }
}

/// The single metrics; each one's help text, in `register`, says what it counts.
#[derive(Debug)]
#[expect(missing_docs, reason = "the help texts are the documentation, and scrapers read them too")]
pub struct Series {
    intake: Family<Labels<3>, Counter>,
    replies: Family<Labels<1>, Counter>,
    broker_sessions: Family<Labels<1>, Gauge>,
    transitions: Family<Labels<1>, Counter>,
    attempts: Family<Labels<1>, Counter>,
    runs: Family<Labels<1>, Gauge>,
    gates: Family<Labels<1>, Gauge>,
    rate_limited: Family<Labels<1>, Counter>,
    upstream_requests: Histograms,
    pub upstream_in_flight: Gauge,
    pub gated_waits: Counter,
    pub circuits_opened: Counter,
    pub circuits_closed: Counter,
    pub host_cap_waits: Counter,
    pub host_cap_waiting: Gauge,
    pub put_back: Counter,
    pub database_usable: Gauge,
    pub redelivered: Counter,
    pub dead_letters_stuck: Gauge,
    pub slots_used: Gauge,
    pub oldest_connecting_age: Seconds,
    pub oldest_queued_age: Seconds,
    pub oldest_outbox_age: Seconds,
    pub outbox_events: Gauge,
    pub quarantine_held: Gauge,
    pub events_published: Counter,
    pub event_publish_failures: Counter,
    pub events_unroutable: Counter,
    pub event_confirm: Histogram,
    pub relay_in_flight: Gauge,
    pub takeovers: Counter,
    pub panics: Counter,
    pub log_lines_dropped: Counter,
}

impl Series {
    /// Counts a request that came in by `channel` (the store's word for it).
    pub fn count_intake(&self, channel: &'static str, disposition: Disposition) {
        let (outcome, reason) = match disposition {
            Disposition::Accepted => ("accepted", ""),
            Disposition::Duplicate => ("duplicate", ""),
            Disposition::Quarantined(code) => ("quarantined", code.as_str()),
            Disposition::Refused(code) => ("refused", code.as_str()),
        };
        self.intake.get_or_create(&[("channel", channel), ("outcome", outcome), ("reason", reason)]).inc();
    }

    /// Counts a reply that a message asked for.
    pub fn count_reply(&self, end: ReplyEnd) {
        self.replies.get_or_create(&[("outcome", end.as_str())]).inc();
    }

    /// Says whether a session with the broker is usable.
    pub fn set_broker_session(&self, session: &'static str, attached: bool) {
        self.broker_sessions.get_or_create(&[("session", session)]).set(attached.into());
    }

    /// Counts a transition that was committed.
    pub fn count_transition(&self, word: Word) {
        self.transitions.get_or_create(&[("word", word.as_str())]).inc();
    }

    /// Counts an attempt; `None` succeeded.
    pub fn count_attempt(&self, failure: Option<Class>) {
        self.attempts.get_or_create(&[("outcome", failure.map_or("succeeded", Class::as_str))]).inc();
    }

    /// Sets how many runs there are in a state (the store's word for it).
    pub fn set_runs(&self, state: &'static str, count: i64) {
        self.runs.get_or_create(&[("state", state)]).set(count);
    }

    /// Sets how many gates are closed for a reason (the store's word for it).
    pub fn set_gates(&self, reason: &'static str, closed: usize) {
        self.gates.get_or_create(&[("reason", reason)]).set(i64::try_from(closed).unwrap_or(i64::MAX));
    }

    /// Counts an answer that asks to wait because of a rate limit, of the account or of its whole install.
    pub fn count_rate_limited(&self, whole_install: bool) {
        let scope = if whole_install { "install" } else { "account" };
        self.rate_limited.get_or_create(&[("scope", scope)]).inc();
    }

    /// Notes how long a request to a provider took, and its status; `None` when there was no answer.
    pub fn observe_upstream(&self, status: Option<u16>, took: Duration) {
        let answer = match status {
            Some(200..=299) => "2xx",
            Some(429) => "429",
            Some(400..=499) => "4xx",
            Some(500..=599) => "5xx",
            Some(_) => "other",
            None => "none",
        };
        self.upstream_requests.get_or_create(&[("answer", answer)]).observe(took.as_secs_f64());
    }

    fn register(&self, to: &mut Registry) {
        to.register("intake", "Import requests that came in, by channel, outcome and reason code", self.intake.clone());
        to.register(
            "database_usable",
            "Whether the database answers with this version's schema (1) or not (0); imports are consumed while it does",
            self.database_usable.clone(),
        );
        self.register_broker(to);
        to.register("transitions", "Committed transitions of accounts, by the event's word", self.transitions.clone());
        to.register("attempts", "Attempts of steps, by outcome class", self.attempts.clone());
        to.register("runs", "Runs in the store, by state", self.runs.clone());
        to.register("slots_used", "Runs that this process performs right now", self.slots_used.clone());
        self.register_ages(to);
        self.register_gates(to);
        to.register("outbox_events", "Events that are committed and not published yet", self.outbox_events.clone());
        to.register("quarantine_held", "Refused requests that wait for repair", self.quarantine_held.clone());
        self.register_relay(to);
        to.register("takeovers", "Runs taken over from a worker that died", self.takeovers.clone());
        to.register("panics", "Panics caught in tasks; each one is a bug", self.panics.clone());
        to.register(
            "log_lines_dropped",
            "Log lines dropped because standard error did not take them in time",
            self.log_lines_dropped.clone(),
        );
    }

    fn register_gates(&self, to: &mut Registry) {
        to.register(
            "gates_closed",
            "Ways of an install to a host that this process knows to be closed",
            self.gates.clone(),
        );
        to.register("gated_waits", "Requests that were not sent because a gate was closed", self.gated_waits.clone());
        to.register(
            "rate_limited",
            "Answers that asked to wait because of a rate limit, by whom it concerns",
            self.rate_limited.clone(),
        );
        to.register(
            "circuits_opened",
            "Times that a failing host was left alone, each time anew that it still failed",
            self.circuits_opened.clone(),
        );
        to.register("circuits_closed", "Times that such a host was found to work again", self.circuits_closed.clone());
        to.register("upstream_in_flight", "Requests to providers under way", self.upstream_in_flight.clone());
        to.register("host_cap_waits", "Requests that waited for `upstream.host_requests`", self.host_cap_waits.clone());
        to.register(
            "host_cap_waiting",
            "Requests that wait for `upstream.host_requests` right now",
            self.host_cap_waiting.clone(),
        );
        to.register(
            "runs_put_back",
            "Runs that rest because their tenant had its share of the slots",
            self.put_back.clone(),
        );
    }

    fn register_relay(&self, to: &mut Registry) {
        to.register("events_published", "Events that the sink has confirmed", self.events_published.clone());
        to.register(
            "event_publish_failures",
            "Attempts to publish an event, or to reach the outbox, that failed and are repeated",
            self.event_publish_failures.clone(),
        );
        to.register(
            "events_unroutable",
            "Events among the published that no queue was bound for",
            self.events_unroutable.clone(),
        );
        to.register("relay_in_flight", "Events sent and not confirmed yet", self.relay_in_flight.clone());
        to.register_with_unit(
            "event_confirm",
            "From sending an event to the sink's confirmation",
            Unit::Seconds,
            self.event_confirm.clone(),
        );
    }

    fn register_broker(&self, to: &mut Registry) {
        to.register(
            "redelivered",
            "Deliveries of import requests that the broker says were delivered before",
            self.redelivered.clone(),
        );
        to.register("replies", "Replies that messages asked for, by what became of them", self.replies.clone());
        to.register(
            "broker_sessions",
            "Whether a session with the broker is usable (1) or not (0), by what it is for",
            self.broker_sessions.clone(),
        );
        to.register(
            "dead_letters_stuck",
            "Whether dead letters cannot be drained (1): one that cannot be read has to be taken out of the queue by hand",
            self.dead_letters_stuck.clone(),
        );
    }

    fn register_ages(&self, to: &mut Registry) {
        let mut age = |name: &str, help: &str, gauge: &Seconds| {
            to.register_with_unit(name, help, Unit::Seconds, gauge.clone());
        };
        age("oldest_connecting_age", "Age of the account longest in connecting", &self.oldest_connecting_age);
        age("oldest_queued_age", "How long the oldest queued run has been waiting", &self.oldest_queued_age);
        age("oldest_outbox_age", "Age of the oldest event that is not published", &self.oldest_outbox_age);
        to.register_with_unit(
            "upstream_request",
            "Requests to providers, by class of the answer",
            Unit::Seconds,
            self.upstream_requests.clone(),
        );
    }
}

impl Default for Series {
    fn default() -> Self {
        let series = Self {
            intake: Family::default(),
            replies: Family::default(),
            broker_sessions: Family::default(),
            database_usable: Gauge::default(),
            redelivered: Counter::default(),
            dead_letters_stuck: Gauge::default(),
            transitions: Family::default(),
            attempts: Family::default(),
            runs: Family::default(),
            gates: Family::default(),
            rate_limited: Family::default(),
            upstream_in_flight: Gauge::default(),
            gated_waits: Counter::default(),
            circuits_opened: Counter::default(),
            circuits_closed: Counter::default(),
            host_cap_waits: Counter::default(),
            host_cap_waiting: Gauge::default(),
            put_back: Counter::default(),
            // 5 ms to 41 s, around the request timeout of 30 s.
            upstream_requests: Family::new_with_constructor(|| Histogram::new(exponential_buckets(0.005, 2.0, 14))),
            slots_used: Gauge::default(),
            oldest_connecting_age: Seconds::default(),
            oldest_queued_age: Seconds::default(),
            oldest_outbox_age: Seconds::default(),
            outbox_events: Gauge::default(),
            events_published: Counter::default(),
            event_publish_failures: Counter::default(),
            events_unroutable: Counter::default(),
            // 0.5 ms to 8 s, below the sinks' patience.
            event_confirm: Histogram::new(exponential_buckets(0.0005, 2.0, 15)),
            relay_in_flight: Gauge::default(),
            takeovers: Counter::default(),
            quarantine_held: Gauge::default(),
            panics: Counter::default(),
            log_lines_dropped: Counter::default(),
        };
        // Present from the start, so that the first increase is seen as one.
        for end in ReplyEnd::ALL {
            let _ = series.replies.get_or_create(&[("outcome", end.as_str())]);
        }
        for scope in ["account", "install"] {
            let _ = series.rate_limited.get_or_create(&[("scope", scope)]);
        }
        for word in Word::ALL {
            let _ = series.transitions.get_or_create(&[("word", word.as_str())]);
        }
        for outcome in std::iter::once("succeeded").chain(Class::ALL.iter().map(|class| class.as_str())) {
            let _ = series.attempts.get_or_create(&[("outcome", outcome)]);
        }
        series
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted() -> Metrics {
        let metrics = Metrics::default();
        let other = metrics.clone();
        metrics.count_intake("file", Disposition::Accepted);
        other.count_intake("file", Disposition::Quarantined(IntakeCode::Malformed));
        metrics.count_transition(Word::Created);
        metrics.count_attempt(None);
        other.count_attempt(Some(Class::RateLimited));
        metrics.set_broker_session("imports", true);
        metrics.set_runs("queued", 7);
        metrics.set_gates("circuit", 2);
        metrics.count_rate_limited(true);
        metrics.oldest_outbox_age.set(1.5);
        metrics.observe_upstream(Some(503), Duration::from_millis(30));
        metrics.observe_upstream(None, Duration::from_secs(30));
        metrics
    }

    #[test]
    fn what_is_counted_is_rendered_with_units_and_closed_labels() {
        let text = counted().render();
        for line in [
            "tidewaiter_intake_total{channel=\"file\",outcome=\"accepted\",reason=\"\"} 1",
            "tidewaiter_intake_total{channel=\"file\",outcome=\"quarantined\",reason=\"malformed\"} 1",
            "tidewaiter_transitions_total{word=\"created\"} 1",
            "tidewaiter_transitions_total{word=\"deleted\"} 0",
            "tidewaiter_attempts_total{outcome=\"succeeded\"} 1",
            "tidewaiter_attempts_total{outcome=\"rate_limited\"} 1",
            "tidewaiter_broker_sessions{session=\"imports\"} 1",
            "tidewaiter_runs{state=\"queued\"} 7",
            "tidewaiter_gates_closed{reason=\"circuit\"} 2",
            "tidewaiter_rate_limited_total{scope=\"install\"} 1",
            "tidewaiter_rate_limited_total{scope=\"account\"} 0",
            "tidewaiter_oldest_outbox_age_seconds 1.5",
            "tidewaiter_upstream_request_seconds_bucket{le=\"0.04\",answer=\"5xx\"} 1",
            "tidewaiter_upstream_request_seconds_count{answer=\"none\"} 1",
            "tidewaiter_panics_total 0",
        ] {
            assert!(text.lines().any(|rendered| rendered == line), "no line {line} in\n{text}");
        }
        assert!(text.ends_with("# EOF\n"), "OpenMetrics ends with a mark");
    }

    #[test]
    fn no_metric_is_registered_twice_or_without_help() {
        let text = counted().render();
        let mut names: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("# HELP ")).collect();
        let count = names.len();
        names.sort_unstable();
        names.dedup_by_key(|line| line.split(' ').next());
        assert_eq!((names.len(), count), (33, 33), "{text}");
        assert!(names.iter().all(|line| line.split(' ').count() > 3), "{text}");
    }
}
