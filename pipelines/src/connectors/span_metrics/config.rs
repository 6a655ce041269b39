//! What the user writes under `span_metrics:`, checked.
//!
//! The keys are those of the OpenTelemetry Collector's connector. A key that means something there and is not
//! built yet is refused with a sentence, never passed over.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::{ByteSize, ConfigError, Span},
    connectors::{distribution::BOUNDS_MAX, state::stable_hash, wanted::WANTED_MAX},
};

/// What the user writes under `span_metrics:`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What stands before `.calls` and `.duration`; may be empty.
    pub namespace: String,
    /// Attributes that tell series apart, by their text, besides `service.name`, `span.name`, `span.kind` and
    /// `status.code`.
    pub dimensions: Vec<Dimension>,
    /// Which of those four to leave out.
    pub exclude_dimensions: Vec<String>,
    /// The durations.
    pub histogram: Histogram,
    /// Links from the numbers to the traces behind them.
    pub exemplars: Exemplars,
    /// How often changed series are emitted.
    pub metrics_flush_interval: Span,
    /// A series idle for longer leaves, and starts anew when it returns; 0 keeps all for ever.
    pub metrics_expiration: Span,
    /// The Collector's newer name of `metrics_expiration`, by series as ours always is.
    pub series_expiration: Span,
    /// Series of one resource, or of all without `add_resource_attributes`; what goes beyond is counted in an
    /// overflow series. 0 means no limit.
    pub aggregation_cardinality_limit: usize,
    /// Resources held; a new one takes the place of the one idle longest, for 5 minutes at least, whose counts go
    /// to the overflow resource, or goes there itself while there is none.
    pub resource_metrics_cache_size: usize,
    /// The resource attributes that tell resources apart; all if empty. Of no effect without
    /// `add_resource_attributes`.
    pub resource_metrics_key_attributes: Vec<String>,
    /// Whether the metrics carry the attributes of the spans' resource, so that each resource has series of its
    /// own. Without it spans of all resources are added up by their dimensions, as the Collector documents it:
    /// Prometheus shows no more than those either.
    pub add_resource_attributes: bool,
    /// Only `AGGREGATION_TEMPORALITY_CUMULATIVE`.
    pub aggregation_temporality: String,
    /// Memory of all series; what goes beyond is counted in overflow series.
    pub memory_max: ByteSize,
    /// Not built yet.
    pub include_instrumentation_scope: Vec<String>,
    /// Not built yet.
    pub calls_dimensions: Vec<Dimension>,
    /// Not built yet.
    pub events: Events,
    /// Of no effect: dimensions are not cached here.
    pub dimensions_cache_size: Option<usize>,
    /// Of no effect: it belongs to delta temporality.
    pub metric_timestamp_cache_size: Option<usize>,
}

/// One attribute that tells series apart.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Dimension {
    /// A span attribute, or else a resource attribute.
    pub name: String,
    /// The value where neither has it; without one the label is left out.
    #[serde(default)]
    pub default: Option<String>,
}

/// The durations.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Histogram {
    /// Emit calls only.
    pub disable: bool,
    /// `ms` or `s`.
    pub unit: Unit,
    /// Bounds; the default ones without it.
    pub explicit: Option<Explicit>,
    /// Not built yet.
    pub exponential: Option<Exponential>,
    /// Not built yet.
    pub dimensions: Vec<Dimension>,
}

/// The unit of the durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Milliseconds.
    #[default]
    Ms,
    /// Seconds.
    S,
}

/// Bounds of the buckets.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Explicit {
    /// Ascending durations.
    pub buckets: Vec<Span>,
}

/// Exponential histograms are not built yet.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Exponential {
    /// Buckets at most.
    pub max_size: Option<u32>,
}

/// Links from the numbers to the traces behind them.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Exemplars {
    /// On, unlike in the Collector: they are what the metrics are for.
    pub enabled: bool,
    /// How many of them one emitted point carries, the newest; by default as many as there are buckets.
    pub max_per_data_point: Option<usize>,
}

/// Metrics of span events are not built yet.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// Whether span events are counted.
    pub enabled: bool,
    /// What tells them apart.
    pub dimensions: Vec<Dimension>,
}

// === impl Config ===

impl Config {
    /// Checks what types cannot say.
    ///
    /// # Errors
    /// All faults, with paths below `span_metrics`.
    pub fn check(&self) -> Result<(), Vec<ConfigError>> {
        let mut errors = Vec::new();
        self.check_dimensions(&mut errors);
        self.check_histogram(&mut errors);
        self.check_not_built(&mut errors);
        if self.resource_metrics_cache_size == 0 {
            let message = "must be at least 1: without a resource there is nothing to count for";
            errors.push(ConfigError::new("resource_metrics_cache_size", message));
        }
        if self.metrics_flush_interval.0.is_zero() {
            errors.push(ConfigError::new("metrics_flush_interval", "must be longer than 0, for example 15s"));
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// Identifies what a saved state means: a state written under other dimensions, bounds or names is not
    /// restored.
    pub fn fingerprint(&self) -> u64 {
        let mut parts =
            vec!["span_metrics 2".to_owned(), self.namespace.clone(), self.unit().as_str().into()];
        parts.push(format!("{} {}", self.histogram.disable, self.add_resource_attributes));
        parts.extend(self.bounds().iter().map(f64::to_string));
        parts.extend(self.standard_dimensions().map(str::to_owned));
        for dimension in &self.dimensions {
            parts.extend([format!("dimension {}", dimension.name), format!("{:?}", dimension.default)]);
        }
        parts.extend(self.resource_metrics_key_attributes.iter().map(|name| format!("resource {name}")));
        stable_hash(parts.iter().map(String::as_str))
    }

    /// The bounds of the buckets, in the unit of the histogram; none if there is no histogram.
    pub(crate) fn bounds(&self) -> Vec<f64> {
        match &self.histogram {
            Histogram { disable: true, .. } => Vec::new(),
            Histogram { explicit: Some(explicit), .. } => {
                explicit.buckets.iter().map(|bound| self.unit().of(bound.0)).collect()
            }
            _ => DEFAULT_BOUNDS_MS.iter().map(|ms| self.unit().of(Duration::from_millis(*ms))).collect(),
        }
    }

    /// The standard dimensions that are not left out, in their order.
    pub(crate) fn standard_dimensions(&self) -> impl Iterator<Item = &'static str> {
        STANDARD_DIMENSIONS.into_iter().filter(|name| !self.exclude_dimensions.iter().any(|out| out == name))
    }

    /// Every dimension, in the order of a series' key.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> + '_ {
        let custom = self.dimensions.iter().map(|dimension| dimension.name.as_str());
        let standard = self.standard_dimensions().map(|name| -> &str { name });
        standard.chain(custom)
    }

    pub(crate) fn unit(&self) -> Unit {
        self.histogram.unit
    }

    /// Idle time after which a series starts anew; nothing if never.
    pub(crate) fn expiration(&self) -> Option<Duration> {
        let spans = [self.metrics_expiration.0, self.series_expiration.0];
        spans.into_iter().filter(|span| !span.is_zero()).min()
    }

    fn check_dimensions(&self, errors: &mut Vec<ConfigError>) {
        if let Err(error) = ConfigError::at_most("dimensions", self.dimensions.len(), WANTED_MAX) {
            errors.push(error);
        }
        for (index, dimension) in self.dimensions.iter().enumerate() {
            let at = format!("dimensions[{index}].name");
            let earlier = self.dimensions[..index].iter().position(|other| other.name == dimension.name);
            if dimension.name.is_empty() {
                errors.push(ConfigError::new(at, "is empty; name a span or resource attribute"));
            } else if let Some(earlier) = earlier {
                let message = format!("`{}` is already dimensions[{earlier}]; name it once", dimension.name);
                errors.push(ConfigError::new(at, message));
            } else if self.standard_dimensions().any(|name| name == dimension.name) {
                let message = format!(
                    "`{0}` is already one of the default dimensions; leave it out here, or add `{0}` to exclude_dimensions",
                    dimension.name
                );
                errors.push(ConfigError::new(at, message));
            }
        }
        for (index, name) in self.exclude_dimensions.iter().enumerate() {
            if !STANDARD_DIMENSIONS.contains(&name.as_str()) {
                let message = format!("`{name}` is none of {}", STANDARD_DIMENSIONS.join(", "));
                errors.push(ConfigError::new(format!("exclude_dimensions[{index}]"), message));
            }
        }
    }

    fn check_histogram(&self, errors: &mut Vec<ConfigError>) {
        let Some(explicit) = &self.histogram.explicit else { return };
        let path = "histogram.explicit.buckets";
        if explicit.buckets.is_empty() {
            errors.push(ConfigError::new(path, "is empty; leave `explicit` out for the default buckets"));
        }
        if let Err(error) = ConfigError::at_most(path, explicit.buckets.len(), BOUNDS_MAX) {
            errors.push(error);
        }
        for (index, pair) in explicit.buckets.windows(2).enumerate() {
            if pair[1] <= pair[0] {
                let at = format!("{path}[{}]", index + 1);
                let message =
                    format!("{:?} is not longer than the bound before it, {:?}", pair[1].0, pair[0].0);
                errors.push(ConfigError::new(at, message));
            }
        }
    }

    fn check_not_built(&self, errors: &mut Vec<ConfigError>) {
        let temporality = self.aggregation_temporality.as_str();
        match temporality {
            CUMULATIVE => {}
            "AGGREGATION_TEMPORALITY_DELTA" => errors.push(ConfigError::new(
                "aggregation_temporality",
                format!("delta is not supported yet, use {CUMULATIVE}"),
            )),
            _ => errors.push(ConfigError::new(
                "aggregation_temporality",
                format!("`{temporality}` is no temporality, use {CUMULATIVE}"),
            )),
        }
        let not_built = [
            ("histogram.exponential", self.histogram.exponential.is_some(), "use `explicit` buckets"),
            (
                "histogram.dimensions",
                !self.histogram.dimensions.is_empty(),
                "use `dimensions`, for calls and duration",
            ),
            (
                "calls_dimensions",
                !self.calls_dimensions.is_empty(),
                "use `dimensions`, for calls and duration",
            ),
            ("include_instrumentation_scope", !self.include_instrumentation_scope.is_empty(), "leave it out"),
            ("events.enabled", self.events.enabled, "leave `events` out"),
        ];
        for (path, set, instead) in not_built {
            if set {
                errors.push(ConfigError::new(path, format!("is not supported yet, {instead}")));
            }
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            namespace: "traces.span.metrics".into(),
            dimensions: Vec::new(),
            exclude_dimensions: Vec::new(),
            histogram: Histogram::default(),
            exemplars: Exemplars::default(),
            metrics_flush_interval: Span(Duration::from_secs(60)),
            metrics_expiration: Span(Duration::ZERO),
            series_expiration: Span(Duration::ZERO),
            aggregation_cardinality_limit: 10_000,
            resource_metrics_cache_size: 1_000,
            resource_metrics_key_attributes: Vec::new(),
            add_resource_attributes: false,
            aggregation_temporality: CUMULATIVE.into(),
            memory_max: ByteSize(96 << 20),
            include_instrumentation_scope: Vec::new(),
            calls_dimensions: Vec::new(),
            events: Events::default(),
            dimensions_cache_size: None,
            metric_timestamp_cache_size: None,
        }
    }
}

// === impl Dimension ===

impl Dimension {
    /// The default as a label: an empty one is none.
    pub(crate) fn default_label(&self) -> Option<Box<str>> {
        self.default.as_deref().filter(|text| !text.is_empty()).map(Box::from)
    }
}

// === impl Unit ===

impl Unit {
    /// As UCUM writes it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ms => "ms",
            Self::S => "s",
        }
    }

    /// Nanoseconds of one unit.
    pub(crate) fn ns(self) -> f64 {
        match self {
            Self::Ms => 1e6,
            Self::S => 1e9,
        }
    }

    fn of(self, span: Duration) -> f64 {
        span.as_nanos() as f64 / self.ns()
    }
}

// === impl Exemplars ===

impl Default for Exemplars {
    fn default() -> Self {
        Self { enabled: true, max_per_data_point: None }
    }
}

pub(crate) const SERVICE_NAME: &str = "service.name";
pub(crate) const SPAN_NAME: &str = "span.name";
pub(crate) const SPAN_KIND: &str = "span.kind";
pub(crate) const STATUS_CODE: &str = "status.code";

const STANDARD_DIMENSIONS: [&str; 4] = [SERVICE_NAME, SPAN_NAME, SPAN_KIND, STATUS_CODE];

const CUMULATIVE: &str = "AGGREGATION_TEMPORALITY_CUMULATIVE";

/// The Collector's, in milliseconds.
const DEFAULT_BOUNDS_MS: [u64; 16] =
    [2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1_000, 1_400, 2_000, 5_000, 10_000, 15_000];

#[cfg(test)]
mod tests;
