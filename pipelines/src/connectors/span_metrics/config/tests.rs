use expect_test::{Expect, expect};

use super::*;

fn check(yaml: &str, expected: Expect) {
    let config: Config = serde_saphyr::from_str(yaml).expect("readable");
    let errors = config.check().err().unwrap_or_default();
    let errors: String = errors.iter().map(|error| format!("{error}\n")).collect();
    expected.assert_eq(&errors);
}

#[test]
fn the_default_is_sound() {
    check("{}", expect![[r#""#]]);
}

#[test]
fn a_dimension_named_twice_is_refused_with_both_places() {
    check(
        "{dimensions: [{name: a}, {name: b}, {name: a}, {name: span.name}, {name: ''}], exclude_dimensions: [span.kind, kind]}",
        expect![[r#"
            dimensions[2].name: `a` is already dimensions[0]; name it once
            dimensions[3].name: `span.name` is already one of the default dimensions; leave it out here, or add `span.name` to exclude_dimensions
            dimensions[4].name: is empty; name a span or resource attribute
            exclude_dimensions[1]: `kind` is none of service.name, span.name, span.kind, status.code
        "#]],
    );
}

#[test]
fn what_is_not_built_yet_is_refused_with_what_to_write_instead() {
    check(
        "{aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA, events: {enabled: true}, include_instrumentation_scope: [x],
          histogram: {exponential: {max_size: 5}, explicit: {buckets: [2s, 1s]}}, metrics_flush_interval: 0}",
        expect![[r#"
            histogram.explicit.buckets[1]: 1s is not longer than the bound before it, 2s
            aggregation_temporality: delta is not supported yet, use AGGREGATION_TEMPORALITY_CUMULATIVE
            histogram.exponential: is not supported yet, use `explicit` buckets
            include_instrumentation_scope: is not supported yet, leave it out
            events.enabled: is not supported yet, leave `events` out
            metrics_flush_interval: must be longer than 0, for example 15s
        "#]],
    );
}

#[test]
fn an_excluded_dimension_may_be_configured_anew() {
    check("{dimensions: [{name: span.name, default: x}], exclude_dimensions: [span.name]}", expect![[r#""#]]);
}
