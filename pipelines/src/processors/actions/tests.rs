use expect_test::{Expect, expect};
use proto::encode;

use super::*;

/// Applies the actions to `{a="1", b=2, c=2.5, d=true, url="/x/7?q=1"}` and shows what comes out; errors of the
/// configuration are shown in its stead.
fn check(yaml: &str, expected: Expect) {
    let configs: Vec<ActionConfig> = serde_saphyr::from_str(yaml).expect("the test writes readable actions");
    let shown = match Actions::build("actions", &configs) {
        Err(errors) => errors.iter().map(|error| format!("{error}\n")).collect(),
        Ok(actions) => {
            let batch = encode::traces(|request| {
                request.resource(
                    |list| {
                        list.str("a", "1")
                            .int("b", 2)
                            .double("c", 2.5)
                            .bool("d", true)
                            .str("url", "/x/7?q=1");
                    },
                    |_| {},
                );
            });
            let client =
                Client::at(Some([192, 0, 2, 7].into())).with("x-tenant", "red").with("x-tenant", "blue");
            let edited = batch.edit_resources(|list, out| actions.apply(list, &client, out));
            let resource = edited.view().resource_spans().next().expect("the resource stays").resource();
            if edited.bytes() == batch.bytes() {
                "unchanged\n".into()
            } else {
                format!("{:?}\n", resource.attributes())
            }
        }
    };
    expected.assert_eq(&shown);
}

#[test]
fn insert_update_and_upsert_differ_in_whether_the_key_must_be_there() {
    check(
        "[{key: n, value: 1, action: insert}]",
        expect![[r#"
        {"a": "1", "b": 2, "c": 2.5, "d": true, "url": "/x/7?q=1", "n": 1}
    "#]],
    );
    check(
        "[{key: a, value: 9, action: insert}]",
        expect![[r#"
        unchanged
    "#]],
    );
    check(
        "[{key: a, value: x, action: UPDATE}]",
        expect![[r#"
        {"a": "x", "b": 2, "c": 2.5, "d": true, "url": "/x/7?q=1"}
    "#]],
    );
    check(
        "[{key: n, value: x, action: update}]",
        expect![[r#"
        unchanged
    "#]],
    );
    check(
        "[{key: n, value: [x, 2, true], action: upsert}, {key: a, value: 1.5, action: upsert}]",
        expect![[r#"
        {"a": 1.5, "b": 2, "c": 2.5, "d": true, "url": "/x/7?q=1", "n": ["x", 2, true]}
    "#]],
    );
    check(
        "[{key: n, from_attribute: b, action: insert}, {key: m, from_attribute: none, action: insert}]",
        expect![[r#"
        {"a": "1", "b": 2, "c": 2.5, "d": true, "url": "/x/7?q=1", "n": 2}
    "#]],
    );
}

#[test]
fn what_is_known_of_the_sender_is_set_and_what_is_not_is_left() {
    check(
        "[{key: n, from_context: metadata.X-Tenant, action: insert}, {key: a, from_context: client.address, action: update}, \
          {key: b, from_context: x-tenant, action: upsert}, {key: c, from_context: metadata.none, action: upsert}, \
          {key: n, action: hash}, {key: b, pattern: '^(?P<first>[^;]+)', action: extract}]",
        expect![[r#"
            {"a": "192.0.2.7", "b": "red;blue", "c": 2.5, "d": true, "url": "/x/7?q=1", "n": "185bcdf26c7e6fa3662fe800034fe362979cd4277e2e00030f399ef0d6d17e65", "first": "red"}
        "#]],
    );
    check(
        "[{key: a, from_context: auth.subject, action: insert}, {key: a, value: 1, from_context: metadata.x, action: insert}, \
          {key: a, value: 1, from_attribute: x, action: insert}, {key: a, action: insert}]",
        expect![[r#"
            actions[0].from_context: has no value here: no authenticator tells who came; write metadata.NAME for a header, or client.address
            actions[1].from_context: is a second source of the value; leave one
            actions[2].from_attribute: is a second source of the value; leave one
            actions[3].value: is missing; set value, from_attribute or from_context
        "#]],
    );
}

#[test]
fn extract_sees_what_an_action_before_it_has_made() {
    check(
        "[{key: n, value: 'http://h/p', action: upsert}, {key: n, pattern: '^(?P<scheme>[a-z]+):', action: extract}, \
          {key: b, converted_type: string, action: convert}, {key: b, pattern: '^(?P<digit>.)', action: extract}]",
        expect![[r#"
            {"a": "1", "b": "2", "c": 2.5, "d": true, "url": "/x/7?q=1", "n": "http://h/p", "scheme": "http", "digit": "2"}
        "#]],
    );
}

#[test]
fn keys_to_delete_may_be_given_by_pattern() {
    check(
        "[{key: a, action: delete}]",
        expect![[r#"
        {"b": 2, "c": 2.5, "d": true, "url": "/x/7?q=1"}
    "#]],
    );
    check(
        "[{pattern: '^[bc]$', action: delete}]",
        expect![[r#"
        {"a": "1", "d": true, "url": "/x/7?q=1"}
    "#]],
    );
    check(
        "[{key: none, action: delete}]",
        expect![[r#"
        unchanged
    "#]],
    );
}

#[test]
fn a_hash_is_sha_256_in_hexadecimal() {
    check(
        "[{key: a, action: hash}, {pattern: '[^a]', action: delete}]",
        expect![[r#"
        {"a": "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"}
    "#]],
    );
}

#[test]
fn named_groups_become_attributes() {
    check(
        "[{key: url, pattern: '^/(?P<first>[^/]+)/(?P<a>\\d+)(?P<none>z)?', action: extract}]",
        expect![[r#"
        {"a": "7", "b": 2, "c": 2.5, "d": true, "url": "/x/7?q=1", "first": "x", "none": ""}
    "#]],
    );
    check(
        "[{key: url, pattern: '^(?P<first>none)', action: extract}, {key: b, pattern: '(?P<x>.)', action: extract}]",
        expect![[r#"
        unchanged
    "#]],
    );
}

#[test]
fn what_can_be_converted_is() {
    check(
        "[{key: a, converted_type: int, action: convert}, {key: b, converted_type: string, action: convert},
          {key: c, converted_type: int, action: convert}, {key: d, converted_type: double, action: convert}]",
        expect![[r#"
            {"a": 1, "b": "2", "c": 2, "d": 1.0, "url": "/x/7?q=1"}
        "#]],
    );
    check(
        "[{key: url, converted_type: int, action: convert}, {key: a, converted_type: string, action: convert}]",
        expect![[r#"
        unchanged
    "#]],
    );
}

#[test]
fn each_action_sees_what_the_one_before_has_left() {
    check(
        "[{key: n, value: x, action: insert}, {key: m, from_attribute: n, action: insert}, {key: n, action: delete}]",
        expect![[r#"
            {"a": "1", "b": 2, "c": 2.5, "d": true, "url": "/x/7?q=1", "m": "x"}
        "#]],
    );
}

#[test]
fn every_faulty_action_is_named() {
    check(
        "[{key: a, action: upsurt, value: 1}, {key: a, action: insert}, {action: delete}, {key: a, action: insert, value: 1, from_attribute: b},
          {key: a, action: delete, value: 1}, {key: a, action: extract, pattern: '(x)'}, {key: a, action: extract, pattern: '('},
          {key: a, action: convert, converted_type: bool}, {key: a, value: 1}, {key: a, action: upsert, from_context: metadata.x}]",
        expect![[r#"
            actions[0].action: `upsurt` is no action; one of insert, update, upsert, delete, hash, extract, convert (did you mean `upsert`?)
            actions[1].value: is missing; set value, from_attribute or from_context
            actions[2].key: is missing; name the attribute to act on
            actions[3].from_attribute: is a second source of the value; leave one
            actions[4].value: is not used by the action `delete`; leave it out
            actions[5].pattern: every group needs a name, and there must be one: (?P<name>...) becomes the attribute `name`
            actions[6].pattern: `(` is no regular expression: found open group without closing ')'
            actions[7].converted_type: `bool` is none of string, int, double
            actions[8].action: is missing; one of insert, update, upsert, delete, hash, extract, convert
        "#]],
    );
    check(
        "[]",
        expect![[r#"
        actions: is empty; name at least one action
    "#]],
    );
}

#[test]
fn a_key_that_a_sender_repeats_is_hidden_each_time() {
    let configs: Vec<ActionConfig> = serde_saphyr::from_str("[{key: secret, action: delete}]").unwrap();
    let actions = Actions::build("actions", &configs).unwrap();
    let batch = encode::traces(|request| {
        request.resource(
            |list| {
                list.str("secret", "1").str("x", "2").str("secret", "3");
            },
            |_| {},
        );
    });
    let edited = batch.edit_resources(|list, out| actions.apply(list, &Client::default(), out));
    let resource = edited.view().resource_spans().next().unwrap().resource();
    assert_eq!(format!("{:?}", resource.attributes()), r#"{"x": "2"}"#);
}
