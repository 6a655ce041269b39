//! Keys of connectors.

use super::*;

#[test]
fn no_catalog() {
    check(
        &with("connectors", "  event_metrics: {}\n"),
        expect![[r#"
        error: `catalog` names no catalog, so there would be no metrics; write for example [rsolv]
           --> phasor.yaml:13:3
            |
         13 |   event_metrics: {}
            |   ^^^^^^^^^^^^^
            = path: connectors.event_metrics.catalog

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_catalog_that_is_not_shipped() {
    check(
        &with("connectors", "  event_metrics: {catalog: [rslov]}\n"),
        expect![[r#"
        error: `rslov` is no catalog; shipped: rsolv; a file is written with its path, such as ./rslov.yaml
           --> phasor.yaml:13:29
            |
         13 |   event_metrics: {catalog: [rslov]}
            |                             ^^^^^
            = path: connectors.event_metrics.catalog[0]

        1 error in the configuration
    "#]],
    );
}

#[test]
fn an_interval_of_zero() {
    check(
        &with("connectors", "  event_metrics: {catalog: [rsolv], metrics_flush_interval: 0s}\n"),
        expect![[r#"
            error: `metrics_flush_interval` must be longer than 0, for example 15s
               --> phasor.yaml:13:61
                |
             13 |   event_metrics: {catalog: [rsolv], metrics_flush_interval: 0s}
                |                                                             ^^
                = path: connectors.event_metrics.metrics_flush_interval

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_limit_below_zero() {
    check(
        &with("connectors", "  spanmetrics: {aggregation_cardinality_limit: -1}\n"),
        expect![[r#"
        error: expected a whole number from 0, found the number -1
           --> phasor.yaml:13:48
            |
         13 |   spanmetrics: {aggregation_cardinality_limit: -1}
            |                                                ^^
            = path: connectors.spanmetrics.aggregation_cardinality_limit

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_dimension_without_a_name() {
    check(
        &with("connectors", "  spanmetrics: {dimensions: [{default: GET}]}\n"),
        expect![[r#"
        error: `name` is empty; name a span or resource attribute
           --> phasor.yaml:13:30
            |
         13 |   spanmetrics: {dimensions: [{default: GET}]}
            |                              ^
            = path: connectors.spanmetrics.dimensions[0].name

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_dimension_that_is_a_text() {
    check(
        &with("connectors", "  spanmetrics: {dimensions: [http.method]}\n"),
        expect![[r#"
        error: expected a mapping, found the text `http.method`
           --> phasor.yaml:13:30
            |
         13 |   spanmetrics: {dimensions: [http.method]}
            |                              ^^^^^^^^^^^
            = path: connectors.spanmetrics.dimensions[0]

        1 error in the configuration
    "#]],
    );
}

#[test]
fn a_temporality_that_is_unknown() {
    check(
        &with("connectors", "  spanmetrics: {aggregation_temporality: AGGREGATION_TEMPORALITY_SIDEWAYS}\n"),
        expect![[r#"
            error: `AGGREGATION_TEMPORALITY_SIDEWAYS` is no temporality, use AGGREGATION_TEMPORALITY_CUMULATIVE or AGGREGATION_TEMPORALITY_DELTA
               --> phasor.yaml:13:42
                |
             13 |   spanmetrics: {aggregation_temporality: AGGREGATION_TEMPORALITY_SIDEWAYS}
                |                                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
                = path: connectors.spanmetrics.aggregation_temporality

            1 error in the configuration
        "#]],
    );
}

#[test]
fn a_misspelt_key_of_a_histogram() {
    check(
        &with("connectors", "  spanmetrics: {histogram: {explict: {buckets: [1ms]}}}\n"),
        expect![[r#"
        error: unknown key `explict`
           --> phasor.yaml:13:29
            |
         13 |   spanmetrics: {histogram: {explict: {buckets: [1ms]}}}
            |                             ^^^^^^^
            = path: connectors.spanmetrics.histogram.explict
            = help: did you mean `explicit`?

        1 error in the configuration
    "#]],
    );
}
