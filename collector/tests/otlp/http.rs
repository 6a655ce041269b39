//! OTLP/HTTP, the rows O-H* of the conformance checklist, with protobuf bodies.

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use proto::SignalKind;

use crate::fixture::*;

#[tokio::test]
async fn o_h1_o_h21_a_valid_request_is_exactly_200_with_an_empty_protobuf_and_its_bytes_are_kept() {
    let receiver = Receiver::start(Setup::default()).await;
    for (signal, _, path, request) in one_of_each() {
        let answer = post(receiver.http(), path, &[PROTOBUF], full(request.clone())).await;
        assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b""[..]), "{answer:?}");
        assert_eq!(answer.headers["content-type"], "application/x-protobuf");
        assert_eq!(receiver.arrived(signal).await, [&request[..]]);

        // Of unknown length.
        let pieces = request.chunks(7).map(bytes::Bytes::copy_from_slice).collect::<Vec<_>>();
        let answer = post(receiver.http(), path, &[PROTOBUF], chunks(pieces)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(receiver.arrived(signal).await, [request]);
        assert_eq!(receiver.counts("http", signal), (4, 0, 0));
        assert_eq!(receiver.counts("grpc", signal), (0, 0, 0));
    }
    receiver.settles().await;
}

#[tokio::test]
async fn o_h1_http2_without_tls_is_served_on_the_same_port() {
    let receiver = Receiver::start(Setup::default()).await;
    let mut sender = connect_http2(receiver.http()).await;
    let request = spans(2).encode_to_vec();
    let headers = [PROTOBUF];
    let outcome = bounded(call_on(&mut sender, "/v1/traces", &headers, full(request.clone()))).await;
    assert_eq!(outcome.http, 200, "{outcome:?}");
    assert_eq!(receiver.arrived(SignalKind::Traces).await, [request]);
}

#[tokio::test]
async fn o_h4_parameters_and_letter_case_of_the_content_type_do_not_matter() {
    let receiver = Receiver::start(Setup::default()).await;
    for content_type in
        ["application/x-protobuf; charset=utf-8", "Application/X-ProtoBuf", "application/x-protobuf ;a=b"]
    {
        let headers = [("content-type", content_type)];
        let answer = post(receiver.http(), "/v1/traces", &headers, full(spans(1).encode_to_vec())).await;
        assert_eq!(answer.status, 200, "{content_type}: {answer:?}");
    }
}

#[tokio::test]
async fn o_h5_gzip_is_inflated() {
    let receiver = Receiver::start(Setup::default()).await;
    for (signal, _, path, request) in one_of_each() {
        for encoding in ["gzip", "GZIP", "x-gzip"] {
            let headers = [PROTOBUF, ("content-encoding", encoding)];
            let answer = post(receiver.http(), path, &headers, full(gzip(&request))).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(receiver.arrived(signal).await, [&request[..]]);
        }
    }
    let headers = [PROTOBUF, ("content-encoding", "identity")];
    assert_eq!(post(receiver.http(), "/v1/logs", &headers, full("")).await.status, 200);
}

#[tokio::test]
async fn o_h8_a_body_over_the_limit_is_413_before_and_after_inflation() {
    let setup = Setup { http: "max_request_body_size: 1MiB", admission_bytes: 3 << 20, ..Setup::default() };
    let receiver = Receiver::start(setup).await;
    let large = span_of(1 << 20);
    let announced = post(receiver.http(), "/v1/traces", &[PROTOBUF], full(large.clone())).await;
    let pieces = large.chunks(10_000).map(bytes::Bytes::copy_from_slice).collect::<Vec<_>>();
    let chunked = post(receiver.http(), "/v1/traces", &[PROTOBUF], chunks(pieces)).await;
    let headers = [PROTOBUF, ("content-encoding", "gzip")];
    let bomb = post(receiver.http(), "/v1/traces", &headers, full(gzip(&vec![0; 64 << 20]))).await;
    for answer in [announced, chunked, bomb] {
        assert_eq!((answer.status.as_u16(), answer.details().code), (413, RESOURCE_EXHAUSTED), "{answer:?}");
        assert!(answer.details().message.contains("1048576"));
        assert!(!answer.headers.contains_key("retry-after"));
    }
    assert_eq!(receiver.counts("http", SignalKind::Traces), (0, 3, 0));
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_h9_o_h10_garbage_is_400_with_the_field_at_fault() {
    let receiver = Receiver::start(Setup::default()).await;
    let gzipped = [PROTOBUF, ("content-encoding", "gzip")];
    for (headers, body) in [(&gzipped[..1], "garbage"), (&gzipped, "garbage")] {
        let answer = post(receiver.http(), "/v1/traces", headers, full(body)).await;
        assert_eq!((answer.status.as_u16(), answer.details().code), (400, INVALID_ARGUMENT), "{answer:?}");
        let violations = answer.details().detail::<BadRequest>("BadRequest").unwrap().field_violations;
        assert!(!violations[0].field.is_empty() && !violations[0].description.is_empty());
    }
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_h11_without_room_the_answer_is_503_with_retry_after_before_the_body_arrives() {
    let receiver = Receiver::start(Setup { admission_bytes: 10_000, ..Setup::default() }).await;
    let taken = receiver.admission.try_acquire(9_500).unwrap();
    let headers = [PROTOBUF, ("content-length", "1000")];
    let answer = post(receiver.http(), "/v1/traces", &headers, stalled("first")).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["retry-after"]), (503, &"1".parse().unwrap()));
    assert!(answer.details().retry_seconds() > 0.0);
    assert_eq!(answer.details().code, UNAVAILABLE);

    let chunked = post(receiver.http(), "/v1/traces", &[PROTOBUF], chunks([vec![0; 501].into()])).await;
    assert_eq!(chunked.status, 503, "{chunked:?}");
    drop(taken);
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_h12_partial_acceptance_is_200_with_the_count() {
    let receiver = Receiver::start(Setup::default()).await;
    let mut request = spans(10);
    for span in &mut request.resource_spans[0].scope_spans[0].spans[..3] {
        span.span_id.push(0);
    }
    let answer = post(receiver.http(), "/v1/traces", &[PROTOBUF], full(request.encode_to_vec())).await;
    assert_eq!(answer.status, 200);
    let partial = ExportTraceServiceResponse::decode(answer.body).unwrap().partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 3);
    assert!(partial.error_message.contains("9 bytes, 8 are required"), "{}", partial.error_message);
    assert_eq!(receiver.counts("http", SignalKind::Traces), (7, 3, 0));
}

#[tokio::test]
async fn o_h13_an_empty_body_is_an_empty_request() {
    let receiver = Receiver::start(Setup::default()).await;
    for path in ["/v1/traces", "/v1/metrics", "/v1/logs"] {
        assert_eq!(post(receiver.http(), path, &[PROTOBUF], full("")).await.status, 200);
    }
}

#[tokio::test]
async fn o_h14_another_method_is_405_with_allow() {
    let receiver = Receiver::start(Setup::default()).await;
    for method in ["GET", "PUT", "DELETE", "PATCH"] {
        let answer = send(receiver.http(), method, "/v1/traces", &[], full("")).await;
        assert_eq!((answer.status.as_u16(), &answer.headers["allow"]), (405, &"POST".parse().unwrap()));
        assert!(answer.details().message.contains("POST"));
    }
}

#[tokio::test]
async fn o_h15_another_content_type_is_415_and_says_which_are_right() {
    let receiver = Receiver::start(Setup::default()).await;
    for headers in [&[("content-type", "text/plain")][..], &[("content-type", "application/json5")], &[]] {
        let answer = post(receiver.http(), "/v1/traces", headers, full("text")).await;
        assert_eq!((answer.status.as_u16(), answer.details().code), (415, UNIMPLEMENTED), "{answer:?}");
        assert!(answer.details().message.contains("application/x-protobuf or application/json"));
    }
}

#[tokio::test]
async fn o_h16_o_h20_an_unknown_path_is_404() {
    let receiver = Receiver::start(Setup::default()).await;
    for path in ["/", "/v1/trace", "/v1/traces/", "/v1development/profiles", "/v1/traces%00"] {
        let answer = post(receiver.http(), path, &[PROTOBUF], full(spans(1).encode_to_vec())).await;
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert!(!answer.details().message.is_empty());
    }
    let with_query = post(receiver.http(), "/v1/traces?a=b", &[PROTOBUF], full("")).await;
    assert_eq!(with_query.status, 200);
}

#[tokio::test]
async fn o_h17_a_thousand_requests_fit_on_one_connection() {
    let receiver = Receiver::start(Setup::default()).await;
    let mut sender = connect_http1(receiver.http()).await;
    let request = spans(1).encode_to_vec();
    for _ in 0..1_000 {
        let send = send_on(&mut sender, "POST", "/v1/traces", &[PROTOBUF], full(request.clone()));
        assert_eq!(bounded(send).await.status, 200);
    }
    assert_eq!(receiver.counts("http", SignalKind::Traces), (1_000, 0, 0));
    let (_, connections) =
        receiver.running.connections.iter().find(|(transport, _)| *transport == "http").unwrap();
    assert_eq!(connections.taken(), 1);
}

#[tokio::test]
async fn o_h17_a_refused_request_does_not_cost_the_connection() {
    let receiver = Receiver::start(Setup { http: "max_request_body_size: 1MiB", ..Setup::default() }).await;
    let mut sender = connect_http1(receiver.http()).await;
    for body in [vec![0; 2 << 20], spans(1).encode_to_vec(), vec![0; 2 << 20], vec![]] {
        let expected = if body.len() > 1 << 20 { 413 } else { 200 };
        let send = send_on(&mut sender, "POST", "/v1/traces", &[PROTOBUF], full(body));
        assert_eq!(bounded(send).await.status, expected);
    }
}

#[tokio::test]
async fn o_h17_without_keep_alive_a_connection_serves_one_request() {
    let receiver = Receiver::start(Setup { http: "keep_alives_enabled: false", ..Setup::default() }).await;
    let answer = post(receiver.http(), "/v1/traces", &[PROTOBUF], full("")).await;
    assert_eq!((answer.status.as_u16(), &answer.headers["connection"]), (200, &"close".parse().unwrap()));
}

#[tokio::test]
async fn o_h18_a_configured_path_takes_the_place_of_the_usual_one() {
    let receiver = Receiver::start(Setup { http: "traces_url_path: /otlp/spans", ..Setup::default() }).await;
    let request = spans(1).encode_to_vec();
    assert_eq!(post(receiver.http(), "/otlp/spans", &[PROTOBUF], full(request.clone())).await.status, 200);
    assert_eq!(post(receiver.http(), "/v1/traces", &[PROTOBUF], full(request)).await.status, 404);
    assert_eq!(post(receiver.http(), "/v1/logs", &[PROTOBUF], full("")).await.status, 200);
}

#[tokio::test]
async fn configured_headers_are_on_every_answer() {
    let receiver =
        Receiver::start(Setup { http: "response_headers: {x-site: a b}", ..Setup::default() }).await;
    for path in ["/v1/traces", "/nothing"] {
        let answer = post(receiver.http(), path, &[PROTOBUF], full("")).await;
        assert_eq!(answer.headers["x-site"], "a b", "{answer:?}");
    }
}

#[tokio::test]
async fn a_client_that_asks_before_it_sends_is_told_no_without_the_body() {
    let receiver = Receiver::start(Setup { http: "max_request_body_size: 1MiB", ..Setup::default() }).await;
    let headers = [PROTOBUF, ("content-length", "2000000"), ("expect", "100-continue")];
    let answer = post(receiver.http(), "/v1/traces", &headers, stalled("")).await;
    assert_eq!(answer.status, 413, "{answer:?}");
    receiver.still_serves().await;
}
