//! The README's first minutes: two phases in, the numbers, the exemplars and the trace out.

use std::collections::BTreeSet;

use super::support::{
    backend::Backend,
    eventually,
    phasor::{Phasor, Start, default_config},
};

const VALIDATION: &str = r#"{
  "phase": "validation", "repo": "RSOLV-dev/nodegoat-vulnerability-demo", "issue_number": 1, "commit_sha": "test123",
  "data": {"validated": true, "language": "javascript", "framework": "express", "duration_ms": 45000,
           "tests_generated": 5, "tests_passed": 4, "tests_failed": 1, "vulnerabilities_found": 2}
}"#;

const MITIGATION: &str = r#"{
  "phase": "mitigation", "repo": "RSOLV-dev/nodegoat-vulnerability-demo", "issue_number": 1, "commit_sha": "test123",
  "data": {"language": "javascript", "framework": "express", "duration_ms": 8000, "pr_number": 42,
           "pr_url": "https://github.com/RSOLV-dev/nodegoat-vulnerability-demo/pull/42", "files_changed": 3, "trust_score": 85}
}"#;

#[tokio::test]
async fn two_phases_become_counters_exemplars_and_a_trace() {
    let backend = Backend::start().await;
    let phasor = with_backend(&backend);

    let validation = phasor.post("/api/v1/phases/store", VALIDATION).await;
    assert_eq!(validation.status, 201, "{}", validation.text());
    let validation = validation.json();
    let mitigation = phasor.post("/api/v1/phases/store", MITIGATION).await;
    assert_eq!(mitigation.status, 201, "{}", mitigation.text());
    let mitigation = mitigation.json();
    let trace_id = mitigation["trace_id"].as_str().expect("a trace id").to_owned();
    let task_id = mitigation["task_id"].as_str().expect("a task id").to_owned();
    assert_eq!(validation["task_id"], mitigation["task_id"], "both phases belong to one task");
    assert_eq!(validation["trace_id"], mitigation["trace_id"], "and to one trace");

    let page = eventually("the mitigation is on /metrics", || async {
        let page = phasor.scrape().await?;
        page.sum("rsolv_mitigation_trust_score_value_count", &[]).map(|_| page)
    })
    .await;
    let labels = [
        ("repo", "RSOLV-dev/nodegoat-vulnerability-demo"),
        ("language", "javascript"),
        ("framework", "express"),
        ("status", "completed"),
        ("environment", "test"),
    ];
    assert_eq!(page.sum("rsolv_validation_executions_total", &labels), Some(1.0));
    assert_eq!(page.sum("rsolv_mitigation_executions_total", &labels), Some(1.0));
    assert_eq!(page.sum("rsolv_validation_test_generated_total", &[]), Some(5.0));
    assert_eq!(page.sum("rsolv_validation_tests_passed_total", &[]), Some(4.0));
    assert_eq!(page.sum("rsolv_validation_tests_failed_total", &[]), Some(1.0));
    assert_eq!(page.sum("rsolv_validation_vulnerabilities_found_total", &[]), Some(2.0));
    assert_eq!(page.sum("rsolv_mitigation_files_changed_total", &[]), Some(3.0));
    assert_eq!(page.sum("rsolv_validation_duration_milliseconds_sum", &[]), Some(45_000.0));
    assert_eq!(page.sum("rsolv_mitigation_trust_score_value_sum", &[]), Some(85.0));

    let buckets = page.find("rsolv_mitigation_trust_score_value_bucket", &[("le", "90.0")]);
    let exemplar = buckets[0].exemplar.as_ref().expect("the bucket of 85 has an exemplar");
    assert_eq!(exemplar["trace_id"], trace_id);
    assert_eq!(exemplar["task_id"], task_id);
    assert_eq!(exemplar["span_id"], mitigation["span_id"].as_str().expect("a span id"));

    let names = eventually("the backend has the whole trace", || async {
        let spans = backend.spans();
        let names: BTreeSet<_> = spans
            .iter()
            .filter(|span| hex(&span.trace_id) == trace_id)
            .map(|span| span.name.clone())
            .collect();
        (names.len() >= 3).then_some(names)
    })
    .await;
    assert_eq!(names, BTreeSet::from(["phase mitigation", "phase validation", "task"].map(str::to_owned)));

    let task = super::support::http::get(
        &format!("http://{}/api/v1/tasks/{task_id}", phasor.api()),
        &[("x-api-key", super::support::phasor::API_KEY)],
    )
    .await;
    assert_eq!(task.status, 200, "{}", task.text());
    assert!(task.text().contains(&trace_id));
}

#[tokio::test]
async fn a_repeat_with_the_same_key_counts_once() {
    let backend = Backend::start().await;
    let phasor = with_backend(&backend);
    let url = format!("http://{}/api/v1/phases/store", phasor.api());
    let headers = [
        ("content-type", "application/json"),
        ("authorization", concat!("Bearer ", "test-key-0123456789abcdef0123456789ab")),
        ("idempotency-key", "once-and-only-once"),
    ];
    let first = super::support::http::post(&url, &headers, VALIDATION.into()).await;
    let again = super::support::http::post(&url, &headers, VALIDATION.into()).await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!(first.body, again.body);
    assert_eq!(again.header("idempotent-replayed"), Some("true"));
    let marker = phasor.post("/api/v1/phases/store", MITIGATION).await;
    assert_eq!(marker.status, 201);
    let page = eventually("the marker is on /metrics", || async {
        let page = phasor.scrape().await?;
        page.sum("rsolv_mitigation_executions_total", &[]).map(|_| page)
    })
    .await;
    assert_eq!(page.sum("rsolv_validation_executions_total", &[]), Some(1.0));
}

#[tokio::test]
async fn the_smoke_test_passes_against_a_fresh_collector() {
    let backend = Backend::start().await;
    let phasor = with_backend(&backend);
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_phasor"))
        .arg("smoke")
        .args(["--url", &format!("http://{}", phasor.api())])
        .args(["--metrics-url", &format!("http://{}/metrics", phasor.prometheus())])
        .args(["--api-key", super::support::phasor::API_KEY])
        .output()
        .await
        .expect("smoke runs");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn the_smoke_test_fails_where_nothing_listens() {
    let output = tokio::process::Command::new(env!("CARGO_BIN_EXE_phasor"))
        .args(["smoke", "--url", "http://127.0.0.1:9", "--metrics-url", "http://127.0.0.1:9/metrics"])
        .args(["--api-key", super::support::phasor::API_KEY])
        .output()
        .await
        .expect("smoke runs");
    assert!(!output.status.success());
}

fn with_backend(backend: &Backend) -> Phasor {
    let exporter = format!("  otlp_grpc: {{endpoint: \"http://{}\"}}", backend.address);
    Start::config(default_config(", otlp_grpc", &exporter)).start()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
