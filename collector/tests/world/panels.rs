//! Every query of every panel, variable and rule, asked of a real Prometheus that has scraped the collector for half an
//! hour of compressed time, a node exporter and a blackbox exporter by the stack's own configuration; and the way from a dot on a panel to its trace.

use std::{collections::BTreeSet, path::Path};

use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    metrics::v1::{Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point},
    resource::v1::Resource,
};
use prost::Message;
use serde_json::Value;

use crate::{
    history, impatient_rules,
    servers::{self, Server, filled},
    support::{
        backend::Backend,
        eventually, http,
        phasor::{Phasor, Start},
        sender::{METRICS, Sender, TRACES},
        spans,
        stack::{self, Dashboard, Query, asks_prometheus, list, string},
    },
};

#[tokio::test]
async fn every_query_of_every_panel_returns_data_and_every_dot_leads_to_a_trace() {
    let backend = Backend::start().await;
    let phasor = Start::config(stack::collector_config(&backend.address.to_string())).start();
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (node, blackbox) = (servers::node_exporter().await, servers::blackbox_exporter().await);
    let config = prometheus_config(folder.path(), &phasor, &node, &blackbox).await;
    let prometheus = servers::prometheus(folder.path(), &config).await;

    // What was there before the first scrape, half an hour of it, and what comes while Prometheus looks.
    load(&phasor).await;
    for minute in 0..history::MINUTES {
        history::minute(&phasor, minute).await;
        scraped(&prometheus, 1.0).await;
    }
    load(&phasor).await;
    scraped(&prometheus, 2.0).await;

    // The node exporter answers slowly on a busy machine, and a rate needs two answers.
    eventually("rates of the node exporter", || async {
        has_data(&prometheus, "here", "rate(node_cpu_seconds_total[20s])").await.then_some(())
    })
    .await;

    let mut empty = Vec::new();
    for Query { place, expression } in stack::queries() {
        let has_data = if let Some(inside) = expression.strip_prefix("label_values(") {
            has_label_values(&prometheus, inside).await
        } else if place.contains("annotation") {
            // Grafana asks for the whole of what the dashboard shows.
            had_data(&prometheus, &place, &expression).await
        } else {
            has_data(&prometheus, &place, &expression).await
        };
        let may_be_empty =
            place.contains(".yml, ") || EMPTY.iter().any(|(name, _)| expression.contains(name));
        if !has_data && !may_be_empty {
            empty.push(format!("{place}: no data for {expression}"));
        }
    }
    assert!(empty.is_empty(), "{}", empty.join("\n"));

    let mut dotless = Vec::new();
    for board in stack::dashboards() {
        for (place, expression) in exemplar_queries(&board) {
            if exemplars(&prometheus, &expression).await.is_empty() {
                dotless.push(format!("{place}: no exemplars for {expression}"));
            }
        }
    }
    assert!(dotless.is_empty(), "{}", dotless.join("\n"));

    let rules = get(&prometheus, "/api/v1/rules").await;
    for rule in list(&rules, "/data/groups").iter().flat_map(|group| list(group, "/rules")) {
        assert_eq!(rule["health"], "ok", "{}: {}", rule["name"], rule["lastError"]);
    }

    the_dot_on_the_duration_histogram_leads_to_its_span(&prometheus, &backend).await;
    the_picture_shows_every_panel(&prometheus).await;
}

/// What README's picture is drawn with.
async fn the_picture_shows_every_panel(prometheus: &Server) {
    for board in stack::dashboards() {
        let drawn = crate::run(
            tokio::process::Command::new("python3")
                .arg(stack::root().join("dashboards/picture.py"))
                .arg(format!("http://{}", prometheus.address))
                .arg(stack::root().join(stack::DASHBOARDS).join(&board.file))
                .arg("1"),
        )
        .await;
        assert!(drawn.starts_with("<svg ") && drawn.ends_with("</svg>\n"), "{}: {drawn}", board.file);
        for panel in board.panels() {
            let title = string(panel, "/title");
            assert!(drawn.contains(&format!(">{title}</text>")), "{}: {title} is not drawn", board.file);
        }
    }
}

/// As Grafana does by the provisioned link: from the exemplar's `trace_id` to the trace, and there to its `span_id`.
async fn the_dot_on_the_duration_histogram_leads_to_its_span(prometheus: &Server, backend: &Backend) {
    let board = stack::dashboards().into_iter().find(|board| board.file == "rfc-060-validation-metrics.json");
    let board = board.expect("the dashboard of RFC-060");
    let queries = exemplar_queries(&board);
    let (_, expression) = queries
        .iter()
        .find(|(place, _)| place.contains("Validation duration histogram"))
        .expect("the histogram asks for exemplars");
    let dots = exemplars(prometheus, expression).await;
    assert!(dots.len() > 1, "two validations of each smoke run: {dots:?}");
    for labels in dots {
        let (trace, span) = (string(&labels, "/trace_id"), string(&labels, "/span_id"));
        assert!(!string(&labels, "/task_id").is_empty());
        eventually(&format!("the backend has trace {trace} with span {span}"), || async {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
            let spans = backend.spans();
            let found = spans.iter().find(|it| hex(&it.trace_id) == trace && hex(&it.span_id) == span)?;
            (found.name == "phase validation").then_some(())
        })
        .await;
    }
}

/// The stack's configuration, with the addresses of this test and no patience.
async fn prometheus_config(folder: &Path, phasor: &Phasor, node: &Server, blackbox: &Server) -> String {
    let site = format!("http://{}", phasor.address("health"));
    let variables = [("PHASOR_ENVIRONMENT", "production"), ("UPTIME_URL", site.as_str())];
    let rules = folder.join("rules");
    std::fs::create_dir(&rules).expect("a folder for the rules");
    for file in stack::files(stack::RULES, ".yml") {
        let text = impatient_rules(&format!("{}/{file}", stack::RULES), "1s");
        std::fs::write(rules.join(file), text).expect("the rules are written");
    }
    let mut config = filled("dashboards/prometheus/prometheus.yml", &variables).await;
    let rules = rules.display().to_string();
    let replacements = [
        ("/etc/prometheus/rules", rules.as_str()),
        ("phasor:4021", &phasor.prometheus()),
        ("node-exporter:9100", &node.address),
        ("blackbox-exporter:9115", &blackbox.address),
        ("alertmanager:9093", "127.0.0.1:9"),
        ("tempo:3200", "127.0.0.1:9"),
        ("grafana:3000", "127.0.0.1:9"),
        // No test asks a name server.
        ("dns_sd_configs: [{names: [postgres-exporter], type: A, port: 9187}]", "static_configs: []"),
        ("_interval: 15s", "_interval: 1s"),
        ("_interval: 30s", "_interval: 1s"),
    ];
    for (from, to) in replacements {
        assert!(config.contains(from), "the configuration of Prometheus lacks {from}");
        config = config.replace(from, to);
    }
    config
}

/// A smoke run, a failed and a timed-out phase, spans of a service, and an agent that tells of its process.
async fn load(phasor: &Phasor) {
    let smoke = tokio::process::Command::new(env!("CARGO_BIN_EXE_phasor"))
        .arg("smoke")
        .args(["--url", &format!("http://{}", phasor.api())])
        .args(["--metrics-url", &format!("http://{}/metrics", phasor.prometheus())])
        .args(["--api-key", crate::support::phasor::API_KEY])
        .output()
        .await
        .expect("smoke runs");
    assert!(smoke.status.success(), "{}", String::from_utf8_lossy(&smoke.stdout));
    for (phase, status) in [("validation", "failed"), ("validation", "timeout"), ("mitigation", "failed")] {
        let body = format!(
            r#"{{"phase": "{phase}", "repo": "a/b", "issue_number": 7, "commit_sha": "test123",
                "data": {{"status": "{status}", "language": "ruby", "framework": "rails", "duration_ms": 400000}}}}"#
        );
        let answer = phasor.post("/api/v1/phases/store", &body).await;
        assert_eq!(answer.status, 201, "{}", answer.text());
    }
    let mut sender = Sender::connect(&phasor.grpc()).await;
    sender
        .export(TRACES, spans::encoded("shop", "GET /api/items/{id}", 0, 50))
        .await
        .expect("spans are accepted");
    sender.export(METRICS, agent_metrics()).await.expect("metrics are accepted");
}

fn agent_metrics() -> Vec<u8> {
    let gauge = |name: &str, unit: &str, value: f64| {
        let value = Some(number_data_point::Value::AsDouble(value));
        let data_points = vec![NumberDataPoint {
            value,
            time_unix_nano: 1_700_000_000_000_000_000,
            ..NumberDataPoint::default()
        }];
        Metric {
            name: name.to_owned(),
            unit: unit.to_owned(),
            data: Some(metric::Data::Gauge(Gauge { data_points })),
            ..Metric::default()
        }
    };
    let attributes =
        vec![spans::attribute("service.name", "agent"), spans::attribute("service.instance.id", "1")];
    let metrics = vec![gauge("process.memory.usage", "By", 1e8), gauge("process.uptime", "s", 60.0)];
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            resource: Some(Resource { attributes, ..Resource::default() }),
            scope_metrics: vec![ScopeMetrics { metrics, ..ScopeMetrics::default() }],
            ..ResourceMetrics::default()
        }],
    }
    .encode_to_vec()
}

/// Waits for so many more scrapes.
async fn scraped(prometheus: &Server, more: f64) {
    let before = scrapes(prometheus).await;
    eventually("more scrapes", || async { (scrapes(prometheus).await >= before + more).then_some(()) }).await;
}

/// How often the collector was scraped.
async fn scrapes(prometheus: &Server) -> f64 {
    let found = query(prometheus, "phasor_prometheus_exporter_scrapes_total").await;
    let value = found["data"]["result"][0]["value"][1].as_str().unwrap_or("0").to_owned();
    value.parse().expect("a number")
}

/// Whether an expression has at least one value that is a number. It must parse.
async fn has_data(prometheus: &Server, place: &str, expression: &str) -> bool {
    let answer = query(prometheus, &interpolated(expression)).await;
    assert_eq!(answer["status"], "success", "{place}: {expression}: {}", answer["error"]);
    list(&answer, "/data/result").iter().any(|series| series["value"][1] != "NaN")
}

/// The same for any moment since the start.
async fn had_data(prometheus: &Server, place: &str, expression: &str) -> bool {
    let now = std::time::UNIX_EPOCH.elapsed().expect("a time after 1970").as_secs();
    let path = format!(
        "/api/v1/query_range?query={}&start={}&end={now}&step=1",
        encoded(&interpolated(expression)),
        now - 600
    );
    let answer = get(prometheus, &path).await;
    assert_eq!(answer["status"], "success", "{place}: {expression}: {}", answer["error"]);
    !list(&answer, "/data/result").is_empty()
}

/// Whether Grafana's `label_values(selector, label)` would offer something.
async fn has_label_values(prometheus: &Server, inside: &str) -> bool {
    let (selector, label) = inside.trim_end_matches(')').rsplit_once(',').expect("a selector and a label");
    let matching = encoded(&interpolated(selector));
    let path = format!("/api/v1/label/{}/values?match%5B%5D={matching}", label.trim());
    !list(&get(prometheus, &path).await, "/data").is_empty()
}

/// The place and the expression of every target that asks for exemplars.
fn exemplar_queries(board: &Dashboard) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for panel in board.panels() {
        let asking = |target: &&Value| asks_prometheus(target) && target["exemplar"] == true;
        for target in list(panel, "/targets").iter().filter(asking) {
            let place = format!("{}, panel {}", board.file, panel["title"]);
            found.push((place, interpolated(string(target, "/expr"))));
        }
    }
    found
}

/// The labels of the exemplars that Prometheus has for an expression, each once.
async fn exemplars(prometheus: &Server, expression: &str) -> Vec<Value> {
    let range = "start=2020-01-01T00:00:00Z&end=2099-01-01T00:00:00Z";
    let answer =
        get(prometheus, &format!("/api/v1/query_exemplars?{range}&query={}", encoded(expression))).await;
    assert_eq!(answer["status"], "success", "{expression}: {answer}");
    let all = list(&answer, "/data").iter().flat_map(|series| list(series, "/exemplars"));
    let unique: BTreeSet<_> = all.map(|exemplar| exemplar["labels"].to_string()).collect();
    unique.iter().map(|labels| serde_json::from_str(labels).expect("JSON as it was")).collect()
}

/// Grafana's variables as it would put them in, with everything chosen.
fn interpolated(expression: &str) -> String {
    let values = [
        ("$__rate_interval", "20s"),
        ("$__interval", "20s"),
        ("$__range_s", "60"),
        ("$__range", "60s"),
        ("$__tags", "service_name=\"phasor-phase-store\""),
        ("$environment", ".*"),
        ("$service", ".*"),
        ("$operation", "task"),
    ];
    values.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value))
}

async fn query(prometheus: &Server, expression: &str) -> Value {
    get(prometheus, &format!("/api/v1/query?query={}", encoded(expression))).await
}

async fn get(prometheus: &Server, path: &str) -> Value {
    http::get(&format!("http://{}{path}", prometheus.address), &[]).await.json()
}

/// Percent-encoded, every byte but letters and digits.
fn encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// What has no data here, and why. Queries of rules are only parsed, because most alerts are silent here.
const EMPTY: [(&str, &str); 1] = [("pg_", "no PostgreSQL runs beside this test")];
