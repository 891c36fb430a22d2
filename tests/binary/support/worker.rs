//! A worker process: started, asked, stopped, killed.

use std::fs::{self, File, OpenOptions};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::{Answer, Place, eventually, get, lines, post};

/// A worker; killed when dropped.
#[derive(Debug)]
pub struct Worker {
    child: Child,
    pub api: SocketAddr,
    pub probes: SocketAddr,
    pub stdout: PathBuf,
    pub stderr: PathBuf,
}

impl Worker {
    /// Starts a worker in `place` and waits until it is ready.
    pub fn start(place: &Place) -> Self {
        let worker = Self::spawn(place);
        eventually("the worker is ready", || {
            let ready = super::Request { method: "GET", path: "/readyz", headers: &[], body: b"" };
            (ready.send(worker.probes).ok()?.status == 200).then_some(())
        });
        worker
    }

    /// Starts a worker and waits until it listens. What it says is appended to files.
    pub fn spawn(place: &Place) -> Self {
        let stdout = OpenOptions::new().create(true).append(true).open(place.path("stdout")).unwrap();
        Self::spawn_onto(place, stdout.into())
    }

    /// The same with another standard output.
    pub fn spawn_onto(place: &Place, onto: Stdio) -> Self {
        let (stdout, stderr) = (place.path("stdout"), place.path("stderr"));
        let said_before = fs::metadata(&stderr).map_or(0, |file| file.len()) as usize;
        let append = |path| -> File { OpenOptions::new().create(true).append(true).open(path).unwrap() };
        let mut command = place.command(&["run"]);
        let mut child = command.stdout(onto).stderr(append(&stderr)).spawn().unwrap();
        let (api, probes) = eventually("the worker listens", || {
            let said = fs::read_to_string(&stderr).unwrap().split_off(said_before);
            if let Some(status) = child.try_wait().unwrap() {
                panic!("the worker ended with {status}: {said}");
            }
            Some((listening(&said, "api.listen")?, listening(&said, "probes.listen")?))
        });
        Self { child, api, probes, stdout, stderr }
    }

    /// The process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Imports over HTTP and waits for the terminal status.
    #[track_caller]
    pub fn import(&self, body: &Value) -> Value {
        post(self.api, &[("prefer", "wait=60")], body).with(201)
    }

    pub fn get(&self, path: &str) -> Answer {
        get(self.api, path)
    }

    /// The account in its terminal status.
    pub fn settled(&self, id: &str) -> Value {
        eventually("the account settles", || {
            let account = self.get(&format!("/integrated-account/{id}")).with(200);
            (account["status"] != "connecting").then_some(account)
        })
    }

    /// The events that were published on standard output, also those of earlier workers in the same place.
    pub fn published(&self) -> Vec<Value> {
        lines(&fs::read_to_string(&self.stdout).unwrap())
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.stderr).unwrap()
    }

    /// A number of `/metrics`, by the series' name with its labels.
    pub fn metric(&self, series: &str) -> f64 {
        let text = get(self.probes, "/metrics").text;
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        line.map_or(0.0, |value| value.parse().unwrap())
    }

    /// The same of a metric that counts.
    pub fn count(&self, series: &str) -> u64 {
        self.metric(series) as u64
    }

    /// Sends SIGTERM.
    pub fn ask_to_stop(&self) {
        self.signal(Signal::TERM);
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// The processor time that it has used, where `/proc` tells.
    pub fn cpu_time(&self) -> Option<Duration> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id())).ok()?;
        // The name, in brackets, may hold spaces; user and system time are the 14th and 15th field.
        let (_, fields) = stat.rsplit_once(") ")?;
        let ticks = fields.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum::<u64>();
        Some(Duration::from_millis(ticks * 10))
    }

    /// Waits for the process to end: how, and how long it took from now.
    pub fn ended(&mut self) -> (ExitStatus, Duration) {
        let since = Instant::now();
        let status = eventually("the worker ends", || self.child.try_wait().unwrap());
        (status, since.elapsed())
    }

    /// SIGTERM, and an orderly end.
    #[track_caller]
    pub fn stop(mut self) {
        self.ask_to_stop();
        let (status, _) = self.ended();
        assert_eq!(status.code(), Some(0), "{}", self.log());
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // A child that has been waited for is not signalled again.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn listening(log: &str, key: &str) -> Option<SocketAddr> {
    let line = log.lines().find(|line| line.contains(&format!("listening (`{key}`)")))?;
    line.split("address=").nth(1)?.split(' ').next()?.parse().ok()
}
