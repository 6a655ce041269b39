//! Exemplars on the page (conformance P-E).

use super::{otlp::*, *};

/// A counter with these exemplars.
fn with_exemplars(exemplars: Vec<opentelemetry_proto::tonic::metrics::v1::Exemplar>) -> Vec<Metric> {
    let mut point = int(&[], 1);
    point.exemplars = exemplars;
    vec![counter("a", vec![point])]
}

#[test]
fn p_e1_ids_stand_on_counters_and_buckets() {
    let ids = r#"{trace_id="abababababababababababababababab",span_id="abababababababab"}"#;
    let mut point = buckets(&[], &[1.0], &[1, 0], 0.5);
    point.exemplars = vec![exemplar(0.5, 0xab, 1, &[])];
    let mut metrics = with_exemplars(vec![exemplar(2.0, 0xab, 1, &[])]);
    metrics.push(histogram("h", "", CUMULATIVE, vec![point]));
    let page = page(metrics);
    assert!(page.contains(&format!("\na_total 1 # {ids} 2.0 1700000001.000\n")), "{page}");
    assert!(page.contains(&format!("\nh_bucket{{le=\"1.0\"}} 1 # {ids} 0.5 1700000001.000\n")), "{page}");
}

#[test]
fn p_e2_the_time_is_there_with_milliseconds() {
    let mut late = exemplar(1.0, 1, 0, &[]);
    late.time_unix_nano = START_NS + 123_456_789;
    assert!(page(with_exemplars(vec![late])).contains("} 1.0 1700000000.123\n"));
    // Where the sender gives none it is the arrival.
    let mut timeless = exemplar(1.0, 1, 0, &[]);
    timeless.time_unix_nano = 0;
    assert!(page(with_exemplars(vec![timeless])).contains("} 1.0 1700000001.000\n"));
}

#[test]
fn p_e3_attributes_that_do_not_fit_beside_the_ids_are_left_out() {
    let (fits, long) = ("x".repeat(64), "x".repeat(65));
    let page_of = |value: &str| page(with_exemplars(vec![exemplar(1.0, 1, 0, &[("k", value)])]));
    assert!(page_of(&fits).contains(&format!(",k=\"{fits}\"}} 1.0 ")));
    assert!(page_of(&long).contains("span_id=\"0101010101010101\"} 1.0 "));
}

#[test]
fn p_e4_the_real_id_wins_over_an_attribute() {
    let page =
        page(with_exemplars(vec![exemplar(1.0, 1, 0, &[("trace_id", "forged"), ("trace.id", "too")])]));
    assert!(
        page.contains("{trace_id=\"01010101010101010101010101010101\",span_id=\"0101010101010101\"} 1.0 "),
        "{page}"
    );
}

#[test]
fn p_e5_the_newest_of_many_is_shown() {
    let many = vec![exemplar(1.0, 1, 0, &[]), exemplar(2.0, 2, 1, &[]), exemplar(3.0, 3, 0, &[])];
    let page = page(with_exemplars(many));
    assert!(page.contains("trace_id=\"0202"), "{page}");
}

#[test]
fn p_e5_an_older_exemplar_that_comes_later_does_not_take_the_place() {
    let mut fixture = Fixture::new();
    for (trace, at_s) in [(2, 1), (1, 0)] {
        fixture.put(Resource::default(), with_exemplars(vec![exemplar(1.0, trace, at_s, &[])]));
    }
    assert!(fixture.open_metrics().contains(r#"{trace_id="0202"#), "{}", fixture.open_metrics());
}

#[test]
fn p_e6_text_0_0_4_has_no_exemplars() {
    let mut fixture = Fixture::new();
    fixture.put(Resource::default(), with_exemplars(vec![exemplar(1.0, 1, 0, &[])]));
    assert_eq!(fixture.page(Format::Text), "# TYPE a_total counter\na_total 1\n");
}

#[test]
fn p_e7_an_exemplar_without_ids_and_attributes_has_empty_braces() {
    assert!(
        page(with_exemplars(vec![exemplar(1.0, 0, 0, &[])]))
            .contains("\na_total 1 # {} 1.0 1700000000.000\n")
    );
}

#[test]
fn p_e8_an_exemplar_stands_on_the_bucket_of_its_value() {
    let mut point = buckets(&[], &[1.0, 2.0], &[1, 0, 1], 11.0);
    point.exemplars = vec![exemplar(1.0, 1, 0, &[]), exemplar(2.0, 2, 0, &[]), exemplar(2.1, 3, 0, &[])];
    let page = page(vec![histogram("h", "", CUMULATIVE, vec![point])]);
    let of = |le: &str| page.lines().find(|line| line.contains(&format!("le=\"{le}\""))).unwrap_or_default();
    assert!(of("1.0").contains("trace_id=\"0101") && of("2.0").contains("trace_id=\"0202"), "{page}");
    assert!(of("+Inf").contains("trace_id=\"0303"), "{page}");
}

#[test]
fn p_e9_without_traffic_an_exemplar_is_served_for_its_retention_to_each_scraper() {
    let mut fixture = Fixture::new();
    fixture.put(Resource::default(), with_exemplars(vec![exemplar(1.0, 1, 1, &[])]));
    let mut flush_and_scrape_twice = || {
        fixture.now_ns += 14 * SECOND;
        fixture.put(Resource::default(), with_exemplars(Vec::new()));
        fixture.input.tick(UnixNanos(fixture.now_ns));
        [fixture.open_metrics(), fixture.open_metrics()].map(|page| page.contains("trace_id=\"0101"))
    };
    for flush in 1..=60 {
        assert_eq!(flush_and_scrape_twice(), [true, true], "flush {flush} of 60 in 15 minutes");
    }
    assert_eq!(flush_and_scrape_twice(), [false, false]);
}
