//! A table of a million counter series: memory a series, and the time of a scrape.

use std::{sync::Arc, time::Instant};

use exporters::prometheus::{
    Config, PrometheusTable, Table, render::Scrape, series::value::Show, text::Format,
};
use pipelines::{consumer::Aggregator, time::UnixNanos};

use crate::{line, process};

const SERIES: usize = 1_000_000;
const BATCH: usize = 1_000;

/// Measures it, if it is wanted.
pub(crate) fn report(wanted: impl Fn(&str) -> bool) {
    if !wanted("table") {
        return;
    }
    let config = Config { series_limit: SERIES + 10, ..Config::default() };
    let table = Arc::new(Table::new(config.limits()));
    let mut input = PrometheusTable::new(&config, Arc::clone(&table), 0);
    let before = process::resident_bytes(std::process::id());
    for first in (0..SERIES).step_by(BATCH) {
        input.apply(&counters(first), UnixNanos(1_700_000_000_000_000_000));
    }
    let bytes = process::resident_bytes(std::process::id()).saturating_sub(before) / SERIES as u64;
    line("table, memory a series", format!("{bytes} B"), String::new(), "400", "200");

    let show = Show {
        now_ns: 1_700_000_000_000_000_000,
        exemplar_retention_ns: 0,
        created: false,
        timestamps: false,
        zero_first_ns: 0,
    };
    let mut page_bytes = 0;
    let least = (0..5)
        .map(|_| {
            let start = Instant::now();
            let mut scrape = Scrape::new(Arc::clone(&table), Vec::new(), Format::OpenMetrics, show);
            let mut chunk = Vec::new();
            page_bytes = 0;
            while scrape.next_chunk(&mut chunk) {
                page_bytes += chunk.len();
                chunk.clear();
            }
            start.elapsed().as_secs_f64()
        })
        .fold(f64::INFINITY, f64::min);
    let size = format!("{} MiB", page_bytes >> 20);
    line("scrape of 1 000 000 counter series", format!("{least:.2} s"), size, "1 s", "0.3 s");
}

/// A thousand counters of four labels.
fn counters(first: usize) -> proto::AnyBatch {
    use opentelemetry_proto::tonic::{
        collector::metrics::v1::ExportMetricsServiceRequest,
        common::v1::{AnyValue, KeyValue, any_value},
        metrics::v1::{
            Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
        },
    };
    use prost::Message;
    let attribute = |key: &str, value: String| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value)) }),
        ..KeyValue::default()
    };
    let point = |number: usize| NumberDataPoint {
        attributes: vec![
            attribute("service", format!("service-{}", number % 50)),
            attribute("route", format!("/api/v1/items/{}", number % 1_000)),
            attribute("method", ["GET", "PUT", "POST", "DELETE"][number % 4].to_owned()),
            attribute("pod", format!("pod-{number:07}")),
        ],
        start_time_unix_nano: 1_699_999_000_000_000_000,
        time_unix_nano: 1_700_000_000_000_000_000,
        value: Some(number_data_point::Value::AsInt(number as i64)),
        ..NumberDataPoint::default()
    };
    let sum = Sum {
        data_points: (first..first + BATCH).map(point).collect(),
        aggregation_temporality: 2,
        is_monotonic: true,
    };
    let metric =
        Metric { name: "requests".to_owned(), data: Some(metric::Data::Sum(sum)), ..Metric::default() };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    let bytes = ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec();
    let (batch, _) =
        proto::AnyBatch::validate(proto::SignalKind::Metrics, bytes.into()).expect("the corpus is valid");
    batch
}
