//! The process and its async runtime: what the system and Tokio count.
//!
//! - **Guaranteed:** a number that the system does not tell (other than Linux) is not shown.

use std::fs;

use opentelemetry::{KeyValue, metrics::Meter};
use pipelines::memory;
use tokio::runtime::{Handle, RuntimeMetrics};

use crate::telemetry::health::Health;

/// How a number is read from the runtime.
type Read = fn(&RuntimeMetrics) -> usize;

/// What `/proc/self/stat` tells, by proc(5).
#[derive(Clone, Copy, Debug, PartialEq)]
struct Stat {
    /// User and system time, in seconds.
    cpu_seconds: f64,
    threads: u64,
    virtual_bytes: u64,
}

/// The process as the system sees it.
pub(super) fn process(meter: &Meter, health: &Health) {
    let uptime = health.clone();
    meter
        .f64_observable_counter("otelcol_process_uptime")
        .with_unit("s")
        .with_description("Seconds since the process started.")
        .with_callback(move |seen| seen.observe(uptime.uptime_seconds(), &[]))
        .build();
    gauge(
        meter,
        "otelcol_process_memory_rss",
        "By",
        "Resident memory of the process.",
        memory::resident_bytes,
    );
    // Without a unit: the name has it already.
    meter
        .f64_observable_counter("otelcol_process_cpu_seconds")
        .with_description("Processor time of the process, user and system.")
        .with_callback(|seen| {
            if let Some(stat) = Stat::read() {
                seen.observe(stat.cpu_seconds, &[]);
            }
        })
        .build();
    let threads = || Stat::read().map(|stat| stat.threads);
    gauge(meter, "process_threads", "", "Threads of the process.", threads);
    let virtual_bytes = || Stat::read().map(|stat| stat.virtual_bytes);
    gauge(meter, "process_virtual_memory", "By", "Address space of the process.", virtual_bytes);
    gauge(meter, "process_open_fds", "", "File descriptors that are open.", open_descriptors);
    let descriptors_max = || rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
    gauge(meter, "process_max_fds", "", "File descriptors that may be open.", descriptors_max);
    let started = health.started_at().0 as f64 / 1e9;
    meter
        .f64_observable_gauge("process_start_time")
        .with_unit("s")
        .with_description("When the process started, in seconds since 1970.")
        .with_callback(move |seen| seen.observe(started, &[]))
        .build();
    meter
        .u64_observable_gauge("phasor_build_info")
        .with_description("1, with the version of the program.")
        .with_callback(|seen| seen.observe(1, &[KeyValue::new("version", env!("CARGO_PKG_VERSION"))]))
        .build();
}

/// The async runtime. To be called inside it.
pub(super) fn runtime(meter: &Meter) {
    let metrics = Handle::current().metrics();
    let gauges: [(&str, &str, Read); 3] = [
        ("workers", "Threads of the async runtime that run tasks.", RuntimeMetrics::num_workers),
        ("alive_tasks", "Tasks of the async runtime that have not ended.", RuntimeMetrics::num_alive_tasks),
        ("global_queue_depth", "Tasks that wait for any worker.", RuntimeMetrics::global_queue_depth),
    ];
    for (what, help, read) in gauges {
        let metrics = metrics.clone();
        let value = move || Some(read(&metrics) as u64);
        gauge(meter, &format!("phasor_runtime_{what}"), "", help, value);
    }
    let busy = metrics.clone();
    meter
        .f64_observable_counter("phasor_runtime_worker_busy")
        .with_unit("s")
        .with_description("Time a worker was not parked.")
        .with_callback(move |seen| {
            for worker in 0..busy.num_workers() {
                seen.observe(busy.worker_total_busy_duration(worker).as_secs_f64(), &[label(worker)]);
            }
        })
        .build();
    meter
        .u64_observable_counter("phasor_runtime_worker_parks")
        .with_description("Number of times a worker went to sleep for want of work.")
        .with_callback(move |seen| {
            for worker in 0..metrics.num_workers() {
                seen.observe(metrics.worker_park_count(worker), &[label(worker)]);
            }
        })
        .build();
}

fn label(worker: usize) -> KeyValue {
    KeyValue::new("worker", worker.to_string())
}

fn gauge(
    meter: &Meter,
    name: &str,
    unit: &'static str,
    help: &'static str,
    read: impl Fn() -> Option<u64> + Send + Sync + 'static,
) {
    let gauge = meter.u64_observable_gauge(name.to_owned()).with_description(help);
    let gauge = if unit.is_empty() { gauge } else { gauge.with_unit(unit) };
    let observe = move |seen: &dyn opentelemetry::metrics::AsyncInstrument<u64>| {
        if let Some(value) = read() {
            seen.observe(value, &[]);
        }
    };
    gauge.with_callback(observe).build();
}

fn open_descriptors() -> Option<u64> {
    Some(fs::read_dir("/proc/self/fd").ok()?.count() as u64)
}

// === impl Stat ===

impl Stat {
    fn read() -> Option<Self> {
        Self::parse(&fs::read_to_string("/proc/self/stat").ok()?, rustix::param::clock_ticks_per_second())
    }

    /// Fields are counted behind the name, which is in parentheses and may hold anything.
    fn parse(text: &str, ticks_per_second: u64) -> Option<Self> {
        let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
        let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
        let ticks = field(14)?.checked_add(field(15)?)?;
        Some(Self {
            cpu_seconds: ticks as f64 / ticks_per_second.max(1) as f64,
            threads: field(20)?,
            virtual_bytes: field(23)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_proc_whatever_the_process_is_called() {
        let text = "4711 (a) b (c)) S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 15 16 8 18 19 123456 20\n";
        let stat = Stat { cpu_seconds: 3.0, threads: 8, virtual_bytes: 123_456 };
        assert_eq!(Stat::parse(text, 100), Some(stat));
        for broken in ["", "4711 (a)", "4711 (a) S 1 2", "4711 (a) S 1 2 3 4 5 6 7 8 9 10 x 50"] {
            assert_eq!(Stat::parse(broken, 100), None, "{broken}");
        }
    }

    #[test]
    fn the_system_tells_about_this_process() {
        let stat = Stat::read().expect("Linux tells");
        assert!(stat.threads > 0 && stat.virtual_bytes > 0);
        assert!(open_descriptors().expect("Linux tells") > 0);
    }
}
