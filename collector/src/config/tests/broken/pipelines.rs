//! Pipelines, and what they refer to.

use super::*;

#[test]
fn a_pipeline_of_no_signal() {
    check(
        &with(
            "service",
            "  pipelines:\n    trace: {receivers: [otlp], exporters: [debug]}\n    profiles: {receivers: [otlp], exporters: [debug]}\n    logs/: {receivers: [otlp], exporters: [debug]}\n",
        ),
        expect![[r#"
            error: `trace` is not a signal; a pipeline is of traces, metrics or logs
              --> phasor.yaml:9:5
               |
             9 |     trace: {receivers: [otlp], exporters: [debug]}
               |     ^^^^^
               = path: service.pipelines.trace
               = help: did you mean `traces`?

            error: `profiles` is not a signal; a pipeline is of traces, metrics or logs
               --> phasor.yaml:10:5
                |
             10 |     profiles: {receivers: [otlp], exporters: [debug]}
                |     ^^^^^^^^
                = path: service.pipelines.profiles

            error: `logs/` ends in a slash; a name must follow it
               --> phasor.yaml:11:5
                |
             11 |     logs/: {receivers: [otlp], exporters: [debug]}
                |     ^^^^^
                = path: service.pipelines.logs/

            3 errors in the configuration
        "#]],
    );
}

#[test]
fn pipelines_that_are_a_list() {
    check(
        &with("service", "  pipelines:\n    - traces\n"),
        expect![[r#"
            error: expected a mapping with an entry for each pipeline, found a list
              --> phasor.yaml:8:3
               |
             8 |   pipelines:
               |   ^^^^^^^^^
               = path: service.pipelines

            1 error in the configuration
        "#]],
    );
}

#[test]
fn an_undefined_reference() {
    check(
        &with(
            "service",
            "  pipelines:\n    traces: {receivers: [otpl], processors: [memory_limiter], exporters: [debug, zzz]}\n",
        ),
        expect![[r#"
            error: `otpl` is not defined under receivers or connectors
              --> phasor.yaml:9:26
               |
             9 |     traces: {receivers: [otpl], processors: [memory_limiter], exporters: [debug, zzz]}
               |                          ^^^^
               = path: service.pipelines.traces.receivers[0]
               = help: did you mean `otlp`?

            error: `memory_limiter` is not defined under processors
              --> phasor.yaml:9:46
               |
             9 |     traces: {receivers: [otpl], processors: [memory_limiter], exporters: [debug, zzz]}
               |                                              ^^^^^^^^^^^^^^
               = path: service.pipelines.traces.processors[0]
               = help: define it under `processors`

            error: `zzz` is not defined under exporters or connectors
              --> phasor.yaml:9:82
               |
             9 |     traces: {receivers: [otpl], processors: [memory_limiter], exporters: [debug, zzz]}
               |                                                                                  ^^^
               = path: service.pipelines.traces.exporters[1]

            3 errors in the configuration
        "#]],
    );
}

#[test]
fn a_pipeline_without_ends() {
    check(
        &with("service", "  pipelines:\n    traces: {}\n"),
        expect![[r#"
            error: `receivers` is empty; a pipeline needs at least one of its receivers
              --> phasor.yaml:9:5
               |
             9 |     traces: {}
               |     ^^^^^^
               = path: service.pipelines.traces.receivers

            error: `exporters` is empty; a pipeline needs at least one of its exporters
              --> phasor.yaml:9:5
               |
             9 |     traces: {}
               |     ^^^^^^
               = path: service.pipelines.traces.exporters

            2 errors in the configuration
        "#]],
    );
}

#[test]
fn a_misspelt_role_is_said_once() {
    check(
        &with("service", "  pipelines:\n    traces: {reciever: [otlp], exporters: [debug]}\n"),
        expect![[r#"
            error: unknown key `reciever`
              --> phasor.yaml:9:14
               |
             9 |     traces: {reciever: [otlp], exporters: [debug]}
               |              ^^^^^^^^
               = path: service.pipelines.traces.reciever
               = help: did you mean `receivers`?

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_role_that_is_a_text() {
    check(
        &with("service", "  pipelines:\n    traces: {receivers: otlp, exporters: [{debug: 1}]}\n"),
        expect![[r#"
            error: expected a list, found the text `otlp`
              --> phasor.yaml:9:25
               |
             9 |     traces: {receivers: otlp, exporters: [{debug: 1}]}
               |                         ^^^^
               = path: service.pipelines.traces.receivers

            error: expected a text, found a mapping
              --> phasor.yaml:9:43
               |
             9 |     traces: {receivers: otlp, exporters: [{debug: 1}]}
               |                                           ^
               = path: service.pipelines.traces.exporters[0]

            2 errors in the configuration
        "#]],
    );
}

#[test]
fn a_reference_named_twice() {
    check(
        &with("service", "  pipelines:\n    traces: {receivers: [otlp, otlp], exporters: [debug]}\n"),
        expect![[r#"
            error: `otlp` is named twice
              --> phasor.yaml:9:32
               |
             9 |     traces: {receivers: [otlp, otlp], exporters: [debug]}
               |                                ^^^^
               = path: service.pipelines.traces.receivers[1]

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_signal_that_does_not_fit() {
    check(
        &format!(
            "{}connectors:\n  spanmetrics:\n",
            with(
                "service",
                "  pipelines:\n    logs: {receivers: [otlp], exporters: [spanmetrics]}\n    metrics: {receivers: [spanmetrics], exporters: [debug]}\n"
            )
        ),
        expect![[r#"
            error: `span_metrics` does not work on logs; it works on traces
              --> phasor.yaml:9:43
               |
             9 |     logs: {receivers: [otlp], exporters: [spanmetrics]}
               |                                           ^^^^^^^^^^^
               = path: service.pipelines.logs.exporters[0]

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_connector_with_one_end() {
    check(
        &format!(
            "{}connectors:\n  spanmetrics/a:\n",
            with(
                "service",
                "  pipelines:\n    traces: {receivers: [otlp], exporters: [spanmetrics/a, debug]}\n"
            )
        ),
        expect![[r#"
            error: `span_metrics/a` is an exporter of a pipeline but a receiver of none, so nothing would come of its data; name it under the receivers of a pipeline
               --> phasor.yaml:11:3
                |
             11 |   spanmetrics/a:
                |   ^^^^^^^^^^^^^
                = path: connectors.spanmetrics/a

            1 error in the configuration
        "#]],
    );
}

#[test]
fn the_same_pipeline_twice() {
    check(
        &with(
            "service",
            "  pipelines:\n    traces: {receivers: [otlp], exporters: [debug]}\n    traces: {receivers: [otlp], exporters: [debug]}\n",
        ),
        expect![[r#"
            error: the key `traces` is written twice in one mapping
               --> phasor.yaml:10:5
                |
             10 |     traces: {receivers: [otlp], exporters: [debug]}
                |     ^^^^^^
                = help: remove one of the two

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_storage_that_is_not_there() {
    check(
        &with(
            "exporters",
            "  debug:\n  otlp:\n    endpoint: a:1\n    sending_queue: {storage: file_storage}\n",
        ),
        expect![[r#"
            error: `file_storage` is not defined under extensions
              --> phasor.yaml:9:30
               |
             9 |     sending_queue: {storage: file_storage}
               |                              ^^^^^^^^^^^^
               = path: exporters.otlp.sending_queue.storage
               = help: define it under `extensions`

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_storage_that_is_not_enabled() {
    check(
        &format!(
            "{}extensions:\n  file_storage/q:\n  health_check:\n",
            with(
                "exporters",
                "  debug:\n  otlp/a:\n    endpoint: a:1\n    sending_queue: {storage: file_storage/q}\n  otlp/b:\n    endpoint: a:1\n    sending_queue: {storage: health_check}\n"
            )
        ),
        expect![[r#"
            error: the extension `file_storage/q` is not named under `service.extensions`
              --> phasor.yaml:9:30
               |
             9 |     sending_queue: {storage: file_storage/q}
               |                              ^^^^^^^^^^^^^^
               = path: exporters.otlp/a.sending_queue.storage

            error: the extension `health_check` is not a storage; write `file_storage`
               --> phasor.yaml:12:30
                |
             12 |     sending_queue: {storage: health_check}
                |                              ^^^^^^^^^^^^
                = path: exporters.otlp/b.sending_queue.storage

            2 errors in the configuration
        "#]],
    );
}

#[test]
fn an_exporter_of_another_signal() {
    check(
        &(with("service", "  pipelines:\n    traces: {receivers: [otlp], exporters: [prometheus]}\n")
            + "  \n")
            .replace("exporters:\n  debug:", "exporters:\n  prometheus:\n  debug:"),
        expect![[r#"
            error: `prometheus` does not work on traces; it works on metrics
               --> phasor.yaml:10:45
                |
             10 |     traces: {receivers: [otlp], exporters: [prometheus]}
                |                                             ^^^^^^^^^^
                = path: service.pipelines.traces.exporters[0]

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_connector_that_only_receives() {
    check(
        &format!(
            "{}connectors: {{spanmetrics: }}\n",
            with("service", "  pipelines:\n    metrics: {receivers: [spanmetrics], exporters: [debug]}\n")
        ),
        expect![[r#"
            error: `span_metrics` is a receiver of a pipeline but an exporter of none, so it would never get data; name it under the exporters of a pipeline
               --> phasor.yaml:10:14
                |
             10 | connectors: {spanmetrics: }
                |              ^^^^^^^^^^^
                = path: connectors.spanmetrics

            1 error in the configuration
        "#]],
    );
}

#[test]
fn an_exporter_among_the_receivers() {
    check(
        &with("service", "  pipelines:\n    traces: {receivers: [debug], exporters: [debug]}\n"),
        expect![[r#"
            error: `debug` is not defined under receivers or connectors
              --> phasor.yaml:9:26
               |
             9 |     traces: {receivers: [debug], exporters: [debug]}
               |                          ^^^^^
               = path: service.pipelines.traces.receivers[0]

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_receiver_among_the_exporters() {
    check(
        &with("service", "  pipelines:\n    traces: {receivers: [otlp], exporters: [otlp]}\n"),
        expect![[r#"
            error: `otlp` is not defined under exporters or connectors
              --> phasor.yaml:9:45
               |
             9 |     traces: {receivers: [otlp], exporters: [otlp]}
               |                                             ^^^^
               = path: service.pipelines.traces.exporters[0]
               = help: define it under `exporters`

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_reference_without_a_type() {
    check(
        &with("service", "  pipelines:\n    traces: {receivers: [/a], exporters: [debug]}\n"),
        expect![[r#"
            error: `/a` is not defined under receivers or connectors
              --> phasor.yaml:9:26
               |
             9 |     traces: {receivers: [/a], exporters: [debug]}
               |                          ^^
               = path: service.pipelines.traces.receivers[0]

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_reference_that_is_empty() {
    check(
        &with("service", "  pipelines:\n    traces: {receivers: [\"\"], exporters: [debug]}\n"),
        expect![[r#"
            error: `` is not defined under receivers or connectors
              --> phasor.yaml:9:26
               |
             9 |     traces: {receivers: [""], exporters: [debug]}
               |                          ^^
               = path: service.pipelines.traces.receivers[0]

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_pipeline_that_is_a_list() {
    check(
        &with("service", "  pipelines:\n    traces: [otlp, debug]\n"),
        expect![[r#"
        error: expected a mapping, found a list
          --> phasor.yaml:9:5
           |
         9 |     traces: [otlp, debug]
           |     ^^^^^^
           = path: service.pipelines.traces

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_second_of_what_a_process_has_one_of() {
    check(
        &(with("receivers", "  phase_store:\n  phase_store/b: {endpoint: '127.0.0.1:0'}\n")
            + "extensions:\n  file_storage:\n  file_storage/b:\n")
            .replace("receivers: [otlp]", "receivers: [phase_store, phase_store/b]")
            .replace("service:\n", "service:\n  extensions: [file_storage, file_storage/b]\n"),
        expect![[r#"
            error: a process has one phase_store, and `phase_store` is it
              --> phasor.yaml:3:3
               |
             3 |   phase_store/b: {endpoint: '127.0.0.1:0'}
               |   ^^^^^^^^^^^^^
               = path: receivers.phase_store/b
               = help: take one of them out

            warning: has no effect: there is one journal, where `file_storage` has it
               --> phasor.yaml:14:3
                |
             14 |   file_storage/b:
                |   ^^^^^^^^^^^^^^
                = path: extensions.file_storage/b

            1 error and 1 warning in the configuration
        "#]],
    );
}
