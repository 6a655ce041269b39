//! Bytes that nobody changed leave as they came.

use opentelemetry_proto::tonic::common::v1::any_value::Value::StringValue as Text;
use proto::SignalKind;

use super::support::{
    backend::Backend,
    eventually,
    phasor::{Phasor, Start},
    sender::{LOGS, METRICS, Sender, TRACES},
    spans,
};

#[tokio::test]
async fn a_pass_through_pipeline_delivers_byte_for_byte_what_came_in() {
    let backend = Backend::start().await;
    let phasor = pass_through(&backend);
    let mut sender = Sender::connect(&phasor.grpc()).await;

    // An unknown field (number 1000, a string) after the spans: nobody knows it, everybody keeps it.
    let mut traces = spans::encoded("shop", "GET /", 0, 7);
    traces.extend_from_slice(&[0xc2, 0x3e, 0x03, b'n', b'e', b'w']);
    let metrics = gauge_request();
    let logs = log_request();
    for (path, message) in [(TRACES, &traces), (METRICS, &metrics), (LOGS, &logs)] {
        let answer = sender.export(path, message.clone()).await.expect("accepted");
        assert!(answer.is_empty(), "full success leaves partial_success unset");
    }
    let requests = eventually("all three signals arrive", || async {
        let requests = backend.requests();
        (requests.len() >= 3).then_some(requests)
    })
    .await;
    for (path, message) in [(TRACES, traces), (METRICS, metrics), (LOGS, logs)] {
        let received =
            requests.iter().find(|(to, _)| to == path).unwrap_or_else(|| panic!("nothing came to {path}"));
        assert_eq!(received.1, message, "{path}");
    }
}

#[tokio::test]
async fn the_same_bytes_arrive_over_http() {
    let backend = Backend::start().await;
    let phasor = pass_through(&backend);
    let message = spans::encoded("shop", "GET /", 0, 3);
    let url = format!("http://{}/v1/traces", phasor.http());
    let headers = [("content-type", "application/x-protobuf")];
    let answer = super::support::http::post(&url, &headers, message.clone()).await;
    assert_eq!((answer.status, answer.body.len()), (200, 0), "{answer:?}");
    assert_eq!(answer.header("content-type"), Some("application/x-protobuf"));
    let requests = eventually("the request arrives", || async {
        let requests = backend.requests();
        (!requests.is_empty()).then_some(requests)
    })
    .await;
    assert_eq!(requests[0].1, message);
}

#[tokio::test]
async fn the_same_bytes_arrive_over_otlp_http_and_stand_in_a_file() {
    let backend = Backend::start().await;
    let second = pass_through(&backend);
    let folder = tempfile::tempdir().expect("a temporary directory");
    let file = folder.path().join("all.json");
    let pipeline = "{receivers: [otlp], exporters: [otlphttp, file]}";
    let first = Start::config(format!(
        r#"
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}}}}}}}
exporters: {{otlphttp: {{endpoint: "http://{}"}}, file: {{path: "{}"}}}}
service: {{pipelines: {{traces: {pipeline}, metrics: {pipeline}, logs: {pipeline}}}}}
"#,
        second.http(),
        file.display(),
    ))
    .start();
    let mut sender = Sender::connect(&first.grpc()).await;
    let sent = [
        (TRACES, SignalKind::Traces, spans::encoded("shop", "GET /", 0, 7)),
        (METRICS, SignalKind::Metrics, gauge_request()),
        (LOGS, SignalKind::Logs, log_request()),
    ];
    for (path, _, message) in &sent {
        sender.export(path, message.clone()).await.expect("accepted");
    }
    let requests = eventually("all three signals arrive", || async {
        let requests = backend.requests();
        (requests.len() >= 3).then_some(requests)
    })
    .await;
    let lines = eventually("all three stand in the file", || async {
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        (text.lines().count() >= 3).then_some(text)
    })
    .await;
    for (path, signal, message) in sent {
        let received =
            requests.iter().find(|(to, _)| to == path).unwrap_or_else(|| panic!("nothing came to {path}"));
        assert_eq!(received.1, message, "{path}");
        let same = |line: &&str| {
            proto::json::decode(signal, line.as_bytes(), 1 << 20).is_ok_and(|bytes| bytes == message)
        };
        assert_eq!(lines.lines().filter(same).count(), 1, "{signal} in {lines}");
    }
}

#[tokio::test]
async fn two_backends_both_get_everything_and_one_that_is_down_harms_no_other() {
    let up = Backend::start().await;
    let down = Backend::start().await;
    let down_address = down.address.to_string();
    drop(down);
    let retry = "retry_on_failure: {initial_interval: 100ms, max_interval: 200ms}";
    let phasor = Start::config(format!(
        r#"
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}}}}}}}
exporters:
  otlp_grpc/up: {{endpoint: "http://{}"}}
  otlp_grpc/down: {{endpoint: "http://{down_address}", {retry}}}
service: {{pipelines: {{traces: {{receivers: [otlp], exporters: [otlp_grpc/up, otlp_grpc/down]}}}}}}
"#,
        up.address
    ))
    .start();
    let mut sender = Sender::connect(&phasor.grpc()).await;
    for first in 0..10 {
        sender.export(TRACES, spans::encoded("shop", "GET /", first * 10, 10)).await.expect("accepted");
    }
    eventually("the backend that is up has everything", || async { (up.spans().len() == 100).then_some(()) })
        .await;
    let back = Backend::listen(&down_address).await;
    eventually("the other one gets everything when it is back", || async {
        (back.spans().len() == 100).then_some(())
    })
    .await;
    assert_eq!(up.spans().len(), 100, "and nothing was sent twice to the first");
}

#[tokio::test]
async fn what_a_sender_says_in_headers_becomes_attributes_where_its_receiver_includes_it() {
    let backend = Backend::start().await;
    let phasor = Start::config(format!(
        r#"
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0", include_metadata: true}}, http: {{endpoint: "127.0.0.1:0"}}}}}}
processors:
  attributes:
    actions:
      - {{key: agent, from_context: metadata.User-Agent, action: upsert}}
      - {{key: from, from_context: client.address, action: upsert}}
exporters: {{otlp_grpc: {{endpoint: "http://{}"}}}}
service: {{pipelines: {{traces: {{receivers: [otlp], processors: [attributes], exporters: [otlp_grpc]}}}}}}
"#,
        backend.address
    ))
    .start();
    let mut sender = Sender::connect(&phasor.grpc()).await;
    sender.export(TRACES, spans::encoded("shop", "by gRPC", 0, 1)).await.expect("accepted");
    let url = format!("http://{}/v1/traces", phasor.http());
    let headers = [("content-type", "application/x-protobuf"), ("user-agent", "nobody asks here")];
    let answer = super::support::http::post(&url, &headers, spans::encoded("shop", "by HTTP", 1, 1)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let spans = eventually("both spans arrive", || async {
        let spans = backend.spans();
        (spans.len() == 2).then_some(spans)
    })
    .await;
    for (name, agent) in [("by gRPC", Some("tonic/")), ("by HTTP", None)] {
        let span = spans.iter().find(|span| span.name == name).expect("it is there");
        let text = |key: &str| {
            let value = span.attributes.iter().find(|pair| pair.key == key)?.value.clone()?.value?;
            match value {
                Text(text) => Some(text),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(text("from").as_deref(), Some("127.0.0.1"), "{span:?}");
        assert_eq!(text("agent").map(|text| text[..6].to_owned()).as_deref(), agent, "{span:?}");
    }
}

fn pass_through(backend: &Backend) -> Phasor {
    let pipeline = "{receivers: [otlp], exporters: [otlp_grpc]}";
    Start::config(format!(
        r#"
receivers: {{otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}, http: {{endpoint: "127.0.0.1:0"}}}}}}}}
exporters: {{otlp_grpc: {{endpoint: "http://{}", compression: zstd}}}}
service: {{pipelines: {{traces: {pipeline}, metrics: {pipeline}, logs: {pipeline}}}}}
"#,
        backend.address
    ))
    .start()
}

fn gauge_request() -> Vec<u8> {
    use opentelemetry_proto::tonic::{collector::metrics::v1::ExportMetricsServiceRequest, metrics::v1::*};
    use prost::Message;
    let point = NumberDataPoint {
        time_unix_nano: 1_700_000_000_000_000_000,
        value: Some(number_data_point::Value::AsDouble(0.5)),
        attributes: vec![spans::attribute("host", "a")],
        ..NumberDataPoint::default()
    };
    let metric = Metric {
        name: "load".to_owned(),
        data: Some(metric::Data::Gauge(Gauge { data_points: vec![point] })),
        ..Metric::default()
    };
    let scope = ScopeMetrics { metrics: vec![metric], ..ScopeMetrics::default() };
    let resource = ResourceMetrics { scope_metrics: vec![scope], ..ResourceMetrics::default() };
    ExportMetricsServiceRequest { resource_metrics: vec![resource] }.encode_to_vec()
}

fn log_request() -> Vec<u8> {
    use opentelemetry_proto::tonic::{collector::logs::v1::ExportLogsServiceRequest, logs::v1::*};
    use prost::Message;
    let record = LogRecord {
        severity_text: "INFO".to_owned(),
        event_name: "started".to_owned(),
        ..LogRecord::default()
    };
    let scope = ScopeLogs { log_records: vec![record], ..ScopeLogs::default() };
    let resource = ResourceLogs { scope_logs: vec![scope], ..ResourceLogs::default() };
    ExportLogsServiceRequest { resource_logs: vec![resource] }.encode_to_vec()
}
