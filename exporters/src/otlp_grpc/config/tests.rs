use pipelines::processors::Hints;

use super::*;
use crate::delivery::{config::Batch, gather::Size};

fn read(yaml: &str) -> Config {
    serde_saphyr::from_str(yaml).unwrap()
}

/// The paths and messages of all faults.
fn faults(yaml: &str) -> Vec<String> {
    read(yaml).check().iter().map(ToString::to_string).collect()
}

fn check_endpoint(yaml: &str, scheme: &str, authority: &str) {
    let (uri, secure) = read(yaml).uri().unwrap();
    assert_eq!((uri.scheme_str(), uri.authority().unwrap().as_str()), (Some(scheme), authority), "{yaml}");
    assert_eq!(secure, scheme == "https", "{yaml}");
}

#[test]
fn tls_is_on_unless_the_endpoint_or_insecure_says_otherwise() {
    check_endpoint("{endpoint: 'tempo:4317'}", "https", "tempo:4317");
    check_endpoint("{endpoint: 'tempo:4317', tls: {insecure: true}}", "http", "tempo:4317");
    check_endpoint("{endpoint: 'tempo:4317', tls: {insecure: true, ca_file: a}}", "https", "tempo:4317");
    check_endpoint("{endpoint: 'http://tempo:4317'}", "http", "tempo:4317");
    check_endpoint("{endpoint: 'http://tempo:4317/'}", "http", "tempo:4317");
    check_endpoint("{endpoint: 'https://tempo:4317', tls: {insecure: true}}", "https", "tempo:4317");
    check_endpoint("{endpoint: 'dns:///tempo:4317', tls: {insecure: true}}", "http", "tempo:4317");
    check_endpoint("{endpoint: '[::1]:4317'}", "https", "[::1]:4317");
    check_endpoint("{endpoint: 'https://otlp.example.com'}", "https", "otlp.example.com");
}

#[test]
fn a_bad_endpoint_is_named_with_what_would_be_right() {
    for (endpoint, what) in [
        ("", "is missing"),
        ("tempo", "has no port"),
        ("ftp://tempo:1", "scheme"),
        ("unix:///run/tempo.sock", "scheme"),
        ("unix:/run/tempo.sock", "Unix socket"),
        ("te mpo:4317", "is not an address"),
        ("tempo:4317/v1/traces", "is not an address"),
        ("tempo:99999", "no port"),
    ] {
        let faults = faults(&format!("{{endpoint: '{endpoint}'}}"));
        assert!(faults.len() == 1 && faults[0].starts_with("endpoint: "), "{faults:?}");
        assert!(faults[0].contains(what) && faults[0].contains("tempo:4317"), "{faults:?}");
    }
}

#[test]
fn every_fault_is_found_at_once_with_its_path() {
    let faults = faults(
        "
        endpoint: tempo:4317
        compression: snappy
        timeout: 0s
        headers: {'bad name': x}
        max_lag_bytes: 0
        tls: {ca_file: a, ca_pem: b, cert_file: c}
        sending_queue: {num_consumers: 0, batch: {sizer: requests, max_size: 1}}
        retry_on_failure: {initial_interval: 0s, multiplier: 0.5, randomization_factor: 2}
        ",
    );
    let paths: Vec<_> = faults.iter().map(|fault| fault.split(": ").next().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "tls.ca_pem",
            "tls.cert_file",
            "headers.bad name",
            "compression",
            "timeout",
            "max_lag_bytes",
            "sending_queue.num_consumers",
            "sending_queue.batch.sizer",
            "sending_queue.batch.max_size",
            "retry_on_failure.initial_interval",
            "retry_on_failure.multiplier",
            "retry_on_failure.randomization_factor",
        ]
    );
}

#[test]
fn a_configuration_of_the_collector_is_read_and_keys_without_effect_are_named() {
    let config = read(
        "
        endpoint: tempo:4317
        tls: {insecure: true, min_version: '1.0'}
        compression: none
        headers: {authorization: Bearer abc}
        timeout: 10s
        balancer_name: round_robin
        wait_for_ready: true
        keepalive: {time: 30s, timeout: 5s, permit_without_stream: true}
        sending_queue: {enabled: true, num_consumers: 10, queue_size: 5000, storage: file_storage, block_on_overflow: true}
        retry_on_failure: {enabled: true, initial_interval: 1s, max_interval: 10s, max_elapsed_time: 5m}
        ",
    );
    assert_eq!(config.check(), []);
    let notes: Vec<_> = config.without_effect().into_iter().map(|note| note.path).collect();
    assert_eq!(
        notes,
        ["wait_for_ready", "tls.min_version", "sending_queue.queue_size", "sending_queue.block_on_overflow"]
    );
    assert!(config.sending_queue.wants_durable() && !config.sending_queue.wants_delivered());
    let settings = config.sending_queue.settings(&config.retry_on_failure, 1, None);
    assert_eq!((settings.in_flight_max, settings.retry.elapsed_max), (10, Some(Duration::from_secs(300))));
}

#[test]
fn the_queue_decides_how_a_pipeline_answers_and_how_far_it_may_lag() {
    for (queue, durable, delivered, lag) in [
        ("{}", false, false, 64 << 20),
        ("{storage: file_storage}", true, false, 64 << 20),
        ("{enabled: false}", false, true, 64 << 20),
        ("{wait_for_result: true}", false, true, 64 << 20),
        ("{sizer: bytes, queue_size: 1000000}", false, false, 1_000_000),
        ("{queue_size: 1000}", false, false, 64 << 20),
    ] {
        let queue: SendingQueue = serde_saphyr::from_str(queue).unwrap();
        assert_eq!((queue.wants_durable(), queue.wants_delivered()), (durable, delivered), "{queue:?}");
        assert_eq!(queue.lag_bytes_max(None, false), lag, "{queue:?}");
        // On disk there is room for an outage, also if another key made the pipeline durable.
        let on_disk = if lag == 64 << 20 { 1 << 30 } else { lag };
        assert_eq!(queue.lag_bytes_max(None, true), on_disk, "{queue:?}");
        assert_eq!(queue.lag_bytes_max(Some(ByteSize(7)), true), 7, "max_lag_bytes comes first");
    }
}

#[test]
fn by_default_nothing_is_dropped_by_age() {
    let settings = SendingQueue::default().settings(&RetryOnFailure::default(), 1, None);
    assert_eq!(settings.retry.elapsed_max, None);
}

#[test]
fn secrets_are_not_shown() {
    let config = read("{endpoint: 'a:1', headers: {authorization: hunter2}, tls: {key_pem: hunter2}}");
    assert!(!format!("{config:?}").contains("hunter2"));
    let shown = serde_json::to_string(&config).unwrap();
    assert!(!shown.contains("hunter2") && shown.contains("[REDACTED]"), "{shown}");
    assert_eq!(config.metadata().unwrap().get("authorization").unwrap(), "hunter2");
}

#[test]
fn unknown_keys_are_errors() {
    for yaml in
        ["{endpont: x}", "{tls: {insecur: true}}", "{sending_queue: {size: 1}}", "{retry_on_failure: {x: 1}}"]
    {
        assert!(serde_saphyr::from_str::<Config>(yaml).is_err(), "{yaml}");
    }
}

#[test]
fn a_certificate_that_cannot_be_read_is_named() {
    let config = read("{endpoint: 'a:1', tls: {ca_file: /nowhere/ca.pem}}");
    let error = config.target().unwrap_err().to_string();
    assert!(error.starts_with("tls.ca_file: `/nowhere/ca.pem` cannot be read"), "{error}");
}

#[test]
fn a_batch_processor_shapes_requests_unless_the_queue_says_otherwise() {
    let hints = Some(Hints { timeout: Duration::from_millis(50), items: 100, items_max: Some(200) });
    let shape = |queue: &SendingQueue| queue.settings(&RetryOnFailure::default(), 1, hints).gathering;
    let shaped = shape(&SendingQueue::default());
    assert_eq!((shaped.wait_max, shaped.items_max), (Duration::from_millis(50), 200));
    assert_eq!(shaped.enough, Size::Items(100));
    let queue = SendingQueue { batch: Some(Batch::default()), ..SendingQueue::default() };
    assert_eq!(shape(&queue), queue.settings(&RetryOnFailure::default(), 1, None).gathering);
}
