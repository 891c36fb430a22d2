//! Processes of the built binary: commands that end, and workers that are killed and come back.

use std::ffi::OsStr;
use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use serde::de::DeserializeOwned;

/// How long a worker may take to be ready, or to stop when asked; the drain takes 25 s at most.
const START_PATIENCE: Duration = Duration::from_mins(1);
const STOP_PATIENCE: Duration = Duration::from_secs(40);

/// A command of the binary with nothing of this process's environment but the path.
pub fn binary<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidewaiter"));
    command.env_clear().stdin(Stdio::null()).args(arguments);
    command
}

/// Runs a command to its end; what it printed on standard output.
pub fn run(mut command: Command) -> anyhow::Result<String> {
    let output = command.output().with_context(|| format!("{command:?} does not start"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{command:?} ended with {}: {}", output.status, said.trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("{command:?} printed something other than text"))
}

/// A file that a process appends what it says to.
pub fn log(path: &Path) -> anyhow::Result<File> {
    Ok(OpenOptions::new().create(true).append(true).open(path)?)
}

/// Reads NDJSON; `what` names it in errors.
pub fn ndjson<T: DeserializeOwned>(what: &str, text: &str) -> anyhow::Result<Vec<T>> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(index, line)| {
            serde_json::from_str(line).with_context(|| format!("{what}, line {}, is not as expected", index + 1))
        })
        .collect()
}

/// Sends SIGTERM and waits for the end.
pub fn end(child: &mut Child) -> anyhow::Result<ExitStatus> {
    rustix::process::kill_process(rustix::process::Pid::from_child(child), rustix::process::Signal::TERM)?;
    let since = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(status);
        }
        if since.elapsed() > STOP_PATIENCE {
            bail!("no end within {STOP_PATIENCE:?} of SIGTERM");
        }
        thread::sleep(Duration::from_millis(50));
    }
}

/// A worker. It is killed when dropped.
pub struct Worker {
    pub number: usize,
    pub log: PathBuf,
    config: PathBuf,
    probes: SocketAddr,
    child: Child,
}

impl Worker {
    pub fn start(number: usize, config: PathBuf, probes: u16, log: PathBuf) -> anyhow::Result<Self> {
        let child = spawn(&config, &log)?;
        Ok(Self { number, log, config, probes: SocketAddr::from(([127, 0, 0, 1], probes)), child })
    }

    /// Kills the process at once and waits until it is gone.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts the process again after it has gone.
    pub fn restart(&mut self) -> anyhow::Result<()> {
        self.child = spawn(&self.config, &self.log)?;
        Ok(())
    }

    /// How the process ended, if it did.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Waits until the worker says that it is ready.
    pub fn until_ready(&mut self) -> anyhow::Result<()> {
        let since = Instant::now();
        while self.get("/readyz").is_none() {
            if let Some(status) = self.ended() {
                bail!("worker {} ended with {status} while starting; see {}", self.number, self.log.display());
            }
            if since.elapsed() > START_PATIENCE {
                bail!("worker {} is not ready after {START_PATIENCE:?}; see {}", self.number, self.log.display());
            }
            thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Asks the worker to stop and waits for it.
    pub fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        end(&mut self.child).with_context(|| format!("worker {}", self.number))
    }

    /// A number from the worker's metrics; `series` is the name with its labels.
    pub fn metric(&self, series: &str) -> Option<u64> {
        let text = self.get("/metrics")?;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        line.trim().parse::<f64>().ok().map(|value| value as u64)
    }

    /// The body of a probe's answer, if the worker answers 200 within a second.
    fn get(&self, path: &str) -> Option<String> {
        let second = Duration::from_secs(1);
        let mut stream = TcpStream::connect_timeout(&self.probes, second).ok()?;
        stream.set_read_timeout(Some(second)).ok()?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.starts_with("HTTP/1.1 200 ").then(|| body.to_owned())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A child that has been waited for is not signalled again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(config: &Path, log_path: &Path) -> anyhow::Result<Child> {
    let mut command = binary(["run"]);
    command.arg("--config").arg(config).stdout(log(log_path)?).stderr(log(log_path)?);
    command.spawn().with_context(|| format!("{command:?} does not start"))
}
