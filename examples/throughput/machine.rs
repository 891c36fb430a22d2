//! What Linux tells about processes and the machine.

use std::fs;

use anyhow::{Context as _, Result};

use crate::scene::Scene;

/// Ticks of a second in `/proc`: 100 on every platform that Linux has today.
const TICKS: f64 = 100.0;

/// CPU seconds so far, by process.
#[derive(Debug, Clone)]
pub(crate) struct Usage {
    /// All workers together.
    pub(crate) workers: f64,
    /// The provider.
    pub(crate) stub: f64,
    /// PostgreSQL, all of its processes.
    pub(crate) postgres: f64,
    /// `tidewaiter import`: what was started and has ended.
    pub(crate) import: f64,
    /// This process: load and event reader.
    pub(crate) load: f64,
    /// The whole machine.
    pub(crate) machine: f64,
    /// What the machine has, used or not.
    pub(crate) capacity: f64,
}

impl Usage {
    /// What was used until now.
    pub(crate) fn now(scene: &Scene) -> Result<Self> {
        let (own, ended) = cpu_of("self")?;
        let mut workers = 0.0;
        for worker in &scene.workers {
            workers += cpu_of(&worker.id().to_string())?.0;
        }
        let (machine, capacity) = machine()?;
        Ok(Self {
            workers,
            stub: cpu_of(&scene.stub.id().to_string())?.0,
            postgres: scene.postmaster.map_or(Ok(0.0), family)?,
            import: ended,
            load: own,
            machine,
            capacity,
        })
    }

    /// What was used since `before`.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            workers: self.workers - before.workers,
            stub: self.stub - before.stub,
            postgres: self.postgres - before.postgres,
            import: self.import - before.import,
            load: self.load - before.load,
            machine: self.machine - before.machine,
            capacity: self.capacity - before.capacity,
        }
    }

    /// All of ours.
    pub(crate) fn total(&self) -> f64 {
        self.workers + self.stub + self.postgres + self.import + self.load
    }

    /// The share of the machine that other processes used, in percent.
    pub(crate) fn foreign_percent(&self) -> f64 {
        (100.0 * (self.machine - self.total()) / self.capacity.max(f64::EPSILON)).max(0.0)
    }
}

/// CPU seconds of a process, and of those of its children that it waited for.
fn cpu_of(process: &str) -> Result<(f64, f64)> {
    let text = fs::read_to_string(format!("/proc/{process}/stat"))
        .with_context(|| format!("process {process} is gone: its log tells why"))?;
    // The name before the numbers is in brackets and may hold anything.
    let numbers = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let fields: Vec<f64> = numbers.split_whitespace().skip(11).take(4).filter_map(|field| field.parse().ok()).collect();
    let [user, system, children_user, children_system] = fields[..] else {
        anyhow::bail!("/proc/{process}/stat cannot be read");
    };
    Ok(((user + system) / TICKS, (children_user + children_system) / TICKS))
}

/// CPU seconds of a process and all of its children, living or waited for.
fn family(parent: u32) -> Result<f64> {
    let (own, ended) = cpu_of(&parent.to_string())?;
    let children = fs::read_to_string(format!("/proc/{parent}/task/{parent}/children"))?;
    Ok(own
        + ended
        + children.split_whitespace().filter_map(|child| cpu_of(child).ok()).map(|(cpu, _)| cpu).sum::<f64>())
}

/// Busy and all CPU seconds of the machine.
fn machine() -> Result<(f64, f64)> {
    let text = fs::read_to_string("/proc/stat")?;
    let line = text.lines().next().unwrap_or_default();
    let ticks: Vec<f64> = line.split_whitespace().skip(1).take(8).filter_map(|field| field.parse().ok()).collect();
    let all: f64 = ticks.iter().sum();
    // Idle, and waiting for the disk.
    let idle: f64 = ticks.iter().skip(3).take(2).sum();
    Ok(((all - idle) / TICKS, all / TICKS))
}

/// The most memory a process has had, in KiB.
pub(crate) fn peak_kib(process: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status"))?;
    let field = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    field.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse().ok()).context("no VmHWM")
}

/// The machine in a line.
pub(crate) fn hardware() -> Result<String> {
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib: u64 = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse().ok())
        .unwrap_or(0);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let cores = std::thread::available_parallelism()?;
    let model = model.trim_start_matches([' ', '\t', ':']);
    Ok(format!("{cores} x {model}, {} GiB, Linux {}", kib.div_ceil(1 << 20), kernel.trim()))
}
