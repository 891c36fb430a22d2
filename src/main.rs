//! The `tidewaiter` command.

fn main() -> std::process::ExitCode {
    tidewaiter::cli::main()
}
