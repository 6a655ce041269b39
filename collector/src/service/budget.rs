//! The memory budget: a sum of named parts, derived from one number and printed at start.
//!
//! | part | share | what it bounds |
//! | --- | --- | --- |
//! | admission | 1/4 | bytes of requests that are received and not yet answered |
//! | tails | 1/4 | bytes of the journal in memory |
//! | the rest | what the configuration says | series of connectors and of Prometheus tables |
//!
//! The number is `limit_mib` of the `memory_limiter`, or [`DEFAULT_BYTES`] without one.

use pipelines::{config::ByteSize, memory::MemoryGauge};

use crate::{config::Config, telemetry::banner::Banner};

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
        let limiters = config.processors.values().filter_map(pipelines::processors::Config::memory_limit_bytes);
        Self::divide(limiters.min().unwrap_or(DEFAULT_BYTES))
    }

    /// Adds one line with the sum and its terms.
    pub(super) fn lines(self, banner: &mut Banner, memory: &MemoryGauge) {
        let terms: Vec<_> = memory
            .readings()
            .into_iter()
            .map(|part| format!("{} {}", part.name, ByteSize(part.bytes_max)))
            .collect();
        banner.line("memory budget", format_args!("{} = {}", ByteSize(memory.bytes_max()), terms.join(" + ")));
    }

    fn divide(bytes: u64) -> Self {
        Self { admission_bytes: bytes / 4, tail_bytes: bytes / 4 }
    }
}

/// Without a `memory_limiter`.
const DEFAULT_BYTES: u64 = 512 << 20;
