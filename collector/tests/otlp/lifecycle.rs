//! Binding, getting ready, and leaving.

use std::{net::TcpListener, time::Duration};

use phasor_collector::receivers::{admission::Admission, otlp};
use pipelines::{component::ComponentId, engine::drain::drain, testing::Pipes};
use prost::Message;
use proto::SignalKind;
use tokio::io::AsyncReadExt;

use crate::fixture::*;

#[tokio::test]
async fn nothing_is_served_before_the_receiver_is_ready() {
    let receiver = Receiver::bind(Setup::default()).await;
    let request = full(framed(0, &spans(1).encode_to_vec()));
    let addr = receiver.grpc();
    let early = tokio::spawn(call(addr, TRACES, &[], request));
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!early.is_finished());
    assert!(receiver.arrived(SignalKind::Traces).await.is_empty());
    receiver.running.ready();
    receiver.running.ready();
    assert_eq!(early.await.unwrap().code, 0);
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = taken.local_addr().unwrap().to_string();
    let config =
        serde_saphyr::from_str(&format!("protocols: {{http: {{endpoint: \"{endpoint}\"}}}}")).unwrap();
    let settings = otlp::Settings {
        id: ComponentId::named("otlp", "edge"),
        inlet: Pipes::new(1_000).inlet,
        admission: Admission::new(1_000),
        authenticators: exporters::auth::Authenticators::default(),
        drain: drain().1,
    };
    let error = otlp::start(&config, settings).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        format!(
            "receiver otlp/edge cannot listen at {endpoint} for http; does another process listen there?"
        )
    );
}

#[tokio::test]
async fn a_drain_closes_idle_connections_and_the_port() {
    let receiver = Receiver::start(Setup::default()).await;
    let (grpc, http) = (receiver.grpc(), receiver.http());
    let mut http1 = connect_http1(http).await;
    assert_eq!(send_on(&mut http1, "POST", "/v1/traces", &[PROTOBUF], full("")).await.status, 200);
    let mut http2 = connect_http2(grpc).await;
    assert_eq!(call_on(&mut http2, TRACES, &[], full(framed(0, b""))).await.code, 0);
    let mut silent = tokio::net::TcpStream::connect(http).await.unwrap();
    // A watcher of the health service never ends its call.
    let mut watcher = connect_http2(grpc).await;
    let watch = http::Request::post("http://localhost/grpc.health.v1.Health/Watch")
        .header("content-type", "application/grpc")
        .body(full(framed(0, b"")))
        .unwrap();
    let watching = bounded(watcher.send_request(watch)).await.unwrap();
    receiver.trigger.begin(Duration::from_secs(60));
    bounded(receiver.running.stopped()).await;
    assert_eq!(silent.read(&mut [0]).await.unwrap_or(0), 0);
    assert!(tokio::net::TcpStream::connect(grpc).await.is_err());
    assert!(tokio::net::TcpStream::connect(http).await.is_err());
    drop(watching);
}

#[tokio::test]
async fn a_drain_waits_for_a_request_that_is_on_its_way() {
    let receiver = Receiver::start(Setup::default()).await;
    let request = framed(0, &spans(2).encode_to_vec());
    let (first, rest) = request.split_at(10);
    let (tx, body) = written_by_hand();
    tx.send(first.to_vec()).await.unwrap();
    let calling = tokio::spawn(call(receiver.grpc(), TRACES, &[], body));
    let begun = async {
        while receiver.admission.bytes_in_use() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    bounded(begun).await;
    receiver.trigger.begin(Duration::from_secs(60));
    tokio::time::sleep(Duration::from_millis(100)).await;
    tx.send(rest.to_vec()).await.unwrap();
    drop(tx);
    assert_eq!(calling.await.unwrap().code, 0);
    assert_eq!(receiver.arrived(SignalKind::Traces).await.len(), 1);
    bounded(receiver.running.stopped()).await;
}

#[tokio::test]
async fn at_the_deadline_of_the_drain_the_rest_is_closed() {
    let receiver = Receiver::start(Setup::default()).await;
    let addr = receiver.grpc();
    let stuck = tokio::spawn(async move {
        let mut sender = connect_http2(addr).await;
        let request = http::Request::post(format!("http://localhost{TRACES}"))
            .header("content-type", "application/grpc")
            .body(stalled(framed(0, &span_of(1_000))[..100].to_vec()))
            .unwrap();
        sender.send_request(request).await.is_err()
    });
    let begun = async {
        while receiver.admission.bytes_in_use() == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    bounded(begun).await;
    receiver.trigger.begin(Duration::from_millis(200));
    bounded(receiver.running.stopped()).await;
    assert!(bounded(stuck).await.unwrap());
    assert_eq!(receiver.admission.bytes_in_use(), 0);
}

#[tokio::test]
async fn a_connection_that_is_old_is_asked_to_leave() {
    let keys = "keepalive: {server_parameters: {max_connection_age: 300ms, max_connection_age_grace: 1s}}";
    let receiver = Receiver::start(Setup { grpc: keys, ..Setup::default() }).await;
    let mut sender = connect_http2(receiver.grpc()).await;
    let mut calls = 0;
    let until_it_leaves = async {
        while sender.ready().await.is_ok() {
            let request = http::Request::post(format!("http://localhost{TRACES}"))
                .header("content-type", "application/grpc")
                .body(full(framed(0, b"")))
                .unwrap();
            if sender.send_request(request).await.is_err() {
                break;
            }
            calls += 1;
        }
    };
    bounded(until_it_leaves).await;
    assert!(calls > 0);
    receiver.still_serves().await;
}

#[tokio::test]
async fn an_answer_on_the_http_port_is_the_last_of_its_connection_at_its_age() {
    let http = "idle_timeout: 1h, max_connection_age: 50m";
    let receiver = Receiver::start(Setup { http, ..Setup::default() }).await;
    let mut sender = connect_http1(receiver.http()).await;
    let mut is_last = async || {
        let request = full(spans(1).encode_to_vec());
        let answer = send_on(&mut sender, "POST", "/v1/traces", &[PROTOBUF], request).await;
        assert_eq!(answer.status, 200);
        answer.headers.get("connection").is_some_and(|value| value == "close")
    };
    // The age of each connection is its own, a tenth more or less.
    for seconds in [1_300, 1_300, 800] {
        assert!(!is_last().await);
        tokio::time::pause();
        tokio::time::advance(Duration::from_secs(seconds)).await;
        tokio::time::resume();
    }
    let until_the_last = async {
        while !is_last().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    bounded(until_the_last).await;
    receiver.still_serves().await;
}
