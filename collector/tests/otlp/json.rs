//! OTLP/HTTP with JSON bodies: what the mapping of the rows O-J* means on the wire, and hostile text.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use proto::SignalKind;
use serde_json::{Value, json};

use crate::fixture::*;

const JSON: (&str, &str) = ("content-type", "application/json");

/// A span by the protocol's own example, with everything that JSON spells in its own way.
fn document() -> Value {
    json!({"resourceSpans": [{
        "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "shop"}}]},
        "scopeSpans": [{"scope": {"name": "s", "version": "1"}, "spans": [{
            "traceId": "5B8EFFF798038103D269B633813FC60C",
            "spanId": "eee19b7ec3c1b174",
            "parentSpanId": "EEE19B7EC3C1B173",
            "name": "scan",
            "kind": 2,
            "startTimeUnixNano": "1544712660000000000",
            "endTimeUnixNano": 1544712661000000000_u64,
            "attributes": [{"key": "n", "value": {"intValue": "9007199254740993"}},
                           {"key": "b", "value": {"bytesValue": "+/8="}},
                           {"key": "d", "value": {"doubleValue": "NaN"}}],
            "status": {"code": 2},
            "new_field": {"a": [1, {"b": null}]},
        }]}],
    }]})
}

fn answered(answer: &Answer) -> Value {
    assert_eq!(answer.headers["content-type"], "application/json");
    serde_json::from_slice(&answer.body).unwrap()
}

async fn post_json(receiver: &Receiver, path: &str, body: impl Into<bytes::Bytes>) -> Answer {
    post(receiver.http(), path, &[JSON], full(body)).await
}

#[tokio::test]
async fn o_h2_o_h3_json_is_taken_beside_protobuf_and_answered_with_an_empty_object() {
    let receiver = Receiver::start(Setup::default()).await;
    for (signal, _, path, request) in one_of_each() {
        let mut text = Vec::new();
        proto::json::encode(signal, &request, &mut text);
        let answer = post_json(&receiver, path, text).await;
        assert_eq!((answer.status.as_u16(), answered(&answer)), (200, json!({})), "{answer:?}");
        assert_eq!(receiver.arrived(signal).await, [&request[..]]);
        let answer = post(receiver.http(), path, &[PROTOBUF], full(request.clone())).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(receiver.arrived(signal).await, [request]);
        assert_eq!(receiver.counts("http", signal), (4, 0, 0));
    }
    receiver.settles().await;
}

#[tokio::test]
async fn o_j1_o_j3_o_j5_o_j8_o_j10_o_j11_a_span_arrives_value_for_value() {
    use opentelemetry_proto::tonic::common::v1::any_value::Value as V;
    let receiver = Receiver::start(Setup::default()).await;
    let answer = post_json(&receiver, "/v1/traces", document().to_string()).await;
    assert_eq!((answer.status.as_u16(), answered(&answer)), (200, json!({})), "{answer:?}");
    let batches = receiver.arrived(SignalKind::Traces).await;
    let request = ExportTraceServiceRequest::decode(batches[0].clone()).unwrap();
    let span = &request.resource_spans[0].scope_spans[0].spans[0];
    assert_eq!(span.trace_id[..4], [0x5b, 0x8e, 0xff, 0xf7]);
    assert_eq!(span.parent_span_id, [0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x73]);
    assert_eq!((span.kind, span.status.as_ref().unwrap().code), (2, 2));
    assert_eq!(
        (span.start_time_unix_nano, span.end_time_unix_nano),
        (1_544_712_660_000_000_000, 1_544_712_661_000_000_000)
    );
    let values: Vec<_> =
        span.attributes.iter().map(|pair| pair.value.clone().unwrap().value.unwrap()).collect();
    assert_eq!(values[..2], [V::IntValue(9_007_199_254_740_993), V::BytesValue(vec![0xfb, 0xff])]);
    assert!(matches!(values[2], V::DoubleValue(nan) if nan.is_nan()));
}

#[tokio::test]
async fn o_h4_a_charset_and_the_letter_case_do_not_matter() {
    let receiver = Receiver::start(Setup::default()).await;
    for content_type in
        ["application/json; charset=utf-8", "Application/JSON", "application/json;charset=UTF-8"]
    {
        let headers = [("content-type", content_type)];
        let answer = post(receiver.http(), "/v1/traces", &headers, full(document().to_string())).await;
        assert_eq!((answer.status.as_u16(), answered(&answer)), (200, json!({})), "{answer:?}");
    }
}

#[tokio::test]
async fn o_h5_o_h6_json_may_be_compressed() {
    let receiver = Receiver::start(Setup::default()).await;
    let text = document().to_string();
    for (name, body) in [
        ("gzip", gzip(text.as_bytes())),
        ("zstd", zstd(text.as_bytes())),
        ("deflate", zlib(text.as_bytes())),
        ("snappy", snappy_block(text.as_bytes())),
    ] {
        let headers = [JSON, ("content-encoding", name)];
        let answer = post(receiver.http(), "/v1/traces", &headers, full(body)).await;
        assert_eq!((answer.status.as_u16(), answered(&answer)), (200, json!({})), "{answer:?}");
    }
    receiver.settles().await;
}

#[tokio::test]
async fn o_h13_an_empty_object_is_an_empty_request_and_nothing_is_no_object() {
    let receiver = Receiver::start(Setup::default()).await;
    for path in ["/v1/traces", "/v1/metrics", "/v1/logs"] {
        let answer = post_json(&receiver, path, "{}").await;
        assert_eq!((answer.status.as_u16(), answered(&answer)), (200, json!({})), "{answer:?}");
        assert_eq!(post_json(&receiver, path, "").await.status, 400);
    }
}

#[tokio::test]
async fn o_h12_o_j2_spans_with_wrong_ids_are_rejected_and_counted_and_their_neighbours_kept() {
    let receiver = Receiver::start(Setup::default()).await;
    let mut document = document();
    let spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array_mut().unwrap();
    let good = spans[0].clone();
    for (key, id) in [("traceId", "5B8EFFF7"), ("spanId", "0000000000000000")] {
        let mut bad = good.clone();
        bad[key] = json!(id);
        spans.push(bad);
    }
    let answer = post_json(&receiver, "/v1/traces", document.to_string()).await;
    assert_eq!(answer.status, 200);
    let partial = &answered(&answer)["partialSuccess"];
    assert_eq!(partial["rejectedSpans"], "2");
    let message = partial["errorMessage"].as_str().unwrap();
    assert!(message.contains("number 2 of the request") && message.contains("16 are required"), "{message}");
    assert_eq!(receiver.counts("http", SignalKind::Traces), (1, 2, 0));
}

#[tokio::test]
async fn o_h9_o_h10_o_j4_a_fault_is_400_in_json_with_place_and_path() {
    let receiver = Receiver::start(Setup::default()).await;
    for (text, path, said) in [
        ("garbage", "body", "line 1, column 1"),
        ("{", "body", "line 1, column 2"),
        (
            r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": "SPAN_KIND_SERVER"}]}]}]}"#,
            "resourceSpans[0].scopeSpans[0].spans[0].kind",
            "integer",
        ),
        (
            r#"{"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "no hex"}]}]}]}"#,
            "resourceSpans[0].scopeSpans[0].spans[0].traceId",
            "hex",
        ),
        ("\u{feff}{}", "body", "byte order mark"),
        ("{} {}", "body", "follow"),
    ] {
        let answer = post_json(&receiver, "/v1/traces", text.to_owned()).await;
        let status = answered(&answer);
        assert_eq!((answer.status.as_u16(), &status["code"]), (400, &json!(INVALID_ARGUMENT)), "{status}");
        assert!(status["message"].as_str().unwrap().contains(said), "{status}");
        let detail = &status["details"][0];
        assert_eq!(detail["@type"], "type.googleapis.com/google.rpc.BadRequest");
        assert_eq!(detail["fieldViolations"][0]["field"], path, "{status}");
    }
    assert_eq!(receiver.counts("http", SignalKind::Traces), (0, 0, 6));
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_h10_every_refusal_of_json_is_json() {
    let receiver = Receiver::start(Setup { http: "max_request_body_size: 1MiB", ..Setup::default() }).await;
    let long = format!(r#"{{"new": "{}"}}"#, "x".repeat(1 << 20));
    for (method, path, encoding, body, status) in [
        ("POST", "/v1/traces", "identity", long, 413),
        ("POST", "/nothing", "identity", "{}".to_owned(), 404),
        ("PUT", "/v1/traces", "identity", "{}".to_owned(), 405),
        ("POST", "/v1/traces", "br", "{}".to_owned(), 415),
    ] {
        let headers = [JSON, ("content-encoding", encoding)];
        let answer = send(receiver.http(), method, path, &headers, full(body)).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(!answered(&answer)["message"].as_str().unwrap().is_empty());
    }
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_h11_without_room_json_is_told_to_come_back_in_json() {
    let receiver = Receiver::start(Setup { admission_bytes: 10_000, ..Setup::default() }).await;
    let taken = receiver.admission.try_acquire(9_500).unwrap();
    let answer = post_json(&receiver, "/v1/traces", document().to_string()).await;
    let status = answered(&answer);
    assert_eq!((answer.status.as_u16(), &status["code"]), (503, &json!(UNAVAILABLE)), "{status}");
    assert_eq!(answer.headers["retry-after"], "1");
    assert_eq!(status["details"][0]["retryDelay"], "1s", "{status}");
    drop(taken);
    receiver.still_serves().await;
}

/// A text of numbers, each of which is two characters here and eight bytes in protobuf.
fn dense(count: usize) -> String {
    let zeros = vec!["0"; count].join(",");
    format!(
        r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"h","histogram":{{"dataPoints":[{{"explicitBounds":[{zeros}]}}]}}}}]}}]}}]}}"#
    )
}

#[tokio::test]
async fn o_h8_text_that_grows_as_protobuf_is_held_to_the_limit_and_to_the_budget() {
    let receiver = Receiver::start(Setup { http: "max_request_body_size: 1MiB", ..Setup::default() }).await;
    let fits = post_json(&receiver, "/v1/metrics", dense(100_000)).await;
    assert_eq!(fits.status, 200, "{fits:?}");
    let grows = post_json(&receiver, "/v1/metrics", dense(200_000)).await;
    assert_eq!(grows.status, 413, "{grows:?}");
    receiver.settles().await;

    // It could not fit if it were alone: who comes back is told the same again.
    let narrow = Receiver::start(Setup { admission_bytes: 1 << 20, ..Setup::default() }).await;
    let never = post_json(&narrow, "/v1/metrics", dense(200_000)).await;
    assert_eq!((never.status.as_u16(), &answered(&never)["code"]), (413, &json!(RESOURCE_EXHAUSTED)));
    // It could if others were gone.
    let others = narrow.admission.try_acquire(600_000).unwrap();
    let later = post_json(&narrow, "/v1/metrics", dense(60_000)).await;
    assert_eq!((later.status.as_u16(), &later.headers["retry-after"]), (503, &"1".parse().unwrap()));
    drop(others);
    assert_eq!(post_json(&narrow, "/v1/metrics", dense(60_000)).await.status, 200);
    narrow.still_serves().await;
}

#[tokio::test]
async fn o_h8_a_text_that_means_little_is_taken_although_twice_of_it_would_not_fit() {
    let receiver = Receiver::start(Setup { admission_bytes: 1 << 20, ..Setup::default() }).await;
    let spaces = post_json(&receiver, "/v1/traces", " ".repeat(600_000) + "{}").await;
    assert_eq!((spaces.status.as_u16(), answered(&spaces)), (200, json!({})), "{spaces:?}");
    let never = post_json(&receiver, "/v1/traces", " ".repeat(2 << 20) + "{}").await;
    assert_eq!(never.status, 413, "{never:?}");
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_h8_text_with_escapes_is_read_under_the_cover_of_what_it_means() {
    let receiver = Receiver::start(Setup { http: "max_request_body_size: 1MiB", ..Setup::default() }).await;
    let with = |value: &str| {
        format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"k","value":{{{value}}}}}]}},"scopeSpans":[]}}]}}"#
        )
    };
    let long = "x".repeat(500_000);
    for value in [
        format!(r#""stringValue":"\n{long}\u00e9""#),
        format!(r#""bytesValue":"{}\/\/8=""#, "AAAA".repeat(100_000)),
        format!(r#""n\u0065w{long}":"\t{long}""#),
    ] {
        let answer = post_json(&receiver, "/v1/traces", with(&value)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let id = format!(
        r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"traceId":"\u0061{}"}}]}}]}}]}}"#,
        "a".repeat(2_000)
    );
    assert_eq!(post_json(&receiver, "/v1/traces", id).await.status, 400);
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_j13_deep_nesting_is_400_and_costs_no_stack() {
    let receiver = Receiver::start(Setup::default()).await;
    for (open, close) in [
        (r#"{"kvlistValue":{"values":[{"key":"k","value":"#, "}]}}"),
        (r#"{"arrayValue":{"values":["#, "]}}"),
    ] {
        let value = [&open.repeat(10_000), "{}", &close.repeat(10_000)].concat();
        let text = format!(
            r#"{{"resourceSpans":[{{"resource":{{"attributes":[{{"key":"a","value":{value}}}]}}}}]}}"#
        );
        let answer = post_json(&receiver, "/v1/traces", text).await;
        assert_eq!(answer.status, 400, "{answer:?}");
    }
    let unknown = format!(r#"{{"new":{}{}}}"#, "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(post_json(&receiver, "/v1/traces", unknown).await.status, 400);
    receiver.still_serves().await;
}

#[tokio::test]
async fn no_mutation_of_a_json_request_harms_the_process() {
    let receiver = Receiver::start(Setup::default()).await;
    let mut sender = connect_http1(receiver.http()).await;
    let whole = document().to_string();
    let mut random = Random(0x1234_5679);
    for _ in 0..2_000 {
        let body = full(random.mutated(whole.as_bytes()));
        let answer = bounded(send_on(&mut sender, "POST", "/v1/traces", &[JSON], body)).await;
        assert!([200, 400].contains(&answer.status.as_u16()), "{answer:?}");
        answered(&answer);
    }
    receiver.still_serves().await;
}
