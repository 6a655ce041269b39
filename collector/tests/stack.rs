//! The promise of `docker-compose.yml`: every path it names is in the repository, every port is one that something
//! opens, the whole stays below 2 GB, nothing runs as root. And of the rules: each alert has a runbook and its cases.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::{
    phasor::Start,
    stack::{self, list, string},
};

#[test]
fn every_path_that_is_mounted_is_in_the_repository() {
    let compose = compose();
    for (name, service) in services(&compose) {
        for volume in list(service, "/volumes") {
            let volume = volume.as_str().expect("volumes are in the short form");
            let source = volume.split(':').next().expect("a source");
            if source.starts_with("./") {
                assert!(stack::root().join(source).exists(), "{name} mounts {source}, which is not there");
                assert!(volume.ends_with(":ro"), "{name} could write to {source}");
            } else if !source.starts_with('/') {
                assert!(
                    compose["volumes"].get(source).is_some(),
                    "{name}: the volume {source} is not declared"
                );
            }
        }
    }
}

#[test]
fn every_file_that_a_command_names_is_mounted_or_temporary() {
    let compose = compose();
    for (name, service) in services(&compose) {
        let mounted: Vec<_> = list(service, "/volumes")
            .iter()
            .filter_map(|volume| volume.as_str()?.split(':').nth(1))
            .chain(list(service, "/tmpfs").iter().filter_map(Value::as_str))
            .collect();
        let words = list(service, "/command").iter().chain(list(service, "/entrypoint"));
        for word in words.filter_map(Value::as_str) {
            let path = word.split_once('=').map_or(word, |(_, value)| value);
            if !path.starts_with('/') || path.starts_with("/bin/") {
                continue;
            }
            let is_there =
                mounted.iter().any(|place| path == *place || path.starts_with(&format!("{place}/")));
            assert!(is_there, "{name}: nothing is mounted at {path}");
        }
    }
}

#[test]
fn every_port_that_is_published_is_one_that_the_service_opens() {
    let compose = compose();
    for (name, service) in services(&compose) {
        for port in list(service, "/ports") {
            let port = port.as_str().expect("ports are in the short form");
            let (address, inside) = port.rsplit_once(':').expect("host:container");
            assert!(address.starts_with("127.0.0.1:"), "{name}: {port} is open to the network");
            assert!(ports(name).contains(inside), "{name} does not listen on {inside}");
        }
    }
    let dockerfile = stack::text("Dockerfile");
    let exposed = dockerfile.lines().find_map(|line| line.strip_prefix("EXPOSE ")).expect("EXPOSE");
    let exposed: BTreeSet<_> = exposed.split(' ').map(str::to_owned).collect();
    assert_eq!(exposed, ports("phasor"), "Dockerfile exposes what the collector opens");
    assert_eq!(
        exposed,
        endpoint_ports("collector/src/config/default.yaml"),
        "and the embedded default opens the same"
    );
}

#[test]
fn every_address_in_the_stack_is_a_service_and_a_port_of_it() {
    let compose = compose();
    let files = [
        "dashboards/phasor/config.yaml",
        "dashboards/prometheus/prometheus.yml",
        "dashboards/grafana/provisioning/datasources/phasor.yaml",
        "docker-compose.yml",
    ];
    let names: BTreeSet<_> = services(&compose).map(|(name, _)| name).collect();
    let mut seen = BTreeSet::new();
    for file in files {
        let text = stack::text(file);
        // Every `service:port` that stands in quotes, after `//`, or after a space.
        for word in text.split(|next: char| next.is_whitespace() || "\"'/[]{},".contains(next)) {
            let Some((host, port)) = word.split_once(':') else { continue };
            if port.is_empty() || !port.chars().all(|digit| digit.is_ascii_digit()) {
                continue;
            }
            if names.contains(host) {
                assert!(ports(host).contains(port), "{file}: {host} does not listen on {port}");
                seen.insert(host.to_owned());
            } else {
                assert!(
                    ["0.0.0.0", "127.0.0.1", "localhost"].contains(&host)
                        || host.chars().all(|digit| digit.is_ascii_digit()),
                    "{file}: no service {host}"
                );
            }
        }
    }
    assert!(seen.len() > 5, "the addresses were not found: {seen:?}");
}

#[test]
fn every_service_is_pinned_limited_watched_and_not_root() {
    let compose = compose();
    let mut megabytes = 0;
    for (name, service) in services(&compose) {
        if service.get("build").is_none() {
            let (_, tag) =
                string(service, "/image").rsplit_once(':').unwrap_or_else(|| panic!("{name}: no tag"));
            assert!(tag.matches('.').count() >= 1 && tag != "latest", "{name}: {tag} is no version");
            assert!(!list(service, "/healthcheck/test").is_empty(), "{name}: no health check");
        }
        let user = string(service, "/user");
        assert!(!user.starts_with("0") && !user.starts_with("root"), "{name} runs as root");
        let limit = string(service, "/mem_limit").strip_suffix('m').expect("megabytes");
        megabytes += limit.parse::<u64>().expect("a number");
        for (variable, value) in service["environment"].as_object().into_iter().flatten() {
            let is_secret = ["PASS", "KEY", "TOKEN", "SECRET"].iter().any(|word| variable.contains(word));
            let value = value.as_str().expect("text");
            assert!(!is_secret || value.starts_with("${"), "{name}: {variable} is a secret in the file");
        }
    }
    assert!(megabytes * 1024 * 1024 < 2_000_000_000, "{megabytes} MiB in sum");
    let dockerfile = stack::text("Dockerfile");
    for instruction in ["USER 10001:10001", "HEALTHCHECK "] {
        assert!(dockerfile.lines().any(|line| line.starts_with(instruction)), "Dockerfile: no {instruction}");
    }
}

#[test]
fn prometheus_keeps_exemplars_and_thirty_days() {
    let compose = compose();
    let prometheus = &compose["services"]["prometheus"];
    let command: Vec<_> = list(prometheus, "/command").iter().filter_map(Value::as_str).collect();
    assert!(command.contains(&"--enable-feature=exemplar-storage"));
    assert!(command.contains(&"--storage.tsdb.retention.time=30d"));
    assert_eq!(prometheus["mem_limit"], "512m");
}

#[tokio::test]
async fn the_memory_budget_fits_the_limit_of_the_container() {
    let phasor = Start::config(stack::collector_config("127.0.0.1:9")).start();
    let budget: u64 =
        phasor.address("memory budget").trim_end_matches("MiB").parse().expect("a number of MiB");
    let limit = compose()["services"]["phasor"]["mem_limit"].as_str().expect("text").to_owned();
    let limit: u64 = limit.trim_end_matches('m').parse().expect("a number of MiB");
    // What the budget does not hold: code, stacks, SQLite, connections.
    assert!(budget + 128 <= limit, "a budget of {budget} MiB within {limit} MiB");
}

#[test]
fn every_variable_of_a_filled_file_is_given_by_the_service_that_reads_it() {
    let compose = compose();
    let filled = [
        ("prometheus", "dashboards/prometheus/prometheus.yml"),
        ("alertmanager", "dashboards/alertmanager/alertmanager.yml"),
    ];
    for (service, file) in filled {
        let given = compose["services"][service]["environment"].as_object().expect("an environment");
        let text = stack::text(file);
        let lines = text.lines().filter(|line| !line.trim_start().starts_with('#'));
        let variables = lines.flat_map(|line| line.split("${").skip(1));
        for variable in variables.map(|rest| rest.split('}').next().expect("a name")) {
            assert!(given.contains_key(variable), "{file}: {service} is not given {variable}");
        }
    }
}

#[test]
fn the_nine_alerts_of_rfc_060_are_there_and_labelled() {
    let alerts = alerts();
    let of_rfc: BTreeMap<_, _> = alerts
        .iter()
        .filter(|(file, _)| file == "rfc-060-alerts.yml")
        .map(|(_, alert)| (stack::rule_name(alert), string(alert, "/labels/severity")))
        .collect();
    let expected = BTreeMap::from([
        ("ValidationSuccessRateLow", "critical"),
        ("MitigationTrustScoreLow", "critical"),
        ("ValidationDurationHigh", "critical"),
        ("ValidationSuccessRateDecreasing", "warning"),
        ("MitigationTrustScoreDecreasing", "warning"),
        ("ValidationDurationIncreasing", "warning"),
        ("NoValidationActivity", "info"),
        ("NoMitigationActivity", "info"),
        ("LowTestGenerationRate", "info"),
    ]);
    assert_eq!(of_rfc, expected);
    for (_, alert) in alerts.iter().filter(|(file, _)| file == "rfc-060-alerts.yml") {
        assert_eq!(alert["labels"]["rfc"], "060", "{}", stack::rule_name(alert));
    }
    for group in list(&stack::yaml("dashboards/prometheus/rules/rfc-060-alerts.yml"), "/groups") {
        assert!(string(group, "/name").starts_with("rfc_060"), "{}", group["name"]);
    }
}

#[test]
fn every_alert_has_a_severity_a_summary_and_a_runbook_section() {
    let runbook = stack::text("dashboards/runbooks.md");
    let sections: BTreeSet<_> = runbook.lines().filter_map(|line| line.strip_prefix("### ")).collect();
    let alerts = alerts();
    let names: BTreeSet<_> = alerts.iter().map(|(_, alert)| stack::rule_name(alert)).collect();
    assert_eq!(sections, names, "the sections of dashboards/runbooks.md are the alerts");
    assert_eq!(names.len(), alerts.len(), "no two alerts share a name");
    for (_, alert) in &alerts {
        let name = stack::rule_name(alert);
        let severity = string(alert, "/labels/severity");
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
        assert!(!string(alert, "/annotations/summary").is_empty(), "{name}");
        assert!(!string(alert, "/annotations/description").is_empty(), "{name}");
        let anchor = format!("dashboards/runbooks.md#{}", name.to_lowercase());
        assert_eq!(string(alert, "/annotations/runbook"), anchor, "{name}");
    }
}

#[test]
fn every_alert_has_a_case_that_fires_and_one_that_is_silent() {
    let mut fires = BTreeSet::new();
    let mut silent = BTreeSet::new();
    for file in stack::files(CASES, ".yml") {
        let cases = stack::yaml(&format!("{CASES}/{file}"));
        for case in list(&cases, "/tests").iter().flat_map(|test| list(test, "/alert_rule_test")) {
            let name = string(case, "/alertname").to_owned();
            let set = if list(case, "/exp_alerts").is_empty() { &mut silent } else { &mut fires };
            set.insert(name);
        }
    }
    for (_, alert) in alerts() {
        let name = stack::rule_name(&alert);
        assert!(fires.contains(name), "{name}: no case in which it fires");
        assert!(silent.contains(name), "{name}: no case in which it is silent");
    }
}

fn compose() -> Value {
    stack::yaml("docker-compose.yml")
}

fn services(compose: &Value) -> impl Iterator<Item = (&str, &Value)> {
    compose["services"].as_object().expect("services").iter().map(|(name, service)| (name.as_str(), service))
}

/// Every alerting rule with the name of its file.
fn alerts() -> Vec<(String, Value)> {
    stack::rules().into_iter().filter(|(_, rule)| rule.get("alert").is_some()).collect()
}

/// The ports that a service opens: the collector's by its configuration, the others' by their documentation.
fn ports(service: &str) -> BTreeSet<String> {
    let known: &[&str] = match service {
        "phasor" => return endpoint_ports("dashboards/phasor/config.yaml"),
        "prometheus" => &["9090"],
        "alertmanager" => &["9093"],
        "tempo" => &["3200", "4317"],
        "grafana" => &["3000"],
        "node-exporter" => &["9100"],
        "blackbox-exporter" => &["9115"],
        "postgres" => &["5432"],
        "postgres-exporter" => &["9187"],
        other => panic!("the ports of {other} are not known here"),
    };
    known.iter().map(|port| (*port).to_owned()).collect()
}

/// The ports of all endpoints that a configuration of the collector opens.
fn endpoint_ports(file: &str) -> BTreeSet<String> {
    let config = stack::yaml(file);
    let mut found = BTreeSet::new();
    let opening = [&config["receivers"], &config["extensions"], &config["exporters"]["prometheus"]];
    opening.into_iter().for_each(|section| endpoints(section, &mut found));
    found
}

fn endpoints(value: &Value, found: &mut BTreeSet<String>) {
    for (key, value) in value.as_object().into_iter().flatten() {
        if key == "endpoint" {
            let (_, port) = value.as_str().expect("text").rsplit_once(':').expect("host:port");
            found.insert(port.to_owned());
        }
        endpoints(value, found);
    }
}

/// Where the cases of the rules are.
const CASES: &str = "dashboards/prometheus/tests";
