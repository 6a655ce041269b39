//! Keys of processors.

use super::*;

#[test]
fn a_memory_limiter_without_a_limit() {
    check(
        &with("processors", "  memory_limiter: {check_interval: 1s}\n"),
        expect![[r#"
        error: `limit_mib` is missing; write for example limit_mib: 512, or limit_percentage: 75
           --> phasor.yaml:13:3
            |
         13 |   memory_limiter: {check_interval: 1s}
            |   ^^^^^^^^^^^^^^
            = path: processors.memory_limiter.limit_mib

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_share_of_more_than_all_memory() {
    check(
        &with("processors", "  memory_limiter: {limit_percentage: 150}\n"),
        expect![[r#"
        error: `limit_percentage` is 150, a share of the memory is at most 100
           --> phasor.yaml:13:38
            |
         13 |   memory_limiter: {limit_percentage: 150}
            |                                      ^^^
            = path: processors.memory_limiter.limit_percentage

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_spike_as_large_as_the_limit() {
    check(
        &with("processors", "  memory_limiter: {limit_mib: 100, spike_limit_mib: 100}\n"),
        expect![[r#"
            error: `spike_limit_mib` must be less than limit_mib, or everything is refused
               --> phasor.yaml:13:53
                |
             13 |   memory_limiter: {limit_mib: 100, spike_limit_mib: 100}
                |                                                     ^^^
                = path: processors.memory_limiter.spike_limit_mib

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_batch_whose_largest_is_smaller() {
    check(
        &with("processors", "  batch: {send_batch_size: 100, send_batch_max_size: 10}\n"),
        expect![[r#"
            error: `send_batch_max_size` must be 0 or at least send_batch_size, which is 100
               --> phasor.yaml:13:54
                |
             13 |   batch: {send_batch_size: 100, send_batch_max_size: 10}
                |                                                      ^^
                = path: processors.batch.send_batch_max_size

            1 error in the configuration
        "#]],
    );
}

#[test]
fn batches_by_metadata() {
    check(
        &with("processors", "  batch: {metadata_keys: [tenant]}\n"),
        expect![[r#"
        error: `metadata_keys` is not supported yet, leave it out
           --> phasor.yaml:13:11
            |
         13 |   batch: {metadata_keys: [tenant]}
            |           ^^^^^^^^^^^^^
            = path: processors.batch.metadata_keys

        1 error in the configuration
    "#]],
    );
}

#[test]
fn no_actions() {
    check(
        &with("processors", "  attributes: {actions: []}\n"),
        expect![[r#"
        error: `actions` is empty; name at least one action
           --> phasor.yaml:13:16
            |
         13 |   attributes: {actions: []}
            |                ^^^^^^^
            = path: processors.attributes.actions

        1 error in the configuration
    "#]],
    );
}

#[test]
fn an_action_without_a_verb() {
    check(
        &with("processors", "  attributes: {actions: [{key: a}]}\n"),
        expect![[r#"
        error: `action` is missing; one of insert, update, upsert, delete, hash, extract, convert
           --> phasor.yaml:13:26
            |
         13 |   attributes: {actions: [{key: a}]}
            |                          ^
            = path: processors.attributes.actions[0].action

        1 error in the configuration
    "#]],
    );
}

#[test]
fn an_action_without_a_source() {
    check(
        &with("processors", "  attributes: {actions: [{key: a, action: insert}]}\n"),
        expect![[r#"
            error: `value` is missing; set value, from_attribute or from_context
               --> phasor.yaml:13:26
                |
             13 |   attributes: {actions: [{key: a, action: insert}]}
                |                          ^
                = path: processors.attributes.actions[0].value

            1 error in the configuration
        "#]],
    );
}

#[test]
fn an_action_with_two_sources() {
    check(
        &with(
            "processors",
            "  attributes: {actions: [{key: a, action: insert, value: 1, from_attribute: b}]}\n",
        ),
        expect![[r#"
            error: `from_attribute` is a second source of the value; leave one
               --> phasor.yaml:13:77
                |
             13 |   attributes: {actions: [{key: a, action: insert, value: 1, from_attribute: b}]}
                |                                                                             ^
                = path: processors.attributes.actions[0].from_attribute

            1 error in the configuration
        "#]],
    );
}

#[test]
fn an_action_with_a_key_it_does_not_use() {
    check(
        &with("processors", "  attributes: {actions: [{key: a, action: delete, value: 1}]}\n"),
        expect![[r#"
            error: `value` is not used by the action `delete`; leave it out
               --> phasor.yaml:13:58
                |
             13 |   attributes: {actions: [{key: a, action: delete, value: 1}]}
                |                                                          ^
                = path: processors.attributes.actions[0].value

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_value_from_the_context() {
    check(
        &with(
            "processors",
            "  attributes: {actions: [{key: a, action: upsert, from_context: auth.subject}]}\n",
        ),
        expect![[r#"
            error: `from_context` has no value here: no authenticator tells who came; write metadata.NAME for a header, or client.address
               --> phasor.yaml:13:65
                |
             13 |   attributes: {actions: [{key: a, action: upsert, from_context: auth.subject}]}
                |                                                                 ^^^^^^^^^^^^
                = path: processors.attributes.actions[0].from_context

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_value_that_is_a_mapping() {
    check(
        &with("processors", "  attributes: {actions: [{key: a, action: insert, value: {b: c}}]}\n"),
        expect![[r#"
            error: expected a text, a number, `true`, `false`, or a list of these
               --> phasor.yaml:13:51
                |
             13 |   attributes: {actions: [{key: a, action: insert, value: {b: c}}]}
                |                                                   ^^^^^
                = path: processors.attributes.actions[0].value

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_regular_expression_that_is_none() {
    check(
        &with("processors", "  attributes: {actions: [{key: a, action: extract, pattern: \"(\"}]}\n"),
        expect![[r#"
            error: `(` is no regular expression: found open group without closing ')'
               --> phasor.yaml:13:61
                |
             13 |   attributes: {actions: [{key: a, action: extract, pattern: "("}]}
                |                                                             ^^^
                = path: processors.attributes.actions[0].pattern

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_pattern_without_names() {
    check(
        &with("processors", "  attributes: {actions: [{key: a, action: extract, pattern: \"(.*)\"}]}\n"),
        expect![[r#"
            error: every group needs a name, and there must be one: (?P<name>...) becomes the attribute `name`
               --> phasor.yaml:13:61
                |
             13 |   attributes: {actions: [{key: a, action: extract, pattern: "(.*)"}]}
                |                                                             ^^^^^^
                = path: processors.attributes.actions[0].pattern

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_conversion_to_no_type() {
    check(
        &with("processors", "  attributes: {actions: [{key: a, action: convert, converted_type: float}]}\n"),
        expect![[r#"
            error: `float` is none of string, int, double
               --> phasor.yaml:13:68
                |
             13 |   attributes: {actions: [{key: a, action: convert, converted_type: float}]}
                |                                                                    ^^^^^
                = path: processors.attributes.actions[0].converted_type

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_match_of_nothing() {
    check(
        &with("processors", "  attributes: {actions: [{key: a, action: delete}], include: {}}\n"),
        expect![[r#"
            error: `include` matches nothing in particular; name services, span_names, attributes or resources
               --> phasor.yaml:13:53
                |
             13 |   attributes: {actions: [{key: a, action: delete}], include: {}}
                |                                                     ^^^^^^^
                = path: processors.attributes.include

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_way_to_match_that_is_unknown() {
    check(
        &with(
            "processors",
            "  attributes: {actions: [{key: a, action: delete}], include: {match_type: regex, services: [a]}}\n",
        ),
        expect![[r#"
            error: `regex` is none of `strict`, `regexp`
               --> phasor.yaml:13:75
                |
             13 |   attributes: {actions: [{key: a, action: delete}], include: {match_type: regex, services: [a]}}
                |                                                                           ^^^^^
                = path: processors.attributes.include.match_type
                = help: did you mean `regexp`?

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_kind_of_spans_that_is_unknown() {
    check(
        &with(
            "processors",
            "  attributes: {actions: [{key: a, action: delete}], include: {span_kinds: [server]}}\n",
        ),
        expect![[r#"
            error: `server` is no kind of span; write one of SPAN_KIND_INTERNAL, SPAN_KIND_SERVER, SPAN_KIND_CLIENT, SPAN_KIND_PRODUCER, SPAN_KIND_CONSUMER
               --> phasor.yaml:13:76
                |
             13 |   attributes: {actions: [{key: a, action: delete}], include: {span_kinds: [server]}}
                |                                                                            ^^^^^^
                = path: processors.attributes.include.span_kinds[0]

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_severity_beyond_the_scale() {
    check(
        &with(
            "processors",
            "  attributes: {actions: [{key: a, action: delete}], include: {log_severity_number: {min: 50}}}\n",
        ),
        expect![[r#"
            error: `min` must lie between 1 and 24; INFO is 9
               --> phasor.yaml:13:90
                |
             13 |   attributes: {actions: [{key: a, action: delete}], include: {log_severity_number: {min: 50}}}
                |                                                                                          ^^
                = path: processors.attributes.include.log_severity_number.min

            1 error in the configuration
        "#]],
    );
}

#[test]
fn an_attribute_to_match_without_a_key() {
    check(
        &with(
            "processors",
            "  attributes: {actions: [{key: a, action: delete}], include: {attributes: [{value: 1}]}}\n",
        ),
        expect![[r#"
            error: `key` is missing; name an attribute
               --> phasor.yaml:13:76
                |
             13 |   attributes: {actions: [{key: a, action: delete}], include: {attributes: [{value: 1}]}}
                |                                                                            ^
                = path: processors.attributes.include.attributes[0].key

            1 error in the configuration
        "#]],
    );
}
