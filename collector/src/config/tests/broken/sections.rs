//! The sections of a file.

use super::*;

#[test]
fn an_unknown_section() {
    check(
        &with("reciever", "  otlp:\n"),
        expect![[r#"
            error: unknown key `reciever`
               --> phasor.yaml:12:1
                |
             12 | reciever:
                | ^^^^^^^^
                = path: reciever
                = help: did you mean `receivers`?

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_section_that_is_a_list() {
    check(
        &with("exporters", "  - debug\n"),
        expect![[r#"
            error: expected a mapping with an entry for each exporter, found a list
              --> phasor.yaml:5:1
               |
             5 | exporters:
               | ^^^^^^^^^
               = path: exporters

            error: `debug` is not defined under exporters or connectors
               --> phasor.yaml:11:19
                |
             11 |       exporters: [debug]
                |                   ^^^^^
                = path: service.pipelines.traces.exporters[0]
                = help: define it under `exporters`

            2 errors in the configuration
        "#]],
    );
}

#[test]
fn no_service() {
    check(
        "receivers:\n  otlp:\n    protocols:\n      grpc:\n",
        expect![[r#"
        error: the section `service` is missing, which names the pipelines
          --> phasor.yaml:1:1
           |
         1 | receivers:
           | ^

        1 error in the configuration
    "#]],
    );
}

#[test]
fn no_pipelines() {
    check(
        &with("service", "  extensions: []\n"),
        expect![[r#"
            error: `pipelines` names no pipeline; write for example `traces: {receivers: [otlp], exporters: [debug]}`
              --> phasor.yaml:7:1
               |
             7 | service:
               | ^^^^^^^
               = path: service.pipelines

            1 error in the configuration
        "#]],
    );
}

#[test]
fn an_unknown_key_of_service() {
    check(
        &with("service", "  pipeline:\n    traces:\n"),
        expect![[r#"
            error: unknown key `pipeline`
              --> phasor.yaml:8:3
               |
             8 |   pipeline:
               |   ^^^^^^^^
               = path: service.pipeline
               = help: did you mean `pipelines`?

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_service_that_is_a_text() {
    check(
        &with("service", "  nothing\n"),
        expect![[r#"
            error: expected a mapping, found the text `nothing`
              --> phasor.yaml:8:3
               |
             8 |   nothing
               |   ^^^^^^^
               = path: service

            1 error in the configuration
        "#]],
    );
}

#[test]
fn an_unknown_extension_in_service() {
    check(
        &with(
            "service",
            "  extensions: [health_chek]\n  pipelines:\n    traces: {receivers: [otlp], exporters: [debug]}\n",
        ),
        expect![[r#"
            error: `health_chek` is not defined under extensions
              --> phasor.yaml:8:16
               |
             8 |   extensions: [health_chek]
               |                ^^^^^^^^^^^
               = path: service.extensions[0]
               = help: did you mean `health_check`?

            1 error in the configuration
        "#]],
    );
}

#[test]
fn an_extension_named_twice() {
    check(
        &format!(
            "{}extensions:\n  health_check:\n",
            with(
                "service",
                "  extensions: [health_check, health_check, health_check/b]\n  pipelines:\n    traces: {receivers: [otlp], exporters: [debug]}\n"
            )
        ),
        expect![[r#"
            error: `health_check` is named twice
              --> phasor.yaml:8:30
               |
             8 |   extensions: [health_check, health_check, health_check/b]
               |                              ^^^^^^^^^^^^
               = path: service.extensions[1]

            error: `health_check/b` is not defined under extensions
              --> phasor.yaml:8:44
               |
             8 |   extensions: [health_check, health_check, health_check/b]
               |                                            ^^^^^^^^^^^^^^
               = path: service.extensions[2]
               = help: did you mean `health_check`?

            2 errors in the configuration
        "#]],
    );
}

#[test]
fn an_unused_extension_is_a_warning() {
    check(
        &with("extensions", "  health_check:\n"),
        expect![[r#"
            warning: this extension is not used
               --> phasor.yaml:13:3
                |
             13 |   health_check:
                |   ^^^^^^^^^^^^
                = path: extensions.health_check
                = help: name it under `service.extensions`

            0 errors and 1 warning in the configuration

            loaded
        "#]],
    );
}

#[test]
fn telemetry_that_is_wrong() {
    check(
        &with(
            "service",
            "  telemetry:\n    logs: {level: verbose, encoding: xml, sampling: {enabled: true}}\n    metric: {}\n    metrics: {level: 5}\n  pipelines:\n    traces: {receivers: [otlp], exporters: [debug]}\n",
        ),
        expect![[r#"
            error: `verbose` is none of `debug`, `info`, `warn`, `error`, `dpanic`, `panic`, `fatal`
              --> phasor.yaml:9:19
               |
             9 |     logs: {level: verbose, encoding: xml, sampling: {enabled: true}}
               |                   ^^^^^^^
               = path: service.telemetry.logs.level

            error: `xml` is none of `console`, `json`
              --> phasor.yaml:9:38
               |
             9 |     logs: {level: verbose, encoding: xml, sampling: {enabled: true}}
               |                                      ^^^
               = path: service.telemetry.logs.encoding

            warning: this key is accepted and has no effect here
              --> phasor.yaml:9:43
               |
             9 |     logs: {level: verbose, encoding: xml, sampling: {enabled: true}}
               |                                           ^^^^^^^^
               = path: service.telemetry.logs.sampling

            error: unknown key `metric`
               --> phasor.yaml:10:5
                |
             10 |     metric: {}
                |     ^^^^^^
                = path: service.telemetry.metric
                = help: did you mean `metrics`?

            error: `5` is none of `none`, `basic`, `normal`, `detailed`
               --> phasor.yaml:11:22
                |
             11 |     metrics: {level: 5}
                |                      ^
                = path: service.telemetry.metrics.level

            4 errors and 1 warning in the configuration
        "#]],
    );
}

#[test]
fn extensions_that_are_a_text() {
    check(
        &with(
            "service",
            "  extensions: health_check\n  pipelines:\n    traces: {receivers: [otlp], exporters: [debug]}\n",
        ),
        expect![[r#"
            error: expected a list, found the text `health_check`
              --> phasor.yaml:8:15
               |
             8 |   extensions: health_check
               |               ^^^^^^^^^^^^
               = path: service.extensions

            1 error in the configuration
        "#]],
    );
}

#[test]
fn telemetry_that_is_a_list() {
    check(
        &with(
            "service",
            "  telemetry: [logs]\n  pipelines:\n    traces: {receivers: [otlp], exporters: [debug]}\n",
        ),
        expect![[r#"
            error: expected a mapping, found a list
              --> phasor.yaml:8:3
               |
             8 |   telemetry: [logs]
               |   ^^^^^^^^^
               = path: service.telemetry

            1 error in the configuration
        "#]],
    );
}
