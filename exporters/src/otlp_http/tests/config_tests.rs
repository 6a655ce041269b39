//! What users may write, and what is said about the rest.

use super::*;

fn read(yaml: &str) -> Config {
    serde_saphyr::from_str(yaml).unwrap()
}

fn faults(yaml: &str) -> Vec<String> {
    read(yaml).check().iter().map(ToString::to_string).collect()
}

#[test]
fn a_configuration_of_the_collector_is_read_and_keys_without_effect_are_named() {
    let config = read(
        "
        endpoint: https://tempo:4318
        encoding: json
        compression: ''
        tls: {insecure: false, ca_pem: x, reload_interval: 1h}
        headers: {authorization: Bearer abc}
        timeout: 10s
        read_buffer_size: 123
        write_buffer_size: 345
        max_idle_conns: 50
        max_idle_conns_per_host: 10
        max_conns_per_host: 4
        idle_conn_timeout: 30s
        disable_keep_alives: false
        http2_read_idle_timeout: 10s
        http2_ping_timeout: 5s
        force_attempt_http2: true
        cookies: {enabled: true}
        sending_queue: {enabled: true, num_consumers: 2, storage: file_storage}
        retry_on_failure: {enabled: true, initial_interval: 1s, max_interval: 10s, max_elapsed_time: 5m}
        ",
    );
    assert_eq!(config.check(), []);
    let notes: Vec<_> = config.without_effect().into_iter().map(|note| note.path).collect();
    assert_eq!(
        notes,
        ["max_conns_per_host", "force_attempt_http2", "cookies", "read_buffer_size", "write_buffer_size"]
    );
    assert!(config.sending_queue.wants_durable());
    assert_eq!(config.idle_connections_max(), 10);
}

#[test]
fn every_fault_is_found_at_once_with_its_path() {
    let faults = faults(
        "
        endpoint: tempo:4318
        compression: lz4
        headers: {'bad name': x}
        timeout: 0s
        proxy_url: http://proxy:3128
        middlewares: [{id: x}]
        tls: {cert_file: c}
        sending_queue: {num_consumers: 0}
        ",
    );
    let paths: Vec<_> = faults.iter().map(|fault| fault.split(": ").next().unwrap()).collect();
    assert_eq!(
        paths,
        [
            "endpoint",
            "tls.cert_file",
            "headers.bad name",
            "compression",
            "timeout",
            "proxy_url",
            "middlewares",
            "sending_queue.num_consumers",
        ]
    );
    assert!(faults[0].contains("does not begin with http:// or https://"), "{}", faults[0]);
    assert!(
        read("{endpoint: 'http://a', compression_params: {level: 10}}").check()[0].path.ends_with("level")
    );
    let own = read("{endpoint: 'http://a', headers: {Content-Type: x}}").check();
    assert_eq!(own[0].path, "headers.Content-Type");
}

#[test]
fn a_pipeline_whose_signal_has_no_url_is_named_at_the_start() {
    let config = read("{traces_endpoint: 'http://tempo:4318/v1/traces'}");
    assert_eq!(config.check(), []);
    let (id, authenticators) = (ComponentId::new("otlp_http"), Authenticators::default());
    let settings =
        |signal| Settings { id: &id, signal, seed: 1, hints: None, authenticators: &authenticators };
    assert!(config.build(&settings(SignalKind::Traces)).is_ok());
    let error = config.build(&settings(SignalKind::Logs)).unwrap_err();
    assert_eq!(error.path, "logs_endpoint");
    assert_eq!(faults("{}").len(), 1, "no URL at all is a fault that `validate` finds");
}

#[test]
fn secrets_are_not_shown() {
    let config = read("{endpoint: 'http://a:1', headers: {authorization: hunter2}, tls: {key_pem: hunter2}}");
    assert!(!format!("{config:?} {:?}", client(&config)).contains("hunter2"));
    let shown = serde_json::to_string(&config).unwrap();
    assert!(!shown.contains("hunter2") && shown.contains("[REDACTED]"), "{shown}");
}
