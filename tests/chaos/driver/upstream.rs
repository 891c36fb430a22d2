//! The stub provider in the driver's own process, so that it outlives every kill.

use anyhow::Context as _;
use serde_json::Value;
use tidewaiter::app::stub::{Faults, Stub, StubOptions};
use tidewaiter::tasks::Tasks;
use tokio::runtime::Runtime;

use crate::history::UpstreamFaults;

/// Shares of requests that the stub fails or leaves without an answer, in percent.
const UNAVAILABLE_PERCENT: u8 = 10;
const HANG_PERCENT: u8 = 2;

/// A running stub and the runtime under it.
pub struct Upstream {
    runtime: Runtime,
    stub: Stub,
}

impl Upstream {
    pub fn start(seed: u64) -> anyhow::Result<Self> {
        let runtime = Runtime::new()?;
        let faults =
            Faults { unavailable_percent: UNAVAILABLE_PERCENT, hang_percent: HANG_PERCENT, seed, ..Faults::default() };
        let options = StubOptions { faults, ..StubOptions::default() };
        let stub = runtime.block_on(Stub::start(options, &Tasks::new())).context("the stub upstream does not start")?;
        Ok(Self { runtime, stub })
    }

    pub fn url(&self) -> &str {
        &self.stub.base_url
    }

    pub fn port(&self) -> anyhow::Result<u16> {
        let (_, port) = self.url().rsplit_once(':').context("the stub's URL has no port")?;
        Ok(port.parse()?)
    }

    /// Waits for something that needs a runtime.
    pub fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.runtime.block_on(future)
    }

    pub fn faults(&self) -> UpstreamFaults {
        let stats = self.stub.stats();
        let count = |pointer: &str| stats.pointer(pointer).and_then(Value::as_u64).unwrap_or_default();
        let requests = stats["requests"].as_object().into_iter().flatten();
        UpstreamFaults {
            requests: requests.filter_map(|(_, count)| count.as_u64()).sum(),
            unavailable: count("/faults/unavailable"),
            hung: count("/faults/hung"),
        }
    }
}
