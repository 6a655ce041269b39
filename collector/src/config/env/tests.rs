use std::sync::Arc;

use expect_test::{Expect, expect};

use super::*;
use crate::config::tree::Document;

/// What becomes of the value of `key`: its type and value, the text a text field gets, and what is said.
fn check(value: &str, expected: Expect) {
    let text = format!("key: {value}\n");
    let (mut node, faults) = Arc::new(Document { name: "env.yaml".to_owned(), text }).read().unwrap();
    assert_eq!(faults, []);
    let found = expand(&mut node, &|name| {
        let values = [
            ("HOST", "tempo"),
            ("PORT", "4317"),
            ("ZIP", "0123"),
            ("LIST", "[a, 1]"),
            ("MAP", "{a: 1}"),
            ("BROKEN", "[a"),
            ("PEM", "-----BEGIN X-----\nabc\n-----END X-----\n"),
            ("PASSWORD", "a$b${env:HOST}"),
            ("EMPTY", ""),
            ("NAME", "HOST"),
            ("YES", "yes"),
            ("TRUE", "true"),
        ];
        values.into_iter().find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
    });
    let node = node.get("key").unwrap();
    let said: String = found.iter().map(|one| format!("{}: {}\n", one.path, one.message)).collect();
    expected.assert_eq(&format!("{}; text {:?}\n{said}", node.describe(), node.text));
}

#[test]
fn a_whole_scalar_takes_the_type_of_the_value() {
    check(
        "${env:PORT}",
        expect![[r#"
        the number 4317; text Some("4317")
    "#]],
    );
    check(
        "\"${env:PORT}\"",
        expect![[r#"
        the number 4317; text Some("4317")
    "#]],
    );
    check(
        "${PORT}",
        expect![[r#"
        the number 4317; text Some("4317")
    "#]],
    );
    check(
        "${env:TRUE}",
        expect![[r#"
        `true`; text Some("true")
    "#]],
    );
    check(
        "${env:YES}",
        expect![[r#"
        the text `yes`; text Some("yes")
    "#]],
    );
    check(
        "${env:LIST}",
        expect![[r#"
        a list; text Some("[a, 1]")
    "#]],
    );
    check(
        "${env:MAP}",
        expect![[r#"
        a mapping; text Some("{a: 1}")
    "#]],
    );
    check(
        "${env:ZIP}",
        expect![[r#"
        the text `0123`; text Some("0123")
    "#]],
    );
}

#[test]
fn a_text_field_gets_the_value_unread() {
    check(
        "${env:PEM}",
        expect![[r#"
        the text `-----BEGIN X----- abc -----END X-----`; text Some("-----BEGIN X-----\nabc\n-----END X-----\n")
    "#]],
    );
    check(
        "${env:BROKEN}",
        expect![[r#"
        the text `[a`; text Some("[a")
    "#]],
    );
}

#[test]
fn inside_a_text_a_value_is_pasted_in() {
    check(
        "${env:HOST}:${env:PORT}",
        expect![[r#"
        the text `tempo:4317`; text None
    "#]],
    );
    check(
        "x${env:LIST}",
        expect![[r#"
        the text `x[a, 1]`; text None
    "#]],
    );
}

#[test]
fn a_default_counts_when_the_variable_is_not_set() {
    check(
        "${env:NONE:-5}",
        expect![[r#"
        the number 5; text Some("5")
    "#]],
    );
    check(
        "${NONE:-a:-b}",
        expect![[r#"
        the text `a:-b`; text Some("a:-b")
    "#]],
    );
    check(
        "${env:HOST:-other}",
        expect![[r#"
        the text `tempo`; text Some("tempo")
    "#]],
    );
    check(
        "${env:NONE:-}",
        expect![[r#"
        nothing; text None
    "#]],
    );
    check(
        "${env:EMPTY:-5}",
        expect![[r#"
        nothing; text None
    "#]],
    );
    check(
        "\"${env:NONE:-{a: 1}}\"",
        expect![[r#"
        the text `{a: 1}`; text None
    "#]],
    );
}

#[test]
fn references_nest() {
    check(
        "${env:NONE:-${env:HOST}}",
        expect![[r#"
        the text `tempo`; text Some("tempo")
    "#]],
    );
    check(
        "${env:${env:NAME}}",
        expect![[r#"
        the text `tempo`; text Some("tempo")
    "#]],
    );
    check(
        "${env:NONE:-${env:NADA:-x}-y}",
        expect![[r#"
        the text `x-y`; text Some("x-y")
    "#]],
    );
}

#[test]
fn a_value_is_not_searched_for_references() {
    check(
        "${env:PASSWORD}",
        expect![[r#"
        the text `a$b${env:HOST}`; text Some("a$b${env:HOST}")
    "#]],
    );
    check(
        "p=${env:PASSWORD}",
        expect![[r#"
        the text `p=a$b${env:HOST}`; text None
    "#]],
    );
}

#[test]
fn two_dollar_signs_are_one() {
    check(
        "$$",
        expect![[r#"
        the text `$`; text None
    "#]],
    );
    check(
        "$${env:HOST}",
        expect![[r#"
        the text `${env:HOST}`; text None
    "#]],
    );
    check(
        "$$$${1} costs 5$",
        expect![[r#"
        the text `$${1} costs 5$`; text None
    "#]],
    );
    check(
        "$1",
        expect![[r#"
        the text `$1`; text None
    "#]],
    );
}

#[test]
fn what_looks_like_a_reference_and_is_none_is_a_warning() {
    check(
        "$HOST/x",
        expect![[r#"
        the text `$HOST/x`; text None
        key: `$HOST` is not a reference and stays as it is written
    "#]],
    );
}

#[test]
fn an_unset_variable_is_empty_and_a_warning() {
    check(
        "${env:NONE}",
        expect![[r#"
        nothing; text None
        key: the environment variable `NONE` is not set, so this is empty
    "#]],
    );
    check(
        "a${env:NONE}b",
        expect![[r#"
        the text `ab`; text None
        key: the environment variable `NONE` is not set, so this is empty
    "#]],
    );
}

#[test]
fn faults_are_named() {
    check(
        "${env:}",
        expect![[r#"
        nothing; text None
        key: `` is not the name of an environment variable
    "#]],
    );
    check(
        "${env:A-B}",
        expect![[r#"
        nothing; text None
        key: `A-B` is not the name of an environment variable
    "#]],
    );
    check(
        "${http://x}",
        expect![[r#"
        nothing; text None
        key: references of the scheme `http` are not supported
    "#]],
    );
    check(
        "\"${\"",
        expect![[r#"
        the text ``; text None
        key: a reference begins with `${` and does not end
    "#]],
    );
    check(
        "${env:A${env:HOST}",
        expect![[r#"
        the text ``; text None
        key: a reference begins with `${` and does not end
    "#]],
    );
}
