//! The promises of the README, tried from outside on real sockets: one file per promise.

#[path = "support/lib.rs"]
mod support;

mod dashboards;
mod disk_full;
mod doors;
mod exact_counts;
mod examples;
mod memory;
mod one_down;
mod overload;
mod own_telemetry;
mod own_traces;
mod quickstart;
mod refused;
mod restart;
mod round_trip;
mod span_metrics;
mod stack;
mod status;
mod stop;
mod tidy;
mod warnings;
