//! OTLP/gRPC, the rows O-G* of the conformance checklist.

use std::sync::Arc;

use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceResponse,
};
use pipelines::refusal::{Downstream, Reason, Refusal};
use prost::Message;
use proto::SignalKind;

use crate::fixture::*;

#[tokio::test]
async fn o_g1_a_valid_request_is_answered_with_an_empty_message_and_its_bytes_are_kept() {
    let receiver = Receiver::start(Setup::default()).await;
    for (signal, path, _, request) in one_of_each() {
        let outcome = call(receiver.grpc(), path, &[], full(framed(0, &request))).await;
        assert_eq!((outcome.code, outcome.reply.as_deref()), (0, Some(&b""[..])), "{outcome:?}");
        assert_eq!(outcome.headers["content-type"], "application/grpc");
        assert_eq!(receiver.arrived(signal).await, [request]);
        assert_eq!(receiver.counts("grpc", signal), (2, 0, 0));
        assert_eq!(receiver.counts("http", signal), (0, 0, 0));
    }
    receiver.settles().await;
}

#[tokio::test]
async fn o_g4_o_g5_empty_requests_and_envelopes_are_success_and_nothing_is_kept() {
    let receiver = Receiver::start(Setup::default()).await;
    let mut envelope = spans(0);
    for request in [vec![], envelope.encode_to_vec(), {
        envelope.resource_spans[0].scope_spans.clear();
        envelope.encode_to_vec()
    }] {
        let outcome = call(receiver.grpc(), TRACES, &[], full(framed(0, &request))).await;
        assert_eq!((outcome.code, outcome.reply.as_deref()), (0, Some(&b""[..])), "{outcome:?}");
    }
    assert!(receiver.arrived(SignalKind::Traces).await.is_empty());
    assert_eq!(receiver.counts("grpc", SignalKind::Traces), (0, 0, 0));
}

#[tokio::test]
async fn o_g6_a_message_over_the_limit_is_exhausted_without_a_hint_to_retry() {
    let receiver = Receiver::start(Setup { grpc: "max_recv_msg_size_mib: 1", ..Setup::default() }).await;
    let outcome = call(receiver.grpc(), TRACES, &[], full(framed(0, &span_of(1 << 20)))).await;
    assert_eq!((outcome.code, outcome.details.unwrap().retry_seconds()), (RESOURCE_EXHAUSTED, 0.0));
    assert_eq!(
        outcome.message.replace("%20", " "),
        "the request has more than 1048576 bytes, which is the limit of this receiver"
    );
    let fits = call(receiver.grpc(), TRACES, &[], full(framed(0, &span_of((1 << 20) - 200)))).await;
    assert_eq!(fits.code, 0, "{fits:?}");
    assert_eq!(receiver.counts("grpc", SignalKind::Traces), (1, 1, 0));
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_g8_o_g17_items_with_bad_ids_are_rejected_and_counted_and_their_neighbours_kept() {
    let receiver = Receiver::start(Setup::default()).await;
    let mut request = spans(10);
    let list = &mut request.resource_spans[0].scope_spans[0].spans;
    list[2].trace_id = vec![1; 15];
    list[5].span_id = vec![0; 8];
    list[7].trace_id = vec![];
    let mut kept = request.clone();
    kept.resource_spans[0].scope_spans[0]
        .spans
        .retain(|span| !["span 2", "span 5", "span 7"].contains(&&span.name[..]));
    let outcome = call(receiver.grpc(), TRACES, &[], full(framed(0, &request.encode_to_vec()))).await;
    assert_eq!(outcome.code, 0);
    let response = ExportTraceServiceResponse::decode(outcome.reply.unwrap()).unwrap();
    let partial = response.partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 3);
    assert!(partial.error_message.contains("15 bytes, 16 are required"), "{}", partial.error_message);
    assert_eq!(receiver.arrived(SignalKind::Traces).await, [kept.encode_to_vec()]);
    assert_eq!(receiver.counts("grpc", SignalKind::Traces), (7, 3, 0));
}

#[tokio::test]
async fn o_g8_a_request_of_which_nothing_is_acceptable_is_partial_success_too() {
    let receiver = Receiver::start(Setup::default()).await;
    let mut request = spans(2);
    for span in &mut request.resource_spans[0].scope_spans[0].spans {
        span.trace_id = vec![0; 16];
    }
    let outcome = call(receiver.grpc(), TRACES, &[], full(framed(0, &request.encode_to_vec()))).await;
    let response = ExportTraceServiceResponse::decode(outcome.reply.unwrap()).unwrap();
    assert!(matches!(response.partial_success, Some(ExportTracePartialSuccess { rejected_spans: 2, .. })));
    assert!(receiver.arrived(SignalKind::Traces).await.is_empty());
    assert_eq!(receiver.counts("grpc", SignalKind::Traces), (0, 2, 0));
}

#[tokio::test]
async fn o_g9_a_request_that_had_to_be_written_anew_is_taken_with_a_warning() {
    let receiver = Receiver::start(Setup::default()).await;
    // The resource of one entry in two parts, which is legal protobuf and nothing that anybody should send.
    let attribute = |key: &str| [&[0x0a, 4, 0x0a, 2, 0x0a, key.len() as u8][..], key.as_bytes()].concat();
    let resources = [attribute("a"), attribute("b")].map(|mut part| {
        part[1] = 5;
        part[3] = 3;
        part
    });
    let mut entry = resources.concat();
    entry.extend(spans(2).resource_spans[0].encode_to_vec());
    let request = [&[0x0a, entry.len() as u8][..], &entry].concat();
    let outcome = call(receiver.grpc(), TRACES, &[], full(framed(0, &request))).await;
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let response = ExportTraceServiceResponse::decode(outcome.reply.unwrap()).unwrap();
    let partial = response.partial_success.unwrap();
    assert_eq!(partial.rejected_spans, 0);
    assert!(partial.error_message.contains("sent in several parts"), "{partial:?}");
    assert_eq!(receiver.counts("grpc", SignalKind::Traces), (2, 0, 0));
}

#[tokio::test]
async fn o_g13_whatever_a_destination_says_the_answer_stays_small() {
    let message = "\u{e9}".repeat(5 << 20);
    let exporter = pipelines::component::ComponentId::new("otlp_grpc");
    let told = Downstream { exporter, code: 3, name: "INVALID_ARGUMENT", message, retry_after: None };
    let receiver = declining(Refusal::Downstream(Arc::new(told))).await;
    let request = spans(2).encode_to_vec();
    let outcome = call(receiver.grpc(), TRACES, &[], full(framed(0, &request))).await;
    assert_eq!(outcome.code, INVALID_ARGUMENT);
    let sizes = outcome.headers.iter().map(|(name, value)| name.as_str().len() + value.len());
    assert!(sizes.sum::<usize>() < 8 << 10, "some clients take no more than 8 KiB");
    let answer = post(receiver.http(), "/v1/traces", &[PROTOBUF], full(request)).await;
    assert!(answer.status == 400 && answer.body.len() < 16 << 10, "{}", answer.body.len());
}

#[tokio::test]
async fn o_g10_what_does_not_decode_is_an_invalid_argument_that_names_the_field() {
    let receiver = Receiver::start(Setup::default()).await;
    let mut cut = spans(1).encode_to_vec();
    cut.pop();
    for garbage in [&cut[..], b"\x0a\xff\xff\xff\xff\x0f", b"garbage"] {
        let outcome = call(receiver.grpc(), TRACES, &[], full(framed(0, garbage))).await;
        assert_eq!(outcome.code, INVALID_ARGUMENT, "{outcome:?}");
        let violation =
            &outcome.details.unwrap().detail::<BadRequest>("BadRequest").unwrap().field_violations[0];
        assert!(!violation.field.is_empty() && !violation.description.is_empty(), "{violation:?}");
    }
    assert_eq!(receiver.counts("grpc", SignalKind::Traces), (0, 0, 3));
    let not_gzip =
        call(receiver.grpc(), TRACES, &[("grpc-encoding", "gzip")], full(framed(1, b"garbage"))).await;
    assert_eq!(not_gzip.code, INVALID_ARGUMENT, "{not_gzip:?}");
    assert_eq!(receiver.counts("grpc", SignalKind::Traces), (0, 0, 4));
    let no_encoding = call(receiver.grpc(), TRACES, &[], full(framed(1, b"garbage"))).await;
    assert_eq!(no_encoding.code, INTERNAL, "{no_encoding:?}");
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_g11_without_room_a_request_is_told_to_come_back_before_its_bytes_arrive() {
    let receiver = Receiver::start(Setup { admission_bytes: 10_000, ..Setup::default() }).await;
    let taken = receiver.admission.try_acquire(9_000).unwrap();
    let announced = [0, 0, 0, 0x27, 0x10];
    let outcome = call(receiver.grpc(), TRACES, &[], stalled(announced.to_vec())).await;
    let details = outcome.details.unwrap();
    assert_eq!((outcome.code, details.code), (UNAVAILABLE, UNAVAILABLE));
    assert!(details.retry_seconds() > 0.0);
    assert_eq!(receiver.counts("grpc", SignalKind::Traces), (0, 1, 0));
    assert_eq!(receiver.admission.bytes_in_use(), 9_000);
    drop(taken);
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_g11_a_pipeline_that_is_full_tells_to_come_back() {
    let receiver = Receiver::start(Setup { lag_bytes_max: 1_000, ..Setup::default() }).await;
    for _ in 0..20 {
        let outcome = call(receiver.grpc(), LOGS, &[], full(framed(0, &records(5).encode_to_vec()))).await;
        if outcome.code != 0 {
            assert_eq!(outcome.code, UNAVAILABLE);
            assert!(outcome.details.unwrap().retry_seconds() > 0.0);
            let (accepted, refused, failed) = receiver.counts("grpc", SignalKind::Logs);
            assert_eq!((accepted % 5, refused, failed), (0, 5, 0));
            return;
        }
    }
    panic!("a pipeline with a lag limit of 1000 bytes was never full");
}

#[tokio::test]
async fn o_g14_unknown_fields_are_no_fault_and_kept() {
    let receiver = Receiver::start(Setup::default()).await;
    let mut request = spans(1).encode_to_vec();
    request.extend(b"\xba\x3e\x03new");
    let outcome = call(receiver.grpc(), TRACES, &[], full(framed(0, &request))).await;
    assert_eq!(outcome.code, 0, "{outcome:?}");
    assert_eq!(receiver.arrived(SignalKind::Traces).await, [request]);
}

#[tokio::test]
async fn o_g15_a_hundred_calls_at_once_on_one_connection_are_all_answered() {
    let receiver = Receiver::start(Setup::default()).await;
    let sender = connect_http2(receiver.grpc()).await;
    let calls = (0..100).map(|_| {
        let mut sender = sender.clone();
        async move { call_on(&mut sender, TRACES, &[], full(framed(0, &spans(3).encode_to_vec()))).await }
    });
    let outcomes = bounded(futures_util::future::join_all(calls)).await;
    assert!(outcomes.iter().all(|outcome| outcome.code == 0));
    assert_eq!(receiver.counts("grpc", SignalKind::Traces), (300, 0, 0));
    assert_eq!(receiver.running.connections[0].1.taken(), 1);
}

/// The destination of a pipeline that answers `delivered` has said no.
fn downstream(code: i32, retry_after: Option<std::time::Duration>) -> Refusal {
    let exporter = pipelines::component::ComponentId::new("otlp_grpc");
    let message = "no such tenant".to_owned();
    Refusal::Downstream(Arc::new(Downstream { exporter, code, name: "THE_CODE", message, retry_after }))
}

async fn declining(refusal: Refusal) -> Receiver {
    Receiver::start(Setup { traces: declines(refusal), ..Setup::default() }).await
}

#[tokio::test]
async fn o_g16_refusals_from_downstream_say_give_up_or_come_back() {
    let request = || full(framed(0, &spans(2).encode_to_vec()));
    for (refusal, code, retry) in [
        (Refusal::permanent(Reason::Downstream), INVALID_ARGUMENT, 0.0),
        (Refusal::permanent(Reason::TooLarge), RESOURCE_EXHAUSTED, 0.0),
        (Refusal::retry(Reason::Storage), UNAVAILABLE, 1.0),
        (
            Refusal::Retry { after: std::time::Duration::from_millis(2_500), reason: Reason::QueueFull },
            UNAVAILABLE,
            2.5,
        ),
        (downstream(7, None), 7, 0.0),
        (downstream(8, None), RESOURCE_EXHAUSTED, 0.0),
        // A code that would mean "come back" is not passed on when coming back is no use.
        (downstream(14, None), 2, 0.0),
        (downstream(14, Some(std::time::Duration::from_secs(3))), UNAVAILABLE, 3.0),
    ] {
        let receiver = declining(refusal.clone()).await;
        let outcome = call(receiver.grpc(), TRACES, &[], request()).await;
        assert_eq!((outcome.code, outcome.details.unwrap().retry_seconds()), (code, retry), "{refusal:?}");
        assert_eq!(receiver.counts("grpc", SignalKind::Traces), (0, 2, 0));
    }
}

#[tokio::test]
async fn o_g18_a_client_that_leaves_in_the_middle_leaves_nothing_behind() {
    let receiver = Receiver::start(Setup::default()).await;
    let request = framed(0, &span_of(100_000));
    for cut in [0, 3, 5, 1_000] {
        let mut sender = connect_http2(receiver.grpc()).await;
        let call = call_on(&mut sender, TRACES, &[], stalled(request[..cut].to_vec()));
        let gone = tokio::time::timeout(std::time::Duration::from_millis(50), call).await;
        assert!(gone.is_err(), "nobody can answer half a message");
        drop(sender);
    }
    receiver.settles().await;
    assert!(receiver.arrived(SignalKind::Traces).await.is_empty());
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_g19_health_is_serving_when_ready_and_there_is_no_reflection() {
    let receiver = Receiver::start(Setup::default()).await;
    let service = "opentelemetry.proto.collector.trace.v1.TraceService";
    let named = [&[0x0a, service.len() as u8], service.as_bytes()].concat();
    for request in [&b""[..], &named] {
        let outcome = call(receiver.grpc(), HEALTH, &[], full(framed(0, request))).await;
        assert_eq!((outcome.code, outcome.reply.as_deref()), (0, Some(&b"\x08\x01"[..])), "{outcome:?}");
    }
    for path in [
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/opentelemetry.proto.collector.trace.v1.TraceService/Import",
        "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
        "/grpc.health.v1.Health/Cure",
        "/",
    ] {
        let outcome = call(receiver.grpc(), path, &[], full(framed(0, b""))).await;
        assert_eq!(outcome.code, UNIMPLEMENTED, "{path}: {outcome:?}");
    }
}

#[tokio::test]
async fn a_signal_that_no_pipeline_takes_is_unimplemented() {
    let receiver = Receiver::start(Setup { signals: &[SignalKind::Logs], ..Setup::default() }).await;
    for (signal, grpc, http, request) in one_of_each() {
        let takes = signal == SignalKind::Logs;
        let outcome = call(receiver.grpc(), grpc, &[], full(framed(0, &request))).await;
        assert_eq!(outcome.code, if takes { 0 } else { UNIMPLEMENTED }, "{outcome:?}");
        let answer = post(receiver.http(), http, &[PROTOBUF], full(request)).await;
        assert_eq!(answer.status, if takes { 200 } else { 404 }, "{answer:?}");
    }
}

#[tokio::test]
async fn what_is_no_grpc_at_all_gets_an_http_status() {
    let receiver = Receiver::start(Setup::default()).await;
    for content_type in ["application/json", "text/plain", "application/grpcx"] {
        let headers = [("content-type", content_type)];
        let outcome = call(receiver.grpc(), TRACES, &headers, full(framed(0, b""))).await;
        assert_eq!(outcome.http, 415, "{outcome:?}");
    }
    let headers = [("content-type", "application/grpc+proto")];
    assert_eq!(call(receiver.grpc(), TRACES, &headers, full(framed(0, b""))).await.code, 0);
}

const HEALTH: &str = "/grpc.health.v1.Health/Check";

#[tokio::test]
async fn a_long_path_is_not_repeated_in_full() {
    let receiver = Receiver::start(Setup::default()).await;
    let outcome = call(receiver.grpc(), &format!("/{}", "a".repeat(8_000)), &[], full(framed(0, b""))).await;
    assert_eq!(outcome.code, UNIMPLEMENTED);
    assert!(outcome.message.len() < 300, "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sdk_of_opentelemetry_is_understood() {
    use opentelemetry::trace::{Tracer, TracerProvider};
    use opentelemetry_otlp::WithExportConfig;
    let receiver = Receiver::start(Setup::default()).await;
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_tonic()
        .with_endpoint(format!("http://{}", receiver.grpc()))
        .build()
        .unwrap();
    let provider =
        opentelemetry_sdk::trace::SdkTracerProvider::builder().with_batch_exporter(exporter).build();
    for name in ["scan", "validation", "mitigation"] {
        drop(provider.tracer("test").start(name));
    }
    bounded(tokio::task::spawn_blocking(move || provider.shutdown())).await.unwrap().unwrap();
    assert_eq!(receiver.counts("grpc", SignalKind::Traces), (3, 0, 0));
}
