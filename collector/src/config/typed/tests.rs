use std::{collections::BTreeMap, fmt, sync::Arc};

use expect_test::{Expect, expect};
use pipelines::config::{ByteSize, Span};
use serde::{
    Deserialize,
    de::{self, IgnoredAny},
};

use super::*;
use crate::config::tree::Document;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Everything {
    text: String,
    flag: bool,
    small: u8,
    signed: i32,
    number: f64,
    time: Option<Span>,
    size: Option<ByteSize>,
    list: Vec<String>,
    map: BTreeMap<String, u16>,
    inner: Option<Inner>,
    inners: Vec<Inner>,
    word: Word,
    shape: Option<Shape>,
    unused: Option<IgnoredAny>,
    any: Option<serde_json::Value>,
    pair: Option<(u8, String)>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "only shown")]
struct Inner {
    needed: u32,
    #[serde(default, alias = "other_name")]
    other: u32,
}

/// Without `deny_unknown_fields`.
#[derive(Debug, Deserialize)]
#[expect(dead_code, reason = "only shown")]
struct Lax {
    key: Option<u8>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Word {
    #[default]
    First,
    Second,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(dead_code, reason = "only shown")]
enum Shape {
    Point,
    Circle(u8),
    Box { side: u8 },
}

fn check_as<T: de::DeserializeOwned + fmt::Debug>(yaml: &str, expected: Expect) {
    let document = Document { name: "typed.yaml".to_owned(), text: yaml.to_owned() };
    let (mut node, _) = Arc::new(document).read().unwrap();
    node.number();
    let mut found = Vec::new();
    let value: Option<T> = read(&node, &node, &mut found, |node| T::deserialize(node));
    let said = found.iter().map(|one| {
        let place = one.place.as_ref().unwrap();
        let help = one.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
        format!("{}:{} {}: {}{help}\n", place.line, place.column, one.path, one.message)
    });
    let said: String = said.collect();
    let value = value.map_or(String::new(), |value| format!("{value:?}\n"));
    expected.assert_eq(&format!("{said}{value}"));
}

fn check(yaml: &str, expected: Expect) {
    check_as::<Everything>(yaml, expected);
}

#[test]
fn every_type_is_read() {
    check(
        "
text: a
flag: true
small: 255
signed: -5
number: 5
time: 1.5s
size: 2MiB
list: [a, b]
map: {a: 1}
inner: {needed: 1}
inners: [{needed: 1, other_name: 2}]
word: second
shape: {circle: 3}
any: {a: [1, -1, 1.5, x, null]}
pair: [1, a]
",
        expect![[r#"
            Everything { text: "a", flag: true, small: 255, signed: -5, number: 5.0, time: Some(Span(1.5s)), size: Some(ByteSize(2097152)), list: ["a", "b"], map: {"a": 1}, inner: Some(Inner { needed: 1, other: 0 }), inners: [Inner { needed: 1, other: 2 }], word: Second, shape: Some(Circle(3)), unused: None, any: Some(Object {"a": Array [Number(1), Number(-1), Number(1.5), String("x"), Null]}), pair: Some((1, "a")) }
        "#]],
    );
}

#[test]
fn a_text_takes_a_number_as_it_is_written() {
    check(
        "text: 1.10\nlist: [0x1F, true, 007]\n",
        expect![[r#"
        Everything { text: "1.10", flag: false, small: 0, signed: 0, number: 0.0, time: None, size: None, list: ["0x1F", "true", "007"], map: {}, inner: None, inners: [], word: First, shape: None, unused: None, any: None, pair: None }
    "#]],
    );
}

#[test]
fn nothing_is_an_empty_mapping_or_list_or_a_scalar_left_out() {
    check(
        "text:\nsmall:\ntime:\nlist:\nmap:\ninners:\nword:\n",
        expect![[r#"
        Everything { text: "", flag: false, small: 0, signed: 0, number: 0.0, time: None, size: None, list: [], map: {}, inner: None, inners: [], word: First, shape: None, unused: None, any: None, pair: None }
    "#]],
    );
    check_as::<BTreeMap<String, Option<BTreeMap<String, u8>>>>(
        "grpc:\nhttp: {}\n",
        expect![[r#"
        {"grpc": Some({}), "http": Some({})}
    "#]],
    );
}

#[test]
fn a_needed_key_without_a_value_is_missing() {
    check(
        "inner: {needed: }\n",
        expect![[r#"
        1:1 inner: the key `needed` is missing here
    "#]],
    );
    check(
        "inner:\n",
        expect![[r#"
        1:1 inner: the key `needed` is missing here
    "#]],
    );
}

#[test]
fn all_faults_are_found_at_once() {
    check(
        "
text: [a]
flag: yes
small: 256
signed: 5.5
number: x
time: 5 parsecs
size: -1
list: {a: 1}
map: {a: -1, b: x, c: 3}
inner: {neded: 1, other: x}
inners: [{}, 5, {needed: x}, {needed: 1, other: 2, other_name: 3}]
word: secnd
shape: {circl: 3}
pair: [1]
",
        expect![[r#"
            2:1 text: expected a text, found a list
            3:7 flag: expected `true` or `false`, found the text `yes`
            4:8 small: expected a whole number from 0 to 255, found the number 256
            5:9 signed: expected a whole number, found the number 5.5
            6:9 number: expected a number, found the text `x`
            7:7 time: `5 parsecs` is not a duration; write for example 300ms, 1.5s, 10m or 1h30m
            8:7 size: a size cannot be negative
            9:1 list: expected a list, found a mapping
            10:10 map.a: expected a whole number from 0 to 65535, found the number -1
            10:17 map.b: expected a whole number from 0 to 65535, found the text `x`
            11:9 inner.neded: unknown key `neded` (did you mean `needed`?)
            11:26 inner.other: expected a whole number from 0 to 4294967295, found the text `x`
            12:10 inners[0]: the key `needed` is missing here
            12:14 inners[1]: expected a mapping, found the number 5
            12:26 inners[2].needed: expected a whole number from 0 to 4294967295, found the text `x`
            12:64 inners[3].other_name: `other` is given twice, once under another name
            13:7 word: `secnd` is none of `first`, `second` (did you mean `second`?)
            14:16 shape.circl: `circl` is none of `point`, `circle`, `box` (did you mean `circle`?)
            15:1 pair: expected a tuple of size 2, found 1 entries
        "#]],
    );
}

#[test]
fn a_wrong_variant_is_at_its_key() {
    check(
        "shape: {circle: x}\n",
        expect![[r#"
            1:17 shape.circle: expected a whole number from 0 to 255, found the text `x`
        "#]],
    );
    check(
        "shape: {box: {sied: 1}}\n",
        expect![[r#"
            1:15 shape.box.sied: unknown key `sied` (did you mean `side`?)
        "#]],
    );
    check(
        "shape: point\n",
        expect![[r#"
        Everything { text: "", flag: false, small: 0, signed: 0, number: 0.0, time: None, size: None, list: [], map: {}, inner: None, inners: [], word: First, shape: Some(Point), unused: None, any: None, pair: None }
    "#]],
    );
    check(
        "shape: {a: 1, b: 2}\n",
        expect![[r#"
        1:1 shape: expected a text, found a mapping
    "#]],
    );
}

#[test]
fn a_key_without_effect_is_a_warning() {
    check(
        "unused: {a: [1]}\n",
        expect![[r#"
        1:1 unused: this key is accepted and has no effect here
        Everything { text: "", flag: false, small: 0, signed: 0, number: 0.0, time: None, size: None, list: [], map: {}, inner: None, inners: [], word: First, shape: None, unused: Some(IgnoredAny), any: None, pair: None }
    "#]],
    );
}

#[test]
fn an_unknown_key_is_an_error_also_where_the_type_would_ignore_it() {
    check_as::<Lax>(
        "kye: 1\n",
        expect![[r#"
        1:1 kye: unknown key `kye` (known here: `key`)
    "#]],
    );
}

#[test]
fn what_only_follows_from_another_fault_is_not_said() {
    check_as::<Inner>(
        "needed: x\n",
        expect![[r#"
        1:9 needed: expected a whole number from 0 to 4294967295, found the text `x`
    "#]],
    );
}
