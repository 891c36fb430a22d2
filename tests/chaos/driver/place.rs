//! A run's private directory: configuration, definitions, keys, logs and what is left behind.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::upstream::Upstream;
use crate::rng::Rng;

/// Shorter than the default, so that a hanging upstream costs seconds and not minutes.
const REQUEST_TIMEOUT_MS: u32 = 2000;
const RETRY_BASE_MS: u32 = 250;
/// Stands for the stub's URL in the fixtures.
const UPSTREAM: &str = "http://upstream.test";

/// Which servers a process has to use.
#[derive(Debug, Clone, Default)]
pub struct Servers {
    pub database: String,
    /// Without one, events go into the event file.
    pub broker: Option<String>,
    /// Where a worker answers, 0 for a command.
    pub probes: u16,
    pub upstream_port: u16,
}

/// The directory. It is left in place: whoever made the run removes it when nothing in it is of interest.
#[derive(Debug, Clone)]
pub struct Place {
    pub root: PathBuf,
}

impl Place {
    /// Makes the directory with definitions and keys in it.
    pub fn make(root: PathBuf, upstream: &Upstream, rng: &mut Rng) -> anyhow::Result<Self> {
        fs::create_dir_all(&root).with_context(|| format!("cannot make {}", root.display()))?;
        let place = Self { root };
        let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        for (directory, file) in [("integrations", "ledgerly.json"), ("installs", "production.json")] {
            fs::create_dir_all(place.path(directory))?;
            let text = fs::read_to_string(fixtures.join(directory).join(file))?;
            fs::write(place.path(directory).join(file), text.replace(UPSTREAM, upstream.url()))?;
        }
        let key: Vec<u8> = (0..4).flat_map(|_| rng.next().to_be_bytes()).collect();
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(place.path("keys"))?;
        std::io::Write::write_all(&mut file, format!("chaos:{}\n", STANDARD.encode(key)).as_bytes())?;
        fs::write(place.events(), "")?;
        Ok(place)
    }

    pub fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.join(name)
    }

    pub fn events(&self) -> PathBuf {
        self.path("events.ndjson")
    }

    /// The event file's length in bytes.
    pub fn events_len(&self) -> u64 {
        fs::metadata(self.events()).map_or(0, |file| file.len())
    }

    /// Writes a process's configuration.
    pub fn config(&self, name: &str, servers: &Servers) -> anyhow::Result<PathBuf> {
        let quoted = |path: PathBuf| serde_json::to_string(&path).map_err(anyhow::Error::from);
        let Servers { database, broker, probes, upstream_port } = servers;
        let probes = if *probes == 0 { String::new() } else { format!("127.0.0.1:{probes}") };
        let ways = match broker {
            Some(url) => format!(
                "[events]\nsink = \"broker\"\n[broker]\nurl = {url:?}\n[worker]\nregions = {:?}\n",
                crate::corpus::SERVED
            ),
            None => format!("[events]\nsink = \"file\"\nfile = {}\n", quoted(self.events())?),
        };
        let text = format!(
            r#"[database]
url = "{database}"
[api]
listen = ""
[probes]
listen = "{probes}"
{ways}[definitions]
integrations_dir = {integrations}
installs_dir = {installs}
[seal]
key_file = {keys}
[retry]
base_ms = {RETRY_BASE_MS}
[limits]
request_timeout_ms = {REQUEST_TIMEOUT_MS}
connect_timeout_ms = 1000
[upstream]
allow_networks = ["127.0.0.0/8"]
extra_ports = [{upstream_port}]
"#,
            integrations = quoted(self.path("integrations"))?,
            installs = quoted(self.path("installs"))?,
            keys = quoted(self.path("keys"))?,
        );
        let path = self.path(name);
        fs::write(&path, text)?;
        Ok(path)
    }
}

/// A free port below those that the system gives to outgoing connections, so that none of these takes it while its
/// worker is being restarted.
pub fn free_port(rng: &mut Rng) -> anyhow::Result<u16> {
    (0..200)
        .map(|_| 20_000 + rng.below(12_000) as u16)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .context("no port between 20000 and 32000 is free")
}
