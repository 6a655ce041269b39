//! What options and limits do to the page.

use expect_test::expect;
use pipelines::config::Span;

use super::{otlp::*, *};

#[test]
fn a_resource_and_scope_without_names_leave_no_labels() {
    let resource = Resource::of(&[("environment", "production")]).scope("", "1", &[("a", "b")]);
    let mut fixture = Fixture::new();
    fixture.put(resource, vec![counter("rsolv.scan.executions", vec![int(&[], 1)])]);
    assert!(fixture.open_metrics().contains("\nrsolv_scan_executions_total 1\n"));
}

#[test]
fn options_of_the_collector_change_names_and_labels() {
    let mut config = Config {
        namespace: "ns".to_owned(),
        add_metric_suffixes: Some(false),
        without_scope_info: true,
        ..Config::default()
    };
    config.const_labels.insert("env".to_owned(), "test".to_owned());
    config.resource_to_telemetry_conversion.enabled = true;
    let mut fixture = Fixture::with(&config);
    let resource = Resource::of(&[("host.name", "h")]).scope("lib", "1", &[]);
    let duration = histogram("duration", "s", CUMULATIVE, vec![buckets(&[], &[], &[1], 1.0)]);
    fixture.put(resource, vec![counter("requests", vec![int(&[], 1)]), duration]);
    expect![[r##"
        # TYPE ns_duration histogram
        ns_duration_bucket{env="test",host_name="h",le="+Inf"} 1
        ns_duration_sum{env="test",host_name="h"} 1.0
        ns_duration_count{env="test",host_name="h"} 1
        # TYPE ns_requests unknown
        ns_requests{env="test",host_name="h"} 1
        # EOF
    "##]]
    .assert_eq(&fixture.open_metrics());
}

#[test]
fn series_expire_by_their_last_arrival_when_asked_to() {
    let config = Config { metric_expiration: Span(std::time::Duration::from_secs(300)), ..Config::default() };
    let mut fixture = Fixture::with(&config);
    fixture
        .put(Resource::of(&[("service.name", "n"), ("x", "y")]), vec![gauge("old", "", vec![int(&[], 1)])]);
    fixture.now_ns += 200 * SECOND;
    fixture.put(Resource::default(), vec![gauge("new", "", vec![int(&[], 1)])]);
    fixture.input.tick(UnixNanos(fixture.now_ns));
    assert!(fixture.open_metrics().contains("old{"));
    fixture.now_ns += 200 * SECOND;
    fixture.input.tick(UnixNanos(fixture.now_ns));
    fixture.input.tick(UnixNanos(fixture.now_ns));
    assert_eq!(fixture.open_metrics(), "# TYPE new gauge\nnew 1\n# EOF\n");
    assert_eq!(fixture.table.usage.expired.total(), 1);
    // The name is free again, also for another type.
    fixture.put(Resource::default(), vec![counter("old", vec![int(&[], 1)])]);
    assert!(fixture.open_metrics().contains("old_total 1\n"));
}

#[test]
fn beyond_the_limit_totals_stay_right() {
    let mut fixture = Fixture::with(&Config { series_limit: 3, ..Config::default() });
    let points = |factor: i64| {
        let names: Vec<String> = (0..10).map(|at| at.to_string()).collect();
        let point = |(at, name): (usize, &String)| int(&[("a", name)], factor * (at as i64 + 1));
        vec![counter("c", names.iter().enumerate().map(point).collect())]
    };
    fixture.put(Resource::default(), points(1)).put(Resource::default(), points(10));
    let page = fixture.open_metrics();
    let total: i64 = page
        .lines()
        .filter(|line| line.starts_with("c_total"))
        .map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap())
        .sum();
    assert_eq!(total, 550, "{page}");
    assert!(page.contains("c_total{otel_metric_overflow=\"true\"}"));
    // Delta points of series that found no room are added, too, each of them.
    fixture.put(
        Resource::default(),
        vec![sum("c", "", DELTA, true, vec![int(&[("b", "1")], 1), int(&[("b", "2")], 1)])],
    );
    assert!(
        fixture.open_metrics().contains("c_total{otel_metric_overflow=\"true\"} 492\n"),
        "{}",
        fixture.open_metrics()
    );
}
