//! Native histograms: what Prometheus makes of the protobuf format.

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint, Metric,
        ResourceMetrics, ScopeMetrics, exemplar, exponential_histogram_data_point::Buckets, metric,
    },
};
use prost::Message;

use crate::{
    servers,
    support::{
        eventually, http,
        phasor::{Start, default_config},
    },
};

#[tokio::test]
async fn p_t7_prometheus_stores_exponential_histograms_as_native_ones_with_their_exemplars() {
    let phasor = Start::config(default_config("", "")).start();
    let url = format!("http://{}/v1/metrics", phasor.http());
    let answer = http::post(&url, &[("content-type", "application/x-protobuf")], request()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());

    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = format!(
        "global: {{scrape_interval: 200ms}}\nscrape_configs:\n  - {{job_name: phasor, honor_labels: true, \
         static_configs: [{{targets: ['{}']}}]}}\n",
        phasor.prometheus()
    );
    let prometheus =
        servers::prometheus_with(folder.path(), &config, "exemplar-storage,native-histograms").await;
    let address = &prometheus.address;
    // (8, 16] has 10, (64, 128] has 20, (128, 256] has 5, (256, 512] has 2.
    let median =
        eventually("the histogram is there", || value(address, "histogram_quantile(0.5,sizes_bytes)")).await;
    assert!(median > 64.0 && median <= 128.0, "{median}");
    for (query, expected) in [
        ("histogram_count(sizes_bytes)", 37.0),
        ("histogram_sum(sizes_bytes)", 99.0),
        // The explicit buckets beside the native ones are for who has none.
        ("count(sizes_bytes_bucket)%20or%20vector(0)", 0.0),
        // Everything else is on the page as in the other formats.
        ("target_info{job=\"shop\"}", 1.0),
    ] {
        assert_eq!(value(address, query).await, Some(expected), "{query}");
    }
    let url = format!(
        "http://{address}/api/v1/query_exemplars?query=sizes_bytes&start=2020-01-01T00:00:00Z&end=2099-01-01T00:00:00Z"
    );
    let found = http::get(&url, &[]).await.json();
    assert_eq!(found["data"][0]["exemplars"][0]["labels"]["trace_id"], "07".repeat(16), "{found}");
}

/// The value of the first series that a query finds.
pub(crate) async fn value(address: &str, query: &str) -> Option<f64> {
    let query = query.replace('{', "%7B").replace('}', "%7D").replace('"', "%22");
    let query = query.replace('[', "%5B").replace(']', "%5D").replace('+', "%2B").replace(' ', "%20");
    let found = http::get(&format!("http://{address}/api/v1/query?query={query}"), &[]).await.json();
    found["data"]["result"][0]["value"][1].as_str()?.parse().ok()
}

fn request() -> Vec<u8> {
    let attribute = |key: &str, value: &str| KeyValue {
        key: key.to_owned(),
        value: Some(AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) }),
        ..KeyValue::default()
    };
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("the clock is set");
    let now = u64::try_from(now.as_nanos()).expect("for some centuries");
    let point = ExponentialHistogramDataPoint {
        start_time_unix_nano: now - 60_000_000_000,
        time_unix_nano: now,
        count: 37,
        sum: Some(99.0),
        positive: Some(Buckets { offset: 3, bucket_counts: vec![10, 0, 0, 20, 5, 2] }),
        exemplars: vec![Exemplar {
            time_unix_nano: now,
            trace_id: vec![7; 16],
            span_id: vec![7; 8],
            value: Some(exemplar::Value::AsDouble(100.0)),
            ..Exemplar::default()
        }],
        ..ExponentialHistogramDataPoint::default()
    };
    let sizes = Metric {
        name: "sizes".to_owned(),
        unit: "By".to_owned(),
        data: Some(metric::Data::ExponentialHistogram(ExponentialHistogram {
            data_points: vec![point],
            aggregation_temporality: AggregationTemporality::Cumulative as i32,
        })),
        ..Metric::default()
    };
    let resource = opentelemetry_proto::tonic::resource::v1::Resource {
        attributes: vec![attribute("service.name", "shop"), attribute("host.name", "h")],
        ..Default::default()
    };
    let scope_metrics = vec![ScopeMetrics { metrics: vec![sizes], ..ScopeMetrics::default() }];
    let resource_metrics =
        vec![ResourceMetrics { resource: Some(resource), scope_metrics, ..ResourceMetrics::default() }];
    ExportMetricsServiceRequest { resource_metrics }.encode_to_vec()
}
