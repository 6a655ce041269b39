//! A stop: it ends when all is delivered, a second signal ends it at once, and the last line says what became of the
//! data.

use super::support::{
    backend::Backend,
    phasor::{Phasor, Start},
    sender::{Sender, TRACES},
    spans,
};

/// From OTLP to a backend, with these keys for the exporter and these lines beside.
fn config(endpoint: &str, queue: &str, extensions: &str) -> String {
    format!(
        r#"
receivers:
  otlp: {{protocols: {{grpc: {{endpoint: "127.0.0.1:0"}}}}}}
exporters:
  otlp_grpc: {{endpoint: "http://{endpoint}", {queue}}}
  debug: {{}}
{extensions}
service:
  extensions: [{used}]
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp_grpc, debug]}}
"#,
        used = if extensions.is_empty() { "" } else { "file_storage" },
    )
}

/// An address nobody listens at.
async fn nowhere() -> String {
    let backend = Backend::start().await;
    backend.address.to_string()
}

/// A collector that has acknowledged five spans.
async fn with_five_spans(config: String) -> Phasor {
    let phasor = Start::config(config).start();
    let mut sender = Sender::connect(&phasor.grpc()).await;
    sender.export(TRACES, spans::encoded("shop", "GET /", 0, 5)).await.expect("acknowledged");
    phasor
}

/// The value of `key=value` in the last line of a log.
fn last(log: &str, key: &str) -> u64 {
    let line = log.lines().rfind(|line| line.contains("delivered_items")).unwrap_or_else(|| panic!("{log}"));
    let value = line.split_whitespace().find_map(|word| word.strip_prefix(key)?.strip_prefix('='));
    value.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("no {key} in {line}"))
}

#[tokio::test]
async fn a_stop_delivers_what_was_acknowledged_and_says_so() {
    let backend = Backend::start().await;
    let mut phasor = with_five_spans(config(&backend.address.to_string(), "", "")).await;
    let (mut phasor, code) = tokio::task::spawn_blocking(move || {
        let code = phasor.stop();
        (phasor, code)
    })
    .await
    .expect("it stops");
    assert_eq!(code, Some(0));
    assert_eq!(backend.spans().len(), 5);
    let log = phasor.log();
    assert_eq!((last(&log, "delivered_items"), last(&log, "lost_items")), (10, 0), "{log}");
}

#[tokio::test]
async fn a_second_signal_ends_the_drain_and_what_was_in_memory_is_told_as_lost() {
    let mut phasor = with_five_spans(config(&nowhere().await, "", "")).await;
    assert_eq!(phasor.stop_at_once(), Some(1));
    let log = phasor.log();
    assert!(log.contains("second signal"), "{log}");
    assert_eq!((last(&log, "lost_items"), last(&log, "journal_items")), (5, 0), "{log}");
    assert!(last(&log, "lost_bytes") > 0, "{log}");
    assert!(log.contains("consumer=\"otlp_grpc\""), "{log}");
}

#[tokio::test]
async fn what_stays_in_a_durable_journal_is_told_and_goes_out_at_the_next_start() {
    let address = nowhere().await;
    let durable =
        config(&address, "sending_queue: {storage: file_storage}", "extensions: {file_storage: {}}");
    let mut phasor = with_five_spans(durable).await;
    assert_eq!(phasor.stop_at_once(), Some(1));
    let log = phasor.log();
    assert_eq!((last(&log, "journal_items"), last(&log, "lost_items")), (5, 0), "{log}");
    let backend = Backend::listen(&address).await;
    phasor.kill_and_restart();
    super::support::eventually("the spans go out", || async { (backend.spans().len() == 5).then_some(()) })
        .await;
}
