//! The binary `phasor` with an allocator that counts: `make bench` starts it to tell what a request allocates.
//!
//! When it ends it prints one last line: `allocations NUMBER BYTES`.

#![allow(clippy::print_stdout, reason = "the count is read from the output")]

use std::{alloc::System, path::Path, process::ExitCode};

use phasor_collector::{
    cli::{self, Handlers, Smoke},
    config::Loaded,
    service,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let code = cli::run(std::env::args_os(), &Handlers { run, smoke });
    let stats = ALLOCATOR.stats();
    println!("allocations {} {}", stats.allocations + stats.reallocations, stats.bytes_allocated);
    code
}

fn run(loaded: Loaded, data_dir: &Path) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(service::run(loaded, data_dir))
}

/// Nobody asks for it here.
fn smoke(_: Smoke) -> ExitCode {
    ExitCode::FAILURE
}
