//! Ids of components, and what any of them may get wrong.

use super::*;

#[test]
fn an_unknown_component() {
    check(
        &with("exporters", "  debug:\n  promethius:\n"),
        expect![[r#"
            error: unknown exporter `promethius`
              --> phasor.yaml:7:3
               |
             7 |   promethius:
               |   ^^^^^^^^^^
               = path: exporters.promethius
               = help: did you mean `prometheus`?

            1 error in the configuration
        "#]],
    );
}

#[test]
fn an_unknown_component_far_from_any() {
    check(
        &with("exporters", "  debug:\n  zzz:\n"),
        expect![[r#"
            error: unknown exporter `zzz`
              --> phasor.yaml:7:3
               |
             7 |   zzz:
               |   ^^^
               = path: exporters.zzz
               = help: `phasor components` lists what there is

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_component_of_another_class() {
    check(
        &with("exporters", "  debug:\n  batch:\n"),
        expect![[r#"
            error: `batch` is no exporter but one of the processors
              --> phasor.yaml:7:3
               |
             7 |   batch:
               |   ^^^^^
               = path: exporters.batch
               = help: define it under `processors`

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_component_of_a_later_version() {
    check(
        &with(
            "exporters",
            "  debug:\n  trace_store:\n    retention: {age: 72h}\n  prometheusremotewrite/x:\n",
        ),
        expect![[r#"
            error: the exporter `trace_store` is not in this version
              --> phasor.yaml:7:3
               |
             7 |   trace_store:
               |   ^^^^^^^^^^^
               = path: exporters.trace_store
               = help: `phasor components` lists what is

            error: the exporter `prometheus_remote_write` is not in this version
              --> phasor.yaml:9:3
               |
             9 |   prometheusremotewrite/x:
               |   ^^^^^^^^^^^^^^^^^^^^^^^
               = path: exporters.prometheusremotewrite/x
               = help: `phasor components` lists what is

            2 errors in the configuration
        "#]],
    );
}

#[test]
fn an_id_without_a_name() {
    check(
        &with("exporters", "  debug:\n  debug/:\n"),
        expect![[r#"
            error: `debug/` is not the id of a component; write the type of the exporter, or `type/name`
              --> phasor.yaml:7:3
               |
             7 |   debug/:
               |   ^^^^^^
               = path: exporters.debug/

            1 error in the configuration
        "#]],
    );
}

#[test]
fn one_component_under_two_names() {
    check(
        &with("exporters", "  debug:\n  otlp/a:\n    endpoint: a:1\n  otlp_grpc/a:\n    endpoint: a:1\n"),
        expect![[r#"
            error: `otlp_grpc/a` is defined twice, here and as `exporters.otlp/a`; both are names of `otlp_grpc/a`
              --> phasor.yaml:9:3
               |
             9 |   otlp_grpc/a:
               |   ^^^^^^^^^^^
               = path: exporters.otlp_grpc/a

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_component_that_is_a_text() {
    check(
        &with("receivers", "  otlp: grpc\n"),
        expect![[r#"
        error: expected a mapping, found the text `grpc`
          --> phasor.yaml:2:9
           |
         2 |   otlp: grpc
           |         ^^^^
           = path: receivers.otlp

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_component_that_is_a_list() {
    check(
        &with("receivers", "  otlp: [grpc]\n"),
        expect![[r#"
        error: expected a mapping, found a list
          --> phasor.yaml:2:3
           |
         2 |   otlp: [grpc]
           |   ^^^^
           = path: receivers.otlp

        1 error in the configuration
    "#]],
    );
}

#[test]
fn an_unknown_key_of_a_component() {
    check(
        &with("receivers", "  otlp:\n    protocols:\n      grpc:\n        endpiont: 0.0.0.0:4317\n"),
        expect![[r#"
            error: unknown key `endpiont`
              --> phasor.yaml:5:9
               |
             5 |         endpiont: 0.0.0.0:4317
               |         ^^^^^^^^
               = path: receivers.otlp.protocols.grpc.endpiont
               = help: did you mean `endpoint`?

            1 error in the configuration
        "#]],
    );
}

#[test]
fn an_unknown_key_far_from_any() {
    check(
        &with("receivers", "  otlp:\n    zzz: 1\n    protocols:\n      grpc:\n"),
        expect![[r#"
        error: unknown key `zzz`
          --> phasor.yaml:3:5
           |
         3 |     zzz: 1
           |     ^^^
           = path: receivers.otlp.zzz
           = help: known here: `protocols`

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_missing_key() {
    check(
        &with("receivers", "  otlp: {}\n"),
        expect![[r#"
        error: the key `protocols` is missing here
          --> phasor.yaml:2:3
           |
         2 |   otlp: {}
           |   ^^^^
           = path: receivers.otlp

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_wrong_type() {
    check(
        &with(
            "receivers",
            "  otlp:\n    protocols:\n      grpc:\n        endpoint: [a]\n        max_recv_msg_size_mib: much\n",
        ),
        expect![[r#"
            error: expected a text, found a list
              --> phasor.yaml:5:9
               |
             5 |         endpoint: [a]
               |         ^^^^^^^^
               = path: receivers.otlp.protocols.grpc.endpoint

            error: expected a whole number from 0 to 4294967295, found the text `much`
              --> phasor.yaml:6:32
               |
             6 |         max_recv_msg_size_mib: much
               |                                ^^^^
               = path: receivers.otlp.protocols.grpc.max_recv_msg_size_mib

            2 errors in the configuration
        "#]],
    );
}

#[test]
fn a_wrong_value() {
    check(
        &with("receivers", "  otlp:\n    protocols:\n      http:\n        endpoint: http://0.0.0.0\n"),
        expect![[r#"
            error: `//0.0.0.0` is not a port; write a number from 0 to 65535
              --> phasor.yaml:5:19
               |
             5 |         endpoint: http://0.0.0.0
               |                   ^^^^^^^^^^^^^^
               = path: receivers.otlp.protocols.http.endpoint

            1 error in the configuration
        "#]],
    );
}

#[test]
fn faults_of_several_components_at_once() {
    check(
        &with(
            "receivers",
            "  otlp:\n    protocols:\n      grpc:\n        endpiont: a:1\n        max_concurrent_streams: -1\n  otlp/b:\n    protocols:\n      http:\n        endpoint: b\n        cors: {allowed_origin: x}\n  otpl:\n",
        ),
        expect![[r#"
            error: unknown key `endpiont`
              --> phasor.yaml:5:9
               |
             5 |         endpiont: a:1
               |         ^^^^^^^^
               = path: receivers.otlp.protocols.grpc.endpiont
               = help: did you mean `endpoint`?

            error: expected a whole number from 0 to 4294967295, found the number -1
              --> phasor.yaml:6:33
               |
             6 |         max_concurrent_streams: -1
               |                                 ^^
               = path: receivers.otlp.protocols.grpc.max_concurrent_streams

            error: `b` has no port; write host:port, such as 127.0.0.1:4317
               --> phasor.yaml:10:19
                |
             10 |         endpoint: b
                |                   ^
                = path: receivers.otlp/b.protocols.http.endpoint

            error: unknown key `allowed_origin`
               --> phasor.yaml:11:16
                |
             11 |         cors: {allowed_origin: x}
                |                ^^^^^^^^^^^^^^
                = path: receivers.otlp/b.protocols.http.cors.allowed_origin
                = help: did you mean `allowed_origins`?

            error: unknown receiver `otpl`
               --> phasor.yaml:12:3
                |
             12 |   otpl:
                |   ^^^^
                = path: receivers.otpl
                = help: did you mean `otlp`?

            5 errors in the configuration
        "#]],
    );
}

#[test]
fn unused_components_are_warnings() {
    check(
        &with("exporters", "  debug:\n  debug/b:\n"),
        expect![[r#"
            warning: this exporter is not used
              --> phasor.yaml:7:3
               |
             7 |   debug/b:
               |   ^^^^^^^
               = path: exporters.debug/b
               = help: name it in a pipeline under `service.pipelines`

            0 errors and 1 warning in the configuration

            loaded
        "#]],
    );
}

#[test]
fn an_id_without_a_type() {
    check(
        &with("exporters", "  debug:\n  /a:\n"),
        expect![[r#"
        error: `/a` is not the id of a component; write the type of the exporter, or `type/name`
          --> phasor.yaml:7:3
           |
         7 |   /a:
           |   ^^
           = path: exporters./a

        1 error in the configuration
    "#]],
    );
}
