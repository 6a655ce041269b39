use expect_test::{Expect, expect};
use pipelines::engine::edge::ConsumerEdge;
use proto::SignalKind;

use super::*;
use crate::config::{DEFAULT, Source, load_with};

fn config(yaml: &str) -> Config {
    let source = Source::Text { name: "test.yaml".to_owned(), text: yaml.to_owned() };
    load_with(&[source], &|_| None).expect("the test writes a sound configuration").config
}

/// The bounds in MiB.
fn check(yaml: &str, expected: Expect) {
    let Budget { bounds, limits, .. } = Budget::of(&config(yaml));
    let Bounds { admission, tails, lags, delivery, snapshots, states } = bounds;
    let parts = [
        ("admission", admission),
        ("tails", tails),
        ("lags", lags),
        ("delivery", delivery),
        ("snapshots", snapshots),
        ("states", states),
        ("soft", limits.map_or(0, |limits| limits.refuse_beyond)),
        ("closed", limits.map_or(0, Limits::admit_up_to)),
        ("hard", limits.map_or(0, |limits| limits.bytes_max)),
    ];
    expected.assert_eq(&parts.map(|(name, bytes)| format!("{name} {}", bytes >> 20)).join(", "));
}

#[test]
fn the_embedded_default_leaves_room_for_data_beside_full_tables() {
    check(
        DEFAULT,
        expect![[
            r#"admission 128, tails 128, lags 0, delivery 0, snapshots 216, states 344, soft 409, closed 460, hard 512"#
        ]],
    );
    let Budget { bounds, limits, .. } = Budget::of(&config(DEFAULT));
    assert!(PROCESS_BYTES + bounds.states <= limits.expect("a memory_limiter").refuse_beyond);
}

#[test]
fn a_pipeline_in_memory_may_keep_what_its_consumers_may_lag() {
    let yaml = r#"
receivers: {otlp: {protocols: {grpc: {max_recv_msg_size_mib: 8}}}}
connectors: {span_metrics: {memory_max: 10MiB}}
exporters:
  otlp_grpc: {endpoint: "http://127.0.0.1:1", max_lag_bytes: 100MiB}
  prometheus: {endpoint: "127.0.0.1:0", series_memory_limit: 16MiB}
service:
  pipelines:
    traces: {receivers: [otlp], exporters: [otlp_grpc, span_metrics]}
    logs: {receivers: [otlp], exporters: [otlp_grpc]}
    metrics: {receivers: [span_metrics], exporters: [prometheus]}
"#;
    // Two pipelines that push: each 32 MiB of read-ahead and one request of 8 MiB.
    check(
        yaml,
        expect![[
            r#"admission 128, tails 0, lags 264, delivery 80, snapshots 0, states 28, soft 0, closed 0, hard 0"#
        ]],
    );
}

#[tokio::test]
async fn every_part_tells_what_it_holds() {
    let budget = Budget::of(&config(DEFAULT));
    let edge = Arc::new(ConsumerEdge::new(ComponentId::new("otlp_grpc"), SignalKind::Traces));
    let edges = Edges { processors: Vec::new(), consumers: vec![Arc::clone(&edge)] };
    let budget = Budget { bounds: Bounds { delivery: 100, ..budget.bounds }, ..budget };
    budget.consumers(&edges);
    let admission = budget.admission();
    let held = |name: &str| {
        let readings = budget.memory().readings();
        readings.into_iter().find(|part| part.name == name).expect("there is such a part").bytes
    };
    edge.in_flight_bytes.set(7);
    edge.saving_bytes.set(5);
    let permit = admission.try_acquire(1_000).expect("room");
    assert_eq!([held("delivery"), held("snapshots"), held("admission")], [7, 5, 1_000]);
    drop(permit);
    edge.in_flight_bytes.set(0);
    assert_eq!([held("delivery"), held("admission")], [0, 0]);
    assert!(held("process") > 1 << 20, "a process that runs a test is larger than that");
    let sum: u64 = budget.memory().readings().into_iter().map(|part| part.bytes).sum();
    assert_eq!(budget.memory().bytes(), sum);
}
