//! References to the environment.

use super::*;

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
