//! Own traces: a span for each request and each attempt to export, and no spans about sending spans.

use std::net::TcpListener;

use opentelemetry_proto::tonic::trace::v1::Span;

use super::support::{
    backend::Backend,
    eventually, http,
    phasor::{Phasor, Start, default_config},
    sender::{Sender, TRACES},
    spans,
};

/// A collector whose exporter is at `backend` and that sends its own traces to `own`.
fn start(backend: &Backend, grpc: &str, own: &str, more: &str) -> Phasor {
    let telemetry = format!(
        "service:\n  telemetry:\n    traces:\n      processors: [{{batch: {{schedule_delay: 100, exporter: {{otlp: \
         {{protocol: grpc, endpoint: \"http://{own}\"}}}}}}}}]\n{more}"
    );
    let exporter = format!("  otlp_grpc: {{endpoint: \"{}\", tls: {{insecure: true}}}}", backend.address);
    let config = default_config(", otlp_grpc", &exporter).replace("service:", &telemetry);
    let config =
        config.replacen("grpc: {endpoint: \"127.0.0.1:0\"}", &format!("grpc: {{endpoint: \"{grpc}\"}}"), 1);
    Start::config(config).start()
}

fn named<'a>(spans: &'a [Span], name: &str) -> Vec<&'a Span> {
    spans.iter().filter(|span| span.name == name).collect()
}

fn number(span: &Span, key: &str) -> Option<i64> {
    use opentelemetry_proto::tonic::common::v1::any_value::Value;
    let attribute = span.attributes.iter().find(|attribute| attribute.key == key)?;
    match attribute.value.as_ref()?.value.as_ref()? {
        Value::IntValue(number) => Some(*number),
        _ => None,
    }
}

async fn send(phasor: &Phasor) {
    let request = spans::padded("shop", 1, 3, 10);
    Sender::connect(&phasor.grpc()).await.export(TRACES, request).await.expect("accepted");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_and_an_attempt_to_export_are_a_span_each() {
    let (backend, own) = (Backend::start().await, Backend::start().await);
    let phasor = start(&backend, "127.0.0.1:0", &own.address.to_string(), PROPAGATED);
    send(&phasor).await;
    let told = eventually("both are told", || async {
        let told = own.spans();
        (told.len() >= 2).then_some(told)
    })
    .await;
    let received = named(&told, "receiver/otlp/TraceDataReceived");
    let exported = named(&told, "exporter/otlp_grpc/traces");
    assert_eq!((received.len(), exported.len()), (1, 1), "{told:?}");
    assert_eq!(number(received[0], "accepted_spans"), Some(3));
    assert_eq!(number(received[0], "refused_spans"), Some(0));
    assert_eq!(number(exported[0], "items.sent"), Some(3));
    // Server and client.
    assert_eq!((received[0].kind, exported[0].kind), (2, 3));
    // As gRPC's instrumentation in the Collector does: the call carries the span it is made in.
    let hex = |id: &[u8]| id.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let traceparent = format!("00-{}-{}-01", hex(&exported[0].trace_id), hex(&exported[0].span_id));
    assert_eq!(backend.traceparents(), [traceparent]);
    assert!(own.traceparents().iter().all(String::is_empty), "sending own traces is no span");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_to_the_phase_store_is_a_span_in_the_trace_of_its_caller() {
    let (backend, own) = (Backend::start().await, Backend::start().await);
    let phasor = start(&backend, "127.0.0.1:0", &own.address.to_string(), PROPAGATED);
    let url = |path: &str| format!("http://{}{path}", phasor.api());
    let traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    http::get(&url("/api/v1/tasks"), &[("traceparent", traceparent)]).await;
    http::get(&url("/api/v1/nothing"), &[]).await;
    let told = eventually("the request is told", || async {
        let told = own.spans();
        (!told.is_empty()).then_some(told)
    })
    .await;
    let [span] = &named(&told, "GET /api/v1/tasks")[..] else { panic!("{told:?}") };
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(number(span, "http.response.status_code"), Some(401));
    assert_eq!((span.kind, span.parent_span_id.as_slice()), (2, &b"\xb7\xadkqi 31"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_sends_its_traces_to_itself_comes_to_rest() {
    let backend = Backend::start().await;
    // The port must be known before the start.
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let own = port.to_string();
    let phasor = start(&backend, &own, &own, "");
    send(&phasor).await;
    eventually("the spans about the request have gone all the way", || async {
        let spans = backend.spans();
        let told = ["receiver/otlp/TraceDataReceived", "exporter/otlp_grpc/traces"];
        told.iter().all(|name| !named(&spans, name).is_empty()).then_some(())
    })
    .await;
    // Many times the delay of a batch: whatever would tell of these spans has long been told.
    let mut last = 0;
    let mut still = 0;
    while still < 20 {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        let spans = backend.spans().len();
        still = if spans == last { still + 1 } else { 0 };
        last = spans;
        assert!(last < 30, "one request makes spans about spans: {last}");
    }
    let spans = backend.spans();
    assert_eq!(
        named(&spans, "receiver/otlp/TraceDataReceived").len(),
        1,
        "the collector's own requests are not told"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_nothing_is_told() {
    let backend = Backend::start().await;
    let exporter = format!("  otlp_grpc: {{endpoint: \"{}\", tls: {{insecure: true}}}}", backend.address);
    let phasor = Start::config(default_config(", otlp_grpc", &exporter)).start();
    send(&phasor).await;
    eventually("the request arrives", || async { (backend.spans().len() == 3).then_some(()) }).await;
    assert_eq!(backend.traceparents(), [""]);
}

/// Contexts of traces cross the process.
const PROPAGATED: &str = "      propagators: [tracecontext]";
