//! The process itself: what it must never leave behind, and the runtime it works on.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::error::CliError;

/// Bytes of stack of each worker thread. Expressions nest: the engine needs this much for what its limits allow.
const STACK_BYTES: usize = 8 << 20;

/// Keeps secrets in memory out of core files and away from other processes of the same user.
pub(super) fn harden() {
    use rustix::process::{Resource, Rlimit, setrlimit};

    // Lowering a limit is always allowed; a kernel that refuses has nothing to lower.
    let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Does `work` on a thread with the stack of a runtime's, for verbs that need no runtime.
///
/// # Errors
/// [`super::Exit::Unavailable`] when the system gives no thread, [`super::Exit::Findings`] when `work` panics.
pub(super) fn on_a_large_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, CliError> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(STACK_BYTES)
            .spawn_scoped(scope, work)
            .map_err(|error| CliError::unavailable(format!("no thread can be started: {error}")))?;
        // The hook has told where it panicked.
        let bug = |_| CliError { code: super::Exit::Findings, message: "the command panicked".to_owned(), hint: None };
        thread.join().map_err(bug)
    })
}

/// Does `work` on a runtime, for verbs that wait for a network or a database.
///
/// A thread that is stuck in the system afterwards (writing to a pipe that nobody reads, reading a terminal) does not
/// hold up the process's end.
///
/// # Errors
/// [`super::Exit::Unavailable`] when the system gives no threads.
pub(super) fn block_on<F: Future>(work: F) -> Result<F::Output, CliError> {
    let runtime = runtime()?;
    let done = runtime.block_on(work);
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(done)
}

fn runtime() -> Result<Runtime, CliError> {
    Builder::new_multi_thread()
        .enable_all()
        .thread_name("worker")
        .thread_stack_size(STACK_BYTES)
        .build()
        .map_err(|error| CliError::unavailable(format!("no threads can be started: {error}")))
}
