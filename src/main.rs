//! The `tidewaiter` command.

fn main() {}
