//! Writes [`Telemetry`] as OTLP export requests.

use pipelines::time::UnixNanos;
use proto::{
    Batch, Logs, Traces,
    encode::{self, AttributesWriter, ItemsWriter},
};

use super::{Attr, Attribute, Event, Span, Telemetry};

/// One request of spans and one of events; none where there are none.
pub fn encode(telemetry: &Telemetry, arrival: UnixNanos) -> (Option<Batch<Traces>>, Option<Batch<Logs>>) {
    let Telemetry { environment, spans, events } = telemetry;
    let resource = |attributes: &mut AttributesWriter<'_>| {
        attributes.str("service.name", SERVICE_NAME).str("deployment.environment.name", environment);
    };
    let traces = (!spans.is_empty()).then(|| {
        encode::traces(|request| {
            request.resource(resource, |scopes| {
                scopes.scope(SCOPE, VERSION, |items| spans.iter().for_each(|span| write_span(items, span)));
            });
        })
    });
    let logs = (!events.is_empty()).then(|| {
        encode::logs(|request| {
            request.resource(resource, |scopes| {
                scopes.scope(SCOPE, VERSION, |items| {
                    events.iter().for_each(|event| write_event(items, event, arrival));
                });
            });
        })
    });
    (traces, logs)
}

fn write_span(items: &mut ItemsWriter<'_, Traces>, told: &Span) {
    items.span(&told.trace.0, &told.span.0, told.name, |span| {
        if let Some(parent) = &told.parent {
            span.parent(&parent.0);
        }
        span.trace_state(&told.trace_state).flags(told.flags).kind(KIND_INTERNAL);
        span.times(told.start_ns, told.end_ns);
        write_attributes(&mut span.attributes(), &told.attributes);
        for link in &told.links {
            span.link(&link.trace.0, &link.span.0, |writer| {
                writer.trace_state(&link.trace_state);
                writer.attributes().str("link.reason", link.reason);
            });
        }
        if let Some(message) = &told.error {
            span.status(STATUS_ERROR, message);
        }
    });
}

fn write_event(items: &mut ItemsWriter<'_, Logs>, told: &Event, arrival: UnixNanos) {
    items.log_record(told.time_ns, arrival.0, |record| {
        record.event_name(told.name).severity(SEVERITY_INFO, "INFO");
        record.trace_context(&told.trace.0, &told.span.0, told.flags);
        write_attributes(&mut record.attributes(), &told.attributes);
    });
}

fn write_attributes(writer: &mut AttributesWriter<'_>, attributes: &[Attribute]) {
    for (key, value) in attributes {
        match value {
            Attr::Str(text) => writer.str(key, text),
            Attr::Bool(value) => writer.bool(key, *value),
            Attr::Int(number) => writer.int(key, *number),
            Attr::Double(number) => writer.double(key, *number),
        };
    }
}

/// `service.name` of everything the phase store tells.
pub const SERVICE_NAME: &str = "phasor-phase-store";
const SCOPE: &str = "phasor.phase_store";
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// OTLP, *SpanKind*.
const KIND_INTERNAL: i32 = 1;
/// OTLP, *StatusCode*.
const STATUS_ERROR: i32 = 2;
/// OTLP, *SeverityNumber*.
const SEVERITY_INFO: i32 = 9;
