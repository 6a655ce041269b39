//! Requests to send, made with the official types.

use bytes::Bytes;
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value},
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;

/// `count` spans of one service, numbered from `first`, so that every span has an id of its own.
pub fn request(service: &str, name: &str, first: u64, count: u64) -> ExportTraceServiceRequest {
    let span = |number: u64| Span {
        trace_id: [1_u64.to_be_bytes(), (number + 1).to_be_bytes()].concat(),
        span_id: (number + 1).to_be_bytes().to_vec(),
        name: name.to_owned(),
        kind: 2,
        start_time_unix_nano: 1_700_000_000_000_000_000 + number * 1_000,
        end_time_unix_nano: 1_700_000_000_000_000_000 + number * 1_000 + (number % 400) * 1_000_000,
        attributes: vec![attribute("http.request.method", "GET"), attribute("http.route", "/api/items/{id}")],
        ..Span::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![attribute("service.name", service)],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                spans: (first..first + count).map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

/// The same as bytes.
pub fn encoded(service: &str, name: &str, first: u64, count: u64) -> Vec<u8> {
    request(service, name, first, count).encode_to_vec()
}

/// The same, with an attribute of `padding` bytes in the first span.
pub fn padded(service: &str, first: u64, count: u64, padding: usize) -> Bytes {
    let mut request = request(service, "GET /", first, count);
    let padding = attribute("padding", &"x".repeat(padding));
    request.resource_spans[0].scope_spans[0].spans[0].attributes.push(padding);
    request.encode_to_vec().into()
}

/// A string attribute.
pub fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(any_value::Value::StringValue(value.to_owned())) };
    KeyValue { key: key.to_owned(), value: Some(value), ..KeyValue::default() }
}
