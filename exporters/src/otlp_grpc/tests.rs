use std::{io::Write, net::SocketAddr};

use flate2::{Compression as Level, read::GzDecoder, write::GzEncoder};
use pipelines::{component::ComponentId, config::Span};

use super::*;
use crate::{
    auth::{Authenticator, Authenticators, BearerTokenAuth, Reference},
    secret::Secret,
};

mod connections;
pub(crate) mod peer;
mod tls;

use peer::{Peer, Reply, framed, status_headers};

fn config(address: SocketAddr) -> Config {
    Config {
        endpoint: format!("http://{address}"),
        compression: Compression::None,
        timeout: Span(Duration::from_secs(20)),
        ..Config::default()
    }
}

fn client(config: &Config) -> Client {
    Connection::new(config).unwrap().open()
}

/// What the exporter makes of an answer.
async fn check(reply: Reply) -> Answer {
    let peer = Peer::start(None, move |_, _| reply.clone()).await;
    client(&config(peer.address)).send(SignalKind::Traces, Bytes::from_static(b"request").into()).await
}

async fn refusal(reply: Reply) -> Refused {
    match check(reply).await {
        Answer::Refused(refused) => refused,
        taken => panic!("{taken:?}"),
    }
}

fn plain(rejected: u64, message: &str) -> Answer {
    Answer::Taken { rejected, message: message.to_owned() }
}

/// Length-delimited field of a protobuf message.
fn field(number: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2, u8::try_from(value.len()).unwrap()];
    bytes.extend(value);
    bytes
}

/// `google.rpc.Status` with a `RetryInfo` of so many seconds.
fn retry_info(seconds: u8) -> Bytes {
    let info = field(1, &[1 << 3, seconds]);
    let any = [field(1, b"type.googleapis.com/google.rpc.RetryInfo"), field(2, &info)].concat();
    [vec![1 << 3, 14], field(3, &any)].concat().into()
}

#[tokio::test]
async fn bytes_received_are_the_bytes_sent() {
    let peer = Peer::start(None, |_, _| Reply::ok(b"")).await;
    let client = client(&config(peer.address));
    let large: Bytes =
        (0..3_000_000u32).map(|i| (i.wrapping_mul(7919) >> 5) as u8).collect::<Vec<_>>().into();
    for message in [Bytes::new(), Bytes::from_static(b"\x0a\x00"), large] {
        assert_eq!(client.send(SignalKind::Traces, message.clone().into()).await, plain(0, ""));
        let received = peer.received().pop().unwrap();
        assert!(!received.compressed);
        assert!(received.message == message, "{} bytes arrived changed", message.len());
    }
}

#[tokio::test]
async fn each_signal_has_its_own_method() {
    let peer = Peer::start(None, |_, _| Reply::ok(b"")).await;
    for signal in SignalKind::ALL {
        client(&config(peer.address)).send(signal, Bytes::new().into()).await;
    }
    let paths: Vec<_> = peer.received().into_iter().map(|received| received.path).collect();
    assert_eq!(
        paths,
        [
            "/opentelemetry.proto.collector.trace.v1.TraceService/Export",
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            "/opentelemetry.proto.collector.logs.v1.LogsService/Export",
        ]
    );
}

#[tokio::test]
async fn o_c16_headers_name_type_encoding_deadline_and_what_the_user_added() {
    let peer = Peer::start(None, |_, _| Reply::ok(b"")).await;
    let headers = [("X-Scope-OrgID".to_owned(), Secret::from("tenant"))].into();
    let config = Config { compression: Compression::Gzip, headers, ..config(peer.address) };
    client(&config).send(SignalKind::Logs, Bytes::from_static(b"hello hello hello").into()).await;
    let received = peer.received().pop().unwrap();
    for (name, value) in [
        ("content-type", "application/grpc"),
        ("te", "trailers"),
        ("grpc-encoding", "gzip"),
        ("grpc-timeout", "20000000u"),
        ("x-scope-orgid", "tenant"),
    ] {
        assert_eq!(received.headers.get(name).unwrap(), value, "{name}");
    }
    assert!(received.headers["user-agent"].to_str().unwrap().starts_with("phasor/"));
    assert!(received.compressed);
    let inflated = std::io::read_to_string(GzDecoder::new(&received.message[..])).unwrap();
    assert_eq!(inflated, "hello hello hello");
}

#[tokio::test]
async fn the_authority_and_the_user_agent_are_what_the_user_says() {
    let peer = Peer::start(None, |_, _| Reply::ok(b"")).await;
    let asked = |config: Config| async move {
        client(&config).send(SignalKind::Logs, Bytes::new().into()).await;
    };
    asked(config(peer.address)).await;
    let (authority, user_agent) = (Some("tempo.example:443".to_owned()), Some("otelcol/1".to_owned()));
    asked(Config { authority, user_agent, ..config(peer.address) }).await;
    let [usual, own] = &peer.received()[..] else { panic!("two requests") };
    assert_eq!(usual.authority, peer.address.to_string());
    assert_eq!(own.authority, "tempo.example:443");
    assert_eq!(own.headers["user-agent"].to_str().unwrap().split(' ').next(), Some("otelcol/1"));
}

#[tokio::test]
async fn each_request_says_who_we_are() {
    let peer = Peer::start(None, |_, _| Reply::ok(b"")).await;
    let token = BearerTokenAuth { token: Some(Secret::from("abc")), ..BearerTokenAuth::default() };
    let authenticators: Authenticators =
        [(ComponentId::named("bearertokenauth", "x"), Authenticator::BearerToken(token))]
            .into_iter()
            .collect();
    let auth = Some(Reference { authenticator: "bearertokenauth/x".to_owned() });
    // What the extension says goes before a header of the same name.
    let headers = [("authorization".to_owned(), Secret::from("nobody"))].into();
    let config = Config { auth, headers, ..config(peer.address) };
    let id = ComponentId::new("otlp_grpc");
    let settings =
        |authenticators| Settings { id: &id, signal: SignalKind::Logs, seed: 1, hints: None, authenticators };
    let built = config.build(&settings(&authenticators)).unwrap();
    built.connection.open().send(SignalKind::Logs, Bytes::new().into()).await;
    assert_eq!(peer.received()[0].headers["authorization"], "Bearer abc");
    assert_eq!(config.without_effect()[0].path, "auth.authenticator", "it went out in the clear");
    let nobody = config.build(&settings(&Authenticators::default())).unwrap_err();
    assert!(
        nobody.to_string().starts_with("auth.authenticator: `bearertokenauth/x` is no extension"),
        "{nobody}"
    );
}

#[tokio::test]
async fn zstd_is_sent_where_configured() {
    let peer = Peer::start(None, |_, _| Reply::ok(b"")).await;
    let config = Config { compression: Compression::Zstd, ..config(peer.address) };
    client(&config).send(SignalKind::Logs, Bytes::from_static(b"hello").into()).await;
    let received = peer.received().pop().unwrap();
    assert_eq!(received.headers["grpc-encoding"], "zstd");
    assert_eq!(received.message[..4], [0x28, 0xb5, 0x2f, 0xfd]);
}

#[tokio::test]
async fn o_c1_o_c2_o_c3_a_status_is_read_by_the_table() {
    for code in 1..=17 {
        let answered = refusal(Reply::status(code)).await;
        // tonic knows no code above 16 and reads it as UNKNOWN.
        let (action, name) = retry::grpc(if code > 16 { 2 } else { code }, None);
        assert_eq!((answered.action, answered.code), (action, name), "code {code}");
        let late = Reply {
            trailers: Some(status_headers(code)),
            ..Reply { headers: Default::default(), ..Reply::status(0) }
        };
        assert_eq!(refusal(late).await.action, action, "code {code} in the trailers");
    }
}

#[tokio::test]
async fn o_c3_o_c4_a_retry_info_is_read() {
    for code in [Code::Unavailable, Code::ResourceExhausted] {
        let refused = refusal(Reply::of(Status::with_details(code, "wait", retry_info(5)))).await;
        assert_eq!(refused.action, Action::Retry { after: Some(Duration::from_secs(5)) }, "{code:?}");
        assert_eq!(refused.message, "wait");
    }
}

#[tokio::test]
async fn o_c5_an_http_error_of_a_proxy_is_read_as_grpc_says() {
    for status in [429, 502, 503, 504] {
        let reply = Reply { http_status: status, ..Reply::default() };
        assert_eq!(refusal(reply).await.action, Action::Retry { after: None }, "{status}");
    }
    for status in [400, 401, 403, 404, 500] {
        let reply = Reply { http_status: status, ..Reply::default() };
        assert_eq!(refusal(reply).await.action, Action::GiveUp, "{status}");
    }
}

#[tokio::test]
async fn o_c8_refused_and_closed_connections_are_tried_again() {
    let address = Peer::start(None, |_, _| Reply::ok(b"")).await.address;
    let nobody = client(&config(address)).send(SignalKind::Traces, Bytes::new().into()).await;
    assert!(
        matches!(
            &nobody,
            Answer::Refused(Refused { action: Action::Retry { after: None }, code: "UNAVAILABLE", .. })
        ),
        "{nobody:?}"
    );
    let reset = refusal(Reply { close: true, ..Reply::default() }).await;
    assert_eq!((reset.action, reset.code), (Action::Retry { after: None }, "UNAVAILABLE"));
}

#[tokio::test]
async fn o_c8_a_connection_that_ends_with_requests_in_flight_is_tried_again() {
    let peer = Peer::start(None, |_, _| Reply { hang: true, ..Reply::default() }).await;
    let client = client(&config(peer.address));
    let sending = tokio::spawn(async move { client.send(SignalKind::Traces, Bytes::new().into()).await });
    while peer.received().is_empty() {
        tokio::task::yield_now().await;
    }
    drop(peer);
    let answer = sending.await.unwrap();
    assert!(
        matches!(&answer, Answer::Refused(Refused { action: Action::Retry { after: None }, .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn a_server_that_dies_and_comes_back_is_found_again() {
    let peer = Peer::start(None, |_, _| Reply::ok(b"")).await;
    let (address, client) = (peer.address, client(&config(peer.address)));
    assert_eq!(client.send(SignalKind::Traces, Bytes::new().into()).await, plain(0, ""));
    drop(peer);
    while client.send(SignalKind::Traces, Bytes::new().into()).await == plain(0, "") {
        tokio::task::yield_now().await;
    }
    let _back = Peer::start(Some(address), |_, _| Reply::ok(b"")).await;
    assert_eq!(client.send(SignalKind::Traces, Bytes::new().into()).await, plain(0, ""));
}

#[tokio::test]
async fn a_server_that_never_answers_is_tried_again() {
    let peer = Peer::start(None, |_, _| Reply { hang: true, ..Reply::default() }).await;
    let config = Config { timeout: Span(Duration::from_millis(50)), ..config(peer.address) };
    let answer = client(&config).send(SignalKind::Traces, Bytes::new().into()).await;
    assert!(
        matches!(&answer, Answer::Refused(Refused { action: Action::Retry { after: None }, .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn o_c9_o_c10_o_c11_o_c17_partial_success_is_read() {
    let rejected = field(1, &[&[1 << 3, 3][..], &field(2, b"too old")].concat());
    assert_eq!(check(Reply::ok(&rejected)).await, plain(3, "too old"));
    assert_eq!(check(Reply::ok(&field(1, &field(2, b"slow down")))).await, plain(0, "slow down"));
    assert_eq!(check(Reply::ok(&field(1, b""))).await, plain(0, ""));
    let unknown = [field(9, b"future"), field(1, &[&[1 << 3, 2][..], &field(7, b"x")].concat())].concat();
    assert_eq!(check(Reply::ok(&unknown)).await, plain(2, ""));
}

#[tokio::test]
async fn ok_without_a_message_or_with_a_broken_one_is_a_success() {
    assert_eq!(check(Reply::status(0)).await, plain(0, ""));
    assert_eq!(check(Reply { body: None, ..Reply::ok(b"") }).await, plain(0, ""));
    assert_eq!(check(Reply::ok(b"\xff\xff\xff")).await, plain(0, ""));
}

#[tokio::test]
async fn o_c12_an_answer_over_the_limit_is_given_up() {
    let announced = Reply { body: Some(Bytes::from_static(b"\x00\x7f\xff\xff\xff")), ..Reply::ok(b"") };
    let mut bomb = GzEncoder::new(Vec::new(), Level::fast());
    bomb.write_all(&vec![0; 2 * ANSWER_BYTES_MAX]).unwrap();
    let bomb = Reply { body: Some(framed(1, &bomb.finish().unwrap())), ..Reply::ok(b"") };
    for reply in [announced, bomb.header("grpc-encoding", "gzip")] {
        let refused = refusal(reply).await;
        assert_eq!((refused.action, refused.code), (Action::GiveUp, "ANSWER_TOO_LARGE"), "{refused:?}");
    }
}

#[tokio::test]
async fn an_answer_compressed_as_the_request_was_is_read() {
    let mut gzip = GzEncoder::new(Vec::new(), Level::fast());
    gzip.write_all(&field(1, &field(2, b"hi"))).unwrap();
    let reply = Reply { body: Some(framed(1, &gzip.finish().unwrap())), ..Reply::ok(b"") };
    assert_eq!(check(reply.header("grpc-encoding", "gzip")).await, plain(0, "hi"));
}

#[tokio::test]
async fn o_c13_a_tonic_server_that_finds_the_request_too_large_makes_us_split() {
    let words = "Error, decoded message length too large: found 9 bytes, the limit is: 4 bytes";
    assert_eq!(refusal(Reply::of(Status::out_of_range(words))).await.action, Action::Split);
}

#[tokio::test]
async fn details_that_are_not_base64_do_not_hurt() {
    let bad = Reply::status(14).header("grpc-status-details-bin", "%%% not base64 %%%");
    assert_eq!(refusal(bad.clone()).await.action, Action::Retry { after: None });
    let late =
        Reply { trailers: Some(bad.headers), ..Reply { headers: Default::default(), ..Reply::status(0) } };
    assert_eq!(refusal(late).await.action, Action::Retry { after: None });
    // Base64, but no google.rpc.Status.
    let noise = Status::with_details(Code::Unavailable, "", Bytes::from_static(b"\xff\xff\xff"));
    assert_eq!(refusal(Reply::of(noise)).await.action, Action::Retry { after: None });
}
