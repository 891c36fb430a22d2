//! The stub provider, in this process.

use serde_json::Value;
use tidewaiter::app::stub::{Faults, Stub, StubOptions};
use tidewaiter::tasks::Tasks;
use tokio::runtime::{Builder, Runtime};

/// A provider on loopback. It ends with the test.
#[derive(Debug)]
pub struct Provider {
    stub: Stub,
    _runtime: Runtime,
    _tasks: Tasks,
}

impl Provider {
    pub fn start() -> Self {
        Self::with(Faults::default())
    }

    pub fn with(faults: Faults) -> Self {
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let tasks = Tasks::new();
        let options = StubOptions { faults, ..StubOptions::default() };
        let stub = runtime.block_on(Stub::start(options, &tasks)).unwrap();
        Self { stub, _runtime: runtime, _tasks: tasks }
    }

    pub fn url(&self) -> &str {
        &self.stub.base_url
    }

    pub fn set_faults(&self, faults: Faults) {
        self.stub.set_faults(faults);
    }

    /// Requests so far to a route as the stub names it.
    pub fn requests(&self, route: &str) -> u64 {
        self.stub.requests(route)
    }

    pub fn stats(&self) -> Value {
        self.stub.stats()
    }
}
