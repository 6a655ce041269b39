//! The memory budget: a sum of named parts, derived from one number and printed at start.
//!
//! | part | share | what it bounds |
//! | --- | --- | --- |
//! | admission | 1/4 | bytes of requests that are received and not yet answered |
//! | tails | 1/4 | bytes of the journal in memory |
//! | the rest | what the configuration says | series of connectors and of Prometheus tables |
//!
//! The number is `limit_mib` of the `memory_limiter`, or [`DEFAULT_BYTES`] without one.

use std::{sync::Arc, time::Duration};

use pipelines::{config::ByteSize, engine::drain::Drain, journal::Journal, memory::MemoryGauge};
use tokio::time::{MissedTickBehavior, interval};

use crate::{config::Config, receivers::admission::Admission, telemetry::banner::Banner};

/// How the memory is divided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// Requests in flight.
    pub(super) admission_bytes: u64,
    /// The journal's tails.
    pub(super) tail_bytes: u64,
}

// === impl Budget ===

impl Budget {
    /// Divides what the configuration allows.
    pub(super) fn of(config: &Config) -> Self {
        let limiters =
            config.processors.values().filter_map(pipelines::processors::Config::memory_limit_bytes);
        Self::divide(limiters.min().unwrap_or(DEFAULT_BYTES))
    }

    /// Keeps the parts `admission` and `journal` of the gauge up to date until the drain begins. What they hold
    /// changes with every request; a gauge that is a moment late costs no atomic on the way of a batch.
    pub(super) fn follow(
        self,
        memory: &MemoryGauge,
        admission: Admission,
        journal: Arc<Journal>,
        mut drain: Drain,
    ) {
        let requests = memory.part("admission", self.admission_bytes);
        let tails = memory.part("journal", self.tail_bytes);
        tokio::spawn(async move {
            let mut ticks = interval(FOLLOW);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while tokio::select! { _ = ticks.tick() => true, _ = drain.begun() => false } {
                requests.set(admission.bytes_in_use());
                let stats = journal.stats();
                tails.set(stats.tail_bytes + stats.queued_bytes);
            }
        });
    }

    /// Adds one line with the sum and its terms.
    pub(super) fn lines(self, banner: &mut Banner, memory: &MemoryGauge) {
        let terms: Vec<_> = memory
            .readings()
            .into_iter()
            .map(|part| format!("{} {}", part.name, ByteSize(part.bytes_max)))
            .collect();
        banner
            .line("memory budget", format_args!("{} = {}", ByteSize(memory.bytes_max()), terms.join(" + ")));
    }

    fn divide(bytes: u64) -> Self {
        Self { admission_bytes: bytes / 4, tail_bytes: bytes / 4 }
    }
}

/// How late the gauge may be.
const FOLLOW: Duration = Duration::from_millis(100);
/// Without a `memory_limiter`.
const DEFAULT_BYTES: u64 = 512 << 20;
