//! The figures as a table for people and as JSON.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use crate::machine::Usage;
use crate::options::Options;

/// One part of a measurement.
pub(crate) struct Figures {
    pub(crate) name: &'static str,
    pub(crate) imports: usize,
    /// From the first request to the last active event.
    pub(crate) took: Duration,
    pub(crate) usage: Usage,
    /// From accepted (saturated) or due (even rate) to the active event, in ascending order.
    pub(crate) waits: Vec<Duration>,
}

impl Figures {
    fn rate(&self) -> f64 {
        self.imports as f64 / self.took.as_secs_f64()
    }

    /// CPU seconds per 1000 imports.
    fn each(&self, seconds: f64) -> f64 {
        seconds * 1000.0 / self.imports as f64
    }

    fn wait_ms(&self, percent: usize) -> Option<f64> {
        let place = (self.waits.len() * percent / 100).min(self.waits.len().checked_sub(1)?);
        Some(self.waits[place].as_secs_f64() * 1000.0)
    }

    fn json(&self) -> Value {
        let round = |value: f64| (value * 1000.0).round() / 1000.0;
        let usage = &self.usage;
        json!({
            "name": self.name, "imports": self.imports, "seconds": round(self.took.as_secs_f64()),
            "imports_per_second": round(self.rate()),
            "cpu_seconds_per_1000": {
                "worker": round(self.each(usage.workers)), "import": round(self.each(usage.import)),
                "postgres": round(self.each(usage.postgres)), "stub": round(self.each(usage.stub)),
                "load": round(self.each(usage.load)),
            },
            "wait_ms": { "p50": self.wait_ms(50).map(round), "p99": self.wait_ms(99).map(round) },
            "foreign_cpu_percent": round(usage.foreign_percent()),
        })
    }
}

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) hardware: String,
    pub(crate) options: Options,
    pub(crate) figures: Vec<Figures>,
    pub(crate) peaks: Vec<u64>,
    pub(crate) ready: Duration,
    pub(crate) drain: Duration,
}

impl Report {
    fn store(&self) -> &'static str {
        if self.options.database.is_some() { "postgres" } else { "sqlite" }
    }

    /// The figures for a program.
    pub(crate) fn json(&self) -> Value {
        json!({
            "hardware": self.hardware, "store": self.store(), "workers": self.options.workers,
            "clients": self.options.clients, "slots": self.options.slots,
            "figures": self.figures.iter().map(Figures::json).collect::<Vec<_>>(),
            "peak_rss_kib": self.peaks, "ready_ms": self.ready.as_millis(), "drain_ms": self.drain.as_millis(),
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.hardware)?;
        writeln!(
            f,
            "{}, {} worker(s), {} slots, {} connections",
            self.store(),
            self.options.workers,
            self.options.slots,
            self.options.clients
        )?;
        writeln!(
            f,
            "\n{:<18} {:>8} {:>10} | CPU seconds per 1000 imports{:>16} | {:>17} | foreign",
            "", "imports", "imports/s", "", "p50 / p99 ms"
        )?;
        writeln!(
            f,
            "{:<18} {:>8} {:>10} | {:>8} {:>8} {:>8} {:>8} {:>6} | {:>17} | CPU",
            "", "", "", "worker", "import", "postgres", "stub", "load", ""
        )?;
        for figures in &self.figures {
            let (usage, cpu) = (&figures.usage, |seconds| figures.each(seconds));
            let waits = match (figures.wait_ms(50), figures.wait_ms(99)) {
                (Some(p50), Some(p99)) => format!("{p50:.1} / {p99:.1}"),
                _ => String::new(),
            };
            writeln!(
                f,
                "{:<18} {:>8} {:>10.0} | {:>8.3} {:>8.3} {:>8.3} {:>8.3} {:>6.3} | {waits:>17} | {:.0} %",
                figures.name,
                figures.imports,
                figures.rate(),
                cpu(usage.workers),
                cpu(usage.import),
                cpu(usage.postgres),
                cpu(usage.stub),
                cpu(usage.load),
                usage.foreign_percent(),
            )?;
        }
        let peaks: Vec<String> = self.peaks.iter().map(|kib| format!("{:.0}", *kib as f64 / 1024.0)).collect();
        writeln!(f, "\npeak RSS of the worker: {} MiB", peaks.join(", "))?;
        write!(f, "start to ready {} ms, drain {} ms", self.ready.as_millis(), self.drain.as_millis())
    }
}
