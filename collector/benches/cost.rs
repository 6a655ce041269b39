//! What the collector costs: `make bench`.
//!
//! Every piece of work is a loop over a fixed corpus (100 spans of 10 attributes a request). Its time is the minimum
//! of many rounds; its instructions are counted by valgrind in two runs of different lengths, whose difference
//! leaves start-up out. Ratios are taken in one run. What needs a whole process (forwarding, durability, footprint)
//! starts the release binary; allocations are counted by one with a counting allocator.
//!
//! `cargo bench -p phasor --features counted --bench cost -- NAME...` runs only what is named.

#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a bench measures time and prints a table"
)]

#[path = "cost/allocations.rs"]
mod allocations;
#[path = "cost/forward.rs"]
mod forward;
#[path = "cost/pieces.rs"]
mod pieces;
#[path = "cost/process.rs"]
mod process;
#[path = "cost/raw.rs"]
mod raw;
#[path = "../tests/support/lib.rs"]
mod support;
#[path = "cost/table.rs"]
mod table;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.first().map(String::as_str) {
        // How the bench starts itself: under valgrind, and as a bare forwarder.
        Some("piece") => pieces::run_alone(&arguments[1..]),
        Some("bare") => raw::forward(&arguments[1], &arguments[2]),
        Some("bare-tonic") => raw::forward_by_tonic(&arguments[1], &arguments[2]),
        _ => {
            let wanted =
                |name: &str| arguments.is_empty() || arguments.iter().any(|argument| argument == name);
            println!("{:<44} {:>12} {:>12} {:>10} {:>10}", "work", "measured", "", "gate", "stretch");
            pieces::report(wanted);
            table::report(wanted);
            forward::report(wanted);
            allocations::report(wanted);
            process::report(wanted);
        }
    }
    ExitCode::SUCCESS
}

/// One line of the report.
fn line(work: &str, measured: String, also: String, gate: &str, stretch: &str) {
    println!("{work:<44} {measured:>12} {also:>12} {gate:>10} {stretch:>10}");
}
