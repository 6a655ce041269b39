use std::{io::Read, io::Write, net::SocketAddr};

use flate2::{
    Compression as Level,
    read::{GzDecoder, ZlibDecoder},
    write::GzEncoder,
};
use pipelines::{component::ComponentId, config::Span};
use proto::{
    AnyBatch, json,
    response::{PartialSuccess, Status},
    testing::sample,
};

use super::{
    config::{Compression, CompressionParams, Encoding},
    *,
};
use crate::{
    auth::{Authenticator, Authenticators, BearerTokenAuth, Reference},
    secret::Secret,
    tls::tests::{Authority, Server, trusting},
};

mod config_tests;
pub(crate) mod peer;

use peer::{Peer, Reply};

fn config(address: SocketAddr) -> Config {
    Config {
        endpoint: format!("http://{address}"),
        compression: Compression::None,
        timeout: Span(Duration::from_secs(20)),
        ..Config::default()
    }
}

fn client(config: &Config) -> Client {
    Client::new(config, None).unwrap()
}

/// What the exporter makes of an answer.
async fn check(reply: Reply) -> Answer {
    let peer = Peer::start(move |_, _| reply.clone()).await;
    let answer =
        client(&config(peer.address)).send(SignalKind::Traces, Bytes::from_static(b"request").into()).await;
    assert_eq!(peer.received().len(), 1, "an attempt is one request");
    answer
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

fn json_reply(body: &str) -> Reply {
    Reply { body: Bytes::copy_from_slice(body.as_bytes()), ..Reply::status(200) }
        .header("content-type", "application/json")
}

#[tokio::test]
async fn bytes_received_are_the_bytes_sent_and_the_connection_is_used_again() {
    let peer = Peer::start(|_, _| Reply::ok("")).await;
    let client = client(&config(peer.address));
    let large: Bytes =
        (0..3_000_000u32).map(|i| (i.wrapping_mul(7919) >> 5) as u8).collect::<Vec<_>>().into();
    for message in [Bytes::new(), Bytes::from_static(b"\x0a\x00"), large] {
        assert_eq!(client.send(SignalKind::Traces, message.clone().into()).await, plain(0, ""));
        let received = peer.received().pop().unwrap();
        assert!(received.body == message, "{} bytes arrived changed", message.len());
        assert_eq!((received.method.as_str(), received.version), ("POST", http::Version::HTTP_11));
    }
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn without_keep_alive_each_request_has_its_connection() {
    let peer = Peer::start(|_, _| Reply::ok("")).await;
    let client = client(&Config { disable_keep_alives: true, ..config(peer.address) });
    for _ in 0..3 {
        assert_eq!(client.send(SignalKind::Logs, Bytes::new().into()).await, plain(0, ""));
    }
    assert_eq!(peer.connections(), 3);
}

#[tokio::test]
async fn each_signal_has_its_own_path_below_the_endpoint_or_its_own_url() {
    let peer = Peer::start(|_, _| Reply::ok("")).await;
    let own = Config {
        endpoint: format!("http://{}/otlp/", peer.address),
        logs_endpoint: Some(format!("http://{}/my/logs", peer.address)),
        ..Config::default()
    };
    let client = client(&own);
    for signal in SignalKind::ALL {
        client.send(signal, Bytes::new().into()).await;
    }
    let paths: Vec<_> = peer.received().into_iter().map(|received| received.path).collect();
    assert_eq!(paths, ["/otlp/v1/traces", "/otlp/v1/metrics", "/my/logs"]);
}

#[tokio::test]
async fn o_c16_headers_name_type_encoding_and_what_the_user_added() {
    let peer = Peer::start(|_, _| Reply::ok("")).await;
    let headers = [("X-Scope-OrgID".to_owned(), Secret::from("tenant"))].into();
    let config = Config { compression: Compression::Gzip, headers, ..config(peer.address) };
    client(&config).send(SignalKind::Logs, Bytes::from_static(b"hello hello hello").into()).await;
    let json = Config { encoding: Encoding::Json, compression: Compression::None, ..config };
    client(&json).send(SignalKind::Logs, Bytes::new().into()).await;
    let received = peer.received();
    for (place, name, value) in [
        (0, "content-type", Some("application/x-protobuf")),
        (0, "content-encoding", Some("gzip")),
        (0, "x-scope-orgid", Some("tenant")),
        (1, "content-type", Some("application/json")),
        (1, "content-encoding", None),
        (1, "content-length", Some("2")),
    ] {
        assert_eq!(received[place].headers.get(name).map(|value| value.to_str().unwrap()), value, "{name}");
    }
    assert!(received[0].headers["user-agent"].to_str().unwrap().starts_with("phasor/"));
    assert_eq!(received[1].body, "{}");
}

#[tokio::test]
async fn o_c16_a_body_is_compressed_as_its_header_says() {
    let message = sample::traces(50, 5, 1).bytes().clone();
    let inflated = |compression, body: &[u8]| {
        let mut out = Vec::new();
        let mut reader: Box<dyn Read + '_> = match compression {
            Compression::Gzip => Box::new(GzDecoder::new(body)),
            Compression::Zlib | Compression::Deflate => Box::new(ZlibDecoder::new(body)),
            Compression::Zstd => Box::new(zstd::stream::Decoder::new(body).unwrap()),
            Compression::Snappy => return snap::raw::Decoder::new().decompress_vec(body).unwrap(),
            Compression::SnappyFramed => Box::new(snap::read::FrameDecoder::new(body)),
            Compression::None | Compression::Lz4 => Box::new(body),
        };
        reader.read_to_end(&mut out).unwrap();
        out
    };
    for (compression, name, level) in [
        (Compression::Gzip, Some("gzip"), 9),
        (Compression::Zlib, Some("zlib"), 1),
        (Compression::Deflate, Some("deflate"), 0),
        (Compression::Zstd, Some("zstd"), 19),
        (Compression::Snappy, Some("snappy"), 0),
        (Compression::SnappyFramed, Some("x-snappy-framed"), 0),
        (Compression::None, None, 0),
    ] {
        let peer = Peer::start(|_, _| Reply::ok("")).await;
        let compression_params = Some(CompressionParams { level });
        let config = Config { compression, compression_params, ..config(peer.address) };
        assert_eq!(config.check(), []);
        client(&config).send(SignalKind::Traces, message.clone().into()).await;
        let received = peer.received().pop().unwrap();
        let said = received.headers.get("content-encoding").map(|value| value.to_str().unwrap());
        assert_eq!(said, name);
        assert_eq!(received.body.len() < message.len(), name.is_some(), "{name:?}");
        assert!(inflated(compression, &received.body) == message, "{name:?}");
    }
}

#[tokio::test]
async fn json_says_the_same_as_the_bytes() {
    let peer = Peer::start(|_, _| json_reply("{}")).await;
    let client = client(&Config { encoding: Encoding::Json, ..config(peer.address) });
    let batches: [AnyBatch; 3] =
        [sample::traces(3, 4, 1).into(), sample::metrics(3, 1).into(), sample::logs(3, 1).into()];
    for batch in batches {
        assert_eq!(client.send(batch.kind(), batch.bytes().clone().into()).await, plain(0, ""));
        let body = peer.received().pop().unwrap().body;
        let back = json::decode(batch.kind(), &body, 1 << 20).unwrap();
        assert!(back[..] == batch.bytes()[..], "{}", String::from_utf8_lossy(&body));
    }
}

#[tokio::test]
async fn o_c5_what_passes_is_tried_again() {
    for status in [429, 502, 503, 504] {
        let refused = refusal(Reply::status(status)).await;
        assert_eq!(refused.action, Action::Retry { after: None }, "{status}");
        assert_eq!(refused.code, format!("HTTP_{status}"));
    }
}

#[tokio::test]
async fn o_c6_everything_else_is_final_and_too_large_is_split() {
    for status in [300, 302, 400, 401, 403, 404, 405, 408, 409, 415, 418, 422, 431, 500, 501, 505, 599] {
        let reply = Reply::status(status).header("retry-after", "7");
        assert_eq!(refusal(reply).await.action, Action::GiveUp, "{status}");
    }
    // Its halves are other requests; a single item is given up (o_c13 in the tests of the delivery).
    assert_eq!(refusal(Reply::status(413)).await.action, Action::Split);
}

#[tokio::test]
async fn o_c7_retry_after_is_read_as_seconds_and_as_a_date() {
    let after = |text: &str| {
        let reply = Reply::status(503).header("retry-after", text);
        async move {
            match refusal(reply).await.action {
                Action::Retry { after } => after,
                other => panic!("{other:?}"),
            }
        }
    };
    assert_eq!(after("7").await, Some(Duration::from_secs(7)));
    assert_eq!(after("soon").await, None);
    assert_eq!(after("-1").await, None);
    assert_eq!(after("Sun, 06 Nov 1994 08:49:37 GMT").await, Some(Duration::ZERO), "a date that has passed");
    let headers = Reply::status(503).header("retry-after", "Sun, 06 Nov 1994 08:49:37 GMT").headers;
    let now = std::time::UNIX_EPOCH + Duration::from_secs(784_111_777 - 90);
    assert_eq!(answer::retry_after(&headers, now), Some(Duration::from_secs(90)));
}

#[tokio::test]
async fn o_c8_refused_and_closed_connections_are_tried_again() {
    let address = Peer::start(|_, _| Reply::ok("")).await.address;
    let refused = client(&config(address)).send(SignalKind::Traces, Bytes::new().into()).await;
    let closed = check(Reply { close: true, ..Reply::default() }).await;
    for answer in [refused, closed] {
        assert!(
            matches!(
                &answer,
                Answer::Refused(Refused { action: Action::Retry { after: None }, code: "UNAVAILABLE", .. })
            ),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn o_c8_a_server_that_never_answers_is_tried_again() {
    let peer = Peer::start(|_, _| Reply { hang: true, ..Reply::default() }).await;
    let config = Config { timeout: Span(Duration::from_millis(50)), ..config(peer.address) };
    let answer = client(&config).send(SignalKind::Traces, Bytes::new().into()).await;
    assert!(
        matches!(
            &answer,
            Answer::Refused(Refused { action: Action::Retry { after: None }, code: "DEADLINE_EXCEEDED", .. })
        ),
        "{answer:?}"
    );
}

#[tokio::test]
async fn o_c9_o_c10_o_c11_o_c17_partial_success_is_read_in_both_encodings() {
    let partial = |rejected, message: &str| PartialSuccess { rejected, message: message.to_owned() };
    let encoded = |partial: PartialSuccess| Reply::ok(PartialSuccess::encode(Some(&partial)));
    assert_eq!(check(encoded(partial(3, "too old"))).await, plain(3, "too old"));
    assert_eq!(check(encoded(partial(0, "slow down"))).await, plain(0, "slow down"));
    assert_eq!(check(encoded(partial(0, ""))).await, plain(0, ""));
    let unknown = [&b"\x4a\x01x"[..], &PartialSuccess::encode(Some(&partial(2, "")))].concat();
    assert_eq!(check(Reply::ok(unknown)).await, plain(2, ""));
    for (body, expected) in [
        ("{}", plain(0, "")),
        (r#"{"partialSuccess": null}"#, plain(0, "")),
        (r#"{"partialSuccess": {}}"#, plain(0, "")),
        (r#"{"partialSuccess": {"rejectedSpans": "3", "errorMessage": "too old"}}"#, plain(3, "too old")),
        (r#"{"partialSuccess": {"rejectedDataPoints": 4}}"#, plain(4, "")),
        (r#"{"partialSuccess": {"rejectedLogRecords": "5", "new": [{}]}, "future": 1}"#, plain(5, "")),
        (r#"{"partialSuccess": {"rejectedSpans": "-1"}}"#, plain(0, "")),
    ] {
        assert_eq!(check(json_reply(body)).await, expected, "{body}");
    }
}

#[tokio::test]
async fn a_success_that_cannot_be_read_is_a_success() {
    for reply in [
        Reply::status(204),
        Reply::ok(&b"\xff\xff\xff"[..]),
        json_reply("{]"),
        Reply::ok("").header("content-encoding", "br"),
        Reply::ok("no gzip").header("content-encoding", "gzip"),
    ] {
        assert_eq!(check(reply).await, plain(0, ""));
    }
}

#[tokio::test]
async fn o_c12_an_answer_over_the_limit_is_given_up() {
    let large = Bytes::from(vec![b' '; ANSWER_BYTES_MAX + 1]);
    let mut bomb = GzEncoder::new(Vec::new(), Level::fast());
    bomb.write_all(&vec![0; 2 * ANSWER_BYTES_MAX]).unwrap();
    for reply in [
        Reply::ok(large.clone()),
        Reply { body: large, ..Reply::status(503) },
        Reply::ok(bomb.finish().unwrap()).header("content-encoding", "gzip"),
    ] {
        let refused = refusal(reply).await;
        assert_eq!((refused.action, refused.code), (Action::GiveUp, "ANSWER_TOO_LARGE"), "{refused:?}");
    }
}

#[tokio::test]
async fn the_words_of_a_refusal_are_told_in_whatever_form_they_come() {
    let status = Status { code: 3, message: "no such tenant".to_owned(), ..Status::default() };
    let body = |reply: Reply, body: Vec<u8>| Reply { body: body.into(), ..reply };
    let bad = || Reply::status(400);
    for (reply, expected) in [
        (body(bad().header("content-type", "application/x-protobuf"), status.encode()), "no such tenant"),
        (
            body(
                bad().header("content-type", "application/json; charset=utf-8"),
                json::encode_status(&status),
            ),
            "no such tenant",
        ),
        (body(bad().header("content-type", "text/plain"), b" nope\n".to_vec()), "nope"),
        (body(bad().header("content-type", "text/html"), b"<html>".to_vec()), "400 Bad Request"),
        (bad(), "400 Bad Request"),
        (
            Reply::status(308).header("location", "https://elsewhere/"),
            "redirected to https://elsewhere/, which is not followed",
        ),
    ] {
        assert_eq!(refusal(reply).await.message, expected);
    }
}

#[tokio::test]
async fn each_request_says_who_we_are() {
    let peer = Peer::start(|_, _| Reply::ok("")).await;
    let token = BearerTokenAuth { token: Some(Secret::from("abc")), ..BearerTokenAuth::default() };
    let authenticators: Authenticators =
        [(ComponentId::new("bearertokenauth"), Authenticator::BearerToken(token))].into_iter().collect();
    let auth = Some(Reference { authenticator: "bearertokenauth".to_owned() });
    // What the extension says goes before a header of the same name.
    let headers = [("authorization".to_owned(), Secret::from("nobody"))].into();
    let config = Config { auth, headers, ..config(peer.address) };
    let settings = Settings {
        id: &ComponentId::new("otlp_http"),
        signal: SignalKind::Logs,
        seed: 1,
        hints: None,
        authenticators: &authenticators,
    };
    config.build(&settings).unwrap().client.send(SignalKind::Logs, Bytes::new().into()).await;
    assert_eq!(peer.received()[0].headers["authorization"], "Bearer abc");
    assert_eq!(config.without_effect()[0].path, "auth.authenticator", "it went out in the clear");
}

#[tokio::test]
async fn over_tls_http_2_is_spoken_where_it_is_offered() {
    let authority = Authority::new("ours");
    for (offered, version) in
        [(&["h2", "http/1.1"][..], http::Version::HTTP_2), (&["http/1.1"], http::Version::HTTP_11)]
    {
        let peer = Peer::listen(Some(Server::new(&authority, None, offered)), |_, _| Reply::ok("")).await;
        let endpoint = format!("https://localhost:{}", peer.address.port());
        let config = Config { endpoint, tls: trusting(&authority), ..config(peer.address) };
        let client = client(&config);
        let message = Bytes::from_static(b"request");
        assert_eq!(client.send(SignalKind::Traces, message.clone().into()).await, plain(0, ""));
        assert_eq!(client.send(SignalKind::Traces, message.into()).await, plain(0, ""));
        assert_eq!(peer.received()[1].version, version);
        assert_eq!(peer.connections(), 1);
    }
}

#[tokio::test]
async fn a_server_nobody_vouches_for_gets_nothing_and_one_that_asks_gets_our_certificate() {
    let (ours, clients) = (Authority::new("ours"), Authority::new("clients"));
    let tls = Server::new(&ours, Some(&clients), &["http/1.1"]);
    let peer = Peer::listen(Some(tls), |_, _| Reply::ok("")).await;
    let endpoint = format!("https://localhost:{}", peer.address.port());
    let ask = async |tls| {
        let config = Config { endpoint: endpoint.clone(), tls, ..config(peer.address) };
        client(&config).send(SignalKind::Traces, Bytes::new().into()).await
    };
    for tls in [trusting(&Authority::new("theirs")), trusting(&ours)] {
        let answer = ask(tls).await;
        assert!(
            matches!(
                &answer,
                Answer::Refused(Refused { action: Action::Retry { .. }, code: "UNAVAILABLE", .. })
            ),
            "{answer:?}"
        );
    }
    assert!(peer.received().is_empty());
    let (certificate, key) = clients.sign("phasor");
    let shown =
        crate::tls::Tls { cert_pem: Some(certificate), key_pem: Some(Secret::from(key)), ..trusting(&ours) };
    assert_eq!(ask(shown).await, plain(0, ""));
}
