//! The process itself: what it must never leave behind, and the runtime it works on.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::error::CliError;
use crate::config;

/// Bytes of stack of each worker thread. Expressions nest: the engine needs 8 MiB for what its limits allow. So do the
/// headers of messages, which are dropped here: see [`FOREIGN_STACK_BYTES`].
const STACK_BYTES: usize = 64 << 20;

/// Bytes of stack of the threads that libraries make, as text. `lapin` reads a message's headers by recursion, and a header
/// of 128 KiB can nest 26,000 levels: on the usual 2 MiB one such message would end every worker that gets it. That many
/// need about 60 MiB; without optimisation several times as much.
const FOREIGN_STACK_BYTES: &str = if cfg!(debug_assertions) { "1073741824" } else { "268435456" };

/// Where the standard library looks for it, when the first thread is made.
const FOREIGN_STACK: &str = "RUST_MIN_STACK";

/// Starts this program anew in its own place, as the same process, with larger stacks for the threads of libraries; once.
/// Only address space is taken for what they do not use.
///
/// # Errors
/// [`super::Exit::Unavailable`] when the system does not start it.
pub(super) fn enlarge_foreign_stacks() -> Result<(), CliError> {
    use std::os::unix::process::CommandExt as _;

    let failed = |error: std::io::Error| {
        CliError::unavailable(format!("this program cannot be started with larger stacks: {error}"))
            .hint(format!("start it with {FOREIGN_STACK}={FOREIGN_STACK_BYTES} in its environment"))
    };
    match config::again_with(FOREIGN_STACK, FOREIGN_STACK_BYTES).map_err(failed)? {
        Some(mut again) => Err(failed(again.exec())),
        None => Ok(()),
    }
}

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
        let bug = |_| CliError::new(super::Exit::Findings, "the command panicked");
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
