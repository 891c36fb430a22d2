//! Layers, refusals and masking, seen from outside.

use std::net::SocketAddr;
use std::path::Path;

use insta::assert_snapshot;

use super::*;

fn environment(pairs: &[(&str, &str)]) -> Sources {
    let environment = pairs.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    Sources { environment, ..Sources::default() }
}

/// Settings with a file of this text, and the path of that file.
struct TestFile(PathBuf);

impl TestFile {
    fn new(name: &str, text: &str) -> Self {
        let path = std::env::temp_dir().join(format!("{}{name}", Self::prefix()));
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn sources(&self, pairs: &[(&str, &str)]) -> Sources {
        Sources { file: Some(self.0.clone()), ..environment(pairs) }
    }

    /// What tells the files of one test process from another's.
    fn prefix() -> String {
        format!("tidewaiter-config-{}-", std::process::id())
    }

    /// The error's text without the parts of the path that differ from run to run.
    fn error(&self, pairs: &[(&str, &str)]) -> String {
        let start = std::env::temp_dir().join(Self::prefix());
        told(&self.sources(pairs)).replace(start.to_str().unwrap(), "")
    }
}

impl Drop for TestFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn told(sources: &Sources) -> String {
    let error = Settings::load(sources).expect_err("these sources must be refused");
    match &error.hint {
        Some(hint) => format!("{error} | {hint}"),
        None => error.to_string(),
    }
}

fn refused(pairs: &[(&str, &str)]) -> String {
    told(&environment(pairs))
}

fn value_of(loaded: &Loaded, key: &str) -> (String, String) {
    let found = loaded.effective().into_iter().find(|shown| shown.key == key).unwrap();
    (found.value.to_string(), found.origin.to_string())
}

#[test]
fn without_any_layer_above_it_the_default_is_complete_and_valid() {
    let settings = Settings::load(&Sources::default()).unwrap().settings;
    assert_eq!(settings.database.kind(), DatabaseKind::Sqlite);
    assert_eq!(settings.worker.slots, 256);
    assert_eq!(settings.worker.regions, crate::lifecycle::Region::ALL);
    assert_eq!(settings.api_listen, Some(SocketAddr::from(([127, 0, 0, 1], 8080))));
    assert_eq!(settings.probes_listen, Some(SocketAddr::from(([127, 0, 0, 1], 8081))));
    assert_eq!(settings.events.sink, Sink::Stdout);
    assert!(settings.definitions.load_at_start);
    assert_eq!(settings.retry, crate::lifecycle::RetryPolicy::default());
    assert_eq!(settings.limits.run_deadline.as_secs(), 1800);
    assert_eq!(settings.key_file().unwrap(), Path::new("tidewaiter.db.keys"));
}

#[test]
fn every_key_of_the_default_is_read_and_explained() {
    let values = merged(&Sources::default()).unwrap().0;
    let reader = Reader::new(&values);
    Settings::read(&reader, Urls { database: "sqlite://x".parse().unwrap(), broker: None }).unwrap();
    let before = ["broker.url", "broker.url_file", "database.url", "database.url_file"];
    assert_eq!(reader.unread(), before, "these are read before the others");
    for entry in reference::entries() {
        let (reference::Entry::Section(_, text) | reference::Entry::Key { text, .. }) = &entry;
        assert!(text.ends_with('.') && text.len() > 10, "{entry:?} needs an explanation");
    }
    assert_eq!(Settings::load(&Sources::default()).unwrap().effective().len(), values.len());
}

#[test]
fn a_higher_layer_wins_key_by_key_and_says_so() {
    let file = TestFile::new("layers.toml", "[worker]\nslots = 8\nregions = [\"eu\"]\n[limits]\ndrain_ms = 1\n");
    let sources = file.sources(&[("TIDEWAITER__WORKER__SLOTS", "9"), ("TIDEWAITER__LIMITS__DRAIN_MS", "2")]);
    let loaded = Settings::load(&sources.with("limits.drain_ms", "3", "--drain-ms")).unwrap();
    let from_file = format!("file {}", file.0.display());
    assert_eq!(value_of(&loaded, "worker.regions"), (r#"["eu"]"#.to_owned(), from_file));
    let variable = "environment variable TIDEWAITER__WORKER__SLOTS".to_owned();
    assert_eq!(value_of(&loaded, "worker.slots"), ("9".to_owned(), variable));
    assert_eq!(value_of(&loaded, "limits.drain_ms"), ("3".to_owned(), "option --drain-ms".to_owned()));
    assert_eq!(value_of(&loaded, "retry.attempts"), ("5".to_owned(), "default".to_owned()));
    assert_eq!(loaded.settings.worker.slots, 9);
}

#[test]
fn the_environment_writes_lists_with_commas_and_turns_listeners_off_with_nothing() {
    let loaded = Settings::load(&environment(&[
        ("TIDEWAITER__UPSTREAM__EXTRA_PORTS", "8443, 9443"),
        ("TIDEWAITER__UPSTREAM__ALLOW_NETWORKS", "127.0.0.0/8,::1/128"),
        ("TIDEWAITER__UPSTREAM__ALLOW_HTTP_HOSTS", "LocalHost"),
        ("TIDEWAITER__API__LISTEN", ""),
        ("RUST_LOG", "debug"),
        ("DATABASE_URL", ""),
        ("TIDEWAITER_SERVICE_HOST", "10.0.0.1"),
        ("PATH", "/bin"),
    ]))
    .unwrap();
    assert_eq!(loaded.settings.upstream.extra_ports, [8443, 9443]);
    assert_eq!(loaded.settings.upstream.allow_networks.len(), 2);
    assert_eq!(loaded.settings.upstream.allow_http_hosts[0].as_str(), "localhost");
    assert_eq!(loaded.settings.api_listen, None);
    let rust_log = ("\"debug\"".to_owned(), "environment variable RUST_LOG".to_owned());
    assert_eq!(value_of(&loaded, "log.filter"), rust_log);
    assert_eq!(value_of(&loaded, "database.url").1, "default");
}

#[test]
fn an_unknown_key_is_refused_with_its_layer_and_the_key_that_was_meant() {
    assert_snapshot!(refused(&[("TIDEWAITER__WORKER__SLOT", "3")]), @"configuration key `worker.slot` (environment variable TIDEWAITER__WORKER__SLOT): there is no such key | did you mean `worker.slots`?");
    assert_snapshot!(TestFile::new("typo.toml", "[wroker]\nslots = 3\n").error(&[]), @"configuration key `wroker.slots` (file typo.toml): there is no such key | did you mean `worker.slots`?");
    assert_snapshot!(refused(&[("TIDEWAITER__BROKER__UR", "amqp://u:hunter2@b")]), @"configuration key `broker.ur` (environment variable TIDEWAITER__BROKER__UR): there is no such key | did you mean `broker.url`?");
    assert_snapshot!(refused(&[("TIDEWAITER__WORKER", "3")]), @"configuration key `worker` (environment variable TIDEWAITER__WORKER): is a section, not a key; it holds regions, slots, tenant_share_percent");
}

#[test]
fn a_value_of_the_wrong_kind_or_out_of_bounds_is_refused_with_what_would_be_right() {
    assert_snapshot!(refused(&[("TIDEWAITER__WORKER__SLOTS", "many")]), @"configuration key `worker.slots` (environment variable TIDEWAITER__WORKER__SLOTS): must be an integer, not `many`");
    assert_snapshot!(TestFile::new("kind.toml", "worker.slots = \"3\"").error(&[]), @"configuration key `worker.slots` (file kind.toml): must be an integer, not a text in quotes");
    assert_snapshot!(refused(&[("TIDEWAITER__WORKER__SLOTS", "0")]), @"configuration key `worker.slots` (environment variable TIDEWAITER__WORKER__SLOTS): must be 1 to 10000, not 0");
    assert_snapshot!(refused(&[("TIDEWAITER__WORKER__REGIONS", "eu,mars")]), @"configuration key `worker.regions` (environment variable TIDEWAITER__WORKER__REGIONS): `mars` is not one of: wnam, enam, apac, eu");
    assert_snapshot!(refused(&[("TIDEWAITER__LOG__FORMAT", "xml")]), @"configuration key `log.format` (environment variable TIDEWAITER__LOG__FORMAT): `xml` is not one of: text, json");
    assert_snapshot!(refused(&[("TIDEWAITER__PROBES__LISTEN", "8081")]), @"configuration key `probes.listen` (environment variable TIDEWAITER__PROBES__LISTEN): `8081` is not an address with a port, like `127.0.0.1:8080`");
    assert_snapshot!(refused(&[("TIDEWAITER__UPSTREAM__ALLOW_NETWORKS", "10.0.0.1/8")]), @"configuration key `upstream.allow_networks` (environment variable TIDEWAITER__UPSTREAM__ALLOW_NETWORKS): `10.0.0.1/8` has bits beyond its prefix; write 10.0.0.0/8");
    assert_snapshot!(refused(&[("RUST_LOG", "tidewaiter=loud")]), @r#"configuration key `log.filter` (environment variable RUST_LOG): `tidewaiter=loud` cannot be understood: error parsing level filter: expected one of "off", "error", "warn", "info", "debug", "trace", or a number 0-5"#);
}

#[test]
fn values_that_contradict_each_other_blame_the_one_that_somebody_set() {
    assert_snapshot!(refused(&[("TIDEWAITER__LIMITS__REQUEST_TIMEOUT_MS", "400000")]), @"configuration key `limits.request_timeout_ms` (environment variable TIDEWAITER__LIMITS__REQUEST_TIMEOUT_MS): must not be more than `limits.phase_budget_ms`, which is 300000, but is 400000");
    assert_snapshot!(refused(&[("TIDEWAITER__RETRY__CAP_MS", "10")]), @"configuration key `retry.cap_ms` (environment variable TIDEWAITER__RETRY__CAP_MS): must not be less than `retry.base_ms`, which is 1000, but is 10");
    assert_snapshot!(refused(&[("TIDEWAITER__EVENTS__SINK", "file")]), @"configuration key `events.sink` (environment variable TIDEWAITER__EVENTS__SINK): is `file`, but `events.file` is not set");
    assert_snapshot!(refused(&[("TIDEWAITER__EVENTS__FILE", "events.ndjson")]), @"configuration key `events.file` (environment variable TIDEWAITER__EVENTS__FILE): is set, but `events.sink` is not `file`, so nothing would be written");
}

#[test]
fn the_api_is_refused_any_address_but_loopback() {
    assert_snapshot!(refused(&[("TIDEWAITER__API__LISTEN", "0.0.0.0:8080")]), @"configuration key `api.listen` (environment variable TIDEWAITER__API__LISTEN): 0.0.0.0:8080 can be reached from other machines, and the API has no access tokens yet | listen on 127.0.0.1 or [::1], and put a proxy that authenticates in front of it");
    Settings::load(&environment(&[
        ("TIDEWAITER__API__LISTEN", "[::1]:0"),
        ("TIDEWAITER__PROBES__LISTEN", "0.0.0.0:80"),
    ]))
    .unwrap();
}

#[test]
fn the_database_url_is_set_once_and_read_from_a_file_where_one_is_named() {
    let secret = TestFile::new("url", "postgres://worker:hunter2@db/tidewaiter\n");
    let path = secret.0.to_str().unwrap();
    let loaded = Settings::load(&environment(&[("TIDEWAITER__DATABASE__URL_FILE", path)])).unwrap();
    assert_eq!(loaded.settings.database.expose(), "postgres://worker:hunter2@db/tidewaiter");
    let shown = ("\"postgres://worker:***@db/tidewaiter\"", "environment variable TIDEWAITER__DATABASE__URL_FILE");
    assert_eq!(value_of(&loaded, "database.url"), (shown.0.to_owned(), shown.1.to_owned()));

    let file = TestFile::new("named.toml", &format!("[database]\nurl_file = \"{path}\""));
    let loaded = Settings::load(&file.sources(&[("DATABASE_URL", "sqlite://other.db")])).unwrap();
    assert_eq!(loaded.settings.database.expose(), "sqlite://other.db", "the higher layer counts");
    assert_eq!(value_of(&loaded, "database.url_file").0, "\"\"");

    let same = [("DATABASE_URL", "sqlite://a.db"), ("TIDEWAITER__DATABASE__URL", "sqlite://a.db")];
    Settings::load(&environment(&same)).unwrap();
    let both = [("DATABASE_URL", "sqlite://hunter2.db"), ("TIDEWAITER__DATABASE__URL", "sqlite://b.db")];
    assert_snapshot!(refused(&both), @"configuration key `database.url` (environment variable TIDEWAITER__DATABASE__URL): is also set, to another value, by environment variable DATABASE_URL | unset one of the two");
    let twice = [("DATABASE_URL", "sqlite://a.db"), ("TIDEWAITER__DATABASE__URL_FILE", "/run/url")];
    assert_snapshot!(refused(&twice), @"configuration key `database.url_file` (environment variable TIDEWAITER__DATABASE__URL_FILE): `database.url` is set too (environment variable DATABASE_URL) | set one of the two");
    assert_snapshot!(refused(&[("TIDEWAITER__DATABASE__URL_FILE", "/nowhere")]), @"configuration key `database.url_file` (environment variable TIDEWAITER__DATABASE__URL_FILE): /nowhere cannot be read: No such file or directory (os error 2)");
}

#[test]
fn the_broker_is_there_when_its_url_is_and_takes_the_events_then() {
    let url = "amqp://worker:hunter2@mq:5673/tide";
    let loaded = Settings::load(&environment(&[("AMQP_URL", url)])).unwrap();
    let broker = loaded.settings.broker.as_ref().unwrap();
    assert_eq!(broker.url.expose(), url);
    let shown = "\"amqp://worker:***@mq:5673/tide\"".to_owned();
    assert_eq!(value_of(&loaded, "broker.url"), (shown, "environment variable AMQP_URL".to_owned()));
    assert_eq!(loaded.settings.events.sink, Sink::Broker);
    let queue = broker.imports_queue.as_ref().unwrap().for_region(crate::lifecycle::Region::Eu);
    assert_eq!(queue, "tidewaiter.imports.eu");

    let secret = TestFile::new("amqp", &format!("{url}\n"));
    let named = [("TIDEWAITER__BROKER__URL_FILE", secret.0.to_str().unwrap()), ("TIDEWAITER__EVENTS__SINK", "stdout")];
    let settings = Settings::load(&environment(&named)).unwrap().settings;
    assert_eq!((settings.broker.unwrap().url.expose(), settings.events.sink), (url, Sink::Stdout));

    let none = [("AMQP_URL", url), ("TIDEWAITER__BROKER__EVENTS_EXCHANGE", ""), ("TIDEWAITER__BROKER__DEAD_QUEUE", "")];
    let settings = Settings::load(&environment(&none)).unwrap().settings;
    assert_eq!((settings.broker.unwrap().dead_queue, settings.events.sink), (None, Sink::Stdout));
}

#[test]
fn mistakes_about_the_broker_are_refused() {
    let broker = |more: &[(&str, &str)]| refused(&[&[("AMQP_URL", "amqp://u:hunter2@mq")], more].concat());
    assert_snapshot!(refused(&[("AMQP_URL", "http://u:hunter2@mq")]), @"configuration key `broker.url` (environment variable AMQP_URL): must begin with `amqp://` or `amqps://`");
    assert_snapshot!(refused(&[("AMQP_URL", "amqp://u:hunter2/3@mq")]), @"configuration key `broker.url` (environment variable AMQP_URL): is not a URL of the form `amqp://USER:PASSWORD@HOST:PORT/VHOST` (or `amqps://`); characters like `/`, `#` and `@` in a password or virtual host are written as `%2F`, `%23` and `%40`");
    assert_snapshot!(refused(&[("TIDEWAITER__EVENTS__SINK", "broker")]), @"configuration key `events.sink` (environment variable TIDEWAITER__EVENTS__SINK): is `broker`, but `broker.url` is not set");
    assert_snapshot!(broker(&[("TIDEWAITER__EVENTS__SINK", "broker"), ("TIDEWAITER__BROKER__EVENTS_EXCHANGE", "")]), @"configuration key `events.sink` (environment variable TIDEWAITER__EVENTS__SINK): is `broker`, but `broker.events_exchange` is empty");
    assert_snapshot!(broker(&[("TIDEWAITER__BROKER__PREFETCH", "0")]), @"configuration key `broker.prefetch` (environment variable TIDEWAITER__BROKER__PREFETCH): must be 1 to 1000, not 0");
    assert_snapshot!(broker(&[("TIDEWAITER__BROKER__IMPORTS_QUEUE", "imports.{tenant}")]), @"configuration key `broker.imports_queue` (environment variable TIDEWAITER__BROKER__IMPORTS_QUEUE): `imports.{tenant}` may hold `{region}` and no other braces");
    assert_snapshot!(broker(&[("TIDEWAITER__BROKER__DEAD_QUEUE", "tidewaiter.imports.eu")]), @"configuration key `broker.dead_queue` (environment variable TIDEWAITER__BROKER__DEAD_QUEUE): is the name of a queue of imports too");
    assert_snapshot!(broker(&[("TIDEWAITER__BROKER__EVENTS_EXCHANGE", "amq.topic")]), @"configuration key `broker.events_exchange` (environment variable TIDEWAITER__BROKER__EVENTS_EXCHANGE): must not begin with `amq.`, which the broker keeps for itself");
    assert_snapshot!(broker(&[("TIDEWAITER__BROKER__EVENTS_EXCHANGE", "tidewaiter.imports")]), @"configuration key `broker.events_exchange` (environment variable TIDEWAITER__BROKER__EVENTS_EXCHANGE): is the same exchange as `broker.imports_exchange`");
    assert_snapshot!(broker(&[("TIDEWAITER__BROKER__CA_FILE", "/ca.pem")]), @"configuration key `broker.ca_file` (environment variable TIDEWAITER__BROKER__CA_FILE): is set, but `broker.url` is not `amqps://`: nothing would be verified");
    assert_snapshot!(broker(&[("TIDEWAITER__BROKER__URL_FILE", "/run/url")]), @"configuration key `broker.url_file` (environment variable TIDEWAITER__BROKER__URL_FILE): `broker.url` is set too (environment variable AMQP_URL) | set one of the two");
}

#[test]
fn a_server_database_has_no_default_key_file() {
    let server = ("DATABASE_URL", "postgres://db/tidewaiter");
    let loaded = Settings::load(&environment(&[server])).unwrap();
    assert!(!loaded.settings.definitions.load_at_start);
    assert!(loaded.check_for_worker().unwrap_err().to_string().contains("`seal.key_file`"));
    let loaded = Settings::load(&environment(&[server, ("TIDEWAITER__SEAL__KEY_FILE", "/keys")])).unwrap();
    assert_eq!(loaded.settings.key_file().unwrap(), Path::new("/keys"));
}

#[test]
fn no_error_display_or_debug_text_shows_a_password() {
    let canary = "CANARYhunter2";
    let url = format!("postgres://worker:{canary}@db/tidewaiter");
    let mut texts = Vec::new();
    let loaded = Settings::load(&environment(&[("DATABASE_URL", &url)])).unwrap();
    texts.push(format!("{loaded:?} {:?}", loaded.effective()));
    texts.push(refused(&[("DATABASE_URL", canary)]));
    let loaded = Settings::load(&environment(&[("AMQP_URL", &format!("amqp://u:{canary}@mq"))])).unwrap();
    texts.push(format!("{loaded:?} {:?}", loaded.effective()));
    texts.push(refused(&[("AMQP_URL", &format!("amqp://u:{canary}@x@mq"))]));
    texts.push(refused(&[("DATABASE_URL", &format!("postgres://w:{canary}#1@db"))]));
    texts.push(refused(&[("TIDEWAITER__DATABASE__PASSWORD", canary)]));
    texts.push(refused(&[("DATABASE_URL", &url), ("TIDEWAITER__DATABASE__URL", "sqlite://x")]));
    texts.push(refused(&[("DATABASE_URL", &url), ("TIDEWAITER__WORKER__SLOTS", "x")]));
    for (name, text) in [
        ("unclosed.toml", format!("[database]\nurl = \"{url}\nx = 1")),
        ("twice.toml", format!("[database]\nurl = \"{url}\"\nurl = \"{url}\"")),
        ("bare.toml", format!("[database]\nurl = {url}")),
        ("list.toml", format!("[database]\nurl = [\"{url}\"]")),
        ("table.toml", format!("[database.url]\nvalue = \"{url}\"")),
        ("unknown.toml", format!("[database]\npassword = \"{canary}\"")),
    ] {
        texts.push(TestFile::new(name, &text).error(&[]));
    }
    for text in &texts {
        assert!(!text.contains(canary), "{text}");
    }
    assert_snapshot!(texts[8], @r#"configuration (file unclosed.toml): TOML parse error at line 2, column 53: invalid basic string, expected `"`"#);
}

#[test]
fn a_file_that_cannot_be_read_is_named() {
    let sources = Sources { file: Some("/nowhere/tidewaiter.toml".into()), ..Sources::default() };
    assert_snapshot!(told(&sources), @"configuration (file /nowhere/tidewaiter.toml): the file cannot be read: No such file or directory (os error 2)");
}

#[test]
fn the_example_for_production_is_valid_and_complete() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/production.toml");
    let sources = Sources { file: Some(file.into()), ..environment(&[("DATABASE_URL", "postgres://db/tidewaiter")]) };
    Settings::load(&sources).unwrap().check_for_worker().unwrap();
}

#[test]
fn the_reference_explains_every_key_with_default_and_variable() {
    let page = markdown();
    assert!(page.contains("### `worker.slots`\n\nRuns that this process performs at once. 1 to 10000.\n\nDefault `256`, variable `TIDEWAITER__WORKER__SLOTS`.\n"), "{page}");
    assert!(page.contains("## `log`\n\nThe log, on standard error.\n"), "{page}");
}
