//! What the parts of the process hold: the journal, the memory budget, connections, loops.

use std::sync::Arc;

use exporters::seats::Seats;
use opentelemetry::{KeyValue, metrics::Meter};
use pipelines::{journal::Journal, memory::MemoryGauge};

use crate::telemetry::health::Health;

/// How a number is read from a listener's places.
type Read<N> = fn(&Seats) -> N;

pub(super) fn journal(meter: &Meter, journal: Arc<Journal>) {
    let size = Arc::clone(&journal);
    meter
        .u64_observable_gauge("phasor_journal_disk")
        .with_unit("By")
        .with_description("Bytes of the journal's files that are in use.")
        .with_callback(move |seen| seen.observe(size.stats().disk_bytes, &[]))
        .build();
    let read_only = Arc::clone(&journal);
    meter
        .u64_observable_gauge("phasor_journal_read_only")
        .with_description("1 if a failed sync has ended all writing, else 0.")
        .with_callback(move |seen| seen.observe(u64::from(read_only.stats().read_only), &[]))
        .build();
    let unreadable = Arc::clone(&journal);
    meter
        .u64_observable_counter("phasor_journal_unreadable")
        .with_description("Number of places of the journal's files that could not be read back.")
        .with_callback(move |seen| seen.observe(unreadable.stats().unreadable, &[]))
        .build();
    let tail = Arc::clone(&journal);
    meter
        .u64_observable_gauge("phasor_journal_tail")
        .with_unit("By")
        .with_description("Bytes of the journal that are in memory.")
        .with_callback(move |seen| seen.observe(tail.stats().tail_bytes, &[]))
        .build();
    let appended = Arc::clone(&journal);
    meter
        .u64_observable_counter("phasor_journal_appends")
        .with_description("Number of requests the journal has taken.")
        .with_callback(move |seen| seen.observe(appended.stats().appended, &[]))
        .build();
    meter
        .u64_observable_counter("phasor_journal_refusals")
        .with_description("Number of requests the journal has declined.")
        .with_callback(move |seen| seen.observe(journal.stats().refused, &[]))
        .build();
}

pub(super) fn memory_budget(meter: &Meter, memory: MemoryGauge) {
    let bound = memory.clone();
    meter
        .u64_observable_gauge("phasor_memory_budget_used")
        .with_unit("By")
        .with_description("Bytes that a part of the memory budget holds.")
        .with_callback(move |seen| {
            for part in memory.readings() {
                seen.observe(part.bytes, &[KeyValue::new("part", part.name)]);
            }
        })
        .build();
    meter
        .u64_observable_gauge("phasor_memory_budget_limit")
        .with_unit("By")
        .with_description("Bytes that a part of the memory budget may hold at most.")
        .with_callback(move |seen| {
            for part in bound.readings() {
                seen.observe(part.bytes_max, &[KeyValue::new("part", part.name)]);
            }
        })
        .build();
}

/// Connections by listener, and who found no place.
pub(super) fn connections(meter: &Meter, listeners: Vec<(String, Seats)>) {
    let labelled = |(name, seats): (String, Seats)| (vec![KeyValue::new("listener", name)], seats);
    let listeners: Vec<_> = listeners.into_iter().map(labelled).collect();
    let gauges: [(&str, &str, Read<usize>); 2] = [
        ("phasor_connections", "Connections that are open.", Seats::taken),
        ("phasor_connections_max", "Connections that may be open.", Seats::places_max),
    ];
    for (name, help, read) in gauges {
        let listeners = listeners.clone();
        meter
            .u64_observable_gauge(name)
            .with_description(help)
            .with_callback(move |seen| {
                listeners.iter().for_each(|(labels, seats)| seen.observe(read(seats) as u64, labels));
            })
            .build();
    }
    let counts: [(&str, &str, Read<u64>); 2] = [
        (
            "phasor_connections_refused",
            "Number of connections turned away: all were at work.",
            Seats::refused,
        ),
        (
            "phasor_connections_evicted",
            "Number of idle connections that made room for others.",
            Seats::evicted,
        ),
    ];
    for (name, help, read) in counts {
        let listeners = listeners.clone();
        meter
            .u64_observable_counter(name)
            .with_description(help)
            .with_callback(move |seen| {
                listeners.iter().for_each(|(labels, seats)| seen.observe(read(seats), labels));
            })
            .build();
    }
}

/// Whether the loops go round, and whether data is taken.
pub(super) fn health(meter: &Meter, health: &Health) {
    let (live, loops, ready) = (health.clone(), health.clone(), health.clone());
    meter
        .u64_observable_gauge("phasor_live")
        .with_description("1 while every loop goes round, else 0; /livez names the one that does not.")
        .with_callback(move |seen| {
            seen.observe(u64::from(!live.loops().iter().any(|found| found.is_stuck())), &[]);
        })
        .build();
    meter
        .f64_observable_gauge("phasor_loop_silent")
        .with_unit("s")
        .with_description("Time since a loop was last seen to go round.")
        .with_callback(move |seen| {
            for found in loops.loops() {
                seen.observe(found.silent.as_secs_f64(), &[KeyValue::new("loop", found.name)]);
            }
        })
        .build();
    meter
        .u64_observable_gauge("phasor_ready")
        .with_description("1 while the collector takes data, else 0.")
        .with_callback(move |seen| seen.observe(u64::from(ready.ready().is_ok()), &[]))
        .build();
}
