//! Bytes no client should send: the answer is an error or a closed connection, and the process goes on.

use std::time::Duration;

use prost::Message;
use proto::SignalKind;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::fixture::*;

/// Sends raw bytes, then reads what comes until the other side closes, or for a moment.
async fn raw(addr: std::net::SocketAddr, bytes: &[u8], half_close: bool) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    // The other side may close at any byte.
    let _ = stream.write_all(bytes).await;
    if half_close {
        let _ = stream.shutdown().await;
    }
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_millis(100), stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// Sends raw bytes and waits for the head of the answer.
async fn answer_to(addr: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    let head = async {
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
    };
    bounded(head).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn garbage_on_either_port_ends_that_connection_only() {
    let receiver = Receiver::start(Setup::default()).await;
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    let endless_settings = [&preface[..], &[0xff; 4_096]].concat();
    let headers_without_end =
        [&preface[..], b"\0\0\0\x04\0\0\0\0\0", b"\0\0\x04\x01\0\0\0\0\x01\xff\xff\xff\xff"].concat();
    let long_line = [b"POST /".as_slice(), &[b'a'; 200_000]].concat();
    for addr in [receiver.grpc(), receiver.http()] {
        for bytes in [
            &b""[..],
            b"\0",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a client that speaks TLS",
            b"GET / HTTP/1.1\r\n\r\n",
            b"POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\n\r\n",
            b"POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            b"POST /v1/traces HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
            preface,
            &endless_settings,
            &headers_without_end,
            &long_line,
        ] {
            tokio::join!(raw(addr, bytes, false), raw(addr, bytes, true));
        }
    }
    receiver.still_serves().await;
}

#[tokio::test]
async fn a_lying_content_length_is_no_success() {
    let receiver = Receiver::start(Setup::default()).await;
    let head = "POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-protobuf\r\n";
    let too_long = format!("{head}content-length: 1000\r\n\r\nshort");
    let answer = raw(receiver.http(), too_long.as_bytes(), true).await;
    assert!(!answer.starts_with("HTTP/1.1 200"), "{answer}");

    let request = spans(1).encode_to_vec();
    let mut too_short = format!("{head}content-length: {}\r\n\r\n", request.len() - 1).into_bytes();
    too_short.extend(&request);
    let answer = raw(receiver.http(), &too_short, false).await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert!(receiver.arrived(SignalKind::Traces).await.is_empty());

    let announced = format!("{head}content-length: 18446744073709551615\r\n\r\n");
    let answer = raw(receiver.http(), announced.as_bytes(), false).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
    receiver.still_serves().await;
}

#[tokio::test]
async fn a_client_that_closes_its_half_is_answered() {
    let receiver = Receiver::start(Setup::default()).await;
    let request = spans(1).encode_to_vec();
    let mut bytes = format!(
        "POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-protobuf\r\ncontent-length: {}\r\n\r\n",
        request.len()
    )
    .into_bytes();
    bytes.extend(&request);
    let answer = raw(receiver.http(), &bytes, true).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(receiver.arrived(SignalKind::Traces).await, [request]);
}

#[tokio::test]
async fn a_body_that_does_not_end_is_given_up_and_told_to_come_back() {
    let receiver = Receiver::start(Setup { http: "read_timeout: 200ms", ..Setup::default() }).await;
    let headers = [PROTOBUF, ("content-length", "1000")];
    let answer = post(receiver.http(), "/v1/traces", &headers, stalled("first")).await;
    assert_eq!((answer.status.as_u16(), answer.details().code), (503, UNAVAILABLE), "{answer:?}");
    assert!(answer.headers.contains_key("retry-after"));
    receiver.still_serves().await;
}

#[tokio::test]
async fn many_at_once_stay_inside_the_budget_and_each_gets_an_answer() {
    let setup = Setup { admission_bytes: 300_000, ..Setup::default() };
    let receiver = Receiver::start(setup).await;
    let request = span_of(50_000);
    let calls = (0..60).map(|i| {
        let (grpc, http, request) = (receiver.grpc(), receiver.http(), request.clone());
        async move {
            match i % 3 {
                0 => call(grpc, TRACES, &[], full(framed(0, &request))).await.code,
                1 => {
                    let headers = [("grpc-encoding", "gzip")];
                    call(grpc, TRACES, &headers, full(framed(1, &gzip(&request)))).await.code
                }
                _ => match post(http, "/v1/traces", &[PROTOBUF], full(request)).await.status.as_u16() {
                    200 => 0,
                    503 => UNAVAILABLE,
                    other => other.into(),
                },
            }
        }
    });
    let watch = async {
        loop {
            assert!(receiver.admission.bytes_in_use() <= receiver.admission.bytes_max());
            tokio::task::yield_now().await;
        }
    };
    let codes = tokio::select! {
        codes = futures_util::future::join_all(calls) => codes,
        () = watch => unreachable!("it watches for ever"),
    };
    assert!(codes.iter().all(|code| [0, UNAVAILABLE].contains(code)), "{codes:?}");
    let accepted = codes.iter().filter(|code| **code == 0).count();
    assert_eq!(receiver.arrived(SignalKind::Traces).await.len(), accepted);
    let counts = ["grpc", "http"].map(|transport| receiver.counts(transport, SignalKind::Traces));
    assert_eq!(counts[0].0 + counts[1].0, accepted as u64);
    assert_eq!(counts[0].1 + counts[1].1, (codes.len() - accepted) as u64);
    receiver.still_serves().await;
}

#[tokio::test]
async fn no_mutation_of_a_request_harms_the_process() {
    let receiver = Receiver::start(Setup::default()).await;
    let whole = framed(0, &spans(3).encode_to_vec());
    let mut sender = connect_http2(receiver.grpc()).await;
    let mut seed = 0x9e37_79b9_u32;
    for _ in 0..3_000 {
        let mut bytes = whole.clone();
        for _ in 0..3 {
            // xorshift: any sequence will do, as long as it is the same each time.
            seed ^= seed << 13;
            seed ^= seed >> 17;
            seed ^= seed << 5;
            let at = 5 + seed as usize % (bytes.len() - 5);
            bytes[at] ^= 1 << (seed >> 29);
        }
        let outcome = bounded(call_on(&mut sender, TRACES, &[], full(bytes))).await;
        assert!([0, INVALID_ARGUMENT].contains(&outcome.code), "{outcome:?}");
    }
    receiver.still_serves().await;
}

/// Waits until that many bytes are admitted.
async fn admitted(receiver: &Receiver, bytes: u64) {
    let admitted = async {
        while receiver.admission.bytes_in_use() < bytes {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    bounded(admitted).await;
}

#[tokio::test]
async fn who_announces_much_and_sends_little_keeps_nobody_out() {
    let receiver = Receiver::start(Setup { admission_bytes: 70 << 20, ..Setup::default() }).await;
    let head = "POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-protobuf\r\ncontent-length: 67108864\r\n\r\n.";
    let mut silent = Vec::new();
    for _ in 0..8 {
        let mut stream = TcpStream::connect(receiver.http()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        silent.push(stream);
    }
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let announced = framed(0, &vec![0; 4 << 20])[..6].to_vec();
        calls.spawn(call(receiver.grpc(), TRACES, &[], stalled(announced)));
    }
    admitted(&receiver, 16).await;
    let request = spans(1).encode_to_vec();
    let outcome = call(receiver.grpc(), TRACES, &[], full(framed(0, &request))).await;
    assert_eq!(outcome.code, 0, "{outcome:?}");
    let answer = post(receiver.http(), "/v1/traces", &[PROTOBUF], full(request)).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    drop(silent);
    calls.shutdown().await;
    receiver.still_serves().await;
}

#[tokio::test]
async fn silent_connections_make_room_for_those_who_have_something_to_say() {
    let receiver = Receiver::start(Setup::default()).await;
    for addr in [receiver.grpc(), receiver.http()] {
        let mut silent = Vec::new();
        for _ in 0..phasor_collector::receivers::otlp::CONNECTIONS_MAX + 50 {
            silent.push(TcpStream::connect(addr).await.unwrap());
        }
        receiver.still_serves().await;
        drop(silent);
    }
}

#[tokio::test]
async fn http_1_1_without_a_host_is_no_request() {
    let receiver = Receiver::start(Setup::default()).await;
    let head = "POST /v1/traces HTTP/1.1\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n";
    for (hosts, status) in [("", 400), ("host: a\r\nhost: b\r\n", 400), ("host: a\r\n", 200)] {
        let answer = raw(receiver.http(), format!("{head}{hosts}\r\n").as_bytes(), false).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{hosts:?}: {answer}");
    }
}

#[tokio::test]
async fn o_h15_two_content_types_that_differ_are_400_and_two_that_do_not_are_one() {
    let receiver = Receiver::start(Setup::default()).await;
    let json = ("content-type", "application/json");
    for (types, status) in [([json, PROTOBUF], 400), ([PROTOBUF, json], 400), ([PROTOBUF, PROTOBUF], 200)] {
        let answer = post(receiver.http(), "/v1/traces", &types, full(spans(1).encode_to_vec())).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    assert_eq!(receiver.refusals("http"), [("bad_head", 2)]);
}

#[tokio::test]
async fn each_refused_request_is_counted_once_by_its_reason() {
    let signals = &[SignalKind::Traces, SignalKind::Metrics];
    let setup = Setup { http: "max_request_body_size: 1KiB", signals, ..Setup::default() };
    let receiver = Receiver::start(setup).await;
    let taken = post(receiver.http(), "/v1/traces", &[PROTOBUF], full(spans(1).encode_to_vec())).await;
    assert_eq!(taken.status, 200);
    assert_eq!(receiver.refusals("http"), []);
    for (method, path, header, body, status) in [
        ("POST", "/v1/traces", ("content-encoding", "br"), "", 415),
        ("POST", "/v1/traces", ("content-encoding", "gzip"), "no gzip", 400),
        ("POST", "/v1/traces", ("x", "y"), "garbage", 400),
        ("POST", "/v1/logs", ("x", "y"), "", 404),
        ("POST", "/nowhere", ("x", "y"), "", 404),
        ("GET", "/v1/traces", ("x", "y"), "", 405),
    ] {
        let answer = send(receiver.http(), method, path, &[PROTOBUF, header], full(body)).await;
        assert_eq!(answer.status, status, "{answer:?}");
    }
    let long = post(receiver.http(), "/v1/traces", &[PROTOBUF], full(span_of(2_000))).await;
    assert_eq!(long.status, 413);
    let text = post(receiver.http(), "/v1/traces", &[("content-type", "text/plain")], full("")).await;
    assert_eq!(text.status, 415);
    let others = receiver.admission.try_acquire(receiver.admission.bytes_max()).unwrap();
    let later = post(receiver.http(), "/v1/traces", &[PROTOBUF], full(span_of(100))).await;
    assert_eq!(later.status, 503);
    let later = call(receiver.grpc(), TRACES, &[], full(framed(0, &span_of(100)))).await;
    assert_eq!(later.code, UNAVAILABLE);
    drop(others);
    // Answered before it comes to the receiver.
    let head = "POST /v1/traces HTTP/1.1\r\nhost: a\r\n".to_owned();
    let many: String = (0..500).map(|number| format!("x-{number}: y\r\n")).collect();
    let answer = answer_to(receiver.http(), (head + &many + "\r\n").as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let answer = answer_to(receiver.http(), b"this is no HTTP\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
    assert_eq!(
        receiver.refusals("http"),
        [
            ("bad_head", 2),
            ("memory_limit", 1),
            ("no_pipeline", 1),
            ("too_large", 1),
            ("undecodable", 2),
            ("unknown_path", 1),
            ("unsupported_encoding", 1),
            ("unsupported_media_type", 1),
            ("unsupported_method", 1),
        ]
    );
    assert_eq!(receiver.refusals("grpc"), [("memory_limit", 1)]);
}

#[tokio::test]
async fn a_chunk_that_announces_more_than_any_memory_is_read_up_to_the_limit() {
    let setup = Setup { http: "max_request_body_size: 1KiB", ..Setup::default() };
    let receiver = Receiver::start(setup).await;
    let head = "POST /v1/traces HTTP/1.1\r\nhost: a\r\ncontent-type: application/x-protobuf\r\n";
    let bytes = format!("{head}transfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n{}", "a".repeat(2_000));
    let answer = answer_to(receiver.http(), bytes.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert_eq!(receiver.refusals("http"), [("too_large", 1)]);
    receiver.settles().await;
    receiver.still_serves().await;
}
