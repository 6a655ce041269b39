//! The first increase of a new series, which Prometheus sees only from a zero on.

use crate::{
    native::value,
    servers, store_validation,
    support::{
        eventually,
        phasor::{Start, default_config},
    },
};

#[tokio::test]
async fn s_22_prometheus_sees_the_first_span_of_a_new_series_as_an_increase() {
    let endpoint = "prometheus: {endpoint: \"127.0.0.1:0\"";
    let config = default_config("", "").replace(endpoint, &format!("{endpoint}, zero_first: 5s"));
    assert!(config.contains("zero_first"), "{config}");
    let phasor = Start::config(config).start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let config = format!(
        "global: {{scrape_interval: 200ms}}\nscrape_configs:\n  - {{job_name: phasor, honor_labels: true, \
         static_configs: [{{targets: ['{}']}}]}}\n",
        phasor.prometheus()
    );
    let prometheus = servers::prometheus(folder.path(), &config).await;
    // It is ready before it knows its targets, and would come too late to see the zero.
    eventually("Prometheus scrapes", || async {
        value(&prometheus.address, "up").await.filter(|found| *found == 1.0)
    })
    .await;
    store_validation(&phasor).await;
    for series in [
        "traces_span_metrics_calls_total{span_name=\"phase validation\"}",
        "traces_span_metrics_duration_milliseconds_count{span_name=\"phase validation\"}",
        "traces_span_metrics_duration_milliseconds_bucket{span_name=\"phase validation\",le=\"+Inf\"}",
        "rsolv_validation_executions_total",
        "rsolv_validation_duration_milliseconds_count",
    ] {
        // Not a bit less than one: the increase begins at a zero that Prometheus has seen.
        let increase = eventually(series, || async {
            value(&prometheus.address, &format!("increase({series}[5m])")).await.filter(|found| *found > 0.0)
        });
        assert!(increase.await >= 1.0, "{series}");
        let total = value(&prometheus.address, series).await;
        assert_eq!(total, Some(1.0), "{series}: and its value is what was counted");
    }
}
