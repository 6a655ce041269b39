//! What the user writes under `event_metrics:`, checked.

use std::{collections::BTreeMap, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::{ByteSize, ConfigError, Span},
    connectors::{
        event_metrics::{EventMetrics, catalog::Catalog},
        table::Limits,
    },
};

/// What the user writes under `event_metrics:`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Names of shipped catalogs, and paths of catalog files (a `/`, or an end in `.yaml` or `.yml`).
    pub catalog: Vec<String>,
    /// How often changed series are emitted.
    pub metrics_flush_interval: Span,
    /// A series idle for longer leaves, and starts anew when it returns; 0 keeps all for ever.
    pub metrics_expiration: Span,
    /// Series of one metric; what goes beyond is counted in its overflow series. 0 means no limit.
    pub aggregation_cardinality_limit: usize,
    /// Memory of all series; what goes beyond is counted in overflow series.
    pub memory_max: ByteSize,
    /// Links from the numbers to the traces behind them.
    pub exemplars: Exemplars,
}

/// Links from the numbers to the traces behind them.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Exemplars {
    /// On by default.
    pub enabled: bool,
}

// === impl Config ===

impl Config {
    /// Checks what types cannot say. Catalog files are checked by [`build`](Self::build), which has their text.
    ///
    /// # Errors
    /// All faults, with paths below `event_metrics`.
    pub fn check(&self) -> Result<(), Vec<ConfigError>> {
        let mut errors = Vec::new();
        if self.catalog.is_empty() {
            let message = "names no catalog, so there would be no metrics; write for example [rsolv]";
            errors.push(ConfigError::new("catalog", message));
        }
        for (index, name) in self.catalog.iter().enumerate() {
            if !is_file(name) && Catalog::shipped(name).is_none() {
                let known = Catalog::shipped_names().collect::<Vec<_>>().join(", ");
                let message = format!(
                    "`{name}` is no catalog; shipped: {known}; a file is written with its path, such as ./{name}.yaml"
                );
                errors.push(ConfigError::new(format!("catalog[{index}]"), message));
            }
        }
        if self.metrics_flush_interval.0.is_zero() {
            errors.push(ConfigError::new("metrics_flush_interval", "must be longer than 0, for example 15s"));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The catalog files whose texts [`build`](Self::build) needs.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.catalog.iter().map(String::as_str).filter(|name| is_file(name))
    }

    /// Reads the catalogs and joins them.
    ///
    /// # Errors
    /// A name that is no catalog, a file whose text was not passed, everything that is wrong in a text, and
    /// metrics that two catalogs declare differently.
    pub fn catalog(&self, texts: &BTreeMap<String, String>) -> Result<Catalog, Vec<ConfigError>> {
        let mut joined = Catalog::default();
        let mut errors = Vec::new();
        for (index, name) in self.catalog.iter().enumerate() {
            let missing =
                || vec![ConfigError::new(format!("catalog[{index}]"), format!("`{name}` was not read"))];
            let read = if is_file(name) {
                texts.get(name).ok_or_else(missing).and_then(|text| Catalog::parse(name, text))
            } else {
                Catalog::shipped(name).ok_or_else(missing)
            };
            errors.extend(read.and_then(|catalog| joined.merge(catalog)).err().unwrap_or_default());
        }
        if errors.is_empty() { Ok(joined) } else { Err(errors) }
    }

    /// Makes the state machine. `texts` holds the text of each of the [`files`](Self::files), by its path.
    ///
    /// # Errors
    /// As [`catalog`](Self::catalog).
    pub fn build(&self, texts: &BTreeMap<String, String>) -> Result<EventMetrics, Vec<ConfigError>> {
        let expiration = Some(self.metrics_expiration.0).filter(|span| !span.is_zero());
        let limits = Limits::new(self.aggregation_cardinality_limit, self.memory_max, expiration);
        Ok(EventMetrics::new(self.catalog(texts)?, self.exemplars.enabled, limits))
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            catalog: Vec::new(),
            metrics_flush_interval: Span(Duration::from_secs(60)),
            metrics_expiration: Span(Duration::ZERO),
            aggregation_cardinality_limit: 10_000,
            memory_max: ByteSize(32 << 20),
            exemplars: Exemplars::default(),
        }
    }
}

// === impl Exemplars ===

impl Default for Exemplars {
    fn default() -> Self {
        Self { enabled: true }
    }
}

fn is_file(name: &str) -> bool {
    name.contains('/') || name.ends_with(".yaml") || name.ends_with(".yml")
}
