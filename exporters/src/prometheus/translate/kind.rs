//! What a metric is to Prometheus: its type, how its points relate, whether they add up.

use proto::view::{Data, MetricView};

use super::text_of;
use crate::prometheus::{
    series::{Dropped, Metric, value::Temporality},
    text::{self, Kind},
};

/// The type of a metric, and how its points relate to those before.
pub(super) fn kind_of(metric: MetricView<'_>, data: &Data<'_>) -> (Kind, Option<Temporality>) {
    match data {
        Data::Gauge(_) => (gauge_kind(metric), Some(Temporality::Instant)),
        Data::Sum(sum) => {
            let temporality = temporality(sum.temporality());
            let kind = match (sum.monotonic(), temporality) {
                (true, _) => Kind::Counter,
                (false, Some(Temporality::Cumulative)) => sum_kind(metric),
                (false, _) => Kind::Gauge,
            };
            (kind, temporality)
        }
        Data::Histogram(histogram) => (Kind::Histogram, temporality(histogram.temporality())),
        Data::ExponentialHistogram(histogram) => (Kind::Histogram, temporality(histogram.temporality())),
        Data::Summary(_) => (Kind::Summary, Some(Temporality::Cumulative)),
        Data::None => (Kind::Unknown, None),
    }
}

/// Whether the values of two streams make sense in one sum: increases do, and totals that only grow.
pub(super) fn adds_up(data: &Data<'_>, temporality: Option<Temporality>) -> bool {
    match data {
        Data::Sum(sum) => sum.monotonic() || temporality == Some(Temporality::Delta),
        Data::Histogram(_) | Data::ExponentialHistogram(_) => true,
        Data::Gauge(_) | Data::Summary(_) | Data::None => false,
    }
}

/// `metric.metadata["prometheus.type"]` says what a gauge was before it became OTLP.
fn gauge_kind(metric: MetricView<'_>) -> Kind {
    match text_of(metric.metadata(), "prometheus.type") {
        Some("unknown") => Kind::Unknown,
        Some("info") => Kind::Info,
        Some("stateset") => Kind::StateSet,
        _ => Kind::Gauge,
    }
}

/// The Collector's Prometheus receiver makes sums that may fall of info and state sets.
fn sum_kind(metric: MetricView<'_>) -> Kind {
    match gauge_kind(metric) {
        kind @ (Kind::Info | Kind::StateSet) => kind,
        _ => Kind::Gauge,
    }
}

fn temporality(value: i32) -> Option<Temporality> {
    match value {
        DELTA => Some(Temporality::Delta),
        CUMULATIVE => Some(Temporality::Cumulative),
        _ => None,
    }
}

/// OpenMetrics 1.0, *Info* and *StateSet*: 1 only; 0 or 1, and a label named as the family.
pub(super) fn check_state(metric: Metric<'_>, value: text::Number, labels: &[u8]) -> Result<(), Dropped> {
    let value = value.as_f64();
    let valid = match metric.kind {
        Kind::Info => value == 1.0,
        Kind::StateSet => (value == 0.0 || value == 1.0) && has_label(labels, metric.name),
        _ => true,
    };
    if valid { Ok(()) } else { Err(Dropped::InvalidValue) }
}

/// Whether rendered labels have one of this name.
fn has_label(labels: &[u8], name: &str) -> bool {
    let start = format!("{name}=\"");
    let text = std::str::from_utf8(labels).unwrap_or_default();
    text.starts_with(&start) || text.contains(&format!("\",{start}"))
}

/// OTLP's `AggregationTemporality`.
const DELTA: i32 = 1;
const CUMULATIVE: i32 = 2;
