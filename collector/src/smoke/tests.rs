//! The checklist against a server of a few lines that counts, or does not.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    routing::{get, post},
};
use expect_test::{Expect, expect};

use super::*;

/// Distinct idempotency keys, and how many executions of validations each one counts for.
#[derive(Default)]
struct Fake {
    keys: Mutex<Vec<String>>,
    weight: usize,
}

async fn store(State(fake): State<Arc<Fake>>, Json(body): Json<Value>) -> (StatusCode, Json<Value>) {
    let mut keys = fake.keys.lock().unwrap();
    let key = body["event_uuid"].as_str().unwrap().to_owned();
    let status = if keys.contains(&key) { StatusCode::OK } else { StatusCode::CREATED };
    if status == StatusCode::CREATED {
        keys.push(key);
    }
    let issue = body["issue_number"].as_u64().unwrap_or(0);
    let links = json!({"task": format!("/api/v1/tasks/{issue}"), "trace": format!("/traces/{issue}")});
    (
        status,
        Json(
            json!({"task_id": format!("task-{issue}"), "trace_id": format!("trace-{issue}"), "links": links}),
        ),
    )
}

async fn metrics(State(fake): State<Arc<Fake>>) -> String {
    if fake.keys.lock().unwrap().is_empty() {
        return "# EOF\n".into();
    }
    let labels = r#"repo="RSOLV-dev/nodegoat-vulnerability-demo",language="javascript",framework="express""#;
    let mut page = String::new();
    for (index, (name, value)) in EXPECTED.iter().enumerate() {
        let value = if index == 1 { value * fake.weight as f64 } else { *value };
        page += &format!("{name}{{{labels}}} {value} # {{trace_id=\"trace-{}\"}} 1\n", index % 3);
    }
    page + "# EOF\n"
}

async fn retrieve() -> Json<Value> {
    Json(json!({"phases": [1, 2, 3, 4, 5]}))
}

async fn task() -> Json<Value> {
    Json(json!({"task": {"status": "completed", "timeline": [1, 2]}}))
}

/// Runs the scenario against the server; the checklist.
async fn check(weight: usize, expected: Expect) {
    let fake = Arc::new(Fake { weight, ..Fake::default() });
    let router = Router::new()
        .route("/api/v1/phases/store", post(store))
        .route("/api/v1/phases/retrieve", get(retrieve))
        .route("/api/v1/tasks/{task}", get(task))
        .route("/metrics", get(metrics))
        .with_state(fake);
    let socket = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", socket.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(socket, router).await });
    let settings = Settings {
        metrics_url: format!("{url}/metrics"),
        url,
        api_key: "k".repeat(32),
        patience: Duration::from_millis(300),
    };
    let mut out = Vec::new();
    let passed = play(&settings, &mut out).await.unwrap();
    expected.assert_eq(&format!("{}{passed}", String::from_utf8(out).unwrap()));
}

#[tokio::test]
async fn a_server_that_counts_right_passes_and_what_it_lacks_is_skipped() {
    check(
        1,
        expect![[r#"
        ok    the metrics can be scraped
        ok    the scan is stored (task task-0, trace trace-0)
        ok    the validation of issue 1 is stored (task task-1, trace trace-1)
        ok    the mitigation of issue 1 is stored (task task-1, trace trace-1)
        ok    the validation of issue 2 is stored (task task-2, trace trace-2)
        ok    the mitigation of issue 2 is stored (task task-2, trace trace-2)
        ok    a repeat is recognised
        ok    validation and mitigation of issue 1 are one task
        ok    validation and mitigation of issue 2 are one task
        ok    rsolv_scan_executions_total rose by 1
        ok    rsolv_validation_executions_total rose by 2
        ok    rsolv_validation_test_generated_total rose by 8
        ok    rsolv_validation_tests_passed_total rose by 7
        ok    rsolv_validation_tests_failed_total rose by 1
        ok    rsolv_validation_vulnerabilities_found_total rose by 3
        ok    rsolv_mitigation_executions_total rose by 2
        ok    rsolv_mitigation_trust_score_value_sum rose by 177
        ok    rsolv_mitigation_trust_score_value_count rose by 2
        ok    rsolv_mitigation_files_changed_total rose by 5
        ok    an exemplar leads to trace trace-0
        ok    an exemplar leads to trace trace-1
        ok    an exemplar leads to trace trace-2
        ok    the timeline of task task-1 holds its phases
        ok    the timeline of task task-2 holds its phases
        ok    the five phases can be read back
        skip  trace trace-0 can be fetched and holds its spans: this server keeps no traces
        skip  trace trace-1 can be fetched and holds its spans: this server keeps no traces
        skip  trace trace-2 can be fetched and holds its spans: this server keeps no traces
        25 passed, 0 missed, 3 skipped
        true"#]],
    )
    .await;
}

#[tokio::test]
async fn a_server_that_counts_twice_is_found_out() {
    check(
        2,
        expect![[r#"
        ok    the metrics can be scraped
        ok    the scan is stored (task task-0, trace trace-0)
        ok    the validation of issue 1 is stored (task task-1, trace trace-1)
        ok    the mitigation of issue 1 is stored (task task-1, trace trace-1)
        ok    the validation of issue 2 is stored (task task-2, trace trace-2)
        ok    the mitigation of issue 2 is stored (task task-2, trace trace-2)
        ok    a repeat is recognised
        ok    validation and mitigation of issue 1 are one task
        ok    validation and mitigation of issue 2 are one task
        ok    rsolv_scan_executions_total rose by 1
        MISS  rsolv_validation_executions_total rose by 2: it rose by 4
        ok    rsolv_validation_test_generated_total rose by 8
        ok    rsolv_validation_tests_passed_total rose by 7
        ok    rsolv_validation_tests_failed_total rose by 1
        ok    rsolv_validation_vulnerabilities_found_total rose by 3
        ok    rsolv_mitigation_executions_total rose by 2
        ok    rsolv_mitigation_trust_score_value_sum rose by 177
        ok    rsolv_mitigation_trust_score_value_count rose by 2
        ok    rsolv_mitigation_files_changed_total rose by 5
        ok    an exemplar leads to trace trace-0
        ok    an exemplar leads to trace trace-1
        ok    an exemplar leads to trace trace-2
        ok    the timeline of task task-1 holds its phases
        ok    the timeline of task task-2 holds its phases
        ok    the five phases can be read back
        skip  trace trace-0 can be fetched and holds its spans: this server keeps no traces
        skip  trace trace-1 can be fetched and holds its spans: this server keeps no traces
        skip  trace trace-2 can be fetched and holds its spans: this server keeps no traces
        24 passed, 1 missed, 3 skipped
        false"#]],
    )
    .await;
}

#[tokio::test]
async fn a_server_that_is_not_there_is_a_miss_not_a_crash() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let settings = Settings { metrics_url: url.clone(), url, api_key: "k".into(), patience: Duration::ZERO };
    let mut out = Vec::new();
    assert!(!play(&settings, &mut out).await.unwrap());
    let text = String::from_utf8(out).unwrap();
    assert!(text.starts_with("MISS  the scenario went to its end: http://127.0.0.1:"), "{text}");
    assert!(text.contains("onnection refused"), "{text}");
}
