//! `memory_limiter`: declines batches, retryably, while the process holds too many bytes.
//!
//! - **In, out:** any batch, untouched.
//! - **Guaranteed:** the decision takes one atomic load. A refusal is retryable, so a sender that keeps to OTLP
//!   loses nothing.
//! - **Not here:** the measuring; the [`MemoryGauge`] knows what every part of the process holds, series tables among
//!   them. What comes in while even that does not help: close to the hard limit receivers admit nothing
//!   ([`Limits::admit_up_to`]), so that nothing is buffered to be declined here. Where the Collector would collect
//!   garbage, there is none.

use std::time::Duration;

use proto::{Batch, Signal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    client::Client,
    config::{ConfigError, IgnoredAny, Span},
    memory::{MemoryGauge, machine_bytes},
    processor::Processor,
    refusal::{Reason, Refusal},
};

/// What the user writes under `memory_limiter:`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Of no effect: what is held is known at any moment.
    pub check_interval: Span,
    /// The bytes the process may hold, in MiB (hard limit): close to it nothing is admitted.
    pub limit_mib: u64,
    /// How far below the limit batches begin to be declined (soft limit), in MiB; a fifth of the limit by default.
    pub spike_limit_mib: u64,
    /// The limit as a share of the machine's (or the container's) memory, if `limit_mib` is 0.
    pub limit_percentage: u64,
    /// How far below the limit refusing begins, as a share of the machine's memory.
    pub spike_limit_percentage: u64,
    /// Without effect: there is no garbage collector.
    #[serde(skip_serializing)]
    pub min_gc_interval_when_soft_limited: Option<IgnoredAny>,
    /// Without effect: there is no garbage collector.
    #[serde(skip_serializing)]
    pub min_gc_interval_when_hard_limited: Option<IgnoredAny>,
    /// Without effect: there is no garbage collector.
    #[serde(skip_serializing)]
    pub max_gc_interval_when_soft_limited: Option<IgnoredAny>,
    /// Without effect: there is no garbage collector.
    #[serde(skip_serializing)]
    pub max_gc_interval_when_hard_limited: Option<IgnoredAny>,
}

/// The bounds, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// What the process may hold (hard).
    pub bytes_max: u64,
    /// Beyond this, batches are declined (soft).
    pub refuse_beyond: u64,
}

/// Declines batches while too many bytes are held.
#[derive(Clone, Debug)]
pub struct MemoryLimiter {
    memory: MemoryGauge,
    limits: Limits,
}

// === impl Config ===

impl Config {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// All faults, with paths below `memory_limiter`.
    pub fn check(&self) -> Result<(), Vec<ConfigError>> {
        let mut errors = Vec::new();
        let shares = [
            ("limit_percentage", self.limit_percentage),
            ("spike_limit_percentage", self.spike_limit_percentage),
        ];
        for (path, share) in shares {
            if share > 100 {
                errors.push(ConfigError::new(
                    path,
                    format!("is {share}, a share of the memory is at most 100"),
                ));
            }
        }
        if self.limit_mib == 0 && self.limit_percentage == 0 {
            let message = "is missing; write for example limit_mib: 512, or limit_percentage: 75";
            errors.push(ConfigError::new("limit_mib", message));
        } else {
            let Limits { bytes_max, refuse_beyond } = self.limits();
            let (path, unit) = if self.limit_mib > 0 {
                ("spike_limit_mib", "limit_mib")
            } else {
                ("spike_limit_percentage", "limit_percentage")
            };
            if refuse_beyond == 0 && bytes_max > 0 {
                errors.push(ConfigError::new(
                    path,
                    format!("must be less than {unit}, or everything is refused"),
                ));
            }
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The bounds in bytes.
    pub fn limits(&self) -> Limits {
        let share = |percent: u64| machine_bytes() / 100 * percent;
        let (bytes_max, spike) = match self.limit_mib {
            0 => (share(self.limit_percentage), share(self.spike_limit_percentage)),
            mib => (mib.saturating_mul(MIB), self.spike_limit_mib.saturating_mul(MIB)),
        };
        let spike = if spike == 0 { bytes_max / 5 } else { spike };
        Limits { bytes_max, refuse_beyond: bytes_max.saturating_sub(spike) }
    }

    /// Makes the processor over what the process holds.
    pub fn build(&self, memory: MemoryGauge) -> MemoryLimiter {
        MemoryLimiter { memory, limits: self.limits() }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            check_interval: Span(Duration::from_secs(1)),
            limit_mib: 0,
            spike_limit_mib: 0,
            limit_percentage: 0,
            spike_limit_percentage: 0,
            min_gc_interval_when_soft_limited: None,
            min_gc_interval_when_hard_limited: None,
            max_gc_interval_when_soft_limited: None,
            max_gc_interval_when_hard_limited: None,
        }
    }
}

// === impl Limits ===

impl Limits {
    /// Beyond this receivers admit nothing: half of the spike is left for what is under way.
    pub fn admit_up_to(self) -> u64 {
        self.bytes_max - self.bytes_max.saturating_sub(self.refuse_beyond) / 2
    }
}

// === impl MemoryLimiter ===

impl<S: Signal> Processor<S> for MemoryLimiter {
    fn process(&self, batch: Batch<S>, _client: &Client) -> Result<Option<Batch<S>>, Refusal> {
        if self.memory.bytes() > self.limits.refuse_beyond {
            return Err(Refusal::retry(Reason::MemoryLimit));
        }
        Ok(Some(batch))
    }
}

const MIB: u64 = 1 << 20;

#[cfg(test)]
mod tests;
