//! What a backend has got, as text that can be compared: an item a paragraph, sorted, every field named unless it has
//! its default. Times that an SDK takes from its own clock are checked for sense and left out.

use std::fmt::Write;

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    logs::v1::LogRecord,
    metrics::v1::{
        Exemplar, ExponentialHistogramDataPoint, HistogramDataPoint, Metric, NumberDataPoint, exemplar,
        metric, number_data_point,
    },
    resource::v1::Resource,
    trace::v1::{Span, span},
};
use prost::Message;

use crate::support::backend::Backend;

/// Everything, in the order traces, metrics, logs.
pub(super) fn everything(backend: &Backend) -> String {
    let mut items: Vec<(usize, String)> = Vec::new();
    for (path, bytes) in backend.requests() {
        if path.contains("TraceService") {
            let request =
                ExportTraceServiceRequest::decode(bytes).expect("the collector sends valid requests");
            for resource in &request.resource_spans {
                for scope in &resource.scope_spans {
                    let from =
                        from(&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
                    items.extend(scope.spans.iter().map(|span| (0, of_span(span) + &from)));
                }
            }
        } else if path.contains("MetricsService") {
            let request =
                ExportMetricsServiceRequest::decode(bytes).expect("the collector sends valid requests");
            for resource in &request.resource_metrics {
                for scope in &resource.scope_metrics {
                    let from =
                        from(&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
                    items.extend(scope.metrics.iter().map(|metric| (1, of_metric(metric) + &from)));
                }
            }
        } else {
            let request =
                ExportLogsServiceRequest::decode(bytes).expect("the collector sends valid requests");
            for resource in &request.resource_logs {
                for scope in &resource.scope_logs {
                    let from =
                        from(&resource.resource, &resource.schema_url, &scope.scope, &scope.schema_url);
                    items.extend(scope.log_records.iter().map(|record| (2, of_record(record) + &from)));
                }
            }
        }
    }
    items.sort();
    items.into_iter().map(|(_, text)| text).collect::<Vec<_>>().join("\n")
}

fn from(
    resource: &Option<Resource>,
    resource_schema: &str,
    scope: &Option<InstrumentationScope>,
    scope_schema: &str,
) -> String {
    let mut out = String::new();
    let resource = resource.as_ref().expect("a resource");
    let scope = scope.as_ref().expect("a scope");
    field(&mut out, "resource", &map(&resource.attributes));
    field(&mut out, "resource schema", resource_schema);
    field(&mut out, "scope", &format!("{} {} {}", scope.name, scope.version, map(&scope.attributes)));
    field(&mut out, "scope schema", scope_schema);
    out
}

fn of_span(span: &Span) -> String {
    let mut out = format!("span {:?}\n", span.name);
    field(&mut out, "ids", &ids(&span.trace_id, &span.span_id, &span.parent_span_id));
    field(&mut out, "trace state", &span.trace_state);
    field(&mut out, "flags", &format!("{:#x}", span.flags));
    field(&mut out, "kind", &span.kind.to_string());
    field(&mut out, "times", &format!("{} {}", span.start_time_unix_nano, span.end_time_unix_nano));
    attributes(&mut out, &span.attributes);
    for span::Event { time_unix_nano, name, attributes, .. } in &span.events {
        field(&mut out, "event", &format!("{time_unix_nano} {name:?} {}", map(attributes)));
    }
    for link in &span.links {
        let ids = ids(&link.trace_id, &link.span_id, &[]);
        let link = format!("{ids} {:?} {:#x} {}", link.trace_state, link.flags, map(&link.attributes));
        field(&mut out, "link", &link);
    }
    let status = span.status.clone().unwrap_or_default();
    field(&mut out, "status", &format!("{} {:?}", status.code, status.message));
    let dropped = [span.dropped_attributes_count, span.dropped_events_count, span.dropped_links_count];
    assert_eq!(dropped, [0; 3], "nothing is dropped");
    out
}

fn of_record(record: &LogRecord) -> String {
    let mut out = format!("log record {}\n", value(record.body.as_ref()));
    field(&mut out, "event name", &record.event_name);
    field(&mut out, "times", &format!("{} {}", record.time_unix_nano, record.observed_time_unix_nano));
    field(&mut out, "severity", &format!("{} {:?}", record.severity_number, record.severity_text));
    field(&mut out, "ids", &ids(&record.trace_id, &record.span_id, &[]));
    field(&mut out, "flags", &format!("{:#x}", record.flags));
    attributes(&mut out, &record.attributes);
    out
}

fn of_metric(metric: &Metric) -> String {
    let mut out = format!("metric {:?}\n", metric.name);
    field(&mut out, "description", &metric.description);
    field(&mut out, "unit", &metric.unit);
    match metric.data.as_ref().expect("data") {
        metric::Data::Gauge(gauge) => {
            field(&mut out, "type", "gauge");
            gauge.data_points.iter().for_each(|point| number(&mut out, point));
        }
        metric::Data::Sum(sum) => {
            let kind =
                format!("sum, temporality {}, monotonic {}", sum.aggregation_temporality, sum.is_monotonic);
            field(&mut out, "type", &kind);
            sum.data_points.iter().for_each(|point| number(&mut out, point));
        }
        metric::Data::Histogram(histogram) => {
            let kind = format!("histogram, temporality {}", histogram.aggregation_temporality);
            field(&mut out, "type", &kind);
            histogram.data_points.iter().for_each(|point| explicit(&mut out, point));
        }
        metric::Data::ExponentialHistogram(histogram) => {
            let kind = format!("exponential histogram, temporality {}", histogram.aggregation_temporality);
            field(&mut out, "type", &kind);
            histogram.data_points.iter().for_each(|point| exponential(&mut out, point));
        }
        other @ metric::Data::Summary(_) => panic!("no SDK makes {other:?}"),
    }
    out
}

fn number(out: &mut String, point: &NumberDataPoint) {
    sensible(point.start_time_unix_nano, point.time_unix_nano);
    let value = match point.value.expect("a value") {
        number_data_point::Value::AsInt(int) => int.to_string(),
        number_data_point::Value::AsDouble(double) => format!("{double:?}"),
    };
    field(out, "point", &format!("{value} {}", map(&point.attributes)));
    exemplars(out, &point.exemplars);
}

fn explicit(out: &mut String, point: &HistogramDataPoint) {
    sensible(point.start_time_unix_nano, point.time_unix_nano);
    field(out, "point", &map(&point.attributes));
    field(out, "bounds", &format!("{:?}", point.explicit_bounds));
    field(out, "counts", &format!("{:?}", point.bucket_counts));
    field(out, "summary", &summary(point.count, point.sum, point.min, point.max));
    exemplars(out, &point.exemplars);
}

fn exponential(out: &mut String, point: &ExponentialHistogramDataPoint) {
    sensible(point.start_time_unix_nano, point.time_unix_nano);
    field(out, "point", &map(&point.attributes));
    field(
        out,
        "scale",
        &format!("{}, zero: {} within {:?}", point.scale, point.zero_count, point.zero_threshold),
    );
    for (name, buckets) in [("positive", &point.positive), ("negative", &point.negative)] {
        if let Some(buckets) = buckets.as_ref().filter(|buckets| !buckets.bucket_counts.is_empty()) {
            let filled: Vec<_> =
                (buckets.offset..).zip(&buckets.bucket_counts).filter(|(_, count)| **count > 0).collect();
            field(out, name, &format!("{filled:?} of {}", buckets.bucket_counts.len()));
        }
    }
    field(out, "summary", &summary(point.count, point.sum, point.min, point.max));
    exemplars(out, &point.exemplars);
}

fn exemplars(out: &mut String, exemplars: &[Exemplar]) {
    for exemplar in exemplars {
        sensible(0, exemplar.time_unix_nano);
        let value = match exemplar.value.expect("a value") {
            exemplar::Value::AsInt(int) => int.to_string(),
            exemplar::Value::AsDouble(double) => format!("{double:?}"),
        };
        let ids = ids(&exemplar.trace_id, &exemplar.span_id, &[]);
        field(out, "exemplar", &format!("{value} {ids} {}", map(&exemplar.filtered_attributes)));
    }
}

fn summary(count: u64, sum: Option<f64>, min: Option<f64>, max: Option<f64>) -> String {
    format!("count {count}, sum {sum:?}, min {min:?}, max {max:?}")
}

/// In this century, and in order.
fn sensible(start_ns: u64, time_ns: u64) {
    assert!(start_ns <= time_ns && time_ns > 1_500_000_000_000_000_000, "{start_ns} {time_ns}");
}

fn attributes(out: &mut String, pairs: &[KeyValue]) {
    let mut pairs: Vec<_> = pairs.iter().collect();
    pairs.sort_by_key(|pair| pair.key.clone());
    for pair in pairs {
        field(out, &format!("  {}", pair.key), &value(pair.value.as_ref()));
    }
}

fn map(pairs: &[KeyValue]) -> String {
    let mut pairs: Vec<_> =
        pairs.iter().map(|pair| format!("{}: {}", pair.key, value(pair.value.as_ref()))).collect();
    pairs.sort();
    format!("{{{}}}", pairs.join(", "))
}

fn value(any: Option<&AnyValue>) -> String {
    match any.and_then(|any| any.value.as_ref()) {
        None => "nothing".to_owned(),
        Some(any_value::Value::StringValue(text)) => format!("{text:?}"),
        Some(any_value::Value::BoolValue(bool)) => bool.to_string(),
        Some(any_value::Value::IntValue(int)) => int.to_string(),
        Some(any_value::Value::DoubleValue(double)) => format!("{double:?}"),
        Some(any_value::Value::BytesValue(bytes)) => format!("bytes {}", hex(bytes)),
        Some(any_value::Value::KvlistValue(list)) => map(&list.values),
        Some(any_value::Value::ArrayValue(list)) => {
            let items: Vec<_> = list.values.iter().map(|item| value(Some(item))).collect();
            format!("[{}]", items.join(", "))
        }
        Some(other) => panic!("no SDK makes {other:?}"),
    }
}

fn ids(trace: &[u8], span: &[u8], parent: &[u8]) -> String {
    [trace, span, parent].map(hex).join(" ").trim_end().to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Nothing for a default.
fn field(out: &mut String, name: &str, value: &str) {
    if !matches!(value, "" | "0x0" | "{}") {
        writeln!(out, "  {name}: {value}").expect("text takes all");
    }
}
