//! `batch`: accepted for the sake of existing configurations, and mapped.
//!
//! - **In, out:** any batch, untouched.
//! - **Guaranteed:** nothing is answered before the journal has it, unlike the Collector's processor of this
//!   name, which answers first and sends later.
//! - **Not here:** the joining itself. What is asked for here are [`Hints`] to the exporters behind it, which
//!   join what they read from the journal anyway.

use std::time::Duration;

use proto::{Batch, Signal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    client::Client,
    config::{ConfigError, IgnoredAny, Span},
    processor::Processor,
    refusal::Refusal,
};

/// What the user writes under `batch:`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// How long an item may wait for others.
    pub timeout: Span,
    /// Items (spans, points, records) after which nothing waits any longer.
    pub send_batch_size: usize,
    /// Items in one request at most; 0 means no limit.
    pub send_batch_max_size: usize,
    /// Not built yet.
    pub metadata_keys: Vec<String>,
    /// Without effect: it belongs to `metadata_keys`.
    #[serde(skip_serializing)]
    pub metadata_cardinality_limit: Option<IgnoredAny>,
}

/// What a `batch` processor asks of the exporters behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hints {
    /// How long an item may wait for others.
    pub timeout: Duration,
    /// Items after which nothing waits any longer.
    pub items: usize,
    /// Items in one request at most, if there is a limit.
    pub items_max: Option<usize>,
}

/// Passes every batch on as it came.
#[derive(Clone, Copy, Debug)]
pub struct PassOn;

// === impl Config ===

impl Config {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// All faults, with paths below `batch`.
    pub fn check(&self) -> Result<(), Vec<ConfigError>> {
        let mut errors = Vec::new();
        if self.send_batch_max_size != 0 && self.send_batch_max_size < self.send_batch_size {
            let size = self.send_batch_size;
            let message = format!("must be 0 or at least send_batch_size, which is {size}");
            errors.push(ConfigError::new("send_batch_max_size", message));
        }
        if !self.metadata_keys.is_empty() {
            errors.push(ConfigError::new("metadata_keys", "is not supported yet, leave it out"));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// What it asks of the exporters.
    pub fn hints(&self) -> Hints {
        Hints {
            timeout: self.timeout.0,
            items: self.send_batch_size,
            items_max: Some(self.send_batch_max_size).filter(|max| *max > 0),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            timeout: Span(Duration::from_millis(200)),
            send_batch_size: 8_192,
            send_batch_max_size: 0,
            metadata_keys: Vec::new(),
            metadata_cardinality_limit: None,
        }
    }
}

// === impl PassOn ===

impl<S: Signal> Processor<S> for PassOn {
    fn process(&self, batch: Batch<S>, _client: &Client) -> Result<Option<Batch<S>>, Refusal> {
        Ok(Some(batch))
    }
}
