//! The document as a whole and its types (conformance M-D, M-T). Every page of a [`Fixture`] goes through
//! [`checker::check`] besides.

use expect_test::expect;
use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, exponential_histogram_data_point::Buckets,
};

use super::{otlp::*, *};

/// A table with everything that a page may have.
fn everything() -> Fixture {
    let mut fixture = Fixture::with(&Config { created_timestamps: true, ..Config::default() });
    let typed = |mut metric: Metric, kind: &str| {
        metric.metadata = labels(&[("prometheus.type", kind)]);
        metric.description = "Said by \"somebody\"\r\nwith a \\".to_owned();
        metric
    };
    let mut counted = during(int(&[("a", "\u{feff}\"\\\n")], 5), 0, 10);
    counted.exemplars = vec![exemplar(1.0, 1, 0, &[("k", "\n")])];
    let mut timed = buckets(&[], &[1e-5, 0.005, 1e6], &[1, 2, 0, 3], 12.5);
    timed.exemplars = vec![exemplar(0.001, 2, 0, &[])];
    let natural = ExponentialHistogramDataPoint {
        sum: Some(99.0),
        positive: Some(Buckets { offset: 3, bucket_counts: vec![10, 0, 20] }),
        zero_count: 3,
        ..ExponentialHistogramDataPoint::default()
    };
    let states = vec![int(&[("state", "on")], 1), int(&[("state", "off")], 0)];
    let metrics = vec![
        counter("requests", vec![counted, during(int(&[("a", "2")], 6), 0, 10)]),
        histogram("request.duration", "s", CUMULATIVE, vec![timed]),
        exponential("sizes", natural),
        summary("rtt", vec![quantiles(&[(0.0, 1.0), (0.5, 2.0), (1.0, f64::NAN)], 3, 11.0)]),
        typed(gauge("temperature", "Cel", vec![double(&[], f64::NEG_INFINITY)]), ""),
        typed(gauge("what", "", vec![double(&[], f64::NAN)]), "unknown"),
        typed(gauge("build_info", "s", vec![int(&[("v", "1")], 1)]), "info"),
        typed(gauge("state", "", states), "stateset"),
    ];
    fixture.put(Resource::of(&[("service.name", "n"), ("host.name", "h")]).scope("lib", "1", &[]), metrics);
    fixture
}

fn lines_of<'a>(page: &'a str, start: &str) -> Vec<&'a str> {
    page.lines().filter(|line| line.starts_with(start)).collect()
}

#[test]
fn m_d2_the_page_ends_with_eof_and_has_no_other_comments() {
    let page = everything().open_metrics();
    let body = page.strip_suffix("# EOF\n").unwrap();
    assert!(!body.contains("# EOF") && !page.starts_with('\u{feff}'));
    for line in body.split_terminator('\n') {
        assert!(!line.is_empty() && !line.ends_with('\r') && !line.starts_with(' '), "{line:?}");
        let keyword = line.strip_prefix("# ").map(|comment| comment.split(' ').next().unwrap());
        assert!(keyword.is_none_or(|keyword| ["TYPE", "UNIT", "HELP"].contains(&keyword)), "{line}");
    }
    assert!(!lines_of(&page, "# HELP temperature").iter().any(|line| line.contains('\r')));
}

#[test]
fn m_d3_text_is_escaped() {
    let page = everything().open_metrics();
    assert!(page.contains("{a=\"\u{feff}\\\"\\\\\\n\","), "{page}");
    assert!(page.contains("# HELP temperature_celsius Said by \\\"somebody\\\"\\nwith a \\\\\n"), "{page}");
    assert!(page.contains(",k=\"\\n\"} 1.0 "), "exemplars too: {page}");
}

#[test]
fn m_d4_metadata_stands_once_and_in_order_before_the_samples() {
    let page = everything().open_metrics();
    expect![[r##"
        # TYPE temperature_celsius gauge
        # UNIT temperature_celsius celsius
        # HELP temperature_celsius Said by \"somebody\"\nwith a \\"##]]
    .assert_eq(
        &lines_of(&page, "# ")
            .into_iter()
            .filter(|line| line.contains(" temperature_"))
            .collect::<Vec<_>>()
            .join("\n"),
    );
}

#[test]
fn m_d5_families_stand_apart_and_their_names_are_unique() {
    let mut fixture = everything();
    // More series of families that are there already, from elsewhere, and in another order.
    let more = vec![gauge("what", "", vec![int(&[("b", "1")], 1)]), counter("requests", vec![int(&[], 1)])];
    fixture.put(Resource::of(&[("service.name", "m")]), more);
    let page = fixture.open_metrics();
    let families: Vec<_> = lines_of(&page, "# TYPE ");
    assert_eq!(families.len(), 9, "{page}");
    let of_requests: Vec<bool> = page.lines().map(|line| line.starts_with("requests_")).collect();
    let blocks = of_requests.chunk_by(|a, b| a == b).filter(|block| block[0]).count();
    assert_eq!(blocks, 1, "{page}");
}

#[test]
fn m_d6_a_unit_is_what_the_name_ends_with() {
    let page = everything().open_metrics();
    assert_eq!(
        lines_of(&page, "# UNIT "),
        ["# UNIT request_duration_seconds seconds", "# UNIT temperature_celsius celsius"],
        "info and state sets have none"
    );
}

#[test]
fn m_d7_label_names_are_unique_and_not_reserved() {
    let point = int(&[("__name__", "x"), ("_a", "y"), ("b.c", "1"), ("b_c", "2"), ("le", "3")], 1);
    expect![[r##"
        # TYPE a gauge
        a{b_c="1;2",key_a="y",key_name_="x",le="3"} 1
        # EOF
    "##]]
    .assert_eq(&page(vec![gauge("a", "", vec![point])]));
}

#[test]
fn m_d8_numbers_are_spelled_canonically() {
    let page = everything().open_metrics();
    for expected in [
        "le=\"1e-05\"} 1\n",
        "le=\"0.005\"} 3 # ",
        "le=\"1e+06\"} 3\n",
        "le=\"+Inf\"} 6\n",
        "quantile=\"0.0\"} 1.0\n",
        "quantile=\"1.0\"} NaN\n",
        "temperature_celsius{instance=\"\",job=\"n\",otel_scope_name=\"lib\",otel_scope_version=\"1\"} -Inf\n",
    ] {
        assert!(page.contains(expected), "{expected} in {page}");
    }
}

#[test]
fn m_d10_a_scrape_changes_nothing_for_the_next() {
    let fixture = everything();
    let first = (fixture.open_metrics(), fixture.page(Format::Text));
    assert_eq!((fixture.open_metrics(), fixture.page(Format::Text)), first);
}

#[test]
fn m_d11_what_did_not_change_is_shown_again() {
    let mut fixture = everything();
    let before = fixture.open_metrics();
    fixture.put(Resource::default(), vec![gauge("other", "", vec![int(&[], 1)])]);
    fixture.now_ns += 600 * SECOND;
    let after = fixture.open_metrics();
    assert!(before.lines().all(|line| after.contains(line)), "{after}");
}

#[test]
fn m_t1_a_counter_falls_only_where_created_moves() {
    let mut fixture = Fixture::with(&Config { created_timestamps: true, ..Config::default() });
    let mut put = |value, from_s, to_s| {
        fixture.put(
            Resource::default(),
            vec![sum("a", "", CUMULATIVE, true, vec![during(value, from_s, to_s)])],
        );
        fixture.open_metrics().replace("# TYPE a counter\n", "").replace("# EOF\n", "")
    };
    assert_eq!(put(int(&[], 5), 0, 10), "a_total 5\na_created 1699999900.000\n");
    for impossible in [int(&[], -1), double(&[], f64::NAN), double(&[], -0.5)] {
        assert_eq!(put(impossible, 0, 20), "a_total 5\na_created 1699999900.000\n");
    }
    assert_eq!(put(int(&[], 1), 0, 30), "a_total 1\na_created 1699999930.000\n");
}

#[test]
fn m_t2_a_histogram_is_cumulative_and_complete() {
    let page = everything().open_metrics();
    let labels = r#"instance="",job="n",otel_scope_name="lib",otel_scope_version="1""#;
    let expected = format!(
        "request_duration_seconds_sum{{{labels}}} 12.5\nrequest_duration_seconds_count{{{labels}}} 6\n"
    );
    assert!(page.contains(&expected) && page.contains("le=\"+Inf\"} 6\n"), "{page}");
}

#[test]
fn m_t2_negative_bounds_have_no_sum_in_openmetrics() {
    let mut fixture = Fixture::new();
    let point = buckets(&[], &[-1.0, f64::INFINITY], &[1, 2, 0], -5.0);
    fixture.put(Resource::default(), vec![histogram("h", "", CUMULATIVE, vec![point])]);
    expect![[r##"
        # TYPE h histogram
        h_bucket{le="-1.0"} 1
        h_bucket{le="+Inf"} 3
        # EOF
    "##]]
    .assert_eq(&fixture.open_metrics());
    assert!(fixture.page(Format::Text).contains("h_sum -5.0\nh_count 3\n"));
}

#[test]
fn m_t3_only_info_has_a_suffix_among_those_of_one_sample() {
    let page = everything().open_metrics();
    let labels = r#"instance="",job="n",otel_scope_name="lib",otel_scope_version="1""#;
    for expected in [
        format!(
            "# TYPE what unknown\n# HELP what Said by \\\"somebody\\\"\\nwith a \\\\\nwhat{{{labels}}} NaN\n"
        ),
        format!(
            "# TYPE build info\n# HELP build Said by \\\"somebody\\\"\\nwith a \\\\\nbuild_info{{{labels},v=\"1\"}} 1\n"
        ),
        format!("state{{{labels},state=\"on\"}} 1\nstate{{{labels},state=\"off\"}} 0\n"),
    ] {
        assert!(page.contains(&expected), "{expected} in {page}");
    }
    // An info that is not 1, a state without its label, a state that is neither on nor off.
    let mut fixture = Fixture::new();
    let typed = |name: &str, point, kind: &str| {
        let mut metric = gauge(name, "", vec![point]);
        metric.metadata = labels_of(kind);
        metric
    };
    fixture.put(
        Resource::default(),
        vec![
            typed("a", int(&[], 2), "info"),
            typed("b", int(&[], 1), "stateset"),
            typed("c", int(&[("c", "x")], 2), "stateset"),
        ],
    );
    assert_eq!((fixture.open_metrics().as_str(), fixture.dropped(Dropped::InvalidValue)), ("# EOF\n", 3));
}

fn labels_of(kind: &str) -> Vec<opentelemetry_proto::tonic::common::v1::KeyValue> {
    labels(&[("prometheus.type", kind)])
}

#[test]
fn m_t4_impossible_summaries_are_dropped_and_counted() {
    let mut fixture = Fixture::new();
    let bad = [(1.5, 1.0), (-0.1, 1.0), (0.5, -1.0), (f64::NAN, 1.0)].map(|pair| quantiles(&[pair], 1, 1.0));
    let twice = quantiles(&[(0.5, 1.0), (0.5, 2.0)], 1, 1.0);
    let no_sum = quantiles(&[], 1, f64::NAN);
    fixture.put(Resource::default(), vec![summary("s", [bad.to_vec(), vec![twice, no_sum]].concat())]);
    assert_eq!(fixture.open_metrics(), "# EOF\n");
    assert_eq!(fixture.dropped(Dropped::InvalidValue), 6);
    // A sum below zero may fall, so it is left out.
    fixture.put(Resource::default(), vec![summary("s", vec![quantiles(&[(0.5, f64::NAN)], 2, -1.0)])]);
    assert_eq!(fixture.open_metrics(), "# TYPE s summary\ns{quantile=\"0.5\"} NaN\ns_count 2\n# EOF\n");
}

#[test]
fn m_t5_exemplars_stand_on_totals_and_buckets_only() {
    let mut fixture = everything();
    let mut measured = int(&[], 1);
    measured.exemplars = vec![exemplar(1.0, 1, 0, &[])];
    let metrics =
        vec![gauge("g", "", vec![measured.clone()]), sum("u", "", CUMULATIVE, false, vec![measured])];
    fixture.put(Resource::default(), metrics);
    let page = fixture.open_metrics();
    let with: Vec<_> = page.lines().filter(|line| line.contains(" # {")).collect();
    assert_eq!(with.len(), 2, "{page}");
    assert!(
        with.iter().all(|line| line.starts_with("requests_total{") || line.contains("_bucket{")),
        "{page}"
    );
    // Neither a value nor a time that is no number.
    fixture.put(Resource::default(), {
        let mut point = int(&[], 1);
        point.exemplars = vec![exemplar(f64::NAN, 1, 0, &[])];
        vec![counter("n", vec![point])]
    });
    assert!(fixture.open_metrics().contains("\nn_total 1\n"));
    assert_eq!(fixture.table.counts.dropped_exemplars.total(), 1);
}

#[test]
fn m_t6_times_are_seconds() {
    let mut fixture = Fixture::with(&Config { send_timestamps: true, ..Config::default() });
    fixture.put(Resource::default(), vec![counter("a", vec![during(int(&[], 9), 0, 20)])]);
    assert!(fixture.open_metrics().contains("\na_total 9 1699999920.000\n"));
}

#[test]
fn m_t7_text_has_the_older_names_and_milliseconds() {
    let mut fixture = Fixture::with(&Config { send_timestamps: true, ..Config::default() });
    let mut point = during(int(&[], 1), 0, 20);
    point.exemplars = vec![exemplar(1.0, 1, 0, &[])];
    let mut metric = counter("a", vec![point]);
    metric.description = "Counts".to_owned();
    fixture.put(Resource::default(), vec![metric]);
    expect![[r#"
        # HELP a_total Counts
        # TYPE a_total counter
        a_total 1 1699999920000
    "#]]
    .assert_eq(&fixture.page(Format::Text));
    let page = everything().page(Format::Text);
    assert!(page.ends_with('\n') && !page.contains("# UNIT") && !page.contains("# EOF"), "{page}");
    for kind in ["build_info gauge", "state gauge", "what untyped", "rtt summary", "sizes histogram"] {
        assert!(page.contains(&format!("\n# TYPE {kind}\n")), "{page}");
    }
}
