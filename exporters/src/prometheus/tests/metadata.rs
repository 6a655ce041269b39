//! Names and metadata (conformance P-N, P-M).

use expect_test::expect;

use super::{otlp::*, *};

/// One gauge with this description.
fn described(help: &str, from: &str) -> Vec<Metric> {
    let mut metric = gauge("a", "", vec![int(&[("from", from)], 1)]);
    metric.description = help.to_owned();
    vec![metric]
}

#[test]
fn p_n9_a_point_whose_name_has_no_usable_character_is_dropped_and_counted() {
    let mut fixture = Fixture::new();
    let nameless = gauge("???", "s", vec![int(&[], 1), int(&[("a", "1")], 2)]);
    fixture.put(Resource::default(), vec![nameless, gauge("3xx", "", vec![int(&[], 1)])]);
    assert_eq!(fixture.open_metrics(), "# TYPE _3xx gauge\n_3xx 1\n# EOF\n");
    assert_eq!(fixture.dropped(Dropped::InvalidName), 2);
}

#[test]
fn p_m1_another_description_keeps_all_points() {
    let mut fixture = Fixture::new();
    fixture
        .put(Resource::default(), described("first", "1"))
        .put(Resource::default(), described("second", "2"));
    expect![[r##"
        # TYPE a gauge
        # HELP a first
        a{from="1"} 1
        a{from="2"} 1
        # EOF
    "##]]
    .assert_eq(&fixture.open_metrics());
    assert_eq!(fixture.table.counts.metadata_conflicts.total(), 1);
}

#[test]
fn p_m2_another_unit_keeps_all_points() {
    let mut fixture = Fixture::new();
    for (unit, from) in [("s", "1"), ("{thing}", "2")] {
        fixture.put(Resource::default(), vec![gauge("a_seconds", unit, vec![int(&[("from", from)], 1)])]);
    }
    expect![[r##"
        # TYPE a_seconds gauge
        # UNIT a_seconds seconds
        a_seconds{from="1"} 1
        a_seconds{from="2"} 1
        # EOF
    "##]]
    .assert_eq(&fixture.open_metrics());
    assert_eq!(fixture.table.counts.metadata_conflicts.total(), 1);
}

#[test]
fn p_m3_a_metric_of_another_type_is_dropped_and_the_first_stays() {
    let mut fixture = Fixture::new();
    let as_gauge = || vec![gauge("foo_total", "", vec![int(&[], 7)]), gauge("foo", "", vec![int(&[], 8)])];
    fixture.put(Resource::default(), vec![counter("foo", vec![int(&[], 1)])]);
    for round in 1..=3 {
        fixture.put(Resource::default(), as_gauge());
        assert_eq!(fixture.open_metrics(), "# TYPE foo counter\nfoo_total 1\n# EOF\n");
        assert_eq!(fixture.dropped(Dropped::TypeConflict), 2 * round);
    }
}

#[test]
fn p_m4_the_description_is_the_help_text_escaped() {
    let mut fixture = Fixture::new();
    fixture.put(Resource::default(), described("How \"many\"\r\nthere were \\", "1"));
    let page = fixture.open_metrics();
    assert!(page.contains("\n# HELP a How \\\"many\\\"\\nthere were \\\\\n"), "{page}");
    let page = fixture.page(Format::Text);
    assert!(page.starts_with("# HELP a How \"many\"\\nthere were \\\\\n"), "{page}");
}

#[test]
fn p_m5_names_that_clash_through_suffixes_go_to_the_first() {
    let mut fixture = Fixture::new();
    fixture.put(Resource::default(), vec![counter("foo", vec![int(&[], 1)])]);
    for name in ["foo", "foo_total", "foo_created", "target_info"] {
        fixture.put(Resource::default(), vec![gauge(name, "", vec![int(&[], 1)])]);
    }
    fixture.put(Resource::default(), vec![gauge("bar_count", "", vec![int(&[], 1)])]);
    fixture
        .put(Resource::default(), vec![histogram("bar", "", CUMULATIVE, vec![buckets(&[], &[], &[1], 1.0)])]);
    expect![[r#"
        # TYPE bar_count gauge
        bar_count 1
        # TYPE foo counter
        foo_total 1
        # EOF
    "#]]
    .assert_eq(&fixture.open_metrics());
    assert_eq!(fixture.dropped(Dropped::TypeConflict), 5);
}
