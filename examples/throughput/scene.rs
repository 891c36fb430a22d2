//! The directory, the stub and the workers of a measurement.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::free_port;
use crate::options::Options;

/// The install that all imports are for.
pub(crate) const INSTALL: &str = "c0ffee00-0000-4000-8000-000000000001";

/// Three requests and five expressions; its host is replaced by the stub's.
const INTEGRATION: &str = include_str!("../../tests/fixtures/integrations/ledgerly.json");

/// A worker that is not ready by then will not be.
const START: Duration = Duration::from_secs(30);

/// Everything that runs for a measurement; ended with it.
pub(crate) struct Scene {
    pub(crate) directory: PathBuf,
    pub(crate) events: PathBuf,
    pub(crate) apis: Vec<SocketAddr>,
    pub(crate) stub: Process,
    pub(crate) workers: Vec<Process>,
    pub(crate) postmaster: Option<u32>,
    binary: PathBuf,
    probes: Vec<SocketAddr>,
    started: Instant,
}

/// A process that is killed when it is no longer needed.
pub(crate) struct Process(Child);

impl Process {
    fn start(command: &mut Command, log: &Path) -> Result<Self> {
        let program = command.get_program().to_owned();
        let child = command.stdin(Stdio::null()).stderr(std::fs::File::create(log)?).spawn();
        Ok(Self(child.with_context(|| format!("{} cannot be started", program.display()))?))
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Scene {
    /// Writes the files, and starts the stub and the workers.
    pub(crate) fn set_up(options: &Options) -> Result<Self> {
        let directory = options.directory.canonicalize().context("`directory` has to be there")?;
        let events = directory.join("events.ndjson");
        std::fs::File::create(&events)?;
        let mut stub = Process::start(
            Command::new(std::env::current_exe()?).arg("stub").stdout(Stdio::piped()),
            &directory.join("stub.log"),
        )?;
        let mut provider = String::new();
        let out = stub.0.stdout.take().context("the stub has no standard output")?;
        BufReader::new(out).read_line(&mut provider)?;
        let integration = match &options.integration {
            Some(file) => {
                std::fs::read_to_string(file).with_context(|| format!("{} cannot be read", file.display()))?
            }
            None => INTEGRATION.to_owned(),
        };
        write_definitions(&directory, &integration.replace("http://upstream.test", provider.trim()))?;
        let mut scene = Self {
            directory,
            events,
            apis: Vec::new(),
            stub,
            workers: Vec::new(),
            postmaster: options.postmaster,
            binary: options.binary.clone(),
            probes: Vec::new(),
            started: Instant::now(),
        };
        for number in 0..options.workers {
            scene.write_settings(options, number)?;
        }
        scene.migrate()?;
        scene.started = Instant::now();
        for number in 0..options.workers {
            let log = scene.directory.join(format!("worker-{number}.log"));
            let worker = Process::start(scene.verb(number, "run").stdout(Stdio::null()), &log)?;
            scene.workers.push(worker);
        }
        Ok(scene)
    }

    fn settings(&self, worker: usize) -> PathBuf {
        self.directory.join(format!("worker-{worker}.toml"))
    }

    fn write_settings(&mut self, options: &Options, worker: usize) -> Result<()> {
        let (api, probes) = (free_port()?, free_port()?);
        let place = |name: &str| json!(self.directory.join(name)).to_string();
        let embedded = format!("sqlite://{}", self.directory.join("bench.db").display());
        let database = json!(options.database.as_deref().unwrap_or(&embedded));
        let settings = format!(
            "[database]\nurl = {database}\n[worker]\nslots = {}\n[api]\nlisten = \"{api}\"\n[probes]\nlisten = \
             \"{probes}\"\n[events]\nsink = \"file\"\nfile = {}\n[definitions]\nintegrations_dir = {}\ninstalls_dir = \
             {}\nload_at_start = \"always\"\n[seal]\nkey_file = {}\n[upstream]\nallow_networks = [\"127.0.0.0/8\"]\n",
            options.slots,
            json!(self.events),
            place("integrations"),
            place("installs"),
            place("seal.key"),
        );
        std::fs::write(self.settings(worker), settings)?;
        self.apis.push(api);
        self.probes.push(probes);
        Ok(())
    }

    /// Schema and key; both are made once, before any worker starts.
    fn migrate(&self) -> Result<()> {
        let key = self.directory.join("seal.key");
        tidewaiter::seal::create_key_file(&key, &tidewaiter::clock::SystemClock::default())
            .map_err(|problem| anyhow::anyhow!("no key: {problem}"))?;
        finish(&mut self.verb(0, "migrate"))
    }

    fn verb(&self, worker: usize, verb: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--config").arg(self.settings(worker)).arg(verb).current_dir(&self.directory);
        command
    }

    /// Imports the lines of a file with the command-line verb, to its end.
    pub(crate) fn import(&self, file: &Path) -> Result<()> {
        finish(self.verb(0, "import").arg(file))
    }

    /// Waits until every worker is ready; answers how long that took from their start.
    pub(crate) async fn wait_until_ready(&mut self) -> Result<Duration> {
        for (probes, api) in self.probes.clone().into_iter().zip(self.apis.clone()) {
            while !(is_well(probes, "/readyz").await && is_well(api, "/integrated-account").await) {
                for worker in &mut self.workers {
                    if let Some(status) = worker.0.try_wait()? {
                        bail!("a worker ended with {status}: see its log in {}", self.directory.display());
                    }
                }
                if self.started.elapsed() > START {
                    bail!("a worker is not ready after {START:?}");
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
        Ok(self.started.elapsed())
    }

    /// Asks the workers to stop; answers how long that took.
    pub(crate) fn stop_workers(&mut self) -> Result<Duration> {
        let begun = Instant::now();
        for worker in &self.workers {
            let process = rustix::process::Pid::from_child(&worker.0);
            rustix::process::kill_process(process, rustix::process::Signal::TERM)?;
        }
        for worker in &mut self.workers {
            let status = worker.0.wait()?;
            if !status.success() {
                bail!("a worker ended with {status}");
            }
        }
        Ok(begun.elapsed())
    }
}

/// Runs a command to its end, which has to be a good one.
fn finish(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    if !output.status.success() {
        let words = [&output.stdout[..], &output.stderr].map(String::from_utf8_lossy).join("");
        bail!("{command:?} ended with {}: {words}", output.status);
    }
    Ok(())
}

/// Whether a path answers 200.
async fn is_well(server: SocketAddr, path: &str) -> bool {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let Ok(mut stream) = tokio::net::TcpStream::connect(server).await else { return false };
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    let mut answer = Vec::new();
    stream.write_all(request.as_bytes()).await.is_ok()
        && stream.read_to_end(&mut answer).await.is_ok()
        && answer.starts_with(b"HTTP/1.1 200 ")
}

fn write_definitions(directory: &Path, integration: &str) -> Result<()> {
    let (integrations, installs) = (directory.join("integrations"), directory.join("installs"));
    std::fs::create_dir_all(&integrations)?;
    std::fs::create_dir_all(&installs)?;
    std::fs::write(integrations.join("bench.json"), integration)?;
    let integration: serde_json::Value = serde_json::from_str(integration)?;
    let install = json!({
        "environment": { "id": "c0ffee00-0000-4000-8000-000000000002", "name": "bench" },
        "installs": [{ "id": INSTALL, "integration": integration["name"], "is_enabled": true }],
    });
    Ok(std::fs::write(installs.join("bench.json"), install.to_string())?)
}
