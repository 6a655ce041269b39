//! Counters at the edges between components: items in and out, by outcome.
//!
//! The engine measures edges; components count nothing themselves (an exporter tells its edge what
//! became of the items, because only it knows). All counters only grow; `collector` shows them on `/metrics` under
//! the OpenTelemetry Collector's names.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
    },
};

use proto::SignalKind;

use super::sizes::Sizes;
use crate::{component::ComponentId, pulse::Pulse, status::StatusCell};

/// A counter that only grows.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

/// A counter that only grows, apart for each cause. Causes are names in the program, so there are few.
#[derive(Debug, Default)]
pub struct CountByCause(Mutex<BTreeMap<&'static str, u64>>);

/// What became of the dead letters of an exporter: see [`crate::dead_letters`].
#[derive(Debug, Default)]
pub struct LetterCounts {
    /// Letters that are on disk.
    pub kept: Count,
    /// Letters not kept because the exporter's bound was reached.
    pub full: Count,
    /// Letters not kept because the disk failed.
    pub storage: Count,
}

/// A receiver's edge, one per signal: what came in and how it was answered.
#[derive(Debug)]
pub struct ReceiverEdge {
    /// Whose edge.
    pub receiver: ComponentId,
    /// `grpc`, `http`, or empty where there is one way only.
    pub transport: &'static str,
    /// What flows.
    pub signal: SignalKind,
    /// Items answered with success.
    pub accepted: Count,
    /// Items declined: retryably, for good, or by policy within an accepted request.
    pub refused: Count,
    /// Items that failed by a fault of the receiver (malformed requests count as one item).
    pub failed: Count,
}

/// A processor's edge.
#[derive(Debug)]
pub struct ProcessorEdge {
    /// Whose edge.
    pub processor: ComponentId,
    /// What flows.
    pub signal: SignalKind,
    /// Items in.
    pub incoming: Count,
    /// Items out.
    pub outgoing: Count,
    /// Items of batches it refused.
    pub refused: Count,
}

/// The edge of an exporter or of a connector's input side.
#[derive(Debug)]
pub struct ConsumerEdge {
    /// Whose edge.
    pub consumer: ComponentId,
    /// What flows.
    pub signal: SignalKind,
    /// Items delivered (an exporter) or applied (an aggregator).
    pub sent: Count,
    /// Items given up for good, by the code they were refused with.
    pub failed: CountByCause,
    /// Requests given up for good that were put on disk, or were not.
    pub letters: LetterCounts,
    /// Items dropped by `on_full: drop_oldest`.
    pub dropped: Count,
    /// Requests that failed and were tried again.
    pub retries: Count,
    /// Bytes between what was taken in and the end of the pipeline.
    pub lag_bytes: Gauge,
    /// The bound of `lag_bytes`.
    pub lag_bytes_max: Gauge,
    /// Requests an exporter has begun and not settled.
    pub in_flight_requests: Gauge,
    /// Items of each request.
    pub send_items: Sizes,
    /// Bytes of each request.
    pub send_bytes: Sizes,
    /// Bytes an exporter has read and not yet committed.
    pub in_flight_bytes: Gauge,
    /// Bytes of an aggregator's state on their way into a snapshot.
    pub saving_bytes: Gauge,
    /// Whether the consumer's loop goes round.
    pub pulse: Pulse,
    /// How it fares.
    pub status: StatusCell,
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

// === impl Count ===

impl Count {
    /// Adds `n` items.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The total so far.
    pub fn total(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

// === impl CountByCause ===

impl CountByCause {
    /// Adds `n` items. Adding none shows the cause from the start, so that its first increase is seen as one.
    pub fn add(&self, cause: &'static str, n: u64) {
        *self.lock().entry(cause).or_default() += n;
    }

    /// The total so far.
    pub fn total(&self) -> u64 {
        self.lock().values().sum()
    }

    /// Every cause that was named, and its count.
    pub fn by_cause(&self) -> Vec<(&'static str, u64)> {
        self.lock().iter().map(|(cause, count)| (*cause, *count)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<&'static str, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Gauge ===

impl Gauge {
    /// Sets the value.
    pub fn set(&self, value: u64) {
        self.0.store(i64::try_from(value).unwrap_or(i64::MAX), Relaxed);
    }

    /// The value.
    pub fn value(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

// === impl ReceiverEdge ===

impl ReceiverEdge {
    /// A fresh edge.
    pub fn new(receiver: ComponentId, transport: &'static str, signal: SignalKind) -> Self {
        Self {
            receiver,
            transport,
            signal,
            accepted: Count::default(),
            refused: Count::default(),
            failed: Count::default(),
        }
    }
}

// === impl ProcessorEdge ===

impl ProcessorEdge {
    /// A fresh edge.
    pub fn new(processor: ComponentId, signal: SignalKind) -> Self {
        Self {
            processor,
            signal,
            incoming: Count::default(),
            outgoing: Count::default(),
            refused: Count::default(),
        }
    }
}

// === impl ConsumerEdge ===

impl ConsumerEdge {
    /// A fresh edge.
    pub fn new(consumer: ComponentId, signal: SignalKind) -> Self {
        Self {
            consumer,
            signal,
            sent: Count::default(),
            failed: CountByCause::default(),
            letters: LetterCounts::default(),
            dropped: Count::default(),
            retries: Count::default(),
            lag_bytes: Gauge::default(),
            lag_bytes_max: Gauge::default(),
            in_flight_requests: Gauge::default(),
            send_items: Sizes::default(),
            send_bytes: Sizes::default(),
            in_flight_bytes: Gauge::default(),
            saving_bytes: Gauge::default(),
            pulse: Pulse::default(),
            status: StatusCell::default(),
        }
    }
}
