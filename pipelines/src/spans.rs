//! Spans about the collector's own work, for those who have asked for own traces.
//!
//! - **In:** an attempt to export; a request that was received (`collector` makes those).
//! - **Out:** spans of `tracing` under [`TARGET`]; `collector` sends them away over OTLP.
//! - **Guaranteed:** when nobody has asked, a span is one load and no allocation. What the collector tells of itself is
//!   no occasion to tell more: data that comes from own spans ([`is_about_us`]) makes none, so that a collector that
//!   sends its spans to itself, or two that send them to each other, come to rest.
//! - **Not here:** OpenTelemetry, sampling, sending.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use proto::AnyBatch;
use tracing::{Span, field::Empty, info_span};

use crate::engine::edge::ConsumerEdge;

/// Whether anybody takes spans.
static WANTED: AtomicBool = AtomicBool::new(false);
/// Whether the trace of a caller is gone on with.
static PROPAGATED: AtomicBool = AtomicBool::new(false);
/// How a span is told to those we call.
static TELL: OnceLock<Tell> = OnceLock::new();

/// The `traceparent` of a span (W3C Trace Context); nothing for a span that nobody takes.
pub type Tell = fn(&Span) -> Option<String>;

/// From here on somebody takes spans; `propagated`: the trace of a caller is gone on with, and told to those we call in
/// the words of `tell`.
pub fn want(propagated: bool, tell: Tell) {
    TELL.get_or_init(|| tell);
    PROPAGATED.store(propagated, Relaxed);
    WANTED.store(true, Relaxed);
}

/// Whether anybody takes spans.
pub fn are_wanted() -> bool {
    WANTED.load(Relaxed)
}

/// Whether the context of a trace crosses this process.
pub fn are_propagated() -> bool {
    PROPAGATED.load(Relaxed)
}

/// What a call of the span we are in carries as `traceparent`; nothing unless contexts are to cross this process.
pub fn traceparent() -> Option<String> {
    if !are_wanted() || !are_propagated() {
        return None;
    }
    TELL.get()?(&Span::current())
}

/// Whether a batch tells of nothing but the collector's own work: own spans, and the metrics that connectors make,
/// whose scope has no name.
pub fn is_about_us(batch: &AnyBatch) -> bool {
    match batch {
        AnyBatch::Traces(batch) => {
            let mut scopes = batch.view().resource_spans().flat_map(|resource| resource.scope_spans());
            scopes.all(|spans| spans.scope().name() == SCOPE)
        }
        AnyBatch::Metrics(batch) => {
            let mut scopes = batch.view().resource_metrics().flat_map(|resource| resource.scope_metrics());
            scopes.all(|metrics| metrics.scope().name().is_empty())
        }
        AnyBatch::Logs(_) => false,
    }
}

/// One attempt to export these; nothing if nobody wants to know.
pub fn attempt(edge: &ConsumerEdge, batches: &[AnyBatch]) -> Span {
    if !are_wanted() || batches.iter().all(is_about_us) {
        return Span::none();
    }
    info_span!(
        target: TARGET,
        parent: None,
        "export",
        otel.name = format!("exporter/{}/{}", edge.consumer, edge.signal),
        otel.kind = "client",
        exporter = %edge.consumer,
        data_type = edge.signal.as_str(),
        items.sent = Empty,
        items.failed = Empty,
        "error.type" = Empty,
        otel.status_code = Empty,
        otel.status_description = Empty,
    )
}

/// What came of an attempt: items taken and items not, and why not.
pub fn attempted(span: &Span, sent: u64, failed: u64, fault: Option<(&str, &str)>) {
    if span.is_disabled() {
        return;
    }
    // The bridge knows signed numbers only.
    let [sent, failed] = [sent, failed].map(|items| i64::try_from(items).unwrap_or(i64::MAX));
    span.record("items.sent", sent).record("items.failed", failed);
    if let Some((code, message)) = fault {
        span.record("error.type", code);
        span.record("otel.status_code", "ERROR").record("otel.status_description", message);
    }
}

/// What filters know these spans by.
pub const TARGET: &str = "phasor::spans";
/// The instrumentation scope of own spans.
pub const SCOPE: &str = "phasor.telemetry";

#[cfg(test)]
mod tests {
    use proto::{SignalKind, encode, testing::sample};

    use super::*;

    fn spans(scopes: &[&str]) -> AnyBatch {
        encode::traces(|request| {
            request.resource(
                |_| {},
                |writer| {
                    for scope in scopes {
                        writer.scope(scope, "1", |items| {
                            items.span(&[1; 16], &[2; 8], "name", |_| {});
                        });
                    }
                },
            );
        })
        .into()
    }

    #[test]
    fn only_data_that_is_all_ours_is_about_us() {
        assert!(is_about_us(&spans(&[SCOPE])));
        assert!(!is_about_us(&spans(&[SCOPE, "shop"])));
        assert!(!is_about_us(&spans(&[""])));
        assert!(!is_about_us(&sample::any(SignalKind::Logs, 3, 1)));
    }

    #[test]
    fn nobody_wants_spans_unless_somebody_has_said_so() {
        let edge = ConsumerEdge::new(crate::component::ComponentId::new("otlp_grpc"), SignalKind::Traces);
        assert!(!are_wanted() && traceparent().is_none());
        assert!(attempt(&edge, &[spans(&["shop"])]).is_disabled());
    }
}
