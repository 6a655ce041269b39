//! What users write about queue and retry, alike for every exporter that pushes.
//!
//! The keys are the OpenTelemetry Collector's. Three defaults differ on purpose:
//!
//! - `retry_on_failure.max_elapsed_time` is 0, for ever, where the Collector drops data after 300 s:
//!   what the journal holds was acknowledged, and it leaves only delivered, refused for good, or by
//!   the pipeline's own `on_full`. A time that is written is obeyed, and what it costs is counted.
//! - `retry_on_failure.randomization_factor` unset means full jitter.
//! - `sending_queue.num_consumers` is 4, not 10: requests are joined up to 2 MiB, so that four in
//!   flight fill a fast link. Without a queue (`enabled: false`) requests are not joined, and up to
//!   [`IN_FLIGHT_WITHOUT_QUEUE`] are in flight, as many as senders wait.

use std::time::Duration;

use pipelines::{
    config::{ByteSize, ConfigError, IgnoredAny, Span},
    journal,
    processors::Hints,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Settings,
    backoff::Policy,
    gather::{Gathering, Size},
};

/// `retry_on_failure`: what follows a passing failure.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetryOnFailure {
    /// Off: a passing failure is final at once.
    pub enabled: bool,
    /// The first interval.
    pub initial_interval: Span,
    /// Unset: a delay anywhere between zero and the interval. Else within `interval * (1 ± factor)`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub randomization_factor: Option<f64>,
    /// The factor from one interval to the next.
    pub multiplier: f64,
    /// The longest interval.
    pub max_interval: Span,
    /// How long one request is tried; 0 is for ever.
    pub max_elapsed_time: Span,
}

/// `sending_queue`: the exporter's place in the journal.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SendingQueue {
    /// Off: the pipeline answers `delivered`.
    pub enabled: bool,
    /// Requests in flight.
    pub num_consumers: usize,
    /// With `sizer: bytes` the same as `max_lag_bytes`; in other units without effect.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue_size: Option<ByteSize>,
    /// What `queue_size` counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sizer: Option<Sizer>,
    /// Any storage extension: the pipeline is durable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// Wait for more before a request is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
    /// Without effect: a full queue answers at once, so that the sender keeps the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub block_on_overflow: Option<bool>,
    /// The pipeline answers `delivered`.
    pub wait_for_result: bool,
}

/// `sending_queue.batch`: how long to wait for a request to fill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Batch {
    /// The longest wait.
    pub flush_timeout: Span,
    /// A request of this size is sent without further wait.
    pub min_size: ByteSize,
    /// A request is cut to this size; 0 is our own limit alone.
    pub max_size: ByteSize,
    /// What both sizes count.
    pub sizer: Sizer,
    /// Without effect: what clients say about themselves is not kept.
    #[serde(skip_serializing)]
    pub partition: Option<IgnoredAny>,
}

/// A unit of size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Sizer {
    /// Requests as they came in.
    Requests,
    /// Spans, data points, log records.
    Items,
    /// Encoded bytes.
    Bytes,
}

/// `on_full`: what happens when the exporter lags behind by its whole budget.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnFull {
    /// New data is refused, so that the sender keeps it.
    #[default]
    Refuse,
    /// The oldest data is dropped and counted.
    DropOldest,
}

// === impl RetryOnFailure ===

impl RetryOnFailure {
    /// Every fault, with its path below `retry_on_failure`.
    pub fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if self.initial_interval.0.is_zero() {
            errors.push(ConfigError::new("initial_interval", "must be longer than 0, for example 5s"));
        }
        if self.max_interval.0 < self.initial_interval.0 {
            errors.push(ConfigError::new("max_interval", "must not be shorter than initial_interval"));
        }
        if !(1.0..=MULTIPLIER_MAX).contains(&self.multiplier) {
            errors.push(ConfigError::new("multiplier", format!("must lie between 1 and {MULTIPLIER_MAX}")));
        }
        if self.randomization_factor.is_some_and(|factor| !(0.0..=1.0).contains(&factor)) {
            errors.push(ConfigError::new("randomization_factor", "must lie between 0 and 1"));
        }
        errors
    }

    fn policy(&self) -> Policy {
        let elapsed_max = self.max_elapsed_time.0;
        Policy {
            enabled: self.enabled,
            initial: self.initial_interval.0,
            multiplier: self.multiplier,
            max: self.max_interval.0,
            randomization: self.randomization_factor,
            elapsed_max: (!elapsed_max.is_zero()).then_some(elapsed_max),
        }
    }
}

impl Default for RetryOnFailure {
    fn default() -> Self {
        let Policy { enabled, initial, multiplier, max, randomization, .. } = Policy::default();
        Self {
            enabled,
            initial_interval: Span(initial),
            randomization_factor: randomization,
            multiplier,
            max_interval: Span(max),
            max_elapsed_time: Span(Duration::ZERO),
        }
    }
}

// === impl SendingQueue ===

impl SendingQueue {
    /// Every fault, with its path below `sending_queue`.
    pub fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if !(1..=CONSUMERS_MAX).contains(&self.num_consumers) {
            let message = format!("must lie between 1 and {CONSUMERS_MAX}");
            errors.push(ConfigError::new("num_consumers", message));
        }
        let batch = self.batch.iter().flat_map(|batch| batch.check());
        errors.extend(batch.map(|error| error.under("batch")));
        errors
    }

    /// Keys that are written but change nothing here.
    pub fn without_effect(&self) -> Vec<ConfigError> {
        let mut notes = Vec::new();
        if self.queue_size.is_some() && self.sizer != Some(Sizer::Bytes) {
            let message = "has no effect without `sizer: bytes`; the queue is bounded by max_lag_bytes";
            notes.push(ConfigError::new("queue_size", message));
        }
        if self.block_on_overflow == Some(true) {
            let message = "has no effect; a full queue answers at once, so that the sender keeps the data";
            notes.push(ConfigError::new("block_on_overflow", message));
        }
        notes
    }

    /// Whether the pipeline must be durable.
    pub fn wants_durable(&self) -> bool {
        self.enabled && self.storage.is_some()
    }

    /// Whether the pipeline answers only when its exporters have delivered.
    pub fn wants_delivered(&self) -> bool {
        !self.enabled || self.wait_for_result
    }

    /// How far the exporter may lag behind, in bytes, in a pipeline that is `durable` or one in memory.
    pub fn lag_bytes_max(&self, max_lag_bytes: Option<ByteSize>, durable: bool) -> u64 {
        let queue = self.queue_size.filter(|_| self.sizer == Some(Sizer::Bytes));
        max_lag_bytes.or(queue).map_or_else(|| lag_bytes_max(durable), |size| size.0)
    }

    /// What the delivery loop is built from. `seed` makes its jitter repeatable. What the queue's own `batch` says
    /// goes before the `hints` of a `batch` processor in front of the exporter.
    pub fn settings(&self, retry: &RetryOnFailure, seed: u64, hints: Option<Hints>) -> Settings {
        let mut gathering = Gathering::default();
        match (&self.batch, hints) {
            (Some(batch), _) => batch.shape(&mut gathering),
            (None, Some(Hints { timeout, items, items_max })) => {
                gathering.wait_max = timeout;
                gathering.enough = Size::Items(items);
                gathering.items_max = items_max.unwrap_or(usize::MAX);
            }
            (None, None) => {}
        }
        let in_flight_max = if self.enabled { self.num_consumers } else { IN_FLIGHT_WITHOUT_QUEUE };
        Settings { in_flight_max, gathering, retry: retry.policy(), seed }
    }
}

impl Default for SendingQueue {
    fn default() -> Self {
        Self {
            enabled: true,
            num_consumers: IN_FLIGHT_DEFAULT,
            queue_size: None,
            sizer: None,
            storage: None,
            batch: None,
            block_on_overflow: None,
            wait_for_result: false,
        }
    }
}

// === impl Batch ===

impl Batch {
    fn check(&self) -> Vec<ConfigError> {
        let mut errors = Vec::new();
        if self.sizer == Sizer::Requests {
            errors.push(ConfigError::new("sizer", "must be `items` or `bytes`"));
        }
        if self.max_size.0 != 0 && self.max_size < self.min_size {
            errors.push(ConfigError::new("max_size", "must be 0 or not less than min_size"));
        }
        if self.flush_timeout.0.is_zero() && self.min_size.0 > 0 {
            errors.push(ConfigError::new("flush_timeout", "must be longer than 0, for example 200ms"));
        }
        errors
    }

    fn shape(&self, gathering: &mut Gathering) {
        let bytes = self.sizer == Sizer::Bytes;
        let size = |size: ByteSize| usize::try_from(size.0).unwrap_or(usize::MAX);
        gathering.wait_max = self.flush_timeout.0;
        gathering.enough =
            if bytes { Size::Bytes(size(self.min_size)) } else { Size::Items(size(self.min_size)) };
        match self.max_size.0 {
            0 => {}
            _ if bytes => {
                gathering.bytes_max = size(self.max_size);
                gathering.bytes_target = gathering.bytes_target.min(gathering.bytes_max);
            }
            _ => gathering.items_max = size(self.max_size),
        }
    }
}

impl Default for Batch {
    fn default() -> Self {
        Self {
            flush_timeout: Span(Duration::from_millis(200)),
            min_size: ByteSize(8192),
            max_size: ByteSize(0),
            sizer: Sizer::Items,
            partition: None,
        }
    }
}

// === impl OnFull ===

impl From<OnFull> for journal::OnFull {
    fn from(on_full: OnFull) -> Self {
        match on_full {
            OnFull::Refuse => Self::Refuse,
            OnFull::DropOldest => Self::DropOldest,
        }
    }
}

/// Requests in flight where there is no queue.
pub const IN_FLIGHT_WITHOUT_QUEUE: usize = 64;
/// Room for the dead letters of an exporter, unless `max_dead_letter_bytes` says otherwise.
pub const DEAD_LETTER_BYTES_MAX: u64 = 64 << 20;
/// Requests in flight, unless `num_consumers` says otherwise.
const IN_FLIGHT_DEFAULT: usize = 4;
const CONSUMERS_MAX: usize = 1000;
const MULTIPLIER_MAX: f64 = 100.0;
/// How far an exporter may lag behind, in bytes, if nothing else is said.
pub fn lag_bytes_max(durable: bool) -> u64 {
    if durable { LAG_BYTES_MAX_DURABLE } else { LAG_BYTES_MAX_MEMORY }
}

/// The lag budget of a pipeline in memory.
pub const LAG_BYTES_MAX_MEMORY: u64 = 64 << 20;
/// The lag budget of a pipeline on disk.
const LAG_BYTES_MAX_DURABLE: u64 = 1 << 30;
