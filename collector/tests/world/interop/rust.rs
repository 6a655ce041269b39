//! What OpenTelemetry's Rust SDK sends, by each of its transports.

use std::{
    future::Future,
    io::{Read, Write},
    net::TcpStream,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, SystemTime},
};

use opentelemetry::{
    Array, Context, InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId, Value,
    logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity},
    metrics::MeterProvider,
    trace::{Link, Span, SpanContext, SpanKind, Status, TraceContextExt, TraceState, Tracer, TracerProvider},
};
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{
    LogExporter, MetricExporter, Protocol, SpanExporter, WithExportConfig, WithHttpConfig,
};
use opentelemetry_sdk::{
    Resource,
    logs::SdkLoggerProvider,
    metrics::{Aggregation, Instrument, PeriodicReader, SdkMeterProvider, Stream},
    trace::{IdGenerator, SdkTracerProvider},
};

/// How it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Grpc,
    Proto,
    Json,
}

/// Sends two spans, five metrics and two log records.
pub(super) async fn send(transport: Transport, address: String) {
    // The SDK's shutdown blocks until all is sent.
    let sent = tokio::task::spawn_blocking(move || {
        let (spans, metrics, logs) = exporters(transport, &address);
        let inside = send_spans(spans);
        send_metrics(metrics, &inside);
        send_logs(logs, &inside);
    });
    sent.await.expect("no panic");
}

fn exporters(transport: Transport, address: &str) -> (SpanExporter, MetricExporter, LogExporter) {
    let url = |signal: &str| format!("http://{address}/v1/{signal}");
    let protocol = match transport {
        Transport::Grpc => {
            let root = format!("http://{address}");
            return (
                SpanExporter::builder().with_tonic().with_endpoint(&root).build().expect("an exporter"),
                MetricExporter::builder().with_tonic().with_endpoint(&root).build().expect("an exporter"),
                LogExporter::builder().with_tonic().with_endpoint(&root).build().expect("an exporter"),
            );
        }
        Transport::Proto => Protocol::HttpBinary,
        Transport::Json => Protocol::HttpJson,
    };
    let spans = SpanExporter::builder().with_http().with_http_client(Client).with_protocol(protocol);
    let metrics = MetricExporter::builder().with_http().with_http_client(Client).with_protocol(protocol);
    let logs = LogExporter::builder().with_http().with_http_client(Client).with_protocol(protocol);
    (
        spans.with_endpoint(url("traces")).build().expect("an exporter"),
        metrics.with_endpoint(url("metrics")).build().expect("an exporter"),
        logs.with_endpoint(url("logs")).build().expect("an exporter"),
    )
}

/// Gives the context of the first span.
fn send_spans(exporter: SpanExporter) -> Context {
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_id_generator(Ids::default())
        .with_resource(resource())
        .build();
    let tracer = provider.tracer_with_scope(scope());
    let remote = SpanContext::new(
        TraceId::from(0x0102_0304_0506_0708_090a_0b0c_0d0e_0f10_u128),
        SpanId::from(0x3132_3334_3536_3738_u64),
        TraceFlags::SAMPLED,
        true,
        TraceState::from_key_value([("k", "v"), ("vendor", "a:b")]).expect("a trace state"),
    );
    let linked = SpanContext::new(
        TraceId::from(0xa1a2_a3a4_a5a6_a7a8_a9aa_abac_adae_afb0_u128),
        SpanId::from(0xb1b2_b3b4_b5b6_b7b8_u64),
        TraceFlags::default(),
        false,
        TraceState::from_key_value([("link", "1")]).expect("a trace state"),
    );
    let mut serve = tracer
        .span_builder("serve")
        .with_kind(SpanKind::Server)
        .with_start_time(at(0))
        .with_attributes(values())
        .with_links(vec![Link::new(linked, vec![KeyValue::new("why", "batch")], 0)])
        .start_with_context(&tracer, &Context::new().with_remote_span_context(remote));
    let names = Value::Array(Array::String(vec!["x".into()]));
    let half_way = vec![KeyValue::new("progress", 0.5), KeyValue::new("names", names)];
    serve.add_event_with_timestamp("half way", at(7), half_way);
    serve.add_event_with_timestamp("bare", at(8), vec![]);
    serve.set_status(Status::error("it broke: ä"));
    let inside = Context::new().with_span(serve);
    let mut fetch = tracer
        .span_builder("fetch")
        .with_kind(SpanKind::Client)
        .with_start_time(at(10))
        .start_with_context(&tracer, &inside);
    fetch.set_status(Status::Ok);
    fetch.end_with_timestamp(at(20));
    inside.span().end_with_timestamp(at(1_500_000_000));
    provider.shutdown().expect("all spans are sent");
    inside
}

fn send_metrics(exporter: MetricExporter, inside: &Context) {
    let exponential = |instrument: &Instrument| {
        let aggregation =
            Aggregation::Base2ExponentialHistogram { max_size: 160, max_scale: 20, record_min_max: true };
        (instrument.name() == "size")
            .then(|| Stream::builder().with_aggregation(aggregation).build().expect("a stream"))
    };
    let provider = SdkMeterProvider::builder()
        .with_reader(PeriodicReader::builder(exporter).with_interval(Duration::from_secs(3_600)).build())
        .with_view(exponential)
        .with_resource(resource())
        .build();
    let meter = provider.meter_with_scope(scope());
    let route = [KeyValue::new("route", "/a"), KeyValue::new("status", 200), KeyValue::new("cached", false)];
    let _inside = inside.clone().attach();
    let requests = meter.u64_counter("requests").with_unit("{request}").with_description("How many.").build();
    requests.add((1 << 53) + 1, &route);
    meter.f64_up_down_counter("queue").with_unit("{item}").build().add(-2.5, &route);
    let latency = meter.f64_histogram("latency").with_unit("ms").with_description("How long.");
    let latency = latency.with_boundaries(vec![1.0, 10.0, 100.0]).build();
    [0.5, 7.25, 1000.0].into_iter().for_each(|value| latency.record(value, &route));
    let size = meter.u64_histogram("size").with_unit("By").build();
    [0, 1, 2, 4].into_iter().for_each(|value| size.record(value, &[]));
    meter.f64_gauge("temperature").with_unit("Cel").build().record(-21.5, &[KeyValue::new("room", "cellar")]);
    provider.shutdown().expect("all points are sent");
}

fn send_logs(exporter: LogExporter, inside: &Context) {
    let provider =
        SdkLoggerProvider::builder().with_batch_exporter(exporter).with_resource(resource()).build();
    let logger = provider.logger_with_scope(scope());
    let mut record = logger.create_log_record();
    record.set_timestamp(at(0));
    record.set_observed_timestamp(at(1));
    record.set_severity_number(Severity::Error3);
    record.set_severity_text("worse");
    record.set_body("it broke: ä".into());
    record.add_attributes([
        ("bytes", AnyValue::Bytes(Box::new(vec![0, 255, 127]))),
        ("least", AnyValue::Int(i64::MIN)),
        ("large", AnyValue::Int((1 << 60) + 1)),
        ("tenth", AnyValue::Double(0.1)),
        ("no", AnyValue::Boolean(false)),
        ("text", "größe €😀 \"\\\n".into()),
        ("list", AnyValue::ListAny(Box::new(vec![1.into(), "two".into(), AnyValue::Boolean(true)]))),
    ]);
    let span = inside.span().span_context().clone();
    record.set_trace_context(span.trace_id(), span.span_id(), Some(span.trace_flags()));
    logger.emit(record);

    let mut record = logger.create_log_record();
    record.set_timestamp(at(2));
    record.set_observed_timestamp(at(3));
    record.set_severity_number(Severity::Info);
    record.set_event_name("order.placed");
    let bytes = AnyValue::Bytes(Box::new(vec![0]));
    let list = AnyValue::ListAny(Box::new(vec![1.into(), "two".into(), AnyValue::Boolean(true), bytes]));
    let map = [("k", AnyValue::Double(2.5))].into_iter().collect();
    record.set_body([("list", list), ("map", map)].into_iter().collect());
    logger.emit(record);
    provider.shutdown().expect("all records are sent");
}

fn resource() -> Resource {
    let hosts = Value::Array(Array::String(vec!["a".into(), "b".into()]));
    let attributes = [
        KeyValue::new("service.name", "interop"),
        KeyValue::new("hosts", hosts),
        KeyValue::new("weight", 2.5),
    ];
    Resource::builder_empty().with_schema_url(attributes, "https://opentelemetry.io/schemas/1.31.0").build()
}

fn scope() -> InstrumentationScope {
    InstrumentationScope::builder("interop")
        .with_version("1.2.3")
        .with_schema_url("https://opentelemetry.io/schemas/1.30.0")
        .with_attributes([KeyValue::new("scope.kind", "all")])
        .build()
}

/// Of every type that a span's attribute has here.
fn values() -> Vec<KeyValue> {
    vec![
        KeyValue::new("text", "größe €😀 \"\\\n"),
        KeyValue::new("empty", ""),
        KeyValue::new("yes", true),
        KeyValue::new("no", false),
        KeyValue::new("large", (1_i64 << 60) + 1),
        KeyValue::new("least", i64::MIN),
        KeyValue::new("tenth", 0.1),
        KeyValue::new("huge", -1.5e300),
        KeyValue::new("whole", 2.0),
        KeyValue::new("texts", Value::Array(Array::String(vec!["a".into(), "".into(), "ä".into()]))),
        KeyValue::new("numbers", Value::Array(Array::I64(vec![1, -2, (1 << 53) + 1]))),
        KeyValue::new("doubles", Value::Array(Array::F64(vec![0.5, -0.25]))),
        KeyValue::new("booleans", Value::Array(Array::Bool(vec![true, false]))),
    ]
}

fn at(nanos: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_nanos(1_700_000_000_000_000_001 + nanos)
}

/// 1111111111111111, 2222222222222222 and so on.
#[derive(Debug, Default)]
struct Ids(AtomicU64);

// === impl Ids ===

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        panic!("every span here has a parent")
    }

    fn new_span_id(&self) -> SpanId {
        SpanId::from(0x1111_1111_1111_1111 * (self.0.fetch_add(1, Relaxed) + 1))
    }
}

/// A connection a request, on the threads of the SDK, which may block.
#[derive(Debug)]
struct Client;

// === impl Client ===

impl HttpClient for Client {
    fn send_bytes<'client, 'future>(
        &'client self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'future>>
    where
        'client: 'future,
        Self: 'future,
    {
        Box::pin(async move { exchange(&request) })
    }
}

fn exchange(request: &Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
    let uri = request.uri();
    let authority = uri.authority().ok_or("no authority")?;
    let length = request.body().len();
    let mut head = format!(
        "{} {} HTTP/1.1\r\nhost: {authority}\r\nconnection: close\r\ncontent-length: {length}\r\n",
        request.method(),
        uri.path(),
    );
    for (name, value) in request.headers() {
        head += &format!("{name}: {}\r\n", value.to_str()?);
    }
    let mut stream = TcpStream::connect(authority.as_str())?;
    stream.write_all(format!("{head}\r\n").as_bytes())?;
    stream.write_all(request.body())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let status = answer.split(' ').nth(1).ok_or("no status")?;
    Ok(Response::builder().status(status).body(Bytes::new())?)
}
