//! OpenTelemetry's SDKs send traces, metrics and logs by every transport they have, and a backend behind the collector
//! gets them value for value: attributes of all types, events, links, status, trace context, scopes and resources with
//! their schemas, buckets and bounds, exemplars, bodies and severities.
//!
//! Each SDK sends the same by all transports; what must arrive is in `interop/*.txt`, one file an SDK, because they can
//! say different things: JavaScript has no integers beyond 2^53 that JSON would keep, Rust no maps in spans, and only
//! Python makes exemplars.

mod render;
mod rust;

use expect_test::{ExpectFile, expect_file};
use tokio::process::Command;

use crate::{
    python, run,
    servers::deps,
    support::{
        backend::Backend,
        eventually,
        phasor::{Phasor, Start},
    },
};

#[tokio::test]
async fn what_the_python_sdk_sends_arrives_value_for_value() {
    for transport in ["grpc", "http"] {
        let (phasor, backend) = start().await;
        let address = if transport == "grpc" { phasor.grpc() } else { phasor.http() };
        run(python("interop/send.py").args([transport, &address])).await;
        check(&backend, expect_file!["interop/python.txt"], transport).await;
    }
}

#[tokio::test]
async fn what_the_javascript_sdk_sends_arrives_value_for_value() {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/world/interop/send.cjs");
    for transport in ["grpc", "proto", "http"] {
        let (phasor, backend) = start().await;
        let address = if transport == "grpc" { phasor.grpc() } else { phasor.http() };
        let modules = deps().join("node/node_modules");
        run(Command::new("node").arg(script).arg(modules).args([transport, &address])).await;
        check(&backend, expect_file!["interop/javascript.txt"], transport).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_rust_sdk_sends_arrives_value_for_value() {
    for transport in [rust::Transport::Grpc, rust::Transport::Proto, rust::Transport::Json] {
        let (phasor, backend) = start().await;
        let address = if transport == rust::Transport::Grpc { phasor.grpc() } else { phasor.http() };
        rust::send(transport, address).await;
        check(&backend, expect_file!["interop/rust.txt"], &format!("{transport:?}")).await;
    }
}

/// A collector that passes everything on to a backend.
async fn start() -> (Phasor, Backend) {
    let backend = Backend::start().await;
    let config = format!(
        r#"
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}, http: {{endpoint: "127.0.0.1:0"}}}}}}
exporters:
  otlp_grpc: {{endpoint: "http://{}"}}
service:
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_grpc]}}
    metrics: {{receivers: [otlp], exporters: [otlp_grpc]}}
    logs: {{receivers: [otlp], exporters: [otlp_grpc]}}
"#,
        backend.address
    );
    (Start::config(config).start(), backend)
}

/// Two spans, five metrics, two log records.
async fn check(backend: &Backend, expected: ExpectFile, transport: &str) {
    let all = eventually(&format!("all has arrived, sent by {transport}"), || async {
        let all = render::everything(backend);
        (all.split("\n\n").count() >= 9).then_some(all)
    })
    .await;
    eprintln!("sent by {transport}");
    expected.assert_eq(&all);
}
