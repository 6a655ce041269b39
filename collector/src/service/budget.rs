//! The memory budget: a sum of named parts, each with a bound that its holder keeps, printed at start.
//!
//! | part | bound | what it holds |
//! | --- | --- | --- |
//! | `process` | [`PROCESS_BYTES`] | what is resident and no other part accounts for: the program, stacks, buffers of connections, SQLite's pages, what the allocator keeps for later |
//! | `admission` | a quarter of the limit | requests that are received and not yet answered |
//! | `journal` | a quarter of the limit for durable pipelines; for one in memory, the longest lag of its consumers | records in memory |
//! | `delivery` | for each exporter that pushes, and pipeline: its read-ahead and one request | requests in flight |
//! | each connector, each Prometheus table | what the configuration says | series |
//! | `snapshots` | twice the largest of these states | the state being saved: one at a time, and the copy that is written |
//! | `phase_store` | what the receiver says | request bodies |
//!
//! The limit is that of the `memory_limiter`, or [`DEFAULT_BYTES`] to divide without one. With a limiter the budget is
//! the limit, although the bounds add up to more: not everything is full at the same time. What is held in all is
//! looked at every [`FOLLOW`]; beyond the limit less its spike (*soft*) the processor declines batches, and beyond the
//! middle between there and the limit nothing is admitted any more, before anything is buffered.
//!
//! - **Guaranteed:** what the parts hold is known to [`FOLLOW`], and on `/metrics` exactly.
//! - **Not here:** making tables smaller. They have bounds of their own, and their limits should leave room for data;
//!   [`Budget::lines`] warns if they do not.

use std::{sync::Arc, time::Duration};

use exporters::delivery::config::LAG_BYTES_MAX_MEMORY;
use pipelines::{
    component::ComponentId,
    config::ByteSize,
    engine::{drain::Drain, edge::ConsumerEdge, graph::PipelineSpec, run::Edges},
    journal::{Journal, Mode},
    memory::{self, MemoryGauge},
    processors::memory_limiter::Limits,
};
use tokio::time::{MissedTickBehavior, interval};
use tracing::warn;

use crate::{config::Config, receivers::admission::Admission, telemetry::banner::Banner};

/// How the memory is divided, and who holds how much of it.
#[derive(Debug)]
pub(super) struct Budget {
    memory: MemoryGauge,
    /// Nothing without a `memory_limiter`.
    limits: Option<Limits>,
    bounds: Bounds,
}

/// The bounds of the parts that are known before anything is built, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Bounds {
    admission: u64,
    /// What durable pipelines keep in memory.
    tails: u64,
    /// What pipelines in memory keep.
    lags: u64,
    delivery: u64,
    snapshots: u64,
    /// Series: what no refusal makes smaller.
    states: u64,
}

// === impl Budget ===

impl Budget {
    /// Divides what the configuration allows.
    pub(super) fn of(config: &Config) -> Self {
        let limits = config.processors.values().filter_map(pipelines::processors::Config::memory_limits);
        let limits = limits.min_by_key(|limits| limits.bytes_max);
        let bounds = Bounds::of(config, limits.map_or(DEFAULT_BYTES, |limits| limits.bytes_max));
        let budget = Self { memory: MemoryGauge::default(), limits, bounds };
        budget.memory.follow_rest("process", PROCESS_BYTES, || memory::resident_bytes().unwrap_or_default());
        budget
    }

    /// The gauge that knows every part.
    pub(super) fn memory(&self) -> &MemoryGauge {
        &self.memory
    }

    /// What the journal's durable pipelines may keep in memory.
    pub(super) fn tail_bytes(&self) -> u64 {
        self.bounds.tails
    }

    /// Room for requests, the part `admission`.
    pub(super) fn admission(&self) -> Admission {
        let process = self.limits.map(|limits| (self.memory.clone(), limits.admit_up_to()));
        let admission = Admission::within(self.bounds.admission, process);
        let requests = admission.clone();
        self.memory.follow("admission", self.bounds.admission, move || requests.bytes_in_use());
        admission
    }

    /// The part `journal`. Requests that wait for the disk are still admitted, and count there.
    pub(super) fn journal(&self, journal: &Arc<Journal>) {
        let (journal, bounds) = (Arc::clone(journal), self.bounds);
        self.memory
            .follow("journal", bounds.tails.saturating_add(bounds.lags), move || journal.stats().tail_bytes);
    }

    /// The parts `delivery` and `snapshots`.
    pub(super) fn consumers(&self, edges: &Edges) {
        let Bounds { delivery, snapshots, .. } = self.bounds;
        self.follow_edges("delivery", delivery, edges, |edge| edge.in_flight_bytes.value());
        self.follow_edges("snapshots", snapshots, edges, |edge| edge.saving_bytes.value());
    }

    fn follow_edges(&self, name: &str, bytes_max: u64, edges: &Edges, read: fn(&ConsumerEdge) -> i64) {
        if bytes_max > 0 {
            let edges = edges.consumers.clone();
            let sum = move || edges.iter().map(|edge| u64::try_from(read(edge)).unwrap_or_default()).sum();
            self.memory.follow(name, bytes_max, sum);
        }
    }

    /// Keeps the gauge up to date until the drain begins. What the parts hold changes with every request; a gauge
    /// that is a moment late costs nothing on the way of a batch.
    pub(super) fn watch(&self, mut drain: Drain) {
        let memory = self.memory.clone();
        tokio::spawn(async move {
            let mut ticks = interval(FOLLOW);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while tokio::select! { _ = ticks.tick() => true, _ = drain.begun() => false } {
                memory.refresh();
            }
        });
    }

    /// Adds one line with the budget and its parts, and one with the thresholds. Warns if what no refusal makes
    /// smaller may pass the soft one: then a full table would stop the intake for good.
    pub(super) fn lines(&self, banner: &mut Banner) {
        let terms: Vec<_> = self
            .memory
            .readings()
            .into_iter()
            .map(|part| format!("{} {}", part.name, ByteSize(part.bytes_max)))
            .collect();
        let sum = self.memory.bytes_max();
        let Some(limits) = self.limits.filter(|limits| limits.bytes_max < sum) else {
            banner.line("memory budget", format_args!("{} = {}", ByteSize(sum), terms.join(" + ")));
            return;
        };
        let (soft, closed, hard) = (limits.refuse_beyond, limits.admit_up_to(), limits.bytes_max);
        banner.line("memory budget", format_args!("{} of at most {}", ByteSize(hard), terms.join(" + ")));
        let (soft_text, closed) = (ByteSize(soft), ByteSize(closed));
        banner.line(
            "memory limit",
            format_args!("beyond {soft_text} batches are declined, beyond {closed} nothing is admitted"),
        );
        let lasting = PROCESS_BYTES.saturating_add(self.bounds.states);
        if lasting > soft {
            warn!(
                limit = %soft_text,
                lasting = %ByteSize(lasting),
                "full tables would pass the memory limit and stop the intake: raise limit_mib, or lower \
                 memory_max of connectors and series_memory_limit of prometheus"
            );
        }
    }
}

// === impl Bounds ===

impl Bounds {
    fn of(config: &Config, limit: u64) -> Self {
        let graph = &config.service.graph;
        let largest = graph
            .receivers()
            .into_iter()
            .map(|id| config.receivers[id].request_bytes_max())
            .max()
            .unwrap_or(0);
        let lag_of = |pipeline: &PipelineSpec| {
            let lags = pipeline.exporters.iter().map(|id| match config.exporters.get(id) {
                // Only of pipelines in memory: on disk a lag takes no memory.
                Some(exporter) => exporter.lag_bytes_max(false),
                None => LAG_BYTES_MAX_MEMORY,
            });
            lags.max().unwrap_or_default()
        };
        let durable =
            |pipeline: &&PipelineSpec| config.service.modes.get(&pipeline.id) == Some(&Mode::Durable);
        let (durable, in_memory): (Vec<_>, Vec<_>) = graph.pipelines().iter().partition(durable);
        let read_ahead = |id: &ComponentId| {
            let each = config.exporters[id].read_ahead_bytes_max()?.saturating_add(largest);
            Some(each.saturating_mul(graph.ending_at(id).count() as u64))
        };
        let connectors = graph.connectors().into_iter().map(|id| config.connectors[id].memory_max());
        let tables = graph.exporters().into_iter().filter_map(|id| config.exporters[id].state_bytes_max());
        let states: Vec<_> = connectors.chain(tables).collect();
        let largest_state = states.iter().copied().max().unwrap_or_default();
        Self {
            admission: limit / 4,
            tails: if durable.is_empty() { 0 } else { limit / 4 },
            lags: sum(in_memory.into_iter().map(lag_of)),
            delivery: sum(graph.exporters().into_iter().filter_map(read_ahead)),
            snapshots: if durable.is_empty() { 0 } else { largest_state },
            states: sum(states),
        }
    }
}

fn sum(bytes: impl IntoIterator<Item = u64>) -> u64 {
    bytes.into_iter().fold(0, u64::saturating_add)
}

/// How late the gauge may be.
const FOLLOW: Duration = Duration::from_millis(50);
/// Without a `memory_limiter`.
const DEFAULT_BYTES: u64 = 512 << 20;
/// What the process itself may take; idle it takes a third of this.
const PROCESS_BYTES: u64 = 64 << 20;

#[cfg(test)]
mod tests;
