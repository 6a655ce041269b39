use expect_test::{Expect, expect};

use super::*;

/// Pipelines as `signal: receivers -> processors -> exporters`, names separated by commas. `otlp` receives
/// everything, `debug` exports everything, `prometheus` takes metrics, `span_metrics` turns traces into
/// metrics, `count` metrics into metrics, `batch` works on everything.
fn check(pipelines: &[&str], expected: Expect) {
    let ids = |text: &str| {
        text.split(',').map(str::trim).filter(|id| !id.is_empty()).map(ComponentId::new).collect::<Vec<_>>()
    };
    let specs: Vec<_> = pipelines
        .iter()
        .map(|text| {
            let (id, rest) = text.split_once(':').unwrap();
            let mut roles = rest.split("->");
            let (signal, name) =
                id.split_once('/').map_or((id, None), |(signal, name)| (signal, Some(name.to_owned())));
            let signal = SignalKind::ALL.into_iter().find(|kind| kind.as_str() == signal).unwrap();
            PipelineSpec {
                id: PipelineId { signal, name },
                receivers: ids(roles.next().unwrap()),
                processors: ids(roles.next().unwrap()),
                exporters: ids(roles.next().unwrap()),
            }
        })
        .collect();
    const METRICS: Signals = Signals::of(&[SignalKind::Metrics]);
    const TRACES: Signals = Signals::of(&[SignalKind::Traces]);
    let used: Vec<_> =
        specs.iter().flat_map(|spec| spec.receivers.iter().chain(&spec.exporters)).cloned().collect();
    let connectors = [("span_metrics", TRACES, METRICS), ("count", METRICS, METRICS)];
    let components = Components {
        receivers: BTreeMap::from([(ComponentId::new("otlp"), Signals::ALL)]),
        processors: BTreeMap::from([(ComponentId::new("batch"), Signals::ALL)]),
        connectors: connectors
            .into_iter()
            .map(|(kind, takes, gives)| (ComponentId::new(kind), ConnectorShape { takes, gives }))
            .filter(|(id, _)| used.contains(id))
            .collect(),
        exporters: BTreeMap::from([
            (ComponentId::new("debug"), Signals::ALL),
            (ComponentId::new("prometheus"), METRICS),
        ]),
    };
    let actual = match Graph::check(specs, &components) {
        Ok(graph) => {
            graph.pipelines().iter().map(|pipeline| format!("{}\n", pipeline.id)).collect::<String>()
        }
        Err(errors) => errors.iter().map(|error| format!("{error}\n")).collect(),
    };
    expected.assert_eq(&actual);
}

#[test]
fn pipelines_come_out_upstream_first() {
    check(
        &[
            "metrics/late: count -> -> debug",
            "metrics: otlp, span_metrics -> batch -> prometheus, count",
            "traces: otlp -> batch -> span_metrics, debug",
        ],
        expect![[r#"
            traces
            metrics
            metrics/late
        "#]],
    );
}

#[test]
fn every_fault_is_found_at_once() {
    check(
        &[
            "traces: otlp, otlp -> nothing -> prometheus",
            "logs: -> -> span_metrics",
            "metrics: otpl -> -> debug",
        ],
        expect![[r#"
            service.pipelines.traces.receivers[1]: `otlp` is named twice
            service.pipelines.traces.processors[0]: `nothing` is not defined under processors
            service.pipelines.traces.exporters[0]: `prometheus` does not work on traces; it works on metrics
            service.pipelines.logs.receivers: is empty; a pipeline needs at least one of its receivers
            service.pipelines.logs.exporters[0]: `span_metrics` does not work on logs; it works on traces
            service.pipelines.metrics.receivers[0]: `otpl` is not defined under receivers or connectors
            connectors.span_metrics: is an exporter of a pipeline but a receiver of none, so nothing would come of its data; name it under the receivers of a pipeline
        "#]],
    );
}

#[test]
fn a_circle_is_named() {
    check(
        &["metrics/a: otlp, count -> -> count"],
        expect![[r#"
            service.pipelines: run in a circle through their connectors: metrics/a
        "#]],
    );
}

#[test]
fn no_pipeline_at_all_is_a_fault() {
    check(
        &[],
        expect![[r#"
            service.pipelines: names no pipeline; write for example `traces: {receivers: [otlp], exporters: [debug]}`
        "#]],
    );
}
