//! Compressed requests, honest and hostile, by both protocols.

use prost::Message;
use proto::SignalKind;

use crate::fixture::*;

/// What a client may call a coding, and how it writes it.
const HTTP: [(&str, Encode); 8] = [
    ("gzip", gzip),
    ("zstd", zstd),
    ("ZSTD", zstd),
    ("deflate", zlib),
    ("zlib", zlib),
    ("deflate", deflate),
    ("snappy", snappy_block),
    ("snappy", snappy_frames),
];
const GRPC: [(&str, Encode); 4] =
    [("gzip", gzip), ("zstd", zstd), ("snappy", snappy_frames), ("deflate", zlib)];

type Encode = fn(&[u8]) -> Vec<u8>;

#[tokio::test]
async fn o_h6_every_coding_is_inflated_by_http() {
    let receiver = Receiver::start(Setup::default()).await;
    for (signal, _, path, request) in one_of_each() {
        for (name, encode) in HTTP {
            let headers = [PROTOBUF, ("content-encoding", name)];
            let answer = post(receiver.http(), path, &headers, full(encode(&request))).await;
            assert_eq!((answer.status.as_u16(), &answer.body[..]), (200, &b""[..]), "{name}: {answer:?}");
            assert_eq!(receiver.arrived(signal).await, [&request[..]]);
        }
    }
    receiver.settles().await;
}

#[tokio::test]
async fn o_h6_large_bodies_of_every_coding_arrive_byte_for_byte() {
    let receiver = Receiver::start(Setup::default()).await;
    let request = span_of(3 << 20);
    for (name, encode) in HTTP {
        let headers = [PROTOBUF, ("content-encoding", name)];
        let answer = post(receiver.http(), "/v1/traces", &headers, full(encode(&request))).await;
        assert_eq!(answer.status, 200, "{name}: {answer:?}");
        assert_eq!(receiver.arrived(SignalKind::Traces).await, [&request[..]]);
    }
    receiver.settles().await;
}

#[tokio::test]
async fn o_h6_an_encoding_we_do_not_know_is_415_and_says_what_we_take() {
    let receiver = Receiver::start(Setup::default()).await;
    for encoding in ["br", "lz4", "gzip, gzip", "\u{e9}"] {
        let headers = [PROTOBUF, ("content-encoding", encoding)];
        let answer = post(receiver.http(), "/v1/traces", &headers, full("body")).await;
        assert_eq!((answer.status.as_u16(), answer.details().code), (415, UNIMPLEMENTED), "{answer:?}");
        assert!(answer.details().message.contains("gzip or zstd or"), "{:?}", answer.details());
        assert_eq!(
            answer.headers["accept-encoding"],
            "identity, gzip, zstd, zlib, deflate, snappy, x-snappy-framed"
        );
    }
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_h6_only_the_configured_codings_are_taken() {
    let request = spans(1).encode_to_vec();
    let only_plain =
        Receiver::start(Setup { http: "compression_algorithms: [\"\"]", ..Setup::default() }).await;
    for (name, encode) in HTTP {
        let headers = [PROTOBUF, ("content-encoding", name)];
        let answer = post(only_plain.http(), "/v1/traces", &headers, full(encode(&request))).await;
        assert_eq!(answer.status, 415, "{answer:?}");
    }
    only_plain.still_serves().await;

    let only_zstd =
        Receiver::start(Setup { http: "compression_algorithms: [zstd]", ..Setup::default() }).await;
    let send = |headers: Vec<(&'static str, &'static str)>, body| {
        let addr = only_zstd.http();
        async move { post(addr, "/v1/traces", &headers, full(body)).await.status.as_u16() }
    };
    assert_eq!(send(vec![PROTOBUF, ("content-encoding", "zstd")], zstd(&request)).await, 200);
    assert_eq!(send(vec![PROTOBUF, ("content-encoding", "gzip")], gzip(&request)).await, 415);
    assert_eq!(send(vec![PROTOBUF], request.clone()).await, 415);
    only_zstd.settles().await;
}

#[tokio::test]
async fn o_g2_o_g3_every_coding_is_inflated_by_grpc() {
    let receiver = Receiver::start(Setup::default()).await;
    for (signal, path, _, request) in one_of_each() {
        for (name, encode) in GRPC {
            let headers = [("grpc-encoding", name)];
            let outcome = call(receiver.grpc(), path, &headers, full(framed(1, &encode(&request)))).await;
            assert_eq!(outcome.code, 0, "{name}: {outcome:?}");
            assert_eq!(receiver.arrived(signal).await, [&request[..]]);
            // A sender that has announced a coding need not use it.
            let outcome = call(receiver.grpc(), path, &headers, full(framed(0, &request))).await;
            assert_eq!(outcome.code, 0, "{name}: {outcome:?}");
            assert_eq!(receiver.arrived(signal).await, [&request[..]]);
        }
    }
}

#[tokio::test]
async fn o_g3_an_unknown_coding_is_unimplemented_and_says_what_we_take() {
    let receiver = Receiver::start(Setup::default()).await;
    for encoding in ["br", "lz4"] {
        let headers = [("grpc-encoding", encoding)];
        let outcome = call(receiver.grpc(), TRACES, &headers, full(framed(1, b"x"))).await;
        assert_eq!(
            (outcome.code, &outcome.headers["grpc-accept-encoding"]),
            (UNIMPLEMENTED, &"gzip,zstd,snappy,deflate,identity".parse().unwrap())
        );
        assert!(outcome.message.contains("gzip"), "{outcome:?}");
    }
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_h8_a_bomb_of_any_coding_is_413_and_stays_inside_the_budget() {
    let setup = Setup { http: "max_request_body_size: 1MiB", admission_bytes: 4 << 20, ..Setup::default() };
    let receiver = Receiver::start(setup).await;
    let zeros = vec![0; 16 << 20];
    for (name, encode) in HTTP {
        let bomb = encode(&zeros);
        assert!(bomb.len() < 1 << 20);
        let headers = [PROTOBUF, ("content-encoding", name)];
        let answer = watched(&receiver, post(receiver.http(), "/v1/traces", &headers, full(bomb))).await;
        assert_eq!((answer.status.as_u16(), answer.details().code), (413, RESOURCE_EXHAUSTED), "{answer:?}");
    }
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_g7_a_small_message_of_any_coding_that_inflates_beyond_the_limit_is_exhausted() {
    let setup = Setup { grpc: "max_recv_msg_size_mib: 1", admission_bytes: 4 << 20, ..Setup::default() };
    let receiver = Receiver::start(setup).await;
    let zeros = vec![0; 16 << 20];
    for (name, encode) in GRPC {
        let bomb = framed(1, &encode(&zeros));
        let headers = [("grpc-encoding", name)];
        let outcome = watched(&receiver, call(receiver.grpc(), TRACES, &headers, full(bomb))).await;
        assert_eq!((outcome.code, outcome.details.unwrap().retry_seconds()), (RESOURCE_EXHAUSTED, 0.0));
    }
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_h11_a_body_that_inflates_beyond_the_budget_is_told_to_come_back() {
    let receiver = Receiver::start(Setup { admission_bytes: 16 << 20, ..Setup::default() }).await;
    let others = receiver.admission.try_acquire(14 << 20).unwrap();
    let request = span_of(3 << 20);
    for (name, encode) in HTTP {
        let headers = [PROTOBUF, ("content-encoding", name)];
        let body = full(encode(&request));
        let answer = watched(&receiver, post(receiver.http(), "/v1/traces", &headers, body)).await;
        assert_eq!(answer.status, 503, "{name}: {answer:?}");
        assert!(answer.headers.contains_key("retry-after"));
    }
    drop(others);
    receiver.still_serves().await;

    let narrow = Receiver::start(Setup { admission_bytes: 2 << 20, ..Setup::default() }).await;
    for (name, encode) in HTTP {
        let headers = [PROTOBUF, ("content-encoding", name)];
        let never = post(narrow.http(), "/v1/traces", &headers, full(encode(&request))).await;
        assert_eq!(never.status, 413, "{name}: {never:?}");
    }
    let never = post(narrow.http(), "/v1/traces", &[PROTOBUF], full(request)).await;
    assert_eq!(never.status, 413, "{never:?}");
    narrow.still_serves().await;
}

#[tokio::test]
async fn o_h9_what_is_cut_off_or_is_something_else_is_400_in_every_coding() {
    let receiver = Receiver::start(Setup::default()).await;
    let request = spans(5).encode_to_vec();
    for (name, encode) in HTTP {
        let whole = encode(&request);
        let mut tail = whole.clone();
        tail.extend(b"tail");
        let bodies = [&whole[..whole.len() / 2], &whole[..whole.len() - 1], &tail, b"something else"];
        for body in bodies.map(<[u8]>::to_vec) {
            let headers = [PROTOBUF, ("content-encoding", name)];
            let answer = post(receiver.http(), "/v1/traces", &headers, full(body)).await;
            assert_eq!(
                (answer.status.as_u16(), answer.details().code),
                (400, INVALID_ARGUMENT),
                "{answer:?}"
            );
        }
    }
    assert!(receiver.arrived(SignalKind::Traces).await.is_empty());
    receiver.still_serves().await;
}

#[tokio::test]
async fn no_mutation_of_a_compressed_request_harms_the_process() {
    let setup = Setup { http: "max_request_body_size: 1MiB", ..Setup::default() };
    let receiver = Receiver::start(setup).await;
    let mut sender = connect_http1(receiver.http()).await;
    let request = span_of(5_000);
    let mut random = Random(0x2545_f491);
    for (name, encode) in HTTP {
        let whole = encode(&request);
        for _ in 0..300 {
            let headers = [PROTOBUF, ("content-encoding", name)];
            let body = full(random.mutated(&whole));
            let answer = bounded(send_on(&mut sender, "POST", "/v1/traces", &headers, body)).await;
            assert!([200, 400, 413].contains(&answer.status.as_u16()), "{name}: {answer:?}");
        }
    }
    receiver.still_serves().await;
}

#[tokio::test]
async fn o_h7_a_long_answer_is_gzipped_for_who_asks() {
    let receiver = Receiver::start(Setup { traces: verbose(), ..Setup::default() }).await;
    let request = spans(1).encode_to_vec();
    for (accepted, gzipped) in [
        ("gzip", true),
        ("br, gzip;q=0.5", true),
        ("*", true),
        ("gzip;q=0", false),
        ("br", false),
        ("", false),
    ] {
        let headers = [PROTOBUF, ("accept-encoding", accepted)];
        let answer = post(receiver.http(), "/v1/traces", &headers, full(request.clone())).await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.headers.contains_key("content-encoding"), gzipped, "{accepted}: {answer:?}");
        let body = if gzipped { gunzip(&answer.body) } else { answer.body.to_vec() };
        let status = GrpcStatus::decode(&body[..]).unwrap();
        assert!(status.message.contains("it does not fit"), "{status:?}");
    }
    // A short one is not worth it.
    let headers = [PROTOBUF, ("accept-encoding", "gzip")];
    let answer = post(receiver.http(), "/nothing", &headers, full("")).await;
    assert!(!answer.headers.contains_key("content-encoding"), "{answer:?}");
}

/// Runs `request` while nothing is admitted beyond the bound.
async fn watched<T>(receiver: &Receiver, request: impl Future<Output = T>) -> T {
    let watch = async {
        loop {
            assert!(receiver.admission.bytes_in_use() <= receiver.admission.bytes_max());
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        outcome = request => outcome,
        () = watch => unreachable!("it watches for ever"),
    }
}
