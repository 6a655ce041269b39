//! OTLP requests in a few words, made with the official types, so that anything can be said.

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    metrics::v1::{
        self as otlp, Exemplar, ExponentialHistogram, Gauge, Histogram, HistogramDataPoint, NumberDataPoint,
        ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, metric::Data, number_data_point,
        summary_data_point::ValueAtQuantile,
    },
    resource::v1 as resource,
};
use prost::Message;

pub(super) use otlp::Metric;

use super::{SECOND, START_NS};

/// Who sends.
#[derive(Clone, Debug, Default)]
pub(super) struct Resource {
    pub(super) attributes: Vec<KeyValue>,
    pub(super) scope: Option<InstrumentationScope>,
    pub(super) schema_url: &'static str,
}

impl Resource {
    pub(super) fn of(attributes: &[(&str, &str)]) -> Self {
        Self { attributes: labels(attributes), ..Self::default() }
    }

    pub(super) fn scope(mut self, name: &str, version: &str, attributes: &[(&str, &str)]) -> Self {
        self.scope = Some(InstrumentationScope {
            name: name.into(),
            version: version.into(),
            attributes: labels(attributes),
            dropped_attributes_count: 0,
        });
        self
    }
}

pub(super) fn request(resource: Resource, metrics: Vec<Metric>) -> Bytes {
    let scope_metrics =
        vec![ScopeMetrics { scope: resource.scope, metrics, schema_url: resource.schema_url.into() }];
    let resource = resource::Resource { attributes: resource.attributes, ..resource::Resource::default() };
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource), scope_metrics, schema_url: String::new() }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec().into()
}

pub(super) fn labels(pairs: &[(&str, &str)]) -> Vec<KeyValue> {
    pairs.iter().map(|(key, value)| label(key, any_value::Value::StringValue((*value).into()))).collect()
}

pub(super) fn label(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.into(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn metric(name: &str, unit: &str, data: Data) -> Metric {
    Metric { name: name.into(), unit: unit.into(), data: Some(data), ..Metric::default() }
}

pub(super) fn gauge(name: &str, unit: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    metric(name, unit, Data::Gauge(Gauge { data_points }))
}

pub(super) fn sum(
    name: &str,
    unit: &str,
    temporality: i32,
    is_monotonic: bool,
    data_points: Vec<NumberDataPoint>,
) -> Metric {
    metric(name, unit, Data::Sum(Sum { data_points, aggregation_temporality: temporality, is_monotonic }))
}

/// A cumulative monotonic sum.
pub(super) fn counter(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    sum(name, "", CUMULATIVE, true, data_points)
}

pub(super) fn histogram(
    name: &str,
    unit: &str,
    temporality: i32,
    data_points: Vec<HistogramDataPoint>,
) -> Metric {
    metric(name, unit, Data::Histogram(Histogram { data_points, aggregation_temporality: temporality }))
}

pub(super) fn exponential(name: &str, point: otlp::ExponentialHistogramDataPoint) -> Metric {
    let histogram = ExponentialHistogram { data_points: vec![point], aggregation_temporality: CUMULATIVE };
    metric(name, "", Data::ExponentialHistogram(histogram))
}

pub(super) fn summary(name: &str, data_points: Vec<SummaryDataPoint>) -> Metric {
    metric(name, "", Data::Summary(Summary { data_points }))
}

pub(super) fn int(attributes: &[(&str, &str)], value: i64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: labels(attributes),
        value: Some(number_data_point::Value::AsInt(value)),
        ..NumberDataPoint::default()
    }
}

pub(super) fn double(attributes: &[(&str, &str)], value: f64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: labels(attributes),
        value: Some(number_data_point::Value::AsDouble(value)),
        ..NumberDataPoint::default()
    }
}

/// The same point over a span of time, in seconds since the start of the test.
pub(super) fn during(mut point: NumberDataPoint, from_s: u64, to_s: u64) -> NumberDataPoint {
    point.start_time_unix_nano = START_NS - 100 * SECOND + from_s * SECOND;
    point.time_unix_nano = START_NS - 100 * SECOND + to_s * SECOND;
    point
}

pub(super) fn buckets(
    attributes: &[(&str, &str)],
    bounds: &[f64],
    counts: &[u64],
    sum: f64,
) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: labels(attributes),
        explicit_bounds: bounds.into(),
        bucket_counts: counts.into(),
        count: counts.iter().sum(),
        sum: Some(sum),
        ..HistogramDataPoint::default()
    }
}

pub(super) fn quantiles(values: &[(f64, f64)], count: u64, sum: f64) -> SummaryDataPoint {
    let quantile = |&(quantile, value): &(f64, f64)| ValueAtQuantile { quantile, value };
    let quantile_values = values.iter().map(quantile).collect();
    SummaryDataPoint { quantile_values, count, sum, ..SummaryDataPoint::default() }
}

/// An exemplar so many seconds after the start.
pub(super) fn exemplar(value: f64, trace: u8, at_s: u64, filtered: &[(&str, &str)]) -> Exemplar {
    use opentelemetry_proto::tonic::metrics::v1::exemplar::Value;
    let (trace_id, span_id) =
        if trace == 0 { (Vec::new(), Vec::new()) } else { (vec![trace; 16], vec![trace; 8]) };
    Exemplar {
        filtered_attributes: labels(filtered),
        time_unix_nano: START_NS + at_s * SECOND,
        span_id,
        trace_id,
        value: Some(Value::AsDouble(value)),
    }
}

pub(super) const DELTA: i32 = 1;
pub(super) const CUMULATIVE: i32 = 2;
