//! Private servers by `scripts/services`, for tests that take a server away.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Servers below one directory; wiped when dropped.
#[derive(Debug)]
pub struct Services {
    state: PathBuf,
}

impl Services {
    /// Starts `server` (`pg`, `mq` or `all`) below `state`.
    pub fn start(state: PathBuf, server: &str) -> Self {
        let services = Self { state };
        services.ask(&["start", server]);
        services
    }

    /// `scripts/services WORDS[0] STATE WORDS[1..]`; what it printed.
    #[track_caller]
    pub fn ask(&self, words: &[&str]) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/services");
        let said = Command::new(script).arg(words[0]).arg(&self.state).args(&words[1..]).output();
        let said = said.expect("scripts/services runs");
        assert!(said.status.success(), "{words:?}: {}", String::from_utf8_lossy(&said.stderr));
        String::from_utf8(said.stdout).expect("it prints text")
    }

    /// A variable of what was started, such as `DATABASE_URL`.
    #[track_caller]
    pub fn variable(&self, name: &str) -> String {
        let settings = self.ask(&["env"]);
        let line =
            settings.lines().find_map(|line| line.strip_prefix("export ")?.strip_prefix(name)?.strip_prefix('='));
        line.unwrap_or_else(|| panic!("{name} is not there")).to_owned()
    }
}

impl Drop for Services {
    fn drop(&mut self) {
        self.ask(&["wipe"]);
    }
}
