//! The list of connectors: consumers of one pipeline that feed another.
//!
//! Each is an [`Aggregator`]: a state machine without clock or I/O, driven by the engine. What they share is
//! built once: [`table`] (bounded series), [`distribution`], [`exponential`] and [`exemplars`] (what a series holds),
//! [`key`] (what tells series apart), [`glob`] (names of attributes), [`sampling`] (what `tracestate` says), [`state`] (what is saved), [`emit`] (what all write alike).

pub(crate) mod distribution;
pub(crate) mod emit;
pub(crate) mod exemplars;
pub(crate) mod exponential;
pub(crate) mod glob;
pub(crate) mod key;
pub(crate) mod overflow;
pub(crate) mod sampling;
pub(crate) mod state;
pub mod stats;
pub(crate) mod table;
#[cfg(test)]
pub(crate) mod testing;
pub(crate) mod wanted;

pub mod event_metrics;
pub mod span_metrics;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use proto::SignalKind;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{config::ConfigError, consumer::Aggregator};
use stats::Stats;

/// What a user writes under a connector's name; one variant for each of [`KINDS`].
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Config {
    /// `event_metrics`.
    EventMetrics(event_metrics::Config),
    /// `span_metrics`.
    SpanMetrics(Box<span_metrics::Config>),
}

/// A connector, ready to be driven.
pub struct Built {
    /// The state machine.
    pub aggregator: Box<dyn Aggregator>,
    /// What it tells about itself.
    pub stats: Arc<Stats>,
}

// === impl Config ===

impl Config {
    /// Reads the configuration of a connector of this kind.
    ///
    /// # Errors
    /// `kind` is none of [`KINDS`], or what is written does not fit it.
    pub fn deserialize<'de, D: Deserializer<'de>>(kind: &str, deserializer: D) -> Result<Self, D::Error> {
        match kind {
            "event_metrics" => event_metrics::Config::deserialize(deserializer).map(Self::EventMetrics),
            "span_metrics" => Box::deserialize(deserializer).map(Self::SpanMetrics),
            _ => Err(serde::de::Error::unknown_variant(kind, KINDS)),
        }
    }

    /// Checks what types cannot say.
    ///
    /// # Errors
    /// All faults, with paths below the connector.
    pub fn check(&self) -> Result<(), Vec<ConfigError>> {
        match self {
            Self::EventMetrics(config) => config.check(),
            Self::SpanMetrics(config) => config.check(),
        }
    }

    /// Keys that were written and have no effect, with paths below the connector.
    pub fn warnings(&self) -> Vec<ConfigError> {
        match self {
            Self::EventMetrics(_) => Vec::new(),
            Self::SpanMetrics(config) => config.warnings(),
        }
    }

    /// The signal it reads.
    pub fn takes(&self) -> SignalKind {
        match self {
            Self::EventMetrics(_) => SignalKind::Logs,
            Self::SpanMetrics(_) => SignalKind::Traces,
        }
    }

    /// The signal it emits.
    pub fn gives(&self) -> SignalKind {
        SignalKind::Metrics
    }

    /// How often it emits what has changed.
    pub fn flush_interval(&self) -> Duration {
        match self {
            Self::EventMetrics(config) => config.metrics_flush_interval.0,
            Self::SpanMetrics(config) => config.metrics_flush_interval.0,
        }
    }

    /// Bytes its state may hold at most.
    pub fn memory_max(&self) -> u64 {
        match self {
            Self::EventMetrics(config) => config.memory_max.0,
            Self::SpanMetrics(config) => config.memory_max.0,
        }
    }

    /// Files it names. Whoever builds it reads them and passes their texts.
    pub fn files(&self) -> Vec<&str> {
        match self {
            Self::EventMetrics(config) => config.files().collect(),
            Self::SpanMetrics(_) => Vec::new(),
        }
    }

    /// Makes the connector. `texts` holds the text of each of the [`files`](Self::files), by its path.
    ///
    /// # Errors
    /// As [`check`](Self::check), and what is wrong in the files.
    pub fn build(&self, texts: &BTreeMap<String, String>) -> Result<Built, Vec<ConfigError>> {
        self.check()?;
        Ok(match self {
            Self::EventMetrics(config) => {
                let connector = config.build(texts)?;
                Built { stats: connector.stats(), aggregator: Box::new(connector) }
            }
            Self::SpanMetrics(config) => {
                let connector = span_metrics::SpanMetrics::new((**config).clone())?;
                Built { stats: connector.stats(), aggregator: Box::new(connector) }
            }
        })
    }
}

/// The kinds of connectors, by canonical name.
pub const KINDS: &[&str] = &["event_metrics", "span_metrics"];
