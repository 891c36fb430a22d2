//! The `tidewaiter` command.

/// Every thread of a worker makes and frees small JSON all the time, which costs the system's allocator a quarter of the
/// worker's CPU (docs/benchmarks.md).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    tidewaiter::cli::main()
}
