//! Commands that end.

use std::ffi::OsStr;
use std::io::{Read, Write as _};
use std::process::{Command, Stdio};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

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

/// The processor time that a process took so far, which others on the machine hardly change; none where the system does
/// not tell.
pub fn worked(process: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The fields behind the name, which may hold anything; two of them count hundredths of a second.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
    Some(Duration::from_millis(ticks.sum::<Result<u64, _>>().ok()? * 10))
}

/// How a command ended and what it said.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
    /// The processor time it took, or where the system does not tell, the time.
    pub worked: Duration,
}

impl Ran {
    /// Runs `command` to its end with `input` on its standard input.
    pub fn of(mut command: Command, input: &[u8]) -> Self {
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let begun = Instant::now();
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // A command may end without reading everything.
        let feeding = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let (stdout, stderr) = (read(child.stdout.take().unwrap()), read(child.stderr.take().unwrap()));
        let mut took = None;
        let ended = eventually_or(|| {
            took = worked(child.id()).or(took);
            child.try_wait().unwrap()
        });
        let code = ended.map_or(-1, |status| status.code().unwrap_or(-1));
        if code == -1 {
            // It should have ended and did not; what it said by now is told.
            let _ = child.kill();
            let _ = child.wait();
        }
        feeding.join().unwrap();
        Self {
            code,
            stdout: stdout.join().unwrap(),
            stderr: stderr.join().unwrap(),
            worked: took.unwrap_or_else(|| begun.elapsed()),
        }
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
