//! Zero before the first value (`zero_first`).

use opentelemetry_proto::tonic::metrics::v1::{
    ExponentialHistogramDataPoint, exponential_histogram_data_point::Buckets, metric::Data,
};

use super::{otlp::*, *};

/// A table that exists since then.
fn since(time_ns: u64) -> Fixture {
    let config = Config { zero_first: pipelines::config::Span(ZERO_FIRST), ..Config::default() };
    let mut fixture = Fixture::with(&config);
    fixture.input.tick(UnixNanos(time_ns));
    fixture
}

fn fixture() -> Fixture {
    since(START_NS)
}

/// A point that began so many seconds after the table.
fn begun(value: i64, after_s: u64) -> Metric {
    let mut point = during(int(&[], value), 100 + after_s, 101 + after_s);
    point.exemplars = vec![exemplar(1.0, 1, 1, &[])];
    counter("c", vec![point])
}

/// The counter's line, `after_s` seconds after the last point arrived.
fn line(fixture: &mut Fixture, after_s: u64) -> String {
    fixture.now_ns += after_s * SECOND;
    let page = fixture.open_metrics();
    page.lines().find(|line| line.starts_with("c_total")).unwrap_or(&page).to_owned()
}

#[test]
fn s_22_a_new_counter_is_shown_as_zero_by_clock_and_then_as_what_it_is() {
    let mut fixture = fixture();
    fixture.put(Resource::default(), vec![begun(1, 0)]);
    assert_eq!(line(&mut fixture, 0), "c_total 0", "without an exemplar, which would be of no observation");
    assert_eq!(line(&mut fixture, 5), "c_total 0", "to whoever asks, however often");
    // What is counted meanwhile does not end it.
    fixture.put(Resource::default(), vec![begun(3, 0)]);
    assert_eq!(line(&mut fixture, 7), "c_total 0");
    assert!(line(&mut fixture, 1).starts_with("c_total 3 # {trace_id="), "{}", fixture.open_metrics());
    // It stays so after a restart of its sender, and when the clock is put back.
    fixture.put(Resource::default(), vec![begun(2, 16)]);
    assert!(line(&mut fixture, 0).starts_with("c_total 2"));
    fixture.input.tick(UnixNanos(fixture.now_ns));
    fixture.now_ns -= 10 * SECOND;
    assert!(line(&mut fixture, 0).starts_with("c_total 2"));
}

#[test]
fn what_may_have_counted_before_anyone_looked_is_shown_at_once() {
    let mut fixture = fixture();
    let mut older = begun(1_000_000, 0);
    if let Some(Data::Sum(sum)) = &mut older.data {
        sum.data_points[0].start_time_unix_nano = START_NS - 1;
    }
    fixture.put(Resource::default(), vec![older]);
    assert!(line(&mut fixture, 0).starts_with("c_total 1000000"));
    // Nobody knows when these began.
    let mut fixture = self::fixture();
    fixture.put(Resource::default(), vec![counter("c", vec![int(&[], 7)])]);
    assert_eq!(line(&mut fixture, 0), "c_total 7");
    // An increase is new whenever it began; and what is no counter has no zero.
    let mut fixture = self::fixture();
    let delta = sum("c", "", DELTA, true, vec![during(int(&[], 7), 0, 1)]);
    let may_fall = sum("d", "", DELTA, false, vec![during(int(&[], 7), 0, 1)]);
    fixture.put(Resource::default(), vec![delta, may_fall, gauge("g", "", vec![int(&[], 7)])]);
    assert_eq!(line(&mut fixture, 0), "c_total 0");
    assert!(fixture.open_metrics().contains("\nd 7\n") && fixture.open_metrics().contains("\ng 7\n"));
}

#[test]
fn new_histograms_of_both_sorts_are_zero_in_every_bucket_and_every_format() {
    let mut fixture = fixture();
    let mut explicit = buckets(&[], &[1.0], &[1, 2], 10.0);
    explicit.exemplars = vec![exemplar(0.5, 1, 1, &[])];
    explicit.start_time_unix_nano = START_NS;
    let exponential_point = ExponentialHistogramDataPoint {
        start_time_unix_nano: START_NS,
        count: 3,
        sum: Some(9.0),
        positive: Some(Buckets { offset: 0, bucket_counts: vec![1, 2] }),
        ..ExponentialHistogramDataPoint::default()
    };
    let metrics = vec![
        histogram("h", "", CUMULATIVE, vec![explicit]),
        exponential("x", exponential_point),
        summary("s", vec![quantiles(&[(0.5, 1.0)], 3, 1.0)]),
    ];
    fixture.put(Resource::default(), metrics);
    expect_test::expect![[r##"
        # TYPE h histogram
        h_bucket{le="1.0"} 0
        h_bucket{le="+Inf"} 0
        h_sum 0.0
        h_count 0
        # TYPE s summary
        s{quantile="0.5"} 1.0
        s_sum 1.0
        s_count 3
        # TYPE x histogram
        x_bucket{le="2.0"} 0
        x_bucket{le="4.0"} 0
        x_bucket{le="+Inf"} 0
        x_sum 0.0
        x_count 0
        # EOF
    "##]]
    .assert_eq(&fixture.open_metrics());
    let families = fixture.families();
    let histograms = families.iter().filter_map(|family| family.metric[0].histogram.as_ref());
    let counts: Vec<_> = histograms.map(|histogram| histogram.count).collect();
    assert_eq!(counts, [0, 0]);
    fixture.now_ns += ZERO_FIRST.as_nanos() as u64;
    assert!(fixture.open_metrics().contains("h_count 3\n") && fixture.open_metrics().contains("x_count 3\n"));
}

#[test]
fn a_restart_of_ours_neither_ends_the_zero_nor_begins_it_again() {
    let mut before = fixture();
    before.put(Resource::default(), vec![begun(1, 0)]);
    let mut state = Vec::new();
    before.input.save(&mut state);
    let mut after = since(START_NS + 20 * SECOND);
    after.input.restore(&state).unwrap();
    after.now_ns = before.now_ns;
    assert_eq!(line(&mut after, 13), "c_total 0");
    assert!(line(&mut after, 1).starts_with("c_total 1 "));
    // What began while nobody was there is new all the same.
    after.input.restore(&state).unwrap();
    after.put(Resource::default(), vec![counter("d", vec![during(int(&[], 5), 100, 115)])]);
    assert!(after.open_metrics().contains("d_total 0\n"), "{}", after.open_metrics());
}

#[test]
fn with_times_on_the_page_the_zero_is_older_than_the_value() {
    let zero_first = pipelines::config::Span(ZERO_FIRST);
    let mut fixture = Fixture::with(&Config { send_timestamps: true, zero_first, ..Config::default() });
    fixture.put(Resource::default(), vec![sum("c", "", DELTA, true, vec![during(int(&[], 1), 0, 20)])]);
    assert_eq!(line(&mut fixture, 0), "c_total 0 1699999919.999");
    assert_eq!(line(&mut fixture, 15), "c_total 1 1699999920.000");
}

const ZERO_FIRST: std::time::Duration = std::time::Duration::from_secs(14);
