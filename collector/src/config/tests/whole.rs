//! Whole configurations that are right.

use super::{names::Class, *};

/// Loads, writes and loads again.
fn check_round_trip(yaml: &str) -> Loaded {
    let loaded = read(yaml).unwrap_or_else(|diagnostics| panic!("{diagnostics}"));
    let written = loaded.config.to_yaml();
    let again = read(&written).unwrap_or_else(|diagnostics| panic!("{diagnostics}\n{written}"));
    assert_eq!(format!("{:#?}", again.config), format!("{:#?}", loaded.config));
    assert_eq!(again.config.to_yaml(), written);
    loaded
}

fn modes(yaml: &str) -> Vec<String> {
    let modes = check_round_trip(yaml).config.service.modes;
    modes.into_iter().map(|(id, mode)| format!("{id} {}", answer_mode::name(mode))).collect()
}

#[test]
fn what_is_printed_reads_back_the_same() {
    check_round_trip(&with("", ""));
    check_round_trip(
        "
receivers:
  otlp/a b: {protocols: {grpc: {endpoint: \"[::1]:0\", max_recv_msg_size_mib: \"${env:X}\"}, http: }}
exporters:
  debug/x: {verbosity: detailed}
  otlp:
    endpoint: https://example.com:4317
    timeout: 1.5s
    sending_queue: {storage: file_storage, batch: {flush_timeout: 1h30m}}
    retry_on_failure: {multiplier: 2.5, max_elapsed_time: 0}
extensions:
  file_storage: {directory: /tmp/a b}
  health_check: {endpoint: \":13133\", path: /ok, response_body: {healthy: 'yes', unhealthy: \"no\\n\"}}
service:
  extensions: [file_storage, health_check]
  telemetry: {logs: {encoding: json}}
  pipelines:
    traces: {receivers: [otlp/a b], exporters: [debug/x, otlp]}
    logs/x.y: {receivers: [otlp/a b], exporters: [debug/x]}
",
    );
}

#[test]
fn the_embedded_default_is_right_and_durable() {
    let loaded = check_round_trip(DEFAULT);
    assert_eq!(loaded.warnings.0, []);
    let modes: Vec<_> = loaded.config.service.modes.values().collect();
    assert_eq!(modes, [&Mode::Durable; 3]);
    let default = load_with(&[], &|_| None).unwrap();
    assert_eq!(default.config.to_yaml(), loaded.config.to_yaml());
    assert_eq!(default.sources, ["embedded default"]);
}

#[test]
fn the_modes_follow_queues_and_storage() {
    let queue = |queue: &str, extensions: &str| {
        modes(&format!(
            "
receivers: {{otlp: {{protocols: {{grpc: }}}}}}
exporters: {{debug: , otlp: {{endpoint: 'a:1', sending_queue: {{{queue}}}}}}}
extensions: {{file_storage: }}
service:
  extensions: [{extensions}]
  pipelines:
    traces: {{receivers: [otlp], exporters: [otlp, debug]}}
    logs: {{receivers: [otlp], exporters: [debug]}}
"
        ))
    };
    assert_eq!(queue("", ""), ["traces memory", "logs memory"]);
    assert_eq!(queue("", "file_storage"), ["traces durable", "logs durable"]);
    assert_eq!(queue("storage: file_storage", "file_storage"), ["traces durable", "logs memory"]);
    assert_eq!(queue("enabled: false", ""), ["traces delivered", "logs memory"]);
    assert_eq!(queue("wait_for_result: true", ""), ["traces delivered", "logs memory"]);
}

#[test]
fn aliases_are_one_component_with_its_canonical_name() {
    let yaml = with("exporters", "  debug:\n  otlp/tempo:\n    endpoint: a:1\n");
    let loaded = read(&yaml.replace("[debug]", "[debug, otlp_grpc/tempo]")).unwrap();
    let id = ComponentId::named("otlp_grpc", "tempo");
    assert!(loaded.config.exporters.contains_key(&id));
    assert_eq!(loaded.config.service.graph.pipelines()[0].exporters[1], id);
    assert_eq!(loaded.warnings.0, []);
}

#[test]
fn the_list_of_components_and_the_code_agree() {
    let known = |class: Class| {
        let here = |component: &&names::Component| {
            component.class == class && component.stability != names::Stability::Planned
        };
        let mut names: Vec<_> =
            names::COMPONENTS.iter().filter(here).map(|component| component.name).collect();
        names.sort_unstable();
        names
    };
    let sorted = |kinds: &[&'static str]| {
        let mut kinds = kinds.to_vec();
        kinds.sort_unstable();
        kinds
    };
    assert_eq!(known(Class::Receiver), sorted(receivers::KINDS));
    assert_eq!(known(Class::Processor), sorted(processors::KINDS));
    assert_eq!(known(Class::Connector), sorted(connectors::KINDS));
    assert_eq!(known(Class::Exporter), sorted(exporters::KINDS));
    assert_eq!(known(Class::Extension), sorted(extensions::KINDS));
}
