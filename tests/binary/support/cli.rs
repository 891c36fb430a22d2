//! Commands that end.

use std::ffi::OsStr;
use std::io::{Read, Write as _};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;

use serde_json::Value;

use super::eventually_or;

/// A command of the binary with nothing of this process's environment.
pub fn bare<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewaiter"));
    command.env_clear().stdin(Stdio::null()).args(arguments);
    command
}

fn read(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    std::thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ran {
    /// Runs `command` to its end with `input` on its standard input.
    pub fn of(mut command: Command, input: &[u8]) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // A command may end without reading everything.
        let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let (stdout, stderr) = (read(child.stdout.take().unwrap()), read(child.stderr.take().unwrap()));
        let code = eventually_or(|| child.try_wait().unwrap()).map_or(-1, |status| status.code().unwrap_or(-1));
        if code == -1 {
            // It should have ended and did not; what it said by now is told.
            let _ = child.kill();
            let _ = child.wait();
        }
        feeding.join().unwrap();
        Self { code, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
    }

    /// Fails with everything that was said unless the command ended with `code`.
    #[track_caller]
    pub fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:#?}");
        self
    }

    /// Its answer, which is one JSON value.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}
