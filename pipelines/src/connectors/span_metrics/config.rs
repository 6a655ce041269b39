//! What the user writes under `span_metrics:`, checked.
//!
//! The keys are those of the OpenTelemetry Collector's connector and mean the same. What is ours alone:
//! `collector_instance_id`, `memory_max`, `names`, and explicit and exponential histograms at once.

mod check;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    config::{ByteSize, Span},
    connectors::{exponential, state::stable_hash},
};

/// What the user writes under `span_metrics:`.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// What stands before `.calls`, `.duration` and `.events`; may be empty.
    pub namespace: String,
    /// `opentelemetry`, or `tempo`: then Prometheus sees what Tempo's metrics generator would make of the spans,
    /// `traces_spanmetrics_calls_total` and `traces_spanmetrics_latency` in seconds, with the labels `service`,
    /// `span_name`, `span_kind` and `status_code`.
    pub names: Names,
    /// Attributes that tell series apart, by their text, besides `service.name`, `span.name`, `span.kind` and
    /// `status.code`.
    pub dimensions: Vec<Dimension>,
    /// More of them, for calls only.
    pub calls_dimensions: Vec<Dimension>,
    /// Which of those four to leave out. `collector.instance.id` may stand here: it is there only if it is given.
    pub exclude_dimensions: Vec<String>,
    /// The durations.
    pub histogram: Histogram,
    /// Span events.
    pub events: Events,
    /// Links from the numbers to the traces behind them.
    pub exemplars: Exemplars,
    /// Instrumentation scopes whose name and version tell series apart.
    pub include_instrumentation_scope: Vec<String>,
    /// Whether series of sampled spans, which count for those that sampling left out, are told apart from others, by
    /// the attribute `sampling.method`.
    pub enable_metrics_sampling_method: bool,
    /// The attribute `collector.instance.id` of every series. Without one there is none. It should stay the same over
    /// restarts, unlike the Collector's, so that series go on: `${env:HOSTNAME}` for example.
    pub collector_instance_id: Option<String>,
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
    /// `AGGREGATION_TEMPORALITY_CUMULATIVE` or `AGGREGATION_TEMPORALITY_DELTA`: each point counts from where the one
    /// before it of the same series ended, and goes out once.
    pub aggregation_temporality: String,
    /// Memory of all series; what goes beyond is counted in overflow series. With delta temporality a third of it: the
    /// rest is for points on their way.
    pub memory_max: ByteSize,
    /// Of no effect: dimensions are not cached here.
    pub dimensions_cache_size: Option<usize>,
    /// With delta temporality: how many series without anything new are remembered, so that their next window begins
    /// where the last one ended. 1000 by default.
    pub metric_timestamp_cache_size: Option<usize>,
}

/// Attributes that tell series apart: one by its name, or all of a pattern.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Dimension {
    /// A span attribute, or else a resource attribute.
    pub name: String,
    /// The value where neither has it; without one the label is left out.
    pub default: Option<String>,
    /// In place of a name: the attributes of spans and resources whose names are of this pattern, as `k8s.*`.
    pub glob: String,
}

/// The durations.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Histogram {
    /// Emit no durations.
    pub disable: bool,
    /// `ms`, the default, or `s`, which `names: tempo` implies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// Bounds; the default ones without it.
    pub explicit: Option<Explicit>,
    /// Exponential buckets in place of explicit ones, or besides them if those are given too: then the metric is
    /// called `.duration.exponential`.
    pub exponential: Option<Exponential>,
    /// More dimensions, for durations only.
    pub dimensions: Vec<Dimension>,
}

/// How metrics and their dimensions are called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Names {
    /// As in the Collector.
    #[default]
    OpenTelemetry,
    /// As Tempo's metrics generator calls them.
    Tempo,
}

/// The unit of the durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Milliseconds.
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

/// Exponential buckets.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Exponential {
    /// Buckets at most; 0 means 160.
    pub max_size: usize,
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

/// Span events, counted.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Events {
    /// Whether they are counted.
    pub enabled: bool,
    /// More dimensions, for events only; one at least. An attribute is looked for in the span, the event and the
    /// resource.
    pub dimensions: Vec<Dimension>,
}

// === impl Config ===

impl Config {
    /// Identifies what a saved state means: a state written under other dimensions, bounds or names is not
    /// restored.
    pub fn fingerprint(&self) -> u64 {
        let mut parts =
            vec!["span_metrics 3".to_owned(), self.namespace.clone(), self.unit().as_str().into()];
        parts.push(format!("{} {}", self.histogram.disable, self.add_resource_attributes));
        parts.extend((self.names == Names::Tempo).then(|| "names tempo".to_owned()));
        parts.push(format!("{} {}", self.enable_metrics_sampling_method, self.aggregation_temporality));
        parts.push(format!("{:?} {:?}", self.exponential_size(), self.collector_instance_id));
        parts.extend(self.bounds().iter().map(f64::to_string));
        parts.extend(self.standard_dimensions().map(str::to_owned));
        let events = if self.events.enabled { &*self.events.dimensions } else { &[] };
        for (of, dimensions) in [
            ("all", &*self.dimensions),
            ("calls", &*self.calls_dimensions),
            ("duration", &*self.histogram.dimensions),
            ("events", events),
        ] {
            parts.extend(dimensions.iter().map(|dimension| format!("{of} {dimension:?}")));
        }
        parts.extend(self.resource_metrics_key_attributes.iter().map(|name| format!("resource {name}")));
        parts.extend(self.include_instrumentation_scope.iter().map(|name| format!("scope {name}")));
        stable_hash(parts.iter().map(String::as_str))
    }

    pub(crate) fn is_delta(&self) -> bool {
        self.aggregation_temporality == DELTA
    }

    /// How many series without anything new are remembered with delta temporality.
    pub(crate) fn windows_remembered(&self) -> usize {
        self.metric_timestamp_cache_size.unwrap_or(WINDOWS_REMEMBERED)
    }

    /// The bounds of the explicit buckets, in the unit of the histogram; none if there are none.
    pub(crate) fn bounds(&self) -> Vec<f64> {
        match &self.histogram {
            Histogram { disable: true, .. } | Histogram { explicit: None, exponential: Some(_), .. } => {
                Vec::new()
            }
            Histogram { explicit: Some(explicit), .. } => {
                explicit.buckets.iter().map(|bound| self.unit().of(bound.0)).collect()
            }
            _ => self.default_bounds(),
        }
    }

    /// The Collector's, in the unit of the histogram.
    pub(crate) fn default_bounds(&self) -> Vec<f64> {
        DEFAULT_BOUNDS_MS.iter().map(|ms| self.unit().of(Duration::from_millis(*ms))).collect()
    }

    /// How many buckets an exponential histogram may have; nothing if there is none.
    pub(crate) fn exponential_size(&self) -> Option<usize> {
        let exponential = self.histogram.exponential.as_ref().filter(|_| !self.histogram.disable)?;
        Some(Some(exponential.max_size).filter(|size| *size > 0).unwrap_or(exponential::SIZE_DEFAULT))
    }

    /// The standard dimensions that are not left out, in their order.
    pub(crate) fn standard_dimensions(&self) -> impl Iterator<Item = &'static str> {
        STANDARD_DIMENSIONS.into_iter().filter(|name| !self.exclude_dimensions.iter().any(|out| out == name))
    }

    /// What durations are measured in.
    pub(crate) fn unit(&self) -> Unit {
        self.histogram.unit.unwrap_or(match self.names {
            Names::OpenTelemetry => Unit::Ms,
            Names::Tempo => Unit::S,
        })
    }

    /// The unit that the metric of the durations names. Tempo's has none in its name, so it names none.
    pub(crate) fn unit_named(&self) -> &'static str {
        match self.names {
            Names::OpenTelemetry => self.unit().as_str(),
            Names::Tempo => "",
        }
    }

    /// The name of the metric of `calls`, `duration` or `events`.
    pub(crate) fn metric_name(&self, what: &str) -> String {
        match (self.names, self.namespace.as_str()) {
            (Names::Tempo, _) => format!("traces_spanmetrics_{}", what.replace("duration", "latency")),
            (Names::OpenTelemetry, "") => what.to_owned(),
            (Names::OpenTelemetry, namespace) => format!("{namespace}.{what}"),
        }
    }

    /// What a standard dimension is called on the metrics.
    pub(crate) fn label_of(&self, standard: &'static str) -> &'static str {
        match (self.names, standard) {
            (Names::Tempo, SERVICE_NAME) => "service",
            (Names::Tempo, SPAN_NAME) => "span_name",
            (Names::Tempo, SPAN_KIND) => "span_kind",
            (Names::Tempo, STATUS_CODE) => "status_code",
            (Names::OpenTelemetry | Names::Tempo, name) => name,
        }
    }

    /// Idle time after which a series starts anew; nothing if never.
    pub(crate) fn expiration(&self) -> Option<Duration> {
        let spans = [self.metrics_expiration.0, self.series_expiration.0];
        spans.into_iter().filter(|span| !span.is_zero()).min()
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            namespace: NAMESPACE.into(),
            names: Names::default(),
            dimensions: Vec::new(),
            calls_dimensions: Vec::new(),
            exclude_dimensions: Vec::new(),
            histogram: Histogram::default(),
            events: Events::default(),
            exemplars: Exemplars::default(),
            include_instrumentation_scope: Vec::new(),
            enable_metrics_sampling_method: false,
            collector_instance_id: None,
            metrics_flush_interval: Span(Duration::from_secs(60)),
            metrics_expiration: Span(Duration::ZERO),
            series_expiration: Span(Duration::ZERO),
            aggregation_cardinality_limit: 10_000,
            resource_metrics_cache_size: 1_000,
            resource_metrics_key_attributes: Vec::new(),
            add_resource_attributes: false,
            aggregation_temporality: CUMULATIVE.into(),
            memory_max: ByteSize(96 << 20),
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

/// Upstream's fifth standard dimension; here it is there only if it is given.
pub(crate) const COLLECTOR_INSTANCE_ID: &str = "collector.instance.id";

const STANDARD_DIMENSIONS: [&str; 4] = [SERVICE_NAME, SPAN_NAME, SPAN_KIND, STATUS_CODE];

/// The Collector's.
const NAMESPACE: &str = "traces.span.metrics";

const CUMULATIVE: &str = "AGGREGATION_TEMPORALITY_CUMULATIVE";
const DELTA: &str = "AGGREGATION_TEMPORALITY_DELTA";

/// As many as the Collector remembers.
const WINDOWS_REMEMBERED: usize = 1_000;

/// The Collector's, in milliseconds.
const DEFAULT_BOUNDS_MS: [u64; 16] =
    [2, 4, 6, 8, 10, 50, 100, 200, 400, 800, 1_000, 1_400, 2_000, 5_000, 10_000, 15_000];

#[cfg(test)]
mod tests;
