use expect_test::{Expect, expect};
use serde_json::json;

use super::*;

const NOW: UnixNanos = UnixNanos(1_763_700_000_000_000_000);

fn body() -> Value {
    json!({"phase": "scan", "repo": "acme/shop", "commit_sha": "test123", "data": {}})
}

/// A scan with some members put in place; the phase in short, or the faults.
fn check(members: Value, expected: Expect) {
    let mut body = body();
    for (name, member) in members.as_object().unwrap() {
        body[name] = member.clone();
    }
    let shown = match super::check(&body, NOW, "production") {
        Ok(phase) => format!(
            "{} {} {} {} {} {} -{}..-{} ms {:?}",
            phase.kind.as_str(),
            phase.repo,
            phase.status.as_str(),
            phase.language,
            phase.framework,
            phase.environment,
            (NOW.0 as i64 - phase.start_ns as i64) / 1_000_000,
            (NOW.0 as i64 - phase.end_ns as i64) / 1_000_000,
            phase.duration_ms,
        ),
        Err(errors) => errors.iter().map(|error| format!("{error}\n")).collect(),
    };
    expected.assert_eq(&shown);
}

#[test]
fn what_is_not_told_follows_from_the_rest() {
    check(json!({}), expect!["scan acme/shop completed unknown unknown production -0..-0 ms None"]);
    check(
        json!({"environment": "staging", "data": {"language": "go", "duration_ms": 1500}}),
        expect!["scan acme/shop completed go unknown staging -1500..-0 ms Some(1500.0)"],
    );
    check(
        json!({"started_at": "2025-11-21T04:39:50Z"}),
        expect!["scan acme/shop completed unknown unknown production -10000..-0 ms Some(10000.0)"],
    );
    check(
        json!({"completed_at": "2025-11-21T04:39:50Z", "data": {"duration_ms": 500.5}}),
        expect!["scan acme/shop completed unknown unknown production -10500..-10000 ms Some(500.5)"],
    );
    check(
        json!({"started_at": "2025-11-21T04:39:50Z", "data": {"duration_ms": 500}}),
        expect!["scan acme/shop completed unknown unknown production -10000..-9500 ms Some(500.0)"],
    );
    check(
        json!({"language": null, "data": {"language": null, "status": null}}),
        expect!["scan acme/shop completed unknown unknown production -0..-0 ms None"],
    );
}

#[test]
fn aliases_of_phases_are_taken() {
    check(
        json!({"phase": "validate", "issue_number": 1}),
        expect!["validation acme/shop completed unknown unknown production -0..-0 ms None"],
    );
    check(
        json!({"phase": "mitigate", "issue_number": 1}),
        expect!["mitigation acme/shop completed unknown unknown production -0..-0 ms None"],
    );
    check(
        json!({"phase": "Scan"}),
        expect![[r#"
        phase must be `scan`, `validation` or `mitigation`, not `Scan`
    "#]],
    );
}

#[test]
fn times_keep_their_order_and_their_bounds() {
    check(
        json!({"started_at": "2025-11-21T04:39:50Z", "completed_at": "2025-11-21T04:39:49Z"}),
        expect![[r#"
            completed_at is before started_at
        "#]],
    );
    check(
        json!({"completed_at": "2025-11-22T04:40:00Z"}),
        expect!["scan acme/shop completed unknown unknown production --86400000..--86400000 ms None"],
    );
    check(
        json!({"completed_at": "2025-11-22T04:40:01Z"}),
        expect![[r#"
        completed_at is more than 24 h in the future
    "#]],
    );
    check(
        json!({"started_at": "9999-12-31T23:59:59Z"}),
        expect![[r#"
        started_at is more than 24 h in the future
    "#]],
    );
    check(
        json!({"started_at": "1969-12-31T23:59:59Z"}),
        expect![[r#"
        started_at is before 1970
    "#]],
    );
    check(
        json!({"started_at": "2025-11-21T04:39:50+02:00[Europe/Berlin]"}),
        expect![[r#"
        started_at must be a time such as 2026-11-21T09:30:00Z, not `2025-11-21T04:39:50+02:00[Europe/Berlin]`
    "#]],
    );
    check(
        json!({"completed_at": "1970-01-01T00:00:01Z", "data": {"duration_ms": 5000}}),
        expect![
            "scan acme/shop completed unknown unknown production -1763700000000..-1763699999000 ms Some(5000.0)"
        ],
    );
}

#[test]
fn everything_missing_is_named() {
    let errors = super::check(&json!({}), NOW, "production").unwrap_err();
    let shown: String = errors.iter().map(|error| format!("{error}\n")).collect();
    expect![[r#"
        phase is required: a string
        repo is required: a string
        commit_sha is required: a string
        data is required: an object
    "#]]
    .assert_eq(&shown);
}

#[test]
fn lists_are_bounded_and_so_are_answers() {
    let entry = json!({"name": "t"});
    let many = |count: usize| json!({"phase": "validation", "issue_number": 1, "data": {"test_details": vec![entry.clone(); count]}});
    check(many(1_000), expect!["validation acme/shop completed unknown unknown production -0..-0 ms None"]);
    check(
        many(1_001),
        expect![[r#"
        data.test_details has 1001 entries, at most 1000 are allowed
    "#]],
    );
    let wrong = json!({"phase": "validation", "issue_number": 1, "data": {"test_details": vec![7; 1_000]}});
    let mut all = body();
    all.as_object_mut().unwrap().extend(wrong.as_object().unwrap().clone());
    let errors = super::check(&all, NOW, "production").unwrap_err();
    assert_eq!((errors.len(), errors[100].detail.as_str()), (101, "and 900 more faults"));
}
