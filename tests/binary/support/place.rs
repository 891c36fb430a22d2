//! A private directory with configuration and definitions, and the binary in it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use serde_json::{Value, json};

use super::{Provider, Ran, Worker, bare};

/// The install and the disabled install of every place.
pub const INSTALL: &str = "b179ad55-db02-4bd4-b7a4-d2c173eee9ae";
pub const DISABLED: &str = "b179ad55-db02-4bd4-b7a4-d2c173eee9af";

/// Where nobody is meant to listen, for tests that send nothing.
const NOWHERE: &str = "https://upstream.invalid";

/// An empty directory of its own; it goes away with the test.
#[derive(Debug)]
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("tidewaiter-binary-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// A scratch directory with the shipped definitions and a configuration in it.
#[derive(Debug)]
pub struct Place {
    pub scratch: Scratch,
    pub config: PathBuf,
}

impl Place {
    /// A place whose definitions name a provider that is not there.
    pub fn offline() -> Self {
        Self::offline_with(&[])
    }

    /// The same with settings, `section.key = value` each.
    pub fn offline_with(settings: &[&str]) -> Self {
        Self::make(NOWHERE, settings)
    }

    /// A place whose definitions name `provider`.
    pub fn of(provider: &Provider) -> Self {
        Self::make(provider.url(), &[])
    }

    /// The same with more settings, `section.key = value` each.
    pub fn with(provider: &Provider, settings: &[&str]) -> Self {
        Self::make(provider.url(), settings)
    }

    fn make(provider: &str, settings: &[&str]) -> Self {
        let scratch = Scratch::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
        let harbour = fs::read_to_string(root.join("integrations/harbour.json")).unwrap();
        scratch.write("integrations/harbour.json", harbour.replace("https://api.harbour.example", provider));
        scratch.write("installs/test.json", installs("harbour").to_string());
        // Dotted keys, so that each setting may be said once more by a test: the later one is the only one.
        let defaults = [
            r#"database.url = "sqlite://tidewaiter.db""#,
            r#"api.listen = "127.0.0.1:0""#,
            r#"probes.listen = "127.0.0.1:0""#,
            r#"definitions.integrations_dir = "integrations""#,
            r#"definitions.installs_dir = "installs""#,
            r#"upstream.allow_networks = ["127.0.0.0/8"]"#,
            "retry.base_ms = 20",
        ];
        let key = |line: &str| line.split(" = ").next().unwrap_or_default().to_owned();
        let kept = defaults.iter().filter(|line| !settings.iter().any(|other| key(other) == key(line)));
        let text: Vec<&str> = kept.chain(settings).copied().collect();
        let config = scratch.write("tidewaiter.toml", text.join("\n"));
        Self { scratch, config }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path(name)
    }

    /// A command that works here.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = bare(arguments);
        command.arg("--config").arg(&self.config).current_dir(&self.scratch.0);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        Ran::of(self.command(arguments), b"")
    }

    /// `import - --json` of these lines.
    pub fn import(&self, lines: &[Value]) -> Ran {
        let text = lines.iter().fold(String::new(), |text, line| text + &format!("{line}\n"));
        self.import_bytes(text.as_bytes())
    }

    pub fn import_bytes(&self, bytes: &[u8]) -> Ran {
        Ran::of(self.command(&["import", "-", "--json"]), bytes)
    }

    /// Starts a worker and waits until it is ready.
    pub fn worker(&self) -> Worker {
        Worker::start(self)
    }

    /// The accounts as the command line lists them.
    pub fn accounts(&self) -> Vec<Value> {
        super::lines(&self.run(&["accounts", "list", "--all", "--json"]).ended(0).stdout)
    }
}

/// One environment with an install that is enabled and one that is not.
pub fn installs(integration: &str) -> Value {
    json!({
        "environment": { "id": "8a2b104d-74a6-47f2-b93e-c6b611e82391", "name": "test" },
        "installs": [
            { "id": INSTALL, "integration": integration, "is_enabled": true,
              "override": { "secret_environment_variables": { "HARBOUR_CLIENT_SECRET": "canary-client-secret" } } },
            { "id": DISABLED, "integration": integration, "is_enabled": false },
        ],
    })
}

/// An import request with this access token.
pub fn oauth(tenant: &str, access_token: &str) -> Value {
    let refresh_token = format!("rt-{access_token}");
    json!({
        "tenant_id": tenant, "environment_integration_id": INSTALL, "authentication_method": "oauth2", "region": "eu",
        "context": { "oauth": { "token": {
            "access_token": access_token, "refresh_token": refresh_token, "expires_in": 3600,
        } } },
    })
}

/// An import request with an API key.
pub fn api_key(tenant: &str, context: &Value) -> Value {
    json!({
        "tenant_id": tenant, "environment_integration_id": INSTALL, "authentication_method": "api_key",
        "context": context,
    })
}

/// A line of a file that carries a message id.
pub fn envelope(id: &str, body: &Value) -> Value {
    json!({ "message_id": id, "correlation_id": "c-1", "body": body })
}
