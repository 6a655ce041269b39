//! What is not YAML, or too much of it.

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
