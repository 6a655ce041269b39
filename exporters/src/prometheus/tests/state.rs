//! Snapshots of the table.

use pipelines::consumer::RestoreError;

use super::{otlp::*, *};

fn filled() -> Fixture {
    let mut fixture = Fixture::with(&Config { series_limit: 31, ..Config::default() });
    let mut point = during(int(&[("a", "x")], 5), 0, 10);
    point.exemplars = vec![exemplar(1.0, 1, 1, &[])];
    let mut timed = buckets(&[], &[1.0], &[1, 2], 10.0);
    timed.exemplars = vec![exemplar(0.5, 2, 1, &[])];
    let many: Vec<String> = (0..40).map(|at| at.to_string()).collect();
    let many = many.iter().map(|a| int(&[("many", a)], 1)).collect();
    // Two streams behind one series.
    for host in ["a", "b"] {
        let resource = Resource::of(&[("service.name", "n"), ("host", host)]);
        fixture.put(resource, vec![counter("two", vec![during(int(&[], 3), 0, 10)])]);
    }
    fixture.put(
        Resource::of(&[("service.name", "n"), ("host", "h")]),
        vec![
            sum("c", "", DELTA, true, vec![point]),
            histogram("h", "s", DELTA, vec![timed]),
            summary("s", vec![quantiles(&[(0.5, 1.0)], 1, 1.0)]),
            counter("many", many),
        ],
    );
    fixture
}

#[test]
fn a_restored_table_shows_the_same_page_and_goes_on() {
    let mut before = filled();
    let mut state = Vec::new();
    before.input.save(&mut state);
    let mut after = Fixture::with(&Config { series_limit: 31, ..Config::default() });
    assert_eq!(after.input.fingerprint(), before.input.fingerprint());
    after.input.restore(&state).unwrap();
    after.now_ns = before.now_ns;
    assert_eq!(after.open_metrics(), before.open_metrics());
    assert!(before.open_metrics().contains("two_total{instance=\"\",job=\"n\"} 6\n"));
    for fixture in [&mut before, &mut after] {
        let more = sum("c", "", DELTA, true, vec![during(int(&[("a", "x")], 5), 10, 20)]);
        let hidden = counter("many", vec![int(&[("many", "39")], 5)]);
        fixture.put(Resource::of(&[("service.name", "n"), ("host", "h")]), vec![more, hidden]);
        assert!(fixture.open_metrics().contains("} 10 # {trace_id="), "{}", fixture.open_metrics());
    }
    assert_eq!(after.open_metrics(), before.open_metrics());
    assert_eq!(after.table.usage.series.get(), before.table.usage.series.get());
}

#[test]
fn a_damaged_state_leaves_the_table_as_new() {
    let mut state = Vec::new();
    filled().input.save(&mut state);
    for at in 0..state.len() {
        let mut fixture = Fixture::new();
        assert_eq!(fixture.input.restore(&state[..at]), Err(RestoreError("not a table of series")));
        assert_eq!(fixture.table.usage.series.get(), 0);
        let mut damaged = state.clone();
        damaged[at] ^= 0x55;
        // Some damage still reads as a state; it must not break anything.
        if fixture.input.restore(&damaged).is_err() {
            assert_eq!(fixture.open_metrics(), "# EOF\n");
        }
    }
}

#[test]
fn two_inputs_of_one_table_save_and_restore_their_own_series() {
    let config = Config::default();
    let mut fixture = Fixture::new();
    fixture.put(Resource::default(), vec![gauge("mine", "", vec![int(&[], 1)])]);
    let mut state = Vec::new();
    fixture.input.save(&mut state);
    let mut other = PrometheusTable::new(&config, Arc::clone(&fixture.table), 1);
    assert_ne!(other.fingerprint(), fixture.input.fingerprint());
    other.restore(EMPTY).unwrap();
    assert!(fixture.open_metrics().contains("mine 1\n"));
    fixture.input.restore(EMPTY).unwrap();
    assert_eq!(fixture.open_metrics(), "# EOF\n");
    fixture.input.restore(&state).unwrap();
    assert!(fixture.open_metrics().contains("mine 1\n"));
}
