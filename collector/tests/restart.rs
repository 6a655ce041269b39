//! Killed with SIGKILL and started again, it goes on: the same counters, and what it had acknowledged arrives.

use std::collections::BTreeSet;

use super::support::{
    backend::Backend,
    eventually,
    phasor::{Start, default_config},
    sender::{Sender, TRACES},
    spans,
};

#[tokio::test]
async fn s_23_counters_go_on_and_acknowledged_spans_arrive_after_sigkill() {
    // A backend that is down keeps every acknowledged span in the journal until the collector has been killed.
    let reserved = Backend::start().await;
    let address = reserved.address.to_string();
    drop(reserved);
    let exporter = format!(
        "  otlp_grpc: {{endpoint: \"http://{address}\", retry_on_failure: {{initial_interval: 100ms, max_interval: 200ms}}}}"
    );
    let mut phasor = Start::config(default_config(", otlp_grpc", &exporter)).start();
    let mut acknowledged = BTreeSet::new();
    let mut phases = 0.0;
    for round in 0..4_u64 {
        let mut sender = Sender::connect(&phasor.grpc()).await;
        for request in 0..25 {
            let first = (round * 25 + request) * 8;
            sender.export(TRACES, spans::encoded("shop", "GET /", first, 8)).await.expect("acknowledged");
            acknowledged.extend((first..first + 8).map(|number| (number + 1).to_be_bytes().to_vec()));
        }
        let body = format!(
            r#"{{"phase":"validation","repo":"a/b","issue_number":{},"commit_sha":"c","data":{{"validated":true,"tests_generated":3}}}}"#,
            round + 1
        );
        let answer = phasor.post("/api/v1/phases/store", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
        phases += 1.0;
        // Every second time the numbers are seen before the kill, so that they must not go back; every other
        // time the process dies right after the last answer.
        if round % 2 == 0 {
            let page = eventually("all is counted before the kill", || async {
                let page = phasor.scrape().await?;
                let calls = page.sum("traces_span_metrics_calls_total", &[("service_name", "shop")])?;
                (calls == acknowledged.len() as f64).then_some(page)
            })
            .await;
            assert!(
                page.find("traces_span_metrics_calls_total", &[("service_name", "shop")])[0]
                    .exemplar
                    .is_some()
            );
        }
        phasor.kill_and_restart();
        let page = eventually("the collector has replayed its journal", || async {
            let page = phasor.scrape().await?;
            (page.sum("rsolv_validation_executions_total", &[]) == Some(phases)).then_some(page)
        })
        .await;
        assert_eq!(
            page.sum("traces_span_metrics_calls_total", &[("service_name", "shop")]),
            Some(acknowledged.len() as f64),
            "round {round}"
        );
        assert_eq!(
            page.sum("rsolv_validation_test_generated_total", &[]),
            Some(phases * 3.0),
            "round {round}"
        );
    }
    let backend = Backend::listen(&address).await;
    eventually("every acknowledged span arrives", || async {
        let spans = backend.spans();
        let arrived: BTreeSet<_> = spans.iter().map(|span| span.span_id.clone()).collect();
        acknowledged.is_subset(&arrived).then_some(())
    })
    .await;
    assert_eq!(phasor.stop(), Some(0), "and it stops cleanly");
}

#[tokio::test]
async fn a_clean_stop_and_start_changes_no_number() {
    let mut phasor = Start::config(default_config(", debug", "")).start();
    let mut sender = Sender::connect(&phasor.grpc()).await;
    sender.export(TRACES, spans::encoded("shop", "GET /", 0, 50)).await.expect("acknowledged");
    assert_eq!(phasor.stop(), Some(0));
    phasor.kill_and_restart();
    let page = eventually("the numbers are back", || async {
        let page = phasor.scrape().await?;
        page.sum("traces_span_metrics_calls_total", &[("service_name", "shop")]).map(|_| page)
    })
    .await;
    assert_eq!(page.sum("traces_span_metrics_calls_total", &[("service_name", "shop")]), Some(50.0));
    assert_eq!(
        page.sum("traces_span_metrics_duration_milliseconds_count", &[("service_name", "shop")]),
        Some(50.0)
    );
}
