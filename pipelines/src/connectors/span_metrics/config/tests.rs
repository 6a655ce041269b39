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
fn s_4_a_dimension_named_twice_is_refused_with_both_places() {
    check(
        "{dimensions: [{name: a}, {name: b}, {name: a}, {name: span.name}, {name: ''}], exclude_dimensions: [span.kind, kind],
          calls_dimensions: [{name: c}, {name: c}], histogram: {dimensions: [{name: service.name}]},
          events: {enabled: true, dimensions: [{name: a}, {name: d}, {name: d}]}}",
        expect![[r#"
            dimensions[2].name: `a` is already dimensions[0]; name it once
            dimensions[3].name: `span.name` is already one of the default dimensions; leave it out here, or add `span.name` to exclude_dimensions
            dimensions[4].name: is empty; name a span or resource attribute, or write a `glob`
            calls_dimensions[1].name: `c` is already calls_dimensions[0]; name it once
            histogram.dimensions[0].name: `service.name` is already one of the default dimensions; leave it out here, or add `service.name` to exclude_dimensions
            events.dimensions[2].name: `d` is already events.dimensions[1]; name it once
            exclude_dimensions[1]: `kind` is none of service.name, span.name, span.kind, status.code, collector.instance.id
        "#]],
    );
}

#[test]
fn s_4_a_name_that_a_pattern_finds_too_is_refused_with_both_places() {
    check(
        "{dimensions: [{name: k8s.pod}, {glob: 'k8s.*'}, {glob: 'k8s.*'}, {name: x, glob: y}, {glob: '{a', default: b}, {glob: '[a'}, {default: b}],
          calls_dimensions: [{glob: 'http.*'}, {name: http.method}]}",
        expect![[r#"
            dimensions[1].glob: `k8s.*` is a pattern of `k8s.pod` too, which is dimensions[0]; name it once
            dimensions[2].glob: `k8s.*` is already dimensions[1]; write it once
            dimensions[3]: write one of `name` and `glob`, not both: `x` and `y`
            dimensions[4].default: belongs to a `name`; what a `glob` does not find has no name
            dimensions[5].glob: `[a` leaves a bracket open
            dimensions[6].name: is empty; name a span or resource attribute
            calls_dimensions[1].name: `http.method` is of the pattern calls_dimensions[0]; name it once
        "#]],
    );
}

#[test]
fn what_cannot_be_is_refused_with_what_to_write_instead() {
    check(
        "{aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA, events: {enabled: true}, collector_instance_id: '',
          histogram: {exponential: {max_size: 1}, explicit: {buckets: [2s, 1s]}}, metrics_flush_interval: 0}",
        expect![[r#"
            histogram.exponential.max_size: must be between 2 and 16384, or 0 for the default
            histogram.explicit.buckets[1]: 1s is not longer than the bound before it, 2s
            events.dimensions: is empty; name what tells events apart, for example exception.type
            collector_instance_id: is empty; leave it out, or write what tells this collector from others
            metrics_flush_interval: must be longer than 0, for example 15s
        "#]],
    );
}

#[test]
fn what_has_no_effect_is_told() {
    let yaml =
        "{dimensions_cache_size: 5, metric_timestamp_cache_size: 5, resource_metrics_key_attributes: [a],
        events: {dimensions: [{name: x}]}, histogram: {disable: true, dimensions: [{name: y}]}}";
    let config: Config = serde_saphyr::from_str(yaml).expect("readable");
    let warnings: String = config.warnings().iter().map(|warning| format!("{warning}\n")).collect();
    expect![[r#"
        dimensions_cache_size: has no effect: dimensions are not cached here
        metric_timestamp_cache_size: has no effect: it belongs to AGGREGATION_TEMPORALITY_DELTA
        resource_metrics_key_attributes: has no effect: resources are told apart only with `add_resource_attributes: true`
        events.dimensions: has no effect: events are counted only with `enabled: true`
        histogram.dimensions: has no effect: there is no histogram
    "#]].assert_eq(&warnings);
    assert_eq!(Config::default().warnings(), []);
}

#[test]
fn an_excluded_dimension_may_be_configured_anew() {
    check("{dimensions: [{name: span.name, default: x}], exclude_dimensions: [span.name]}", expect![[r#""#]]);
}
