//! A receiver over an in-memory journal, and clients that can also do what no client should.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use exporters::auth::Authenticators;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::{
    body::Frame,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use opentelemetry_proto::tonic::{
    collector::{
        logs::v1::ExportLogsServiceRequest, metrics::v1::ExportMetricsServiceRequest,
        trace::v1::ExportTraceServiceRequest,
    },
    logs::v1::{LogRecord, ResourceLogs, ScopeLogs},
    metrics::v1::{
        Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point::Value,
    },
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use phasor_collector::receivers::{
    admission::Admission,
    otlp::{self, Running},
};
use pipelines::{
    client::Client,
    component::{ComponentId, PipelineId},
    engine::{
        drain::{DrainTrigger, drain},
        edge::{Count, ProcessorEdge},
        inlet::{Chain, Head, Inlet, Stage},
    },
    journal::{Bounds, Cursor, Journal, Mode, OnFull, PipelineIndex, PipelineSettings, Settings},
    processor::Processor,
    refusal::{Downstream, Refusal},
};
use prost::Message;
use proto::{Batch, SignalKind, Traces};
use tokio::{net::TcpStream, sync::mpsc, time::timeout};

/// A receiver with both protocols on ports of its own.
pub(crate) struct Receiver {
    pub(crate) running: Running,
    pub(crate) admission: Admission,
    pub(crate) trigger: DrainTrigger,
    cursors: [Cursor; 3],
}

/// How a [`Receiver`] is set up.
pub(crate) struct Setup {
    /// Keys under `grpc:` and `http:` beside the endpoints, in flow style.
    pub(crate) grpc: &'static str,
    pub(crate) http: &'static str,
    pub(crate) admission_bytes: u64,
    /// What a consumer may lag behind; beyond it the pipeline refuses.
    pub(crate) lag_bytes_max: u64,
    pub(crate) signals: &'static [SignalKind],
    /// The processors of the traces pipeline.
    pub(crate) traces: Chain,
    pub(crate) authenticators: Authenticators,
}

/// What a gRPC call came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) http: StatusCode,
    /// `grpc-status` and `grpc-message`, from the trailers or, without a body, the headers.
    pub(crate) code: i32,
    pub(crate) message: String,
    pub(crate) details: Option<GrpcStatus>,
    pub(crate) headers: HeaderMap,
    /// The message in the answer.
    pub(crate) reply: Option<Bytes>,
}

/// What an HTTP request came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// `google.rpc.Status`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct GrpcStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<Any>,
}

/// `google.protobuf.Any`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

/// `google.rpc.RetryInfo`, as far as whole seconds go.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    pub(crate) retry_delay: Option<ProtoDuration>,
}

/// `google.protobuf.Duration`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct ProtoDuration {
    #[prost(int64, tag = "1")]
    pub(crate) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(crate) nanos: i32,
}

/// `google.rpc.BadRequest`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct BadRequest {
    #[prost(message, repeated, tag = "1")]
    pub(crate) field_violations: Vec<FieldViolation>,
}

/// `google.rpc.BadRequest.FieldViolation`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct FieldViolation {
    #[prost(string, tag = "1")]
    pub(crate) field: String,
    #[prost(string, tag = "2")]
    pub(crate) description: String,
}

pub(crate) type SendBody = BoxBody<Bytes, std::io::Error>;

// === impl Setup ===

impl Default for Setup {
    fn default() -> Self {
        Self {
            grpc: "",
            http: "",
            admission_bytes: 64 << 20,
            lag_bytes_max: 64 << 20,
            signals: &SignalKind::ALL,
            traces: Chain::empty(SignalKind::Traces),
            authenticators: Authenticators::default(),
        }
    }
}

// === impl Receiver ===

impl Receiver {
    pub(crate) async fn start(setup: Setup) -> Self {
        let receiver = Self::bind(setup).await;
        receiver.running.ready();
        receiver
    }

    /// Bound, but not yet serving.
    pub(crate) async fn bind(setup: Setup) -> Self {
        let Setup { grpc, http, admission_bytes, lag_bytes_max, signals, traces, authenticators } = setup;
        let place = |keys: &str| if keys.contains("endpoint:") { "" } else { "endpoint: \"127.0.0.1:0\", " };
        let yaml = format!("protocols: {{grpc: {{{}{grpc}}}, http: {{{}{http}}}}}", place(grpc), place(http));
        let config: otlp::Config = serde_saphyr::from_str(&yaml).unwrap();
        assert_eq!(config.check(), []);
        let pipeline =
            |signal: SignalKind| PipelineSettings { name: signal.to_string(), signal, mode: Mode::Memory };
        let settings = Settings {
            directory: None,
            segment_bytes_max: 64 << 20,
            disk: pipelines::disk::files(),
            tail_bytes_max: 256 << 20,
            pipelines: SignalKind::ALL.map(pipeline).into(),
        };
        let (journal, _) = Journal::open(settings).unwrap();
        let cursors = SignalKind::ALL.map(|signal| {
            let bounds = Bounds { lag_bytes_max, on_full: OnFull::Refuse };
            journal.cursor(PipelineIndex(signal as usize), "test", bounds).unwrap()
        });
        let mut traces = Some(traces);
        let heads: Vec<_> = signals
            .iter()
            .map(|signal| {
                let chain = match signal {
                    SignalKind::Traces => traces.take().unwrap(),
                    other => Chain::empty(*other),
                };
                Arc::new(Head {
                    id: PipelineId::new(*signal),
                    index: PipelineIndex(*signal as usize),
                    chain,
                    left_out: Count::default(),
                })
            })
            .collect();
        let (trigger, drain) = drain();
        let admission = Admission::new(admission_bytes);
        let settings = otlp::Settings {
            id: ComponentId::new("otlp"),
            inlet: Inlet::for_receiver(journal, heads),
            admission: admission.clone(),
            authenticators,
            drain,
        };
        let running = otlp::start(&config, settings).await.unwrap();
        Self { running, admission, trigger, cursors }
    }

    pub(crate) fn grpc(&self) -> SocketAddr {
        self.running.grpc_addr.unwrap()
    }

    pub(crate) fn http(&self) -> SocketAddr {
        self.running.http_addr.unwrap()
    }

    /// The batches that have arrived since the last look, as bytes.
    pub(crate) async fn arrived(&self, signal: SignalKind) -> Vec<Bytes> {
        let cursor = &self.cursors[signal as usize];
        let mut batches = Vec::new();
        while cursor.position() < cursor.end() {
            let records = cursor.next(usize::MAX).await.unwrap();
            cursor.commit(records.last().unwrap().position);
            batches.extend(records.into_iter().map(|record| record.batch.bytes().clone()));
        }
        batches
    }

    /// Accepted, refused, failed.
    pub(crate) fn counts(&self, transport: &str, signal: SignalKind) -> (u64, u64, u64) {
        let edges = &self.running.edges;
        let edge = edges.iter().find(|edge| edge.transport == transport && edge.signal == signal).unwrap();
        (edge.accepted.total(), edge.refused.total(), edge.failed.total())
    }

    /// Requests that were refused, by reason; those without any are left out.
    pub(crate) fn refusals(&self, transport: &str) -> Vec<(&'static str, u64)> {
        let (_, counts) = self.running.refusals.iter().find(|(name, _)| *name == transport).unwrap();
        counts.by_cause().into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Waits until no byte is admitted any more: a request that was given up leaves nothing behind.
    pub(crate) async fn settles(&self) {
        let settled = async {
            while self.admission.bytes_in_use() > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        bounded(settled).await;
    }

    /// It still serves both protocols.
    pub(crate) async fn still_serves(&self) {
        self.settles().await;
        self.arrived(SignalKind::Traces).await;
        let request = spans(1).encode_to_vec();
        let outcome = call(self.grpc(), TRACES, &[], full(framed(0, &request))).await;
        assert_eq!(outcome.code, 0, "{outcome:?}");
        let answer = post(self.http(), "/v1/traces", &[PROTOBUF], full(request.clone())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(self.arrived(SignalKind::Traces).await, [request.clone(), request]);
        self.settles().await;
    }
}

// === impl GrpcStatus ===

impl GrpcStatus {
    /// The detail of type `google.rpc.{name}`.
    pub(crate) fn detail<M: Message + Default>(&self, name: &str) -> Option<M> {
        let type_url = format!("type.googleapis.com/google.rpc.{name}");
        let any = self.details.iter().find(|any| any.type_url == type_url)?;
        Some(M::decode(&any.value[..]).unwrap())
    }

    /// How long to wait, in seconds; 0 if it does not say.
    pub(crate) fn retry_seconds(&self) -> f64 {
        let info = self.detail::<RetryInfo>("RetryInfo").and_then(|info| info.retry_delay);
        info.map_or(0.0, |delay| delay.seconds as f64 + f64::from(delay.nanos) / 1e9)
    }
}

// === impl Answer ===

impl Answer {
    /// The body as a `google.rpc.Status`.
    pub(crate) fn details(&self) -> GrpcStatus {
        assert_eq!(self.headers["content-type"], "application/x-protobuf");
        GrpcStatus::decode(self.body.clone()).unwrap()
    }
}

/// One gRPC call on a connection of its own.
pub(crate) async fn call(addr: SocketAddr, path: &str, headers: &[(&str, &str)], body: SendBody) -> Outcome {
    bounded(async {
        let mut sender = connect_http2(addr).await;
        call_on(&mut sender, path, headers, body).await
    })
    .await
}

async fn connect(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).await.unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

pub(crate) async fn connect_http2(addr: SocketAddr) -> http2::SendRequest<SendBody> {
    let io = TokioIo::new(connect(addr).await);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) async fn call_on(
    sender: &mut http2::SendRequest<SendBody>,
    path: &str,
    headers: &[(&str, &str)],
    body: SendBody,
) -> Outcome {
    let mut request = Request::post(format!("http://localhost{path}"));
    if !headers.iter().any(|(name, _)| *name == "content-type") {
        request = request.header("content-type", "application/grpc");
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = sender.send_request(request.header("te", "trailers").body(body).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap();
    let trailers = body.trailers().cloned();
    let bytes = body.to_bytes();
    let last = trailers.unwrap_or_else(|| parts.headers.clone());
    let text = |name| last.get(name).map(|value| value.to_str().unwrap().to_owned());
    Outcome {
        http: parts.status,
        code: text("grpc-status").map_or(-1, |code| code.parse().unwrap()),
        message: text("grpc-message").unwrap_or_default(),
        details: text("grpc-status-details-bin")
            .map(|details| GrpcStatus::decode(&base64(&details)[..]).unwrap()),
        headers: parts.headers,
        reply: (!bytes.is_empty()).then(|| bytes.slice(5..)),
    }
}

/// One HTTP/1.1 request on a connection of its own.
pub(crate) async fn post(addr: SocketAddr, path: &str, headers: &[(&str, &str)], body: SendBody) -> Answer {
    send(addr, "POST", path, headers, body).await
}

pub(crate) async fn send(
    addr: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: SendBody,
) -> Answer {
    bounded(async {
        let mut sender = connect_http1(addr).await;
        send_on(&mut sender, method, path, headers, body).await
    })
    .await
}

pub(crate) async fn connect_http1(addr: SocketAddr) -> http1::SendRequest<SendBody> {
    let io = TokioIo::new(connect(addr).await);
    let (sender, connection) = http1::handshake(io).await.unwrap();
    tokio::spawn(connection);
    sender
}

pub(crate) async fn send_on(
    sender: &mut http1::SendRequest<SendBody>,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: SendBody,
) -> Answer {
    let mut request = Request::builder().method(method).uri(path).header("host", "localhost");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    sender.ready().await.unwrap();
    let response = sender.send_request(request.body(body).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    Answer { status: parts.status, headers: parts.headers, body }
}

pub(crate) fn full(bytes: impl Into<Bytes>) -> SendBody {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// A body of unknown length, in pieces.
pub(crate) fn chunks(pieces: impl IntoIterator<Item = Bytes>) -> SendBody {
    let frames: Vec<_> = pieces.into_iter().map(|piece| Ok(Frame::data(piece))).collect();
    BodyExt::boxed(StreamBody::new(futures_util::stream::iter(frames)))
}

/// A body that says `first` and then nothing, for ever.
pub(crate) fn stalled(first: impl Into<Bytes>) -> SendBody {
    use futures_util::StreamExt;
    let first = futures_util::stream::iter([Ok(Frame::data(first.into()))]);
    BodyExt::boxed(StreamBody::new(first.chain(futures_util::stream::pending())))
}

/// A body that goes on with each piece sent, until the sender is dropped.
pub(crate) fn written_by_hand() -> (mpsc::Sender<Vec<u8>>, SendBody) {
    use tokio_stream::{StreamExt, wrappers::ReceiverStream};
    let (tx, rx) = mpsc::channel(1);
    let frames = ReceiverStream::new(rx).map(|piece: Vec<u8>| Ok(Frame::data(piece.into())));
    (tx, BodyExt::boxed(StreamBody::new(frames)))
}

pub(crate) fn framed(flag: u8, message: &[u8]) -> Vec<u8> {
    [&[flag], &(message.len() as u32).to_be_bytes()[..], message].concat()
}

pub(crate) fn gzip(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn gunzip(compressed: &[u8]) -> Vec<u8> {
    use std::io::Read;
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(compressed).read_to_end(&mut plain).unwrap();
    plain
}

pub(crate) fn zstd(plain: &[u8]) -> Vec<u8> {
    zstd::encode_all(plain, 0).unwrap()
}

pub(crate) fn zlib(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn deflate(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(plain).unwrap();
    encoder.finish().unwrap()
}

pub(crate) fn snappy_block(plain: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(plain).unwrap()
}

pub(crate) fn snappy_frames(plain: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut encoder = snap::write::FrameEncoder::new(Vec::new());
    encoder.write_all(plain).unwrap();
    encoder.into_inner().unwrap()
}

/// The same sequence of changes each time.
pub(crate) struct Random(pub(crate) u32);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0
    }

    /// `whole` with some bits flipped, and sometimes cut.
    pub(crate) fn mutated(&mut self, whole: &[u8]) -> Vec<u8> {
        let mut bytes = whole.to_vec();
        for _ in 0..1 + self.next() % 4 {
            let at = self.next() as usize % bytes.len();
            bytes[at] ^= 1 << (self.next() >> 29);
        }
        if self.next().is_multiple_of(8) {
            bytes.truncate(self.next() as usize % bytes.len());
        }
        bytes
    }
}

/// No test waits for ever.
pub(crate) async fn bounded<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("answered in time")
}

pub(crate) fn spans(count: u8) -> ExportTraceServiceRequest {
    let span = |i: u8| Span {
        trace_id: vec![i + 1; 16],
        span_id: vec![i + 1; 8],
        name: format!("span {i}"),
        ..Default::default()
    };
    let scope_spans = vec![ScopeSpans { spans: (0..count).map(span).collect(), ..Default::default() }];
    ExportTraceServiceRequest { resource_spans: vec![ResourceSpans { scope_spans, ..Default::default() }] }
}

pub(crate) fn points(count: u8) -> ExportMetricsServiceRequest {
    let point = |i: u8| NumberDataPoint { value: Some(Value::AsInt(i.into())), ..Default::default() };
    let data = Some(metric::Data::Gauge(Gauge { data_points: (0..count).map(point).collect() }));
    let metrics = vec![Metric { name: "gauge".into(), data, ..Default::default() }];
    let scope_metrics = vec![ScopeMetrics { metrics, ..Default::default() }];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics { scope_metrics, ..Default::default() }],
    }
}

pub(crate) fn records(count: u8) -> ExportLogsServiceRequest {
    let record = |i: u8| LogRecord { severity_text: format!("{i}"), ..Default::default() };
    let scope_logs = vec![ScopeLogs { log_records: (0..count).map(record).collect(), ..Default::default() }];
    ExportLogsServiceRequest { resource_logs: vec![ResourceLogs { scope_logs, ..Default::default() }] }
}

/// A request of each signal with two items, where to send it by gRPC and by HTTP.
pub(crate) fn one_of_each() -> [(SignalKind, &'static str, &'static str, Vec<u8>); 3] {
    [
        (SignalKind::Traces, TRACES, "/v1/traces", spans(2).encode_to_vec()),
        (SignalKind::Metrics, METRICS, "/v1/metrics", points(2).encode_to_vec()),
        (SignalKind::Logs, LOGS, "/v1/logs", records(2).encode_to_vec()),
    ]
}

/// A span whose name alone has `bytes` bytes.
pub(crate) fn span_of(bytes: usize) -> Vec<u8> {
    let mut request = spans(1);
    request.resource_spans[0].scope_spans[0].spans[0].name = "x".repeat(bytes);
    request.encode_to_vec()
}

/// Unpadded standard base64, as gRPC writes binary headers.
fn base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let (mut bits, mut count, mut bytes) = (0_u32, 0, Vec::new());
    for symbol in text.bytes().filter(|symbol| *symbol != b'=') {
        let value = ALPHABET.iter().position(|other| *other == symbol).unwrap();
        bits = bits << 6 | value as u32;
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count) as u8);
        }
    }
    bytes
}

pub(crate) const TRACES: &str = "/opentelemetry.proto.collector.trace.v1.TraceService/Export";
pub(crate) const METRICS: &str = "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export";
pub(crate) const LOGS: &str = "/opentelemetry.proto.collector.logs.v1.LogsService/Export";
pub(crate) const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

/// The codes we answer with.
pub(crate) const INVALID_ARGUMENT: i32 = 3;
pub(crate) const RESOURCE_EXHAUSTED: i32 = 8;
pub(crate) const UNIMPLEMENTED: i32 = 12;
pub(crate) const INTERNAL: i32 = 13;
pub(crate) const UNAVAILABLE: i32 = 14;

/// Declines every batch in one way.
struct Declines(Refusal);

impl Processor<Traces> for Declines {
    fn process(&self, _: Batch<Traces>, _: &Client) -> Result<Option<Batch<Traces>>, Refusal> {
        Err(self.0.clone())
    }
}

/// A chain that declines every batch in one way.
pub(crate) fn declines(refusal: Refusal) -> Chain {
    let edge = ProcessorEdge::new(ComponentId::new("declines"), SignalKind::Traces);
    Chain::Traces(vec![Stage { processor: Box::new(Declines(refusal)), edge: edge.into() }])
}

/// A chain whose destination has much to say.
pub(crate) fn verbose() -> Chain {
    let message = "it does not fit; ".repeat(200);
    let exporter = ComponentId::new("otlp_grpc");
    let told =
        Downstream { exporter, code: INVALID_ARGUMENT, name: "INVALID_ARGUMENT", message, retry_after: None };
    declines(Refusal::Downstream(Arc::new(told)))
}

/// Why a receiver with this configuration does not start.
pub(crate) async fn start_error(yaml: &str) -> otlp::StartError {
    let config: otlp::Config = serde_saphyr::from_str(yaml).unwrap();
    assert_eq!(config.check(), []);
    let settings = otlp::Settings {
        id: ComponentId::new("otlp"),
        inlet: pipelines::testing::Pipes::new(1_000).inlet,
        admission: Admission::new(1_000),
        authenticators: Authenticators::default(),
        drain: drain().1,
    };
    otlp::start(&config, settings).await.unwrap_err()
}
