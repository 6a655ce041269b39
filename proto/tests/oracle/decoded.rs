//! What the views show, put into prost's types field by field, and written.

use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    common::v1::{AnyValue, ArrayValue, InstrumentationScope, KeyValue, KeyValueList, any_value},
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
        Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, Summary, SummaryDataPoint, exemplar,
        exponential_histogram_data_point::Buckets, metric, number_data_point,
        summary_data_point::ValueAtQuantile,
    },
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span, Status, span},
};
use phasor_proto::{AnyBatch, view};
use prost::Message;

/// The views show what prost decodes. Views do not tell an absent message from an empty one, nor a zero id from
/// none, nor do they show entities and string indices; these are taken from prost's own reading.
pub(crate) fn assert_shown(batch: &AnyBatch) {
    let bytes = batch.bytes().clone();
    match batch {
        AnyBatch::Traces(batch) => {
            let oracle = ExportTraceServiceRequest::decode(bytes).expect("prost reads a batch");
            let spans: Vec<_> = batch.view().resource_spans().map(resource_spans).collect();
            assert_eq!(format!("{spans:?}"), format!("{:?}", normal_traces(oracle)));
        }
        AnyBatch::Metrics(batch) => {
            let oracle = ExportMetricsServiceRequest::decode(bytes).expect("prost reads a batch");
            let metrics: Vec<_> = batch.view().resource_metrics().map(resource_metrics).collect();
            assert_eq!(format!("{metrics:?}"), format!("{:?}", normal_metrics(oracle)));
        }
        AnyBatch::Logs(batch) => {
            let oracle = ExportLogsServiceRequest::decode(bytes).expect("prost reads a batch");
            let logs: Vec<_> = batch.view().resource_logs().map(resource_logs).collect();
            assert_eq!(format!("{logs:?}"), format!("{:?}", normal_logs(oracle)));
        }
    }
}

// === what prost reads, as far as views tell it ===

fn normal_traces(mut request: ExportTraceServiceRequest) -> Vec<ResourceSpans> {
    for resource in &mut request.resource_spans {
        normal_resource(&mut resource.resource);
        for scope in &mut resource.scope_spans {
            normal_scope(&mut scope.scope);
            for span in &mut scope.spans {
                normal_id(&mut span.parent_span_id);
                span.status.get_or_insert_default();
                normal_list(&mut span.attributes);
                span.events.iter_mut().for_each(|event| normal_list(&mut event.attributes));
                for link in &mut span.links {
                    normal_list(&mut link.attributes);
                    normal_id(&mut link.trace_id);
                    normal_id(&mut link.span_id);
                }
            }
        }
    }
    request.resource_spans
}

fn normal_metrics(mut request: ExportMetricsServiceRequest) -> Vec<ResourceMetrics> {
    let exemplars = |list: &mut Vec<Exemplar>| {
        for exemplar in list {
            normal_list(&mut exemplar.filtered_attributes);
            normal_id(&mut exemplar.trace_id);
            normal_id(&mut exemplar.span_id);
        }
    };
    let numbers = |points: &mut Vec<NumberDataPoint>| {
        for point in points {
            normal_list(&mut point.attributes);
            exemplars(&mut point.exemplars);
        }
    };
    for resource in &mut request.resource_metrics {
        normal_resource(&mut resource.resource);
        for scope in &mut resource.scope_metrics {
            normal_scope(&mut scope.scope);
            for metric in &mut scope.metrics {
                normal_list(&mut metric.metadata);
                match &mut metric.data {
                    None => {}
                    Some(metric::Data::Gauge(gauge)) => numbers(&mut gauge.data_points),
                    Some(metric::Data::Sum(sum)) => numbers(&mut sum.data_points),
                    Some(metric::Data::Histogram(histogram)) => {
                        for point in &mut histogram.data_points {
                            normal_list(&mut point.attributes);
                            exemplars(&mut point.exemplars);
                        }
                    }
                    Some(metric::Data::ExponentialHistogram(histogram)) => {
                        for point in &mut histogram.data_points {
                            normal_list(&mut point.attributes);
                            exemplars(&mut point.exemplars);
                            point.positive.get_or_insert_default();
                            point.negative.get_or_insert_default();
                        }
                    }
                    Some(metric::Data::Summary(summary)) => {
                        summary.data_points.iter_mut().for_each(|point| normal_list(&mut point.attributes));
                    }
                }
            }
        }
    }
    request.resource_metrics
}

fn normal_logs(mut request: ExportLogsServiceRequest) -> Vec<ResourceLogs> {
    for resource in &mut request.resource_logs {
        normal_resource(&mut resource.resource);
        for scope in &mut resource.scope_logs {
            normal_scope(&mut scope.scope);
            for record in &mut scope.log_records {
                normal_value(record.body.get_or_insert_default());
                normal_list(&mut record.attributes);
                normal_id(&mut record.trace_id);
                normal_id(&mut record.span_id);
            }
        }
    }
    request.resource_logs
}

fn normal_resource(resource: &mut Option<Resource>) {
    let resource = resource.get_or_insert_default();
    resource.entity_refs.clear();
    normal_list(&mut resource.attributes);
}

fn normal_scope(scope: &mut Option<InstrumentationScope>) {
    normal_list(&mut scope.get_or_insert_default().attributes);
}

fn normal_id(id: &mut Vec<u8>) {
    if id.iter().all(|byte| *byte == 0) {
        id.clear();
    }
}

fn normal_list(list: &mut [KeyValue]) {
    for pair in list {
        pair.key_strindex = 0;
        normal_value(pair.value.get_or_insert_default());
    }
}

fn normal_value(value: &mut AnyValue) {
    match &mut value.value {
        Some(any_value::Value::StringValueStrindex(_)) => value.value = None,
        Some(any_value::Value::ArrayValue(array)) => array.values.iter_mut().for_each(normal_value),
        Some(any_value::Value::KvlistValue(map)) => normal_list(&mut map.values),
        _ => {}
    }
}

// === what the views show ===

fn resource(view: view::ResourceView<'_>) -> Option<Resource> {
    Some(Resource {
        attributes: list(view.attributes()),
        dropped_attributes_count: view.dropped_attributes_count(),
        entity_refs: Vec::new(),
    })
}

fn scope(view: view::ScopeView<'_>) -> Option<InstrumentationScope> {
    Some(InstrumentationScope {
        name: view.name().to_owned(),
        version: view.version().to_owned(),
        attributes: list(view.attributes()),
        dropped_attributes_count: view.dropped_attributes_count(),
    })
}

fn list(view: view::Attributes<'_>) -> Vec<KeyValue> {
    view.iter()
        .map(|(key, found)| KeyValue { key: key.to_owned(), value: Some(value(found)), key_strindex: 0 })
        .collect()
}

fn value(view: view::Value<'_>) -> AnyValue {
    use any_value::Value::*;
    let value = match view {
        view::Value::Empty => None,
        view::Value::Str(text) => Some(StringValue(text.to_owned())),
        view::Value::Bool(value) => Some(BoolValue(value)),
        view::Value::Int(number) => Some(IntValue(number)),
        view::Value::Double(number) => Some(DoubleValue(number)),
        view::Value::Bytes(bytes) => Some(BytesValue(bytes.to_vec())),
        view::Value::Array(array) => {
            Some(ArrayValue(self::ArrayValue { values: array.iter().map(value).collect() }))
        }
        view::Value::KvList(map) => Some(KvlistValue(KeyValueList { values: list(map) })),
    };
    AnyValue { value }
}

fn id<const N: usize>(id: Option<&[u8; N]>) -> Vec<u8> {
    id.map(|id| id.to_vec()).unwrap_or_default()
}

fn resource_spans(view: view::ResourceSpansView<'_>) -> ResourceSpans {
    ResourceSpans {
        resource: resource(view.resource()),
        scope_spans: view
            .scope_spans()
            .map(|view| ScopeSpans {
                scope: scope(view.scope()),
                spans: view.spans().map(span).collect(),
                schema_url: view.schema_url().to_owned(),
            })
            .collect(),
        schema_url: view.schema_url().to_owned(),
    }
}

fn span(view: view::SpanView<'_>) -> Span {
    Span {
        trace_id: view.trace_id().to_vec(),
        span_id: view.span_id().to_vec(),
        trace_state: view.trace_state().to_owned(),
        parent_span_id: id(view.parent_span_id()),
        flags: view.flags(),
        name: view.name().to_owned(),
        kind: view.kind(),
        start_time_unix_nano: view.start_ns(),
        end_time_unix_nano: view.end_ns(),
        attributes: list(view.attributes()),
        dropped_attributes_count: view.dropped_attributes_count(),
        events: view
            .events()
            .map(|event| span::Event {
                time_unix_nano: event.time_ns(),
                name: event.name().to_owned(),
                attributes: list(event.attributes()),
                dropped_attributes_count: event.dropped_attributes_count(),
            })
            .collect(),
        dropped_events_count: view.dropped_events_count(),
        links: view
            .links()
            .map(|link| span::Link {
                trace_id: id(link.trace_id()),
                span_id: id(link.span_id()),
                trace_state: link.trace_state().to_owned(),
                attributes: list(link.attributes()),
                dropped_attributes_count: link.dropped_attributes_count(),
                flags: link.flags(),
            })
            .collect(),
        dropped_links_count: view.dropped_links_count(),
        status: Some(Status { message: view.status().message().to_owned(), code: view.status().code() }),
    }
}

fn resource_logs(view: view::ResourceLogsView<'_>) -> ResourceLogs {
    ResourceLogs {
        resource: resource(view.resource()),
        scope_logs: view
            .scope_logs()
            .map(|view| ScopeLogs {
                scope: scope(view.scope()),
                log_records: view.log_records().map(log_record).collect(),
                schema_url: view.schema_url().to_owned(),
            })
            .collect(),
        schema_url: view.schema_url().to_owned(),
    }
}

fn log_record(view: view::LogRecordView<'_>) -> LogRecord {
    LogRecord {
        time_unix_nano: view.time_ns(),
        observed_time_unix_nano: view.observed_time_ns(),
        severity_number: view.severity_number(),
        severity_text: view.severity_text().to_owned(),
        body: Some(value(view.body())),
        attributes: list(view.attributes()),
        dropped_attributes_count: view.dropped_attributes_count(),
        flags: view.flags(),
        trace_id: id(view.trace_id()),
        span_id: id(view.span_id()),
        event_name: view.event_name().to_owned(),
    }
}

fn resource_metrics(view: view::ResourceMetricsView<'_>) -> ResourceMetrics {
    ResourceMetrics {
        resource: resource(view.resource()),
        scope_metrics: view
            .scope_metrics()
            .map(|view| ScopeMetrics {
                scope: scope(view.scope()),
                metrics: view.metrics().map(metric).collect(),
                schema_url: view.schema_url().to_owned(),
            })
            .collect(),
        schema_url: view.schema_url().to_owned(),
    }
}

fn metric(view: view::MetricView<'_>) -> Metric {
    let data = match view.data() {
        view::Data::None => None,
        view::Data::Gauge(gauge) => {
            Some(metric::Data::Gauge(Gauge { data_points: gauge.points().map(number_point).collect() }))
        }
        view::Data::Sum(sum) => Some(metric::Data::Sum(Sum {
            data_points: sum.points().map(number_point).collect(),
            aggregation_temporality: sum.temporality(),
            is_monotonic: sum.monotonic(),
        })),
        view::Data::Histogram(histogram) => Some(metric::Data::Histogram(Histogram {
            data_points: histogram.points().map(histogram_point).collect(),
            aggregation_temporality: histogram.temporality(),
        })),
        view::Data::ExponentialHistogram(histogram) => {
            Some(metric::Data::ExponentialHistogram(ExponentialHistogram {
                data_points: histogram.points().map(exponential_point).collect(),
                aggregation_temporality: histogram.temporality(),
            }))
        }
        view::Data::Summary(summary) => Some(metric::Data::Summary(Summary {
            data_points: summary.points().map(summary_point).collect(),
        })),
    };
    Metric {
        name: view.name().to_owned(),
        description: view.description().to_owned(),
        unit: view.unit().to_owned(),
        metadata: list(view.metadata()),
        data,
    }
}

fn number_point(view: view::NumberPoint<'_>) -> NumberDataPoint {
    NumberDataPoint {
        attributes: list(view.attributes()),
        start_time_unix_nano: view.start_ns(),
        time_unix_nano: view.time_ns(),
        exemplars: view.exemplars().map(exemplar).collect(),
        flags: view.flags(),
        value: match view.value() {
            view::Number::None => None,
            view::Number::Int(number) => Some(number_data_point::Value::AsInt(number)),
            view::Number::Double(number) => Some(number_data_point::Value::AsDouble(number)),
        },
    }
}

fn histogram_point(view: view::HistogramPoint<'_>) -> HistogramDataPoint {
    HistogramDataPoint {
        attributes: list(view.attributes()),
        start_time_unix_nano: view.start_ns(),
        time_unix_nano: view.time_ns(),
        count: view.count(),
        sum: view.sum(),
        bucket_counts: view.bucket_counts().collect(),
        explicit_bounds: view.explicit_bounds().collect(),
        exemplars: view.exemplars().map(exemplar).collect(),
        flags: view.flags(),
        min: view.min(),
        max: view.max(),
    }
}

fn exponential_point(view: view::ExponentialPoint<'_>) -> ExponentialHistogramDataPoint {
    let half = |view: view::BucketsView<'_>| {
        Some(Buckets { offset: view.offset(), bucket_counts: view.bucket_counts().collect() })
    };
    ExponentialHistogramDataPoint {
        attributes: list(view.attributes()),
        start_time_unix_nano: view.start_ns(),
        time_unix_nano: view.time_ns(),
        count: view.count(),
        sum: view.sum(),
        scale: view.scale(),
        zero_count: view.zero_count(),
        positive: half(view.positive()),
        negative: half(view.negative()),
        flags: view.flags(),
        exemplars: view.exemplars().map(exemplar).collect(),
        min: view.min(),
        max: view.max(),
        zero_threshold: view.zero_threshold(),
    }
}

fn summary_point(view: view::SummaryPoint<'_>) -> SummaryDataPoint {
    SummaryDataPoint {
        attributes: list(view.attributes()),
        start_time_unix_nano: view.start_ns(),
        time_unix_nano: view.time_ns(),
        count: view.count(),
        sum: view.sum(),
        quantile_values: view
            .quantiles()
            .map(|view| ValueAtQuantile { quantile: view.quantile(), value: view.value() })
            .collect(),
        flags: view.flags(),
    }
}

fn exemplar(view: view::ExemplarView<'_>) -> Exemplar {
    Exemplar {
        filtered_attributes: list(view.filtered_attributes()),
        time_unix_nano: view.time_ns(),
        span_id: id(view.span_id()),
        trace_id: id(view.trace_id()),
        value: match view.value() {
            view::Number::None => None,
            view::Number::Int(number) => Some(exemplar::Value::AsInt(number)),
            view::Number::Double(number) => Some(exemplar::Value::AsDouble(number)),
        },
    }
}
