//! Span metrics as the configuration wants them, seen on `/metrics`.

use super::support::{
    eventually,
    phasor::{Start, default_config},
    sender::{Sender, TRACES},
    spans,
};

#[tokio::test]
async fn s_11_the_page_shows_the_names_that_tempo_gives() {
    let config =
        default_config("", "").replace("span_metrics: {metrics", "span_metrics: {names: tempo, metrics");
    let mut phasor = Start::config(config).start();
    let mut sender = Sender::connect(&phasor.grpc()).await;
    sender.export(TRACES, spans::encoded("shop", "GET /", 0, 5)).await.expect("acknowledged");
    let labels = [("service", "shop"), ("span_name", "GET /")];
    let page = eventually("the spans are counted", || async {
        let page = phasor.scrape().await?;
        page.sum("traces_spanmetrics_calls_total", &labels)?;
        Some(page)
    })
    .await;
    assert_eq!(page.sum("traces_spanmetrics_calls_total", &labels), Some(5.0));
    let kind_and_status = [("span_kind", "SPAN_KIND_SERVER"), ("status_code", "STATUS_CODE_UNSET")];
    assert_eq!(page.sum("traces_spanmetrics_calls_total", &kind_and_status), Some(5.0));
    assert_eq!(page.sum("traces_spanmetrics_latency_count", &labels), Some(5.0));
    assert_eq!(
        page.sum("traces_spanmetrics_latency_bucket", &[("service", "shop"), ("le", "15.0")]),
        Some(5.0)
    );
    assert_eq!(page.sum("traces_spanmetrics_latency_sum", &labels), Some(0.01));
    assert_eq!(phasor.stop(), Some(0));
}

#[tokio::test]
async fn s_15_deltas_with_both_kinds_of_buckets_add_up_on_the_page_over_sigkill() {
    let options = "span_metrics: {aggregation_temporality: AGGREGATION_TEMPORALITY_DELTA, \
                   histogram: {explicit: {buckets: [1ms, 1s]}, exponential: {}}, ";
    let mut phasor =
        Start::config(default_config("", "").replace("span_metrics: {metrics", &format!("{options}metrics")))
            .start();
    let mut sent = 0;
    for round in 0..3 {
        let mut sender = Sender::connect(&phasor.grpc()).await;
        for _ in 0..20 {
            sender.export(TRACES, spans::encoded("shop", "GET /", sent, 5)).await.expect("acknowledged");
            sent += 5;
        }
        if round % 2 == 1 {
            phasor.kill_and_restart();
        }
        let page = eventually("every span is counted", || async {
            let page = phasor.scrape().await?;
            let calls = page.sum("traces_span_metrics_calls_total", &[])?;
            (calls >= sent as f64).then_some(page)
        })
        .await;
        for name in [
            "traces_span_metrics_calls_total",
            "traces_span_metrics_duration_milliseconds_count",
            "traces_span_metrics_duration_exponential_milliseconds_count",
        ] {
            assert_eq!(
                page.sum(name, &[("service_name", "shop")]),
                Some(sent as f64),
                "{name}, round {round}"
            );
        }
        let above = [("service_name", "shop"), ("le", "+Inf")];
        for name in [
            "traces_span_metrics_duration_milliseconds_bucket",
            "traces_span_metrics_duration_exponential_milliseconds_bucket",
        ] {
            assert_eq!(page.sum(name, &above), Some(sent as f64), "{name}, round {round}");
        }
    }
    assert_eq!(phasor.stop(), Some(0));
}
