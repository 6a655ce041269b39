//! Own traces: a span for each request that was received, of the phase store too, and each attempt to export, sent over
//! OTLP.
//!
//! - **In:** spans of `tracing` under the target [`TARGET`], and nothing else: what libraries below us trace (h2, hyper,
//!   tonic, tower) never gets here, so that sending own traces makes no traces.
//! - **Out:** OTLP over gRPC, by the SDK's batch processor: bounded, on a thread of its own; what does not fit is dropped.
//! - **Guaranteed:** unless the configuration asks for it nothing is made (see [`pipelines::spans`]).
//! - **Not here:** the journal. Own traces are sent apart from everybody's data, as the Collector does.

use std::time::Duration;

use axum::{
    extract::{MatchedPath, Request},
    middleware::Next,
    response::Response,
};
use http::HeaderMap;
use opentelemetry::{
    Context, KeyValue,
    trace::{SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider},
};
use opentelemetry_otlp::{Compression, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchConfigBuilder, BatchSpanProcessor, SdkTracer, SdkTracerProvider},
};
use pipelines::{
    engine::edge::ReceiverEdge,
    spans::{SCOPE, TARGET, are_propagated, are_wanted, is_about_us},
};
use proto::{AnyBatch, SignalKind};
use thiserror::Error;
use tonic::metadata::MetadataMap;
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{
    config::telemetry::traces::{Batch, Otlp, Ratio, Sampler, Traces},
    phase_store::context::RemoteContext,
};

/// The way of own spans to their destination.
#[derive(Debug)]
pub struct OwnTraces {
    provider: SdkTracerProvider,
}

/// Why own traces cannot be sent.
#[derive(Debug, Error)]
#[error("own traces cannot be sent to {endpoint}")]
pub struct StartError {
    endpoint: String,
    #[source]
    cause: opentelemetry_otlp::ExporterBuildError,
}

/// The span of whoever has called, if their trace is to be gone on with.
#[derive(Clone, Debug, Default)]
pub struct Caller(Option<Box<SpanContext>>);

/// How a request was answered, in items.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Answered {
    /// Answered with success.
    pub accepted: u64,
    /// Declined.
    pub refused: u64,
}

/// Begins to send what the configuration asks for; nothing if it does not. To be called inside the runtime.
///
/// # Errors
/// An exporter cannot be made.
pub fn start(config: &Traces) -> Result<Option<OwnTraces>, StartError> {
    if !config.is_on() {
        return Ok(None);
    }
    let mut builder = SdkTracerProvider::builder().with_resource(resource());
    for (otlp, batch) in config.processors.iter().filter_map(|processor| processor.otlp()) {
        let exporter =
            exporter(otlp).map_err(|cause| StartError { endpoint: otlp.endpoint.clone(), cause })?;
        builder = builder.with_span_processor(processor(exporter, &batch));
    }
    if let Some(sampler) = &config.sampler {
        builder = builder.with_sampler(self::sampler(sampler));
    }
    pipelines::spans::want(config.are_propagated(), traceparent);
    Ok(Some(OwnTraces { provider: builder.build() }))
}

/// Whoever has called, as the headers say it (W3C Trace Context); nobody unless spans are wanted and contexts carried on.
pub fn caller(headers: &HeaderMap) -> Caller {
    if !are_wanted() || !are_propagated() {
        return Caller(None);
    }
    let values = |name| headers.get_all(name).iter().map(http::HeaderValue::as_bytes);
    let remote = RemoteContext::read(values("traceparent"), values("tracestate"));
    Caller(remote.map(|remote| {
        Box::new(SpanContext::new(
            TraceId::from_bytes(remote.trace.0),
            SpanId::from_bytes(remote.span.0),
            TraceFlags::new(remote.flags),
            true,
            remote.trace_state.parse::<TraceState>().unwrap_or_default(),
        ))
    }))
}

/// W3C Trace Context, *traceparent Header Field Values*, of a span.
fn traceparent(span: &Span) -> Option<String> {
    let context = span.context();
    let span = context.span();
    let context = span.span_context();
    let flags = context.trace_flags().to_u8();
    context.is_valid().then(|| format!("00-{}-{}-{flags:02x}", context.trace_id(), context.span_id()))
}

/// One request to an HTTP API of ours, told with its route and its status.
pub async fn served(request: Request, next: Next) -> Response {
    if !are_wanted() {
        return next.run(request).await;
    }
    let route = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str).to_owned();
    let span = info_span!(
        target: TARGET,
        parent: None,
        "serve",
        otel.name = format!("{} {route}", request.method()),
        otel.kind = "server",
        http.request.method = request.method().as_str(),
        http.route = route,
    );
    if let Caller(Some(caller)) = caller(request.headers()) {
        // Fails only once the span was entered.
        let _ = span.set_parent(Context::new().with_remote_span_context(*caller));
    }
    let response = next.run(request).instrument(span.clone()).await;
    let status = response.status();
    span.set_attribute("http.response.status_code", i64::from(status.as_u16()));
    // Semantic conventions for HTTP, *Status*: a server's span fails with 5xx only.
    if status.is_server_error() {
        span.set_status(Status::error(status.to_string()));
    }
    response
}

/// One received request; nothing if nobody wants to know, or it tells only of the collector's own work.
pub fn received(edge: &ReceiverEdge, batch: &AnyBatch, caller: Caller) -> Span {
    if !are_wanted() || is_about_us(batch) {
        return Span::none();
    }
    let operation = match edge.signal {
        SignalKind::Traces => "TraceDataReceived",
        SignalKind::Metrics => "MetricsReceived",
        SignalKind::Logs => "LogsReceived",
    };
    let span = info_span!(
        target: TARGET,
        parent: None,
        "receive",
        otel.name = format!("receiver/{}/{operation}", edge.receiver),
        otel.kind = "server",
        receiver = %edge.receiver,
        transport = edge.transport,
    );
    if let Some(caller) = caller.0 {
        // Fails only once the span was entered.
        let _ = span.set_parent(Context::new().with_remote_span_context(*caller));
    }
    span
}

/// Says how a request was answered.
pub fn answered(span: &Span, signal: SignalKind, answered: Answered, fault: Option<&dyn std::fmt::Display>) {
    if span.is_disabled() {
        return;
    }
    let Answered { accepted, refused } = answered;
    for (outcome, count) in [("accepted", accepted), ("refused", refused)] {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        span.set_attribute(format!("{outcome}_{}", signal.items()), count);
    }
    if let Some(fault) = fault {
        span.set_status(Status::error(fault.to_string()));
    }
}

fn resource() -> Resource {
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.name", "phasor"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance_id()),
        ])
        .build()
}

/// A random UUID (RFC 9562, version 4), as the Collector has it.
fn instance_id() -> String {
    let mut bytes = [0; 16];
    // Without randomness two processes look alike, which is harmless.
    let _ = getrandom::fill(&mut bytes);
    let bits = u128::from_be_bytes(bytes);
    let bits = bits & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn exporter(otlp: &Otlp) -> Result<SpanExporter, opentelemetry_otlp::ExporterBuildError> {
    let mut headers = HeaderMap::new();
    for header in &otlp.headers {
        let name = http::HeaderName::from_bytes(header.name.as_bytes());
        let value = http::HeaderValue::from_str(header.value.reveal());
        if let (Ok(name), Ok(mut value)) = (name, value) {
            value.set_sensitive(true);
            headers.append(name, value);
        }
    }
    let mut builder = SpanExporter::builder()
        .with_tonic()
        .with_endpoint(otlp.url())
        .with_timeout(otlp.timeout())
        .with_metadata(MetadataMap::from_headers(headers));
    if otlp.compression.as_deref() == Some("gzip") {
        builder = builder.with_compression(Compression::Gzip);
    }
    builder.build()
}

fn processor(exporter: SpanExporter, batch: &Batch) -> BatchSpanProcessor {
    let mut config = BatchConfigBuilder::default();
    if let Some(millis) = batch.schedule_delay {
        config = config.with_scheduled_delay(Duration::from_millis(millis.max(1)));
    }
    if let Some(spans) = batch.max_queue_size {
        config = config.with_max_queue_size(spans);
    }
    if let Some(spans) = batch.max_export_batch_size {
        config = config.with_max_export_batch_size(spans);
    }
    BatchSpanProcessor::builder(exporter).with_batch_config(config.build()).build()
}

fn sampler(config: &Sampler) -> opentelemetry_sdk::trace::Sampler {
    use opentelemetry_sdk::trace::Sampler as Sdk;
    if config.always_off.is_some() {
        Sdk::AlwaysOff
    } else if let Some(Ratio { ratio }) = config.trace_id_ratio_based {
        Sdk::TraceIdRatioBased(ratio)
    } else if let Some(parent) = &config.parent_based {
        let root = parent.root.as_ref().map_or(Sdk::AlwaysOn, |root| sampler(root));
        Sdk::ParentBased(Box::new(root))
    } else {
        Sdk::AlwaysOn
    }
}

// === impl OwnTraces ===

impl OwnTraces {
    /// Makes spans of what `tracing` tells.
    pub fn tracer(&self) -> SdkTracer {
        self.provider.tracer(SCOPE)
    }

    /// Sends what is left, within a moment. Blocking.
    pub fn stop(self) {
        if let Err(error) = self.provider.shutdown_with_timeout(LAST_SPANS) {
            tracing::debug!(%error, "the last own traces were not sent");
        }
    }
}

/// What the last spans get to be sent.
const LAST_SPANS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_id_is_a_random_uuid() {
        let (first, second) = (instance_id(), instance_id());
        assert_ne!(first, second);
        let parts: Vec<_> = first.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12]);
        assert_eq!(&first[14..15], "4");
        assert!("89ab".contains(&first[19..20]), "{first}");
    }
}
