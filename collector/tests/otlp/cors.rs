//! Requests of web pages: the row O-H19 of the conformance checklist.

use prost::Message;

use crate::fixture::*;

const CORS: &str = "cors: {allowed_origins: [\"https://shop.example.com\", \"http://*.test:8080\"], \
    allowed_headers: [X-Team, content-type], exposed_headers: [X-Site, Retry-After], max_age: 7200}";

async fn preflight(receiver: &Receiver, origin: &str, method: &str, wanted: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", wanted),
    ];
    send(receiver.http(), "OPTIONS", "/v1/traces", &headers, full("")).await
}

#[tokio::test]
async fn o_h19_a_preflight_of_an_allowed_origin_is_told_what_it_may_send() {
    let receiver = Receiver::start(Setup { http: CORS, ..Setup::default() }).await;
    for origin in ["https://shop.example.com", "HTTPS://Shop.Example.com", "http://a.b.test:8080"] {
        let answer = preflight(&receiver, origin, "POST", "content-type, x-team").await;
        assert_eq!(answer.status, 204, "{answer:?}");
        for (name, value) in [
            ("access-control-allow-origin", origin),
            ("access-control-allow-methods", "POST"),
            ("access-control-allow-headers", "content-type, x-team"),
            ("access-control-allow-credentials", "true"),
            ("access-control-max-age", "7200"),
            ("vary", "origin, access-control-request-method, access-control-request-headers"),
        ] {
            assert_eq!(answer.headers[name], value, "{answer:?}");
        }
    }
}

#[tokio::test]
async fn o_h19_a_preflight_of_anybody_else_or_for_more_is_allowed_nothing() {
    let receiver = Receiver::start(Setup { http: CORS, ..Setup::default() }).await;
    for (origin, method, wanted) in [
        ("https://evil.example.com", "POST", "content-type"),
        ("https://shop.example.com.evil.com", "POST", "content-type"),
        ("http://.test:8081", "POST", ""),
        ("null", "POST", ""),
        ("https://shop.example.com", "DELETE", "content-type"),
        ("https://shop.example.com", "POST", "content-type, authorization"),
        ("https://shop.example.com", "POST", "a b"),
    ] {
        let answer = preflight(&receiver, origin, method, wanted).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        let allows = answer.headers.keys().any(|name| name.as_str().starts_with("access-control-allow"));
        assert!(!allows, "{origin} {method} {wanted}: {answer:?}");
    }
}

#[tokio::test]
async fn o_h19_the_answer_to_the_request_itself_may_be_read_by_an_allowed_origin_only() {
    let receiver = Receiver::start(Setup { http: CORS, ..Setup::default() }).await;
    let request = spans(1).encode_to_vec();
    for path in ["/v1/traces", "/nothing"] {
        let headers = [PROTOBUF, ("origin", "https://shop.example.com")];
        let answer = post(receiver.http(), path, &headers, full(request.clone())).await;
        assert_eq!(answer.headers["access-control-allow-origin"], "https://shop.example.com");
        assert_eq!(answer.headers["access-control-expose-headers"], "X-Site, Retry-After");
        assert_eq!(answer.headers["vary"], "origin");
        let headers = [PROTOBUF, ("origin", "https://evil.example.com")];
        let answer = post(receiver.http(), path, &headers, full(request.clone())).await;
        assert!(!answer.headers.contains_key("access-control-allow-origin"), "{answer:?}");
        assert_eq!(answer.headers["vary"], "origin");
    }
}

#[tokio::test]
async fn o_h19_a_star_allows_everybody_and_everything() {
    let cors = "cors: {allowed_origins: [\"*\"], allowed_headers: [\"*\"]}";
    let receiver = Receiver::start(Setup { http: cors, ..Setup::default() }).await;
    let answer = preflight(&receiver, "https://any.example", "POST", "authorization, x-anything").await;
    assert_eq!(answer.headers["access-control-allow-origin"], "*");
    assert_eq!(answer.headers["access-control-allow-headers"], "authorization, x-anything");
    assert!(!answer.headers.contains_key("access-control-max-age"));
}

#[tokio::test]
async fn o_h19_without_the_block_a_preflight_is_another_method() {
    let receiver = Receiver::start(Setup::default()).await;
    let answer = preflight(&receiver, "https://shop.example.com", "POST", "content-type").await;
    assert_eq!((answer.status.as_u16(), &answer.headers["allow"]), (405, &"POST".parse().unwrap()));
    let with_block = Receiver::start(Setup { http: CORS, ..Setup::default() }).await;
    let answer = send(with_block.http(), "OPTIONS", "/v1/traces", &[], full("")).await;
    assert_eq!(answer.status, 405, "{answer:?}");
}
