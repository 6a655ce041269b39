//! Bearer tokens and passwords on both protocols.

use base64::{Engine, engine::general_purpose::STANDARD};
use exporters::auth::{self, Authenticators};
use pipelines::component::ComponentId;
use prost::Message;
use proto::SignalKind;

use crate::fixture::*;

async fn receiver(kind: &str, extension: &str) -> Receiver {
    let deserializer = serde_json::from_str::<serde_json::Value>(extension).unwrap();
    let authenticator = auth::deserialize(kind, deserializer).unwrap();
    assert_eq!(authenticator.check(), []);
    let authenticators: Authenticators =
        [(ComponentId::named(kind, "agents"), authenticator)].into_iter().collect();
    let keys: &'static str = format!("auth: {{authenticator: {kind}/agents}}").leak();
    Receiver::start(Setup { grpc: keys, http: keys, authenticators, ..Setup::default() }).await
}

/// What becomes of a request with this header, by HTTP and by gRPC.
async fn answers(receiver: &Receiver, header: Option<(&str, &str)>) -> (u16, i32) {
    let request = spans(1).encode_to_vec();
    let headers: Vec<_> = [PROTOBUF].into_iter().chain(header).collect();
    let answer = post(receiver.http(), "/v1/traces", &headers, full(request.clone())).await;
    if answer.status == 401 {
        assert_eq!(answer.details().code, UNAUTHENTICATED);
        assert!(answer.headers["www-authenticate"].to_str().unwrap().contains("realm=\"otlp\""));
    }
    let headers: Vec<_> = header.into_iter().collect();
    let outcome = call(receiver.grpc(), TRACES, &headers, full(framed(0, &request))).await;
    (answer.status.as_u16(), outcome.code)
}

const SERVED: (u16, i32) = (200, 0);
const DENIED: (u16, i32) = (401, UNAUTHENTICATED);
const UNAUTHENTICATED: i32 = 16;

#[tokio::test]
async fn only_who_shows_one_of_the_tokens_is_served() {
    let receiver = receiver("bearertokenauth", r#"{"tokens": ["first", "second"]}"#).await;
    for token in ["first", "second"] {
        let value = format!("Bearer {token}");
        assert_eq!(answers(&receiver, Some(("authorization", &value))).await, SERVED);
    }
    for value in ["Bearer third", "Bearer firs", "Bearer firstx", "first", "Basic first", ""] {
        assert_eq!(answers(&receiver, Some(("authorization", value))).await, DENIED, "{value}");
    }
    assert_eq!(answers(&receiver, None).await, DENIED);
    assert_eq!(receiver.counts("http", SignalKind::Traces), (2, 7, 0));
    assert_eq!(receiver.counts("grpc", SignalKind::Traces), (2, 7, 0));
}

#[tokio::test]
async fn a_token_may_have_a_header_of_its_own_and_no_scheme() {
    let receiver =
        receiver("bearertokenauth", r#"{"token": "secret", "header": "X-Key", "scheme": ""}"#).await;
    assert_eq!(answers(&receiver, Some(("x-key", "secret"))).await, SERVED);
    assert_eq!(answers(&receiver, Some(("x-key", "secreT"))).await, DENIED);
    assert_eq!(answers(&receiver, Some(("authorization", "Bearer secret"))).await, DENIED);
}

#[tokio::test]
async fn only_who_knows_the_password_is_served() {
    let hash = bcrypt::hash("open sesame", 4).unwrap();
    let list = serde_json::json!({"htpasswd": {"inline": format!("ali:{hash}\nbaba:plain")}});
    let receiver = receiver("basicauth", &list.to_string()).await;
    for (shown, expected) in [
        ("ali:open sesame", SERVED),
        ("baba:plain", SERVED),
        ("ali:plain", DENIED),
        ("ali:", DENIED),
        ("nobody:plain", DENIED),
        ("ali", DENIED),
    ] {
        let value = format!("Basic {}", STANDARD.encode(shown));
        assert_eq!(answers(&receiver, Some(("authorization", &value))).await, expected, "{shown}");
    }
    assert_eq!(answers(&receiver, None).await, DENIED);
}

#[tokio::test]
async fn who_may_not_send_is_told_before_the_body_is_read() {
    let receiver = receiver("bearertokenauth", r#"{"token": "secret"}"#).await;
    let headers = [PROTOBUF, ("content-length", "1000")];
    let answer = post(receiver.http(), "/v1/traces", &headers, stalled("first")).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    let announced = [0, 0, 0, 0x27, 0x10];
    let outcome = call(receiver.grpc(), TRACES, &[], stalled(announced.to_vec())).await;
    assert_eq!(outcome.code, UNAUTHENTICATED, "{outcome:?}");
    assert_eq!(receiver.admission.bytes_in_use(), 0);
}
