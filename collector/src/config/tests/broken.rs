//! Broken configurations and what is said about each, to the letter.

use super::*;

#[test]
fn an_empty_file_is_named_as_such() {
    check(
        "",
        expect![[r#"
            error: the configuration is empty
              --> phasor.yaml:1:1
               |
             1 |
               | ^

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_file_that_is_no_mapping() {
    check(
        "- receivers\n",
        expect![[r#"
            error: expected a mapping of sections, found a list
              --> phasor.yaml:1:1
               |
             1 | - receivers
               | ^

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_tab_as_indentation() {
    check(
        "receivers:\n\totlp:\n",
        expect![[r#"
        error: this is not YAML: tabs disallowed within this context (block indentation)
          --> phasor.yaml:2:2
           |
         2 |  otlp:
           |  ^
           = help: indent with spaces

        1 error in the configuration
    "#]],
    );
}

#[test]
fn an_unclosed_bracket() {
    check(
        "service:\n  extensions: [a, b\n",
        expect![[r#"
        error: this is not YAML: unclosed bracket '['
          --> phasor.yaml:2:15
           |
         2 |   extensions: [a, b
           |               ^

        1 error in the configuration
    "#]],
    );
}

#[test]
fn an_unclosed_quote() {
    check(
        "receivers: 'otlp\n",
        expect![[r#"
            error: this is not YAML: invalid indentation in multiline quoted scalar
              --> phasor.yaml:2:1
               |
             2 |
               | ^

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_wrong_indentation() {
    check(
        "receivers:\n  otlp:\n    a: 1\n   b: 2\n",
        expect![[r#"
        error: this is not YAML: while parsing a block mapping, did not find expected key
          --> phasor.yaml:4:4
           |
         4 |    b: 2
           |    ^

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_colon_too_many() {
    check(
        "receivers: otlp: x\n",
        expect![[r#"
        error: this is not YAML: mapping values are not allowed in this context
          --> phasor.yaml:1:16
           |
         1 | receivers: otlp: x
           |                ^

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_key_that_is_no_text() {
    check(
        "? [a]\n: b\n",
        expect![[r#"
        error: a key must be plain text
          --> phasor.yaml:1:3
           |
         1 | ? [a]
           |   ^

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_second_document() {
    check(
        "receivers:\n---\nreceivers:\n",
        expect![[r#"
        error: a second YAML document begins here, one file holds one configuration
          --> phasor.yaml:3:1
           |
         3 | receivers:
           | ^
           = help: give further files with further `--config` options

        1 error in the configuration
    "#]],
    );
}

#[test]
fn an_alias_of_nothing() {
    check(
        "receivers: *nothing\n",
        expect![[r#"
        error: this is not YAML: alias references unknown anchor
          --> phasor.yaml:1:12
           |
         1 | receivers: *nothing
           |            ^

        1 error in the configuration
    "#]],
    );
}

#[test]
fn an_alias_inside_itself() {
    check(
        "receivers: &a [*a]\n",
        expect![[r#"
        error: an alias stands inside its own anchor
          --> phasor.yaml:1:16
           |
         1 | receivers: &a [*a]
           |                ^^

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_key_twice_does_not_hide_the_rest() {
    check(
        &with("exporters", "  debug:\n  debug:\n  debugg:\n"),
        expect![[r#"
            error: the key `debug` is written twice in one mapping
              --> phasor.yaml:7:3
               |
             7 |   debug:
               |   ^^^^^
               = help: remove one of the two

            error: unknown exporter `debugg`
              --> phasor.yaml:8:3
               |
             8 |   debugg:
               |   ^^^^^^
               = path: exporters.debugg
               = help: did you mean `debug`?

            2 errors in the configuration
        "#]],
    );
}

#[test]
fn too_deep() {
    check(
        &format!("receivers: {}", "[".repeat(100)),
        expect![[r#"
            error: this is not YAML: unclosed bracket '['
              --> phasor.yaml:1:111
               |
             1 | receivers: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[
               |                                                                                                               ^

            1 error in the configuration
        "#]],
    );
}

#[test]
fn too_many_aliases() {
    check(&format!("a: &a [x, x, x, x, x, x, x, x, x]\n{}", ["a", "b", "c", "d", "e", "f", "g"].windows(2).map(|pair| { let (from, to) = (pair[0], pair[1]); format!("{to}: &{to} [*{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}, *{from}]\n") }).collect::<String>()), expect![[r#"
        error: aliases repeat too much
          --> phasor.yaml:1:11
           |
         1 | a: &a [x, x, x, x, x, x, x, x, x]
           |           ^

        1 error in the configuration
    "#]]);
}

#[test]
fn too_large() {
    check(
        &format!("receivers: {}", "x".repeat(2 << 20)),
        expect![[r#"
        error: the configuration is larger than 1024 KiB
          --> phasor.yaml:1:1
           |
         1 | receivers: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx
           | ^

        1 error in the configuration
    "#]],
    );
}

#[test]
fn an_unquoted_reference_in_flow_style() {
    check(
        "service: {extensions: [${env:X}]}\n",
        expect![[r#"
        error: this is not YAML: while parsing a flow sequence, expected ',' or ']'
          --> phasor.yaml:1:25
           |
         1 | service: {extensions: [${env:X}]}
           |                         ^
           = help: put a reference in quotes, "${env:NAME}", where it stands inside [ ] or { } or has `: ` in its default

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_default_with_a_colon_unquoted() {
    check(
        "receivers: ${env:Y:-a: b}\n",
        expect![[r#"
        error: this is not YAML: mapping values are not allowed in this context
          --> phasor.yaml:1:22
           |
         1 | receivers: ${env:Y:-a: b}
           |                      ^
           = help: put a reference in quotes, "${env:NAME}", where it stands inside [ ] or { } or has `: ` in its default

        1 error in the configuration
    "#]],
    );
}

#[test]
fn an_open_reference() {
    check(
        &with("exporters", "  debug:\n    verbosity: ${env:X\n"),
        expect![[r#"
            error: a reference begins with `${` and does not end
              --> phasor.yaml:7:16
               |
             7 |     verbosity: ${env:X
               |                ^^^^^^^
               = path: exporters.debug.verbosity
               = help: close it with `}`, or write `$${` for the text

            error: `` is none of `basic`, `normal`, `detailed`
              --> phasor.yaml:7:16
               |
             7 |     verbosity: ${env:X
               |                ^^^^^^^
               = path: exporters.debug.verbosity

            2 errors in the configuration
        "#]],
    );
}

#[test]
fn an_unknown_scheme() {
    check(
        &with("exporters", "  debug:\n    verbosity: ${file:/etc/passwd}\n"),
        expect![[r#"
            error: references of the scheme `file` are not supported
              --> phasor.yaml:7:16
               |
             7 |     verbosity: ${file:/etc/passwd}
               |                ^^^^^^^^^^^^^^^^^^^
               = path: exporters.debug.verbosity
               = help: write `${env:NAME}` or `${env:NAME:-default}`, and `$$` for a dollar sign

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_wrong_name() {
    check(
        &with("exporters", "  debug:\n    verbosity: a${1}b\n"),
        expect![[r#"
            error: `1` is not the name of an environment variable
              --> phasor.yaml:7:16
               |
             7 |     verbosity: a${1}b
               |                ^^^^^^
               = path: exporters.debug.verbosity
               = help: write `${env:NAME}` or `${env:NAME:-default}`, and `$$` for a dollar sign

            error: `ab` is none of `basic`, `normal`, `detailed`
              --> phasor.yaml:7:16
               |
             7 |     verbosity: a${1}b
               |                ^^^^^^
               = path: exporters.debug.verbosity

            2 errors in the configuration
        "#]],
    );
}

#[test]
fn an_unset_variable_and_a_bare_dollar_are_warnings() {
    check(
        &with("exporters", "  debug:\n    verbosity: ${env:UNSET}\n  otlp:\n    endpoint: \"$HOST:4317\"\n"),
        expect![[r#"
            warning: the environment variable `UNSET` is not set, so this is empty
              --> phasor.yaml:7:16
               |
             7 |     verbosity: ${env:UNSET}
               |                ^^^^^^^^^^^^
               = path: exporters.debug.verbosity
               = help: set it, or write a default: `${env:UNSET:-...}`

            warning: this exporter is not used
              --> phasor.yaml:8:3
               |
             8 |   otlp:
               |   ^^^^
               = path: exporters.otlp
               = help: name it in a pipeline under `service.pipelines`

            warning: `$HOST` is not a reference and stays as it is written
              --> phasor.yaml:9:15
               |
             9 |     endpoint: "$HOST:4317"
               |               ^^^^^^^^^^^^
               = path: exporters.otlp.endpoint
               = help: write `${env:HOST}` for the variable, `$$HOST` for the text

            0 errors and 3 warnings in the configuration

            loaded
        "#]],
    );
}

#[test]
fn nested_too_deep() {
    check(
        &with(
            "exporters",
            &format!("  debug:\n    verbosity: {}1{}\n", "${env:A:-".repeat(12), "}".repeat(12)),
        ),
        expect![[r#"
            error: references nest deeper than 8
              --> phasor.yaml:7:16
               |
             7 |     verbosity: ${env:A:-${env:A:-${env:A:-${env:A:-${env:A:-${env:A:-${env:A:-${env:A:-${env:A:-${env:A:-${env:A:-${env:
               |                ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
               = path: exporters.debug.verbosity

            1 error in the configuration
        "#]],
    );
}

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
        &with("exporters", "  debug:\n  trace_store:\n    retention: {age: 72h}\n  otlphttp/x:\n"),
        expect![[r#"
            error: the exporter `trace_store` is not in this version
              --> phasor.yaml:7:3
               |
             7 |   trace_store:
               |   ^^^^^^^^^^^
               = path: exporters.trace_store
               = help: `phasor components` lists what is

            error: `endpoint` is missing; write for example https://tempo:4318
              --> phasor.yaml:9:3
               |
             9 |   otlphttp/x:
               |   ^^^^^^^^^^
               = path: exporters.otlphttp/x.endpoint

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
fn a_file_storage_that_is_unknown() {
    check(
        &with("extensions", "  file_storage:\n    directroy: /x\n    create_directory: yes\n"),
        expect![[r#"
            error: unknown key `directroy`
               --> phasor.yaml:14:5
                |
             14 |     directroy: /x
                |     ^^^^^^^^^
                = path: extensions.file_storage.directroy
                = help: did you mean `directory`?

            error: expected `true` or `false`, found the text `yes`
               --> phasor.yaml:15:23
                |
             15 |     create_directory: yes
                |                       ^^^
                = path: extensions.file_storage.create_directory

            2 errors in the configuration
        "#]],
    );
}

#[test]
fn a_health_check_with_tls() {
    check(
        &with(
            "extensions",
            "  health_check:\n    tls: {cert_file: x}\n    endpoint: nowhere\n    path: health\n",
        ),
        expect![[r#"
            error: `tls` of the health check is not in this version
               --> phasor.yaml:14:5
                |
             14 |     tls: {cert_file: x}
                |     ^^^
                = path: extensions.health_check.tls

            error: `endpoint` must be host:port, such as 127.0.0.1:13133
               --> phasor.yaml:15:15
                |
             15 |     endpoint: nowhere
                |               ^^^^^^^
                = path: extensions.health_check.endpoint

            error: `path` must begin with `/`
               --> phasor.yaml:16:11
                |
             16 |     path: health
                |           ^^^^^^
                = path: extensions.health_check.path

            3 errors in the configuration
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
fn processors_are_checked_too() {
    check(
        &with(
            "processors",
            "  memory_limiter:\n    limit_mib: -1\n    check_intervall: 1s\n  attributes:\n    actions: [{key: a, action: insret, value: 1}, {action: delete}]\n  resource: {}\n",
        ),
        expect![[r#"
            error: expected a whole number from 0, found the number -1
               --> phasor.yaml:14:16
                |
             14 |     limit_mib: -1
                |                ^^
                = path: processors.memory_limiter.limit_mib

            error: unknown key `check_intervall`
               --> phasor.yaml:15:5
                |
             15 |     check_intervall: 1s
                |     ^^^^^^^^^^^^^^^
                = path: processors.memory_limiter.check_intervall
                = help: did you mean `check_interval`?

            error: `insret` is no action; one of insert, update, upsert, delete, hash, extract, convert (did you mean `insert`?)
               --> phasor.yaml:17:32
                |
             17 |     actions: [{key: a, action: insret, value: 1}, {action: delete}]
                |                                ^^^^^^
                = path: processors.attributes.actions[0].action

            error: `key` is missing; name the attribute to act on
               --> phasor.yaml:17:51
                |
             17 |     actions: [{key: a, action: insret, value: 1}, {action: delete}]
                |                                                   ^
                = path: processors.attributes.actions[1].key

            error: `attributes` is empty; name at least one action
               --> phasor.yaml:18:3
                |
             18 |   resource: {}
                |   ^^^^^^^^
                = path: processors.resource.attributes

            5 errors in the configuration
        "#]],
    );
}

#[test]
fn connectors_are_checked_too() {
    check(
        &with(
            "connectors",
            "  spanmetrics:\n    histogram: {explicit: {buckets: [10ms, 5ms]}, unit: min}\n    dimensions: [{name: span.name}, {nam: x}]\n  event_metrics: {catalog: 5}\n",
        ),
        expect![[r#"
            error: 5ms is not longer than the bound before it, 10ms
               --> phasor.yaml:14:44
                |
             14 |     histogram: {explicit: {buckets: [10ms, 5ms]}, unit: min}
                |                                            ^^^
                = path: connectors.spanmetrics.histogram.explicit.buckets[1]

            error: `min` is none of `ms`, `s`
               --> phasor.yaml:14:57
                |
             14 |     histogram: {explicit: {buckets: [10ms, 5ms]}, unit: min}
                |                                                         ^^^
                = path: connectors.spanmetrics.histogram.unit

            error: `span.name` is already one of the default dimensions; leave it out here, or add `span.name` to exclude_dimensions
               --> phasor.yaml:15:25
                |
             15 |     dimensions: [{name: span.name}, {nam: x}]
                |                         ^^^^^^^^^
                = path: connectors.spanmetrics.dimensions[0].name

            error: unknown key `nam`
               --> phasor.yaml:15:38
                |
             15 |     dimensions: [{name: span.name}, {nam: x}]
                |                                      ^^^
                = path: connectors.spanmetrics.dimensions[1].nam
                = help: did you mean `name`?

            error: expected a list, found the number 5
               --> phasor.yaml:16:28
                |
             16 |   event_metrics: {catalog: 5}
                |                            ^
                = path: connectors.event_metrics.catalog

            5 errors in the configuration
        "#]],
    );
}

#[test]
fn exporters_are_checked_too() {
    check(
        &with(
            "exporters",
            "  debug: {verbosity: loud}\n  otlp:\n    endpiont: tempo:4317\n    tls: {insecure: yes}\n    retry_on_failure: {multiplier: 0}\n    sending_queue: {num_consumers: 0, sizer: byte}\n",
        ),
        expect![[r#"
            error: `loud` is none of `basic`, `normal`, `detailed`
              --> phasor.yaml:6:22
               |
             6 |   debug: {verbosity: loud}
               |                      ^^^^
               = path: exporters.debug.verbosity

            error: unknown key `endpiont`
              --> phasor.yaml:8:5
               |
             8 |     endpiont: tempo:4317
               |     ^^^^^^^^
               = path: exporters.otlp.endpiont
               = help: did you mean `endpoint`?

            error: expected `true` or `false`, found the text `yes`
              --> phasor.yaml:9:21
               |
             9 |     tls: {insecure: yes}
               |                     ^^^
               = path: exporters.otlp.tls.insecure

            error: `multiplier` must lie between 1 and 100
               --> phasor.yaml:10:36
                |
             10 |     retry_on_failure: {multiplier: 0}
                |                                    ^
                = path: exporters.otlp.retry_on_failure.multiplier

            error: `num_consumers` must lie between 1 and 1000
               --> phasor.yaml:11:36
                |
             11 |     sending_queue: {num_consumers: 0, sizer: byte}
                |                                    ^
                = path: exporters.otlp.sending_queue.num_consumers

            error: `byte` is none of `requests`, `items`, `bytes`
               --> phasor.yaml:11:46
                |
             11 |     sending_queue: {num_consumers: 0, sizer: byte}
                |                                              ^^^^
                = path: exporters.otlp.sending_queue.sizer
                = help: did you mean `bytes`?

            6 errors in the configuration
        "#]],
    );
}

#[test]
fn the_phase_store_is_checked_too() {
    check(
        &with(
            "receivers",
            "  otlp: {protocols: {grpc: }}\n  phase_store: {storage: sqlit, endpoint: here, retention: 3 moons}\n",
        ),
        expect![[r#"
            error: `sqlit` is not a storage; write `sqlite`
              --> phasor.yaml:3:26
               |
             3 |   phase_store: {storage: sqlit, endpoint: here, retention: 3 moons}
               |                          ^^^^^
               = path: receivers.phase_store.storage

            error: `here` is not an address; write for example 127.0.0.1:4000
              --> phasor.yaml:3:43
               |
             3 |   phase_store: {storage: sqlit, endpoint: here, retention: 3 moons}
               |                                           ^^^^
               = path: receivers.phase_store.endpoint

            error: `3 moons` is not a duration; write for example 300ms, 1.5s, 10m or 1h30m
              --> phasor.yaml:3:60
               |
             3 |   phase_store: {storage: sqlit, endpoint: here, retention: 3 moons}
               |                                                            ^^^^^^^
               = path: receivers.phase_store.retention

            3 errors in the configuration
        "#]],
    );
}
