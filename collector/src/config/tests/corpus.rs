//! The Collector's own examples, as its documentation has them: each is read, and what is said about it.

use std::{fmt::Write, path::Path};

use super::*;

/// Name and text of every example.
fn examples() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/configs");
    let files = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut examples: Vec<_> = files
        .map(|file| {
            let name = file.file_name().unwrap().to_str().unwrap().to_owned();
            (name, std::fs::read_to_string(&file).unwrap())
        })
        .collect();
    examples.sort();
    examples
}

fn loaded(name: &str, text: &str) -> Loaded {
    let source = Source::Text { name: name.to_owned(), text: text.to_owned() };
    load_with(&[source], &|_| None).unwrap_or_else(|said| panic!("{said}"))
}

#[test]
fn every_example_of_the_collector_is_read_without_an_error() {
    let mut warnings = String::new();
    for (name, text) in examples() {
        for warning in loaded(&name, &text).warnings.iter() {
            writeln!(warnings, "{}", warning.summary()).unwrap();
        }
    }
    expect![[r#"
        agent.yaml:23:19: exporters.otlp/gateway.sending_queue.queue_size: `queue_size` has no effect without `sizer: bytes`; the queue is bounded by max_lag_bytes
        attributes.yaml:36:7: processors.attributes/selectiveprocessing.exclude.regexp: this key is accepted and has no effect here
        gateway-load-balanced.yaml:9:27: receivers.otlp.protocols.grpc.read_buffer_size: `read_buffer_size` has no effect here
        gateway-load-balanced.yaml:10:28: receivers.otlp.protocols.grpc.write_buffer_size: `write_buffer_size` has no effect here
        gateway-load-balanced.yaml:18:11: receivers.otlp.protocols.grpc.keepalive.enforcement_policy: `enforcement_policy` has no effect here
        gateway-load-balanced.yaml:26:21: exporters.otlp.wait_for_ready: `wait_for_ready` has no effect
        health-check.yaml:16:5: extensions.health_check/1.check_collector_pipeline: this key is accepted and has no effect here
        internal-telemetry.yaml:13:7: service.telemetry.logs.disable_caller: this key is accepted and has no effect here
        internal-telemetry.yaml:14:7: service.telemetry.logs.disable_stacktrace: this key is accepted and has no effect here
        internal-telemetry.yaml:15:7: service.telemetry.logs.development: this key is accepted and has no effect here
        internal-telemetry.yaml:16:7: service.telemetry.logs.sampling: this key is accepted and has no effect here
        internal-telemetry.yaml:21:7: service.telemetry.logs.output_paths: this key is accepted and has no effect here
        internal-telemetry.yaml:22:7: service.telemetry.logs.error_output_paths: this key is accepted and has no effect here
        internal-telemetry.yaml:23:7: service.telemetry.logs.initial_fields: this key is accepted and has no effect here
        internal-telemetry.yaml:27:7: service.telemetry.metrics.readers: this key has no effect here: own metrics are on the page of a `prometheus` exporter, which no pipeline has
        internal-telemetry.yaml:33:5: service.telemetry.resource: this key is accepted and has no effect here
        memory-limiter-shares.yaml:15:5: processors.memory_limiter/shares.min_gc_interval_when_soft_limited: this key is accepted and has no effect here
        memory-limiter-shares.yaml:16:5: processors.memory_limiter/shares.min_gc_interval_when_hard_limited: this key is accepted and has no effect here
        named-components.yaml:24:3: extensions.health_check/2: this extension is not used; name it under `service.extensions`
        otlphttp.yaml:18:23: exporters.otlphttp/signals.read_buffer_size: `read_buffer_size` has no effect
        otlphttp.yaml:19:24: exporters.otlphttp/signals.write_buffer_size: `write_buffer_size` has no effect
        otlphttp.yaml:23:19: exporters.otlphttp/signals.sending_queue.queue_size: `queue_size` has no effect without `sizer: bytes`; the queue is bounded by max_lag_bytes
        persistent-queue.yaml:10:5: extensions.file_storage/otc.timeout: this key is accepted and has no effect here
        persistent-queue.yaml:12:5: extensions.file_storage/otc.compaction: this key is accepted and has no effect here
        prometheus.yaml:15:26: exporters.prometheus.enable_open_metrics: `enable_open_metrics` changes nothing here: OpenMetrics is offered to whoever asks for it
        span-metrics.yaml:18:28: connectors.spanmetrics.dimensions_cache_size: `dimensions_cache_size` has no effect: dimensions are not cached here
        span-metrics.yaml:27:5: connectors.spanmetrics.resource_metrics_key_attributes: `resource_metrics_key_attributes` has no effect: resources are told apart only with `add_resource_attributes: true`
        tls-exporter.yaml:14:20: exporters.otlp.tls.min_version: `min_version` has no effect; versions before 1.2 are not spoken
    "#]].assert_eq(&warnings);
}

#[test]
fn every_example_without_secrets_reads_back_as_it_is_printed() {
    let mut compared = 0;
    for (name, text) in examples() {
        let loaded = loaded(&name, &text);
        let written = loaded.config.to_yaml();
        if written.contains("[REDACTED]") {
            continue;
        }
        let again = read(&written).unwrap_or_else(|said| panic!("{name}: {said}\n{written}"));
        // What has no effect is not printed.
        assert_eq!(again.config.to_yaml(), written, "{name}");
        compared += 1;
    }
    assert!(compared >= 10, "{compared} examples were compared");
}
