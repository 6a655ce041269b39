//! Types and values (conformance P-T).

use expect_test::{Expect, expect};
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, exponential_histogram_data_point::Buckets,
};

use super::{otlp::*, *};

fn check(metrics: Vec<Metric>, expected: Expect) {
    expected.assert_eq(&page(metrics));
}

#[test]
fn p_t1_a_monotonic_sum_is_a_counter_with_its_newest_exemplar() {
    let mut point = int(&[("b.c", "x"), ("a", "1")], 42);
    point.exemplars =
        vec![exemplar(1.0, 1, 0, &[]), exemplar(2.0, 0xab, 1, &[("z", "9"), ("task.id", "00ff")])];
    let mut metric = sum("my.requests", "1", CUMULATIVE, true, vec![point]);
    metric.description = "How \"many\"\nthere were \\".to_owned();
    check(
        vec![metric],
        expect![[r##"
        # TYPE my_requests counter
        # HELP my_requests How \"many\"\nthere were \\
        my_requests_total{a="1",b_c="x"} 42 # {trace_id="abababababababababababababababab",span_id="abababababababab",task_id="00ff",z="9"} 2.0 1700000001.000
        # EOF
    "##]],
    );
}

#[test]
fn p_t5_a_histogram_shows_cumulative_buckets_and_exemplars_in_their_bucket() {
    let mut point = buckets(&[("a", "1")], &[0.5, 1.0, 300_000.0], &[1, 2, 0, 4], 12.5);
    point.exemplars = vec![exemplar(0.5, 1, 1, &[]), exemplar(0.6, 2, 1, &[]), exemplar(1e9, 0, 1, &[])];
    check(
        vec![histogram("request.duration", "s", CUMULATIVE, vec![point])],
        expect![[r##"
        # TYPE request_duration_seconds histogram
        # UNIT request_duration_seconds seconds
        request_duration_seconds_bucket{a="1",le="0.5"} 1 # {trace_id="01010101010101010101010101010101",span_id="0101010101010101"} 0.5 1700000001.000
        request_duration_seconds_bucket{a="1",le="1.0"} 3 # {trace_id="02020202020202020202020202020202",span_id="0202020202020202"} 0.6 1700000001.000
        request_duration_seconds_bucket{a="1",le="300000.0"} 3
        request_duration_seconds_bucket{a="1",le="+Inf"} 7 # {} 1e+09 1700000001.000
        request_duration_seconds_sum{a="1"} 12.5
        request_duration_seconds_count{a="1"} 7
        # EOF
    "##]],
    );
}

#[test]
fn p_t2_sums_that_may_fall_and_gauges_are_gauges() {
    let up_down = sum("queue", "{item}", CUMULATIVE, false, vec![int(&[], -3)]);
    check(
        vec![up_down, gauge("temperature", "Cel", vec![double(&[], 21.5)])],
        expect![[r#"
        # TYPE queue gauge
        queue -3
        # TYPE temperature_celsius gauge
        # UNIT temperature_celsius celsius
        temperature_celsius 21.5
        # EOF
    "#]],
    );
}

#[test]
fn p_t3_deltas_are_added_up_and_repeats_are_not() {
    let mut fixture = Fixture::new();
    let mut put = |point| {
        fixture.put(Resource::default(), vec![sum("a", "", DELTA, true, vec![point])]);
    };
    put(during(int(&[], 5), 0, 10));
    put(during(int(&[], 7), 10, 20));
    put(during(int(&[], 7), 10, 20));
    put(during(int(&[], 1), 0, 5));
    // A gap loses nothing that was sent, and a fraction makes the total one.
    put(during(double(&[], 0.5), 50, 60));
    assert!(fixture.open_metrics().contains("\na_total 12.5\n"), "{}", fixture.open_metrics());
    assert_eq!(fixture.dropped(Dropped::OutOfOrder), 2);
}

#[test]
fn p_t4_a_delta_that_may_fall_becomes_a_gauge() {
    let mut fixture = Fixture::new();
    for (value, from) in [(5, 0), (-2, 10)] {
        let point = during(int(&[], value), from, from + 10);
        fixture.put(Resource::default(), vec![sum("a", "", DELTA, false, vec![point])]);
    }
    assert!(fixture.open_metrics().contains("# TYPE a gauge\na 3\n"));
}

#[test]
fn p_t6_delta_histograms_are_added_up() {
    let mut fixture = Fixture::new();
    for at in 1..=2 {
        let mut point = buckets(&[], &[1.0], &[1, 2], 10.0);
        point.time_unix_nano = START_NS - 100 * SECOND + at * SECOND;
        fixture.put(Resource::default(), vec![histogram("a", "", DELTA, vec![point])]);
    }
    expect![[r##"
        # TYPE a histogram
        a_bucket{le="1.0"} 2
        a_bucket{le="+Inf"} 6
        a_sum 20.0
        a_count 6
        # EOF
    "##]]
    .assert_eq(&fixture.open_metrics());
}

#[test]
fn sums_and_histograms_without_temporality_are_dropped_for_that_reason_and_hold_no_name() {
    let mut fixture = Fixture::new();
    let unsaid = vec![
        sum("a", "", 0, true, vec![int(&[], 1), int(&[("b", "c")], 1)]),
        sum("b", "", 7, false, vec![int(&[], 1)]),
        histogram("h", "", 0, vec![buckets(&[], &[1.0], &[1, 2], 10.0)]),
    ];
    fixture.put(Resource::default(), unsaid);
    assert_eq!(fixture.open_metrics(), "# EOF\n");
    assert_eq!((fixture.dropped(Dropped::NoTemporality), fixture.dropped(Dropped::NoData)), (4, 0));
    fixture.put(Resource::default(), vec![gauge("a", "", vec![int(&[], 1)])]);
    assert_eq!(fixture.open_metrics(), "# TYPE a gauge\na 1\n# EOF\n");
}

#[test]
fn p_n8_a_gauge_of_unit_one_is_called_a_ratio_only_where_that_is_wanted() {
    let metrics = || {
        vec![
            gauge("load", "1", vec![int(&[], 1)]),
            gauge("hit.ratio", "1", vec![int(&[], 1)]),
            sum("calls", "1", CUMULATIVE, true, vec![int(&[], 1)]),
            sum("level", "1", CUMULATIVE, false, vec![int(&[], 1)]),
        ]
    };
    let families = |config: &Config| {
        let mut fixture = Fixture::with(config);
        fixture.put(Resource::default(), metrics());
        let page = fixture.open_metrics();
        let types = page.lines().filter_map(|line| line.strip_prefix("# TYPE "));
        types.filter_map(|line| Some(line.split_once(' ')?.0.to_owned())).collect::<Vec<_>>()
    };
    assert_eq!(families(&Config::default()), ["calls", "hit_ratio", "level", "load"]);
    let config = Config { add_ratio_suffix: true, ..Config::default() };
    assert_eq!(families(&config), ["calls", "hit_ratio", "level", "load_ratio"]);
    let config = Config { add_metric_suffixes: Some(false), ..config };
    assert_eq!(families(&config)[3], "load");
    assert_eq!(config.without_effect()[0].path, "add_ratio_suffix");
}

#[test]
fn p_t9_an_exponential_histogram_is_shown_with_explicit_buckets() {
    let point = ExponentialHistogramDataPoint {
        count: 40,
        sum: Some(99.0),
        positive: Some(Buckets { offset: 3, bucket_counts: vec![10, 0, 0, 20, 5, 2] }),
        zero_count: 3,
        exemplars: vec![exemplar(100.0, 7, 1, &[])],
        ..ExponentialHistogramDataPoint::default()
    };
    check(
        vec![exponential("a", point)],
        expect![[r##"
        # TYPE a histogram
        a_bucket{le="0.0"} 3
        a_bucket{le="16.0"} 13
        a_bucket{le="32.0"} 13
        a_bucket{le="64.0"} 13
        a_bucket{le="128.0"} 33 # {trace_id="07070707070707070707070707070707",span_id="0707070707070707"} 100.0 1700000001.000
        a_bucket{le="256.0"} 38
        a_bucket{le="512.0"} 40
        a_bucket{le="+Inf"} 40
        a_sum 99.0
        a_count 40
        # EOF
    "##]],
    );
}

#[test]
fn p_t10_a_summary_shows_ascending_quantiles() {
    check(
        vec![summary("a", vec![quantiles(&[(0.99, 7.0), (0.5, 2.0)], 3, 11.0)])],
        expect![[r##"
        # TYPE a summary
        a{quantile="0.5"} 2.0
        a{quantile="0.99"} 7.0
        a_sum 11.0
        a_count 3
        # EOF
    "##]],
    );
}

#[test]
fn p_t11_metadata_names_types_that_otlp_has_not() {
    let typed = |mut metric: Metric, kind: &str| {
        metric.metadata = labels(&[("prometheus.type", kind)]);
        metric
    };
    let mut fixture = Fixture::new();
    let states = vec![int(&[("state", "on")], 1), int(&[("state", "off")], 0)];
    fixture.put(
        Resource::default(),
        vec![
            typed(gauge("what", "", vec![int(&[], 1)]), "unknown"),
            typed(gauge("build_info", "", vec![int(&[("v", "1")], 1)]), "info"),
            typed(sum("os_info", "", CUMULATIVE, false, vec![int(&[("v", "2")], 1)]), "info"),
            typed(gauge("state", "", states), "stateset"),
        ],
    );
    expect![[r##"
        # TYPE build info
        build_info{v="1"} 1
        # TYPE os info
        os_info{v="2"} 1
        # TYPE state stateset
        state{state="on"} 1
        state{state="off"} 0
        # TYPE what unknown
        what 1
        # EOF
    "##]]
    .assert_eq(&fixture.open_metrics());
    expect![[r##"
        # TYPE build_info gauge
        build_info{v="1"} 1
        # TYPE os_info gauge
        os_info{v="2"} 1
        # TYPE state gauge
        state{state="on"} 1
        state{state="off"} 0
        # TYPE what untyped
        what 1
    "##]]
    .assert_eq(&fixture.page(Format::Text));
}

#[test]
fn p_t12_no_recorded_value_ends_only_its_own_series() {
    let mut fixture = Fixture::new();
    let three = |ended: usize| {
        let mut points: Vec<_> = ["1", "2", "3"].iter().map(|a| int(&[("a", a)], 1)).collect();
        if let Some(point) = points.get_mut(ended) {
            (point.flags, point.value) = (1, None);
        }
        vec![gauge("g", "", points)]
    };
    fixture.put(Resource::default(), three(9)).put(Resource::default(), three(0));
    expect![[r##"
        # TYPE g gauge
        g{a="2"} 1
        g{a="3"} 1
        # EOF
    "##]]
    .assert_eq(&fixture.open_metrics());
}

#[test]
fn p_t13_older_points_are_ignored_and_counted() {
    let mut fixture = Fixture::new();
    fixture.put(Resource::default(), vec![counter("a", vec![during(int(&[], 9), 0, 20)])]);
    fixture.put(Resource::default(), vec![counter("a", vec![during(int(&[], 5), 0, 10)])]);
    assert!(fixture.open_metrics().contains("a_total 9\n"));
    assert_eq!(fixture.dropped(Dropped::OutOfOrder), 1);
}

#[test]
fn p_t14_a_later_start_is_a_restart_and_created_shows_it() {
    let config = Config { created_timestamps: true, ..Config::default() };
    let mut fixture = Fixture::with(&config);
    fixture.put(Resource::default(), vec![counter("a", vec![during(int(&[], 9), 0, 20)])]);
    assert!(fixture.open_metrics().contains("a_total 9\na_created 1699999900.000\n"));
    fixture.put(Resource::default(), vec![counter("a", vec![during(int(&[], 2), 30, 40)])]);
    assert!(fixture.open_metrics().contains("a_total 2\na_created 1699999930.000\n"));
    // A fall that is not announced moves the start all the same.
    fixture.put(Resource::default(), vec![counter("a", vec![during(int(&[], 1), 30, 50)])]);
    assert!(fixture.open_metrics().contains("a_total 1\na_created 1699999950.000\n"));
}

#[test]
fn p_t15_times_of_samples_are_an_option() {
    let config = Config { send_timestamps: true, ..Config::default() };
    let mut fixture = Fixture::with(&config);
    fixture.put(Resource::default(), vec![gauge("a", "", vec![during(int(&[], 9), 0, 20)])]);
    assert!(fixture.open_metrics().contains("a 9 1699999920.000\n"));
    assert!(fixture.page(Format::Text).contains("a 9 1699999920000\n"));
}

#[test]
fn p_t16_impossible_histograms_and_counters_are_dropped_and_counted() {
    let mut fixture = Fixture::new();
    let bad = vec![
        buckets(&[], &[2.0, 1.0], &[1, 1, 1], 1.0),
        buckets(&[], &[1.0], &[1, 1, 1], 1.0),
        buckets(&[], &[1.0], &[1, 1], f64::NAN),
        buckets(&[], &[f64::NAN], &[1, 1], 1.0),
    ];
    fixture.put(Resource::default(), vec![histogram("h", "", CUMULATIVE, bad)]);
    fixture.put(Resource::default(), vec![counter("c", vec![int(&[], -1), double(&[], f64::NAN)])]);
    assert_eq!(fixture.open_metrics(), "# EOF\n");
    assert_eq!(fixture.dropped(Dropped::InvalidHistogram), 4);
    assert_eq!(fixture.dropped(Dropped::InvalidValue), 2);
}
