//! Streams that the labels do not tell apart.

use opentelemetry_proto::tonic::common::v1::any_value::Value;

use super::{otlp::*, *};

/// A resource of the same service on another host.
fn host(name: &str) -> Resource {
    Resource::of(&[("service.name", "shop"), ("host.name", name)])
}

/// The line of the page that begins so.
fn value(fixture: &Fixture, start: &str) -> String {
    let page = fixture.open_metrics();
    let line = page.lines().find(|line| line.starts_with(start));
    line.and_then(|line| line.rsplit_once(' ')).map_or_else(|| page.clone(), |(_, value)| value.to_owned())
}

fn put(fixture: &mut Fixture, resource: Resource, total: i64, from_s: u64, to_s: u64) {
    fixture.put(resource, vec![counter("c", vec![during(int(&[], total), from_s, to_s)])]);
}

#[test]
fn p_l13_counters_of_two_resources_with_one_label_set_are_added_up() {
    let mut fixture = Fixture::new();
    for round in 1..=3_i64 {
        put(&mut fixture, host("a"), 100 * round, 0, 10 * round as u64);
        put(&mut fixture, host("b"), 7 * round, 3, 10 * round as u64 + 1);
    }
    assert_eq!(value(&fixture, "c_total"), "321");
    assert_eq!(fixture.table.usage.conflicts.total(), 1);
    // A restart of one, announced or not, takes nothing away.
    put(&mut fixture, host("a"), 1, 40, 50);
    assert_eq!(value(&fixture, "c_total"), "322");
    put(&mut fixture, host("b"), 2, 3, 60);
    assert_eq!(value(&fixture, "c_total"), "324");
    // What is old is not added, and does no harm.
    put(&mut fixture, host("b"), 1, 3, 55);
    assert_eq!((value(&fixture, "c_total").as_str(), fixture.dropped(Dropped::OutOfOrder)), ("324", 1));
}

#[test]
fn two_processes_that_differ_in_nothing_but_their_start_are_added_up() {
    let mut fixture = Fixture::new();
    put(&mut fixture, host("a"), 100, 0, 10);
    // A restart, it seems, until the first one is heard of again.
    put(&mut fixture, host("a"), 7, 5, 11);
    assert_eq!(value(&fixture, "c_total"), "7");
    put(&mut fixture, host("a"), 110, 0, 20);
    put(&mut fixture, host("a"), 8, 5, 21);
    assert_eq!(value(&fixture, "c_total"), "118");
}

#[test]
fn histograms_of_two_resources_are_added_up_and_other_bounds_are_refused() {
    let mut fixture = Fixture::new();
    let point = |bounds: &[f64], counts: &[u64], sum: f64| {
        vec![histogram("h", "", CUMULATIVE, vec![buckets(&[], bounds, counts, sum)])]
    };
    fixture.put(host("a"), point(&[1.0], &[1, 2], 9.0)).put(host("b"), point(&[1.0], &[10, 20], 90.0));
    fixture.put(host("a"), point(&[1.0], &[2, 2], 9.5));
    assert_eq!(value(&fixture, "h_bucket{instance=\"\",job=\"shop\",le=\"1.0\"}"), "12");
    assert_eq!(value(&fixture, "h_sum"), "99.5");
    fixture.put(host("c"), point(&[2.0], &[1, 1], 1.0));
    assert_eq!(value(&fixture, "h_count"), "34");
    assert_eq!(fixture.dropped(Dropped::StreamConflict), 1);
    // Once the others are silent it is shown.
    fixture.now_ns += 400 * SECOND;
    fixture.put(host("c"), point(&[2.0], &[1, 3], 1.0));
    assert_eq!(value(&fixture, "h_count"), "4");
}

fn measure(fixture: &mut Fixture, host_name: &str, temperature: i64, from_s: u64, to_s: u64) -> String {
    let point = during(int(&[], temperature), from_s, to_s);
    fixture.put(host(host_name), vec![gauge("g", "", vec![point])]);
    value(fixture, "g{")
}

#[test]
fn of_two_gauges_with_one_label_set_the_first_is_shown_and_the_other_is_counted() {
    let mut fixture = Fixture::new();
    assert_eq!(measure(&mut fixture, "a", 20, 0, 10), "20");
    assert_eq!(measure(&mut fixture, "b", 30, 0, 11), "20");
    assert_eq!(measure(&mut fixture, "b", 31, 5, 12), "20");
    assert_eq!(measure(&mut fixture, "a", 21, 0, 20), "21");
    assert_eq!(fixture.dropped(Dropped::StreamConflict), 2);
    // The other one goes on once nothing is heard of the first.
    fixture.now_ns += 400 * SECOND;
    assert_eq!(measure(&mut fixture, "b", 32, 0, 18), "32");
    assert_eq!(measure(&mut fixture, "a", 22, 0, 19), "32");
    assert_eq!(fixture.dropped(Dropped::StreamConflict), 3);
}

#[test]
fn a_gauge_of_a_process_that_began_after_the_other_was_heard_last_takes_its_place() {
    let mut fixture = Fixture::new();
    measure(&mut fixture, "a", 20, 1, 10);
    assert_eq!(measure(&mut fixture, "b", 30, 15, 20), "30");
    assert_eq!(measure(&mut fixture, "a", 21, 1, 25), "30", "which does not go back and forth");
    assert_eq!(fixture.dropped(Dropped::StreamConflict), 1);
}

#[test]
fn attributes_that_become_one_label_are_added_up() {
    let mut fixture = Fixture::new();
    for round in 1..=2 {
        let mut number = int(&[], 5 * round);
        number.attributes = vec![label("x", Value::IntValue(1))];
        let empty = int(&[("y", "")], 3 * round);
        let points = vec![number, int(&[("x", "1")], 7 * round), empty, int(&[], 4 * round)];
        fixture.put(host("a"), vec![counter("c", points)]);
    }
    assert_eq!(value(&fixture, "c_total{instance=\"\",job=\"shop\",x=\"1\"}"), "24");
    assert_eq!(value(&fixture, "c_total{instance=\"\",job=\"shop\"}"), "14");
}

#[test]
fn deltas_of_two_resources_may_end_at_the_same_time() {
    let mut fixture = Fixture::new();
    let mut put = |name: &str, value| {
        let point = during(int(&[], value), 0, 10);
        fixture.put(host(name), vec![sum("c", "", DELTA, true, vec![point])]);
    };
    put("a", 5);
    put("b", 7);
    put("b", 7);
    put("a", 5);
    assert_eq!(value(&fixture, "c_total"), "12");
    assert_eq!(fixture.dropped(Dropped::OutOfOrder), 2);
}

#[test]
fn the_end_of_one_stream_leaves_the_others() {
    let mut fixture = Fixture::new();
    let mut ended = int(&[], 0);
    (ended.flags, ended.value) = (1, None);
    put(&mut fixture, host("a"), 5, 0, 10);
    // Of somebody who never wrote here.
    fixture.put(host("b"), vec![counter("c", vec![during(ended.clone(), 0, 20)])]);
    put(&mut fixture, host("b"), 7, 0, 30);
    fixture.put(host("a"), vec![counter("c", vec![during(ended.clone(), 0, 40)])]);
    put(&mut fixture, host("b"), 8, 0, 50);
    assert_eq!(value(&fixture, "c_total"), "13");
    fixture.put(host("b"), vec![counter("c", vec![during(ended, 0, 60)])]);
    assert_eq!(fixture.open_metrics().matches("c_total").count(), 0);
    assert_eq!((fixture.table.usage.hidden.get(), fixture.table.usage.series.get()), (0, 1));
}

#[test]
fn sums_go_on_after_a_restart_of_ours() {
    let mut before = Fixture::new();
    put(&mut before, host("a"), 100, 0, 10);
    put(&mut before, host("b"), 7, 1, 10);
    let mut state = Vec::new();
    before.input.save(&mut state);
    let mut after = Fixture::new();
    after.input.restore(&state).unwrap();
    assert_eq!(after.table.usage.bytes.get(), before.table.usage.bytes.get());
    assert_eq!(after.table.usage.hidden.get(), 2);
    put(&mut after, host("b"), 9, 1, 20);
    put(&mut after, host("a"), 101, 0, 20);
    assert_eq!(value(&after, "c_total"), "110");
    after.input.restore(EMPTY).unwrap();
    assert_eq!((after.table.usage.hidden.get(), after.table.usage.bytes.get()), (0, 0));
}

#[test]
fn a_flood_of_resources_has_a_bound_and_nothing_is_counted_twice() {
    let mut fixture = Fixture::new();
    let streams = 1024;
    for number in 0..=streams {
        put(&mut fixture, host(&number.to_string()), 1, 0, 10);
    }
    assert_eq!(value(&fixture, "c_total"), streams.to_string());
    assert_eq!(fixture.dropped(Dropped::StreamConflict), 1);
    assert_eq!(fixture.table.usage.hidden.get(), streams);
    // An hour later newcomers take the place of the silent, whose counts stay.
    fixture.now_ns += 5000 * SECOND;
    put(&mut fixture, host("new"), 1, 3000, 3001);
    assert_eq!(value(&fixture, "c_total"), (streams + 1).to_string());
    assert_eq!(fixture.table.usage.hidden.get(), streams);
    // The one whose place was taken comes back: it is in the sum already.
    let refused = fixture.dropped(Dropped::StreamConflict);
    put(&mut fixture, host("0"), 1, 0, 20);
    assert_eq!(value(&fixture, "c_total"), (streams + 1).to_string());
    assert_eq!(fixture.dropped(Dropped::StreamConflict), refused + 1);
}

#[test]
fn the_overflow_series_of_a_connector_and_of_the_table_are_added_up() {
    let mut fixture = Fixture::with(&Config { series_limit: 2, ..Config::default() });
    let mut overflow = int(&[], 50);
    overflow.attributes = vec![label("otel.metric.overflow", Value::BoolValue(true))];
    let many = |total| ["1", "2", "3"].map(|a| int(&[("a", a)], total)).to_vec();
    fixture.put(Resource::default(), vec![counter("c", [vec![overflow.clone()], many(1)].concat())]);
    assert_eq!(value(&fixture, "c_total{otel_metric_overflow"), "52");
    fixture.put(Resource::default(), vec![counter("c", [vec![overflow], many(2)].concat())]);
    assert_eq!(value(&fixture, "c_total{otel_metric_overflow"), "54");
}

#[test]
fn sums_of_finite_increases_stay_finite() {
    let mut fixture = Fixture::new();
    for at in 1..=5 {
        let point = during(double(&[], 1.7e308), 0, at);
        fixture.put(host("a"), vec![sum("c", "", DELTA, true, vec![point])]);
        let mut point = buckets(&[], &[1.0], &[0, 1], 1.7e308);
        point.time_unix_nano = START_NS - 100 * SECOND + at * SECOND;
        fixture.put(host("a"), vec![histogram("h", "", DELTA, vec![point])]);
    }
    assert_eq!(
        (value(&fixture, "c_total"), value(&fixture, "h_sum")),
        ("1.7e+308".into(), "1.7e+308".into())
    );
    assert_eq!(value(&fixture, "h_count"), "1", "a value that is left out is left out of the count as well");
    assert_eq!((fixture.dropped(Dropped::InvalidValue), fixture.dropped(Dropped::InvalidHistogram)), (4, 4));
}
