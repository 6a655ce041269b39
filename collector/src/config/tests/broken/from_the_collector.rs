//! What stands in files that were written for the OpenTelemetry Collector, and means something else here or nothing.

use super::*;

#[test]
fn a_component_that_only_the_collector_has() {
    check(
        &with("exporters", "  debug:\n  logging:\n  kafka/a:\n  nop:\n  zipkin:\n"),
        expect![[r#"
            error: the exporter `logging` is a component of the Collector that Phasor does not have
              --> phasor.yaml:7:3
               |
             7 |   logging:
               |   ^^^^^^^
               = path: exporters.logging
               = help: it is called `debug` now

            error: the exporter `kafka` is a component of the Collector that Phasor does not have
              --> phasor.yaml:8:3
               |
             8 |   kafka/a:
               |   ^^^^^^^
               = path: exporters.kafka/a
               = help: `phasor components` lists what there is

            error: the exporter `nop` is a component of the Collector that Phasor does not have
              --> phasor.yaml:9:3
               |
             9 |   nop:
               |   ^^^
               = path: exporters.nop
               = help: `debug` takes all signals and keeps nothing

            error: the exporter `zipkin` is a component of the Collector that Phasor does not have
               --> phasor.yaml:10:3
                |
             10 |   zipkin:
                |   ^^^^^^
                = path: exporters.zipkin
                = help: `phasor components` lists what there is

            4 errors in the configuration
        "#]],
    );
}

#[test]
fn receivers_processors_and_extensions_that_only_the_collector_has() {
    check(
        "
receivers: {jaeger: {protocols: {grpc: }}, prometheus: , nop: }
processors: {k8sattributes: , spanmetrics: }
connectors: {forward: }
extensions: {zpages: , pprof: {endpoint: 'localhost:1777'}, memory_ballast: {size_mib: 64}}
exporters: {debug: }
service:
  extensions: [zpages, pprof]
  pipelines: {traces: {receivers: [jaeger], processors: [k8sattributes], exporters: [debug]}}
",
        expect![[r#"
            error: the receiver `jaeger` is a component of the Collector that Phasor does not have
              --> phasor.yaml:2:13
               |
             2 | receivers: {jaeger: {protocols: {grpc: }}, prometheus: , nop: }
               |             ^^^^^^
               = path: receivers.jaeger
               = help: let the senders speak OTLP: `otlp`

            error: the receiver `prometheus` is not in this version
              --> phasor.yaml:2:44
               |
             2 | receivers: {jaeger: {protocols: {grpc: }}, prometheus: , nop: }
               |                                            ^^^^^^^^^^
               = path: receivers.prometheus
               = help: `phasor components` lists what is

            error: the receiver `nop` is a component of the Collector that Phasor does not have
              --> phasor.yaml:2:58
               |
             2 | receivers: {jaeger: {protocols: {grpc: }}, prometheus: , nop: }
               |                                                          ^^^
               = path: receivers.nop
               = help: `phasor components` lists what there is

            error: the processor `k8sattributes` is a component of the Collector that Phasor does not have
              --> phasor.yaml:3:14
               |
             3 | processors: {k8sattributes: , spanmetrics: }
               |              ^^^^^^^^^^^^^
               = path: processors.k8sattributes
               = help: `phasor components` lists what there is

            error: `spanmetrics` is no processor but one of the connectors
              --> phasor.yaml:3:31
               |
             3 | processors: {k8sattributes: , spanmetrics: }
               |                               ^^^^^^^^^^^
               = path: processors.spanmetrics
               = help: define it under `connectors`

            error: the connector `forward` is a component of the Collector that Phasor does not have
              --> phasor.yaml:4:14
               |
             4 | connectors: {forward: }
               |              ^^^^^^^
               = path: connectors.forward
               = help: name the receivers in both pipelines, or the exporters in one

            error: the extension `zpages` is a component of the Collector that Phasor does not have
              --> phasor.yaml:5:14
               |
             5 | extensions: {zpages: , pprof: {endpoint: 'localhost:1777'}, memory_ballast: {size_mib: 64}}
               |              ^^^^^^
               = path: extensions.zpages
               = help: `/debug/pipelines` shows what runs, on the port of `health_check`

            error: the extension `pprof` is a component of the Collector that Phasor does not have
              --> phasor.yaml:5:24
               |
             5 | extensions: {zpages: , pprof: {endpoint: 'localhost:1777'}, memory_ballast: {size_mib: 64}}
               |                        ^^^^^
               = path: extensions.pprof
               = help: `phasor components` lists what there is

            error: the extension `memory_ballast` is a component of the Collector that Phasor does not have
              --> phasor.yaml:5:61
               |
             5 | extensions: {zpages: , pprof: {endpoint: 'localhost:1777'}, memory_ballast: {size_mib: 64}}
               |                                                             ^^^^^^^^^^^^^^
               = path: extensions.memory_ballast
               = help: leave it out; `memory_limiter` bounds the memory

            9 errors in the configuration
        "#]],
    );
}

#[test]
fn a_duration_without_a_unit() {
    check(
        &with(
            "exporters",
            "  debug:\n  otlp: {endpoint: 'a:1', timeout: 30, retry_on_failure: {max_elapsed_time: 0, max_interval: 5s, initial_interval: \"${env:X}\"}}\n",
        ),
        expect![[r#"
            warning: this exporter is not used
              --> phasor.yaml:7:3
               |
             7 |   otlp: {endpoint: 'a:1', timeout: 30, retry_on_failure: {max_elapsed_time: 0, max_interval: 5s, initial_interval: "${en
               |   ^^^^
               = path: exporters.otlp
               = help: name it in a pipeline under `service.pipelines`

            warning: a duration without a unit counts nanoseconds: this is 30ns
              --> phasor.yaml:7:36
               |
             7 |   otlp: {endpoint: 'a:1', timeout: 30, retry_on_failure: {max_elapsed_time: 0, max_interval: 5s, initial_interval: "${en
               |                                    ^^
               = path: exporters.otlp.timeout
               = help: write `30s` if seconds are meant

            warning: a duration without a unit counts nanoseconds: this is 5ns
              --> phasor.yaml:7:116
               |
             7 |  {max_elapsed_time: 0, max_interval: 5s, initial_interval: "${env:X}"}}
               |                                                            ^^^^^^^^^^
               = path: exporters.otlp.retry_on_failure.initial_interval
               = help: write `5s` if seconds are meant

            0 errors and 3 warnings in the configuration

            loaded
        "#]],
    );
}

#[test]
fn middlewares_may_be_there_with_nothing_in_them() {
    let grpc = |list: &str| {
        with("receivers", &format!("  otlp: {{protocols: {{grpc: {{middlewares: {list}}}}}}}\n"))
    };
    assert_eq!(read(&grpc("[]")).unwrap().warnings.0, []);
    check(
        &grpc("[{id: limiter}]"),
        expect![[r#"
        error: `middlewares` names what is not supported here; leave the list empty
          --> phasor.yaml:2:29
           |
         2 |   otlp: {protocols: {grpc: {middlewares: [{id: limiter}]}}}
           |                             ^^^^^^^^^^^
           = path: receivers.otlp.protocols.grpc.middlewares

        1 error in the configuration
    "#]],
    );
}

#[test]
fn own_metrics_are_where_the_warning_says() {
    let telemetry = |level: &str| {
        format!(
            "  telemetry: {{metrics: {{level: {level}, address: ':8888', readers: [{{pull: {{exporter: {{prometheus: {{host: 0.0.0.0, port: 8888}}}}}}}}]}}}}\n"
        )
    };
    let pipelines = "  pipelines:\n    metrics: {receivers: [otlp], exporters: [prometheus, prometheus/b]}\n";
    let exporters = "  prometheus: {endpoint: '0.0.0.0:8889'}\n  prometheus/b: {}\n";
    let shown = with("exporters", exporters).replace(
        "  pipelines:\n    traces:\n      receivers: [otlp]\n      exporters: [debug]\n",
        &format!("{}{pipelines}", telemetry("normal")),
    );
    check(
        &shown,
        expect![[r#"
            warning: this key has no effect here: own metrics are on the page of the exporter `prometheus` (http://0.0.0.0:8889/metrics) and of the exporter `prometheus/b` (http://127.0.0.1:4021/metrics)
              --> phasor.yaml:9:40
               |
             9 |   telemetry: {metrics: {level: normal, address: ':8888', readers: [{pull: {exporter: {prometheus: {host: 0.0.0.0, port:
               |                                        ^^^^^^^
               = path: service.telemetry.metrics.address

            warning: this key has no effect here: own metrics are on the page of the exporter `prometheus` (http://0.0.0.0:8889/metrics) and of the exporter `prometheus/b` (http://127.0.0.1:4021/metrics)
              --> phasor.yaml:9:58
               |
             9 |   telemetry: {metrics: {level: normal, address: ':8888', readers: [{pull: {exporter: {prometheus: {host: 0.0.0.0, port:
               |                                                          ^^^^^^^
               = path: service.telemetry.metrics.readers

            0 errors and 2 warnings in the configuration

            loaded
        "#]],
    );
    let usual = "  pipelines:\n    traces:\n      receivers: [otlp]\n      exporters: [debug]\n";
    let messages = |level: &str| {
        let yaml = with("service", &format!("{}{usual}", telemetry(level)));
        let said: Vec<_> = read(&yaml).unwrap().warnings.0.into_iter().map(|one| one.message).collect();
        assert_eq!((said.len(), &said[0]), (2, &said[1]));
        said[0].clone()
    };
    expect!["this key has no effect here: own metrics are on the page of a `prometheus` exporter, which no pipeline has"].assert_eq(&messages("normal"));
    expect!["this key has no effect here: own metrics are off by `level: none`"].assert_eq(&messages("none"));
}

#[test]
fn a_signal_that_an_exporter_has_no_url_for() {
    let yaml = with("exporters", "  otlphttp/a: {traces_endpoint: 'http://tempo:4318/v1/traces'}\n").replace(
        "    traces:\n      receivers: [otlp]\n      exporters: [debug]\n",
        "    traces: {receivers: [otlp], exporters: [otlphttp/a]}\n    logs/b: {receivers: [otlp], exporters: [otlphttp/a]}\n",
    );
    check(
        &yaml,
        expect![[r#"
        error: `logs_endpoint` is missing, and there is no endpoint to go by, and the pipeline `logs/b` needs it
          --> phasor.yaml:6:3
           |
         6 |   otlphttp/a: {traces_endpoint: 'http://tempo:4318/v1/traces'}
           |   ^^^^^^^^^^
           = path: exporters.otlphttp/a.logs_endpoint

        1 error in the configuration
    "#]],
    );
}

#[test]
fn keys_of_the_collector_that_have_no_effect_here() {
    check(
        &with(
            "exporters",
            "  debug: {sending_queue: {enabled: true}}\n  otlp: {endpoint: 'a:1', authority: 'b:2', user_agent: c, middlewares: [], sending_queue: {batch: {partition: {metadata_keys: [x]}}}}\n",
        ),
        expect![[r#"
            warning: this key is accepted and has no effect here
              --> phasor.yaml:6:11
               |
             6 |   debug: {sending_queue: {enabled: true}}
               |           ^^^^^^^^^^^^^
               = path: exporters.debug.sending_queue

            warning: this exporter is not used
              --> phasor.yaml:7:3
               |
             7 |   otlp: {endpoint: 'a:1', authority: 'b:2', user_agent: c, middlewares: [], sending_queue: {batch: {partition: {metadata
               |   ^^^^
               = path: exporters.otlp
               = help: name it in a pipeline under `service.pipelines`

            warning: this key is accepted and has no effect here
              --> phasor.yaml:7:101
               |
             7 | ', user_agent: c, middlewares: [], sending_queue: {batch: {partition: {metadata_keys: [x]}}}}
               |                                                            ^^^^^^^^^
               = path: exporters.otlp.sending_queue.batch.partition

            0 errors and 3 warnings in the configuration

            loaded
        "#]],
    );
}
