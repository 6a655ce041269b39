//! What the collector counts about itself, under the names that dashboards of the OpenTelemetry Collector ask for.

use super::support::{
    backend::Backend,
    eventually, http,
    metrics::Metrics,
    phasor::{Phasor, Start, default_config},
    sender::{Sender, TRACES},
    spans,
};

async fn page(phasor: &Phasor) -> Metrics {
    eventually("the page is open", || phasor.scrape()).await
}

fn at_level(level: &str, exporters: (&str, &str)) -> Phasor {
    let telemetry = format!("service:\n  telemetry: {{metrics: {{level: {level}}}}}");
    Start::config(default_config(exporters.0, exporters.1).replace("service:", &telemetry)).start()
}

#[tokio::test]
async fn the_process_and_its_runtime_tell_what_they_take() {
    let phasor = at_level("normal", ("", ""));
    let page = page(&phasor).await;
    for name in [
        "otelcol_process_uptime_seconds_total",
        "otelcol_process_memory_rss_bytes",
        "process_threads",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
        "process_virtual_memory_bytes",
        "phasor_build_info",
        "phasor_live",
        "phasor_ready",
        "phasor_runtime_workers",
        "phasor_runtime_alive_tasks",
    ] {
        assert!(page.sum(name, &[]).is_some_and(|value| value > 0.0), "{name}");
    }
    for name in [
        "otelcol_process_cpu_seconds_total",
        "phasor_runtime_global_queue_depth",
        "phasor_runtime_worker_busy_seconds_total",
        "phasor_runtime_worker_parks_total",
        "phasor_loop_silent_seconds",
    ] {
        assert!(page.sum(name, &[]).is_some(), "{name}");
    }
    let workers = page.sum("phasor_runtime_workers", &[]).expect("it has workers");
    assert_eq!(page.find("phasor_runtime_worker_busy_seconds_total", &[]).len() as f64, workers);
}

#[tokio::test]
async fn connections_are_counted_by_listener() {
    let phasor = at_level("normal", ("", ""));
    let _sender = Sender::connect(&phasor.grpc()).await;
    let open = eventually("the connection is seen", || async {
        let page = phasor.scrape().await?;
        page.sum("phasor_connections", &[("listener", "otlp grpc")]).filter(|open| *open > 0.0)
    })
    .await;
    assert_eq!(open, 1.0);
    let page = page(&phasor).await;
    for listener in ["otlp grpc", "otlp http", "api", "health", "prometheus"] {
        let labels = [("listener", listener)];
        assert!(page.sum("phasor_connections_max", &labels).is_some_and(|most| most > 0.0), "{listener}");
        for outcome in ["refused", "evicted"] {
            assert_eq!(
                page.sum(&format!("phasor_connections_{outcome}_total"), &labels),
                Some(0.0),
                "{listener}"
            );
        }
    }
}

#[tokio::test]
async fn refused_requests_and_certificates_that_were_read_again_are_shown() {
    let exporter = "  otlp_grpc: {endpoint: \"127.0.0.1:1\", tls: {insecure_skip_verify: true}}";
    let phasor = at_level("normal", (", otlp_grpc", exporter));
    let url = format!("http://{}/v1/traces", phasor.http());
    let answer = http::post(&url, &[("content-type", "text/plain")], Vec::new()).await;
    assert_eq!(answer.status, 415);
    let page = page(&phasor).await;
    let refused = |transport: &str, reason: &str| {
        let labels = [("receiver", "otlp"), ("transport", transport), ("reason", reason)];
        page.sum("phasor_receiver_refusals_total", &labels)
    };
    assert_eq!(refused("http", "unsupported_media_type"), Some(1.0));
    // Those that never happened are there from the start, so that the first is seen as an increase.
    assert_eq!((refused("http", "too_large"), refused("grpc", "unauthenticated")), (Some(0.0), Some(0.0)));
    for outcome in ["success", "failure"] {
        let labels = [("component", "otlp_grpc"), ("outcome", outcome)];
        assert_eq!(page.sum("phasor_certificate_reloads_total", &labels), Some(0.0), "{outcome}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_exporter_shows_what_it_sends_and_how_it_fares() {
    let backend = Backend::start().await;
    let exporter = format!("  otlp_grpc: {{endpoint: \"{}\", tls: {{insecure: true}}}}", backend.address);
    let phasor = at_level("detailed", (", otlp_grpc", &exporter));
    let request = spans::padded("shop", 1, 30, 10);
    let bytes = request.len() as f64;
    Sender::connect(&phasor.grpc()).await.export(TRACES, request).await.expect("accepted");
    let labels = [("exporter", "otlp_grpc"), ("data_type", "traces")];
    let page = eventually("the request is counted", || async {
        let page = phasor.scrape().await?;
        (page.sum("otelcol_exporter_sent_spans_total", &[("exporter", "otlp_grpc")]) == Some(30.0))
            .then_some(page)
    })
    .await;
    assert_eq!(page.sum("otelcol_exporter_in_flight_requests", &labels), Some(0.0));
    assert_eq!(
        page.sum("phasor_exporter_ok", &[("exporter", "otlp_grpc"), ("otel_signal", "traces")]),
        Some(1.0)
    );
    let size = |what: &str| page.sum(&format!("otelcol_exporter_queue_batch_send_size{what}"), &labels);
    assert_eq!((size("_count"), size("_sum")), (Some(1.0), Some(30.0)));
    assert_eq!(size("_bytes_sum"), Some(bytes));
}

#[tokio::test]
async fn the_level_says_how_much_is_shown() {
    let names = |page: &Metrics| page.names().map(str::to_owned).collect::<Vec<_>>();
    let none = names(&page(&at_level("none", ("", ""))).await);
    assert!(
        !none.iter().any(|name| name.starts_with("otelcol_") || name.starts_with("phasor_journal")),
        "{none:?}"
    );
    let basic = names(&page(&at_level("basic", ("", ""))).await);
    assert!(basic.iter().any(|name| name == "otelcol_receiver_accepted_spans_total"));
    assert!(!basic.iter().any(|name| name.starts_with("phasor_journal")), "{basic:?}");
}
